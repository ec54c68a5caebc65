<?php
// SPDX-License-Identifier: Apache-2.0
class Trouble
{
	public static function page(Throwable $e): string
	{
		return '<h1>Trouble</h1><p>' . htmlspecialchars($e->getMessage()) . "</p>\n";
	}
}

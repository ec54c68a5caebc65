<?php // SPDX-License-Identifier: Apache-2.0 ?>
<!doctype html>
<title>Guest book</title>
<h1>Guest book</h1>
<p>Visit <?= $_SESSION['visits'] ?></p>
<ul>
<?php foreach ($entries as $e): ?>
<li><b><?= htmlspecialchars($e['name']) ?></b> <?= htmlspecialchars($e['text']) ?></li>
<?php endforeach ?>
</ul>

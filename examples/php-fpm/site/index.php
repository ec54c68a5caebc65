<?php
// SPDX-License-Identifier: Apache-2.0
// A guest book: routes, a database, sessions, templates, other languages.
declare(strict_types=1);
require __DIR__ . '/lib/Book.php';

set_exception_handler(function (Throwable $e) {
	http_response_code(500);
	require __DIR__ . '/lib/Trouble.php';
	echo Trouble::page($e);
});

$book = new Book('/srv/data/book.sqlite');
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

switch ($_SERVER['REQUEST_METHOD'] . ' ' . $path) {
case 'GET /':
	session_start();
	$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
	$entries = $book->entries();
	require __DIR__ . '/views/list.php';
	break;
case 'POST /':
	$book->add($_POST['name'] ?? '', $_POST['text'] ?? '');
	http_response_code(303);
	header('Location: /');
	break;
case 'GET /entries.json':
	header('Content-Type: application/json');
	echo json_encode($book->entries(), JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
	break;
case 'GET /entries.xml':
	header('Content-Type: application/xml');
	echo $book->xml();
	break;
case 'GET /time':
	$zone = new DateTimeZone($_GET['zone'] ?? 'UTC');
	echo (new DateTime('2024-07-01 12:00 UTC'))->setTimezone($zone)->format('c');
	break;
case 'GET /money':
	echo (new NumberFormatter($_GET['locale'] ?? 'en_US', NumberFormatter::CURRENCY))->formatCurrency(1234.5, 'EUR');
	break;
default:
	http_response_code(404);
	echo "nothing here\n";
}

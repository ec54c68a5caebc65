<?php
// SPDX-License-Identifier: Apache-2.0
class Book
{
	private PDO $db;

	public function __construct(string $path)
	{
		$this->db = new PDO("sqlite:$path", null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
		$this->db->exec('create table if not exists entry (id integer primary key, name text, text text)');
	}

	public function add(string $name, string $text): void
	{
		$name = mb_strimwidth(trim($name), 0, 20, '…', 'UTF-8');
		if ($name === '')
			throw new InvalidArgumentException('a name is needed');
		$this->db->prepare('insert into entry (name, text) values (?, ?)')->execute([$name, $text]);
	}

	public function entries(): array
	{
		return $this->db->query('select id, name, text from entry order by id')->fetchAll(PDO::FETCH_ASSOC);
	}

	public function xml(): string
	{
		$x = new DOMDocument('1.0', 'UTF-8');
		$root = $x->appendChild($x->createElement('book'));
		foreach ($this->entries() as $e) {
			$one = $root->appendChild($x->createElement('entry'));
			$one->setAttribute('id', (string)$e['id']);
			$one->appendChild($x->createTextNode($e['name'] . ': ' . $e['text']));
		}
		return $x->saveXML();
	}
}

// SPDX-License-Identifier: Apache-2.0
'use strict';
const fs = require('fs');

const file = process.env.NOTES || '/data/notes.json';
let notes = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : [];

exports.all = (q) => notes.filter((n) => !q || n.text.toLowerCase().includes(String(q).toLowerCase()));
exports.one = (id) => notes.find((n) => n.id === id);
exports.add = ({ text } = {}) => {
	if (typeof text !== 'string' || !text)
		throw Object.assign(new Error('a text is needed'), { status: 422 });
	const note = { id: notes.length + 1, text };
	notes = [...notes, note];
	fs.writeFileSync(`${file}.new`, JSON.stringify(notes));
	fs.renameSync(`${file}.new`, file);
	return note;
};

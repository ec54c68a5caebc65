// SPDX-License-Identifier: Apache-2.0
'use strict';
const path = require('path');
const express = require('express');
const store = require('./lib/store');

const app = express();
app.disable('x-powered-by');
app.use(express.json({ limit: '64kb' }));
app.use(express.urlencoded({ extended: true }));
app.use(express.static(path.join(__dirname, 'public')));

app.get('/health', (req, res) => res.send('ok'));

app.route('/notes')
	.get((req, res) => res.json(store.all(req.query.q)))
	.post((req, res) => res.status(201).json(store.add(req.body)));

app.get('/notes/:id', (req, res, next) => {
	const note = store.one(Number(req.params.id));
	if (!note)
		return next();
	res.format({
		text: () => res.send(note.text),
		html: () => res.send(`<p>${note.text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`)}</p>`),
		json: () => res.json(note),
	});
});

app.get('/when', (req, res) => {
	const zone = req.query.zone || 'UTC';
	res.send(new Intl.DateTimeFormat(req.query.locale || 'en', { dateStyle: 'full', timeStyle: 'short', timeZone: zone })
		.format(new Date(Date.UTC(2024, 6, 1, 12))));
});

// Nobody's everyday page: what it needs is loaded when it is asked for.
app.get('/digest', async (req, res) => {
	const digest = require('./lib/digest');
	res.type('text').send(await digest(store.all()));
});

app.get('/download', (req, res) => res.download(path.join(__dirname, 'public', 'index.html'), 'page.html'));

app.use((req, res) => res.status(404).send('nothing here\n'));
app.use((err, req, res, next) => {
	res.status(err.status || 500).json({ error: err.message });
});

const server = app.listen(process.env.PORT || 3000, '0.0.0.0', () => console.log('ready'));
for (const signal of ['SIGTERM', 'SIGINT']) {
	process.on(signal, () => {
		server.close(() => process.exit(0));
		server.closeAllConnections();
	});
}

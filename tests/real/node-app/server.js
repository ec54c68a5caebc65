// SPDX-License-Identifier: Apache-2.0
'use strict';
const express = require('express');

const app = express();
let count = 0;

app.get('/', (request, response) => {
	count += 1;
	response.json({ count, user: process.getuid() });
});
app.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));

// SPDX-License-Identifier: Apache-2.0
'use strict';
const { createHash } = require('crypto');
const { promisify } = require('util');
const gzip = promisify(require('zlib').gzip);

module.exports = async (notes) => createHash('sha256').update(await gzip(JSON.stringify(notes))).digest('hex') + '\n';

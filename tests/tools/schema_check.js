// SPDX-License-Identifier: Apache-2.0
// schema_check.js SCHEMA DOCUMENT [OTHER-SCHEMA…]: does the JSON document fit the schema? Says where it does not; exit code 1.
// Wants ajv and ajv-formats in NODE_PATH (fetch_tools.sh ajv).
'use strict';
const fs = require('fs');
const [schema, document, ...others] = process.argv.slice(2).map((f) => JSON.parse(fs.readFileSync(f, 'utf8')));
const Ajv = require(/2020-12/.test(schema.$schema) ? 'ajv/dist/2020' : 'ajv');
const ajv = new Ajv({ allErrors: true, strict: false });
require('ajv-formats')(ajv);
for (const o of others)
	ajv.addSchema(o);
const check = ajv.compile(schema);
if (!check(document)) {
	for (const e of check.errors.slice(0, 20))
		console.log(`${e.instancePath || '/'}: ${e.message} ${JSON.stringify(e.params)}`);
	process.exit(1);
}

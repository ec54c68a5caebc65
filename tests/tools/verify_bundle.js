// SPDX-License-Identifier: Apache-2.0
// verify_bundle.js PUBLIC-KEY BUNDLE - verifies a signature bundle with the sigstore project's own library, without a network, and
// prints its statement. NODE_PATH says where the library is (fetch_tools.sh sigstore).
const crypto = require('crypto');
const fs = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');

const key = crypto.createPublicKey(fs.readFileSync(process.argv[2]));
const hint = crypto.createHash('sha256').update(key.export({ type: 'spki', format: 'der' })).digest('base64');
const root = TrustedRoot.fromJSON({
	mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
	tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [],
});
const find = (wanted) => {
	if (wanted !== hint)
		throw new Error(`the bundle wants the key ${wanted}`);
	return { publicKey: key, validFor: () => true };
};
const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(process.argv[3], 'utf8')));
const verifier = new Verifier(toTrustMaterial(root, find), { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });

verifier.verify(toSignedEntity(bundle));
process.stdout.write(bundle.content.dsseEnvelope.payload.toString('utf8') + '\n');

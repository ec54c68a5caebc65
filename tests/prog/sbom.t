#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The bill of materials of an image with packages of dpkg, Python and Node.js: it fits the SPDX schema, says the same
# each time, and lists just what another scanner lists.
. "$(dirname "$0")/lib.sh"
schemas=${WH_SHARED:-$SRC/../shared}/sbom-schemas
lists=$SRC/tests/tools/package_lists.py
base=$(test_base debian) || exit 1

# file PATH: makes it from standard input.
file() {
	mkdir -p "$(dirname "$1")"
	cat >"$1"
}

# ---- an image ----

site=tree/opt/app/lib/python3.11/site-packages
file $site/Made_Up.Thing-1.2.dist-info/METADATA <<END
Metadata-Version: 2.1
Name: Made_Up.Thing
Version: 1.2+local
License: MIT
Author: Jane Doe
Author-email: jane@example.org

Name: not-this-one
END
file $site/Made_Up.Thing-1.2.dist-info/RECORD <<<'made_up/__init__.py,,'
file $site/made_up/__init__.py <<<'x = 1'
file $site/older-0.9.egg-info <<END
Metadata-Version: 1.0
Name: older
Version: 0.9
License: UNKNOWN
END
file $site/egg.egg-info/PKG-INFO <<END
Metadata-Version: 1.0
Name: egg
Version: 3
END
modules=tree/srv/app/node_modules
file tree/srv/app/package.json <<<'{"name":"shop","version":"0.1.0","private":true}'
file $modules/@scope/thing/package.json <<<'{"name":"@scope/thing","version":"1.0.0-rc.1","license":"ISC"}'
file $modules/@scope/thing/esm/package.json <<<'{"type":"module"}'
file $modules/@scope/thing/test/broken/package.json <<<'{"name":'
file $modules/JSONStream/package.json <<<'{"name":"JSONStream","version":"1.3.5","author":{"name":"D"}}'
# python3-six and node-inherits bring metadata of their own: they are Debian's packages, and listed once.
cat >Dockerfile <<END
FROM base
RUN apt-get update && apt-get install -y --no-install-recommends python3-six node-inherits && rm -rf /var/lib/apt/lists
COPY tree /
END
run timeout 900 "$WHITTLE" build --root "$T/store" --build-context "base=oci-layout://$base" -t shop:1 \
	-o "type=oci,dest=$T/out,tar=false,compression=gzip" .
is "$status" 0 'an image'
[ "$status" = 0 ] || show "$all"

blob() {
	echo "out/blobs/sha256/${1#sha256:}"
}
manifest=$(jq -r '.manifests[0].digest' out/index.json)
config=$(jq -r .config.digest "$(blob "$manifest")")

# ---- the document ----

run "$WHITTLE" sbom --root "$T/store" oci:out:1
is "$status" 0 'the SBOM of an image in a layout'
printf '%s\n' "$out" >shop.json
run "$WHITTLE" sbom --root "$T/store2" --output again.json oci-layout://out
ok 'with another store, into a file: the same bytes' cmp again.json shop.json
# What is no regular file of its own, a device say, is written to: to replace it would take it away.
: >elsewhere.json && ln -s elsewhere.json link.json
run "$WHITTLE" sbom --root "$T/store2" --output link.json oci-layout://out
ok 'a link is not replaced' test -L link.json
ok '… and what it leads to is written' cmp elsewhere.json shop.json
python3 "$lists" spdx shop.json >ours || fail 'its package URLs are those of the packages'
run "$WHITTLE" sbom --root "$T/store" shop:1
printf '%s\n' "$out" >stored.json
is "$(python3 "$lists" spdx stored.json)" "$(cat ours)" 'of the image in the store: the same packages'
is "$(jq -r '.packages[0].checksums[0].checksumValue' shop.json)" "${manifest#sha256:}" 'it names the manifest'
is "$(jq -r .creationInfo.created shop.json)" "$(jq -r .created "$(blob "$config")" | sed 's/\.[0-9]*Z$/Z/')" \
	"its time is the image's"
is "$(grep -v ^deb ours)" 'npm @scope/thing 1.0.0-rc.1 -
npm JSONStream 1.3.5 -
npm shop 0.1.0 -
pypi egg 3 -
pypi made-up.thing 1.2+local -
pypi older 0.9 -' 'packages of Python and Node.js, each once'
like "$(cat ours)" '^deb python3-six [0-9.]+-[0-9]+ all$' "one of Debian's"

# The records as dpkg reads them, from the last layer that has them.
dpkg_says() {
	local layer

	mkdir root
	for layer in $(jq -r '.layers[].digest' "$(blob "$manifest")"); do
		tar -xzf "$(blob "$layer")" -C root --no-same-owner --wildcards '*var/lib/dpkg/status' '*var/lib/dpkg/info/format' 2>/dev/null
	done
	# shellcheck disable=SC2016
	dpkg-query --admindir root/var/lib/dpkg -W -f='deb ${Package} ${Version} ${Architecture}\n' | LC_ALL=C sort
}
is "$(grep ^deb ours)" "$(dpkg_says)" 'dpkg itself lists the same'

like "$(jq -r '.packages[] | select(.name == "Made_Up.Thing") | .licenseDeclared + " " + .supplier' shop.json)" \
	'^MIT Person: Jane Doe \(jane@example.org\)$' 'licence and supplier'
is "$(jq -r '.packages[] | select(.supplier == null or .versionInfo == null) | .name' shop.json)" '' \
	'every package has supplier and version'
is "$(jq -r '[.packages[].SPDXID] | length - (unique | length)' shop.json)" 0 'ids are unique'
is "$(jq -r '([.relationships[] | .spdxElementId, .relatedSpdxElement] | unique)
	- ([.packages[].SPDXID] + ["SPDXRef-DOCUMENT"]) | length' shop.json)" 0 'relationships are between what is there'
dependencies=$(jq -r '([.packages[] | {(.SPDXID): .name}] | add) as $name | .relationships[] |
	select(.relationshipType == "DEPENDS_ON") | $name[.spdxElementId] + " " + $name[.relatedSpdxElement]' shop.json)
like "$dependencies" '^python3-six python3$' 'a dependency'
like "$dependencies" '^base-files mawk$' 'one on what another package provides'

# ---- others' opinions ----

if [ ! -d "$schemas" ]; then
	echo "# no schemas at $schemas"
elif node_modules=$("$SRC/tests/tools/fetch_tools.sh" ajv); then
	fits() {
		NODE_PATH=$node_modules node "$SRC/tests/tools/schema_check.js" "$schemas/spdx-2.3.schema.json" "$1"
	}
	ok 'it fits the schema of SPDX 2.3' fits shop.json
	jq 'del(.packages[3].downloadLocation)' shop.json >bad.json
	nok 'the check sees what does not' fits bad.json
else
	fail 'a schema validator can be had'
fi

if [ "$(uname -m)" != x86_64 ]; then
	echo '# no other scanner for this machine'
elif trivy=$("$SRC/tests/tools/fetch_tools.sh" trivy); then
	theirs() {
		timeout 300 "$trivy" --cache-dir "$T/cache" --quiet image --input "$1" --format json --list-all-pkgs \
			--scanners license >theirs.json && python3 "$lists" trivy theirs.json >theirs
	}
	ok 'another scanner reads the image' theirs out
	ok "and lists exactly the same $(wc -l <ours) packages" diff ours theirs
	mkdir -p lone/tree/var/lib/dpkg/status.d lone/tree/etc
	printf 'ID=debian\nVERSION_ID="12"\n' >lone/tree/etc/os-release
	printf 'Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n' >lone/tree/var/lib/dpkg/status.d/tzdata
	printf 'Package: libssl3\nSource: openssl\nVersion: 1:3.0-1\nArchitecture: amd64\n' >lone/tree/var/lib/dpkg/status.d/libssl3
	printf '%032d  usr/lib/x\n' 0 >lone/tree/var/lib/dpkg/status.d/libssl3.md5sums
	printf 'FROM scratch\nCOPY tree /\n' >lone/Dockerfile
	run "$WHITTLE" build --root "$T/store" -t lone:1 -o "type=oci,dest=$T/lone.d,tar=false" lone
	run "$WHITTLE" sbom --root "$T/store" oci:lone.d
	printf '%s\n' "$out" >lone.json
	python3 "$lists" spdx lone.json >ours
	theirs lone.d
	is "$(cat ours)" "$(printf 'deb libssl3 1:3.0-1 amd64\ndeb tzdata 2024a-0 all')" 'records of an image without dpkg'
	ok 'the other scanner lists the same' diff ours theirs
	# What was begun and not finished is there: in every state of dpkg's but the two that mean gone.
	rm -rf lone/tree/var/lib/dpkg lone.d
	mkdir lone/tree/var/lib/dpkg
	n=0
	while read -r state; do
		n=$((n + 1))
		printf 'Package: p%d\n%sVersion: 1-%d\nArchitecture: amd64\n\n' "$n" "${state:+Status: $state
}" "$n"
	done >lone/tree/var/lib/dpkg/status <<-'END'
		install ok installed
		hold ok installed
		install ok unpacked
		install ok half-configured
		install reinstreq half-installed
		install ok triggers-awaited
		install ok triggers-pending
		deinstall ok config-files
		purge ok not-installed

	END
	run "$WHITTLE" build --root "$T/store" -t lone:2 -o "type=oci,dest=$T/lone.d,tar=false" lone
	run "$WHITTLE" sbom --root "$T/store" oci:lone.d
	printf '%s\n' "$out" >lone.json
	python3 "$lists" spdx lone.json >ours
	theirs lone.d
	is "$(cut -d' ' -f2 ours | xargs)" 'p1 p10 p2 p3 p4 p5 p6 p7' 'packages in every state'
	ok 'the other scanner lists the same ones' diff ours theirs
else
	fail 'another scanner can be had'
fi

# ---- misuse ----

run "$WHITTLE" sbom --root "$T/store" nothing:1
is "$status" 1 'no such image'
like "$err" '^error: image nothing:1: it is not in the store$' 'one line'
run "$WHITTLE" sbom --root "$T/store" oci:/nowhere
is "$status" 1 'no such layout'
run "$WHITTLE" sbom --root "$T/store" oci-layout://out@sha256:1
is "$status" 2 'no such digest'
run "$WHITTLE" sbom --format cyclonedx shop:1
is "$status" 2 'no such format'
run "$WHITTLE" sbom
is "$status" 2 'no image at all'

# ---- a hostile record ----

file bad/tree/var/lib/dpkg/status <<END
Package: ../../evil
Status: install ok installed
Version: 1
END
printf 'FROM scratch\nCOPY tree /\n' >bad/Dockerfile
run "$WHITTLE" build --root "$T/store" -t bad:1 bad
run "$WHITTLE" sbom --root "$T/store" bad:1
is "$status" 1 'a record that is none'
like "$err" 'package database: /var/lib/dpkg/status: the record that ends in line 3 has no valid package name$' 'it is named'

# ---- an ordinary user ----

if is_root; then
	cp -R out "$UT/out"
	chown -R "$TEST_USER:" "$UT/out"
	cd "$UT" || exit 1
	run as_user "$WHITTLE" sbom --root "$UT/store" oci:out:1
	is "$out" "$(cat "$T/shop.json")" 'an ordinary user gets the same bytes'
	run as_user env HOME="$UT" "$WHITTLE" sbom oci:out:1
	is "$out" "$(cat "$T/shop.json")" 'with the store that is his own'
	run as_user env HOME="$UT" "$WHITTLE" scan oci:out:1
	is "$status" 0 'a scan, too'
	cd "$T" || exit 1
fi
done_testing

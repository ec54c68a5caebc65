#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job on real applications: nginx, redis and a Python service are profiled, pruned, proven and signed; what comes out is
# small, works elsewhere, and is the same for every builder.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/run-lib.sh"
. "$SRC/tests/prog/scan-lib.sh"
. "$SRC/tests/tools/registry.sh"

is_root || skip_all 'needs root, to be two users and to run containers'
debian=$(test_base debian) || skip_all 'no Debian base'
export HOME=$T
export COSIGN_PASSWORD=secret
# Two builds of one tree at different times: the clock must not tell.
export SOURCE_DATE_EPOCH=1700000000
TREE=$SRC/tests/tools/imgtree.py
common=(--build-context "debian=oci-layout://$debian")
cp -r "$SRC/examples" "$UT/examples"
chown -R "$TEST_USER:" "$UT/examples"
find "$SRC/examples" "$UT/examples" -exec touch -h -d @1600000000 {} + 2>/dev/null

schemas=${WH_SHARED:-$SRC/../shared}/sbom-schemas
cosign=$("$SRC/tests/tools/fetch_tools.sh" cosign) || { echo 'Bail out! no cosign'; exit 1; }
trivy=$("$SRC/tests/tools/fetch_tools.sh" trivy) || { echo 'Bail out! no other scanner'; exit 1; }
node_modules=$("$SRC/tests/tools/fetch_tools.sh" ajv) || { echo 'Bail out! no schema validator'; exit 1; }
registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
on_exit "server_stop $REGISTRY_PID"

run "$WHITTLE" keygen --output-key-prefix "$T/release"
is "$status" 0 'a key'
[ "$status" = 0 ] || show "$err"

run "$WHITTLE" keygen --output-key-prefix "$T/other"
is "$status" 0 'another key'

blob() {
	echo "$1/blobs/sha256/${2#sha256:}"
}

manifest_of() {
	jq -r '[.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "latest")][0].digest' "$1/index.json"
}

# predicate LAYOUT TYPE: as any reader of OCI finds it.
predicate() {
	local digest

	for digest in $(jq -r '.manifests[].digest' "$1/index.json"); do
		jq -r '.layers[]?.digest' "$(blob "$1" "$digest")" | while read -r layer; do
			jq -r '.dsseEnvelope.payload // empty' "$(blob "$1" "$layer")" 2>/dev/null | base64 -d 2>/dev/null |
				jq -e "select(.predicateType | test(\"$2\")?) | .predicate" 2>/dev/null
		done
	done | jq -s '.[0]'
}

# build DESC DIR WORD…: the words before the options
build() {
	local desc=$1 dir=$2

	shift 2
	run "$@" -o "type=oci,dest=$dir,tar=false"
	is "$status" 0 "$desc"
	[ "$status" = 0 ] || { show "$err"; return 1; }
}

# hardened NAME PERCENT URL ERE [FILE…]: builds examples/NAME and looks at what came out. FILEs must be in it.
hardened() {
	local name=$1 percent=$2 url=$3 want=$4 digest config file
	shift 4

	build "$name: built, pruned and signed as root" "$name" "$WHITTLE" build --root "$T/s1" "${common[@]}" -t "$name" \
		--sign-key release.key "$SRC/examples/$name" || return
	like "$out" "^  bytes " "$name: says bytes before and after"
	like "$out" '^  shells +[1-9][0-9]* +0 ' "$name: says that no shell is left"
	like "$out" '^  findings +not assessed +not assessed ' "$name: findings are not assessed without a database"
	unlike "$out" '^  repaired' "$name: nothing had to be repaired"
	predicate "$name" hardening-verdict >verdict.json
	is "$(jq ".sizes.after.bytes * 100 <= .sizes.before.bytes * $percent" verdict.json)" true \
		"$name: at most $percent % of the bytes ($(jq -c '[.sizes.before.bytes, .sizes.after.bytes]' verdict.json))"
	is "$(jq -c '[.shellPresent, .sizes.after.setid, .tests.failed]' verdict.json)" '[false,0,0]' \
		"$name: the verdict: no shell, no set-id file, no failed test"

	python3 "$TREE" "oci:$name:latest" >tree.txt
	unlike "$(cat tree.txt)" '^/?(usr/)?bin/(sh|bash|dash|rbash) ' "$name: no shell in the layers"
	nok "$name: no set-id file in the layers" grep -qE "^[^ ]+ f [2-7][0-7]{3} " tree.txt
	for file; do
		like "$(cat tree.txt)" "^/?$file " "$name: $file is there"
	done
	is "$(jq '.layers | length' "$(blob "$name" "$(manifest_of "$name")")")" 1 "$name: one layer"

	build "$name: built as an ordinary user" "$UT/$name" as_user env SOURCE_DATE_EPOCH=1700000000 "$WHITTLE" build \
		--root "$UT/s1" "${common[@]}" -t "$name" "$UT/examples/$name" || return
	is "$(manifest_of "$UT/$name")" "$(manifest_of "$name")" "$name: the same digest"

	run "$WHITTLE" build --root "$T/s1" "${common[@]}" -t "$name" "$SRC/examples/$name"
	unlike "$err" '^#[0-9]+ [0-9]+\.[0-9]{3} ' "$name: the second build runs nothing"

	run "$WHITTLE" verify "oci:$name:latest" --key release.pub
	is "$status" 0 "$name: verified"
	[ "$status" = 0 ] || show "$err"

	scanned "$name"
	pushed "$name"

	# runc's tools in Debian 12 want gzip.
	run "$WHITTLE" build --root "$T/s1" "${common[@]}" -t "$name" "$SRC/examples/$name" \
		-o "type=oci,dest=$T/$name-gzip,tar=false,compression=gzip"
	is "$status" 0 "$name: once more with gzip"
	config=$(jq -r .config.digest "$(blob "$name-gzip" "$(manifest_of "$name-gzip")")")
	cp "$(blob "$name-gzip" "$config")" "config-$name.json"
	elsewhere "$name" "$name-gzip" "$url" "$want"
}

# pushed NAME: built once more from the cache, straight into a registry; verified there by us and by cosign
pushed() {
	local name=$1 ref=$REGISTRY/test/$1:1 type

	run "$WHITTLE" build --root "$T/s1" "${common[@]}" -t "$ref" --push --sign-key release.key "$SRC/examples/$name"
	is "$status" 0 "$name: pushed"
	[ "$status" = 0 ] || { show "$err"; return; }
	run "$WHITTLE" verify --root "$T/s-verify" "$ref" --key release.pub
	is "$status" 0 "$name: verified in the registry"
	[ "$status" = 0 ] || show "$err"
	run timeout 60 "$cosign" verify --insecure-ignore-tlog=true --allow-http-registry --key release.pub "$ref"
	is "$status" 0 "$name: cosign verifies the signature"
	run timeout 60 "$cosign" verify --insecure-ignore-tlog=true --allow-http-registry --key other.pub "$ref"
	isnt "$status" 0 "$name: cosign refuses another key"
	for type in https://spdx.dev/Document https://whittle.dev/hardening-verdict/v1; do
		run timeout 60 "$cosign" verify-attestation --insecure-ignore-tlog=true --allow-http-registry --key release.pub \
			--type "$type" "$ref"
		is "$status" 0 "$name: cosign verifies the statement $type"
	done
}

# scanned NAME: our SBOM of the pruned image against its schema, and against what another scanner lists
scanned() {
	local name=$1

	run "$WHITTLE" sbom --root "$T/s1" "oci:$name:latest"
	printf '%s\n' "$out" >"$name.spdx.json"
	if [ -d "$schemas" ]; then
		NODE_PATH=$node_modules node "$SRC/tests/tools/schema_check.js" "$schemas/spdx-2.3.schema.json" "$name.spdx.json" \
			>schema.log 2>&1
		is $? 0 "$name: the SBOM fits the schema of SPDX 2.3"
		run "$WHITTLE" sbom --before --root "$T/s1" "oci:$name:latest"
		printf '%s\n' "$out" >"$name.before.json"
		NODE_PATH=$node_modules node "$SRC/tests/tools/schema_check.js" "$schemas/spdx-2.3.schema.json" "$name.before.json" \
			>schema.log 2>&1
		is $? 0 "$name: the one of before, too"
		is "$(jq '[.packages[] | select(.externalRefs)] | length' "$name.before.json")" \
			"$(jq .sizes.before.packages verdict.json)" "$name: with as many packages as the verdict says"
	fi
	same_packages "$name" "$name" "$T/s1"
}

# elsewhere NAME LAYOUT URL ERE: umoci unpacks it, runc runs it
elsewhere() {
	local name=$1 layout=$2 url=$3 want=$4 id=whittle-harden-$$-$1 pid

	ok "$name: umoci unpacks it" umoci unpack --image "$layout:latest" "bundle-$name"
	# docker makes a volume a copy of the image's directory; umoci makes it an empty one of root's.
	jq '.process.terminal = false | .mounts |= map(select(.destination != "/data"))' "bundle-$name/config.json" >c.json && mv c.json "bundle-$name/config.json"
	on_exit "runc delete -f $id >/dev/null 2>&1"
	runc run -d --bundle "bundle-$name" "$id" </dev/null >"$name.log" 2>&1
	is $? 0 "$name: runc starts it"
	pid=$(runc state "$id" | jq .pid)
	like "$(fetch "$pid" "$url" || cat "$name.log")" "$want" "$name: it answers"
	runc kill "$id" "$(jq -r '.config.StopSignal // "TERM"' "config-$name.json")"
	ok "$name: it stops at its stop signal" timeout 10 tail --pid "$pid" -f /dev/null
}

hardened nginx 15 http://127.0.0.1:8080/ '<h1>It is served</h1>' usr/sbin/nginx srv/site/index.html etc/os-release var/lib/dpkg/status
# redis answers to a line; curl shows what came.
hardened redis 15 telnet://127.0.0.1:6379 'PONG' usr/bin/redis-cli data
hardened python-service 30 http://127.0.0.1:8000/primes/1000000 '"primes": 78498' usr/share/zoneinfo/Asia/Kolkata app/templates/page.html

# ---- explain ----

run "$WHITTLE" explain oci:nginx:latest /usr/sbin/nginx
is "$status" 0 'explain: a path that stayed'
like "$out" 'kept.*observed' 'explain: by which rule'
run "$WHITTLE" pull --root "$T/s-pulled" "$REGISTRY/test/nginx:1"
run "$WHITTLE" explain --root "$T/s-pulled" "$REGISTRY/test/nginx:1" /srv/site/index.html
like "$out" '^    read.* test "' 'explain: of an image from a registry, as its report came along'
run "$WHITTLE" explain oci:nginx:latest /usr/bin/apt
is "$status" 0 'explain: a path that went'
like "$out" 'removed' 'explain: says so'
run "$WHITTLE" explain oci:nginx:latest /no/such/thing
like "$out$err" 'never|not in' 'explain: a path that never was'

# ---- what went, kept and put back ----

digest=$(manifest_of nginx)
run "$WHITTLE" build --root "$T/s1" "${common[@]}" -q --keep-removed --sign-key release.key -t nginx:kept -o type=oci,dest=nginx-kept,tar=false "$SRC/examples/nginx"
is "$status" 0 'nginx: built again, keeping what went'
is "$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "kept") | .digest' nginx-kept/index.json)" "$digest" \
	'nginx: the image is the same'
is "$(jq -r '[.manifests[] | select(.artifactType == "application/vnd.whittle.removed.v1")] | length' nginx-kept/index.json)" 1 'nginx: it is attached'
run "$WHITTLE" verify oci:nginx-kept --key release.pub --require verdict
is "$status" 0 'nginx: verified with it'
like "$out" '^removed part as it was signed' 'nginx: that, too'
run "$WHITTLE" restore --root "$T/s1" nginx:kept /bin/sh -t nginx:sh
is "$status" 0 'nginx: a shell is put back'
[ "$status" = 0 ] || show "$err"
run "$WHITTLE" run --root "$T/s1" --entrypoint sh nginx:sh -c 'nginx -t && echo fine'
like "$out" '^fine$' 'nginx: it works beside the application'

# ---- what leaves the build holds to its schema ----

fits hardening-verdict-1 verdict.json 'the verdict fits its schema'
predicate nginx prune-report >report.json
fits prune-report-1 report.json 'the prune report fits its schema'

done_testing

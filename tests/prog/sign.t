#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Keys, signatures and what they prove; read and written by cosign and by the sigstore project's own verifier, too.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
cosign=$("$SRC/tests/tools/fetch_tools.sh" cosign) || { echo "Bail out! no cosign"; exit 1; }
NODE_PATH=$("$SRC/tests/tools/fetch_tools.sh" sigstore) || { echo "Bail out! no sigstore verifier"; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'
export NODE_PATH HOME=$T/home COSIGN_PASSWORD=secret TMPDIR=$T/tmp
unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR
mkdir "$HOME" "$TMPDIR" && chmod 1777 "$TMPDIR"
type=https://example.org/claim/v1

verify() { run "$WHITTLE" verify "$@"; }
sign() { run "$WHITTLE" sign "$@"; }
descendants() {
	local child

	for child in $(pgrep -P "$1"); do
		echo "$child"
		descendants "$child"
	done
}
refused() { # DESC ERE: exit code 3, and why
	is "$status" 3 "$1: exit code 3"
	like "$err" "^error: .*$2" "$1: says why"
	is "$out" '' "$1: proves nothing"
}

# ---- keys ----

run "$WHITTLE" keygen --output-key-prefix ours
is "$status" 0 'keygen'
is "$(stat -c '%a %n' ours.key ours.pub | paste -sd' ')" '600 ours.key 644 ours.pub' 'makes two files'
like "$(cat ours.key)" '^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----$' 'the private one is encrypted'
before=$(cat ours.key ours.pub)
run "$WHITTLE" keygen --output-key-prefix ours
is "$status" 2 'keygen again: exit code 2'
like "$err" '^error: ours.key is there already$' 'keygen again: says why'
rm ours.key
run "$WHITTLE" keygen --output-key-prefix ours
is "$status" 2 'keygen with the public key there: exit code 2'
nok 'keygen with the public key there: no private key is left behind' test -e ours.key
echo "${before%%-----BEGIN PUBLIC*}" >ours.key && chmod 600 ours.key
run "$WHITTLE" keygen --output-key-prefix other
run "$WHITTLE" keygen --output-key-prefix other --force
is "$status" 0 'keygen --force'
run env -u COSIGN_PASSWORD setsid -w "$WHITTLE" keygen --output-key-prefix nothing
is "$status" 2 'keygen without password and terminal: exit code 2'
nok 'keygen without password and terminal: no file' test -e nothing.key
(cd "$T" && "$cosign" generate-key-pair >/dev/null 2>&1) || fail 'cosign makes a key'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain.key 2>/dev/null
openssl pkey -in plain.key -pubout -out plain.pub

# ---- a layout ----

mkdir ctx
printf 'FROM base\nRUN echo hello >/hello\nLABEL of=test\n' >ctx/Dockerfile
echo '{"answer":42}' >claim.json
"$WHITTLE" build -q --root "$T/store" --build-context base="oci-layout://$base" -t registry.example/shop:1.4 \
	-o type=oci,dest=unsigned,tar=false ctx >/dev/null 2>build.log || { cat build.log; echo 'Bail out! no image'; exit 1; }
cp -r unsigned lay
verify oci:lay:1.4 --key ours.pub
refused 'an unsigned image' 'is not signed by this key$'
sign oci:lay:1.4 --key ours.key --attest "$type=claim.json"
is "$status" 0 'sign a layout'
manifest=$(jq -r '.manifests[0].digest' lay/index.json)
like "$out" "^signed +$manifest\$" 'says the digest'
like "$out" '^as +registry.example/shop$' 'and the name'
is "$(jq -c '.manifests[0]' lay/index.json)" "$(jq -c '.manifests[0]' unsigned/index.json)" 'the image'\''s own entry is as it was'
is "$(jq -r '.manifests[] | .annotations."org.opencontainers.image.ref.name" // .artifactType' lay/index.json | sed 's/sha256-[0-9a-f]*/H/; s/.*bundle.*/bundle/' | paste -sd' ')" \
	'1.4 bundle bundle H.att H.sig' 'what is attached stands behind it'
verify oci:lay:1.4 --key ours.pub
is "$status" 0 'verify it'
like "$out" "^verified +$manifest\$" 'the digest'
like "$out" '^signature +bundle and older form' 'both forms'
like "$out" "^statement +$type\$" 'the statement'
like "$out" '^hashed +[0-9]+ blobs, [0-9]+ bytes$' 'what was hashed'
verify "oci-layout://$T/lay" --key ours.pub --format json
is "$status $(jq -c '[.verified, .digest, .signature, [.statements[] | .predicateType, .forms]]' <<<"$out")" \
	"0 [true,\"$manifest\",{\"bundle\":true,\"legacy\":true,\"references\":[\"registry.example/shop\"]},[\"$type\",[\"bundle\",\"legacy\"]]]" \
	'the same as JSON'
printf '%s\n' "$out" >verification.json
fits verification-1 verification.json 'and it fits its schema'
is "$(ls "$TMPDIR")" '' 'nothing is left behind'
verify oci:lay:1.4 --key other.pub
refused 'another key' 'is not signed by this key$'
verify oci:lay:1.5 --key ours.pub
refused 'another tag' 'no image has the tag "1.5"$'
verify oci:nowhere --key ours.pub
refused 'no layout' 'nowhere: No such file'
for bad in ours.key none.pub claim.json /dev/null; do
	verify oci:lay:1.4 --key "$bad"
	is "$status $out" '2 ' "$bad as key: exit code 2"
done
verify oci:lay:1.4
is "$status" 2 'no key: exit code 2'
verify --key ours.pub
is "$status" 2 'no image: exit code 2'
COSIGN_PASSWORD=wrong sign oci:lay:1.4 --key ours.key
is "$status" 2 'a wrong password: exit code 2'
like "$err" '^error: ours.key: wrong password$' 'a wrong password: says so'
sign oci:lay:1.4 --key ours.pub
is "$status" 2 'a public key does not sign'
sign oci:lay:1.4 --key ours.key --attest nonsense
is "$status" 2 '--attest without a file: exit code 2'
sign oci:lay:1.4 --key ours.key --attest spdx=ctx/Dockerfile
is "$status" 2 '--attest with what is no JSON: exit code 2'
for bad in --reference=$'a\xff' --attest=$'urn:\xff=claim.json'; do
	sign oci:lay:1.4 --key ours.key "$bad"
	is "$status" 2 "${bad%%=*} with what is no UTF-8: exit code 2"
	like "$err" "^error: ${bad%%=*} .*: it is not UTF-8\$" "${bad%%=*} with what is no UTF-8: says so"
done
if is_root; then
	cp -r lay "$UT/lay" && cp ours.pub "$UT" && chmod -R a+rX "$UT"
	run as_user env TMPDIR="$UT" "$WHITTLE" verify "oci:$UT/lay:1.4" --key "$UT/ours.pub"
	is "$status" 0 'an ordinary user verifies'
	is "$(find "$UT" -maxdepth 1 -name 'whittle-verify*')" '' 'and leaves nothing behind'
fi

# Signing once more replaces; another image beside it stays, signed or not.
n=$(jq '.manifests | length' lay/index.json)
sign oci:lay:1.4 --key ours.key --attest "$type=claim.json"
is "$status $(jq '.manifests | length' lay/index.json)" "0 $n" 'signing again replaces what was there'
verify oci:lay:1.4 --key ours.pub
is "$status" 0 'and is verified'
"$WHITTLE" build -q --root "$T/store" --build-context base="oci-layout://$base" -t registry.example/second:2 --label second=yes \
	-o type=oci,dest=lay,tar=false ctx >/dev/null 2>&1
verify oci:lay:1.4 --key ours.pub
is "$status" 0 'another image in the same layout: the first is verified'
verify oci:lay:2 --key ours.pub
refused 'another image in the same layout' 'is not signed by this key$'

# A key of cosign's, a plain one.
for key in cosign plain; do
	rm -rf "lay-$key" && cp -r unsigned "lay-$key"
	sign "oci:lay-$key" --key "$key.key"
	verify "oci:lay-$key" --key "$key.pub"
	is "$status" 0 "a key of $key"
done

# ---- the password ----

cat >terminal.py <<'EOF'
"""terminal.py ANSWER CMD... - runs CMD on a terminal of its own; ANSWER, or ^C for "^C", follows each question for a password.
Prints how often it was asked, the exit code (or -SIGNAL) and whether the terminal echoes in the end."""
import os, pty, signal, sys, termios
main, side = pty.openpty()
pid = os.fork()
if pid == 0:
    os.close(main)
    os.login_tty(side)
    os.execvp(sys.argv[2], sys.argv[2:])
seen, asked, answer = b"", 0, b"\x03" if sys.argv[1] == "^C" else sys.argv[1].encode() + b"\n"
watch = os.fork()
if watch == 0:  # side is open here, so that the terminal outlives the command
    while True:
        seen += os.read(main, 4096)
        if b"@end@" in seen:
            os.write(2, seen)
            os._exit(min(asked, 100))
        if seen.count(b"Password for") + seen.count(b"The same again") > asked:
            asked += 1
            os.write(main, answer)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
echo = bool(termios.tcgetattr(side)[3] & termios.ECHO)
os.write(side, b"@end@")
asked = os.waitstatus_to_exitcode(os.waitpid(watch, 0)[1])
print(asked, status, "echo" if echo else "silent")
EOF
on_terminal() {
	run env -u COSIGN_PASSWORD timeout 120 python3 terminal.py "$@"
}
printf 'FROM scratch\nCOPY Dockerfile /\n' >ctx/Dockerfile.small
asks=("$WHITTLE" build -q --root "$T/store" -f ctx/Dockerfile.small -t registry.example/asks:1 --sign-key ours.key)
two=(-o type=oci,dest=asks.d,tar=false,compression=gzip -o type=oci,dest=asks.zst,tar=false,compression=zstd)
on_terminal secret "${asks[@]}" "${two[@]}" ctx
is "$out" '1 0 echo' 'a build that signs several manifests asks once'
[ "$out" = '1 0 echo' ] || show "$err"
verify oci:asks.zst --key ours.pub
is "$status" 0 'and has signed'
on_terminal wrong "${asks[@]}" ctx
is "$out" '1 2 echo' 'a wrong password: exit code 2'
on_terminal ^C "${asks[@]}" ctx
like "$out" '^1 .* echo$' 'a build: ^C at the question leaves a terminal that echoes'
unlike "$out" '^1 0 ' 'and no success'
on_terminal ^C "$WHITTLE" keygen --output-key-prefix never
is "$out" '1 -2 echo' 'keygen: ^C at the question leaves a terminal that echoes'
nok 'and no key' test -e never.key

# Who has the password in its environment, of the processes of a build? Only the shell that started it may.
mkdir waits && printf 'FROM base\nRUN while :; do sleep 1; done\n' >waits/Dockerfile
"$WHITTLE" build --root "$T/store" --build-context base="oci-layout://$base" --sign-key ours.key waits >waits.log 2>&1 &
builder=$!
inner=
until ! kill -0 "$builder" 2>/dev/null || { inner=$(pgrep -P "$builder" | head -n 1) && [ "$inner" ] && pgrep -P "$inner" >/dev/null; }; do sleep 0.1; done
like "$inner" '^[0-9]+$' 'a build that is under way'
like "$(tr '\0' '\n' <"/proc/$inner/environ")" '^HOME=' 'its inner process has an environment'
for pid in $builder $(descendants "$builder"); do
	nok "process $(cat "/proc/$pid/comm"): no password in its environment" grep -q secret "/proc/$pid/environ"
done
kill -TERM "$builder"
wait "$builder"

# ---- every byte counts ----

rm -rf small && cp -r unsigned small
sign oci:small:1.4 --key ours.key --attest "$type=claim.json"
ok 'one byte changed, anywhere: exit code 3' python3 "$SRC/tests/tools/flip_bytes.py" small 3 "$WHITTLE" verify oci:small:1.4 --key ours.pub
verify oci:small:1.4 --key ours.pub
is "$status" 0 'undisturbed: 0'
cp -r small renamed && sed -i 's|registry.example/shop:1.4|registry.example/shot:1.4|' renamed/index.json
verify oci:renamed:1.4 --key ours.pub
refused 'another name for it' 'registry.example/shot:1.4, but it is signed as registry.example/shop$'
verify oci:renamed:1.4 --key ours.pub --signed-as registry.example/shop
is "$status" 0 'another name for it, and --signed-as'
verify oci:small:1.4 --key ours.pub --signed-as registry.example/shot
refused '--signed-as a name that it was not signed as' 'signed as registry.example/shop, not as registry.example/shot$'
# The same where only the bundle is left, where the name is in the other annotation, and where it is one of two.
name=org.opencontainers.image.ref.name
cp -r renamed bundles && jq -c --arg n $name '.manifests |= map(select((.annotations[$n] // "") | test("[.](sig|att)$") | not))' \
	renamed/index.json >bundles/index.json
verify oci:bundles:1.4 --key ours.pub
refused 'another name, bundles only' 'registry.example/shot:1.4, but it is signed as registry.example/shop$'
cp -r small refname && jq -c --arg n $name '.manifests[0].annotations = {($n): "registry.example/shot:9"}' small/index.json >refname/index.json
verify oci:refname --key ours.pub
refused 'another name, as reference' 'registry.example/shot:9, but it is signed as registry.example/shop$'
cp -r small second && jq -c --arg n $name '.manifests[0].annotations as $a |
	.manifests |= [.[0] | .annotations[$n] = "9" | .annotations."io.containerd.image.name" = "registry.example/shot:9"] + .' \
	small/index.json >second/index.json
verify oci:second:9 --key ours.pub
refused 'a second name for it' 'registry.example/shot:9, but it is signed as registry.example/shop$'
verify oci:second:1.4 --key ours.pub
refused 'a second name beside its own' 'registry.example/shot:9, but it is signed as registry.example/shop$'
cp -r small nameless && jq -c 'del(.manifests[0].annotations)' small/index.json >nameless/index.json
verify oci:nameless --key ours.pub
is "$status" 0 'no name at all'
like "$out" '^signed as +registry.example/shop$' 'no name at all: it says as what it is signed'
like "$out" '^from +layout nameless$' 'and where it was found'
# What was taken away is missed where it is asked for.
verify oci:small:1.4 --key ours.pub --require "$type" --require verdict
refused 'a verdict that is not there' 'no statement of the type that --require verdict asks for$'
verify oci:small:1.4 --key ours.pub --require "$type"
is "$status" 0 'a statement that is required and there'
like "$out" '^no statement +spdx, verdict, report$' 'the usual ones that are not there'
is "$("$WHITTLE" verify oci:small:1.4 --key ours.pub --format json | jq -c '[.missing, .from, .otherPlatformsUnchecked]')" \
	'[["spdx","verdict","report"],{"kind":"layout","name":"small"},0]' 'the same as JSON'
verify oci:small:1.4 --key ours.pub --require verdcit
is "$status" 2 'a type that nobody knows: exit code 2'
# An index: one of its images was proved.
cp -r small nested && python3 - nested <<'EOF'
import hashlib, json, os, sys
top = json.load(open(sys.argv[1] + "/index.json"))
def put(o):
    data = json.dumps(o).encode()
    d = hashlib.sha256(data).hexdigest()
    open(f"{sys.argv[1]}/blobs/sha256/{d}", "wb").write(data)
    return {"digest": "sha256:" + d, "size": len(data)}
image = top["manifests"][0]
read = lambda d: json.load(open(f"{sys.argv[1]}/blobs/sha256/" + d["digest"][7:]))
manifest = read(image)
config = read(manifest["config"])
config["architecture"] = "riscv64"
manifest["config"].update(put(config))
names = image.pop("annotations")
other = {"mediaType": image["mediaType"], "platform": {"os": "linux", "architecture": "riscv64"}, **put(manifest)}
kind = "application/vnd.oci.image.index.v1+json"
index = {"schemaVersion": 2, "mediaType": kind, "manifests": [image, other]}
top["manifests"][0] = {"mediaType": kind, "annotations": names, **put(index)}
json.dump(top, open(sys.argv[1] + "/index.json", "w"))
EOF
verify oci:nested:1.4 --key ours.pub
is "$status" 0 'an index'
[ "$status" = 0 ] || show "$err"
like "$out" '^platform +linux/[a-z0-9/]+; the index has 1 more, which were not checked$' 'an index: which platform was proved, and that others were not'
sed -i 's|registry.example/shop:1.4|registry.example/shot:1.4|' nested/index.json
verify oci:nested:1.4 --key ours.pub
refused 'an index under another name' 'registry.example/shot:1.4, but it is signed as registry.example/shop$'
cp -r small stray && echo '[]' >stray/manifest.json
verify oci:stray:1.4 --key ours.pub
refused 'a file that is no part of a layout' 'manifest.json is no part of an image layout'
cp -r small cut && for f in cut/blobs/sha256/*; do [ "$(stat -c %s "$f")" -lt 100000 ] || truncate -s -1 "$f"; done
verify oci:cut:1.4 --key ours.pub
refused 'a layer that is cut' 'damaged'
# The bundle of the image's own signature is taken away, and the older form: what is left is well signed, and is no signature.
cp -r small less
jq -c '.manifests |= map(select((.annotations."dev.sigstore.bundle.predicateType" // "") != "https://sigstore.dev/cosign/sign/v1" and
	((.annotations."org.opencontainers.image.ref.name" // "") | endswith(".sig") | not)))' small/index.json >less/index.json
verify oci:less:1.4 --key ours.pub
refused 'statements without a signature' 'signed statements about the image, but not the image$'

# ---- statements of our own ----

rm -rf own && cp -r unsigned own
"$WHITTLE" sbom oci:own:1.4 >sbom.json || fail 'an SBOM'
sign oci:own:1.4 --key ours.key --attest spdx=sbom.json
verify oci:own:1.4 --key ours.pub
is "$status" 0 'an SBOM that is right'
jq '.packages += [{"name": "ghost", "SPDXID": "SPDXRef-ghost", "versionInfo": "1", "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER",
	"referenceType": "purl", "referenceLocator": "pkg:deb/debian/ghost@1"}]}]' sbom.json >ghost.json
sign oci:own:1.4 --key ours.key --attest spdx=ghost.json
verify oci:own:1.4 --key ours.pub
refused 'an SBOM with a package that is not there' 'SBOM: it lists pkg:deb/debian/ghost@1'

# A verdict of our own making, about an image that was never pruned: it is proved as far as it can be, and shown as it is.
mkdir tiny && printf 'FROM scratch\nCOPY Dockerfile /\n' >tiny/Dockerfile
"$WHITTLE" build -q --root "$T/store" -t registry.example/tiny:1 -o type=oci,dest=tiny.d,tar=false tiny >/dev/null 2>&1
config=$(jq -r .config.digest "tiny.d/blobs/sha256/$(jq -r '.manifests[0].digest' tiny.d/index.json | cut -d: -f2)")
figures=$(jq -nc --argjson n "$(stat -c %s tiny/Dockerfile)" \
	'{bytes: $n, files: 1, symlinks: 0, directories: 0, executables: 0, packages: 0, setid: 0, shells: 0, layers: 1}')
none='{"critical":0,"high":0,"medium":0,"low":0,"negligible":0,"unknown":0,"total":0}'
jq -nc --argjson f "$figures" --argjson z "$none" --arg c "sha256:$(jq -cSj .config "tiny.d/blobs/sha256/${config#sha256:}" | sha256sum | cut -d' ' -f1)" \
	'{schema: 1, assessed: true, before: $z, after: $z, packagesUnassessed: {before: 9, after: 7}, sizes: {after: $f}, shellPresent: false,
	setid: 0, configDigest: $c}' >verdict.json
sign oci:tiny.d --key ours.key --attest https://whittle.dev/hardening-verdict/v1=verdict.json
verify oci:tiny.d --key ours.pub
is "$status" 0 'a verdict that is right'
[ "$status" = 0 ] || show "$err"
like "$out" '^executables +[0-9]+$' 'figures stand apart from their names'
like "$out" '^findings +0 before \(0 critical, 0 high\), 0 after \(0 critical, 0 high\); 7 packages not assessed$' \
	'what nobody looked up is said beside the figures'

# ---- the store ----

sign registry.example/shop:1.4 --root store --key ours.key --attest "$type=claim.json"
is "$status" 0 'sign an image of the store'
verify registry.example/shop:1.4 --root store --key ours.pub
is "$status" 0 'verify it there'
like "$out" "^from +store $T/store\$|^from +store store\$" 'it says that it was found there'
sign registry.example/shop:1.4 --root store --key ours.key --reference registry.example/mirror --attest "$type=claim.json"
verify registry.example/shop:1.4 --root store --key ours.pub
is "$status" 0 'signed under a second name: the first is still verified'
is "$(grep '^signed as' <<<"$out" | sed 's/.* //' | xargs)" 'registry.example/mirror registry.example/shop' 'signed under both'
"$WHITTLE" build -q --root "$T/store" --build-context base="oci-layout://$base" -t registry.example/later:1 ctx >/dev/null 2>&1
verify registry.example/later:1 --root store --key ours.pub
refused 'a name in the store that was never signed' 'asked for as registry.example/later:1, but it is signed as registry.example/mirror$'
"$WHITTLE" build -q --root "$T/store" --build-context base="oci-layout://$base" -t registry.example/later:1 -t registry.example/last:1 \
	--sign-key ours.key ctx >/dev/null 2>&1
for n in later:1 last:1 shop:1.4; do
	verify "registry.example/$n" --root store --key ours.pub
	is "$status" 0 "a build under two names, signed: $n is verified"
done
layer=$(jq -r '.layers[-1].digest' "store/blobs/sha256/${manifest#sha256:}")
cp "store/blobs/sha256/${layer#sha256:}" kept.layer
printf X | dd of="store/blobs/sha256/${layer#sha256:}" bs=1 seek=20 conv=notrunc 2>/dev/null
verify registry.example/shop:1.4 --root store --key ours.pub
refused 'a layer of the store that is damaged' 'damaged|digest'
cat kept.layer >"store/blobs/sha256/${layer#sha256:}"
verify registry.example/second:2 --root store --key ours.pub
refused 'an unsigned image of the store' 'is not signed by this key$'

# ---- a registry, and other verifiers ----

registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
on_exit 'server_stop "$REGISTRY_PID"'
echo '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[],"certificateAuthorities":[],"ctlogs":[],"timestampAuthorities":[]}' >root.json
image=$REGISTRY/team/shop
"$WHITTLE" build -q --root "$T/store" --build-context base="oci-layout://$base" -t "$image:1" ctx >/dev/null 2>&1
sign "$image:1" --root store --key ours.key --attest "$type=claim.json"
run "$WHITTLE" push --root store "$image:1"
is "$status" 0 'push'
cosign_verify() { # KIND ARG…
	run timeout 60 "$cosign" "$1" --insecure-ignore-tlog=true --allow-http-registry "${@:2}"
}
bundles=(--new-bundle-format --trusted-root root.json)
cosign_verify verify --key ours.pub "$image:1"
is "$status" 0 'cosign verifies the image'
is "$(jq -r '.[0].critical.image."docker-manifest-digest"' <<<"$out")" "$manifest" 'this image'
cosign_verify verify --key other.pub "$image:1"
isnt "$status" 0 'but not with another key'
cosign_verify verify-attestation --key ours.pub --type "$type" "$image:1"
is "$status" 0 'cosign verifies the statement'
is "$(jq -r .payload <<<"$out" | base64 -d | jq -c '[.predicate, .subject[0].digest.sha256]')" "[{\"answer\":42},\"${manifest#sha256:}\"]" 'and reads it'
cosign_verify verify-attestation --key ours.pub --type https://example.org/none/v1 "$image:1"
isnt "$status" 0 'there is none of another type'
cosign_verify verify-attestation --key ours.pub --type "$type" "${bundles[@]}" "$image:1"
is "$status" 0 'cosign verifies the statement'\''s bundle'
cosign_verify verify-attestation --key ours.pub --type https://sigstore.dev/cosign/sign/v1 "${bundles[@]}" "$image:1"
is "$status" 0 'cosign verifies the image'\''s bundle'
cosign_verify verify-attestation --key other.pub --type "$type" "${bundles[@]}" "$image:1"
isnt "$status" 0 'but not with another key'
n=0
for blob in small/blobs/sha256/*; do
	grep -q '^{"dsseEnvelope"' "$blob" || continue
	n=$((n + 1))
	run node "$SRC/tests/tools/verify_bundle.js" ours.pub "$blob"
	is "$status $(jq -r '.subject[0].digest.sha256' <<<"$out")" "0 ${manifest#sha256:}" 'the sigstore verifier verifies a bundle'
	run node "$SRC/tests/tools/verify_bundle.js" other.pub "$blob"
	isnt "$status" 0 'but not with another key'
	sed 's/"payload":"eyJf/"payload":"eyJg/' "$blob" >changed.json
	nok 'the bundle was changed' cmp -s "$blob" changed.json
	run node "$SRC/tests/tools/verify_bundle.js" ours.pub changed.json
	isnt "$status" 0 'nor with a changed byte'
done
is "$n" 2 'two bundles were looked at'
verify "docker://$image:1" --root fresh --key ours.pub
is "$status" 0 'whittle verifies it in the registry'
like "$out" '^signature +bundle and older form' 'in both forms'
like "$out" "^from +registry $image:1\$" 'from the registry'
run skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --preserve-digests "docker://$image:1" "docker://$REGISTRY/team/pay:1"
for kind in sig att; do
	run skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --preserve-digests \
		"docker://$image:sha256-${manifest#sha256:}.$kind" "docker://$REGISTRY/team/pay:sha256-${manifest#sha256:}.$kind"
done
verify "docker://$REGISTRY/team/pay:1" --root fresh --key ours.pub
refused 'an image and its signatures in another repository' "asked for as $REGISTRY/team/pay:1, but it is signed as "
verify "docker://$REGISTRY/team/pay:1" --root fresh --key ours.pub --signed-as "$image"
is "$status" 0 'a mirror, and --signed-as'
verify "docker://$image:1" --root fresh --key other.pub
refused 'another key, in the registry' 'is not signed by this key$'
verify "docker://$image:none" --root fresh --key ours.pub
isnt "$status" 0 'a tag that the registry has not'

# What is signed about one image is moved to another.
"$WHITTLE" build -q --root "$T/store" --build-context base="oci-layout://$base" -t "$image:2" --label second=yes ctx >/dev/null 2>&1
run "$WHITTLE" push --root store "$image:2"
second=sha256:$(registry_get "$REGISTRY" /v2/team/shop/manifests/2 | sha256sum | cut -d' ' -f1)
for kind in sig att; do
	registry_get "$REGISTRY" "/v2/team/shop/manifests/sha256-${manifest#sha256:}.$kind" >moved.json
	curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @moved.json \
		"http://$REGISTRY/v2/team/shop/manifests/sha256-${second#sha256:}.$kind" || fail "move the .$kind"
done
cosign_verify verify --key ours.pub "$image:2"
isnt "$status" 0 'cosign: the signature of another image'
cosign_verify verify-attestation --key ours.pub --type "$type" "$image:2"
isnt "$status" 0 'cosign: the statement about another image'
verify "docker://$image:2" --root fresh --key ours.pub
refused 'signature and statement of another image' 'another image$'
# One letter of the signature itself, in the registry.
registry_get "$REGISTRY" "/v2/team/shop/manifests/sha256-${manifest#sha256:}.sig" | python3 -c 'import re, sys
print(re.sub(r"(cosign/signature\":\".{20})(.)", lambda m: m[1] + ("A" if m[2] != "A" else "B"), sys.stdin.read()), end="")' >moved.json
curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @moved.json \
	"http://$REGISTRY/v2/team/shop/manifests/sha256-${manifest#sha256:}.sig" || fail 'change the .sig'
cosign_verify verify --key ours.pub "$image:1"
isnt "$status" 0 'cosign: a changed byte'
verify "docker://$image:1" --root fresh2 --key ours.pub
like "$status $out" '0 |^signature +bundle; there is none' 'the older form is not taken for proof'

# What cosign signs, with its key and with ours.
cosign_signs() {
	timeout 60 "$cosign" "$1" --tlog-upload=false --allow-http-registry -y "${@:2}" >/dev/null 2>&1
}
for key in cosign ours; do
	theirs=$REGISTRY/$key/shop
	skopeo copy -q --dest-tls-verify=false oci:unsigned:1.4 "docker://$theirs:1" || fail 'copy the image'
	ok "cosign signs with the key of $key" cosign_signs sign --key "$key.key" "$theirs@$manifest"
	ok "cosign attests with the key of $key" cosign_signs attest --key "$key.key" --type "$type" --predicate claim.json "$theirs@$manifest"
	ok "cosign attests with the key of $key, as a bundle" cosign_signs attest --key "$key.key" --new-bundle-format \
		--type https://example.org/other/v1 --predicate claim.json "$theirs@$manifest"
	verify "docker://$theirs:1" --root "theirs-$key" --key "$key.pub" --format json
	is "$status $(jq -c '[.signature.legacy, .signature.bundle, [.statements[] | .predicateType, .forms[]]]' <<<"$out")" \
		"0 [true,false,[\"https://example.org/other/v1\",\"bundle\",\"$type\",\"legacy\"]]" "whittle verifies what cosign signed with the key of $key"
	verify "docker://$theirs:1" --root "theirs-$key" --key other.pub
	refused "what cosign signed with the key of $key, with another" 'is not signed by this key$'
done

done_testing

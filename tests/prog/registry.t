#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pull and push: with a real registry, and with a front before it that misbehaves.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'

export HOME=$T/home
unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR SSL_CERT_FILE
mkdir -m 700 "$HOME" "$T/run-skopeo"
skopeo() { XDG_RUNTIME_DIR=$T/run-skopeo command skopeo "$@"; }
digest_of() { # HOST:PORT NAME TAG
	echo "sha256:$(registry_get "$1" "/v2/$2/manifests/$3" | sha256sum | cut -d' ' -f1)"
}
sound() { # STORE: every blob is what its name says, and none is half
	(cd "$1/blobs/sha256" && sha256sum * | awk '$1 != $2 { print; bad = 1 } END { exit bad }') && [ -z "$(find "$1/tmp" -name 'blob-*')" ]
}
has_blob() { # STORE DIGEST
	[ -f "$1/blobs/sha256/${2#sha256:}" ]
}
pull() { run "$WHITTLE" pull --root "$T/st" "$@"; }
push() { run "$WHITTLE" push --root "$T/st" "$@"; }
fresh() { remove_tree "$T/st"; }
stop_front() { server_stop "$FRONT_PID"; FRONT_PID=; }
on_exit '[ -z "${FRONT_PID:-}" ] || server_stop "$FRONT_PID"; [ -z "${PLAIN_PID:-}" ] || server_stop "$PLAIN_PID"; [ -z "${OTHER_PID:-}" ] || server_stop "$OTHER_PID"'

registry_start "$T/plain" || { echo 'Bail out! no registry'; exit 1; }
PLAIN_PID=$REGISTRY_PID reg=$REGISTRY

# ---- there and back ----

ok 'skopeo puts an image there' skopeo copy -q --dest-tls-verify=false "oci:$base" "docker://$reg/team/box:1"
want=$(digest_of "$reg" team/box 1)
layer=$(registry_get "$reg" /v2/team/box/manifests/1 | jq -r '.layers[0].digest')
pull "$reg/team/box:1"
is "$status" 0 'pull'
like "$out" "^image  $want\$" 'says the digest'
ok 'the manifest is in the store, byte for byte' has_blob st "$want"
ok 'the store is sound' sound st
push "$reg/team/box:1" "$reg/other/box:2"
is "$status" 0 'push under another name'
is "$(digest_of "$reg" other/box 2)" "$want" 'has the same manifest'
ok 'skopeo reads it' skopeo copy -q --src-tls-verify=false "docker://$reg/other/box:2" "oci:$T/back"
is "$(jq -r '.manifests[0].digest' back/index.json)" "$want" 'with the same digest'
pull -q "$reg/other/box@$want"
is "$status $out" "0 $want" 'pull by digest; -q says the digest alone'
run "$WHITTLE" push --root "$T/st" "$reg/team/box:1"
is "$status" 0 'a push to where it came from'

ok 'skopeo puts an image with docker media types' skopeo copy -q --dest-tls-verify=false --format v2s2 "oci:$base" "docker://$reg/team/docker:1"
dwant=$(digest_of "$reg" team/docker 1)
pull -q "$reg/team/docker:1"
is "$status $out" "0 $dwant" 'which are kept'
push "$reg/team/docker:1" "$reg/other/docker:1"
is "$status $(digest_of "$reg" other/docker 1)" "0 $dwant" 'there and back'

mkdir -p up/here && ln -s here up/link
while read -r dir root; do
	run env -C "$dir" "$WHITTLE" pull -q --root "$root" "$reg/team/box:1"
	is "$status $out" "0 $want" "a store at $root, seen from $dir"
done <<'EOT'
up/here ../st1
up link/../st1
up link/st2
up/here ./st3
EOT
is "$(ls -d up/st1 up/here/st2 up/here/st3 | wc -l)" 3 'where it was meant'

# ---- what is not there ----

pull "$reg/team/box:none"
is "$status" 1 'a tag that is not there'
like "$err" "^error: pull $reg/team/box:none: registry $reg: get manifest team/box:none: 404 MANIFEST_UNKNOWN" 'is named, with what the registry says'
pull "$reg/team/Box"
is "$status" 2 'a bad name'
pull 127.0.0.1:1/x
is "$status" 4 'nobody there'
like "$err" '^error: pull 127.0.0.1:1/x: registry 127.0.0.1:1: connect: ' 'says whom it looked for'
push nothing:1 "$reg/x:1"
is "$status" 1 'no such image in the store'

# ---- several platforms ----

sed 's/"architecture":"[a-z0-9]*"/"architecture":"s390x"/' "$base/blobs/sha256/$(jq -r .config.digest "$base/blobs/sha256/$(jq -r '.manifests[0].digest' "$base/index.json" | cut -d: -f2)" | cut -d: -f2)" >config2
config2=$(sha256sum config2 | cut -d' ' -f1)
jq -c --arg d "sha256:$config2" --argjson s "$(stat -c %s config2)" '.config.digest = $d | .config.size = $s' \
	"$base/blobs/sha256/${want#sha256:}" >manifest2
put_blob() { # FILE NAME
	local to
	to=$(curl -sS -X POST -D - -o /dev/null "http://$reg/v2/$2/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	curl -sS -f -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$to&digest=sha256:$(sha256sum "$1" | cut -d' ' -f1)"
}
put_manifest() { # FILE NAME TAG TYPE
	curl -sS -f -X PUT -H "Content-Type: $4" --data-binary "@$1" "http://$reg/v2/$2/manifests/$3"
}
oci=application/vnd.oci.image
put_blob config2 team/box && put_manifest manifest2 team/box s390x $oci.manifest.v1+json
d2=sha256:$(sha256sum manifest2 | cut -d' ' -f1)
jq -cn --arg a "$want" --arg b "$d2" --argjson an "$(registry_get "$reg" /v2/team/box/manifests/1 | wc -c)" --argjson bs "$(stat -c %s manifest2)" \
	'{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
	{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $b, size: $bs, platform: {os: "linux", architecture: "s390x"}},
	{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $a, size: $an, platform: {os: "linux", architecture: "amd64"}}]}' >index1
put_manifest index1 team/box many $oci.index.v1+json
jq -cn --arg a "sha256:$(sha256sum index1 | cut -d' ' -f1)" --argjson an "$(stat -c %s index1)" \
	'{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
	{mediaType: "application/vnd.oci.image.index.v1+json", digest: $a, size: $an}]}' >index2
put_manifest index2 team/box nested $oci.index.v1+json
pull -q --platform linux/amd64 "$reg/team/box:many"
is "$status $out" "0 $want" 'of several images the platform decides'
pull -q --platform linux/s390x "$reg/team/box:nested"
is "$status $out" "0 $d2" 'also in an index in an index'
pull --platform linux/riscv64 "$reg/team/box:many"
is "$status" 1 'no image for a platform'
like "$err" '^hint: there is one for linux/(s390x|amd64), linux/' 'the hint says which there are'
pull --platform linux/amd64 "$reg/team/box:s390x"
is "$status" 1 'a single image for another platform is refused'
pull -q --platform linux/amd64 "$reg/team/box@$d2"
is "$status $out" "0 $d2" 'but taken when its digest names it'

# ---- builds ----

mkdir ctx
printf 'FROM %s/team/box:1\nCOPY Dockerfile /copied\n' "$reg" >ctx/Dockerfile
fresh
front_start "$T/f-build" "$reg" --token 'me:secret' || { echo 'Bail out! no front'; exit 1; }
sed -i "s,$reg,$FRONT," ctx/Dockerfile
run "$WHITTLE" build -q --root "$T/st" ctx
is "$status" 0 'FROM takes an image out of a registry'
id=$out
run "$WHITTLE" build -q --root "$T/st" -t "$FRONT/built/box:1" --push ctx
is "$status" 4 '--push wants a login'
mkdir -p "$HOME/.docker" && printf '{"auths":{"%s":{"username":"me","password":"secret"}}}' "$FRONT" >"$HOME/.docker/config.json"
before=$(wc -l <f-build/log)
run "$WHITTLE" build -q --root "$T/st" -t "$FRONT/built/box:1" --push ctx
is "$status $out" "0 $id" '--push with one'
log=$(tail -n "+$((before + 1))" f-build/log)
unlike "$log" '^FRONT GET /v2/team/box/manifests' 'a base that the store has is not asked for again'
is "$(registry_get "$reg" /v2/built/box/manifests/1 | jq -r .config.digest)" "$id" 'the image is there'
like "$log" "^FRONT POST /v2/built/box/blobs/uploads/\?mount=sha256(%3A|:)${layer#sha256:}&from=team(%2F|/)box 201" "the base's layer is mounted from its repository"
rm -r "$HOME/.docker"
stop_front

# ---- a damaged store ----

fresh
pull -q "$reg/team/box:1"
run "$WHITTLE" push -q --root "$T/st" "$reg/team/box:1" "$reg/mounted/box:1"
is "$status $out" "0 $want" 'a layer is mounted'
printf X | dd of="st/blobs/sha256/${layer#sha256:}" bs=1 seek=20 conv=notrunc status=none
ok 'a registry without it' curl -sS -f -X DELETE "http://$reg/v2/other/box/blobs/$layer"
push "$reg/team/box:1" "localhost:${reg#*:}/fresh/box:1" # another registry, as far as one can tell
is "$status" 1 'a damaged layer is not taken by the registry'
nok 'and the tag is not there' registry_get "$reg" /v2/fresh/box/manifests/1

# ---- what is attached ----

fresh
pull -q "$reg/team/box:1"
empty='{}'
printf %s "$empty" >empty
attach() { # DIR TEXT TYPE: an artifact about the image, put there by hand; prints its digest
	printf %s "$2" >"$1.text"
	put_blob empty "$4"; put_blob "$1.text" "$4"
	jq -cn --arg e "sha256:$(sha256sum empty | cut -d' ' -f1)" --arg t "sha256:$(sha256sum "$1.text" | cut -d' ' -f1)" \
		--argjson n "$(stat -c %s "$1.text")" --arg s "$want" --arg k "$3" --argjson sn "$(stat -c %s "st/blobs/sha256/${want#sha256:}")" \
		'{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: $k,
		config: {mediaType: "application/vnd.oci.empty.v1+json", digest: $e, size: 2},
		layers: [{mediaType: "text/plain", digest: $t, size: $n}],
		subject: {mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $s, size: $sn},
		annotations: {"org.example.note": $k}}' >"$1"
	put_manifest "$1" "$4" "sha256:$(sha256sum "$1" | cut -d' ' -f1)" $oci.manifest.v1+json
	echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"
}
tag=sha256-${want#sha256:}
a1=$(attach a1 one application/x-one team/box)
jq -cn --arg d "$a1" --argjson n "$(stat -c %s a1)" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
	{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $n, artifactType: "application/x-wrong", annotations: {keep: "me"}, "x-more": 1}],
	annotations: {top: "stays"}}' >list1
put_manifest list1 team/box "$tag" $oci.index.v1+json
jq -c 'del(.subject, .artifactType)' a1 >sig
put_manifest sig team/box "$tag.sig" $oci.manifest.v1+json
pull "$reg/team/box:1"
is "$status" 0 'pull of an image with a referrer and a tagged signature'
like "$out" '^with   2 attached$' 'brings both'
ok 'the referrer is in the store' has_blob st "$a1"
ok 'with its blob' has_blob st "sha256:$(printf one | sha256sum | cut -d' ' -f1)"
push "$reg/team/box:1" "$reg/copy/box:1"
is "$status" 0 'pushed elsewhere they go along'
like "$out" '^with   2 attached$' 'both'
list=$(registry_get "$reg" "/v2/copy/box/manifests/$tag")
is "$(jq -c '[.mediaType, (.manifests | length), .manifests[0].digest, .manifests[0].artifactType, .manifests[0].annotations]' <<<"$list")" \
	"[\"application/vnd.oci.image.index.v1+json\",1,\"$a1\",\"application/x-one\",{\"org.example.note\":\"application/x-one\"}]" \
	'the fallback tag lists the referrer with its own type'
is "$(registry_get "$reg" "/v2/copy/box/manifests/$tag.sig" | cmp - sig && echo same)" same 'the signature has its tag'

a2=$(attach a2 two application/x-two copy/box)
jq -cn --arg d "$a2" --argjson n "$(stat -c %s a2)" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
	{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $n, artifactType: "application/x-two", annotations: {keep: "me"}, "x-more": 1}],
	annotations: {top: "stays"}}' >list2
put_manifest list2 copy/box "$tag" $oci.index.v1+json
push "$reg/team/box:1" "$reg/copy/box:1"
list=$(registry_get "$reg" "/v2/copy/box/manifests/$tag")
is "$(jq -c '[.manifests[].digest]' <<<"$list")" "[\"$a2\",\"$a1\"]" 'what others listed stays before ours'
is "$(jq -c '[.manifests[0].annotations, .manifests[0]["x-more"], .annotations]' <<<"$list")" '[{"keep":"me"},1,{"top":"stays"}]' 'and keeps all it has'
push "$reg/team/box:1" "$reg/copy/box:1"
is "$(registry_get "$reg" "/v2/copy/box/manifests/$tag")" "$list" 'once more changes nothing'
# Of the older form there is one manifest for all who sign.
jq -c 'del(.subject, .artifactType)' a2 >sig2
put_manifest sig2 copy/box "$tag.sig" $oci.manifest.v1+json
push "$reg/team/box:1" "$reg/copy/box:1"
both=$(jq -cs 'map(.layers[0].digest) | sort' sig sig2)
sig=$(registry_get "$reg" "/v2/copy/box/manifests/$tag.sig")
is "$status $(jq -c '[.layers[].digest] | sort' <<<"$sig")" "0 $both" "somebody else's signature stays beside ours"
push "$reg/team/box:1" "$reg/copy/box:1"
is "$(registry_get "$reg" "/v2/copy/box/manifests/$tag.sig")" "$sig" 'once more changes nothing'
pull "$reg/copy/box:1"
is "$(jq -c '[.layers[].digest] | sort' "st/blobs/sha256/$(jq -r --arg t "$tag.sig" '.manifests[] | select(.annotations."org.opencontainers.image.ref.name" == $t).digest' st/index.json | cut -d: -f2)")" \
	"$both" 'and comes along with ours'
fresh
pull -q "$reg/team/box:1"
mkdir race && cp list2 "race/$tag" && cp sig2 "race/$tag.sig"
front_start "$T/f-race" "$reg" --race "$T/race" || { echo 'Bail out! no front'; exit 1; }
push "$reg/team/box:1" "$FRONT/copy/box:9"
is "$status $(grep -c '^RACE PUT .* 201$' f-race/log)" '0 2' 'somebody else overwrites both while we push'
is "$(registry_get "$reg" "/v2/copy/box/manifests/$tag" | jq -c '[.manifests[].digest]')" "[\"$a2\",\"$a1\"]" 'ours is put back into the list'
is "$(registry_get "$reg" "/v2/copy/box/manifests/$tag.sig" | jq -c '[.layers[].digest] | sort')" "$both" 'and to the signatures'
stop_front
put_manifest manifest2 team/box dummy $oci.manifest.v1+json
registry_get "$reg" /v2/copy/box/manifests/1 >m1 && put_manifest m1 copy/box "$tag" $oci.manifest.v1+json
push "$reg/team/box:1" "$reg/copy/box:3"
is "$status" 1 'something else under the fallback tag is not overwritten'
nok 'and the image has no tag then' registry_get "$reg" /v2/copy/box/manifests/3

# ---- a registry with the referrers API ----

front_start "$T/f-ref" "$reg" --referrers --hop || { echo 'Bail out! no front'; exit 1; }
push "$reg/team/box:1" "$FRONT/api/box:1"
is "$status" 0 'push to a registry that knows referrers'
nok 'makes no fallback tag' registry_get "$reg" "/v2/api/box/manifests/$tag"
sed "s/x-one/x-three/g" a1 >a3
curl -sS -f -X PUT -H "Content-Type: $oci.manifest.v1+json" --data-binary @a3 "http://$FRONT/v2/api/box/manifests/sha256:$(sha256sum a3 | cut -d' ' -f1)"
fresh
pull "$FRONT/api/box:1"
like "$out" '^with   3 attached$' 'all pages of the list are read'
grep -q 'GET /v2/api/box/referrers/.*?at=1' f-ref/log
is $? 0 'by the link to the next one'
stop_front

# ---- connections that break, servers that are busy ----

# Something larger, so that there is something to break.
mkdir big && cp -r "$base" big/oci
head -c 3000000 /dev/urandom >big/noise && tar -C big --owner=0 --group=0 --mtime=@0 -cf big/layer.tar noise
bl=$(sha256sum big/layer.tar | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$bl" >big/config
jq -cn --arg c "sha256:$(sha256sum big/config | cut -d' ' -f1)" --argjson cn "$(stat -c %s big/config)" --arg l "sha256:$bl" --argjson ln "$(stat -c %s big/layer.tar)" \
	'{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
	config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: $cn},
	layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $l, size: $ln}]}' >big/manifest
put_blob big/layer.tar big/one; put_blob big/config big/one; put_manifest big/manifest big/one 1 $oci.manifest.v1+json

for how in '' --no-range; do
	fresh
	front_start "$T/f-cut$how" "$reg" --cut 1000000 --cuts 2 $how
	pull "$FRONT/big/one:1"
	is "$status" 0 "a connection that breaks twice ${how:+(and ranges are not to be had)}"
	ok 'the store is sound' sound st
	is "$(grep -c "blobs/sha256:$bl cut" "f-cut$how/log")" 2 'it did break'
	stop_front
done
is "$(grep -c "GET .*blobs/sha256:$bl" f-cut/log)" 3 'and was asked for once more each time'
like "$(cat f-cut/log)" "GET .*blobs/sha256:$bl 206 " 'from where it broke'

fresh
front_start "$T/f-cuts" "$reg" --cut 0 --cuts 100
pull "$FRONT/big/one:1"
is "$status" 4 'a connection that always breaks is given up'
like "$err" 'get config sha256:[0-9a-f]{12}…: transfer closed' 'and says at what'
is "$(grep -c 'GET .*blobs/.* cut' f-cuts/log)" 5 'after five tries'
ok 'nothing half is left' sound st
nok 'no image neither' has_blob st "$(digest_of "$reg" big/one 1)"
stop_front

pull -q "$reg/big/one:1"
front_start "$T/f-put" "$reg" --cut-put 500000 --hop
push "$reg/big/one:1" "$FRONT/big/again:1"
is "$status" 0 'a push whose connection breaks'
is "$(digest_of "$reg" big/again 1)" "$(digest_of "$reg" big/one 1)" 'gets there'
is "$(grep -c 'PUT .*blobs/uploads/.* cut' f-put/log)" 1 'it did break'
stop_front

# Debian's registry says so at times, where the same manifest is pushed twice at once.
front_start "$T/f-doubt" "$reg" --doubt 2
push "$reg/big/one:1" "$FRONT/doubt/box:1"
is "$status" 0 'a manifest that the registry takes for another one at first' || echo "# $err"
stop_front
front_start "$T/f-doubts" "$reg" --doubt 100
push "$reg/big/one:1" "$FRONT/doubt/box:2"
is "$status" 1 'and at last'
like "$err" '^error: .*400 DIGEST_INVALID' 'says so'
stop_front

fresh
front_start "$T/f-busy" "$reg" --busy 2
pull "$FRONT/big/one:1"
is "$status" 0 'a busy registry is asked again'
stop_front

# ---- lies ----

for how in --damage --grow --grow-silent --lie; do
	fresh
	front_start "$T/f$how" "$reg" "$how"
	pull "$FRONT/big/one:1"
	is "$status" 1 "a registry that lies ($how) is not believed"
	like "$err" '^error: pull .*(digest is|larger than|bytes there, not)' 'says what is wrong'
	ok 'nothing of it is in the store' sound st
	nok 'no image neither' has_blob st "$(digest_of "$reg" big/one 1)"
	stop_front
done

# ---- logins ----

basic() { printf '{"auths":{"%s":{"auth":"%s"}}}' "$1" "$(printf %s "$2" | base64 -w0)"; }
mkdir -p "$HOME/.docker"
registry_start "$T/basic" htpasswd tester 'geheim: ü' || { echo 'Bail out! no registry with a login'; exit 1; }
OTHER_PID=$REGISTRY_PID breg=$REGISTRY
fresh
pull -q "$reg/team/box:1"
push "$reg/team/box:1" "$breg/p/box:1"
is "$status" 4 'a login is needed, and there is none'
like "$err" 'look for (layer|config) sha256:[0-9a-f]{12}…: 401 unauthorized$' 'and it is said so'
like "$err" "^hint: no login for $breg was found" 'and a hint'
basic "$breg" 'tester:falsch' >"$HOME/.docker/config.json"
push "$reg/team/box:1" "$breg/p/box:1"
is "$status" 4 'a wrong password'
like "$err" '^hint: asked as user "tester"' 'names the user'
unlike "$all" 'falsch' 'never the password'
basic "$breg" 'tester:geheim: ü' >"$HOME/.docker/config.json"
push "$reg/team/box:1" "$breg/p/box:1"
is "$status" 0 'the right password'
pull -q "$breg/p/box:1"
is "$status $out" "0 $want" 'for a pull too'
echo '{ "auths": {' >"$HOME/.docker/config.json"
pull "$breg/p/box:1"
is "$status" 4 'a broken config.json'
like "$err" "config.json is no JSON" 'is named'
rm "$HOME/.docker/config.json"
mkdir -p run/containers && basic "$breg/p" 'tester:geheim: ü' >run/containers/auth.json
XDG_RUNTIME_DIR=$T/run pull -q "$breg/p/box:1"
is "$status" 0 "podman's auth.json, for a part of the registry"
basic "$breg/q" 'tester:geheim: ü' >run/containers/auth.json
XDG_RUNTIME_DIR=$T/run pull -q "$breg/p/box:1"
is "$status" 4 'but no other part'
REGISTRY_AUTH_FILE=$T/none pull -q "$breg/p/box:1"
is "$status" 4 'a file of logins that is named must be there'
like "$err" "read logins from $T/none" 'and is named'

mkdir helpers
cat >helpers/docker-credential-test <<EOT
#!/bin/sh
read -r key
echo "\$1 \$key" >>$T/helper.log
[ "\$key" = "$breg" ] || { echo 'credentials not found in native keychain'; exit 1; }
echo '{"ServerURL":"$breg","Username":"tester","Secret":"geheim: ü"}'
EOT
chmod 755 helpers/docker-credential-test
echo '{"credsStore":"test"}' >"$HOME/.docker/config.json"
PATH=$T/helpers:$PATH pull -q "$breg/p/box:1"
is "$status" 0 'a credential helper'
is "$(sort -u helper.log)" "get $breg" 'is asked for the registry'
printf '{"credHelpers":{"%s":"test"},"credsStore":"nosuch"}' "$breg" >"$HOME/.docker/config.json"
PATH=$T/helpers:$PATH pull -q "$breg/p/box:1"
is "$status" 0 "a registry's own helper comes first"
echo '{"credsStore":"nosuch"}' >"$HOME/.docker/config.json"
pull "$breg/p/box:1"
is "$status" 4 'a helper that is not there'
like "$err" '^hint: no login was found: run docker-credential-nosuch' 'is what the hint names'
pull -q "$reg/team/box:1"
is "$status" 0 'but keeps nobody from a registry without logins'
echo '{"credsStore":"../../x"}' >"$HOME/.docker/config.json"
pull "$breg/p/box:1"
like "$err" '^hint: no login for' 'a helper is a name, no path'
rm "$HOME/.docker/config.json"

# ---- an end before the end ----

# A registry that takes connections and says nothing.
cat >mute.py <<'EOT'
import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(5)
print(s.getsockname()[1], flush=True)
time.sleep(600)
EOT
python3 mute.py >mute.port &
MUTE_PID=$!
mute=$(registry_wait "$MUTE_PID" 'cat mute.port')
for how in self group; do
	: >mute.out
	setsid "$WHITTLE" pull --root "$T/st" "127.0.0.1:$mute/x:1" >mute.out 2>&1 </dev/null &
	pid=$!
	until grep -q pulling mute.out; do kill -0 "$pid" || break; sleep 0.1; done
	[ "$how" = group ] && kill -TERM -- "-$pid" || kill -TERM "$pid"
	wait "$pid"
	is $? 143 "a signal ends a pull ($how)"
	unlike "$(cat mute.out)" 'error|bug' 'without a complaint'
	nok 'and nothing is left' pgrep -s "$pid"
done
server_stop "$MUTE_PID"

# ---- tokens ----

front_start "$T/f-token" "$reg" --token 'me:pass word' --expire
fresh
pull -q "$FRONT/team/box:1"
is "$status $out" "0 $want" 'a token for everybody'
unlike "$(cat f-token/log)" 'OTHER .*Basic_' 'without a login, none is sent'
push "$FRONT/team/box:1" "$FRONT/tok/box:1"
is "$status" 4 'which does not do for a push'
basic "$FRONT" 'me:pass word' >"$HOME/.docker/config.json"
push "$FRONT/team/box:1" "$FRONT/tok/box:1"
is "$status" 0 'a token for a login'
is "$(digest_of "$reg" tok/box 1)" "$want" 'the image is there'
like "$(grep 'FRONT .* 401' f-token/log)" 'PUT|HEAD|POST|GET' 'tokens ran out and were renewed'
unlike "$(cat f-token/log)" 'FRONT .*Basic_' 'the login went to the realm alone'
basic "$FRONT" 'me:wrong' >"$HOME/.docker/config.json"
push "$FRONT/team/box:1" "$FRONT/tok/box:2"
is "$status" 4 'the realm refuses a wrong password'
like "$err" 'get a token from http://127.0.0.1:[0-9]+/token\?x=1: 401 UNAUTHORIZED: wrong \[31m password' 'said in one clean line'
printf '{"auths":{"%s":{"identitytoken":"refresh-pass word"}}}' "$FRONT" >"$HOME/.docker/config.json"
push "$FRONT/team/box:1" "$FRONT/tok/box:3"
is "$status" 0 'a refresh token'
rm "$HOME/.docker/config.json"
stop_front

# ---- redirects ----

front_start "$T/f-redir" "$reg" --token 'me:secret' --redirect
basic "$FRONT" 'me:secret' >"$HOME/.docker/config.json"
fresh
pull -q "$FRONT/team/box:1"
is "$status $out" "0 $want" 'blobs that lie elsewhere'
like "$(cat f-redir/log)" "OTHER GET /v2/team/box/blobs/$layer 200 -\$" 'are fetched there, without a login'
unlike "$(grep 'OTHER GET /v2' f-redir/log)" 'Bearer|Basic' 'never with one'
stop_front
front_start "$T/f-redir2" "$reg" --redirect-to "http://blobs.example/"
fresh
pull "$FRONT/team/box:1"
is "$status" 4 'plain HTTP elsewhere is refused'
like "$err" 'redirected to plain HTTP, http://blobs.example/' 'and named'
stop_front
front_start "$T/f-redir3" "$reg" --redirect-to "file:///etc/passwd?"
fresh
pull "$FRONT/team/box:1"
is "$status" 1 'files are no place for blobs'
stop_front

# ---- TLS ----

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=whittle-test-ca -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout tls.key -out tls.csr 2>/dev/null
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >ext
openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out tls.pem 2>/dev/null
server_stop "$OTHER_PID"
rm -f "$HOME/.docker/config.json"
registry_start "$T/tls" tls "$T/tls.pem" "$T/tls.key" || { echo 'Bail out! no registry with TLS'; exit 1; }
OTHER_PID=$REGISTRY_PID treg=$REGISTRY
fresh
pull -q "$reg/team/box:1"
push "$reg/team/box:1" "$treg/s/box:1"
is "$status" 4 'a certificate that nobody knows'
like "$err" '^hint: .*SSL_CERT_FILE' 'the hint says what to do'
SSL_CERT_FILE=$T/ca.pem push "$reg/team/box:1" "$treg/s/box:1"
is "$status" 0 'one that is known'
push --registry-insecure "$reg/team/box:1" "$treg/s/box:2"
is "$status" 0 'any, when that is wanted'
SSL_CERT_FILE=$T/ca.pem pull -q "$treg/s/box:1"
is "$status $out" "0 $want" 'there and back'

# ---- long stories ----

# A stranger's artifacts: annotations of megabytes, a type without an end, many.
fresh
pull -q "$reg/team/box:1"
before=$(stat -c %s st/index.json)
front_start "$T/f-long" "$reg" --referrers || { echo 'Bail out! no front'; exit 1; }
for i in 1 2 3; do
	python3 - a1 "$i" >"long$i" <<'EOT'
import json, sys
m = json.load(open(sys.argv[1]))
m["annotations"] = {"k": "A" * 3000000, "dev.sigstore.bundle.predicateType": "p:" + sys.argv[2]}
if sys.argv[2] == "3":
    m["artifactType"] = "t" * 100000
print(json.dumps(m), end="")
EOT
	curl -sS -f -X PUT -H "Content-Type: $oci.manifest.v1+json" --data-binary "@long$i" "http://$FRONT/v2/team/box/manifests/sha256:$(sha256sum "long$i" | cut -d' ' -f1)"
done
pull "$FRONT/team/box:1"
is "$status" 0 'long annotations of strangers'
ok 'do not get into index.json' test "$(stat -c %s st/index.json)" -lt $((before + 5000))
is "$(jq -r '.manifests[].annotations."dev.sigstore.bundle.predicateType" // empty' st/index.json | sort | paste -sd' ')" 'p:1 p:2' \
	'what is short and known does; a type without an end is not taken'
stop_front

# ---- as an ordinary user ----

if is_root; then
	run as_user "$WHITTLE" pull -q --root "$UT/st" "$reg/team/box:1"
	is "$status $out" "0 $want" 'an ordinary user pulls'
	run as_user "$WHITTLE" push --root "$UT/st" "$reg/team/box:1" "$reg/user/box:1"
	is "$status $(digest_of "$reg" user/box 1)" "0 $want" 'and pushes'
fi
done_testing

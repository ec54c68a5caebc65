#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several platforms: the index and what is in it, cross-compiling, every kind of output, registries, signatures.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
base=$(test_base platforms) || { echo "Bail out! no base"; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'
cosign=$("$SRC/tests/tools/fetch_tools.sh" cosign) || { echo "Bail out! no cosign"; exit 1; }
export HOME=$T/home COSIGN_PASSWORD=secret TMPDIR=$T/tmp SOURCE_DATE_EPOCH=1700000000
unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR
mkdir -m 700 "$HOME" "$T/run-skopeo" && mkdir -m 1777 "$TMPDIR"
skopeo() { XDG_RUNTIME_DIR=$T/run-skopeo command skopeo "$@"; }
on_exit '[ -z "${REGISTRY_PID:-}" ] || server_stop "$REGISTRY_PID"'

case $(dpkg --print-architecture) in
arm64) here=arm64 other=amd64 other_debian=x86-64 ;;
*) here=amd64 other=arm64 other_debian=aarch64 ;;
esac
both=linux/$here,linux/$other

# document DIR [PLATFORM [config]]: index, manifest or config in a layout of one name
document() {
	local d

	d=$(jq -r '[.manifests[] | select(.artifactType == null)][0].digest' "$1/index.json")
	[ $# = 1 ] || d=$(jq -r --arg p "$2" '.manifests[] | select(.platform.os + "/" + .platform.architecture == $p).digest' "$1/blobs/sha256/${d#sha256:}")
	[ $# -lt 3 ] || d=$(jq -r .config.digest "$1/blobs/sha256/${d#sha256:}")
	cat "$1/blobs/sha256/${d#sha256:}"
}
digest_of() { # DIR [PLATFORM]
	echo "sha256:$(document "$@" | sha256sum | cut -d' ' -f1)"
}
build() { run "$WHITTLE" build --root "$T/st" --build-context base="oci-layout://$base" "$@"; }
machine() { readelf -h "$1" | sed -n 's/.*Machine: *//p'; }

# ---- an index ----

mkdir ctx
cat >ctx/Dockerfile <<'END'
FROM --platform=$BUILDPLATFORM base AS once
RUN head -c 16 /dev/urandom | md5sum | cut -c 1-32 >/once
FROM --platform=$BUILDPLATFORM base AS build
ARG TARGETPLATFORM
RUN echo "made on $(uname -m) for $TARGETPLATFORM" >/for
FROM base
ARG TARGETARCH
LABEL arch=$TARGETARCH
COPY --from=build /for /
COPY --from=once /once /
CMD ["cat", "/for"]
END
build -t registry.example/shop:1.4 --platform "$both" -o type=oci,dest=out,tar=false ctx
is "$status" 0 'build for two platforms'
like "$out" "^image +$(digest_of out)\$" 'says the digest of the index'
like "$out" "^linux/$other +$(digest_of out "linux/$other")\$" 'and of each image'
unlike "$out" '^id ' 'an index has no id but its digest'
like "$err" "^#[0-9]+ \\[linux/$here->$other build 2/2\\] RUN echo" 'steps tell for which platform they are'
is "$(grep -cE '^#[0-9]+ \[linux/[a-z0-9]+ once 2/2\] RUN' <<<"$(sort -u <<<"$err")")" 1 'what is the same for both runs once'
is "$(document out | jq -c '[.schemaVersion, .mediaType, [.manifests[] | [.mediaType, .platform]]]')" \
	"[2,\"application/vnd.oci.image.index.v1+json\",[[\"application/vnd.oci.image.manifest.v1+json\",{\"architecture\":\"$here\",\"os\":\"linux\"}],[\"application/vnd.oci.image.manifest.v1+json\",{\"architecture\":\"$other\",\"os\":\"linux\"}]]]" \
	'the index names both, in the order asked for'
for arch in "$here" "$other"; do
	is "$(document out "linux/$arch" config | jq -c '[.os, .architecture, .variant, .config.Labels.arch]')" "[\"linux\",\"$arch\",null,\"$arch\"]" \
		"config of $arch"
done
is "$(jq -c '[.manifests[] | [.mediaType, .platform, .annotations."org.opencontainers.image.ref.name"]]' out/index.json)" \
	'[["application/vnd.oci.image.index.v1+json",null,"1.4"]]' 'the name leads to the index'
ok 'skopeo copies all of it' skopeo copy -q --all oci:out:1.4 oci:copied:1.4
is "$(digest_of copied)" "$(digest_of out)" 'with the same digest'
is "$(umoci ls --layout out)" 1.4 'umoci sees the name' # and unpacks images with one platform alone

# The same bytes, whoever builds, however often.
sed '/once/d' ctx/Dockerfile >ctx/plain
build -q -f ctx/plain --platform "$both" -o type=oci,dest=plain,tar=false ctx
want=$out
is "$status $want" "0 $(digest_of plain)" '-q says the digest of the index'
build -q -f ctx/plain --no-cache --platform "$both" ctx
is "$status $out" "0 $want" 'built again: the same'
build -q -f ctx/plain --platform "$other,local,$both" ctx
isnt "$out" "$want" 'in another order: another index'
build -q -f ctx/plain --platform "local" --platform "linux/$(uname -m),$other" --iidfile iid ctx
is "$status $out $(cat iid)" "0 $want $want" 'other spellings, each platform once; --iidfile has the digest'
cp -r ctx "$UT/ctx" && chmod -R a+rX "$UT/ctx" && cp -r "$base" "$UT/base" && chmod -R a+rX "$UT/base"
run as_user "$WHITTLE" build -q --root "$UT/st" --build-context "base=oci-layout://$UT/base" -f "$UT/ctx/plain" --platform "$both" "$UT/ctx"
is "$status $out" "0 $want" 'an ordinary user gets the same index'

build -f ctx/plain --build-arg BUILDKIT_MULTI_PLATFORM=1 -o type=oci,dest=one-index,tar=false ctx
is "$status $(jq -r .mediaType "one-index/blobs/sha256/$(digest_of one-index | cut -d: -f2)")" \
	'0 application/vnd.oci.image.index.v1+json' 'BUILDKIT_MULTI_PLATFORM: an index of one'
build -f ctx/plain --build-arg BUILDKIT_MULTI_PLATFORM=0 --platform "$both" ctx
is "$status" 2 'and no image of two platforms without one'

# One platform: an image like any other.
build -q -f ctx/plain -o type=oci,dest=none,tar=false ctx
build -q -f ctx/plain --platform "linux/$here" -o type=oci,dest=one,tar=false ctx
is "$(cat one/index.json)" "$(cat none/index.json)" 'this machine'\''s platform is what comes without --platform'
is "$(jq -r '.manifests[0].mediaType' one/index.json)" application/vnd.oci.image.manifest.v1+json 'and no index'
build -q -f ctx/plain --platform "linux/$other" -o type=oci,dest=foreign,tar=false ctx
is "$(jq -r '.manifests[0].digest' foreign/index.json)" "$(digest_of plain "linux/$other")" 'another platform alone: the same image as in the index'

build --platform "linux/$here,nonsense" ctx
is "$status" 2 'a platform that is none'
like "$err" '^error: --platform linux/.*,nonsense: failed to parse platform "nonsense": unknown operating system or architecture$' 'says so'

# An image that is in no index is taken for what it is, and that is told, for which platform so ever it was not.
printf 'FROM lone\nRUN uname -m >/machine\n' >ctx/lone
build -f ctx/lone --build-context "lone=oci-layout://$PWD/one" --platform "linux/$other" -o from-lone ctx
is "$status $(cat from-lone/machine)" "0 $(uname -m)" 'a lone image of this machine, for another: its programs run as they are'
told="InvalidBaseImagePlatform: Base image lone was pulled with platform \"linux/$here\", expected \"linux/$other\" for current build"
like "$err" "$told \\(line 1\\)" 'told'
build -f ctx/lone --build-context "lone=oci-layout://$PWD/one" --platform "$both" ctx
is "$status $(grep -cF "$told" <<<"$err")" '0 1' 'told where it is the second platform'
build -f ctx/lone --build-context "lone=oci-layout://$PWD/one" ctx
unlike "$err" InvalidBaseImagePlatform 'not where it suits'
sed "s|FROM|FROM --platform=linux/$other|" ctx/lone >ctx/lone-flag
build -f ctx/lone-flag --build-context "lone=oci-layout://$PWD/one" ctx
like "$err" "$told" 'of FROM --platform'
run "$WHITTLE" check --build-context "lone=oci-layout://$PWD/one" --platform "linux/$other" -f ctx/lone ctx
like "$out" "${told#*: }" 'by check'

# A layout whose scheme was forgotten is a directory of blobs.
build -f ctx/lone --build-context "lone=$PWD/one" ctx
is "$status" 1 'a layout as a directory has nothing to run'
like "$err" "hint: did you mean lone=oci-layout://$PWD/one\\?" 'what was meant'
like "$err" 'hint: this tree has no shell' 'and why nothing runs'

# Platforms that nobody has.
printf 'FROM scratch\nCOPY plain /\n' >ctx/scratch
build -f ctx/scratch --platform linux/amd65 ctx
is "$status" 0 'an architecture that is not known'
like "$err" $'note: --platform=linux/amd65: no architecture is known as amd65\nhint: did you mean linux/amd64\\?' 'with a note'
run "$WHITTLE" check --platform linux/amd65 -f ctx/scratch ctx
like "$err" 'did you mean linux/amd64\?' 'by check, too'
build -f ctx/scratch --platform "linux/$here,windows/amd64" ctx
is "$status $err" '2 error: --platform windows/amd64: images of Windows are not built' 'Windows'
printf 'FROM --platform=windows/amd64 base\nCOPY plain /\n' >ctx/windows
build -f ctx/windows ctx
is "$status $(head -n 1 <<<"$(grep ^error <<<"$err")")" '2 error: ctx/windows:1:17: --platform=windows/amd64: images of Windows are not built' 'in FROM'

# Variants.
build -q -f ctx/scratch --platform linux/arm/v6,armhf,linux/arm64/v8,linux/amd64/v2 -o type=oci,dest=variants,tar=false ctx
is "$(document variants | jq -c '[.manifests[].platform | [.architecture, .variant]]')" '[["arm","v6"],["arm","v7"],["arm64",null],["amd64","v2"]]' \
	'variants'
is "$(for d in $(document variants | jq -r '.manifests[].digest'); do jq -r .config.digest "variants/blobs/sha256/${d#sha256:}"; done |
	sed 's|sha256:|variants/blobs/sha256/|' | xargs jq -c '[.architecture, .variant]' | paste -sd' ')" \
	'["arm","v6"] ["arm","v7"] ["arm64",null] ["amd64","v2"]' 'in the configs too'

# ---- what needs no emulation ----

cat >"$UT/ctx/copy" <<'END'
FROM base
COPY plain /data/
WORKDIR /data
ADD --chown=33 --chmod=640 plain /other
FROM base AS last
COPY --from=0 /data /data
COPY --from=0 /bin/busybox /copy
END
for who in '' as_user; do
	dir=${who:+$UT/}cross
	# shellcheck disable=SC2086
	run $who "$WHITTLE" build -q --root "${who:+$UT/}st" --build-context base="oci-layout://$UT/base" -f "$UT/ctx/copy" --platform "$both" -o "$dir" "$UT/ctx"
	is "$status" 0 "COPY alone for a foreign platform (${who:-as we are})"
	is "$(find "$dir" -mindepth 1 -maxdepth 1 -printf '%f %y\n' | sort | paste -sd' ')" "$(printf '%s d\n' linux_amd64 linux_arm64 | paste -sd' ')" \
		'local output: a directory a platform'
	case $(machine "$dir/linux_arm64/copy") in
	AArch64) pass 'with that platform'\''s files' ;;
	*) fail 'with that platform'\''s files' "$(machine "$dir/linux_arm64/copy")" ;;
	esac
	like "$(machine "$dir/linux_amd64/copy")" 'X86-64' 'and the other'\''s'
	is "$(cat "$dir/linux_arm64/data/plain")" "$(cat ctx/plain)" 'and what was copied'
done
build -q -f ctx/plain --platform "$both" -o type=tar,dest=files.tar ctx
is "$status" 0 'files as tar'
is "$(tar -tf files.tar | cut -d/ -f1 | sort -u | paste -sd' ')" 'linux_amd64 linux_arm64' 'a directory a platform'
like "$(tar -xOf files.tar "linux_$other/for")" "^made on $(uname -m) for linux/$other\$" 'with its files'
ok 'links in it lead to names in it' sh -c 'mkdir x && tar -C x -xf files.tar && test "$(readlink x/linux_arm64/bin/sh)" = busybox'
"$WHITTLE" build --root st --build-context base="oci-layout://$base" -f ctx/plain --platform "$both" -o - ctx >stdout.tar 2>err.log
ok 'the same to standard output' cmp files.tar stdout.tar
build -q -f ctx/plain --platform "$both" -o type=oci,dest=out.tar ctx
mkdir untarred && tar -C untarred -xf out.tar
is "$(digest_of untarred)" "$want" 'OCI layout as tar'
build -q -f ctx/plain --platform "$both" -o type=oci,dest=gzip,tar=false,compression=gzip,force-compression=true -o type=oci,dest=zstd,tar=false,compression=zstd,force-compression=true ctx
for kind in gzip zstd; do
	is "$(for a in $here $other; do document $kind "linux/$a" | jq -r '.layers[].mediaType'; done | sort -u)" "application/vnd.oci.image.layer.v1.tar+$kind" \
		"every layer of every image in $kind"
done

# A C program, compiled here for both.
if debian=$(test_base debian); then
	mkdir c
	printf '#include <stdio.h>\nint main(void)\n{\n\tputs("hello from " ARCH);\n\treturn 0;\n}\n' >c/hello.c
	cat >c/Dockerfile <<END
FROM --platform=\$BUILDPLATFORM debian AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev gcc-$other_debian-linux-gnu libc6-dev-$other-cross
WORKDIR /src
COPY hello.c .
ARG TARGETARCH
RUN case \$TARGETARCH in $here) cc=gcc ;; $other) cc=$(tr - _ <<<"$other_debian")-linux-gnu-gcc ;; esac && \\
	\$cc -static -O2 -DARCH="\"\$TARGETARCH\"" -o /hello hello.c
FROM scratch
COPY --from=build /hello /hello
ENTRYPOINT ["/hello"]
END
	for who in '' as_user; do
		[ -z "$who" ] || { cp -r c "$UT/c" && cp -r "$debian" "$UT/debian" && chmod -R a+rX "$UT/c" "$UT/debian"; }
		from=$debian
		[ -z "$who" ] || from=$UT/debian
		# shellcheck disable=SC2086
		run $who "$WHITTLE" build --root "${who:+$UT/}st" --build-context debian="oci-layout://$from" \
			--platform "$both" -o "${who:+$UT/}hello" "${who:+$UT/}c"
		is "$status" 0 "a C program is compiled for both (${who:-as we are})"
		[ "$status" = 0 ] || show "$err"
		is "$(grep -cE '^#[0-9]+ \[[^]]*\] RUN apt-get' <<<"$(sort -u <<<"$err")")" 1 'the compilers are installed once'
		is "$("${who:+$UT/}hello/linux_$here/hello")" "hello from $here" 'this machine'\''s runs'
		isnt "$(machine "${who:+$UT/}hello/linux_amd64/hello")" "$(machine "${who:+$UT/}hello/linux_arm64/hello")" 'the other is another machine'\''s'
		like "$(machine "${who:+$UT/}hello/linux_arm64/hello")" AArch64 'namely'
		! command -v "qemu-$other_debian-static" >/dev/null || is "$("qemu-$other_debian-static" "${who:+$UT/}hello/linux_$other/hello")" "hello from $other" 'and runs there'
	done
else
	fail 'a Debian base'
fi

# ---- bases ----

# An index of the store.
printf 'FROM registry.example/shop:1.4\nARG TARGETARCH\nLABEL second=$TARGETARCH\n' >ctx/second
build -q -f ctx/second --platform "$both" -o type=oci,dest=second,tar=false ctx
is "$status" 0 'FROM an index of the store'
is "$(document second "linux/$other" | jq -c '.layers')" "$(document out "linux/$other" | jq -c '.layers')" 'takes the platform'\''s image'
build -f ctx/plain --platform "$both,linux/riscv64" ctx
is "$status" 1 'FROM an index that lacks one of the platforms'
like "$err" "^error: .*no image for linux/riscv64\$" 'says which'
# An image that is in no index is taken for what it is.
printf 'FROM alone\nCOPY plain /\n' >ctx/alone
run "$WHITTLE" build -q --root st --build-context alone=oci-layout://foreign -f ctx/alone -o type=oci,dest=alone,tar=false ctx
is "$status" 0 'FROM an image for another machine'
is "$(jq -r .architecture "alone/blobs/sha256/$(jq -r '.manifests[0].digest' alone/index.json | cut -d: -f2 | xargs -I{} jq -r .config.digest alone/blobs/sha256/{} | cut -d: -f2)")" \
	"$other" 'makes an image for that one'
printf 'FROM --platform=linux/%s base\nCOPY plain /\n' "$other" >ctx/given
build -q -f ctx/given -o type=oci,dest=given,tar=false ctx
is "$(jq -r '.manifests[0].platform.architecture' given/index.json)" "$other" 'FROM --platform without --platform decides what the image is for'

# ---- readers ----

run "$WHITTLE" sbom --root st registry.example/shop:1.4
is "$status" 0 'sbom of an index: this machine'\''s image'
like "$out" "$(digest_of out "linux/$here" | cut -d: -f2)" 'namely'
run "$WHITTLE" sbom --platform "$other" oci:out:1.4
like "$out" "$(digest_of out "linux/$other" | cut -d: -f2)" 'or the one that --platform says'
is "$(jq -r .name <<<"$out")" "$("$WHITTLE" sbom --root st --platform "$other" registry.example/shop:1.4 | jq -r .name)" 'under the name of the index'
run "$WHITTLE" sbom --root st --platform linux/s390x registry.example/shop:1.4
is "$status" 1 'or none'
like "$err" "^hint: .*linux/$other" 'and says which there are'
run "$WHITTLE" sbom oci:foreign
is "$status" 0 'of an image alone, whatever it is for'

# ---- registries ----

registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
reg=$REGISTRY
build -t "$reg/shop:1" -t "$reg/shop:latest" --platform "$both" --push ctx
is "$status" 0 'push of an index'
pushed=$(sed -n 's/^image  *//p' <<<"$out")
is "sha256:$(registry_get "$reg" /v2/shop/manifests/1 | sha256sum | cut -d' ' -f1)" "$pushed" 'the tag leads to the index'
is "$(skopeo inspect --tls-verify=false --raw "docker://$reg/shop:latest" | jq -r '.manifests[].platform.architecture' | paste -sd' ')" "$here $other" \
	'skopeo sees both'
ok 'skopeo copies all' skopeo copy -q --all --src-tls-verify=false "docker://$reg/shop:1" oci:fetched:1
is "$(digest_of fetched)" "$pushed" 'with the same digest'
if command -v podman >/dev/null && is_root; then
	run podman --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs pull -q --tls-verify=false --arch "$other" "$reg/shop:1"
	is "$status" 0 'podman takes one'
	is "$(podman --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs image inspect --format '{{.Architecture}}' "$reg/shop:1")" "$other" 'of the platform asked for'
fi
run "$WHITTLE" pull -q --root st2 "$reg/shop:1"
is "$status $out" "0 $(digest_of out "linux/$here" | sed "s/.*/$(skopeo inspect --tls-verify=false --raw "docker://$reg/shop:1" | jq -r '.manifests[0].digest')/")" \
	'pull takes this machine'\''s'
run "$WHITTLE" pull -q --root st3 --platform "$other" "$reg/shop:1"
is "$status $out" "0 $(skopeo inspect --tls-verify=false --raw "docker://$reg/shop:1" | jq -r '.manifests[1].digest')" 'or the one that is asked for'
run "$WHITTLE" pull -q --root st4 --all-platforms "$reg/shop:1"
is "$status $out" "0 $pushed" 'or all'
run "$WHITTLE" push -q --root st4 "$reg/shop:1" "$reg/copy/shop:1"
is "$status $out" "0 $pushed" 'which go on as they came'
is "sha256:$(registry_get "$reg" /v2/copy/shop/manifests/1 | sha256sum | cut -d' ' -f1)" "$pushed" 'namely'
run "$WHITTLE" push -q --root st4 --platform "$other" "$reg/shop:1" "$reg/copy/one:1"
is "$status $out" "0 $(document fetched | jq -r '.manifests[1].digest')" 'or one of them'
printf 'FROM %s/shop:1\nCOPY plain /\n' "$reg" >ctx/remote
run "$WHITTLE" build -q --root st5 --platform "$both" -f ctx/remote -o type=oci,dest=remote,tar=false ctx
is "$status" 0 'FROM an index of a registry'
is "$(document remote "linux/$other" | jq -c '.layers[:2]')" "$(document fetched "linux/$other" | jq -c '.layers[:2]')" 'takes each platform'\''s image'
run "$WHITTLE" build -q --root st4 --platform "$both" -f ctx/remote -t "$reg/child:1" --push ctx
is "$status" 0 'push of an index over a base that the registry has under another name'
layer=$(document fetched "linux/$other" | jq -r '.layers[0].digest')
like "$(cat registry/log)" "POST /v2/child/blobs/uploads/\\?.*mount=${layer/:/(:|%3A)}.* 201 " 'its layers are mounted, the other platform'\''s, too'
run "$WHITTLE" build --root st6 --platform "linux/$other" -t "$reg/shop:1" -f ctx/remote ctx
is "$status" 0 'a base under the name of the result'

# ---- signatures ----

"$WHITTLE" keygen --output-key-prefix ours >/dev/null && "$WHITTLE" keygen --output-key-prefix theirs >/dev/null
verify() { run "$WHITTLE" verify "$@"; }
build -q -t "$reg/signed:1" --platform "$both" --sign-key ours.key -o type=oci,dest=signed,tar=false --push ctx
is "$status" 0 'build, sign, push'
index=$(digest_of signed)
for where in "oci:signed:1" "--root $T/st $reg/signed:1" "--root $T/st7 docker://$reg/signed:1"; do
	# shellcheck disable=SC2086
	verify $where --key ours.pub
	is "$status" 0 "verify: ${where/$T/…}"
	like "$out" "^verified +$index\$" 'the index'
	like "$out" '^index +2 images, all of them checked$' 'and each image'
	like "$out" "^image +linux/$other $(digest_of signed "linux/$other")\$" 'namely'
	is "$(grep -c '^signature *bundle and older form' <<<"$out")" 3 'all are signed, in both forms'
	is "$(grep -c '^statement *https://spdx.dev/Document$' <<<"$out")" 2 'each image has its bill of materials'
done
verify oci:signed:1 --key theirs.pub
is "$status" 3 'not by another key'
verify oci:signed:1 --key ours.pub --require spdx --format json
is "$status $(jq -c '[.digest, [.images[].platform], .otherPlatformsUnchecked]' <<<"$out")" "0 [\"$index\",[\"linux/$here\",\"linux/$other\"],0]" 'as JSON'
verify oci:signed:1 --key ours.pub --require verdict
is "$status" 3 'a statement that the images do not have'
verify oci:signed:1 --key ours.pub --platform "$other"
is "$status" 0 'one image alone'
like "$out" "^platform +linux/$other; the index has 1 more, which were not checked\$" 'and it says so'
verify oci:signed:1 --key ours.pub --signed-as registry.example/else
is "$status" 3 'under another name'
for d in "$index" "$(digest_of signed "linux/$here")" "$(digest_of signed "linux/$other")"; do
	run timeout 60 "$cosign" verify --insecure-ignore-tlog=true --allow-http-registry --key ours.pub "$reg/signed@$d"
	is "$status" 0 'cosign verifies it'
done
run timeout 60 "$cosign" verify --insecure-ignore-tlog=true --allow-http-registry --key ours.pub "$reg/signed:1"
is "$status" 0 'and by its tag'
like "$out" "$index" 'which is the index'
run timeout 60 "$cosign" verify-attestation --insecure-ignore-tlog=true --allow-http-registry --key ours.pub --type spdxjson "$reg/signed@$(digest_of signed "linux/$other")"
is "$status" 0 'and the statement about an image'

# Statements are about the images.
subject() { # DIGEST: of its bill of materials
	"$WHITTLE" verify oci:signed:1 --key ours.pub --platform "$1" --format json | jq -r '.digest'
}
is "$(subject "$other")" "$(digest_of signed "linux/$other")" 'each is about its own'

# Signed afterwards; one image of an index without a signature of its own; an index without one.
cp -r out later
run "$WHITTLE" sign oci:later:1.4 --key ours.key
is "$status" 0 'sign an index that is there'
verify oci:later:1.4 --key ours.pub
is "$status $(grep -c '^signature *bundle and older' <<<"$out")" '0 3' 'signs the index and each image'
cp -r out part
run "$WHITTLE" sign oci:part:1.4 --key ours.key --platform "$here"
is "$status" 0 'sign one image of an index'
verify oci:part:1.4 --key ours.pub
is "$status" 0 'the index is not signed, this machine'\''s image is'
like "$out" "^platform +linux/$here; the index has 1 more, which were not checked\$" 'and that is what it says'
verify oci:part:1.4 --key ours.pub --platform "$other"
is "$status" 3 'the other is not'
# Others go by what the index says an image is for, not by what the image says, and not by what is noted beside it.
lie() { # DIR PYTHON: changes the index in a layout; a is this machine's image, b the other
	cp -r part "$1" && python3 - "$1" "$(digest_of out "linux/$here")" "$2" <<'END'
import hashlib, json, sys
top = json.load(open(sys.argv[1] + "/index.json"))
image = next(m for m in top["manifests"] if "index" in m["mediaType"])
path = sys.argv[1] + "/blobs/sha256/"
index = json.load(open(path + image["digest"][7:]))
a, b = sorted(index["manifests"], key=lambda m: m["digest"] != sys.argv[2])
exec(sys.argv[3])
data = json.dumps(index).encode()
image["digest"] = "sha256:" + hashlib.sha256(data).hexdigest()
image["size"] = len(data)
open(path + image["digest"][7:], "wb").write(data)
json.dump(top, open(sys.argv[1] + "/index.json", "w"))
END
}
lie crossed 'a["platform"], b["platform"] = b["platform"], a["platform"]'
lie marked 'b["platform"] = a["platform"]; b["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}; index["manifests"] = [b, a]'
verify oci:crossed:1.4 --key ours.pub
is "$status" 3 'an index that nobody signed, which calls another image this machine'\''s'
skopeo copy -q --all --dest-tls-verify=false oci:crossed:1.4 "docker://$reg/crossed:1"
timeout 60 "$cosign" sign --tlog-upload=false --allow-http-registry -y --key ours.key "$reg/crossed@$(digest_of out "linux/$here")" >/dev/null 2>&1
verify --root st9 "docker://$reg/crossed@$(digest_of out "linux/$here")" --key ours.pub
is "$status" 0 'in a registry, too, the image itself is signed'
verify --root st9 "docker://$reg/crossed:1" --key ours.pub
is "$status" 3 'and the index calls another one this machine'\''s'
verify --root st9 "docker://$reg/crossed:1" --key ours.pub --platform "linux/$here"
is "$status" 3 'when asked for by platform, too'
skopeo copy -q --all --dest-tls-verify=false oci:marked:1.4 "docker://$reg/crossed:2"
verify --root st9 "docker://$reg/crossed:2" --key ours.pub
is "$status" 3 'nor is what it calls this machine'\''s made an attestation by a mark'
skopeo copy -q --all --dest-tls-verify=false oci:out:1.4 "docker://$reg/theirs:1"
timeout 60 "$cosign" sign --tlog-upload=false --allow-http-registry -y --key ours.key "$reg/theirs:1" >/dev/null 2>&1
verify --root st8 "docker://$reg/theirs:1" --key ours.pub
is "$status" 0 'an index that cosign signed'
is "$(grep -c "^signature *the index's\$" <<<"$out")" 2 'stands for images without a signature of their own'

# Nothing of it may change.
cp -r signed bad && f=bad/blobs/sha256/$(document signed "linux/$other" | jq -r '.layers[0].digest' | cut -d: -f2)
printf X | dd of="$f" bs=1 seek=100 conv=notrunc 2>/dev/null
verify oci:bad:1 --key ours.pub
is "$status" 3 'a layer of one image is damaged'
cp -r signed swapped && python3 - swapped <<'END'
import hashlib, json, sys
top = json.load(open(sys.argv[1] + "/index.json"))
image = next(m for m in top["manifests"] if "index" in m["mediaType"])
path = sys.argv[1] + "/blobs/sha256/"
index = json.load(open(path + image["digest"][7:]))
index["manifests"] = index["manifests"][:1]
data = json.dumps(index).encode()
image["digest"] = "sha256:" + hashlib.sha256(data).hexdigest()
image["size"] = len(data)
open(path + image["digest"][7:], "wb").write(data)
json.dump(top, open(sys.argv[1] + "/index.json", "w"))
END
verify oci:swapped:1 --key ours.pub --format json
is "$status $(jq -c '[.images, .otherPlatformsUnchecked]' <<<"$out")" '0 [null,0]' 'another index over the same images: it is not the index that is proved'

# One platform hardened, the other not: each has its own evidence.
cat >ctx/hardened <<END
FROM --platform=\$BUILDPLATFORM base AS tests
FROM scratch AS for-$here
COPY app plain /
ENTRYPOINT ["/app"]
PROFILE --from=tests --start=manual /run/whittle/app run /app
PRUNE
FROM scratch AS for-$other
COPY app /
FROM for-\$TARGETARCH
END
echo 'int main(void) { return 0; }' >app.c && gcc -static -o ctx/app app.c
build -t hardened:1 -f ctx/hardened --platform "$both" --sign-key ours.key -o type=oci,dest=hardened,tar=false ctx
if [ "$status" = 0 ]; then
	pass 'one platform hardened'
	verify oci:hardened:1 --key ours.pub --format json
	is "$status $(jq -c '[.images[] | [.platform, (.verdict != null)]]' <<<"$out")" "0 [[\"linux/$here\",true],[\"linux/$other\",false]]" 'that one has a verdict'
	printf '%s\n' "$out" >verification.json
	fits verification-1 verification.json 'as JSON it fits its schema'
else
	fail 'one platform hardened' "$err"
fi

done_testing

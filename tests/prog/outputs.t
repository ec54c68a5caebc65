#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Images out and in: every --output, annotations, compression, metadata, --load, save and load, with those who read and write such things
# besides us: skopeo, umoci, podman, docker, containerd, a registry.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'dockerd and containerd need root'
. "$SRC/tests/tools/dockerd.sh"
. "$SRC/tests/tools/registry.sh"
busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
S=$T/store
export SOURCE_DATE_EPOCH=1700000000

registry_start "$T/registry" || { echo "Bail out! no registry"; exit 1; }
on_exit 'server_stop "$REGISTRY_PID"'

mkdir ctx
printf 'FROM base\nRUN echo hello >/hello\nCOPY file /file\nCMD ["cat", "/hello"]\n' >ctx/Dockerfile
printf 'FROM scratch\nCOPY file /file\n' >ctx/scratch
echo content >ctx/file
build() { run "$WHITTLE" build --root "$S" --build-context base="oci-layout://$busybox" "$@" ctx; }
scratch() { run "$WHITTLE" build --root "$S" -f ctx/scratch "$@" ctx; }
member() { tar -xOf "$1" "$2"; } # ARCHIVE NAME

# The manifest that an OCI layout's tar leads to, by the first entry of its index.json.
manifest_of() {
	member "$1" "blobs/sha256/$(member "$1" index.json | jq -r '.manifests[0].digest[7:]')"
}

config_of() { member "$1" "$(member "$1" manifest.json | jq -r '.[0].Config')"; }

# ---- every type at once ----

build -t shop:1 -t other -o type=oci,dest=o.tar -o type=oci,dest=odir,tar=false -o type=docker,dest=d.tar -o type=local,dest=files -o type=tar,dest=f.tar \
	-o type=registry,name="$REGISTRY/shop:1" -o type=image,name=extra:2 --iidfile iid --metadata-file meta.json
is "$status" 0 'all types at once: exit code'
is "$(cat files/hello)" hello 'local: the files'
is "$(tar -xOf f.tar hello)" hello 'tar: the files'
is "$(skopeo inspect --raw oci:odir:1 | jq -r '.layers | length')" 3 'oci: skopeo reads the directory'
is "$(manifest_of o.tar)" "$(skopeo inspect --raw oci:odir:1)" 'oci: the tar has the same image'
is "$(skopeo inspect docker-archive:d.tar:shop:1 | jq -r .Name)" docker.io/library/shop 'docker: skopeo reads the archive'
is "$(skopeo inspect --tls-verify=false "docker://$REGISTRY/shop:1" | jq -r '.Digest')" "$(member o.tar index.json | jq -r '.manifests[0].digest')" \
	'registry: by the name of the output'
like "$("$WHITTLE" images --root "$S")" '^extra +2' 'image: its own name is in the store'
like "$("$WHITTLE" images --root "$S")" '^shop +1' 'and the tag'
ok 'umoci unpacks it' umoci unpack --image odir:1 bundle
is "$(cat bundle/rootfs/hello)" hello 'and has its files'
is "$(member d.tar manifest.json | jq -r '.[0].RepoTags | join(" ")')" 'shop:1 other:latest' 'docker: names as docker writes them'
is "$(member d.tar manifest.json | jq -r '.[0].Config')" "blobs/sha256/$(cut -c8- iid)" 'docker: the config is the id'
is "$(tar -tvf d.tar | awk '{ print $4, $5 }' | sort -u)" '2023-11-14 22:13' 'docker: all times are SOURCE_DATE_EPOCH'
cp d.tar first.tar
build -t shop:1 -t other -o type=docker,dest=d.tar
ok 'the same bytes twice' cmp first.tar d.tar
build -t shop:1 -o type=docker,dest=-
is "$status" 0 'to standard output: exit code'

# ---- metadata ----

fits build-metadata-1 meta.json 'metadata: it fits its schema'

is "$(jq -r '."containerimage.config.digest"' meta.json)" "$(cat iid)" 'metadata: config digest is the iidfile'
is "$(jq -r '."containerimage.digest"' meta.json)" "$(jq -r '."containerimage.descriptor".digest' meta.json)" 'metadata: digest and descriptor'
is "$(jq -r '."containerimage.descriptor" | .mediaType, .platform.os, .annotations["org.opencontainers.image.created"]' meta.json | tr '\n' ' ')" \
	'application/vnd.oci.image.manifest.v1+json linux 2023-11-14T22:13:20Z ' 'metadata: the descriptor'
is "$(jq -r '."image.name"' meta.json)" "docker.io/library/shop:1,docker.io/library/other:latest,$REGISTRY/shop:1,docker.io/library/extra:2" 'metadata: names'
like "$(jq -r '."buildx.build.ref"' meta.json)" '^whittle/whittle/[0-9a-z]{25}$' 'metadata: build ref'
is "$(jq -r '."buildx.build.provenance".buildDefinition.externalParameters.platform' meta.json)" linux/amd64 'metadata: provenance'
is "$(jq 'has("buildx.build.warnings")' meta.json)" false 'metadata: no warnings unless asked for'
printf 'from scratch\nCOPY file /x\n' >ctx/lint
BUILDX_METADATA_WARNINGS=1 BUILDX_METADATA_PROVENANCE=disabled run "$WHITTLE" build --root "$S" -f ctx/lint --metadata-file warn.json -q ctx
is "$(jq -r '."buildx.build.warnings"[0].short' warn.json | base64 -d)" "ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase) (line 1)" \
	'metadata: a warning'
fits build-metadata-1 warn.json 'metadata: with warnings, too'
is "$(jq -r '."buildx.build.warnings"[0].range[0].start.line, has("buildx.build.provenance")' warn.json | tr '\n' ' ')" '1 false ' 'metadata: its line; no provenance'
printf 'FROM base\nRUN false\n' >ctx/fails
build -f ctx/fails --metadata-file meta.json --iidfile iid
is "$status" 1 'a build fails'
nok 'and leaves no old metadata' test -e meta.json
nok 'and no old id' test -e iid
build --metadata-file nowhere/x
is "$status" 2 'metadata to nowhere: before anything runs'

# ---- annotations ----

build -t shop:1 --annotation a.b=c --annotation manifest-descriptor:m.d=e=f --annotation 'manifest[linux/amd64]:bound=1' \
	-o type=oci,dest=a.tar,annotation.own=x,annotation-manifest-descriptor.own.d=y -o type=oci,dest=b.tar
is "$(manifest_of a.tar | jq -c .annotations)" '{"a.b":"c","bound":"1","own":"x"}' 'annotations of the manifest, of an output too'
is "$(manifest_of b.tar | jq -c .annotations)" '{"a.b":"c","bound":"1"}' 'those of another output are its own'
is "$(member a.tar index.json | jq -c '.manifests[0].annotations | del(.["io.containerd.image.name"], .["org.opencontainers.image.ref.name"])')" '{"m.d":"e=f","own.d":"y"}' \
	'annotations of the descriptor'
is "$(skopeo inspect --raw oci-archive:a.tar | jq -r '.annotations.own')" x 'skopeo sees them'
scratch -t multi --platform linux/amd64,linux/arm64 --annotation 'index,manifest:both=1' --annotation 'manifest[linux/arm64]:arm=yes' --annotation index-descriptor:i.d=z \
	--annotation 'manifest-descriptor[linux/arm64]:m.d=w' -o type=oci,dest=m.tar -o type=registry,name="$REGISTRY/multi:1" --metadata-file meta.json --iidfile iid
is "$status" 0 'several platforms: exit code'
fits build-metadata-1 meta.json 'several platforms: the metadata fit their schema'
index=$(manifest_of m.tar)
is "$(jq -c .annotations <<<"$index")" '{"both":"1"}' 'annotations of the index'
is "$(jq -c '[.manifests[].annotations]' <<<"$index")" '[null,{"m.d":"w"}]' 'annotations of a descriptor in it'
is "$(member m.tar index.json | jq -r '.manifests[0].annotations["i.d"]')" z 'annotations of the descriptor of the index'
is "$(for d in $(jq -r '.manifests[].digest[7:]' <<<"$index"); do member m.tar "blobs/sha256/$d" | jq -c .annotations; done | tr '\n' ' ')" \
	'{"both":"1"} {"arm":"yes","both":"1"} ' 'annotations of each manifest'
is "$(skopeo inspect --tls-verify=false --raw "docker://$REGISTRY/multi:1")" "$index" 'the registry has just that index'
is "$(jq -r '."containerimage.digest", ."containerimage.descriptor".annotations["i.d"], has("containerimage.config.digest")' meta.json | tr '\n' ' ')" "$(cat iid) z false " \
	'metadata of an index'
is "$(jq -r 'keys[]' meta.json | grep provenance | tr '\n' ' ')" 'buildx.build.provenance/linux/amd64 buildx.build.provenance/linux/arm64 ' 'metadata: provenance of each'
export COSIGN_PASSWORD=secret
ok 'keys' "$WHITTLE" keygen --output-key-prefix key
build -t signed --annotation s=1 --sign-key key.key -o type=oci,dest=signed,tar=false
is "$status" 0 'signed with annotations: exit code'
[ "$status" = 0 ] || echo "# $err"
ok 'the signature is about the annotated image' "$WHITTLE" verify --root "$S" --key key.pub oci:signed

wrong() { # DESC ERE WORD…: refused before anything runs
	build "${@:3}"
	is "$status" 2 "$1: exit code"
	like "$err" "$2" "$1: the words"
}
wrong 'annotation of no index' 'index annotations not supported for single platform export' --annotation index:a=b
wrong 'annotation for another platform' 'no platform linux/s390x found in source' --annotation 'manifest[linux/s390x]:a=b'
wrong 'annotation of an unknown level' 'unknown annotation type "layer"' --annotation layer:a=b
wrong 'annotation of no level' 'invalid annotation type "a.b"' --annotation a.b:c=d
wrong 'annotation without a value' 'expected key=value' --annotation a
wrong 'annotation without a key' 'expected key=value' --annotation =a
wrong 'annotations in docker media types' 'cannot export annotations with "oci-mediatypes=false"' --annotation manifest-descriptor:a=b -t x -o type=image,oci-mediatypes=false
wrong 'zstd in docker media types' '"compression=zstd" conflicts with "oci-mediatypes=false"' -t x -o type=registry,oci-mediatypes=false,compression=zstd
wrong 'zstd in a docker archive' 'read no zstd' -o type=docker,dest=x,compression=zstd
wrong 'estargz' 'estargz is not supported' -o type=oci,dest=x,compression=estargz
wrong 'unpack' 'unpack=true is not supported' -o type=image,unpack=true
wrong 'a push without a name' 'a push needs a name' -o type=image,push=true
wrong 'chunks of a file' 'chunk-size belongs to what is pushed' -o type=oci,dest=x,chunk-size=1m
wrong 'docker archive as a directory' 'is one file' -o type=docker,dest=x,tar=false
build -t x --platform linux/amd64,linux/arm64 -f ctx/scratch -o type=docker,dest=x.tar
is "$status" 2 'several platforms in a docker archive: exit code'
like "$err" 'no image of several platforms' 'and the words'
nok 'and no file' test -e x.tar

# ---- compression ----

magic() { # what a blob of a layout is
	case $(head -c4 "$1" | od -An -tx1 | tr -d ' ') in 1f8b*) echo gzip ;; 28b52ffd) echo zstd ;; *) echo plain ;; esac
}
kinds() { # LAYOUT NAME: its layers' media types against their bytes
	local d t
	skopeo inspect --raw "oci:$1:$2" | jq -r '.layers[] | .digest[7:] + " " + .mediaType' | while read -r d t; do
		echo "${t##*.}=$(magic "$1/blobs/sha256/$d")"
	done | tr '\n' ' '
}
ids=
for kind in zstd gzip uncompressed; do
	build -t c:1 -o "type=oci,dest=c-$kind,tar=false,compression=$kind,force-compression=true" --iidfile iid
	ids="$ids $(cat iid)"
	case $kind in
	zstd) want='tar+zstd=zstd tar+zstd=zstd tar+zstd=zstd ' ;;
	gzip) want='tar+gzip=gzip tar+gzip=gzip tar+gzip=gzip ' ;;
	*) want='tar=plain tar=plain tar=plain ' ;;
	esac
	is "$(kinds "c-$kind" 1)" "$want" "$kind, all layers"
	ok "$kind: skopeo copies it" skopeo copy -q "oci:c-$kind:1" "dir:copy-$kind"
done
is "$(tr ' ' '\n' <<<"$ids" | grep -c .) $(tr ' ' '\n' <<<"$ids" | grep . | sort -u | wc -l)" '3 1' 'the id does not depend on compression'
build -t c:1 -o type=oci,dest=c-own,tar=false,compression=zstd
is "$(kinds c-own 1)" 'tar+gzip=gzip tar+zstd=zstd tar+zstd=zstd ' 'without force the layers of the base stay as they are'
build -t c:1 -o type=oci,dest=l1,tar=false,compression=gzip,compression-level=1,force-compression=true
build -t c:1 -o type=oci,dest=l9,tar=false,compression=gzip,compression-level=9,force-compression=true
ok 'levels make a difference' test "$(du -sb l9 | cut -f1)" -lt "$(du -sb l1 | cut -f1)"
build -t c:1 -o type=docker,dest=dz.tar,compression=uncompressed,force-compression=true
is "$(manifest_of dz.tar | jq -r '[.layers[].mediaType] | unique | .[]')" application/vnd.oci.image.layer.v1.tar 'docker archive with plain layers'

# ---- registry ----

build -t "$REGISTRY/v2s2:1" -o type=image,push=true,oci-mediatypes=false,chunk-size=1m
is "$status" 0 'docker media types: exit code'
raw=$(skopeo inspect --tls-verify=false --raw "docker://$REGISTRY/v2s2:1")
is "$(jq -r '.mediaType, .config.mediaType, (.layers | map(.mediaType) | unique | .[])' <<<"$raw" | tr '\n' ' ')" \
	'application/vnd.docker.distribution.manifest.v2+json application/vnd.docker.container.image.v1+json application/vnd.docker.image.rootfs.diff.tar.gzip ' \
	'docker media types throughout'
scratch --platform linux/amd64,linux/arm64 -t "$REGISTRY/v2s2:2" --push -o type=image,oci-mediatypes=false
is "$(skopeo inspect --tls-verify=false --raw "docker://$REGISTRY/v2s2:2" | jq -r '.mediaType, .manifests[0].mediaType' | tr '\n' ' ')" \
	'application/vnd.docker.distribution.manifest.list.v2+json application/vnd.docker.distribution.manifest.v2+json ' 'and a manifest list'
build -o "type=registry,name=$REGISTRY/bydigest,push-by-digest=true" --metadata-file meta.json
is "$status" 0 'by digest: exit code'
digest=$(jq -r '."containerimage.digest"' meta.json)
ok 'by digest: it is there' skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/bydigest@$digest"
nok 'by digest: without a tag' skopeo inspect --tls-verify=false "docker://$REGISTRY/bydigest:latest"

# ---- one of several fails ----

build -t shop:1 -o type=oci,dest=good.tar -o type=registry,name=127.0.0.1:1/nobody/shop:1 -o type=docker,dest=never.tar
is "$status" 4 'one output of several fails: exit code'
like "$err" 'written.*good.tar' 'which were written is said'
ok 'what was written is whole' tar -tf good.tar
nok 'what comes later is not there' test -e never.tar
is "$(ls -A | grep -c '\.tmp-')" 0 'nothing half-written'

# ---- load and save among ourselves ----

digest_of() { "$WHITTLE" images --root "$1" --digests --no-trunc 2>/dev/null | awk -v n="$2" '$1 == n { for (i = 1; i <= NF; i++) if ($i ~ /^sha256:/) { print $i; exit } }'; }
ok 'save, docker format' "$WHITTLE" save --root "$S" -o s.tar shop:1 other extra:2
ok 'save, oci format' "$WHITTLE" save --root "$S" --format oci -o so.tar shop:1 multi
run "$WHITTLE" load --root "$T/s2" -i s.tar
is "$out" "$(printf 'Loaded image: %s\n' extra:2 other:latest shop:1)" 'load: what docker prints'
"$WHITTLE" save --root "$T/s2" shop:1 other extra:2 >again.tar
ok 'loaded and saved it is the same' cmp s.tar again.tar
run sh -c '"$0" load --root "$1" <so.tar' "$WHITTLE" "$T/s3"
is "$status" 0 'load of an OCI layout from standard input'
"$WHITTLE" save --root "$T/s3" --format oci shop:1 multi >again.tar
is "$(member again.tar index.json)" "$(member so.tar index.json)" 'the index over several platforms is the same'
COSIGN_PASSWORD=x "$WHITTLE" keygen --output-key-prefix moved
COSIGN_PASSWORD=x "$WHITTLE" sign --root "$S" --key moved.key shop:1 >/dev/null 2>&1
"$WHITTLE" save --root "$S" --format oci -o signed.tar shop:1
run "$WHITTLE" load --root "$T/s5" -i signed.tar
is "$status" 0 'load of a signed image'
run "$WHITTLE" verify --root "$T/s5" --key moved.pub shop:1
is "$status" 0 'its signature came along'
run "$WHITTLE" load --root "$T/s4" --platform linux/arm64 -i m.tar
is "$status" 0 'load of one platform'
like "$("$WHITTLE" images --root "$T/s4")" 'linux/arm64' 'and that alone'
for z in gzip zstd xz; do
	$z -c <s.tar >s.z
	run "$WHITTLE" load --root "$T/s5" -i s.z
	is "$status" 0 "load of an archive in $z"
done
run "$WHITTLE" save --root "$S" nothing
is "$status" 1 'save of nothing'
if command -v script >/dev/null; then
	like "$(script -qec "'$WHITTLE' save --root '$S' shop:1" /dev/null </dev/null)" 'not written to a terminal' 'save refuses a terminal'
fi

# ---- docker ----

bin=$T/bin
mkdir -p bin none
if dockerd_start "$T/dockerd"; then
	on_exit dockerd_stop
	ok 'docker loads a build' "$DOCKER" load -q -i d.tar
	is "$("$DOCKER" image inspect -f '{{.Id}}' shop:1)" "$(member d.tar manifest.json | jq -r '"sha256:" + .[0].Config[13:]')" 'by the same id'
	is "$("$DOCKER" run --rm --network none shop:1)" hello 'and runs it'
	ok 'docker loads plain layers' "$DOCKER" load -q -i dz.tar
	"$WHITTLE" save --root "$S" extra:2 | "$DOCKER" load -q >/dev/null
	ok 'docker loads what was saved' "$DOCKER" image inspect extra:2
	"$DOCKER" save -o docker.tar shop:1 other extra:2
	run "$WHITTLE" load --root "$T/s6" -i docker.tar
	is "$(sort <<<"$out")" "$(printf 'Loaded image: %s\n' extra:2 other:latest shop:1)" 'what docker saves is loaded'
	"$WHITTLE" save --root "$T/s6" shop:1 >back.tar
	is "$(member back.tar manifest.json | jq -r '.[0].Config')" "$(member d.tar manifest.json | jq -r '.[0].Config')" 'with the same id'
	printf '#!/bin/sh\nexec %s "$@"\n' "$DOCKER" >bin/docker
	chmod 755 bin/docker
	PATH=$bin:$PATH build -t direct:1 --load
	is "$status" 0 '--load: exit code'
	like "$err" 'docker: Loaded image: direct:1' '--load: docker says so'
	is "$("$DOCKER" run --rm --network none direct:1)" hello '--load: docker runs it'
	PATH=$bin:$PATH scratch -t many:1 --platform linux/arm64,linux/amd64 --load=docker
	like "$err" "this machine's image" '--load of several platforms: a note'
	is "$("$DOCKER" image inspect -f '{{.Architecture}}' many:1)" amd64 'and the right one'
else
	fail 'dockerd starts'
fi

# ---- podman ----

mapfile -t options < <([ ! -d /sys/fs/cgroup/unified ] || printf '%s\n' --runtime runc)
mapfile -t limits < <((ulimit -n 1048576) 2>/dev/null || printf '%s\n' --ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
pod() { podman "${options[@]}" --root "$T/podman" --runroot "$T/podman-run" "$@"; }
on_exit 'pod rmi -af >/dev/null 2>&1; umount "$T/podman/overlay" 2>/dev/null'
ok 'podman loads a build' pod load -q -i d.tar
is "$(pod run --rm --network none "${limits[@]}" shop:1 2>&1)" hello 'and runs it'
ok 'podman loads what was saved' pod load -q -i s.tar
for form in docker-archive oci-archive; do
	pod save -q --format $form -o "$form.tar" localhost/shop:1
	run "$WHITTLE" load --root "$T/s7-$form" -i "$form.tar"
	is "$out" 'Loaded image: localhost/shop:1' "what podman saves as $form is loaded"
	"$WHITTLE" save --root "$T/s7-$form" localhost/shop:1 >back.tar
	is "$(config_of back.tar | jq -c .rootfs)" "$(config_of d.tar | jq -c .rootfs)" "$form: with the same layers"
done
ok 'podman loads an OCI layout' pod load -q -i b.tar
is "$(tar -xOf docker-archive.tar manifest.json | jq -r '.[0].Config')" "$(member d.tar manifest.json | jq -r '.[0].Config[13:] + ".json"')" \
	'docker-archive: with the same id'
printf '#!/bin/sh\nexec %s %s --root %s/podman --runroot %s/podman-run "$@"\n' "$(command -v podman)" "${options[*]}" "$T" "$T" >bin/podman
chmod 755 bin/podman
PATH=$bin:$PATH build -t direct:2 -o type=docker --load=podman
is "$status" 0 '--load=podman: exit code'
like "$err" 'podman: Loaded image' '--load=podman: podman says so'
ok '--load=podman: it is there' pod image exists direct:2
skopeo copy -q docker-archive:d.tar:shop:1 docker-archive:sk.tar:sk:1
run "$WHITTLE" load --root "$T/s8" -i sk.tar
is "$out" 'Loaded image: sk:1' "what skopeo writes is loaded"

# ---- containerd ----

cat >containerd.toml <<C
version = 2
root = "$T/containerd/root"
state = "$T/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$T/containerd.sock"
C
containerd -c containerd.toml >containerd.log 2>&1 &
containerd_pid=$!
on_exit 'kill "$containerd_pid" 2>/dev/null; wait "$containerd_pid" 2>/dev/null'
export CONTAINERD_ADDRESS=$T/containerd.sock
for _ in $(seq 100); do
	ctr version >/dev/null 2>&1 && break
	sleep 0.1
done
build -t direct:3 --load=containerd --metadata-file meta.json
is "$status" 0 '--load=containerd: exit code'
[ "$status" = 0 ] || echo "# $err"
like "$(ctr images ls)" "docker.io/library/direct:3 .*$(jq -r '."containerimage.digest"' meta.json)" '--load=containerd: by the same digest'
ok 'ctr exports' ctr images export ctr.tar docker.io/library/direct:3
run "$WHITTLE" load --root "$T/s9" -i ctr.tar
is "$out" 'Loaded image: direct:3' 'what ctr exports is loaded'
is "$("$WHITTLE" save --root "$T/s9" --format oci direct:3 | tar -xO index.json | jq -r '.manifests[0].digest')" "$(jq -r '."containerimage.digest"' meta.json)" \
	'with the same digest'
ok 'ctr imports an OCI layout of ours' ctr images import so.tar

# ---- one place for two things ----

for places in '-o type=oci,dest=same -o type=docker,dest=./same' '-o type=oci,dest=same --iidfile same' '--iidfile same --metadata-file ./same' '-o type=local,dest=same -o type=oci,dest=same'; do
	# shellcheck disable=SC2086
	scratch $places
	is "$status $(head -n 1 <<<"$err")" "2 error: two things are to be written to \"$T/same\", and one of them would be lost" "$places"
	nok 'nothing is written' test -e same
done
scratch --iidfile no/such
is "$status" 2 '--iidfile where no directory is: exit code'
unlike "$err" 'COPY' 'which is seen before anything runs'

# ---- --load where it does not work ----

run env PATH="$T/none" "$WHITTLE" build --root "$S" -f ctx/scratch -t x --load ctx
is "$status" 4 '--load with nobody there: exit code'
like "$err" 'docker is not installed; podman is not installed; nerdctl is not installed; ctr is not installed' 'and what was tried'
mkdir fake
printf '#!/bin/sh\nif [ "$1" = version ]; then exit 0; fi\ncat >/dev/null\necho first\nprintf "no \\033[31mroom\\n" >&2\nexit 7\n' >fake/docker
chmod 755 fake/docker
PATH=$T/fake:$PATH scratch -t x --load=docker
is "$status" 1 '--load that fails: exit code'
like "$err" 'docker does not take the image \(exit code 7\): no \^\[\[31mroom' 'and what it said, made safe'
cat >fake/docker <<D
#!/bin/sh
[ "\$1" = version ] && exit 0
cat >/dev/null
sleep 600 &
echo \$! >$T/left.pid
echo 'Loaded image: x'
D
run env PATH="$T/fake:$PATH" timeout 60 "$WHITTLE" build --root "$S" -f ctx/scratch -t x --load=docker --progress plain ctx
is "$status" 0 '--load by a program that leaves a process behind, which has its output still: exit code'
like "$err" 'docker: Loaded image: x' 'and what it said'
kill "$(cat left.pid)"
printf '#!/bin/sh\necho down >&2\nexit 1\n' >fake/docker
PATH=$T/fake:$PATH scratch -t x --load=docker
is "$status" 4 '--load where it does not answer: exit code'
like "$err" 'docker does not answer: down' 'and why'
scratch -t x --load=elsewhere
is "$status" 2 '--load=ELSEWHERE: exit code'
is "$(find "$S/tmp" -name 'load-*' | wc -l)" 0 'no archive is left'

# ---- hostile archives ----

python3 "$SRC/tests/tools/hostile_archives.py" hostile
for f in hostile/bad/*.tar; do
	name=${f##*/}
	rm -rf hs
	run timeout 60 "$WHITTLE" load --root "$T/hs" -i "$f"
	if [ "$status" = 1 ] && [ -z "$out" ] && [ "$(grep -c '^error: ' <<<"$err")" = 1 ] && [ "$(jq -r '.manifests | length' hs/index.json)" = 0 ]; then
		pass "hostile: ${name%.tar}"
	else
		fail "hostile: ${name%.tar}" "exit code $status: $all"
	fi
done
nok 'nothing was planted' test -e /tmp/planted
for f in hostile/good/*.tar; do
	name=${f##*/}
	rm -rf hs
	run "$WHITTLE" load --root "$T/hs" -i "$f"
	is "$status" 0 "unusual, but good: ${name%.tar}"
done

done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# images, inspect, history, tag, rm: what the store has, beside what docker, podman and skopeo say of the same image.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/dockerd.sh"
. "$SRC/tests/tools/registry.sh"
for program in jq skopeo; do
	command -v $program >/dev/null || skip_all "needs $program"
done
export SOURCE_DATE_EPOCH=1700000000
busybox=$(test_base busybox) && several=$(test_base platforms) || { echo 'Bail out! no base'; exit 1; }
chmod 755 "$T"
users=(user)
! is_root || users=(root user)

mkdir -p ctx
head -c 4321 /dev/zero > ctx/data
cat > ctx/Dockerfile <<'EOF'
FROM base
LABEL org.example.vendor="A & B"
ENV GREETING="hello  world"
RUN mkdir -p /d && printf 12345 > /d/five && ln /d/five /d/hard && ln -s /d/five /d/soft
COPY data /srv/
WORKDIR /srv
USER 1000:1000
EXPOSE 8080/udp
ENTRYPOINT ["/bin/sh", "-c"]
EOF
chmod -R go+rX ctx

for WHO in "${users[@]}"; do
	ST=$T/store.$WHO
	[ "$WHO" = root ] || ST=$UT/store
	w() { as "$WHO" "$WHITTLE" "$1" --root "$ST" "${@:2}"; }

	# ---- an empty store ----
	run w images
	is "$out" 'REPOSITORY   TAG   IMAGE ID   PLATFORM   CREATED   SIZE' "$WHO: no store, no images"
	ok "$WHO: and none is made" test ! -e "$ST"

	# ---- images ----
	id=$(w build -q -t shop:1.4 -t localhost:5000/team/shop --build-context "base=oci-layout://$busybox" ctx)
	like "$id" '^sha256:[0-9a-f]{64}$' "$WHO: an image"
	short=${id:7:12}
	run w images
	is "$status" 0 "$WHO: images: exit code"
	like "$out" "^shop +1\.4 +$short +linux/amd64 +3 years ago +[0-9.]+ MB$" "$WHO: images: a line"
	like "$out" "^localhost:5000/team/shop +latest +$short " "$WHO: images: the other name"
	is "$(wc -l <<< "$out")" 3 "$WHO: images: nothing else"
	is "$(w images -q)" "$short" "$WHO: -q: each id once"
	is "$(w images -q --no-trunc)" "$id" "$WHO: --no-trunc"
	for pattern in shop shop:1.4 'sh*' 's?op:*' docker.io/library/shop docker.io/library/shop:1.4; do
		is "$(w images --format json "$pattern" | jq -r .Repository)" shop "$WHO: images $pattern"
	done
	is "$(w images --format json 'localhost:5000/*/shop' | jq -r '.Repository + " " + .Tag')" 'localhost:5000/team/shop latest' "$WHO: a pattern with slashes"
	is "$(w images -q nothing 'shop:1.5' 2>&1 | head -n 1)" 'error: whittle images: at most one name wanted, 2 given; see whittle images --help' "$WHO: one pattern at most"
	is "$(w images -q shop:1.5)" '' "$WHO: another tag"
	for what in 'rm shop' 'rm shop:2' 'inspect shop:2' 'history shop' 'tag shop x' 'run --pull never shop:2' 'push shop'; do
		# shellcheck disable=SC2086 # its words
		run w $what
		like "$err" '^hint: the store has shop:1.4$' "$WHO: $what: what it has of that name"
	done
	run w inspect shpp:1.4
	like "$err" '^hint: did you mean shop:1.4\?$' "$WHO: a name that is near"
	run w inspect nothing-at-all
	unlike "$err" 'did you mean|the store has' "$WHO: no name that is far"
	run w images 'a[b'
	is "$status" 2 "$WHO: a pattern that is none"
	run w images --format '{{.ID}}'
	is "$status" 2 "$WHO: no templates"
	like "$err" 'jq takes the json apart' "$WHO: and what to do instead"
	bytes=$(w images --format json shop | jq .Bytes)
	is "$bytes" "$(w inspect --raw shop:1.4 | jq '[.layers[].size] | add')" "$WHO: SIZE is the sum of the layers as they are stored"
	is "$(w images --format json shop | jq .BytesHere)" "$bytes" "$WHO: and all of it is here"
	w images --format json shop >"$T/line.json"
	fits image-line-1 "$T/line.json" "$WHO: the line fits its schema"
	w inspect shop:1.4 >"$T/inspect.json"
	fits image-inspect-1 "$T/inspect.json" "$WHO: what inspect tells fits its schema"
	like "$(w images --digests)" "sha256:$(w inspect --raw shop:1.4 | sha256sum | cut -c-64)" "$WHO: --digests: the manifest's"
	other=$(w build -q --label x=y --build-context "base=oci-layout://$busybox" ctx)
	unlike "$(w images)" "${other:7:12}" "$WHO: what has no name is not listed"
	like "$(w images -a)" "<none> +<none> +${other:7:12} " "$WHO: -a lists it"
	is "$(w images -aq | wc -l)" 3 "$WHO: so is the base"

	# ---- by id ----
	manifest=$(w images --format json shop | jq -r .Digest)
	for ref in "${id:7:4}" "${id:7:12}" "${id:7}" "$id" "sha256:${id:7:9}" "${manifest:7:8}" "$manifest" shop:1.4 docker.io/library/shop:1.4; do
		is "$(w inspect "$ref" 2>&1 | jq -r '.[0].Id' 2>&1)" "$id" "$WHO: inspect ${ref:0:40}"
	done
	is "$(w inspect "${other:7:10}" | jq -c '.[0] | [.Id, .RepoTags]')" "[\"$other\",[]]" "$WHO: by id, without a name"
	run w inspect "${id:7:3}"
	is "$status" 1 "$WHO: three digits are no id"
	w tag "$other" "${id:7:12}" abcd
	is "$(w inspect "${id:7:12}" | jq -r '.[0].Id')" "$other" "$WHO: a name goes before an id"
	w rm "${id:7:12}" abcd >/dev/null
	ok "$WHO: sbom by id" w sbom "${id:7:12}"
	is "$(w sbom "${id:7:12}" | jq -r .name)" image "$WHO: an id is no name for it"

	# ---- inspect ----
	run w inspect shop:1.4 "$other"
	is "$(jq -c 'map(.Id)' <<< "$out")" "[\"$id\",\"$other\"]" "$WHO: inspect: several"
	run w inspect shop:1.4
	w build -q -t shop:1.4 --output "type=oci,dest=$UT/oci.$WHO,tar=false" --build-context "base=oci-layout://$busybox" ctx >/dev/null
	skopeo inspect --config --raw "oci:$UT/oci.$WHO:docker.io/library/shop:1.4" > config.skopeo 2>/dev/null || skopeo inspect --config --raw "oci:$UT/oci.$WHO" > config.skopeo
	w inspect --config shop:1.4 > config.own
	ok "$WHO: --config: the bytes that skopeo has" cmp config.skopeo config.own
	is "sha256:$(sha256sum < config.own | cut -c-64)" "$id" "$WHO: whose digest is the id"
	skopeo inspect --raw "oci:$UT/oci.$WHO" > manifest.skopeo
	w inspect --raw shop:1.4 > manifest.own
	ok "$WHO: --raw: the bytes that skopeo has" cmp manifest.skopeo manifest.own
	is "$(jq -cS '.[0].Config' <<< "$out")" "$(jq -cS .config config.own)" "$WHO: Config"
	is "$(jq -c '.[0].RootFS.Layers' <<< "$out")" "$(jq -c .rootfs.diff_ids config.own)" "$WHO: RootFS"
	is "$(jq -c '.[0] | [.Created, .Architecture, .Os]' <<< "$out")" "$(jq -c '[.created, .architecture, .os]' config.own)" "$WHO: Created, Architecture, Os"
	is "$(jq -c '.[0] | [.RepoTags, .RepoDigests]' <<< "$out")" \
		"[[\"shop:1.4\",\"localhost:5000/team/shop:latest\"],[\"shop@$manifest\",\"localhost:5000/team/shop@$manifest\"]]" "$WHO: RepoTags, RepoDigests"
	is "$(jq -c '.[0].Descriptor' <<< "$out")" "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"$manifest\",\"size\":$(stat -c %s manifest.own)}" "$WHO: Descriptor"
	is "$(w inspect "oci:$UT/oci.$WHO" | jq -r '.[0].Id')" "$id" "$WHO: inspect a layout"
	for wrong in '--raw --config shop:1.4' '--raw shop:1.4 shop:1.4' '--format {{.Id}} shop:1.4' ''; do
		# shellcheck disable=SC2086 # words
		run w inspect $wrong
		is "$status" 2 "$WHO: inspect $wrong: exit code"
	done

	# ---- history ----
	run w history --format json shop:1.4
	is "$(jq -rs 'map(.CreatedBy) | join("\n")' <<< "$out")" "$(jq -r '[.history[].created_by] | reverse | join("\n")' config.own)" "$WHO: history: the steps, the newest first"
	is "$(jq -s '.[] | select(.CreatedBy | startswith("COPY")).Bytes' <<< "$out")" 4321 "$WHO: history: a file's size"
	is "$(jq -s '.[] | select(.CreatedBy | startswith("RUN")).Bytes' <<< "$out")" 12 "$WHO: history: hard links once, symlinks by their text"
	is "$(jq -s 'map(.Bytes) | add' <<< "$out")" "$(w inspect shop:1.4 | jq '.[0].Size')" "$WHO: their sum is the image's"
	is "$(jq -sr 'map(.ID) | unique | join(" ")' <<< "$out")" "<missing> $short" "$WHO: history: the id at the newest step"
	run w history shop:1.4
	like "$out" '^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$' "$WHO: history: the head"
	like "$out" "^<missing> +.*RUN /bin/sh -c mkdir -p /d && printf 12345 >… +12 B  +buildkit.dockerfile.v0$" "$WHO: history: a long step is cut"
	like "$(w history --no-trunc shop:1.4)" "^$id " "$WHO: history --no-trunc: the whole id"
	like "$(w history --no-trunc shop:1.4)" 'ln -s /d/five /d/soft # buildkit ' "$WHO: history --no-trunc: the whole step"
	is "$(w history -q shop:1.4 | head -n 1)" "$short" "$WHO: history -q"
	run w history --format json "oci:$busybox"
	is "$status" 0 "$WHO: history of a layout"

	# ---- tag ----
	run w tag shop:1.4 new:1 registry.example/a/b
	is "$status$all" 0 "$WHO: tag"
	is "$(w images --no-trunc -q registry.example/a/b new:1 2>/dev/null || w images --no-trunc -q new:1)" "$id" "$WHO: the name leads to the image"
	is "$(w images --format json registry.example/a/b | jq -r '.ID + .Tag')" "${id}latest" "$WHO: latest is understood"
	run w tag shop:1.4 good:1 'Bad:1'
	is "$status" 2 "$WHO: tag: a name that is none"
	is "$(w images -q good)" '' "$WHO: then no other is given either"
	run w tag shop:1.4 "x@$manifest"
	is "$status" 2 "$WHO: tag: no digest for a name"
	run w tag nothere x
	is "$status" 1 "$WHO: tag: no such image"
	w tag "$other" new:1
	is "$(w images --no-trunc -q new:1)" "$other" "$WHO: a name moves"
	w tag "oci:$several" several:1
	is "$(w images --format json several | jq -c '[.Index, (.Platforms | length > 1), .ID == .Digest]')" '[true,true,true]' "$WHO: an index under a name"

	# ---- an index ----
	is "$(w inspect several:1 | jq -r '.[0].Architecture')" amd64 "$WHO: inspect: this machine's image"
	is "$(w inspect --platform linux/arm64 several:1 | jq -r '.[0].Architecture')" arm64 "$WHO: inspect --platform"
	is "$(w inspect --raw several:1 | jq -r '.manifests | length > 1')" true "$WHO: --raw: the index"
	is "$(w inspect --raw --platform linux/arm64 several:1 | jq -r .mediaType)" application/vnd.oci.image.manifest.v1+json "$WHO: --raw --platform: the manifest"
	is "$(w inspect several:1 | jq -c '[.[0].Index.digest == .[0].Index.digest, (.[0].Index.manifests | map(.platform) | contains(["linux/amd64", "linux/arm64"]))]')" '[true,true]' "$WHO: inspect: what the index has"
	run w inspect --platform linux/s390x several:1
	like "$err" 'no image for linux/s390x' "$WHO: inspect: another platform"

	# ---- rm ----
	run w rm "${id:7:12}"
	is "$status" 2 "$WHO: rm: several names"
	like "$err" "has 3 names: .*localhost:5000/team/shop:latest.*registry.example/a/b:latest" "$WHO: which are told"
	run w rm shop:1.4 nothere
	is "$status" 1 "$WHO: rm: one that is not there"
	like "$(w images)" '^shop ' "$WHO: then nothing goes"
	run w rm shop:1.4
	is "$status $out" '0 Untagged: shop:1.4' "$WHO: rm: a name; the image has others"
	run w rmi -f "${id:7:12}" nothere
	is "$status" 0 "$WHO: rmi --force: all names; what is not there is no error"
	like "$out" '^Untagged: localhost:5000/team/shop:latest$' "$WHO: each is told"
	like "$out" '^Reclaimable: .* \([0-9]+ bytes\) that nothing else needs$' "$WHO: and what gc can get back"
	ok "$WHO: the image is still there" w inspect "$id"
	reclaimable=$(sed -n 's/.*(\([0-9]*\) bytes).*/\1/p' <<< "$out")
	run w rm --gc "$id"
	got=$(sed -n 's/^Total reclaimed space: .* (\([0-9]*\) bytes)$/\1/p' <<< "$out")
	[ "${got:-0}" -ge "$reclaimable" ] && pass "$WHO: rm --gc gets back what rm said" || fail "$WHO: rm --gc gets back what rm said" "$out; $reclaimable"
	run w inspect "$id"
	is "$status" 1 "$WHO: then it is gone"
	run w build -q --build-context "base=oci-layout://$busybox" ctx
	is "$out" "$id" "$WHO: and can be built again"
	like "$(w build --progress plain --build-context "base=oci-layout://$busybox" ctx 2>&1)" CACHED "$WHO: from what the cache kept"
	before=$(w du --format json | jq .bytes)
	run w rm --gc several:1
	is "$status" 0 "$WHO: rm --gc of an index"
	w images -a --format json | grep -q arm64
	is $? 1 "$WHO: its images go, too"
	after=$(w du --format json | jq .bytes)
	[ "$after" -lt "$before" ] && pass "$WHO: and their room is free" || fail "$WHO: and their room is free" "$before $after"
	run w rm -q new:1
	is "$status$all" 0 "$WHO: rm -q: no word"
	run w rm new:1
	like "$err" 'image new:1: it is not in the store' "$WHO: rm twice"
	[ "$WHO" = user ] || ok "$WHO: the store is sound" "$SRC/tests/tools/store_check.py" "$ST"

	# ---- listing is no use ----
	nameless=$(w images -a --format json | jq -r 'select(.Repository == "<none>").Digest' | head -n 1)
	as "$WHO" touch -d '40 days ago' "$ST/blobs/sha256/${nameless:7}"
	w images -a >/dev/null
	is "$(($(date +%s) - $(stat -c %Y "$ST/blobs/sha256/${nameless:7}") > 39 * 86400))" 1 "$WHO: what is listed counts as used no more than before"

	# ---- damage ----
	w tag "oci:$busybox" whole:1
	m=$(w images --format json whole | jq -r .Digest)
	c=$(w images --format json whole | jq -r .ID)
	as "$WHO" chmod u+w "$ST/blobs/sha256/${c:7}"
	as "$WHO" sh -c 'printf x >> "$1"' - "$ST/blobs/sha256/${c:7}"
	run w images
	is "$status" 0 "$WHO: a damaged image does not hide the others"
	like "$out" '^whole +1 .*damaged$' "$WHO: it is shown as such"
	run w rm whole:1
	is "$status" 0 "$WHO: and can be removed"
	: "$m"
done

# ---- layers that stay in their registry ----

registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
on_exit 'server_stop "$REGISTRY_PID"'
ST=$T/store.lazy
"$WHITTLE" push -q --root "$T/store.${users[0]}x" "oci:$busybox" "$REGISTRY/base:1" >/dev/null
mkdir -p lazy
printf 'FROM %s/base:1\nLABEL a=b\n' "$REGISTRY" > lazy/Dockerfile
lazy=$("$WHITTLE" build -q --root "$ST" -t lazy:1 lazy)
like "$("$WHITTLE" images --root "$ST" lazy)" '^lazy .* [0-9.]+ MB \(in registry\)$' 'images: layers that nobody needed yet are in their registry'
is "$("$WHITTLE" images --root "$ST" --format json lazy | jq -c '[.BytesHere, .Origin]')" "[0,\"$REGISTRY/base\"]" 'images: which is told'
is "$("$WHITTLE" inspect --root "$ST" lazy:1 | jq -c '.[0] | [.Size, .Origin, .Layers[0].Here]')" "[null,\"$REGISTRY/base\",false]" 'inspect: a size that nobody knows yet'
like "$("$WHITTLE" history --root "$ST" lazy:1)" ' mkbase.sh busybox +-  ' 'history: nor does it fetch anything'
"$WHITTLE" tag --root "$ST" "${lazy:7:10}" lazy:2
like "$("$WHITTLE" images --root "$ST" lazy:2)" '\(in registry\)$' 'tag: the layers stay there, by id as well'
is "$("$WHITTLE" run --root "$ST" --rm lazy:2 echo here 2>&1 | tail -n 1)" here 'and can be had'
unlike "$("$WHITTLE" images --root "$ST" lazy:2)" 'registry' 'then they are here'
server_stop "$REGISTRY_PID"

# ---- beside docker and podman ----

if is_root; then
	dockerd_start "$T/dockerd" || { echo 'Bail out! dockerd does not start'; exit 1; }
	on_exit dockerd_stop
	ST=$T/store.root
	"$WHITTLE" build -q --root "$ST" -t peer:1 --build-context "base=oci-layout://$busybox" --output "type=oci,dest=$T/peer,tar=false,compression=gzip,force-compression=true" ctx >/dev/null
	ok 'docker has the image' docker_load_oci "$T/peer" peer:1
	"$DOCKER" inspect peer:1 > inspect.docker
	"$WHITTLE" inspect --root "$ST" peer:1 > inspect.own
	for key in Id RepoTags Architecture Os Size RootFS Created; do
		is "$(jq -cS ".[0].$key" inspect.own)" "$(jq -cS ".[0].$key" inspect.docker)" "inspect: $key as docker has it"
	done
	for key in Env Cmd Entrypoint User WorkingDir Labels ExposedPorts; do
		is "$(jq -cS ".[0].Config.$key" inspect.own)" "$(jq -cS ".[0].Config.$key" inspect.docker)" "inspect: Config.$key as docker has it"
	done
	"$DOCKER" history --no-trunc --human=false --format '{{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}' peer:1 > history.docker
	"$WHITTLE" history --root "$ST" --no-trunc --format json peer:1 | jq -r '.ID + "|" + .CreatedBy + "|" + (.Bytes | tostring) + "|" + .Comment' > history.own
	ok 'history: ids, steps, sizes and comments as docker has them' diff history.docker history.own
	"$DOCKER" history --format '{{.CreatedBy}}' peer:1 > short.docker
	"$WHITTLE" history --root "$ST" peer:1 | LC_ALL=C.UTF-8 awk 'NR == 1 { at = index($0, "CREATED BY"); n = index($0, "SIZE") - at; next }
		{ s = substr($0, at, n); sub(/ +$/, "", s); print s }' > short.own
	ok 'history: cut where docker cuts' diff short.docker short.own
	is "$("$WHITTLE" images --root "$ST" peer | awk 'NR == 2 { print $1, $2, $3 }')" "$("$DOCKER" images peer | awk 'NR == 2 { print $1, $2, $3 }')" 'images: repository, tag and id as docker has them'
	"$DOCKER" tag peer:1 other/name
	"$WHITTLE" tag --root "$ST" peer:1 other/name
	is "$("$WHITTLE" inspect --root "$ST" peer:1 | jq -c '.[0].RepoTags | sort')" "$("$DOCKER" inspect peer:1 | jq -c '.[0].RepoTags | sort')" 'tag: the same names'
fi

done_testing

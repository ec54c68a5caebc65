#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Caches elsewhere: a laptop and a CI runner, two stores and two users, share what steps came out as.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"

is_root || skip_all 'needs root, to be two users'
busybox=$(test_base busybox) || { echo 'Bail out! no base'; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'
command -v strace >/dev/null || skip_all 'needs strace'
export HOME=$T
unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR SSL_CERT_FILE SOURCE_DATE_EPOCH
registry_start "$T/reg" || { echo 'Bail out! no registry'; exit 1; }
on_exit "server_stop $REGISTRY_PID"
reg=$REGISTRY
base=(--build-context "base=oci-layout://$busybox")

# laptop: an ordinary user, umask 077. ci: root, umask 022, a store that is new.
laptop() { run as_user sh -c 'umask 077; exec "$@"' - "$WHITTLE" build --root "$UT/store" "${base[@]}" "$@"; }
ci() { remove_tree "$T/ci"; again "$@"; }
again() { run timeout -k 5 300 "$WHITTLE" build --root "$T/ci" "${base[@]}" "$@"; }
image() { sed -n 's/^image  //p' <<<"$out"; }
# The steps that were not taken from a cache, in the order of their ends.
ran() {
	awk '/^#[0-9]+ \[/ { if ($0 !~ /\[internal\]/) { id = $1; $1 = ""; name[id] = $0 } }
		/^#[0-9]+ (DONE|ERROR|CANCELED)/ { if ($1 in name) print substr(name[$1], 2) }' <<<"$err"
}
nothing_ran() { is "$(ran)" '' "$1: no step runs"; }
# The requests since the last look.
seen=0
requests() {
	tail -n "+$((seen + 1))" "$T/reg/log" | grep -o '"[A-Z]* /v2[^"]* HTTP[^"]*" [0-9]*' | sort | uniq
}
look() { seen=$(wc -l <"$T/reg/log"); }
manifest() { registry_get "$reg" "/v2/$1/manifests/$2"; }
config() { registry_get "$reg" "/v2/$1/blobs/$(manifest "$1" "$2" | jq -r .config.digest)"; }

mkdir -m 755 "$UT/src"
cat >"$UT/src/Dockerfile" <<'D'
FROM base AS build
RUN echo tool >/tool
COPY lib.txt /src/
RUN head -c 300000 /dev/urandom >/big && cat /src/lib.txt /tool >/app
FROM base
ARG WHO=world
RUN echo "hello $WHO" >/greeting && date +%N >>/greeting
COPY --from=build /app /bin/app
COPY conf /etc/app
RUN --mount=type=bind,source=main.txt,target=/m --mount=type=secret,id=token cat /m /bin/app >/result && date +%N >>/result
D
mkdir "$UT/src/conf"
echo lib >"$UT/src/lib.txt" && echo main >"$UT/src/main.txt" && echo a=1 >"$UT/src/conf/a"
chown -R "$TEST_USER:" "$UT/src"
echo 's3cr3t-v4lue' >"$UT/token" && chmod 644 "$UT/token"
secret=(--secret "id=token,src=$UT/token")
# Another checkout: other times, another owner, in another place.
checkout() { rm -rf "$T/src" && cp -r "$UT/src" "$T/src" && find "$T/src" -exec touch -h -d @1500000000 {} +; }
checkout

# ---- a registry ----

ci --cache-from "$reg/none/cache:1" -t x "${secret[@]}" "$T/src"
is "$status" 0 'the first run: there is no cache yet'
like "$err" '^#[0-9]+ .*there is no cache yet' 'which is told'
unlike "$err" '^warning: ' 'and no warning'
laptop -t x "${secret[@]}" --cache-to "type=registry,ref=$reg/cache:max,mode=max,image-manifest=true,oci-mediatypes=true" \
	--cache-to "type=registry,ref=$reg/cache:min" --cache-to "$reg/cache:bare" \
	--cache-to "type=local,dest=$UT/lc,mode=max,tag=here" "$UT/src"
is "$status" 0 'a laptop writes its cache to several places'
want=$(image)
is "$(ran | wc -l)" 7 'after it ran every step'
is "$(manifest cache max | jq -r '.mediaType, .artifactType, .config.mediaType' | sort -u | tr '\n' ' ')" \
	'application/vnd.oci.image.manifest.v1+json application/vnd.whittle.cache.config.v1+json ' 'it is an artifact of OCI'
is "$(manifest cache bare | sha256sum)" "$(manifest cache min | sha256sum)" 'a bare name is type=registry, with the layers of the image alone'
is "$(manifest cache max | jq '.layers | length') $(manifest cache min | jq '.layers | length')" '7 4' 'mode=max has all layers, min those of the image'
is "$(config cache max | jq -c '.records | map(.key) | . == sort')" true 'records in order'

look
ci --cache-from "$reg/cache:max" -t x "${secret[@]}" "$T/src"
is "$status" 0 'a CI runner takes it'
nothing_ran 'another store, user, umask, time of checkout'
is "$(image)" "$want" 'the same image'
big=$(config cache max | jq -r '.layers | max_by(.size).digest')
requests >seen.txt
is "$(grep -c 'GET /v2/cache/blobs/' seen.txt)" 5 'four layers and the records are fetched'
unlike "$(cat seen.txt)" "GET .*$big" "the builder stage's layers are not"
again -t x "${secret[@]}" "$T/src"
unlike "$(ran)" 'RUN echo "hello' 'what was fetched is in its own cache now'
like "$(ran)" 'RUN echo tool' 'what was not is not'

remove_tree "$T/ci"
strace -f -qq -e trace=unshare,clone,clone3,mount -o trace "$WHITTLE" build --root "$T/ci" "${base[@]}" --cache-from "$reg/cache:max" -t x \
	"${secret[@]}" "$T/src" >"$T/.out" 2>"$T/.err"
is "$?" 0 'the same, traced'
unlike "$(cat trace)" 'unshare\(|CLONE_NEW|mount\(' 'no namespace is entered, nothing mounted'

ci --cache-from "$reg/cache:min" -t x "${secret[@]}" "$T/src"
nothing_ran 'mode=min'
is "$(image)" "$want" 'mode=min: the same image'

rm -rf "$T/src" && (umask 077 && cp -r --no-preserve=mode "$UT/src" "$T/src")
is "$(stat -c %a "$T/src/main.txt" "$T/src/conf" | tr '\n' ' ')" '600 700 ' 'a checkout under another umask'
ci --cache-from "$reg/cache:max" -t x "${secret[@]}" "$T/src"
nothing_ran 'a checkout under another umask'
is "$(image)" "$want" 'the same image'
checkout

look
echo changed >>"$T/src/main.txt"
ci --cache-from "$reg/cache:max" -t x "${secret[@]}" "$T/src"
is "$(ran)" '[stage-1 5/5] RUN --mount=type=bind,source=main.txt,target=/m --mount=type=secret,id=token cat /m /bin/app >/result && date +%N >>/result' \
	'the last step alone runs when its file changed'
unlike "$(requests)" "GET .*$big" 'upon layers that are fetched; those of the builder stage are not'
echo changed >>"$T/src/lib.txt"
ci --cache-from "$reg/cache:max" -t x "${secret[@]}" "$T/src"
like "$(ran)" 'RUN head -c 300000' 'a file of the builder stage changed: it runs from there'
unlike "$(ran)" 'RUN echo tool|RUN echo "hello' 'what is before comes from the cache'
ci --cache-from "$reg/cache:min" -t x "${secret[@]}" "$T/src"
is "$status" 0 'the same with mode=min, where the layer below is in no cache'
like "$(ran)" 'RUN echo tool' 'the builder stage runs from its beginning'
unlike "$(ran)" 'RUN echo "hello' "the image's steps do not"
like "$err" 'mode=min' 'which is told'
checkout

again --no-cache --cache-from "$reg/cache:max" -t x "${secret[@]}" "$T/src"
is "$(ran | wc -l)" 7 '--no-cache runs all of them'

# ---- again, and elsewhere ----

ci --cache-from "$reg/cache:max" -t x "${secret[@]}" --cache-to "type=registry,ref=$reg/cache:again,mode=max" "$T/src"
is "$(manifest cache again | sha256sum)" "$(manifest cache max | sha256sum)" 'exported from a build that ran nothing: the same manifest'
look
ci --cache-from "$reg/cache:max" -t x "${secret[@]}" --cache-to "type=registry,ref=$reg/other/place:1,mode=max" "$T/src"
is "$(manifest other/place 1 | sha256sum)" "$(manifest cache max | sha256sum)" 'to another repository of the same registry'
like "$(requests)" "POST /v2/other/place/blobs/uploads/\?mount=sha256(%3A|:)${big#sha256:}.* 201" 'a layer that is not here is mounted'
unlike "$(requests)" "GET .*$big" 'not fetched'
look
ci --cache-from "$reg/cache:max" -t "$reg/app/mounted:1" --push "${secret[@]}" "$T/src"
is "$(image)" "$want" 'an image is pushed beside its cache'
requests >seen.txt
is "$(grep -c 'POST /v2/app/mounted/blobs/uploads/?mount=.*from=cache.* 201' seen.txt)" 4 'its layers are mounted from there'
is "$(grep -c 'PUT /v2/app/mounted/blobs/' seen.txt)" 2 'what is sent is the config and the base'
echo 'RUN true >/new' >>"$T/src/Dockerfile"
again -t x "${secret[@]}" --cache-from "$reg/cache:max" --cache-to "type=registry,ref=$reg/cache:again,mode=max" "$T/src"
sed -i 's/new$/newer/' "$T/src/Dockerfile"
again -t x "${secret[@]}" --cache-from "$reg/cache:again" --cache-to "type=registry,ref=$reg/cache:again,mode=max" "$T/src"
is "$(config cache again | jq '.layers | length')" 8 'the next export replaces the last: old records go'
checkout
ci -t x "${secret[@]}" --cache-from "$reg/cache:max" --cache-to "type=registry,ref=$reg/cache:gzip,mode=max,compression=gzip" "$T/src"
is "$(manifest cache gzip | jq -r '.layers[].mediaType' | sort -u)" application/vnd.oci.image.layer.v1.tar+gzip 'compression=gzip'
ci --cache-from "$reg/cache:gzip" -t x "${secret[@]}" "$T/src"
nothing_ran 'from gzip'
is "$(image)" "$want" 'from gzip: the same image, which is zstd'
ci --cache-from "$reg/cache:min" --cache-from "$reg/none:1" --cache-from "$reg/cache:max" -t x "${secret[@]}" "$T/src"
nothing_ran 'of several caches'

for i in 1 2; do
	"$WHITTLE" build --root "$T/ci$i" "${base[@]}" -q -t x --cache-from "$reg/cache:max" "${secret[@]}" --cache-to "type=registry,ref=$reg/cache:race,mode=max" \
		--cache-to "type=local,dest=$T/race,mode=max" "$T/src" >"race$i" 2>&1 &
	pids[i]=$!
done
wait "${pids[1]}"; is "$?" 0 'two exporters at once: the first'
wait "${pids[2]}"; is "$?" 0 'the second'
is "$(manifest cache race | sha256sum)" "$(manifest cache max | sha256sum)" 'what is there is whole'
ci --cache-from "type=local,src=$T/race" -t x "${secret[@]}" "$T/src"
nothing_ran 'from the directory that two wrote'

# ---- what must not be in it ----

again -t x "${secret[@]}" --build-arg HTTP_PROXY=http://pr0xy.example:3128 --build-arg WHO=world --cache-to "type=local,dest=$T/clean,mode=max" "$T/src"
is "$status" 0 'a build with a proxy and a secret'
mkdir plain
for b in clean/blobs/sha256/*; do zstd -qdc "$b" >"plain/${b##*/}" 2>/dev/null || cp "$b" plain/; done
nok 'no secret in any blob' grep -rqaF s3cr3t plain
nok 'no proxy' grep -rqaF pr0xy plain
nok 'no path of this machine' grep -rqaF -e "$T" -e "$UT" plain
nok 'nor its name' grep -rqaF -e "\"$(uname -n)\"" plain

# ---- directories ----

ci --cache-from "type=local,src=$UT/lc,tag=here" -t x "${secret[@]}" "$T/src"
nothing_ran 'a directory'
is "$(image)" "$want" 'a directory: the same image'
mkdir moved && tar -C "$UT/lc" -cf - . | tar -C moved -xf -
ci --cache-from "type=local,src=$T/moved,tag=here" -t x "${secret[@]}" "$T/src"
nothing_ran 'a directory that went through tar'
d=$(jq -r '.manifests[0].digest' moved/index.json)
ci --cache-from "type=local,src=$T/moved,digest=$d" -t x "${secret[@]}" "$T/src"
nothing_ran 'by digest'
ci --cache-from "type=local,src=$T/moved" -t x "${secret[@]}" "$T/src"
like "$err" 'there is no cache yet' 'another tag: none'
ci --cache-from "type=local,src=$T/nowhere" -t x "${secret[@]}" "$T/src"
is "$status" 0 'a directory that is not there'
like "$err" 'there is no cache yet' 'is a cache that is still to come'
run skopeo inspect --raw "oci:moved:here"
is "$(jq -r .artifactType <<<"$out")" application/vnd.whittle.cache.config.v1+json 'skopeo reads it'

# ---- inline ----

laptop -t "$reg/app/inline:1" --push "${secret[@]}" --cache-to type=inline "$UT/src"
is "$status" 0 'inline, pushed'
is "$(image)" "$want" 'the digest is that of the image without'
is "sha256:$(manifest app/inline 1 | sha256sum | cut -d' ' -f1)" "$want" 'so it is in the registry'
look
ci --cache-from "$reg/app/inline:1" -t x "${secret[@]}" "$T/src"
nothing_ran 'inline'
is "$(image)" "$want" 'inline: the same image'
requests >seen.txt
like "$(cat seen.txt)" "GET /v2/app/inline/manifests/sha256-${want#sha256:} .* 200" 'found by the fallback tag: this registry has no referrers'
list=$(manifest app/inline "sha256-${want#sha256:}")
is "$(jq '.manifests | length' <<<"$list")" 1 'one cache'
laptop -t "$reg/app/inline:1" --push "${secret[@]}" --cache-to type=inline,mode=max "$UT/src"
is "$(manifest app/inline "sha256-${want#sha256:}" | jq '.manifests | length')" 1 'the next one replaces it'
laptop -t "$reg/app/arg:1" --push "${secret[@]}" --build-arg BUILDKIT_INLINE_CACHE=1 "$UT/src"
is "$(manifest app/arg "sha256-${want#sha256:}" | jq '.manifests | length')" 1 "BuildKit's argument means the same"
look
run "$WHITTLE" pull --root "$T/pulled" "$reg/app/inline:1"
is "$status" 0 'a pull of that image'
unlike "$(requests)" "GET .*$big" 'does not take the cache along'
laptop -t in "${secret[@]}" --cache-to type=inline -o "type=oci,dest=$UT/layout,tar=false" "$UT/src"
laptop -t in "${secret[@]}" --cache-to type=inline,mode=max -o "type=oci,dest=$UT/layout,tar=false" "$UT/src"
is "$(jq '[.manifests[] | select(.artifactType)] | length' "$UT/layout/index.json")" 1 'an OCI layout, written twice: one cache'
ci --cache-from "type=local,src=$UT/layout" -t x "${secret[@]}" "$T/src"
nothing_ran 'inline, in a layout'
run skopeo copy -q "oci:$UT/layout:latest" "oci:$T/copied:1"
is "$(jq -r '.manifests[0].digest' copied/index.json)" "$want" 'skopeo finds the image in it'

# ---- a registry with a login, that lists referrers by itself ----

front_start "$T/front" "$reg" --referrers --token me:secret || { echo 'Bail out! no front'; exit 1; }
on_exit "server_stop $FRONT_PID"
ci --cache-to "$FRONT/app/cache:1" -t x "${secret[@]}" "$T/src"
is "$status" 4 'a registry that wants a login'
like "$err" "^error: export the cache to $FRONT/app/cache:1: .*" 'is told'
like "$err" '^hint: .*login' 'with what helps'
mkdir -p .docker && printf '{"auths":{"%s":{"username":"me","password":"secret"}}}' "$FRONT" >.docker/config.json
ci --cache-from "$reg/cache:max" -t "$FRONT/app/ref:1" --push "${secret[@]}" --cache-to type=inline,mode=max --cache-to "$FRONT/app/cache:1" "$T/src"
is "$status" 0 'with a login the image, its cache and another are pushed'
[ "$status" = 0 ] || show "$err"
for from in "$FRONT/app/ref:1" "$FRONT/app/cache:1"; do
	ci --cache-from "$from" -t x "${secret[@]}" "$T/src"
	nothing_ran "$from"
	is "$(image)" "$want" "$from: the same image"
done
unlike "$(cat front/log)" "manifests/sha256-${want#sha256:} " 'no fallback tag where there is an API'
rm -r .docker

# ---- what a build does on top of it ----

laptop -t "$reg/cache-user:1" "${secret[@]}" --cache-to "$reg/user:1" "$UT/src"
sed -i '$aRUN cat /result >/again' "$UT/src/Dockerfile"
run as_user "$WHITTLE" build --root "$UT/store2" "${base[@]}" --cache-from "$reg/user:1" -t x "${secret[@]}" "$UT/src"
is "$(ran)" '[stage-1 6/6] RUN cat /result >/again' 'an ordinary user runs a new step on layers that are fetched'
sed -i '$d' "$UT/src/Dockerfile"
ci --cache-from "$reg/user:1" -t x --explain-cache --build-arg WHO=you "${secret[@]}" "$T/src"
is "$status" 0 '--explain-cache'
ci --cache-from "$reg/user:1" -t x "${secret[@]}" "$T/src"
again -t x --explain-cache --build-arg WHO=you "${secret[@]}" "$T/src"
like "$err" 'RUN echo "hello.*not cached: .*WHO' 'explains what changed since the build that took it from elsewhere'

# ---- two platforms ----

cat >two.Dockerfile <<'D'
FROM base
COPY lib.txt /
COPY --from=base /bin/busybox /copy
D
platforms=$(test_base platforms)
both=(--build-context "base=oci-layout://$platforms" -f two.Dockerfile --platform linux/amd64,linux/arm64)
run "$WHITTLE" build --root "$T/ci" "${both[@]}" -t "$reg/two:1" --push --cache-to type=inline --cache-to "$reg/two:cache" "$T/src"
is "$status" 0 'an image of two platforms'
want2=$(image)
for from in "$reg/two:1" "$reg/two:cache"; do
	remove_tree "$T/ci"
	run "$WHITTLE" build --root "$T/ci" "${both[@]}" -t x --cache-from "$from" "$T/src"
	nothing_ran "two platforms, $from"
	is "$(image)" "$want2" 'the same index'
done

# ---- failures ----

ci --cache-from 127.0.0.1:1/cache:1 -t x "${secret[@]}" "$T/src"
is "$status" 0 'a registry that nobody answers for'
like "$err" '^warning: the cache 127.0.0.1:1/cache:1 is not used: ' 'is a warning'
again --cache-to 127.0.0.1:1/cache:1 -t x "${secret[@]}" "$T/src"
is "$status" 4 'an export that fails, fails'
like "$err" '^error: export the cache to 127.0.0.1:1/cache:1: ' 'and says what'
again --cache-to type=registry,ref=127.0.0.1:1/cache:1,ignore-error=true -t x "${secret[@]}" "$T/src"
is "$status" 0 'ignore-error=true'
like "$err" '^warning: the cache was not exported to 127.0.0.1:1/cache:1: ' 'warns'
usage() { # SPEC OPTION ERE
	run "$WHITTLE" build --root "$T/ci" "--cache-$1" "$2" "$T/src"
	is "$status $(grep -c '^error: ' <<<"$err")" '2 1' "--cache-$1 $2"
	like "$err" "^error: --cache-$1 .*$3" 'says so'
}
usage to type=gha 'type=gha is not supported; registry, local and inline are'
usage from type=s3,bucket=x 'type=s3 is not supported'
usage from type=azblob 'type=azblob is not supported'
usage to type=rigistry,ref=x 'not "rigistry"'
usage to type=registry 'says no ref='
usage to type=local 'says no dest='
usage from type=local,dest=x 'has no key "dest"'
usage to type=local,src=x 'has no key "src"'
usage from type=inline 'name the image by type=registry'
usage to type=registry,ref=x,mode=mix 'mode is min or max'
usage to type=registry,ref=x,moed=max 'has no key "moed"'
usage to ref=x 'says no type='
usage to type=registry,ref=x,oci-mediatypes=false 'always OCI'
usage to type=registry,ref=x,compression=estargz 'compression is zstd, gzip or uncompressed'
run "$WHITTLE" build --root "$T/ci" -t "$reg/a:1" --push --cache-to "$reg/a:1" "$T/src"
is "$status" 2 'a cache under the name of the image'
like "$err" '^error: --cache-to ref=.*/a:1 is the name of the image' 'says so'
usage to type=inline,dest=x 'dest belongs to type=local'
usage to type=registry,ref=x,ignore-error=maybe 'true or false'

# ---- PROFILE and PRUNE ----

"${CC:-cc}" -static -O1 -std=gnu17 -D_GNU_SOURCE -o app "$SRC/tests/prog/profile-app.c" || fail 'no static C library'
mkdir -m 755 pp pp/data && cp app pp/app && echo hello >pp/data/hello && echo other >pp/data/other && echo unused >pp/data/unused
mkdir pp/data/list && touch pp/data/list/a
echo 'wget -q -O - http://localhost:8080/hello' >pp/test.sh
cat >pp/Dockerfile <<'D'
ARG TESTS=base
FROM $TESTS AS tests
COPY test.sh /test.sh
FROM base AS dependency
RUN echo 1 >/version
FROM scratch
COPY --from=dependency /version /data/version
COPY app /bin/app
COPY data /data
ENTRYPOINT ["/bin/app"]
CMD ["serve"]
PROFILE --from=tests --ready=tcp:8080 sh /test.sh
PRUNE
D
export SOURCE_DATE_EPOCH=1700000000
cp -r pp "$UT/pp" && chown -R "$TEST_USER:" "$UT/pp"
pruned() { like "$(ran | tr '\n' ' ')" 'PROFILE .* PRUNE' "$1: profiles and prunes again"; }
laptop -t x --cache-to "$reg/pp:min" --cache-to "type=registry,ref=$reg/pp:max,mode=max" "$UT/pp"
is "$status" 0 'a laptop profiles and prunes'
[ "$status" = 0 ] || show "$err"
want=$(image)
for mode in min max; do
	ci -t x --cache-from "$reg/pp:$mode" pp
	nothing_ran "mode=$mode: the profile and the pruned layer"
	is "$(image)" "$want" "mode=$mode: the same image"
	like "$out" '^  bytes ' "mode=$mode: with its figures"
done
cp -a pp touched && find touched -exec touch -h -d @1400000000 {} + && echo '# a comment' >>touched/Dockerfile
ci -t x --cache-from "$reg/pp:max" touched
nothing_ran 'other times and a comment'
changed() { # DESC COMMAND
	rm -rf ppc && cp -r pp ppc && (cd ppc && eval "$2") || fail "$1: change"
	ci -t x --cache-from "$reg/pp:max" ppc
	is "$status" 0 "$1"
	pruned "$1"
}
changed 'the application changed' 'printf x >>app'
changed 'a dependency changed' "sed -i 's/echo 1/echo 2/' Dockerfile"
changed 'a file of the application changed' 'echo more >>data/hello'
changed 'the tests changed' "echo 'wget -q -O - http://localhost:8080/other' >>test.sh"
changed "the tests' base changed" "sed -i 's/^FROM .TESTS.*/&\nRUN echo >new/' Dockerfile"
changed 'how it starts changed' "sed -i 's/^CMD.*/&\nENV MORE=1/' Dockerfile"
rm -rf ppc && cp -r pp ppc && sed -i 's/^PRUNE/PRUNE --keep=\/data\/**/' ppc/Dockerfile
ci -t x --cache-from "$reg/pp:max" ppc
is "$(ran)" "$(ran | grep PRUNE)" 'only what is kept changed: no profile'
like "$(ran)" PRUNE 'but a new PRUNE'

# A cache that says other things of its documents.
ci -t x --cache-from "$reg/pp:max" --cache-to "type=local,dest=$T/ppl,mode=max" pp
rm -rf bad && python3 "$SRC/tests/tools/cache_forge.py" ppl bad documents
ci -t x --cache-from "type=local,src=$T/bad" pp
is "$status $(image)" "0 $want" 'documents that are layers'
like "$err" 'the cache .*/bad is not used any further: ' 'are told'
unset SOURCE_DATE_EPOCH

# ---- damaged and hostile ----

export SOURCE_DATE_EPOCH=1700000000
mkdir h
cat >h/Dockerfile <<'D'
FROM base AS build
RUN echo made >/made
FROM base
RUN echo first >/first
COPY --from=build /made /
RUN echo second >/second
D
ci -t x --cache-to "type=local,dest=$T/good,mode=max" h
want=$(image)
ci -t x --cache-from "type=local,src=$T/good" h
is "$(ran) $(image)" " $want" 'a good cache'
n=0
for b in good/blobs/sha256/*; do
	rm -rf bad && cp -r good bad
	printf X | dd of="bad/blobs/sha256/${b##*/}" bs=1 seek=25 conv=notrunc status=none
	nok 'a byte is flipped' cmp -s "$b" "bad/blobs/sha256/${b##*/}"
	ci -t x --cache-from "type=local,src=$T/bad" h
	is "$status $(image)" "0 $want" "a flipped byte in blob $n"
	n=$((n + 1))
done
is "$n" 5 'in each of them: layers, records, manifest'
for kind in $(sed -n "s/^    '\([a-z0-9M-]*\)': .*/\1/p" "$SRC/tests/tools/cache_forge.py") config-text; do
	rm -rf bad && python3 "$SRC/tests/tools/cache_forge.py" good bad "$kind" || { fail "forged: $kind"; continue; }
	ci -t x --cache-from "type=local,src=$T/bad" h
	is "$status $(image)" "0 $want" "a cache that is $kind"
	case $kind in
	documents) ;; # this one has none
	lies | gone) like "$err" 'the cache .*/bad is not used any further: .*layer' "$kind: told when it is read" ;;
	no-layers | size-other | layer-* | *) like "$err" '^warning: the cache .*/bad is not used: ' "$kind: told at once" ;;
	esac
done
rm -rf bad && mkdir bad && echo '{"manifests":[{"mediaType":"x"}]}' >bad/index.json
ci -t x --cache-from "type=local,src=$T/bad" h
is "$status $(image)" "0 $want" 'a layout without a cache'
printf '{' >bad/index.json
ci -t x --cache-from "type=local,src=$T/bad" h
is "$status $(image)" "0 $want" 'a layout that is none'
like "$err" '^warning: the cache .*/bad is not used: ' 'warns'
rm bad/index.json && mkfifo bad/index.json
ci -t x --cache-from "type=local,src=$T/bad" h
is "$status $(image)" "0 $want" 'a layout whose index is a fifo: nobody waits for its other end'
like "$err" '^warning: the cache .*/bad is not used: ' 'warns'

# The registry loses a layer between the records and the fetch.
again -t x --cache-to "type=registry,ref=$reg/lost:1,mode=max" h
layer=$(config lost 1 | jq -r '.layers[-1].digest')
find reg/data -path "*/${layer#sha256:}/data" -delete
ci -t x --cache-from "$reg/lost:1" h
is "$status $(image)" "0 $want" 'a registry that lost a layer'
like "$err" 'the cache .*/lost:1 is not used any further' 'is told'
like "$(ran)" 'RUN echo second' 'and the steps run'
unset SOURCE_DATE_EPOCH

done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How blobs get to a registry: as a whole, in a stream, in pieces, on from where it broke, by a mount; and what push takes and says.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'

export HOME=$T/home
unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR SSL_CERT_FILE
mkdir -m 700 "$HOME"
registry_start "$T/registry" htpasswd tester geheim || { echo 'Bail out! no registry'; exit 1; }
reg=$REGISTRY
on_exit "server_stop $REGISTRY_PID"
on_exit '[ -z "${FRONT_PID:-}" ] || server_stop "$FRONT_PID"'
login() { # HOST…: for these hosts, and for no others
	mkdir -p "$HOME/.docker"
	printf '%s\n' "$@" | jq -Rn --arg a "$(printf tester:geheim | base64)" '{auths: [inputs | {(.): {auth: $a}}] | add}' >"$HOME/.docker/config.json"
}
login "$reg"
there() { # NAME TAG: a manifest
	curl -sS -f -u tester:geheim -H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$reg/v2/$1/manifests/$2"
}
whole() { # NAME TAG: all that the name leads to is there, and is what it should be
	local d
	[ "sha256:$(there "$1" "$2" | sha256sum | cut -d' ' -f1)" = "$want" ] || return 1
	for d in $(there "$1" "$2" | jq -r '.config.digest, .layers[].digest'); do
		[ "sha256:$(curl -sS -f -u tester:geheim "http://$reg/v2/$1/blobs/$d" | sha256sum | cut -d' ' -f1)" = "$d" ] || return 1
	done
}
begin() { # DIR [FAULT AT once|on]
	fault_start "$T/$1" "$reg" "${@:2}" || { echo 'Bail out! no proxy'; exit 1; }
	login "$reg" "$FRONT"
}
end() { # sets $log and $seen
	sleep 0.2
	server_stop "$FRONT_PID"
	FRONT_PID=
	log=$(cat "$front_dir/log") seen=$(cat "$front_dir/seen")
}
count() { # ERE
	grep -cE -- "$1" <<<"$log"
}
push() { run "$WHITTLE" push --root "$T/st" "$@"; }

mkdir ctx
head -c 9000000 /dev/urandom >ctx/big
head -c 6000000 /dev/urandom >ctx/middle
head -c 50000 /dev/urandom >ctx/small
printf 'FROM scratch AS base\nCOPY middle /\nFROM base\nCOPY big /\nCOPY small /\n' >ctx/Dockerfile
"$WHITTLE" build -q --root "$T/st" --target base -t base:1 ctx >/dev/null && "$WHITTLE" build -q --root "$T/st" -t shop:1 ctx >/dev/null ||
	{ echo 'Bail out! no image'; exit 1; }

# ---- as a whole, in a stream ----

begin f-whole
push -q shop:1 "docker://$FRONT/whole/shop:1"
is "$status" 0 'push; a scheme before the name does not matter'
want=$out
end
ok 'all is there' whole whole/shop 1
is "$(count '^PATCH ')" 2 'large blobs go in a stream'
unlike "$log" '^PATCH .* [0-9]+-[0-9]+$' 'which says nothing of ranges'
is "$(count '^PUT .*/blobs/uploads/')" 4 'each has its end, small ones are no more than that'
big=$(there whole/shop 1 | jq -r '.layers | max_by(.size).size')
first=$(grep -nE '^PUT .*/manifests/' <<<"$log" | head -n 1 | cut -d: -f1) last=$(grep -nE 'blobs/' <<<"$log" | tail -n 1 | cut -d: -f1)
ok 'manifests come after all blobs' test "$first" -gt "$last"
like "$(tail -n 1 <<<"$log")" '^PUT /v2/whole/shop/manifests/1$' 'the tag is last'

# ---- in pieces ----

begin f-pieces
push --chunk-size 4m shop:1 "$FRONT/pieces/shop:1"
is "$status" 0 'in pieces'
end
ok 'all is there' whole pieces/shop 1
for range in 0-4194303 4194304-8388607 "8388608-$((big - 1))"; do
	like "$log" "^PATCH .* $range\$" "one is $range"
done
begin f-least chunk-min 1 on
push --chunk-size 1m shop:1 "$FRONT/least/shop:1"
end
is "$status $(count '^PATCH .* 0-4999999$')" '0 2' 'a registry may want larger ones'
ok 'all is there' whole least/shop 1
begin f-speaks chunk-min 1 on
push shop:1 "$FRONT/speaks/shop:1"
end
is "$status $(count "^PATCH .* 0-$((big - 1))\$")" '0 1' 'and gets ranges when it speaks of pieces'
begin f-build
run "$WHITTLE" build -q --root "$T/st" -t "$FRONT/built/shop:1" --output type=registry,chunk-size=4m ctx
end
is "$status" 0 'a build with chunk-size'
like "$log" '^PATCH .* 4194304-8388607$' 'sends pieces'
ok 'all is there' whole built/shop 1

# ---- breaks ----

begin f-keep keep PATCH once
push shop:1 "$FRONT/keep/shop:1"
end
is "$status" 0 'a stream breaks, and the registry has half of it'
is "$(count '^GET .*/blobs/uploads/')" 1 'it is asked how much'
like "$log" "^PATCH .* [1-9][0-9]*-($((big - 1))|6[0-9]{6})\$" 'and gets the rest'
is "$(count '^POST ')" 4 'no upload begins anew'
ok 'all is there' whole keep/shop 1
begin f-cut cut-upload PATCH once
push shop:1 "$FRONT/cut/shop:1"
end
is "$status" 0 'it has lost it'
is "$(count '^POST ')" 5 'that upload begins anew'
ok 'all is there' whole cut/shop 1
begin f-pkeep keep PATCH once
push --chunk-size 4m shop:1 "$FRONT/pkeep/shop:1"
end
is "$status $(count '^POST ')" '0 4' 'a piece breaks half-way'
ok 'all is there' whole pkeep/shop 1

# ---- side by side ----

begin f-side delay 1 on
push shop:1 "$FRONT/side/shop:1"
end
is "$status" 0 'a slow registry'
is "$(jq .peak <<<"$seen")" 4 'is sent four blobs at once'

# ---- several names ----

begin f-names
run "$WHITTLE" build -q --root "$T/st" -t "$FRONT/names/shop:1" -t "$FRONT/names/shop:latest" -t "$FRONT/others/shop:1" --push ctx
is "$status" 0 'three names, two repositories'
end
for name in 'names/shop 1' 'names/shop latest' 'others/shop 1'; do
	ok "$name" whole $name
done
is "$(count '^HEAD /v2/names/')" 4 'a repository is asked for its blobs once'
is "$(count '^PUT /v2/names/shop/manifests/sha256:')" 1 'gets the manifest once'
is "$(tail -n 3 <<<"$log" | sort | sed 's/.*manifests/m/' | paste -sd' ')" 'm/1 m/latest m/1' 'all tags come at the end of everything'

# ---- what another repository has ----

begin f-mount
run "$WHITTLE" tag --root "$T/st" base:1 "$FRONT/seed/base:1"
push base:1 "$FRONT/seed/base:1"
push shop:1 "$FRONT/mounted/shop:1"
end
is "$status" 0 'a push beside the base'
is "$(grep -cE '^POST /v2/mounted/shop/blobs/uploads/\?mount=' <<<"$log")" 1 "the base's layer is mounted"
is "$(count '^PATCH /v2/mounted/')" 1 'and not sent'
ok 'all is there' whole mounted/shop 1
begin f-nomount no-mount 1 on
run "$WHITTLE" tag --root "$T/st" base:1 "$FRONT/seed/base:1"
push shop:1 "$FRONT/unmounted/shop:1"
end
is "$status $(count '^PATCH /v2/unmounted/') $(count '^POST /v2/unmounted/')" '0 2 4' 'a registry that does not mount gets it in the same upload'
ok 'all is there' whole unmounted/shop 1

# ---- a base that stays where it is ----

mkdir lazy
lazily() { # STORE: a build on a base in a registry, of which nothing is read
	printf 'FROM %s/seed/base:1\nENV MORE=1\n' "$FRONT" >lazy/Dockerfile
	run "$WHITTLE" build -q --root "$T/$1" -t mine:1 lazy
	is "$status" 0 "a build on a base in a registry ($1)"
}
layer=$(there seed/base 1 | jq -r '.layers[0].digest')
have() { [ -e "$T/$1/blobs/sha256/${layer#sha256:}" ]; }
begin f-lazy
lazily st-lazy
run "$WHITTLE" push -q --root "$T/st-lazy" mine:1 "$FRONT/lazy/mine:1"
is "$status" 0 'is pushed beside it'
want=$out
end
is "$(count "^GET .*/blobs/$layer") $(count '^POST /v2/lazy/mine/blobs/uploads/\?mount=')" '0 1' 'the layer is mounted, and never was here'
ok 'all is there' whole lazy/mine 1
nok 'the store lacks it still' have st-lazy
begin f-lazy2 no-mount 1 on
lazily st-lazy2
run "$WHITTLE" push -q --root "$T/st-lazy2" mine:1 "$FRONT/lazy2/mine:1"
is "$status" 0 'a registry that does not mount'
want=$out
end
is "$(count "^GET .*/blobs/$layer") $(count '^PATCH ')" '1 1' 'gets it sent, after all'
ok 'all is there' whole lazy2/mine 1
begin f-lazy3
lazily st-lazy3
run "$WHITTLE" push -q --root "$T/st-lazy3" mine:1 "$reg/lazy3/mine:1" # as far as one can tell, another registry
is "$status" 0 'another registry'
want=$out
end
is "$(count "^GET .*/blobs/$layer")" 1 'gets it, too'
ok 'all is there' whole lazy3/mine 1

# ---- elsewhere ----

want=sha256:$(there whole/shop 1 | sha256sum | cut -d' ' -f1)

begin f-else 307 1 on
push shop:1 "$FRONT/else/shop:1"
end
is "$status" 0 'all uploads are sent to another host'
ok 'which has them' whole else/shop 1
ok 'was asked for each' test "$(jq .elsewhere <<<"$seen")" -ge 15
is "$(jq -c .leaks <<<"$seen")" '[]' 'and was shown no login'

# ---- what push takes, and what it says ----

mkdir lay && "$WHITTLE" build -q --root "$T/st" --output "type=oci,tar=false,dest=$T/lay/out" ctx >/dev/null
run "$WHITTLE" push -q --root "$T/fresh" --digestfile "$T/digest" "oci:$T/lay/out" "$reg/layout/shop:1"
is "$status $out" "0 $want" 'an OCI layout, by a store that knows nothing of it'
is "$(cat digest)" "$want" 'the digest in a file'
ok 'all is there' whole layout/shop 1
push -q "$want" "$reg/digest/shop:1"
is "$status $out" "0 $want" 'an image by its digest'
push "oci:$T/lay/out"
is "$status" 2 'a layout without a name'
like "$err" 'to which name' 'which is asked for'
push "$want"
is "$status" 2 'the same of a digest'
push --chunk-size 0 shop:1 "$reg/x:1"
is "$status" 2 'pieces of nothing'
push --chunk-size many shop:1 "$reg/x:1"
is "$status" 2 'no size'
nok 'nothing came of that' there x 1

if is_root; then
	cp -r lay "$UT/lay" && chown -R "$TEST_USER:" "$UT/lay"
	install -d -o "$TEST_USER" -m 700 "$UT/.docker" && install -o "$TEST_USER" "$HOME/.docker/config.json" "$UT/config.json"
	run as_user env "REGISTRY_AUTH_FILE=$UT/config.json" "$WHITTLE" push -q --root "$UT/st" --chunk-size 4m "oci:$UT/lay/out" "$reg/user/shop:1"
	is "$status $out" "0 $want" 'an ordinary user pushes'
	ok 'all is there' whole user/shop 1
fi
done_testing

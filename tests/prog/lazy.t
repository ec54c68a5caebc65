#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bases whose layers stay in their registry until somebody reads them, and when registries are asked: what goes over the wire is counted.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'

export HOME=$T/home
unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR SSL_CERT_FILE
mkdir -m 755 "$HOME" "$T/run-skopeo"
skopeo() { XDG_RUNTIME_DIR=$T/run-skopeo command skopeo "$@"; }
on_exit '[ -z "${FRONT_PID:-}" ] || server_stop "$FRONT_PID"; [ -z "${PLAIN_PID:-}" ] || server_stop "$PLAIN_PID"'
registry_start "$T/plain" || { echo 'Bail out! no registry'; exit 1; }
PLAIN_PID=$REGISTRY_PID reg=$REGISTRY
front_start "$T/front" "$reg" || { echo 'Bail out! no front'; exit 1; }

skopeo copy -q --dest-tls-verify=false "oci:$base" "docker://$reg/team/box:1" || { echo 'Bail out! no image'; exit 1; }
doc=$(registry_get "$reg" /v2/team/box/manifests/1)
layer=$(jq -r '.layers[0].digest' <<<"$doc")
config=$(jq -r .config.digest <<<"$doc")

seen=0
mark() { seen=$(wc -l <"$T/front/log"); }
wire() { tail -n "+$((seen + 1))" "$T/front/log" | sed -n 's/^FRONT //p'; } # METHOD PATH STATUS since mark
blobs() { wire | awk '$1 == "GET" && $2 ~ "/blobs/" { sub(".*/blobs/", "", $2); print $2 }' | sort | tr '\n' ' '; }
manifests() { wire | grep -c '/manifests/'; }
sound() { python3 "$SRC/tests/tools/store_check.py" "$1"; }

build() { # STORE OPTION…: stdin is the Dockerfile
	local st=$1

	shift
	cat >"$D/ctx/Dockerfile"
	run as "$WHO" env HOME="$D" "$WHITTLE" build --progress plain --root "$D/$st" "$@" "$D/ctx"
}

for WHO in root user; do
	if [ "$WHO" = user ] && ! make_user; then
		continue
	fi
	D=$T/$WHO
	mkdir -p "$D/ctx" && chmod 755 "$T" && echo hello >"$D/ctx/file"
	[ "$WHO" = root ] || chown -R whittle-test: "$D"

	mark
	build a -t "$FRONT/built/$WHO:label" <<<"FROM $FRONT/team/box:1
LABEL a=b"
	is "$status" 0 "$WHO: a base that nobody reads" || show "$err"
	is "$(blobs)" "$config " "$WHO: of it the config alone is fetched"
	ok "$WHO: the store is sound" sound "$D/a"

	mark
	build a -t "$FRONT/built/$WHO:label" --push <<<"FROM $FRONT/team/box:1
LABEL a=b"
	is "$status" 0 "$WHO: pushed" || show "$err"
	is "$(blobs)" '' "$WHO: no layer comes for that"
	like "$(wire)" "POST /v2/built/$WHO/blobs/uploads/\?mount=sha256(%3A|:)${layer#sha256:}&from=team(%2F|/)box 201" "$WHO: the layer is mounted"
	unlike "$(wire)" 'GET /v2/team/box/manifests' "$WHO: the base is not asked for again"
	ok "$WHO: skopeo gets the whole image" skopeo copy -q --src-tls-verify=false "docker://$reg/built/$WHO:label" "oci:$D/back"

	build a -t "$FRONT/built/$WHO:link" --push <<<"FROM $FRONT/team/box:1
COPY --link file /in/file"
	is "$status" 0 "$WHO: COPY --link"
	is "$(blobs)" '' "$WHO: reads no base"

	mark
	build a <<<"FROM $FRONT/team/box:1
RUN cat /etc/os-release; ls / >/list"
	is "$status" 0 "$WHO: a step that reads it" || show "$err"
	is "$(blobs)" "$layer " "$WHO: then the layer comes, once"
	mark
	build a -t kept <<<"FROM $FRONT/team/box:1
RUN cat /etc/os-release; ls / >/list"
	is "$status $(wire)" '0 ' "$WHO: from the cache nothing is asked"
	build a <<<"FROM $FRONT/team/box:1
RUN ls / >/other"
	is "$status $(wire)" '0 ' "$WHO: nor for a new step on a base that is known"

	mark
	build b <<<"FROM $FRONT/team/box:1 AS x
FROM scratch
COPY --from=x /bin/busybox /bin/"
	is "$status" 0 "$WHO: COPY --from"
	is "$(blobs)" "$(printf '%s\n' "$layer" "$config" | sort | tr '\n' ' ')" "$WHO: reads it"

	mark
	build c --output "type=oci,dest=$D/out.tar" -t made:1 <<<"FROM $FRONT/team/box@$(sha256sum <<<"$doc" >/dev/null; printf %s "sha256:$(printf %s "$doc" | sha256sum | cut -d' ' -f1)")
LABEL c=d"
	is "$status" 0 "$WHO: a file is written whole" || show "$err"
	is "$(tar -tf "$D/out.tar" | grep -c "blobs/sha256/${layer#sha256:}")" 1 "$WHO: with the base's layer"
	is "$(blobs)" "$(printf '%s\n' "$layer" "$config" | sort | tr '\n' ' ')" "$WHO: which came for that"

	# ---- names whose layers are elsewhere ----

	build d -t only-named <<<"FROM $FRONT/team/box:1
LABEL e=f"
	is "$status" 0 "$WHO: named"
	run as "$WHO" env HOME="$D" "$WHITTLE" images --root "$D/d" only-named
	like "$out" 'in registry' "$WHO: images says that its layers are elsewhere"
	run as "$WHO" env HOME="$D" "$WHITTLE" inspect --root "$D/d" only-named
	is "$(jq -r '.[0].Origin' <<<"$out")" "$FRONT/team/box" "$WHO: inspect says where"
	run as "$WHO" env HOME="$D" "$WHITTLE" gc --root "$D/d"
	is "$status" 0 "$WHO: gc"
	ok "$WHO: the store is sound behind it" sound "$D/d"
	mark
	build d <<<"FROM only-named
RUN true >/made"
	is "$status" 0 "$WHO: a base of ours whose layers are in a registry" || show "$err"
	is "$(blobs)" "$layer " "$WHO: they come from there"

	build e -t only-named <<<"FROM $FRONT/team/box:1
LABEL e=f"
	run as "$WHO" env HOME="$D" "$WHITTLE" sbom --root "$D/e" only-named
	is "$status" 0 "$WHO: an SBOM of such an image" || show "$err"

	# ---- when they are asked ----

	tagged() { skopeo copy -q --dest-tls-verify=false "$1" "docker://$reg/team/moving:1"; }
	tagged "oci:$base"
	from="FROM $FRONT/team/moving:1
RUN ls / >/list"
	build f <<<"$from"
	is "$status" 0 "$WHO: a base whose name will move"
	mark
	build f --pull <<<"$from"
	is "$status" 0 "$WHO: --pull"
	is "$(blobs)" '' "$WHO: of what is the same nothing is fetched"
	is "$(wire | grep -c 'GET /v2/team/moving/manifests')" 1 "$WHO: its manifest is asked for once"
	like "$err" 'CACHED' "$WHO: and the steps are from the cache"
	tagged "docker://$reg/built/$WHO:label" 2>/dev/null || skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$reg/built/$WHO:label" "docker://$reg/team/moving:1"
	mark
	build f <<<"$from"
	is "$status $(wire)" '0 ' "$WHO: without it the name stays what it was"
	build f --pull=always -t moved <<<"$from"
	is "$status" 0 "$WHO: --pull=always"
	run as "$WHO" env HOME="$D" "$WHITTLE" inspect --root "$D/f" moved
	like "$out" '"a": *"b"' "$WHO: has the new base"
	mark
	build f -t moved2 <<<"$from"
	run as "$WHO" env HOME="$D" "$WHITTLE" inspect --root "$D/f" moved2
	like "$out" '"a": *"b"' "$WHO: which is the name's from then on"
	is "$(wire)" '' "$WHO: without asking again"

	mark
	build f --pull <<<"FROM $FRONT/team/moving:1 AS one
FROM $FRONT/team/moving:1 AS two
COPY --from=$FRONT/team/moving:1 /bin/busybox /made
FROM two
COPY --from=one /bin/busybox /made"
	is "$status $(manifests)" '0 1' "$WHO: a name means one thing in a build: it is asked for once"

	mark
	build g --pull=never <<<"$from"
	is "$status" 1 "$WHO: --pull=never, and the store does not have it"
	like "$err" 'not in the store, and --pull=never forbids to fetch it' "$WHO: is said"
	is "$(wire)" '' "$WHO: nobody is asked"
	build f --pull=never <<<"$from"
	is "$status" 0 "$WHO: --pull=never, and it has it"
	build f --pull <<<"FROM $FRONT/kept/here:1"
	is "$status" 1 "$WHO: --pull of a name that is in no registry" || show "$err"
	build f --pull=sometimes <<<"$from"
	is "$status" 2 "$WHO: another word"
	like "$err" 'always, missing, never' "$WHO: lists those that there are"
done
done_testing

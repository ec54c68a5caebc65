# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of pruning share: an application that does as it is told (prune-app.c), images entry by entry (tree_image.py).
#   $APP            the static program        $TREE        tree_image.py
#   image DIR [CONFIG] < LINES                a layout; the application is /bin/app, and ENTRYPOINT where CONFIG names none
#   tests_image                               makes $TESTS, a layout to run tests in (busybox)
#   prune LAYOUT OUT [OPTION…] -- WORD…       the application does WORDs, as its tests; status, out, err as of run
#   app_words WORD…                           the same words as a shell's line for --run
#   has OUT PATH…, lacks OUT PATH…            one check each
#   faithful FULL PRUNED DESC [BUT]           every entry is as it was, but for those below BUT
#   again LAYOUT DESC WORD…                   the application of the layout does WORDs; in whittle run

TREE=$SRC/tests/tools/tree_image.py
APP=$T/prune-app
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o "$APP" "$SRC/tests/prog/prune-app.c" || skip_all 'no static C library'
export HOME=$T WHO=${WHO:-root}
is_root || WHO=user

busybox=$(test_base busybox) || { echo 'Bail out! no base'; exit 1; }
TESTS=oci:$busybox

image() {
	local dir=$1 config=${2:-'{}'}

	config=$(jq -c '{Entrypoint: ["/bin/app"], Cmd: ["serve"]} + .' <<<"$config")
	rm -rf "$dir"
	{
		echo "d /bin mtime=1500000000"
		echo "f /bin/app mode=755 mtime=1500000001 from=$APP"
		cat
	} | "$TREE" make "$dir" "$config" || echo "Bail out! no image $dir"
	chmod -R go+rX "$dir"
}

app_words() {
	printf '/run/whittle/app run'
	printf ' %q' "$@"
}

store_of() { echo "$T/store-$WHO"; }

prune() {
	local from=$1 to=$2 options=()

	shift 2
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	rm -rf "$to"
	if [ "$WHO" = user ] && is_root; then install -d -o "$TEST_USER" "$to" "$(store_of)"; fi
	run_as prune "oci:$from" --root "$(store_of)" --tests "$TESTS" --start manual "${options[@]}" \
		-o "type=oci,dest=$to,tar=false" -t out --run "$(app_words "$@")"
}

run_as() {
	as "$WHO" timeout -k 5 100 "$WHITTLE" "$@" >"$T/.out" 2>"$T/.err" </dev/null
	status=$?
	out=$(cat "$T/.out")
	err=$(cat "$T/.err")
	all=$out${out:+$'\n'}$err
}

pruned() { # DESC …: as prune, and it works
	local desc=$1

	shift
	prune "$@"
	is "$status" 0 "$desc"
	[ "$status" = 0 ] || show "$err"
}

has() {
	local dir=$1 path

	shift
	"$TREE" list "$dir" >"$T/.list" 2>/dev/null || { fail "$dir: there is no image"; return; }
	for path in "$@"; do ok "$dir has $path" grep -qxF -- "$path" "$T/.list"; done
}

lacks() {
	local dir=$1 path

	shift
	"$TREE" list "$dir" >"$T/.list" 2>/dev/null || { fail "$dir: there is no image"; return; }
	for path in "$@"; do nok "$dir lacks $path" grep -qxF -- "$path" "$T/.list"; done
}

faithful() {
	local seen

	seen=$("$TREE" compare "$1" "$2" ${4:+"$4"} 2>&1)
	is "$seen" '' "$3"
}

again() {
	local dir=$1 desc=$2

	shift 2
	run_as run --root "$(store_of)" --network none "oci:$dir" "$@"
	is "$status" 0 "$desc"
	[ "$status" = 0 ] || show "$err"
}

# The manifest's digest: of the config and of the only layer.
manifest() {
	jq -r '[.manifests[] | select(.annotations["org.opencontainers.image.ref.name"])][0].digest' "$1/index.json"
}
blob() { # LAYOUT DIGEST
	cat "$1/blobs/sha256/${2#sha256:}"
}
layer() {
	blob "$1" "$(manifest "$1")" | jq -c '[.layers[].digest]'
}

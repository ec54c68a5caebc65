#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle prune: an image by any name, no Dockerfile; the result is the one that a Dockerfile gives.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/prune-lib.sh"
. "$SRC/tests/tools/registry.sh"

image app '{"Env": ["GREETING=hello"], "OnBuild": ["RUN false"], "ExposedPorts": {"80/tcp": {}}, "Labels": {"a": "b"}}' <<L
f /etc/passwd text=root:x:0:0:root:/root:/none\x0a
f /data/used text=x
f /data/more text=x
f /data/other text=x
d /share mode=1777
L
one='/run/whittle/app run read:/data/used env:GREETING'
two='/run/whittle/app run read:/data/more'
mkdir -p "$T/tests" && echo "$one" >"$T/tests/all.sh"

config=$(jq -r .config.digest <(blob app "$(manifest app)"))

works() { # DESC WORD…
	local desc=$1

	shift
	run_as prune --root "$(store_of)" "$@"
	is "$status" 0 "$WHO: $desc"
	[ "$status" = 0 ] || show "$err"
}
# refused DESC STATUS ERE WORD…: one line says it, in words of the command line
refused() {
	local desc=$1 code=$2 want=$3

	shift 3
	run_as prune --root "$(store_of)" "$@"
	is "$status" "$code" "$desc: exit code $code"
	is "$(grep -c '^error' <<<"$err")" 1 "$desc: one error"
	like "$(grep '^error' <<<"$err")" "^error: $want" "$desc: says so"
	unlike "$(grep -A3 '^error' <<<"$err")" 'PROFILE|PRUNE|Dockerfile|command line|FROM|build-context|line [0-9]' "$desc: no word of a Dockerfile"
}

whos=(root user)
is_root || whos=(user)
for WHO in "${whos[@]}"; do
	[ "$WHO" = root ] || ! is_root || install -d -o "$TEST_USER" "$T/out-user" "$(store_of)"
	mkdir -p "out-$WHO"
	[ "$WHO" = root ] || ! is_root || chown "$TEST_USER" "out-$WHO"
	o=out-$WHO
	works 'an image from a layout' "oci:$T/app" --tests "$TESTS" --start manual --run "$one" -t "registry.example/app:slim" \
		-o "type=oci,dest=$o/layout,tar=false" --metadata-file "$o/meta.json" --iidfile "$o/id"
	has "$o/layout" /data/used /etc/passwd
	lacks "$o/layout" /data/more /data/other
	like "$out" '^name +registry.example/app:slim$' "$WHO: its name"
	is "$(jq -r '.["containerimage.digest"]' "$o/meta.json")" "$(manifest "$o/layout")" "$WHO: --metadata-file"
	blob "$o/layout" "$(blob "$o/layout" "$(manifest "$o/layout")" | jq -r .config.digest)" >config.json
	is "$(jq -c '[.config.OnBuild, .config.Labels, .config.ExposedPorts, .config.Entrypoint, .config.Cmd]' config.json)" \
		'[["RUN false"],{"a":"b"},{"80/tcp":{}},["/bin/app"],["serve"]]' "$WHO: with triggers, labels, ports"

	works 'the same again' "oci:$T/app" --tests "$TESTS" --start manual --run "$one" -t again -o "type=oci,dest=$o/again,tar=false"
	unlike "$err" 'testing the pruned' "$WHO: comes from the cache"
	is "$(manifest "$o/again")" "$(manifest "$o/layout")" "$WHO: and is the same"

	# the same as a Dockerfile's
	cat >"$o.Dockerfile" <<D
FROM app
PROFILE --from=tests --start=manual $one
PROFILE --from=tests --start=manual ["sh", "-c", "$two"]
PRUNE --keep=/share --drop=/etc/passwd
D
	mkdir -p ctx
	# Triggers are for who builds upon an image: FROM would run them.
	"$TREE" make "$T/$o-bare" "$(jq -c '.config | del(.OnBuild)' <(blob app "$config"))" < <(
		cat <<L
d /bin mtime=1500000000
f /bin/app mode=755 mtime=1500000001 from=$APP
f /etc/passwd text=root:x:0:0:root:/root:/none\x0a
f /data/used text=x
f /data/more text=x
f /data/other text=x
d /share mode=1777
L
	)
	chmod -R go+rX "$T/$o-bare"
	run_as build --root "$(store_of)" -f "$o.Dockerfile" --build-context "app=oci-layout://$T/$o-bare" --build-context "tests=oci-layout://$busybox" \
		-t file -o "type=oci,dest=$o/file,tar=false" ctx
	is "$status" 0 "$WHO: with a Dockerfile"
	[ "$status" = 0 ] || show "$err"
	works 'several tests, by --run and behind --' "oci:$T/$o-bare" --tests "$TESTS" --start manual --run "$one" --keep /share --drop /etc/passwd \
		-t two -o "type=oci,dest=$o/two,tar=false" -- sh -c "$two"
	like "$(layer "$o/two")" '^."sha256:[0-9a-f]{64}".$' "$WHO: one layer"
	is "$(layer "$o/two")" "$(layer "$o/file")" "$WHO: gives the very layer that the Dockerfile gives"
	is "$(blob "$o/two" "$(blob "$o/two" "$(manifest "$o/two")" | jq -r .config.digest)" | jq -S .config)" \
		"$(blob "$o/file" "$(blob "$o/file" "$(manifest "$o/file")" | jq -r .config.digest)" | jq -S .config)" "$WHO: and its config"
	has "$o/two" /data/used /data/more /share
	lacks "$o/two" /data/other /etc/passwd

	# other names
	works 'the image by its name in the store, the tests by theirs' registry.example/app:slim --tests "$TESTS" --start manual --run "$one" -t again -q
	run_as images --root "$(store_of)" -q again
	id=$out
	works 'by its id' "${id:0:12}" --tests "$TESTS" --start manual --run "$one" -q
	is "${out#sha256:}" "$(cut -c1-64 <<<"${out#sha256:}")" "$WHO: -q prints the id alone"
	run_as save --root "$(store_of)" -o "$o/app.tar" again
	works 'from an archive' "docker-archive:$o/app.tar" --tests "$TESTS" --start manual --run "$one" -q
	refused "$WHO: a name that is nowhere" 1 'nosuch: .*not in the store' nosuch --pull=never --tests "$TESTS" --run true
	refused "$WHO: tests that are nowhere" 1 '--tests nosuch: .*not in the store' again --pull=never --tests nosuch --run true

	# tests of this machine, and in the image itself
	works 'a directory of tests' "oci:$T/app" --tests "$TESTS" --tests-dir "$T/tests:/work" --start manual --run 'sh /work/all.sh && ! touch /work/new' -q
	works 'the usual place of it' "oci:$T/app" --tests "$TESTS" --tests-dir "$T/tests" --start manual --run '["sh", "/tests/all.sh"]' -q
	works 'no image of tests: they run in the image itself' "oci:$T/app" --ready log:^serving -q -- /bin/app read:/data/other
	works 'quotes, dollars and lines are what they are' "oci:$T/app" --tests "$TESTS" --start manual -e 'X=$HOME "q" \' -q \
		--run $'test "$X" = \'$HOME "q" \\\' &&\n# a note\n/run/whittle/app run read:/data/used'
done
WHO=${whos[0]}

# ---- signed, pushed ----

export COSIGN_PASSWORD=secret
ok 'a key' "$WHITTLE" keygen --output-key-prefix "$T/release"
[ "$WHO" = root ] || chmod a+r "$T"/release.*
registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
on_exit "server_stop $REGISTRY_PID"
run_as tag --root "$(store_of)" again "$REGISTRY/app:full"
run_as push --root "$(store_of)" "$REGISTRY/app:full"
is "$status" 0 'the image is in a registry'
run_as rm --root "$(store_of)" "$REGISTRY/app:full"
works 'an image from a registry, signed and pushed there' "docker://$REGISTRY/app:full" --tests "$TESTS" --start manual --run "$one" \
	-t "$REGISTRY/app:slim" --push --sign-key "$T/release.key"
run_as verify --root "$(store_of)" --key "$T/release.pub" "$REGISTRY/app:slim"
is "$status" 0 'and verified'
[ "$status" = 0 ] || show "$all"

# ---- what is wrong ----

base=("oci:$T/app" --tests "$TESTS")
refused 'no image' 2 'whittle prune: an image wanted'
refused 'two images' 2 'unexpected argument "b"' a b --run true
refused 'nothing to run' 2 'no test: ' "${base[@]}"
refused 'an empty test' 2 '--run is empty' "${base[@]}" --run ' '
refused 'nothing before --' 2 'one image wanted' -- true
refused 'a wrong --ready' 2 '--ready=tcp: "80x" is no port' "${base[@]}" --ready tcp:80x --run true
refused 'a wrong --ready, the second' 2 '--ready: "htp:80" is not known' "${base[@]}" --ready tcp:80 --ready htp:80 --run true
refused 'a wrong regular expression' 2 '--ready=log: "\(" is no regular' "${base[@]}" --ready 'log:(' --run true
refused 'a wrong --start' 2 '--start: "x y" is neither' "${base[@]}" --start 'x y' --run true
refused 'a wrong --share' 2 '--share: "here" is no absolute' "${base[@]}" --share here --run true
refused 'a wrong --env' 2 '--env: "A" is not NAME=VALUE' "${base[@]}" --env A --run true
refused 'a wrong --mount' 2 '--mount=type=x,target=/a: unsupported mount type "x"' "${base[@]}" --mount type=x,target=/a --run true
refused 'a mount of no context' 2 '--mount=type=bind,target=/a: there is no build context' "${base[@]}" --mount type=bind,target=/a --run true
refused 'a wrong --timeout' 2 '--timeout: ' "${base[@]}" --timeout x --run true
refused 'a wrong --runs' 2 'whittle prune: --runs' "${base[@]}" --runs 0 --run true
refused 'too many --runs' 2 '--runs: "65000" is no number' "${base[@]}" --runs 65000 --run true
refused 'a wrong --network' 2 'whittle prune: --network' "${base[@]}" --network x --run true
refused 'a wrong --keep' 2 '--keep: "data" does not begin' "${base[@]}" --keep data --run true
refused 'a --keep of nothing' 2 '.*--keep=/nosuch' "${base[@]}" --keep /nosuch --start manual --run "$one"
refused 'a --drop of what is used' 2 '.*--drop=/data/\*\* would take away /data/used' "${base[@]}" --drop '/data/**' --start manual --run "$one"
refused 'a wrong --mode' 2 'whittle prune: --mode' "${base[@]}" --mode x --run true
refused 'a wrong --repair' 2 '--repair: "x"' "${base[@]}" --repair x --run true
refused 'a directory of tests that is not there' 2 '--tests-dir /nosuch' "${base[@]}" --tests-dir /nosuch --run true
refused 'a file in its place' 2 '--tests-dir .*Not a directory' "${base[@]}" --tests-dir /etc/passwd --run true
refused 'a layout that is not there' 1 'oci:/nosuch: ' oci:/nosuch --run true
refused 'a bad name' 2 '.*UPPER' UPPER --run true
refused 'an option of slim' 2 'whittle prune: unknown option --http-probe' "${base[@]}" --http-probe --run true
like "$err" '^hint: tests are commands' 'and what there is instead'
refused 'tests that fail' 10 '--run exit 3: the tests fail' "${base[@]}" --ready log:^serving --run 'exit 3'
refused 'the second of two tests that fail' 10 '-- sh -c exit 4: the tests fail' "${base[@]}" --ready log:^serving --run true -- sh -c 'exit 4'
image choice <<L
f /plugins/one text=1
f /plugins/two text=2
f /fallback text=x
L
refused 'tests that fail after the prune' 16 'the tests pass before the prune and fail after it \(--run /run/.*; looked up and no longer there: /fallback' \
	oci:choice --tests "$TESTS" --start manual --repair 0 --run '/run/whittle/app run read:/plugins/one few:/plugins:/fallback'

# an image that a shell starts: it cannot be changed, its copy can
image script '{"Entrypoint": ["/start.sh"], "User": "7"}' <<L
f /bin/busybox mode=755 from=$(command -v busybox)
l /bin/sh to=busybox
f /start.sh mode=755 text=#!/bin/sh\x0aexec\x20/bin/app\x20"\$@"\x0a
L
refused 'an image that a shell starts' 15 'shells are removed, and the application needs one' oci:script --tests "$TESTS" --ready log:^serving --run true
like "$err" '^hint: .*--entrypoint' 'and how it is started without'
works 'so it is' oci:script --tests "$TESTS" --ready log:^serving --run true --entrypoint '["/bin/app", "id:8:9"]' --cmd '["serve"]' --user 8:9 -t script
run_as inspect --root "$(store_of)" script
is "$(jq -c '.[0].Config | [.Entrypoint, .Cmd, .User]' <<<"$out")" '[["/bin/app","id:8:9"],["serve"],"8:9"]' 'the result says so'
refused 'a wrong --entrypoint' 2 '--entrypoint: "a b" is neither' oci:script --tests "$TESTS" --run true --entrypoint 'a b'

image health '{"Healthcheck": {"Test": ["CMD-SHELL", "/bin/app true"]}}' <<L
f /bin/busybox mode=755 from=$(command -v busybox)
l /bin/sh to=busybox
L
refused "an image whose HEALTHCHECK is a shell's" 15 'shells are removed, and the application needs one' oci:health --tests "$TESTS" --ready log:^serving --run true
works 'another one' oci:health --tests "$TESTS" --ready log:^serving --run true --health-cmd '["/bin/app", "true"]' -t health
run_as inspect --root "$(store_of)" health
is "$(jq -c '.[0].Config.Healthcheck.Test' <<<"$out")" '["CMD","/bin/app","true"]' 'the result has it'
works 'none' oci:health --tests "$TESTS" --ready log:^serving --run true --no-healthcheck -t health
run_as inspect --root "$(store_of)" health
is "$(jq -c '.[0].Config.Healthcheck.Test' <<<"$out")" '["NONE"]' 'the result says so'

nothing='{"Entrypoint": null, "Cmd": null}'
"$TREE" make nothing "$nothing" <<<"f /x text=x"
refused 'an image that starts nothing' 2 '.*the image has neither ENTRYPOINT nor CMD' oci:nothing --tests "$TESTS" --run true
done_testing

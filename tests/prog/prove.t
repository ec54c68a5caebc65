#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The least privileges of a pruned image: its tests pass under them, and fail with one thing less. As root and as an ordinary user.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/prune-lib.sh"

export COSIGN_PASSWORD=secret
"$WHITTLE" keygen --output-key-prefix "$T/release" 2>/dev/null || { echo 'Bail out! no key'; exit 1; }
chmod 644 "$T/release.key" "$T/release.pub"

image app '{"Cmd": ["listen:80"]}' <<L
f /etc/passwd text=root:x:0:0:root:/root:/none\x0aapp:x:1000:1000::/:/none\x0a
f /data/state text=old
f /data/kept text=kept
d /data/shared
d /spool mode=1777
d /owned mode=700 uid=1000 gid=1000
f /etc/app.conf text=conf
f /etc/second.conf text=conf
L

# prove DESC [OPTION…]: prunes the image and proves what is left; status, out, err; documents in $docs
prove() {
	docs=$T/docs-$WHO
	rm -rf "$docs"
	if [ "$WHO" = user ] && is_root; then install -d -o "$TEST_USER" "$docs" "$(store_of)"; fi
	run_as prune oci:app --root "$(store_of)" --tests "$TESTS" -t proven "$@"
}
proves() { # DESC [OPTION…]
	local desc=$1

	shift
	prove --runtime-out "$docs" "$@"
	is "$status" 0 "$WHO: $desc"
	[ "$status" = 0 ] || show "$err"
}
red() { # KIND: what the failed control of that kind was without
	jq -r --arg kind "$1" '[.controls[] | select(.kind == $kind and .failed)] | first.without' "$docs/proof.json"
}
granted() { # FILTER
	jq -c "$1" "$docs/privileges.json"
}

whos=(root user)
is_root || whos=(user)
for WHO in "${whos[@]}"; do
	docs=$T/docs-$WHO

	# ---- a server
	web=(--ready tcp:80 --run 'wget -qO- http://127.0.0.1/ | grep -q hello')
	key=(--sign-key "$T/release.key")
	[ "$WHO" = root ] || key=()
	proves 'a server' "${web[@]}" "${key[@]}" -o "type=oci,dest=$docs/oci,tar=false"
	is "$(red seccomp)" listen "$WHO: a server: fails without a call that it begins with"
	is "$(red Landlock)" bind_tcp "$WHO: a server: fails without its port"
	is "$(jq -r '.controls[] | select(.kind == "seccomp" and .failed).how' "$docs/proof.json" | grep -c 'ended with status 1')" 1 \
		"$WHO: a server: the proof says how it failed"
	is "$(jq -c .enforced "$docs/proof.json")" \
		'{"capabilities":true,"landlock":true,"noNewPrivileges":true,"readOnlyRoot":true,"seccomp":true}' "$WHO: a server: what was enforced"
	is "$(jq -c '[.unproven, .unforeseen, .rounds]' "$docs/proof.json")" '[["apparmor"],[],0]' "$WHO: a server: and what was not"
	is "$(granted '[.readOnlyRoot, .writable, .ports]')" '[true,[],[{"port":80,"protocol":"tcp"}]]' "$WHO: a server: nothing is writable"
	fits proof-1 "$docs/proof.json" "$WHO: the proof fits its schema"
	[ ! -e "$SRC/schemas/privileges-1.json" ] || fits privileges-1 "$docs/privileges.json" "$WHO: the privileges fit theirs"
	ok "$WHO: all forms are there" test -s "$docs/seccomp.json" -a -s "$docs/landlock.json" -a -s "$docs/apparmor.profile" -a \
		-s "$docs/kubernetes-patch.yaml" -a -s "$docs/docker-run.args" -a -s "$docs/oci-runtime.json"
	like "$out" '^  runtime +proven +[0-9]+ system calls, .*, read-only root, Landlock; [0-9] controls failed as they must$' "$WHO: the summary"
	cp -r "$docs" "$T/first-$WHO"

	# evidence of the image, signed or not
	if [ "$WHO" = root ]; then
		run_as verify --key "$T/release.pub" "oci:$docs/oci"
		is "$status" 0 "$WHO: verify takes the evidence"
		[ "$status" = 0 ] || show "$all"
		like "$out" 'runtime-privileges' "$WHO: and tells of it"
	fi
	for blob in "$docs"/oci/blobs/sha256/*; do
		jq -c 'if .dsseEnvelope then .dsseEnvelope.payload | @base64d | fromjson else select(.predicateType) end' "$blob" 2>/dev/null
	done >"$T/statements"
	predicate() { jq -cS "select(.predicateType == \"https://whittle.dev/$1\") | .predicate" "$T/statements"; }
	is "$(predicate runtime-privileges/v1 | jq -cS .privileges)" "$(jq -cS . "$docs/privileges.json")" "$WHO: attached are the privileges that were written"
	is "$(predicate runtime-privileges/v1 | jq -cS .proof)" "$(jq -cS . "$docs/proof.json")" "$WHO: and their proof"
	predicate hardening-verdict/v1 >"$T/verdict.json"
	fits hardening-verdict-1 "$T/verdict.json" "$WHO: the verdict fits its schema"
	is "$(jq -c '.runtime | [.proven, .readOnlyRoot, .landlock, .appArmor, .writable, .controls > 1]' "$T/verdict.json")" \
		'[true,true,true,false,0,true]' "$WHO: the verdict tells of the proof"

	# from the cache; and found again
	proves 'the same again' "${web[@]}"
	unlike "$err" 'testing under|must fail' "$WHO: the same again runs nothing"
	is "$(cat "$docs/proof.json" "$docs/privileges.json" | sha256sum)" "$(cat "$T/first-$WHO/proof.json" "$T/first-$WHO/privileges.json" | sha256sum)" \
		"$WHO: the same again: the same documents"
	proves 'without the cache' "${web[@]}" --no-cache
	is "$(granted .)" "$(jq -c . "$T/first-$WHO/privileges.json")" "$WHO: without the cache: the same privileges"
	prove "${web[@]}"
	is "$status" 0 "$WHO: --runtime=none, the default"
	unlike "$out" '^  runtime' "$WHO: --runtime=none: nothing is said of privileges"

	# ---- commands that write, in places with and without content, and one that takes a capability
	words=$(app_words create:/spool/a over:/data/state text:/data/kept:kept read:/etc/app.conf)
	more=$(app_words create:/spool/a chown:/owned:1001)
	proves 'commands' --start manual --run "$words && $more" --share /data/shared
	is "$(granted '[.writable[] | [.path, .mode, .uid, .content]]')" '[["/data","0755",0,true],["/owned","0700",1000,false],["/spool","1777",0,false]]' \
		"$WHO: commands: what is writable"
	is "$(granted .capabilities)" '["CAP_CHOWN"]' "$WHO: commands: one capability"
	is "$(red capabilities)" CAP_CHOWN "$WHO: commands: fail without it"
	is "$(red 'read-only root')" /data "$WHO: commands: fail where one place is read-only"
	is "$(red Landlock)" 'write_file /data' "$WHO: commands: fail without an access"
	isnt "$(red seccomp)" null "$WHO: commands: fail without a call"
	fits proof-1 "$docs/proof.json" "$WHO: commands: the proof fits its schema"
	like "$err" 'control: capabilities without CAP_CHOWN must fail' "$WHO: commands: it is said what is taken away"

	# What is shared stays seen by both where something around it is written.
	share="set -e; echo told >/data/shared/told; $(app_words text:/data/shared/told:told create:/data/shared/back create:/data/new); test -s /data/shared/back"
	proves 'a shared directory in a written one' --start manual --share /data/shared --run "$share"

	proves 'a shared directory alone' --start manual --share /data/shared --run "$(app_words create:/data/shared/it) && test -s /data/shared/it"
	is "$(red 'read-only root')" /data/shared "$WHO: a shared directory alone: fails where it is read-only"

	# ---- what the profile has not foreseen: the Nth run makes the Nth call, the first being the profile's, the second the prune's
	count='n=$(cat /count/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n >/count/n;'
	counted() { # NAME WORD
		printf '%s' "--mount=type=cache,id=$1,target=/count"
	}
	proves 'an unforeseen call' --start manual "$(counted "late-$WHO")" --run "$count [ \$n -lt 4 ] || n=4; /run/whittle/app run call:\$n"
	is "$(jq -c '[.unforeseen[] | select(.kind == "seccomp")]' "$docs/proof.json")" '[{"kind":"seccomp","what":"sysinfo"}]' \
		"$WHO: an unforeseen call: the proof names it"
	is "$(granted '.observed | index("sysinfo") != null')" true "$WHO: an unforeseen call: it is granted"
	like "$err" 'not foreseen by the profile: .*sysinfo' "$WHO: an unforeseen call: it is said"
	fits proof-1 "$docs/proof.json" "$WHO: an unforeseen call: the proof fits its schema"

	# what is new each time, what nobody sees, and tests that prove nothing
	prove --runtime prove --start manual "$(counted "each-$WHO")" --run "$count /run/whittle/app run call:\$n"
	is "$status" 19 "$WHO: a call that is new each time: exit code 19"
	like "$err" '^error: .*need something new each time: sysinfo \(seccomp\), setpriority \(seccomp\)' "$WHO: a call that is new each time: named"
	prove --runtime prove --start manual --run "$(app_words held)"
	is "$status" 19 "$WHO: a capability that is held and not used: exit code 19"
	like "$err" '^error: .*fail under the privileges that were derived from them \(capabilities\)' "$WHO: a capability that is held and not used: which part"
	prove --runtime prove --start manual --run "$(app_words read:/etc/app.conf) || true"
	is "$status" 20 "$WHO: tests that do not look: exit code 20"
	like "$err" '^error: .*the tests pass whatever system call is denied' "$WHO: tests that do not look: said"
	nok "$WHO: nothing was written" test -e "$docs"/privileges.json
done

# Of Dockerfiles; a control that hangs has failed, long before the tests' own time is over.
WHO=${whos[0]}
mkdir -p ctx
cat >ctx/Dockerfile <<'D'
FROM app AS plain
FROM plain
PROFILE --from=tests --start=manual --timeout=5m /run/whittle/app run ?create:/spool/x await:/spool/x
PRUNE --runtime=prove
D
run_as build --root "$(store_of)" --build-context "app=oci-layout://$T/app" --build-context "tests=oci-layout://$busybox" \
	--metadata-file meta.json ctx
is "$status" 0 'PRUNE --runtime=prove'
[ "$status" = 0 ] || show "$err"
like "$err" 'control: read-only root without /spool must fail' 'PRUNE --runtime=prove: the control that hangs'
like "$out" '^  runtime +proven' 'PRUNE --runtime=prove: came to its end'
run_as build --root "$(store_of)" --build-context "app=oci-layout://$T/app" --build-context "tests=oci-layout://$busybox" \
	--target plain --runtime-out nowhere ctx
is "$status" 2 '--runtime-out of a stage without PRUNE: exit code'
like "$err" '^error: --runtime-out: the target \(stage plain\) has no PRUNE$' '--runtime-out of a stage without PRUNE: said'
done_testing

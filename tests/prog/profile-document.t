#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Profiles as documents: out of a build, the same twice, merged, into a build, without secrets; and what is no profile.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
mkdir "$T/ctx"

app() { # TEST…: a Dockerfile whose tests ask for these pages
	cat <<'D'
FROM base AS app
RUN mkdir -p /www /usr/lib/spare && for p in one two three; do echo "page $p" >/www/$p; echo "spare $p" >/usr/lib/spare/$p; done
COPY <<'S' /serve
#!/bin/busybox sh
echo $$ >/tmp/pid.$$
cat /www/one >/dev/null
exec /bin/busybox httpd -f -p 8080 -h /www
S
RUN chmod 755 /serve
STOPSIGNAL SIGKILL
ENTRYPOINT ["/serve"]
FROM app AS release
D
	echo 'PROFILE --ready=tcp:8080 <<X'
	for page; do echo "/run/whittle/app test 'page $page' && wget -q -O - http://127.0.0.1:8080/$page | grep -q page"; done
	echo X
}

for who in root user; do
	[ $who = root ] && ! is_root && continue
	O=$T/$who
	ST=$O/store
	mkdir "$O"
	[ $who = root ] || chown "$TEST_USER": "$O" 2>/dev/null

	# Out: without a PRUNE, too.
	app one two >"$T/one-two"
	build $who --profile-out "$O/a.json" <"$T/one-two"
	is "$status" 0 "$who: --profile-out"
	[ "$status" = 0 ] || show "$all"
	fits profile-1 "$O/a.json" "$who: the document holds to its schema"
	build $who --no-cache --profile-out "$O/b.json" <"$T/one-two"
	ok "$who: a second run is the same, byte for byte" cmp "$O/a.json" "$O/b.json"
	like "$(cat "$O/a.json")" '^    \{"path":"/www/two","access":\["read"(,"stat")?\],"by":\["serve > busybox"\]\},?$|"path":"/www/two"' "$who: a line an observation"
	like "$(cat "$O/a.json")" '"id":"serve","name":"application","program":"/bin/busybox","script":"/serve"' "$who: a process has a name that can be read"
	like "$(cat "$O/a.json")" '"path":"/tmp/pid\.\[n\]"' "$who: a number that the run made is none of the document's"
	like "$(cat "$O/a.json")" '"tests": \["page one","page two"\]' "$who: the tests have names"
	unlike "$(cat "$O/a.json")" '"when"' "$who: what timing decides is left out"
	build $who --profile-out "dest=$O/tests.json,tests=true" <"$T/one-two"
	fits profile-1 "$O/tests.json" "$who: with tests, too"
	like "$(grep '"/www/two"' "$O/tests.json")" '"test page two"' "$who: which says which test it was"
	run as $who "$WHITTLE" build -q --root "$ST" --build-context "base=oci-layout://$base" --profile-out - -f "$T/one-two" "$T/ctx"
	like "$out" '^  "platforms": \["linux/' "$who: -: standard output"

	build $who -t plain-app --target app <"$T/one-two"

	# Shards, merged.
	app one >"$T/one"
	app two >"$T/two"
	build $who --profile-out "$O/1.json" <"$T/one"
	build $who --profile-out "$O/2.json" <"$T/two"
	run as $who "$WHITTLE" profile merge "$O/1.json" "$O/2.json" -o "$O/12.json"
	is "$status" 0 "$who: merge"
	run as $who "$WHITTLE" profile merge "$O/2.json" "$O/1.json" "$O/2.json" -o "$O/21.json"
	ok "$who: whatever the order, and twice is once" cmp "$O/12.json" "$O/21.json"
	ok "$who: shards are as one run with all tests" cmp "$O/12.json" "$O/a.json"
	sed 's,linux/amd64,linux/arm64,' "$O/2.json" >"$O/arm.json"
	as $who "$WHITTLE" profile merge "$O/1.json" "$O/arm.json" -o "$O/both.json"
	fits profile-1 "$O/both.json" "$who: of two platforms"
	like "$(grep '"/www/two"' "$O/both.json")" '"platforms":\["linux/arm64"\]' "$who: what one of them saw says which"
	unlike "$(grep '"/serve"' "$O/both.json" | head -n 1)" 'platforms' "$who: what both did says nothing"

	# Into a build: what it names stays.
	{ app one; echo PRUNE --drop=/www/three; } >"$T/pruned"
	sed 's|"path":"/www/two","access":\[[^]]*\]|"path":"/usr/lib/spare/two","access":["read"]|' "$O/2.json" >"$O/spare.json"
	build $who -t plain <"$T/pruned"
	is "$status" 15 "$who: (this application needs a shell)"
	sed -i 's/^PRUNE.*/PRUNE --shell=keep/' "$T/pruned"
	build $who -o "type=local,dest=$O/plain" <"$T/pruned"
	nok "$who: without the profile it goes" test -e "$O/plain/usr/lib/spare/two"
	build $who -t fed -o "type=local,dest=$O/fed" --profile-in "$O/spare.json" <"$T/pruned"
	is "$status" 0 "$who: --profile-in"
	ok "$who: what the profile names stays" test -e "$O/fed/usr/lib/spare/two"
	nok "$who: what it does not goes" test -e "$O/fed/usr/lib/spare/three"
	build $who --profile-in "$O/spare.json" <"$T/pruned"
	like "$all" '^#[0-9]+ .*PRUNE|CACHED' "$who: the same profile again is cached"
	unlike "$all" 'testing the pruned tree' "$who: and nothing runs"
	build $who --profile-in "$O/2.json" <"$T/pruned"
	like "$all" 'testing the pruned tree' "$who: another one is another prune"
	run as $who "$WHITTLE" profile show fed --root "$ST"
	like "$out" '"path":"/www/one"' "$who: profile show"
	printf '%s\n' "$out" >"$O/shown.json"
	fits profile-1 "$O/shown.json" "$who: which holds to the schema"

	# Where no test is: a run, observed.
	run as $who timeout 60 "$WHITTLE" run --root "$ST" --network none --profile-out "$O/run.json" --entrypoint /bin/busybox plain-app cat /usr/lib/spare/three
	is "$status" 0 "$who: run --profile-out"
	[ "$status" = 0 ] || show "$all"
	is "$out" 'spare three' "$who: what it prints is as ever"
	fits profile-1 "$O/run.json" "$who: its document"
	like "$(cat "$O/run.json")" '"path":"/usr/lib/spare/three","access":\["read"' "$who: has what the command read"
	build $who -o "type=local,dest=$O/ran" --profile-in "$O/run.json" <"$T/pruned"
	ok "$who: a build keeps it" test -e "$O/ran/usr/lib/spare/three"

	# What is none.
	for bad in '' '[]' '{"$schema":"x"}' "$(head -c 300 "$O/a.json")" "$(sed 's,"by":\["serve"\],"by":["nobody"],' "$O/a.json")" \
		"$(sed 's,"path":"/www/one","path":"/../etc/passwd",' "$O/a.json")" "$(sed 's,"path":"/www/one","path":"www/one",' "$O/a.json")" \
		"$(sed 's,"tests":,"more":1\,"tests":,' "$O/a.json")" "$(sed 's,"read","reed",' "$O/a.json")"; do
		printf '%s' "$bad" >"$T/bad.json"
		run as $who "$WHITTLE" profile check "$T/bad.json"
		is "$status" 2 "$who: what is no profile is refused: $(head -c 30 <<<"$bad" | tr '\n' ' ')"
		is "$(grep -c "^error: .*$T/bad.json" <<<"$err")" 1 "$who: in one line, which names it"
	done
	build $who --profile-in "$T/bad.json" <"$T/pruned"
	is "$status" 2 "$who: also by a build, before anything runs"
	like "$err" "^error: .*$T/bad.json" "$who: which names the file"
	build $who --profile-in "$T/none.json" <"$T/pruned"
	like "$err" '^error: .*none.json.*No such file' "$who: a file that is not there"
	printf 'FROM base\n' >"$T/plain"
	build $who --profile-out "$O/x.json" <"$T/plain"
	is "$status" 2 "$who: --profile-out without a PROFILE"
	like "$err" 'no PROFILE' "$who: says so"

	# Secrets: what lies below their mounts is not told.
	{
		app one
		printf 'PROFILE --share=/run/secrets --start=manual --env=N=secret-name-4711 <<X\necho s >/run/secrets/secret-name-4711; /run/whittle/app start; sleep 0.2; /run/whittle/app exec cat /run/secrets/secret-name-4711; /run/whittle/app exec cat /run/secrets/other; true\nX\n'
	} >"$T/secret"
	build $who --profile-out "$O/secret.json" <"$T/secret"
	is "$status" 0 "$who: an application that reads a secret"
	[ "$status" = 0 ] || show "$all"
	unlike "$(cat "$O/secret.json")" 'secret-name-4711' "$who: its name is not in the profile"
	like "$(cat "$O/secret.json")" '"path":"/run/secrets/\[masked\]"' "$who: but that one was read is"
	printf 'value-of-a-secret' >"$O/token"
	{
		app one
		printf 'PROFILE --share=/handed --start=manual --mount=type=secret,id=token,target=/keys/token <<X\nv=$(cat /keys/token); echo s >"/handed/$v"; /run/whittle/app test "with $v"; /run/whittle/app start; sleep 0.2; /run/whittle/app exec cat "/handed/$v"; /run/whittle/app exec cat /keys/mine; true\nX\nPRUNE --shell=keep\n'
	} | sed 's/<<X/<<"X"/2;s/^X$/X/' >"$T/secret"
	build $who -t secret --secret "id=token,src=$O/token" --profile-out "dest=$O/value.json,tests=true" <"$T/secret"
	is "$status" 0 "$who: a driver that hands its secret on"
	[ "$status" = 0 ] || show "$all"
	unlike "$(cat "$O/value.json")" 'value-of-a-secret' "$who: its value is not in the profile"
	like "$(cat "$O/value.json")" '"/handed/\*\*\*"' "$who: stars are"
	like "$(cat "$O/value.json")" '"with \*\*\*"' "$who: also in a test's name"
	nok "$who: nor in anything that the store has of it" grep -rqa value-of-a-secret "$ST/blobs"
done
done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lock of a profile: green while the application needs what it needed, red with a name when it begins to need more.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
mkdir "$T/ctx"

# server EXTRA: what the application does besides, in its start script and in its second test
server() {
	cat <<D
FROM base AS app
RUN mkdir -p /www /var/log/app /var/cache/app /opt/tool && echo one >/www/one && echo two >/www/two.html && cp /bin/busybox /opt/tool/helper
COPY <<'S' /serve
#!/bin/busybox sh
cat /www/one >/dev/null
echo started >/var/log/app/log
${1-}
exec /bin/busybox httpd -f -p 8080 -h /www
S
RUN chmod 755 /serve
STOPSIGNAL SIGKILL
ENTRYPOINT ["/serve"]
FROM app AS release
PROFILE ${lock---lock=app.lock} --ready=tcp:8080 <<X
/run/whittle/app test 'the first page'
wget -q -O - http://127.0.0.1:8080/one
/run/whittle/app test 'the second'
${2-}
true
X
D
}

for who in root user; do
	[ $who = root ] && ! is_root && continue
	O=$T/$who
	mkdir "$O"
	rm -f "$T/ctx/app.lock"
	chown "$([ $who = root ] && echo 0 || echo "$TEST_USER"):" "$O" "$T/ctx" 2>/dev/null
	server >"$T/same"

	build $who <"$T/same"
	is "$status" 3 "$who: without a lock the build is red"
	like "$err" '^error: .*Dockerfile:[0-9]+: there is no lock app.lock for "release linux/' "$who: and says so, with the line"
	like "$err" '^hint: .*--update-lock' "$who: and what to do"
	build $who --update-lock <"$T/same"
	is "$status" 0 "$who: --update-lock"
	fits profile-lock-1 "$T/ctx/app.lock" "$who: the lock holds to its schema"
	cp "$T/ctx/app.lock" "$O/first"
	is "$(jq -c '.stages[] | [.executables, .ports, .peers, .written, .capabilities]' "$T/ctx/app.lock")" \
		'[["/bin/busybox","/bin/busybox /serve"],["tcp 8080"],[],["/var/log/app"],[]]' "$who: it is what the application needs"
	ok "$who: and short" test "$(wc -l <"$T/ctx/app.lock")" -lt 80
	build $who <"$T/same"
	is "$status" 0 "$who: locked, from the cache"
	build $who --no-cache <"$T/same"
	is "$status" 0 "$who: locked, anew"
	build $who --no-cache --update-lock <"$T/same"
	ok "$who: writing it again changes nothing" cmp "$O/first" "$T/ctx/app.lock"
	before=$(stat -c %Y.%i "$T/ctx/app.lock")
	build $who --update-lock <"$T/same"
	is "$(stat -c %Y.%i "$T/ctx/app.lock")" "$before" "$who: and does not touch it"

	# Each kind of need.
	red() { # WHAT LINE START TEST
		server "$3" "${4:-}" >"$T/more"
		build $who <"$T/more"
		is "$status" 3 "$who: $1 is red"
		like "$err" "$2" "$who: $1 is named"
		like "$err" '^error: .*Dockerfile:[0-9]+: the application needs what app.lock does not have' "$who: at the PROFILE's line"
	}
	red 'a helper program' 'executables +/opt/tool/helper .*application: .*/bin/busybox \(script /serve\) ran /opt/tool/helper, in phase start' '/opt/tool/helper true'
	red 'a file class' 'files +/www: .html \(/www/two.html\).*, in test the second' '' 'wget -q -O - http://127.0.0.1:8080/two.html'
	red 'a system call' 'syscalls +(link|linkat) ' 'ln /var/log/app/log /var/log/app/log2; rm /var/log/app/log2'
	red 'a capability' 'capabilities +CAP_CHOWN' 'chown 7 /var/log/app/log'
	red 'a written place' 'written +/var/cache/app \(/var/cache/app/x\)' 'echo x >/var/cache/app/x'
	red 'a peer' 'peers +tcp 7777' '/bin/busybox nc -w 1 127.0.0.1 7777 </dev/null; true'
	server '(/bin/busybox httpd -p 9090 -h /www)' >"$T/more"
	build $who <"$T/more"
	like "$err" 'ports +tcp 9090' "$who: a port is named"
	build $who <"$T/more"
	is "$status" 3 "$who: from the cache it is as red"
	build $who --update-lock <"$T/more"
	is "$status" 0 "$who: --update-lock takes it in"
	like "$(diff "$O/first" "$T/ctx/app.lock")" '^> +"tcp 9090"' "$who: the difference says what"
	ok "$who: in a few lines" test "$(diff "$O/first" "$T/ctx/app.lock" | grep -c '^>')" -lt 12
	build $who <"$T/same"
	is "$status" 0 "$who: what is needed no more is no failure"
	like "$err" 'app.lock allows "release linux/.*" what it did not need: .*tcp 9090' "$who: but is told"

	# What the run itself makes and executes has another name each time.
	server 'h=/tmp/$(head -c 6 /dev/urandom | od -An -tx1 | tr -d " \n"); mkdir -p /tmp && cp /bin/busybox $h && $h true' >"$T/made"
	build $who --update-lock <"$T/made"
	like "$(jq -r '.stages[].executables[]' "$T/ctx/app.lock")" '^/tmp/\*$|^/\*$' "$who: a program that the run made is told by its directory"
	build $who --no-cache <"$T/made"
	is "$status" 0 "$who: and the next run is as green"
	[ "$status" = 0 ] || show "$err"

	# Another file, other stages.
	cp "$O/first" "$O/lock"
	lock='' server >"$T/unlocked"
	build $who --profile-lock "$O/lock" <"$T/unlocked"
	is "$status" 0 "$who: --profile-lock"
	lock='' server '/opt/tool/helper true' >"$T/unlocked"
	build $who --profile-lock "$O/lock" <"$T/unlocked"
	is "$status" 3 "$who: which counts"
	sed 's/AS release/AS other/' "$T/unlocked" >"$T/other"
	build $who --profile-lock "$O/lock" <"$T/other"
	like "$err" 'has nothing of "other linux/' "$who: a stage that it does not have"
	build $who --profile-lock "$O/lock" --update-lock <"$T/other"
	is "$(jq -r '.stages | keys[]' "$O/lock" | cut -d' ' -f1 | paste -sd,)" other,release "$who: --update-lock leaves the others alone"
	build $who --update-lock <"$T/unlocked"
	is "$status" 2 "$who: --update-lock without a lock"

	# Locks that are none.
	for bad in '' '[]' '{"$schema":"x","stages":{}}' "$(head -c 200 "$O/first")" "$(sed 's/"files"/"fils"/' "$O/first")" "$(sed 's/"tcp 8080"/8080/' "$O/first")"; do
		printf '%s' "$bad" >"$O/lock"
		build $who --profile-lock "$O/lock" <"$T/unlocked"
		is "$status" 2 "$who: what is no lock: $(head -c 20 <<<"$bad" | tr '\n' ' ')"
		like "$err" "^error: .*$O/lock" "$who: is named"
	done
	rm -f "$T/ctx/app.lock"
	as $who ln -s "$O/elsewhere" "$T/ctx/app.lock"
	build $who --update-lock <"$T/same"
	is "$status" 2 "$who: a link out of the context"
	like "$err" 'leads out of the build context' "$who: is refused"
	nok "$who: and nothing is written there" test -e "$O/elsewhere"
	rm -f "$T/ctx/app.lock"
	server | sed 's,--lock=app.lock,--lock=../x,' >"$T/outside"
	build $who <"$T/outside"
	is "$status" 2 "$who: a lock outside of the context"
	run as $who sh -c '"$1" build --root "$2" --build-context base="oci-layout://$3" - <"$4"' sh "$WHITTLE" "$O/store" "$base" "$T/same"
	like "$all" '--profile-lock FILE' "$who: a context that is no directory"
	rm -f "$T/ctx/app.lock"
done
done_testing

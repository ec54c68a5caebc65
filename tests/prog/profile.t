#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PROFILE and PRUNE: an application that can fail in every way, its tests, and what the build says.
. "$(dirname "$0")/lib.sh"

busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o app "$SRC/tests/prog/profile-app.c" || skip_all 'no static C library'
export HOME=$T

mkdir -p ctx/data/list
cp app ctx/app
echo hello >ctx/data/hello
echo other >ctx/data/other
echo secret-in-image >ctx/data/unused
echo fallback >ctx/data/fallback
touch ctx/data/list/a ctx/data/list/b
chmod -R go+rX ctx

head='FROM base AS tests
FROM scratch AS app
COPY app /bin/app
COPY data /data
ENTRYPOINT ["/bin/app"]
CMD ["serve"]
ENV PROFILE_TEST='$T'
'
get='wget -q -O - http://localhost:8080'
store=$T/store
# build WORD…: standard input comes after the stages above.
build() {
	{ printf '%s' "$head"; cat; } >ctx/Dockerfile
	run timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" "$@" ctx
}
builds() { # DESC WORD…
	local desc=$1

	shift
	build "$@"
	is "$status" 0 "$desc"
	[ "$status" = 0 ] || show "$err"
}
fails() { # DESC STATUS ERE
	build
	is "$status" "$2" "$1: exit code $2"
	is "$(grep -c '^error: ' <<<"$err")" 1 "$1: one error line"
	like "$err" "^error: .*Dockerfile:[0-9]+: .*$3" "$1: says so, with its line"
}
left() { # DESC: nothing is left of what ran, but the store
	is "$(find "$store/tmp" -mindepth 1 -maxdepth 3 2>/dev/null | head -3)" '' "$1: no temporaries"
	is "$(grep -cF "$store" /proc/self/mounts)" 0 "$1: no mounts"
	is "$(grep -lsa "PROFILE_TEST=$T" /proc/[0-9]*/environ; pgrep -f "$store")" '' "$1: no processes"
}

# ---- what goes well ----

builds 'a server is profiled' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/hello | grep hello && echo to-stderr >&2
D
like "$err" 'app \| listening on 8080' 'its output is shown'
like "$err" 'test \| hello' "the tests' output is shown"
like "$err" 'test \| to-stderr' "and the tests' standard error"
left 'after a profile'

builds 'the same again' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/hello | grep hello && echo to-stderr >&2
D
unlike "$err" 'test \|' 'nothing is run'
like "$err" 'PROFILE.*' 'it is named'
like "$err" 'CACHED' 'it came from the cache'

builds 'other tests' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/other | grep other
D
like "$err" 'test \| other' 'they are run'

builds 'probes: http, log, file, delay, all of them' <<D
FROM app
CMD ["slow"]
PROFILE --from=tests --ready=http:8080/hello --ready=log:^listening.*80[0-9]0\$ --ready=file:/tmp/is-up --ready=delay:200ms $get/hello
D
like "$err" 'test \| hello' 'and then the tests'

builds 'the result is the tree, unchanged' -o type=oci,dest=plain,tar=false <<D
FROM app
D
builds 'with a profile' -o type=oci,dest=profiled,tar=false <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/hello | grep hello
D
layers() {
	local m=$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d: -f2)

	jq -c '[.layers[].digest]' "$m"
}
is "$(layers profiled)" "$(layers plain)" 'the same layers'

builds 'several runs' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 --runs=3 $get/hello
D
is "$(grep -c 'test | hello' <<<"$err")" 3 'three times'
is "$(grep -c 'run . of 3' <<<"$err")" 3 'each is told'

builds 'a user who is not root, on a low port; a driver who is not, with the helper' <<D
FROM base AS other
USER 65534:65534
FROM app
USER 1234:4321
ENV GREETING=good-day
CMD ["port", "80"]
PROFILE --from=other --ready=tcp:80 wget -q -O - http://localhost/id; id -u; /run/whittle/app exec /bin/app print w || test \$? = 5
D
like "$err" 'test \| 1234:4321 good-day' 'the application has its user and environment'
like "$err" 'test \| 65534' 'the driver has its own'

builds 'the start command, --env, --mount and a working directory' <<D
FROM base AS other
WORKDIR /work
FROM app
CMD ["exit", "7"]
PROFILE --from=other --start=["/bin/app","port","8080"] --ready=tcp:8080 --env=WHO=me --mount=type=bind,source=data,target=/mnt \
  cat /mnt/other; echo "\$WHO in \$(pwd)"
D
like "$err" 'test \| other' 'the mount'
like "$err" 'test \| me in /work' 'the variable, the directory'

mkdir -p tools/bin
cp app tools/bin/run
for what in one two two; do
	echo "$what" >tools/what
	builds "a directory on this machine as the tests: $what" --build-context tools=tools <<'D'
FROM app
PROFILE --from=tools --ready=tcp:8080 ["/bin/run", "file", "/what"]
D
	seen+=$(grep -c "test | $what" <<<"$err")
done
is "$seen" 110 'they are run when they changed'

builds 'what a container sees of its network' <<'D'
FROM base
ENTRYPOINT ["/bin/sleep", "100"]
STOPSIGNAL KILL
PROFILE set -e; app='/run/whittle/app exec'; \
  $app cat /etc/hosts | grep -w "$($app hostname)"; $app hostname | grep -E '^[0-9a-f]{12}$'; \
  $app cat /etc/hosts | grep -w localhost; $app test -e /etc/resolv.conf; \
  $app ls /sys/class/net | grep -v lo && exit 1; echo fine
D
like "$err" 'test \| fine' 'names, and loopback alone'

# ---- what the driver can do ----

builds 'the helper' <<'D'
FROM app
PROFILE --from=tests --ready=tcp:8080 set -e; app=/run/whittle/app; \
  echo line | $app exec /bin/app print word input || echo "exec $?"; \
  $app run print beside || echo "run $?"; \
  $app exec /no/such || echo "no-such $?"; \
  $app kill HUP; wget -q -O - http://localhost:8080/hello; \
  $app logs | grep -c listening; \
  $app restart; wget -q -O - http://localhost:8080/other; \
  $app logs | grep -c listening; \
  $app stop; ! wget -q -O - http://localhost:8080/hello; $app stop; \
  $app exec /bin/app print x || echo "stopped $?"; \
  $app start; $app start; wget -q -O - http://localhost:8080/hello; \
  $app kill KILL; $app start; wget -q -O - http://localhost:8080/hello; \
  $app kill NOSUCH || echo "signal $?"; $app nonsense || echo "usage $?"; \
  $app stop
D
like "$err" 'test \| words word' 'exec: the command runs'
like "$err" 'test \| input line' 'exec: standard input is handed over'
like "$err" 'test \| exec 5' 'exec: its status comes back'
like "$err" 'test \| words beside' 'run: the entrypoint with other arguments'
like "$err" 'test \| run 5' 'run: its status comes back'
like "$err" 'test \| no-such 127' 'exec: what is not there is 127'
like "$err" 'app \| reloaded' 'kill HUP: the signal arrives'
like "$err" 'test \| 1$' 'logs: one start'
like "$err" 'test \| 2$' 'logs: two starts after a restart'
like "$err" 'test \| stopped 125' 'exec: refused while it is down'
like "$err" 'test \| signal 2' 'kill: an unknown signal'
like "$err" 'test \| usage 2' 'usage'
left 'after all that'

builds 'manual start: what it depends on first' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 --start=manual ! $get/hello 2>/dev/null && /run/whittle/app start && $get/hello
D
like "$err" 'test \| hello' 'it was started'

builds 'a command-line tool' <<'D'
FROM app
CMD ["print"]
PROFILE --from=tests --start=manual /run/whittle/app run print tool; test $? = 5
D
like "$err" 'test \| words tool' 'it was run'

mkdir -p ctx/shared
echo start >ctx/shared/begin
builds 'a shared directory' <<'D'
FROM app
COPY --chown=123:456 --chmod=0750 shared /srv/shared
PROFILE --from=tests --ready=tcp:8080 --share=/srv/shared --share=/new set -e; \
  stat -c 'dir %u:%g %a' /srv/shared; stat -c 'file %u:%g %a' /srv/shared/begin; cat /srv/shared/begin; \
  /run/whittle/app exec /bin/app write /srv/shared/from-app text-of-app; cat /srv/shared/from-app; \
  /run/whittle/app run write /new/n new-of-app; cat /new/n
D
like "$err" 'test \| file 123:456 750' 'owner and mode as in the image'
like "$err" 'test \| start' 'and content'
like "$err" 'test \| text-of-app' "the driver sees what the application writes"
like "$err" 'test \| new-of-app' 'a directory that the image lacks; a container beside it sees it, too'

builds 'a health check is one more test' <<D
FROM app
HEALTHCHECK --interval=100ms CMD ["/bin/app", "health"]
PROFILE --from=tests $get/hello
D
like "$err" 'test \| hello' 'passed'

printf s3cret-value >token
builds 'a secret' --secret id=token,src=token <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 --mount=type=secret,id=token t=\$(cat /run/secrets/token); echo \$t; echo \$t-printed; /run/whittle/app exec /bin/app print \$t || test \$? = 5
D
unlike "$all" 's3cret-value' 'is not in the log'
like "$err" 'test \| \*\*\*-printed' 'but three stars'

# ---- what goes wrong ----

fails 'tests fail' 10 'the tests fail: .*status 7' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/hello; echo sorry; exit 7
D
like "$err" 'last output of the application:' 'tests fail: both logs, labelled'
like "$err" '\| listening on 8080' "tests fail: the application's log"
like "$err" 'last output of the test:' 'tests fail: the other label'
like "$err" '\| sorry' "tests fail: the tests' log"
like "$err" '^ +[0-9]+ > PROFILE' 'tests fail: the line is shown'
left 'after tests that fail'

fails 'another port' 11 'not get ready .* nothing listens on port 8080; there is a listener on port 8081' <<D
FROM app
CMD ["port", "8081"]
PROFILE --from=tests --ready=tcp:8080 --timeout=2s $get/hello
D
fails 'a page that is not there' 11 'not get ready .*it answers with status 404' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 --ready=http:8080/missing --timeout=2s $get/hello
D
fails 'a page that nobody serves' 11 'http://localhost:8081/: no answer' <<D
FROM app
PROFILE --from=tests --ready=http:8081 --timeout=8s $get/hello
D
like "$err" '^#[0-9]+ [0-9.]+ waiting for http://localhost:8081/: no answer' 'the log says meanwhile what is waited for; no path is /'
fails 'a line that never comes' 11 'log:never-said: no line of its output matches' <<D
FROM app
PROFILE --from=tests --ready=log:never-said --timeout=2s $get/hello
D
fails 'a file that never comes' 11 'file:/no/such: it is not there' <<D
FROM app
PROFILE --from=tests --ready=file:/no/such --timeout=2s $get/hello
D
fails 'it ends at once' 12 'ended with status 4 before it was ready' <<D
FROM app
CMD ["exit", "4"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
fails 'a command without commas is a shell line' 12 'ended with status 127 before it was ready; it was started as "/bin/sh -c' <<D
FROM tests
ENTRYPOINT ["/bin/app" "port"]
PROFILE --ready=tcp:8080 true
D
like "$err" '^hint: its first process is a shell: .* with commas$' 'which the hint tells'
fails 'it ends at once, with success' 12 'ended with status 0 before it was ready' <<D
FROM app
CMD ["exit", "0"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
like "$err" '^hint: .*--start=manual' 'it ends at once, with success: the hint tells of tools'
fails 'it is killed before it is ready' 12 'killed by SIGILL before it was ready' <<D
FROM app
CMD ["trap"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
fails 'it crashes under test' 12 'killed by SIGILL while it was tested' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/crash
D
fails 'it ends under test' 12 'ended with status 9 while it was tested' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/exit; sleep 5
D
fails 'it ends at another signal after one that it ignores' 12 'ended with status 143 while it was tested' <<D
FROM app
CMD ["ignore"]
PROFILE --from=tests --ready=tcp:8080 /run/whittle/app kill TERM; /run/whittle/app kill USR2; sleep 5
D
fails 'it crashes after a signal that it ignores' 12 'killed by SIGILL while it was tested' <<D
FROM app
CMD ["ignore"]
PROFILE --from=tests --ready=tcp:8080 /run/whittle/app kill TERM; $get/crash; sleep 5
D
fails 'it does not stop' 13 'does not stop: SIGTERM was sent, and 10 s later' <<D
FROM app
CMD ["ignore"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
left 'after one that does not stop'
fails 'it stops badly' 13 'stops badly: SIGTERM was sent, and it ended with status 3' <<D
FROM app
CMD ["bad-stop"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
builds '143 is a way to end at SIGTERM' <<D
FROM app
CMD ["143"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
builds 'STOPSIGNAL' <<D
FROM app
CMD ["usr1"]
STOPSIGNAL SIGUSR1
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
fails 'it goes into the background' 14 'went into the background' <<D
FROM app
CMD ["background"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D
like "$err" '^hint: .*foreground' 'it goes into the background: the hint'
fails 'out of time' 18 'the tests were not over after 2 s' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 --timeout=2s $get/hello; sleep 60
D
left 'after tests that took too long'
fails 'its program is not there' 12 'start the application: .*/no/such' <<D
FROM app
ENTRYPOINT ["/no/such"]
PROFILE --from=tests $get/hello
D
fails "the driver's program is not there" 10 'start the test driver: .*/no/such' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 ["/no/such"]
D
fails 'a health check fails' 10 'HEALTHCHECK fails: .*status 1' <<D
FROM app
COPY data/hello /data/sick
HEALTHCHECK --interval=100ms --retries=2 CMD ["/bin/app", "health"]
PROFILE --from=tests --ready=tcp:8080 $get/hello
D

fails 'nothing of the application is run' 10 'the tests pass, but they never ran the application' <<'D'
FROM app
PROFILE --from=tests --start=manual true
PRUNE
D
like "$err" '^hint: .*app start.*app run' 'nothing of the application is run: the hint'
fails 'what is run is not there' 10 'the tests pass, but they never ran the application' <<'D'
FROM app
ENTRYPOINT ["/no/such"]
PROFILE --from=tests --start=manual /run/whittle/app run; true
PRUNE
D
fails 'what is started is not there' 12 'start the application: .*/no/such' <<'D'
FROM app
ENTRYPOINT ["/no/such"]
PROFILE --from=tests --start=manual /run/whittle/app start; true
PRUNE
D

builds 'a command that leaves another one running' <<'D'
FROM app
PROFILE --from=tests --ready=tcp:8080 --timeout=60s /run/whittle/app exec /bin/app leave; echo "left $?"; wget -q -O - http://localhost:8080/hello
PRUNE
D
like "$err" 'test \| left 3' 'it ends when it has ended'
builds 'what that one uses after the end of the first is observed' -o type=local,dest=left <<'D'
FROM app
PROFILE --from=tests --ready=tcp:8080 --timeout=60s /run/whittle/app exec /bin/app leave; wget -q -O - http://localhost:8080/hello; for i in $(seq 70); do /run/whittle/app exec /bin/app leave || test $? = 3 || exit 1; done; sleep 1
PRUNE
D
ok 'its file stays' test -e left/data/list/a

(
	ulimit -n 256
	build <<'D'
FROM app
PROFILE --from=tests --ready=tcp:8080 i=0; while [ $i -lt 300 ]; do /run/whittle/app exec /bin/app health || exit 1; i=$((i+1)); done
D
	show "$err"
	exit "$status"
)
is $? 0 'more commands than there are descriptors'

for where in / /to-root /to-proc/sys /to-proc/../dev/x /run/whittle; do
	fails "a shared directory that leads to $where" 2 '--share=.*cannot be shared|no absolute path' <<D
FROM base AS links
RUN ln -s / /to-root; ln -s proc /to-proc
FROM links
COPY app /bin/app
CMD ["/bin/app"]
PROFILE --from=app --ready=tcp:8080 --share=$where ["/bin/app", "print"]
D
done
fails 'one that leads there for the tests alone' 2 '--share=/to-root: / cannot be shared' <<'D'
FROM base AS links
RUN ln -s / /to-root
FROM app
PROFILE --from=links --ready=tcp:8080 --share=/to-root true
D

# ---- tests that mean harm ----

for words in 3 5 '3", "whole'; do
	builds "a socket that cannot be closed is handed over: $words" <<D
FROM app AS liar
FROM app
CMD ["deaf"]
PROFILE --from=liar --ready=tcp:8080 --timeout=60s ["/bin/app", "hand-over", "$words"]
D
done
like "$err" 'test \| answer 2$' 'a socket of the network is turned down'
left 'after sockets that cannot be closed'

builds 'a health check leaves a writer behind' <<'D'
FROM app
HEALTHCHECK --interval=100ms CMD ["/bin/app", "health", "writer"]
PROFILE --from=tests --ready=tcp:8080 --timeout=60s wget -q -O - http://localhost:8080/hello
D
like "$err" 'test \| hello' 'a health check leaves a writer behind: the tests are run'

{ printf '%s' "$head"; cat; } >ctx/Dockerfile <<'D'
FROM app
PROFILE --from=tests --ready=tcp:8080 yes $(printf %02000d 0) | head -c 100000000; echo the end
D
printed=$(timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" ctx 2>&1 | tee log | wc -c)
ok "what is shown of a run is bounded: $printed" test "$printed" -lt 80000000
is "$(grep -c 'more than 64 MiB were printed' log)" 1 'and this is told'
rm log

# ---- prune ----

printf one >ctx/tool
for what in built cached changed; do
	[ "$what" = changed ] && printf two >ctx/tool
	builds "tests mounted from the context: $what" <<'D'
FROM app
PROFILE --from=tests --ready=tcp:8080 --mount=type=bind,source=tool,target=/tool cat /tool; echo; wget -q -O - http://localhost:8080/hello
PRUNE
D
	is "$(grep -c 'test | hello' <<<"$err")" "$([ "$what" = cached ] && echo 0 || echo 2)" "tests mounted from the context: run when they are $what"
done

builds 'prune' -o type=oci,dest=pruned,tar=false -o type=local,dest=tree <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/hello
PROFILE --from=tests --ready=tcp:8080 --start=["/bin/app","143"] $get/other
PRUNE
LABEL a=b
D
is "$(cd tree && find . -type f | sort | tr '\n' ' ')" './bin/app ./data/hello ./data/other ' 'what both profiles used stays, and nothing else'
like "$err" 'kept 3 of 7 files' 'progress says how much stays'
is "$(grep -c 'testing the pruned tree' <<<"$err")" 2 'each profile is run again'
is "$(grep -c 'test | hello' <<<"$err")" 2 'its tests, before and after'
manifest=pruned/blobs/sha256/$(jq -r '.manifests[0].digest' pruned/index.json | cut -d: -f2)
config=pruned/blobs/sha256/$(jq -r '.config.digest' "$manifest" | cut -d: -f2)
is "$(jq '.layers | length' "$manifest")" 1 'one layer'
is "$(jq '[.history[] | select(.empty_layer != true)] | length' "$config")" 1 'one line of history has it'
like "$(jq -r '[.history[] | select(.empty_layer != true)][0].created_by' "$config")" '^PRUNE' "PRUNE's"
is "$(jq -r '.config.Labels.a' "$config")" b 'a LABEL after it'
builds 'once more' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/hello
PROFILE --from=tests --ready=tcp:8080 --start=["/bin/app","143"] $get/other
PRUNE
LABEL a=c
D
unlike "$err" 'test \|' 'nothing is run'
builds 'other tests of the same' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/hello && true
PROFILE --from=tests --ready=tcp:8080 --start=["/bin/app","143"] $get/other
PRUNE
D
is "$(grep -c 'test | hello' <<<"$err")" 2 'they are run before and after, though what they use is the same'
left 'after a prune'

fails 'what nothing showed' 16 'the tests pass before the prune and fail after it .*the tests fail: .*status 1' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/list | grep '2 files'
PRUNE
D
like "$err" '^hint: .*--keep' 'what nothing showed: the hint'
like "$err" '\| 0 files|the test printed nothing' "what nothing showed: the tests' log"
like "$err" '\| 2 files' "what nothing showed: their log on the full tree"
like "$err" '\|   /bin/app listed /data/list, of whose 2 entries 2 went: a, b' 'what nothing showed: where the two runs differ'
builds '--keep keeps it' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/list | grep '2 files'
PRUNE --keep=/data/list/*
D
fails 'a file that only the pruned tree asks for' 16 'looked up and no longer there: .*/data/fallback' <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/fallback | grep -E 'found|^fallback'
PRUNE --repair=0
D
like "$err" '^hint: .*--keep=/data/fallback.*--repair=1' 'a file that only the pruned tree asks for: the hint'
rm -rf tree
builds 'and is put back' -o type=local,dest=tree <<D
FROM app
PROFILE --from=tests --ready=tcp:8080 $get/fallback | grep -E 'found|^fallback'
PRUNE
D
like "$err" 'repair 1: 1 path that the profile had not foreseen: /data/fallback' 'the repair is told'
like "$err" 'test \| fallback' 'the tests were run on the repaired tree'
is "$(cat tree/data/fallback)" fallback 'it is there'
cp ctx/Dockerfile keep.df
fails 'a shell that the application runs' 15 'shell' <<D
FROM base
COPY app /usr/local/bin/app
CMD ["/usr/local/bin/app"]
PROFILE --from=tests --ready=tcp:8080 $get/shell
PRUNE
D

# ---- cancellation ----

cat >ctx/Dockerfile - <<D
$head
FROM app
PROFILE --from=tests --ready=tcp:8080 echo under-way; sleep 100
D
"$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" ctx >cancel.out 2>&1 &
pid=$!
for ((i = 0; i < 300; i++)); do
	grep -q 'test | under-way' cancel.out && break
	sleep 0.1
done
kill -INT "$pid"
wait "$pid"
isnt $? 0 'SIGINT ends the build'
like "$(cat cancel.out)" 'canceled' 'it says so'
left 'after SIGINT'

# ---- the observer is killed ----

if is_root; then
	sed -i 's/under-way/about/' ctx/Dockerfile
	"$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" ctx >killed.out 2>&1 &
	pid=$!
	for ((i = 0; i < 300; i++)); do
		grep -q 'test | about' killed.out && break
		sleep 0.1
	done
	# outer → inner → launcher → observer
	launcher=$(pgrep -P "$(pgrep -P "$pid")")
	kill -9 $(pgrep -P "$launcher" -f '^whittle-launcher')
	wait "$pid"
	is $? 17 'a killed observer: exit code 17'
	like "$(cat killed.out)" '^error: .*observer' 'a killed observer: it says so'
	left 'after a killed observer'
fi

# ---- at any moment ----

for ms in 0.1 0.2 0.3 0.4 0.5 0.7; do
	sed -i "s/^PROFILE.*/PROFILE --from=tests --ready=http:8080 --share=\/data sleep 1; echo $ms/" ctx/Dockerfile
	timeout -k 20 -s INT "$ms" "$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" ctx >/dev/null 2>&1
	left "interrupted after $ms s"
done

# ---- an ordinary user ----

if is_root; then
	cp -r ctx "$UT/ctx"
	{ printf '%s' "$head"; cat <<-D; } >"$UT/ctx/Dockerfile"
	FROM app
	COPY --chown=123:456 data/hello /owned
	PROFILE --from=tests --ready=tcp:8080 $get/hello
	PROFILE --from=tests --ready=tcp:8080 --share=/srv --runs=2 $get/../owned; /run/whittle/app exec /bin/app print word; $get/other
	PRUNE --keep=/owned
	D
	cp "$UT/ctx/Dockerfile" ctx/Dockerfile
	find ctx "$UT/ctx" -exec touch -h -d @1600000000 {} +
	chown -R "$TEST_USER:" "$UT/ctx"
	export SOURCE_DATE_EPOCH=1700000000
	run "$WHITTLE" build -q --root "$T/s1" --build-context base="oci-layout://$busybox" ctx
	is "$status" 0 'pruned as root'
	[ "$status" = 0 ] || show "$err"
	want=$out
	run as_user "$WHITTLE" build -q --root "$UT/s1" --build-context base="oci-layout://$busybox" "$UT/ctx"
	is "$status" 0 'pruned as an ordinary user'
	[ "$status" = 0 ] || show "$err"
	is "$out" "$want" 'the same digest'
	run as_user "$WHITTLE" build -q --root "$UT/s2" --snapshotter copy --build-context base="oci-layout://$busybox" "$UT/ctx"
	is "$out" "$want" 'and without overlay'
	store=$UT/s1 left 'after the other user'
fi

done_testing

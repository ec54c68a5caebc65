#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shells that an application runs stop a PRUNE, which names the process, the script and the test; where a script ends in one exec, what to
# write instead is offered, and works.
. "$(dirname "$0")/lib.sh"

debian=$(test_base debian) || { echo "Bail out! no base"; exit 1; }
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o app "$SRC/tests/prog/profile-app.c" || skip_all 'no static C library'
export HOME=$T
store=$T/store

mkdir -p ctx/data
cp app ctx/app
echo hello >ctx/data/hello
cat >ctx/entry.sh <<'E'
#!/bin/sh
set -e
mkdir -p /run/app
chmod 700 /run/app
GREETING=hi
export GREETING
exec "$@"
E
cat >ctx/fixed.sh <<'E'
#!/usr/bin/mysh
exec env PORT=8080 app "$@"
E
cat >ctx/stays.sh <<'E'
#!/bin/sh
trap 'kill $!; exit 0' TERM
/bin/app serve &
wait
E
chmod -R go+rX ctx
chmod 755 ctx/*.sh

head='FROM debian AS app
COPY app /bin/app
COPY data /data
COPY *.sh /
'
build() { # WORD…: standard input comes after the stage above
	{ printf '%s' "$head"; cat; } >ctx/Dockerfile
	run timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context debian="oci-layout://$debian" "$@" ctx
}
stops() { # DESC ERE
	build
	is "$status" 15 "$1: exit code 15"
	[ "$status" = 15 ] || show "$err"
	like "$err" "^error: .*$2" "$1: says so"
}
builds() { # DESC
	build
	is "$status" 0 "$1"
	[ "$status" = 0 ] || show "$err"
}
get='exec 3<>/dev/tcp/127.0.0.1/8080; echo "GET /hello HTTP/1.0" >&3; grep hello <&3'
profile="PROFILE --ready=tcp:8080 [\"/bin/bash\", \"-c\", \"${get//\"/\\\"}\"]"
# offered: what the hint says to write, one instruction a line
offered() {
	sed -n 's/^hint: .*write \(.*\) in its place.*/\1/p; s/^hint: write \(.*\), which is what the shell.*/\1/p' \
		<<<"$err" | sed 's/ and CMD /\nCMD /'
}

# ---- entrypoint scripts ----

stops 'exec "$@" of CMD' 'application: starts as /usr/bin/dash \(script /entry.sh\), in phase start' <<D
ENTRYPOINT ["/entry.sh"]
CMD ["app", "serve"]
$profile
PRUNE
D
is "$(offered)" $'ENTRYPOINT ["/usr/bin/app","serve"]\nCMD []' 'exec "$@" of CMD: what to write'
like "$err" '/usr/bin/mkdir, /usr/bin/chmod' 'what the script did before is told'
like "$err" 'variables that it exports are not shown' 'and what is not known'
unlike "$err" 'GREETING' 'no variable is made up'
builds 'pasted, it builds' <<D
$(offered)
$profile
PRUNE
D
stops 'from the cache' 'application: starts as /usr/bin/dash \(script /entry.sh\), in phase start' <<D
ENTRYPOINT ["/entry.sh"]
CMD ["app", "serve"]
$profile
PRUNE --keep=/data/*
D
unlike "$err" 'app \| listening' 'from the cache: nothing was run'
is "$(offered)" $'ENTRYPOINT ["/usr/bin/app","serve"]\nCMD []' 'from the cache: what to write'

stops 'a shell under another name; CMD is for the program' 'application: starts as /usr/bin/mysh \(script /fixed.sh\)' <<D
RUN cp /bin/bash /usr/bin/mysh
ENTRYPOINT ["/fixed.sh"]
CMD ["serve"]
$profile
PRUNE
D
is "$(offered)" $'ENTRYPOINT ["/usr/bin/app"]\nCMD ["serve"]' 'CMD is for the program: what to write'
like "$err" 'by way of /usr/bin/env' 'what came in between is told'
builds 'CMD is for the program: pasted, it builds' <<D
$(offered)
$profile
PRUNE
D

stops 'a script that stays' 'application: starts as /usr/bin/dash \(script /stays.sh\)' <<D
ENTRYPOINT ["/stays.sh"]
$profile
PRUNE
D
is "$(offered)" '' 'a script that stays: nothing is offered'
like "$err" '^hint: .*/stays.sh, which does not end in one exec' 'a script that stays: says why'
builds '--shell=keep' <<D
ENTRYPOINT ["/entry.sh"]
CMD ["app", "serve"]
$profile
PRUNE --shell=keep
D

stops 'shell form with exec' 'application: starts as /usr/bin/dash' <<D
ENTRYPOINT exec app 'serve' >/dev/null
$profile
PRUNE
D
is "$(offered)" 'ENTRYPOINT ["/usr/bin/app","serve"]' 'shell form with exec: what to write'
stops 'a health check' 'healthcheck: starts as /usr/bin/dash' <<D
ENTRYPOINT ["/bin/app", "serve"]
HEALTHCHECK CMD cat /data/hello
$profile
PRUNE
D
like "$err" '^hint: write HEALTHCHECK CMD \["/(usr/)?bin/cat","/data/hello"\]' 'a health check: what to write'

stops 'a health check that a shell has to read' 'healthcheck: starts as /usr/bin/dash' <<D
ENTRYPOINT ["/bin/app", "serve"]
HEALTHCHECK CMD cat /data/hello || exit 1
$profile
PRUNE
D
like "$err" '^hint: write HEALTHCHECK CMD \["program", …\]' 'a health check that a shell has to read: nothing is made up'

# ---- programs that run one by themselves ----

tool() { # PROGRAM WORD…: profiled as a command-line tool; the driver prints TAP
	echo 'ENTRYPOINT ["/usr/bin/env"]'
	printf 'PROFILE --start=manual <<X\n'
	printf '/run/whittle/app run true && echo ok 1 - quiet\n'
	printf '/run/whittle/app run %s && echo ok 2 - loud one\necho 1..2\nX\n' "$*"
	echo PRUNE
}
stops "awk's system()" 'run: /usr/bin/env ran /usr/bin/mawk ran /usr/bin/dash' < <(tool awk "'BEGIN { system(\"true\") }'")
like "$err" '^error: .*dash, in .*test "loud one"' "awk's system(): in which test"
stops "perl's backticks" 'run: /usr/bin/env ran /usr/bin/perl ran /usr/bin/dash' < <(tool perl "-e 'print \`echo \$HOME; true\`'")
stops 'find -exec sh' 'run: /usr/bin/env ran /usr/bin/find ran /usr/bin/dash' < <(tool find /data -exec sh -c true "';'")
stops 'executed in its own place' 'run: .*/usr/bin/perl ran /usr/bin/bash' < <(tool perl "-e 'exec { \"/bin/bash\" } \"sh\", \"-c\", \"true\"'")

# A service in Python: one of its tests makes it call a shell.
cat >ctx/service.py <<'E'
import subprocess, sys
if sys.argv[1] == "plain":
    subprocess.run(["/usr/bin/true"], check=True)
else:
    subprocess.run("true && true", shell=True, check=True)
E
stops "Python's shell=True" 'run: /usr/bin/python3[.0-9]* \(script /srv/service.py\) ran /usr/bin/dash, in .*test "by shell"' <<'D'
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-minimal libpython3-stdlib
WORKDIR /srv
COPY service.py .
ENTRYPOINT ["python3", "service.py"]
PROFILE --start=manual <<X
/run/whittle/app run plain && echo ok 1 - by itself
/run/whittle/app run shell && echo ok 2 - by shell
echo 1..2
X
PRUNE
D
unlike "$err" '^error: .*by itself' "Python's shell=True: not the other test"

done_testing

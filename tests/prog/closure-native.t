#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Closure rules about native code, as somebody meets them who uses an image in ways that its tests did not: each program is profiled with the most
# trivial test, pruned, and then used otherwise; it must do what it does in the image that was not pruned. (tests/unit/harden_closure_test.c has a case
# for each row of the table.)
. "$(dirname "$0")/lib.sh"

is_root || skip_all 'needs root'
debian=$(test_base debian) || skip_all 'no Debian base'
common=(--root "$T/store" --build-context "debian=oci-layout://$debian")

# One image with all programs; each release is pruned by a profile of its own. LANG is set in one of them.
cat >Dockerfile <<'EOF'
FROM debian AS app
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends curl ca-certificates openssl openssh-client vim-tiny file git ldap-utils \
	libsasl2-modules \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN printf 'Port 4711\n' >/etc/ssh/ssh_config.d/port.conf
EOF
# release NAME PRUNE-OPTIONS PROGRAM ARGS…: a stage of that name; the profile runs the program once with these arguments
release() {
	local name=$1 options=$2 program=$3

	shift 3
	cat >>Dockerfile <<EOF
FROM app AS $name
ENTRYPOINT ["$program"]
PROFILE --start=manual --timeout=1m ["/bin/sh","-ec","/run/whittle/app run $* >/dev/null"]
PRUNE $options
EOF
}
release date '' date
release nozones '--drop=/usr/share/zoneinfo/Asia/**' date
release iconv '' iconv --version
release getent '' getent passwd root
release curl '' curl --version
release openssl '' openssl version
release scp '' ssh -V
release vim '' vim.tiny --version
release file '' file --version
release git '' git --version
release ldap '' ldapsearch -x -H ldap://127.0.0.1:1 '|| true'

run "$WHITTLE" build "${common[@]}" --target app -t full .
is "$status" 0 'the whole image'
[ "$status" = 0 ] || { show "$err"; done_testing; exit; }

# pruned NAME
pruned() {
	run "$WHITTLE" build "${common[@]}" --target "$1" -t "$1" .
	is "$status" 0 "$1: profiled and pruned"
	[ "$status" = 0 ] || show "$err"
}

# used DESC IMAGE [RUN-OPTIONS --] COMMAND…: does the same in the pruned image as in the whole one
used() {
	local desc=$1 image=$2 options=() want want_err code

	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	run "$WHITTLE" run --root "$T/store" --rm --hostname box "${options[@]}" --entrypoint '' full "$@"
	want=$out want_err=$err code=$status
	run "$WHITTLE" run --root "$T/store" --rm --hostname box "${options[@]}" --entrypoint '' "$image" "$@"
	is "$status $(sum <<<"$out")" "$code $(sum <<<"$want")" "$desc"
	[ "$status $out" = "$code $want" ] || { show "$(diff <(echo "$want") <(echo "$out"))"; show "$want_err"; show "$err"; }
}

# by RULE IMAGE PATH: which rule keeps it
by() {
	run "$WHITTLE" explain --root "$T/store" "$2" "$3"
	like "$out" "kept by rule closure/$1: " "$2: $3 stays by rule $1"
}

pruned date
used 'another time zone than that of the test' date -e TZ=Asia/Tokyo -- date -d @0
used 'another locale' date -e LC_ALL=C.UTF-8 -- date -d @0 +%c
by time-zones date /usr/share/zoneinfo/Asia/Tokyo
by locale-utf8 date /usr/lib/locale/C.utf8/LC_CTYPE
pruned nozones
run "$WHITTLE" run --root "$T/store" --rm -e TZ=Asia/Tokyo --entrypoint '' nozones date -d @0
like "$out" '00:00:00' '--drop takes from a rule without a word, and without the zone the time is another'

pruned iconv
used 'code sets that the test did not ask for' iconv -- iconv -f CP1252 -t UTF-7 /etc/passwd
by gconv iconv /usr/lib/x86_64-linux-gnu/gconv/UTF-7.so

pruned getent
used 'another user' getent -- getent passwd daemon
used 'a group' getent -- getent group daemon
used 'a host' getent -- getent ahostsv4 localhost
by nss-users getent /etc/shells

pruned curl
used 'curl finds the authorities' curl -- curl -sS https://127.0.0.1:1/
by certificates curl /usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt

pruned openssl
used 'a provider that is loaded' openssl -- openssl list -providers -provider legacy -provider default
used 'an engine' openssl -- openssl engine -t padlock
used 'the configuration' openssl -- openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x -out /dev/null
by openssl openssl /usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so

pruned scp
used 'ssh reads its configuration' scp -- ssh -G localhost
by configuration-directory scp /etc/ssh/ssh_config.d/port.conf

pruned vim
used 'an editor on a terminal that the test had not' vim -e TERM=screen-256color -- vim.tiny -c q /etc/passwd
used 'another name of the program' vim -- vi --version
by other-names vim /usr/bin/vi

pruned file
used 'magic' file -- file -i /usr/bin/file
by magic file /usr/lib/file/magic.mgc

pruned git
used "a program of git's own" git -- git ls-remote https://127.0.0.1:1/x
used 'templates' git -- git init -q /tmp/x
by git-programs git /usr/lib/git-core/git-remote-https

pruned ldap
used 'a mechanism of SASL' ldap -- ldapsearch -Y DIGEST-MD5 -H ldap://127.0.0.1:1

run "$WHITTLE" explain --rules
is "$status" 0 'explain --rules'
like "$out" '^time-zones: ' 'tells the name'
like "$out" 'when kept code imports: .*localtime' 'the evidence'
like "$out" 'keeps: .*usr/share/zoneinfo/' 'and what stays'
run "$WHITTLE" explain --root "$T/store" date
is "$status" 2 'explain wants a path'

done_testing

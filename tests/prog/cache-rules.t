#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# When a step is taken from the cache, and when not: a row a rule. Each row builds twice with a cache of its own, with a change
# in between, and looks at the last step of the last stage. tests/tools/break_rules.py breaks the rules in the program one by one,
# and names the rows that have to fail then.
. "$(dirname "$0")/lib.sh"

base=$(test_base busybox) || skip_all 'no busybox base'
# Options: only rows whose name matches; only as one of "root" and "user".
only=${1:-} users=${2:-root user}

# rule WANT NAME DOCKERFILE CHANGE [ARG… [-- ARG…]]
#   WANT        hit or miss: of the second build
#   DOCKERFILE  ends with the step that is looked at; stages but the last one have names
#   CHANGE      shell commands run in the context between the builds; $D is the Dockerfile, $ctx the context
#   ARG         for both builds, or with -- for the first and for the second one
# before='…' in front of it: commands run in the context before the first build.
rule() {
	local want=$1 name=$2 text=$3 change=$4 first=() second=() both=1 arg

	shift 4
	for arg in "$@"; do
		case $arg in
		--) both=0 ;;
		*) if [ $both = 1 ]; then first+=("$arg"); else second+=("$arg"); fi ;;
		esac
	done
	[ $both = 0 ] || second=("${first[@]}")
	[[ ! $only || $name =~ $only ]] || return 0
	fresh "$text"
	in_context "${before:-}"
	args=("${first[@]}")
	step_is miss "$who: $name: at first" "${first[@]}"
	in_context "$change"
	step_is "$want" "$who: $name" "${second[@]}"
	umask 022
}

# A context as a checkout would make it.
fresh() {
	ctx=$home/ctx D=$home/Dockerfile
	rm -rf "$home"
	mkdir -p "$ctx"/{d/sub,empty}
	printf '%s\n' "$1" >"$D"
	echo one >"$ctx/a"
	echo two >"$ctx/d/one"
	echo three >"$ctx/d/sub/two"
	printf '#!/bin/sh\n' >"$ctx/x.sh"
	chmod 755 "$ctx/x.sh"
	ln -s a "$ctx/link"
	find "$ctx" -exec touch -h -d @1500000000 {} +
	[ "$who" = root ] || ! is_root || chown -R "$TEST_USER:" "$home"
	# What the cache knows; the base stays.
	as "$who" rm -rf "$store"/{records,memo,caches} "$store"/cache.db*
}

# A store that has the base.
seed() {
	mkdir -p "$home"
	[ "$who" = root ] || ! is_root || chown -R "$TEST_USER:" "$home"
	printf 'FROM base\nRUN : seed\n' | as "$who" "$WHITTLE" build --root "$store" --build-context base="oci-layout://$base" -q -f - "$home" >"$T/seed.log" 2>&1 || fail "$who: a store" "$(cat "$T/seed.log")"
}

in_context() {
	cd "$ctx" || exit 1
	eval "$1"
	cd "$T" || exit 1
}

build() {
	run as "$who" timeout 120 "$WHITTLE" build --root "$store" --progress=plain --build-context base="oci-layout://$base" \
		-f "$D" "$@" "$ctx"
}

# Once more what was built first, so that the memo knows the files.
warm() {
	build "${args[@]}"
}

# step_is hit|miss DESC ARG…
step_is() {
	local want=$1 desc=$2 id

	shift 2
	build "$@"
	if [ "$status" != 0 ]; then
		fail "$desc" "the build failed: $err"
		return
	fi
	id=$(sed -nE 's,^(#[0-9]+) \[(stage-[0-9]+ )?([0-9]+)/\3\] .*,\1 \2,p' <<<"$err" | sort -u -t- -k2,2n | tail -n 1)
	id=${id%% *}
	if [ -z "$id" ]; then
		fail "$desc" "no step was seen: $err"
	elif grep -qx "$id CACHED" <<<"$err"; then
		is hit "$want" "$desc"
	else
		is miss "$want" "$desc"
	fi
}

# value FILE: of what the last build put into the image ($home/out)
value() {
	cat "$home/out/$1"
}

# Waits until a command succeeds; the command is what counts, the limit only ends a test that failed.
until_true() {
	local i

	for ((i = 0; i < 1200; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	return 1
}

# ---------------------------------------------------------------- COPY and ADD: what is selected

copy_rules() {
	local every=$'FROM base\nCOPY . /all' a=$'FROM base\nCOPY a /a' d=$'FROM base\nCOPY d /d'

	rule hit 'COPY: nothing changed' "$every" ''
	rule miss 'COPY: content' "$every" 'echo new >a'
	rule miss 'COPY: same size and time, other content' "$every" 'warm; echo eno >a; touch -d @1500000000 a'
	rule miss 'COPY: the same, by another file' "$every" 'warm; echo eno >b; touch -d @1500000000 b; mv b a'
	rule miss 'COPY: the same, seen by ctime alone' "$every" \
		'warm; i=$(stat -c %i a); printf eno | dd of=a conv=notrunc status=none; touch -d @1500000000 a; [ "$i" = "$(stat -c %i a)" ] || rm a'
	rule hit 'COPY: times' "$every" 'touch a d d/one; touch -h -d @1 link'
	rule miss 'COPY: executable bit' "$every" 'chmod 755 a'
	rule miss 'COPY: executable bit taken away' "$every" 'chmod 644 x.sh'
	rule miss 'COPY: other mode bits' "$every" 'chmod 600 a'
	rule miss 'COPY: mode of a named file' "$a" 'chmod 755 a'
	rule miss 'COPY: mode of a directory' "$every" 'chmod 700 d'
	rule hit 'COPY: mode of the directory that is named' "$d" 'chmod 700 d'
	rule hit 'COPY: mode of the context itself' "$every" 'chmod 700 .'
	rule miss 'COPY: target of a link' "$every" 'ln -sfn b link'
	rule miss 'COPY: a link became a file' "$every" 'rm link; cp a link'
	rule miss 'COPY: a new file' "$every" 'echo >b'
	rule miss 'COPY: a file less' "$every" 'rm d/one'
	rule miss 'COPY: another name' "$every" 'mv d/one d/other'
	rule miss 'COPY: a new empty directory' "$every" 'mkdir d/new'
	rule miss 'COPY: an empty directory less' "$every" 'rmdir empty'
	before='ln a hard' rule miss 'COPY: hard links came apart' "$every" 'cp -p a t; mv t hard'
	before='cp -p a hard' rule miss 'COPY: two files became one' "$every" 'ln -f a hard'
	rule hit 'COPY: what is not selected' "$d" 'echo new >a; chmod 755 a; rmdir empty'
	before='echo t >t.txt' rule miss 'COPY: one more that a wildcard takes' $'FROM base\nCOPY *.txt /t/' 'echo u >u.txt'
	before='echo t >t.txt' rule hit 'COPY: one more that a wildcard leaves' $'FROM base\nCOPY *.txt /t/' 'echo u >u.c'
	rule hit 'COPY: what --exclude leaves' $'FROM base\nCOPY --exclude=sub d /d' 'echo new >d/sub/two'
	rule miss 'COPY: what --exclude takes' $'FROM base\nCOPY --exclude=sub d /d' 'echo new >d/one'
	rule hit 'COPY: extended attributes of local files' "$every" 'python3 -c "import os; os.setxattr(\"a\", \"user.x\", b\"1\")" || :'
	rule hit 'COPY: another directory with the same context' "$every" 'cp -r . ../other; ctx=$home/other'
	rule miss 'COPY: --chmod' $'FROM base\nCOPY --chmod=644 a /a' 'sed -i s/644/600/ "$D"'
	rule miss 'COPY: --chown' $'FROM base\nCOPY --chown=1:1 a /a' 'sed -i s/1:1/1:2/ "$D"'
	rule miss 'COPY: the destination' "$a" 'sed -i "s,/a$,/b," "$D"'
	rule miss 'COPY: the source, content alike' "$a" 'cp -p a b; sed -i "s,a /a,b /a," "$D"'
	before='tar -cf t.tar x.sh' rule miss 'ADD: an archive' $'FROM base\nADD t.tar /t/' 'tar -cf t.tar a'
	rule miss 'COPY: the tree below' $'FROM base\nRUN echo 1 >/f\nCOPY a /a' 'sed -i "s/echo 1/echo 2/" "$D"'
	rule hit 'COPY: --link, another tree below' $'FROM base\nRUN echo 1\nCOPY --link a /a' 'sed -i "s/echo 1/echo 2 >2/" "$D"'
	rule miss 'COPY: --link, content' $'FROM base\nCOPY --link a /a' 'echo new >a'
	rule miss 'COPY: a here-document' $'FROM base\nCOPY <<E /e\none\nE' 'sed -i s/one/two/ "$D"'
	rule hit 'COPY: a here-document, other context' $'FROM base\nCOPY <<E /e\none\nE' 'echo new >a'
	rule miss 'WORKDIR: another directory' $'FROM base\nWORKDIR /w' 'sed -i s,/w,/v, "$D"'
	if is_root && [ "$who" = root ]; then
		rule hit 'COPY: owners of local files' "$every" 'chown 1:1 a d; chown -h 2:2 link'
	fi
}

# ---------------------------------------------------------------- the context as a whole

context_rules() {
	local every=$'FROM base\nCOPY . /all' inside='mv "$D" . && D=$ctx/Dockerfile' ignore='printf "%s\n" .dockerignore d/one >.dockerignore'

	before=$ignore rule hit 'ignored files' "$every" 'echo new >d/one; chmod 755 d/one'
	before=$ignore rule hit 'ignored files that are gone' "$every" 'rm d/one'
	before=$ignore rule miss 'a file beside an ignored one' "$every" 'echo new >d/sub/two'
	before=$ignore rule hit '.dockerignore: the same selection' "$every" 'printf "%s\n" "# comment" d/o?e d/none ".dockerignore" >.dockerignore'
	before=$ignore rule miss '.dockerignore: more is left out' "$every" 'echo d/sub >>.dockerignore'
	before=$ignore rule miss '.dockerignore: less is left out' "$every" 'echo .dockerignore >.dockerignore'
	before='echo d/one >.dockerignore' rule miss '.dockerignore, which is copied itself' "$every" 'echo "#" >>.dockerignore'
	# The whole context anew, as another umask leaves it: files and directories, not their contents.
	before=$inside rule hit 'a checkout under umask 002' "$every" 'checkout 002'
	before=$inside rule hit 'a checkout under umask 077' "$every" 'checkout 077'
	before=$inside rule hit 'a checkout under umask 027, mounted' $'FROM base\nRUN --mount=target=/m cat /m/a' 'checkout 027'
	before=$inside rule miss 'a checkout under umask 002, and one more change' "$every" 'checkout 002; chmod 600 a'
	rule hit 'the umask of who builds' "$every" 'umask 077'
	rule hit 'the environment of who builds' $'FROM base\nRUN env >/e' 'export ANY=thing TZ=Asia/Tokyo LC_ALL=C.UTF-8'
	unset ANY TZ
	export LC_ALL=C
}

checkout() {
	rm -rf ../old && cp -a . ../old && find . -mindepth 1 -delete
	umask "$1"
	chmod "$(printf %o $((0777 & ~$1)))" .
	(cd ../old && find . -mindepth 1 -type d) | while read -r f; do mkdir "$f"; done
	(cd ../old && find . -type l) | while read -r f; do cp -P "../old/$f" "$f"; done
	(cd ../old && find . -type f) | while read -r f; do
		cat "../old/$f" >"$f"
		[ ! -x "../old/$f" ] || chmod +x "$f"
	done
	umask 022
	[ "$who" = root ] || ! is_root || chown -R "$TEST_USER:" "$home"
}

# ---------------------------------------------------------------- COPY --from and mounts

stage_rules() {
	local one=$'FROM base AS one\nRUN mkdir /s && echo 1 >/s/f && echo other >/o && touch -d "2001-01-01 00:00" /s/f\nFROM base\nCOPY --from=one /s /s'
	local mount=$'FROM base AS one\nRUN mkdir /s && echo 1 >/s/f && echo other >/o && touch -d "2001-01-01 00:00" /s/f\nFROM base\nRUN --mount=from=one,source=/s,target=/m cat /m/f'
	local bind=$'FROM base\nRUN --mount=source=d,target=/m cat /m/one'
	local whole=$'FROM base\nRUN --mount=target=/m cat /m/a'
	local tar=$'FROM scratch AS one\nADD t.tar /s/\nFROM base\nCOPY --from=one /s /s'

	rule hit 'COPY --from: something else in the stage, and times' "$one" 'sed -i "s/other/changed/; s/2001/2002/" "$D"'
	rule miss 'COPY --from: content' "$one" 'sed -i "s/echo 1/echo 2/" "$D"'
	rule miss 'COPY --from: mode' "$one" 'sed -i "s,echo other,chmod 755 /s/f; echo other," "$D"'
	rule miss 'COPY --from: owner' "$one" 'sed -i "s,echo other,chown 5 /s/f; echo other," "$D"'
	rule miss 'COPY --from: target of a link' "${one/echo 1/ln -s a \/s\/l; echo 1}" 'sed -i "s/ln -s a/ln -s b/" "$D"'
	rule miss 'COPY --from: a link between files' "$one" 'sed -i "s,echo other,ln /s/f /s/g; echo other," "$D"'
	rule hit 'COPY --from: the stage by its number' "$one" 'sed -i s/--from=one/--from=0/ "$D"'
	rule hit 'COPY --from: stages in another order' \
		$'FROM base AS one\nRUN echo 1 >/f\nFROM base AS two\nRUN echo 2 >/f\nFROM base\nCOPY --from=one /f /f1\nCOPY --from=two /f /f2' \
		'printf "%s\n" "FROM base AS two" "RUN echo 2 >/f" "FROM base AS one" "RUN echo 1 >/f" "FROM base" "COPY --from=one /f /f1" "COPY --from=two /f /f2" >"$D"'
	rule miss 'COPY --from: stages that changed names' \
		$'FROM base AS one\nRUN echo 1 >/f\nFROM base AS two\nRUN echo 2 >/f\nFROM base\nCOPY --from=one /f /f1' \
		'sed -i "s/AS one/AS x/; s/AS two/AS one/" "$D"'
	before='xattr_tar 1' rule miss 'COPY --from: extended attributes' "$tar" 'xattr_tar 2'
	before='xattr_tar 1' rule hit 'COPY --from: the same attributes' "$tar" 'touch -d @1400000000 t.tar; sed -i "s/AS one/AS One/" "$D"'
	rule hit 'COPY --from: another context by name' $'FROM base\nCOPY --from=named one /one' 'echo new >a' \
		--build-context "named=$home/ctx/d"
	rule miss 'COPY --from: content of a context by name' $'FROM base\nCOPY --from=named one /one' 'echo new >d/one' \
		--build-context "named=$home/ctx/d"

	rule hit 'RUN --mount=from: something else in the stage, and times' "$mount" 'sed -i "s/other/changed/; s/2001/2002/" "$D"'
	rule miss 'RUN --mount=from: content' "$mount" 'sed -i "s/echo 1/echo 2/" "$D"'
	rule miss 'RUN --mount=from: mode' "$mount" 'sed -i "s,echo other,chmod 755 /s/f; echo other," "$D"'
	rule miss 'RUN --mount=from: mode of the directory' "$mount" 'sed -i "s,echo other,chmod 700 /s; echo other," "$D"'
	rule hit 'RUN --mount=bind: something else in the context' "$bind" 'echo new >a; chmod 755 a; rmdir empty'
	rule hit 'RUN --mount=bind: times' "$bind" 'touch d/one d'
	rule miss 'RUN --mount=bind: content' "$bind" 'echo new >d/one'
	rule miss 'RUN --mount=bind: same size and time, other content' "$bind" 'warm; echo owt >d/one; touch -d @1500000000 d/one'
	rule miss 'RUN --mount=bind: content below' "$bind" 'echo new >d/sub/two'
	rule miss 'RUN --mount=bind: mode' "$bind" 'chmod 755 d/one'
	rule miss 'RUN --mount=bind: mode of the directory' "$bind" 'chmod 700 d'
	rule miss 'RUN --mount=bind: a link in it' "$whole" 'ln -sfn b link'
	rule miss 'RUN --mount=bind: the whole context' "$whole" 'echo new >d/one'
	rule hit 'RUN --mount=bind: the mode of the context itself' "$whole" 'chmod 700 .'
	before='printf "%s\n" d/one >.dockerignore' rule hit 'RUN --mount=bind: ignored files' "$whole" 'echo new >d/one'
	rule miss 'RUN --mount=bind: the target' "$bind" 'sed -i "s,target=/m,target=/n,; s,/m/one,/n/one," "$D"'
	rule miss 'RUN --mount=bind: readonly or not' "$bind" 'sed -i s/source=d/rw,source=d/ "$D"'
	rule hit 'RUN --mount=cache: what is in it' $'FROM base\nRUN --mount=type=cache,target=/c date +%N >/c/f' \
		'for f in "$store"/caches/*/data; do echo other >"$f/f"; done'
	rule miss 'RUN --mount=cache: its id' $'FROM base\nRUN --mount=type=cache,id=x,target=/c true' 'sed -i s/id=x/id=y/ "$D"'
	rule hit 'RUN --mount=cache: how it is shared' $'FROM base\nRUN --mount=type=cache,id=x,target=/c true' 'sed -i s/id=x/id=x,sharing=locked/ "$D"'
	rule hit 'RUN --mount=tmpfs: its size' $'FROM base\nRUN --mount=type=tmpfs,size=1m,target=/c true' 'sed -i s/size=1m/size=2m/ "$D"'
	rule miss 'RUN --mount=tmpfs: its target' $'FROM base\nRUN --mount=type=tmpfs,target=/c true' 'sed -i s,=/c,=/e, "$D"'
}

# A file whose only news is an attribute.
xattr_tar() {
	python3 - "$1" <<-'P'
		import io, sys, tarfile
		with tarfile.open("t.tar", "w", format=tarfile.PAX_FORMAT) as t:
		    e = tarfile.TarInfo("f")
		    e.size, e.mtime, e.pax_headers = 2, 1500000000, {"SCHILY.xattr.user.x": sys.argv[1]}
		    t.addfile(e, io.BytesIO(b"x\n"))
	P
}

# ---------------------------------------------------------------- RUN: command, variables, surroundings

run_rules() {
	local run=$'FROM base\nRUN echo hello'

	rule hit 'RUN: nothing changed' "$run" ''
	rule hit 'RUN: the context' "$run" 'echo new >a'
	rule miss 'RUN: the command' "$run" 'sed -i s/hello/bye/ "$D"'
	rule miss 'RUN: shell or exec form' "$run" "sed -i 's/RUN echo hello/RUN [\"echo\", \"hello\"]/' \"\$D\""
	rule miss 'RUN: a here-document' $'FROM base\nRUN <<E\necho one\nE' 'sed -i s/one/two/ "$D"'
	rule miss 'RUN: a script in a here-document' $'FROM base\nRUN <<E\n#!/bin/sh\necho one\nE' 'sed -i s/one/two/ "$D"'
	rule hit 'RUN: comments and blank lines' "$run" 'printf "# one\n\nFROM base\n\n# two\n  RUN   echo hello\n# three\n" >"$D"'
	rule hit 'RUN: its line' "$run" 'printf "#\n#\nFROM base AS x\nLABEL a=b\nLABEL c=d\nFROM base\nRUN echo hello\n" >"$D"'
	rule hit 'RUN: small letters' "$run" 'printf "from base\nrun echo hello\n" >"$D"'
	rule hit 'RUN: the name of the stage' $'FROM base AS x\nFROM base\nRUN echo hello' 'sed -i "s/AS x/AS y/" "$D"'
	rule hit 'RUN: a label above' $'FROM base\nLABEL a=1\nRUN echo hello' 'sed -i s/a=1/a=2/ "$D"'
	rule hit 'RUN: a label below' $'FROM base\nRUN echo hello\nLABEL a=1' 'sed -i s/a=1/a=2/ "$D"'
	rule hit 'RUN: CMD, EXPOSE, VOLUME, STOPSIGNAL, HEALTHCHECK' "$run" \
		'printf "FROM base\nCMD x\nENTRYPOINT y\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL 9\nHEALTHCHECK CMD z\nRUN echo hello\n" >"$D"'
	rule miss 'RUN: USER' $'FROM base\nUSER 1\nRUN echo hello' 'sed -i "s/USER 1/USER 2/" "$D"'
	rule miss 'RUN: WORKDIR' $'FROM base\nWORKDIR /tmp\nRUN echo hello' 'sed -i s,/tmp,/etc, "$D"'
	rule miss 'RUN: SHELL' $'FROM base\nSHELL ["/bin/sh", "-c"]\nRUN echo hello' 'sed -i "s/\"-c\"/\"-ec\"/" "$D"'
	rule miss 'RUN: --network' "$run" 'sed -i "s/RUN/RUN --network=none/" "$D"'
	rule miss 'RUN: build --network' "$run" '' --network none -- --network host
	rule miss 'RUN: --security' "$run" 'sed -i "s/RUN/RUN --security=insecure/" "$D"' --allow security.insecure
	rule hit 'RUN: hosts, sizes, limits' "$run" '' --add-host a:1.2.3.4 --shm-size 64m --ulimit nofile=100 \
		-- --add-host b:1.2.3.5 --shm-size 32m --ulimit nofile=200
	rule miss 'RUN: the tree below' $'FROM base\nRUN echo 1 >/f\nRUN echo hello' 'sed -i "s/echo 1/echo 2/" "$D"'
	rule hit 'RUN: other steps below, the same tree' $'FROM base\nRUN echo 1 >/f\nRUN echo hello' \
		'sed -i "s/echo 1 /printf 1\\\\\\\\n /" "$D"' --build-arg SOURCE_DATE_EPOCH=1600000000

	rule miss 'ENV: a value' $'FROM base\nENV A=1\nRUN echo hello' 'sed -i s/A=1/A=2/ "$D"'
	rule miss 'ENV: one more' "$run" 'sed -i "s/RUN/ENV A=1\nRUN/" "$D"'
	rule hit 'ENV: order' $'FROM base\nENV A=1 B=2\nENV C=3\nRUN echo hello' 'printf "FROM base\nENV C=3\nENV B=2 A=1\nRUN echo hello\n" >"$D"'
	rule hit 'ENV: the last value counts' $'FROM base\nENV A=0\nENV A=1\nRUN echo hello' 'sed -i s/A=0/A=9/ "$D"'
	rule hit 'ENV: a COPY has none' $'FROM base\nENV A=1\nCOPY a /a' 'sed -i s/A=1/A=2/ "$D"'
	rule hit 'ENV or ARG: the same variable' $'FROM base\nENV A=1\nRUN echo hello' 'sed -i "s/ENV/ARG/" "$D"'

	rule miss 'ARG: a step below it sees it' $'FROM base\nARG V\nRUN echo hello' '' --build-arg V=1 -- --build-arg V=2
	rule hit 'ARG: a step above it does not' $'FROM base\nRUN echo hello\nARG V' '' --build-arg V=1 -- --build-arg V=2
	rule hit 'ARG: not declared' "$run" '' --build-arg V=1 -- --build-arg V=2
	rule hit 'ARG: its default, given' $'FROM base\nARG V=1\nRUN echo hello' '' -- --build-arg V=1
	rule hit 'ARG: a COPY that does not use it' $'FROM base\nARG V\nCOPY a /a' '' --build-arg V=1 -- --build-arg V=2
	rule miss 'ARG: a COPY that uses it' $'FROM base\nARG V\nCOPY a /$V' '' --build-arg V=1 -- --build-arg V=2
	rule miss 'ARG: through ENV' $'FROM base\nARG V\nENV E=x$V\nRUN echo hello' '' --build-arg V=1 -- --build-arg V=2
	rule hit 'ARG: ENV stands over it' $'FROM base\nARG V\nENV V=3\nRUN echo hello' '' --build-arg V=1 -- --build-arg V=2
	rule miss 'ARG: of the stage it is built from' $'FROM base AS one\nARG V\nFROM one\nRUN echo hello' '' --build-arg V=1 -- --build-arg V=2
	rule hit 'ARG: of another stage' $'FROM base AS one\nARG V\nRUN echo 1\nFROM base\nRUN echo hello' '' --build-arg V=1 -- --build-arg V=2
	rule hit 'ARG: a global one that no stage declares' $'ARG V=0\nFROM base\nRUN echo hello' '' --build-arg V=1 -- --build-arg V=2
	rule miss 'ARG: a global one that the stage declares' $'ARG V=0\nFROM base\nARG V\nRUN echo hello' '' --build-arg V=1 -- --build-arg V=2

	before='echo 1 >../s' rule hit 'secrets: the value' $'FROM base\nRUN --mount=type=secret,id=s cat /run/secrets/s' 'echo 2 >../s' \
		--secret "id=s,src=$home/s"
	before='export WHITTLE_S=1' rule hit 'secrets: the value of a variable' $'FROM base\nRUN --mount=type=secret,id=s,env=S echo "$S"' 'export WHITTLE_S=2' \
		--secret id=s,env=WHITTLE_S
	rule miss 'secrets: the id' $'FROM base\nRUN --mount=type=secret,id=s true' 'sed -i s/id=s/id=t/ "$D"'
	rule miss 'secrets: the id alone' $'FROM base\nRUN --mount=type=secret,id=s,target=/x true' 'sed -i s/id=s/id=t/ "$D"'
	rule miss 'secrets: where it is' $'FROM base\nRUN --mount=type=secret,id=s true' 'sed -i s/id=s/id=s,target=\\/x/ "$D"'
	rule hit 'proxies: as arguments' "$run" '' --build-arg HTTP_PROXY=http://one:1 -- --build-arg http_proxy=http://two:2 --build-arg no_proxy=x
	rule hit 'proxies: of the environment' "$run" 'export HTTP_PROXY=http://two:2 https_proxy=http://three:3'
	unset HTTP_PROXY https_proxy WHITTLE_S

	rule miss 'SOURCE_DATE_EPOCH' "$run" '' --build-arg SOURCE_DATE_EPOCH=1 -- --build-arg SOURCE_DATE_EPOCH=2
	rule miss 'SOURCE_DATE_EPOCH: given or not' $'FROM base\nCOPY a /a' '' -- --build-arg SOURCE_DATE_EPOCH=2
	rule hit 'SOURCE_DATE_EPOCH: the same' "$run" '' --build-arg SOURCE_DATE_EPOCH=1600000000
	rule hit 'platform: a COPY is the same for all' $'FROM scratch\nCOPY a /a' '' --platform linux/amd64 -- --platform linux/arm64
	rule miss 'platform: one that names it' $'FROM scratch\nARG TARGETARCH\nCOPY a /$TARGETARCH' '' --platform linux/amd64 -- --platform linux/arm64
}

# ---------------------------------------------------------------- --no-cache, and parts of it

no_cache_rules() {
	local two=$'FROM base AS One\nRUN echo 1 >/f\nFROM base AS two\nRUN echo 2 >/g\nFROM base\nCOPY --from=one /f /\nCOPY --from=two /g /\nRUN cat /f /g'

	rule miss '--no-cache' "$two" '' -- --no-cache
	rule miss '--no-cache: the build after it finds its results' "$two" '' -- --no-cache
	[[ ! $only || no-cache-filter =~ $only ]] || return 0
	fresh "$two"
	build
	filtered 'a stage' 'one' '' --no-cache-filter one
	filtered 'in a list' 'one two' '' --no-cache-filter nobody,oNE,two
	filtered 'said twice' 'one two' '' --no-cache-filter one --no-cache-filter two
	filtered 'a name that no stage has' '' '^note: .*--no-cache-filter nobody: no stage' --no-cache-filter nobody
	filtered 'a number is no name' '' '^note: .*--no-cache-filter 0: no stage' --no-cache-filter 0
	filtered 'no name is all' 'one two' '' --no-cache-filter=
	run "$WHITTLE" build --root "$store" --no-cache --no-cache-filter one "$ctx"
	is "$status" 2 "$who: --no-cache-filter: not with --no-cache"
	like "$err" '--no-cache and --no-cache-filter cannot currently be used together' "$who: --no-cache-filter: and says so"
	filtered 'it says so' 'one' '^note: \[one 2/2\] RUN echo 1 >/f: not cached: --no-cache-filter asks for it' \
		--no-cache-filter one --explain-cache
}

# filtered DESC STAGES MESSAGE ARG…: which stages' RUN were run
filtered() {
	local desc=$1 stages=$2 message=$3 ran

	shift 3
	build "$@"
	ran=$(awk '/^#[0-9]+ \[/ { name[$1] = $2 } $2 == "DONE" && name[$1] ~ /^\[(one|two)$/ { print substr(name[$1], 2) }' <<<"$err" | sort | xargs)
	is "$ran" "$stages" "$who: --no-cache-filter: $desc"
	[ -z "$message" ] || like "$err" "$message" "$who: --no-cache-filter: $desc: message"
}

# ---------------------------------------------------------------- a context that changes under the build

# A step waits in its cache mount, which the test can see, until it is told to go on.
waiting() {
	until_true compgen -G "$store/caches/*/data/ready"
}

changing() {
	[[ ! $only || changes =~ $only ]] || return 0
	local gate='touch /g/ready; until [ -e /g/go ]; do sleep 0.1; done; rm /g/ready /g/go' pid got

	fresh $'FROM base\nRUN --mount=type=cache,id=gate,target=/g '"$gate"$'\nCOPY a /a'
	start
	ok "$who: a context that changes: the build is under way" waiting
	echo two >"$ctx/a"
	go_on
	is "$(value a)" two "$who: a context that changes before its COPY: what is there by then"
	at_rest 'before its COPY'

	# The mount is looked at, then has to wait for the cache that the other step holds; then it is packed.
	fresh "FROM base AS holder
RUN --mount=type=cache,id=gate,sharing=locked,target=/g $gate
FROM base
RUN --mount=type=cache,id=gate,sharing=locked,target=/g --mount=source=a,target=/in cat /in >/a
COPY --from=holder /etc/passwd /p"
	start
	ok "$who: a context that changes: looked at and waiting" until_true eval 'compgen -G "$store/caches/*/data/ready" && compgen -G "$store/memo/[0-9a-f]*"'
	echo two >"$ctx/a"
	go_on
	got=$(value a)
	like "$got" '^(one|two)$' "$who: a context that changes before its mount: one of both"
	at_rest 'before its mount'
}

start() {
	as "$who" timeout 120 "$WHITTLE" build --root "$store" --progress=plain --build-context base="oci-layout://$base" -f "$D" \
		-o "$home/out" "$ctx" >"$T/log" 2>&1 </dev/null &
	pid=$!
}

go_on() {
	local dir

	for dir in "$store"/caches/*/data; do
		as "$who" touch "$dir/go"
	done
	wait "$pid"
	is $? 0 "$who: it ends well"
}

# Builds of either content that find the gate open give just that content.
at_rest() {
	local content dir i

	sed -i 's/until \[ -e [^;]*;/until true;/; s/sleep 0.1; done; rm .*/sleep 0.1; done/' "$D"
	sed -i 's/; do sleep 0.1; done$/; do :; done/' "$D"
	for content in one two one; do
		echo "$content" >"$ctx/a"
		rm -rf "$home/out"
		build -o "$home/out"
		is "$(value a)" "$content" "$who: a context that changed $1: $content is $content"
	done
}

# ----------------------------------------------------------------

for who in $users; do
	home=$T/$who
	[ "$who" = root ] || home=$UT/home
	store=$home.store
	seed
	copy_rules
	context_rules
	stage_rules
	run_rules
	no_cache_rules
	changing
done
done_testing

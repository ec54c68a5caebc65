#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The manual pages and the completion for bash, which the program writes of itself.
. "$(dirname "$0")/lib.sh"

mapfile -t commands < <("$WHITTLE" help | awk '/^  [a-z]/ { print $1 }')
[ ${#commands[@]} -gt 10 ] && pass 'commands' || fail 'commands' "${commands[*]}"

# ---- pages ----

export SOURCE_DATE_EPOCH=1700000000
for c in '' "${commands[@]}"; do
	page=$T/whittle${c:+-$c}.1
	# shellcheck disable=SC2086 # no word at all for the program's own page
	"$WHITTLE" help --man $c > "$page"
	is "$?" 0 "${page##*/}: exit code"
	is "$(groff -ww -man -Tutf8 "$page" 2>&1 >/dev/null; man --warnings -l "$page" 2>&1 >/dev/null)" '' "${page##*/}: groff and man have no word to say"
	is "$(mandoc -Tlint "$page" 2>&1)" '' "${page##*/}: nor has mandoc"
	want='NAME SYNOPSIS DESCRIPTION OPTIONS EXAMPLES EXIT STATUS ENVIRONMENT FILES SEE ALSO'
	[ -n "$c" ] || want=${want/DESCRIPTION/DESCRIPTION COMMANDS}
	is "$(sed -n 's/^\.SH //p' "$page" | tr '\n' ' ')" "$want " "${page##*/}: its sections"
	text=$(MANWIDTH=200 man -P cat -l "$page" 2>/dev/null)
	like "$text" "^       whittle${c:+-$c} - ." "${page##*/}: its name and what it is for"
	like "$text" '2023-11-14' "${page##*/}: the date of SOURCE_DATE_EPOCH"
	if [ -n "$c" ]; then
		missing=
		while read -r o; do
			grep -q -- "^       \(-., \)\?$o\( .*\|\[.*\)\?$" <<< "$text" || missing+=" $o"
		done < <("$WHITTLE" "$c" --help | grep -oE '^  (-[a-zA-Z], |    )--[a-z-]+' | grep -oE -- '--[a-z-]+')
		is "$missing" '' "${page##*/}: every option of the help"
		like "$text" '^ *whittle\(1\)' "${page##*/}: leads to whittle(1)"
		[[ $(sed -n '/^EXAMPLES/,/^EXIT/p' <<< "$text") == *'whittle '* ]] && pass "$c: an example" || fail "$c: an example"
	else
		missing=
		for o in "${commands[@]}"; do [[ $text == *"whittle-$o(1)"* ]] || missing+=" $o"; done
		is "$missing" '' 'whittle.1 names every command'
	fi
done
run "$WHITTLE" help --man build
is "$out" "$(cat "$T/whittle-build.1")" 'the same bytes again'
unlike "$out" '[^ -~]' 'ASCII alone'
unlike "$(cat "$T"/*.1)" 'completion|--man ' 'what is not for users is told nowhere'
run "$WHITTLE" help --help
unlike "$out" 'completion' 'nor in the help'
run "$WHITTLE" help --man frobnicate
is "$status" 2 'no page of what is no command'
unset SOURCE_DATE_EPOCH

# ---- the tables ----

# Variables that the program asks for by name; HOME and the like are in tests of their own.
missing=
while read -r v; do
	grep -qF "\"$v\"" "$SRC/cli/manual_tables.c" || grep -qE "\"[^\"]*\b$v\b[^\"]*\"," "$SRC/cli/manual_tables.c" || missing+=" $v"
done < <(grep -rhoE '\bgetenv\("[A-Za-z_]+"\)' "$SRC"/{base,layers,sandbox,harden,builder,frontend,evidence,cli} --include='*.c' | grep -oE '"[^"]+"' | tr -d '"' | sort -u)
is "$missing" '' 'every variable of the environment that is asked for is in the manual'
missing=
for n in $(grep -oE '^\| [0-9]+ \|' "$SRC/README.md" | tr -dc '0-9\n'); do
	grep -q "{$n, \"" "$SRC/cli/manual_tables.c" || missing+=" $n"
done
is "$missing" '' 'every exit code of the README is in the manual'

# ---- what make install installs ----

missing=
for c in "${commands[@]}"; do
	grep -q "manual/whittle-$c\.1" "$SRC/manual/local.mk" || missing+=" $c"
done
is "$missing" '' 'manual/local.mk has a page for every command'
built=$(dirname "$WHITTLE")
[ -f "$built/Makefile" ] || built=$SRC/build
if [ -f "$built/Makefile" ] && [ -w "$built" ] && [ "$built/whittle" -nt "$SRC/cli/manual.c" ]; then
	run make -s -C "$built" install-man install-nodist_bashcompletionDATA DESTDIR="$T/dest" prefix=/usr
	is "$status" 0 'make install-man'
	is "$(cd "$T/dest" && find . -type f | grep -c '/usr/share/man/man1/whittle.*\.1$')" $((${#commands[@]} + 1)) 'a page each, below DESTDIR'
	run man -P cat -l "$T/dest/usr/share/man/man1/whittle-build.1"
	like "$out" '^NAME' 'and it can be read'
	ok 'the completion' test -s "$T/dest/usr/share/bash-completion/completions/whittle"
fi

# ---- completion ----

"$WHITTLE" help --completion=bash > "$T/completion"
is "$?" 0 'completion: exit code'
ok 'bash takes it' bash -n "$T/completion"
if command -v shellcheck >/dev/null; then
	ok 'and so does shellcheck' shellcheck -s bash -e SC2034,SC2207 "$T/completion"
fi
mkdir -p "$T/work/sub dir" "$T/bin"
[ -e "$T/bin/whittle" ] || ln -s "$WHITTLE" "$T/bin/whittle"
cd "$T/work" || exit 1
: > Dockerfile.web
cat > Dockerfile <<'EOF'
FROM scratch AS base
FROM scratch as build-it
  from base AS $(touch${IFS}pwned)
FROM base
EOF
"$WHITTLE" tag --root "$T/store" "oci-layout://$(test_base busybox)" shop:1.4 localhost:5000/web:2
is "$?" 0 'images with names'

# completes WANT DESC WORD…: what may stand for the last word, in a shell of its own
completes() {
	local want=$1 desc=$2

	shift 2
	is "$(PATH=$T/bin:$PATH bash --norc -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE=$*; COMP_POINT=${#COMP_LINE}
		'"$complete"'; [ ${#COMPREPLY[@]} = 0 ] || printf "%s\n" "${COMPREPLY[@]}" | sort | paste -sd,' - "$T/completion" "$@" 2>&1)" "$want" "$desc"
}
complete='f=$(complete -p whittle); f=${f#*-F }; ${f% whittle}'
completes build 'a command' whittle bui
completes rm 'a command that docker has two words for' whittle rm
completes --verify-report,--verify-reproducible 'options' whittle build --verify
completes '' 'no option of another command' whittle tag --verify
completes default,host,none 'a closed set of values' whittle build --network ''
completes none 'a value that has begun' whittle build --network n
completes --network=none 'behind an equals sign, in one word' whittle build --network=n
completes none 'behind an equals sign, as bash splits it' whittle build --network = n
completes default,host,none 'right behind it' whittle build --network =
completes --no-cache=false,--no-cache=true 'of a flag' whittle build --no-cache=
completes Dockerfile,Dockerfile.web 'a file' whittle build --file D
completes --file=Dockerfile.web 'a file behind an equals sign' whittle build --file=Dockerfile.
completes 'sub dir' 'a directory, with a blank in it' whittle build s
completes '' 'what may be anything' whittle build --label ''
completes base,build-it 'stages of the Dockerfile' whittle build --target ''
is "$(ls)" $'Dockerfile\nDockerfile.web\nsub dir' 'nothing of a Dockerfile was run'
printf 'FROM scratch AS other\n' > Dockerfile.web
completes other 'stages of the file that --file names' whittle build -f Dockerfile.web --target o
completes localhost:5000/web:2,shop:1.4 'names of images' whittle inspect --root "$T/store" ''
completes 5000/web:2 'a name with colons, as bash splits it' whittle inspect --root "$T/store" localhost : 50
completes shop:1.4 'of rmi, too' whittle rmi --root="$T/store" sh
completes '' 'no store: no names' whittle inspect --root "$T/none" ''
ok 'and none is made' test ! -e "$T/none"
completes import,info 'words of a command' whittle db i
completes inspect 'help: a command' whittle help ins
done_testing

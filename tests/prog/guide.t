#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# GUIDE.md: its lines, one after the other, as root and as an ordinary user; and the options that all pages name.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
busybox=$(test_base busybox) || { echo 'Bail out! no base'; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'
users=(user)
! is_root || users=(root user)

awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$SRC/GUIDE.md" > lines
[ "$(wc -l < lines)" -gt 35 ] && pass 'the guide has lines' || fail 'the guide has lines'
registry_start "$T/registry" htpasswd ci geheim || { echo 'Bail out! no registry'; exit 1; }
on_exit 'server_stop "$REGISTRY_PID"'
# Each command by itself: what stands in a here document or on a line that goes on belongs to it.
awk -v q="'" '{ text = text $0 "\n" }
	doc { if ($0 == "EOF") doc = 0; else next }
	/<<.EOF.$/ { doc = 1; next }
	/\\$/ { next }
	{ gsub(q, q "\\" q q, text); printf "step %s%s%s\n", q, text, q; text = "" }' lines > steps
for WHO in "${users[@]}"; do
	home=$T/home.root
	[ "$WHO" = root ] || home=$UT/home
	as "$WHO" mkdir -p "$home/bin" "$home/work"
	as "$WHO" ln -s "$WHITTLE" "$home/bin/whittle"
	as "$WHO" cp -r "$busybox" "$home/work/base"
	n=0
	state=$home/state
	as "$WHO" touch "$state"
	step() {
		local text=${1//registry.example/$REGISTRY}

		n=$((n + 1))
		run as "$WHO" env HOME="$home" XDG_DATA_HOME="$home/data" TOKEN=geheim PATH="$home/bin:$PATH" bash -c \
			'cd "$HOME/work" && . "$2" && eval "$1" && { export -p | grep COSIGN_PASSWORD > "$2"; true; }' - "$text" "$state"
		is "$status" 0 "$WHO: ${1%%$'\n'*}"
		[ "$status" = 0 ] || show "$all"
		case $1 in
		'whittle doctor'*) like "$out" '^builds: all' "$WHO: the doctor's verdict" ;;
		'whittle images'*) like "$out" '^base/tools +1 ' "$WHO: the base has its name" ;;
		*--explain-cache*) like "$all" CACHED "$WHO: the second build is from the cache" ;;
		*on-failure*) like "$out" '^half$' "$WHO: the shell sees what the step left" && like "$out" 'exit code 1' "$WHO: and the build has failed" ;;
		*GREETING*) is "$out" $'hello\nindex.html' "$WHO: run: variables and volumes" ;;
		'whittle history'*) like "$out" 'COPY site/ /srv/' "$WHO: the steps" ;;
		esac
	}
	# The store of root is not ours to fill.
	if [ "$WHO" = root ]; then
		sed 's/\bwhittle \(build\|prune\|explain\|images\|tag\|history\|inspect\|run\|save\|load\|push\|pull\|verify\|sbom\|du\|rm\|gc\|doctor\|restore\|debug shell\|diff\|profile show\|profile runtime\)\b/whittle \1 --root "$HOME\/store"/' steps > steps.root
		. ./steps.root
	else
		. ./steps
	fi
	[ "$n" -gt 25 ] && pass "$WHO: $n commands were run" || fail "$WHO: commands were run" "$n"
done

# ---- options ----

declare -A help
wrong=
while read -r file words; do
	read -r command rest <<< "$words"
	[ -n "${help[$command]:-}" ] || help[$command]=$("$WHITTLE" "$command" --help 2>&1)
	for o in $(grep -oE '(^| )--[a-z][a-z-]+' <<< "$rest"); do
		case $command.$o in
		run.* | debug.*) continue ;; # what follows the image is the command's own
		esac
		grep -qE -- "^ +(-., )?$o([ =[]|\$)" <<< "${help[$command]}" || [ "$o" = --help ] || wrong+=" $file:$command $o"
	done
done < <(cd "$SRC" && grep -oHE '(^|[^a-z/])whittle [a-z]+( [^`|;#&]*)?' GUIDE.md README.md MIGRATION.md examples/README.md examples/ci/* | sed -nE 's/^([^:]*):.*whittle ([a-z]+)/\1 \2/p' | grep -E -- '--')
is "$wrong" '' 'every option that a page names is one of that command'

done_testing

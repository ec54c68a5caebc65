#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the documents say is so: flags of other programs and what they are here, and the files that the pages name.
. "$(dirname "$0")/lib.sh"
for program in docker buildah; do
	command -v $program >/dev/null || skip_all "needs $program"
done
newer=
! is_root || newer=$("$SRC/tests/tools/fetch_tools.sh" docker 2>fetch.err) || skip_all "there is no newer docker: $(tail -n 1 fetch.err)"

# ---- MIGRATION.md ----

page=$SRC/MIGRATION.md
rows() { # HEADING: "FLAG WORD TAKEN" for each row of that table
	awk -v want="## $1" '/^## / { on = $0 == want } on && /^\| `--/ { split($0, f, "|"); gsub(/[` ]/, "", f[2]); gsub(/^ | $/, "", f[3]); gsub(/ /, "-", f[3])
		print f[2], f[3], f[4] ~ /\*taken\*/ ? "taken" : "-" }' "$page"
}
flags_of() { grep -oE '^ +(-., )?--[A-Za-z0-9-]+' | grep -oE -- '--[A-Za-z0-9-]+' | grep -vx -- --help | sort -u; }
# Is it an option at all? Values are nobody's concern here.
# shellcheck disable=SC2329 # by name
command=build
hinted() { "$WHITTLE" "$command" "$1=x" --help 2>&1 | grep -q '^hint: '; }
# shellcheck disable=SC2329 # by name
refused() { "$WHITTLE" "$command" "$1=x" --help 2>&1 | grep -qE 'unknown option|is not supported yet'; }

for t in 'docker build' 'docker buildx build' 'buildah build' kaniko 'slim (mint)'; do
	[ "$t" != 'slim (mint)' ] || command=prune
	rows "$t" > "rows.$t"
	[ "$(wc -l < "rows.$t")" -gt 25 ] && pass "$t: there is a table" || fail "$t: there is a table"
	is "$(cut -d ' ' -f 1 "rows.$t" | sort | uniq -d)" '' "$t: a row a flag"
	is "$(cut -d ' ' -f 2 "rows.$t" | sort -u | tr '\n' ' ' | sed 's/not-there //; s/not-needed //; s/other //; s/same //')" '' "$t: four words alone"
	wrong=
	while read -r flag word taken; do
		case $word.$taken in
		not-there.*) refused "$flag" || wrong+=" $flag($word)" ;;
		same.* | *.taken) ! refused "$flag" || wrong+=" $flag($word)" ;;
		esac
	done < "rows.$t"
	is "$wrong" '' "$t: same means taken, not there means refused"
	wrong=
	while read -r flag word taken; do
		[ "$word.$taken" = same.- ] || ! refused "$flag" || hinted "$flag" || wrong+=" $flag"
	done < "rows.$t"
	is "$wrong" '' "$t: the error about a flag says what there is in its place"
done

compare() { # HEADING WHAT: flags of a help on standard input
	flags_of > flags
	[ "$(wc -l < flags)" -gt 25 ] && pass "$2: has flags" || fail "$2: has flags"
	is "$(cut -d ' ' -f 1 "rows.$1" | sort -u | comm -13 - flags)" '' "$2: every flag is in the table"
}
compare 'docker build' 'the docker that is installed' < <(DOCKER_BUILDKIT=0 docker build --help 2>/dev/null)
compare 'buildah build' 'the buildah that is installed' < <(buildah build --help 2>/dev/null)
if is_root; then
	compare 'docker buildx build' 'a newer buildx' < <(chroot "$newer" /usr/bin/env -i PATH=/usr/bin docker buildx build --help)
	compare 'docker build' 'a newer docker' < <(chroot "$newer" /usr/bin/env -i PATH=/usr/bin DOCKER_BUILDKIT=0 docker build --help 2>/dev/null)
fi

# ---- links, and commands that are spoken of ----

mapfile -t commands < <("$WHITTLE" help | awk '/^  [a-z]/ { print $1 }')
for f in "$SRC"/*.md "$SRC"/examples/README.md "$SRC"/examples/ci/README.md; do
	[ -e "$f" ] || continue
	name=${f#"$SRC"/}
	missing=
	while read -r link; do
		[ -e "$(dirname "$f")/$link" ] || missing+=" $link"
	done < <(grep -oE '\]\([^)#]+' "$f" | cut -c 3- | grep -v '^http')
	is "$missing" '' "$name: links lead somewhere"
	unknown=
	while read -r c; do
		[[ " ${commands[*]} rmi COMMAND " == *" $c "* ]] || unknown+=" $c"
	done < <(grep -oE '(^    |`|\$ )(build/)?whittle [a-zA-Z]+' "$f" | awk '{ print $NF }' | sort -u)
	is "$unknown" '' "$name: every command that it names is one"
done

done_testing

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
#
# Helpers for tests/prog/*.t: bash scripts that print TAP for prove.
#
#     #!/bin/bash
#     # SPDX-License-Identifier: Apache-2.0
#     . "$(dirname "$0")/lib.sh"
#     run "$WHITTLE" --version
#     is "$status" 0 'exit code'
#     like "$out" '^whittle ' 'version line'
#     done_testing
#
# What it sets up:
#   $SRC        the source tree
#   $WHITTLE    the program (given, or $SRC/build/whittle); run as root, a copy that every user can reach
#   $T          a directory for this test, removed at the end; mode 755
#   $UT         a directory below it that belongs to the user of as_user
#   umask 022, LC_ALL=C, the directory $T as current one
#
# Assertions (each prints one line, and what it saw when it fails):
#   ok DESC CMD…      CMD succeeds              nok DESC CMD…     CMD fails
#   is GOT WANT DESC  equal texts               isnt GOT NOT DESC
#   like TEXT ERE DESC  a line matches          unlike TEXT ERE DESC
#   pass DESC, fail DESC [WHY]
#   fits SCHEMA FILE DESC  a JSON document holds to schemas/SCHEMA.json
# Running:
#   run CMD…          never fails itself; sets $status, $out (standard output), $err (standard error), $all (both)
#   as_user CMD…      as an ordinary user with subordinate ids: user whittle-test (made when missing) when we are root
#   as WHO CMD…       as root, or as that user where WHO is "user"
#   is_root           are we?
#   test_base NAME    prints the OCI layout of a base (busybox, busybox-ARCH, platforms, debian; apps: a tree), made once a machine by build-aux/mkbase.sh
# The frame:
#   skip_all REASON   ends the test as skipped (counts as a failure where CI=true)
#   done_testing      prints the plan; needed at the end, so that a script that dies half-way fails
#   on_exit CMD       runs CMD (a string) at the end, last given first

set -u
umask 022
export LC_ALL=C

SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WHITTLE=$(realpath "${WHITTLE:-$SRC/build/whittle}")
TEST_USER=whittle-test
tests_run=0
status=0 out='' err='' all=''
exit_commands=()

is_root() {
	[ "$(id -u)" = 0 ]
}

# ---- the user ----

# Where free subordinate ids begin: above everything that is handed out, and above where Debian starts.
free_subid() {
	awk -F: 'BEGIN { max = 99999 } $2 + $3 - 1 > max { max = $2 + $3 - 1 } END { print max + 1 }' /etc/subuid /etc/subgid
}

make_user() (
	exec 9>/run/lock/whittle-test-user
	flock 9
	id "$TEST_USER" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$TEST_USER" || exit 1
	touch /etc/subuid /etc/subgid
	if ! grep -q "^$TEST_USER:" /etc/subuid || ! grep -q "^$TEST_USER:" /etc/subgid; then
		first=$(free_subid)
		grep -q "^$TEST_USER:" /etc/subuid || usermod --add-subuids "$first-$((first + 65535))" "$TEST_USER" || exit 1
		grep -q "^$TEST_USER:" /etc/subgid || usermod --add-subgids "$first-$((first + 65535))" "$TEST_USER" || exit 1
	fi
)

# The environment is the user's own, but for PATH and what tests hand to the program (WHITTLE…, SOURCE_DATE_EPOCH).
as_user() {
	local keep=() name

	if ! is_root; then
		"$@"
		return
	fi
	for name in $(compgen -e); do
		case $name in
		WHITTLE* | SOURCE_DATE_EPOCH | LC_ALL) keep+=("$name=${!name}") ;;
		esac
	done
	setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups --reset-env -- \
		env "PATH=$PATH" "${keep[@]}" "$@"
}

as() {
	if [ "$1" = root ]; then "${@:2}"; else as_user "${@:2}"; fi
}

# ---- end of a test ----

on_exit() {
	exit_commands+=("$1")
}

# Trees of steps hold directories without permissions and, for an ordinary user, files of subordinate ids.
remove_tree() {
	[ -e "$1" ] || return 0
	if is_root; then
		rm -rf --one-file-system "$1"
	else
		rm -rf "$1" 2>/dev/null || unshare --user --map-root-user --map-auto rm -rf --one-file-system "$1"
	fi
}

at_exit() {
	local code=$? i

	for ((i = ${#exit_commands[@]} - 1; i >= 0; i--)); do
		eval "${exit_commands[i]}"
	done
	cd /
	if [ -n "${KEEP_TEST_DIR:-}" ]; then
		echo "# kept: $T"
	else
		remove_tree "$T"
	fi
	exit "$code"
}

# ---- assertions ----

ajv_path=
fits() { # SCHEMA FILE DESC
	local seen

	[ -n "$ajv_path" ] || ajv_path=$("$SRC/tests/tools/fetch_tools.sh" ajv) || { fail "$3" 'no schema validator can be had'; return; }
	if seen=$(NODE_PATH=$ajv_path node "$SRC/tests/tools/schema_check.js" "$SRC/schemas/$1.json" "$2" 2>&1); then
		pass "$3"
	else
		fail "$3" "$seen"
	fi
}

show() {
	printf '%s\n' "$1" | head -n 60 | sed 's/^/#   /'
}

pass() {
	tests_run=$((tests_run + 1))
	printf 'ok %d - %s\n' "$tests_run" "${1//#/}"
}

fail() {
	tests_run=$((tests_run + 1))
	printf 'not ok %d - %s\n' "$tests_run" "${1//#/}"
	[ $# -lt 2 ] || show "$2"
}

ok() {
	local desc=$1 seen code

	shift
	if seen=$("$@" 2>&1); then
		pass "$desc"
	else
		code=$?
		fail "$desc" "exit code $code of: $*"
		show "$seen"
	fi
}

nok() {
	local desc=$1 seen

	shift
	if seen=$("$@" 2>&1); then
		fail "$desc" "succeeded, should have failed: $*"
		show "$seen"
	else
		pass "$desc"
	fi
}

is() {
	if [ "$1" = "$2" ]; then
		pass "$3"
	else
		fail "$3" "got:"
		show "  $1"
		show "wanted:"
		show "  $2"
	fi
}

isnt() {
	if [ "$1" != "$2" ]; then
		pass "$3"
	else
		fail "$3" "got just that: $1"
	fi
}

like() {
	if grep -qE -- "$2" <<<"$1"; then
		pass "$3"
	else
		fail "$3" "no line matches $2 in:"
		show "$1"
	fi
}

unlike() {
	if grep -qE -- "$2" <<<"$1"; then
		fail "$3" "a line matches $2 in:"
		show "$1"
	else
		pass "$3"
	fi
}

run() {
	"$@" >"$T/.out" 2>"$T/.err" </dev/null
	status=$?
	out=$(cat "$T/.out")
	err=$(cat "$T/.err")
	all=$out${out:+$'\n'}$err
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

done_testing() {
	echo "1..$tests_run"
}

# ---- bases ----

test_base() (
	dir=${WHITTLE_BASES:-/var/tmp/whittle-bases-$(id -u)}
	mkdir -p "$dir" && chmod 755 "$dir" && exec 9>"$dir/.lock" && flock 9 || exit 1
	[ -e "$dir/$1/index.json" ] || [ -d "$dir/$1/root" ] || "$SRC/build-aux/mkbase.sh" "$1" "$dir/$1" >&2 || exit 1
	echo "$dir/$1"
)

# ---- here it starts ----

T=$(mktemp -d "${WH_TEST_TMP:-/var/tmp}/whittle-t.XXXXXX")
trap at_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$T"
UT=$T/user
mkdir "$UT"
if is_root; then
	make_user || { echo "Bail out! cannot make the user $TEST_USER"; exit 1; }
	chown "$TEST_USER:" "$UT"
	# The source tree may lie where only root can look.
	install -D -m 755 "$WHITTLE" "$T/bin/whittle" && WHITTLE=$T/bin/whittle
fi
cd "$T" || exit 1

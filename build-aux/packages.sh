# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The Debian 12 packages that whittle needs, sourced by run-tests and run-demo.
# install_packages NAME… installs what is missing of them, and touches neither
# the network nor the package lists when nothing is.

BUILD_PACKAGES=(
	gcc make autoconf automake pkg-config
	libarchive-dev libzstd-dev zlib1g-dev libssl-dev libjansson-dev libseccomp-dev libsqlite3-dev uthash-dev
	libcurl4-openssl-dev libsodium-dev libc6-dev
)
# uidmap: newuidmap, without which an ordinary user has one id only. passt, slirp4netns: a network of its own.
RUN_PACKAGES=(uidmap passt slirp4netns)
TEST_PACKAGES=(
	libcmocka-dev libarchive-tools perl python3 python3-cryptography python3-yaml util-linux libcap2-bin attr xz-utils skopeo umoci runc mmdebstrap
	binutils busybox-static curl docker.io jq openssl passwd podman procps strace zstd docker-registry apache2-utils buildah file graphviz
	openssh-client libwrap0 qemu-user-static gcc-aarch64-linux-gnu git bzip2 libfaketime groff-base man-db mandoc tmux
	crun apparmor
)
# Who has npm from elsewhere cannot have Debian's beside it.
command -v npm >/dev/null || TEST_PACKAGES+=(npm nodejs)
# Likewise kubectl.
command -v kubectl >/dev/null || TEST_PACKAGES+=(kubernetes-client)
DEMO_PACKAGES=(mmdebstrap skopeo)
export BUILD_PACKAGES RUN_PACKAGES TEST_PACKAGES DEMO_PACKAGES

missing_packages() {
	local name

	for name; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
	done
}

install_packages() {
	local missing as_root=()

	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "missing packages, and neither root nor sudo to install them: ${missing[*]}" >&2
			return 1
		fi
		as_root=(sudo)
	fi
	echo "installing: ${missing[*]}"
	"${as_root[@]}" apt-get update -q >/dev/null || return 1
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		"${missing[@]}" >/dev/null
}

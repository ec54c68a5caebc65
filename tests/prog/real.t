#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Dockerfiles as people write them, built for real on a Debian base and then run: memcached from its source, a Python and a
# Node application with packages, a C program through several stages.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/run-lib.sh"
is_root || skip_all 'needs root, to run containers'
debian=$(test_base debian) || skip_all 'no Debian base'
TOOLS=$SRC/tests/tools

# real NAME WORD…: tests/real/NAME into the layout NAME (gzip, for umoci); $status says how it went.
real() {
	local name=$1

	shift
	run "$WHITTLE" build --root "$T/store" --build-context "debian=oci-layout://$debian" -t "$name" \
		--output "type=oci,dest=$name,tar=false,compression=gzip" "$@" "$SRC/tests/real/$name"
	is "$status" 0 "$name: built"
	[ "$status" = 0 ] || show "$err"
	return "$status"
}

# config_of NAME FILTER
config_of() {
	skopeo inspect --config "oci:$1:latest" | jq -r "$2"
}

# bundle NAME [JQ]: unpacked by umoci, its config.json changed by a filter
bundle() {
	ok "$1: umoci unpacks it" umoci unpack --image "$1:latest" "bundle-$1"
	jq ".process.terminal = false | ${2:-.}" "bundle-$1/config.json" >c.json && mv c.json "bundle-$1/config.json"
}

# serves NAME URL ERE: run by runc, it answers so, and not as root
serves() {
	local name=$1 url=$2 want=$3 id=whittle-real-$$-$1 pid

	bundle "$name"
	on_exit "runc delete -f $id >/dev/null 2>&1"
	runc run -d --bundle "bundle-$name" "$id" </dev/null >"$name.log" 2>&1
	is $? 0 "$name: runc starts it"
	pid=$(runc state "$id" | jq .pid)
	like "$(fetch "$pid" "$url" || cat "$name.log")" "$want" "$name: it answers"
	isnt "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" 0 "$name: it does not run as root"
	runc kill "$id" KILL
}

# ---- C ----

if real c-app; then
	bundle c-app
	is "$(printf 'Jul?' | runc run --bundle bundle-c-app "whittle-real-$$-c")" 'Why?' 'c-app: it runs, alone in its image'
	is "$(cd bundle-c-app/rootfs && find . -type f | sort | tr '\n' ' ')" './bin/rot13 ./result ' 'c-app: nothing else is in it'
	is "$(stat -c %a bundle-c-app/rootfs/bin/rot13)" 755 'c-app: the symbolic mode'
	is "$(config_of c-app .config.Labels.platform)" "linux/$(dpkg --print-architecture)" 'c-app: the platform in its label'
fi

# ---- Python ----

if real python-app --build-arg VERSION=1.2; then
	serves python-app http://127.0.0.1:8080/ '<h1>Shop 1.2</h1>'
	is "$(config_of python-app .config.User)" 10001:10001 'python-app: the user from an ARG'
fi
run "$WHITTLE" build --root "$T/store" --build-context "debian=oci-layout://$debian" "$SRC/tests/real/python-app"
is "$status" 2 'python-app: without its argument it is not built'
like "$err" 'VERSION: VERSION must be given' 'python-app: and the Dockerfile itself says why'

# ---- memcached ----

source=$("$TOOLS/fetch_tools.sh" memcached) || { fail 'the source of memcached'; done_testing; exit; }
sum=$(sha256sum "$source")
: >http.log
python3 -u -m http.server --bind 127.0.0.1 --directory "$(dirname "$source")" 0 >http.log 2>&1 &
server=$!
on_exit "kill $server 2>/dev/null"
for _ in $(seq 100); do
	port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' http.log)
	[ -z "$port" ] || break
	sleep 0.1
done
url=http://127.0.0.1:$port/$(basename "$source")
if real memcached --build-arg "SOURCE_URL=$url" --build-arg "SOURCE_SHA256=${sum%% *}"; then
	serves memcached telnet://127.0.0.1:11211 '^VERSION [0-9.]+'
	ok 'memcached: no compiler in it' test ! -e bundle-memcached/rootfs/usr/bin/gcc
	is "$(config_of memcached '.config.Entrypoint[0]')" docker-entrypoint.sh 'memcached: its entry point'
fi
run "$WHITTLE" build --root "$T/other" --build-context "debian=oci-layout://$debian" --build-arg "SOURCE_URL=$url" \
	--build-arg "SOURCE_SHA256=${sum:1:63}0" --target build "$SRC/tests/real/memcached"
is "$status" 1 'memcached: with another checksum it is not built'
like "$err" "${sum%% *}" 'memcached: and the message has the digest that came'
kill "$server"

# ---- Node ----

registry=$(npm config get registry 2>/dev/null)
version=9.9.4
sha512=37371088ba6a0ee2e16af772276277b4627f9e2fde6dca87545664bf50b8ffa95b96b6943db3e0089e1585be286b71458516b6623f60039f23187ff3b4ab9e35
CA=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
if real node-app --build-arg "NPM_REGISTRY=$registry" --build-arg "NPM_VERSION=$version" --build-arg "NPM_SHA512=$sha512" \
	--secret "id=ca,src=$CA"; then
	serves node-app http://127.0.0.1:3000/ '"count":1,"user":65534'
	ok 'node-app: what was to be left out is out' test -z "$(find bundle-node-app/rootfs/app/node_modules -name '*.md')"
	ok 'node-app: no npm in it' test ! -e bundle-node-app/rootfs/opt/package
fi
done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where registries are found, and how one gets in: registries.conf, daemon.json, certs.d; tokens, passwords, helpers; login.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'

export HOME=$T/home WHITTLE_REGISTRIES=$T/conf
unset DOCKER_CONFIG REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME SSL_CERT_FILE CONTAINERS_REGISTRIES_CONF
mkdir -m 700 "$HOME" "$T/run-skopeo" "$HOME/.docker"
chmod 755 "$T"
: >conf
skopeo() { XDG_RUNTIME_DIR=$T/run-skopeo command skopeo "$@"; }
pull() { run "$WHITTLE" pull -q --root "$T/st" "$@"; }
push() { run "$WHITTLE" push -q --root "$T/src" "$@"; }
login() { run "$WHITTLE" login "$@"; }
# shellcheck disable=SC2016
login_in() { run bash -c 'exec "$@" <pw' login "$WHITTLE" login -u tester --password-stdin "$@"; }
fresh() { remove_tree "$T/st"; }
pids=()
on_exit 'for p in "${pids[@]}"; do server_stop "$p"; done'
registry() { # NAME ARG…: sets the variable NAME to HOST:PORT
	registry_start "$T/r-$1" "${@:2}" || { echo 'Bail out! no registry'; exit 1; }
	pids+=("$REGISTRY_PID")
	printf -v "$1" %s "$REGISTRY"
}
front() { # NAME UPSTREAM OPTION…
	front_start "$T/f-$1" "${@:2}" || { echo 'Bail out! no front'; exit 1; }
	pids+=("$FRONT_PID")
	printf -v "$1" %s "$FRONT"
}
basic() { printf '{"auths":{"%s":{"auth":"%s"}}}' "$1" "$(printf %s "$2" | base64 -w0)"; }
config=$HOME/.docker/config.json
put_blob() { # HOST FILE NAME
	local to
	to=$(curl -sS -X POST -D - -o /dev/null "http://$1/v2/$3/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	curl -sS -f -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" "$to&digest=sha256:$(sha256sum "$2" | cut -d' ' -f1)"
}
put_manifest() { # HOST FILE NAME TAG TYPE
	curl -sS -f -X PUT -H "Content-Type: $5" --data-binary "@$2" "http://$1/v2/$3/manifests/$4"
}
digest() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }

registry plain
ok 'an image' skopeo copy -q --dest-tls-verify=false "oci:$base" "docker://$plain/library/box:1"
registry_get "$plain" /v2/library/box/manifests/1 >manifest
want=$(digest manifest)
layer=$(jq -r '.layers[0].digest' manifest)

from=$plain/library/box:1
ok 'in a store of its own, to be pushed' "$WHITTLE" pull -q --root "$T/src" "$from"

# ---- mirrors ----

mirrors() { # LOCATION MIRROR…: of docker.io
	printf '[[registry]]\nprefix = "docker.io"\nlocation = "%s"\n' "$1"
	shift
	printf '[[registry.mirror]]\nlocation = "%s"\ninsecure = true\n' "$@"
}
front mirror "$plain"
mirrors 127.0.0.1:1 "$mirror" >conf
fresh
pull box:1
is "$status $out" "0 $want" 'a mirror does, where the registry itself cannot be reached'
like "$(cat f-mirror/log)" "FRONT GET /v2/library/box/blobs/$layer 200" 'for its blobs too'
mirrors "$plain" 127.0.0.1:1 >conf
fresh
pull box:1
is "$status $out" "0 $want" 'a mirror that is down is passed over'
mirrors 127.0.0.1:1 127.0.0.1:2 "$plain" >conf
fresh
pull box:none
is "$status" 4 'when all fail'
like "$err" '^error: pull box:none: registry docker.io \(127.0.0.1:1\): connect: .*; mirror 127.0.0.1:2: connect: .*; mirror '"$plain"': get manifest library/box:none: 404' 'it is told of each why'
unlike "$err" '^hint: no login' 'without a wrong hint'
pull "box@$want"
is "$status $out" "0 $want" 'by digest'

registry half
ok 'a mirror has the image' skopeo copy -q --dest-tls-verify=false "oci:$base" "docker://$half/library/box:1"
curl -sS -f -X DELETE "http://$half/v2/library/box/blobs/$layer"
front whole "$plain"
front halffront "$half"
mirrors "$whole" "$halffront" >conf
fresh
pull box:1
is "$status $out" "0 $want" 'a mirror with the manifest, but not the layer'
like "$(cat f-halffront/log)" 'GET /v2/library/box/manifests/1 200' 'gives the manifest'
like "$(cat f-halffront/log)" "GET /v2/library/box/blobs/$layer 404" 'is asked for the layer'
unlike "$(cat f-whole/log)" 'GET /v2/library/box/manifests/1' 'and the registry is not asked for what the mirror has'
like "$(cat f-whole/log)" "GET /v2/library/box/blobs/$layer 200" 'but for what it lacks'
for how in --damage --lie '--cut 3000' --grow-silent; do
	# shellcheck disable=SC2086
	front bad "$plain" $how
	mirrors "$plain" "$bad" >conf
	fresh
	if [ "$how" = --lie ]; then
		pull "box@$want"
	else
		pull box:1
	fi
	is "$status $out" "0 $want" "a mirror with $how does no harm"
	is "$(sha256sum <"st/blobs/sha256/${layer#sha256:}" | cut -d' ' -f1)" "${layer#sha256:}" 'the layer is what its digest says'
	like "$(cat f-bad/log)" 'FRONT GET' 'it was asked'
done
front badup "$plain" --lie
front badtoo "$plain" --lie
mirrors "$badup" "$badtoo" >conf
fresh
pull "box@$want"
isnt "$status" 0 'where all lie, nothing is taken'
nok 'nor kept' test -e "st/blobs/sha256/${want#sha256:}"

mirrors "$plain" "$mirror" >conf
echo 'mirror-by-digest-only = true' | sed -i '/^location = "'"$plain"'"/r /dev/stdin' conf
: >f-mirror/log
fresh
pull box:1
is "$status $(cat f-mirror/log)" '0 ' 'a mirror for digests only is not asked for a tag'
fresh
pull "box@$want"
is "$status" 0 'but for a digest'
like "$(cat f-mirror/log)" "GET /v2/library/box/manifests/$want 200" 'it is'

# ---- locations ----

printf '[[registry]]\nprefix = "names.example/team"\nlocation = "%s/library"\n[[registry]]\nprefix = "*.names.example"\nlocation = "%s"\n' "$plain" "$plain" >conf
fresh
pull names.example/team/box:1
is "$status $out" "0 $want" 'a name that is elsewhere'
pull eu.names.example/library/box:1
is "$status $out" "0 $want" 'a pattern for hosts'
push "$from" names.example/team/new:1
is "$status" 0 'a push goes there too'
is "$(registry_get "$plain" /v2/library/new/manifests/1 | sha256sum | cut -d' ' -f1)" "${want#sha256:}" 'under the name that it has there'
printf 'FROM names.example/team/box:1\nCOPY Dockerfile /x\n' >Dockerfile
run "$WHITTLE" build -q --root "$T/st" -t names.example/team/built:1 --push .
is "$status" 0 'a build, from there and to there'
mirrors "$plain" "$mirror" >conf
: >f-mirror/log
push "$from" docker.io/library/pushed:1
is "$status" 0 'a push'
unlike "$(cat f-mirror/log)" '(PUT|POST|PATCH|HEAD)' 'never goes to a mirror'
printf '\n[[registry]]\nprefix = "%s/library"\nblocked = true\n' "$plain" >conf
pull "$plain/library/box:1"
is "$status" 4 'what is blocked'
like "$err" "^error: pull $plain/library/box:1: registry $plain: $T/conf:2 blocks it" 'says by which line'
push "$from" "$plain/library/box:9"
like "$status $err" "^4 error: .*$T/conf:2 blocks it" 'for a push too'
printf '[[registry]]\nlocation = "%s"\n' "https://$plain" >conf
pull "$plain/library/box:1"
like "$status $err" "^4 error: .*$T/conf:1: location \"https://$plain\" is not HOST" 'a file that is wrong is named, with its line'
run "$WHITTLE" doctor --root "$T/st"
like "$out" "degraded  registries  *$T/conf:1: location" 'by doctor, too'
printf '[[registry]]\nprefix = "x.example"\nlocation = "%s/library"\n' "$plain" >conf
mkdir conf.d
printf '[[registry]]\nprefix = "x.example"\nlocation = "127.0.0.1:1"\n' >conf.d/a.conf
pull x.example/box:1
is "$status" 4 'files in .d come after the file'
rm conf.d/a.conf
run "$WHITTLE" doctor --root "$T/st"
like "$out" "ok        registries  *found by $T/conf" 'doctor names the files that are used'

# ---- the usual places ----

unset WHITTLE_REGISTRIES
mkdir -p "$HOME/.config/containers" "$HOME/.config/docker"
mv conf "$HOME/.config/containers/registries.conf"
pull x.example/box:1
is "$status $out" "0 $want" "containers' registries.conf at home"
mkdir "$HOME/.config/whittle" && : >"$HOME/.config/whittle/registries.conf"
pull x.example/box:1
is "$status" 4 'whittle has its own instead, where there is one'
rm -r "$HOME/.config/whittle" "$HOME/.config/containers"
printf '{"registry-mirrors": ["http://%s"]}' "$mirror" >"$HOME/.config/docker/daemon.json"
: >f-mirror/log
fresh
pull box:1
is "$status $out" "0 $want" "docker's daemon.json has mirrors of docker.io"
printf '{"registry-mirrors": [\n"x"]}' >"$HOME/.config/docker/daemon.json"
pull box:1
like "$status $err" "^4 error: .*daemon.json: registry-mirrors: \"x\" is not https://" 'a wrong one is an error'
printf '{\n"registry-mirrors": ["http://x"' >"$HOME/.config/docker/daemon.json"
pull box:1
like "$status $err" "^4 error: .*daemon.json: bad JSON in line 2" 'a broken one has its line told'
rm "$HOME/.config/docker/daemon.json"
export WHITTLE_REGISTRIES=$T/conf

# ---- passwords ----

registry locked htpasswd tester 'geheim: ü'
: >conf
printf %s 'geheim: ü' >pw
login_in "$locked"
is "$status $out" '0 Login Succeeded' 'login'
like "$err" "^warning: the password is kept readable in $config" 'says where the password is'
is "$(stat -c %a "$config")" 600 'which nobody else can read'
push "$from" "$locked/library/box:1"
is "$status" 0 'it is used'
ok 'by skopeo too' skopeo inspect --tls-verify=false --authfile "$config" "docker://$locked/library/box:1"
login --get-login "$locked"
is "$status $out" '0 tester' '--get-login'
cp "$config" before
login -u tester -p wrong "$locked"
is "$status" 4 'a wrong password'
like "$err" '^error: registry .*: log in: 401 UNAUTHORIZED' 'is refused by the registry'
is "$(cat "$config")" "$(cat before)" 'and not kept'
printf '{\n"HttpHeaders": {"X": "1"}, "auths": {"other.example": {"auth": "YTpi"}}, "psFormat": "table"}' >"$config"
chmod 644 "$config"
login_in "http://$locked/"
is "$status $(jq -c 'del(.auths[$h]), (.auths | length)' --arg h "$locked" "$config" | paste -sd' ')" \
	'0 {"HttpHeaders":{"X":"1"},"auths":{"other.example":{"auth":"YTpi"}},"psFormat":"table"} 2' 'all else in the file stays'
is "$(stat -c %a "$config")" 600 'whatever its mode was'
run "$WHITTLE" logout "$locked"
is "$status $(jq -c '.auths | keys' "$config")" '0 ["other.example"]' 'logout forgets one'
run "$WHITTLE" logout "$locked"
is "$status $out" "0 Not logged in to $locked" 'once'
login --get-login "$locked"
is "$status" 1 'then there is no login'
run "$WHITTLE" logout --all
is "$status $(jq -c .auths "$config")" '0 {}' 'or all'
echo '{' >"$config"
login_in "$locked"
like "$status $err" "^4 error: $config is no JSON" 'a broken file is not replaced'
is "$(cat "$config")" '{' 'it is as it was'
rm "$config"
mkdir elsewhere && ln -s "$T/elsewhere/real.json" "$config" && echo '{}' >elsewhere/real.json
login_in "$locked"
ok 'a symlink stays one' test -L "$config"
is "$(jq -c '.auths | keys' elsewhere/real.json)" "[\"$locked\"]" 'the login is behind it'
rm "$config"
REGISTRY_AUTH_FILE=$T/auth.json login_in "$locked"
is "$status $(jq -c '.auths | keys' auth.json)" "0 [\"$locked\"]" '$REGISTRY_AUTH_FILE'
nok 'and there alone' test -e "$config"
DOCKER_CONFIG=$T/dc login_in "$locked"
is "$status $(jq -c '.auths | keys' dc/config.json)" "0 [\"$locked\"]" '$DOCKER_CONFIG'
for words in '--password-stdin X' '-u x -p y --password-stdin X' '-u a:b -p c X' '-u a X/y' '--all X'; do
	# shellcheck disable=SC2086
	login ${words//X/$locked}
	is "$status" 2 "login $words"
done
login -u tester "$locked"
like "$status $err" '^2 error: no password' 'without a terminal a password must come from somewhere'
login -u x -p y 127.0.0.1:1
is "$status" 4 'nobody there'
like "$err" '^error: registry 127.0.0.1:1: connect: ' 'says so'
cat >ask.py <<'PY'
import os, pty, sys, time
out = b""
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = 0
while True:
    try:
        part = os.read(fd, 1000)
    except OSError:
        break
    if not part:
        break
    out += part
    if said == 0 and b"Username for" in out:
        said = 1
        os.write(fd, b"tester\n")
    if said == 1 and b"Password of tester" in out:
        said = 2
        time.sleep(0.2)
        os.write(fd, "geheim: ü\n".encode())
sys.stdout.buffer.write(out)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
run python3 ask.py "$WHITTLE" login "$locked"
is "$status" 0 'on a terminal it is asked for'
unlike "$out" geheim 'without echo'
is "$(jq -r '.auths[].auth' "$config" | base64 -d)" 'tester:geheim: ü' 'and kept'
rm "$config"

# What others wrote.
ok 'skopeo logs in' skopeo login --tls-verify=false --authfile "$T/skopeo.json" -u tester -p 'geheim: ü' "$locked"
REGISTRY_AUTH_FILE=$T/skopeo.json pull "$locked/library/box:1"
is "$status" 0 "skopeo's login is used"
mkdir -p "$HOME/.config/containers" && mv skopeo.json "$HOME/.config/containers/auth.json"
pull "$locked/library/box:1"
is "$status" 0 'from ~/.config/containers/auth.json'
run "$WHITTLE" logout "$locked"
like "$status $err" "^0 warning: tester's login for $locked is still found" 'which logout leaves, and tells'
rm "$HOME/.config/containers/auth.json"
if is_root; then
	ok 'podman logs in' podman login --tls-verify=false --authfile "$T/podman.json" -u tester -p 'geheim: ü' "$locked"
	REGISTRY_AUTH_FILE=$T/podman.json pull "$locked/library/box:1"
	is "$status" 0 "podman's login is used"
fi

rm -f "$config" elsewhere.json
ln -s "$T/elsewhere.json" "$config"
login_in "$locked"
is "$status $(jq -r '.auths | length' elsewhere.json)" '0 1' 'a symlink to a file that is not there yet'
ok 'stays' test -L "$config"
rm "$config"
run bash -c "printf 'a\\0b' | '$WHITTLE' login -u tester --password-stdin $locked"
is "$status $(head -n 1 <<<"$err")" '2 error: the password has a zero byte' 'a zero byte is no end of a password'

# ---- helpers ----

mkdir -p bin
cat >bin/docker-credential-keep <<EOF
#!/bin/bash
read -r -d '' text
echo "\$1 \$(jq -r .ServerURL 2>/dev/null <<<"\$text" || echo "\$text")" >>$T/keep.log
case \$1 in
store) echo "\$text" >$T/kept ;;
erase) [ -e $T/kept ] || { echo 'credentials not found in native keychain'; exit 1; }; rm $T/kept ;;
get) cat $T/kept 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
esac
EOF
chmod 755 bin/docker-credential-keep
export PATH=$T/bin:$PATH
echo '{"credsStore": "keep"}' >"$config"
login_in "$locked"
is "$status $err" '0 ' 'a helper keeps the login, and no warning is due'
is "$(jq -c . "$config")" "{\"credsStore\":\"keep\",\"auths\":{\"$locked\":{}}}" 'the file has no password'
is "$(jq -r '.Username + " " + .Secret' kept)" 'tester geheim: ü' 'the helper has'
fresh
pull "$locked/library/box:1"
is "$status" 0 'it is asked'
login --get-login "$locked"
is "$status $out" '0 tester' 'also by --get-login'
run "$WHITTLE" logout "$locked"
is "$status $(jq -c .auths "$config")" '0 {}' 'logout'
nok 'erases it there' test -e kept
pull "$locked/library/box:1"
is "$status" 4 'then one is out'
echo '{"credsStore": "nosuch"}' >"$config"
login_in "$locked"
like "$status $err" '^4 error: .*docker-credential-nosuch' 'a helper that is not there'
is "$(cat "$config")" '{"credsStore": "nosuch"}' 'keeps nothing in the clear'
printf '{"credsStore": "nosuch", "credHelpers": {"%s": "keep"}}' "$locked" >"$config"
login_in "$locked"
is "$status" 0 "a registry's own helper"
echo '{"ServerURL":"x","Username":"<token>","Secret":"refresh-me-0123456789"}' >kept
login --get-login "$locked"
is "$status $out" '0 <token>' 'a token of a helper'
run "$WHITTLE" logout --all
is "$status" 0 'logout --all'
nok 'is told to it' test -e kept
cat >bin/docker-credential-talks <<EOF
#!/bin/bash
trap '' PIPE
[ -e $T/endless ] && { yes; exec sleep 600; }
sleep 600 >&1 &
echo \$! >$T/left.pid
echo '{"ServerURL":"x","Username":"tester","Secret":"x"}'
EOF
chmod 755 bin/docker-credential-talks
echo '{"credsStore": "talks"}' >"$config"
run timeout 60 "$WHITTLE" login --get-login "$locked"
is "$status $out" '0 tester' 'a helper that leaves a process behind, which has its output still'
kill "$(cat left.pid)"
touch endless
run timeout 60 "$WHITTLE" login --get-login "$locked"
like "$status $err" '^4 error: .*docker-credential-talks' 'one that does not come to an end'
rm "$config"

# ---- tokens ----

token_start "$T/tok" 'me:pass word' --offline || { echo 'Bail out! no token server'; exit 1; }
pids+=("$TOKEN_PID")
registry token token "$TOKEN_REALM" "$T/tok/root.pem"
basic "$token" 'me:pass word' >"$config"
push "$from" "$token/library/box:1"
is "$status" 0 'a registry with tokens: push'
like "$(cat tok/log)" 'GET basic:me 200 repository:library/box:(pull,push|push,pull)' 'the login was shown to the realm'
"$WHITTLE" pull -q --root src "$token/library/box:1" >/dev/null 2>&1
push "$token/library/box:1" "$token/other/box:1"
is "$status" 0 'a mount'
like "$(cat tok/log)" 'GET basic:me 200 repository:other/box:pull,push repository:library/box:pull' 'takes the scopes of both'
rm "$config"
: >tok/log
fresh
pull "$token/library/box:1"
is "$status $out" "0 $want" 'pull, without a login'
like "$(cat tok/log)" 'GET anonymous 200 repository:library/box:pull$' 'with a token for everybody'
run "$WHITTLE" login -u me -p 'wrong' "$token"
is "$status" 4 'login: the realm refuses'
like "$err" 'get a token from http.*: 401 UNAUTHORIZED: who are you' 'and is quoted'
nok 'nothing is kept' test -e "$config"
run "$WHITTLE" login -u me -p 'pass word' "$token"
is "$status" 0 'login'
like "$err" 'the token is kept readable' 'keeps what the realm gave to be kept'
is "$(jq -r '.auths[] | .identitytoken, .auth' "$config" | paste -sd' ')" "refresh-me-0123456789 $(printf me: | base64)" 'and no password'
: >tok/log
push "$from" "$token/library/box:2"
is "$status" 0 'which is enough for a push'
like "$(cat tok/log)" 'POST refresh:refresh-me-0123456789 200 repository:library/box:pull,push' 'by OAuth 2'
printf '{"auths":{"%s":{"identitytoken":"stale"}}}' "$token" >"$config"
push "$from" "$token/library/box:3"
like "$status $err" '^4 error: .*that token is not ours' 'one that is stale'
like "$err" "hint: its token is refused: log in again" 'has a hint'
rm "$config"
token_start "$T/tok2" 'me:pw' --access-token --silent || { echo 'Bail out! no token server'; exit 1; }
pids+=("$TOKEN_PID")
registry token2 token "$TOKEN_REALM" "$T/tok2/root.pem"
run "$WHITTLE" login -u me -p pw "$token2"
is "$status" 0 'a realm that says access_token'
is "$(jq -r '.auths[].auth' "$config" | base64 -d)" me:pw 'and gives nothing to keep: then it is the password'
push "$from" "$token2/library/box:1"
is "$status" 0 'push'
run "$WHITTLE" logout "$token2"
# Slow enough to outlive a token of two seconds.
token_start "$T/tok3" 'me:pw' --life 2 || { echo 'Bail out! no token server'; exit 1; }
pids+=("$TOKEN_PID")
registry token3 token "$TOKEN_REALM" "$T/tok3/root.pem"
front slow "$token3" --slow 1.2
basic "$slow" 'me:pw' >"$config"
push "$from" "$slow/library/box:1"
is "$status" 0 'tokens that end before the push does'
ok 'are renewed' test "$(grep -c 'GET basic:me 200' tok3/log)" -gt 1
unlike "$(cat f-slow/log)" ' 401 Bearer' 'before anybody refuses them'
rm "$config"

# ---- whom a login is shown to ----

# A mirror that wants a token, and one behind which is a registry with a password. Neither sees the login of what it mirrors.
front curious "$plain" --token 'tester:geheim: ü'
front spy "$locked"
basic 'https://index.docker.io/v1/' 'tester:geheim: ü' >"$config"
mirrors 127.0.0.1:1 "$spy" "$curious" >conf
fresh
pull box:1
is "$status $out" "0 $want" 'mirrors with logins of their own'
like "$(cat f-spy/log)" 'FRONT GET .* 401 -' 'the first wants a password'
unlike "$(cat f-spy/log f-curious/log)" 'Basic' "and none gets docker.io's"
basic "$locked" 'tester:geheim: ü' >"$config"
mirrors "$locked" "$spy" "$curious" >conf
: >f-spy/log
: >f-curious/log
fresh
pull box:none
is "$status" 1 'in the end the registry itself is asked'
like "$err" 'get manifest library/box:none: 404' 'with its login'
unlike "$(cat f-spy/log f-curious/log)" 'Basic' 'which no mirror was shown'
basic "$spy" 'tester:geheim: ü' >"$config"
mirrors 127.0.0.1:1 "$spy" >conf
: >f-spy/log
fresh
pull box:1
is "$status" 0 "a mirror's own login"
like "$(cat f-spy/log)" 'FRONT GET .* 200 Basic' 'is for it'
rm "$config"
mirrors 127.0.0.1:1 "$spy/hub" >conf
fresh
pull box:1
is "$status" 4 'a mirror that wants a login beside a registry that is not reached'
like "$err" "mirror $spy/hub/library/box: get manifest library/box:1: 401" 'it is told where it was asked'
like "$err" "^hint: no login for $spy was found" 'and what it lacks'
front away "$plain" --token 'me:secret' --redirect
basic "$away" 'me:secret' >"$config"
mirrors 127.0.0.1:1 "$away" >conf
fresh
pull box:1
is "$status" 0 'a mirror whose blobs are elsewhere'
like "$(cat f-away/log)" "OTHER GET /v2/library/box/blobs/$layer 200 -" 'where no login goes'
printf '[[registry]]\nprefix = "127.0.0.1:1"\nlocation = "%s"\n' "$spy" >conf
: >f-spy/log
login -u me -p 'only for one' 127.0.0.1:1
isnt "$status" 0 'a login to a host whose repositories are elsewhere'
is "$(cat f-spy/log)" '' 'is not shown to that'
rm "$config"

# ---- TLS ----

ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=whittle-test-$1" -keyout "$1.key" -out "$1.pem" 2>/dev/null; }
cert() { # NAME CA SUBJECT EXTENSIONS
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	printf '%s\n' "$4" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}
ca one
ca two
cert server one localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1'
cert client two me 'extendedKeyUsage=clientAuth'
registry tls tls "$T/server.pem" "$T/server.key"
: >conf
push "$from" "$tls/library/box:1"
is "$status" 4 'a certificate of a CA that nobody knows'
like "$err" 'hint: put its CA into ~/.config/containers/certs.d/' 'has a hint'
mkdir -p "$HOME/.config/containers/certs.d/$tls"
cp one.pem "$HOME/.config/containers/certs.d/$tls/ca.crt"
push "$from" "$tls/library/box:1"
is "$status" 0 "a CA in containers' certs.d"
fresh
pull "$tls/library/box:1"
is "$status $out" "0 $want" 'there and back'
cp two.pem "$HOME/.config/containers/certs.d/$tls/ca.crt"
fresh
pull "$tls/library/box:1"
like "$status $err" '^4 error: .*certificate' 'another CA does not do'
mkdir -p "$HOME/.config/docker/certs.d/$tls"
cp one.pem "$HOME/.config/docker/certs.d/$tls/mine.crt"
pull "$tls/library/box:1"
is "$status" 0 "docker's certs.d, and both count"
rm -r "$HOME/.config/containers/certs.d" "$HOME/.config/docker/certs.d"
fresh
SSL_CERT_FILE=$T/one.pem pull "$tls/library/box:1"
is "$status" 0 'SSL_CERT_FILE'
mkdir -p "$HOME/.config/containers/certs.d/$tls"
cp two.pem "$HOME/.config/containers/certs.d/$tls/ca.crt"
fresh
SSL_CERT_FILE=$T/one.pem pull "$tls/library/box:1"
is "$status" 0 'also beside a CA of the host'
echo rubbish >"$HOME/.config/containers/certs.d/$tls/ca.crt"
fresh
pull "$tls/library/box:1"
is "$status" 4 'a CA file without a certificate is no way in'
rm -r "$HOME/.config/containers/certs.d"
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$tls" >conf
pull "$tls/library/box:1"
is "$status" 0 'a host that a file calls insecure'
printf '[[registry]]\nlocation = "%s/library"\ninsecure = true\n' "$tls" >conf
pull "$tls/other/box:1"
like "$status $err" '^4 error: .*certificate' 'is that only as far as the file says'
: >conf
for of in "\"$tls\"" '"127.0.0.0/8"'; do
	printf '{"insecure-registries": [%s]}' "$of" >"$HOME/.config/docker/daemon.json"
	fresh
	pull "$tls/library/box:1"
	is "$status" 0 "insecure-registries: $of"
done
rm "$HOME/.config/docker/daemon.json"

registry mutual tls "$T/server.pem" "$T/server.key" clientca "$T/two.pem" -
dir=$HOME/.config/containers/certs.d/$mutual
mkdir -p "$dir"
cp one.pem "$dir/ca.crt"
push "$from" "$mutual/library/box:1"
is "$status" 4 'a registry that wants a certificate of ours'
like "$err" "registry $mutual: connect: " 'does not let us in'
cp client.pem "$dir/client.cert"
push "$from" "$mutual/library/box:1"
like "$status $err" "^4 error: .*$dir/client.cert has no client.key beside it" 'half of one is named'
cp client.key "$dir/client.key"
push "$from" "$mutual/library/box:1"
is "$status" 0 'it has it'
fresh
pull "$mutual/library/box:1"
is "$status $out" "0 $want" 'there and back'
ok 'skopeo takes the same directory' skopeo inspect --cert-dir "$dir" "docker://$mutual/library/box:1"
cert stranger one stranger 'extendedKeyUsage=clientAuth'
cp stranger.pem "$dir/client.cert" && cp stranger.key "$dir/client.key"
fresh
pull "$mutual/library/box:1"
is "$status" 4 'somebody else is not let in'

# ---- kinds of images ----

: >conf
config_blob=$base/blobs/sha256/$(jq -r .config.digest manifest | cut -d: -f2)
case $(jq -r '.layers[0].mediaType' manifest) in
*gzip) gzip -dc "$base/blobs/sha256/${layer#sha256:}" ;;
*zstd) zstd -dcq "$base/blobs/sha256/${layer#sha256:}" ;;
*) cat "$base/blobs/sha256/${layer#sha256:}" ;;
esac >layer.tar
gzip -nk layer.tar && zstd -qk layer.tar
oci=application/vnd.oci.image docker=application/vnd.docker
tool=$(tar -tf layer.tar | grep -m1 -E 'bin/busybox$')
tar -xOf layer.tar "$tool" >tool
kind() { # NAME FILE TYPE MANIFEST-TYPE CONFIG-TYPE
	put_blob "$plain" "$2" "kinds/$1" && put_blob "$plain" "$config_blob" "kinds/$1"
	jq -cn --arg c "$(digest "$config_blob")" --argjson cn "$(stat -c %s "$config_blob")" --arg l "$(digest "$2")" \
		--argjson ln "$(stat -c %s "$2")" --arg t "$3" --arg m "$4" --arg ct "$5" \
		'{schemaVersion: 2, mediaType: $m, config: {mediaType: $ct, digest: $c, size: $cn}, layers: [{mediaType: $t, digest: $l, size: $ln}]}' >"m-$1"
	put_manifest "$plain" "m-$1" "kinds/$1" 1 "$4"
}
kind plain layer.tar $oci.layer.v1.tar $oci.manifest.v1+json $oci.config.v1+json
kind gzip layer.tar.gz $oci.layer.v1.tar+gzip $oci.manifest.v1+json $oci.config.v1+json
kind zstd layer.tar.zst $oci.layer.v1.tar+zstd $oci.manifest.v1+json $oci.config.v1+json
kind docker layer.tar.gz $docker.image.rootfs.diff.tar.gzip $docker.distribution.manifest.v2+json $docker.container.image.v1+json
jq -cn --arg d "$(digest m-docker)" --argjson n "$(stat -c %s m-docker)" --arg t $docker.distribution '{schemaVersion: 2,
	mediaType: ($t + ".manifest.list.v2+json"), manifests: [
	{mediaType: ($t + ".manifest.v2+json"), digest: $d, size: $n, platform: {os: "linux", architecture: "s390x"}},
	{mediaType: ($t + ".manifest.v2+json"), digest: $d, size: $n, platform: {os: "linux", architecture: "amd64"}}]}' >m-list
put_manifest "$plain" m-list kinds/docker list $docker.distribution.manifest.list.v2+json
mkdir kinds
for kind in plain:1 gzip:1 zstd:1 docker:1 docker:list "docker@$(digest m-list)" "zstd@$(digest m-zstd)"; do
	printf 'FROM scratch\nCOPY --from=%s/kinds/%s %s /tool\n' "$plain" "$kind" "/$tool" >kinds/Dockerfile
	fresh
	rm -rf kinds-out
	run "$WHITTLE" build -q --platform linux/amd64 --root "$T/st" -o type=local,dest=kinds-out kinds
	is "$status $(cmp tool kinds-out/tool && echo same)" '0 same' "files come out of $kind"
done

# ---- as an ordinary user ----

if is_root; then
	uhome=$UT/home
	mkdir -p "$uhome/.config/containers/certs.d/$tls" "$uhome/.config/containers/registries.conf.d"
	cp one.pem "$uhome/.config/containers/certs.d/$tls/ca.crt"
	mirrors 127.0.0.1:1 "$tls" | grep -v insecure >"$uhome/.config/containers/registries.conf.d/m.conf"
	chown -R "$TEST_USER" "$uhome"
	unset WHITTLE_REGISTRIES
	run as_user env HOME="$uhome" "$WHITTLE" pull -q --root "$UT/st" box:1
	is "$status $out" "0 $want" 'an ordinary user: a mirror, with a CA of their own'
	run as_user env HOME="$uhome" "$WHITTLE" login -u tester -p 'geheim: ü' "$locked"
	is "$status $(stat -c '%U %a' "$uhome/.docker/config.json")" "0 $(id -un "$TEST_USER") 600" 'login'
	run as_user env HOME="$uhome" "$WHITTLE" push -q --root "$UT/st" box:1 "$locked/user/box:1"
	is "$status" 0 'and push'
	run unshare -m sh -c 'mount -t tmpfs none /etc/ssl/certs && exec "$@"' sh "$WHITTLE" pull -q --root "$T/st-bare" "$plain/library/box:1"
	is "$status $out" "0 $want" 'a machine without certificates: a registry on loopback speaks plain HTTP'
	run env HOME="$uhome" "$WHITTLE" logout "$locked"
	is "$status $(stat -c '%U %a' "$uhome/.docker/config.json")" "0 $(id -un "$TEST_USER") 600" 'a file stays whose it was, when root writes it'
fi
done_testing

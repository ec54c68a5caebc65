#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ADD of URLs and repositories, and contexts from there or from standard input, with a web server and real git behind it.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/remote-lib.sh"
for program in git python3 openssl; do
	command -v $program >/dev/null || skip_all "needs $program"
done
if is_root; then
	chmod 777 "$T"
	make_user
fi
unset GIT_DIR GIT_CONFIG_COUNT SSH_AUTH_SOCK http_proxy HTTP_PROXY ALL_PROXY SSL_CERT_FILE

# ---- the server ----

mkdir -p srv/www
openssl req -x509 -newkey rsa:2048 -nodes -keyout srv/key.pem -out srv/cert.pem -days 2 -subj /CN=localhost \
	-addext subjectAltName=IP:127.0.0.1,DNS:localhost 2>/dev/null
mkfifo srv/alive
python3 "$SRC/tests/tools/remote_server.py" "$T/srv" "$T/srv/cert.pem" "$T/srv/key.pem" <srv/alive 2>srv/errors &
SERVER_PID=$!
exec 8>srv/alive
on_exit 'exec 8>&-; wait "$SERVER_PID" 2>/dev/null'
for i in $(seq 100); do
	[ ! -f srv/ports ] || break
	sleep 0.1
done
read -r port other tls <srv/ports || { echo 'Bail out! no server'; cat srv/errors; exit 1; }
url=http://127.0.0.1:$port
asked() { # ERE: how often
	grep -cE "$1" srv/log || true
}
forget() { : >srv/log; }

# ---- helpers ----

# from_input FILE CONTEXT [OPTION…]: the same with this as standard input
from_input() {
	local input=$1 context=$2

	shift 2
	rm -rf out/from
	# shellcheck disable=SC2016
	run bash -c 'exec "$@" <"$0"' "$input" "$WHITTLE" build -q --root "$T/st" -o "type=local,dest=$T/out/from" "$@" "$context"
}
fresh() { remove_tree "$T/st"; }
sha() { sha256sum "$1" | cut -d' ' -f1; }
when() { stat -c %Y "$1"; }
mode() { stat -c %a "$1"; }
tell() { printf '%s' "$2" >"srv/www/$1"; }
mkdir -m 777 ctx out

# ---- a URL ----

tell foo 'first'
touch -d '2001-02-03 04:05:06 UTC' srv/www/foo
add="FROM scratch
ADD $url/f/foo /x/"
build url <<<"$add"
is "$status" 0 'ADD of a URL'
is "$(cat out/url/x/foo)" first 'its content'
is "$(mode out/url/x/foo)" 600 'mode'
is "$(when out/url/x/foo)" "$(date -d '2001-02-03 04:05:06 UTC' +%s)" 'time of Last-Modified'
build url <<<"$add"
is "$status $(asked '^GET /f/foo 200') $(asked '^GET /f/foo 304')" '0 1 1' 'the second build asks whether it changed'
tell foo 'second'
build url <<<"$add"
is "$(cat out/url/x/foo)" second 'when it did, the new content comes'
forget
touch -d '2002-02-03 04:05:06 UTC' srv/www/foo
build url --progress plain <<<"$add"
run "$WHITTLE" build --root "$T/st" ctx/url
like "$err" 'ADD http://127.*/f/foo /x/' 'progress names the step'
like "$err" 'CACHED' 'which is cached while the content is the same'
like "$err" 'at hand, 6 bytes' 'and says how much is at hand'

for kind in lm deaf weak plain; do
	forget
	tell "k-$kind" body
	touch -d '2001-01-01 UTC' "srv/www/k-$kind"
	build kind <<<"FROM scratch
ADD $url/$kind/k-$kind /"
	build kind <<<"FROM scratch
ADD $url/$kind/k-$kind /"
	is "$status $(cat "out/kind/k-$kind")" '0 body' "a server of the kind \"$kind\""
	tell "k-$kind" other
	build kind <<<"FROM scratch
ADD $url/$kind/k-$kind /"
	is "$(cat "out/kind/k-$kind")" other 'and what it says next'
done
is "$(when out/kind/k-plain)" 0 'without Last-Modified the time is 1970'

forget
build twice <<<"FROM scratch AS a
ADD $url/plain/foo /a
FROM scratch
ADD $url/plain/foo /b
COPY --from=a /a /c"
is "$status $(asked /plain/foo)" '0 1' 'one build asks once'

# ---- where to, as what ----

tell 'a b' spaced
names="FROM scratch
ADD $url/f/foo?x=/y#z /q/
ADD $url/f/foo /renamed
ADD --chmod=755 --chown=7:8 $url/f/foo /run
ADD $url /root/
ADD [\"$url/f/a%20b\", \"/s/\"]
ARG WHAT=f/foo
ADD $url/\${WHAT} /v/"
build names <<<"$names"
is "$status" 1 'a server that has no page of its own'
like "$err" 'get http://127\.0\.0\.1:[0-9]*: invalid response status 404 \(not found\)' 'is told in a line'
tell index page
build names <<<"$names"
is "$status" 0 'names'
is "$(cd out/names && find . -type f | sort | xargs -d '\n' echo)" './q/foo ./renamed ./root/__unnamed__ ./run ./s/a b ./v/foo' 'of what the path ends with'
is "$(mode out/names/run)" 755 '--chmod'
run "$WHITTLE" build -q --root "$T/st" -o type=tar,dest=names.tar ctx/names
is "$(tar -tvf names.tar --numeric-owner run | awk '{ print $2 }')" 7/8 '--chown'
run "$WHITTLE" build -q --root "$T/st" -o type=oci,dest=names.oci,tar=false ctx/names
config=$(jq -r '.manifests[0].digest' names.oci/index.json | cut -d: -f2)
config=$(jq -r .config.digest "names.oci/blobs/sha256/$config" | cut -d: -f2)
is "$(jq -r '.history[0].created_by' "names.oci/blobs/sha256/$config")" "ADD $url/f/foo?x=/y#z /q/ # buildkit" 'history'
is "$(jq -r '.history[2].created_by' "names.oci/blobs/sha256/$config")" "ADD --chown=7:8 --chmod=755 $url/f/foo /run # buildkit" 'with flags'

mkdir -p tree/d && echo in >tree/d/in && tar -C tree -czf srv/www/t.tgz d
echo local >tree/local
mkdir -p ctx/unpack && cp tree/local ctx/unpack && cp srv/www/t.tgz ctx/unpack/l.tgz
build unpack <<<"FROM scratch
ADD $url/f/t.tgz /as-is/
ADD --unpack=true $url/f/t.tgz /opened/
ADD --unpack $url/f/foo /no-archive/
ADD l.tgz $url/f/t.tgz local /mixed/
ADD --unpack=false l.tgz /closed/"
is "$status" 0 'archives'
is "$(cd out/unpack && find . -type f | sort | xargs echo)" \
	'./as-is/t.tgz ./closed/l.tgz ./mixed/d/in ./mixed/local ./mixed/t.tgz ./no-archive/foo ./opened/d/in' \
	'from a URL are unpacked when asked for, local ones unless not'
ok 'bytes stay as they are' cmp srv/www/t.tgz out/unpack/as-is/t.tgz

base=$(test_base busybox) || { echo 'Bail out! no base'; exit 1; }
build link --build-context "b=oci-layout://$base" <<<"FROM b
ADD --link $url/f/foo /linked/
RUN [ \"\$(cat /linked/foo)\" = second ] && stat -c '%u:%g %a' /linked/foo >/said"
is "$status $(cat out/link/said)" '0 0:0 600' '--link, and a RUN that reads it'

# ---- checksums ----

sum=sha256:$(sha srv/www/foo)
fresh
forget
build sum <<<"FROM scratch
ENV SUM=$sum
ADD --checksum=\${SUM} $url/f/foo /"
is "$status $(cat out/sum/foo)" '0 second' '--checksum'
build sum <<<"FROM scratch
ADD --checksum=$sum $url/f/foo /again"
is "$status $(asked /f/foo)" '0 1' 'what is pinned and at hand is not asked for'
build sum <<<"FROM scratch
ADD --checksum=$sum http://127.0.0.1:1/nobody /"
is "$status $(cat out/sum/nobody)" '0 second' 'wherever it is said to be'
build sum <<<"FROM scratch
ADD --checksum=sha512:$(sha512sum srv/www/foo | cut -d' ' -f1) $url/plain/foo /a
ADD --checksum=sha384:$(sha384sum srv/www/foo | cut -d' ' -f1) $url/plain/foo /b"
is "$status $(cat out/sum/a out/sum/b)" '0 secondsecond' 'sha512, sha384'
forget
build sum <<<"FROM scratch
ADD --checksum=sha512:$(sha512sum srv/www/foo | cut -d' ' -f1) $url/plain/foo /a"
is "$status $(asked foo)" '0 0' 'are found at hand, too'
bad=sha256:$(printf '%064d' 0)
build sum <<<"FROM scratch
ADD --checksum=$bad $url/f/foo /"
is "$status" 1 'another body'
like "$err" "digest mismatch for $url/f/foo: $sum \(expected: $bad\)" 'both digests are told'
like "$err" 'Dockerfile:2' 'and the line'
while IFS='|' read -r flag source want; do
	build wrong <<<"FROM scratch
ADD --checksum=$flag $source /"
	is "$status" 2 "--checksum=$flag $source"
	like "$err" "$want" "  $want"
done <<EOT
md5:7e55db001d319a94b0b713529a756623|$url/f/foo|unsupported digest algorithm
unknown:00|$url/f/foo|unsupported digest algorithm
${sum#sha256:}|$url/f/foo|invalid checksum digest format
sha256:12|$url/f/foo|invalid checksum digest length
$sum|foo|checksum requires HTTP\(S\) or Git sources
$sum|$url/f/foo $url/f/bar|checksum can't be specified for multiple sources
foobar|$url/git/r.git|invalid checksum foobar for Git URL, expected hex commit hash
EOT

# ---- ways and troubles ----

build to <<<"FROM scratch
ADD $url/to?/to?http://localhost:$other/f/foo /to"
is "$status $(cat out/to/to)" '0 second' 'redirects, to another server, too'
while IFS='|' read -r path want; do
	build trouble <<<"FROM scratch
ADD $url/$path /"
	isnt "$status" 0 "/$path"
	like "$err" "$want" '  says so'
	is "$(grep -c '^error' <<<"$err")" 1 '  in one line'
done <<EOT
loop|redirected more than 10 times
to?file:///etc/passwd|redirected to "file:///etc/passwd", which is no http or https URL
to?ftp://127.0.0.1/x|no http or https URL
status/404|invalid response status 404 \(not found\)
status/500|invalid response status 500
status/204|invalid response status 204
short/none|invalid response status 404
auth/foo|invalid response status 401 \(unauthorized\)
EOT
build trouble <<<"FROM scratch
ADD http://127.0.0.1:1/x /"
is "$status" 4 'nobody there'
tell big "$(seq 20000)"
build trouble <<<"FROM scratch
ADD $url/break/big $url/busy/foo /d/"
is "$status" 0 'a connection that breaks, a server that is busy: asked again'
ok 'what came is whole' cmp srv/www/big out/trouble/d/big
is "$(find st/sources/files -name 'body-*' | wc -l) $(cd st/sources/files && sha256sum * | awk '$1 != $2' | wc -l)" '0 0' 'bodies are what their names say'

# ---- logins ----

forget
build auth <<<"FROM scratch
ADD http://who:pass%20word@127.0.0.1:$port/auth/foo /"
is "$status $(cat out/auth/foo)" '0 second' 'user and password of the URL'
unlike "$all" 'pass%20word' 'are not shown'
printf 'sesame\n' >token
build auth --secret id=HTTP_AUTH_TOKEN_127.0.0.1,src=token <<<"FROM scratch
ADD $url/auth/foo /x"
is "$status" 0 'a token from a secret'
forget
build auth --secret id=HTTP_AUTH_HEADER_127.0.0.1,src=token <<<"FROM scratch
ADD $url/to?http://127.0.0.1:$other/f/index /"
is "$status $(asked '^GET /to\?.*\+auth') $(asked '^GET /f/index.*\+auth')" '0 1 0' 'goes to no other server'
ok 'no token in the store' sh -c '! grep -rqF sesame st'

# ---- TLS ----

build tls <<<"FROM scratch
ADD https://127.0.0.1:$tls/f/foo /"
is "$status" 4 'a certificate that nobody knows'
like "$err" 'certificate' 'is the reason'
export SSL_CERT_FILE=$T/srv/cert.pem
build tls <<<"FROM scratch
ADD https://127.0.0.1:$tls/f/foo /"
is "$status $(cat out/tls/foo)" '0 second' 'one of $SSL_CERT_FILE'
unset SSL_CERT_FILE

# ---- repositories ----

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
commit() { # REPO DATE MESSAGE
	git -C "$1" add -A && GIT_AUTHOR_DATE="@$2 +0000" GIT_COMMITTER_DATE="@$2 +0000" git -C "$1" commit -qm "$3"
}
make_repos() { # FORMAT: r.git, m.git (a submodule) below srv/www
	git -c init.defaultBranch=trunk init -q --object-format="$1" m
	echo 123 >m/file && commit m 1000000001 sub
	git -c init.defaultBranch=trunk init -q --object-format="$1" r
	mkdir -p r/sub/deep && echo base >r/foo && echo deep >r/sub/deep/x && ln -s foo r/link && ln -s sub r/linkdir && ln -s / r/out
	printf '#!/bin/sh\n' >r/run && chmod 755 r/run
	printf 'FROM scratch AS withgit\nCOPY .git/HEAD out\nFROM scratch AS withsubmod\nCOPY submod/file out\nFROM scratch\nCOPY foo out\n' >r/Dockerfile
	git -C r -c protocol.file.allow=always submodule --quiet add "$T/m" submod
	git -C r config -f .gitmodules submodule.submod.url ../m.git
	commit r 1000000002 initial
	git -C r tag v0.0.1 && git -C r branch base
	git -C r checkout -qb feature && echo feature >r/foo && echo subfeature >r/sub/foo && cp r/Dockerfile r/sub/ && commit r 1000000003 feature
	git -C r checkout -qB trunk base && echo v0.0.2 >r/foo && commit r 1000000004 v0.0.2 && git -C r tag v0.0.2
	GIT_COMMITTER_DATE='@1000000005 +0000' git -C r tag -am annotated noted
	git -C r branch both && echo both >r/foo && commit r 1000000006 both && git -C r tag both
	echo latest >r/foo && commit r 1000000007 latest && git -C r tag latest
	rm -rf srv/www/r.git srv/www/m.git
	git clone -q --bare r srv/www/r.git && git clone -q --bare m srv/www/m.git
	for i in r m; do
		git -C srv/www/$i.git update-server-info
	done
}
make_repos sha1
repo=$url/git/r.git
v2=$(git -C r rev-parse v0.0.2) latest=$(git -C r rev-parse latest)

build git <<<"FROM scratch
ADD $repo#v0.0.2 /x"
is "$status" 0 'ADD of a repository'
is "$(cat out/git/x/foo)" v0.0.2 'at a tag'
is "$(cat out/git/x/submod/file)" 123 'with its submodule'
is "$(find out/git/x -name .git | wc -l)" 0 'without a repository'
is "$(mode out/git/x/foo) $(mode out/git/x/run) $(mode out/git/x/sub) $(readlink out/git/x/link)" '644 755 755 foo' 'modes, links'
is "$(find out/git/x ! -newermt @1000000004 ! -newermt @1000000003 | wc -l) $(when out/git/x/sub/deep/x) $(when out/git/x/submod)" '0 1000000004 1000000004' 'all of the time of the commit'
umask 077
ST=$T/st-umask build umask <<<"FROM scratch
ADD $repo#v0.0.2 /x"
umask 022
is "$(mode out/umask/x/foo) $(mode out/umask/x/run) $(mode out/umask/x/sub)" '644 755 755' 'whatever the umask'
a=$(run "$WHITTLE" build -q --root "$T/st" ctx/git; echo "$out")
is "$(run "$WHITTLE" build -q --root "$T/st-umask" ctx/git; echo "$out")" "$a" 'the same image from another store'

check_refs() { # as ADD and as context: the table of what addresses mean
	while IFS='|' read -r what tail target want; do
		build ref ${target:+--target "$target"} <<<"FROM scratch AS main
ADD $1$tail /repo/
FROM scratch AS withsubmod
COPY --from=main /repo/submod/file /repo/foo
FROM scratch AS withgit
COPY --from=main /repo/.git/HEAD /repo/foo
FROM main"
		check_ref "$2 ADD: $what" "$want" out/ref/repo/foo
		from "$1$tail" ${target:+--target "$target"}
		check_ref "$2 context: $what" "$want" out/from/out
	done <<EOT
old style|#v0.0.2||v0.0.2
HEAD|||latest
a query's ref|?ref=base||base
branch|?branch=base||base
no such branch|?branch=invalid||!repository does not contain ref
a tag as a branch|?branch=v0.0.2||!repository does not contain ref
both ways|?tag=v0.0.2#refs/tags/v0.0.2||v0.0.2
commit|?commit=$latest||latest
another commit, short|?commit=${v2:0:8}||!expected checksum to match
commit, short|?commit=${latest:0:8}||latest
a commit as ref|?ref=$v2||v0.0.2
a short commit as ref|?ref=${v2:0:8}||!repository does not contain ref
tag and its commit|?tag=v0.0.2&commit=$v2||v0.0.2
tag and another commit|?tag=v0.0.2&commit=$latest||!expected checksum to match
commit twice|?ref=$v2&commit=$v2||v0.0.2
annotated tag|#noted||v0.0.2
annotated tag and its commit|?tag=noted&commit=$v2||v0.0.2
branch before tag|#both||v0.0.2
the tag by its full name|#refs/tags/both||both
conflict|?tag=v0.0.2#refs/heads/trunk||!ref conflicts
subdirectory|#feature:sub||subfeature
subdirectory by query|?subdir=sub&ref=feature||subfeature
subdirectory of a link|#feature:linkdir||!contains non-directory
no such subdirectory|#feature:none||!no directory "none"
by commit alone|?fetch-by-commit=true&checksum=$v2#refs/heads/made-up||v0.0.2
by a short commit alone|?fetch-by-commit&checksum=${v2:0:8}||!fetch-by-commit requires a full commit
with .git|?keep-git-dir=true|withgit|$latest
with .git of a tag|?tag=v0.0.2&keep-git-dir|withgit|$v2
without .git||withgit|!\.git/HEAD": not found
without .git, said so|?keep-git-dir=false|withgit|!\.git/HEAD": not found
submodule||withsubmod|123
submodule, said so|?submodules=true|withsubmod|123
no submodule|?submodules=false|withsubmod|!submod/file": not found
unknown query|?invalid=1||!unexpected query "invalid"
EOT
}
check_ref() { # DESC WANT FILE
	case $2 in
	!*)
		isnt "$status" 0 "$1"
		like "$err" "${2#!}" "  ${2#!}"
		;;
	*) is "$status $(cat "$3" 2>&1)" "0 $2" "$1" ;;
	esac
}
fresh
check_refs "$repo" smart
for way in "$url/www/r.git dumb" "$url/old/r.git old"; do
	read -r address name <<<"$way"
	fresh
	build "$name" <<<"FROM scratch
ADD $address#v0.0.2 /tag
ADD $address?ref=$v2 /commit
ADD $address /head
ADD --keep-git-dir $address#noted /kept"
	is "$status $(cat out/$name/tag/foo out/$name/commit/foo out/$name/head/foo out/$name/kept/submod/file | xargs)" '0 v0.0.2 v0.0.2 latest 123' "a server that is $name"
done

# ---- a repository that stays ----

build kept <<<"FROM scratch
ADD --keep-git-dir=true --chown=4242:8484 --checksum=$v2 $repo#v0.0.2 /r
ADD --keep-git-dir $repo#noted /noted
ADD --keep-git-dir $repo /head
ADD --keep-git-dir $repo#feature:sub /sub"
is "$status" 0 '--keep-git-dir'
git config --file safe safe.directory '*'
export GIT_CONFIG_GLOBAL=$T/safe
is "$(git -C out/kept/r status -s) $(git -C out/kept/r rev-parse HEAD refs/heads/v0.0.2 | sort -u)" " $v2" 'is a clean repository at the tag'
is "$(git -C out/kept/noted cat-file -t refs/tags/noted) $(git -C out/kept/noted status -s)" 'tag ' 'of an annotated one'
is "$(git -C out/kept/head rev-parse refs/heads/trunk) $(git -C out/kept/head config remote.origin.url)" "$latest $repo" 'or of HEAD, and says where it came from'
is "$(git -C out/kept/head/submod rev-parse HEAD)" "$(git -C m rev-parse HEAD)" 'its submodule has one, too'
nok 'a part of the tree has none' test -e out/kept/sub/.git
export GIT_CONFIG_GLOBAL=/dev/null
a=$(cd out/kept/head && sha256sum .git/index .git/objects/pack/*.pack)
fresh
build kept <<<"FROM scratch
ADD --keep-git-dir $repo /head"
is "$(cd out/kept/head && sha256sum .git/index .git/objects/pack/*.pack)" "$a" 'made again it is the same'
build kept <<<"FROM scratch
ADD --keep-git-dir=false $repo?keep-git-dir=true /"
like "$err" 'inconsistent keep-git-dir configuration' 'flag and address must agree'

# ---- what is asked ----

fresh
forget
build ask <<<"FROM scratch
ADD $repo#base /a
ADD $repo#base:sub /b"
is "$status $(asked 'GET /git/r.git/info/refs')" '0 2' 'a branch is looked up once a build, and fetched once'
forget
build ask <<<"FROM scratch
ADD $repo#base /other"
is "$status $(asked 'POST.*upload-pack') $(asked 'GET /git/r.git/info/refs')" '0 1 1' 'known: looked up, not fetched'
forget
build ask <<<"FROM scratch
ADD $repo?ref=$v2 /a"
build ask <<<"FROM scratch
ADD $repo?ref=$v2 /b
ADD --checksum=$(git -C r rev-parse base) $repo#base /c"
is "$status" 0 'a commit at hand'
forget
build ask <<<"FROM scratch
ADD $repo?ref=$v2 /b2
ADD --checksum=$(git -C r rev-parse base) $repo#base /c2"
is "$status $(wc -c <srv/log)" '0 0' 'pinned and at hand: nobody is asked'
git -C r checkout -qf base && echo moved >r/foo && commit r 1000000100 moved && git -C r push -q "$T/srv/www/r.git" base
build ask <<<"FROM scratch
ADD $repo#base /a"
is "$status $(cat out/ask/a/foo)" '0 moved' 'a branch that moved'
git -C r checkout -q --orphan fresh-start && echo orphan >r/foo && commit r 1000000200 orphan && git -C r push -qf "$T/srv/www/r.git" HEAD:base
build ask <<<"FROM scratch
ADD $repo#base /a"
is "$status $(cat out/ask/a/foo)" '0 orphan' 'one with another history'

# ---- what may not be ----

for remote in file://$T/r/.git $T/r/.git ext::sh%20-c%20id.git; do
	mkdir -p ctx/never
	build never <<<"FROM scratch
ADD $remote /x"
	isnt "$status" 0 "$remote is no remote"
done
build never <<<"FROM scratch
ADD $repo#--upload-pack=touch\${IFS}$T/pwned /"
isnt "$status" 0 'an option as a ref'
like "$err" 'invalid git ref' 'is none'
nok 'nothing was run' test -e pwned
git -c init.defaultBranch=evil init -q h
printf '[submodule "x"]\n\tpath = x\n\turl = %s\n' "$T/m" >h/.gitmodules
git -C h update-index --add --cacheinfo "160000,$(git -C m rev-parse HEAD),x"
git -C h add .gitmodules && git -C h commit -qm evil && git clone -q --bare h srv/www/h.git
build never <<<"FROM scratch
ADD $url/git/h.git#evil /x"
isnt "$status" 0 'a submodule on this machine'
like "$err" "transport 'file' not allowed|not allowed" 'is not read'
forget
build auth <<<"FROM scratch
ADD $url/private/r.git#v0.0.1 /"
isnt "$status" 0 'a private repository'
like "$err" 'GIT_AUTH_TOKEN' 'the hint says how'
build auth --secret id=GIT_AUTH_TOKEN.127.0.0.1:$port,src=token <<<"FROM scratch
ADD $url/private/r.git?submodules=0#v0.0.1 /x"
is "$status" 0 'with a token of the host'
build auth --secret id=GIT_AUTH_TOKEN,src=token <<<"FROM scratch
ADD $url/private/r.git?submodules=0#v0.0.1 /y
ADD $url/private/r.git?submodules=0#v0.0.2 /z"
is "$status" 0 'with a token'
build auth <<<"FROM scratch
ADD --keep-git-dir http://x-access-token:sesame@127.0.0.1:$port/private/r.git?submodules=0#latest /y"
is "$status" 0 'with one in the address'
unlike "$(cat out/auth/y/.git/config)" sesame 'which is not kept'
ok 'nor anywhere beside it' sh -c '! grep -rqF sesame st/sources'
forget
build moved --secret id=GIT_AUTH_TOKEN,src=token <<<"FROM scratch
ADD $url/moved/git/r.git?submodules=0#v0.0.1 /x"
is "$status" 0 'a repository that has moved to another server'
is "$(asked 'GET /moved/.*\+auth') $(asked ' /git/.*\+auth')" '1 0' 'which the token is not for'
build moved --secret id=GIT_AUTH_TOKEN,src=token <<<"FROM scratch
ADD $url/moved/private/r.git?submodules=0#v0.0.1 /x"
isnt "$status" 0 'where it wants one'
like "$err" '^hint: the address redirects, and logins are not sent after it' 'the hint says why it gets none'

# ---- damage, death, company ----

for f in $(find st/sources/git -name '*.pack' -o -path '*/objects/??/*'); do
	chmod 644 "$f" && echo junk >"$f"
done
rm -rf st/sources/trees
build damage <<<"FROM scratch
ADD $repo#feature /x"
is "$status $(cat out/damage/x/foo)" '0 feature' 'a broken repository in the store is made anew'
damage="FROM scratch
ADD $repo#feature /x
ADD $url/f/foo /"
build damage <<<"$damage"
find st/sources/http st/sources/refs st/sources/sums -type f -exec sh -c 'echo "{" >"$1"' _ {} \;
build damage <<<"$damage"
is "$status" 0 'so are records'
tell slow "$(seq 100000)"
rm -rf ctx/slow && mkdir ctx/slow && printf 'FROM scratch\nADD %s/stall/slow /\n' "$url" >ctx/slow/Dockerfile
forget
setsid "$WHITTLE" build -q --root "$T/st" ctx/slow 2>slow.err 8>&- &
pid=$!
for i in $(seq 100); do
	[ "$(asked stall)" = 0 ] || break
	sleep 0.1
done
kill -TERM $pid # a shell's background jobs are deaf to SIGINT
wait $pid
is "$?" 143 'a signal in the middle of a download'
: >srv/www/slow.go
is "$(find st/sources/files -size -100 -newer slow.err | wc -l)" 0 'leaves no half of it'
rm -f srv/www/slow.go
forget
setsid "$WHITTLE" build -q --root "$T/st" ctx/slow 2>slow.err 8>&- &
pid=$!
for i in $(seq 100); do
	[ "$(asked stall)" = 0 ] || break
	sleep 0.1
done
kill -KILL $pid
wait $pid 2>/dev/null
: >srv/www/slow.go
is "$(cd st/sources/files && sha256sum * | awk '$1 != $2' | wc -l)" 0 'nor does kill -9'
fresh
for i in 1 2 3; do
	"$WHITTLE" build -q --root "$T/st" ctx/git >par.$i 2>&1 8>&- &
	pids[i]=$!
done
for i in 1 2 3; do
	wait "${pids[i]}"
	is "$?" 0 "three at once: $i"
done
fresh
for i in 1 2 3 4 5 6; do
	printf 'ADD %s/f/foo /%s\nADD %s#v0.0.%s /r%s\n' "$url/to?$url" "$i" "$repo" $((i % 2 + 1)) "$i"
done >many
{ echo 'FROM scratch'; cat many; } | build many
is "$status" 0 'many at once'

# ---- contexts ----

from "$repo#v0.0.2"
is "$status $(cat out/from/out)" '0 v0.0.2' 'a repository as the context'
from "$repo" --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=1 --target withgit
is "$status $(cat out/from/out)" "0 $latest" 'with its .git'
printf 'FROM scratch\nCOPY foo named\n' >other.df
git -C r checkout -qf trunk && cp other.df r/sub/df && echo '*' >r/.dockerignore && commit r 1000000300 df && git -C r push -q "$T/srv/www/r.git" trunk
from "$repo" -f sub/df
is "$status $(cat out/from/named)" '0 latest' '-f names a file inside; .dockerignore does not count'
from "$repo" -f "$T/other.df"
is "$status $(cat out/from/named)" '0 latest' 'or one of this machine'
from_input other.df "$repo" -f -
is "$status $(cat out/from/named)" '0 latest' 'or standard input'
printf 'FROM scratch\nADD %s#trunk /x\n' "$repo" >again.df
from_input again.df "$repo?fetch-by-commit=true&checksum=$v2#trunk" -f -
is "$status $(cat out/from/x/foo)" '0 latest' 'a commit that was given is not what its reference leads to'
from "$repo" -f nowhere
is "$status" 2 'or none'
like "$err" 'nowhere' 'which is said'

mkdir tarctx && printf 'FROM scratch\nCOPY --chown=1:1 foo a\nCOPY foo sub /\n' >tarctx/Dockerfile && echo tar >tarctx/foo && mkdir tarctx/sub && echo s >tarctx/sub/s
cp other.df tarctx/sub/df
echo foo >tarctx/.dockerignore
tar -C tarctx -cf srv/www/ctx.tar . && gzip -k srv/www/ctx.tar && xz -k srv/www/ctx.tar && bzip2 -k srv/www/ctx.tar
tar -C tarctx --zstd -cf srv/www/ctx.tar.zst .
for i in tar tar.gz tar.xz tar.bz2 tar.zst; do
	from "$url/f/ctx.$i"
	is "$status $(cat out/from/a out/from/s | xargs)" '0 tar s' "a $i as the context"
	from_input "srv/www/ctx.$i" -
	is "$status $(cat out/from/a out/from/s | xargs)" '0 tar s' '  on standard input'
done
from "$url/f/ctx.tar" -f sub/df
is "$status $(cat out/from/named)" '0 tar' '-f names a file inside'
from_input srv/www/ctx.tar - -f sub/df
is "$status $(cat out/from/named)" '0 tar' 'of standard input, too'
from "$url/f/ctx.tar" -f ../../etc/passwd
isnt "$status" 0 'but nothing outside'
printf 'FROM scratch\nCOPY context /c\n' >srv/www/df
from "$url/f/df" -f bogus
is "$status $(cat out/from/c)" "0 $(cat srv/www/df)" 'a Dockerfile from a URL, its context is itself'
printf 'FROM scratch\nADD %s/f/foo /\n' "$url" >plain.df
from_input plain.df -
is "$status $(cat out/from/foo)" '0 second' 'a Dockerfile on standard input'
from_input other.df -
isnt "$status" 0 'has nothing beside it'
like "$err" '"/foo": not found|foo' 'what is missing is named'
from_input plain.df - -f x
is "$status" 2 'and no -f'
like "$err" 'ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles' 'as buildx says'
from_input plain.df - -f -
like "$err" "can't use stdin for both build context and dockerfile" 'nor twice'
from_input /dev/null -
is "$status" 2 'empty standard input'
from_input other.df tarctx -f -
is "$status" 1 'a Dockerfile on standard input beside a directory'
like "$err" 'dockerignore' 'whose .dockerignore counts'
from tarctx -f "$url/f/df"
isnt "$status" 0 'a Dockerfile from a URL beside a directory'
like "$err" '"/context": not found|context' 'is read there'
from nowhere
is "$status" 2 'no such directory'

# ---- named contexts ----

build named --build-context "r=$repo#v0.0.2" --build-context "s=$repo#feature:sub" --build-context "u=$url/f/t.tgz" --build-context "b=oci-layout://$base" <<<"FROM r AS fromit
FROM s AS replaced
FROM b AS run
RUN --mount=from=r,target=/m --mount=from=u,source=context,target=/u.tgz [ \"\$(cat /m/foo)\" = v0.0.2 ] && tar xzf /u.tgz && cat /d/in >/said
FROM scratch
COPY --from=r foo /a
COPY --from=s /foo /b
COPY --from=u / /u/
COPY --from=run /said /said
COPY --from=fromit /sub/deep/x /x
COPY --from=replaced /foo /y"
is "$status $(cat out/named/a out/named/b out/named/said out/named/x out/named/y | xargs)" '0 v0.0.2 subfeature in deep subfeature' 'repositories and URLs as named contexts: COPY, mounts, FROM'
ok 'a URL is one file there' cmp srv/www/t.tgz out/named/u/context
build named --build-context "u=$url/f/t.tgz" <<<"FROM scratch
COPY --from=u /d/in /"
is "$status" 1 'what would be in the archive is not there'
like "$err" '"/d/in": not found in u$' 'says where it was looked for'
like "$err" '^hint: a build context from a URL holds one file, called "context"' 'and what is there'
echo here >tree/here
build named --build-context "b=oci-layout://$base" --build-context "d=tree" <<<"FROM d
COPY --from=b /bin/busybox /bin/sh
RUN echo \$(cat /here) >/said"
is "$status $(cat out/named/said)" '0 here' 'FROM of a directory can be built upon'
build named --build-context "r=$repo" <<<"FROM r"
is "$status $(cat out/named/foo)" '0 latest' 'and exported as it is'
forget
build unused --build-context "r=$repo" <<<'FROM scratch
COPY Dockerfile /'
is "$status $(wc -c <srv/log)" '0 0' 'a context that nobody uses is not fetched'
build named --build-context "r=$repo?x=1" <<<'FROM r'
is "$status" 2 'a wrong one'

# ---- an ordinary user ----

if is_root; then
	AS=as_user ST=$UT/st build user <<<"FROM scratch
ADD $url/f/foo /x/
ADD $repo#v0.0.2 /r
ADD --unpack=true $url/f/t.tgz /t/"
	is "$status $(cat out/user/x/foo out/user/r/foo out/user/t/d/in | xargs)" '0 secondv0.0.2 in' 'the same as an ordinary user'
	a=$(run "$WHITTLE" build -q --root "$T/st" ctx/user; echo "$out")
	is "$(run as_user "$WHITTLE" build -q --root "$UT/st" ctx/user; echo "$out")" "$a" 'and the same image'
fi
done_testing

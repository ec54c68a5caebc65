#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build --lock and --locked: what came from outside is written down, and a later build gets the same or fails. A package
# repository, a web server and a repository of git stand on loopback and change between the builds.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
base=$(test_base debian) || skip_all 'no Debian base'
ok 'dpkg-scanpackages is there' command -v dpkg-scanpackages
mkdir -p ctx root www/repo && chmod 755 ctx
more=(--network host)
export SOURCE_DATE_EPOCH=1700000000

# ---- the world outside ----

# deb NAME VERSION [CONTENT] [DEPENDS]: into the repository; the same words make the same bytes
deb() {
	rm -rf deb && mkdir -p "deb/DEBIAN" "deb/usr/share/$1"
	echo "${3:-$1 $2}" >"deb/usr/share/$1/f"
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: t\n%s' "$1" "$2" \
		"${4:+Depends: $4$'\n'}" >deb/DEBIAN/control
	touch -d @1600000000 deb/usr/share/"$1"/f
	SOURCE_DATE_EPOCH=1600000000 dpkg-deb --root-owner-group -b deb "www/repo/$1_$2_all.deb" >/dev/null
}
# The index is one file, so that apt finds it whole.
publish() {
	(cd www/repo && dpkg-scanpackages -m . >Packages 2>/dev/null)
}
sum_of() {
	echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"
}

cat >serve.py <<'PYTHON'
import functools, http.server, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=sys.argv[1]))
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 serve.py www >port 2>/dev/null &
on_exit "kill $!"
until [ -s port ]; do sleep 0.1; done
AT=http://127.0.0.1:$(cat port)

commit() { # TEXT: the repository's only file
	(
		cd git && echo "$1" >f && git add f
		GIT_AUTHOR_DATE='@1600000000 +0000' GIT_COMMITTER_DATE='@1600000000 +0000' \
			git -c user.name=T -c user.email=t@example.org commit -qm "$1"
		rm -rf ../www/x.git && git clone -q --bare . ../www/x.git && git -C ../www/x.git update-server-info
	)
}
git init -qb main git

# lists SELECT: of the image in out.tar
status_of() { # PACKAGE: its version in the image that the last build wrote
	tar -xOf "$dest" --wildcards 'var/lib/dpkg/status' './var/lib/dpkg/status' 2>/dev/null |
		awk -v p="$1" '$1 == "Package:" { on = $2 == p } on && $1 == "Version:" { print $2 }'
}
dockerfile() {
	cat <<-DOCKERFILE
		FROM base AS apt
		RUN echo 'deb [trusted=yes] $AT/repo ./' >/etc/apt/sources.list && rm -rf /etc/apt/sources.list.d/*
		FROM apt AS app
		RUN apt-get update && apt-get install -y first ${1-} tool && apt-get purge -y tool && rm -rf /var/lib/apt/lists/*
		ADD $AT/file /
		ADD $AT/x.git#main /x
		${2-}
	DOCKERFILE
}
packages() { # LOCK STAGE
	jq -r --arg s "$2" '.stages[] | select(.stage == $s).packages[] | [.type, .name, .version, .arch // "-", if .removed then "removed" else "" end] | join(" ") | rtrimstr(" ")' "$1"
}

# wheel VERSION, tarball VERSION: packages of Python and Node.js, installed by pip and npm of this machine into the context
wheel() {
	python3 - "$1" <<-'PYTHON'
		import sys, zipfile
		v = sys.argv[1]
		with zipfile.ZipFile(f"wheeled-{v}-py3-none-any.whl", "w") as z:
		    for name, text in (
		        ("wheeled.py", f"version = '{v}'\n"),
		        (f"wheeled-{v}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: wheeled\nVersion: {v}\n"),
		        (f"wheeled-{v}.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
		        (f"wheeled-{v}.dist-info/RECORD", ""),
		    ):
		        z.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
	PYTHON
	rm -rf ctx/site && python3 -m pip install -q --no-index --no-compile --disable-pip-version-check --root-user-action ignore \
		--target ctx/site "./wheeled-$1-py3-none-any.whl"
}
tarball() {
	rm -rf package ctx/js && mkdir -p package ctx/js
	printf '{"name":"@t/tarred","version":"%s"}' "$1" >package/package.json
	touch -d @1600000000 package/package.json
	tar -czf "tarred-$1.tgz" package
	(cd ctx/js && echo '{"name":"app","version":"0.0.1"}' >package.json &&
		npm install --silent --offline --no-audit --no-fund --cache "$T/npm" "$T/tarred-$1.tgz")
}

users=(root user)
is_root || users=(user)
for who in "${users[@]}"; do
	[ "$who" = root ] && dir=$T/root || dir=$UT
	lock=$dir/Dockerfile.lock
	dest=$dir/out.tar
	locked=(--locked --lock "$lock" -o "type=tar,dest=$dest")
	rm -f www/repo/*
	deb first 1.0 '' second
	deb second 1:1.0-1+b1
	deb tool 3
	publish
	echo one >www/file
	commit one
	cp "$T/git/.git/refs/heads/main" head

	# ---- written ----
	build "$who" -t plain < <(dockerfile)
	is "$status" 0 "$who: a build without a lock"
	build "$who" --lock "$lock" -t written -o "type=tar,dest=$dest" < <(dockerfile)
	is "$status" 0 "$who: --lock: exit code"
	fits build-lock-1 "$lock" "$who: --lock: it fits its schema"
	like "$err" 'Unpacking first' "$who: a step that nobody watched is run again for it"
	is "$(jq -c '[.schema, (.bases[] | [.name, .platform, .digest])]' "$lock")" \
		"[1,[\"base\",\"linux/$(dpkg --print-architecture)\",\"$(jq -r '.manifests[0].digest' "$base/index.json")\"]]" \
		"$who: the base, by its name in the file"
	is "$(jq -c '.urls[] | [.url, .digest]' "$lock")" "[\"$AT/file\",\"$(sum_of www/file)\"]" "$who: the URL"
	is "$(jq -c '.repositories[] | [.remote, .ref, .commit]' "$lock")" "[\"$AT/x.git\",\"main\",\"$(cat head)\"]" "$who: the repository"
	is "$(packages "$lock" app | paste -sd,)" 'deb first 1.0 all,deb second 1:1.0-1+b1 all,deb tool 3 all removed' \
		"$who: the packages of the stage that installed them, the one that went, too"
	is "$(packages "$lock" apt)" '' "$who: none of the base's"
	is "$(jq -r '.stages[].packages[] | select(.name == "first").digest' "$lock")" "$(sum_of www/repo/first_1.0_all.deb)" \
		"$who: by the digest of the archive"
	unlike "$(tar -tf "$dest")" 'whittle' "$who: nothing of the watching is in the image"
	unlike "$(cat "$lock")" "$T|$(date +%Y)-" "$who: no path of this machine, no time"
	cp "$lock" first.lock
	ln -s behind.lock "$dir/again.lock"
	build "$who" --lock "$dir/again.lock" -t written < <(dockerfile)
	ok "$who: a lock goes where a link leads" test -L "$dir/again.lock" -a -s "$dir/behind.lock"
	is "$(grep -c ' CACHED$' <<<"$err")" 5 "$who: --lock again: all is cached"
	ok "$who: and the file is the same" cmp "$lock" "$dir/again.lock"
	build "$who" -t plain < <(dockerfile)
	is "$(grep -c ' CACHED$' <<<"$err")" 5 "$who: and without a lock it is cached as well"

	# ---- with a cache from elsewhere ----
	build "$who" --lock "$dir/again.lock" --cache-to "type=local,dest=$dir/cache,mode=max" < <(dockerfile)
	is "$status" 0 "$who: its cache is written"
	build "$who" --root "$T/$who/far" --cache-from "type=local,src=$dir/cache" < <(dockerfile)
	is "$(grep -c ' CACHED$' <<<"$err")" 5 "$who: another store takes the steps from it without a lock"
	build "$who" --root "$T/$who/far" --cache-from "type=local,src=$dir/cache" --lock "$dir/far.lock" < <(dockerfile)
	unlike "$err" 'Unpacking' "$who: and with one"
	ok "$who: which says what was seen elsewhere" cmp "$lock" "$dir/far.lock"

	# ---- kept to ----
	build "$who" "${locked[@]}" < <(dockerfile)
	is "$status" 0 "$who: --locked where nothing changed: exit code"
	[ "$status" = 0 ] || show "$err"
	deb first 1.1 '' 'second, third'
	deb second 1:2.0
	deb third 1
	publish
	echo two >www/file
	commit two
	build "$who" --root "$T/$who/fresh" "${locked[@]}" < <(dockerfile)
	is "$status" 3 "$who: a URL that holds something else: exit code"
	like "$err" "^error: .*the lock has another one: .*$AT/file" "$who: which is told"
	rm -f "$dest"
	build "$who" --no-cache "${locked[@]}" < <(dockerfile)
	is "$status" 0 "$who: newer packages, a newer commit, another file are there: exit code"
	[ "$status" = 0 ] || show "$err"
	is "$(status_of first) $(status_of second)" '1.0 1:1.0-1+b1' "$who: the old ones are taken"
	is "$(tar -xOf "$dest" x/f file | xargs)" 'one one' "$who: so are the old commit, and the file, which is at hand"
	build "$who" --no-cache -o "type=tar,dest=$dest" < <(dockerfile)
	is "$(status_of first) $(status_of second)" '1.1 1:2.0' "$who: and without the lock the new ones"
	unlike "$(tar -tf "$dest")" 'whittle-lock' "$who: (as plain builds know nothing of it)"

	# ---- what cannot be kept to ----
	rm -f "$dest" www/repo/first_1.0_all.deb
	publish
	build "$who" --no-cache "${locked[@]}" -t gone < <(dockerfile)
	is "$status" 3 "$who: a version that was withdrawn: exit code"
	like "$err" '^error: .*Dockerfile:4: the lock has first 1.0, which the package sources offer no longer' "$who: which is told"
	nok "$who: nothing was written" test -e "$dest"
	unlike "$(cat "$T/$who/store/index.json")" 'library/gone' "$who: nor named"
	deb first 1.0 'other bytes' second
	publish
	build "$who" --no-cache "${locked[@]}" < <(dockerfile)
	is "$status" 3 "$who: the same version with other bytes: exit code"
	like "$err" "stage app: deb first \\(all\\) 1.0: the lock has the archive $(jq -r '.stages[].packages[] | select(.name == "first").digest' "$lock"), this build $(sum_of www/repo/first_1.0_all.deb)" \
		"$who: both digests are told"
	build "$who" "${locked[@]}" < <(dockerfile)
	is "$status" 0 "$who: and nothing of it was kept: what was right before is taken from the cache"
	deb first 1.0 '' second
	publish
	build "$who" "${locked[@]}" < <(dockerfile third)
	is "$status" 3 "$who: one package more: exit code"
	like "$err" 'stage app: deb third \(all\) 1 is not in the lock' "$who: which"
	dockerfile | sed 's/apt-get install -y first/apt-get install -y second/' >less
	build "$who" "${locked[@]}" <less
	is "$status" 3 "$who: one package less: exit code"
	like "$err" '^  \| stage app: deb first \(all\) 1.0 is missing$' "$who: which"
	build "$who" "${locked[@]}" < <(dockerfile '' "ADD $AT/repo/Packages /p")
	is "$status" 3 "$who: a URL that the lock does not know: exit code"
	like "$err" "$AT/repo/Packages is not in the lock" "$who: which is told"
	like "$err" "^hint: if that is meant, whittle build --lock $lock writes the lock anew$" "$who: and what to do"
	[ -e other ] || cp -r "$base" other
	build "$who" --build-context "other=oci-layout://$T/other" "${locked[@]}" < <(dockerfile '' 'COPY --from=other / /')
	is "$status" 3 "$who: a base that the lock does not know: exit code"
	like "$err" 'the lock has no base of this name' "$who: which is told"

	# ---- Python's and Node.js's ----
	ok "$who: pip installs a wheel" wheel 1.0
	ok "$who: npm installs a tarball" tarball 1.0.0
	chmod -R a+rX ctx
	printf 'FROM base\nCOPY site /site\nCOPY js/node_modules /js/node_modules\n' >lang
	build "$who" --lock "$dir/lang.lock" <lang
	is "$status" 0 "$who: Python's and Node.js's packages: locked"
	is "$(jq -c '.stages[].packages[] | [.type, .name, .version, .digest]' "$dir/lang.lock" | paste -sd' ')" \
		"[\"npm\",\"@t/tarred\",\"1.0.0\",\"sha512:$(sha512sum tarred-1.0.0.tgz | cut -d ' ' -f 1)\"] [\"pypi\",\"wheeled\",\"1.0\",\"$(sum_of wheeled-1.0-py3-none-any.whl)\"]" \
		"$who: with the digests of what they came in"
	build "$who" --locked --lock "$dir/lang.lock" <lang
	is "$status" 0 "$who: and kept to"
	wheel 1.1 && tarball 1.0.1 && chmod -R a+rX ctx
	build "$who" --locked --lock "$dir/lang.lock" -t lang <lang
	is "$status" 3 "$who: other versions: exit code"
	like "$err" '^  \| stage 0: npm @t/tarred: the lock has 1.0.0, this build 1.0.1$' "$who: Node.js's is told"
	like "$err" '^  \| stage 0: pypi wheeled: the lock has 1.0, this build 1.1$' "$who: Python's is told"
	unlike "$(cat "$T/$who/store/index.json")" 'library/lang' "$who: and no name was given"

	# ---- the lock itself ----
	build "$who" --locked --lock "$dir/none.lock" <lang
	is "$status" 2 "$who: no lock: exit code"
	like "$err" "^error: --locked: there is no lock \"$dir/none.lock\"\$" "$who: says so"
	printf '{"schema":1,"bases":[{"name":"base"}],"urls":[],"repositories":[],"stages":[]}' >"$dir/bad.lock"
	mkfifo "$dir/pipe.lock"
	build "$who" --locked --lock "$dir/pipe.lock" <lang
	is "$status" 2 "$who: a pipe is no lock: exit code"
	like "$err" "^error: --locked: $dir/pipe.lock is no regular file\$" "$who: says so, and does not wait"
	for where in "$dir/none/x.lock" "$dir"; do
		build "$who" --lock "$where" <lang
		is "$status" 2 "$who: a lock that cannot be written to $where: exit code"
		unlike "$err" '^#[0-9]+ .*RUN' "$who: nothing was run before it was told"
	done
	build "$who" --verify-report "$dir/none/x.json" <lang
	is "$status" 2 "$who: nor a report: exit code"
	build "$who" --locked --lock "$dir/bad.lock" <lang
	is "$status" 2 "$who: a lock that is none: exit code"
	is "$(grep -c '^error: ' <<<"$err") $(grep '^error: ' <<<"$err")" "1 error: $dir/bad.lock: an entry of bases has no platform" \
		"$who: in one line"

	# ---- Debian's own ----
	printf 'FROM base\nRUN apt-get update && apt-get install -y --no-install-recommends hello && rm -rf /var/lib/apt/lists/*\n' >real
	build "$who" --lock "$dir/real.lock" <real
	is "$status" 0 "$who: a package of Debian's: locked"
	like "$(jq -r '.stages[].packages[] | [.type, .name, .arch, .digest] | join(" ")' "$dir/real.lock")" \
		"^deb hello $(dpkg --print-architecture) sha256:[0-9a-f]{64}\$" "$who: with its archive"
	build "$who" --locked --lock "$dir/real.lock" --reproducible --verify-reproducible <real
	is "$status" 0 "$who: kept to, and the same twice"
	[ "$status" = 0 ] || show "$err"

	# ---- a base that moves on ----
	rm -rf moved && cp -r "$base" moved && chmod -R a+rX moved
	mine() {
		build "$who" --build-context "mine=oci-layout://$T/moved" --lock "$dir/moved.lock" "$@" <<<$'FROM mine\nRUN echo x >/x'
	}
	mine
	is "$status" 0 "$who: a base of its own: locked"
	old=$(jq -r '.manifests[0].digest' moved/index.json)
	jq -c '.annotations = {"moved": "on"}' "moved/blobs/sha256/${old#sha256:}" >newer
	new=$(sum_of newer)
	cp newer "moved/blobs/sha256/${new#sha256:}"
	jq -c --arg d "$new" --argjson s "$(stat -c %s newer)" '.manifests[0].digest = $d | .manifests[0].size = $s' \
		moved/index.json >index && cp index moved/index.json
	mine --locked
	is "$status" 0 "$who: a name that moved while the old image is there: exit code"
	like "$err" "mine is $new by now; the lock's $old is taken" "$who: which is told"
	like "$err" "FROM mine@$old" "$who: and so it is"
	rm "moved/blobs/sha256/${old#sha256:}"
	mine --locked --root "$T/$who/fresh"
	is "$status" 3 "$who: one that is gone: exit code"
	like "$err" "^error: .*Dockerfile:1:[0-9]+: mine: the lock has $old, which is not to be had" "$who: which is told"
	mine
	is "$(jq -r '.bases[0].digest' "$dir/moved.lock")" "$new" "$who: a lock written anew has the new one"

done
done_testing

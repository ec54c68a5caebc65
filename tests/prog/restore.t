#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build --keep-removed, and whittle restore: what PRUNE took away travels with the image, is signed for, and comes back by path.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"

debian=$(test_base debian) || skip_all 'no Debian base'
export COSIGN_PASSWORD=secret
registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
on_exit "server_stop $REGISTRY_PID"
TREE=$SRC/tests/tools/imgtree.py
"$WHITTLE" keygen --output-key-prefix "$T/release" && chmod 644 release.key || echo 'Bail out! no key'
REMOVED=application/vnd.whittle.removed.v1

mkdir context
cat >context/Dockerfile <<'D'
FROM debian AS app
RUN printf '#!/bin/sh\necho "script $#"\n' >/usr/bin/script && chmod 755 /usr/bin/script \
 && mkdir /opt/data && echo one >/opt/data/one && echo two >/opt/data/two && chown 7:8 /opt/data/two && ln -s data /opt/link \
 && ln /opt/data/one /opt/data/same
ENTRYPOINT ["/usr/bin/id"]
FROM app AS release
PROFILE --from=app --start=manual ["/run/whittle/app","run"]
PRUNE
D
chmod -R go+rX context

blob() { # STORE-OR-LAYOUT DIGEST
	echo "$1/blobs/sha256/${2#sha256:}"
}
digest_of() { # STORE NAME
	jq -r --arg n "docker.io/library/$2" '.manifests[] | select(.annotations["io.containerd.image.name"] == $n) | .digest' "$1/index.json"
}
removed_of() { # STORE-OR-LAYOUT: digests of removed parts
	jq -r --arg t "$REMOVED" '.manifests[] | select(.artifactType == $t) | .digest' "$1/index.json"
}
statement() { # STORE SUBJECT TYPE: a predicate, of plain statements
	local d

	for d in $(jq -r '.manifests[] | select(.artifactType == "application/vnd.in-toto+json") | .digest' "$1/index.json"); do
		jq -e --arg s "$2" '.subject.digest == $s' "$(blob "$1" "$d")" >/dev/null &&
			jq --arg t "$3" 'select(.predicateType == $t) | .predicate' "$(blob "$1" "$(jq -r '.layers[0].digest' "$(blob "$1" "$d")")")"
	done
}
packages() { # WHO STORE IMAGE: as another reader of dpkg's database sees them
	as "$1" "$WHITTLE" sbom --root "$2" "$3" | jq -r ".packages[].name" | grep -v / | sort
}

users=(user)
! is_root || users=(root user)
for WHO in "${users[@]}"; do
	home=$T/home.root
	[ "$WHO" = root ] || home=$UT/home
	as "$WHO" mkdir -p "$home"
	store=$home/store
	mine() { as "$WHO" env HOME="$home" COSIGN_PASSWORD=secret "$@"; }
	w() { # COMMAND WORD…
		local command=$1

		shift
		run mine timeout -k 5 100 "$WHITTLE" "$command" --root "$store" "$@"
	}
	build() { w build --build-context "debian=oci-layout://$debian" -q "$@" context; }

	# ---- keeping it ----

	build -t app:plain
	is "$status" 0 "$WHO: built"
	[ "$status" = 0 ] || show "$err"
	id=$out
	is "$(removed_of "$store")" '' "$WHO: nothing is kept unless asked for"
	w restore app:plain /bin/sh
	is "$status" 2 "$WHO: restore of an image without it"
	like "$err" 'app:plain has nothing to put back' "$WHO: says so"
	like "$err" 'hint: build --keep-removed' "$WHO: and how to have it"
	w build --build-context "debian=oci-layout://$debian" --progress plain --keep-removed -t app:1 context
	is "$status" 0 "$WHO: built again, keeping what went"
	unlike "$err" '^#[0-9]+ [0-9]+\.[0-9]{3} ' "$WHO: nothing was run for it"
	like "$out" '^  removed part +[0-9.]+ MB +kept beside the image, [0-9]+ files' "$WHO: it is told"
	is "$(digest_of "$store" app:1)" "$(digest_of "$store" app:plain)" "$WHO: the image is the same, bit by bit"
	like "$out" "^id +$id" "$WHO: with its id"
	part=$(removed_of "$store")
	is "$(wc -w <<<"$part")" 1 "$WHO: one removed part"
	manifest=$(blob "$store" "$part")
	is "$(jq -r '.subject.digest' "$manifest")" "$(digest_of "$store" app:1)" "$WHO: of the image"
	like "$(jq -r '.layers[0].mediaType' "$manifest")" '^application/vnd\.oci\.image\.layer\.v1\.tar\+zstd$' "$WHO: an ordinary layer"
	build --keep-removed -t app:1
	is "$(removed_of "$store")" "$part" "$WHO: made again it is the same"
	statement "$store" "$(digest_of "$store" app:1)" https://whittle.dev/removed-part/v1 >"$T/said"
	fits removed-part-1 "$T/said" "$WHO: what is said of it holds to its schema"
	is "$(jq -r .artifact "$T/said")" "$part" "$WHO: and names it"

	# ---- putting back ----

	w restore app:1 /usr/bin/script -t app:script
	is "$status" 0 "$WHO: a script comes back"
	[ "$status" = 0 ] || show "$err"
	like "$out" '^shells +.*/usr/bin/dash' "$WHO: that a shell comes with it is said"
	like "$out" '^note .*not proved of this one' "$WHO: and that nothing is proved"
	w run --entrypoint /usr/bin/script app:script
	is "$out" "script 0" "$WHO: with all that it needs" || show "$err"
	w run app:script -u
	is "$status $out" '0 0' "$WHO: the application still runs, by the same config"
	base=$(digest_of "$store" app:1)
	statement "$store" "$(digest_of "$store" app:script)" https://whittle.dev/restored/v1 >"$T/doc"
	fits restored-1 "$T/doc" "$WHO: the document holds to its schema"
	is "$(jq -r .base "$T/doc")" "$base" "$WHO: it names the image that it was made of"
	is "$(statement "$store" "$(digest_of "$store" app:script)" https://whittle.dev/hardening-verdict/v1)" '' "$WHO: no verdict is claimed"
	is "$(jq '.layers | length' "$(blob "$store" "$(digest_of "$store" app:script)")")" \
		"$(($(jq '.layers | length' "$(blob "$store" "$base")") + 1))" "$WHO: one layer more"
	w history app:script
	like "$out" 'whittle restore /usr/bin/script' "$WHO: and a line of history"
	w explain app:script /usr/bin/script /bin/dash /usr/bin/dash /usr/bin/id /usr/bin/perl
	is "$status" 0 "$WHO: explain"
	like "$out" '^/usr/bin/script: put back by whittle restore: asked for' "$WHO: what was asked for"
	like "$out" '^/usr/bin/dash: put back by whittle restore: .* needs it' "$WHO: what that needs"
	like "$out" "^/usr/bin/id: was not put back: it is of the image .* $base" "$WHO: what is the image's"
	like "$out" '^/usr/bin/perl: is not in the image' "$WHO: what still is not there"

	# Scanners must see what came back, and nothing else.
	before=$(packages "$WHO" "$store" app:1)
	after=$(packages "$WHO" "$store" app:script)
	is "$(comm -23 <(echo "$before") <(echo "$after"))" '' "$WHO: no package is lost"
	like "$after" '^dash$' "$WHO: dash has its record again"
	unlike "$before" '^dash$' "$WHO: which it had not"
	unlike "$after" '^perl-base$' "$WHO: perl has none"
	w run --entrypoint /bin/sh app:script -c 'read -r a </var/lib/dpkg/info/dash.list; echo "$a"'
	is "$out" /. "$WHO: its list of files is there"

	w restore app:1 /opt/data/two --exact -t app:exact
	is "$status" 0 "$WHO: one file"
	mine "$WHITTLE" save --root "$store" --format oci -o "$home/exact.tar" app:exact && mine rm -rf "$home/exact" && mine mkdir "$home/exact" &&
		mine tar xf "$home/exact.tar" -C "$home/exact"
	layer=$(jq -r '.layers[-1].digest' "$(blob "$home/exact" "$(digest_of "$store" app:exact)")")
	is "$(zstd -qdc "$(blob "$home/exact" "$layer")" | tar --numeric-owner -tvf - | awk '{ print $1, $2, $NF }' | grep opt)" \
		$'drwxr-xr-x 0/0 opt/\ndrwxr-xr-x 0/0 opt/data/\n-rw-r--r-- 7/8 opt/data/two' "$WHO: that alone, as it was"
	w restore app:1 '/opt/link/o*' -t app:glob
	is "$status" 0 "$WHO: a pattern, through a link"
	[ "$status" = 0 ] || show "$err"
	w restore app:1 /opt -t app:dir
	like "$out" '^restored +[56] paths' "$WHO: a directory with what is in it"

	w restore app:1 /bin/sh -t app:again
	one=$(digest_of "$store" app:again)
	w restore app:1 /bin/sh -t app:again
	is "$(digest_of "$store" app:again)" "$one" "$WHO: the same twice"

	# ---- everything ----

	w restore app:1 --all -t app:all
	is "$status" 0 "$WHO: all of it"
	w run --entrypoint /usr/bin/perl app:all -e 'print "perl\n"'
	is "$out" perl "$WHO: what nobody asked for, too"
	# For one of the users the whole tree is compared, and shown to others.
	if [ "$WHO" = "${users[0]}" ]; then
		w build --build-context "debian=oci-layout://$debian" --target app -q -t app:full context
		is "$(packages "$WHO" "$store" app:all)" "$(packages "$WHO" "$store" app:full)" "$WHO: all packages are there"
		for i in all full; do
			mine rm -rf "$home/tree.$i"
			w save --format oci -o "$home/$i.tar" "app:$i"
			mine mkdir -p "$home/tree.$i" && mine tar xf "$home/$i.tar" -C "$home/tree.$i"
			"$TREE" --no-mtime "oci:$home/tree.$i:$i" >"$T/list.$i" 2>"$T/why" || show "$(tail -3 "$T/why")"
		done
		[ -s "$T/list.all" ] && is "$(diff <(sed -E 's/ 0?[24]([0-7]{3}) / 0\1 /' "$T/list.full") <(sed -E 's/ 0?[24]([0-7]{3}) / 0\1 /' "$T/list.all") | head -5)" '' \
			"$WHO: the tree is what it was before PRUNE, but for set-id bits" || fail "$WHO: lists of trees"
	fi

	# ---- what cannot be ----

	w restore app:1 /no/such
	is "$status" 2 "$WHO: a path that was never there"
	like "$err" '/no/such was never in the image' "$WHO: is told"
	w restore app:1 /usr/bin/id
	is "$status" 2 "$WHO: a path that is there"
	like "$err" '/usr/bin/id is in the image: there is nothing to put back' "$WHO: is told"
	w restore app:1 '/opt/**/three'
	like "$err" 'was never in the image' "$WHO: a pattern that matches nothing"
	w restore app:1 relative
	is "$status" 2 "$WHO: a relative path"
	w restore app:1
	is "$status" 2 "$WHO: no path"
	w restore app:1 --all /bin/sh
	is "$status" 2 "$WHO: all, and a path"
	w restore app:script /bin/ls
	like "$err" "hint: .*restore from the image that it was made of, $base" "$WHO: what restore made cannot be restored from: where to go"
	w build --build-context "debian=oci-layout://$debian" --progress plain --target app --keep-removed -t unpruned context
	like "$err" 'nothing was pruned, so nothing was removed' "$WHO: nothing was pruned, nothing is kept"

	# ---- a registry, and another store ----

	ref=$REGISTRY/$WHO/app:1
	w build --build-context "debian=oci-layout://$debian" -q --keep-removed --sign-key "$T/release.key" -t "$ref" --push context
	is "$status" 0 "$WHO: signed and pushed"
	[ "$status" = 0 ] || show "$err"
	other=$home/other
	run mine "$WHITTLE" pull --root "$other" "$ref"
	is "$status" 0 "$WHO: pulled"
	signed=$(removed_of "$other")
	layer=$(jq -r '.layers[0].digest' "$(blob "$other" "$signed")")
	[ ! -e "$(blob "$other" "$layer")" ] && pass "$WHO: but not what is large and was not asked for" || fail "$WHO: the layer stays in the registry"
	run mine "$WHITTLE" verify --root "$home/clean" "docker://$ref" --key "$T/release.pub" --require https://whittle.dev/removed-part/v1
	is "$status" 0 "$WHO: verified"
	like "$out" '^removed part signed for, and not here' "$WHO: what is not here is told"
	run mine "$WHITTLE" verify --root "$home/clean" "docker://$ref" --key "$T/release.pub" --removed --format json
	is "$(jq -r .removedPart <<<"$out")" proved "$WHO: and proved when asked for"
	jq . <<<"$out" >"$T/verified.json"
	fits verification-1 "$T/verified.json" "$WHO: the answer holds to its schema"
	run mine "$WHITTLE" restore --root "$other" "$ref" /bin/sh --key "$T/release.pub" -t here:sh
	is "$status" 0 "$WHO: restored there: it is fetched when it is wanted"
	[ "$status" = 0 ] || show "$err"
	run mine "$WHITTLE" run --root "$other" --entrypoint sh here:sh -c 'echo works'
	is "$out" works "$WHO: and works"
	run mine "$WHITTLE" pull --root "$home/third" --removed "$ref"
	[ -e "$(blob "$home/third" "$layer")" ] && pass "$WHO: pull --removed takes it along" || fail "$WHO: pull --removed"
	run mine "$WHITTLE" push --root "$home/third" --no-removed "$ref" "$REGISTRY/$WHO/without:1"
	run mine "$WHITTLE" pull --root "$home/fourth" "$REGISTRY/$WHO/without:1"
	is "$(removed_of "$home/fourth")" '' "$WHO: push --no-removed leaves it out"
	run mine "$WHITTLE" restore --root "$home/fourth" "$REGISTRY/$WHO/without:1" /bin/sh
	like "$status $err" '^2 .*nothing to put back' "$WHO: then there is nothing"
	like "$err" 'left out where this image came from' "$WHO: and it is told why"
	run mine "$WHITTLE" push --root "$other" "$ref" "$REGISTRY/$WHO/copy:1"
	is "$status" 0 "$WHO: pushed on from where the layer never was"
	[ "$status" = 0 ] || show "$err"

	# ---- other tools ----

	if [ "$WHO" = "${users[0]}" ]; then
		# Debian's umoci does not read zstd: the image as gzip, and what comes back with it.
		w build --build-context "debian=oci-layout://$debian" -q --keep-removed -t gz:1 -o "type=oci,dest=$home/gz,tar=false,compression=gzip,force-compression=true" context
		w restore "oci:$home/gz:1" /usr/bin/script -t gz:script
		is "$status" 0 "$WHO: restored from a layout with gzip layers"
		run mine "$WHITTLE" push --root "$store" gz:script "$REGISTRY/$WHO/script:1"
		is "$status" 0 "$WHO: pushed"
		run skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$REGISTRY/$WHO/script:1" "oci:$T/skopeo.$WHO:1"
		is "$status" 0 "$WHO: skopeo copies the restored image"
		if is_root; then
			run umoci unpack --image "$T/skopeo.$WHO:1" "$T/umoci.$WHO"
			is "$status" 0 "$WHO: umoci unpacks it"
			[ -x "$T/umoci.$WHO/rootfs/usr/bin/script" ] && [ -x "$T/umoci.$WHO/rootfs/usr/bin/id" ] && pass "$WHO: with the path and the rest" || fail "$WHO: umoci's tree"
		fi
		run mine "$WHITTLE" push --root "$store" "oci:$home/gz:1" "$REGISTRY/$WHO/gz:1"
		run skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$REGISTRY/$WHO/gz@$(removed_of "$home/gz")" "oci:$T/part.$WHO:1"
		is "$status" 0 "$WHO: the removed part itself is an image to others"
		if is_root; then
			run umoci unpack --image "$T/part.$WHO:1" "$T/umoci-part.$WHO"
			[ "$(cat "$T/umoci-part.$WHO/rootfs/opt/data/same")" = one ] && pass "$WHO: of files" || fail "$WHO: umoci's tree of the part"
		fi
	fi

	# ---- a layout, and tampering ----

	w build --build-context "debian=oci-layout://$debian" -q --keep-removed --sign-key "$T/release.key" -t lay:1 -o "type=oci,dest=$home/lay,tar=false" context
	run mine "$WHITTLE" verify "oci:$home/lay" --key "$T/release.pub"
	is "$status" 0 "$WHO: a layout is verified"
	like "$out" '^removed part as it was signed' "$WHO: with the removed part"
	run mine "$WHITTLE" restore --root "$home/fifth" "oci:$home/lay:1" /bin/sh --key "$T/release.pub" -t lay:sh
	is "$status" 0 "$WHO: restored from a layout"
	[ "$status" = 0 ] || show "$err"
	part=$(removed_of "$home/lay")
	layer=$(jq -r '.layers[0].digest' "$(blob "$home/lay" "$part")")
	mine cp -r "$home/lay" "$home/bad"
	mine chmod u+w "$(blob "$home/bad" "$layer")"
	mine sh -c 'printf x | dd of="$1" bs=1 seek=2000 conv=notrunc 2>/dev/null' - "$(blob "$home/bad" "$layer")"
	run mine "$WHITTLE" verify "oci:$home/bad" --key "$T/release.pub"
	is "$status" 3 "$WHO: a byte of it is another: verify"
	run mine "$WHITTLE" restore --root "$home/sixth" "oci:$home/bad:1" /bin/sh
	isnt "$status" 0 "$WHO: restore takes nothing of it"
	like "$err" 'damaged|digest|not what' "$WHO: and says why"
	# Another one, well made, in its place.
	mine python3 - "$home/lay" "$home/forged" "$part" <<'P'
import hashlib, io, json, os, shutil, sys, tarfile
lay, to, part = sys.argv[1:]
shutil.copytree(lay, to)
blob = lambda d: os.path.join(to, 'blobs/sha256', d[7:])
def put(data):
    d = 'sha256:' + hashlib.sha256(data).hexdigest()
    open(blob(d), 'wb').write(data)
    return d, len(data)
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode='w') as t:
    i = tarfile.TarInfo('usr/bin/sh'); i.size = 4; i.mode = 0o755
    t.addfile(i, io.BytesIO(b'evil'))
diff, size = put(tar.getvalue())
m = json.load(open(blob(part)))
c = json.load(open(blob(m['config']['digest'])))
c['rootfs']['diff_ids'] = [diff]
d, n = put(json.dumps(c).encode())
m['config'].update(digest=d, size=n)
m['layers'] = [dict(mediaType='application/vnd.oci.image.layer.v1.tar', digest=diff, size=size)]
d, n = put(json.dumps(m).encode())
i = json.load(open(os.path.join(to, 'index.json')))
for e in i['manifests']:
    if e['digest'] == part:
        e.update(digest=d, size=n)
json.dump(i, open(os.path.join(to, 'index.json'), 'w'))
os.unlink(blob(part))
P
	run mine "$WHITTLE" verify "oci:$home/forged" --key "$T/release.pub"
	is "$status" 3 "$WHO: another removed part: verify"
	like "$err" 'removed part: what is attached to the image is not what was signed' "$WHO: says what is wrong"
	run mine "$WHITTLE" restore --root "$home/seventh" "oci:$home/forged:1" /bin/sh
	is "$status" 3 "$WHO: restore refuses it"
	like "$err" 'is not the one that is spoken of' "$WHO: and says why"

	# ---- nothing is left ----

	part=$(jq -r '.layers[0].digest' "$(blob "$other" "$signed")")
	for i in "$ref" here:sh; do run mine "$WHITTLE" rm --root "$other" "$i"; done
	run mine "$WHITTLE" gc --root "$other" --all
	is "$(find "$other/blobs" "$other/origins" -type f | wc -l)" 0 "$WHO: rm and gc leave nothing"
	[ "$(find "$other/blobs" -type f | wc -l)" = 0 ] || show "$(find "$other/blobs" "$other/origins" -type f)"
done

done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# COPY --link and ADD --link: a layer that does not know what is below it. For root and for an ordinary user.
. "$(dirname "$0")/lib.sh"

busybox=$(test_base busybox) || skip_all 'no busybox base'

# build WORD…: Dockerfile on standard input, context $ctx, as $who, into the layout and the tar of its name.
build() {
	local name=$1

	shift
	cat >"$ctx/Dockerfile"
	run "$who" "$WHITTLE" build --root "$dir/store" --build-context "busybox=oci-layout://$busybox" --explain-cache \
		--output "type=oci,dest=$dir/$name,tar=false" --output "type=tar,dest=$dir/$name.tar" "$@" "$ctx"
}

# layers NAME: diff ids, lowest first; history NAME: created_by of lines with a layer.
config_of() {
	local m

	m=$(jq -r '.manifests[0].digest' "$dir/$1/index.json")
	m=$(jq -r .config.digest "$dir/$1/blobs/sha256/${m#sha256:}")
	cat "$dir/$1/blobs/sha256/${m#sha256:}"
}
layers() { config_of "$1" | jq -r '.rootfs.diff_ids[]'; }
history_of() { config_of "$1" | jq -r '.history[] | select(.empty_layer | not) | .created_by'; }

# entry NAME PATH: mode, owner, kind's first letter and link of a path in the exported tree.
entry() {
	tar --numeric-owner -tvf "$dir/$1.tar" | awk -v p="$2" '{ n = $6; sub("^\\./", "", n); sub("/$", "", n) } n == p { print $1, $2 ($7 ? " " $7 " " $8 : "") }'
}
content() { tar -xOf "$dir/$1.tar" "$2" 2>/dev/null || tar -xOf "$dir/$1.tar" "./$2"; }

cases() {
	who=$1 dir=$2 ctx=$2/ctx
	mkdir -p "$ctx/d/sub"
	echo foo >"$ctx/foo"
	echo bar >"$ctx/d/bar"
	echo s >"$ctx/d/sub/s"
	chmod 700 "$ctx/d/sub"
	(cd "$ctx" && tar -cf a.tar --owner=5 --group=6 foo)
	chmod -R a+rX "$ctx" && chmod 700 "$ctx/d/sub"
	is_root && [ "$who" = as_user ] && chown -R "$TEST_USER:$TEST_USER" "$dir"

	build one <<-'D'
		FROM busybox
		RUN mkdir /real /old && echo x >/file && ln -s /real /lnk && echo k >/old/k
		WORKDIR /var/www
		COPY --link foo .
		COPY --link foo /lnk/foo
		COPY --link d /file/
		COPY --link --chown=7:8 <<A d/bar /old/x/
		hi
		A
		ADD --link --chown=root:root a.tar /old/y/
		COPY --link --from=busybox /etc/passwd /old/
	D
	is "$status" 0 "$who: linked copies"
	is "$(content one var/www/foo)" foo "$who: . is WORKDIR"
	is "$(entry one lnk)" 'drwxr-xr-x 0/0' "$who: a link below the destination becomes a directory"
	is "$(entry one real/foo)" '' "$who: and nothing goes through it"
	is "$(entry one file)" 'drwxr-xr-x 0/0' "$who: so does a file"
	is "$(entry one file/sub)" 'drwx------ 0/0' "$who: a directory inside keeps its mode"
	is "$(entry one old/x/A)" '-rw-r--r-- 7/8' "$who: an owner by number, a heredoc"
	is "$(content one old/x/A)" hi "$who: its text"
	is "$(content one old/k)" k "$who: what was in the directory stays"
	is "$(entry one old/y/foo)" '-rw-r--r-- 0/0' "$who: an archive"
	is "$(content one old/passwd | head -n 1 | cut -d: -f1)" root "$who: from another image"
	is "$(layers one | wc -l)" "$(history_of one | wc -l)" "$who: one line of history a layer"
	is "$(history_of one | tail -n 1)" 'COPY /etc/passwd /old/ # buildkit' "$who: history has no --link, as BuildKit"
	below=$(layers one | tail -n 6)

	# Another base: the layers are the same ones, and nothing is copied again.
	build two <<-'D'
		FROM busybox
		RUN mkdir -m 700 /var/www; echo another >/other
		WORKDIR /var/www
		COPY --link foo .
		COPY --link foo /lnk/foo
		COPY --link d /file/
		COPY --link --chown=7:8 <<A d/bar /old/x/
		hi
		A
		ADD --link --chown=root:root a.tar /old/y/
		COPY --link --from=busybox /etc/passwd /old/
	D
	is "$status" 0 "$who: on another base"
	is "$(layers two | tail -n 6)" "$below" "$who: the very layers"
	is "$(grep -c '^#[0-9]* CACHED' <<<"$err")" 8 "$who: all from the cache (with FROM and the heredoc)"
	unlike "$err" 'COPY.*: not cached' "$who: no copy was made"
	# The same on the empty tree is the same layer, too.
	build three <<-'D'
		FROM scratch
		COPY foo /lnk/foo
	D
	is "$(layers three)" "$(layers one | tail -n 5 | head -n 1)" "$who: as COPY into scratch"

	# Steps and copies on top; whiteouts of what came with a merge.
	for kind in overlay copy; do
		build four --snapshotter "$kind" --no-cache <<-'D'
			FROM busybox AS a
			RUN mkdir -p /real /old/deep && ln -s /real /lnk && echo 1 >/real/one && echo 2 >/old/deep/two
			COPY --link d /lnk
			COPY --link foo /old/deep/foo
			RUN test "$(cat /lnk/bar)" = bar && test ! -e /lnk/one && test "$(cat /old/deep/two)" = 2 && rm -r /lnk/sub /old/deep
			COPY foo /lnk/
			COPY --link foo /old/deep/
			RUN test "$(ls /lnk)" = "$(printf 'bar\nfoo')" && test "$(ls /old/deep)" = foo && rm -r /lnk && ln -s /real /lnk
			COPY foo /lnk/
			FROM busybox
			COPY --from=a /lnk/ /got/
			COPY --from=a /old/ /got/
		D
		is "$status" 0 "$who, $kind: steps and copies on merged trees"
		is "$(content four got/one)$(content four got/foo)$(content four got/deep/foo)" 1foofoo "$who, $kind: a merged tree is read"
		is "$(entry four got/deep/two)" '' "$who, $kind: what was removed stays removed"
	done

	build bad <<-'D'
		FROM busybox
		COPY --link --chown=daemon foo /
	D
	is "$status" 2 "$who: a name for --chown is refused"
	like "$err" 'with --link nobody can say which user that is' "$who: why"
	like "$err" '^hint: write numbers' "$who: what to do"
	build chmod <<-'D'
		FROM busybox
		RUN ln -s /bin /lnk
		COPY --link --chmod=700 --chown=daemon foo /lnk/
	D
	is "$(entry chmod bin/foo)" '-rwx------ 1/1' "$who: --chmod makes it a plain copy, as in BuildKit"
}

mkdir -p "$T/root"
cases env "$T/root"
if is_root; then
	cases as_user "$UT"
fi
done_testing

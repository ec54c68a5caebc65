#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No shell is left after a PRUNE, whatever it is called and wherever it lies: copies, links, multi-call programs, static ones; --keep does not bring
# one back, and neither does a rule. And set-id bits go but from what is named.
. "$(dirname "$0")/lib.sh"

debian=$(test_base debian) || { echo "Bail out! no base"; exit 1; }
busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o app "$SRC/tests/prog/profile-app.c" || skip_all 'no static C library'
export HOME=$T
store=$T/store

mkdir -p ctx
cp app ctx/app
chmod -R go+rX ctx
head='FROM busybox AS box
FROM debian AS app
COPY app /bin/app
COPY --from=box /bin/busybox /opt/tools/box
COPY <<X /opt/tools/script
#!/bin/sh
X
RUN <<X
cp /bin/dash /opt/tools/calculator
cp /bin/bash /opt/tools/data.bin
chmod 644 /opt/tools/data.bin
ln /bin/dash /opt/tools/hard
ln -s /bin/bash /opt/tools/soft
ln -s /opt/tools/calculator /opt/tools/ksh
ln -s box /opt/tools/ls
ln /opt/tools/box /opt/tools/cat
gzip -c /bin/dash >/opt/tools/dash.gz
chmod 755 /opt/tools/script
cp /bin/true /opt/tools/su
chmod 4755 /opt/tools/su
ln /opt/tools/su /opt/tools/su2
cp /bin/true /opt/tools/wall
chmod 2755 /opt/tools/wall
X
ENTRYPOINT ["/bin/app", "serve"]
'
get='exec 3<>/dev/tcp/127.0.0.1/8080; echo "GET /hello HTTP/1.0" >&3; cat <&3'
profile="PROFILE --ready=tcp:8080 [\"/bin/bash\", \"-c\", \"${get//\"/\\\"}\"]"
build() { # DESC WORD…: PRUNE's options; the tree is ./tree then
	local desc=$1

	shift
	rm -rf tree
	printf '%s%s\nPRUNE %s\n' "$head" "$profile" "$*" >ctx/Dockerfile
	run timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context debian="oci-layout://$debian" --build-context busybox="oci-layout://$busybox" \
		-o type=local,dest=tree ctx
	is "$status" 0 "$desc"
	[ "$status" = 0 ] || show "$err"
}
# The shells of this test by their bytes, which no name hides. Nothing of the tree is ever run: chsh and halt are there, too.
shells() {
	find tree -type f -exec sha256sum {} + | while read -r sum file; do
		grep -q "^$sum" known && echo "${file#tree}"
	done | sort
}
"$WHITTLE" build -q --root "$store" --build-context debian="oci-layout://$debian" --build-context busybox="oci-layout://$busybox" \
	-o type=local,dest=full - >/dev/null 2>&1 <<'D'
FROM busybox AS box
FROM scratch
COPY --from=debian /bin/dash /bin/bash /
COPY --from=box /bin/busybox /
D
sha256sum full/dash full/bash full/busybox | cut -d' ' -f1 >known
is "$(wc -l <known)" 3 'three shells are known'

build 'all that there is, kept by name' '--keep=/opt/tools/* --keep=/bin/*'
is "$(shells)" '' 'no file of it is a shell'
is "$(cd tree/opt/tools && echo *)" 'dash.gz script su su2 wall' 'what is none stays: an archive of one, a script for one'
ok 'programs beside them are there' test -x tree/usr/bin/cat
unlike "$(find tree -type l -printf '%f\n')" '^(sh|bash|dash|rbash|ksh|soft|ls)$' 'no link to one is left'
like "$out" '^  shells +[1-9][0-9]* +0 ' 'the summary says so'
is "$(find tree -perm /6000 -type f)" '' 'no set-id bit is left'

build 'with --shell=keep' '--keep=/opt/tools/* --shell=keep --setuid=/opt/tools/s*'
like "$(shells)" '^/opt/tools/calculator$' 'they are kept then'
is "$(cd tree && find . -perm /6000 -type f | sort | tr '\n' ' ')" './opt/tools/su ./opt/tools/su2 ' 'of set-id files those that are named keep the bits'
is "$(stat -c %a tree/opt/tools/wall tree/opt/tools/su | tr '\n' ' ')" '755 4755 ' 'and the others lose theirs'

printf '%s%s\nPRUNE --setuid=/opt/tools/script\n' "$head" "$profile" >ctx/Dockerfile
run timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context debian="oci-layout://$debian" --build-context busybox="oci-layout://$busybox" ctx
is "$status" 2 'a name that has no such bits is a mistake'
like "$err" '^error: .*--setuid=/opt/tools/script names no file with a set-user-id or set-group-id bit' 'it is told'

done_testing

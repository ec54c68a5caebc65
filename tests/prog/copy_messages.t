#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What COPY and ADD say when they do not find, must not, or cannot.
. "$(dirname "$0")/lib.sh"

busybox=$(test_base busybox) || skip_all 'no busybox base'
ctx=$T/ctx

# says LINE MESSAGE [HINT]: a Dockerfile of this line fails so, at its place, with status 1 (or $want).
says() {
	local what=${1##*$'\n'}

	printf 'FROM busybox AS first\nRUN mkdir -p /etc/app /d && echo x >/etc/app/app.conf && echo f >/file\n%s\n' "$1" >"$ctx/Dockerfile"
	run "$WHITTLE" build --root "$T/store" --build-context "busybox=oci-layout://$busybox" "$ctx"
	is "$status" "${want:-1}" "$what: status"
	like "$err" "^error: $ctx/Dockerfile:[0-9]+(:[0-9]+)?: $2" "$what: the message"
	if [ $# -gt 2 ]; then
		like "$err" "^hint: $3" "$what: the hint"
	else
		unlike "$err" '^hint: ' "$what: no hint"
	fi
}

mkdir -p "$ctx/src/lib" "$ctx/build/out" "$ctx/.git/src"
echo x | tee "$ctx/src/main.c" "$ctx/src/lib/util.c" "$ctx/build/out/app" "$ctx/.git/src/hidden.c" "$ctx/a.log" "$ctx/README.md" >/dev/null
ln -s nowhere "$ctx/dangling"
ln -s build "$ctx/alias"
printf '# what is made\n\nbuild\n*.log\n!keep.log\n**/lib\n!src/lib/*.h\n' >"$ctx/.dockerignore"

says 'COPY main.c /' '"/main.c": not found in the build context' 'did you mean "/src/main.c"\?'
says 'COPY /scr/main.c /' '"/scr/main.c": not found in the build context' 'did you mean "/src/main.c"\?'
says 'COPY README.m /' '"/README.m": not found in the build context' 'did you mean "/README.md"\?'
says 'COPY quite-another /' '"/quite-another": not found in the build context'
says 'COPY hidden.c /' '"/hidden.c": not found in the build context'
says 'COPY a.log /' '"/a.log": not found in the build context' 'it is there, but excluded by .dockerignore line 4 \("\*\.log"\)'
says 'COPY build/out/app /' '"/build/out/app": not found' 'it is there, but excluded by .dockerignore line 3 \("build"\)'
says 'COPY alias/out/app /' '"/alias/out/app": not found' 'it is there, but excluded by .dockerignore line 3 \("build"\)'
says 'ADD src/lib/util.c /' '"/src/lib/util.c": not found' 'it is there, but excluded by .dockerignore line 6 \("\*\*/lib"\)'
says 'COPY dangling /' '"/dangling": not found' 'it is a symbolic link, and leads to nothing inside the build context'
says 'COPY --parents src/none.c /' '"/src/none.c": not found'
says 'COPY src nothing-like-it /d/' '"/nothing-like-it": not found'
says $'FROM busybox\nCOPY --from=first /app.conf /' '"/app.conf": not found' 'did you mean "/etc/app/app.conf"\?'
says $'FROM busybox\nCOPY --from=first /etc/ap/app.conf /' '"/etc/ap/app.conf": not found' 'did you mean "/etc/app/app.conf"\?'

# The ignore file of the Dockerfile's own name is the one that is told.
printf 'src\n' >"$ctx/Dockerfile.dockerignore"
says 'COPY src/main.c /' '"/src/main.c": not found' 'it is there, but excluded by Dockerfile.dockerignore line 1 \("src"\)'
rm "$ctx/Dockerfile.dockerignore"

says 'COPY src /file' 'cannot copy to non-directory: /file' 'the source has a directory where'
says 'COPY src/main.c /file/' 'cannot make the directory "/file": "/file" is not a directory'
says $'RUN mkdir -p /d/main.c\nCOPY src/main.c /d' 'cannot replace to directory /d/main.c with file' 'the image has a directory where'
says 'COPY --chown=nobody-here README.md /' '--chown=nobody-here: unable to find user "nobody-here"' 'a RUN above must add the user'

# Archives: cut off, and what is none.
(cd "$ctx" && head -c 100000 /dev/urandom >noise && tar -czf a.tgz noise && head -c 50000 a.tgz >cut.tgz && echo text >text.tgz)
says 'ADD cut.tgz /' 'archive cut.tgz: it is cut off or damaged' '--unpack=false copies it as it is'
printf 'FROM scratch\nADD --unpack=false cut.tgz /\nADD text.tgz /\n' >"$ctx/Dockerfile"
run "$WHITTLE" build --root "$T/store" --output "type=tar,dest=$T/out.tar" "$ctx"
is "$(tar -tf "$T/out.tar" | sed 's|^\./||' | grep . | sort | tr '\n' ' ')" 'cut.tgz text.tgz ' 'as it is with --unpack=false; a text of that name is a text'

done_testing

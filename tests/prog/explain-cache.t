#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build --explain-cache: what it says of a step that missed, and what is kept in the store for it.
. "$(dirname "$0")/lib.sh"

base=$(test_base busybox) || skip_all 'no busybox base'

build() {
	run as "$who" timeout 120 "$WHITTLE" build --root "$home/store" --progress=plain --explain-cache \
		--build-context base="oci-layout://$base" -f "$D" "$@" "$ctx"
}

# says DESC TEXT CHANGE ARG…: after CHANGE (commands in the context) the last step's note is TEXT, to the letter; '' is a hit
says() {
	local desc=$1 text=$2 change=$3 seen

	shift 3
	cd "$ctx" || exit 1
	eval "$change"
	cd "$T" || exit 1
	build "$@"
	seen=$(sed -n 's/^note: .*: not cached: //p' <<<"$err" | tail -n 1)
	is "$status $seen" "0 $text" "$who: $desc"
}

# begin DOCKERFILE: a new store and context, built once
begin() {
	rm -rf "$home"
	mkdir -p "$ctx/src"
	printf '%s\n' "$1" >"$D"
	echo one >"$ctx/src/app.py"
	echo two >"$ctx/run.sh"
	ln -s a "$ctx/link"
	shift
	[ "$who" = root ] || ! is_root || chown -R "$TEST_USER:" "$home"
	says 'at first' 'it was never run here' '' "$@"
	says 'then it is there' '' '' "$@"
}

files() {
	begin $'FROM base\nCOPY . /all'
	says 'content, mode, link, new, gone' \
		'link → other (was a); new is new; run.sh: mode 0644 → 0755; src/app.py: other content' \
		'echo eno >src/app.py; chmod 755 run.sh; ln -sfn other link; echo >new'
	says 'one is gone' 'new is gone' 'rm new'
	says 'content and mode' 'run.sh: other content, mode 0755 → 0600' 'echo x >run.sh; chmod 600 run.sh'
	says 'another type' 'link: of another type' 'rm link; echo >link'
	says 'five, and more' 'f1 is new; f2 is new; f3 is new; f4 is new; f5 is new; and 4 more' 'for i in 1 2 3 4 5 6 7 8 9; do echo >f$i; done'
	says 'a name with quotes and other bytes' 'a\x22b\x0a\xff is new; é is new' "echo >\$'a\"b\\n\\xff'; echo >é"
	says 'the store lost the layer' 'its layer is no longer in the store' \
		'(cd "$home/store/blobs/sha256" && cat ../../records/* | jq -r .layer.blob | sort -u | xargs rm)'
	begin $'FROM base\nRUN --mount=source=src,target=/m --mount=source=run.sh,target=/r cat /r'
	says 'files of a mount' 'mount /m: src/app.py: other content' 'echo x >src/app.py'
	begin $'FROM base AS one\nRUN mkdir /s && echo 1 >/s/f\nFROM base\nCOPY --from=one /s /s'
	says 'files of another stage' 's/f: other content' 'sed -i "s/echo 1/echo 2/" "$D"'
	says 'their owner' 's/f: owner 0:0 → 5:6' 'sed -i "s,RUN \(.*\),RUN \1 \&\& chown 5:6 /s/f," "$D"'
	# By directory, where there are many: not to be compared with a list of files.
	begin $'FROM base\nCOPY . /all'
	says 'many files' 'the files that it takes changed' \
		'mkdir -p many/sub; (cd many && seq 6000 | xargs touch; cd sub && seq 6000 | xargs touch)'
	says 'one of many' 'many/sub/ holds something else' 'echo >many/sub/17'
}

words() {
	begin $'FROM base\nARG V=1\nENV E=x\nRUN echo hello'
	says 'ARG' 'ARG V changed' '' --build-arg V=2
	says 'ARG and ENV' 'ENV E changed; ARG V changed' 'sed -i s/E=x/E=y/ "$D"'
	says 'new and gone' 'ENV E is gone; ENV F is new' 'sed -i s/E=y/F=y/ "$D"'
	says 'the command' "the command changed: was \"/bin/sh -c 'echo hello'\"" 'sed -i s/hello/bye/ "$D"'
	says 'a step above was put in: it is still known' 'the tree it builds on changed: by step "[2/3] RUN echo 1 >/f"' \
		'sed -i "s/^RUN/RUN echo 1 >\/f\nRUN/" "$D"'
	says 'a step above changed' 'the tree it builds on changed: by step "[2/3] RUN echo 2 >/f"' 'sed -i "s/echo 1/echo 2/" "$D"'
	says 'user, directory' 'the user changed: was "root"; the working directory changed: was "/"' \
		'sed -i "s,^RUN echo bye,USER 5\nWORKDIR /tmp\nRUN echo bye," "$D"'
	says 'network' 'the network changed: was "default"' 'sed -i "s/^RUN echo bye/RUN --network=none echo bye/" "$D"'
	says 'SOURCE_DATE_EPOCH' 'ENV SOURCE_DATE_EPOCH is new; SOURCE_DATE_EPOCH changed; the tree it builds on changed: by step "[2/4] RUN echo 2 >/f"' \
		'' --build-arg SOURCE_DATE_EPOCH=1000
	says '--no-cache' '--no-cache asks for it' '' --no-cache
	begin $'FROM base\nRUN --mount=type=cache,id=x,target=/c true'
	says 'a mount' 'the mount /c changed' 'sed -i s/id=x/id=y/ "$D"'
	says 'another mount' 'the command changed: was "/bin/sh -c true"; the mount /d is new' 'sed -i "s/ true/ --mount=type=tmpfs,target=\/d id/" "$D"'
	begin $'FROM base\nCOPY --chmod=644 run.sh /x'
	says 'flags' '--chmod changed: was "644"; the destination changed: was "/x"' 'sed -i "s/644/600/; s,/x,/y," "$D"'
	begin $'FROM base\nRUN <<E\n#!/bin/sh\necho 1\nE'
	says 'a here-document' "the command's heredoc changed" 'sed -i "s/echo 1/echo 2/" "$D"'
	begin $'FROM base\nRUN true\nRUN true\nRUN true'
	says 'steps of one text' '' ''
	begin $'FROM base AS one\nRUN echo 1 >/f\nFROM base\nCOPY --link --from=one /f /f\nRUN cat /f'
	says 'a linked copy below' 'the tree it builds on changed: by step "[stage-1 2/3] COPY --link --from=one /f /f"' 'sed -i "s/echo 1/echo 2/" "$D"'
	begin $'FROM start\nRUN cat /v' --build-context start="$(layout 1)"
	says 'the base' 'the base image changed' '' --build-context start="$(layout 2)"
}

# layout N: an image that differs
layout() {
	local dir=$home.layout$1

	if [ ! -e "$dir" ]; then
		printf 'FROM base\nRUN echo %s >/v\n' "$1" | as "$who" "$WHITTLE" build --root "$home.other" --build-context base="oci-layout://$base" -q \
			-o "type=oci,dest=$dir,tar=false" -f - "$T/none" >"$T/layout.log" 2>&1 || cat "$T/layout.log" >&2
	fi
	echo "oci-layout://$dir"
}

# What must not be in the store, nor in what is said.
values() {
	local secret=SESAME-4711 proxy=http://user:HUSH-4712@proxy:3128 variable=PLAIN-4713 file=BYTES-4714

	begin $'FROM base\nARG V\nCOPY run.sh /r\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=TOKEN : "$TOKEN"' \
		--build-arg V=first
	echo "$secret" >"$home/s"
	echo "$file" >"$ctx/run.sh"
	build --secret id=s,src="$home/s" --build-arg HTTP_PROXY="$proxy" --build-arg V="$variable" --build-arg https_proxy="$proxy"
	is "$status" 0 "$who: values: built"
	like "$err" 'ARG V changed' "$who: values: the name is told"
	unlike "$all" "$secret|HUSH" "$who: values: neither secret nor proxy is"
	nok "$who: values: the secret is nowhere in the store" grep -rqaF "$secret" "$home/store"
	nok "$who: values: nor is the proxy" grep -rqaF HUSH-4712 "$home/store"
	is "$(explanations | grep -cF -e "$variable" -e "$file")" 0 "$who: values: what explains has values as digests only"
	is "$(explanations | grep -cF '"ENV V"')" 2 "$who: values: and names as they are"
	is "$(explanations | grep -cE 'PROXY|proxy|SESAME')" 0 "$who: values: but no proxies"
}

# The blobs that records name.
explanations() {
	local hex

	for hex in $(cat "$home"/store/records/* | jq -r '.inputs // empty' | sort -u); do
		cat "$home/store/blobs/sha256/$hex"
		echo
	done
}

# An explanation that is lost, damaged or strange costs words, never a build.
damage() {
	local hex

	begin $'FROM base\nENV E=1\nRUN echo hello'
	for hex in $(cat "$home"/store/records/* | jq -r '.inputs // empty' | sort -u); do
		echo '{"schema":1,"facts":[],"files":[1,2,3],"below":{}}' >"$home/store/blobs/sha256/$hex"
	done
	says 'damaged: a hit stays one' '' ''
	says 'damaged: told less' 'its command, environment or arguments changed' 'sed -i s/E=1/E=2/ "$D"'
	begin $'FROM base\nENV E=1\nRUN echo hello'
	for hex in $(cat "$home"/store/records/* | jq -r '.inputs // empty' | sort -u); do
		rm "$home/store/blobs/sha256/$hex"
	done
	says 'lost: a hit stays one' '' ''
	says 'lost: told less' 'its command, environment or arguments changed' 'sed -i s/E=1/E=2/ "$D"'
}

mkdir "$T/none"
for who in root user; do
	home=$T/$who
	[ "$who" = root ] || home=$UT/home
	ctx=$home/ctx D=$home/Dockerfile
	files
	words
	values
	damage
done
done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build --verify-reproducible: a second build, what differs file by file and step by step, and that it is a gate.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
base=$(test_base busybox) || skip_all 'no busybox base'
mkdir -p ctx root && chmod 755 ctx
echo context >ctx/f
export SOURCE_DATE_EPOCH=1700000000

# again WHO ARGS…: the same Dockerfile
again() {
	cp Dockerfile Dockerfile.again
	build "$@" <Dockerfile.again
}

# $n in a step: how often it has run in this store. A cache mount is what differs between two builds in a known way.
COUNT='--mount=type=cache,target=/count n=$(cat /count/n 2>/dev/null || echo 0); echo $((n + 1)) >/count/n;'

users=(root user)
is_root || users=(user)
for who in "${users[@]}"; do
	# ---- what is the same ----
	build "$who" --verify-reproducible -t same -o "type=oci,dest=$T/$who/out.tar" <<-'DOCKERFILE'
		FROM base AS one
		RUN echo a > /a && mkdir -p /d && echo b > /d/b && ln -s b /d/l
		FROM base
		WORKDIR /w
		COPY --from=one /a .
		COPY f .
		RUN true
	DOCKERFILE
	is "$status" 0 "$who: a build that comes out the same: exit code"
	like "$out" '^same   5 steps in 4 layers came out the same in a second build$' "$who: says how much was compared"
	like "$err" 'a second build, without cache, one step at a time' "$who: tells that it builds again"
	ok "$who: the output was written" test -s "$T/$who/out.tar"
	first=$out
	again "$who" --verify-report "$T/$who/same.json" -t same
	is "$out" "$first" "$who: the same when the first build is all cached"
	is "$(jq -c '[.schema, .reproducible, .steps, .layers, .files, .writers, .differences]' "$T/$who/same.json")" \
		'[1,true,5,4,0,0,[]]' "$who: the report of a good end"
	like "$err" '^#[0-9]+ \[one 2/2\] RUN echo a' "$who: and yet its steps ran the second time"

	# ---- what is not, and whose doing it is ----
	rm -f "$T/$who/out.tar"
	build "$who" --verify-report "$T/$who/report.json" -t other -o "type=oci,dest=$T/$who/out.tar" \
		--iidfile "$T/$who/iid" <<-'DOCKERFILE'
		FROM base AS one
		RUN { echo same; echo "made $(cat /proc/sys/kernel/random/uuid)"; } >/made; echo kept >/kept
		FROM base AS two
		RUN touch /only-$(cat /proc/sys/kernel/random/uuid)
		FROM base
		COPY --from=one /made /copied
		COPY --from=one /kept /kept
		RUN cp /copied /again; echo fixed >/fixed
		COPY --from=two /etc/passwd /p
	DOCKERFILE
	is "$status" 3 "$who: what differs: exit code"
	like "$err" '^error: 5 files differ, written by 4 steps$' "$who: the summary"
	like "$err" '^  \|     /made: content from byte 10 on, line 2: "made [0-9a-f-]{36}" and "made [0-9a-f-]{36}"$' \
		"$who: content, with its place and its line"
	is "$(grep -c '/only-.*: written in the \(first\|second\) build only' <<<"$err")" 2 "$who: files of one build alone"
	like "$err" '^  \| .*Dockerfile:2 RUN \{ echo same' "$who: the step is named by its line"
	unlike "$err" '^  \|  .*/(kept|fixed|p):' "$who: nothing is said of what is the same"
	is "$(jq -c '[.differences[] | [.line, .follows]]' "$T/$who/report.json")" \
		'[[2,false],[4,false],[6,true],[8,true]]' "$who: first the steps where it begins, then those that follow"
	is "$(grep -c '^  |   follows from a step above' <<<"$err")" 2 "$who: which are marked"
	is "$(jq -r '.files, .writers, .reproducible' "$T/$who/report.json" | xargs)" '5 4 false' "$who: the report counts the same"
	nok "$who: no output was written" test -e "$T/$who/out.tar"
	nok "$who: no iidfile was written" test -e "$T/$who/iid"
	unlike "$(cat "$T/$who/store/index.json")" 'library/other' "$who: and no name was given"
	like "$(cat "$T/$who/store/index.json")" 'library/same' "$who: as one was before"

	# ---- kinds of difference ----
	build "$who" --verify-report "$T/$who/kinds.json" <<-DOCKERFILE
		FROM base
		RUN $COUNT \\
		    echo x >/mode; chmod 64\$((4 - n * 4)) /mode; echo x >/owner; chown \$n:0 /owner; \\
		    ln -s to\$n /link; echo x >/touched; touch -d "2020-01-0\$((n + 1)) 00:00:00" /touched; \\
		    { printf abc; [ \$n = 0 ] || printf d; } >/size; head -c 300000 /dev/zero >/big; [ \$n = 0 ] || echo >>/big; \\
		    if [ \$n = 0 ]; then mkdir /type; rm /etc/group; else echo >/type; fi; \\
		    echo x >/e; [ \$n = 0 ] && echo y >/f || ln /e /f; \\
		    printf 'x\377\000\033[31m%s' \$n >/bytes; printf '\037\213\010\000%s000\000\000' \$n >/x.gz; \\
		    printf 'li\033[31m\n%0300d%s%0300d\n' 1 \$n 2 >/long
	DOCKERFILE
	is "$status" 3 "$who: kinds: exit code"
	is "$(jq -c '[.differences[].files[] | select(.path != "/etc" and .path != "/") | [.path, (.kinds | join(" "))]]' "$T/$who/kinds.json")" \
		'[["/big","size content"],["/bytes","content"],["/etc/group","presence"],["/f","type link content"],["/link","link"],["/long","content"],["/mode","mode"],["/owner","owner"],["/size","size content"],["/touched","time"],["/type","type"],["/x.gz","content"]]' \
		"$who: kinds"
	like "$err" '/mode: mode 0644 and 0640$' "$who: mode"
	like "$err" '/owner: owner 0:0 and 1:0$' "$who: owner"
	like "$err" '/link: link to0 and to1$' "$who: link"
	like "$err" '/touched: time 2020-01-01T00:00:00Z and 2020-01-02T00:00:00Z$' "$who: time"
	like "$err" '/size: size 3 and 4; content from byte 3 on, line 1: "abc" and "abcd"$' "$who: size, and where the longer one goes on"
	like "$err" '/big: size 300000 and 300001; content from byte 300000 on$' "$who: a large file: its place alone"
	like "$err" '/bytes: content from byte 8 on$' "$who: no line of what is no text"
	like "$err" '/type: type directory and file$' "$who: type"
	like "$err" '/etc/group: removed in the first build only$' "$who: what is removed"
	like "$err" "/x.gz: content from byte 4 on \\(the time in gzip's header\\)" "$who: a place that is known"
	like "$err" '/long: content from byte [0-9]+ on, line 2: "…0+1*0' "$who: a long line is cut around the place"
	unlike "$err" $'\033' "$who: no control character reaches the terminal"
done
done_testing

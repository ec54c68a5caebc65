#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build --verify-reproducible: a second build, what differs file by file and step by step, and that it is a gate.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
base=$(test_base busybox) || skip_all 'no busybox base'
platforms=$(test_base platforms) || skip_all 'no base of two platforms'
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
mkdir -p ctx root && chmod 755 ctx
echo context >ctx/f
mkdir ctx/data
echo hello >ctx/data/hello
echo other >ctx/data/other
ok 'a static C program for a profile' "$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o ctx/app "$SRC/tests/prog/profile-app.c"
export SOURCE_DATE_EPOCH=1700000000

# again WHO ARGS…: the same Dockerfile
again() {
	cp Dockerfile Dockerfile.again
	build "$@" <Dockerfile.again
}

# count NAME: a step's beginning. $n is how often it has run in this store: a cache mount differs between two builds in a known way.
count() {
	printf '%s' "--mount=type=cache,target=/count,id=$1 n=\$(cat /count/n 2>/dev/null || echo 0); echo \$((n + 1)) >/count/n;"
}

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
	ln -s behind.json "$T/$who/same.json"
	again "$who" --verify-report "$T/$who/same.json" -t same
	ok "$who: a report goes where a link leads" test -L "$T/$who/same.json" -a -s "$T/$who/behind.json"
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
	like "$err" '^  \|     /made: content from byte [12][0-9] on, line 2: "made [0-9a-f-]{36}" and "made [0-9a-f-]{36}"$' \
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
		RUN $(count kinds) \\
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

	# ---- a context that changes between the two ----
	echo before >ctx/g
	(
		# The second build stands still in its step until the file has changed.
		for i in $(seq 600); do
			id=$(grep -lsx pause "$T/$who"/store/caches/*/id) && [ "$(cat "${id%/id}/data/n" 2>/dev/null)" = 2 ] && break
			sleep 0.1
		done
		echo after >ctx/g
		touch "${id%/id}/data/go"
	) &
	build "$who" --verify-report "$T/$who/context.json" <<-DOCKERFILE
		FROM base
		RUN $(count pause) [ \$n = 0 ] || until [ -e /count/go ]; do sleep 0.1; done
		COPY f g /
		RUN --mount=type=bind,target=/context cp /context/g /h
		RUN cat /f >/i
	DOCKERFILE
	wait $!
	is "$status" 3 "$who: a context that changes: exit code"
	like "$err" 'the context changed while it was built from' "$who: is told as such"
	like "$err" '^  \|   files of the context changed between the two builds:$' "$who: at the step, too"
	is "$(jq -c '[.differences[] | [.line, .context_changed // false, [.files[].path]]]' "$T/$who/context.json")" \
		'[[3,true,["/g"]],[4,true,["/h"]]]' "$who: with its files, in all steps that read them"

	# ---- a second build that fails; several platforms ----
	build "$who" --verify-reproducible -t fails <<-DOCKERFILE
		FROM base
		RUN $(count fails) echo try \$n; exit \$n
	DOCKERFILE
	is "$status" 1 "$who: a step that fails in the second build: exit code"
	like "$err" '^error: .*Dockerfile:2: the second build: process .* did not complete successfully: exit code: 1' "$who: says so"
	like "$err" '^  \| try 1$' "$who: with what it printed"
	unlike "$(cat "$T/$who/store/index.json")" 'library/fails' "$who: and no name was given"
	build "$who" --build-context "both=oci-layout://$platforms" --platform linux/amd64,linux/arm64 --verify-report \
		"$T/$who/platforms.json" <<-'DOCKERFILE'
		FROM --platform=$BUILDPLATFORM base AS tool
		ARG TARGETARCH
		RUN echo $TARGETARCH >/arch; cat /proc/sys/kernel/random/uuid >/id
		FROM both
		COPY --from=tool /arch /
		COPY --from=tool /id /
	DOCKERFILE
	is "$status" 3 "$who: several platforms: exit code"
	is "$(jq -c '[.steps, [.differences[] | [.line, .follows, .files[].path]]]' "$T/$who/platforms.json")" \
		'[6,[[3,false,"/id"],[3,false,"/id"],[6,true,"/id"],[6,true,"/id"]]]' "$who: each is compared"

	# ---- an image that is profiled and pruned ----
	pruned=$(
		cat <<-'DOCKERFILE'
			FROM base AS tests
			FROM scratch
			COPY app /bin/app
			COPY data /data
			ENTRYPOINT ["/bin/app"]
			CMD ["serve"]
		DOCKERFILE
	)
	get='wget -q -O - http://localhost:8080'
	build "$who" --verify-reproducible <<-DOCKERFILE
		$pruned
		PROFILE --from=tests --ready=tcp:8080 $get/hello
		PRUNE
	DOCKERFILE
	is "$status" 0 "$who: pruned twice: exit code"
	like "$out" '^same   4 steps in 3 layers' "$who: profiles and prunes count"
	build "$who" --verify-report "$T/$who/pruned.json" <<-DOCKERFILE
		$pruned
		PROFILE --from=tests --ready=tcp:8080 --mount=type=cache,target=/count,id=app n=\$(cat /count/n || echo 0); echo \$((n + 1)) >/count/n; [ \$n = 0 ] && $get/hello || $get/other
		PRUNE
	DOCKERFILE
	is "$status" 3 "$who: tests that try something else: exit code"
	like "$err" '/data/hello: used in the first build only' "$who: what was observed once"
	fits verify-report-1 "$T/$who/kinds.json" "$who: a report fits its schema"
	fits verify-report-1 "$T/$who/pruned.json" "$who: and one of profiles"
	# The first build's second run asks for the other file, too, which a repair puts back.
	is "$(jq -c '[.differences[] | [.line, .follows, [.files[].path | select(startswith("/data/"))]]]' "$T/$who/pruned.json")" \
		'[[7,false,[]],[8,true,["/data/hello"]]]' "$who: and what followed"
done
done_testing

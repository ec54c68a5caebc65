#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle build on a small base: where files are found, what is printed, written, cached.
. "$(dirname "$0")/lib.sh"

busybox=$(test_base busybox) || skip_all 'no busybox base'
TREE=$SRC/tests/tools/imgtree.py
store=$T/store

# build WORD…: with this test's store and base.
build() {
	run "$WHITTLE" build --root "$store" --build-context "busybox=oci-layout://$busybox" "$@"
}

digest_of() {
	jq -r '.manifests[0].digest' "$1/index.json"
}

# config DIR FILTER: from the config of the image in a layout.
config() {
	local m

	m=$(digest_of "$1")
	m=$(jq -r .config.digest "$1/blobs/sha256/${m#sha256:}")
	jq -r "$2" "$1/blobs/sha256/${m#sha256:}"
}

# The progress without the lines of FROM, which has nothing to run.
not_from() {
	awk '/^#[0-9]+ .*FROM / { from[$1] } !($1 in from)' <<<"$err"
}

mkdir ctx
cat >ctx/Dockerfile <<'END'
FROM busybox AS first
RUN echo one >/one
COPY file /
FROM first
ENV A=b
RUN cat /one /file && echo two >&2
LABEL x=y
CMD ["sh"]
END
echo content >ctx/file

# ---- what is printed ----
build -t shop:1.4 -t other --output type=oci,dest=out1,tar=false ctx
is "$status" 0 'a build: exit code'
like "$out" '^image  sha256:[0-9a-f]{64}$' 'the digest on standard output'
like "$out" '^id     sha256:[0-9a-f]{64}$' 'the id'
like "$out" '^name   docker.io/library/shop:1.4$' 'the first name'
like "$out" '^name   docker.io/library/other:latest$' 'the second name'
like "$err" '^#[0-9]+ \[first 2/3\] RUN echo one >/one$' 'progress: a step of a named stage'
like "$err" '^#[0-9]+ \[stage-1 1/1\] RUN cat' 'progress: a step of the last stage'
like "$err" '^#[0-9]+ [0-9]+\.[0-9]{3} content$' 'progress: a line of the log'
like "$err" '^#[0-9]+ [0-9]+\.[0-9]{3} two$' 'progress: what came on standard error'
like "$err" '^#[0-9]+ DONE [0-9]+\.[0-9]s$' 'progress: how long it took'
is "$(not_from | grep -c CACHED)" 0 'progress: nothing was cached'
is "$(sed -n 's/^image  //p' <<<"$out")" "$(digest_of out1)" 'the digest printed is the one written'
ok 'skopeo reads the layout' skopeo inspect oci:out1:1.4
ok 'the layout is whole' python3 "$TREE" oci:out1:1.4
is "$(config out1 .config.Labels.x)" y 'config: the label'
is "$(config out1 '.config.Env[]' | grep ^A=)" A=b 'config: the environment'

# ---- again: nothing runs ----
build --output type=oci,dest=out2,tar=false -t shop:1.4 -t other ctx
is "$status" 0 'again: exit code'
is "$(not_from | grep -c ' CACHED$')" 3 'again: every step is cached'
unlike "$err" '^#[0-9]+ [0-9]+\.[0-9]{3} ' 'again: no step speaks'
is "$(digest_of out2)" "$(digest_of out1)" 'again: the same digest'
ok 'again: the same layout' diff -r out1 out2
if command -v strace >/dev/null; then
	ok 'traced' strace -f -o trace -e trace=execve,clone,clone3,fork,vfork,unshare,mount \
		"$WHITTLE" build --root "$store" --build-context "busybox=oci-layout://$busybox" -q ctx
	is "$(grep -c 'execve(' trace)" 1 'again: no program is started'
	unlike "$(cat trace)" 'unshare\(|CLONE_NEW|mount\(' 'again: no namespace is entered, nothing mounted'
else
	fail 'strace is not installed'
fi
build --no-cache --output type=oci,dest=out3,tar=false ctx
is "$(not_from | grep -c CACHED)" 0 '--no-cache runs everything'
build --no-cache-filter first ctx
like "$err" 'RUN echo one >/one' '--no-cache-filter: the stage'
unlike "$(grep -A 3 'RUN echo one' <<<"$err")" CACHED '--no-cache-filter: runs it again'

# ---- quiet, iidfile ----
echo old >iid
build -q --iidfile iid --output type=oci,dest=out4,tar=false ctx
is "$status" 0 '-q: exit code'
like "$out" '^sha256:[0-9a-f]{64}$' '-q: the id'
is "$(grep -c '' <<<"$out")" 1 '-q: nothing else'
is "$err" '' '-q: silence on standard error'
is "$(cat iid)" "$out" '--iidfile: the id'
is "$(wc -c <iid)" 71 '--iidfile: no line end'
is "$out" "$(jq -r .config.digest "out4/blobs/sha256/$(digest_of out4 | cut -d : -f 2)")" 'the id is the digest of the config'
echo 'FROM busybox
RUN false' >false.df
build -q --iidfile iid -f false.df ctx
is "$status" 1 'a step that fails: exit code'
nok '--iidfile: an old one does not outlive a failed build' test -e iid
build --progress rawjson ctx
is "$status" 0 '--progress rawjson'
like "$err" '^\{"vertexes":\[\{"digest":"sha256:' '--progress rawjson: objects'

# ---- build arguments that nothing takes ----
printf 'ARG early\nFROM busybox\nARG here=1 also\n' >args.df
build --build-arg early=1 --build-arg here=2 --build-arg also=3 --build-arg HTTP_PROXY=x --build-arg BUILDKIT_X=1 -f args.df ctx
unlike "$err" '^warning:' 'build arguments that are taken: no warning'
build --build-arg heer=2 -f args.df ctx
is "$status" 0 'a build argument that nothing takes: no error'
like "$err" '^note: --build-arg heer: no ARG of the Dockerfile takes it$' 'a build argument that nothing takes: a note'

# ---- errors ----
# refused DESC CODE ERE WORD…
refused() {
	local desc=$1 code=$2 want=$3

	shift 3
	build "$@"
	is "$status" "$code" "$desc: exit code $code"
	like "$err" "$want" "$desc: the message"
	is "$(grep -c '^error' <<<"$err")" 1 "$desc: one error"
}

refused 'no Dockerfile' 2 '^error: read the Dockerfile "nodf/Dockerfile": No such file' "$(mkdir nodf && echo nodf)"
like "$err" '^hint: -f names another file' 'no Dockerfile: the hint'
refused 'no such -f' 2 '^error: read the Dockerfile "nothing": No such file' -f nothing ctx
unlike "$err" '^hint: ' 'no such -f: it was named already'
refused '-f is a directory' 2 '^error: read the Dockerfile "ctx": it is no file' -f ctx ctx
printf 'FROM busybox\nLABLE a=b\n' >bad.df
refused 'unknown instruction' 2 '^error: bad.df:2:1: unknown instruction' -f bad.df ctx
like "$err" '^ +2 [|>] LABLE a=b$' 'unknown instruction: the line itself'
like "$err" 'did you mean.*LABEL' 'unknown instruction: what was meant'
printf 'FROM busybox\nCOPY\n' >bad.df
refused 'syntax' 2 '^error: bad.df:2:[0-9]+: ' -f bad.df ctx
printf '# syntax=example/other:2\nFROM scratch\nCOPY a /\n' >other.df
run "$WHITTLE" build --root store -f other.df ctx
like "$err" '^warning: other.df: syntax=example/other:2 names another frontend' 'a frontend that is not run is told'
printf '# syntax=docker/dockerfile:1.7-labs\nFROM scratch\nCOPY a /\n' >other.df
run "$WHITTLE" build --root store -f other.df ctx
unlike "$err" 'warning' "the language's own versions are nothing to tell"
printf '' >bad.df
refused 'empty Dockerfile' 2 '^error: bad.df' -f bad.df ctx
printf 'FROM 127.0.0.1:1/nowhere/at/all:1\nRUN true\n' >bad.df
refused 'missing base, no registry' 4 '^error: bad.df:1:6: .*127.0.0.1:1/nowhere/at/all' -f bad.df ctx
refused 'missing layout' 1 '^error: .*/nolayout' --build-context x=oci-layout:///nolayout -f <(echo FROM x) ctx
refused 'no such stage' 2 '^error: .*nostage' --target nostage ctx
printf 'FROM busybox\nCOPY nofile /\n' >bad.df
refused 'file missing in the context' 1 '^error: bad.df:2:6: .*nofile' -f bad.df ctx
printf 'FROM busybox\nRUN echo some words; echo more >&2; exit 7\n' >bad.df
refused 'failing step' 1 '^error: bad.df:2: .*exit code:? 7' -f bad.df ctx
like "$err" '^  \| some words$' 'failing step: the tail of its log'
like "$err" '^#[0-9]+ ERROR: ' 'failing step: in the progress'
printf 'FROM busybox\nRUN nosuchprogram\n' >bad.df
refused 'program missing' 1 '^error: bad.df:2: .*exit code:? 127' -f bad.df ctx
printf 'FROM busybox\nRUN ["/nosuchprogram"]\n' >bad.df
refused 'program missing, exec form' 1 '^error: bad.df:2: ' -f bad.df ctx
printf 'ARG SOURCE_DATE_EPOCH=soon\nFROM busybox\n' >bad.df
refused 'SOURCE_DATE_EPOCH in the Dockerfile' 2 '^error: bad.df:1: invalid SOURCE_DATE_EPOCH "soon"' -f bad.df ctx
refused 'output that cannot be made' 2 '^error: export to .*/proc/x' -o type=oci,dest=/proc/x ctx
is "$(grep -o 'export to' <<<"$(grep ^error: <<<"$err")" | grep -c '')" 1 'output that cannot be made: said once'
refused 'store that cannot be made' 4 '^error: ' --root /proc/x/store ctx
build ctx
is "$status" 0 'after all that, the store is as good as ever'

# ---- where the Dockerfile comes from ----
build -q --output type=local,dest=stdin - <ctx/Dockerfile
is "$status" 2 'a context from standard input is refused'
"$WHITTLE" build --root "$store" -f - -q --output type=local,dest=stdin ctx <<<$'FROM scratch\nCOPY file /x' >/dev/null
is "$(cat stdin/x)" content '-f -: from standard input'
mkdir low && printf 'FROM scratch\nCOPY dockerfile /x\n' >low/dockerfile
build -q -o lowout low
is "$status" 0 'a dockerfile in lower case is found'
mkdir link && printf 'FROM scratch\nCOPY Dockerfile.web /x\n' >link/Dockerfile.web && ln -s Dockerfile.web link/Dockerfile
build -q link
is "$status" 0 'a symlinked Dockerfile is read'
echo 'SECRET LINE' >outside
ln -sf "$T/outside" link/Dockerfile
build link
is "$status" 2 'a symlink out of the context is not followed'
unlike "$all" 'SECRET LINE' 'and nothing of its target is shown'

# ---- ignore files ----
mkdir -p ign/sub
touch ign/{a,b,c} ign/sub/d
printf 'FROM scratch\nCOPY . /\n' | tee ign/Dockerfile >ign/Other
printf '# all but b\n*\n!b\n' >ign/.dockerignore
build -q -o ign1 ign
is "$(ls -A ign1 | xargs)" b '.dockerignore counts'
printf 'a\n' >ign/Other.dockerignore
build -q -f ign/Other -o ign2 ign
is "$(ls -A ign2 | xargs)" '.dockerignore Dockerfile Other Other.dockerignore b c sub' 'the one named after the Dockerfile wins'
mkdir named && touch named/{x,y} && echo y >named/.dockerignore
build -q --build-context n=named -f - -o ign3 ign < <(printf 'FROM scratch\nCOPY --from=n . /\n')
"$WHITTLE" build --root "$store" -q --build-context n=named -f - -o ign3 ign >/dev/null < <(printf 'FROM scratch\nCOPY --from=n . /\n')
is "$(ls -A ign3 | xargs)" '.dockerignore x' 'a named context has its own'
printf '!\n' >ign/.dockerignore
refused 'a broken .dockerignore' 2 '^error: .dockerignore:[0-9]+: ' ign

# ---- arguments, labels, secrets ----
cat >args.df <<'END'
FROM busybox
ARG ONE=1
ARG TWO=2
ARG THREE=3
RUN --mount=type=secret,id=s --mount=type=secret,id=e,env=E \
    echo "$ONE $TWO $THREE $E $(cat /run/secrets/s)" >/args
END
echo hush >secret
TWO=zwei HIDDEN=quiet run "$WHITTLE" build --root "$store" --build-context "busybox=oci-layout://$busybox" \
	--build-arg ONE=eins --build-arg TWO --build-arg THREE_IS_NOT_SET --secret id=s,src=secret \
	--secret id=e,env=HIDDEN --label a=1 --label b --output type=local,dest=args \
	--output type=oci,dest=argsoci,tar=false -f args.df ctx
is "$(cat args/args)" 'eins zwei 3 quiet hush' 'build arguments and secrets reach the step'
is "$(config argsoci '.config.Labels | tojson')" '{"a":"1","b":""}' '--label'
ok 'the image with the secrets was written' test -e argsoci/index.json
unlike "$(cat argsoci/blobs/sha256/* | tr -d '\0' | strings -n 4) $err" 'hush|quiet' 'no secret in blobs or progress'
build --add-host db:10.1.2.3 --shm-size 32m -f <(printf 'FROM busybox\nRUN grep db /etc/hosts; df -k /dev/shm\n') ctx
like "$err" '10\.1\.2\.3.*db' '--add-host'
like "$err" ' 32768 ' '--shm-size'
build --network none -f <(printf 'FROM busybox\nRUN ip addr\n') ctx
is "$(grep -cE '^#[0-9]+ [0-9.]+ [0-9]+: ' <<<"$err")" 1 '--network none: loopback alone'
build --target first -q --iidfile iid ctx
isnt "$(cat iid)" "$(sed -n 's/^id     //p' <<<"$out")" '--target: another image'

# ---- outputs ----
build --output type=oci,dest=out.tar -t shop ctx
ok 'oci tar: skopeo reads it' skopeo inspect oci-archive:out.tar:latest
"$WHITTLE" build --root "$store" --build-context "busybox=oci-layout://$busybox" -t shop --output type=oci,dest=- ctx \
	2>piped.err >piped.tar
ok 'standard output carries the same bytes' cmp out.tar piped.tar
like "$(cat piped.err)" '^image  sha256' 'and the result goes to standard error'
"$WHITTLE" build --root "$store" --build-context "busybox=oci-layout://$busybox" -o - ctx 2>/dev/null | tar t >list
ok 'type=tar: the files' grep -qx 'bin/busybox' list
build -o local ctx
is "$(cat local/one)" one 'type=local: the files'
build -o local ctx
is "$status" 2 'type=local: not into a directory that has something in it'
export SOURCE_DATE_EPOCH=1600000000 # else the time of a new run would show
build --output type=oci,dest=comp,tar=false ctx
for comp in gzip zstd uncompressed; do
	build --output "type=oci,dest=comp-$comp,tar=false,compression=$comp,force-compression=true" ctx
	is "$status" 0 "compression=$comp"
	types=$(jq -r '.layers[].mediaType' "comp-$comp/blobs/sha256/$(digest_of "comp-$comp" | cut -d : -f 2)" | sort -u)
	case $comp in
	uncompressed) want=application/vnd.oci.image.layer.v1.tar ;;
	*) want=application/vnd.oci.image.layer.v1.tar+$comp ;;
	esac
	is "$types" "$want" "compression=$comp: media type"
	ok "compression=$comp: the same tree" diff <(python3 "$TREE" "oci:comp-$comp") <(python3 "$TREE" oci:comp)
done
rm -rf store2
run "$WHITTLE" build --root store2 --build-context "busybox=oci-layout://$busybox" \
	--output type=oci,dest=comp-fresh,tar=false,compression=gzip,force-compression=true ctx
is "$(digest_of comp-fresh)" "$(digest_of comp-gzip)" 'gzip made at once or from zstd: the same bytes'
unset SOURCE_DATE_EPOCH

# ---- a base by its name in the store ----
build -q -t base/of:mine ctx
printf 'FROM base/of:mine\nRUN cat /one\n' >named.df
build -f named.df ctx
is "$status" 0 'FROM a name that -t gave'
like "$err" '^#[0-9]+ [0-9.]+ one$' 'and its files are there'

# ---- one tag, two names, one layout ----
build -t first:latest --output type=oci,dest=two,tar=false ctx
printf 'FROM busybox\nLABEL which=second\n' >second.df
build -t second:latest -f second.df --output type=oci,dest=two,tar=false ctx
is "$(jq '[.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "latest")] | length' two/index.json)" 1 \
	'a tag stands for one image of a layout'
is "$(skopeo inspect oci:two:latest | jq -r .Labels.which)" second 'for the one that came last'
is "$(jq -r '.manifests[].annotations["io.containerd.image.name"]' two/index.json | tr '\n' ' ')" \
	'docker.io/library/first:latest docker.io/library/second:latest ' 'both keep their names'

# ---- SOURCE_DATE_EPOCH ----
build --build-arg SOURCE_DATE_EPOCH=1262304000 --output type=oci,dest=sde1,tar=false ctx
is "$(config sde1 .created)" 2010-01-01T00:00:00Z 'SOURCE_DATE_EPOCH as build argument'
SOURCE_DATE_EPOCH=1262304000 build --no-cache --output type=oci,dest=sde2,tar=false ctx
is "$(digest_of sde2)" "$(digest_of sde1)" 'from the environment: the same digest, run again'

# ---- output by name ----
printf 'FROM busybox\nUSER 4321\nRUN echo to-out >/dev/stdout && echo to-err >/dev/stderr\n' >stdout.df
build -f stdout.df ctx
is "$status" 0 'a step that is not root writes to /dev/stdout and /dev/stderr'
like "$err" 'to-out' 'and it is shown'

# ---- the default store ----
if is_root; then
	cp -r ctx "$UT/ctx" && chown -R "$TEST_USER:" "$UT"
	run as_user env HOME="$UT" "$WHITTLE" build -q --build-context "busybox=oci-layout://$busybox" "$UT/ctx"
	ok 'an ordinary user has the store in ~/.local/share' test -d "$UT/.local/share/whittle/blobs"
	run as_user env HOME="$UT" XDG_DATA_HOME="$UT/data" "$WHITTLE" build -q \
		--build-context "busybox=oci-layout://$busybox" "$UT/ctx"
	ok 'or in XDG_DATA_HOME' test -d "$UT/data/whittle/blobs"
fi

done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What differs between two releases: read as a reviewer would, and by machines.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
mkdir "$T/ctx"

record() { # NAME VERSION: a package of dpkg's, with its list
	printf 'Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\nMaintainer: nobody\nDescription: x\n\n' "$1" "$2"
}
release() { # NUMBER
	cat <<D
FROM base AS app
RUN mkdir -p /www /opt/tool /usr/share/tool /var/lib/dpkg/info && echo one >/www/one && echo o >/www/other$1 && cp /bin/busybox /opt/tool/helper
RUN for f in a b c; do echo "$1 \$f" >/usr/share/tool/\$f; done
RUN <<'S'
cat >/var/lib/dpkg/status <<'X'
$(record tool 1.$1)

$(record "other$1" 1)
X
printf '/.\n/usr\n/usr/share\n/usr/share/tool\n/usr/share/tool/a\n/usr/share/tool/b\n/usr/share/tool/c\n' >/var/lib/dpkg/info/tool.list
printf '/.\n/www\n/www/other$1\n' >/var/lib/dpkg/info/other$1.list
S
D
	[ "$1" = 1 ] || echo 'RUN echo more >/www/more && chmod 4755 /opt/tool/helper && chown 7 /www/one && ln -s one /www/link && rm /usr/share/tool/c && touch "/www/$(printf "esc\\033[31m")"'
	cat <<D
COPY <<'S' /serve
#!/bin/busybox sh
cat /usr/share/tool/a /www/one >/dev/null
$([ "$1" = 1 ] || echo '/opt/tool/helper true')
exec /bin/busybox httpd -f -p 808$1 -h /www
S
RUN chmod 755 /serve
ENV RELEASE=$1 SAME=x
$([ "$1" = 1 ] || printf '%s\n' 'EXPOSE 8082' 'USER 0:5' 'LABEL evil="<script>`x` | y"')
STOPSIGNAL SIGKILL
ENTRYPOINT ["/serve"]
FROM app AS release
PROFILE --ready=tcp:808$1 <<X
/run/whittle/app test 'the first page'
wget -q -O - http://127.0.0.1:808$1/one
$([ "$1" = 1 ] || printf "/run/whittle/app test 'another page'\nwget -q -O - http://127.0.0.1:8082/more\n")
true
X
PRUNE --shell=keep --setuid=keep --keep=/usr/share/tool/** --keep=/www/**
D
}

for who in root user; do
	[ $who = root ] && ! is_root && continue
	O=$T/$who
	ST=$O/store
	mkdir "$O"
	[ $who = root ] || chown "$TEST_USER": "$O" 2>/dev/null
	for n in 1 2; do
		release $n >"$T/r$n"
		build $who -t shop:$n <"$T/r$n"
		is "$status" 0 "$who: release $n"
		[ "$status" = 0 ] || show "$all"
	done
	run as $who "$WHITTLE" diff --root "$ST" shop:1 shop:2
	is "$status" 0 "$who: diff"
	like "$out" '^shop:1 → shop:2$' "$who: what is held against what"
	like "$out" '^[0-9]+ new needs of the application, .*1 package upgraded, 1 package added, 1 package removed, .* settings changed, .* files differ$' "$who: in a line"
	like "$out" '^  \+ executables  /opt/tool/helper — application: /bin/busybox \(script /serve\) ran /opt/tool/helper, in start$' "$who: a helper program, by whom"
	like "$out" '^  \+ ports        tcp 8082' "$who: a port"
	like "$out" '^  - ports        tcp 8081' "$who: one that is gone"
	like "$out" '^  \+ test         another page$' "$who: a test"
	like "$out" '^  ~ tool 1\.1 → 1\.2$' "$who: an upgrade"
	like "$out" '^  \+ other2 1$' "$who: a package more"
	like "$out" '^  - other1 1$' "$who: and one less"
	like "$out" '^  ~ Env RELEASE: 1 → 2$' "$who: a variable"
	unlike "$out" 'SAME' "$who: and not the others"
	like "$out" '^  \+ User: 0:5$' "$who: the user"
	like "$out" '^  \+ /opt/tool/helper — SET-ID$' "$who: a set-id bit stands out"
	like "$out" '^  ~ /www/one — owner$' "$who: an owner"
	like "$out" '^  \+ /www/link$' "$who: a link"
	like "$out" '^  ~ 2 of tool$' "$who: a package's files are counted"
	like "$out" '^  - 1 of tool$' "$who: also those that went"
	unlike "$out" '/usr/share/tool/a' "$who: and not named"
	like "$out" 'set-id files +0 → 1' "$who: figures"
	like "$out" 'not assessed: ' "$who: what nobody knows is said"
	unlike "$out" $'\033' "$who: no control character of the image's"
	run as $who "$WHITTLE" diff --root "$ST" --files shop:1 shop:2
	like "$out" '^  ~ /usr/share/tool/a — content of tool$' "$who: --files"
	run as $who "$WHITTLE" diff --root "$ST" --format json -o "$O/diff.json" shop:1 shop:2
	fits diff-1 "$O/diff.json" "$who: as JSON"
	is "$(jq -c '[.same, .packages.changed[0].from, (.behaviour.tests.added | length)]' "$O/diff.json")" '[false,"1.1",1]' "$who: which says the same"
	run as $who "$WHITTLE" diff --root "$ST" --format markdown shop:1 shop:2
	like "$out" '^- added executables <code>/opt/tool/helper</code>' "$who: as Markdown"
	unlike "$out" '<script>|^[^<]*`' "$who: in which nothing of the image's is markup"
	run as $who "$WHITTLE" diff --root "$ST" shop:1 shop:1
	like "$out" '^no difference$' "$who: an image and itself"
	run as $who "$WHITTLE" diff --root "$ST" --exit-code shop:1 shop:1
	is "$status" 0 "$who: --exit-code: the same"
	run as $who "$WHITTLE" diff --root "$ST" --exit-code shop:1 shop:2
	is "$status" 1 "$who: --exit-code: another"
	like "$out" '^shop:1 → shop:2$' "$who: which is told all the same"
	run as $who "$WHITTLE" diff --root "$ST" shop:1 "oci:$base"
	like "$out" 'not known: the second image has no profile' "$who: an image that was not pruned"
	run as $who "$WHITTLE" diff --root "$ST" shop:1 shop:9
	is "$status" 1 "$who: one that is not there"
	like "$err" '^error: .*shop:9' "$who: is named"
	run as $who "$WHITTLE" diff --root "$ST" shop:1
	is "$status" 2 "$who: one image is too few"
done
done_testing

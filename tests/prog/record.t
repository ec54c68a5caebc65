#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle-record: the observer by itself; as root it is held against fanotify, which misses no open.
built=${WHITTLE:-}
. "$(dirname "$0")/lib.sh"
record=$(dirname "${built:-$SRC/build/whittle}")/whittle-record
[ -x "$record" ] || { echo "Bail out! no $record"; exit 1; }
mkdir -p "$T/bin"
install -m 755 "$record" "$T/bin/record"
record=$T/bin/record

used() { # LOG: what exists and was used, or was made
	awk -F'\t' '$1 == "A" || ($1 == "N" && $2 ~ /c/) { print $4 }' "$1" | sort -u
}
programs() { # LOG: PARENT PROGRAM SCRIPT
	awk -F'\t' '$1 == "P" { print $3, $4, $5 }' "$1"
}
ends_well() { # LOG DESC
	like "$(tail -n 1 "$1")" $'^E\t[1-9][0-9]*\t0$' "$2"
}

# ---- by itself ----

printf '#!%s -f\n%s\n' "$T/bin/awk" 'BEGIN { getline x < "data"; print x }' >"$T/script"
printf '#!/bin/sh\ncat data >/dev/null\nexit 3\n' >"$T/shell"
chmod 755 script shell
echo content >data
cp "$(command -v awk)" bin/awk

for who in root user; do
	if [ $who = root ]; then
		is_root || continue
		by=()
		home=$T
	else
		by=(as_user)
		home=$UT
	fi
	recorded() { # COMMAND…
		run "${by[@]}" "$record" -o "$home/log" -- "$@"
		log=$(cat "$home/log")
	}

	recorded true
	is "$status" 0 "$who: a command's status"
	ends_well "$home/log" "$who: the log is complete"
	like "$(head -n 1 "$home/log")" '^whittle-observation 1$' "$who: the log's first line"

	recorded "$T/shell"
	is "$status" 3 "$who: another status"
	like "$(programs "$home/log")" "^0 [^ ]+ $T/shell\$" "$who: a script and its interpreter"
	like "$log" "^A	x	0	$T/shell\$" "$who: the script is executed"
	like "$log" "^A	r	[12]	$T/data\$" "$who: what a child of the script reads"

	recorded "$T/script"
	is "$out" content "$who: output is the command's"
	like "$(programs "$home/log")" "^0 $T/bin/awk $T/script\$" "$who: an interpreter with an argument"

	recorded sh -c 'kill -TERM $$'
	is "$status" 143 "$who: killed by a signal"
	recorded "$T/nothing"
	is "$status" 127 "$who: no such command"
	like "$log" "^N	x	0	$T/nothing\$" "$who: what was looked for"
	recorded "$T/data"
	is "$status" 126 "$who: not to be executed"

	rm -f "$UT/late" "$T/late"
	recorded sh -c '(sleep 0.3; echo x >"$0/late") & exit 5' "$home"
	is "$status" 5 "$who: the status of the command, not of what it left"
	like "$log" "^N	c	[0-9]+	$home/late\$" "$who: what the command left behind is watched to its end"
	ends_well "$home/log" "$who: and the log is complete then"

	recorded bash -c 'for i in {1..300}; do (: <"$0") & done; wait' "$T/data"
	is "$status" 0 "$who: three hundred processes"
	ends_well "$home/log" "$who: none is lost"

	recorded bash -c 'for i in {1..80}; do (: <"$0"; sleep 0.5; : <"$1") & done; wait' "$T/data" "$T/shell"
	before=$log
	run "${by[@]}" bash -c 'ulimit -n 60 && exec "$@"' sh "$record" -o "$home/log" -- \
		bash -c 'for i in {1..80}; do (: <"$0"; sleep 0.5; : <"$1") & done; wait' "$T/data" "$T/shell"
	is "$(grep "$T/" "$home/log" | sort)" "$(grep "$T/" <<<"$before" | sort)" "$who: more processes than descriptors"
	ends_well "$home/log" "$who: and none is lost for that"

	run "${by[@]}" "$record" -o "$home/no/log" true
	is "$status" 125 "$who: a log that cannot be written"
	run "${by[@]}" "$record" true
	is "$status" 125 "$who: no log named"
	like "$err" '^usage: ' "$who: tells its usage"
	if [ -e /dev/full ]; then
		run "${by[@]}" "$record" -o /dev/full true
		is "$status" 125 "$who: a full disk"
	fi
done

# A listener of one's own, as the recorder's itself, is refused; the log says who wanted it.
run "$record" -o log -- "$record" -o inner -- true
is "$status" 125 'an observer in an observer'
like "$err" 'a tree of processes may have but one' 'and why not'
like "$(cat log)" $'^X\t1\tlistener$' 'the remark'

if readelf -d "$record" 2>/dev/null | grep -q NEEDED; then
	like "$(nm -D "$record" 2>/dev/null)" '__asan' 'dynamic only for the sanitizers'
else
	pass 'static'
fi

# ---- against fanotify ----

if ! is_root; then
	done_testing
	exit 0
fi
${CC:-cc} -D_GNU_SOURCE -O1 -Wall -Wextra -o bin/witness "$SRC/tests/tools/witness.c" || { echo 'Bail out! witness does not build'; exit 1; }
cat >p32.c <<'EOT'
static int call(int nr, const void *a, int b, int c)
{
	int r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return r;
}
void _start(void)
{
	int fd = call(5, "data", 0, 0);

	call(1, (void *)(fd < 0), 0, 0);
	for (;;)
		;
}
EOT

# What the recorder opens itself; with the sanitizers it is dynamic.
own() {
	printf '%s\n' "$T/log" "$T/bin/record" /etc/ld.so.cache
	ldd "$record" 2>/dev/null | grep -o '/[^ ]*' | xargs -r realpath
}

compare() { # NAME COMMAND…
	local name=$1 missed

	shift
	run bin/witness --own / seen -- "$record" -o log -- "$@"
	is "$status" 0 "$name: runs"
	ends_well log "$name: the log is complete"
	{ used log; own; } | sort -u >known
	missed=$(sed -n 's/^O //p' seen | sort -u | comm -23 - known)
	is "$missed" '' "$name: all that was opened is in the log"
	missed=$(sed -n 's/^X //p' seen | sort -u | comm -23 - known | grep -v '/ld[-.][^/]*so[^/]*$')
	is "$missed" '' "$name: all that was executed, but for ELF interpreters"
	# The comparison can fail: fanotify saw the command itself.
	ok "$name: and there was something to compare" grep -qxFf known <(sed -n 's/^X //p' seen)
}

cat >busy <<'EOT'
#!/bin/sh
cd /usr && ls bin >/dev/null
cp /etc/passwd "$T/copy" && mv "$T/copy" "$T/moved" && sort <"$T/moved" | head -n 1 >/dev/null
find /etc -maxdepth 1 -type f -exec cat {} + >/dev/null
tar cf "$T/t.tar" -C /usr/share/zoneinfo . && mkdir "$T/x" && tar xf "$T/t.tar" -C "$T/x"
ln -s t.tar "$T/l" && cat "$T/l" >/dev/null && cat "/proc/self/cwd/share/zoneinfo/UTC" >/dev/null
exec 5<"$T/data" && cat /dev/fd/5 >/dev/null
exit 0
EOT
chmod 755 busy
compare 'a shell script' env "T=$T" "$T/busy"
compare perl perl -MPOSIX -MFile::Temp -e 'my $t = File::Temp->new; print $t strftime("%c", localtime); close $t; open F, "<", "$t"; <F>'
compare python /usr/bin/python3 -c 'import ssl, sqlite3, json, subprocess, threading, zoneinfo, encodings.idna
subprocess.run(["/bin/true"]); zoneinfo.ZoneInfo("Europe/Paris")
t = [threading.Thread(target=lambda: open("data").read()) for i in range(20)]
[x.start() for x in t]; [x.join() for x in t]'
compare ldconfig /sbin/ldconfig -N -v -C "$T/cache"
if [ "$(uname -m)" = x86_64 ] && ${CC:-cc} -m32 -O1 -ffreestanding -nostdlib -static -fno-pie -no-pie -fno-stack-protector -o p32 p32.c 2>/dev/null && ./p32; then
	compare 'a 32-bit program' "$T/p32"
fi
compare busybox "$(command -v busybox)" sh -c 'busybox cat data; busybox find /etc -name "*.conf" | busybox head -n 1'

done_testing

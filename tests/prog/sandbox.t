#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A step in the sandbox, by itself: what it sees, what it may do, what it leaves. As root and as an ordinary user.
built=${WHITTLE:-}
. "$(dirname "$0")/lib.sh"
driver=${SANDBOX_DRIVER:-$(dirname "${built:-$SRC/build/whittle}")/tests/prog/sandbox-driver}
[ -x "$driver" ] || { echo "Bail out! no $driver"; exit 1; }
mkdir -p "$T/bin"
install -m 755 "$driver" "$T/bin/driver"
driver=$T/bin/driver
${CC:-cc} -D_GNU_SOURCE -O1 -static -o "$T/bin/poke" "$SRC/tests/tools/poke.c" || { echo "Bail out! poke does not build"; exit 1; }

cat >preload.c <<'EOT'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void poke(void)
{
	int fd = open("/proc/self/exe", O_WRONLY | O_TRUNC);

	char file[256] = "";

	fprintf(stderr, "preloaded: %s\n", fd < 0 ? strerrorname_np(errno) : "ok");
	readlink("/proc/self/exe", file, sizeof(file) - 1);
	fprintf(stderr, "file: %s\n", file);
}
EOT
${CC:-cc} -D_GNU_SOURCE -shared -fPIC -o "$T/bin/preload.so" preload.c || { echo "Bail out! no preload.so"; exit 1; }

everyone() { # CMD…: as the user of this round
	if [ "$who" = root ]; then "$@"; else as_user "$@"; fi
}

make_root() { # DIR
	everyone sh -ec '
		mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root"
		cp /bin/busybox "$2" "$1/bin/"
		for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -s busybox "$1/bin/$a"; done
		printf "%s\n" "root:$3:0:0:root:/root:/bin/sh" app:x:1000:1000:app:/home/app:/bin/sh >"$1/etc/passwd"
		printf "root:x:0:\napp:x:1000:\nextra:x:1001:app\n" >"$1/etc/group"
		chmod 1777 "$1/tmp"' sh "$1" "$T/bin/poke" "$(openssl passwd -1 -salt ab pass)"
}
# A writable layer of its own for each step: $home/up, up-work, up-stubs.
fresh() {
	everyone sh -c 'chmod -R u+rwX "$1"/up* 2>/dev/null; rm -rf "$1"/up*; mkdir "$1/up" "$1/up-work" "$1/up-stubs"' sh "$home" 2>/dev/null ||
		{ remove_tree "$home/up"; remove_tree "$home/up-work"; remove_tree "$home/up-stubs"; everyone mkdir "$home/up" "$home/up-work" "$home/up-stubs"; }
}
again() { # [OPTION]… -- CMD…: in the layer that is there
	run everyone "$driver" --lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" "$@"
}
step() {
	fresh
	again "$@"
}
in_upper() { # what the step left, without the directory itself
	(cd "$home/up" && find . -mindepth 1 | sort | tr '\n' ' ')
}

identity() {
	step --hostname box -- sh -c 'echo pid $$; hostname; id; umask; pwd; echo "$HOME $PATH"; ulimit -n; cat /proc/1/comm; ls /proc | grep -c "^[0-9]"'
	is "$status" 0 "$who: a step runs"
	is "$(sed -n 1,3p <<<"$out")" $'pid 1\nbox\nuid=0(root) gid=0(root) groups=0(root)' "$who: pid 1, hostname, root"
	is "$(sed -n 4,6p <<<"$out")" $'0022\n/\n/root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$who: umask, cwd, HOME, PATH"
	hard=$(ulimit -Hn)
	[ "$hard" = unlimited ] || [ "$hard" -gt 1048576 ] && hard=1048576
	is "$(sed -n 7p <<<"$out")" "$hard" "$who: soft limit of descriptors"
	is "$(in_upper)" '' "$who: nothing of ours shows in upper"
	is "$(stat -c %Y "$home/up-stubs/etc/hosts" >/dev/null 2>&1 && echo there)" there "$who: stubs lie in their own layer"
	step --user app --env HOME=/h --env PATH=/bin -- sh -c 'id; echo $HOME $PATH'
	is "$out" $'uid=1000(app) gid=1000(app) groups=1000(app),1001(extra)\n/h /bin' "$who: USER by name, with its groups; given HOME and PATH stay"
	step --user 4321 --cwd /made/here -- sh -c 'id; pwd; echo $HOME'
	is "$out" $'uid=4321 gid=0(root) groups=0(root)\n/made/here\n/' "$who: USER by number; a missing cwd is made"
	is "$(in_upper)" './made ./made/here ' "$who: the cwd stays in the layer"
	step -- poke fds
	is "$out" '0 1 2 ' "$who: three descriptors, no more"
	step -- sh -c 'readlink /proc/self/fd/0; cat | wc -c; ps -o sid,pid | grep " 1$"; cut -d" " -f7 /proc/1/stat'
	is "$(head -n 2 <<<"$out")" $'/dev/null\n0' "$who: standard input is empty"
	is "$(tail -n 1 <<<"$out")" 0 "$who: no controlling terminal"
	step -- sh -c 'exit 7'
	is "$status" 7 "$who: exit status"
	step -- sh -c 'kill -9 $$; sh -c "kill -11 \$\$"; exit $?'
	is "$status" 139 "$who: a child's signal, and none from inside reaches pid 1 without a handler"
	like "$err" 'signal=0' "$who: and it is told apart from a signal to pid 1"
}

privileges() {
	step -- poke status Cap
	is "$(tr -s '\t' ' ' <<<"$out" | tr '\n' ' ')" 'CapInh: 0000000000000000 CapPrm: 00000000a80425fb CapEff: 00000000a80425fb CapBnd: 00000000a80425fb CapAmb: 0000000000000000 ' \
		"$who: docker's capabilities"
	step --user app -- poke status Cap
	is "$(tr -s '\t' ' ' <<<"$out" | tr '\n' ' ')" 'CapInh: 0000000000000000 CapPrm: 0000000000000000 CapEff: 0000000000000000 CapBnd: 00000000a80425fb CapAmb: 0000000000000000 ' \
		"$who: none in effect for another user"
	step -- sh -c 'poke status NoNewPrivs; poke status Seccomp:'
	is "$(tr -s '\t' ' ' <<<"$out" | tr '\n' ' ')" 'NoNewPrivs: 0 Seccomp: 2 ' "$who: filtered, with no_new_privs off"
	step --insecure -- sh -c 'poke status CapEff; poke status Seccomp:; mount -t tmpfs x /tmp && echo mounted'
	like "$out" 'CapEff:.0*1f' "$who: insecure: all capabilities"
	like "$out" '^mounted' "$who: insecure: may mount"
	step -- sh -c 'rm /bin/su; cp /bin/busybox /bin/su; chmod 4755 /bin/su; cp /bin/poke /bin/poke2; chmod 4711 /bin/poke2; chgrp 1001 /bin/poke2; chmod 6711 /bin/poke2; poke setcap /bin/poke'
	is "$out" ok "$who: a file capability can be set"
	again --user app -- sh -c 'id -u; echo pass | /bin/su root -c "id -u" | grep -v Password; poke2 euid; poke status CapEff; poke2 status CapEff'
	is "$(sed -n 1,3p <<<"$out")" $'1000\n0\n0 1001' "$who: su and setuid programs work in a step"
	is "$(sed -n 4p <<<"$out")" $'CapEff:\t0000000000000400' "$who: file capabilities work"
	is "$(sed -n 5p <<<"$out")" $'CapEff:\t00000000a80425fb' "$who: what setuid gives is bounded"
	step -- poke mounts
	is "$(grep -vc EPERM <<<"$out")" 0 "$who: no way to mount, unmount or unshare"
	step -- sh -c 'poke mknod /tmp/disk; touch /tmp/f; chown 1000:1000 /tmp/f; chown 65535:65535 /tmp/f && stat -c %u:%g /tmp/f'
	is "$out" $'EPERM\n65535:65535' "$who: no device nodes; all ids are there"
}

proc_and_dev() {
	step -- sh -c 'for f in sys/kernel/hostname sysrq-trigger sys/vm/drop_caches irq/default_smp_affinity; do poke write /proc/$f; done'
	unlike "$out" '^ok' "$who: /proc's switches are read-only"
	step -- sh -c 'for f in kcore keys timer_list interrupts kmsg; do [ -e /proc/$f ] && wc -c </proc/$f; done; ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v :; true'
	is "$(tr -d '0\n' <<<"$out")" '' "$who: masked files are empty"
	step -- sh -c 'for f in $(find /proc /sys -path "/proc/[0-9]*" -prune -o -path /proc/self -prune -o -path /proc/thread-self -prune -o -type f -perm /222 -print 2>/dev/null); do (: >>"$f") 2>/dev/null && echo "$f"; done; find /proc/sys -type f | wc -l'
	like "$out" '^[1-9][0-9]+$' "$who: there are switches to try"
	is "$(grep -c / <<<"$out")" 0 "$who: no file of the kernel's can be opened for writing"
	step --env SECRET_MARK=1 -- sh -c 'tr "\0" "\n" </proc/1/environ | grep -c SECRET_MARK; cat /proc/1/cmdline | tr "\0" " "'
	like "$out" '^1$' "$who: /proc/1 is the step's own"
	step -- sh -c 'ls /dev; stat -c "%n %a" /dev/shm /dev/mqueue /dev/pts/ptmx /dev/null; echo x >/dev/null && echo null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; df -m /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2'
	is "$(head -n 15 <<<"$out" | tr '\n' ' ')" 'core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ' "$who: /dev holds what it should and no more"
	like "$out" '^/dev/shm 1777$' "$who: /dev/shm"
	like "$out" '^/dev/pts/ptmx 666$' "$who: ptmx"
	is "$(tail -n 4 <<<"$out" | tr '\n' ' ')" 'null 4 4 64 ' "$who: devices work; shm has 64 MiB"
	step --shm 1048576 -- sh -c 'head -c 2000000 /dev/zero >/dev/shm/x; stat -c %s /dev/shm/x'
	is "$out" 1048576 "$who: shm size as asked"
	step -- sh -c 'poke write /sys/kernel/mm/transparent_hugepage/enabled; poke write /sys/fs/cgroup/x; ls /sys/class >/dev/null && echo sys'
	like "$out" '^sys$' "$who: /sys is there"
	is "$(grep -cE '^(EROFS|EACCES)$' <<<"$out")" 2 "$who: and read-only"
	step --net none -- sh -c 'poke write /sys/kernel/mm/transparent_hugepage/enabled; ls /sys/class/net'
	like "$(tr '\n' ' ' <<<"$out")" '^(EROFS|EACCES) lo $' "$who: a fresh /sys with a network of its own"
}

escapes() {
	local victim
	rm -f "$home/victim"
	everyone sh -c 'echo $$ >"$0"; exec sleep 300' "$home/victim" >/dev/null 2>&1 &
	for _ in $(seq 50); do [ -s "$home/victim" ] && break; sleep 0.1; done
	victim=$(cat "$home/victim")
	on_exit "kill $victim 2>/dev/null"
	step -- sh -c "poke kill $victim; poke ptrace $victim; poke vm $victim; ls -d /proc/$victim; poke kill -1 >/dev/null; echo done"
	is "$(sed -n 1,3p <<<"$out" | tr '\n' ' ')" 'ESRCH ESRCH ESRCH ' "$who: processes outside cannot be named"
	ok "$who: and one outside lives" kill -0 "$victim"
	kill "$victim" 2>/dev/null
	step -- poke escape "$home/secret"
	is "$out" ENOENT "$who: chroot and up leads nowhere"
	step -- sh -c "for p in ../../../../../../../../../.. /proc/self/root /proc/1/root /proc/1/cwd /proc/self/root/.. /proc/1/root/proc/1/root/..; do [ -e \"\$p$home/secret\" ] && echo \"\$p\"; done; ls /proc/1/fd /proc/self/fd >/dev/null; ls /"
	unlike "$out" '^[./]' "$who: no path leads out"
	unlike "$out" '^(home|usr|var|lib)$' "$who: the root is the image's alone"
	step -- sh -c 'cut -d" " -f5 /proc/self/mountinfo | grep -vE "^/(|proc(/.*)?|dev(/.*)?|sys(/.*)?|etc/(resolv.conf|hosts))$"; cut -d" " -f5 /proc/self/mountinfo | sort | uniq -d; ls -di / /.. | cut -d/ -f1 | sort -u | wc -l'
	is "$out" 1 "$who: no mount of the host is left, and nothing lies upon the root"
	# what the image's own links point to is inside
	everyone ln -sf "$home/secret" "$home/root/link"
	step -- sh -c 'poke write /link; cat /link'
	unlike "$all" "$secret" "$who: an absolute link of the image stays inside"
	is "$(cat "$home/secret")" "$secret" "$who: and what it names outside is untouched"
	everyone rm "$home/root/link"
	step -- sh -c 'poke write /proc/self/exe; poke write /proc/1/exe'
	unlike "$out" '^ok$' "$who: the running programs cannot be written"
	# Our own program, which PID 1 may run by the name of /proc/self/exe, with a library of the step's loaded into it. While it
	# runs anywhere nobody can open it for writing (ETXTBSY); the read-only mount is what holds for good.
	cp "$driver" "$T/bin/target"
	[ "$who" = root ] || chown "$TEST_USER:" "$T/bin/target"
	ldd "$T/bin/target" | grep -o '/[^ ]*' | sort -u | while read -r lib; do everyone install -D "$lib" "$home/root$lib"; done
	everyone install "$T/bin/preload.so" "$home/root/preload.so"
	printf '#!/proc/self/exe\n' | everyone tee "$home/root/bin/evil" >/dev/null
	everyone chmod 755 "$home/root/bin/evil"
	local command
	for command in /proc/self/exe evil; do
		fresh
		run everyone "$T/bin/target" --lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" \
			--env LD_PRELOAD=/preload.so --env ASAN_OPTIONS=verify_asan_link_order=0 -- "$command"
		like "$all" '^preloaded: EROFS$' "$who: $command as command: our program runs, from where nobody can write"
	done
	ok "$who: its file is as it was" cmp "$driver" "$T/bin/target"
	everyone rm "$home/root/bin/evil" "$home/root/preload.so"
}

sockets() {
	local name="whittle-test-$$-$who" listener
	rm -f "$T/listening"
	"$T/bin/poke" listen "$name" >"$T/listening" &
	listener=$!
	for _ in $(seq 50); do grep -qs listening "$T/listening" && break; sleep 0.1; done
	is "$("$T/bin/poke" abstract "$name")" ok "$who: the abstract socket of the host answers outside"
	step --net host -- poke abstract "$name"
	is "$out" EPERM "$who: with the host's network it is out of reach (Landlock)"
	step --net none -- poke abstract "$name"
	is "$out" ECONNREFUSED "$who: without, it is not there"
	step --net host -- sh -c 'poke listen own >/tmp/l & sleep 0.3; poke abstract own'
	is "$out" ok "$who: a step's own abstract sockets work"
	kill "$listener"
	wait "$listener" 2>/dev/null
	step --net none -- sh -c 'ip -o link | wc -l; ip -o link | grep -o "lo: <LOOPBACK,UP"; ip route | wc -l; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo ping'
	is "$out" $'1\nlo: <LOOPBACK,UP\n0\nping' "$who: network none: lo, up, and nothing else"
	step --net none --hostname box --add-host db:10.1.2.3 --resolv 'nameserver 192.0.2.7' -- sh -c 'grep db /etc/hosts; grep -c "localhost box" /etc/hosts; cat /etc/resolv.conf; echo; echo mine >>/etc/hosts && tail -n 1 /etc/hosts'
	is "$out" $'10.1.2.3\tdb\n1\nnameserver 192.0.2.7\nmine' "$who: hosts and resolv.conf, writable"
	is "$(in_upper)" '' "$who: and discarded"
}

# pasta and slirp4netns. Where /dev/net/tun is root's alone, an ordinary user gets a node of his own in a private namespace.
private_network() {
	[ -e /dev/net/tun ] || return
	local helper port dir server
	if [ "$who" = user ] && [ "$(stat -c %a /dev/net/tun)" = 600 ]; then
		step --net user -- true
		like "$err" 'a private network needs /dev/net/tun: Permission denied' "$who: no tun device: said so"
	fi
	[ -e "$T/tun" ] || mknod -m 666 "$T/tun" c 10 200 2>/dev/null || return
	port=$((20000 + RANDOM % 10000))
	python3 -c 'import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c = s.accept()[0]
    c.sendall(b"reached\n")
    c.close()' "$port" &
	server=$!
	for _ in $(seq 50); do /bin/busybox nc -w 1 127.0.0.1 "$port" </dev/null 2>/dev/null | grep -q reached && break; sleep 0.1; done
	is "$(/bin/busybox nc -w 1 127.0.0.1 "$port" </dev/null)" reached "$who: a service on the host's loopback answers outside"
	for helper in pasta slirp4netns; do
		command -v "$helper" >/dev/null || continue
		dir=$T/only-$helper
		mkdir -p "$dir"
		for tool in "$helper" newuidmap newgidmap setpriv env sh mount; do ln -sfn "$(command -v "$tool")" "$dir/$tool"; done
		fresh
		run unshare -m sh -c 'mount --bind "$1" /dev/net/tun; shift; exec "$@"' sh "$T/tun" \
			bash -c '. "$1"; shift; "$@"' bash <(declare -f everyone as_user is_root; declare -p who TEST_USER; echo "PATH=$dir") \
			everyone "$driver" --lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" --net user -- sh -c "
				ip route | grep -c ^default; cat /etc/resolv.conf | head -n 1
				for a in 127.0.0.1 10.0.2.2 10.0.2.3 \$(ip route | sed -n 's/^default via \([^ ]*\).*/\1/p'); do nc -w 1 \$a $port </dev/null; done; echo end"
		is "$out" $'1\nnameserver 10.0.2.3\nend' "$who: $helper: a way out, and none to the host's loopback"
	done
	kill "$server"
	wait "$server" 2>/dev/null
}

mounts_of_a_step() {
	everyone sh -c 'mkdir -p "$1/src/dir" "$1/src/out" && echo file >"$1/src/f" && echo in >"$1/src/dir/in" && ln -sf "$1/secret" "$1/src/abs" && ln -sf ../../secret "$1/src/rel" && ln -sf /dir "$1/src/inside"' sh "$home"
	step --bind "$home/src:/mnt/a/b" -- sh -c 'cat /mnt/a/b/f; echo new >/mnt/a/b/out/new'
	is "$out" file "$who: a bind, its mount point made"
	is "$(cat "$home/src/out/new")$(in_upper)" new "$who: written through; no trace of the mount point"
	step --bind-ro "$home/src:/mnt" -- poke write /mnt/out/x
	is "$out" EROFS "$who: read-only"
	step --bind-ro "$home/src:/mnt" --subpath dir -- cat /mnt/in
	is "$out" in "$who: a subpath"
	step --bind-ro "$home/src:/mnt" --subpath inside -- cat /mnt/in
	is "$out" in "$who: a subpath through an absolute link: inside the source"
	local p
	for p in abs rel ../secret ../../../../../../etc/passwd "$home/secret" dir/../../secret; do
		step --bind-ro "$home/src:/mnt/x" --subpath "$p" -- cat /mnt/x
		is "$status" 125 "$who: subpath $p stays inside, where it is not"
	done
	step --bind-ro "$home/src:/mnt" --subpath gone -- true
	like "$err" 'mount source: open gone in .*/src: No such file' "$who: a missing subpath is named"
	step --bind-ro "$home/none:/mnt" -- true
	like "$err" "open the mount source $home/none" "$who: a missing source is named"
	step --bind "$home/src:/etc/passwd" -- true
	like "$err" 'cannot mount a directory on /etc/passwd' "$who: a directory on a file is refused"
	step --bind "$home/src:/" -- true
	like "$err" 'over the root' "$who: nothing over the root"
	# targets that try to leave
	everyone ln -sfn "$home/src/out" "$home/root/out"
	step --bind "$home/src/dir:/out/planted" -- cat /out/planted/in
	is "$out" in "$who: a target through an absolute link is inside the root"
	is "$(ls "$home/src/out")" new "$who: nothing was made behind it outside"
	step --bind "$home/src/dir:/../../../../x/../y" -- cat /y/in
	is "$out" in "$who: a target with .. is inside"
	everyone rm "$home/root/out"
	step --tmpfs 1048576:/scratch -- sh -c 'head -c 3000000 /dev/zero >/scratch/x 2>/dev/null; stat -c %s /scratch/x; stat -c %a /scratch'
	is "$out" $'1048576\n1777' "$who: a tmpfs of its size"
	step --data 's3cret:/run/secrets/key' -- sh -c 'cat /run/secrets/key; stat -c " %a %u" /run/secrets/key; poke write /run/secrets/key'
	is "$out" $'s3cret 400 0\nEROFS' "$who: data on a private tmpfs"
	is "$(in_upper)" '' "$who: and no trace of it"
	nok "$who: nor on disk" grep -rqs s3cret "$home"
	everyone sh -c 'mkdir -p "$1/l1/d" "$1/l2/d"; echo 1 >"$1/l1/d/one"; echo 2 >"$1/l2/d/two"' sh "$home"
	step --bind-overlay "$home/l1,$home/l2:/stage" -- sh -c 'ls /stage/d; poke write /stage/x'
	is "$out" $'one\ntwo\nEROFS' "$who: another stage's tree, read-only"
	step --bind-overlay "$home/l1,$home/l2:/stage" --subpath d/two -- cat /stage
	is "$out" 2 "$who: and one file of it"
}

# A mount of the build's over /dev or /proc must not be asked for anything while descriptors of the host are still open.
hostile_dev() {
	local n leaked=0 dots=../../../../../../../../../../..
	for n in $(seq 3 30); do
		everyone sh -c 'rm -rf "$1/evil"; mkdir "$1/evil"; for f in null zero tty; do ln -s "/proc/self/fd/$2/'$dots'$1/secret" "$1/evil/$f"; done' sh "$home" "$n"
		step --bind-ro "$home/evil:/dev" -- sh -c 'cat'
		grep -q "$secret" <<<"$all" && leaked=$n
	done
	is "$leaked" 0 "$who: standard input comes from our own device, whatever lies on /dev"
}

# What an upper layer hides cannot come from the layer of stubs: made in place, and gone after the step.
hidden_mount_points() {
	fresh
	again --insecure -- sh -c 'rm -rf /root; mkdir /root; touch -d @1000 /root; touch -d @2000 /etc; umount /etc/hosts; touch /etc/hosts; rm /etc/hosts; touch -d @2000 /etc'
	is "$status" 0 "$who: a layer with an opaque directory"
	before=$(cd "$home/up" && find . -printf '%p %y %m %U %G %T@\n' | sort)
	run everyone "$driver" --lower "$home/up" --lower "$home/root" --upper "$home/up2" --work "$home/up2-work" --stubs "$home/up2-stubs" -- true
	everyone mkdir -p "$home/up2" "$home/up2-work" "$home/up2-stubs"
	run everyone "$driver" --lower "$home/up" --lower "$home/root" --upper "$home/up2" --work "$home/up2-work" --stubs "$home/up2-stubs" \
		--bind "$home/src:/root/deep/mnt" -- sh -c 'cat /root/deep/mnt/f; stat -c %Y /root /etc; cat /etc/hosts | wc -l'
	is "$(sed -n 1,3p <<<"$out")" $'file\n1000\n2000' "$who: mount points below an opaque directory, times untouched"
	is "$(cd "$home/up2" && find . -mindepth 1)" '' "$who: and nothing of them stays"
	is "$(cd "$home/up" && find . -printf '%p %y %m %U %G %T@\n' | sort)" "$before" "$who: the lower layer is untouched"
	# a plain directory as root
	everyone cp -a "$home/root" "$home/plain"
	everyone touch -d @3000 "$home/plain" "$home/plain/etc"
	before=$(cd "$home/plain" && find . -printf '%p %y %m %U %G %T@\n' | sort)
	run everyone "$driver" --dir "$home/plain" --bind "$home/src:/mnt/a/b" --data x:/run/secrets/k -- sh -c 'cat /mnt/a/b/f; mount | grep -c " on /proc "'
	is "$out" $'file\n1' "$who: a plain directory as root"
	is "$(cd "$home/plain" && find . -printf '%p %y %m %U %G %T@\n' | sort)" "$before" "$who: is afterwards what it was, times included"
	run everyone "$driver" --dir "$home/plain" -- sh -c 'echo kept >/kept'
	is "$(cat "$home/plain/kept")" kept "$who: what the step writes stays"
	# dangling link, as systemd's resolv.conf
	everyone ln -s ../run/systemd/resolve/stub-resolv.conf "$home/root/etc/resolv.conf"
	step --resolv 'nameserver 192.0.2.9' -- cat /etc/resolv.conf
	is "$out$(in_upper)" 'nameserver 192.0.2.9' "$who: a dangling resolv.conf gets its target, outside of upper"
	everyone rm "$home/root/etc/resolv.conf"
}

failures() {
	step -- nosuchprogram
	is "$status" 127 "$who: a missing program: 127"
	like "$err" 'exec: "nosuchprogram": not found in PATH' "$who: and said so"
	step -- /etc/passwd
	is "$status" 126 "$who: not executable: 126"
	everyone sh -c 'printf "#!/no/such/interpreter\n" >"$1/root/bin/bad"; chmod 755 "$1/root/bin/bad"; head -c 100 /dev/urandom >"$1/root/bin/junk"; chmod 755 "$1/root/bin/junk"' sh "$home"
	step -- bad
	like "$err" '"/bin/bad": the file is there, but its interpreter' "$who: a missing interpreter is named as such"
	step -- junk
	like "$err" 'exec format error' "$who: exec format error"
	is "$status" 126 "$who: 126"
	step --user ghost -- true
	like "$err" 'unable to find user "ghost": no such entry in /etc/passwd' "$who: an unknown user"
	step --user 70000 -- true
	like "$err" 'become user 70000:0' "$who: a user beyond the map"
	step --cwd /etc/passwd -- true
	like "$err" 'working directory /etc/passwd is not a directory' "$who: cwd is a file"
	run everyone "$driver" --lower "$home/absent" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" -- true
	like "$err" "open layer directory $home/absent" "$who: a missing layer is named"
	step --kill-after 300 -- sh -c 'trap "" TERM; sleep 100 & sleep 100'
	is "$status" 137 "$who: killed from outside: 137"
	like "$err" 'signal=9' "$who: and its signal"
}

many_layers() {
	local i args=()
	for i in $(seq 200); do
		everyone mkdir -p "$home/layers/l,$i:x"
		echo "$i" | everyone tee "$home/layers/l,$i:x/f$i" >/dev/null
		args+=(--lower "$home/layers/l,$i:x")
	done
	fresh
	run everyone "$driver" "${args[@]}" --lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" -- sh -c 'cat /f1 /f200; ls / | grep -c "^f"'
	is "$out" $'1\n200\n200' "$who: 200 layers with ':' and ',' in their names"
	for i in $(seq 201 495); do
		everyone mkdir -p "$home/layers/l$i"
		args+=(--lower "$home/layers/l$i")
	done
	fresh
	run everyone "$driver" "${args[@]}" --lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" -- cat /f200
	is "$out" 200 "$who: 496 layers"
}

# Hosts that refuse, and whittle inside a user namespace already. Made for root only: it can be anybody else.
other_hosts() {
	local layers=(--lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs")
	install -d -o nobody -g nogroup "$home/nobody" "$home/nobody/up" "$home/nobody/work" "$home/nobody/stubs"
	run setpriv --reuid nobody --regid nogroup --clear-groups --reset-env "$driver" --lower "$home/root" --upper "$home/nobody/up" --work "$home/nobody/work" --stubs "$home/nobody/stubs" -- true
	is "$status" 0 "no subordinate ids: a step runs with the own one"
	like "$err" '^few: user nobody has no range of ids in /etc/subuid' "said so"
	like "$err" '^hint: sudo usermod --add-subuids [0-9]+-[0-9]+ --add-subgids [0-9]+-[0-9]+ nobody' "with the command that mends it"
	run as_user env PATH=/nonexistent "$driver" "${layers[@]}" -- true
	like "$err" '^few: newuidmap is not installed' "no newuidmap"
	like "$err" '^hint: .*uidmap' "and the package that has it"
	run unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' sh "$driver" "${layers[@]}" -- true
	like "$err" 'refuses a user namespace: No space' "user namespaces switched off"
	like "$err" '^hint: sudo sysctl user.max_user_namespaces=' "and the switch"
	mkdir -p "$home/one/up" "$home/one/work" "$home/one/stubs"
	run unshare --user --map-root-user "$driver" --lower "$home/root" --upper "$home/one/up" --work "$home/one/work" --stubs "$home/one/stubs" --pids -- sh -c 'id -u; poke status CapEff'
	is "$out" $'0\nCapEff:\t00000000a80425fb' "root of a namespace with a single id, where setgroups is denied"
	like "$err" 'ids=1$' "and the number of ids is known"
	mkdir -p "$home/ov/l" "$home/ov/u" "$home/ov/w" "$home/ov/m" "$home/probe"
	run "$driver" --probe "$home/probe"
	like "$out" ' overlay=1 why=- ' "overlay is found to work"
	is "$(ls "$home/probe")" '' "and the trial leaves nothing"
	run unshare -m sh -c 'mount -t overlay o -o "lowerdir=$1/l,upperdir=$1/u,workdir=$1/w" "$1/m" && "$2" --probe "$1/m" && ls "$1/m"' sh "$home/ov" "$driver"
	like "$out" ' overlay=0 why=mount an overlay' "overlay on overlay is found not to"
	is "$(wc -l <<<"$out")" 1 "and the trial leaves nothing there either"
}

# Linux 5.11, as far as calls go: no mount_setattr (442), no Landlock (444).
old_kernel() {
	${CC:-cc} -D_GNU_SOURCE -O1 -o "$T/bin/deny" "$SRC/tests/tools/deny.c" || { fail 'deny builds'; return; }
	old_step() {
		fresh
		run "$T/bin/deny" 442 444 446 -- "$driver" --lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" "$@"
	}
	old_step -- sh -c 'poke mounts; poke write /proc/sys/kernel/hostname; poke write /proc/sysrq-trigger; poke write /sys/x; ls /sys | wc -l'
	is "$status" 0 "old kernel: a step runs"
	is "$(head -n 10 <<<"$out" | grep -vc EPERM)" 0 "old kernel: no way to mount"
	is "$(sed -n '11p;13,14p' <<<"$out" | tr '\n' ' ')" 'EROFS EROFS 0 ' "old kernel: /proc/sys is read-only, /sys empty"
	old_step --bind-ro "$home/src:/mnt" --bind "$home/src:/rw" -- sh -c 'poke write /mnt/out/x; poke write /rw/out/y'
	is "$out" $'EROFS\nok' "old kernel: binds, read-only and not"
	rm -f "$home/src/out/y"
	ldd "$driver" | grep -o '/[^ ]*' | sort -u | while read -r lib; do install -D "$lib" "$home/root$lib"; done
	install "$T/bin/preload.so" "$home/root/preload.so"
	old_step --env LD_PRELOAD=/preload.so --env ASAN_OPTIONS=verify_asan_link_order=0 -- /proc/self/exe
	like "$all" '^file: /memfd:whittle-launcher' "old kernel: our program's file is a sealed copy in memory"
	rm "$home/root/preload.so"
}

nested() {
	fresh
	run everyone unshare --user --map-root-user --map-auto "$driver" --lower "$home/root" --upper "$home/up" --work "$home/up-work" \
		--stubs "$home/up-stubs" -- sh -c 'id -u; touch /y; chown 7:8 /y; stat -c %u:%g /y'
	is "$out" $'0\n7:8' "root in a user namespace already"
}

secret="host-secret-$$-$RANDOM"
for who in root user; do
	is_root || [ "$who" = user ] || continue
	if [ "$who" = root ]; then home=$T/r; mkdir "$home"; else home=$UT/u; everyone mkdir "$home"; fi
	echo "$secret" | everyone tee "$home/secret" >/dev/null
	make_root "$home/root"
	identity
	privileges
	proc_and_dev
	escapes
	sockets
	private_network
	mounts_of_a_step
	hostile_dev
	hidden_mount_points
	failures
	many_layers
	[ "$who" != root ] || { other_hosts; old_kernel; }
	[ "$who" != user ] || nested
	on_exit "remove_tree $home"
done
done_testing

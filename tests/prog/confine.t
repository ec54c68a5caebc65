#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a container is held to beyond what every step is: a list of system calls, capabilities, a read-only root, Landlock. As root and as an ordinary user.
built=${WHITTLE:-}
. "$(dirname "$0")/lib.sh"
driver=${SANDBOX_DRIVER:-$(dirname "${built:-$SRC/build/whittle}")/tests/prog/sandbox-driver}
[ -x "$driver" ] || { echo "Bail out! no $driver"; exit 1; }
mkdir -p "$T/bin"
install -m 755 "$driver" "$T/bin/driver"
driver=$T/bin/driver
mkdir "$UT/home"
! is_root || chown "$TEST_USER:" "$UT/home"

# What busybox needs for nothing in particular.
calls=execve,read,write,writev,open,openat,close,fstat,newfstatat,stat,lstat,mmap,munmap,brk,mprotect,arch_prctl,set_tid_address,set_robust_list,rseq
calls=$calls,exit_group,rt_sigaction,rt_sigprocmask,rt_sigreturn,ioctl,getuid,geteuid,getgid,getegid,getpid,getppid,setuid,setgid,fork,vfork,clone,wait4
calls=$calls,dup2,fcntl,prctl,prlimit64,getrandom,readlink,uname,getdents64,sendfile,poll,getpgrp,getgroups,access,faccessat,lseek

make_root() {
	as "$who" sh -ec '
		mkdir -p "$1/root/bin" "$1/root/etc" "$1/root/tmp" "$1/root/data" "$1/up" "$1/work" "$1/stubs"
		cp /bin/busybox "$1/root/bin/"
		for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -s busybox "$1/root/bin/$a"; done
		printf "%s\n" root:x:0:0:root:/root:/bin/sh app:x:1000:1000:app:/home/app:/bin/sh >"$1/root/etc/passwd"
		echo secret >"$1/root/etc/secret"
		chmod 1777 "$1/root/tmp"' sh "$home"
}
step() { # OPTION… -- COMMAND…
	run as "$who" timeout -s KILL 60 "$driver" --lower "$home/root" --upper "$home/up" --work "$home/work" --stubs "$home/stubs" --net none "$@"
}

for who in root user; do
	is_root || [ $who = user ] || continue
	if [ $who = root ]; then home=$T/home; mkdir "$home"; else home=$UT/home; fi
	make_root

	# Capabilities: root has the list, another user has none, and nobody gets others back.
	step --caps CAP_CHOWN,CAP_KILL -- grep Cap /proc/self/status
	like "$out" '^CapPrm:	0000000000000021$' "$who: root has the capabilities of the list"
	like "$out" '^CapEff:	0000000000000021$' "$who: in effect"
	like "$out" '^CapBnd:	0000000000000021$' "$who: and no others can be had"
	step --caps '' -- sh -c 'grep Cap /proc/self/status; chown 5 /tmp'
	unlike "$out" '[1-9a-f]$' "$who: an empty list is none"
	like "$err" 'chown: .*not permitted' "$who: and it counts"
	step --caps CAP_CHOWN --user app -- grep Cap /proc/self/status
	like "$out" '^CapEff:	0000000000000000$' "$who: another user has none in effect"
	like "$out" '^CapBnd:	0000000000000001$' "$who: and those of the list within its reach"
	step --caps CAP_CHOWN --allow "$calls" --user app -- grep Cap /proc/self/status
	unlike "$out" '^Cap(Prm|Eff|Inh|Amb):.*[1-9a-f]$' "$who: also where a filter was loaded without no_new_privs"
	step --caps CAP_CHOWN --allow "$calls" -- grep Cap /proc/self/status
	like "$out" '^CapPrm:	0000000000000001$' "$who: likewise for root"

	# System calls.
	step --allow "$calls" -- sh -c 'echo fine; mkdir /tmp/x; ls /tmp'
	is "$out" fine "$who: calls of the list work, another does not"
	like "$err" "mkdir: .*Operation not permitted" "$who: it is EPERM"
	step --allow "$calls,mkdir,rmdir" --user app -- sh -c 'mkdir /tmp/x && rmdir /tmp/x && echo made; grep NoNew /proc/self/status'
	like "$out" '^made$' "$who: in the list it works"
	like "$out" '^NoNewPrivs:	0$' "$who: no_new_privs stays off"
	step --no-new-privs --allow "$calls" --user app -- sh -c 'grep NoNew /proc/self/status'
	like "$out" '^NoNewPrivs:	1$' "$who: unless it is asked for"
	step --absent mkdir --allow "$calls" -- mkdir /tmp/x
	like "$err" 'mkdir: .*Function not implemented' "$who: one that is said to be absent"
	step --allow "$calls,no_such_call" -- true
	is "$status" 0 "$who: a name that nobody knows is passed over"
	step --allow "$calls" -- /etc
	is "$status" 126 "$who: what cannot be executed is told as ever"
	step --allow "$calls" -- nosuch
	like "$err" 'exec: "nosuch": not found in PATH' "$who: and what is not there"
	step --allow execve -- true
	isnt "$status" 0 "$who: too few calls to live"

	# Commands that join, observed ones.
	cat >script <<-S
		start app --lower $home/root --upper $home/up --work $home/work --stubs $home/stubs --net none --allow $calls,nanosleep,clock_nanosleep -- sleep 30
		start joined --join app --allow $calls --caps CAP_KILL -- sh -c 'mkdir /tmp/joined; grep CapEff /proc/self/status'
		wait joined
		start watched --join app --observe $home/log --allow $calls -- mkdir /tmp/watched
		wait watched
		signal app 9
		wait app
	S
	run as "$who" timeout -s KILL 60 "$driver" --script script
	like "$all" "mkdir: .*/tmp/joined.*not permitted" "$who: a command that joins is held"
	like "$all" 'CapEff:	0000000000000020$' "$who: also in its capabilities"
	like "$all" "mkdir: .*/tmp/watched.*not permitted" "$who: an observed one, too"
	like "$(cat "$home/log")" '^S	[0-9]+	mkdir$|^N	c?s?.*/tmp/watched|^E	' "$who: and its log is whole"

	# A read-only root.
	step --read-only --tmpfs 1000000:/data -- sh -c 'echo a >/x; echo b >/data/x && cat /data/x; echo c >/etc/hosts; echo d >/tmp/z; touch /dev/shm/y && echo shm'
	is "$out" "b
shm" "$who: with a read-only root, mounts are written to"
	is "$(grep -c 'Read-only file system' <<<"$err")" 3 "$who: and nothing else, /etc/hosts included"
	step --read-only --cwd /no/such/place -- pwd
	is "$out" /no/such/place "$who: a working directory that is missing is made all the same"

	# Landlock.
	step --landlock /bin:execute,read_file --landlock /proc:read_file,read_dir --landlock /data:read_file,write_file,make_reg,read_dir,remove_file,truncate -- \
		sh -c 'cat /etc/secret; ls /; echo b >/data/x; cat /data/x; ls /data; mkdir /data/d; rm /data/x; echo no >/tmp/x; cat /proc/self/status | grep NoNew'
	like "$out" '^NoNewPrivs:	0$' "$who: Landlock without no_new_privs"
	is "$(head -n 2 <<<"$out")" "b
x" "$who: what a rule allows"
	like "$err" "cat: .*/etc/secret.*Permission denied" "$who: no reading beyond the rules"
	like "$err" "ls: .*Permission denied" "$who: no listing"
	like "$err" "mkdir: .*/data/d.*Permission denied" "$who: no other deed below a rule's path"
	like "$err" "can't create /tmp/x: Permission denied" "$who: no writing"
	step --landlock /:read_file,read_dir --landlock /bin/busybox:execute -- sh -c 'cp /bin/busybox /tmp/b; echo still here'
	like "$out" 'still here' "$who: a rule for a file"
	step --landlock /:read_file,read_dir -- true
	is "$status" 126 "$who: without a rule for it the program is not executed"
	step --landlock /:execute,read_file,read_dir,write_file --landlock-port 8080:bind_tcp -- sh -c 'timeout 1 nc -l -p 8081 </dev/null; echo then; timeout 1 nc -l -p 8080 </dev/null; true'
	like "$err" 'nc: bind.*Permission denied' "$who: a port that no rule names"
	is "$(grep -c 'bind' <<<"$err")" 1 "$who: and one that a rule does"

	# All at once.
	step --read-only --no-new-privs --caps '' --allow "$calls" --landlock /:execute,read_file,read_dir --user app -- sh -c 'cat /etc/secret; echo x >/tmp/x'
	is "$out" secret "$who: all at once"
	like "$err" '/tmp/x: Read-only file system|/tmp/x: Permission denied' "$who: and all of it holds"
done
done_testing

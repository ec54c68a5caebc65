#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run inside a step, as its root: tries to get at the machine outside. Prints ESCAPED and what, for each thing that worked.
# OUTSIDE: a directory of the host, open to everybody, that holds a file "secret". VICTIM: a process of the host.
n=0
try() { # WHAT CMD…: must fail
	what=$1
	shift
	n=$((n + 1))
	if "$@" >/dev/null 2>&1; then echo "ESCAPED: $what: $*"; fi
}
same() { [ -e "$OUTSIDE/secret" ]; }
try 'the host path is there' same
for p in /proc/1/root /proc/self/root /proc/1/cwd /proc/self/cwd /proc/self/fd/0/../../.. /.. /../.. /proc/self/task/1/root; do
	try "path $p" test -e "$p$OUTSIDE/secret"
done
for fd in /proc/self/fd/* /proc/1/fd/*; do
	case $(readlink "$fd") in
	/dev/null | /null | pipe:* | /proc/* | /escape.sh | '') ;;
	*) try "open descriptor $fd -> $(readlink "$fd")" true ;;
	esac
done
# writing to every place that is not this root
for p in /proc/sysrq-trigger /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches \
	/proc/sys/net/ipv4/ip_forward /proc/sys/fs/suid_dumpable /proc/irq/default_smp_affinity /proc/1/oom_adj_none /sys/kernel/uevent_helper \
	/sys/power/state /sys/kernel/profiling /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/devices/tasks /proc/bus/pci/devices; do
	try "write $p" sh -c "echo 1 > $p"
done
for p in /sys /proc/sys /proc/bus /proc/fs /proc/irq; do
	try "make a file in $p" sh -c ": > $p/whittle-test"
done
# the host's device nodes, of which real root's step is the owner by number (the modes are those they have)
for p in /dev/null /dev/full /dev/zero /dev/random /dev/tty /proc/keys /proc/timer_list /proc/self/fd/0; do
	try "chmod $p" chmod 666 "$p"
	try "set the times of $p" touch -c "$p"
done
# reading the host
for p in /proc/kcore /proc/keys /proc/timer_list /proc/kmsg /dev/mem /dev/kmem /dev/kmsg /dev/port /dev/sda /dev/vda /proc/scsi/scsi; do
	try "read $p" sh -c "[ -n \"\$(head -c 16 $p)\" ]"
done
try 'firmware tables' sh -c 'ls /sys/firmware | grep -q .'
try "the host's process list" sh -c 'ls -d /proc/[0-9]* | wc -l | { read c; [ "$c" -gt 12 ]; }'
try 'the first process is another program' sh -c 'tr "\0" " " </proc/1/cmdline | grep -qv -e sh'
# signals: the number names nobody in here, and all processes means those of the step
try 'signal a process of the host' kill -9 "$VICTIM"
sh -c 'kill -CONT -1' 2>/dev/null
# mounts, devices, namespaces, modules, clock, hostname outside
try 'mount tmpfs' mount -t tmpfs none /mnt
try 'mount proc' sh -c 'mkdir -p /p && mount -t proc proc /p'
try 'bind mount' sh -c 'mkdir -p /b && mount --bind / /b'
try 'remount sys writable' mount -o remount,rw /sys
try 'remount proc/sys writable' mount -o remount,rw,bind /proc/sys
try 'unmount the mask of proc' umount /proc/kcore
try 'unmount proc/sys' umount /proc/sys
try 'unmount /dev' umount -l /dev
try 'mknod of a disk' sh -c 'mknod /disk b 254 0 && head -c 1 /disk'
try 'mknod of memory' sh -c 'mknod /mem c 1 1 && head -c 1 /mem'
try 'a new user namespace' unshare -U true
try 'a new mount namespace' unshare -m true
try 'enter the namespace of process 1 of the host' nsenter -t 1 -m true
try 'load a module' insmod /escape.sh
try 'set the clock' sh -c 'date -s 2001-01-01; [ "$(date +%Y)" = 2001 ]'
try 'reboot' reboot -f
try 'swap' swapoff -a
try 'pivot_root' pivot_root / /tmp
try 'raise its priority' nice -n -20 sh -c '[ "$(nice)" -lt 0 ]'
# out of a chroot inside the root: ends at the root of the step, not of the host
mkdir -p /jail/bin && cp /bin/busybox /jail/bin/
try 'out of a chroot' chroot /jail /bin/busybox sh -c "cd ../../../../../..; [ -e .$OUTSIDE/secret ]"
echo "TRIED $n"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What PRUNE keeps is as the image had it, entry by entry: owners, modes, times, xattrs, capabilities, links, devices, names of any bytes.
# Images are written and read by tests/tools/tree_image.py, which shares no code with whittle.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/prune-lib.sh"

capability=0100000200040000000000000000000000000000 # CAP_NET_BIND_SERVICE, effective

image full '{"User": "1234:2345", "WorkingDir": "/srv/work", "Volumes": {"/var/lib/volume": {}, "/absent/volume": {}}}' <<L
d / mode=755 mtime=1400000000
d /etc mtime=1400000001
f /etc/passwd text=root:x:0:0:root:/root:/none\x0aapp:x:1234:2345::/home/app:/none\x0a mtime=1400000002
f /etc/group text=root:x:0:\x0aapp:x:2345:\x0a mtime=1400000003
d /home/app uid=1234 gid=2345 mode=750 mtime=1400000004
f /home/app/.unused text=x
d /root mode=700 mtime=1400000005
d /tmp mode=1777 mtime=1400000006
d /var/tmp mode=1777 mtime=1400000007
d /srv/work uid=1234 gid=2345 mode=2775 mtime=1400000008
d /var/lib/volume uid=1234 gid=2345 mode=2770 mtime=1400000009
d /data mtime=1400000010
f /data/owner uid=4321 gid=54321 mode=0444 mtime=1400000011 text=owner
f /data/zero mode=0604 mtime=1400000012
f /data/big mtime=1400000013 size=3000001
f /data/old mtime=0 text=epoch
f /data/new mtime=4102444800 text=future
f /data/xattr mtime=1400000014 text=x x.user.one=6f6e65 x.user.bytes=00ff0a80 x.user.empty=
d /data/xdir mtime=1400000015 x.user.dir=646972
f /data/xdir/in text=in mtime=1400000015
f /data/caf\xe9\xff\x20name text=latin mtime=1400000016 mode=0640 uid=1234
d /data/d\xfe\xff mode=0711 mtime=1400000017
f /data/d\xfe\xff/\xe2\x82\xac text=euro mtime=1400000018
f /data/line\x0afeed text=lf mtime=1400000018
f /data/unused text=unused
d /data/unused.d
f /data/unused.d/deep/er text=unused
f /bin/cap mode=755 mtime=1400000019 from=$APP x.security.capability=$capability
f /bin/capdata mode=755 mtime=1400000019 from=$APP x.security.capability=$capability
f /bin/setuid mode=4755 mtime=1400000020 from=$APP
f /bin/setgid mode=2755 uid=0 gid=7 mtime=1400000020 from=$APP
d /links/a mtime=1400000021
d /links/b mtime=1400000022
d /links/c mtime=1400000023
f /links/a/first text=shared mtime=1400000024 mode=0640 uid=1234
h /links/b/second to=links/a/first
h /links/c/third to=links/a/first
f /links/a/both text=both mtime=1400000025
h /links/c/both to=links/a/both
d /real/one/two/three mtime=1400000026
f /real/one/two/three/file text=deep mtime=1400000027
f /real/one/two/three/unused text=unused
d /real/other mtime=1400000028
f /real/other/file text=other mtime=1400000028
l /way to=real/one uid=1234 gid=2345 mtime=1400000029
l /real/one/step to=two mtime=1400000030
l /real/one/two/last to=/way/step/three mtime=1400000031
l /chain1 to=chain2 mtime=1400000032
l /chain2 to=/chain3 mtime=1400000033
l /chain3 to=./real/../chain4 mtime=1400000034
l /chain4 to=real/other/file mtime=1400000035
l /dangling to=/nowhere/at/all mtime=1400000036 gid=12
l /dirlink to=real/other/ mtime=1400000037
l /unusedlink to=/data/owner
d /empty/listed mtime=1400000038 mode=0700 uid=1234
d /empty/entered mtime=1400000039 mode=0711
d /empty/created mtime=1400000040 mode=3777
d /empty/made mtime=1400000041 mode=1777
d /empty/looked mtime=1400000042
d /empty/unused
d /run/lock mode=1777 mtime=1400000043
f /state/over mode=0666 mtime=1400000044 text=the\x20image's
f /state/append mode=0666 mtime=1400000045 text=the\x20image's
f /state/gone mode=0666 mtime=1400000046 text=the\x20image's
f /state/from mode=0666 mtime=1400000047 text=the\x20image's
d /state mode=0777 mtime=1400000048
d /state/room mode=0777 mtime=1400000049
c /dev2/null dev=1,3 mode=666 mtime=1400000050
b /dev2/disk dev=8,1 mode=660 gid=6 mtime=1400000051
p /dev2/fifo mode=620 uid=5 mtime=1400000052
c /dev2/unused dev=1,7 mode=666
layer
f /data/owner uid=4321 gid=54321 mode=0440 mtime=1400000060 text=from\x20above
f /data/upper text=upper mtime=1400000061
d /data mode=1755 mtime=1400000062
f /links/c/both text=broken\x20off mtime=1400000063
f /bin/.wh.unused
f /data/.wh.unused
L

words=(id:1234:2345 text:/data/upper:upper read:/data/zero read:/data/big read:/data/old read:/data/new '?read:/data/owner'
	xattr:/data/xattr:user.one=one xattr:/data/xdir:user.dir=dir read:/data/xdir/in
	$'read:/data/caf\xe9\xff name' $'read:/data/d\xfe\xff/\xe2\x82\xac' $'read:/data/line\nfeed'
	exec:/bin/cap stat:/bin/capdata exec:/bin/setuid exec:/bin/setgid
	read:/links/b/second stat:/links/c/third read:/links/c/both
	read:/way/step/../two/three/file read:/real/one/two/last/file read:/chain1 '!stat:/dangling' readlink:/dangling
	list:/dirlink/ list:/empty/listed chdir:/empty/entered create:/empty/created/new mkdir:/empty/made/new stat:/empty/looked
	over:/state/over append:/state/append unlink:/state/gone '!stat:/state/gone' rename:/state/from:/state/to text:/state/to:the
	create:/state/room/made read:/state/room/made create:/tmp/scratch create:/run/lock/l
	'?lstat:/dev2/null' '?lstat:/dev2/disk' lstat:/dev2/fifo chdir:/srv/work create:relative read:./relative)

whos=(root user)
is_root || whos=(user)
for WHO in "${whos[@]}"; do
	pruned "$WHO: an image of all kinds of entries is pruned" full "out-$WHO" -- "${words[@]}"
	[ "$status" = 0 ] || continue
	unlike "$err" 'repair [0-9]+' "$WHO: at the first try"
	faithful full "out-$WHO" "$WHO: all that stayed is as it was: type, owner, mode, time, xattrs, link groups, content"
	has "out-$WHO" /bin/app /data/owner /data/zero /data/big /data/old /data/new /data/xattr /data/xdir /data/upper '/data/caf\xe9\xff name' \
		'/data/d\xfe\xff/€' /bin/cap /bin/setuid /links/b/second /links/c/third /links/c/both \
		/way /real/one/step /real/one/two/last /real/one/two/three/file /chain1 /chain2 /chain3 /chain4 /real/other/file \
		/dangling /dirlink /empty/listed /empty/entered /empty/created /empty/made /empty/looked /tmp /run/lock \
		/state/over /state/append /state/gone /state/from /state/room /dev2/null /dev2/disk /dev2/fifo /srv/work /var/lib/volume \
		/home/app /etc/passwd /etc/group
	lacks "out-$WHO" /data/unused /data/unused.d /real/one/two/three/unused /empty/unused /links/a/both /unusedlink /dev2/unused \
		/state/to /state/room/made /empty/created/new /empty/made/new /tmp/scratch /run/lock/l /srv/work/relative /home/app/.unused
	ok "$WHO: an executed file has its capability" test -n "$("$TREE" show "out-$WHO" /bin/cap xattrs | grep security.capability)"
	is "$("$TREE" show "out-$WHO" /bin/capdata xattrs)" '{}' "$WHO: one that was only looked at has not"
	is "$("$TREE" show "out-$WHO" /bin/setuid mode) $("$TREE" show "out-$WHO" /bin/setgid mode)" '0755 0755' "$WHO: no set-id bit is left on a program"
	is "$("$TREE" show "out-$WHO" /srv/work mode) $("$TREE" show "out-$WHO" /tmp mode)" '2775 1777' "$WHO: set-group-id and sticky directories are as they were"
	again "out-$WHO" "$WHO: and it does the same again elsewhere" "${words[@]}"
done
if [ "${#whos[@]}" = 2 ]; then
	is "$(manifest out-user)" "$(manifest out-root)" 'root and user: the same bits'
fi

# ---- images that nobody thought of ----

WHO=${whos[0]}
for seed in $(seq "${WHITTLE_TREE_SEED:-1}" $((${WHITTLE_TREE_SEED:-1} + 11))); do
	"$SRC/tests/tools/tree_random.py" "$seed" "$T/words" >random.lines
	image random <random.lines
	rm -rf random-out
	printf '/run/whittle/app run ' | cat - "$T/words" >words.sh
	run_as prune oci:random --root "$(store_of)" --tests "$TESTS" --start manual -t random -o type=oci,dest=random-out,tar=false --run "$(cat words.sh)"
	is "$status" 0 "random image $seed: is pruned"
	[ "$status" = 0 ] || show "$err"
	unlike "$err" 'repair [0-9]+' "random image $seed: at the first try"
	faithful random random-out "random image $seed: all is as it was"
done
done_testing

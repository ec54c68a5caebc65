#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bases of tools that leave directories out of their layers: steps see them as the layers below have them, under both
# snapshotters, read-only or not, and the same image comes out.
. "$(dirname "$0")/lib.sh"
[ -x /bin/busybox ] || skip_all 'no /bin/busybox (package busybox-static)'
export SOURCE_DATE_EPOCH=1700000000

python3 "$SRC/tests/tools/foreign_layers.py" "$T/layout" || { echo "Bail out! no layout"; exit 1; }
mkdir "$T/ctx"
cat >"$T/ctx/Dockerfile" <<'D'
FROM foreign AS seen
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox stat -c 'rw %a %u:%g %Y %n' /tmp /srv/deep; echo mine > /tmp/new"]
RUN --mount=type=bind,from=foreign,target=/mnt \
    ["/bin/busybox", "sh", "-c", "/bin/busybox stat -c 'ro %a %u:%g %Y %n' /mnt/tmp /mnt/srv/deep"]
D
chmod -R go+rX "$T/layout" "$T/ctx"

for who in root user; do
	[ $who = root ] && ! is_root && continue
	home=$T/$who
	mkdir -p "$home"
	[ $who = root ] || chown "$TEST_USER": "$home" 2>/dev/null
	for kind in overlay copy; do
		run as $who "$WHITTLE" build --root "$home/$kind" --network none --snapshotter=$kind --progress=plain \
			--build-context foreign="oci-layout://$T/layout" --output "type=oci,dest=$home/out-$kind,tar=false" "$T/ctx"
		is "$status" 0 "$who, $kind: the build"
		like "$all" 'rw 1777 0:0 1600000000 /tmp$' "$who, $kind: /tmp in a step"
		like "$all" 'rw 2750 1:1 1600000000 /srv/deep$' "$who, $kind: /srv/deep in a step"
		like "$all" 'ro 1777 0:0 1600000000 /mnt/tmp$' "$who, $kind: /tmp of a mount"
		like "$all" 'ro 2750 1:1 1600000000 /mnt/srv/deep$' "$who, $kind: /srv/deep of a mount"
		# What the first step wrote lies in /tmp, which is in its layer as it was.
		manifest=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["manifests"][0]["digest"][7:])' "$home/out-$kind/index.json")
		layer=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["layers"][2]["digest"][7:])' \
			"$home/out-$kind/blobs/sha256/$manifest")
		like "$(zstd -dcq "$home/out-$kind/blobs/sha256/$layer" | tar -tv --numeric-owner)" '^drwxrwxrwt 0/0 .* tmp/$' \
			"$who, $kind: /tmp in the step's layer"
		digests+=("$manifest")
	done
done
is "$(printf '%s\n' "${digests[@]}" | sort -u | wc -l)" 1 'one image, whoever builds it and how'
done_testing

# SPDX-License-Identifier: Apache-2.0
# Sourced by tests: does another scanner see what our SBOM says? Wants $WHITTLE, $SRC, $T, and $trivy (fetch_tools.sh trivy).

# same_packages NAME LAYOUT STORE: LAYOUT is a directory whose tag is latest. Leaves NAME.spdx.json.
same_packages() {
	local name=$1 layout=$2 store=$3

	run "$WHITTLE" sbom --root "$store" "oci:$layout:latest"
	printf '%s\n' "$out" >"$name.spdx.json"
	# Without what is attached: the scanner wants one image.
	skopeo copy -q --insecure-policy "oci:$layout:latest" "oci:$name-alone:latest"
	timeout 300 "$trivy" --cache-dir "$T/cache" --quiet image --input "$name-alone" --format json --list-all-pkgs \
		--scanners license >theirs.json
	python3 "$SRC/tests/tools/package_lists.py" trivy theirs.json >theirs
	python3 "$SRC/tests/tools/package_lists.py" spdx "$name.spdx.json" >ours
	is "$(cat ours)" "$(cat theirs)" "$name: another scanner lists exactly the $(wc -l <ours) packages of the SBOM"
	isnt "$(wc -l <ours)" 0 "$name: and there are some"
}

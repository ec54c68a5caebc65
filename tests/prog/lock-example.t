#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A lock and a real application: a release with a dependency more, which runs a helper program, is red until somebody has looked at it, and diff reads
# what came with it.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'once is enough: as root'
base=$(test_base debian) || { echo "Bail out! no base"; exit 1; }
export HOME=$T
cp -r "$SRC/examples/flask-service" one
cp -r one two
sed -i 's/python3-flask gunicorn/python3-flask gunicorn gpg/' two/Dockerfile
sed -i 's/^def health():/def health():\n    import subprocess\n    subprocess.run(["gpg", "--version"], check=True, stdout=subprocess.DEVNULL)/' two/shop/views.py
release() { # CONTEXT FLAG…
	run timeout -k 5 280 "$WHITTLE" build --root "$T/store" --progress=plain --build-context debian="oci-layout://$base" --profile-lock "$T/shop.lock" "${@:2}" "$1"
}

release one -t shop:1 --update-lock
is "$status" 0 'a first release writes its lock'
[ "$status" = 0 ] || show "$all"
fits profile-lock-1 shop.lock 'which holds to its schema'
ok 'and is short enough to be reviewed' test "$(wc -l <shop.lock)" -lt 120
cp shop.lock first.lock
release one --no-cache-filter release
is "$status" 0 'the same application, run anew, needs no more'
release two -t shop:2
is "$status" 3 'a dependency that runs a helper program: red'
like "$err" 'Dockerfile:[0-9]+: the application needs what .*shop.lock does not have' 'at the PROFILE'
like "$err" 'executables +/usr/bin/gpg — application: /usr/bin/python3[.0-9]* \(script /usr/bin/gunicorn\) ran /usr/bin/gpg, in (phase|test)' 'the helper, by whom, when'
like "$err" 'files +package libgcrypt20 ' 'and the packages that came with it'
release two -t shop:2 --update-lock
is "$status" 0 'looked at, and taken in'
like "$(diff first.lock shop.lock)" '^> +"/usr/bin/gpg",?$' 'the review sees it'
nok 'and nothing that went' grep -q '^<.*"package' <(diff first.lock shop.lock)
run timeout 60 "$WHITTLE" diff --root "$T/store" shop:1 shop:2
like "$out" '^[0-9]+ new needs of the application, .* packages added' 'diff: in a line'
like "$out" '^  \+ executables  /usr/bin/gpg — application' 'diff: the helper comes first'
like "$out" '^  \+ gpg 2\.' 'diff: the package'
like "$out" '^  ~ /srv/shop/views.py — content' 'diff: the application'
ok 'diff: a screenful' test "$(wc -l <<<"$out")" -lt 60
run timeout 60 "$WHITTLE" diff --root "$T/store" --format json -o diff.json shop:1 shop:2
fits diff-1 diff.json 'diff: as JSON'
done_testing

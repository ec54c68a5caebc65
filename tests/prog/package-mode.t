#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PRUNE --mode=package: what counts as use of a package is code: a program, a library, a script, a module of an interpreter.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/prune-lib.sh"

# Packages of dpkg: one a way to be used. Their lists name /lib and /bin as before the merge of /usr.
stanza() {
	printf 'Package: %s\\x0aStatus:\\x20install\\x20ok\\x20installed\\x0aArchitecture:\\x20amd64\\x0aVersion:\\x201\\x0aMaintainer:\\x20m\\x0a\\x0a' "$1" | sed 's/: /:\\x20/g'
}
list() { # PACKAGE PATH…
	printf 'f /var/lib/dpkg/info/%s.list text=' "$1"
	printf '%s\\x0a' "${@:2}"
	echo
}
packages=(program library script config module perl docs conf-dir divert diverted unused alt)
records=$(for p in "${packages[@]}"; do stanza "$p"; done)

image debs <<L
d /usr/bin
l /lib to=usr/lib
d /etc
f /etc/passwd text=root:x:0:0:root:/root:/none\x0a
f /var/lib/dpkg/status text=$records
f /var/lib/dpkg/diversions text=/usr/bin/shared\x0a/usr/bin/shared.distrib\x0adivert\x0a
$(list program /. /usr /usr/bin /usr/bin/program /usr/share/program /usr/share/program/data /var/lib/program /usr/share/doc/program/README)
f /usr/bin/program mode=755 from=$APP
f /usr/share/program/data text=data
d /var/lib/program uid=77 mode=750
f /usr/share/doc/program/README text=doc
$(list library /lib/x86/libthing.so.1.0 /lib/x86/libthing.so.1 /usr/share/thing/table)
f /usr/lib/x86/libthing.so.1.0 from=$APP
l /usr/lib/x86/libthing.so.1 to=libthing.so.1.0
f /usr/share/thing/table text=table
$(list script /usr/sbin/tool /usr/share/tool/helper)
f /usr/sbin/tool mode=755 text=#!/usr/bin/program\x0a
f /usr/share/tool/helper text=helper
$(list config /etc/config.conf /etc/config.d/other /usr/bin/config-editor /usr/share/config/big)
f /etc/config.conf text=a=b
f /etc/config.d/other text=c
f /usr/bin/config-editor mode=755 from=$APP
f /usr/share/config/big text=big
$(list module /usr/lib/python3/dist-packages/mod/__init__.py /usr/lib/python3/dist-packages/mod/rest.py /usr/lib/python3/dist-packages/mod/table.txt)
f /usr/lib/python3/dist-packages/mod/__init__.py text=pass
f /usr/lib/python3/dist-packages/mod/rest.py text=pass
f /usr/lib/python3/dist-packages/mod/table.txt text=t
$(list perl /usr/share/perl5/Thing.pm /usr/share/perl5/Thing/More.pm)
f /usr/share/perl5/Thing.pm text=1
f /usr/share/perl5/Thing/More.pm text=1
$(list docs /usr/share/doc/docs/manual.js /usr/bin/docs-viewer)
f /usr/share/doc/docs/manual.js text=//
f /usr/bin/docs-viewer mode=755 from=$APP
$(list conf-dir /var/lib/conf-dir /usr/bin/conf-dir)
d /var/lib/conf-dir
f /usr/bin/conf-dir mode=755 from=$APP
$(list divert /usr/bin/shared /usr/share/divert/x)
f /usr/bin/shared mode=755 from=$APP
f /usr/share/divert/x text=x
$(list diverted /usr/bin/shared /usr/share/diverted/x)
f /usr/bin/shared.distrib mode=755 from=$APP
f /usr/share/diverted/x text=x
$(list unused /usr/bin/unused /usr/share/unused/x)
f /usr/bin/unused mode=755 from=$APP
f /usr/share/unused/x text=x
$(list alt /usr/lib/alt/bin/one /usr/lib/alt/bin/two)
f /usr/lib/alt/bin/one mode=755 from=$APP
f /usr/lib/alt/bin/two mode=755 from=$APP
l /usr/bin/one to=/etc/alternatives/one
l /usr/bin/two to=/etc/alternatives/two
l /usr/bin/absent to=/etc/alternatives/absent
l /etc/alternatives/one to=/usr/lib/alt/bin/one
l /etc/alternatives/two to=/usr/lib/alt/bin/two
l /etc/alternatives/absent to=/usr/bin/unused
L

words=(exec:/usr/bin/program read:/usr/lib/x86/libthing.so.1 exec:/usr/sbin/tool read:/etc/config.conf
	read:/usr/lib/python3/dist-packages/mod/__init__.py read:/usr/share/perl5/Thing.pm read:/usr/share/doc/docs/manual.js
	list:/var/lib/conf-dir exec:/usr/bin/shared.distrib exec:/usr/bin/one)
pruned 'observed: the default' debs observed -- "${words[@]}"
lacks observed /usr/share/program/data /usr/share/thing/table /usr/share/tool/helper /usr/lib/python3/dist-packages/mod/rest.py /usr/bin/two
pruned 'packages' debs packages --mode=package -- "${words[@]}"
unlike "$err" 'repair [0-9]+' 'at the first try'
faithful debs packages 'what stayed is as it was but for the lists of packages that lost something' /var/lib/dpkg
has packages /usr/bin/program /usr/share/program/data /var/lib/program # a program was executed
has packages /usr/lib/x86/libthing.so.1 /usr/lib/x86/libthing.so.1.0 /usr/share/thing/table /lib # a library was loaded; listed as /lib/…
has packages /usr/sbin/tool /usr/share/tool/helper # a script was executed
has packages /usr/lib/python3/dist-packages/mod/rest.py /usr/lib/python3/dist-packages/mod/table.txt /usr/share/perl5/Thing/More.pm # modules
has packages /etc/config.conf /var/lib/conf-dir /usr/share/doc/docs/manual.js # used, but no code
lacks packages /etc/config.d/other /usr/bin/config-editor /usr/share/config/big /usr/bin/docs-viewer /usr/bin/conf-dir
has packages /usr/bin/shared.distrib /usr/share/diverted/x # the other one's name is another's program
lacks packages /usr/bin/shared /usr/share/divert/x /usr/bin/unused /usr/share/unused/x
lacks packages /usr/share/doc/program/README # documentation is no code, and goes in any mode
has packages /usr/bin/one /usr/bin/two /etc/alternatives/two # names by update-alternatives
lacks packages /usr/bin/absent /etc/alternatives/absent

# Python's and npm's own packages.
meta='Metadata-Version:\x202.1\x0aName:\x20%s\x0aVersion:\x201\x0a'
image langs <<L
d /usr/bin
f /site/used/__init__.py text=pass
f /site/used/deep/more.py text=pass
f /site/used/data/table.json text={}
f /site/used-1.dist-info/METADATA text=${meta/\%s/used}
f /site/used-1.dist-info/RECORD text=used/__init__.py,,\x0aused/deep/more.py,,\x0aused/data/table.json,,\x0aused-1.dist-info/METADATA,,\x0a
f /site/readonly/__init__.py text=pass
f /site/readonly/settings.ini text=s
f /site/readonly-1.dist-info/METADATA text=${meta/\%s/readonly}
f /site/readonly-1.dist-info/RECORD text=readonly/__init__.py,,\x0areadonly/settings.ini,,\x0a
f /app/node_modules/used/package.json text={"name":"used","version":"1.0.0"}
f /app/node_modules/used/index.js text=1
f /app/node_modules/used/lib/lazy.js text=1
f /app/node_modules/used/node_modules/inner/package.json text={"name":"inner","version":"1.0.0"}
f /app/node_modules/used/node_modules/inner/index.js text=1
f /app/node_modules/looked/package.json text={"name":"looked","version":"1.0.0"}
f /app/node_modules/looked/index.js text=1
f /app/node_modules/@scope/one/package.json text={"name":"@scope/one","version":"1.0.0"}
f /app/node_modules/@scope/one/index.mjs text=1
f /app/node_modules/@scope/one/data.bin text=1
L
pruned 'packages of Python and npm' langs langs-packages --mode=package -- read:/site/used/__init__.py read:/site/readonly/settings.ini \
	read:/app/node_modules/used/index.js read:/app/node_modules/looked/package.json read:/app/node_modules/@scope/one/index.mjs
faithful langs langs-packages 'and what stayed is as it was'
has langs-packages /site/used/deep/more.py /site/used/data/table.json /site/used-1.dist-info/RECORD /app/node_modules/used/lib/lazy.js \
	/app/node_modules/@scope/one/data.bin /site/readonly/settings.ini
lacks langs-packages /site/readonly/__init__.py /app/node_modules/looked/index.js /app/node_modules/used/node_modules/inner/index.js

# In a Dockerfile, too.
mkdir ctx
cat >ctx/Dockerfile <<D
FROM image
PROFILE --from=tests --start=manual $(app_words "${words[@]}")
PRUNE --mode=package
D
run "$WHITTLE" build --root "$(store_of)" --build-context "image=oci-layout://$T/debs" --build-context "tests=oci-layout://$busybox" \
	-o type=oci,dest=file,tar=false -t file ctx
is "$status" 0 'PRUNE --mode=package'
is "$(layer file)" "$(layer packages)" 'is the same layer'
done_testing

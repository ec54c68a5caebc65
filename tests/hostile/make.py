#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py DIR - writes the hostile and the merely unusual archives of this folder (they are committed; this tells how they
came to be). GNU tar is needed for the old-* and sparse-* ones. tests/unit/layers_reader_test.c says what each must give."""
import io
import os
import subprocess
import sys
import tarfile
import tempfile

out = sys.argv[1]
REG, LNK, SYM, DIR, CHR, BLK, FIFO = (
    tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)


def entry(name, kind=REG, data=b"", link="", mode=None, uid=0, gid=0, pax=None, mtime=1000, dev=(0, 0), size=None):
    t = tarfile.TarInfo(name)
    t.type, t.linkname, t.uid, t.gid, t.mtime = kind, link, uid, gid, mtime
    t.mode = mode if mode is not None else (0o755 if kind == DIR else 0o644)
    t.size = len(data) if size is None else size
    t.devmajor, t.devminor = dev
    t.pax_headers = pax or {}
    return t, data


def f(name, data=b"x", **k):
    return entry(name, REG, data, **k)


def d(name, **k):
    return entry(name, DIR, **k)


def s(name, to, **k):
    return entry(name, SYM, link=to, **k)


def h(name, to, **k):
    return entry(name, LNK, link=to, **k)


def raw(entries, fmt=tarfile.PAX_FORMAT, end=True):
    b = io.BytesIO()
    for t, data in entries:
        b.write(t.tobuf(fmt, "utf-8", "surrogateescape"))
        b.write(data)
        b.write(b"\0" * (-len(data) % 512))
    if end:
        b.write(b"\0" * 1024)
    return b.getvalue()


def put(name, entries, **k):
    data = entries if isinstance(entries, bytes) else raw(entries, **k)
    with open(os.path.join(out, name + ".tar"), "wb") as o:
        o.write(data)


def pax_bytes(name, value, then):
    """An extended header with a value that is no text, and the entry it speaks of."""
    body = b" SCHILY.xattr." + name + b"=" + value + b"\n"
    n = len(body)
    while len(str(n).encode() + body) != n:
        n = len(str(n).encode() + body)
    return [entry("PaxHeaders/x", b"x", str(n).encode() + body), then]


def good():
    put("plain", [d("./"), d("./etc", mode=0o700, uid=1, gid=2), f("./etc/passwd", b"root"), s("./link", "etc/passwd"),
                  h("./again", "./etc/passwd"), entry("./fifo", FIFO), entry("./null", CHR, dev=(1, 3)),
                  entry("./sda", BLK, dev=(8, 0)), f("./su", b"s", mode=0o4755)])
    put("empty", b"\0" * 1024)
    put("nothing", b"")
    put("no-end", [f("a")], end=False)
    put("behind-the-end", raw([f("a")]) + raw([f("b")]))
    put("implied", [f("a/b/c")])
    put("absolute", [d("/etc"), f("/etc/a"), h("/b", "/etc/a"), s("/c", "/etc/a")])
    put("slashes", [d("a///b/./"), f(".//a/b//c"), f("././d")])
    put("whiteouts", [d("a"), f("a/.wh.gone", b""), f("a/.wh..wh..opq", b""), f(".wh.b", b""), f("c/d/.wh..wh..opq", b"")])
    put("whiteout-then-file", [f(".wh.a", b""), f("a", b"new")])
    put("file-then-whiteout", [f("a", b"new"), f(".wh.a", b"")])
    put("whiteout-then-dir", [f(".wh.a", b""), d("a"), f("a/x")])
    put("dir-then-whiteout", [d("a"), f("a/x"), f(".wh.a", b"")])
    put("whiteout-then-below", [f(".wh.a", b""), f("a/x")])
    put("aufs", [f(".wh..wh.aufs", b""), d(".wh..wh.plnk"), f(".wh..wh.plnk/1.2"), d(".wh..wh.orph"), f("a")])
    put("xattrs", [f("a", pax={"SCHILY.xattr.user.note": "hello", "SCHILY.xattr.security.selinux": "x",
                               "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.opaque": "y",
                               "SCHILY.xattr.user.overlay.whiteout": "y", "SCHILY.xattr.system.posix_acl_access": "x",
                               "SCHILY.xattr.security.ima": "x"}),
                   d("d", pax={"SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/etc",
                               "SCHILY.xattr.user.b": "2", "SCHILY.xattr.user.a": "1"})])
    cap2 = b"\1\0\0\2" + b"\0\4\0\0" + b"\0" * 12
    cap3 = b"\1\0\0\3" + b"\0\4\0\0" + b"\0" * 12 + b"\xa0\x86\1\0"
    name = b"security.capability"
    put("capabilities", pax_bytes(name, cap2, f("ping")) + pax_bytes(name, cap3, f("ping3")) +
        pax_bytes(name, b"\1\0\0\7junk", f("bad")) + pax_bytes(name, cap2, d("dir")))
    put("big-owner", [f("a", uid=2000000000, gid=2000000001)])
    put("old-time", [f("a", mtime=-5)])
    put("fraction", [f("a", mtime=1000.75)])
    nfd = "e\u0301"
    put("names", [f(nfd), f("\u00e9"), f("new\nline"), f("esc\x1b[31m"), f("back\\slash"), f("\udcff\udcfe"), f("d e/f g")])
    put("long", [f("/".join(["d" * 100] * 5) + "/" + "n" * 255)])
    put("link-to-symlink", [s("a", "nowhere"), h("b", "a")])
    put("dup-file", [f("a", b"one"), f("a", b"three")])
    put("dup-linked", [f("a", b"one"), h("b", "a"), f("a", b"three")])
    put("dup-dir", [d("a", mode=0o700), f("a/x"), d("a", mode=0o755)])
    put("file-becomes-dir", [f("a"), d("a"), f("a/x")])
    put("dir-becomes-file", [d("a"), d("a/b"), f("a/b/c"), f("a")])
    put("dir-becomes-symlink", [d("a"), f("a/x"), s("a", "/etc")])
    put("symlink-becomes-dir", [s("a", "/etc"), d("a"), f("a/x")])
    put("through-symlink", [s("lib", "usr/lib"), f("lib/x")])
    put("through-absolute-symlink", [s("a", "/etc"), f("a/x")])
    put("through-dotdot-symlink", [s("a", "../../../etc"), f("a/x")])
    put("through-two-symlinks", [s("a", "b"), s("b", "c/d"), f("a/x")])
    put("overwrite-symlink", [s("a", "/etc/passwd"), f("a", b"mine")])
    put("link-through-symlink", [d("d"), f("d/x"), s("s", "d"), h("y", "s/x")])
    put("link-lower", [h("a", "bin/lower")])
    put("link-below-lower", [d("d"), h("d/a", "bin/lower"), h("b", "d/a")])


def bad():
    put("bad-dotdot", [f("../x")])
    put("bad-dotdot-inside", [d("a"), f("a/../b")])
    put("bad-dotdot-link", [h("a", "../../etc/passwd")])
    put("bad-dotdot-end", [d("a/..")])
    put("bad-root-file", [f("./")])
    put("bad-root-link", [h("a", "/")])
    put("bad-below-file", [f("a"), f("a/b")])
    put("bad-below-fifo", [entry("a", FIFO), f("a/b")])
    put("bad-link-dir", [d("a"), h("b", "a")])
    put("bad-link-whiteout", [f(".wh.a", b""), h("b", "a")])
    put("bad-link-self-dir", [d("a"), h("a", "a")])
    put("bad-link-below-self", [d("a"), f("a/b"), h("a", "a/b")])
    put("bad-symlink-loop", [s("a", "b"), s("b", "a"), f("a/x")])
    put("bad-symlink-growing", [s("a", "a/" + "b" * 100), f("a/x")])
    put("bad-symlink-part", [s("a", "c" * 300), f("a/x")])
    put("bad-whiteout-nothing", [f(".wh.", b"")])
    put("bad-whiteout-dot", [f("a/.wh..", b"")])
    put("bad-whiteout-dotdot", [f("a/.wh...", b"")])
    put("bad-below-whiteout", [f(".wh.a/b")])
    put("bad-part", [f("n" * 256)])
    put("bad-path", [f("/".join(["d" * 200] * 30))])
    put("bad-owner", [f("a", pax={"uid": "4294967295"})])
    put("bad-owner-negative", [f("a", pax={"uid": "-5"})])
    put("bad-truncated", raw([f("a", b"x" * 5000)])[:2000])
    put("bad-size", raw([entry("a", REG, b"", size=7 << 30)]))
    put("bad-size-huge", raw([entry("a", REG, b"", pax={"size": str(1 << 62)})]))
    put("bad-xattrs", [f("a", pax={"SCHILY.xattr.user.%03d" % i: "v" for i in range(40)})])
    put("bad-xattr-size", [f("a", pax={"SCHILY.xattr.user.big": "v" * 70000})])
    put("bad-random", bytes(range(256)) * 8)
    put("bad-checksum", raw([f("a")])[:100] + b"9" + raw([f("a")])[101:])
    put("bad-sparse-bomb", raw(
        [f("a", b"", pax={"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "a",
                          "GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,0"})]))


def by_gnu_tar():
    with tempfile.TemporaryDirectory() as t:
        os.makedirs(t + "/d")
        with open(t + "/d/f", "w") as o:
            o.write("text")
        os.symlink("d/f", t + "/s")
        with open(t + "/hole", "wb") as o:
            o.write(b"begin")
            o.seek(1 << 20)
            o.write(b"middle")
            o.truncate(3 << 20)
        base = ["tar", "-C", t, "--mtime=@1000", "--owner=0", "--group=0", "--numeric-owner", "--sort=name", "-b1",
                "--mode=u=rwX,go=rX"]
        for fmt in ("v7", "ustar", "gnu", "oldgnu", "posix"):
            extra = ["--pax-option=delete=atime,delete=ctime"] if fmt == "posix" else []
            subprocess.run(base + extra + ["--format=" + fmt, "-cf", out + "/old-%s.tar" % fmt, "d", "s"], check=True)
        subprocess.run(base + ["-S", "--format=gnu", "-cf", out + "/sparse-gnu.tar", "hole"], check=True)
        for v in ("0.0", "0.1", "1.0"):
            subprocess.run(base + ["-S", "--format=posix", "--pax-option=delete=atime,delete=ctime,exthdr.name=PaxHeaders/%f",
                                   "--sparse-version=" + v, "-cf", out + "/sparse-%s.tar" % v, "hole"], check=True)


good()
bad()
by_gnu_tar()

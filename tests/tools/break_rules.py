#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""break_rules.py BUILD WORK [NAME…]: does every rule of the cache have a test?

Breaks the rules one by one: each change below goes into a copy of the source tree (WORK/wt, with objects in WORK/wb, configured as
BUILD is), the program is built, and tests/prog/cache-rules.t is run as root. The change is "killed" when rows fail, and they must be the
rows that it names ('*' at the end: all that begin so). A table goes to standard output; exit code 0 when all are killed by just these.
About a minute and a half for each: by hand, after a change to keys, selections or the memo.
"""
import os, pathlib, re, subprocess, sys

KEY, SELECT, SCHED = "builder/key.c", "builder/fileop_select.c", "builder/scheduler.c"

# name, file, what stands there (once), what is put there, rows that fail
RULES = [
    ("selection without modes", SELECT, "wh_buf_u32(&b, n->type == WH_T_SYMLINK ? 0777 : n->mode);", "wh_buf_u32(&b, 0);", []),
    ("selection without links", SELECT, "wh_buf_lstr(&b, n->link);", "wh_buf_lstr(&b, NULL);", []),
    ("selection without content", SELECT, "wh_buf_add(&b, n->digest.b, sizeof(n->digest.b));", "", []),
    ("selection with times", SELECT, "wh_buf_u32(&b, n->uid);", "wh_buf_u32(&b, n->uid); wh_buf_u64(&b, (uint64_t)n->mtime);", []),
    ("selection without owners", SELECT, "wh_buf_u32(&b, n->uid);", "", []),
    ("selection without attributes", SELECT, "wh_buf_add(&b, n->xattrs[k].value, n->xattrs[k].len);", "", []),
    ("selection without hard links", SELECT, "wh_buf_u64(&b, it->peer);", "", []),
    ("selection without names", SELECT, "wh_buf_lstr(&b, it->rel);", "", []),
    ("selection without directories", SELECT, "wh_buf_lstr(&b, it->rel);",
     "if (n->type == WH_T_DIR) continue;\n wh_buf_lstr(&b, it->rel);", []),
    ("selection without its length and directories", SELECT, "wh_buf_u64(&b, p->n);\n	for (size_t i = 0; i < p->n; i++) {\n		const struct item *it = &p->items[i];\n		const struct node *n = &it->n;\n",
     "for (size_t i = 0; i < p->n; i++) {\n		const struct item *it = &p->items[i];\n		const struct node *n = &it->n;\n if (n->type == WH_T_DIR) continue;\n", []),
    ("selection with the named directory's mode", "builder/fileop.c", "pick_hash(&f->picks[i], false, h);", "pick_hash(&f->picks[i], true, h);", []),
    ("local files with their owners", "builder/fileop_local.c", "memset(n, 0, sizeof(*n));\n	switch (st->st_mode & S_IFMT)",
     "memset(n, 0, sizeof(*n));\n	n->uid = st->st_uid;\n	switch (st->st_mode & S_IFMT)", []),
    ("memo without times", "builder/memo.c", " || r->mtime != k->mtime_ns || r->ctime != k->ctime_ns", "", []),
    ("memo without ctime", "builder/memo.c", " || r->ctime != k->ctime_ns", "", []),
    ("ignore file not applied", "builder/fileop_local.c", "if (v->filter && wh_patterns_empty(v->filter))", "if (v->filter)", []),
    ("umask of a checkout counts", "builder/fileop_local.c", "a->has_umask && n->mode == (plain & ~a->umask)", "0", []),
    ("umask of a checkout counts for directories", "builder/fileop_local.c", "a->has_umask && n->mode == (0777 & ~a->umask)", "0", []),

    ("key without command", KEY, 'add_list(o, "command", x->args);', "", []),
    ("key without ENV", KEY, 'add_list(o, "command", x->args);\n	add_env(o, x->env);', 'add_list(o, "command", x->args);', []),
    ("key with ENV in order", KEY, "wh_strv_sort(&set);", "", []),
    ("key without directory", KEY, 'add_text(o, "working directory", x->cwd);', "", []),
    ("key without user", KEY, 'wh_buf_lstr(o->key, x->user ? x->user : "");', "", []),
    ("key without network", KEY, "wh_buf_u8(o->key, (uint8_t)x->network);", "", []),
    ("key without --security", KEY, 'add_flag(o, "--security=insecure", x->insecure);', "", []),
    ("key with proxies", KEY, 'add_text(o, "host name", x->hostname);', 'add_list(o, "proxy", x->proxy_env);', []),
    ("key with hosts", KEY, 'add_text(o, "host name", x->hostname);', 'add_list(o, "hosts", x->extra_hosts);', []),
    ("key with the size of /dev/shm", KEY, 'add_text(o, "host name", x->hostname);', "wh_buf_u64(o->key, x->shm_size);", []),
    ("key with limits", KEY, 'add_text(o, "host name", x->hostname);', 'add_list(o, "limits", x->ulimits);', []),
    ("key without mounts", KEY, "wh_buf_u32(o->key, (uint32_t)x->n_mounts);\n	for (i = 0; i < x->n_mounts; i++)", "for (i = x->n_mounts; i < x->n_mounts; i++)", []),
    ("key without targets of mounts", KEY, "wh_buf_lstr(o.key, m->target);", "", []),
    ("key without here-documents", KEY, 'add_data(o, "text", m->data, m->data_len);\n		break;\n	case WH_MOUNT_TMPFS', "break;\n	case WH_MOUNT_TMPFS", []),
    ("key with sizes of tmpfs", KEY, "wh_buf_lstr(o.key, m->target);", "wh_buf_lstr(o.key, m->target); wh_buf_u64(o.key, m->size);", []),
    ("key with sharing of caches", KEY, "wh_buf_lstr(o.key, m->target);", "wh_buf_lstr(o.key, m->target); wh_buf_u8(o.key, (uint8_t)m->sharing);", []),
    ("key without readonly", KEY, 'add_text(o, "source", m->source);\n		add_flag(o, "readonly", m->readonly);\n		break;\n	case WH_MOUNT_CACHE', 'add_text(o, "source", m->source);\n		break;\n	case WH_MOUNT_CACHE', []),
    ("key without ids", KEY, 'add_text(o, "id", m->id);\n		add_flag(o, "readonly", m->readonly);', 'add_flag(o, "readonly", m->readonly);', []),
    ("key without ids of secrets", KEY, 'add_text(o, "id", m->id);\n		add_text(o, "env", m->env);', 'add_text(o, "env", m->env);', []),
    ("key with secrets", SCHED, "wh_op_key(n->v, &n->b->o.layer, &n->key.op);",
     "wh_op_key(n->v, &n->b->o.layer, &n->key.op);\n if (n->b->o.n_secrets && n->b->o.secrets[0].len) n->key.op.b[0] ^= *(const uint8_t *)n->b->o.secrets[0].data;", []),
    ("key with names of steps", SCHED, "wh_op_key(n->v, &n->b->o.layer, &n->key.op);",
     "wh_op_key(n->v, &n->b->o.layer, &n->key.op);\n { struct wh_digest d; wh_digest_of(n->v->name, strlen(n->v->name), &d); n->key.op.b[0] ^= d.b[0]; n->key.op.b[1] ^= d.b[1]; }", []),
    ("key without SOURCE_DATE_EPOCH", KEY, "wh_buf_u64(o->key, (uint64_t)layer->epoch);", "", []),
    ("key without --chown", KEY, 'add_text(&o, "--chown", a->chown);', "", []),
    ("key without --chmod", KEY, 'add_text(&o, "--chmod", a->chmod);', "", []),
    ("key without destination", KEY, 'add_text(&o, "destination", a->path);', "", []),
    ("key without data", KEY, 'add_data(&o, "text", a->data, a->data_len);', "", []),
    ("content key without the tree below", KEY, 'start(&b, "content");\n	add_digest(&b, op);\n	add_digest(&b, base);', 'start(&b, "content");\n	add_digest(&b, op);', []),
    ("fast key without the tree below", KEY, "add_digest(&b, op);\n	add_digest(&b, base);\n	wh_buf_u64(&b, n_others);", "add_digest(&b, op);\n	wh_buf_u64(&b, n_others);", []),
    ("fast key without other inputs", KEY, "add_digest(&b, others[i]);", ";", []),
    ("content key not asked for", SCHED, "if (wh_node_lookup(n, &n->key.content, &rec)) {", "if (0 && wh_node_lookup(n, &n->key.content, &rec)) {", []),
    ("mounts not looked at", "builder/exec_mount.c", "wh_buf_add(&all, n->taken[i].b, sizeof(n->taken->b));", "", []),
    ("mounts named as they were at first", "builder/exec_mount.c", "n->taken[i] = *d;", "return;", []),
    ("ARG not handed on", "frontend/base.c", "wh_strv_copy(&s->env, s->base ? &s->base->env : &env);", "wh_strv_copy(&s->env, &env);", []),
    ("ARG seen where it is not declared", "frontend/base.c", "wh_strv_copy(&s->env, s->base ? &s->base->env : &env);",
     "wh_strv_copy(&s->env, s->base ? &s->base->env : &env); wh_strv_copy(&s->env, &l->build_args);", []),
    ("--no-cache not heard", "builder/record.c", "if (n->v->no_cache || b->o.again || b->cache_failed)", "if (b->o.again || b->cache_failed)", []),
    ("--no-cache-filter with letters as they stand", "frontend/stages.c", "strcasecmp(names->v[i], name)", "strcmp(names->v[i], name)", []),
]


def run(words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def rows(src, build):
    """The rows that fail, by name."""
    out = subprocess.run(["nice", "bash", str(src / "tests/prog/cache-rules.t"), "", "root"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "WHITTLE": str(build / "whittle"), "WH_TEST_TMP": "/dev/shm" if os.path.isdir("/dev/shm") else "/var/tmp"})
    if not re.search(r"^1\.\.\d+$", out.stdout, re.M):
        return ["(the test did not end)"]
    return re.findall(r"^not ok \d+ - root: (.*)$", out.stdout, re.M)


def matches(row, wanted):
    return any(row.startswith(w[:-1]) if w.endswith("*") else row == w for w in wanted)


def judge(failed, wanted):
    if not failed:
        return "NOT KILLED"
    extra = [f for f in failed if not matches(f, wanted)]
    missing = [w for w in wanted if not any(matches(f, [w]) for f in failed)]
    if extra or missing:
        return "OTHER ROWS" + "".join(f"\n    also fails:  {e}" for e in extra) + "".join(f"\n    passes:      {m}" for m in missing)
    return f"killed by {len(failed)}"


def main():
    top = pathlib.Path(__file__).resolve().parents[2]
    given, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    names, src, build = sys.argv[3:], work / "wt", work / "wb"
    if not src.exists():
        work.mkdir(parents=True, exist_ok=True)
        run(["git", "clone", "-q", "--shared", str(top), str(src)])
        run(["autoreconf", "-fi"], cwd=src)
        build.mkdir()
        options = run([str(given / "config.status"), "--config"]).stdout
        run(["sh", "-c", f"../wt/configure --quiet {options}"], cwd=build)
    else:
        run(["git", "-C", str(src), "fetch", "-q", str(top)])
        run(["git", "-C", str(src), "reset", "-q", "--hard", "FETCH_HEAD"])
    run(["make", "-s", "whittle"], cwd=build)
    bad = 0
    for name, file, old, new, wanted in RULES:
        if names and name not in names:
            continue
        path = src / file
        text = path.read_text()
        if text.count(old) != 1:
            verdict = f"STALE: its text stands {text.count(old)} times in {file}"
        else:
            path.write_text(text.replace(old, new))
            try:
                run(["make", "-s", "whittle"], cwd=build)
                verdict = judge(rows(src, build), wanted)
            except subprocess.CalledProcessError as e:
                verdict = "DOES NOT BUILD\n" + e.stdout[-2000:]
            path.write_text(text)
        bad += not verdict.startswith("killed")
        print(f"{name}: {verdict}", flush=True)
    print(f"{bad} of {len(RULES) if not names else len(names)} need a look" if bad else "every rule has its test")
    return 1 if bad else 0


sys.exit(main())

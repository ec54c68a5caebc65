#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""break_rules.py BUILD WORK [NAME…]: does every rule of the cache have a test?

Breaks the rules one by one: each change below goes into a copy of the source tree (WORK/wt, with objects in WORK/wb, configured as
BUILD is), the program is built, and tests/prog/cache-rules.t is run as root. The change is "killed" when rows fail, and they must be the
rows that it names ('*' at the end: all that begin so). A table goes to standard output; exit code 0 when all are killed by just these.
Half a minute or more for each: by hand, after a change to keys, selections or the memo.
"""
import os, pathlib, re, subprocess, sys

KEY, SELECT, SCHED = "builder/key.c", "builder/fileop_select.c", "builder/scheduler.c"

# name, file, what stands there (once), what is put there, rows that fail
RULES = [
    ("selection without modes", SELECT, "wh_buf_u32(&b, n->type == WH_T_SYMLINK ? 0777 : n->mode);", "wh_buf_u32(&b, 0);",
     ["COPY: executable bit",
      "COPY: executable bit taken away",
      "COPY: other mode bits",
      "COPY: mode of a named file",
      "COPY: mode of a directory",
      "a checkout under umask 002, and one more change",
      "COPY --from: mode",
      "RUN --mount=from: mode",
      "RUN --mount=from: mode of the directory",
      "RUN --mount=bind: mode",
      "RUN --mount=bind: mode of the directory"]),
    ("selection without links", SELECT, "wh_buf_lstr(&b, n->link);", "wh_buf_lstr(&b, NULL);",
     ["COPY: target of a link",
      "COPY --from: target of a link",
      "RUN --mount=bind: a link in it"]),
    ("selection without content", SELECT, "wh_buf_add(&b, n->digest.b, sizeof(n->digest.b));", "",
     ["COPY: content",
      "COPY: same size and time, other content",
      "COPY: the same, by another file",
      "COPY: the same, seen by ctime alone",
      "COPY: what --exclude takes",
      "ADD: an archive",
      "COPY: --link, content",
      "COPY: a here-document",
      "COPY --from: content",
      "COPY --from: stages that changed names",
      "COPY --from: extended attributes",
      "COPY --from: content of a context by name",
      "RUN --mount=from: content",
      "RUN --mount=bind: content",
      "RUN --mount=bind: same size and time, other content",
      "RUN --mount=bind: the whole context",
      "a context that changed before its COPY: one is one",
      "a context that changed before its mount: one is one"]),
    ("selection with times", SELECT, "wh_buf_u32(&b, n->uid);", "wh_buf_u32(&b, n->uid); wh_buf_u64(&b, (uint64_t)n->mtime);",
     ["COPY: times",
      "COPY: another directory with the same context",
      "ignored files that are gone",
      "a checkout under umask 002",
      "a checkout under umask 077",
      "a checkout under umask 027, mounted",
      "RUN --mount=from: something else in the stage, and times",
      "RUN --mount=bind: times",
      "COPY --from: something else in the stage, and times"]),
    ("selection without owners", SELECT, "wh_buf_u32(&b, n->uid);", "",
     ["COPY --from: owner"]),
    ("selection without attributes", SELECT, "wh_buf_add(&b, n->xattrs[k].value, n->xattrs[k].len);", "",
     ["COPY --from: extended attributes"]),
    ("selection without hard links", SELECT, "wh_buf_u64(&b, it->peer);", "",
     ["COPY: hard links came apart",
      "COPY: two files became one"]),
    ("selection without names", SELECT, "wh_buf_lstr(&b, it->rel);", "",
     ["COPY: another name"]),
    ("selection without directories", SELECT, "wh_buf_lstr(&b, it->rel);",
     "if (n->type == WH_T_DIR) continue;\n wh_buf_lstr(&b, it->rel);",
     ["COPY: mode of a directory",
      "RUN --mount=from: mode of the directory",
      "RUN --mount=bind: mode of the directory"]),
    ("selection without its length and directories", SELECT, "wh_buf_u64(&b, p->n);\n	for (size_t i = 0; i < p->n; i++) {\n		const struct item *it = &p->items[i];\n		const struct node *n = &it->n;\n",
     "for (size_t i = 0; i < p->n; i++) {\n		const struct item *it = &p->items[i];\n		const struct node *n = &it->n;\n if (n->type == WH_T_DIR) continue;\n",
     ["COPY: mode of a directory",
      "COPY: a new empty directory",
      "COPY: an empty directory less",
      "RUN --mount=from: mode of the directory",
      "RUN --mount=bind: mode of the directory"]),
    ("selection with the named directory's mode", "builder/fileop.c", "pick_hash(&f->picks[i], false, h);", "pick_hash(&f->picks[i], true, h);",
     ["COPY: mode of the directory that is named",
      "COPY: mode of the context itself",
      "RUN --mount=bind: the mode of the context itself"]),
    ("local files with their owners", "builder/fileop_local.c", "memset(n, 0, sizeof(*n));\n	switch (st->st_mode & S_IFMT)",
     "memset(n, 0, sizeof(*n));\n	n->uid = st->st_uid;\n	switch (st->st_mode & S_IFMT)",
     ["COPY: owners of local files"]),
    ("memo without times", "builder/memo.c", " || r->mtime != k->mtime_ns || r->ctime != k->ctime_ns", "",
     ["COPY: content",
      "COPY: same size and time, other content",
      "COPY: the same, seen by ctime alone",
      "COPY: what --exclude takes",
      "ADD: an archive",
      "COPY: --link, content",
      "COPY --from: extended attributes",
      "COPY --from: content of a context by name",
      "RUN --mount=bind: content",
      "RUN --mount=bind: same size and time, other content",
      "RUN --mount=bind: the whole context",
      "a context that changed before its COPY: one is one",
      "a context that changed before its mount: one is one"]),
    ("memo without ctime", "builder/memo.c", " || r->ctime != k->ctime_ns", "",
     ["COPY: same size and time, other content",
      "COPY: the same, seen by ctime alone",
      "RUN --mount=bind: same size and time, other content"]),
    ("ignore file not applied", "builder/fileop_local.c", "if (v->filter && wh_patterns_empty(v->filter))", "if (v->filter)",
     ["ignored files",
      "ignored files that are gone",
      ".dockerignore: the same selection",
      "RUN --mount=bind: ignored files"]),
    ("umask of a checkout counts", "builder/fileop_local.c", "a->has_umask && n->mode == (plain & ~a->umask)", "0",
     ["a checkout under umask 002",
      "a checkout under umask 077",
      "a checkout under umask 027, mounted"]),
    ("umask of a checkout counts for directories", "builder/fileop_local.c", "a->has_umask && n->mode == (0777 & ~a->umask)", "0",
     ["a checkout under umask 002",
      "a checkout under umask 077",
      "a checkout under umask 027, mounted"]),

    ("key without command", KEY, 'add_list(o, "command", x->args);', "",
     ["COPY: the tree below",
      "COPY --from: content",
      "COPY --from: mode",
      "COPY --from: owner",
      "COPY --from: target of a link",
      "COPY --from: a link between files",
      "COPY --from: stages that changed names",
      "RUN --mount=from: content",
      "RUN --mount=from: mode",
      "RUN --mount=from: mode of the directory",
      "RUN: the command",
      "RUN: shell or exec form",
      "RUN: a here-document",
      "RUN: SHELL",
      "RUN: the tree below",
      "--no-cache: at first",
      "--no-cache",
      "--no-cache: the build after it finds its results: at first",
      "--no-cache: the build after it finds its results",
      "--no-cache-filter: in a list",
      "--no-cache-filter: said twice",
      "--no-cache-filter: no name is all"]),
    ("key without ENV", KEY, 'add_list(o, "command", x->args);\n	add_env(o, x->env);', 'add_list(o, "command", x->args);',
     ["ENV: a value",
      "ENV: one more",
      "ARG: a step below it sees it",
      "ARG: through ENV",
      "ARG: of the stage it is built from",
      "ARG: a global one that the stage declares"]),
    ("key with ENV in order", KEY, "wh_strv_sort(&set);", "",
     ["ENV: order"]),
    ("key without directory", KEY, 'add_text(o, "working directory", x->cwd);', "",
     ["RUN: WORKDIR"]),
    ("key without user", KEY, 'wh_buf_lstr(o->key, x->user ? x->user : "");', "",
     ["RUN: USER"]),
    ("key without network", KEY, "wh_buf_u8(o->key, (uint8_t)x->network);", "",
     ["RUN: --network",
      "RUN: build --network"]),
    ("key without --security", KEY, 'add_flag(o, "--security=insecure", x->insecure);', "",
     ["RUN: --security"]),
    ("key with proxies", KEY, 'add_text(o, "host name", x->hostname);', 'add_list(o, "proxy", x->proxy_env);',
     ["proxies: as arguments"]),
    ("key with hosts", KEY, 'add_text(o, "host name", x->hostname);', 'add_list(o, "hosts", x->extra_hosts);',
     ["RUN: hosts, sizes, limits"]),
    ("key with the size of /dev/shm", KEY, 'add_text(o, "host name", x->hostname);', "wh_buf_u64(o->key, x->shm_size);",
     ["RUN: hosts, sizes, limits"]),
    ("key with limits", KEY, 'add_text(o, "host name", x->hostname);', 'add_list(o, "limits", x->ulimits);',
     ["RUN: hosts, sizes, limits"]),
    ("key without mounts", KEY, "wh_buf_u32(o->key, (uint32_t)x->n_mounts);\n	for (i = 0; i < x->n_mounts; i++)", "for (i = x->n_mounts; i < x->n_mounts; i++)",
     ["RUN --mount=bind: readonly or not",
      "RUN --mount=cache: its id",
      "RUN --mount=tmpfs: its target",
      "RUN: a script in a here-document",
      "secrets: the id",
      "secrets: where it is",
      "secrets: the id alone"]),
    ("key without targets of mounts", KEY, "wh_buf_lstr(o.key, m->target);", "",
     ["RUN --mount=tmpfs: its target",
      "secrets: where it is"]),
    ("key without here-documents", KEY, 'add_data(o, "text", m->data, m->data_len);\n		break;\n	case WH_MOUNT_TMPFS', "break;\n	case WH_MOUNT_TMPFS",
     ["RUN: a script in a here-document"]),
    ("key with sizes of tmpfs", KEY, "wh_buf_lstr(o.key, m->target);", "wh_buf_lstr(o.key, m->target); wh_buf_u64(o.key, m->size);",
     ["RUN --mount=tmpfs: its size"]),
    ("key with sharing of caches", KEY, "wh_buf_lstr(o.key, m->target);", "wh_buf_lstr(o.key, m->target); wh_buf_u8(o.key, (uint8_t)m->sharing);",
     ["RUN --mount=cache: how it is shared"]),
    ("key without readonly", KEY, 'add_text(o, "source", m->source);\n		add_flag(o, "readonly", m->readonly);\n		break;\n	case WH_MOUNT_CACHE', 'add_text(o, "source", m->source);\n		break;\n	case WH_MOUNT_CACHE',
     ["RUN --mount=bind: readonly or not"]),
    ("key without ids", KEY, 'add_text(o, "id", m->id);\n		add_flag(o, "readonly", m->readonly);', 'add_flag(o, "readonly", m->readonly);',
     ["RUN --mount=cache: its id"]),
    ("key without ids of secrets", KEY, 'add_text(o, "id", m->id);\n		add_text(o, "env", m->env);', 'add_text(o, "env", m->env);',
     ["secrets: the id alone"]),
    ("key with secrets", SCHED, "wh_op_key(n->v, &n->b->o.layer, &n->key.op);",
     "wh_op_key(n->v, &n->b->o.layer, &n->key.op);\n if (n->b->o.n_secrets && n->b->o.secrets[0].len) n->key.op.b[0] ^= *(const uint8_t *)n->b->o.secrets[0].data;",
     ["secrets: the value",
      "secrets: the value of a variable"]),
    ("key with names of steps", SCHED, "wh_op_key(n->v, &n->b->o.layer, &n->key.op);",
     "wh_op_key(n->v, &n->b->o.layer, &n->key.op);\n { struct wh_digest d; wh_digest_of(n->v->name, strlen(n->v->name), &d); n->key.op.b[0] ^= d.b[0]; n->key.op.b[1] ^= d.b[1]; }",
     ["COPY --from: the stage by its number",
      "RUN --mount=cache: how it is shared",
      "RUN --mount=tmpfs: its size",
      "RUN: comments and blank lines",
      "RUN: its line"]),
    ("key without SOURCE_DATE_EPOCH", KEY, "wh_buf_u64(o->key, (uint64_t)layer->epoch);", "",
     ["SOURCE_DATE_EPOCH: given or not"]),
    ("key without --chown", KEY, 'add_text(&o, "--chown", a->chown);', "",
     ["COPY: --chown"]),
    ("key without --chmod", KEY, 'add_text(&o, "--chmod", a->chmod);', "",
     ["COPY: --chmod"]),
    ("key without destination", KEY, 'add_text(&o, "destination", a->path);', "",
     ["COPY: the destination",
      "WORKDIR: another directory",
      "ARG: a COPY that uses it",
      "platform: one that names it"]),
    ("key without data", KEY, 'add_data(&o, "text", a->data, a->data_len);', "",
     ["COPY: a here-document"]),
    ("content key without the tree below", KEY, 'start(&b, "content");\n	add_digest(&b, op);\n	add_digest(&b, base);', 'start(&b, "content");\n	add_digest(&b, op);',
     ["COPY: the tree below"]),
    ("fast key without the tree below", KEY, "add_digest(&b, op);\n	add_digest(&b, base);\n	wh_buf_u64(&b, n_others);", "add_digest(&b, op);\n	wh_buf_u64(&b, n_others);",
     ["RUN: the tree below"]),
    ("fast key without other inputs", KEY, "add_digest(&b, others[i]);", ";",
     ["COPY: a here-document",
      "COPY --from: content",
      "COPY --from: mode",
      "COPY --from: owner",
      "COPY --from: target of a link",
      "COPY --from: a link between files",
      "COPY --from: stages that changed names",
      "COPY --from: extended attributes",
      "RUN --mount=from: content",
      "RUN --mount=from: mode",
      "RUN --mount=from: mode of the directory"]),
    ("results not kept by content", SCHED, "wh_node_remember(n, &n->key.content, &n->own, n->own_empty);", ";",
     ["COPY: nothing changed",
      "COPY: times",
      "COPY: mode of the directory that is named",
      "COPY: mode of the context itself",
      "COPY: what is not selected",
      "COPY: one more that a wildcard leaves",
      "COPY: what --exclude leaves",
      "COPY: extended attributes of local files",
      "COPY: another directory with the same context",
      "COPY: --link, another tree below",
      "COPY: owners of local files",
      "ignored files",
      "ignored files that are gone",
      ".dockerignore: the same selection",
      "a checkout under umask 002",
      "a checkout under umask 077",
      "a checkout under umask 027, mounted",
      "the umask of who builds",
      "COPY --from: something else in the stage, and times",
      "COPY --from: the same attributes",
      "COPY --from: another context by name",
      "RUN --mount=from: something else in the stage, and times",
      "RUN --mount=bind: something else in the context",
      "RUN --mount=bind: times",
      "RUN --mount=bind: the mode of the context itself",
      "RUN --mount=bind: ignored files",
      "ENV: a COPY has none",
      "ARG: a COPY that does not use it",
      "platform: a COPY is the same for all"]),
    ("results not kept by fast key", SCHED, "wh_node_remember(n, &n->key.fast, &n->own, n->own_empty);", ";", []),
    ("keys chained by recipe", SCHED, "base ? base->tree_key : none;", "base ? base->id : none;", []),
    ("key with lines", SCHED, "wh_op_key(n->v, &n->b->o.layer, &n->key.op);",
     "wh_op_key(n->v, &n->b->o.layer, &n->key.op);\n n->key.op.b[0] ^= (uint8_t)n->v->pos.line;", []),
    ("selection not at all", SELECT, "	wh_sha256_add(h, b.p, b.n);\n}", "}", []),
    ("mounts not looked at", "builder/exec_mount.c", "wh_buf_add(&all, n->taken[i].b, sizeof(n->taken->b));", "",
     ["RUN --mount=from: content",
      "RUN --mount=from: mode",
      "RUN --mount=from: mode of the directory",
      "RUN --mount=bind: content",
      "RUN --mount=bind: same size and time, other content",
      "RUN --mount=bind: content below",
      "RUN --mount=bind: mode",
      "RUN --mount=bind: mode of the directory",
      "RUN --mount=bind: a link in it",
      "RUN --mount=bind: the whole context",
      "a context that changed before its mount: one is one"]),
    ("mounts named as they were at first", "builder/exec_mount.c", "n->taken[i] = *d;", "return;",
     ["a context that changed before its mount: one is one"]),
    ("ARG not handed on", "frontend/base.c", "wh_strv_copy(&s->env, s->base ? &s->base->env : &env);", "wh_strv_copy(&s->env, &env);",
     ["ARG: of the stage it is built from"]),
    ("ARG seen where it is not declared", "frontend/base.c", "wh_strv_copy(&s->env, s->base ? &s->base->env : &env);",
     "wh_strv_copy(&s->env, s->base ? &s->base->env : &env); wh_strv_copy(&s->env, &l->build_args);",
     ["ARG: a step above it does not",
      "ARG: not declared",
      "ARG: of another stage",
      "ARG: a global one that no stage declares",
      "proxies: as arguments"]),
    ("--no-cache not heard", "builder/record.c", "if (n->v->no_cache || b->o.again || b->cache_failed)", "if (b->o.again || b->cache_failed)",
     ["--no-cache",
      "--no-cache: the build after it finds its results",
      "--no-cache-filter: a stage",
      "--no-cache-filter: in a list",
      "--no-cache-filter: said twice",
      "--no-cache-filter: no name is all",
      "--no-cache-filter: it says so",
      "--no-cache-filter: it says so: message"]),
    ("--no-cache-filter with letters as they stand", "frontend/stages.c", "strcasecmp(names->v[i], name)", "strcmp(names->v[i], name)",
     ["--no-cache-filter: in a list"]),
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

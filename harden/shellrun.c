/* SPDX-License-Identifier: Apache-2.0 */
/* The application ran a shell, and PRUNE is to remove shells: who did, and what to change. */
#include "harden/keep_private.h"
#include "harden/script.h"

#include <errno.h>

#define MAX_LINES 20

static const json_t *process_at(const struct wh_decide *d, int64_t i)
{
	return i < 0 ? NULL : json_array_get(json_object_get(d->profile, "processes"), (size_t)i);
}

static bool is_shell(const struct wh_decide *d, const json_t *p)
{
	WH_AUTO_FREE char *path = wh_path_of_json(wh_json_str(p, "program"));

	return wh_shells_kind(d->shells, d->t, path) != WH_SHELL_NONE;
}

static void add_program(struct wh_buf *b, const json_t *p)
{
	wh_buf_addf(b, "/%s", wh_json_str(p, "program"));
	if (wh_json_str(p, "script"))
		wh_buf_addf(b, " (script /%s)", wh_json_str(p, "script"));
}

/* "application: /usr/sbin/app ran /usr/bin/dash (script /usr/bin/x)", with all that came between; or "healthcheck:
 * starts as …". */
static void add_chain(const struct wh_decide *d, struct wh_buf *b, const json_t *p)
{
	const json_t *chain[16];
	size_t n = 0;

	for (const json_t *q = p; q && n < WH_ARRAY_SIZE(chain); q = process_at(d, wh_json_int(q, "parent", -1)))
		chain[n++] = q;
	wh_buf_addf(b, "%s: %s", wh_json_str(p, "name"), n == 1 ? "starts as " : "");
	while (n-- > 0) {
		add_program(b, chain[n]);
		if (n)
			wh_buf_adds(b, " ran ");
	}
}

/* The entry of the config that names a shell itself, in shell form. */
static const char *shell_form(struct wh_decide *d)
{
	static const char *const entries[] = {"Entrypoint", "Cmd"}, *const words[] = {"ENTRYPOINT", "CMD"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(entries); i++) {
		const json_t *argv = json_object_get(d->o->config, entries[i]);
		const char *name = json_string_value(json_array_get(argv, 0));

		if (name)
			return wh_shell_name(name) ? words[i] : NULL;
	}
	return NULL;
}

static void add_hint(struct wh_decide *d, const json_t *p, struct wh_err **err)
{
	const char *name = wh_json_str(p, "name"), *script = wh_json_str(p, "script"), *entry = shell_form(d);
	bool first = wh_json_int(p, "parent", -1) < 0;

	if (wh_streq(name, "healthcheck"))
		wh_err_hint(err, "write HEALTHCHECK CMD [\"program\", …] (exec form), or PRUNE --shell=keep");
	else if (wh_streq(name, "exec") && first)
		wh_err_hint(err,
			    "the test driver asked for it (app exec): run the program itself, or PRUNE --shell=keep");
	else if (first && !script && entry)
		wh_err_hint(err, "write %s [\"program\", …] (exec form), or PRUNE --shell=keep", entry);
	else if (first && script)
		wh_err_hint(
			err,
			"the image starts the script /%s: let ENTRYPOINT start the program itself, or PRUNE --shell=keep",
			script);
	else
		wh_err_hint(err, "let it start the program without a shell, or PRUNE --shell=keep");
}

int wh_decide_shells_run(struct wh_decide *d, struct wh_err **err)
{
	const json_t *processes = json_object_get(d->profile, "processes"), *first = NULL;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT, head = WH_BUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(processes); i++) {
		const json_t *p = json_array_get(processes, i), *parent = process_at(d, wh_json_int(p, "parent", -1));

		/* A shell that a shell runs goes when that one goes. */
		if (!is_shell(d, p) || (parent && is_shell(d, parent)))
			continue;
		if (!first)
			first = p;
		if (n++ < MAX_LINES) {
			wh_buf_adds(&b, n > 1 ? "\n" : "");
			add_chain(d, &b, p);
		}
	}
	if (!first)
		return 0;
	if (n > MAX_LINES)
		wh_buf_addf(&b, "\n… and %zu more", n - MAX_LINES);
	add_chain(d, &head, first);
	wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EPERM,
		   "PRUNE removes shells, and the application needs one: %s", head.p);
	wh_err_status(err, WH_STATUS_SHELL);
	add_hint(d, first, err);
	if (n > 1)
		wh_err_detail(err, b.p);
	return -EPERM;
}

#define MAX_CHAIN 4 /* as many interpreters as Linux goes through */

/* A program, and the interpreters behind it: the first shell among them; malloc'ed. NULL: none. */
static char *shell_behind(struct wh_decide *d, const char *program)
{
	WH_AUTO_FREE char *at = wh_strdup(program);

	for (int i = 0; i <= MAX_CHAIN; i++) {
		WH_AUTO_BYTES struct wh_bytes b = {0};
		WH_AUTO_SCRIPT struct wh_script s = {0};
		struct wh_node_ref n;
		char *next;

		if (wh_decide_removes(d, at))
			return WH_TAKE_PTR(at);
		if (wh_walk(d->t, at, true, NULL, NULL, &n) < 0 || n.e.type != WH_T_FILE ||
		    wh_bytes_open(d->t, &n, &b, NULL) < 0 || wh_script_parse(b.p, b.n, &s) < 0)
			return NULL;
		next = s.program ? wh_decide_program(d, s.program, "/") : wh_strdup(s.interpreter);
		if (!next)
			return NULL;
		free(at);
		at = next;
	}
	return NULL;
}

static int named(struct wh_decide *d, const char *entry, const json_t *argv, size_t first, struct wh_err **err)
{
	const char *name = json_string_value(json_array_get(argv, first));
	WH_AUTO_FREE char *path = name ? wh_decide_program(d, name, wh_json_str(d->o->config, "WorkingDir")) : NULL;
	WH_AUTO_FREE char *shell = path ? shell_behind(d, path) : NULL;

	if (!shell)
		return 0;
	wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EPERM,
		   "PRUNE removes shells, and the image's %s needs one: %s is %s%s", entry, name,
		   wh_streq(shell, path) ? "a shell" : "a script for ", wh_streq(shell, path) ? "" : shell);
	wh_err_status(err, WH_STATUS_SHELL);
	wh_err_hint(
		err,
		"write %s [\"program\", …] with the program itself, or PRUNE --shell=keep; what a PROFILE starts instead "
		"(--start) does not change how the image starts",
		entry);
	return -EPERM;
}

int wh_decide_shells_named(struct wh_decide *d, struct wh_err **err)
{
	const json_t *c = d->o->config, *entrypoint = json_object_get(c, "Entrypoint");
	const json_t *test = json_object_get(json_object_get(c, "Healthcheck"), "Test");
	const char *kind = json_string_value(json_array_get(test, 0));
	bool entry = json_array_size(entrypoint) > 0;
	int r = named(d, entry ? "ENTRYPOINT" : "CMD", entry ? entrypoint : json_object_get(c, "Cmd"), 0, err);

	if (r == 0 && wh_streq(kind, "CMD"))
		r = named(d, "HEALTHCHECK CMD", test, 1, err);
	return r;
}

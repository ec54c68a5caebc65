/* SPDX-License-Identifier: Apache-2.0 */
/* Privileges as an AppArmor profile (apparmor.d(5)), made of Landlock's rules: it stands alone and includes nothing. */
#include "harden/runtime_private.h"

/* A path as a pattern that stands for itself alone. False: it has a character that no profile can hold. */
static bool add_path(struct wh_buf *out, const char *path, const char *rest)
{
	size_t n = out->n;

	wh_buf_adds(out, "  \"");
	for (; *path; path++) {
		if ((unsigned char)*path < ' ' || *path == 0x7f) {
			out->n = n;
			out->p[n] = '\0';
			return false;
		}
		if (strchr("?*[]{}^\\\",@", *path))
			wh_buf_addc(out, '\\');
		wh_buf_addc(out, *path);
	}
	wh_buf_addf(out, "%s\"", rest);
	return true;
}

static void add_rules(struct wh_buf *out, const json_t *paths, const char *how, bool below)
{
	const json_t *path;
	size_t i;

	json_array_foreach (paths, i, path) {
		const char *text = json_string_value(path);

		if (wh_streq(text, "/"))
			text = "";
		if (!below || *text)
			if (add_path(out, text, below ? "/" : ""))
				wh_buf_addf(out, " %s,\n", how);
		if (below && add_path(out, text, "/**"))
			wh_buf_addf(out, " %s,\n", how);
	}
}

static bool allows(const json_t *rule, const char *access)
{
	const json_t *word;
	size_t i;

	json_array_foreach (json_object_get(rule, "access"), i, word)
		if (wh_streq(json_string_value(word), access))
			return true;
	return false;
}

static void files(const json_t *p, struct wh_buf *out)
{
	const json_t *rule;
	size_t i;

	wh_buf_adds(out, "  / r,\n");
	json_array_foreach (json_object_get(json_object_get(p, "landlock"), "fs"), i, rule) {
		const json_t *paths = json_object_get(rule, "paths");

		if (allows(rule, "execute"))
			add_rules(out, paths, "mrix", false);
		else if (allows(rule, "make_reg"))
			add_rules(out, paths, "mrwkl", true);
		else if (allows(rule, "write_file"))
			add_rules(out, paths, "rw", true);
		else
			add_rules(out, paths, "mr", true);
	}
}

void wh_runtime_apparmor(const json_t *p, const char *image, const char *name, struct wh_buf *out)
{
	WH_AUTO_FREE char *slug = wh_runtime_slug(name);
	const json_t *one;
	size_t i;

	(void)image;
	wh_buf_addf(out,
		    "# The least privileges of this application. It was parsed, never enforced: unproven.\n"
		    "#   apparmor_parser -r apparmor.profile; docker run --security-opt apparmor=whittle-%s …\n"
		    "profile \"whittle-%s\" flags=(attach_disconnected,mediate_deleted) {\n",
		    slug, slug);
	wh_buf_adds(out, "  network inet,\n  network inet6,\n  network netlink raw,\n  network unix,\n  unix,\n"
			 "  # from the runtime, and among its own processes\n"
			 "  signal (receive) peer=unconfined,\n  signal (receive) peer=/usr/bin/runc,\n  signal (receive) peer=runc,\n"
			 "  signal (receive) peer=crun,\n");
	wh_buf_addf(out, "  signal (send, receive) peer=\"whittle-%s\",\n  ptrace (read) peer=\"whittle-%s\",\n", slug, slug);
	json_array_foreach (json_object_get(p, "capabilities"), i, one) {
		wh_buf_adds(out, "  capability ");
		for (const char *c = json_string_value(one) + strlen("CAP_"); *c; c++)
			wh_buf_addc(out, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
		wh_buf_adds(out, ",\n");
	}
	files(p, out);
	wh_buf_adds(out, "}\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* whittle scan IMAGE: the packages of an image against the vulnerability database of the store. */
#include "cli/cli.h"
#include "cli/password.h"
#include "cli/registry_service.h"
#include "evidence/evidence.h"

#include <errno.h>
#include <inttypes.h>

struct flags {
	const char *root, *format, *platform;
};
struct job {
	const struct flags *flags;
	const char *ref;
};

static const char *const formats[] = {"table", "json", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "table (default) or json", formats},
	{"platform", 0, WH_OPT_TEXT, offsetof(struct flags, platform), "OS/ARCH",
	 "Which image of several (default: this machine's)", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* ---------------------------------------------------------------- as a table */

#define N_COLUMNS 5
#define WIDEST 40 /* of a column but the last; longer texts stand out */

struct row {
	const char *cell[N_COLUMNS];
};

static void row_of(const struct wh_finding *f, struct row *ret)
{
	*ret = (struct row){{wh_severity_name(f->severity), f->id, f->package, f->version, f->fixed ? f->fixed : "-"}};
}

static void add_row(const struct row *r, const size_t width[N_COLUMNS], struct wh_buf *out)
{
	for (size_t i = 0; i < N_COLUMNS; i++) {
		size_t start = out->n;

		wh_text_add_short(out, r->cell[i]);
		if (i + 1 == N_COLUMNS)
			break;
		do
			wh_buf_addc(out, ' ');
		while (out->n - start < width[i] + 2);
	}
	wh_buf_addc(out, '\n');
}

/* The gravest first; within a severity as they are sorted. */
static void add_table(const struct wh_findings *f, struct wh_buf *out)
{
	static const struct row head = {{"SEVERITY", "ID", "PACKAGE", "VERSION", "FIXED IN"}};
	size_t width[N_COLUMNS] = {0};
	struct row r;

	for (size_t k = 0; k <= f->n; k++) {
		r = head;
		if (k < f->n)
			row_of(&f->v[k], &r);
		for (size_t i = 0; i < N_COLUMNS; i++) {
			size_t n = strlen(r.cell[i]);

			if (n > width[i])
				width[i] = n < WIDEST ? n : WIDEST;
		}
	}
	add_row(&head, width, out);
	for (int s = WH_N_SEVERITIES; s-- > 0;) {
		for (size_t k = 0; k < f->n; k++) {
			if ((int)f->v[k].severity != s)
				continue;
			row_of(&f->v[k], &r);
			add_row(&r, width, out);
		}
	}
	wh_buf_addc(out, '\n');
}

static void add_summary(const struct wh_findings *f, const struct wh_packages *p, struct wh_buf *out)
{
	char text[WH_DIGEST_TEXT];

	wh_buf_addf(out, "%" PRIu64 " known vulnerabilities in ", f->total);
	if (f->packages_unassessed)
		wh_buf_addf(out, "%" PRIu64 " of ", (uint64_t)p->n - f->packages_unassessed);
	wh_buf_addf(out, "%zu packages", p->n);
	for (int s = WH_N_SEVERITIES; s-- > 0;)
		wh_buf_addf(out, "%s%" PRIu64 " %s", s == WH_N_SEVERITIES - 1 ? ": " : ", ", f->count[s],
			    wh_severity_name((enum wh_severity)s));
	wh_buf_addc(out, '\n');
	if (f->packages_unassessed)
		wh_buf_addf(out, "NOT ASSESSED: %" PRIu64 " packages that the database cannot be asked about\n",
			    f->packages_unassessed);
	wh_buf_addf(out, "database %s, newest record %s\n", wh_digest_text(&f->database, text),
		    f->database_date ? f->database_date : "unknown");
}

static void show(const struct wh_findings *f, const struct wh_packages *p, struct wh_buf *out)
{
	if (!f->assessed) {
		wh_buf_adds(out, "NOT ASSESSED: ");
		wh_text_add_short(out, f->why);
		wh_buf_addf(out, "\nNothing is known about the vulnerabilities of the %zu packages of this image.\n",
			    p->n);
		if (wh_digest_is_zero(&f->database))
			wh_buf_adds(out, "whittle db import FILE gives whittle a database.\n");
		return;
	}
	if (f->n)
		add_table(f, out);
	add_summary(f, p, out);
}

/* ---------------------------------------------------------------- the work */

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_cli_contents_release) struct wh_cli_contents in = {0};
	WH_CLEANUP(wh_findings_release) struct wh_findings findings = {0};
	const struct job *j = arg;
	struct wh_vulndb *db = NULL;
	int r = wh_cli_contents_open(j->ref, j->flags->root, j->flags->platform, inner, &in, err);

	if (r == 0)
		r = wh_vulndb_open(in.store, &db, err);
	if (r == 0)
		r = wh_cli_contents_read(&in, err);
	if (r == 0)
		r = wh_findings_find(db, &in.packages, &findings, err);
	if (r == 0 && wh_streq(j->flags->format, "json")) {
		WH_AUTO_JSON json_t *o = wh_findings_json(&findings);

		wh_json_dump(o, out);
		wh_buf_addc(out, '\n');
	} else if (r == 0) {
		show(&findings, &in.packages, out);
	}
	if (r == 0 && !wh_buf_ok(out))
		r = wh_err_set(err, "cli", WH_ERR_BUILD, EFBIG, "the list of findings is beyond all measure");
	if (db)
		wh_vulndb_close(db);
	return r;
}

static int scan(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct job j = {flags, args->v[0]};

	wh_password_free(wh_password_take()); /* not wanted here, where other people's data is read */
	return wh_cli_with_registry(inside, &j, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, scan);
}

const struct wh_command wh_cmd_scan = {
	.name = "scan",
	.args = "IMAGE",
	.summary = "List the known vulnerabilities of an image's packages",
	.about =
		"Compares the packages that the image's own records tell of with the database that whittle db import made.\n"
		"A vulnerability counts once, however many packages have it, with the gravest severity that any of them has.\n"
		"Without a database, or without records for the image's distribution, it says so instead of a number; the\n"
		"exit code is 0 either way. IMAGE is a name in the store, oci:DIR[:TAG] or oci-layout://DIR[:TAG][@DIGEST].",
	.examples = "  whittle scan shop:1.4\n"
		    "  whittle scan --format json oci:./out:latest",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one image",
	.run = run,
};

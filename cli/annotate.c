/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/annotate.h"
#include "cli/cli.h"

#include <errno.h>

static const char *const levels[] = {
	[WH_ANNOTATE_MANIFEST] = "manifest",
	[WH_ANNOTATE_MANIFEST_DESCRIPTOR] = "manifest-descriptor",
	[WH_ANNOTATE_INDEX] = "index",
	[WH_ANNOTATE_INDEX_DESCRIPTOR] = "index-descriptor",
};

struct place { /* one LEVEL[PLATFORM] */
	enum wh_annotation_level level;
	char *platform; /* NULL: every image */
};

/* "LEVEL" or "LEVEL[PLATFORM]"; n bytes. */
static int parse_place(const char *text, size_t n, struct place *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *word = wh_strndup(text, n);
	size_t name = strspn(word, "abcdefghijklmnopqrstuvwxyz-"), within;
	struct wh_platform p;
	int r;

	*ret = (struct place){0};
	within = word[name] == '[' ? strspn(word + name + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/-") : 0;
	if (!name || (word[name] && (!within || strcmp(word + name + 1 + within, "]") != 0)))
		return wh_cli_misuse(err, "invalid annotation type \"%s\", expected type and optional platform in square brackets", word);
	if (word[name]) {
		word[name] = word[name + 1 + within] = 0;
		r = wh_platform_parse(word + name + 1, NULL, &p, err);
		if (r < 0) {
			wh_err_wrap(err, "annotation for \"%s\"", word + name + 1);
			return r;
		}
		ret->platform = wh_platform_text(&p);
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(levels); i++) {
		if (wh_streq(word, levels[i])) {
			ret->level = (enum wh_annotation_level)i;
			return 0;
		}
	}
	wh_freep(&ret->platform);
	ret->platform = NULL;
	wh_cli_misuse(err, "unknown annotation type \"%s\"", word);
	wh_err_hint(err, "manifest, index, manifest-descriptor or index-descriptor");
	return -EINVAL;
}

/* Where the key starts, behind "LEVEL,LEVEL:"; text itself when there is no level. A colon in the value is none. */
static const char *key_of(const char *text)
{
	size_t n = strcspn(text, ":=");

	return text[n] == ':' ? text + n + 1 : text;
}

typedef int (*place_fn)(void *arg, const struct place *at, struct wh_err **err);

static int each_place(const char *text, place_fn fn, void *arg, struct wh_err **err)
{
	const char *end = key_of(text) - 1;
	struct place at = {.level = WH_ANNOTATE_MANIFEST};
	int r = 0;

	if (end < text)
		return fn(arg, &at, err);
	for (const char *next = text; next <= end && r == 0;) {
		size_t n = 0;

		while (next + n < end && next[n] != ',')
			n++;
		r = parse_place(next, n, &at, err);
		if (r == 0) {
			r = fn(arg, &at, err);
			free(at.platform);
		}
		next += n + 1;
	}
	return r;
}

static int nothing(void *arg, const struct place *at, struct wh_err **err)
{
	(void)arg;
	(void)at;
	(void)err;
	return 0;
}

int wh_annotation_check(const char *text, struct wh_err **err)
{
	const char *eq = strchr(text, '='), *key = key_of(text);
	WH_AUTO_JSON json_t *value = NULL;

	if (!eq || eq == key)
		return wh_cli_misuse(err, "invalid annotation \"%s\", expected key=value", text);
	for (const char *c = key; c < eq; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return wh_cli_misuse(err, "invalid annotation \"%s\": there is a blank in its key", text);
	value = json_string(text);
	if (!value)
		return wh_cli_misuse(err, "invalid annotation: it is no UTF-8");
	return each_place(text, nothing, NULL, err);
}

bool wh_annotation_from_output(const char *key, const char *value, char **ret)
{
	static const char word[] = "annotation";
	const char *rest = key + strlen(word), *dot;
	size_t level = 0, n;

	if (!wh_has_prefix(key, word) || !strchr(".-[", *rest))
		return false;
	if (*rest == '-')
		level = strcspn(++rest, ".[");
	n = level;
	if (rest[n] == '[')
		n += strcspn(rest + n, "]") + 1;
	dot = n <= strlen(rest) ? rest + n : "";
	if (*dot != '.')
		return false;
	*ret = wh_asprintf("%s%.*s:%s=%s", level ? "" : "manifest", (int)n, rest, dot + 1, value);
	return true;
}

struct fit {
	const char *const *platforms;
	size_t n;
	bool index, docker;
};

static int check_place(void *arg, const struct place *at, struct wh_err **err)
{
	const struct fit *f = arg;
	bool of_index = at->level == WH_ANNOTATE_INDEX || at->level == WH_ANNOTATE_INDEX_DESCRIPTOR, found = !at->platform || of_index;

	if (of_index && !f->index)
		return wh_cli_misuse(err, "index annotations not supported for single platform export");
	if (f->docker && at->level != WH_ANNOTATE_MANIFEST)
		return wh_cli_misuse(err, "cannot export annotations with \"oci-mediatypes=false\"");
	for (size_t i = 0; i < f->n && !found; i++)
		found = wh_streq(f->platforms[i], at->platform);
	return found ? 0 : wh_cli_misuse(err, "invalid annotation: no platform %s found in source", at->platform);
}

int wh_annotations_fit(const struct wh_strv *texts, const char *const *platforms, size_t n, bool index, bool docker, struct wh_err **err)
{
	struct fit f = {.platforms = platforms, .n = n, .index = index, .docker = docker};
	int r = 0;

	for (size_t i = 0; i < texts->n && r == 0; i++)
		r = each_place(texts->v[i], check_place, &f, err);
	return r;
}

struct collect {
	enum wh_annotation_level level;
	const char *platform;
	const char *text;
	json_t **into;
};

static int take(void *arg, const struct place *at, struct wh_err **err)
{
	const struct collect *c = arg;
	const char *key = key_of(c->text), *eq = strchr(key, '=');
	bool of_index = at->level == WH_ANNOTATE_INDEX || at->level == WH_ANNOTATE_INDEX_DESCRIPTOR;
	WH_AUTO_FREE char *name = NULL;

	(void)err;
	if (at->level != c->level || (!of_index && !wh_streq(at->platform, c->platform)))
		return 0;
	name = wh_strndup(key, (size_t)(eq - key));
	if (!*c->into)
		*c->into = json_object();
	json_object_set_new(*c->into, name, json_string(eq + 1));
	return 0;
}

void wh_annotations_collect(const struct wh_strv *texts, enum wh_annotation_level level, const char *platform, json_t **into)
{
	/* What is bound to the platform counts more than what is said of all, whatever comes first. */
	for (size_t i = 0; i < texts->n; i++) {
		struct collect c = {.level = level, .text = texts->v[i], .into = into};

		(void)each_place(texts->v[i], take, &c, NULL);
	}
	for (size_t i = 0; i < texts->n && platform; i++) {
		struct collect c = {.level = level, .text = texts->v[i], .into = into, .platform = platform};

		if (strchr(texts->v[i], '['))
			(void)each_place(texts->v[i], take, &c, NULL);
	}
}

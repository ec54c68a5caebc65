/* SPDX-License-Identifier: Apache-2.0 */
/* The image config (OCI image-spec config.md) while it is being made, and its history. */
#include "base/rune.h"
#include "frontend/lower.h"

#define HISTORY_COMMENT "buildkit.dockerfile.v0"

/* JSON holds UTF-8 only; other bytes become U+FFFD, as they do in Go's encoder. */
json_t *wh_json_text(const char *s)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	json_t *j = json_string(s);
	size_t left = strlen(s), w;

	if (j)
		return j;
	for (; left; s += w, left -= w) {
		uint32_t r = wh_rune(s, left, &w);
		bool bad =
			r > 0x10ffff || (r >= 0xd800 && r < 0xe000) || (w == 3 && r < 0x800) || (w == 4 && r < 0x10000);

		if (bad)
			wh_buf_adds(&out, "\xef\xbf\xbd");
		else
			wh_buf_add(&out, s, w);
	}
	return json_string(out.p);
}

json_t *wh_image_empty(const struct wh_platform *p)
{
	json_t *image = json_pack("{s:s, s:s, s:{s:[s], s:s}}", "architecture", p->arch, "os", p->os, "config", "Env",
				  WH_PATH_DEFAULT, "WorkingDir", "/");

	if (p->variant[0])
		json_object_set_new(image, "variant", json_string(p->variant));
	return image;
}

static bool is_text_list(const json_t *j)
{
	size_t i;

	for (i = 0; i < json_array_size(j); i++)
		if (!json_is_string(json_array_get(j, i)))
			return false;
	return json_is_array(j);
}

/* Known keys of config and whether a value fits. Unknown ones are kept as they are. */
static bool fits(const char *key, const json_t *value)
{
	static const char *const texts[] = {"User", "WorkingDir", "StopSignal"};
	static const char *const lists[] = {"Env", "Cmd", "Entrypoint", "OnBuild", "Shell"};
	static const char *const maps[] = {"ExposedPorts", "Volumes", "Labels", "Healthcheck"};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(texts); i++)
		if (wh_streq(key, texts[i]))
			return json_is_string(value);
	for (i = 0; i < WH_ARRAY_SIZE(lists); i++)
		if (wh_streq(key, lists[i]))
			return is_text_list(value);
	for (i = 0; i < WH_ARRAY_SIZE(maps); i++)
		if (wh_streq(key, maps[i]))
			return json_is_object(value);
	return true;
}

json_t *wh_image_adopt(const json_t *doc, json_t **ret_history)
{
	json_t *image = json_is_object(doc) ? json_deep_copy(doc) : json_object(), *config, *value, *history;
	const char *key;
	void *next;

	history = json_object_get(image, "history");
	*ret_history = json_is_array(history) ? json_incref(history) : NULL;
	json_object_del(image, "history");
	json_object_del(image, "rootfs");
	json_object_del(image, "created");
	config = json_object_get(image, "config");
	if (!json_is_object(config)) {
		json_object_set_new(image, "config", json_object());
		config = json_object_get(image, "config");
	}
	json_object_foreach_safe(config, next, key, value)
	{
		if (!fits(key, value))
			json_object_del(config, key);
	}
	return image;
}

json_t *wh_image_copy_doc(const json_t *doc)
{
	json_t *copy, *value;
	const char *key;
	void *next;
	size_t i;

	if (!json_is_object(doc) && !json_is_array(doc))
		return json_incref((json_t *)(uintptr_t)doc);
	copy = json_copy((json_t *)(uintptr_t)doc);
	if (json_is_object(copy)) {
		json_object_foreach_safe (copy, next, key, value)
			json_object_set_new(copy, key, wh_image_copy_doc(value));
	} else {
		json_array_foreach (copy, i, value)
			json_array_set_new(copy, i, wh_image_copy_doc(value));
	}
	return copy;
}

static json_t *config(const struct wh_stage *s)
{
	return json_object_get(s->image, "config");
}

const char *wh_image_text(const struct wh_stage *s, const char *key)
{
	const char *text = json_string_value(json_object_get(config(s), key));

	return text ? text : "";
}

void wh_image_set_text(struct wh_stage *s, const char *key, const char *value)
{
	json_object_set_new(config(s), key, wh_json_text(value));
}

void wh_image_set_list(struct wh_stage *s, const char *key, const char *const *list, size_t n)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(array, wh_json_text(list[i]));
	json_object_set_new(config(s), key, array);
}

void wh_image_get_list(const struct wh_stage *s, const char *key, struct wh_strv *out)
{
	const json_t *list = json_object_get(config(s), key);
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		wh_strv_add(out, json_string_value(json_array_get(list, i)));
}

void wh_image_drop(struct wh_stage *s, const char *key)
{
	json_object_del(config(s), key);
}

void wh_image_map_add(struct wh_stage *s, const char *key, const char *name, json_t *value)
{
	json_t *map = json_object_get(config(s), key), *text = wh_json_text(name);

	if (!map) {
		json_object_set_new(config(s), key, json_object());
		map = json_object_get(config(s), key);
	}
	json_object_set_new(map, json_string_value(text), value);
	json_decref(text);
}

/* In place: a file may set thousands of them. */
void wh_image_env(struct wh_stage *s, const char *name, const char *value)
{
	json_t *list = json_object_get(config(s), "Env");
	WH_AUTO_FREE char *text = wh_asprintf("%s=%s", name, value);
	size_t n = strlen(name), i;

	if (!list) {
		json_object_set_new(config(s), "Env", json_array());
		list = json_object_get(config(s), "Env");
	}
	for (i = 0; i < json_array_size(list); i++) {
		const char *have = json_string_value(json_array_get(list, i));

		if (strncmp(have, name, n) == 0 && (have[n] == '=' || !have[n])) {
			json_array_set_new(list, i, wh_json_text(text));
			return;
		}
	}
	json_array_append_new(list, wh_json_text(text));
}

void wh_history_add(struct wh_lower *l, struct wh_stage *s, const char *text, const struct wh_vertex *layer)
{
	struct wh_history h = {.created_by = wh_arena_strdup(l->a, text), .comment = HISTORY_COMMENT, .vertex = layer};

	l->told += strlen(text);
	WH_PUSH(s->history, s->n_history, s->cap_history) = h;
}

void wh_print_quoted(struct wh_buf *out, const char *s)
{
	wh_buf_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			wh_buf_addf(out, "\\%c", *s);
		else if (*s == '\n')
			wh_buf_adds(out, "\\n");
		else if (*s == '\t')
			wh_buf_adds(out, "\\t");
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			wh_buf_addf(out, "\\x%02x", (unsigned char)*s);
		else
			wh_buf_addc(out, *s);
	}
	wh_buf_addc(out, '"');
}

void wh_print_list(struct wh_buf *out, const char *const *v, size_t n, bool quoted)
{
	size_t i;

	wh_buf_addc(out, '[');
	for (i = 0; i < n; i++) {
		if (i)
			wh_buf_addc(out, ' ');
		if (quoted)
			wh_print_quoted(out, v[i]);
		else
			wh_buf_adds(out, v[i]);
	}
	wh_buf_addc(out, ']');
}

char *wh_lower_case(const char *s)
{
	char *copy = wh_strdup(s), *p;

	for (p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return copy;
}

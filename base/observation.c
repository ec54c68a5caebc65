/* SPDX-License-Identifier: Apache-2.0 */
#include "base/observation.h"

#include <errno.h>

#define FIRST_LINE "whittle-observation 1"
#define MAX_FIELDS 4 /* after the letter */
#define MAX_WORDS 65536U
#define MAX_PORT 65535U
#define MAX_LINE ((size_t)128 * 1024) /* two paths of PATH_MAX bytes, each byte escaped, and room */

static const char letters[] = "rwxslcdmkug"; /* in the order of enum wh_access */
#define ALL_ACCESS ((1U << (sizeof(letters) - 1)) - 1)

/* ---------------------------------------------------------------- writing */

static void put_field(struct wh_buf *out, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	if (!s || !*s) {
		wh_buf_addc(out, '-');
		return;
	}
	if (strcmp(s, "-") == 0) {
		wh_buf_adds(out, "\\x2d");
		return;
	}
	for (size_t n; *s; s += n) {
		unsigned char c;

		for (n = 0; (c = (unsigned char)s[n]) >= 0x21 && c <= 0x7e && c != '\\';)
			n++;
		wh_buf_add(out, s, n);
		if (!c)
			break;
		wh_buf_add(out, (const char[4]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
		n++;
	}
}

static void put_access(struct wh_buf *out, unsigned access)
{
	for (unsigned i = 0; letters[i]; i++)
		if (access >> i & 1)
			wh_buf_addc(out, letters[i]);
}

void wh_obs_begin(struct wh_buf *out)
{
	wh_buf_adds(out, FIRST_LINE "\n");
}

static void put_named(struct wh_buf *out, char letter, const struct wh_obs *o)
{
	wh_buf_addf(out, "%c\t%u\t", letter, o->process);
	put_field(out, o->text);
}

static void put_address(struct wh_buf *out, char letter, const struct wh_obs *o)
{
	put_named(out, letter, o);
	wh_buf_addc(out, '\t');
	put_field(out, o->address);
	wh_buf_addf(out, "\t%u", o->number);
}

void wh_obs_write(const struct wh_obs *o, struct wh_buf *out)
{
	switch (o->kind) {
	case WH_OBS_PROCESS:
		wh_buf_addf(out, "P\t%u\t%u\t", o->process, o->parent);
		put_field(out, o->program);
		wh_buf_addc(out, '\t');
		put_field(out, o->script);
		break;
	case WH_OBS_MARK:
		wh_buf_adds(out, "M\t");
		put_field(out, o->text);
		break;
	case WH_OBS_USED:
	case WH_OBS_MISSING:
		wh_buf_adds(out, o->kind == WH_OBS_USED ? "A\t" : "N\t");
		put_access(out, o->access);
		wh_buf_addf(out, "\t%u\t", o->process);
		put_field(out, o->path);
		break;
	case WH_OBS_REMARK:
		put_named(out, 'X', o);
		break;
	case WH_OBS_SYSCALL:
		put_named(out, 'S', o);
		break;
	case WH_OBS_CAPABILITY:
		put_named(out, 'C', o);
		break;
	case WH_OBS_BOUND:
		put_address(out, 'L', o);
		break;
	case WH_OBS_PEER:
		put_address(out, 'K', o);
		break;
	case WH_OBS_WORD:
		wh_buf_addf(out, "V\t%u\t%u\t", o->process, o->number);
		put_field(out, o->text);
		break;
	case WH_OBS_END:
		wh_buf_addf(out, "E\t%llu\t%llu", (unsigned long long)o->events, (unsigned long long)o->lost);
		break;
	}
	wh_buf_addc(out, '\n');
}

/* ---------------------------------------------------------------- reading */

struct reader {
	char *line; /* the current one, its fields decoded in place */
	char *field[MAX_FIELDS + 1];
	unsigned n;
	uint32_t processes; /* named so far */
	bool ended;
};

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What the writer writes, and nothing else: then reading and writing again gives the same bytes. */
static bool decode(char *s)
{
	char *out = s;

	if (!*s)
		return false;
	if (strcmp(s, "-") == 0) {
		*s = '\0';
		return true;
	}
	if (strcmp(s, "\\x2d") == 0) {
		memcpy(s, "-", 2);
		return true;
	}
	for (; *s; s++) {
		int high, low, c = (unsigned char)*s;

		if (c < 0x21 || c > 0x7e)
			return false;
		if (c == '\\') {
			if (s[1] != 'x' || (high = nibble(s[2])) < 0 || (low = nibble(s[3])) < 0)
				return false;
			c = high << 4 | low;
			if (!c || (c >= 0x21 && c <= 0x7e && c != '\\'))
				return false;
			s += 3;
		}
		*out++ = (char)c;
	}
	*out = '\0';
	return true;
}

static bool split(struct reader *r)
{
	char *s = r->line;

	for (r->n = 0; r->n < MAX_FIELDS + 1; r->n++) {
		char *tab = strchr(s, '\t');

		r->field[r->n] = s;
		if (tab)
			*tab = '\0';
		if (!decode(s))
			return false;
		if (!tab) {
			r->n++;
			return true;
		}
		s = tab + 1;
	}
	return false;
}

/* Absolute, without "." and "..", without empty parts: it can leave no root. */
static bool is_canonical(const char *p)
{
	if (strcmp(p, "/") == 0)
		return true;
	while (*p == '/') {
		size_t n = strcspn(++p, "/");

		if (n == 0 || (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'))))
			return false;
		p += n;
		if (!*p)
			return true;
	}
	return false;
}

static bool number(const char *s, uint64_t max, uint64_t *ret)
{
	return (s[0] != '0' || !s[1]) && wh_parse_u64(s, 10, ret) && *ret <= max;
}

static bool access_of(const char *s, unsigned *ret)
{
	const char *last = letters;
	unsigned bits = 0;

	for (; *s; s++) {
		last = strchr(last, *s);
		if (!last)
			return false;
		bits |= 1U << (last - letters);
		last++;
	}
	*ret = bits;
	return bits && !(bits & ~ALL_ACCESS);
}

static bool read_process(struct reader *r, struct wh_obs *o)
{
	uint64_t process, parent;

	if (r->n != 5 || !number(r->field[1], UINT32_MAX, &process) || !number(r->field[2], UINT32_MAX, &parent))
		return false;
	if (process != (uint64_t)r->processes + 1 || parent > r->processes)
		return false;
	*o = (struct wh_obs){.kind = WH_OBS_PROCESS,
			     .process = (uint32_t)process,
			     .parent = (uint32_t)parent,
			     .program = r->field[3],
			     .script = *r->field[4] ? r->field[4] : NULL};
	r->processes++;
	return is_canonical(o->program) && (!o->script || is_canonical(o->script));
}

static bool read_access(struct reader *r, enum wh_obs_kind kind, struct wh_obs *o)
{
	uint64_t process;

	*o = (struct wh_obs){.kind = kind};
	if (r->n != 4 || !access_of(r->field[1], &o->access) || !number(r->field[2], r->processes, &process))
		return false;
	o->process = (uint32_t)process;
	o->path = r->field[3];
	return is_canonical(o->path);
}

static bool read_text(struct reader *r, enum wh_obs_kind kind, struct wh_obs *o)
{
	uint64_t process = 0;
	bool mark = kind == WH_OBS_MARK;

	if (r->n != (mark ? 2 : 3) || (!mark && !number(r->field[1], r->processes, &process)))
		return false;
	*o = (struct wh_obs){.kind = kind, .process = (uint32_t)process, .text = r->field[mark ? 1 : 2]};
	return mark || kind == WH_OBS_REMARK || *o->text;
}

static bool read_address(struct reader *r, enum wh_obs_kind kind, struct wh_obs *o)
{
	uint64_t process, port;

	if (r->n != 5 || !number(r->field[1], r->processes, &process) || !number(r->field[4], MAX_PORT, &port))
		return false;
	*o = (struct wh_obs){.kind = kind,
			     .process = (uint32_t)process,
			     .text = r->field[2],
			     .address = r->field[3],
			     .number = (uint32_t)port};
	return *o->text && *o->address;
}

static bool read_word(struct reader *r, struct wh_obs *o)
{
	uint64_t process, place;

	if (r->n != 4 || !number(r->field[1], r->processes, &process) || !number(r->field[2], MAX_WORDS, &place))
		return false;
	*o = (struct wh_obs){.kind = WH_OBS_WORD,
			     .process = (uint32_t)process,
			     .number = (uint32_t)place,
			     .text = r->field[3]};
	return true;
}

static bool read_end(struct reader *r, struct wh_obs *o)
{
	*o = (struct wh_obs){.kind = WH_OBS_END};
	r->ended = true;
	return r->n == 3 && number(r->field[1], UINT64_MAX, &o->events) && number(r->field[2], UINT64_MAX, &o->lost);
}

static bool read_record(struct reader *r, struct wh_obs *o)
{
	if (r->ended || !split(r) || !r->field[0][0] || r->field[0][1])
		return false;
	switch (r->field[0][0]) {
	case 'P':
		return read_process(r, o);
	case 'M':
		return read_text(r, WH_OBS_MARK, o);
	case 'A':
		return read_access(r, WH_OBS_USED, o);
	case 'N':
		return read_access(r, WH_OBS_MISSING, o);
	case 'X':
		return read_text(r, WH_OBS_REMARK, o);
	case 'S':
		return read_text(r, WH_OBS_SYSCALL, o);
	case 'C':
		return read_text(r, WH_OBS_CAPABILITY, o);
	case 'L':
		return read_address(r, WH_OBS_BOUND, o);
	case 'K':
		return read_address(r, WH_OBS_PEER, o);
	case 'V':
		return read_word(r, o);
	case 'E':
		return read_end(r, o);
	default:
		return false;
	}
}

int wh_obs_read(const char *p, size_t n, wh_obs_fn fn, void *arg, struct wh_err **err)
{
	WH_AUTO_FREE char *line = wh_malloc(MAX_LINE);
	struct reader r = {.line = line};
	const char *end = n ? p + n : p;

	for (size_t count = 1; p < end; count++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		struct wh_obs o;
		int e;

		if (!nl || (size_t)(nl - p) >= MAX_LINE || memchr(p, '\0', (size_t)(nl - p)))
			return wh_err_set(err, "base", WH_ERR_BUILD, EBADMSG, "observation log: line %zu is damaged",
					  count);
		memcpy(line, p, (size_t)(nl - p));
		line[nl - p] = '\0';
		p = nl + 1;
		if (count == 1) {
			if (strcmp(line, FIRST_LINE) != 0)
				return wh_err_set(err, "base", WH_ERR_BUILD, EBADMSG,
						  "this is no observation log of a version that can be read here");
			continue;
		}
		if (!read_record(&r, &o))
			return wh_err_set(err, "base", WH_ERR_BUILD, EBADMSG, "observation log: line %zu is damaged",
					  count);
		e = fn(arg, &o);
		if (e < 0)
			return e;
	}
	if (!r.ended)
		return wh_err_set(err, "base", WH_ERR_BUILD, EBADMSG,
				  "the observation log has no end: the observer did not finish");
	return 0;
}

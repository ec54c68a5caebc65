/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF, 32 and 64 bit, both byte orders: program headers and the dynamic section, never section headers (a stripped or
 * packed program has none, and the dynamic linker does not look at them).
 *
 * Every offset is checked against the file before use. Strings are looked up by address: DT_STRTAB is mapped back to
 * the file through the PT_LOAD that holds it.
 */
#include "harden/elf.h"

#include <elf.h>
#include <errno.h>

#define MAX_PHDRS 1024
#define MAX_DYN 65536

struct file {
	const uint8_t *p;
	size_t n;
	bool is64, big;
};

struct segment {
	uint64_t type, offset, vaddr, filesz;
};

/* An unsigned number of 2, 4 or 8 bytes; 0 when it does not lie in the file (callers have checked; this is the belt) */
static uint64_t number(const struct file *f, uint64_t at, unsigned width)
{
	uint64_t v = 0;

	if (at > f->n || f->n - at < width)
		return 0;
	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)f->p[at + i] << 8 * (f->big ? width - 1 - i : i);
	return v;
}

static uint64_t word(const struct file *f, uint64_t at) /* of the file's class */
{
	return number(f, at, f->is64 ? 8 : 4);
}

static bool inside(const struct file *f, uint64_t at, uint64_t n)
{
	return at <= f->n && n <= f->n - at;
}

bool wh_elf_is(const uint8_t *p, size_t n)
{
	return n >= EI_NIDENT && memcmp(p, ELFMAG, SELFMAG) == 0;
}

static void segment_at(const struct file *f, uint64_t at, struct segment *ret)
{
	ret->type = number(f, at, 4);
	if (f->is64)
		*ret = (struct segment){ret->type, word(f, at + 8), word(f, at + 16), word(f, at + 32)};
	else
		*ret = (struct segment){ret->type, word(f, at + 4), word(f, at + 8), word(f, at + 16)};
}

struct headers {
	uint64_t at, size, n;
	uint64_t type; /* e_type */
};

static int read_header(const struct file *f, struct headers *h)
{
	size_t least = f->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (!inside(f, 0, f->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return -EBADMSG;
	h->type = number(f, 16, 2);
	h->at = word(f, f->is64 ? 32 : 28);
	h->size = number(f, f->is64 ? 54 : 42, 2);
	h->n = number(f, f->is64 ? 56 : 44, 2);
	if (!h->n) /* an object file */
		return 0;
	if (h->size < least || h->n > MAX_PHDRS || !inside(f, h->at, h->size * h->n))
		return -EBADMSG;
	return 0;
}

/* Where an address lies in the file, and how much of the file follows there; false: in no segment. */
static bool map_address(const struct file *f, const struct headers *h, uint64_t addr, uint64_t *ret_at, uint64_t *ret_n)
{
	for (uint64_t i = 0; i < h->n; i++) {
		struct segment s;

		segment_at(f, h->at + i * h->size, &s);
		if (s.type != PT_LOAD || addr < s.vaddr || addr - s.vaddr >= s.filesz)
			continue;
		*ret_at = s.offset + (addr - s.vaddr);
		*ret_n = s.filesz - (addr - s.vaddr);
		if (*ret_at < s.offset || *ret_at >= f->n)
			return false;
		if (*ret_n > f->n - *ret_at)
			*ret_n = f->n - *ret_at;
		return true;
	}
	return false;
}

/* A NUL-terminated string within n bytes at `at`; NULL: none, empty, or too long. */
static char *string_at(const struct file *f, uint64_t at, uint64_t n)
{
	const uint8_t *end;

	if (!inside(f, at, n) || !n)
		return NULL;
	if (n > WH_ELF_MAX_STRING)
		n = WH_ELF_MAX_STRING;
	end = memchr(f->p + at, 0, (size_t)n);
	return end && end != f->p + at ? wh_strdup((const char *)f->p + at) : NULL;
}

struct dynamic {
	uint64_t strtab, strsz, flags1;
	bool has_strtab, has_strsz;
	uint64_t strings, n_strings; /* in the file */
};

/* Calls for each entry; two passes, as strings need DT_STRTAB first. */
static int each_dynamic(const struct file *f, const struct segment *s, int (*fn)(void *, uint64_t tag, uint64_t value),
			void *arg)
{
	uint64_t width = f->is64 ? 8 : 4, n = s->filesz / (2 * width);
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < n && i < MAX_DYN; i++) {
		uint64_t tag = word(f, s->offset + 2 * width * i), value = word(f, s->offset + 2 * width * i + width);

		if (tag == DT_NULL)
			break;
		r = fn(arg, tag, value);
	}
	return r;
}

static int find_tables(void *arg, uint64_t tag, uint64_t value)
{
	struct dynamic *d = arg;

	if (tag == DT_STRTAB) {
		d->strtab = value;
		d->has_strtab = true;
	} else if (tag == DT_STRSZ) {
		d->strsz = value;
		d->has_strsz = true;
	} else if (tag == DT_FLAGS_1) {
		d->flags1 = value;
	}
	return 0;
}

struct names {
	const struct file *f;
	const struct dynamic *d;
	struct wh_elf *e;
};

static int take_name(void *arg, uint64_t tag, uint64_t value)
{
	struct names *x = arg;
	char **to = tag == DT_SONAME    ? &x->e->soname
		    : tag == DT_RPATH   ? &x->e->rpath
		    : tag == DT_RUNPATH ? &x->e->runpath
					: NULL;
	char *s;

	if (!to && tag != DT_NEEDED && tag != DT_FILTER && tag != DT_AUXILIARY)
		return 0;
	if (value >= x->d->n_strings)
		return -EBADMSG;
	s = string_at(x->f, x->d->strings + value, x->d->n_strings - value);
	if (!s)
		return 0;
	if (!to) {
		if (x->e->needed.n == WH_ELF_MAX_NEEDED) {
			free(s);
			return -EBADMSG;
		}
		wh_strv_take(&x->e->needed, s);
		return 0;
	}
	free(*to);
	*to = s;
	return 0;
}

static int read_dynamic(const struct file *f, const struct headers *h, const struct segment *s, struct wh_elf *e,
			struct dynamic *d)
{
	struct names x = {f, d, e};

	if (!inside(f, s->offset, s->filesz))
		return -EBADMSG;
	each_dynamic(f, s, find_tables, d);
	if (!d->has_strtab)
		return 0;
	if (!map_address(f, h, d->strtab, &d->strings, &d->n_strings))
		return -EBADMSG;
	if (d->has_strsz && d->strsz < d->n_strings)
		d->n_strings = d->strsz;
	return each_dynamic(f, s, take_name, &x);
}

static int parse(const struct file *f, struct wh_elf *e)
{
	struct dynamic d = {0};
	struct headers h = {0};
	bool dynamic = false;
	int r = read_header(f, &h);

	e->machine = (uint16_t)number(f, 18, 2);
	for (uint64_t i = 0; r == 0 && i < h.n; i++) {
		struct segment s;

		segment_at(f, h.at + i * h.size, &s);
		if (s.type == PT_INTERP && !e->interp) {
			e->interp = string_at(f, s.offset, s.filesz);
			if (!e->interp)
				r = -EBADMSG;
		} else if (s.type == PT_DYNAMIC && !dynamic) { /* the first: a thousand of them would take their time */
			dynamic = true;
			r = read_dynamic(f, &h, &s, e, &d);
		}
	}
	e->program = h.type == ET_EXEC || (h.type == ET_DYN && !e->soname && (e->interp || (d.flags1 & DF_1_PIE)));
	return r;
}

static int open_file(const uint8_t *p, size_t n, struct file *ret)
{
	if (!wh_elf_is(p, n) || p[EI_CLASS] < ELFCLASS32 || p[EI_CLASS] > ELFCLASS64 || p[EI_DATA] < ELFDATA2LSB ||
	    p[EI_DATA] > ELFDATA2MSB)
		return -ENOEXEC;
	*ret = (struct file){p, n, p[EI_CLASS] == ELFCLASS64, p[EI_DATA] == ELFDATA2MSB};
	return 0;
}

int wh_elf_parse(const uint8_t *p, size_t n, struct wh_elf *ret)
{
	struct wh_elf e = {0};
	struct file f;
	int r;

	*ret = e;
	r = open_file(p, n, &f);
	if (r < 0)
		return r;
	e.is64 = f.is64;
	e.big = f.big;
	r = parse(&f, &e);
	if (r < 0)
		wh_elf_release(&e);
	*ret = e;
	return r;
}

void wh_elf_release(struct wh_elf *e)
{
	free(e->interp);
	free(e->soname);
	free(e->rpath);
	free(e->runpath);
	wh_strv_release(&e->needed);
	*e = (struct wh_elf){0};
}

/* ---------------------------------------------------------------- symbols */

#define MAX_SYMBOLS ((uint64_t)1 << 20)

struct tables {
	uint64_t v[16]; /* addresses of whatever lies beside the symbols */
	size_t n;
	uint64_t symtab;
};

static int find_symbols(void *arg, uint64_t tag, uint64_t value)
{
	struct tables *t = arg;

	switch (tag) {
	case DT_SYMTAB:
		t->symtab = value;
		break;
	case DT_STRTAB:
	case DT_HASH:
	case DT_GNU_HASH:
	case DT_RELA:
	case DT_REL:
	case DT_JMPREL:
	case DT_VERSYM:
	case DT_VERNEED:
	case DT_VERDEF:
	case DT_INIT:
	case DT_FINI:
		if (t->n < WH_ARRAY_SIZE(t->v))
			t->v[t->n++] = value;
		break;
	default:
		break;
	}
	return 0;
}

/* Nothing says how many symbols there are; they end where another table begins. */
static uint64_t symbols_end(const struct tables *t)
{
	uint64_t end = UINT64_MAX;

	for (size_t i = 0; i < t->n; i++)
		if (t->v[i] > t->symtab && t->v[i] < end)
			end = t->v[i];
	return end;
}

static int each_import(const struct file *f, const struct dynamic *d, uint64_t at, uint64_t n, wh_elf_name_fn fn,
		       void *arg)
{
	uint64_t size = f->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	int r = 0;

	for (uint64_t i = 1; r == 0 && i < n / size && i < MAX_SYMBOLS; i++) {
		uint64_t name = number(f, at + i * size, 4), section = number(f, at + i * size + (f->is64 ? 6 : 14), 2);
		const char *s;

		if (section != SHN_UNDEF || !name || name >= d->n_strings)
			continue;
		s = (const char *)f->p + d->strings + name;
		if (memchr(s, 0, (size_t)(d->n_strings - name)))
			r = fn(arg, s);
	}
	return r;
}

int wh_elf_imports(const uint8_t *p, size_t n, wh_elf_name_fn fn, void *arg)
{
	struct headers h = {0};
	struct file f;
	int r = open_file(p, n, &f);

	if (r == 0)
		r = read_header(&f, &h);
	for (uint64_t i = 0; r == 0 && i < h.n; i++) {
		struct tables t = {.symtab = 0};
		struct dynamic d = {0};
		uint64_t at, size;
		struct segment s;

		segment_at(&f, h.at + i * h.size, &s);
		if (s.type != PT_DYNAMIC || !inside(&f, s.offset, s.filesz))
			continue;
		each_dynamic(&f, &s, find_tables, &d);
		each_dynamic(&f, &s, find_symbols, &t);
		if (!d.has_strtab || !t.symtab || !map_address(&f, &h, d.strtab, &d.strings, &d.n_strings) ||
		    !map_address(&f, &h, t.symtab, &at, &size))
			return 0;
		if (d.has_strsz && d.strsz < d.n_strings)
			d.n_strings = d.strsz;
		if (symbols_end(&t) - t.symtab < size)
			size = symbols_end(&t) - t.symtab;
		return each_import(&f, &d, at, size, fn, arg);
	}
	return 0;
}

/* ---------------------------------------------------------------- data */

int wh_elf_data(const uint8_t *p, size_t n, wh_elf_part_fn fn, void *arg)
{
	struct headers h = {0};
	bool apart = false;
	struct segment s;
	struct file f;
	int r = open_file(p, n, &f);

	if (r == 0)
		r = read_header(&f, &h);
	if (r < 0)
		return 0;
	for (uint64_t i = 0; i < h.n; i++) {
		segment_at(&f, h.at + i * h.size, &s);
		/* Where code has a part of its own, the headers are in another one. */
		apart |= s.type == PT_LOAD && !s.offset &&
			 !(number(&f, h.at + i * h.size + (f.is64 ? 4 : 24), 4) & PF_X);
	}
	for (uint64_t i = 0; r == 0 && i < h.n; i++) {
		segment_at(&f, h.at + i * h.size, &s);
		if (s.type != PT_LOAD || s.offset >= n ||
		    (apart && (number(&f, h.at + i * h.size + (f.is64 ? 4 : 24), 4) & PF_X)))
			continue;
		r = fn(arg, p + s.offset, s.filesz < n - s.offset ? (size_t)s.filesz : n - (size_t)s.offset);
	}
	return r;
}

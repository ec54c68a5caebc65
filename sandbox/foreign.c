/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of other machines, run by an emulator that the kernel starts for them (binfmt_misc).
 *
 * What the host has registered counts when its interpreter was opened at once (flag F): steps have roots of their own,
 * in which the interpreter's path means nothing. Whether an entry is for some machine is told by its magic, laid
 * against the header of a program of that machine, as the kernel does it.
 *
 * Since Linux 6.7 each user namespace may have a binfmt_misc of its own. Then an emulator that is only installed is
 * registered in ours: nothing of the host changes, and it goes with our processes. The first mount of our own hides the
 * host's entries from our steps; so they are registered in it again.
 */
#include "sandbox/foreign.h"
#include "sandbox/mount.h"
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <sys/mman.h>

#define BINFMT "/proc/sys/fs/binfmt_misc"
#define MAX_ENTRY 8192
#define MAX_ENTRIES 1000
#define MAX_PHDRS 64

/* ---------------------------------------------------------------- machines */

struct machine {
	const char *arch; /* as OCI names it */
	unsigned char class, data;
	uint16_t number;
	const char *qemu;
};

static const struct machine machines[] = {
	{"386", ELFCLASS32, ELFDATA2LSB, EM_386, "i386"},
	{"amd64", ELFCLASS64, ELFDATA2LSB, EM_X86_64, "x86_64"},
	{"arm", ELFCLASS32, ELFDATA2LSB, EM_ARM, "arm"},
	{"arm64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64, "aarch64"},
	{"loong64", ELFCLASS64, ELFDATA2LSB, 258, "loongarch64"},
	{"mips", ELFCLASS32, ELFDATA2MSB, EM_MIPS, "mips"},
	{"mips64", ELFCLASS64, ELFDATA2MSB, EM_MIPS, "mips64"},
	{"mips64le", ELFCLASS64, ELFDATA2LSB, EM_MIPS, "mips64el"},
	{"mipsle", ELFCLASS32, ELFDATA2LSB, EM_MIPS, "mipsel"},
	{"ppc64", ELFCLASS64, ELFDATA2MSB, EM_PPC64, "ppc64"},
	{"ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64, "ppc64le"},
	{"riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV, "riscv64"},
	{"s390x", ELFCLASS64, ELFDATA2MSB, EM_S390, "s390x"},
};

static const struct machine *find_machine(const char *arch)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(machines); i++)
		if (wh_streq(machines[i].arch, arch))
			return &machines[i];
	return NULL;
}

static void put16(unsigned char *p, const struct machine *m, uint16_t v)
{
	p[m->data == ELFDATA2MSB] = (unsigned char)v;
	p[m->data != ELFDATA2MSB] = (unsigned char)(v >> 8);
}

/* The beginning of a program: all that entries look at. */
static void header(const struct machine *m, uint16_t type, unsigned char out[WH_ELF_HEAD])
{
	memset(out, 0, WH_ELF_HEAD);
	memcpy(out, ELFMAG, SELFMAG);
	out[EI_CLASS] = m->class;
	out[EI_DATA] = m->data;
	out[EI_VERSION] = EV_CURRENT;
	put16(out + 16, m, type);
	put16(out + 18, m, m->number);
	out[20 + (m->data == ELFDATA2MSB ? 3 : 0)] = EV_CURRENT;
}

const char *wh_elf_machine(const unsigned char head[WH_ELF_HEAD])
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(machines); i++) {
		unsigned char want[WH_ELF_HEAD];

		header(&machines[i], ET_EXEC, want);
		if (memcmp(head, want, EI_VERSION + 1) == 0 && memcmp(head + 18, want + 18, 2) == 0)
			return machines[i].arch;
	}
	return NULL;
}

/* ---------------------------------------------------------------- entries */

static bool hex(struct wh_str s, struct wh_binfmt *e, unsigned char *out)
{
	size_t n = s.n / 2;

	if (s.n % 2 || !n || n > sizeof(e->magic) || (e->n && e->n != n))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *at = s.p[i] ? strchr(digits, s.p[i]) : NULL;

		if (!at)
			return false;
		out[i / 2] = (unsigned char)(out[i / 2] << 4 | (at - digits));
	}
	e->n = n;
	return true;
}

/* "word rest": the rest, when the line begins with word. */
static bool line_is(struct wh_str line, const char *word, struct wh_str *rest)
{
	size_t n = strlen(word);

	if (line.n < n || memcmp(line.p, word, n) != 0)
		return false;
	*rest = wh_str_trim((struct wh_str){line.p + n, line.n - n});
	return true;
}

bool wh_binfmt_parse(const char *text, size_t len, struct wh_binfmt *ret)
{
	struct wh_binfmt e = {0};
	const char *p = text, *end = text + len;
	bool ok = true, masked = false;

	while (ok && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		struct wh_str line = {p, (size_t)((nl ? nl : end) - p)}, rest;
		uint64_t offset;

		p += line.n + 1;
		if (wh_str_eq(line, "enabled")) {
			e.enabled = true;
		} else if (line_is(line, "interpreter ", &rest) && rest.n && rest.n < sizeof(e.interpreter)) {
			memcpy(e.interpreter, rest.p, rest.n);
		} else if (line_is(line, "flags:", &rest) && rest.n < sizeof(e.flags)) {
			memcpy(e.flags, rest.p, rest.n);
		} else if (line_is(line, "offset ", &rest)) {
			WH_AUTO_FREE char *number = wh_strndup(rest.p, rest.n);

			ok = wh_parse_u64(number, 10, &offset) && offset < sizeof(e.magic);
			e.offset = ok ? (unsigned)offset : 0;
		} else if (line_is(line, "magic ", &rest)) {
			ok = hex(rest, &e, e.magic);
		} else if (line_is(line, "mask ", &rest)) {
			ok = masked = hex(rest, &e, e.mask);
		}
	}
	if (!ok || !e.n || !e.interpreter[0])
		return false;
	if (!masked)
		memset(e.mask, 0xff, e.n);
	*ret = e;
	return true;
}

static bool matches(const struct wh_binfmt *e, const struct machine *m, uint16_t type)
{
	unsigned char head[WH_ELF_HEAD];

	header(m, type, head);
	for (size_t i = 0; i < e->n; i++)
		if (e->offset + i >= sizeof(head) || ((head[e->offset + i] ^ e->magic[i]) & e->mask[i]))
			return false;
	return true;
}

bool wh_binfmt_runs(const struct wh_binfmt *e, const char *arch)
{
	const struct machine *m = find_machine(arch);

	/* Nearly all programs are position independent today; busybox and Go's are not. */
	return m && e->enabled && matches(e, m, ET_EXEC) && matches(e, m, ET_DYN);
}

/* The entries of a binfmt_misc; none where there is none, or where it is switched off. */
static struct wh_binfmt *read_entries(const char *path, size_t *ret_n)
{
	WH_AUTO_BUF struct wh_buf status = WH_BUF_INIT;
	struct wh_binfmt *v = NULL;
	size_t n = 0, cap = 0;
	int fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	*ret_n = 0;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (wh_read_file(fd, "status", 64, &status) == 0 && status.n && wh_has_prefix(status.p, "enabled")) {
		while ((d = readdir(dir)) && n < MAX_ENTRIES) {
			WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
			struct wh_binfmt e;

			if (d->d_name[0] == '.' || wh_streq(d->d_name, "status") || wh_streq(d->d_name, "register"))
				continue;
			if (wh_read_file(fd, d->d_name, MAX_ENTRY, &text) == 0 && text.n &&
			    wh_binfmt_parse(text.p, text.n, &e))
				WH_PUSH(v, n, cap) = e;
		}
	}
	closedir(dir);
	*ret_n = n;
	return v;
}

/* ---------------------------------------------------------------- emulators */

/* A program that needs no loader and no library: those would have to be in the step's root. */
static bool is_static(const char *path)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY, 0);
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr e64;
		Elf32_Ehdr e32;
	} h = {0};
	size_t count, size;
	uint64_t at;
	bool wide;

	if (fd < 0 || pread(fd, &h, sizeof(h), 0) < (ssize_t)sizeof(h.e32) || memcmp(h.ident, ELFMAG, SELFMAG) != 0)
		return false;
	wide = h.ident[EI_CLASS] == ELFCLASS64;
	count = wide ? h.e64.e_phnum : h.e32.e_phnum;
	size = wide ? h.e64.e_phentsize : h.e32.e_phentsize;
	at = wide ? h.e64.e_phoff : h.e32.e_phoff;
	for (size_t i = 0; i < count && i < MAX_PHDRS; i++) {
		uint32_t type;

		if (at > INT64_MAX - i * size || pread(fd, &type, sizeof(type), (off_t)(at + i * size)) != sizeof(type))
			return false;
		if (type == PT_INTERP)
			return false;
	}
	return count > 0 && count <= MAX_PHDRS;
}

/* *ret_flags: beside F. Debian has names by which every version knows that argv[0] comes along (P). */
static char *find_emulator(const struct machine *m, const char **ret_flags)
{
	WH_AUTO_FREE char *named = wh_asprintf("/usr/libexec/qemu-binfmt/%s-binfmt-P", m->qemu);
	*ret_flags = "OCF";
	if (access(named, X_OK) == 0 && is_static(named)) {
		*ret_flags = "POCF";
		return WH_TAKE_PTR(named);
	}
	for (int i = 0; i < 2; i++) {
		WH_AUTO_FREE char *name = wh_asprintf("qemu-%s%s", m->qemu, i ? "" : "-static");
		WH_AUTO_FREE char *path = wh_proc_find(name);

		if (path && is_static(path))
			return WH_TAKE_PTR(path);
	}
	return NULL;
}

/* ---------------------------------------------------------------- our own */

struct wh_foreign {
	int mount; /* of our own binfmt_misc; it lasts as long as this. -1: none */
	unsigned n;
};

struct wh_foreign *wh_foreign_new(void)
{
	struct wh_foreign *f = wh_calloc(1, sizeof(*f));

	f->mount = -1;
	return f;
}

void wh_foreign_free(struct wh_foreign *f)
{
	if (!f)
		return;
	wh_closep(&f->mount);
	free(f);
}

static void put_bytes(struct wh_buf *out, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		wh_buf_addf(out, "\\x%02x", p[i]);
}

static int enroll(struct wh_foreign *f, const struct wh_binfmt *e)
{
	WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT;
	WH_AUTO_FD int fd = wh_openat(f->mount, "register", O_WRONLY, 0);

	if (fd < 0)
		return fd;
	wh_buf_addf(&line, ":whittle-%u:M:%u:", f->n++, e->offset);
	put_bytes(&line, e->magic, e->n);
	wh_buf_addc(&line, ':');
	put_bytes(&line, e->mask, e->n);
	wh_buf_addf(&line, ":%s:%s", e->interpreter, e->flags);
	return strchr(e->interpreter, ':') ? -EINVAL : wh_write_all(fd, line.p, line.n);
}

/* With what the host has, as far as it works from here. */
static int open_own(struct wh_foreign *f, const struct wh_binfmt *theirs, size_t n)
{
	if (f->mount >= 0)
		return 0;
	f->mount = wh_mount_new("binfmt_misc", NULL, 0, 0);
	if (f->mount < 0)
		return f->mount;
	for (size_t i = 0; i < n; i++)
		if (theirs[i].enabled)
			enroll(f, &theirs[i]);
	return 0;
}

static int enroll_emulator(struct wh_foreign *f, const struct machine *m, const char *path, const char *flags,
			   const struct wh_binfmt *theirs, size_t n)
{
	struct wh_binfmt e = {.enabled = true, .n = 20};
	int r = open_own(f, theirs, n);

	if (r < 0)
		return r;
	header(m, ET_EXEC, e.magic);
	memset(e.mask, 0xff, e.n);
	e.mask[EI_OSABI] = 0;
	e.mask[m->data == ELFDATA2MSB ? 17 : 16] = 0xfe; /* ET_EXEC and ET_DYN */
	if (strlen(path) >= sizeof(e.interpreter))
		return -ENAMETOOLONG;
	memcpy(e.interpreter, path, strlen(path));
	memcpy(e.flags, flags, strlen(flags));
	return enroll(f, &e);
}

/* ---------------------------------------------------------------- native */

/* A program of 32 bits that only ends, to see whether this kernel runs such. */
static bool try_program(const struct machine *m, const void *code, size_t n)
{
	static const uint32_t base = 0x10000;
	struct {
		Elf32_Ehdr e;
		Elf32_Phdr p;
		unsigned char code[16];
	} image = {.p = {.p_type = PT_LOAD,
			 .p_vaddr = base,
			 .p_paddr = base,
			 .p_filesz = sizeof(image),
			 .p_memsz = sizeof(image),
			 .p_flags = PF_R | PF_X,
			 .p_align = 0x1000}};
	WH_AUTO_FD int fd = memfd_create("whittle-trial", MFD_CLOEXEC);
	WH_AUTO_FREE char *path = NULL;
	const char *argv[2] = {NULL, NULL};
	pid_t pid;

	header(m, ET_EXEC, (unsigned char *)&image.e);
	image.e.e_entry = base + (uint32_t)offsetof(typeof(image), code);
	image.e.e_phoff = offsetof(typeof(image), p);
	image.e.e_ehsize = sizeof(image.e);
	image.e.e_phentsize = sizeof(image.p);
	image.e.e_phnum = 1;
	if (m->number == EM_ARM)
		image.e.e_flags = 0x05000000; /* EABI 5 */
	memcpy(image.code, code, n);
	if (fd < 0 || wh_write_all(fd, &image, sizeof(image)) < 0)
		return false;
	path = wh_asprintf("/proc/self/fd/%d", fd);
	argv[0] = path;
	pid = wh_proc_spawn(argv, &WH_PROC_OPTS_INIT);
	return pid > 0 && wh_proc_wait(pid) == 0;
}

/* Do programs of that architecture run on this machine's own processor? */
static bool runs_natively(const struct machine *m)
{
	/* exit(0): mov eax, 1; xor ebx, ebx; int 0x80, and mov r7, #1; mov r0, #0; svc 0 */
	static const unsigned char x86[] = {0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80};
	static const unsigned char arm[] = {1, 0x70, 0xa0, 0xe3, 0, 0, 0xa0, 0xe3, 0, 0, 0, 0xef};
	struct wh_platform host;

	wh_platform_host(&host);
	if (wh_streq(host.arch, m->arch))
		return true;
	if (m->number == EM_386 && wh_streq(host.arch, "amd64"))
		return try_program(m, x86, sizeof(x86));
	if (m->number == EM_ARM && wh_streq(host.arch, "arm64"))
		return try_program(m, arm, sizeof(arm));
	return false;
}

/* ---------------------------------------------------------------- the answer */

bool wh_foreign_native(const char *platform)
{
	struct wh_platform p;
	const struct machine *m;
	size_t n;
	bool found = false;
	struct wh_binfmt *theirs;

	if (wh_platform_parse(platform, NULL, &p, NULL) < 0 || !wh_streq(p.os, "linux"))
		return false;
	m = find_machine(p.arch);
	if (!m || !runs_natively(m))
		return false;
	/* The kernel asks binfmt_misc first. */
	theirs = read_entries(BINFMT, &n);
	for (size_t i = 0; i < n; i++)
		found = found || wh_binfmt_runs(&theirs[i], p.arch);
	free(theirs);
	return !found;
}

static int refuse(const char *platform, const struct machine *m, int why, const char *emulator, bool without_f,
		  struct wh_err **err)
{
	struct wh_platform here;
	WH_AUTO_FREE char *host = NULL;

	wh_platform_host(&here);
	host = wh_platform_text(&here);
	wh_err_set(err, "sandbox", WH_ERR_ENV, ENOEXEC, "%s programs do not run on this machine (%s): %s", platform, host,
		   !m	       ? "no emulator of that architecture is known"
		   : without_f ? "the emulator that is registered for them was not opened in advance (flag F of "
				 "binfmt_misc), so it is missing in a step's root"
			       : "no emulator is registered for them");
	if (!m)
		return -ENOEXEC;
	if (emulator)
		wh_err_hint(err, "%s is installed, but this kernel does not let it be registered for this build alone (%s; "
				 "Linux 6.7 and later do): register it with flag F (Debian: apt install qemu-user-static "
				 "binfmt-support), or cross-compile with FROM --platform=$BUILDPLATFORM",
			    emulator, strerrordesc_np(why) ? strerrordesc_np(why) : "?");
	else
		wh_err_hint(err, "install one (Debian: apt install qemu-user-static binfmt-support), or cross-compile: "
				 "FROM --platform=$BUILDPLATFORM for the stage that compiles");
	return -ENOEXEC;
}

int wh_foreign_ensure(struct wh_foreign *f, const char *platform, struct wh_emulation *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *emulator = NULL;
	WH_AUTO_FREE struct wh_binfmt *theirs = NULL;
	const char *flags = NULL;
	const struct machine *m;
	struct wh_platform p;
	bool without_f = false;
	size_t n = 0;
	int r = wh_platform_parse(platform, NULL, &p, err);

	if (r < 0)
		return r;
	*ret = (struct wh_emulation){0};
	m = wh_streq(p.os, "linux") ? find_machine(p.arch) : NULL;
	if (!m)
		return refuse(platform, m, 0, NULL, false, err);
	theirs = read_entries(BINFMT, &n);
	for (size_t i = 0; i < n; i++) {
		if (!wh_binfmt_runs(&theirs[i], p.arch))
			continue;
		if (strchr(theirs[i].flags, 'F')) {
			*ret = (struct wh_emulation){.emulated = true, .emulator = wh_strdup(theirs[i].interpreter)};
			return 0;
		}
		without_f = true;
	}
	if (!without_f && runs_natively(m))
		return 0;
	emulator = find_emulator(m, &flags);
	r = emulator ? enroll_emulator(f, m, emulator, flags, theirs, n) : -ENOENT;
	if (r < 0)
		return refuse(platform, m, -r, emulator, without_f, err);
	*ret = (struct wh_emulation){.emulated = true, .ours = true, .emulator = WH_TAKE_PTR(emulator)};
	return 0;
}

void wh_emulation_release(struct wh_emulation *e)
{
	free(e->emulator);
	*e = (struct wh_emulation){0};
}

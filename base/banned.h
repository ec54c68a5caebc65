/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that nobody here calls: no bound, no CLOEXEC, a shell, hidden
 * state, or no way to tell an error. Using one does not compile, be it a call
 * or an address taken; a struct member of the same name is untouched. (A
 * poison pragma would hit foreign headers that are included later, a macro
 * would hit members: ops->open().)
 *
 * The declarations stand before the system's, because clang takes no new
 * attribute for a function that a header has defined inline. The build forces
 * this file into each translation unit with -include, hence before all else.
 */
#ifndef WH_BASE_BANNED_H
#define WH_BASE_BANNED_H

#if !defined(__has_attribute)
#error "gcc 12 or clang 14 at least"
#elif !__has_attribute(unavailable)
#error "gcc 12 or clang 14 at least"
#endif

/* Included late in a clang compilation by hand, there is nothing that this file can do. */
#if !defined(__clang__) || !(defined(_STDLIB_H) || defined(_STRING_H) || defined(_STDIO_H) || defined(_FCNTL_H))

#include <sys/types.h>

#define WH_BANNED(why) __attribute__((unavailable(why)))

struct _IO_FILE; /* FILE, before <stdio.h> */

extern char *strcpy(char *, const char *) WH_BANNED("use struct wh_buf or wh_strdup()");
extern char *strcat(char *, const char *) WH_BANNED("use struct wh_buf");
extern int sprintf(char *, const char *, ...) WH_BANNED("use snprintf(), wh_asprintf() or wh_buf_addf()");
extern int vsprintf(char *, const char *, __builtin_va_list) WH_BANNED("use vsnprintf() or wh_buf_vaddf()");
extern char *strtok(char *, const char *) WH_BANNED("use spans, or strtok_r()");
extern int atoi(const char *) WH_BANNED("use wh_parse_u64()");
extern long atol(const char *) WH_BANNED("use wh_parse_u64()");
extern long long atoll(const char *) WH_BANNED("use wh_parse_u64()");
extern char *gets(char *) WH_BANNED("use getline() or wh_read_fd()");
extern int dup(int) WH_BANNED("use fcntl(F_DUPFD_CLOEXEC)");
extern int system(const char *) WH_BANNED("use wh_proc_spawn()");
extern struct _IO_FILE *popen(const char *, const char *) WH_BANNED("use wh_proc_run()");
extern char *tmpnam(char[20]) WH_BANNED("use wh_temp_name()");
extern char *mktemp(char *) WH_BANNED("use wh_temp_name()");
extern int open(const char *, int, ...) WH_BANNED("use wh_openat()");
extern int creat(const char *, mode_t) WH_BANNED("use wh_openat()");

#undef WH_BANNED

/* With _FORTIFY_SOURCE clang's sprintf is a macro, which would slip through. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#undef sprintf
#undef vsprintf

#endif
#endif

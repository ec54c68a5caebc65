/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and their options. One table a command is all there is: it yields
 * the parser, --help, the man page and the shell completion.
 */
#ifndef WH_CLI_OPTIONS_H
#define WH_CLI_OPTIONS_H

#include "base/base.h"

enum wh_opt_type {
	WH_OPT_FLAG,  /* bool; --x, --x=true, --x=false */
	WH_OPT_TEXT,  /* const char *; the last one wins */
	WH_OPT_LIST,  /* struct wh_strv; every one counts */
	WH_OPT_COUNT, /* unsigned; a number from 1 to 65535 */
	WH_OPT_SWITCH, /* const char *; --x=VALUE, never a word of its own; --x alone is "true" */
	WH_OPT_LATER, /* docker has it, we do not yet: a clear error, left out of the help */
	WH_OPT_LATER_FLAG,
	WH_OPT_NOTHING, /* a flag of docker's that asks for what is so in any case: taken, and left out of the help */
};

struct wh_option {
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	enum wh_opt_type type;
	size_t offset;             /* into the command's own structure */
	const char *arg;           /* what the help calls the value; NULL for flags */
	const char *help;          /* one sentence; '\n' where the help breaks the line. NULL: not for users, told nowhere */
	const char *const *values; /* closed set of values, NULL-terminated, or NULL */
};

struct wh_command {
	const char *name;
	const char *group;               /* of the commands from here on, as the program's help heads them; or NULL */
	const char *args;                /* after "[OPTIONS]" in the usage line, or NULL */
	const char *summary;             /* one line */
	const char *about;               /* paragraphs for --help, or NULL */
	const char *examples;            /* lines, or NULL */
	const struct wh_option *options; /* ends with a NULL name; NULL: none */
	unsigned min_args, max_args;
	bool words_end_options;          /* what follows the first argument is an argument, whatever it looks like */
	const char *args_wanted;                                       /* "one context directory" */
	int (*run)(const struct wh_command *c, int argc, char **argv); /* argv[0] is the command's name; exit code */
};

/* All commands, in the order in which the help shows them; ends with NULL. */
extern const struct wh_command *const wh_commands[];
const struct wh_command *wh_command_find(const char *name);

/* Parses argv[1…] into opts (zeroed by the caller but for defaults). Options and arguments may be mixed; "--" ends the
 * options. Arguments that are no options go to args. *ret_help: --help or -h was there (then nothing after it was
 * checked). Strings point into argv. */
int wh_options_parse(const struct wh_command *c, int argc, char **argv, void *opts, struct wh_strv *args,
		     bool *ret_help, struct wh_err **err);
/* Frees the lists in opts. */
void wh_options_release(const struct wh_command *c, void *opts);
/* What a command does once its words are read. 0: out is to be printed; more: the exit code, all has been said already;
 * -errno: err says why, and out is not printed. The lists in flags are freed afterwards. */
typedef int (*wh_command_fn)(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err);
/* The frame of a run(): reads the words into flags (as wh_options_parse() does), gives help or calls fn, prints what
 * came of it, or the error. The exit code. */
int wh_command_main(const struct wh_command *c, int argc, char **argv, void *flags, wh_command_fn fn);
/* What there is in the place of another program's option or command, which is not here; NULL: nothing is known of it. */
const char *wh_foreign_option(const char *command, struct wh_str name);
const char *wh_foreign_command(const char *name);
/* What the program is for. */
#define WH_ABOUT \
	"Builds container images from Dockerfiles: no daemon, no root. With PROFILE and PRUNE in the Dockerfile they hold what the " \
	"application was seen to need, with signed evidence."
/* The help page of one command, and the program's. */
void wh_options_help(const struct wh_command *c, struct wh_buf *out);
void wh_commands_help(struct wh_buf *out);

/* ---------------------------------------------------------------- manual.c: the same tables as manual and completion */

/* man(7) source of whittle-COMMAND(1), or (c NULL) of whittle(1). date: "2026-11-22", what the page's foot says. */
void wh_manual_page(const struct wh_command *c, const char *date, struct wh_buf *out);
/* A bash-completion file: commands, options, their closed sets of values, files, the store's images. */
void wh_manual_bash(struct wh_buf *out);

/* ---------------------------------------------------------------- manual_tables.c: what is the same for many commands */

struct wh_manual_exit {
	int code;
	const char *text;     /* ends the table when NULL */
	const char *commands; /* words; NULL: all */
};
struct wh_manual_entry {
	const char *name; /* one or several, between commas; ends the table when NULL */
	const char *text;
	const char *commands;
};
extern const struct wh_manual_exit wh_manual_exits[];
extern const struct wh_manual_entry wh_manual_environment[], wh_manual_files[];

#endif

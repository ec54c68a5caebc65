/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Dockerfile: bytes → lines → instructions → graph.
 *
 *   wh_dockerfile_parse()  text → syntax tree, with source positions; no files, no network (fuzzable)
 *   wh_dockerfile_lower()  tree + arguments + image configs → vertices and the target's image config
 *
 * Facts: docs.docker.com Dockerfile reference, frontend 1.26.
 */
#ifndef WH_FRONTEND_H
#define WH_FRONTEND_H

#include "base/base.h"
#include "base/match.h"
#include "builder/graph.h"

/* ---------------------------------------------------------------- syntax tree */

enum wh_instr {
	WH_I_ADD, WH_I_ARG, WH_I_CMD, WH_I_COPY, WH_I_ENTRYPOINT, WH_I_ENV, WH_I_EXPOSE, WH_I_FROM, WH_I_HEALTHCHECK,
	WH_I_LABEL, WH_I_MAINTAINER, WH_I_ONBUILD, WH_I_RUN, WH_I_SHELL, WH_I_STOPSIGNAL, WH_I_USER, WH_I_VOLUME,
	WH_I_WORKDIR, WH_I_PROFILE, WH_I_PRUNE,
	WH_I_UNKNOWN, /* parsed, so that tools can go on; refused by the check */
};

struct wh_heredoc {
	const char *name;      /* the delimiter word, unquoted */
	unsigned fd;           /* 0 unless "3<<EOF" */
	bool expand;           /* the word was not quoted */
	bool chomp;            /* <<- : leading tabs are dropped */
	const char *data;
	size_t len;
};

/* One instruction. args are the words the instruction's own grammar yields: JSON array elements (json true), the
 * shell-form command as one string, or name/value/separator triples for ENV and LABEL ("=" or "" for the old form). */
struct wh_node {
	enum wh_instr instr;
	const char *keyword;           /* as written ("Run") */
	const char *const *flags;      /* "--from=x", quotes resolved, in order, NULL-terminated */
	const char *const *args;       /* NULL-terminated */
	size_t n_flags, n_args;
	bool json;
	const struct wh_heredoc *heredocs;
	size_t n_heredocs;
	const struct wh_node *child;   /* ONBUILD's instruction, HEALTHCHECK none */
	unsigned line, last_line;      /* 1-based */
	unsigned text_last_line;       /* of the words, before heredocs */
	unsigned empty_line;           /* an empty line inside a continuation (deprecated), 0: none */
	struct wh_str source;          /* its lines as they stand in the text */
	const char *original;          /* logical line (continuations joined), as history and messages show it */
	const char *const *comments;   /* comment lines directly above, without '#', NULL-terminated */
};

struct wh_dockerfile {
	const char *name;              /* for messages */
	const char *text;              /* a copy, NUL-terminated */
	size_t len;
	char escape;
	const char *syntax;            /* the syntax directive's first word, or NULL */
	const char *check;             /* the check directive's first word, or NULL */
	bool literal;                  /* no file: wh_dockerfile_compose() made it. Words mean themselves, triggers of bases do not run */
	const struct wh_node *nodes;
	size_t n_nodes;
	struct wh_arena *arena;        /* owns all of it */
};

/* Never trusts the text: lines are at most 65,535 bytes, the file at most 16 MiB. Errors carry file, line and excerpt. */
int wh_dockerfile_parse(const char *name, const char *text, size_t len, struct wh_dockerfile **ret, struct wh_err **err);
void wh_dockerfile_free(struct wh_dockerfile *d);

/* ---- compose.c: instructions that stand in no file ---- */

struct wh_composed {
	enum wh_instr instr;
	const struct wh_strv *flags; /* "--from=x"; or NULL */
	const struct wh_strv *args;  /* as in struct wh_node; or NULL */
	bool json;
	const struct wh_strv *said;  /* what the user wrote instead, a line each: the place of a mistake is one of them */
};
/* A tree whose words mean themselves: no variables, no quotes, no escapes. All is copied. */
struct wh_dockerfile *wh_dockerfile_compose(const char *name, const struct wh_composed *v, size_t n);
static inline void wh_dockerfile_freep(struct wh_dockerfile **d)
{
	wh_dockerfile_free(*d);
	*d = NULL;
}
#define WH_AUTO_DOCKERFILE WH_CLEANUP(wh_dockerfile_freep)
/* Judges each instruction by itself: flags, number and form of arguments, stage names. Lowering begins with it. */
int wh_dockerfile_check(const struct wh_dockerfile *d, struct wh_err **err);
/* What is allowed and hardly meant: commands that are nearly JSON, build arguments ("K=V", may be NULL) that no ARG takes.
 * Appends to *ret, a note each; no rule of the 22 says these. */
void wh_dockerfile_notes(const struct wh_dockerfile *d, const struct wh_strv *build_args, struct wh_err **ret);
/* The same for --no-cache-filter and --build-context (their names) that nothing in the file answers to. */
void wh_dockerfile_name_notes(const struct wh_dockerfile *d, const struct wh_strv *no_cache_filter,
			      const struct wh_strv *contexts, struct wh_err **ret);
/* The tree as S-expressions, a line an instruction: (copy ["--from=x"] "a" "b"). Appends. */
void wh_ast_print(const struct wh_dockerfile *d, struct wh_buf *out);
const char *wh_instr_name(enum wh_instr i);

/* ---------------------------------------------------------------- expansion (shell/lex.go's rules) */

typedef const char *(*wh_lookup_fn)(void *arg, const char *name); /* NULL: unset */
/* One word, quotes removed, no splitting. The result is malloc'ed. */
int wh_expand_word(const char *word, char escape, wh_lookup_fn get, void *arg, char **ret, struct wh_err **err);
/* The same with quotes as ordinary characters (heredoc bodies); escapes still count. */
int wh_expand_raw(const char *word, char escape, wh_lookup_fn get, void *arg, char **ret, struct wh_err **err);
/* Splits on unquoted blanks after expansion; appends. */
int wh_expand_words(const char *text, char escape, wh_lookup_fn get, void *arg, struct wh_strv *out, struct wh_err **err);

/* ---------------------------------------------------------------- ignore files */

/* .dockerignore text → pattern lines in order (comments, BOM, blanks handled; cleaned; "!" kept). */
void wh_ignore_read(const char *text, size_t len, struct wh_strv *out);
/* The same; *ret_lines: the line of each in the text, out's number of them from the one that this call added first. malloc'ed. */
void wh_ignore_read_numbered(const char *text, size_t len, struct wh_strv *out, unsigned **ret_lines);

/* ---------------------------------------------------------------- addresses of git repositories (git_ref.c) */

struct wh_git_ref {
	char *remote;        /* what the git program takes; with local_like without "https://" */
	char *short_name;    /* "foo" of "https://example.com/foo.git" */
	char *ref;           /* branch, tag, full ref, commit; NULL: the remote's HEAD */
	char *checksum;      /* commit, or its beginning; NULL: not pinned */
	char *subdir;        /* NULL: all of it */
	char *mtime;         /* "commit", "checkout"; NULL: not said */
	int keep_git_dir, submodules; /* 1, 0; -1: not said */
	bool fetch_by_commit;/* checksum is the commit: the ref is not asked for */
	bool local_like;     /* "github.com/…": could be a path; a repository for contexts only */
	bool unencrypted;    /* http, git */
};
/* 1: a git address; 0: none; negative: one whose query is wrong. */
int wh_git_ref_parse(const char *text, struct wh_git_ref *ret, struct wh_err **err);
void wh_git_ref_release(struct wh_git_ref *g);
/* In the form REMOTE[#REF[:SUBDIR]]; what is no git address as it is. malloc'ed. */
char *wh_git_ref_format(const char *text, bool with_subdir);

/* ---------------------------------------------------------------- lowering */

struct wh_named_context {
	const char *name;
	const char *ref;        /* "oci-layout://…", "docker-image://…", "local://NAME" (the directory is known to the builder by NAME) */
};

/* A finding of the 22 rules (docs.docker.com/reference/build-checks), in BuildKit's words. */
struct wh_lint_warning {
	const char *rule;        /* "StageNameCasing" */
	const char *description; /* the rule's own text */
	const char *url;         /* NULL: the rule has none */
	const char *message;     /* this finding */
	unsigned line, last_line;/* 1-based */
};

struct wh_lower_opts {
	const struct wh_strv *build_args;          /* "K=V"; a bare "K" (taken from the environment) is resolved by the caller */
	const char *target;                        /* stage name or number; NULL: the last */
	const char *platform;                      /* target platform; NULL: build platform */
	const char *build_platform;                /* "linux/amd64" */
	bool multi_platform;                       /* one of several lowerings into one graph: the steps' names say for which platform */
	const struct wh_named_context *contexts;
	size_t n_contexts;
	/* Ignore lines for the main context and for local named contexts, by local name ("context", …); may be NULL. */
	const char *const *(*ignore_of)(void *arg, const char *local, const struct wh_patterns **ret_filter);
	void *ignore_arg;
	const struct wh_image_resolver *resolver;
	/* apt_preferences(5) for the RUNs of a stage (its name, or its number), laid into its /etc/apt/preferences.d and part of
	 * the operation; NULL: none. May be NULL. */
	const char *(*pins_of)(void *arg, const char *stage, const char *platform);
	void *pins_arg;
	bool no_cache;                             /* every vertex of every stage */
	const struct wh_strv *no_cache_filter;     /* stage names; NULL: none */
	const struct wh_strv *labels;              /* --label K=V */
	const struct wh_strv *profiles_in;         /* --profile-in: canonical JSON texts of profiles (harden.h), for the target's PRUNE; NULL: none */
	bool prove;                                /* the target's PRUNE is followed by a PROVE, also without PRUNE --runtime=prove */
	enum wh_network network;                   /* --network: what "default" means for RUN */
	const struct wh_strv *extra_hosts;         /* --add-host */
	uint64_t shm_size;
	const struct wh_strv *ulimits;             /* --ulimit, judged: "NAME=SOFT[:HARD]"; NULL: none */
	bool allow_insecure;                       /* --allow security.insecure */
	bool allow_host_network;                   /* --allow network.host; --network host allows it, too */
	const char *hostname;
	bool no_context;                           /* the Dockerfile came alone: the main context is empty, for hints */
	bool all_stages;                           /* every stage of the file is lowered, not only what the target needs */
	/* An image that the resolver has not counts as one whose config says nothing but PATH, unpinned: for checks, outlines
	 * and graphs on a machine that cannot reach it. unresolved (may be NULL) is told each such name once. */
	bool unresolved_ok;
	void (*unresolved)(void *arg, const char *name);
	/* Findings in the order of the rules' work, those skipped by directive, comment or BUILDKIT_DOCKERFILE_CHECK left out.
	 * Where that says error=true and there was one, lowering fails at its end: "lint violation found for rules: …". */
	void (*warn)(void *arg, const struct wh_lint_warning *w); /* NULL: nothing is looked for */
	void *warn_arg;                            /* of unresolved, too */
};

/* Only stages that the target needs are resolved and lowered. */
int wh_dockerfile_lower(const struct wh_dockerfile *d, const struct wh_lower_opts *opts, struct wh_graph *g,
			struct wh_target *ret, struct wh_err **err);

/* ---------------------------------------------------------------- answers without a build (BuildKit's subrequests) */

/* frontend.lint: {"warnings": […], "sources": […], "buildError": {…} or absent}; without a target all stages are looked at.
 * opts' warn is not called. Never fails for what the Dockerfile says: that is buildError. New reference. */
json_t *wh_dockerfile_lint(const struct wh_dockerfile *d, const struct wh_lower_opts *opts);
/* The same; *ret_why is the error behind buildError, where there is one, for people to read. The caller frees. */
json_t *wh_dockerfile_lint_why(const struct wh_dockerfile *d, const struct wh_lower_opts *opts, struct wh_err **ret_why);
/* The same answer for a text that wh_dockerfile_parse() refused with err. */
json_t *wh_dockerfile_lint_refused(const char *name, const char *text, size_t len, const struct wh_err *err);
/* frontend.outline: {"name", "description", "args": […], "secrets": […], "ssh": […], "cache": […], "sources": […]}. */
int wh_dockerfile_outline(const struct wh_dockerfile *d, const struct wh_lower_opts *opts, json_t **ret, struct wh_err **err);
/* frontend.targets: {"targets": [{"name", "default", "description", "base", "platform", "location"}], "sources": […]}. */
int wh_dockerfile_targets(const struct wh_dockerfile *d, json_t **ret, struct wh_err **err);

#endif

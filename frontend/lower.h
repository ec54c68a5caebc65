/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside lowering: syntax tree → stages → vertices and an image config.
 *
 *   stages.c   stages, their names and what each needs; the target; cycles
 *   base.c     what a stage stands on: scratch, an image, a named context, another stage; ONBUILD triggers
 *   scope.c    ARG, ENV and what variables mean where
 *   lint*.c    findings on the way
 *   outline.c  answers without a build
 *   image.c    the image config and its history, as JSON
 *   config.c   instructions that only change the config
 *   run.c copy.c workdir in lower.c: instructions that make vertices
 *   harden.c   PROFILE and PRUNE
 */
#ifndef WH_FRONTEND_LOWER_H
#define WH_FRONTEND_LOWER_H

#include "frontend/frontend.h"
#include "frontend/lint.h"
#include "frontend/names.h"
#include "frontend/outline.h"
#include "frontend/syntax.h"

struct wh_stage;

/* One instruction of a stage. ONBUILD triggers have a tree of their own, and the place of the FROM that set them off. */
struct wh_cmd {
	const struct wh_node *n;
	struct wh_pos pos;
	bool trigger;
	struct wh_stage **sources; /* COPY --from: one; RUN: one a mount, PROFILE: --from and one a mount; NULL where there is none */
	size_t n_sources;
};

struct wh_arg {
	const char *name;
	const char *value; /* NULL: declared without a value */
};

/* A stage of the file, or an image that COPY --from or a mount names (outside). */
struct wh_stage {
	const struct wh_node *from;
	struct wh_pos pos;
	const char *name;  /* lower case; NULL: unnamed */
	const char *label; /* in progress names; "" when there is but one stage */
	const char *base_name;
	const struct wh_platform *platform;     /* --platform, or what the base turned out to be; NULL: the target's */
	const struct wh_named_context *context; /* stands for the base's name, or for the stage (replaced) */
	struct wh_stage *base;
	struct wh_cmd *cmds;
	size_t n_cmds, cap_cmds;
	unsigned cmd_index, cmd_total;
	bool replaced, outside, needed, resolved, lowered, no_cache;
	const char *brought_by; /* outside: the ONBUILD trigger that names it, or NULL */
	bool on_path, visited;  /* search for cycles */
	size_t last_use;        /* index of the last stage that is built from it or names it */
	struct wh_stage *leads_to; /* the next on the path, and what needs it */
	const struct wh_pos *leads_at;

	/* What lowering makes: */
	struct wh_vertex *begin; /* the state that it began with */
	struct wh_vertex *state;
	json_t *image; /* config document without rootfs, history, created */
	json_t *base_history;
	struct wh_history *history;
	size_t n_history, cap_history;
	struct wh_strv env; /* of the steps: the image's ENV, then ENV and ARG as they come */
	struct wh_arg *args;
	size_t n_args, cap_args;
	const struct wh_given *given;
	const char **steps; /* texts of those that are lowered */
	size_t n_steps, cap_steps;
	struct wh_vertex *unprofiled; /* the tree before the first PROFILE */
	struct wh_vertex **profiles;
	size_t n_profiles, cap_profiles;
	bool pruned;
	bool prove; /* PRUNE --runtime=prove */
	const char *from_text; /* "FROM image@digest", when its base is an image */
	const struct wh_pos *cmd_at, *entrypoint_at, *health_at; /* the latest CMD, … of the stage itself; NULL: none */
	struct wh_outline outline;
	const char *user_from, *shell_from; /* as in wh_pos */
	bool workdir_given;                                      /* in the file, here or in what it is built from */
};

struct wh_lower {
	const struct wh_dockerfile *d;
	const struct wh_lower_opts *o;
	struct wh_graph *g;
	struct wh_arena *a;
	struct wh_platform build, target;
	struct wh_strv build_args;
	struct wh_strv globals; /* global ARGs and the platform ones */
	struct wh_strv global_names; /* what ARGs before the first FROM declare, with or without a value */
	struct wh_strv proxy;
	const char *epoch; /* SOURCE_DATE_EPOCH, NULL: not given */
	size_t told, expanded; /* bytes of history, and of words with their variables */
	struct wh_stage **stages;
	size_t n_stages, cap_stages; /* those of the file first, then outside ones */
	size_t n_file_stages;
	struct wh_strv unresolved;   /* images that were told as such */
	const struct wh_cmd *cmd; /* the instruction that is being lowered, NULL: none */
	struct wh_lint lint;
	struct wh_outline outline; /* global ARGs */
	json_t **outline_ret;      /* NULL: no outline is wanted */
	struct wh_dockerfile **trigger_files;
	size_t n_trigger_files, cap_trigger_files;
};

/* An environment that notes which of its variables were asked for; each name once, in order. */
struct wh_matches {
	const struct wh_strv *env;
	struct wh_strv hits, misses;
};
const char *wh_matches_get(void *matches, const char *name); /* a wh_lookup_fn */
void wh_matches_release(struct wh_matches *m);

/* "os/arch[/variant]" in the arena. */
static inline const char *wh_lower_platform(const struct wh_lower *l, const struct wh_platform *p)
{
	WH_AUTO_FREE char *text = wh_platform_text(p);

	return wh_arena_strdup(l->a, text);
}

/* ---- stages.c ---- */
/* ret_mistakes: instructions that name sources which cannot be, one after another; the call is 0 for these. */
int wh_stages_build(struct wh_lower *l, struct wh_err **ret_mistakes, struct wh_err **err);
int wh_stages_target(struct wh_lower *l, struct wh_stage **ret, struct wh_err **err);
/* Appends the instruction to the stage and finds its sources. */
int wh_stage_add_cmd(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_stages_check_cycles(struct wh_lower *l, struct wh_err **err);
void wh_stage_need(struct wh_stage *s);
struct wh_pos wh_node_pos(struct wh_lower *l, const struct wh_node *n);
void wh_pos_at(const struct wh_pos *pos, struct wh_err **err);
/* A hint with the stage or context whose name is nearest. */
void wh_stages_hint(const struct wh_lower *l, const char *word, struct wh_err **err);

/* ---- base.c ---- */
/* Finds what the needed stages stand on, and puts ONBUILD triggers in front of them, until nothing new is needed. */
int wh_bases_resolve(struct wh_lower *l, struct wh_stage *target, struct wh_err **err);
/* Takes over state, config and scope from the stage it is built from, or from its image's config. */
void wh_stage_begin(struct wh_lower *l, struct wh_stage *s);
struct wh_vertex *wh_local_source(struct wh_lower *l, const char *local);

/* Something is wrong with an ONBUILD trigger: says so, shows it, and gives *err the place of the FROM that brought it. */
void wh_trigger_told(const struct wh_stage *s, const char *text, struct wh_err **err);

/* ---- scope.c ---- */
int wh_scope_globals(struct wh_lower *l, struct wh_err **err);
/* One word of the instruction at hand with the stage's variables; malloc'ed. What it names in vain is a finding. */
int wh_scope_expand(struct wh_lower *l, struct wh_stage *s, const char *word, char **ret, struct wh_err **err);
/* The same into the arena. */
int wh_scope_keep(struct wh_lower *l, struct wh_stage *s, const char *word, const char **ret, struct wh_err **err);
/* The body of a heredoc: quotes stay. */
int wh_scope_expand_raw(struct wh_lower *l, struct wh_stage *s, const char *text, char **ret, struct wh_err **err);
/* The instruction with its variables, for progress; as it stands when that fails. malloc'ed. */
char *wh_scope_shown(struct wh_lower *l, const struct wh_stage *s, const char *text);
/* A word of FROM; hits and misses are kept in m. */
int wh_scope_global(struct wh_lower *l, const char *word, struct wh_matches *m, char **ret, struct wh_err **err);
const char *wh_scope_get(void *env, const char *name);
/* Arguments for a scan of the image: never in the environment. */
bool wh_is_scan_arg(const char *name);
/* The variable has its value from ARG, or from ENV, from here on. */
void wh_scope_given(struct wh_lower *l, struct wh_stage *s, const char *name, bool by_arg);
int wh_lower_arg(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_env(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);

/* ---- image.c ---- */
#define WH_PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
json_t *wh_image_empty(const struct wh_platform *p);
/* A document from outside, made safe to work on: wrong types dropped; history is split off. */
json_t *wh_image_adopt(const json_t *doc, json_t **ret_history);
/* Texts are shared: nobody changes them in place. */
json_t *wh_image_copy_doc(const json_t *doc);
const char *wh_image_text(const struct wh_stage *s, const char *key); /* config.KEY, "" when absent */
void wh_image_set_text(struct wh_stage *s, const char *key, const char *value);
void wh_image_set_list(struct wh_stage *s, const char *key, const char *const *list, size_t n);
void wh_image_get_list(const struct wh_stage *s, const char *key, struct wh_strv *out);
void wh_image_drop(struct wh_stage *s, const char *key);
void wh_image_map_add(struct wh_stage *s, const char *key, const char *name, json_t *value); /* takes value */
json_t *wh_json_text(const char *s);
void wh_image_env(struct wh_stage *s, const char *name, const char *value);
void wh_history_add(struct wh_lower *l, struct wh_stage *s, const char *text, const struct wh_vertex *layer);
/* Go's %v of a list, "[a b]", and %q, "[\"a\" \"b\"]". */
void wh_print_list(struct wh_buf *out, const char *const *v, size_t n, bool quoted);
void wh_print_quoted(struct wh_buf *out, const char *s);
/* ASCII; malloc'ed. */
char *wh_lower_case(const char *s);

/* ---- config.c: one function an instruction ---- */
int wh_lower_label(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_command(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_expose(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_health(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_maintainer(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_onbuild(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
/* The instruction behind ONBUILD as text, with its heredocs; malloc'ed. */
char *wh_onbuild_text(const struct wh_node *n);
int wh_lower_shell(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_stopsignal(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_user(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_volume(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);

/* ---- run.c, copy.c ---- */
/* Around BUILDKIT_CACHE_MOUNT_NS in a cache's id: what no cleaned path begins with. */
#define WH_CACHE_NS "//"
int wh_lower_run(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_copy(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
/* ---- add.c: sources from elsewhere ---- */
struct wh_add {
	const char *checksum; /* --checksum, expanded; NULL: none */
	int keep_git_dir;     /* 1, 0; -1: not said */
};
int wh_add_flags(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, const struct wh_strv *sources,
		 struct wh_add *ret, struct wh_err **err);
/* 1: src is a URL or a repository: *ret, and a's srcs, no_glob and unpack are set; 0: a path. */
int wh_add_source(struct wh_lower *l, const struct wh_cmd *c, struct wh_add *add, const char *src, struct wh_vertex **ret,
		  struct wh_file_action *a, struct wh_err **err);
/* The same for a named context's reference. */
int wh_context_source(struct wh_lower *l, const char *ref, struct wh_vertex **ret, struct wh_err **err);
/* A stage that stands on a directory or on what was fetched stands on a copy of it; other vertices as they are. */
struct wh_vertex *wh_solid_tree(struct wh_lower *l, struct wh_vertex *v);

/* argv of a command: as it is (JSON), or behind the stage's shell. */
void wh_shell_args(const struct wh_stage *s, const struct wh_node *n, const char *text, struct wh_strv *out);

/* A command to be run in root's tree, with its shell, environment, directory, user; variables of flags are scope's. */
struct wh_exec_parts {
	struct wh_stage *root, *scope;
	const struct wh_cmd *cmd;
	size_t skip;                /* cmd's sources before those of the mounts */
	struct wh_vertex *first[2]; /* inputs before those of the mounts */
	size_t n_first;
	/* Set by the call: */
	struct wh_vertex **inputs; /* in the arena */
	size_t n_inputs;
	const char *text; /* for progress */
};
/* The platform of the stage's programs, where it is not the one of the machine that builds; else NULL. */
const char *wh_stage_foreign(struct wh_lower *l, const struct wh_stage *s);
int wh_exec_lower(struct wh_lower *l, struct wh_exec_parts *p, struct wh_op_exec *op, struct wh_err **err);

/* ---- harden.c ---- */
int wh_lower_profile(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
int wh_lower_prune(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);
/* The PROVE that belongs to the stage's PRUNE, when it is wanted; else NULL. */
struct wh_vertex *wh_lower_prove(struct wh_lower *l, const struct wh_stage *s);
/* Refuses what may not stand behind a stage's first PROFILE. */
int wh_stage_check_after_profile(const struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);

/* ---- lower.c ---- */
/* Its name, or its number in the file. In the arena. */
const char *wh_stage_title(struct wh_lower *l, const struct wh_stage *s);
/* "[build 2/5] text", counted up. In the arena. */
const char *wh_step_name(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, const char *text);
/* Says which step of the file the vertex is. After wh_step_name(). */
void wh_step_place(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_vertex *v);
/* A file vertex of n actions over the stage's state, which it becomes. */
struct wh_vertex *wh_file_vertex(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, const char *name,
				 const struct wh_file_action *actions, size_t n, struct wh_vertex *const *more,
				 size_t n_more);

#endif

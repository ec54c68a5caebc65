/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application under test: a PROFILE carried out on some tree, as PROFILE does on the stage's and PRUNE on what it
 * leaves of it.
 *
 *   trial   op->runs times a run; observations add up                          profile_run.c
 *   run     a network namespace, the application's container with its root, the driver's, what both share:
 *           prepare [job] → up → health → driver → down → tear down [job]       profile_run.c
 *   app     the application: up, down, what it printed, how it ended            profile_app.c
 *   ready   probes until it serves                                              profile_ready.c
 *   control the socket through which the driver speaks to us                    profile_control.c
 *   tests   which test the driver is at: TAP, or `app test`                      profile_tests.c, tap.c
 *   places  what is mounted in the application's containers                    profile_places.c
 *   tstep   one command of a run, with its output and its observation log       profile_step.c
 *
 * Everything belongs to the loop's thread; while a job is under way it may use what the job's comment names. A run
 * ends when nothing of it
 * is under way any more (busy): then it is torn down, and the next one starts, or done() is called.
 */
#ifndef WH_BUILDER_PROFILE_PRIVATE_H
#define WH_BUILDER_PROFILE_PRIVATE_H

#include "builder/exec_private.h"
#include "builder/tap.h"
#include "harden/harden.h"
#include "sandbox/app_protocol.h"

/* ---------------------------------------------------------------- steps of a run */

enum wh_tstep_kind { WH_TSTEP_APP, WH_TSTEP_DRIVER, WH_TSTEP_HEALTH, WH_TSTEP_EXEC, WH_TSTEP_RUN };

struct wh_tstep;
typedef void (*wh_tstep_fn)(struct wh_tstep *s, struct wh_step_result *res);

struct wh_tstream {
	int fd;             /* read end, -1: none or at its end */
	struct wh_buf held; /* what may be the beginning of a secret */
	struct wh_buf line; /* what has no newline yet */
};

struct wh_tstep {
	struct wh_tstep *next;
	struct wh_trial *t;
	enum wh_tstep_kind kind;
	uint64_t id;
	struct wh_tstream out[2];
	wh_tstep_fn ended;    /* NULL: it was told, and what the command has left running goes on */
	void *arg;            /* of who waits for it */
	size_t log;           /* which of the trial's, or SIZE_MAX */
	int fds[3];           /* the driver's, kept until the command is over: nobody else may be the last to close them */
	struct wh_work *work; /* RUN: its root */
};

/* Starts a command. spec has everything but descriptors; fds: the three standard ones of the driver's, which are
 * taken over on success, or NULL: output comes to us. log: the name of its
 * observation log, or NULL: not observed. ended() is called once, when the
 * command itself is over. */
int wh_tstep_start(struct wh_trial *t, enum wh_tstep_kind kind, struct wh_step *spec, int fds[3], const char *log,
		   wh_tstep_fn ended, void *arg, struct wh_tstep **ret, struct wh_err **err);
void wh_tstep_kill(struct wh_tstep *s);
/* Takes in what the command has printed by now. */
void wh_tstep_drain(struct wh_tstep *s);
/* Frees what is left of steps whose end will never be told. */
void wh_tsteps_free(struct wh_trial *t);

/* ---------------------------------------------------------------- the application */

enum wh_app_state { WH_APP_DOWN, WH_APP_STARTING, WH_APP_UP, WH_APP_STOPPING };

typedef void (*wh_app_fn)(struct wh_trial *t, void *arg);

struct wh_app {
	enum wh_app_state state;
	struct wh_tstep *step;  /* unless DOWN */
	uint64_t asked;         /* the signals by which the driver asked for its end just now: bit N-1 is signal N */
	bool hung;              /* it had to be killed */
	bool started;           /* once at least */
	bool died;              /* it ended by itself: judged when its log is there */
	bool ready_once;
	int status, signal;     /* of its last end */
	int stop_signal;
	uint64_t since;         /* when it was started last */
	uint64_t ready_ns;      /* how long the first start took */
	uint64_t stop_timer;
	wh_app_fn then;         /* when it is up, or down; may be NULL */
	void *then_arg;
	struct wh_buf output;   /* the last of what it printed, for `app logs` */
	struct wh_tail tail;    /* the same for messages, shorter, secrets masked */
};

/* Starts it; then() once it is ready and its health check passed. Failure ends the run instead. */
void wh_app_up(struct wh_trial *t, wh_app_fn then, void *arg);
/* Called by probes: all hold. */
void wh_app_ready(struct wh_trial *t);
/* Sends the stop signal, waits, judges its end; then(). At once when it is down already. */
void wh_app_down(struct wh_trial *t, wh_app_fn then, void *arg);
/* What the step of a command in its container (join) or of a further container has in common with it. */
void wh_app_spec(struct wh_trial *t, struct wh_step *ret);
/* Is its first process a shell that was given the command as text, as ENTRYPOINT and CMD without a JSON array do it? */
bool wh_app_in_shell(const struct wh_trial *t);
#define WH_APP_SHELL_HINT \
	"its first process is a shell: let ENTRYPOINT or CMD start the program itself, as [\"program\", \"argument\"], with commas"

/* entrypoint + cmd, or start; entrypoint + args when args is not NULL. The list borrows its strings. */
const char **wh_app_args(const struct wh_op_app *app, const char *const *args);

/* ---------------------------------------------------------------- probes */

struct wh_probe;
int wh_ready_new(struct wh_trial *t, struct wh_err **err); /* compiles expressions */
void wh_ready_free(struct wh_trial *t);
void wh_ready_begin(struct wh_trial *t); /* the application was started */
void wh_ready_cancel(struct wh_trial *t);
void wh_ready_line(struct wh_trial *t, const char *line); /* it printed this */

/* ---------------------------------------------------------------- the control socket */

struct wh_conn;
/* Job: makes helper and socket in the directory that becomes /run/whittle. */
int wh_control_make(struct wh_trial *t, int dir, struct wh_err **err);
void wh_control_open(struct wh_trial *t);  /* listens on the loop */
void wh_control_close(struct wh_trial *t); /* drops every connection; replies that are due are lost */

/* ---------------------------------------------------------------- tests of the driver */

struct wh_trial_log;

struct wh_tests {
	struct wh_strv *of_run; /* op->runs: a run's segments, each with the names of its tests (profile_tests.c); "": nobody's */
	struct wh_tap tap;      /* of the run */
	size_t number;          /* of the segment under way; 0: the driver does not run */
	bool border;            /* the next one is due: once all that has come is read */
	bool by_hand;           /* `app test` tells */
};

void wh_tests_begin(struct wh_trial *t); /* the driver was started */
void wh_tests_line(struct wh_trial *t, const char *p, size_t n); /* it printed this */
void wh_tests_settle(struct wh_trial *t); /* … and no more for now */
void wh_tests_name(struct wh_trial *t, const char *name); /* `app test NAME`; "": nobody's from here */
void wh_tests_end(struct wh_trial *t);   /* the driver has ended; tap stays */
void wh_tests_reset(struct wh_trial *t); /* before a run */
/* The application's log: this phase from here on, and the test under way. */
void wh_tests_phase(struct wh_trial *t, const char *phase);
/* A log that begins now: under which marks. */
void wh_tests_mark_log(const struct wh_trial *t, enum wh_tstep_kind kind, struct wh_trial_log *log);
/* All runs are over: segments become names of tests. ret_joined: how many tests cannot be told from others. */
void wh_tests_told(struct wh_trial *t, size_t *ret_joined);

/* ---------------------------------------------------------------- confinement.c: what PROVE holds an application to */

struct wh_confined_place { /* a directory that is writable on a read-only root */
	const char *path;     /* absolute */
	uint32_t mode, uid, gid;
	bool content;         /* begins as a copy of the image's */
};
struct wh_confinement {
	struct wh_arena *a;
	struct wh_confine c;  /* for every container of the application */
	struct wh_confined_place *places;
	size_t n_places;
	const char *read_only; /* the place that a control takes away, or NULL: what is shared there is not written to, either */
};
/* What is taken away for a negative control: one thing of one kind. */
enum wh_control_kind { WH_CONTROL_NONE, WH_CONTROL_SECCOMP, WH_CONTROL_CAPABILITIES, WH_CONTROL_READ_ONLY, WH_CONTROL_LANDLOCK };
struct wh_control {
	enum wh_control_kind kind;
	const char *without; /* a call, a capability, a writable place, an access: "bind_tcp", "read_file /etc" */
};
/* Which parts of privileges hold. */
#define WH_PART_SECCOMP 1U
#define WH_PART_CAPABILITIES 2U
#define WH_PART_READ_ONLY 4U
#define WH_PART_LANDLOCK 8U
#define WH_PART_ALL 15U
int wh_confinement_make(const json_t *privileges, unsigned parts, const struct wh_control *without, struct wh_confinement **ret,
			struct wh_err **err);
void wh_confinement_free(struct wh_confinement *c);

/* profile_places.c. What is mounted in a container of the application's: where a read-only root is written to, directories of ours that
 * begin anew with each container and stay over its restarts, as volumes do; over these what is shared. */
struct wh_places {
	struct wh_strv dirs;
	struct wh_bind *binds; /* borrow dirs, the confinement, the trial's shares */
	size_t n;
};
/* Job. prefix: of names in the trial's directory. */
int wh_places_make(struct wh_trial *t, const char *prefix, struct wh_places *ret, struct wh_err **err);
void wh_places_release(struct wh_places *p);

/* ---------------------------------------------------------------- a trial */

struct wh_trial_how {
	const struct wh_confinement *confinement; /* NULL: none. Outlives the trial */
	uint64_t limit_ns;                        /* for one run; 0: the PROFILE's */
};

struct wh_trial_log {
	const char *name;
	int fd;
	unsigned run;
	const char *phase;  /* when it began; "start" where NULL */
	size_t test;        /* the same: the segment's number, or 0 */
	struct wh_buf text; /* once its run is over */
};

enum wh_trial_phase { WH_TRIAL_PREPARING, WH_TRIAL_RUNNING, WH_TRIAL_ENDING, WH_TRIAL_TEARDOWN };

struct wh_trial {
	struct wh_builder *b;
	struct wh_node *shown;   /* whose log shows it */
	struct wh_node *profile; /* the PROFILE: its operation and inputs */
	const struct wh_op_profile *op;
	const struct wh_layer *layers; /* the application's tree; borrowed */
	size_t n_layers;
	struct wh_trial_how how;
	wh_node_fn done;

	/* What it gives; all runs. */
	int r;
	struct wh_err *err;
	json_t *runs; /* array, see builder.h */
	struct wh_trial_log *logs;
	size_t n_logs, cap_logs;
	struct wh_tests tests;
	struct wh_buf compared; /* what its runs have in common, in words; once all are over */
	size_t told;   /* tests that it has names of; once all runs are over */
	size_t joined; /* tests that cannot be told from others; once all runs are over */

	/* The run under way. */
	enum wh_trial_phase phase;
	unsigned run;
	size_t first_log; /* of this run */
	size_t busy;      /* steps, jobs and questions under way */
	_Atomic bool cancel; /* jobs end early */
	bool canceled;
	uint64_t from, lock_timer, run_timer, health_timer;
	int job_r;
	char *dir;     /* its directory in the lease */
	char *run_dir; /* absolute: what is /run/whittle in the driver */
	int dir_fd, net_fd;
	struct wh_exec *driver;
	struct wh_layer driver_layer; /* its root, when that is a local directory */
	struct wh_tstep *driver_step;
	int driver_status;
	struct wh_work *root; /* the application's */
	struct wh_strv shared; /* our directories, one for each op->share */
	struct wh_bind *binds; /* the shares: of the driver */
	struct wh_places places; /* of the application's container and what joins it */
	unsigned besides; /* containers beside it that there were */
	char hostname[13];
	struct wh_tstep *steps;
	struct wh_app app;
	struct wh_probe *probes;
	size_t probes_pending; /* answers that are still to come */
	uint64_t probe_timer, ready_deadline;
	bool probes_last;
	char *waits; /* what was said last of what is waited for, or NULL */
	uint64_t waits_said;
	unsigned health_tries;
	int health_status; /* -1: never ran */
	int listener;      /* control socket */
	struct wh_app_closer *closer;
	struct wh_conn *conns;
	struct wh_killed before; /* whom the kernel had killed when the run began */
	struct wh_tail test_tail;
	bool app_ran; /* the application, or a container beside it, executed its program */
	uint64_t shown_bytes; /* of what its commands printed */
	struct wh_buf said;   /* the last that application and tests printed, labelled; of the last run that is over */
};

/* Starts it: the end is told through done(shown), on the loop, with shown->trial->r and ->err. The caller frees it. how: NULL: as the PROFILE says. */
void wh_trial_start(struct wh_node *shown, struct wh_node *profile, const struct wh_layer *layers, size_t n_layers,
		    const struct wh_trial_how *how, wh_node_fn done);
uint64_t wh_trial_limit(const struct wh_trial *t); /* ns for one run, 0: none was said */
/* The run fails; the first failure counts. status: enum wh_status, or 0. Takes *err. */
void wh_trial_fail(struct wh_trial *t, int status, struct wh_err **err);
void wh_trial_failf(struct wh_trial *t, int status, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Something that was under way ended: last thing that its callback does with the trial. */
void wh_trial_idle(struct wh_trial *t);
/* Work on a worker thread; done() unless the builder goes away. */
void wh_trial_job(struct wh_trial *t, void (*work)(void *arg), void (*done)(void *arg), void *arg);
bool wh_trial_over(const struct wh_trial *t); /* failed, canceled or at its end: start nothing */
/* The logs as harden.h wants them; the array is the caller's to free. */
struct wh_obs_log *wh_trial_logs(const struct wh_trial *t);
/* A log line of the node that shows it. */
void wh_trial_say(struct wh_trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same of PRUNE and PROVE (op_prune.c). */
void wh_node_say(struct wh_node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Job: none of these leads to where nothing can be shared; in the driver's tree, whose symlinks are others. */
int wh_share_check(struct wh_store *s, const struct wh_layer *layers, size_t n, const char *const *paths,
		   struct wh_err **err);

/* profile_compare.c. Job: of several runs. ret: for the record; words: for the build's output, appended. */
int wh_profile_compare(struct wh_tree *tree, const struct wh_obs_log *logs, size_t n, unsigned runs, const json_t *profile,
		       json_t **ret, struct wh_buf *words, struct wh_err **err);
/* How many tests a profile names. */
size_t wh_profile_tests(const json_t *profile);

/* profile_log.c. Job: counts for a run's record; whether the application put itself into the background. */
int wh_trial_log_read(struct wh_trial_log *l, struct wh_err **err);
void wh_trial_count(const struct wh_trial_log *logs, size_t n, uint64_t *ret_events, uint64_t *ret_files);
bool wh_trial_left_others(const struct wh_trial_log *log);

/* profile_trace.c: what is kept of a trial for messages, beside its document. Jobs. */
struct wh_trace {
	char *data;                 /* what logs point into */
	struct wh_obs_log *logs;    /* of all runs */
	size_t n_logs;
	struct wh_strv names;
	struct wh_strv **tests;
	size_t n_tests, cap_tests;
	char *output;               /* as wh_trial.said */
};
/* Adds "trace" to the record; what is too large is left out. */
int wh_trace_write(struct wh_trial *t, json_t *doc, struct wh_err **err);
/* -ENOENT: it is not there (the record came from elsewhere, or it was too large). */
int wh_trace_read(struct wh_store *s, const json_t *doc, struct wh_trace *ret);
void wh_trace_release(struct wh_trace *x);

#endif

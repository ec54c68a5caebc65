/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry client from the inside. Private to layers/.
 *
 *   registry_pull.c registry_push.c registry_referrers.c   what is asked for, in the order of the distribution-spec
 *     → registry_call.c   one request: mirrors, token, redirects, retries, errors in words
 *         → registry_hosts.c, registry_toml.c   where to, with which certificates
 *         → registry_auth.c, registry_login.c   a login from docker's files, tokens from a realm
 *         → registry_http.c   one transfer with libcurl
 *   registry_text.c   header values and documents from outside: memory in, data out
 *
 * A struct wh_registry may be worked for by several threads, each with a connection of its own; its hosts, logins and tokens are
 * guarded by its mutex.
 */
#ifndef WH_LAYERS_REGISTRY_PRIVATE_H
#define WH_LAYERS_REGISTRY_PRIVATE_H

#include "layers/image_private.h"
#include "layers/registry.h"
#include "layers/registry_hosts.h"

#include <pthread.h>
#include <time.h>

#define WH_REG_TOKEN_MAX ((size_t)64 << 10)
#define WH_REG_ERROR_MAX ((size_t)64 << 10) /* of an error's body; the rest is not read */
#define WH_REG_HEADERS_MAX ((size_t)256 << 10)
#define WH_REG_TRIES 5 /* of one request, or of one blob without a byte of progress */
#define WH_REG_THREADS 4

/* ---------------------------------------------------------------- registry_text.c */

struct wh_reg_ref {
	char *domain; /* as in the name: "docker.io", "localhost:5000" */
	char *path;   /* "library/debian" */
	char *tag;    /* NULL: none, there is a digest */
	bool has_digest;
	struct wh_digest digest;
};
int wh_reg_ref_parse(const char *ref, struct wh_reg_ref *ret, struct wh_err **err);
void wh_reg_ref_release(struct wh_reg_ref *r);

enum wh_auth_scheme { WH_AUTH_NONE, WH_AUTH_BASIC, WH_AUTH_BEARER };
struct wh_challenge { /* RFC 9110, 11.6.1; distribution's token authentication */
	enum wh_auth_scheme scheme;
	char *realm, *service, *scope; /* BEARER; service and scope may be NULL */
};
void wh_challenge_release(struct wh_challenge *c);
/* One WWW-Authenticate value, which may hold several challenges. Takes the strongest that is understood and stronger than what *c
 * holds already. */
void wh_challenge_parse(const char *value, struct wh_challenge *c);

/* The target of rel="next" in a Link value (RFC 8288), or NULL. malloc'ed. */
char *wh_link_next(const char *value);
/* "bytes 100-199/200": where it starts. */
bool wh_content_range_start(const char *value, uint64_t *ret);
/* "0-99" of an answer to an upload (distribution-spec, resuming): how many bytes have arrived. "0-0", which some say of nothing, is none. */
bool wh_upload_range(const char *value, uint64_t *ret);
/* Foreign text for one line of a message: without control characters, of at most 200 bytes. Appends. */
void wh_reg_text(struct wh_buf *out, const char *s);
/* "CODE: message" of an error's body (distribution-spec, error codes), or nothing. Appends. */
void wh_reg_error_text(const char *body, size_t n, struct wh_buf *out);
/* Is that its first code? */
bool wh_reg_error_is(const char *body, size_t n, const char *code);

/* ---------------------------------------------------------------- registry_login.c */

struct wh_login {
	char *user, *password; /* or */
	char *identity;        /* a refresh token */
	char *helper;          /* NAME of docker-credential-NAME, which is to be asked */
	char *helper_key;      /* for what */
	char *trouble;         /* why a helper gave nothing; for a hint */
};
void wh_login_release(struct wh_login *l); /* wipes */
/* What docker's config.json, or containers' auth.json, has for this repository: the longest key wins. domain as in names. */
bool wh_login_find(const json_t *config, const char *domain, const char *path, struct wh_login *ret);
/* The same from files and helpers. No login is success: then all is NULL. */
int wh_login_load(const struct wh_registry_opts *o, const char *domain, const char *path, struct wh_login *ret,
		  struct wh_err **err);

/* docker's config.json or what stands for it: $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json, ~/.docker/config.json. *ret_named: the first,
 * which must be there to be read. NULL: there is no home. malloc'ed. */
char *wh_login_file(const struct wh_registry_opts *o, bool *ret_named);
/* The files with logins that are there. */
int wh_login_files(const struct wh_registry_opts *o, struct wh_strv *ret, struct wh_err **err);
/* docker-credential-HELPER VERB with n bytes (below WH_HELPER_INPUT_MAX) on its standard input. -ENOENT without an error: it has no such
 * login. */
#define WH_HELPER_INPUT_MAX ((size_t)60 << 10)
int wh_login_helper(const char *helper, const char *verb, const char *in, size_t n, struct wh_buf *out, struct wh_err **err);
/* Does this key of "auths" or "credHelpers" stand for the whole host? */
bool wh_login_key_is(const char *key, const char *domain);
/* It may become part of a program's name. */
bool wh_login_helper_name(const char *s);
void wh_secret_buf_release(struct wh_buf *b); /* wipes */
#define WH_AUTO_SECRET_BUF WH_CLEANUP(wh_secret_buf_release)

/* $XDG_CONFIG_HOME/NAME, or ~/.config/NAME; NULL: there is no home. malloc'ed. */
char *wh_reg_config_file(const char *name);

/* ---------------------------------------------------------------- registry_http.c */

struct wh_reg_conn; /* one thread's */
struct wh_reg_tls {     /* for one host */
	struct wh_reg_certs certs;
	struct wh_buf pem; /* all CAs that may have signed its certificate; empty: the usual ones */
};
int wh_reg_tls_load(const struct wh_registry *r, const char *domain, struct wh_reg_tls *ret, struct wh_err **err);
void wh_reg_tls_release(struct wh_reg_tls *t);
/* May this address be spoken to without TLS, or with a certificate that nobody knows? */
bool wh_reg_url_insecure(const struct wh_reg_conn *c, const char *url);

struct wh_http_resp {
	long status;
	char *url; /* that answered */
	struct wh_buf body;
	char *type, *digest, *location, *subject, *link, *range, *etag, *modified, *date; /* headers, or NULL */
	char *arrived;   /* Range of an answer to an upload: "0-N" */
	char *chunk_min; /* OCI-Chunk-Min-Length */
	struct wh_challenge challenge;
	int64_t length; /* -1: not said */
	unsigned retry_after;
};
void wh_http_resp_release(struct wh_http_resp *r);

struct wh_http_req {
	const char *method; /* GET, HEAD, POST, PUT, PATCH */
	const char *url;
	const char *what; /* for errors: "get manifest shop:1.4" */
	const char *accept, *type;
	const void *body;
	size_t len;
	int fd; /* above 0: the body is size bytes from offset */
	uint64_t size, offset;
	void (*sending)(void *arg, uint64_t n); /* with fd: n bytes of them were taken so far; or NULL */
	uint64_t from; /* not 0: a range from there on */
	size_t max;    /* of the answer's body */
	/* Takes the body of a 200 or 206 instead. */
	int (*sink)(void *arg, const struct wh_http_resp *head, const void *p, size_t n, struct wh_err **err);
	void *arg;
	const char *authorization; /* header's value, or NULL */
	const char *const *headers; /* further "Name: value", NULL-terminated, or NULL */
	const char *domain; /* of errors; NULL: a registry's, with hints about registries */
	bool once;                 /* no second try */
	unsigned patience;         /* seconds until it must be connected, TLS included; 0: 30 */
};
enum wh_http_fault {
	WH_HTTP_FINE,
	WH_HTTP_REFUSED, /* nobody there: -ECONNREFUSED */
	WH_HTTP_TLS,     /* what answers does not speak TLS */
	WH_HTTP_CERT,
	WH_HTTP_BROKEN, /* it broke off: -ECONNRESET; may work at another try */
	WH_HTTP_DEAD,   /* everything else: will not work */
};
/* One transfer, no redirect followed. Whatever was answered is success. */
int wh_http_transfer(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret,
		     enum wh_http_fault *ret_fault, struct wh_err **err);
int wh_reg_conn_new(struct wh_registry *r, struct wh_reg_conn **ret, struct wh_err **err);
void wh_reg_conn_free(struct wh_reg_conn *c);
/* url, seen from base; without user information. NULL: no http or https URL. malloc'ed. */
char *wh_url_resolve(const char *base, const char *url);
bool wh_url_same_origin(const char *a, const char *b);
bool wh_url_is_https(const char *url);
bool wh_url_is_loopback(const char *url);
/* key=value (value percent-encoded) at the end of the query. malloc'ed. */
char *wh_url_with(const char *url, const char *key, const char *value);

/* ---------------------------------------------------------------- registry_call.c */

struct wh_reg_token {
	char *scope, *header; /* header: "Bearer …", wiped */
	time_t until;         /* seconds of CLOCK_BOOTTIME at which to get another; 0: it does not end */
};
struct wh_reg_host { /* one registry, as one endpoint has it */
	char *domain;
	char *at;   /* HOST[:PORT] in its URLs */
	char *base; /* "https://registry-1.docker.io" */
	bool insecure, mirror;
	struct wh_reg_tls tls;
	struct wh_challenge challenge;
	char *login_path; /* for which repository the login was looked up; NULL: for none yet */
	struct wh_login login;
	struct wh_reg_token *tokens;
	size_t n_tokens, cap_tokens;
};

struct wh_registry {
	struct wh_registry_opts o; /* strings are ours */
	char *auth_file, *user, *password, *ca_file, *hosts_file;
	pthread_mutex_t mutex;
	struct wh_reg_hosts *files; /* NULL: not read yet, or not asked for at all */
	struct wh_reg_host **hosts;
	size_t n_hosts, cap_hosts;
};

struct wh_reg_conn {
	struct wh_registry *r;
	void *curl;
	struct wh_reg_ref ref; /* as the user names it */
	struct wh_reg_endpoints endpoints;
	size_t at;                /* which of them is asked first */
	struct wh_reg_host *host; /* of that */
	char *actions;
	char *scope;             /* of its tokens; several, with blanks between */
	bool mirrored;           /* what came since this was set to false may be a mirror's */
	struct wh_buf troubles;  /* "; mirror HOST: why", of those that were passed over */
	char *trouble_hint;      /* of the first of them that refused us; or NULL */
	bool offline;            /* a token is asked for together with one to keep */
	char *refresh;           /* that */
	char *other;             /* the last host besides, and its certificates */
	struct wh_reg_tls other_tls;
};

/* A connection to the registry of a name, or to its first mirror that answers; the first one finds out how it speaks. actions: "pull"
 * or "pull,push" (then no mirror is asked). */
int wh_reg_connect(struct wh_registry *r, const char *ref, const char *actions, struct wh_reg_conn **ret,
		   struct wh_err **err);
/* The same for blobs and manifests by digest, whatever the name's tag. */
int wh_reg_connect_digest(struct wh_registry *r, const char *ref, struct wh_reg_conn **ret, struct wh_err **err);
/* To a host, without any repository. */
int wh_reg_connect_host(struct wh_registry *r, const char *domain, struct wh_reg_conn **ret, struct wh_err **err);
/* What came is wrong. True when a mirror had a part in it: then that is not asked again, and another try may help. The caller sets
 * c->mirrored to false before what came begins to come. */
bool wh_reg_distrust(struct wh_reg_conn *c, struct wh_err **why);
/* May plain HTTP be spoken with what the registry sends us to? */
bool wh_reg_plain_allowed(const struct wh_reg_conn *c);
/* What another repository of the user's registry is called where this connection leads; NULL: it is elsewhere. malloc'ed. */
char *wh_reg_path_there(const struct wh_reg_conn *c, const char *path);
/* The same once more, for another thread. */
int wh_reg_conn_clone(const struct wh_reg_conn *c, struct wh_reg_conn **ret, struct wh_err **err);
static inline void wh_reg_conn_freep(struct wh_reg_conn **c)
{
	if (*c)
		wh_reg_conn_free(*c);
	*c = NULL;
}
#define WH_AUTO_REG_CONN WH_CLEANUP(wh_reg_conn_freep)
#define WH_AUTO_HTTP_RESP WH_CLEANUP(wh_http_resp_release)

/* BASE/v2/NAME/… malloc'ed. A request to it goes to the other endpoints, too, when it is answered by a mirror's failure. */
char *wh_reg_url(const struct wh_reg_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A request with login, redirects and retries. What the registry answers in the end is success, whatever the status. */
int wh_reg_call(struct wh_reg_conn *c, const struct wh_http_req *q, struct wh_http_resp *ret, struct wh_err **err);
/* The error that an answer stands for. */
int wh_reg_refusal(const struct wh_reg_conn *c, const struct wh_http_req *q, const struct wh_http_resp *a,
		   struct wh_err **err);
bool wh_reg_status_passing(long status); /* may be better at another try */
void wh_reg_pause(unsigned attempt, unsigned retry_after);
/* "registry HOST: " before the message, and behind it what was wrong with mirrors. */
void wh_reg_name(struct wh_reg_conn *c, struct wh_err **err);
/* fn(conn, arg, i) for i below n, on some threads at once, each with its connection. The first error ends it. */
int wh_reg_each(struct wh_reg_conn *c, size_t n,
		int (*fn)(struct wh_reg_conn *c, void *arg, size_t i, struct wh_err **err), void *arg,
		struct wh_err **err);

/* ---------------------------------------------------------------- registry_auth.c */

/* The value of Authorization for this connection's scope; NULL: none is known. malloc'ed, secret. renew: the registry said 401 to
 * refused (NULL: to none). */
int wh_reg_authorize(struct wh_reg_conn *c, bool renew, const char *refused, char **ret, struct wh_err **err);
void wh_secret_free(char *s); /* wipes */
static inline void wh_secret_freep(char **s)
{
	wh_secret_free(*s);
	*s = NULL;
}
#define WH_AUTO_SECRET WH_CLEANUP(wh_secret_freep)

/* ---------------------------------------------------------------- registry_blob.c */

struct wh_reg_blob {
	struct wh_digest digest;
	uint64_t size;
	const char *what; /* "layer", "config" */
	const char *from; /* put: another repository of this registry that should have it, or NULL */
};
/* Into the store, unless it is there. Resumes where the connection broke. */
int wh_reg_blob_get(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, struct wh_err **err);
/* "get layer sha256:1234…", for errors and progress. malloc'ed. */
char *wh_reg_blob_what(const char *verb, const struct wh_reg_blob *b);
/* Tells how far it is, if somebody wants to know. */
void wh_reg_progress(const struct wh_reg_conn *c, const char *what, uint64_t done, uint64_t total);
/* r; the error of an r below 0 names the registry then. */
int wh_reg_named(struct wh_reg_conn *c, int r, struct wh_err **err);

/* ---------------------------------------------------------------- registry_upload.c */

/* Is it in the registry? 1, 0 or an error. */
int wh_reg_blob_there(struct wh_reg_conn *c, const struct wh_reg_blob *b, struct wh_err **err);
/* From the repository it->from: 1 when the registry did that, 0 when it did not. */
int wh_reg_blob_mount(struct wh_reg_conn *c, const struct wh_reg_blob *b);
/* From the store. */
int wh_reg_blob_put(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, struct wh_err **err);

/* ---------------------------------------------------------------- registry_pull.c */

struct wh_reg_manifest {
	struct wh_buf bytes;
	json_t *doc;
	char *type;
	struct wh_digest digest;
};
void wh_reg_manifest_release(struct wh_reg_manifest *m);
#define WH_AUTO_REG_MANIFEST WH_CLEANUP(wh_reg_manifest_release)
/* By tag or digest (then d is not NULL and checked; size UINT64_MAX: not known). -ENOENT when there is none. */
int wh_reg_manifest_get(struct wh_reg_conn *c, const char *tag, const struct wh_digest *d, uint64_t size,
			struct wh_reg_manifest *ret, struct wh_err **err);
/* A descriptor in a manifest of the registry. */
int wh_reg_descriptor(const json_t *o, const char *what, const char **ret_type, struct wh_digest *ret_digest,
		      uint64_t *ret_size, struct wh_err **err);
bool wh_reg_is_index(const char *type);
bool wh_reg_is_manifest(const char *type);

/* ---------------------------------------------------------------- registry_push.c */

/* PUTs a manifest under a tag or (NULL) its digest; *ret_subject: the registry understood its subject. */
int wh_reg_manifest_put(struct wh_reg_conn *c, const char *tag, const char *type, const void *p, size_t n,
			bool *ret_subject, struct wh_err **err);

/* ---------------------------------------------------------------- registry_referrers.c */

/* The document of a fallback tag (n 0: none yet) with these artifacts' descriptors in it: others' stay as they are, in their order. */
int wh_referrers_merge(const char *doc, size_t n, const struct wh_artifact *const *v, size_t n_v, struct wh_buf *out,
		       struct wh_err **err);
/* The artifacts, whose blobs and manifests are in the registry already, become known under the fallback tag of subject. */
int wh_referrers_announce(struct wh_reg_conn *c, const struct wh_digest *subject, const struct wh_artifact *const *v,
			  size_t n, struct wh_err **err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image is said to hold, and proof of it.
 *
 *   tree ── harden: packages ──▶ SBOM (SPDX 2.3)
 *   packages + vulnerability database ──▶ findings, before and after
 *   all of it + profile + prune report ──▶ hardening verdict
 *   each as in-toto statement ──▶ signed ──▶ artifacts attached to the image
 *   image + artifacts + public key ──▶ verify
 *
 * Keys are used through a struct wh_signer, so that this folder's callers in the inner process never see one.
 * An honest figure says what it counts, with which database, and what it does not know: without a database findings are "not
 * assessed", never 0.
 */
#ifndef WH_EVIDENCE_H
#define WH_EVIDENCE_H

#include "base/base.h"
#include "harden/harden.h"
#include "layers/layers.h"

/* ---------------------------------------------------------------- SBOM */

struct wh_sbom_subject {
	const char *name;         /* image name as the user gave it, or "image" */
	struct wh_digest digest;  /* of the manifest; zero: not known (the state before the prune) */
	const char *created;      /* RFC 3339: the image's own time, never the clock */
};
/* SPDX 2.3 JSON (spdx.github.io/spdx-spec/v2.3). Deterministic. purl: github.com/package-url/purl-spec (deb, pypi, npm). */
int wh_sbom_spdx(const struct wh_packages *p, const struct wh_sbom_subject *s, json_t **ret, struct wh_err **err);
/* "pkg:deb/debian/libssl3@3.0.22-1?arch=amd64&distro=debian-12&upstream=openssl"; malloc'ed. */
char *wh_package_purl(const struct wh_package *p, const struct wh_packages *all);

/* ---------------------------------------------------------------- vulnerability database */

/* dpkg's order of versions (deb-version(7)): <0, 0, >0. Any text: what is no version still has a place. */
int wh_deb_version_cmp(const char *a, const char *b);

struct wh_vulndb; /* ROOT/db/vulnerabilities.db: SQLite, only an index of what was imported */
struct wh_vulndb_info {
	bool present;             /* something was imported */
	uint64_t records, affected, withdrawn;
	struct wh_strv ecosystems;/* "Debian:12" … */
	struct wh_digest digest;  /* over the records, whatever their order and however they were packed */
	char *newest;             /* RFC 3339: newest "modified" among them (owned) */
};
void wh_vulndb_info_release(struct wh_vulndb_info *i);
int wh_vulndb_open(struct wh_store *s, struct wh_vulndb **ret, struct wh_err **err);
void wh_vulndb_close(struct wh_vulndb *db);
/* OSV records (ossf.github.io/osv-schema): a .json, .jsonl, .zip of .json, any of those with gzip, xz or zstd, or a directory of
 * them. One transaction: all or nothing; what is damaged is named with file and record. A record replaces an older one of its id. Counts what was
 * taken and what was left out (other ecosystems are kept, too). */
int wh_vulndb_import(struct wh_vulndb *db, const char *path, uint64_t *ret_taken, uint64_t *ret_skipped, struct wh_err **err);
int wh_vulndb_info(struct wh_vulndb *db, struct wh_vulndb_info *ret, struct wh_err **err);

enum wh_severity { WH_SEV_UNKNOWN, WH_SEV_NEGLIGIBLE, WH_SEV_LOW, WH_SEV_MEDIUM, WH_SEV_HIGH, WH_SEV_CRITICAL, WH_N_SEVERITIES };
const char *wh_severity_name(enum wh_severity s); /* "unknown" "negligible" "low" "medium" "high" "critical" */

struct wh_finding {
	char *id;        /* "CVE-2023-…" (upstream/alias) where there is one, else the record's id */
	char *record;    /* the record's own id */
	char *package, *version, *source, *purl;
	char *fixed;     /* version that mends it, or NULL: none known */
	enum wh_severity severity;
};
struct wh_findings {
	bool assessed;               /* false: no database, or none for this distribution (why says which) */
	char *why;
	struct wh_finding *v;        /* one for each (id, binary package), sorted */
	size_t n;
	uint64_t count[WH_N_SEVERITIES], total; /* distinct ids */
	uint64_t packages_unassessed;/* packages of kinds that the database knows nothing of */
	struct wh_digest database;
	char *database_date;
};
void wh_findings_release(struct wh_findings *f);
/* db NULL or empty: not assessed. */
int wh_findings_find(struct wh_vulndb *db, const struct wh_packages *p, struct wh_findings *ret, struct wh_err **err);
json_t *wh_findings_json(const struct wh_findings *f); /* counts, database, and the list */

/* ---------------------------------------------------------------- verdict and statements */

#define WH_PREDICATE_VERDICT "https://whittle.dev/hardening-verdict/v1"
#define WH_PREDICATE_SPDX "https://spdx.dev/Document"
#define WH_PREDICATE_REPORT "https://whittle.dev/prune-report/v1"
#define WH_PREDICATE_RUNTIME "https://whittle.dev/runtime-privileges/v1" /* {"privileges":…, "proof":…}; where proof's "proven" is false, without "privileges" */
/* {"artifact": digest of the artifact's manifest (WH_ARTIFACT_REMOVED), "layer": {"mediaType","digest","size","diffId"},
 *  "files":N, "bytes":N} */
#define WH_PREDICATE_REMOVED "https://whittle.dev/removed-part/v1"
#define WH_PREDICATE_RESTORED "https://whittle.dev/restored/v1" /* {"base": digest of the image it was made of, …}: harden/restore.h's document */
#define WH_PREDICATE_PROVENANCE "https://slsa.dev/provenance/v1"

struct wh_verdict_input {
	const struct wh_measure *before, *after;
	const struct wh_findings *findings_before, *findings_after;
	const json_t *profiles;      /* array: what builder tells of each profile's runs (builder.h), before and after the prune */
	const json_t *prune_report;  /* harden.h */
	const json_t *runtime;       /* WH_PREDICATE_RUNTIME's, or NULL: nobody asked for it */
	const json_t *config;        /* the image's config{}: what was tested is bound by its digest */
	struct wh_digest tree_before;/* digest over the diff ids of the unpruned image */
};
/* The predicate: flat numbers, as an admission policy can compare them. Findings that were not assessed are absent, with
 * "assessed": false. */
int wh_verdict_make(const struct wh_verdict_input *in, json_t **ret, struct wh_err **err);
/* in-toto Statement v1 about the image; takes neither reference. */
json_t *wh_statement(const char *subject_name, const struct wh_digest *manifest, const char *predicate_type, const json_t *predicate);

/* ---------------------------------------------------------------- provenance */

struct wh_provenance_base {
	const char *name; /* as the Dockerfile or the command line calls it; UTF-8 */
	struct wh_digest digest; /* of its manifest, or of the index that names it */
};
struct wh_provenance_input {
	const char *dockerfile, *target, *platform; /* NULL: not told */
	const struct wh_strv *build_args;           /* KEY=VALUE; only the names are told */
	const char *isolation;                      /* how its steps were kept apart: "namespaces", or "chroot" where any of them was kept by that alone */
	const struct wh_provenance_base *bases;
	size_t n_bases;
};
/* WH_PREDICATE_PROVENANCE's predicate, a new reference. */
json_t *wh_provenance_make(const struct wh_provenance_input *in);

/* ---------------------------------------------------------------- keys */

struct wh_key; /* ECDSA P-256 */
int wh_key_generate(struct wh_key **ret, struct wh_err **err);
/* PEM "ENCRYPTED SIGSTORE PRIVATE KEY", also "ENCRYPTED COSIGN PRIVATE KEY" (scrypt + nacl/secretbox), or plain PKCS#8. password may be NULL for
 * plain keys. A wrong password is -EKEYREJECTED. */
int wh_key_load(const char *pem, size_t n, const char *password, const char *what, struct wh_key **ret, struct wh_err **err);
int wh_key_load_public(const char *pem, size_t n, const char *what, struct wh_key **ret, struct wh_err **err);
int wh_key_private_pem(const struct wh_key *k, const char *password, struct wh_buf *out, struct wh_err **err); /* encrypted, SIGSTORE form */
int wh_key_public_pem(const struct wh_key *k, struct wh_buf *out, struct wh_err **err);
/* base64 of SHA-256 over the SubjectPublicKeyInfo: a bundle's key hint; malloc'ed. */
char *wh_key_hint(const struct wh_key *k);
int wh_key_sign(const struct wh_key *k, const struct wh_digest *d, struct wh_buf *ret_der, struct wh_err **err);
int wh_key_verify(const struct wh_key *k, const struct wh_digest *d, const void *sig, size_t n); /* 0, or -EBADMSG */
void wh_key_free(struct wh_key *k); /* wiped */

/* Who signs: a key at hand, or the outer process that holds it. */
struct wh_signer {
	/* n signatures at once, DER, appended to n buffers that the caller releases. */
	int (*sign)(void *arg, const struct wh_digest *d, size_t n, struct wh_buf *ret_der, struct wh_err **err);
	void *arg;
	const char *hint; /* of its public key */
};
struct wh_signer wh_key_signer(struct wh_key *k, char **hint_storage);

/* ---------------------------------------------------------------- signing */

struct wh_attest_item {
	const char *predicate_type;
	const json_t *predicate;
};
/* Signs the image and the statements, each in both forms (facts: cosign's .sig/.att tags; bundle v0.3 as referrer), writes them into the
 * store. repos: what the image is called ("registry/name" without tag); NULL or empty: nothing is said of that. Each is a
 * docker-reference of the older form and a subject of the statements. Appends to list. */
int wh_sign_image(struct wh_store *s, const struct wh_image *i, const struct wh_strv *repos, const struct wh_signer *signer,
		  const struct wh_attest_item *items, size_t n, struct wh_artifacts *list, struct wh_err **err);
/* Before wh_store_attach() of a list that wh_sign_image() made: signatures of the older form which the store has for this
 * image under other names join those in the list, as one digest has one such artifact. */
int wh_sign_keep(struct wh_store *s, const struct wh_image *i, struct wh_artifacts *list, struct wh_err **err);

/* What is attached to an image, not verified but for digests: the predicate of this type from a signed envelope or a plain
 * statement. New reference, or NULL. For commands that show things; wh_verify_image() is what to rely on. */
json_t *wh_predicate_find(struct wh_store *s, const struct wh_artifacts *list, const char *predicate_type);

/* ---------------------------------------------------------------- verifying */

struct wh_verified {      /* what was proved */
	bool legacy, bundle;  /* the image signature, in either form */
	struct wh_strv references; /* names the image was signed for: docker-references of the older form, subjects of its bundle; sorted */
	json_t *statements;   /* array of {predicateType, predicate, form} whose signature and subject are right (owned) */
	json_t *verdict;      /* the hardening verdict's predicate, or NULL (owned) */
	enum { WH_REMOVED_NONE, WH_REMOVED_ELSEWHERE, WH_REMOVED_PROVED } removed; /* what PRUNE took away: not signed for; signed for, and its layer is not here; as signed */
	uint64_t blobs, bytes;/* hashed */
};
void wh_verified_release(struct wh_verified *v);
/* Checks everything: manifest, config and every layer blob by digest and diff id; both forms of signature; each attached
 * statement's signature, subject and type; the SBOM against the packages in the layers; the verdict's figures against the layers
 * (files, bytes, shells, set-id bits) and its config digest. Artifacts that claim to be ours and do not verify are failures; those of other
 * keys are passed over. All failures: WH_ERR_GATE, -EBADMSG. */
int wh_verify_image(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts, const struct wh_key *key,
		    struct wh_verified *ret, struct wh_err **err);
/* An index is verified by wh_verify_image(), too: its document, and who signed that; nothing is said of the images in it. -ENOKEY (of
 * both): there is no signature by this key. */
/* An image that such an index names: the index's signature stands for its bytes, so that it may have none of its own. All else as
 * wh_verify_image(). */
int wh_verify_part(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts, const struct wh_key *key,
		   struct wh_verified *ret, struct wh_err **err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sign_service.h"
#include "cli/password.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_KEY ((size_t)64 * 1024)

/* ---------------------------------------------------------------- outer side */

static int read_key(const char *path, struct wh_buf *ret, struct wh_err **err)
{
	int r = wh_read_file(AT_FDCWD, path, MAX_KEY, ret);

	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the key \"%s\"", path) : 0;
}

static void wipe(struct wh_buf *b)
{
	if (b->cap)
		explicit_bzero(b->p, b->cap);
	wh_buf_release(b);
}

static bool is_encrypted(const struct wh_buf *pem)
{
	return pem->p && strstr(pem->p, "ENCRYPTED");
}

int wh_sign_key_check(const char *path, struct wh_err **err)
{
	struct wh_buf pem = WH_BUF_INIT;
	int r = read_key(path, &pem, err);

	if (r == 0 && (!pem.p || !strstr(pem.p, "PRIVATE KEY-----"))) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\" is no private key in PEM form", path);
		wh_err_hint(err, "whittle keygen makes one; --sign-key wants the .key, verify the .pub");
	}
	if (r == 0 && is_encrypted(&pem) && !wh_password_available()) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, ENOKEY, "no password for the key \"%s\"", path);
		wh_err_hint(err, "COSIGN_PASSWORD holds it where there is no terminal to ask on");
	}
	wipe(&pem);
	return r;
}

struct wh_sign_keeper {
	char *path;
	struct secret {
		bool known;
		char text[];
	} *shared; /* pages that the forks have in common */
	size_t size;
};

#define MAX_TYPED ((size_t)4096)

int wh_sign_keeper_new(const char *path, char *password, struct wh_sign_keeper **ret, struct wh_err **err)
{
	size_t size = sizeof(struct secret) + (password ? strlen(password) + 1 : 0) + MAX_TYPED;
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r = 0;

	if (shared == MAP_FAILED) {
		r = wh_err_sys(err, "cli", WH_ERR_ENV, errno, "memory for the password");
	} else {
		struct wh_sign_keeper *k = wh_calloc(1, sizeof(*k));

		(void)mlock(shared, size);
		(void)madvise(shared, size, MADV_DONTDUMP);
		*k = (struct wh_sign_keeper){.path = wh_strdup(path), .shared = shared, .size = size};
		if (password)
			memcpy(k->shared->text, password, strlen(password) + 1);
		k->shared->known = password != NULL;
		*ret = k;
	}
	wh_password_free(password);
	return r;
}

void wh_sign_keeper_free(struct wh_sign_keeper *k)
{
	if (!k)
		return;
	explicit_bzero(k->shared, k->size);
	munmap(k->shared, k->size);
	free(k->path);
	free(k);
}

/* The one that opened it is remembered. */
static void remember(struct wh_sign_keeper *k, const char *password)
{
	size_t n = strlen(password) + 1;

	if (k->shared->known || n > k->size - sizeof(struct secret))
		return;
	memcpy(k->shared->text, password, n);
	k->shared->known = true;
}

static int open_key(struct wh_sign_keeper *k, struct wh_key **ret, struct wh_err **err)
{
	struct wh_buf pem = WH_BUF_INIT;
	char *password = NULL;
	int r = read_key(k->path, &pem, err);

	if (r == 0 && is_encrypted(&pem)) {
		if (k->shared->known)
			password = wh_strdup(k->shared->text);
		else
			r = wh_password_ask(k->path, false, &password, err);
	}
	if (r == 0)
		r = wh_key_load(pem.p, pem.n, password, k->path, ret, err);
	if (r == 0 && password)
		remember(k, password);
	wh_password_free(password);
	wipe(&pem);
	return r;
}

int wh_sign_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	const json_t *list = json_object_get(request, "digests"), *text;
	WH_AUTO_JSON json_t *reply = json_object();
	json_t *signatures = json_array();
	struct wh_key *key = NULL;
	char *hint;
	size_t i;
	int r = open_key(arg, &key, err);

	json_object_set_new(reply, "signatures", signatures);
	if (r < 0)
		return r;
	hint = wh_key_hint(key);
	json_object_set_new(reply, "hint", json_string(hint));
	free(hint);
	json_array_foreach (list, i, text) {
		WH_AUTO_BUF struct wh_buf der = WH_BUF_INIT, hex = WH_BUF_INIT;
		struct wh_digest d;

		if (!json_is_string(text) || !wh_digest_parse(json_string_value(text), &d))
			r = wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "a request to sign that has no digest");
		if (r == 0)
			r = wh_key_sign(key, &d, &der, err);
		if (r < 0)
			break;
		for (size_t k = 0; k < der.n; k++)
			wh_buf_addf(&hex, "%02x", (unsigned char)der.p[k]);
		json_array_append_new(signatures, json_string(hex.p));
	}
	wh_key_free(key);
	if (r == 0)
		*ret_reply = json_incref(reply);
	return r;
}

/* ---------------------------------------------------------------- inner side */

static int add_hex(const char *hex, struct wh_buf *out)
{
	for (; hex[0] && hex[1]; hex += 2) {
		unsigned byte;

		if (sscanf(hex, "%2x", &byte) != 1)
			return -EBADMSG;
		wh_buf_addc(out, (char)byte);
	}
	return *hex || !out->n ? -EBADMSG : 0;
}

static int ask(struct wh_inner *inner, const struct wh_digest *d, size_t n, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *request = json_object();
	json_t *list = json_array();
	char text[WH_DIGEST_TEXT];

	json_object_set_new(request, "digests", list);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(wh_digest_text(&d[i], text)));
	return wh_inner_call(inner, WH_SERVICE_SIGN, request, ret, err);
}

static int sign(void *arg, const struct wh_digest *d, size_t n, struct wh_buf *ret_der, struct wh_err **err)
{
	const struct wh_remote_signer *s = arg;
	WH_AUTO_JSON json_t *reply = NULL;
	int r = ask(s->inner, d, n, &reply, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		const char *hex = json_string_value(json_array_get(json_object_get(reply, "signatures"), i));

		if (!hex || add_hex(hex, &ret_der[i]) < 0)
			r = wh_err_set(err, "cli", WH_ERR_INTERNAL, EBADMSG, "the signature did not come back");
	}
	return r;
}

int wh_remote_signer_new(struct wh_inner *inner, struct wh_remote_signer *ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *reply = NULL;
	const char *hint;
	int r = ask(inner, NULL, 0, &reply, err);

	if (r < 0)
		return r;
	hint = wh_json_str(reply, "hint");
	ret->inner = inner;
	ret->hint = wh_strdup(hint ? hint : "");
	ret->signer = (struct wh_signer){.sign = sign, .arg = ret, .hint = ret->hint};
	return 0;
}

void wh_remote_signer_release(struct wh_remote_signer *s)
{
	free(WH_TAKE_PTR(s->hint));
}

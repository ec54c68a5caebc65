/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Privileges (runtime.h) in the words of those who enforce them: seccomp, Landlock, docker, OCI. AppArmor's and Kubernetes' have files of their own. What is
 * written holds paths of an image, which are hostile: JSON is written by the library, all else quoted here.
 */
#include "harden/runtime_private.h"
#include "harden/tree.h"

#include <errno.h>

const char *const wh_runtime_files[WH_RUNTIME_FORMS] = {
	[WH_RUNTIME_SECCOMP] = "seccomp.json",
	[WH_RUNTIME_LANDLOCK] = "landlock.json",
	[WH_RUNTIME_APPARMOR] = "apparmor.profile",
	[WH_RUNTIME_KUBERNETES] = "kubernetes-patch.yaml",
	[WH_RUNTIME_DOCKER] = "docker-run.args",
	[WH_RUNTIME_OCI] = "oci-runtime.json",
};

static void add_json(struct wh_buf *out, const json_t *j)
{
	char *text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);

	wh_buf_addf(out, "%s\n", text ? text : "{}");
	free(text);
}

char *wh_runtime_slug(const char *text)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	for (; *text && b.n < 40; text++) {
		bool fine = (*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9');

		if (fine || (*text >= 'A' && *text <= 'Z'))
			wh_buf_addc(&b, fine ? *text : (char)(*text - 'A' + 'a'));
		else if (b.n && b.p[b.n - 1] != '-')
			wh_buf_addc(&b, '-');
	}
	while (b.n && b.p[b.n - 1] == '-')
		b.p[--b.n] = '\0';
	return b.n ? wh_buf_take(&b) : wh_strdup("app");
}

/* ---------------------------------------------------------------- Landlock: landlockconfig's JSON form */

static void landlock(const json_t *p, struct wh_buf *out)
{
	const json_t *l = json_object_get(p, "landlock"), *net = json_object_get(l, "net"), *rule;
	json_t *doc = json_object(), *paths = json_array(), *ports = json_array();
	json_t *set = json_pack("{s:[s]}", "handledAccessFs", "abi.all");
	size_t i;

	if (json_array_size(json_object_get(net, "handled")))
		json_object_set(set, "handledAccessNet", json_object_get(net, "handled"));
	json_array_foreach (json_object_get(l, "fs"), i, rule)
		json_array_append_new(paths, json_pack("{s:O, s:O}", "allowedAccess", json_object_get(rule, "access"), "parent",
						       json_object_get(rule, "paths")));
	json_array_foreach (json_object_get(net, "rules"), i, rule)
		json_array_append_new(ports, json_pack("{s:O, s:O}", "allowedAccess", json_object_get(rule, "access"), "port",
						       json_object_get(rule, "ports")));
	json_object_set(doc, "abi", json_object_get(l, "abi"));
	json_object_set_new(doc, "ruleset", json_pack("[o]", set));
	json_object_set_new(doc, "pathBeneath", paths);
	if (json_array_size(ports))
		json_object_set_new(doc, "netPort", ports);
	else
		json_decref(ports);
	add_json(out, doc);
	json_decref(doc);
}

/* ---------------------------------------------------------------- docker run: an argument a line */

/* The file is read by a shell's $(cat …): no blank and no pattern, which would make arguments of their own, and nothing that ends an option of the mount. */
static bool is_plain(const char *path)
{
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr(",:\"'\\*?[]", *p))
			return false;
	return *path == '/';
}

/* Neither the image's own nor in memory only: what the application may want to find again. */
bool wh_runtime_lasting(const json_t *place)
{
	return json_is_true(json_object_get(place, "content")) || !wh_streq(wh_json_str(place, "kind"), "temporary");
}

bool wh_runtime_mounted(const json_t *place)
{
	return wh_streq(wh_json_str(place, "kind"), "mount");
}

static int docker(const json_t *p, struct wh_buf *out, struct wh_err **err)
{
	const json_t *user = json_object_get(p, "user"), *one;
	size_t i;

	wh_buf_addf(out, "--user=%lld:%lld\n", (long long)wh_json_int(user, "uid", 0), (long long)wh_json_int(user, "gid", 0));
	json_array_foreach (json_object_get(user, "groups"), i, one)
		wh_buf_addf(out, "--group-add=%lld\n", (long long)json_integer_value(one));
	wh_buf_adds(out, "--cap-drop=ALL\n");
	json_array_foreach (json_object_get(p, "capabilities"), i, one)
		wh_buf_addf(out, "--cap-add=%s\n", json_string_value(one) + strlen("CAP_"));
	if (json_is_true(json_object_get(p, "noNewPrivileges")))
		wh_buf_adds(out, "--security-opt=no-new-privileges\n");
	wh_buf_addf(out, "--security-opt=seccomp=%s\n", wh_runtime_files[WH_RUNTIME_SECCOMP]);
	if (!json_is_true(json_object_get(p, "readOnlyRoot")))
		return 0;
	wh_buf_adds(out, "--read-only\n");
	json_array_foreach (json_object_get(p, "writable"), i, one) {
		const char *path = wh_json_str(one, "path");

		if (wh_runtime_mounted(one))
			continue; /* two mounts on one path would be an error */
		if (!is_plain(path))
			return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EINVAL, "docker cannot mount anything on a path like %s", path);
		if (wh_runtime_lasting(one))
			wh_buf_addf(out, "--mount=type=volume,destination=%s\n", path);
		else
			wh_buf_addf(out, "--tmpfs=%s:rw,exec,nosuid,nodev,mode=%s,uid=%lld,gid=%lld\n", path, wh_json_str(one, "mode"),
				    (long long)wh_json_int(one, "uid", 0), (long long)wh_json_int(one, "gid", 0));
	}
	return 0;
}

/* ---------------------------------------------------------------- the OCI runtime-spec's config.json */

/* number: of the place, as two paths may have one slug. */
static json_t *mount_of(const json_t *one, size_t number)
{
	const char *path = wh_json_str(one, "path");
	json_t *options;

	if (wh_runtime_lasting(one)) {
		WH_AUTO_FREE char *name = wh_runtime_slug(path), *source = wh_asprintf("volumes/%zu-%s", number, name);

		return json_pack("{s:s, s:s, s:s, s:[s, s, s, s]}", "destination", path, "type", "bind", "source", source, "options",
				 "rbind", "rw", "nosuid", "nodev");
	}
	options = json_pack("[s, s, s]", "rw", "nosuid", "nodev");
	{
		WH_AUTO_FREE char *mode = wh_asprintf("mode=%s", wh_json_str(one, "mode"));
		WH_AUTO_FREE char *uid = wh_asprintf("uid=%lld", (long long)wh_json_int(one, "uid", 0));
		WH_AUTO_FREE char *gid = wh_asprintf("gid=%lld", (long long)wh_json_int(one, "gid", 0));

		json_array_append_new(options, json_string(mode));
		json_array_append_new(options, json_string(uid));
		json_array_append_new(options, json_string(gid));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "destination", path, "type", "tmpfs", "source", "tmpfs", "options", options);
}

static void oci(const json_t *p, struct wh_buf *out)
{
	const json_t *user = json_object_get(p, "user"), *one;
	json_t *caps = json_object_get(p, "capabilities"), *mounts = json_array(), *doc;
	bool read_only = json_is_true(json_object_get(p, "readOnlyRoot"));
	size_t i;

	if (read_only)
		json_array_foreach (json_object_get(p, "writable"), i, one)
			if (!wh_runtime_mounted(one))
				json_array_append_new(mounts, mount_of(one, i));
	doc = json_pack("{s:{s:{s:O, s:O, s:O}, s:{s:O, s:O, s:O, s:[], s:[]}, s:O}, s:{s:b}, s:o, s:{s:O}}", "process", "user", "uid",
			json_object_get(user, "uid"), "gid", json_object_get(user, "gid"), "additionalGids",
			json_object_get(user, "groups"), "capabilities", "bounding", caps, "permitted", caps, "effective", caps,
			"inheritable", "ambient", "noNewPrivileges", json_object_get(p, "noNewPrivileges"), "root", "readonly",
			read_only, "mounts", mounts, "linux", "seccomp", json_object_get(p, "seccomp"));
	add_json(out, doc);
	json_decref(doc);
}

/* ---------------------------------------------------------------- */

int wh_runtime_write(const json_t *p, enum wh_runtime_form form, const char *image, const char *name, struct wh_buf *out,
		     struct wh_err **err)
{
	if (!json_is_object(json_object_get(p, "seccomp")) || !json_is_object(json_object_get(p, "landlock")) ||
	    !json_is_object(json_object_get(p, "user")) || !json_is_array(json_object_get(p, "writable")) ||
	    !json_is_array(json_object_get(p, "capabilities")) || !json_is_array(json_object_get(p, "ports")))
		return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "the document of privileges is damaged");
	switch (form) {
	case WH_RUNTIME_SECCOMP:
		add_json(out, json_object_get(p, "seccomp"));
		break;
	case WH_RUNTIME_LANDLOCK:
		landlock(p, out);
		break;
	case WH_RUNTIME_APPARMOR:
		wh_runtime_apparmor(p, image, name, out);
		break;
	case WH_RUNTIME_KUBERNETES:
		wh_runtime_kubernetes(p, image, name, out);
		break;
	case WH_RUNTIME_DOCKER:
		return docker(p, out, err);
	case WH_RUNTIME_OCI:
		oci(p, out);
		break;
	case WH_RUNTIME_FORMS:
		break;
	}
	return 0;
}

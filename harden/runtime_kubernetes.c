/* SPDX-License-Identifier: Apache-2.0 */
/* Privileges as a strategic merge patch of a Deployment. Every text from the image stands as a JSON string, which is one of YAML's. */
#include "harden/runtime_private.h"

static void quoted(struct wh_buf *out, const char *text)
{
	json_t *j = json_string(text);
	char *s = j ? json_dumps(j, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	wh_buf_adds(out, s ? s : "\"\"");
	free(s);
	json_decref(j);
}

/* A path may hold a line end: in a comment, that must not become a line. */
static void in_comment(struct wh_buf *out, const char *text)
{
	quoted(out, text);
}

static void pod(const json_t *p, const char *name, struct wh_buf *out)
{
	const json_t *user = json_object_get(p, "user"), *one;
	int64_t uid = wh_json_int(user, "uid", 0), gid = wh_json_int(user, "gid", 0);
	size_t i;

	wh_buf_adds(out, "      securityContext:\n");
	if (uid)
		wh_buf_adds(out, "        runAsNonRoot: true\n");
	else
		wh_buf_adds(out, "        # The image runs as root: USER with another number in its Dockerfile makes runAsNonRoot: true possible.\n");
	wh_buf_addf(out, "        runAsUser: %lld\n        runAsGroup: %lld\n", (long long)uid, (long long)gid);
	if (gid)
		wh_buf_addf(out, "        fsGroup: %lld # whom volumes belong to\n", (long long)gid);
	if (json_array_size(json_object_get(user, "groups"))) {
		wh_buf_adds(out, "        supplementalGroups:\n");
		json_array_foreach (json_object_get(user, "groups"), i, one)
			wh_buf_addf(out, "        - %lld\n", (long long)json_integer_value(one));
	}
	wh_buf_addf(out,
		    "        seccompProfile: # seccomp.json, below the kubelet's seccomp directory (/var/lib/kubelet/seccomp)\n"
		    "          type: Localhost\n          localhostProfile: profiles/%s.json\n",
		    name);
}

static void container(const json_t *p, const char *image, const char *name, struct wh_buf *out)
{
	bool read_only = json_is_true(json_object_get(p, "readOnlyRoot")), first = true;
	const json_t *one;
	size_t i;

	wh_buf_addf(out, "      containers:\n      - name: %s # as in the Deployment\n        # image: ", name);
	in_comment(out, image);
	wh_buf_adds(out, "\n        securityContext:\n");
	wh_buf_addf(out, "          allowPrivilegeEscalation: %s\n          privileged: false\n          readOnlyRootFilesystem: %s\n",
		    json_is_true(json_object_get(p, "noNewPrivileges")) ? "false" : "true", read_only ? "true" : "false");
	wh_buf_adds(out, "          capabilities:\n            drop:\n            - ALL\n");
	json_array_foreach (json_object_get(p, "capabilities"), i, one)
		wh_buf_addf(out, "%s            - %s\n", i ? "" : "            add:\n", json_string_value(one) + strlen("CAP_"));
	json_array_foreach (json_object_get(p, "ports"), i, one) {
		if (wh_json_int(one, "port", 0) <= 0)
			continue;
		wh_buf_addf(out, "%s        - containerPort: %lld\n          protocol: %s\n", first ? "        ports:\n" : "",
			    (long long)wh_json_int(one, "port", 0), wh_streq(wh_json_str(one, "protocol"), "udp") ? "UDP" : "TCP");
		first = false;
	}
	first = true;
	json_array_foreach (json_object_get(p, "writable"), i, one) {
		if (!read_only || wh_runtime_mounted(one))
			continue;
		wh_buf_addf(out, "%s        - name: writable-%zu\n          mountPath: ", first ? "        volumeMounts:\n" : "", i);
		quoted(out, wh_json_str(one, "path"));
		wh_buf_addc(out, '\n');
		first = false;
	}
	wh_buf_adds(out, "        # resources: nothing was measured for them; requests and limits are yours to set\n");
}

/* What an emptyDir would lose, or lay itself over, is a claim's: a wrong name keeps the pod from starting, and loses nothing. */
static void volume(const json_t *one, size_t i, const char *name, struct wh_buf *out)
{
	bool content = json_is_true(json_object_get(one, "content")), declared = wh_streq(wh_json_str(one, "kind"), "volume");

	if (declared)
		wh_buf_adds(out, "      # A VOLUME of the image: what is there is meant to outlive the pod. The claim's name is yours to set.\n");
	if (content)
		wh_buf_adds(out, "      # It has to begin with what the image has there, which no empty directory does: the claim has to hold a copy.\n");
	if (!declared && !content && wh_runtime_lasting(one))
		wh_buf_adds(out, "      # An emptyDir ends with its pod. If this is data to keep, name a persistentVolumeClaim here.\n");
	wh_buf_addf(out, "      - name: writable-%zu\n", i);
	if (declared || content)
		wh_buf_addf(out, "        persistentVolumeClaim:\n          claimName: %s-%zu\n", name, i);
	else
		wh_buf_adds(out, "        emptyDir: {}\n");
}

static void volumes(const json_t *p, const char *name, struct wh_buf *out)
{
	const json_t *one, *path;
	bool first = true;
	size_t i, k;

	if (!json_is_true(json_object_get(p, "readOnlyRoot"))) {
		wh_buf_adds(out, "      # No volumes: the application writes into / itself.\n");
		return;
	}
	json_array_foreach (json_object_get(p, "writable"), i, one) {
		bool mounted = wh_runtime_mounted(one);

		if (first && !mounted)
			wh_buf_adds(out, "      volumes:\n");
		first &= mounted;
		wh_buf_adds(out, mounted ? "      # mounted by the tests, and written there; mount here what you mount, at " : "      # ");
		in_comment(out, wh_json_str(one, "path"));
		wh_buf_adds(out, mounted ? ":" : ", written there:");
		json_array_foreach (json_object_get(one, "seen"), k, path) {
			wh_buf_addc(out, ' ');
			in_comment(out, json_string_value(path));
		}
		wh_buf_addc(out, '\n');
		if (!mounted)
			volume(one, i, name, out);
	}
}

void wh_runtime_kubernetes(const json_t *p, const char *image, const char *name, struct wh_buf *out)
{
	WH_AUTO_FREE char *slug = wh_runtime_slug(name);

	wh_buf_addf(out, "# The least privileges of this application. To a Deployment whose container has the same name:\n"
			 "#   kubectl patch deployment %s --patch-file kubernetes-patch.yaml\n",
		    slug);
	wh_buf_adds(out, "spec:\n  template:\n    spec:\n");
	pod(p, slug, out);
	container(p, image, slug, out);
	volumes(p, slug, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least privilege that an image was seen to need, as a document and in the words of those who enforce it. Included by harden.h.
 *
 *   profiles + pruned tree + config ──▶ privileges ──▶ seccomp (OCI and docker), Landlock, AppArmor, Kubernetes patch, docker run flags, OCI runtime fragment
 *                                          └──▶ builder: the tests once more under exactly these (graph.h: WH_OP_PROVE)
 *
 * privileges, schemas/privileges-1.json:
 *   {"$schema":"https://whittle.dev/schema/privileges-1.json", "platform":"linux/amd64",
 *    "user":{"uid":N,"gid":N,"groups":[N,…]},                 as the tree's passwd and group say of the config's User
 *    "seccomp":{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64",…],"syscalls":[{"names":[…],"action":"SCMP_ACT_ALLOW"}, …]},
 *             the OCI runtime-spec's linux.seccomp, which docker and Kubernetes take as it is; allowed is what was observed, what observation takes for
 *             granted (sandbox.h: wh_syscalls_assumed), and "baseline"; clone makes no namespaces; what steps answer with ENOSYS is so, too
 *    "observed":["bind",…], "baseline":["capset",…],          why a name is there: seen; needed by runc and crun between loading the filter and the program
 *             ("baseline" alone has those that nothing else needs)
 *    "capabilities":["CAP_NET_BIND_SERVICE"], "noNewPrivileges":true,
 *    "readOnlyRoot":true,                                     false where something was written in "/" itself: then "writable" lacks that
 *    "writable":[{"path":"/run","kind":"temporary","mode":"0755","uid":0,"gid":0,"content":false,"seen":["/run/nginx.pid"]}, …],
 *             directories that must be writable; sorted, none below another. content: the image has something there that is used, so an empty
 *             directory will not do: it has to begin as a copy (docker's volumes do, Kubernetes' emptyDir does not). seen: five at most,
 *             what is random in a name being "*". kind: "temporary" (/tmp, /run …), "data" (elsewhere: it may have to outlive a restart), "volume" (the
 *             image's VOLUME), "mount" (the tests mounted something there, as users do: no form does that for them)
 *    "ports":[{"protocol":"tcp","port":8080}, …],             bound; 0: one that the kernel chose
 *    "landlock":{"abi":N,"fs":[{"access":["read_file",…],"paths":["/etc",…]}, …],
 *                "net":{"handled":["bind_tcp","connect_tcp"],"rules":[{"access":["bind_tcp"],"ports":[8080]}, …]}}}
 *             fs, net.rules: all that is allowed, every access to files that the kernel knows being handled; connect_tcp is handled where no peer's port
 *             was one that a kernel chose; abi: the least that has all these words
 */
#ifndef WH_HARDEN_RUNTIME_H
#define WH_HARDEN_RUNTIME_H

#include "base/base.h"
#include "layers/layers.h"

#define WH_PRIVILEGES_SCHEMA "https://whittle.dev/schema/privileges-1.json"
#define WH_PRIVILEGES_VERSION 3 /* raised when the same profiles give other privileges: part of the proof's cache key */

struct wh_privileges_opts {
	const json_t *const *profiles;      /* harden.h */
	size_t n_profiles;
	struct wh_tree *tree;               /* what PRUNE left */
	const json_t *config;               /* image config's "config" */
	const char *platform;
	const char *const *shares;          /* absolute directories that were mounted in the tests (PROFILE --share), NULL-terminated, or NULL */
	const char *const *assumed;         /* sandbox.h: wh_syscalls_assumed */
	const char *const *absent;          /* sandbox.h: wh_syscalls_absent: answered with ENOSYS, as they were when the tests ran */
};
int wh_privileges_make(const struct wh_privileges_opts *o, json_t **ret, struct wh_err **err);

/* What is written for each consumer. image: as the user names it; name: of the application, for objects that need one. Text is appended. */
enum wh_runtime_form {
	WH_RUNTIME_SECCOMP,    /* seccomp.json */
	WH_RUNTIME_LANDLOCK,   /* landlock.json: landlockconfig's form */
	WH_RUNTIME_APPARMOR,   /* apparmor.profile */
	WH_RUNTIME_KUBERNETES, /* kubernetes-patch.yaml: strategic merge patch of a Deployment */
	WH_RUNTIME_DOCKER,     /* docker-run.args: one argument a line */
	WH_RUNTIME_OCI,        /* oci-runtime.json: merge patch (RFC 7396) of a runtime-spec config.json, but for "mounts", which are to be added */
	WH_RUNTIME_FORMS
};
extern const char *const wh_runtime_files[WH_RUNTIME_FORMS];
int wh_runtime_write(const json_t *privileges, enum wh_runtime_form form, const char *image, const char *name, struct wh_buf *out,
		     struct wh_err **err);

#endif

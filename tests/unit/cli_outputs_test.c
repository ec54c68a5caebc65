/* SPDX-License-Identifier: Apache-2.0 */
/* --output, --push, --load, --annotation: what is taken, what is refused, what an image gets of it. */
#include "cli/annotate.h"
#include "cli/cli.h"
#include "tests/unit/test.h"

const struct wh_command *const wh_commands[] = {NULL};

static const char *const types[] = {
	[WH_OUT_OCI] = "oci",           [WH_OUT_DOCKER] = "docker", [WH_OUT_LOCAL] = "local", [WH_OUT_TAR] = "tar",
	[WH_OUT_REGISTRY] = "registry", [WH_OUT_IMAGE] = "image",   [WH_OUT_LOAD] = "load",
};

static void add_output(const struct wh_output *o, struct wh_buf *out)
{
	wh_buf_addf(out, "%s%s%s", types[o->type], o->dest ? " " : "", o->dest ? o->dest : "");
	for (size_t i = 0; i < o->names.n; i++)
		wh_buf_addf(out, " name=%s", o->names.v[i]);
	for (size_t i = 0; i < o->annotations.n; i++)
		wh_buf_addf(out, " an=%s", o->annotations.v[i]);
	if (o->has_comp)
		wh_buf_addf(out, " %s-%d", wh_compression_name(o->comp), o->level);
	wh_buf_addf(out, "%s%s%s", o->force_comp ? " force" : "", o->docker_types ? " docker-types" : "", o->by_digest ? " by-digest" : "");
	if (o->chunk)
		wh_buf_addf(out, " chunk=%llu", (unsigned long long)o->chunk);
}

/* Words, and what they become; "!…": refused with these words in the message. */
static const struct {
	const char *text, *want;
} outputs[] = {
	{"type=docker", "load"},
	{"type=docker,dest=/x", "docker /x"},
	{"type=docker,dest=/x,oci-mediatypes=false", "docker /x docker-types"},
	{"type=image", "image"},
	{"type=image,push=true", "registry"},
	{"type=image,push=false,unpack=false,store=true", "image"},
	{"type=registry,\"name=a,reg.example/b:2\"", "registry name=docker.io/library/a:latest name=reg.example/b:2"},
	{"type=registry,name=r.example/x,push-by-digest=true,chunk-size=5m", "registry name=r.example/x:latest by-digest chunk=5242880"},
	{"type=registry,compression=gzip,compression-level=3,force-compression=true", "registry gzip-3 force"},
	{"type=oci,dest=/x,compression-level=19", "oci /x zstd-19"},
	{"type=docker,dest=/x,compression-level=9", "docker /x gzip-9"},
	{"type=oci,dest=/x,annotation.A.b=c=d", "oci /x an=manifest:A.b=c=d"},
	{"type=oci,dest=/x,annotation-index.a=", "oci /x an=index:a="},
	{"type=oci,dest=/x,annotation[linux/arm64].a=b", "oci /x an=manifest[linux/arm64]:a=b"},
	{"type=oci,dest=/x,annotation-manifest-descriptor[linux/arm/v7].a.b=c", "oci /x an=manifest-descriptor[linux/arm/v7]:a.b=c"},
	{"type=oci,dest=/x,annotation.=b", "!expected key=value"},
	{"type=oci,dest=/x,annotation-layer.a=b", "!unknown annotation type"},
	{"type=oci,dest=/x,annotation[linux/arm64.a=b", "!no key \"annotation[linux/arm64.a\""},
	{"type=oci,dest=/x,annotation.a b=c", "!blank in its key"},
	{"type=oci,dest=/x,annotationx=b", "!no key"},
	{"type=local,dest=/x,annotation.a=b", "!files have no annotations"},
	{"type=tar,dest=/x,name=a", "!files have no name"},
	{"type=docker,dest=/x,compression=zstd", "!read no zstd"},
	{"type=docker,dest=/x,tar=false", "!is one file"},
	{"type=docker,dest=/x,compression-level=10", "!gzip has"},
	{"type=oci,dest=/x,compression=estargz", "!not supported"},
	{"type=oci,dest=/x,oci-mediatypes=false", "!belongs to type=docker"},
	{"type=image,oci-mediatypes=false,compression=zstd", "!conflicts with \"oci-mediatypes=false\""},
	{"type=image,push-by-digest=true", "!belongs to what is pushed"},
	{"type=image,dest=/x", "!goes to where"},
	{"type=oci,dest=/x,push=true", "!belongs to type=image"},
	{"type=oci,dest=/x,chunk-size=1m", "!belongs to what is pushed"},
	{"type=registry,chunk-size=0", "!a size"},
	{"type=registry,name=A", "!"},
	{"type=registry,name=a@sha256:0", "!no digest"},
	{"type=registry,name=", "!"},
	{"type=image,unpack=true", "!not supported"},
	{"type=image,rewrite-timestamp=true", "!not supported"},
	{"type=image,nmae=a", "!no key \"nmae\""},
};

static void words(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(outputs); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		const char *want = outputs[i].want;
		struct wh_output o = {0};

		if (wh_output_parse(outputs[i].text, &o, &err) < 0) {
			assert_int_equal(err->class, WH_ERR_USAGE);
			if (want[0] != '!' || !strstr(err->msg, want + 1))
				fail_msg("%s: refused: %s; wanted %s", outputs[i].text, err->msg, want);
			continue;
		}
		add_output(&o, &got);
		wh_output_release(&o);
		if (!wh_streq(got.p, want))
			fail_msg("%s: %s, wanted %s", outputs[i].text, got.p, want);
	}
}

/* --output words (between blanks), --push, --load, --tag; what there is then. */
static const struct {
	const char *outputs;
	bool push;
	const char *load, *tag, *want;
} all[] = {
	{"", false, NULL, NULL, ""},
	{"", true, NULL, "a", "registry;"},
	{"", true, NULL, NULL, "!a push needs a name"},
	{"type=registry,name=a", true, NULL, NULL, "registry name=docker.io/library/a:latest;"},
	{"type=image", true, NULL, "a", "registry;"},
	{"type=oci,dest=/x", true, NULL, "a", "oci /x;registry;"},
	{"", false, "true", NULL, "load;"},
	{"", false, "false", NULL, ""},
	{"", false, "podman", NULL, "load podman;"},
	{"type=docker", false, "podman", NULL, "load podman;"},
	{"type=docker,dest=/x", false, "true", NULL, "docker /x;load;"},
	{"", true, "true", "a", "registry;load;"},
	{"", false, "rkt", NULL, "!--load is docker, podman or containerd"},
	{"type=tar,dest=- type=oci,dest=-", false, NULL, NULL, "!only one"},
};

static void together(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(all); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		WH_AUTO_FREE char *text = wh_strdup(all[i].outputs);
		struct wh_build_flags f = {.push = all[i].push, .load = all[i].load};
		struct wh_build_spec s = {0};
		char *save = NULL;

		if (isatty(STDOUT_FILENO) && strstr(text, "dest=-"))
			continue;
		for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
			wh_strv_add(&f.outputs, w);
		if (all[i].tag)
			wh_strv_add(&s.tags, all[i].tag);
		s.platform = wh_strdup("linux/amd64");
		if (wh_outputs_make(&f, &s, &err) < 0) {
			if (all[i].want[0] != '!' || !strstr(err->msg, all[i].want + 1))
				fail_msg("row %zu: refused: %s", i, err->msg);
		} else {
			wh_buf_adds(&got, "");
			for (size_t k = 0; k < s.n_outputs; k++) {
				add_output(&s.outputs[k], &got);
				wh_buf_addc(&got, ';');
			}
			if (!wh_streq(got.p ? got.p : "", all[i].want))
				fail_msg("row %zu: %s, wanted %s", i, got.p, all[i].want);
		}
		wh_strv_release(&f.outputs);
		wh_build_spec_release(&s);
	}
}

/* Texts between blanks, and what each level says of linux/arm64. */
static const struct {
	const char *texts;
	enum wh_annotation_level level;
	const char *want;
} collected[] = {
	{"a=b", WH_ANNOTATE_MANIFEST, "{\"a\":\"b\"}"},
	{"a=b", WH_ANNOTATE_INDEX, ""},
	{"a=b a=c", WH_ANNOTATE_MANIFEST, "{\"a\":\"c\"}"},
	{"manifest[linux/arm64]:a=b a=c", WH_ANNOTATE_MANIFEST, "{\"a\":\"b\"}"},
	{"manifest[linux/amd64]:a=b", WH_ANNOTATE_MANIFEST, ""},
	{"manifest[linux/aarch64]:a=b", WH_ANNOTATE_MANIFEST, "{\"a\":\"b\"}"},
	{"index,manifest:a=b", WH_ANNOTATE_INDEX, "{\"a\":\"b\"}"},
	{"index,manifest:a=b", WH_ANNOTATE_MANIFEST, "{\"a\":\"b\"}"},
	{"index,manifest[linux/amd64]:a=b", WH_ANNOTATE_MANIFEST, ""},
	{"index[linux/amd64]:a=b", WH_ANNOTATE_INDEX, "{\"a\":\"b\"}"},
	{"manifest-descriptor:a.b/c=d:e=f", WH_ANNOTATE_MANIFEST_DESCRIPTOR, "{\"a.b/c\":\"d:e=f\"}"},
	{"index-descriptor:u=http://x/?y=z", WH_ANNOTATE_INDEX_DESCRIPTOR, "{\"u\":\"http://x/?y=z\"}"},
	{"u=http://x", WH_ANNOTATE_MANIFEST, "{\"u\":\"http://x\"}"},
	{"empty=", WH_ANNOTATE_MANIFEST, "{\"empty\":\"\"}"},
};

static void annotations(void **state)
{
	static const char *const refused[] = {"", "a", "=b", "manifest:=b", "layer:a=b", "index,:a=b", "manifest[]:a=b", "manifest[linux/arm64:a=b",
					      "manifest[linux/arm64]x:a=b", "Manifest:a=b", "a\tb=c", "manifest:a b=c", "a=\xff",
					      "manifest[../x]:a=b", ":a=b"};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(refused); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;

		if (wh_annotation_check(refused[i], &err) == 0)
			fail_msg("taken: %s", refused[i]);
		assert_non_null(err);
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(collected); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		WH_AUTO_STRV struct wh_strv texts = {0};
		WH_AUTO_FREE char *text = wh_strdup(collected[i].texts);
		WH_AUTO_JSON json_t *o = NULL;
		char *save = NULL;

		for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			wh_strv_add(&texts, w);
			assert_int_equal(wh_annotation_check(w, &err), 0);
		}
		wh_annotations_collect(&texts, collected[i].level, "linux/arm64", &o);
		if (o)
			wh_json_dump(o, &got);
		if (!wh_streq(got.p ? got.p : "", collected[i].want))
			fail_msg("%s: %s, wanted %s", collected[i].texts, got.p, collected[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(together),
		cmocka_unit_test(annotations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

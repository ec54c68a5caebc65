/* SPDX-License-Identifier: Apache-2.0 */
/* How an image was built: the predicate of SLSA's provenance (slsa.dev/spec/v1.0/provenance). Without times and names of the machine, so that the
 * same build says the same. */
#include "evidence/evidence.h"

#define BUILD_TYPE "https://whittle.dev/build/v1"
#define BUILDER_ID "https://whittle.dev/builder"

static json_t *names_of(const struct wh_strv *assignments)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	json_t *o = json_array();

	for (size_t i = 0; assignments && i < assignments->n; i++)
		wh_strv_take(&names, wh_strndup(assignments->v[i], strcspn(assignments->v[i], "=")));
	wh_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		json_array_append_new(o, json_string(names.v[i]));
	return o;
}

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text)); /* nothing where it is not UTF-8 */
}

static json_t *dependencies(const struct wh_provenance_base *bases, size_t n)
{
	json_t *o = json_array();
	char hex[65];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(o, json_pack("{s:s, s:{s:s}}", "name", bases[i].name, "digest", "sha256",
						   wh_digest_hex(&bases[i].digest, hex)));
	return o;
}

json_t *wh_provenance_make(const struct wh_provenance_input *in)
{
	WH_AUTO_JSON json_t *external = json_object(), *internal = json_object();

	set_text(external, "dockerfile", in->dockerfile);
	set_text(external, "target", in->target);
	set_text(external, "platform", in->platform);
	json_object_set_new(external, "buildArgs", names_of(in->build_args));
	set_text(internal, "isolation", in->isolation);
	return json_pack("{s:{s:s, s:O, s:O, s:o}, s:{s:{s:s, s:{s:s}}}}", "buildDefinition", "buildType", BUILD_TYPE, "externalParameters", external,
			 "internalParameters", internal, "resolvedDependencies", dependencies(in->bases, in->n_bases), "runDetails", "builder",
			 "id", BUILDER_ID, "version", "whittle", PACKAGE_VERSION);
}

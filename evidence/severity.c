/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How bad a finding is, in one word. The rule, first that says something:
 *
 *   1. the word of whoever ships the package, for this package: "severity" of the entry's ecosystem_specific or
 *      database_specific; Debian's urgency where it is "unimportant" (negligible) or "low"; a severity of type
 *      "Ubuntu"
 *   2. "severity" of the record's database_specific
 *   3. the band of the base score of a CVSS vector, the newest version of those given; the entry's before the
 *   record's 4. Debian's urgency "medium" or "high": older guesses, worth more than nothing
 *   5. unknown
 */
#include "evidence/vulndb_private.h"

#include <strings.h>

#define MAX_SCORES 64 /* of one list that are looked at */

const char *wh_severity_name(enum wh_severity s)
{
	switch (s) {
	case WH_SEV_NEGLIGIBLE:
		return "negligible";
	case WH_SEV_LOW:
		return "low";
	case WH_SEV_MEDIUM:
		return "medium";
	case WH_SEV_HIGH:
		return "high";
	case WH_SEV_CRITICAL:
		return "critical";
	case WH_SEV_UNKNOWN:
	case WH_N_SEVERITIES:
		break;
	}
	return "unknown";
}

enum wh_severity wh_severity_of_word(const char *word)
{
	static const struct {
		const char *word;
		enum wh_severity severity;
	} words[] = {
		{"unimportant", WH_SEV_NEGLIGIBLE},
		{"negligible", WH_SEV_NEGLIGIBLE},
		{"none", WH_SEV_NEGLIGIBLE},
		{"low", WH_SEV_LOW},
		{"minor", WH_SEV_LOW},
		{"medium", WH_SEV_MEDIUM},
		{"moderate", WH_SEV_MEDIUM},
		{"high", WH_SEV_HIGH},
		{"important", WH_SEV_HIGH},
		{"critical", WH_SEV_CRITICAL},
	};
	size_t n = word ? strlen(word) : 0;

	while (n && word[n - 1] == '*') /* the tracker marks guesses of its own with stars */
		n--;
	for (size_t i = 0; n && i < WH_ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == n && strncasecmp(word, words[i].word, n) == 0)
			return words[i].severity;
	return WH_SEV_UNKNOWN;
}

enum wh_severity wh_cvss_severity(const char *vector)
{
	unsigned score, version;

	if (!wh_cvss_score(vector, &score, &version))
		return WH_SEV_UNKNOWN;
	if (version == 2) /* nvd.nist.gov's bands; version 2 has none of its own */
		return score >= 70 ? WH_SEV_HIGH : score >= 40 ? WH_SEV_MEDIUM : WH_SEV_LOW;
	return score >= 90   ? WH_SEV_CRITICAL
	       : score >= 70 ? WH_SEV_HIGH
	       : score >= 40 ? WH_SEV_MEDIUM
	       : score >= 1  ? WH_SEV_LOW
			     : WH_SEV_NEGLIGIBLE;
}

/* A list of {"type", "score"}: by a word, or by the newest CVSS. */
static enum wh_severity of_list(const json_t *list, bool words)
{
	enum wh_severity best = WH_SEV_UNKNOWN;
	const char *newest = "";

	for (size_t i = 0; i < json_array_size(list) && i < MAX_SCORES; i++) {
		const json_t *item = json_array_get(list, i);
		const char *type = wh_json_str(item, "type"), *score = wh_json_str(item, "score");
		enum wh_severity s;

		if (!type || !score || wh_has_prefix(type, "CVSS_V") == words)
			continue;
		s = words ? wh_severity_of_word(score) : wh_cvss_severity(score);
		if (s == WH_SEV_UNKNOWN || strcmp(type, newest) < 0 || (wh_streq(type, newest) && s <= best))
			continue;
		best = s;
		newest = type;
	}
	return best;
}

static enum wh_severity of_key(const json_t *object, const char *in, const char *key)
{
	return wh_severity_of_word(wh_json_str(json_object_get(object, in), key));
}

enum wh_severity wh_severity_of_osv(const json_t *record, const json_t *affected)
{
	enum wh_severity urgency = of_key(affected, "ecosystem_specific", "urgency"), s;
	const json_t *own = json_object_get(affected, "severity"), *common = json_object_get(record, "severity");

	s = of_key(affected, "ecosystem_specific", "severity");
	if (!s)
		s = of_key(affected, "database_specific", "severity");
	if (!s && (urgency == WH_SEV_NEGLIGIBLE || urgency == WH_SEV_LOW))
		s = urgency;
	if (!s)
		s = of_list(own, true);
	if (!s)
		s = of_list(common, true);
	if (!s)
		s = of_key(record, "database_specific", "severity");
	if (!s)
		s = of_list(own, false);
	if (!s)
		s = of_list(common, false);
	return s ? s : urgency;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base scores of CVSS vectors: first.org/cvss, "Complete Guide" 2.0 section 3.2.1, specifications 3.0 and 3.1 section
 * 7.1, 4.0 section 8. Metrics outside the base group are passed over; a metric that is there twice, or a base metric
 * that is missing, makes the vector none.
 */
#include "evidence/vulndb_private.h"

#define MAX_METRICS 12

struct metric {
	const char *name;
	const char *values;    /* a letter each */
	const double *weights; /* in the same order */
};

/* Reads "NAME:V/NAME:V…"; values[i] gets the index of metric i's value. */
static bool read_metrics(const char *s, const struct metric *m, size_t n, unsigned values[MAX_METRICS])
{
	unsigned seen = 0;

	while (*s) {
		size_t len = strcspn(s, "/"), name = strcspn(s, ":/");

		for (size_t i = 0; i < n; i++) {
			const char *v;

			if (strlen(m[i].name) != name || memcmp(s, m[i].name, name) != 0)
				continue;
			v = len == name + 2 ? strchr(m[i].values, s[name + 1]) : NULL;
			if (!v || !*v || seen & 1u << i)
				return false;
			seen |= 1u << i;
			values[i] = (unsigned)(v - m[i].values);
		}
		s += len + (s[len] == '/');
	}
	return seen == (1u << n) - 1;
}

static double weight(const struct metric *m, unsigned value)
{
	return m->weights[value];
}

/* ---------------------------------------------------------------- 3.0, 3.1 */

static const double w3_av[] = {0.85, 0.62, 0.55, 0.2}, w3_ac[] = {0.77, 0.44}, w3_ui[] = {0.85, 0.62},
		    w3_pr[] = {0.85, 0.62, 0.27}, w3_pr_changed[] = {0.85, 0.68, 0.5}, w3_cia[] = {0, 0.22, 0.56};
static const struct metric v3[] = {
	{"AV", "NALP", w3_av}, {"AC", "LH", w3_ac},  {"PR", "NLH", w3_pr}, {"UI", "NR", w3_ui},
	{"S", "UC", NULL},     {"C", "NLH", w3_cia}, {"I", "NLH", w3_cia}, {"A", "NLH", w3_cia},
};

/* Appendix A: the least number with one decimal that is not below x, in tenths, without what binary fractions leave
 * behind. */
static unsigned round_up(double x)
{
	unsigned long i = (unsigned long)(x * 100000 + 0.5);

	return (unsigned)((i + 9999) / 10000);
}

static bool score3(const char *s, unsigned *ret)
{
	unsigned v[MAX_METRICS] = {0};
	double iss, impact, exploit, sum, p15 = 1;
	bool changed;

	if (!read_metrics(s, v3, WH_ARRAY_SIZE(v3), v))
		return false;
	changed = v[4] == 1;
	iss = 1 - (1 - weight(&v3[5], v[5])) * (1 - weight(&v3[6], v[6])) * (1 - weight(&v3[7], v[7]));
	for (int i = 0; i < 15; i++)
		p15 *= iss - 0.02;
	impact = changed ? 7.52 * (iss - 0.029) - 3.25 * p15 : 6.42 * iss;
	exploit = 8.22 * weight(&v3[0], v[0]) * weight(&v3[1], v[1]) * weight(&v3[3], v[3]) *
		  (changed ? w3_pr_changed[v[2]] : w3_pr[v[2]]);
	sum = (impact + exploit) * (changed ? 1.08 : 1);
	*ret = impact <= 0 ? 0 : round_up(sum > 10 ? 10 : sum);
	return true;
}

/* ---------------------------------------------------------------- 2.0 */

static const double w2_av[] = {0.395, 0.646, 1}, w2_ac[] = {0.35, 0.61, 0.71}, w2_au[] = {0.45, 0.56, 0.704},
		    w2_cia[] = {0, 0.275, 0.66};
static const struct metric v2[] = {
	{"AV", "LAN", w2_av}, {"AC", "HML", w2_ac}, {"Au", "MSN", w2_au},
	{"C", "NPC", w2_cia}, {"I", "NPC", w2_cia}, {"A", "NPC", w2_cia},
};

static bool score2(const char *s, unsigned *ret)
{
	unsigned v[MAX_METRICS] = {0};
	double impact, exploit, score;

	if (!read_metrics(s, v2, WH_ARRAY_SIZE(v2), v))
		return false;
	impact = 10.41 * (1 - (1 - weight(&v2[3], v[3])) * (1 - weight(&v2[4], v[4])) * (1 - weight(&v2[5], v[5])));
	exploit = 20 * weight(&v2[0], v[0]) * weight(&v2[1], v[1]) * weight(&v2[2], v[2]);
	score = (0.6 * impact + 0.4 * exploit - 1.5) * (v[3] || v[4] || v[5] ? 1.176 : 0);
	*ret = score <= 0 ? 0 : (unsigned)(score * 10 + 0.5);
	return true;
}

/* ---------------------------------------------------------------- 4.0 */

/*
 * Section 8: six groups of metrics (EQ1 to EQ6) have a level each, 0 the gravest. All vectors of one set of levels
 * lie between the score of that set and the scores of those a level below in one group, and the distance of a vector
 * from the gravest of its set tells where. With base metrics alone EQ5 is 0 (exploit maturity counts as attacked) and
 * EQ6 follows from EQ3, but its other level is still a neighbour.
 */
enum { AV, AC, AT, PR, UI, VC, VI, VA, SC, SI, SA, N_V4 };
static const struct metric v4[N_V4] = {
	{"AV", "NALP", NULL}, {"AC", "LH", NULL},  {"AT", "NP", NULL},  {"PR", "NLH", NULL},
	{"UI", "NPA", NULL},  {"VC", "HLN", NULL}, {"VI", "HLN", NULL}, {"VA", "HLN", NULL},
	{"SC", "HLN", NULL},  {"SI", "HLN", NULL}, {"SA", "HLN", NULL},
};

enum { EQ36_00, EQ36_01, EQ36_10, EQ36_11, EQ36_21, N_EQ36 }; /* EQ3 and EQ6, whose levels depend on each other */
/* Scores of the sets with EQ5 = 0, in tenths: EQ1, EQ2, EQ3 with EQ6, EQ4 being 1 or 2 (0 needs an environmental
 * metric). */
static const uint8_t v4_score[3][2][N_EQ36][2] = {
	{{{100, 93}, {96, 90}, {93, 88}, {92, 80}, {79, 69}}, {{95, 92}, {91, 81}, {92, 84}, {82, 70}, {71, 63}}},
	{{{94, 87}, {89, 75}, {86, 72}, {76, 57}, {65, 53}}, {{90, 77}, {77, 66}, {74, 61}, {59, 52}, {58, 23}}},
	{{{86, 70}, {74, 54}, {72, 53}, {57, 36}, {47, 24}}, {{73, 54}, {55, 43}, {61, 46}, {51, 18}, {24, 10}}},
};

struct levels {
	unsigned eq1, eq2, eq36, eq4; /* eq4: 0 stands for level 1 */
};

static struct levels levels_of(const unsigned v[MAX_METRICS])
{
	unsigned open = !v[AV] + !v[PR] + !v[UI];
	struct levels l = {.eq2 = v[AC] || v[AT], .eq4 = v[SC] && v[SI] && v[SA]};

	l.eq1 = open == 3 ? 0 : open && v[AV] != 3 ? 1 : 2;
	l.eq36 = !v[VC] && !v[VI] ? EQ36_00 : !v[VC] || !v[VI] || !v[VA] ? EQ36_10 : EQ36_21;
	return l;
}

/* Steps from a gravest vector of the level, of which some levels have several; *ret_depth: how many there are, and
 * one more. */
static unsigned distance1(const unsigned v[MAX_METRICS], unsigned level, unsigned *ret_depth)
{
	*ret_depth = level ? 4 : 1;
	return v[AV] + v[PR] + v[UI] - level;
}

static unsigned distance36(const unsigned v[MAX_METRICS], unsigned level, unsigned *ret_depth)
{
	*ret_depth = level == EQ36_00 ? 7 : 8;
	return v[VC] + v[VI] + v[VA] - (level == EQ36_10);
}

static bool score4(const char *s, unsigned *ret)
{
	unsigned v[MAX_METRICS] = {0}, d, depth, n = 1; /* EQ5 has a level below, at no distance */
	const uint8_t(*row)[2];
	struct levels l;
	double here, part = 0;

	if (!read_metrics(s, v4, N_V4, v))
		return false;
	if (v[VC] + v[VI] + v[VA] + v[SC] + v[SI] + v[SA] == 12) {
		*ret = 0; /* no impact at all */
		return true;
	}
	l = levels_of(v);
	row = v4_score[l.eq1][l.eq2];
	here = row[l.eq36][l.eq4];
	if (l.eq1 < 2) {
		d = distance1(v, l.eq1, &depth);
		part += (here - v4_score[l.eq1 + 1][l.eq2][l.eq36][l.eq4]) * d / depth;
		n++;
	}
	if (!l.eq2)
		n++; /* level 0 is one vector */
	if (l.eq36 != EQ36_21) {
		unsigned below = l.eq36 == EQ36_10                           ? EQ36_11
				 : row[EQ36_01][l.eq4] > row[EQ36_10][l.eq4] ? EQ36_01
									     : EQ36_10;

		d = distance36(v, l.eq36, &depth);
		part += (here - row[below][l.eq4]) * d / depth;
		n++;
	}
	if (!l.eq4) {
		part += (here - row[l.eq36][1]) * (v[SC] + v[SI] + v[SA]) / 5;
		n++;
	}
	here -= part / n;
	*ret = here <= 0 ? 0 : (unsigned)(here + 0.5 + 1e-9);
	return true;
}

bool wh_cvss_score(const char *vector, unsigned *ret_tenths, unsigned *ret_version)
{
	static const struct {
		const char *prefix;
		unsigned version;
	} kinds[] = {{"CVSS:4.0/", 4}, {"CVSS:3.1/", 3}, {"CVSS:3.0/", 3}, {"AV:", 2}};
	unsigned score = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(kinds); i++) {
		const char *rest = vector + strlen(kinds[i].prefix);
		bool ok;

		if (!wh_has_prefix(vector, kinds[i].prefix))
			continue;
		ok = kinds[i].version == 4   ? score4(rest, &score)
		     : kinds[i].version == 3 ? score3(rest, &score)
					     : score2(vector, &score);
		if (!ok)
			return false;
		*ret_tenths = score;
		*ret_version = kinds[i].version;
		return true;
	}
	return false;
}

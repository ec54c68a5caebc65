/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of risk.c for people. A share that so many tests cannot show is never printed. */
#include "harden/harden.h"

#define FEW 5

/* "5 %", "0.25 %": upwards. */
static void add_share(struct wh_buf *b, int64_t parts)
{
	if (!parts)
		wh_buf_adds(b, "none so far");
	else if (parts % 100 == 0)
		wh_buf_addf(b, "%lld %%", (long long)(parts / 100));
	else if (parts < 1000)
		wh_buf_addf(b, "%lld.%02lld %%", (long long)(parts / 100), (long long)(parts % 100));
	else
		wh_buf_addf(b, "%lld.%lld %%", (long long)((parts + 9) / 100), (long long)((parts + 9) / 10 % 10));
}

void wh_risk_share(struct wh_buf *b, unsigned parts)
{
	add_share(b, parts);
}

bool wh_risk_known(const json_t *risk)
{
	return wh_json_int(risk, "tests", 0) >= FEW;
}

void wh_risk_words(const json_t *risk, bool brief, struct wh_buf *b)
{
	const json_t *first = json_array_get(json_object_get(risk, "would_break"), 0);
	int64_t tests = wh_json_int(risk, "tests", 0), broken = wh_json_int(risk, "broken", 0);

	if (tests < 2) {
		wh_buf_adds(b, "not known: no tests were told apart (by TAP on the driver's standard output, by `app "
			       "test NAME`, or as several PROFILEs)");
		return;
	}
	if (tests < FEW) {
		wh_buf_addf(b, "not known: %lld tests are too few to say anything", (long long)tests);
		return;
	}
	if (broken)
		wh_buf_addf(b, "%lld of %lld tests would have failed on what the others show: ", (long long)broken,
			    (long long)tests);
	else
		wh_buf_addf(b, "each of %lld tests would have passed on what the others show: below ", (long long)tests);
	add_share(b, wh_json_int(risk, "risk", 10000));
	if (!brief) {
		wh_buf_adds(b, ", at most ");
		add_share(b, wh_json_int(risk, "bound", 10000));
		wh_buf_adds(b, " with 95 % confidence, for a test that nobody has written yet");
	}
	if (first && wh_json_str(first, "path"))
		wh_buf_addf(b, "; %s%s%s: /%s%s", wh_json_str(first, "test") ? "\"" : "",
			    wh_json_str(first, "test") ? wh_json_str(first, "test") : "a PROFILE",
			    wh_json_str(first, "test") ? "\"" : "", wh_json_str(first, "path"), broken > 1 ? ", …" : "");
}

void wh_risk_explain(const json_t *risk, struct wh_buf *b)
{
	const json_t *unseen = json_object_get(risk, "unseen_files"), *o;
	size_t i;

	wh_buf_adds(b, "risk: ");
	wh_risk_words(risk, false, b);
	wh_buf_addc(b, '\n');
	if (wh_json_str(risk, "fallback"))
		wh_buf_addf(b, "--mode=%s was taken, as what was observed alone was above --max-risk\n", wh_json_str(risk, "fallback"));
	if (!wh_risk_known(risk))
		return;
	json_array_foreach (json_object_get(risk, "would_break"), i, o) {
		wh_buf_addf(b, "  %s would have missed /%s", wh_json_str(o, "test") ? wh_json_str(o, "test") : "a PROFILE",
			    wh_json_str(o, "path") ? wh_json_str(o, "path") : "");
		if (wh_json_int(o, "paths", 1) > 1)
			wh_buf_addf(b, " and %lld more", (long long)wh_json_int(o, "paths", 1) - 1);
		wh_buf_addc(b, '\n');
	}
	if ((int64_t)i < wh_json_int(risk, "broken", 0))
		wh_buf_addf(b, "  and %lld more tests\n", (long long)wh_json_int(risk, "broken", 0) - (long long)i);
	if (wh_json_int(risk, "grouped", 0))
		wh_buf_adds(b, "  (so many were not left out one by one: some may be told that other tests would have made good)\n");
	if (!unseen)
		return;
	wh_buf_addf(b, "files: %lld of %lld uses of files by tests were of a file that no other test used (Good-Turing): ",
		    (long long)wh_json_int(unseen, "once", 0), (long long)wh_json_int(unseen, "uses", 0));
	add_share(b, wh_json_int(unseen, "estimate", 10000));
	wh_buf_adds(b, " of the uses of an unseen test are of such files, ");
	add_share(b, wh_json_int(unseen, "bound", 10000));
	wh_buf_adds(b, " at most with 95 % confidence\n");
	wh_buf_addf(b, "       %lld of them no rule would have kept: ", (long long)wh_json_int(unseen, "outside_rules", 0));
	add_share(b, wh_json_int(unseen, "estimate_outside_rules", 10000));
	wh_buf_adds(b, ", ");
	add_share(b, wh_json_int(unseen, "bound_outside_rules", 10000));
	wh_buf_adds(b, " at most\n");
}

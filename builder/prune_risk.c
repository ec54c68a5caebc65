/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --max-risk: may it be shipped? Where what was observed is not enough, whole packages may be (--mode=package); where
 * that is not either, or where the tests cannot tell, nothing is.
 */
#include "builder/prune_private.h"

#include <errno.h>

#define WHOLE 10000

static int64_t risk_of(const json_t *risk)
{
	return wh_risk_known(risk) ? wh_json_int(risk, "risk", WHOLE) : WHOLE + 1;
}

static int refuse(const struct wh_prune *p, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf words = WH_BUF_INIT, limit = WH_BUF_INIT;
	unsigned max = p->op->max_risk;
	int64_t tests = wh_json_int(p->risk, "tests", 0), wanted = max ? (WHOLE + max - 1) / max : 0;

	wh_risk_words(p->risk, true, &words);
	wh_risk_share(&limit, max);
	wh_err_set(err, "builder", WH_ERR_GATE, EPERM, "--max-risk=%s: the risk is %s%s", limit.p,
		   wh_risk_known(p->risk) ? "above that, with --mode=package, too: " : "", words.p);
	if (tests < wanted)
		wh_err_hint(err,
			    "%lld tests cannot show less than 1 in %lld; at least %lld tests are needed for that limit, each "
			    "told by TAP, by `app test NAME` or as a PROFILE of its own",
			    (long long)(tests ? tests : 1), (long long)(tests ? tests : 1), (long long)wanted);
	else
		wh_err_hint(err, "more tests that use what these use alone, --keep=GLOB for it, or a higher limit");
	return -EPERM;
}

int wh_prune_risk(struct wh_prune *p, struct wh_tree *full, struct wh_prune_opts *o, struct wh_err **err)
{
	unsigned max = p->op->max_risk;
	int64_t observed;
	int r = wh_risk_estimate(full, o, &p->risk, err);

	if (r < 0 || max == WH_NO_LIMIT)
		return r;
	observed = risk_of(p->risk);
	if (observed > max && wh_risk_known(p->risk) && !o->package_mode) {
		json_decref(WH_TAKE_PTR(p->risk));
		o->package_mode = true;
		r = wh_risk_estimate(full, o, &p->risk, err);
		if (r < 0)
			return r;
		json_object_set_new(p->risk, "fallback", json_string("package"));
		json_object_set_new(p->risk, "observed_risk", json_integer(observed));
		p->fallback = true;
	}
	json_object_set_new(p->risk, "max_risk", json_integer(max));
	return risk_of(p->risk) > max ? refuse(p, err) : 0;
}

void wh_prune_say_risk(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	WH_AUTO_BUF struct wh_buf words = WH_BUF_INIT;

	if (!p->risk || p->risk_said)
		return;
	p->risk_said = true;
	wh_risk_words(p->risk, false, &words);
	wh_node_say(n, "risk: %s", words.p);
	if (p->fallback) {
		WH_AUTO_BUF struct wh_buf was = WH_BUF_INIT, limit = WH_BUF_INIT;

		wh_risk_share(&was, (unsigned)wh_json_int(p->risk, "observed_risk", WHOLE));
		wh_risk_share(&limit, p->op->max_risk);
		wh_node_say(n, "of what was observed alone it was %s, more than --max-risk=%s: whole packages are kept (--mode=package)",
			     was.p, limit.p);
	}
}

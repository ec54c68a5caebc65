/* SPDX-License-Identifier: Apache-2.0 */
/* EXPOSE: [ip:][host port:]port[-port][/protocol]. Only the container's side counts; the rest must make sense. */
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>

static int bad(struct wh_err **err, const char *what, struct wh_str s)
{
	WH_AUTO_FREE char *word = wh_strndup(s.p, s.n);

	return wh_usage_word(err, word, "invalid %s: %s", what, word);
}

/* What is wrong with a number of a port, or two. */
static int bad_port(struct wh_err **err, const char *what, struct wh_str s, const char *spec)
{
	const char *dash = s.n ? memchr(s.p, '-', s.n) : NULL;

	bad(err, what, s);
	wh_err_within(err, spec);
	wh_err_expect(err, "a number from 0 to 65535, or a range like 8000-8010");
	if (dash && strspn(s.p, "0123456789-") >= s.n)
		wh_err_hint(err, "a range goes from the smaller number to the larger");
	else if (memchr(s.p, ',', s.n))
		wh_err_hint(err, "ports are separated by blanks: EXPOSE 80 443");
	return -EINVAL;
}

static bool number(struct wh_str s, unsigned *ret)
{
	unsigned v = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || v > 65535)
			return false;
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	*ret = v;
	return s.n > 0 && v <= 65535;
}

static bool range(struct wh_str s, unsigned *first, unsigned *last)
{
	const char *dash = s.n ? memchr(s.p, '-', s.n) : NULL;
	size_t n = dash ? (size_t)(dash - s.p) : s.n;

	if (!number((struct wh_str){s.p, n}, first))
		return false;
	*last = *first;
	return !dash || (number((struct wh_str){dash + 1, s.n - n - 1}, last) && *last >= *first);
}

static bool address_ok(struct wh_str s)
{
	WH_AUTO_FREE char *text = NULL;
	unsigned char raw[16];

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = (struct wh_str){s.p + 1, s.n - 2};
	text = wh_strndup(s.p, s.n);
	return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

/* Cuts off what stands behind the last ':'. */
static struct wh_str behind_colon(struct wh_str *s)
{
	struct wh_str tail = {s->p + s->n, 0};

	while (s->n && s->p[s->n - 1] != ':') {
		s->n--;
		tail.p--;
		tail.n++;
	}
	if (s->n)
		s->n--;
	return tail;
}

int wh_ports_parse(const char *spec, struct wh_strv *out, struct wh_err **err)
{
	static const char *const protocols[] = {"tcp", "udp", "sctp"};
	struct wh_str rest = wh_str(spec), port, host = {0}, proto = WH_STR("tcp");
	bool has_host = strchr(spec, ':') != NULL;
	unsigned first, last, host_first, host_last, i;
	const char *slash;

	port = behind_colon(&rest);
	if (has_host)
		host = behind_colon(&rest);
	slash = port.n ? memchr(port.p, '/', port.n) : NULL;
	if (slash) {
		proto = (struct wh_str){slash + 1, port.n - (size_t)(slash - port.p) - 1};
		port.n = (size_t)(slash - port.p);
		if (!proto.n)
			proto = WH_STR("tcp");
	}
	if (!port.n) {
		if (*spec)
			wh_usage_word(err, spec, "invalid port: \"%s\": no port specified", spec);
		else
			wh_usage_end(err, "invalid port: \"%s\": no port specified", spec);
		wh_err_expect(err, "PORT, PORT-PORT or PORT/PROTOCOL, like 80, 8000-8010 or 53/udp");
		if (!*spec || *spec == '/')
			wh_err_hint(err, "a variable that is not set leaves nothing");
		return -EINVAL;
	}
	for (i = 0; i < WH_ARRAY_SIZE(protocols) && !wh_str_ieq(proto, protocols[i]); i++)
		;
	if (i == WH_ARRAY_SIZE(protocols)) {
		bad(err, "proto", proto);
		wh_err_wrap(err, "invalid port: \"%s\"", spec);
		wh_err_within(err, spec);
		{
			WH_AUTO_FREE char *word = wh_strndup(proto.p, proto.n);

			wh_usage_near(err, word, protocols, WH_ARRAY_SIZE(protocols), "");
		}
		return -EINVAL;
	}
	if (rest.n && !address_ok(rest))
		return bad(err, "IP address", rest);
	if (!range(port, &first, &last))
		return bad_port(err, "containerPort", port, spec);
	if (host.n && !range(host, &host_first, &host_last))
		return bad_port(err, "hostPort", host, spec);
	if (host.n && last != first && last - first != host_last - host_first)
		return wh_usage_word(err, spec, "invalid ranges specified for container and host ports: %s", spec);
	for (; first <= last; first++)
		wh_strv_addf(out, "%u/%s", first, protocols[i]);
	return 0;
}

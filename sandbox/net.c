/* SPDX-License-Identifier: Apache-2.0 */
/* A step's view of the network: names and the loopback interface. */
#include "sandbox/net.h"
#include "sandbox/step.h"

#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MAX_RESOLV ((size_t)256 * 1024)

int wh_net_hosts(const struct wh_step *s, struct wh_buf *out, struct wh_err **err)
{
	wh_buf_addf(out, "127.0.0.1\tlocalhost%s%s\n", s->hostname && *s->hostname ? " " : "",
		    s->hostname ? s->hostname : "");
	wh_buf_adds(out, "::1\tlocalhost ip6-localhost ip6-loopback\n"
			 "fe00::0\tip6-localnet\n"
			 "ff00::0\tip6-mcastprefix\n"
			 "ff02::1\tip6-allnodes\n"
			 "ff02::2\tip6-allrouters\n");
	for (size_t i = 0; s->extra_hosts && s->extra_hosts[i]; i++) {
		const char *text = s->extra_hosts[i];
		const char *colon = strpbrk(text, ":="); /* the first: an IPv6 address has more */

		if (!colon || colon == text || !colon[1] || strpbrk(text, " \t\r\n"))
			return wh_err_set(err, "sandbox", WH_ERR_USAGE, EINVAL, "extra host \"%s\" is not NAME:IP",
					  text);
		wh_buf_addf(out, "%s\t%.*s\n", colon + 1, (int)(colon - text), text);
	}
	return 0;
}

static bool is_loopback_line(struct wh_str line)
{
	struct wh_str rest;

	line = wh_str_trim(line);
	if (line.n < 11 || memcmp(line.p, "nameserver", 10) != 0 || (line.p[10] != ' ' && line.p[10] != '\t'))
		return false;
	rest = wh_str_trim((struct wh_str){line.p + 10, line.n - 10});
	return (rest.n >= 4 && memcmp(rest.p, "127.", 4) == 0) || wh_str_eq(rest, "::1");
}

/* Copies the text without nameservers that are out of reach in a private network; returns how many nameservers stay. */
static unsigned without_loopback(struct wh_str text, struct wh_buf *out)
{
	unsigned kept = 0;

	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		struct wh_str line = {text.p, end ? (size_t)(end - text.p) : text.n};

		text.p += line.n + (end ? 1 : 0);
		text.n -= line.n + (end ? 1 : 0);
		if (is_loopback_line(line))
			continue;
		if (line.n > 10 && memcmp(line.p, "nameserver", 10) == 0)
			kept++;
		wh_buf_addstr(out, line);
		wh_buf_addc(out, '\n');
	}
	return kept;
}

int wh_net_resolv(const struct wh_step *s, struct wh_buf *out, struct wh_err **err)
{
	/* systemd-resolved: the first names only its stub on loopback, the second what the stub asks. */
	static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
	int r = 0;

	if (s->resolv_conf) {
		wh_buf_adds(out, s->resolv_conf);
		return 0;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(files); i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

		r = wh_read_file(AT_FDCWD, files[i], MAX_RESOLV, &text);
		if (r < 0)
			continue;
		if (s->net == WH_SANDBOX_NET_HOST) {
			wh_buf_add(out, text.p, text.n);
			return 0;
		}
		wh_buf_reset(out);
		if (without_loopback((struct wh_str){text.p, text.n}, out) > 0)
			return 0;
	}
	if (r < 0 && r != -ENOENT)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "read the host's resolv.conf");
	/* Only loopback resolvers: the private network's helper forwards this address to them. */
	if (s->net == WH_SANDBOX_NET_USER)
		wh_buf_adds(out, "nameserver " WH_NET_DNS "\n");
	return 0;
}

int wh_net_loopback(struct wh_err **err)
{
	WH_AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "find the loopback interface");
	req.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "bring the loopback interface up");
	return 0;
}

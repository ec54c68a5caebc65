/* SPDX-License-Identifier: Apache-2.0 */
/* A step's view of the network: names and the loopback interface. */
#include "sandbox/net.h"
#include "sandbox/step.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MAX_RESOLV ((size_t)256 * 1024)
#define NET_WAIT_NS ((uint64_t)20 * 1000000000)

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

static bool is_nameserver(struct wh_str line, bool loopback_only)
{
	struct wh_str rest;

	line = wh_str_trim(line);
	if (line.n < 11 || memcmp(line.p, "nameserver", 10) != 0 || (line.p[10] != ' ' && line.p[10] != '\t'))
		return false;
	rest = wh_str_trim((struct wh_str){line.p + 10, line.n - 10});
	return !loopback_only || (rest.n >= 4 && memcmp(rest.p, "127.", 4) == 0) || wh_str_eq(rest, "::1");
}

/* Copies the text without its nameservers, or without those that a namespace of its own cannot reach. */
static void without_nameservers(struct wh_str text, bool loopback_only, struct wh_buf *out)
{
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		struct wh_str line = {text.p, end ? (size_t)(end - text.p) : text.n};

		text.p += line.n + (end ? 1 : 0);
		text.n -= line.n + (end ? 1 : 0);
		if (is_nameserver(line, loopback_only))
			continue;
		wh_buf_addstr(out, line);
		wh_buf_addc(out, '\n');
	}
}

int wh_net_resolv(const struct wh_step *s, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r;

	if (s->resolv_conf) {
		wh_buf_adds(out, s->resolv_conf);
		return 0;
	}
	r = wh_read_file(AT_FDCWD, "/etc/resolv.conf", MAX_RESOLV, &text);
	if (r < 0 && r != -ENOENT)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "read the host's resolv.conf");
	if (s->net == WH_SANDBOX_NET_HOST) {
		wh_buf_add(out, text.p, text.n);
		return 0;
	}
	/* The helper asks the host's nameserver, wherever that is. Naming that one itself would not do: pasta
	 * answers under the forwarding address. */
	if (s->net == WH_SANDBOX_NET_USER)
		wh_buf_adds(out, "nameserver " WH_NET_DNS "\n");
	without_nameservers((struct wh_str){text.p, text.n}, s->net != WH_SANDBOX_NET_USER, out);
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

void wh_net_open_ports(void)
{
	static const char *const switches[][2] = {
		{"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
		{"/proc/sys/net/ipv4/ping_group_range", "0 65535"},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(switches); i++) {
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, switches[i][0], O_WRONLY, 0);

		if (fd >= 0)
			wh_write_all(fd, switches[i][1], strlen(switches[i][1]));
	}
}

/* Text of /proc/net: is there a default route that leads out? */
static bool has_route(const char *path, bool v6)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	char *save = NULL;

	if (wh_read_file(AT_FDCWD, path, MAX_RESOLV, &text) < 0 || !text.n)
		return false;
	for (char *line = strtok_r(text.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		/* IPv4: interface, destination, …; IPv6: destination, prefix length, …, interface (the last column). */
		if (v6 ? wh_has_prefix(line, "00000000000000000000000000000000 00 ") && !wh_has_suffix(line, " lo")
		       : strstr(line, "\t00000000\t") != NULL && !wh_has_prefix(line, "lo\t"))
			return true;
	}
	return false;
}

int wh_net_wait(int go_fd, struct wh_err **err)
{
	const uint64_t end = wh_now_ns() + NET_WAIT_NS;

	/* Asked of the kernel rather than of the helper: its ways to say "ready" differ by program and version. */
	while (!has_route("/proc/net/route", false) && !has_route("/proc/net/ipv6_route", true)) {
		struct pollfd p = {go_fd, 0, 0};

		/* The launcher closes the other end when the helper has died. */
		if (poll(&p, 1, 2) > 0 || wh_now_ns() > end)
			return wh_err_set(err, "sandbox", WH_ERR_ENV, ENETDOWN,
					  "the step's private network did not come up");
	}
	return 0;
}

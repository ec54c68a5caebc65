/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/report.h"

void wh_report(int fd, enum wh_report_kind kind, const struct wh_buf *body)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_u8(&b, (uint8_t)kind);
	wh_buf_lbytes(&b, body->p, body->n);
	wh_write_all(fd, b.p, b.n);
}

void wh_report_read(struct wh_str records, struct wh_report *ret)
{
	struct wh_wire all = {records.p, records.n, false};

	*ret = (struct wh_report){0};
	while (all.n && !all.bad) {
		uint8_t kind = wh_wire_u8(&all);
		struct wh_str body = wh_wire_bytes(&all);
		struct wh_wire w = {body.p, body.n, all.bad};
		struct wh_stub_made made;

		if (kind == WH_REPORT_BASE) {
			free(ret->made.base);
			ret->made.base = wh_wire_str(&w);
		} else if (kind == WH_REPORT_MADE) {
			if (wh_stub_read(&w, &made))
				WH_PUSH(ret->made.v, ret->made.n, ret->made.cap) = made;
			else
				free(made.path);
		} else if (kind == WH_REPORT_START) {
			ret->start_ns = wh_wire_u64(&w);
			ret->root_mount = wh_wire_u64(&w);
			ret->started = !w.bad;
		} else if (kind == WH_REPORT_ERROR) {
			ret->status = wh_wire_u32(&w);
			wh_err_freep(&ret->err);
			ret->err = wh_wire_err(&w);
		} else if (kind == WH_REPORT_END) {
			ret->end_code = (int)wh_wire_u32(&w);
			ret->end_status = (int)wh_wire_u32(&w);
			ret->end_ns = wh_wire_u64(&w);
			ret->ended = !w.bad;
		}
	}
}

void wh_report_release(struct wh_report *r)
{
	wh_stub_list_release(&r->made);
	wh_err_freep(&r->err);
}

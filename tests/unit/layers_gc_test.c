/* SPDX-License-Identifier: Apache-2.0 */
/* The gc: what needs what, what goes by which policy, what living processes keep. */
#include "layers/gc_private.h"
#include "layers/image_private.h"

#include <dirent.h>
#include <errno.h>
#include <time.h>

#include "tests/unit/layers_helper.h"

#define DAY 86400

struct made {
	struct wh_layer layer[4];
	struct wh_digest manifest[3];
};

static void path_of(const struct bed *bed, char **ret)
{
	*ret = wh_asprintf("%s/store", bed->dir);
}

static void image(struct wh_store *s, struct wh_layer *layers, size_t n, const char *name, struct wh_digest *ret)
{
	struct wh_image i = {.config = json_pack("{s:s, s:s}", "architecture", "amd64", "os", "linux"),
			     .layers = layers,
			     .n_layers = n};
	struct wh_err *err = NULL;

	assert_ok(wh_image_write(s, &i, &err), err);
	if (name)
		assert_ok(wh_store_tag(s, name, &i, &err), err);
	*ret = i.manifest;
	json_decref(i.config);
}

/* Layers 0 to 3; image 0, "named", has layers 0 and 1; image 1, without a name, 1 and 2. The store is closed. */
static void make(struct bed *bed, struct made *m)
{
	static const char *const specs[] = {"f a 644 aaaa", "f b 644 bbbb", "f c 644 cccc", "f d 644 dddd"};
	struct wh_err *err = NULL;

	bed_open(bed);
	for (size_t i = 0; i < 4; i++) {
		layer_of(bed->store, specs[i], &m->layer[i]);
		assert_ok(wh_snapshot_ensure(bed->store, &m->layer[i], &err), err);
	}
	image(bed->store, m->layer, 2, "named", &m->manifest[0]);
	image(bed->store, m->layer + 1, 2, NULL, &m->manifest[1]);
	wh_store_close(WH_TAKE_PTR(bed->store));
}

static void end(struct bed *bed, struct made *m)
{
	for (size_t i = 0; i < 4; i++)
		wh_layer_release(&m->layer[i]);
	assert_int_equal(wh_rm_rf(AT_FDCWD, bed->dir), 0);
	free(bed->dir);
}

/* Everything that has a time of use of its own was used so long ago. */
static void age(const struct bed *bed, int64_t seconds)
{
	static const char *const dirs[] = {"blobs/sha256", "variants", "index"};
	const struct timespec ts = {.tv_sec = time(NULL) - seconds}, both[2] = {ts, ts};

	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/store/%s", bed->dir, dirs[i]);
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
		struct dirent **v = NULL;
		int n = scandirat(fd, ".", &v, NULL, NULL);

		for (int k = 0; k < n; k++) {
			if (v[k]->d_name[0] != '.')
				assert_int_equal(utimensat(fd, v[k]->d_name, both, 0), 0);
			free(v[k]);
		}
		free(v);
	}
}

static void set_time(const struct bed *bed, const char *dir, const struct wh_digest *d, int64_t when)
{
	const struct timespec ts = {.tv_sec = when}, both[2] = {ts, ts};
	char hex[65];
	WH_AUTO_FREE char *path = wh_asprintf("%s/store/%s/%s", bed->dir, dir, wh_digest_hex(d, hex));

	assert_int_equal(utimensat(AT_FDCWD, path, both, 0), 0);
}

static struct wh_gc *look(const struct bed *bed, bool change, const struct wh_gc_record *recs, size_t n)
{
	WH_AUTO_FREE char *path = NULL;
	struct wh_err *err = NULL;
	struct wh_gc *g = NULL;

	path_of(bed, &path);
	assert_ok(wh_gc_open(path, change, &g, &err), err);
	assert_ok(wh_gc_begin(g, &err), err);
	for (size_t i = 0; i < n; i++)
		wh_gc_add_record(g, &recs[i]);
	assert_ok(wh_gc_scan(g, &err), err);
	return g;
}

/* The clock of leases goes by ticks: what follows is later than what was. */
static void tick(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static bool goes(struct wh_gc *g, const struct wh_digest *d)
{
	const struct wh_gc_thing *t = wh_gc_blob(g, d);

	assert_non_null(t);
	return t->goes;
}

static bool snapshot_goes(struct wh_gc *g, const struct wh_layer *l)
{
	for (size_t i = 0; i < g->n_diffs; i++)
		if (wh_digest_eq(&g->diff_at[i]->id, &l->diff_id))
			return g->things[g->diff_at[i]->snapshot]->goes;
	fail_msg("no such snapshot");
	return false;
}

static int forget(void *arg, const struct wh_digest *keys, size_t n, struct wh_err **err)
{
	(void)keys;
	(void)err;
	*(size_t *)arg += n;
	return 0;
}

/* Layers 2 and 3 belong to records; which blobs go? 'x' goes, '.' stays, in the order layers, manifests. */
static const struct {
	const char *what;
	int64_t age_of_all, age_of_image, age_of_record[2];
	struct wh_gc_policy policy;
	const char *blobs, *snapshots;
} policy_rows[] = {
	{"young things stay",
	 0,
	 0,
	 {0, 0},
	 {.age = DAY},
	 "...."
	 "..",
	 "...."},
	{"old things go but for names",
	 9 * DAY,
	 9 * DAY,
	 {9 * DAY, 9 * DAY},
	 {.age = DAY},
	 "..xx"
	 ".x",
	 "xxxx"},
	{"of two days, not those of one",
	 36 * 3600,
	 36 * 3600,
	 {36 * 3600, 36 * 3600},
	 {.age = 2 * DAY},
	 "...."
	 "..",
	 "...."},
	{"a record that was used keeps its layer",
	 9 * DAY,
	 9 * DAY,
	 {0, 9 * DAY},
	 {.age = DAY},
	 "...x"
	 ".x",
	 "xxxx"},
	{"an image that was used keeps its layers",
	 9 * DAY,
	 0,
	 {9 * DAY, 9 * DAY},
	 {.age = DAY},
	 "...x"
	 "..",
	 "xxxx"},
	{"all is all but names",
	 60,
	 60,
	 {60, 60},
	 {0},
	 "..xx"
	 ".x",
	 "xxxx"},
	{"what fits stays",
	 9 * DAY,
	 9 * DAY,
	 {9 * DAY, 9 * DAY},
	 {.by_size = true, .keep = 1 << 30},
	 "...."
	 "..",
	 "...."},
	{"nothing fits",
	 9 * DAY,
	 9 * DAY,
	 {9 * DAY, 9 * DAY},
	 {.by_size = true},
	 "..xx"
	 ".x",
	 "xxxx"},
	{"nothing fits, but it is young",
	 60,
	 60,
	 {60, 60},
	 {.by_size = true, .age = DAY},
	 "...."
	 "..",
	 "...."},
	{"what was used in the future is not old",
	 -9 * DAY,
	 -9 * DAY,
	 {-9 * DAY, -9 * DAY},
	 {.age = DAY},
	 "...."
	 "..",
	 "...."},
	{"and goes with all",
	 -9 * DAY,
	 -9 * DAY,
	 {-9 * DAY, -9 * DAY},
	 {0},
	 "..xx"
	 ".x",
	 "xxxx"},
};

static void policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(policy_rows); i++) {
		char blobs[7] = "......", snapshots[5] = "....";
		int64_t now = time(NULL);
		struct wh_gc_record r[2];
		struct wh_gc *g;
		struct made m;
		struct bed bed;

		make(&bed, &m);
		age(&bed, policy_rows[i].age_of_all);
		set_time(&bed, "blobs/sha256", &m.manifest[1], now - policy_rows[i].age_of_image);
		for (size_t k = 0; k < 2; k++)
			r[k] = (struct wh_gc_record){.key = m.layer[2 + k].diff_id,
						     .blobs = &m.layer[2 + k].blob,
						     .n_blobs = 1,
						     .used = now - policy_rows[i].age_of_record[k]};
		g = look(&bed, false, r, 2);
		wh_gc_decide(g, &policy_rows[i].policy);
		for (size_t k = 0; k < 4; k++) {
			blobs[k] = goes(g, &m.layer[k].blob) ? 'x' : '.';
			snapshots[k] = snapshot_goes(g, &m.layer[k]) ? 'x' : '.';
		}
		for (size_t k = 0; k < 2; k++)
			blobs[4 + k] = goes(g, &m.manifest[k]) ? 'x' : '.';
		if (!wh_streq(blobs, policy_rows[i].blobs) || !wh_streq(snapshots, policy_rows[i].snapshots))
			fail_msg("%s: blobs %s, snapshots %s", policy_rows[i].what, blobs, snapshots);
		wh_gc_free(g);
		end(&bed, &m);
	}
}

/* What nobody needs goes whatever the policy; what is named by its diff id goes along. */
static void orphans(void **state)
{
	struct wh_gc_sum there, gone;
	struct wh_err *err = NULL;
	struct wh_gc *g;
	struct made m;
	struct bed bed;
	size_t n = 0;

	(void)state;
	make(&bed, &m);
	age(&bed, 60);
	g = look(&bed, true, NULL, 0);
	wh_gc_decide(g, &(struct wh_gc_policy){.age = DAY});
	assert_true(goes(g, &m.layer[3].blob));
	assert_true(snapshot_goes(g, &m.layer[3]));
	assert_false(goes(g, &m.layer[2].blob));
	wh_gc_sums(g, &there, &gone);
	assert_int_equal(gone.kinds[WH_GC_LAYERS].items, 1);
	assert_int_equal(gone.kinds[WH_GC_SNAPSHOTS].items, 1);
	assert_int_equal(there.kinds[WH_GC_IMAGES].items, 1);
	assert_ok(wh_gc_run(g, forget, &n, &err), err);
	wh_gc_sums(g, &there, &gone);
	assert_int_equal(gone.kinds[WH_GC_LAYERS].items, 1);
	assert_int_equal(n, 0);
	wh_gc_free(g);
	g = look(&bed, false, NULL, 0);
	assert_null(wh_gc_blob(g, &m.layer[3].blob));
	wh_gc_free(g);
	end(&bed, &m);
}

/* A process that lives keeps what it asked for, and nothing else. */
static void living(void **state)
{
	WH_AUTO_FREE char *path = NULL;
	struct wh_err *err = NULL;
	struct wh_store *s = NULL;
	struct wh_gc *g;
	struct made m;
	struct bed bed;
	size_t n = 0;

	(void)state;
	make(&bed, &m);
	age(&bed, 60);
	path_of(&bed, &path);
	assert_ok(wh_store_open(path, &s, &err), err);
	assert_true(wh_blob_has(s, &m.layer[3].blob, NULL));
	assert_ok(wh_snapshot_ensure(s, &m.layer[2], &err), err);
	tick();
	g = look(&bed, true, NULL, 0);
	wh_gc_decide(g, &(struct wh_gc_policy){0});
	assert_false(goes(g, &m.layer[3].blob));
	assert_true(snapshot_goes(g, &m.layer[3])); /* the blob alone was asked for */
	assert_false(snapshot_goes(g, &m.layer[2]));
	assert_true(goes(g, &m.manifest[1]));
	assert_true(snapshot_goes(g, &m.layer[0]));
	/* What is asked for after the decision stays, too. */
	assert_true(wh_blob_has(s, &m.manifest[1], NULL));
	assert_ok(wh_snapshot_ensure(s, &m.layer[0], &err), err);
	assert_ok(wh_gc_run(g, forget, &n, &err), err);
	wh_gc_free(g);
	assert_true(wh_blob_has(s, &m.manifest[1], NULL));
	assert_true(wh_blob_has(s, &m.layer[3].blob, NULL));
	g = look(&bed, false, NULL, 0);
	for (size_t i = 0; i < g->n_diffs; i++)
		assert_int_equal(g->diff_at[i]->snapshot != WH_GC_NONE,
				 wh_digest_eq(&g->diff_at[i]->id, &m.layer[0].diff_id) ||
					 wh_digest_eq(&g->diff_at[i]->id, &m.layer[2].diff_id));
	wh_gc_free(g);
	wh_store_close(s);
	/* With its end that ends. */
	age(&bed, 60);
	g = look(&bed, false, NULL, 0);
	wh_gc_decide(g, &(struct wh_gc_policy){0});
	assert_true(goes(g, &m.layer[3].blob));
	wh_gc_free(g);
	end(&bed, &m);
}

/* The clock is set back while a process lives: what it asks for afterwards is as young as its lease. */
static void clock_set_back(void **state)
{
	const struct timespec ahead = {.tv_sec = time(NULL) + 3600}, both[2] = {ahead, ahead};
	WH_AUTO_FREE char *path = NULL;
	struct wh_err *err = NULL;
	struct wh_store *s = NULL;
	struct wh_gc *g;
	struct made m;
	struct bed bed;

	(void)state;
	make(&bed, &m);
	age(&bed, 60);
	path_of(&bed, &path);
	assert_ok(wh_store_open(path, &s, &err), err);
	assert_int_equal(futimens(s->lease.lock_fd, both), 0); /* it began in an hour, as the clock has it now */
	s->lease.began = ahead;
	assert_true(wh_blob_has(s, &m.layer[3].blob, NULL));
	tick();
	g = look(&bed, false, NULL, 0);
	assert_int_equal(g->lives.n, 1);
	wh_gc_decide(g, &(struct wh_gc_policy){0});
	assert_false(goes(g, &m.layer[3].blob));
	assert_true(goes(g, &m.layer[2].blob));
	wh_gc_free(g);
	wh_store_close(s);
	end(&bed, &m);
}

/* Each inode counts once; a thing that shares one frees it with its last name. */
static void shared_inodes(void **state)
{
	struct wh_gc_sum there, gone;
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_FD int root = -1;
	char a[65], b[65];
	struct stat st;
	struct bed bed;
	struct wh_gc *g;

	(void)state;
	bed_open(&bed);
	wh_store_close(WH_TAKE_PTR(bed.store));
	path_of(&bed, &path);
	root = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	memset(a, 'a', 64);
	memset(b, 'b', 64);
	a[64] = b[64] = 0;
	for (size_t i = 0; i < 20000; i++)
		wh_buf_addc(&text, (char)('a' + i % 26));
	{
		WH_AUTO_FREE char *file = wh_asprintf("sources/files/%s", a);
		WH_AUTO_FREE char *dir = wh_asprintf("sources/trees/%s/t", b);
		WH_AUTO_FREE char *link = wh_asprintf("sources/trees/%s/t/file", b);

		assert_int_equal(wh_mkdir_p(root, "sources/files", 0700), 0);
		assert_int_equal(wh_mkdir_p(root, dir, 0700), 0);
		assert_int_equal(wh_write_file_atomic(root, file, text.p, text.n, 0600, false), 0);
		assert_int_equal(linkat(root, file, root, link, 0), 0);
		assert_int_equal(fstatat(root, file, &st, 0), 0);
	}
	age(&bed, 60);
	g = look(&bed, false, NULL, 0);
	g->began = INT64_MAX; /* as if all had been there long before */
	wh_gc_sums(g, &there, &gone);
	assert_int_equal(there.kinds[WH_GC_SOURCES].items, 2);
	wh_gc_decide(g, &(struct wh_gc_policy){0});
	wh_gc_sums(g, &there, &gone);
	assert_int_equal(gone.kinds[WH_GC_SOURCES].bytes, there.kinds[WH_GC_SOURCES].bytes);
	assert_true(there.kinds[WH_GC_SOURCES].bytes >= st.st_blocks * 512 &&
		    there.kinds[WH_GC_SOURCES].bytes < 2 * st.st_blocks * 512);
	wh_gc_free(g);
	assert_int_equal(wh_rm_rf(AT_FDCWD, bed.dir), 0);
	free(bed.dir);
}

/* A tree deeper than there are descriptors to spare, and than any path is long. */
static void deep(void **state)
{
	WH_AUTO_FREE char *name = wh_malloc(256);
	struct wh_gc_sum there;
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_FD int fd = -1;
	struct bed bed;
	struct wh_gc *g;
	struct stat st;
	int64_t blocks = 0;

	(void)state;
	bed_open(&bed);
	wh_store_close(WH_TAKE_PTR(bed.store));
	path = wh_asprintf("%s/store/snapshots", bed.dir);
	fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	memset(name, 'c', 255);
	name[255] = 0;
	for (int i = 0; i < 400; i++) {
		const char *n = i ? name : "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
		int below;

		assert_int_equal(mkdirat(fd, n, 0700), 0);
		below = wh_openat(fd, n, O_RDONLY | O_DIRECTORY, 0);
		close(fd);
		fd = below;
		assert_int_equal(fstat(fd, &st), 0);
		blocks += st.st_blocks * 512;
	}
	g = look(&bed, false, NULL, 0);
	wh_gc_sums(g, &there, NULL);
	assert_int_equal(there.kinds[WH_GC_SNAPSHOTS].bytes, blocks);
	assert_int_equal(wh_gc_unseen(g)->n, 0);
	wh_gc_free(g);
	assert_int_equal(wh_rm_rf(AT_FDCWD, bed.dir), 0);
	free(bed.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies),       cmocka_unit_test(orphans),       cmocka_unit_test(living),
		cmocka_unit_test(clock_set_back), cmocka_unit_test(shared_inodes), cmocka_unit_test(deep),
	};

	become_root();
	return cmocka_run_group_tests_name("layers_gc", tests, NULL, NULL);
}

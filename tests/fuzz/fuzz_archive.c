/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an archive of images (whittle load). What is accepted is whole: every image has a config and layers that are in the store
 * under the digests that they have, as many as its config has diff ids, and names that are names.
 */
#include "layers/layers.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static char dir[] = "/tmp/whittle-fuzz-archive-XXXXXX";
static struct wh_store *store;

static void clean_up(void)
{
	wh_store_close(store);
	(void)wh_rm_rf(AT_FDCWD, dir);
}

static void check_image(const struct wh_image *i)
{
	uint64_t size;

	for (size_t k = 0; k < i->n_parts; k++)
		check_image(&i->parts[k]);
	must(wh_blob_has(store, &i->manifest, &size) && size == i->manifest_size);
	if (wh_image_is_index(i))
		return;
	must(i->config && wh_blob_has(store, &i->config_digest, &size));
	must(json_array_size(json_object_get(json_object_get(i->config, "rootfs"), "diff_ids")) == i->n_layers);
	for (size_t k = 0; k < i->n_layers; k++)
		must(wh_blob_has(store, &i->layers[k].blob, &size) && size == i->layers[k].blob_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FD int fd = memfd_create("archive", MFD_CLOEXEC);
	struct wh_loaded *v = NULL;
	size_t n = 0;

	must(fd >= 0 && wh_write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	if (!store) {
		must(mkdtemp(dir) && wh_store_open(dir, &store, &err) == 0);
		atexit(clean_up);
	}
	if (wh_archive_load(store, fd, "input", NULL, &v, &n, &err) < 0) {
		must(err != NULL && !v);
		return 0;
	}
	must(n > 0);
	for (size_t i = 0; i < n; i++) {
		check_image(&v[i].image);
		for (size_t k = 0; k < v[i].names.n; k++) {
			WH_AUTO_FREE char *full = NULL;

			must(wh_reference_normalize(v[i].names.v[k], &full, &err) == 0 && wh_streq(full, v[i].names.v[k]));
		}
	}
	wh_loaded_free(v, n);
	return 0;
}

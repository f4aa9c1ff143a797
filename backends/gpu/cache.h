/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_CACHE_H
#define GPU_CACHE_H
/**
 * Built programs on disk, one file each, named by a hash of source, options, device and driver, all of which the file
 * repeats in full: magic, sizes, key, binary, checksum. A file that is damaged or of another key is not there.
 *
 * Thread   [any]; files are written aside and renamed
 */
#include <stdbool.h>
#include <stddef.h>

struct gpu_cache { char folder[512]; }; /* folder "": no cache */

/** What a program was built from. */
struct gpu_cache_key {
    const void *source;
    size_t n_source;
    const char *options, *device, *driver;
};

/**
 * option  auto ($XDG_CACHE_HOME/llmserve/NAME or ~/.cache/llmserve/NAME, and nowhere for processors, whose drivers keep
 *         them), no, or an absolute folder. It is made; where it cannot be, there is no cache
 */
void gpu_cache_init(struct gpu_cache *c, const char *name, const char *option, bool is_processor);

/** The binary; NULL when it is not there. The caller frees it. */
unsigned char *gpu_cache_read(const struct gpu_cache *c, const struct gpu_cache_key *key, size_t *out_n);

/** Keep a binary. Failure is silence: the next start builds again. */
void gpu_cache_write(const struct gpu_cache *c, const struct gpu_cache_key *key, const unsigned char *binary, size_t n);

/** Was a program, by source and options, kept as known to be right on this device? (gpu_driver_call.known) */
bool gpu_cache_known(const struct gpu_cache *c, const char *device, const char *driver, const char *source, const char *options);
void gpu_cache_keep_known(const struct gpu_cache *c, const char *device, const char *driver, const char *source, const char *options);
#endif

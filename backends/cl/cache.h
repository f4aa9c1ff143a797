/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_CACHE_H
#define CL_CACHE_H
/**
 * Built programs on disk, one file each, named by a hash of source, options, device and driver, all of which the file
 * repeats in full: magic, sizes, key, binary, checksum. A file that is damaged or of another key is not there.
 *
 * Thread   [any]; files are written aside and renamed
 */
#include "backends/cl/api.h"

struct cl_cache { char folder[512]; }; /* folder "": no cache */

/** What a program was built from. */
struct cl_cache_key { const char *source, *options, *device, *driver; };

/** Where `option` (option.h) says; makes the folder. A folder that cannot be made is no cache. */
void cl_cache_init(struct cl_cache *c, const char *option, int is_processor);

/** The binary; NULL when it is not there. The caller frees it. */
unsigned char *cl_cache_read(const struct cl_cache *c, const struct cl_cache_key *key, size_t *out_n);

/** Keep a binary. Failure is silence: the next start builds again. */
void cl_cache_write(const struct cl_cache *c, const struct cl_cache_key *key, const unsigned char *binary, size_t n);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_MAP_H
#define LM_MODEL_MAP_H
/**
 * A regular file mapped to be read. Reading what it lost when it shrank since is a SIGBUS: see lm_map_whole().
 *
 * Thread   [any]; read-only once it is open
 */
#include <llmserve/err.h>
#include <stddef.h>

struct lm_map {
    const unsigned char *base; /* NULL: not open */
    size_t size;
    int fd; /* where base is not NULL */
};

/**
 * Errors   LM_ENOTFOUND no such file; LM_EFORMAT no regular file, or empty; LM_EIO; LM_ENOMEM; none names the path
 */
int lm_map_open(const char *path, struct lm_map *out, struct lm_err *err);
/**
 * Is the file still as long as its mapping?
 *
 * Errors   LM_EIO it shrank
 */
int lm_map_whole(const struct lm_map *m, struct lm_err *err);

void lm_map_close(struct lm_map *m); /* again: does nothing */

/** Read ahead, or drop from this process's memory, what of p[0..n) lies in the map. */
void lm_map_will_read(const struct lm_map *m, const void *p, size_t n);
void lm_map_has_read(const struct lm_map *m, const void *p, size_t n);
#endif

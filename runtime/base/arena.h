/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_ARENA_H
#define LM_BASE_ARENA_H
/**
 * A bump allocator: many small pieces with one life, freed at once. All-zero is a valid empty arena.
 *
 * Owns     every piece, until lm_arena_fini()
 * Thread   [any], one at a time
 */
#include <stddef.h>

struct lm_arena {
    struct lm_arena_chunk *chunk;
    size_t used;  /* bytes handed out, over all chunks */
    size_t limit; /* 0 = none; an allocation beyond it returns NULL */
};

/** n zeroed bytes, aligned to 16. NULL when memory or the limit is exhausted. n may be 0. */
void *lm_arena_alloc(struct lm_arena *a, size_t n);

/** A NUL-terminated copy of s[0..n). */
char *lm_arena_copy(struct lm_arena *a, const char *s, size_t n);

void lm_arena_fini(struct lm_arena *a);
#endif

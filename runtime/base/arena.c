/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 4096, MAX_CHUNK = 1 << 20 };

struct lm_arena_chunk {
    struct lm_arena_chunk *next;
    size_t len, cap;
    _Alignas(16) unsigned char data[];
};

static struct lm_arena_chunk *grow(struct lm_arena *a, size_t n)
{
    size_t cap = a->chunk ? a->chunk->cap * 2 : FIRST_CHUNK;
    if (cap > MAX_CHUNK)
        cap = MAX_CHUNK;
    if (cap < n)
        cap = n;
    struct lm_arena_chunk *c = malloc(sizeof *c + cap);
    if (!c)
        return NULL;
    *c = (struct lm_arena_chunk){.next = a->chunk, .cap = cap};
    a->chunk = c;
    return c;
}

void *lm_arena_alloc(struct lm_arena *a, size_t n)
{
    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + 15) & ~(size_t)15;
    if (a->limit && (n > a->limit || a->used > a->limit - n))
        return NULL;
    struct lm_arena_chunk *c = a->chunk;
    if (!c || c->cap - c->len < n)
        c = grow(a, n);
    if (!c)
        return NULL;
    void *p = c->data + c->len;
    c->len += n;
    a->used += n;
    return memset(p, 0, n);
}

char *lm_arena_copy(struct lm_arena *a, const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *p = lm_arena_alloc(a, n + 1);
    if (p && n)
        memcpy(p, s, n);
    return p;
}

void lm_arena_fini(struct lm_arena *a)
{
    for (struct lm_arena_chunk *c = a->chunk, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *a = (struct lm_arena){0};
}

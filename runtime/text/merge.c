/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/merge.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAP = 256, WAYS = 4 };

static void push(struct lm_merger *m, uint64_t key)
{
    size_t i = m->n_heap++;
    for (size_t up; i > 0 && key < m->heap[up = (i - 1) / WAYS]; i = up)
        m->heap[i] = m->heap[up];
    m->heap[i] = key;
}

static uint64_t pop(struct lm_merger *m)
{
    uint64_t top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0;
    for (size_t first; (first = WAYS * i + 1) < m->n_heap;) {
        size_t least = first, end = first + WAYS < m->n_heap ? first + WAYS : m->n_heap;
        for (size_t k = first + 1; k < end; k++)
            if (m->heap[k] < m->heap[least])
                least = k;
        if (last <= m->heap[least])
            break;
        m->heap[i] = m->heap[least];
        i = least;
    }
    m->heap[i] = last;
    return top;
}

static void find_pair(struct lm_merger *m, uint32_t left, lm_merge_rule *rule, const void *ctx)
{
    if (left == LM_SYM_NONE)
        return;
    struct lm_sym *l = &m->sym[left];
    l->joined = -1;
    if (l->next != LM_SYM_NONE && rule(ctx, l, &m->sym[l->next], &l->order, &l->joined))
        push(m, (uint64_t)l->order << 32 | left);
}

/* There are n - 1 pairs at the start, and each join takes one and adds at most two. */
int lm_merger_begin(struct lm_merger *m, size_t n, struct lm_err *err)
{
    m->n_sym = m->n_heap = 0;
    if (n <= m->cap)
        return 0;
    lm_merger_fini(m);
    size_t cap = n < FIRST_CAP ? FIRST_CAP : n;
    m->sym = malloc(cap * sizeof *m->sym);
    m->heap = malloc(2 * cap * sizeof *m->heap);
    if (!m->sym || !m->heap)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    m->cap = cap;
    return 0;
}

void lm_merger_add(struct lm_merger *m, uint32_t at, uint32_t len, int32_t id)
{
    assert(m->n_sym < m->cap);
    uint32_t i = (uint32_t)m->n_sym++;
    m->sym[i] = (struct lm_sym){at, len, id, i ? i - 1 : LM_SYM_NONE, LM_SYM_NONE, -1, 0};
    if (i)
        m->sym[i - 1].next = i;
}

void lm_merger_run(struct lm_merger *m, lm_merge_rule *rule, const void *ctx)
{
    for (uint32_t i = 0; i + 1 < m->n_sym; i++)
        find_pair(m, i, rule, ctx);
    while (m->n_heap > 0) {
        uint64_t key = pop(m);
        uint32_t left = (uint32_t)key;
        struct lm_sym *l = &m->sym[left];
        if (l->len == 0 || l->joined < 0 || l->order != key >> 32)
            continue;
        struct lm_sym *r = &m->sym[l->next];
        l->len += r->len;
        l->id = l->joined;
        l->next = r->next;
        r->len = 0;
        if (l->next != LM_SYM_NONE)
            m->sym[l->next].prev = left;
        find_pair(m, l->prev, rule, ctx);
        find_pair(m, left, rule, ctx);
    }
}

void lm_merger_fini(struct lm_merger *m)
{
    free(m->sym);
    free(m->heap);
    *m = (struct lm_merger){0};
}

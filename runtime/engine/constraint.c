/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/constraint.h"

#include <stdlib.h>

enum { POOL_BYTES = 16 << 20, MAX_PROGRAMS = 256 };

struct lm_constraint_program {
    struct lm_constraints *all;
    struct lm_constraint_program *next;
    struct lm_program *program;
    struct lm_mask_cache *cache;
    struct lm_constraint *open; /* texts */
    size_t n_open;
    uint64_t used;
};

struct lm_constraints {
    uint32_t n_vocab;
    struct lm_vocab_trie *trie; /* NULL: not told yet */
    struct lm_constraint_program *first;
    uint64_t clock;
};

int lm_constraints_create(uint32_t n_vocab, struct lm_constraints **out, struct lm_err *err)
{
    struct lm_constraints *all = calloc(1, sizeof *all);
    if (!all)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    all->n_vocab = n_vocab;
    *out = all;
    return 0;
}

static void program_free(struct lm_constraint_program *p)
{
    lm_mask_cache_destroy(p->cache);
    lm_program_destroy(p->program);
    free(p);
}

void lm_constraints_destroy(struct lm_constraints *all)
{
    if (!all)
        return;
    for (struct lm_constraint_program *p = all->first, *next; p; p = next) {
        next = p->next;
        program_free(p);
    }
    lm_vocab_trie_destroy(all->trie);
    free(all);
}

int lm_constraints_vocab(struct lm_constraints *all, const void *payload, size_t bytes, struct lm_err *err)
{
    struct lm_msg_vocab_view v;
    int rc = lm_msg_read_vocab(payload, bytes, &v, err);
    if (rc || all->trie)
        return rc;
    if (v.h.n_vocab > all->n_vocab)
        return lm_fail(err, LM_EFORMAT, "vocabulary of %u tokens for a model of %u", (unsigned)v.h.n_vocab, (unsigned)all->n_vocab);
    return lm_vocab_trie_create(v.text, v.at, v.h.n_vocab, v.end, v.h.n_end, &all->trie, err);
}

static size_t kept_bytes(const struct lm_constraints *all, size_t *out_n)
{
    size_t bytes = 0;
    *out_n = 0;
    for (const struct lm_constraint_program *p = all->first; p; p = p->next, ++*out_n)
        bytes += p->program->bytes + lm_mask_cache_bytes(p->cache);
    return bytes;
}

/* Drop what nobody has, the longest unused first, until it is little enough. */
static void make_room(struct lm_constraints *all)
{
    size_t n;
    while (kept_bytes(all, &n) > LM_CONSTRAINT_BYTES || n >= MAX_PROGRAMS) {
        struct lm_constraint_program **oldest = NULL;
        for (struct lm_constraint_program **at = &all->first; *at; at = &(*at)->next)
            if (!(*at)->n_open && (!oldest || (*at)->used < (*oldest)->used))
                oldest = at;
        if (!oldest)
            return;
        struct lm_constraint_program *p = *oldest;
        *oldest = p->next;
        program_free(p);
    }
}

/* What the programs are made of, but for addresses. */
static bool same(const struct lm_program *a, const struct lm_program *b)
{
    size_t head = (size_t)((const char *)a->bits - (const char *)a);
    return a->id == b->id && a->bytes == b->bytes && a->start == b->start && a->json == b->json && a->n_node == b->n_node &&
           a->n_edge == b->n_edge && a->n_step == b->n_step && a->n_bits == b->n_bits &&
           memcmp(a->bits, b->bits, a->bytes - head) == 0;
}

static int program_open(struct lm_constraints *all, const void *data, size_t bytes, struct lm_constraint_program **out, struct lm_err *err)
{
    struct lm_program *program;
    int rc = lm_program_read(data, bytes, &program, err);
    if (rc)
        return rc;
    for (struct lm_constraint_program *p = all->first; p; p = p->next)
        if (same(p->program, program)) {
            lm_program_destroy(program);
            *out = p;
            return 0;
        }
    make_room(all);
    struct lm_constraint_program *p = calloc(1, sizeof *p);
    rc = p ? lm_mask_cache_create(program, all->trie, LM_CONSTRAINT_MASK_BYTES, &p->cache, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (rc) {
        lm_program_destroy(program);
        free(p);
        return rc;
    }
    p->all = all;
    p->program = program;
    p->next = all->first;
    all->first = p;
    *out = p;
    return 0;
}

static void link_in(struct lm_constraint *c)
{
    struct lm_constraint_program *p = c->program;
    c->next = p->open;
    if (c->next)
        c->next->prev = c;
    p->open = c;
    p->n_open++;
    p->used = ++p->all->clock;
}

int lm_constraint_open(struct lm_constraints *all, const void *program, size_t bytes, struct lm_constraint **out, struct lm_err *err)
{
    struct lm_constraint_program *p;
    if (!all->trie)
        return lm_fail(err, LM_EINVAL, "a grammar came before the vocabulary");
    int rc = program_open(all, program, bytes, &p, err);
    if (rc)
        return rc;
    struct lm_constraint *c = calloc(1, sizeof *c);
    if (c)
        c->mask = calloc(((size_t)all->n_vocab + 31) / 32, sizeof *c->mask);
    rc = c && c->mask ? lm_matcher_init(&c->matcher, lm_mask_cache_pool(p->cache), err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc) {
        c->program = p;
        link_in(c);
        int64_t n = lm_mask_fill(p->cache, &c->matcher, c->mask, err);
        if (n > 0) {
            *out = c;
            return 0;
        }
        rc = n < 0 ? (int)n : lm_fail(err, LM_EINVAL, "no token can begin a text of the grammar");
        lm_constraint_close(c);
        return rc;
    }
    if (c)
        free(c->mask);
    free(c);
    return rc;
}

void lm_constraint_close(struct lm_constraint *c)
{
    if (!c)
        return;
    struct lm_constraint_program *p = c->program;
    *(c->prev ? &c->prev->next : &p->open) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    p->n_open--;
    lm_matcher_fini(&c->matcher);
    free(c->mask);
    free(c);
}

static void trim(struct lm_constraint_program *p)
{
    size_t n = 0;
    struct lm_matcher **m;
    if (lm_frames_bytes(lm_mask_cache_pool(p->cache)) < POOL_BYTES || !(m = malloc(p->n_open * sizeof *m)))
        return;
    for (struct lm_constraint *c = p->open; c; c = c->next)
        m[n++] = &c->matcher;
    lm_mask_cache_trim(p->cache, m, n);
    free(m);
}

static bool ends(const struct lm_vocab_trie *t, int32_t token)
{
    for (uint32_t i = 0; i < t->n_end; i++)
        if (t->end[i] == token)
            return true;
    return false;
}

/* Nothing but end tokens in the mask. */
static bool only_end(const struct lm_constraint *c)
{
    const struct lm_vocab_trie *t = c->program->all->trie;
    size_t n = 0, n_end = 0;
    for (size_t i = 0; i < ((size_t)t->n_vocab + 31) / 32 && n <= t->n_end; i++)
        n += (size_t)__builtin_popcount(c->mask[i]);
    for (uint32_t i = 0; i < t->n_end; i++)
        n_end += c->mask[t->end[i] / 32] >> t->end[i] % 32 & 1;
    return n <= n_end;
}

enum lm_constraint_state lm_constraint_push(struct lm_constraint *c, int32_t token)
{
    struct lm_constraint_program *p = c->program;
    if (!lm_mask_take(p->cache, &c->matcher, token))
        return LM_CONSTRAINT_IS_STUCK;
    if (ends(p->all->trie, token))
        return LM_CONSTRAINT_IS_WHOLE;
    trim(p);
    int64_t n = lm_mask_fill(p->cache, &c->matcher, c->mask, NULL);
    if (lm_matcher_accepts(&c->matcher) && only_end(c))
        return LM_CONSTRAINT_IS_WHOLE;
    return n > 0 ? LM_CONSTRAINT_GOES_ON : LM_CONSTRAINT_IS_STUCK;
}

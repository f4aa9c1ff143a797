/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/stop.h"

int lm_stop_add(struct lm_stop_set *set, struct lm_arena *a, const char *s, size_t n)
{
    struct lm_stop_string *t = &set->string[set->n];
    t->n = (uint32_t)n;
    t->s = lm_arena_copy(a, s, n);
    t->fail = lm_arena_alloc(a, n * sizeof *t->fail);
    if (!t->s || !t->fail)
        return LM_ENOMEM;
    for (size_t i = 1, k = 0; i < n; i++) {
        while (k && s[i] != s[k])
            k = t->fail[k - 1];
        k += s[i] == s[k];
        t->fail[i] = (uint16_t)k;
    }
    set->n++;
    return 0;
}

int lm_stop_init(struct lm_stop *st, const struct lm_stop_set *set, struct lm_arena *a)
{
    *st = (struct lm_stop){.state = lm_arena_alloc(a, set->n * sizeof *st->state)};
    return st->state ? 0 : LM_ENOMEM;
}

void lm_stop_fini(struct lm_stop *st)
{
    lm_bytes_fini(&st->held);
}

/* One byte for every string. Returns the longest that is complete now, or -1. */
static int advance(const struct lm_stop_set *set, uint16_t *state, char c)
{
    int best = -1;
    for (size_t i = 0; i < set->n; i++) {
        const struct lm_stop_string *t = &set->string[i];
        size_t k = state[i];
        while (k && t->s[k] != c)
            k = t->fail[k - 1];
        k += t->s[k] == c;
        state[i] = (uint16_t)k;
        if (k == t->n && (best < 0 || t->n > set->string[best].n))
            best = (int)i;
    }
    return best;
}

int lm_stop_feed(const struct lm_stop_set *set, struct lm_stop *st, const char *s, size_t n, bool include, struct lm_bytes *out)
{
    if (!set->n) {
        lm_bytes_add(out, s, n);
        return -1;
    }
    size_t at = st->held.len, longest = 0;
    lm_bytes_add(&st->held, s, n);
    out->failed |= st->held.failed;
    for (; at < st->held.len; at++) {
        int hit = advance(set, st->state, st->held.data[at]);
        if (hit < 0)
            continue;
        lm_bytes_add(out, st->held.data, at + 1 - (include ? 0 : set->string[hit].n));
        lm_bytes_clear(&st->held);
        return hit;
    }
    for (size_t i = 0; i < set->n; i++)
        if (st->state[i] > longest)
            longest = st->state[i];
    lm_bytes_add(out, st->held.data, st->held.len - longest);
    lm_bytes_drop(&st->held, st->held.len - longest);
    return -1;
}

void lm_stop_finish(struct lm_stop *st, struct lm_bytes *out)
{
    lm_bytes_add(out, st->held.data, st->held.len);
    lm_bytes_clear(&st->held);
}

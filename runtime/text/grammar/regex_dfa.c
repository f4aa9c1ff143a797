/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/regex_nfa.h"

#include <stdlib.h>

/* A member of a state's set is 2 * node, or 2 * node + 1 behind a $: no character may follow there. */
struct subset {
    struct lm_regex *r;
    struct lm_chars *out;
    uint32_t *set;     /* being made */
    size_t n_set, cap_set;
    uint32_t *stamp;   /* [2 * nodes] */
    uint32_t turn;
    uint32_t *pool;    /* members of all states */
    size_t n_pool, cap_pool;
    struct { uint32_t at, n; } *state;
    size_t n_state, cap_state;
    uint32_t *slot;
    size_t n_slot;
    struct lm_regex_edge *range; /* that leave the state */
    size_t n_range, cap_range;
    uint32_t *cut;
    size_t n_cut, cap_cut;
};

static void add(struct subset *s, uint32_t member)
{
    if (s->stamp[member] == s->turn)
        return;
    s->stamp[member] = s->turn;
    if (lm_builder_spend(s->r->b, 1) && lm_builder_grow(s->r->b, (void **)&s->set, &s->cap_set, s->n_set, sizeof *s->set))
        s->set[s->n_set++] = member;
}

/* What can be reached without a character; ^ only at the beginning. */
static void close_set(struct subset *s, bool begin)
{
    for (size_t i = 0; i < s->n_set && !s->r->b->rc; i++)
        for (uint32_t e = s->r->head[s->set[i] / 2]; e; e = s->r->edge[e - 1].next) {
            const struct lm_regex_edge *x = &s->r->edge[e - 1];
            uint32_t ended = s->set[i] & 1;
            if (x->kind == LM_REGEX_JUMP || (x->kind == LM_REGEX_BEGIN && begin))
                add(s, x->to * 2 + ended);
            else if (x->kind == LM_REGEX_END)
                add(s, x->to * 2 + 1);
        }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t hash(const uint32_t *v, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = (h ^ v[i]) * 0x9e3779b97f4a7c15u;
    return h >> 20;
}

static bool slots_grow(struct subset *s)
{
    size_t n = s->n_slot ? s->n_slot * 2 : 256;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        s->r->b->rc = lm_fail(s->r->b->err, LM_ENOMEM, "no memory for a regular expression");
        return false;
    }
    for (size_t i = 0; i < s->n_state; i++) {
        size_t at = hash(s->pool + s->state[i].at, s->state[i].n) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(s->slot);
    s->slot = slot;
    s->n_slot = n;
    return true;
}

static uint32_t find(struct subset *s)
{
    struct lm_builder *b = s->r->b;
    if (!lm_builder_spend(b, s->n_set) || (s->n_state * 2 >= s->n_slot && !slots_grow(s)))
        return 0;
    qsort(s->set, s->n_set, sizeof *s->set, by_value);
    size_t at = hash(s->set, s->n_set) & (s->n_slot - 1);
    for (; s->slot[at]; at = (at + 1) & (s->n_slot - 1)) {
        uint32_t i = s->slot[at] - 1;
        if (s->state[i].n == s->n_set && memcmp(s->pool + s->state[i].at, s->set, s->n_set * sizeof *s->set) == 0)
            return i;
    }
    if (!lm_builder_grow(b, (void **)&s->state, &s->cap_state, s->n_state, sizeof *s->state))
        return 0;
    s->state[s->n_state].at = (uint32_t)s->n_pool;
    s->state[s->n_state].n = (uint32_t)s->n_set;
    for (size_t i = 0; i < s->n_set; i++) {
        if (!lm_builder_grow(b, (void **)&s->pool, &s->cap_pool, s->n_pool, sizeof *s->pool))
            return 0;
        s->pool[s->n_pool++] = s->set[i];
    }
    s->slot[at] = (uint32_t)++s->n_state;
    return s->slot[at] - 1;
}

static void begin(struct subset *s)
{
    s->turn++;
    s->n_set = 0;
}

static void cut_add(struct subset *s, uint32_t at)
{
    if (lm_builder_grow(s->r->b, (void **)&s->cut, &s->cap_cut, s->n_cut, sizeof *s->cut))
        s->cut[s->n_cut++] = at;
}

static void gather(struct subset *s, uint32_t state)
{
    s->n_range = s->n_cut = 0;
    for (uint32_t i = 0; i < s->state[state].n; i++) {
        uint32_t member = s->pool[s->state[state].at + i];
        for (uint32_t e = member & 1 ? 0 : s->r->head[member / 2]; e; e = s->r->edge[e - 1].next) {
            if (s->r->edge[e - 1].kind != LM_REGEX_CHARS ||
                !lm_builder_grow(s->r->b, (void **)&s->range, &s->cap_range, s->n_range, sizeof *s->range))
                continue;
            s->range[s->n_range++] = s->r->edge[e - 1];
            cut_add(s, s->r->edge[e - 1].lo);
            cut_add(s, s->r->edge[e - 1].hi + 1);
        }
    }
    if (s->n_cut)
        qsort(s->cut, s->n_cut, sizeof *s->cut, by_value);
}

static void make_state(struct subset *s, uint32_t state)
{
    int32_t label = -1;
    for (uint32_t i = 0; i < s->state[state].n; i++)
        if (s->pool[s->state[state].at + i] / 2 == s->r->end)
            label = 0;
    lm_chars_state(s->r->b, s->out, label);
    gather(s, state);
    for (size_t c = 0; c + 1 < s->n_cut && lm_builder_spend(s->r->b, s->n_range / 4 + 1); c++) {
        if (s->cut[c] == s->cut[c + 1])
            continue;
        begin(s);
        for (size_t i = 0; i < s->n_range; i++)
            if (s->range[i].lo <= s->cut[c] && s->range[i].hi >= s->cut[c + 1] - 1)
                add(s, s->range[i].to * 2);
        if (s->n_set == 0)
            continue;
        close_set(s, false);
        uint32_t to = find(s);
        lm_chars_range(s->r->b, s->out, s->cut[c], s->cut[c + 1] - 1, to);
    }
}

static int32_t zero(void *arg, const int32_t *labels)
{
    return 0;
}

struct lm_chars *lm_regex_determinize(struct lm_regex *r)
{
    struct subset s = {.r = r, .out = lm_chars_create(r->b), .stamp = calloc(2 * r->n_node, sizeof *s.stamp)};
    struct lm_chars *out = NULL;
    if (!s.stamp)
        r->b->rc = r->b->rc ? r->b->rc : lm_fail(r->b->err, LM_ENOMEM, "no memory for a regular expression");
    if (!r->b->rc) {
        begin(&s);
        add(&s, r->start * 2);
        close_set(&s, true);
        find(&s);
    }
    for (uint32_t i = 0; i < s.n_state && !r->b->rc; i++)
        make_state(&s, i);
    if (!r->b->rc) {
        const struct lm_chars *const part[] = {s.out};
        out = lm_chars_product(r->b, part, (const bool[]){true}, 1, zero, NULL); /* without dead ends */
    }
    lm_chars_destroy(s.out);
    free(s.stamp);
    free(s.set);
    free(s.pool);
    free(s.state);
    free(s.slot);
    free(s.range);
    free(s.cut);
    return out;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/dfa.h"

#include <stdlib.h>

/* What a state is made from. */
struct work {
    struct lm_builder_edge *edge; /* that leave its members */
    size_t n, cap;
    uint32_t *set;
    size_t n_set, cap_set;
    uint16_t cut[513];
};

void lm_dfa_fini(struct lm_dfa *d)
{
    free(d->node);
    free(d->edge);
    free(d->step);
    free(d->pool);
    free(d->start);
    free(d->queue);
    free(d->slot);
    free(d->stamp);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Add a builder's node and what it jumps to. */
static void set_add(struct lm_dfa *d, struct work *w, uint32_t node)
{
    struct lm_builder *b = d->b;
    if (d->stamp[node] == d->turn)
        return;
    d->stamp[node] = d->turn;
    size_t from = w->n_set;
    if (!lm_builder_grow(b, (void **)&w->set, &w->cap_set, w->n_set, sizeof *w->set))
        return;
    w->set[w->n_set++] = node;
    for (; from < w->n_set; from++)
        for (uint32_t e = b->head[w->set[from]]; e && lm_builder_spend(b, 1); e = b->edge[e - 1].next) {
            uint32_t to = b->edge[e - 1].to;
            if (b->edge[e - 1].op != LM_STEP_JUMP || d->stamp[to] == d->turn)
                continue;
            d->stamp[to] = d->turn;
            if (!lm_builder_grow(b, (void **)&w->set, &w->cap_set, w->n_set, sizeof *w->set))
                return;
            w->set[w->n_set++] = to;
        }
}

static void set_begin(struct lm_dfa *d, struct work *w)
{
    d->turn++;
    w->n_set = 0;
}

static bool slots_grow(struct lm_dfa *d)
{
    size_t n = d->n_slot ? d->n_slot * 2 : 1024;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        d->b->rc = lm_fail(d->b->err, LM_ENOMEM, "no memory for a grammar");
        return false;
    }
    for (size_t i = 0; i < d->n_node; i++) {
        const struct lm_dfa_node *s = &d->node[i];
        uint64_t h = 0;
        for (uint32_t k = 0; k < s->n_set; k++)
            h = (h ^ d->pool[s->set + k]) * 0x9e3779b97f4a7c15u;
        size_t at = (h >> 20) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(d->slot);
    d->slot = slot;
    d->n_slot = n;
    return true;
}

/* The node of the set in w, made when it is new. An empty set cannot be. */
static uint32_t set_node(struct lm_dfa *d, struct work *w)
{
    struct lm_builder *b = d->b;
    if (!lm_builder_spend(b, w->n_set) || (d->n_node * 2 >= d->n_slot && !slots_grow(d)))
        return 0;
    if (w->n_set > 1)
        qsort(w->set, w->n_set, sizeof *w->set, by_value);
    uint64_t h = 0;
    for (size_t i = 0; i < w->n_set; i++)
        h = (h ^ w->set[i]) * 0x9e3779b97f4a7c15u;
    size_t at = (h >> 20) & (d->n_slot - 1);
    for (; d->slot[at]; at = (at + 1) & (d->n_slot - 1)) {
        const struct lm_dfa_node *s = &d->node[d->slot[at] - 1];
        if (s->n_set == w->n_set && memcmp(d->pool + s->set, w->set, w->n_set * sizeof *w->set) == 0)
            return d->slot[at] - 1;
    }
    if (!lm_builder_grow(b, (void **)&d->node, &d->cap_node, d->n_node, sizeof *d->node))
        return 0;
    struct lm_dfa_node made = {.set = (uint32_t)d->n_pool, .n_set = (uint32_t)w->n_set};
    for (size_t i = 0; i < w->n_set; i++) {
        if (!lm_builder_grow(b, (void **)&d->pool, &d->cap_pool, d->n_pool, sizeof *d->pool))
            return 0;
        d->pool[d->n_pool++] = w->set[i];
    }
    d->node[d->n_node] = made;
    d->slot[at] = (uint32_t)++d->n_node;
    return d->slot[at] - 1;
}

static int by_letter(const void *a, const void *b)
{
    const struct lm_builder_edge *x = a, *y = b;
    if (x->op != y->op)
        return x->op < y->op ? -1 : 1;
    if (x->arg != y->arg)
        return x->arg < y->arg ? -1 : 1;
    return (x->class > y->class) - (x->class < y->class);
}

/* Steps first, by letter, then bytes (op LM_STEP_END is the largest). */
static void gather(struct lm_dfa *d, struct work *w, uint32_t node)
{
    struct lm_builder *b = d->b;
    w->n = 0;
    for (uint32_t i = 0; i < d->node[node].n_set; i++)
        for (uint32_t e = b->head[d->pool[d->node[node].set + i]]; e; e = b->edge[e - 1].next) {
            if (b->edge[e - 1].op == LM_STEP_JUMP)
                continue;
            if (!lm_builder_spend(b, 1) || !lm_builder_grow(b, (void **)&w->edge, &w->cap, w->n, sizeof *w->edge))
                return;
            w->edge[w->n++] = b->edge[e - 1];
        }
    if (w->n > 1)
        qsort(w->edge, w->n, sizeof *w->edge, by_letter);
}

static void queue_rule(struct lm_dfa *d, uint32_t rule)
{
    if (d->start[rule] != LM_DFA_NONE)
        return;
    d->start[rule] = 0;
    d->queue[d->n_queue++] = rule;
}

static size_t take_steps(struct lm_dfa *d, struct work *w, uint32_t node)
{
    size_t i = 0;
    uint32_t first = (uint32_t)d->n_step;
    while (i < w->n && w->edge[i].op != LM_STEP_END && !d->b->rc) {
        struct lm_builder_edge e = w->edge[i];
        set_begin(d, w);
        for (; i < w->n && by_letter(&e, &w->edge[i]) == 0; i++)
            set_add(d, w, w->edge[i].to);
        uint32_t to = set_node(d, w);
        if (!lm_builder_grow(d->b, (void **)&d->step, &d->cap_step, d->n_step, sizeof *d->step))
            return i;
        d->step[d->n_step++] = (struct lm_program_step){.op = e.op, .arg = e.arg, .class = e.class, .to = to};
        if (e.op == LM_STEP_CALL)
            queue_rule(d, e.arg);
    }
    d->node[node].step = first;
    d->node[node].n_step = (uint32_t)d->n_step - first;
    return i;
}

static size_t cuts(struct work *w, size_t from)
{
    bool is[257] = {false};
    size_t n = 0;
    for (size_t i = from; i < w->n; i++)
        is[w->edge[i].lo] = is[w->edge[i].hi + 1] = true;
    for (unsigned c = 0; c <= 256; c++)
        if (is[c])
            w->cut[n++] = (uint16_t)c;
    return n;
}

static void take_bytes(struct lm_dfa *d, struct work *w, uint32_t node, size_t from)
{
    size_t n_cut = cuts(w, from);
    uint32_t first = (uint32_t)d->n_edge;
    for (size_t c = 0; c + 1 < n_cut && lm_builder_spend(d->b, (w->n - from) / 4 + 1); c++) {
        uint8_t lo = (uint8_t)w->cut[c], hi = (uint8_t)(w->cut[c + 1] - 1);
        set_begin(d, w);
        for (size_t i = from; i < w->n; i++)
            if (w->edge[i].lo <= lo && w->edge[i].hi >= hi)
                set_add(d, w, w->edge[i].to);
        if (w->n_set == 0)
            continue;
        uint32_t to = set_node(d, w);
        struct lm_program_edge *last = d->n_edge > first ? &d->edge[d->n_edge - 1] : NULL;
        if (last && last->to == to && last->hi + 1 == lo) {
            last->hi = hi;
            continue;
        }
        if (!lm_builder_grow(d->b, (void **)&d->edge, &d->cap_edge, d->n_edge, sizeof *d->edge))
            return;
        d->edge[d->n_edge++] = (struct lm_program_edge){.lo = lo, .hi = hi, .to = to};
    }
    d->node[node].edge = first;
    d->node[node].n_edge = (uint32_t)d->n_edge - first;
}

static void make_rule(struct lm_dfa *d, struct work *w, uint32_t rule)
{
    set_begin(d, w);
    set_add(d, w, d->b->rule[rule].start);
    size_t at = d->n_node;
    d->start[rule] = set_node(d, w);
    for (; at < d->n_node && !d->b->rc; at++) {
        d->node[at].outside = d->b->rule[rule].outside;
        for (uint32_t i = 0; i < d->node[at].n_set; i++)
            d->node[at].accept |= d->pool[d->node[at].set + i] == d->b->rule[rule].end;
        gather(d, w, (uint32_t)at);
        take_bytes(d, w, (uint32_t)at, take_steps(d, w, (uint32_t)at));
    }
}

void lm_dfa_make(struct lm_dfa *d, struct lm_builder *b, uint32_t root)
{
    struct work w = {0};
    *d = (struct lm_dfa){.b = b};
    if (b->rc)
        return;
    d->start = malloc((b->n_rule + 1) * sizeof *d->start);
    d->queue = malloc((b->n_rule + 1) * sizeof *d->queue);
    d->stamp = calloc(b->n_node + 1, sizeof *d->stamp);
    if (!d->start || !d->queue || !d->stamp) {
        b->rc = lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
        return;
    }
    for (size_t i = 0; i < b->n_rule; i++)
        d->start[i] = LM_DFA_NONE;
    queue_rule(d, root);
    for (size_t i = 0; i < d->n_queue && !b->rc; i++)
        make_rule(d, &w, d->queue[i]);
    free(w.edge);
    free(w.set);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/builder.h"

#include <stdlib.h>

enum { MAX_EDGES = 6000000 };

void lm_builder_init(struct lm_builder *b, struct lm_err *err)
{
    *b = (struct lm_builder){.budget = LM_BUILDER_BUDGET, .err = err};
}

void lm_builder_fini(struct lm_builder *b)
{
    for (size_t i = 0; i < b->n_object; i++) {
        free(b->object[i].value);
        free(b->object[i].required);
    }
    free(b->head);
    free(b->edge);
    free(b->rule);
    free(b->need);
    free(b->object);
    free(b->repeat);
    free(b->share);
    free(b->share_slot);
}

bool lm_builder_spend(struct lm_builder *b, uint64_t n)
{
    if (b->rc)
        return false;
    if (b->budget < n) {
        b->rc = lm_fail(b->err, LM_ELIMIT, "the grammar is too complex");
        return false;
    }
    b->budget -= n;
    return true;
}

bool lm_builder_grow(struct lm_builder *b, void **array, size_t *cap, size_t n, size_t size)
{
    if (b->rc)
        return false;
    if (n < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 64;
    void *p = realloc(*array, more * size);
    if (!p) {
        b->rc = lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
        return false;
    }
    *array = p;
    *cap = more;
    return true;
}

uint32_t lm_builder_node(struct lm_builder *b)
{
    if (!lm_builder_spend(b, 1) || !lm_builder_grow(b, (void **)&b->head, &b->cap_node, b->n_node, sizeof *b->head))
        return 0;
    b->head[b->n_node] = 0;
    return (uint32_t)b->n_node++;
}

static void edge_add(struct lm_builder *b, uint32_t from, struct lm_builder_edge e)
{
    if (!lm_builder_spend(b, 1) || !lm_builder_grow(b, (void **)&b->edge, &b->cap_edge, b->n_edge, sizeof *b->edge))
        return;
    if (b->n_edge >= MAX_EDGES) {
        b->rc = lm_fail(b->err, LM_ELIMIT, "the grammar is too large");
        return;
    }
    e.next = b->head[from];
    b->edge[b->n_edge++] = e;
    b->head[from] = (uint32_t)b->n_edge;
}

void lm_builder_bytes(struct lm_builder *b, uint32_t from, uint8_t lo, uint8_t hi, uint32_t to)
{
    edge_add(b, from, (struct lm_builder_edge){.op = LM_STEP_END, .lo = lo, .hi = hi, .to = to});
}

void lm_builder_step(struct lm_builder *b, uint32_t from, enum lm_program_op op, uint32_t arg, uint32_t class, uint32_t to)
{
    edge_add(b, from, (struct lm_builder_edge){.op = (uint8_t)op, .arg = arg, .class = class, .to = to});
}

void lm_builder_call(struct lm_builder *b, uint32_t from, uint32_t rule, uint32_t to)
{
    lm_builder_step(b, from, LM_STEP_CALL, rule, 0, to);
}

uint32_t lm_builder_text(struct lm_builder *b, uint32_t from, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t to = lm_builder_node(b);
        lm_builder_bytes(b, from, (uint8_t)s[i], (uint8_t)s[i], to);
        from = to;
    }
    return from;
}

static size_t share_hash(const struct lm_builder_share *s)
{
    uint64_t h = ((uint64_t)s->lo << 32 | s->hi) * 0x9e3779b97f4a7c15u;
    h = (h ^ ((uint64_t)s->kind << 32 | s->to)) * 0xbf58476d1ce4e5b9u;
    return h >> 24;
}

static bool share_grow(struct lm_builder *b)
{
    size_t n = b->n_share_slot ? b->n_share_slot * 2 : 256;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        b->rc = lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
        return false;
    }
    for (size_t i = 0; i < b->n_share; i++) {
        size_t at = share_hash(&b->share[i]) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(b->share_slot);
    b->share_slot = slot;
    b->n_share_slot = n;
    return true;
}

uint32_t lm_builder_shared(struct lm_builder *b, uint32_t kind, uint32_t lo, uint32_t hi, uint32_t to, bool *out_new)
{
    struct lm_builder_share key = {kind, lo, hi, to, 0};
    *out_new = false;
    if (!lm_builder_spend(b, 1) || (b->n_share * 2 >= b->n_share_slot && !share_grow(b)))
        return 0;
    size_t at = share_hash(&key) & (b->n_share_slot - 1);
    for (; b->share_slot[at]; at = (at + 1) & (b->n_share_slot - 1)) {
        const struct lm_builder_share *s = &b->share[b->share_slot[at] - 1];
        if (s->kind == kind && s->lo == lo && s->hi == hi && s->to == to)
            return s->node;
    }
    key.node = lm_builder_node(b);
    if (!lm_builder_grow(b, (void **)&b->share, &b->cap_share, b->n_share, sizeof *b->share))
        return 0;
    b->share[b->n_share] = key;
    b->share_slot[at] = (uint32_t)++b->n_share;
    *out_new = true;
    return key.node;
}

uint32_t lm_builder_rule(struct lm_builder *b)
{
    uint32_t start = lm_builder_node(b), end = lm_builder_node(b);
    if (!lm_builder_grow(b, (void **)&b->rule, &b->cap_rule, b->n_rule, sizeof *b->rule))
        return 0;
    b->rule[b->n_rule] = (struct lm_builder_rule){.start = start, .end = end};
    return (uint32_t)b->n_rule++;
}

void lm_builder_needs(struct lm_builder *b, uint32_t rule, uint32_t needed)
{
    if (!lm_builder_grow(b, (void **)&b->need, &b->cap_need, b->n_need, sizeof *b->need))
        return;
    b->need[b->n_need++] = (struct lm_builder_need){.next = b->rule[rule].need, .rule = needed};
    b->rule[rule].need = (uint32_t)b->n_need;
}

uint32_t lm_builder_repeat(struct lm_builder *b, uint32_t min, uint32_t max)
{
    if (!lm_builder_grow(b, (void **)&b->repeat, &b->cap_repeat, b->n_repeat, sizeof *b->repeat))
        return 0;
    b->repeat[b->n_repeat] = (struct lm_program_repeat){min, max};
    return (uint32_t)b->n_repeat++;
}

uint32_t lm_builder_object(struct lm_builder *b, uint32_t n_declared, uint32_t n_class, uint32_t min, uint32_t max)
{
    if (!lm_builder_spend(b, n_class) || !lm_builder_grow(b, (void **)&b->object, &b->cap_object, b->n_object, sizeof *b->object))
        return 0;
    struct lm_builder_object o = {.n_declared = n_declared, .n_class = n_class, .min = min, .max = max};
    o.value = calloc(n_class + 1u, sizeof *o.value);
    o.required = calloc(n_class + 1u, sizeof *o.required);
    if (!o.value || !o.required) {
        free(o.value);
        free(o.required);
        b->rc = lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
        return 0;
    }
    b->object[b->n_object] = o;
    return (uint32_t)b->n_object++;
}

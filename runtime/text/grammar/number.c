/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/number.h"

#include <stdlib.h>

enum phase { START, ZERO, INT, POINT, FRAC };
enum order { LESS, EQUAL, MORE };

/* What has been read of an unsigned number: how it compares so far, and what remains of it. */
struct state {
    uint32_t phase, pos, low, high; /* pos: digits of this part, capped */
    uint64_t rest;
};

struct bound {
    bool on, open;
    const struct lm_decimal *d;
};

struct digits {
    struct lm_builder *b;
    const struct lm_number *n;
    struct bound low, high; /* of the number without its sign */
    uint32_t cap_int, cap_frac;
    struct { struct state s; uint32_t node; } *item;
    size_t n_item, cap_item;
    uint32_t *slot;
    size_t n_slot;
};

static size_t hash(const struct state *s)
{
    uint64_t h = s->phase + 8 * s->low + 32 * s->high;
    h = (h ^ s->pos) * 0x9e3779b97f4a7c15u;
    h = (h ^ s->rest) * 0x9e3779b97f4a7c15u;
    return h >> 20;
}

static bool same(const struct state *a, const struct state *b)
{
    return a->phase == b->phase && a->pos == b->pos && a->low == b->low && a->high == b->high && a->rest == b->rest;
}

static bool slots_grow(struct digits *d)
{
    size_t n = d->n_slot ? d->n_slot * 2 : 128;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        d->b->rc = lm_fail(d->b->err, LM_ENOMEM, "no memory for a number's bounds");
        return false;
    }
    for (size_t i = 0; i < d->n_item; i++) {
        size_t at = hash(&d->item[i].s) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(d->slot);
    d->slot = slot;
    d->n_slot = n;
    return true;
}

static uint32_t node_of(struct digits *d, struct state s)
{
    if (!lm_builder_spend(d->b, 4) || (d->n_item * 2 >= d->n_slot && !slots_grow(d)))
        return 0;
    size_t at = hash(&s) & (d->n_slot - 1);
    for (; d->slot[at]; at = (at + 1) & (d->n_slot - 1))
        if (same(&d->item[d->slot[at] - 1].s, &s))
            return d->item[d->slot[at] - 1].node;
    if (!lm_builder_grow(d->b, (void **)&d->item, &d->cap_item, d->n_item, sizeof *d->item))
        return 0;
    d->item[d->n_item].s = s;
    d->item[d->n_item].node = lm_builder_node(d->b);
    d->slot[at] = (uint32_t)++d->n_item;
    return d->item[d->n_item - 1].node;
}

static uint32_t compare_digit(const struct bound *x, uint32_t order, size_t place, size_t n, size_t base, uint32_t digit)
{
    if (!x->on || order != EQUAL)
        return order;
    uint32_t other = place < n ? (uint32_t)(x->d->digit[base + place] - '0') : 0;
    return digit < other ? LESS : digit > other ? MORE : EQUAL;
}

static uint32_t after_int(const struct bound *x, uint32_t order, uint32_t pos)
{
    if (!x->on || pos == x->d->n_int)
        return order;
    return pos < x->d->n_int ? LESS : MORE;
}

static uint32_t at_end(const struct bound *x, uint32_t order, uint32_t frac)
{
    return x->on && order == EQUAL && frac < x->d->n_frac ? LESS : order;
}

static bool accepted(const struct digits *d, struct state s)
{
    uint32_t frac = s.phase == FRAC ? s.pos : 0;
    uint64_t rest = s.rest;
    if (s.phase == START || s.phase == POINT)
        return false;
    if (s.phase != FRAC) {
        s.low = after_int(&d->low, s.low, s.pos);
        s.high = after_int(&d->high, s.high, s.pos);
    }
    s.low = at_end(&d->low, s.low, frac);
    s.high = at_end(&d->high, s.high, frac);
    for (uint32_t i = frac; d->n->has_multiple && i < d->n->scale; i++)
        rest = rest * 10 % d->n->multiple;
    return (!d->low.on || s.low == MORE || (s.low == EQUAL && !d->low.open)) &&
           (!d->high.on || s.high == LESS || (s.high == EQUAL && !d->high.open)) && (!d->n->has_multiple || rest == 0);
}

/* The state behind a digit; false when no digit may come or the rest forbids it. */
static bool push(const struct digits *d, struct state *s, uint32_t digit)
{
    if (s->phase == ZERO)
        return false;
    if (s->phase == START || s->phase == INT) {
        uint32_t place = s->phase == START ? 0 : s->pos;
        s->low = compare_digit(&d->low, s->low, place, d->low.on ? d->low.d->n_int : 0, 0, digit);
        s->high = compare_digit(&d->high, s->high, place, d->high.on ? d->high.d->n_int : 0, 0, digit);
        s->phase = s->phase == START && digit == 0 ? ZERO : INT;
        s->pos = place + 1 < d->cap_int ? place + 1 : d->cap_int;
        if (s->pos == d->cap_int) /* longer than both bounds: only that counts */
            s->low = s->high = EQUAL;
        s->rest = d->n->has_multiple ? (s->rest * 10 + digit) % d->n->multiple : 0;
        return true;
    }
    uint32_t place = s->phase == POINT ? 0 : s->pos;
    if (d->n->has_multiple && place >= d->n->scale && digit)
        return false;
    s->low = compare_digit(&d->low, s->low, place, d->low.on ? d->low.d->n_frac : 0, d->low.on ? d->low.d->n_int : 0, digit);
    s->high = compare_digit(&d->high, s->high, place, d->high.on ? d->high.d->n_frac : 0, d->high.on ? d->high.d->n_int : 0, digit);
    if (d->n->has_multiple && place < d->n->scale)
        s->rest = (s->rest * 10 + digit) % d->n->multiple;
    s->pos = place + 1 < d->cap_frac ? place + 1 : d->cap_frac;
    s->phase = FRAC;
    return true;
}

static void point(struct digits *d, struct state s, uint32_t node)
{
    if (d->n->integer || (s.phase != INT && s.phase != ZERO))
        return;
    s.low = after_int(&d->low, s.low, s.pos);
    s.high = after_int(&d->high, s.high, s.pos);
    s.phase = POINT;
    s.pos = 0;
    lm_builder_bytes(d->b, node, '.', '.', node_of(d, s));
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Numbers without sign, between low and high. */
static void unsigned_part(struct lm_builder *b, const struct lm_number *n, struct bound low, struct bound high, uint32_t from, uint32_t to)
{
    struct digits d = {.b = b, .n = n, .low = low, .high = high};
    d.cap_int = 1 + larger(low.on ? low.d->n_int : 0, high.on ? high.d->n_int : 0);
    d.cap_frac = 1 + larger(larger(low.on ? low.d->n_frac : 0, high.on ? high.d->n_frac : 0), n->has_multiple ? n->scale : 0);
    lm_builder_step(b, from, LM_STEP_JUMP, 0, 0, node_of(&d, (struct state){.phase = START, .low = EQUAL, .high = EQUAL}));
    for (size_t i = 0; i < d.n_item && !b->rc; i++) {
        struct state s = d.item[i].s;
        uint32_t node = d.item[i].node;
        if (accepted(&d, s))
            lm_builder_step(b, node, LM_STEP_JUMP, 0, 0, to);
        point(&d, s, node);
        for (uint32_t digit = 0; digit <= 9; digit++) {
            struct state next = s;
            if (push(&d, &next, digit))
                lm_builder_bytes(b, node, (uint8_t)('0' + digit), (uint8_t)('0' + digit), node_of(&d, next));
        }
    }
    free(d.item);
    free(d.slot);
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static void free_number(struct lm_builder *b, bool integer, uint32_t from, uint32_t to)
{
    uint32_t first = lm_builder_node(b), whole = lm_builder_node(b), rest = lm_builder_node(b);
    lm_builder_step(b, from, LM_STEP_JUMP, 0, 0, first);
    uint32_t minus = lm_builder_text(b, first, "-", 1);
    for (int i = 0; i < 2; i++) {
        lm_builder_bytes(b, i ? minus : first, '0', '0', whole);
        lm_builder_bytes(b, i ? minus : first, '1', '9', rest);
    }
    lm_builder_bytes(b, rest, '0', '9', rest);
    lm_builder_step(b, rest, LM_STEP_JUMP, 0, 0, whole);
    lm_builder_step(b, whole, LM_STEP_JUMP, 0, 0, to);
    if (integer)
        return;
    uint32_t frac = lm_builder_node(b), exp = lm_builder_node(b), sign = lm_builder_node(b), power = lm_builder_node(b);
    lm_builder_bytes(b, lm_builder_text(b, whole, ".", 1), '0', '9', frac);
    lm_builder_bytes(b, frac, '0', '9', frac);
    lm_builder_step(b, frac, LM_STEP_JUMP, 0, 0, to);
    lm_builder_step(b, frac, LM_STEP_JUMP, 0, 0, exp);
    lm_builder_step(b, whole, LM_STEP_JUMP, 0, 0, exp);
    lm_builder_bytes(b, exp, 'e', 'e', sign);
    lm_builder_bytes(b, exp, 'E', 'E', sign);
    lm_builder_bytes(b, sign, '+', '+', lm_builder_node(b));
    uint32_t signed_ = (uint32_t)b->n_node - 1;
    lm_builder_bytes(b, sign, '-', '-', signed_);
    lm_builder_bytes(b, signed_, '0', '9', power);
    lm_builder_bytes(b, sign, '0', '9', power);
    lm_builder_bytes(b, power, '0', '9', power);
    lm_builder_step(b, power, LM_STEP_JUMP, 0, 0, to);
}

void lm_number_build(struct lm_builder *b, const struct lm_number *n, uint32_t from, uint32_t to)
{
    if (b->rc)
        return;
    if (lm_number_is_free(n)) {
        free_number(b, n->integer, from, to);
        return;
    }
    static const struct lm_decimal zero = {.n_int = 1, .digit = "0"};
    struct lm_decimal min = n->has_min ? n->min : zero, max = n->has_max ? n->max : zero;
    struct bound low = {n->has_min && !n->min.negative, n->min_open, &min}, high = {n->has_max, n->max_open, &max};
    if (!n->has_max || !n->max.negative)
        unsigned_part(b, n, low, high, from, to);
    /* -y: y is at least -max and at most -min */
    bool none = n->has_min && !n->min.negative && (lm_decimal_compare(&n->min, &zero) > 0 || n->min_open);
    if (none)
        return;
    min.negative = max.negative = false;
    low = (struct bound){n->has_max && n->max.negative, n->max_open, &max};
    if (n->has_max && !n->max.negative && n->max_open && lm_decimal_compare(&n->max, &zero) == 0)
        low.on = true; /* y > 0 */
    high = (struct bound){n->has_min, n->min_open, &min};
    unsigned_part(b, n, low, high, lm_builder_text(b, from, "-", 1), to);
}

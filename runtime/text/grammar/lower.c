/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/lower.h"
#include "runtime/base/utf8.h"

#include <stdlib.h>

/* Kinds of shared nodes: one byte of a range, or 1 .. 4 hexadecimal digits of one. */
enum { BYTE = 0 };

static uint32_t byte_node(struct lm_builder *b, uint8_t lo, uint8_t hi, uint32_t to)
{
    bool fresh;
    uint32_t node = lm_builder_shared(b, BYTE, lo, hi, to, &fresh);
    if (fresh)
        lm_builder_bytes(b, node, lo, hi, to);
    return node;
}

/* lo and hi have the same length; all bytes between them, place by place: split until each place is a range of its own. */
static void utf8_split(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    char x[4], y[4];
    int n = lm_utf8_encode(lo, x);
    for (int i = 1; i < n; i++) { /* i: places behind that must be full when the one before differs */
        uint32_t m = ((uint32_t)1 << 6 * i) - 1;
        if ((lo & ~m) == (hi & ~m))
            continue;
        if (lo & m) {
            utf8_split(b, from, lo, lo | m, to);
            utf8_split(b, from, (lo | m) + 1, hi, to);
            return;
        }
        if ((hi & m) != m) {
            utf8_split(b, from, lo, (hi & ~m) - 1, to);
            utf8_split(b, from, hi & ~m, hi, to);
            return;
        }
    }
    lm_utf8_encode(hi, y);
    while (--n > 0)
        to = byte_node(b, (uint8_t)x[n], (uint8_t)y[n], to);
    lm_builder_bytes(b, from, (uint8_t)x[0], (uint8_t)y[0], to);
}

static void utf8_range(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    static const uint32_t last[] = {0x7f, 0x7ff, 0xd7ff, 0xffff, 0x10ffff};
    uint32_t first = 0;
    for (size_t i = 0; i < sizeof last / sizeof *last && lo <= hi; i++) {
        uint32_t x = lo > first ? lo : first, y = hi < last[i] ? hi : last[i];
        if (x <= y)
            utf8_split(b, from, x, y, to);
        first = last[i] == 0xd7ff ? 0xe000 : last[i] + 1;
    }
}

static void hex_digit(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    if (lo <= 9)
        lm_builder_bytes(b, from, (uint8_t)('0' + lo), (uint8_t)('0' + (hi < 9 ? hi : 9)), to);
    if (hi < 10)
        return;
    uint32_t x = lo > 10 ? lo - 10 : 0, y = hi - 10;
    lm_builder_bytes(b, from, (uint8_t)('a' + x), (uint8_t)('a' + y), to);
    lm_builder_bytes(b, from, (uint8_t)('A' + x), (uint8_t)('A' + y), to);
}

static void hex_range(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, int n, uint32_t to);

static uint32_t hex_node(struct lm_builder *b, uint32_t lo, uint32_t hi, int n, uint32_t to)
{
    bool fresh;
    uint32_t node = lm_builder_shared(b, (uint32_t)n, lo, hi, to, &fresh);
    if (fresh)
        hex_range(b, node, lo, hi, n, to);
    return node;
}

/* n hexadecimal digits of lo .. hi. */
static void hex_range(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, int n, uint32_t to)
{
    if (n == 1) {
        hex_digit(b, from, lo, hi, to);
        return;
    }
    uint32_t unit = (uint32_t)1 << 4 * (n - 1), x = lo / unit, y = hi / unit;
    if (x != y && lo % unit) {
        hex_range(b, from, lo, (x + 1) * unit - 1, n, to);
        hex_range(b, from, (x + 1) * unit, hi, n, to);
        return;
    }
    if (x != y && (hi + 1) % unit) {
        hex_range(b, from, lo, y * unit - 1, n, to);
        hex_range(b, from, y * unit, hi, n, to);
        return;
    }
    hex_digit(b, from, x, y, hex_node(b, lo % unit, hi % unit, n - 1, to));
}

static void escape_unit(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    lm_builder_bytes(b, from, '\\', '\\', byte_node(b, 'u', 'u', hex_node(b, lo, hi, 4, to)));
}

static void escape_pair(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    uint32_t x = lo - 0x10000, y = hi - 0x10000;
    if (x >> 10 != y >> 10 && (x & 0x3ff)) {
        escape_pair(b, from, lo, 0x10000 + (x | 0x3ff), to);
        escape_pair(b, from, 0x10000 + (x | 0x3ff) + 1, hi, to);
        return;
    }
    if (x >> 10 != y >> 10 && (y & 0x3ff) != 0x3ff) {
        escape_pair(b, from, lo, 0x10000 + (y & ~0x3ffu) - 1, to);
        escape_pair(b, from, 0x10000 + (y & ~0x3ffu), hi, to);
        return;
    }
    uint32_t low = hex_node(b, 0xdc00 + (x & 0x3ff), 0xdc00 + (y & 0x3ff), 4, to);
    escape_unit(b, from, 0xd800 + (x >> 10), 0xd800 + (y >> 10), byte_node(b, '\\', '\\', byte_node(b, 'u', 'u', low)));
}

static void short_escapes(struct lm_builder *b, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    static const char chars[] = "\"\\/\b\f\n\r\t", names[] = "\"\\/bfnrt";
    for (size_t i = 0; i < sizeof chars - 1; i++)
        if ((uint32_t)chars[i] >= lo && (uint32_t)chars[i] <= hi)
            lm_builder_bytes(b, from, '\\', '\\', byte_node(b, (uint8_t)names[i], (uint8_t)names[i], to));
}

static void clip(struct lm_builder *b, void (*add)(struct lm_builder *, uint32_t, uint32_t, uint32_t, uint32_t), uint32_t from, uint32_t lo,
                 uint32_t hi, uint32_t first, uint32_t last, uint32_t to)
{
    lo = lo > first ? lo : first;
    hi = hi < last ? hi : last;
    if (lo <= hi)
        add(b, from, lo, hi, to);
}

void lm_lower_range(struct lm_builder *b, enum lm_lower how, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    if (how == LM_LOWER_RAW) {
        utf8_range(b, from, lo, hi, to);
        return;
    }
    clip(b, utf8_range, from, lo, hi, 0x20, 0x21, to);
    clip(b, utf8_range, from, lo, hi, 0x23, 0x5b, to);
    clip(b, utf8_range, from, lo, hi, 0x5d, 0x10ffff, to);
    short_escapes(b, from, lo, hi, to);
    clip(b, escape_unit, from, lo, hi, 0, how == LM_LOWER_FREE ? 0x7f : 0x1f, to);
    if (how == LM_LOWER_JSON) {
        clip(b, escape_unit, from, lo, hi, 0x22, 0x22, to);
        clip(b, escape_unit, from, lo, hi, 0x5c, 0x5c, to);
    }
    clip(b, escape_unit, from, lo, hi, 0x80, 0xd7ff, to);
    clip(b, escape_unit, from, lo, hi, 0xe000, 0xffff, to);
    clip(b, escape_pair, from, lo, hi, 0x10000, 0x10ffff, to);
}

void lm_lower(struct lm_builder *b, const struct lm_chars *c, enum lm_lower how, uint32_t from, const uint32_t *to, size_t n_to)
{
    if (b->rc || !c)
        return;
    uint32_t *node = malloc((c->n_state + 1) * sizeof *node);
    if (!node) {
        b->rc = lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
        return;
    }
    for (size_t i = 0; i < c->n_state; i++)
        node[i] = lm_builder_node(b);
    lm_builder_step(b, from, LM_STEP_JUMP, 0, 0, node[0]);
    for (size_t i = 0; i < c->n_state && !b->rc; i++) {
        const struct lm_chars_state *s = &c->state[i];
        if (s->label >= 0)
            lm_builder_step(b, node[i], LM_STEP_JUMP, 0, 0, to[n_to == 1 ? 0 : s->label]);
        for (uint32_t k = 0; k < s->n_range && !b->rc; k++)
            lm_lower_range(b, how, node[i], c->range[s->range + k].lo, c->range[s->range + k].hi, node[c->range[s->range + k].to]);
    }
    free(node);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/chars.h"
#include "runtime/base/utf8.h"

#include <stdlib.h>

struct lm_chars *lm_chars_create(struct lm_builder *b)
{
    struct lm_chars *c = b->rc ? NULL : calloc(1, sizeof *c);
    if (!c && !b->rc)
        b->rc = lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
    return c;
}

void lm_chars_destroy(struct lm_chars *c)
{
    if (!c)
        return;
    free(c->state);
    free(c->range);
    free(c);
}

uint32_t lm_chars_state(struct lm_builder *b, struct lm_chars *c, int32_t label)
{
    if (!c || !lm_builder_spend(b, 1) || !lm_builder_grow(b, (void **)&c->state, &c->cap_state, c->n_state, sizeof *c->state))
        return 0;
    if (c->n_state >= LM_CHARS_MAX_STATES) {
        b->rc = lm_fail(b->err, LM_ELIMIT, "a string's pattern or length is too complex");
        return 0;
    }
    c->state[c->n_state] = (struct lm_chars_state){.range = (uint32_t)c->n_range, .label = label};
    return (uint32_t)c->n_state++;
}

static void range_add(struct lm_builder *b, struct lm_chars *c, uint32_t lo, uint32_t hi, uint32_t to)
{
    struct lm_chars_state *s = &c->state[c->n_state - 1];
    struct lm_chars_range *last = s->n_range ? &c->range[c->n_range - 1] : NULL;
    if (last && last->to == to && (last->hi + 1 == lo || (last->hi == 0xd7ff && lo == 0xe000))) {
        last->hi = hi;
        return;
    }
    if (!lm_builder_spend(b, 1) || !lm_builder_grow(b, (void **)&c->range, &c->cap_range, c->n_range, sizeof *c->range))
        return;
    c->range[c->n_range++] = (struct lm_chars_range){lo, hi, to};
    s->n_range++;
}

void lm_chars_range(struct lm_builder *b, struct lm_chars *c, uint32_t lo, uint32_t hi, uint32_t to)
{
    if (!c || b->rc)
        return;
    if (lo <= 0xd7ff && lo <= hi)
        range_add(b, c, lo, hi < 0xd7ff ? hi : 0xd7ff, to);
    if (hi >= 0xe000 && lo <= hi)
        range_add(b, c, lo > 0xe000 ? lo : 0xe000, hi, to);
}

struct lm_chars *lm_chars_any(struct lm_builder *b)
{
    return lm_chars_length(b, 0, UINT32_MAX);
}

struct lm_chars *lm_chars_length(struct lm_builder *b, uint32_t min, uint32_t max)
{
    struct lm_chars *c = lm_chars_create(b);
    uint32_t last = max == UINT32_MAX ? min : max;
    if (min > max) {
        lm_chars_state(b, c, -1);
        return c;
    }
    for (uint32_t i = 0; c && i <= last && !b->rc; i++) {
        lm_chars_state(b, c, i >= min ? 0 : -1);
        if (i < max)
            lm_chars_range(b, c, 0, 0x10ffff, i < last ? i + 1 : last);
    }
    return c;
}

/* A trie of words, first child and next sibling. */
struct trie_node { uint32_t c, child, next; int32_t label; };

static uint32_t trie_child(struct lm_builder *b, struct trie_node **t, size_t *n, size_t *cap, uint32_t at, uint32_t c)
{
    uint32_t prev = 0, i = (*t)[at].child;
    for (; i && (*t)[i].c < c && lm_builder_spend(b, 1); i = (*t)[i].next)
        prev = i;
    if (i && (*t)[i].c == c)
        return i;
    if (!lm_builder_grow(b, (void **)t, cap, *n, sizeof **t))
        return 0;
    (*t)[*n] = (struct trie_node){.c = c, .next = i, .label = -1};
    if (prev)
        (*t)[prev].next = (uint32_t)*n;
    else
        (*t)[at].child = (uint32_t)*n;
    return (uint32_t)(*n)++;
}

struct lm_chars *lm_chars_words(struct lm_builder *b, const char *const *word, const size_t *len, size_t n)
{
    struct trie_node *t = NULL;
    size_t n_t = 0, cap = 0;
    struct lm_chars *c = lm_chars_create(b);
    if (lm_builder_grow(b, (void **)&t, &cap, 0, sizeof *t))
        t[n_t++] = (struct trie_node){.label = -1};
    for (size_t w = 0; w < n && !b->rc; w++) {
        uint32_t at = 0, ch = 0;
        for (size_t i = 0; i < len[w] && !b->rc;) {
            int k = lm_utf8_decode(word[w] + i, len[w] - i, &ch);
            i += k > 0 ? (size_t)k : 1;
            at = trie_child(b, &t, &n_t, &cap, at, ch);
        }
        if (!b->rc && t[at].label < 0)
            t[at].label = (int32_t)w;
    }
    for (size_t i = 0; i < n_t && !b->rc; i++) {
        lm_chars_state(b, c, t[i].label);
        for (uint32_t k = t[i].child; k; k = t[k].next)
            lm_chars_range(b, c, t[k].c, t[k].c, k);
    }
    free(t);
    return c;
}

#define DEAD UINT32_MAX

struct product {
    struct lm_builder *b;
    const struct lm_chars *const *part;
    const bool *must;
    size_t n;
    uint32_t *tuple;  /* [n_tuple][n] */
    size_t n_tuple, cap_tuple;
    uint32_t *slot;   /* hash: tuple + 1 */
    size_t n_slot;
    uint32_t *scratch; /* [n] */
    int32_t *labels;   /* [n] */
};

static uint64_t tuple_hash(const uint32_t *t, size_t n)
{
    uint64_t h = 1;
    for (size_t i = 0; i < n; i++)
        h = (h ^ t[i]) * 0x9e3779b97f4a7c15u;
    return h >> 20;
}

static bool slots_grow(struct product *p)
{
    size_t n = p->n_slot ? p->n_slot * 2 : 256;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        p->b->rc = lm_fail(p->b->err, LM_ENOMEM, "no memory for a grammar");
        return false;
    }
    for (size_t i = 0; i < p->n_tuple; i++) {
        size_t at = tuple_hash(p->tuple + i * p->n, p->n) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(p->slot);
    p->slot = slot;
    p->n_slot = n;
    return true;
}

/* Index of the tuple in scratch; DEAD when no text can get a label from there. */
static uint32_t tuple_find(struct product *p)
{
    bool alive = false;
    for (size_t i = 0; i < p->n; i++) {
        if (p->must[i] && p->scratch[i] == DEAD)
            return DEAD;
        alive |= p->scratch[i] != DEAD;
    }
    if (!alive || !lm_builder_spend(p->b, p->n) || (p->n_tuple * 2 >= p->n_slot && !slots_grow(p)))
        return DEAD;
    size_t at = tuple_hash(p->scratch, p->n) & (p->n_slot - 1);
    for (; p->slot[at]; at = (at + 1) & (p->n_slot - 1))
        if (memcmp(p->tuple + (p->slot[at] - 1) * p->n, p->scratch, p->n * sizeof *p->scratch) == 0)
            return p->slot[at] - 1;
    if (!lm_builder_grow(p->b, (void **)&p->tuple, &p->cap_tuple, p->n_tuple, p->n * sizeof *p->tuple))
        return DEAD;
    memcpy(p->tuple + p->n_tuple * p->n, p->scratch, p->n * sizeof *p->scratch);
    p->slot[at] = (uint32_t)++p->n_tuple;
    return p->slot[at] - 1;
}

static const struct lm_chars_range *range_at(const struct lm_chars *c, uint32_t state, uint32_t ch)
{
    const struct lm_chars_state *s = &c->state[state];
    uint32_t lo = 0, hi = s->n_range;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->range[s->range + mid].hi < ch)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n_range ? &c->range[s->range + lo] : NULL;
}

/* Where all parts go from tuple t with character ch into scratch; returns the last character that goes the same way. */
static uint32_t tuple_move(struct product *p, size_t t, uint32_t ch)
{
    uint32_t last = 0x10ffff;
    for (size_t i = 0; i < p->n; i++) {
        uint32_t state = p->tuple[t * p->n + i];
        const struct lm_chars_range *r = state == DEAD ? NULL : range_at(p->part[i], state, ch);
        p->scratch[i] = r && r->lo <= ch ? r->to : DEAD;
        uint32_t end = !r ? 0x10ffff : r->lo <= ch ? r->hi : r->lo - 1;
        last = end < last ? end : last;
    }
    return last;
}

/* The automaton without states from which no label can be reached. */
static struct lm_chars *trim(struct lm_builder *b, struct lm_chars *c)
{
    size_t n = c->n_state, n_live = 0;
    bool *live = calloc(n ? n : 1, sizeof *live), changed = true;
    uint32_t *number = calloc(n ? n : 1, sizeof *number);
    struct lm_chars *out = lm_chars_create(b);
    if (!live || !number)
        b->rc = b->rc ? b->rc : lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
    while (changed && !b->rc && lm_builder_spend(b, c->n_range / 2 + 1)) {
        changed = false;
        for (size_t i = n; i-- > 0;) {
            bool yes = live[i] || c->state[i].label >= 0;
            for (uint32_t k = 0; !yes && k < c->state[i].n_range; k++)
                yes = live[c->range[c->state[i].range + k].to];
            changed |= yes && !live[i];
            live[i] = yes;
        }
    }
    for (size_t i = 0; i < n && !b->rc; i++)
        number[i] = live[i] ? (uint32_t)n_live++ : DEAD;
    if (n_live == 0)
        lm_chars_state(b, out, -1);
    for (size_t i = 0; i < n && !b->rc; i++) {
        if (!live[i])
            continue;
        lm_chars_state(b, out, c->state[i].label);
        for (uint32_t k = 0; k < c->state[i].n_range; k++) {
            struct lm_chars_range r = c->range[c->state[i].range + k];
            if (live[r.to])
                lm_chars_range(b, out, r.lo, r.hi, number[r.to]);
        }
    }
    free(live);
    free(number);
    lm_chars_destroy(c);
    return out;
}

static void product_states(struct product *p, struct lm_chars *c, int32_t (*label)(void *, const int32_t *), void *arg)
{
    for (size_t i = 0; i < p->n; i++)
        p->scratch[i] = 0;
    tuple_find(p);
    for (size_t t = 0; t < p->n_tuple && !p->b->rc; t++) {
        for (size_t i = 0; i < p->n; i++) {
            uint32_t s = p->tuple[t * p->n + i];
            p->labels[i] = s == DEAD ? -1 : p->part[i]->state[s].label;
        }
        bool ok = true;
        for (size_t i = 0; i < p->n; i++)
            ok &= !p->must[i] || p->labels[i] >= 0;
        lm_chars_state(p->b, c, ok ? label(arg, p->labels) : -1);
        for (uint32_t ch = 0, last; ch <= 0x10ffff && !p->b->rc; ch = last + 1) {
            last = tuple_move(p, t, ch);
            uint32_t to = tuple_find(p);
            if (to != DEAD)
                lm_chars_range(p->b, c, ch, last, to);
        }
    }
}

struct lm_chars *lm_chars_product(struct lm_builder *b, const struct lm_chars *const *part, const bool *must, size_t n,
                                  int32_t (*label)(void *arg, const int32_t *labels), void *arg)
{
    struct product p = {.b = b, .part = part, .must = must, .n = n};
    struct lm_chars *c = lm_chars_create(b);
    p.scratch = malloc((n + 1) * sizeof *p.scratch);
    p.labels = malloc((n + 1) * sizeof *p.labels);
    if (!p.scratch || !p.labels)
        b->rc = b->rc ? b->rc : lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
    if (!b->rc)
        product_states(&p, c, label, arg);
    free(p.tuple);
    free(p.slot);
    free(p.scratch);
    free(p.labels);
    if (c && !b->rc)
        c = trim(b, c);
    return c;
}

static int32_t zero(void *arg, const int32_t *labels)
{
    return 0;
}

struct lm_chars *lm_chars_both(struct lm_builder *b, const struct lm_chars *x, const struct lm_chars *y)
{
    const struct lm_chars *const part[] = {x, y};
    return x && y ? lm_chars_product(b, part, (const bool[]){true, true}, 2, zero, NULL) : NULL;
}

bool lm_chars_is_empty(const struct lm_chars *c)
{
    for (size_t i = 0; i < c->n_state; i++)
        if (c->state[i].label >= 0)
            return false;
    return true;
}

int32_t lm_chars_match(const struct lm_chars *c, const char *s, size_t n)
{
    uint32_t state = 0, ch;
    for (size_t i = 0; i < n;) {
        int k = lm_utf8_decode(s + i, n - i, &ch);
        const struct lm_chars_range *r = k > 0 ? range_at(c, state, ch) : NULL;
        if (!r || r->lo > ch)
            return -1;
        state = r->to;
        i += (size_t)k;
    }
    return c->state[state].label;
}

/* States from which a label >= from can be reached. */
static void find_wanted(struct lm_builder *b, const struct lm_chars *c, int32_t from, bool *wanted)
{
    for (bool changed = true; changed && lm_builder_spend(b, c->n_range + c->n_state);) {
        changed = false;
        for (size_t i = c->n_state; i-- > 0;) {
            bool yes = wanted[i] || c->state[i].label >= from;
            for (uint32_t k = 0; !yes && k < c->state[i].n_range; k++)
                yes = wanted[c->range[c->state[i].range + k].to];
            changed |= yes && !wanted[i];
            wanted[i] = yes;
        }
    }
}

/* Take away states that nothing left leads to, until none can be taken: what remains is a loop. */
bool lm_chars_is_finite(struct lm_builder *b, const struct lm_chars *c, int32_t from)
{
    size_t n = c->n_state, n_ready = 0, done = 0, n_wanted = 0;
    bool *wanted = calloc(n + 1, sizeof *wanted);
    uint32_t *in = calloc(n + 1, sizeof *in), *ready = malloc((n + 1) * sizeof *ready);
    if (!wanted || !in || !ready)
        b->rc = b->rc ? b->rc : lm_fail(b->err, LM_ENOMEM, "no memory for a grammar");
    if (!b->rc)
        find_wanted(b, c, from, wanted);
    for (size_t i = 0; i < n && !b->rc; i++)
        for (uint32_t k = 0; wanted[i] && k < c->state[i].n_range; k++)
            in[c->range[c->state[i].range + k].to]++;
    for (size_t i = 0; i < n && !b->rc; i++) {
        n_wanted += wanted[i];
        if (wanted[i] && !in[i])
            ready[n_ready++] = (uint32_t)i;
    }
    for (; done < n_ready; done++) {
        const struct lm_chars_state *s = &c->state[ready[done]];
        for (uint32_t k = 0; k < s->n_range; k++) {
            uint32_t to = c->range[s->range + k].to;
            if (--in[to] == 0 && wanted[to])
                ready[n_ready++] = to;
        }
    }
    free(wanted);
    free(in);
    free(ready);
    return done == n_wanted;
}

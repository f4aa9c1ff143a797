/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/grammar.h"
#include "runtime/base/utf8.h"
#include "runtime/text/grammar/lower.h"

#include <stdlib.h>

enum { MAX_DEPTH = 100, MAX_REPEAT = 10000, MAX_RANGES = 512, MAX_RULES = 20000 };

struct name {
    const char *s;
    size_t n;
    uint32_t rule;
    bool defined;
};

struct gbnf {
    struct lm_builder b;
    const char *s;
    size_t n, at;
    int depth;
    struct name *name;
    size_t n_name, cap_name;
    uint32_t *slot; /* hash of names: index + 1 */
    size_t n_slot;
};

struct piece { uint32_t start, end; };

static int fail(struct gbnf *g, int code, const char *what)
{
    size_t line = 1;
    for (size_t i = 0; i < g->at && i < g->n; i++)
        line += g->s[i] == '\n';
    if (!g->b.rc)
        g->b.rc = lm_fail(g->b.err, code, "grammar line %zu: %s", line, what);
    return g->b.rc;
}

static bool more(const struct gbnf *g)
{
    return g->at < g->n && !g->b.rc;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void skip_space(struct gbnf *g)
{
    while (more(g)) {
        char c = g->s[g->at];
        if (c == '#')
            while (more(g) && g->s[g->at] != '\n')
                g->at++;
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            g->at++;
        else
            return;
    }
}

static bool take(struct gbnf *g, char c)
{
    if (!more(g) || g->s[g->at] != c)
        return false;
    g->at++;
    return true;
}

static uint64_t hash(const char *s, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static bool slots_grow(struct gbnf *g)
{
    size_t n = g->n_slot ? g->n_slot * 2 : 64;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        fail(g, LM_ENOMEM, "no memory");
        return false;
    }
    for (size_t i = 0; i < g->n_name; i++) {
        size_t at = hash(g->name[i].s, g->name[i].n) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(g->slot);
    g->slot = slot;
    g->n_slot = n;
    return true;
}

/* Index of a name, made when it is new. */
static size_t name_of(struct gbnf *g, const char *s, size_t n)
{
    if (g->n_name * 2 >= g->n_slot && !slots_grow(g))
        return 0;
    size_t at = hash(s, n) & (g->n_slot - 1);
    for (; g->slot[at]; at = (at + 1) & (g->n_slot - 1)) {
        const struct name *x = &g->name[g->slot[at] - 1];
        if (x->n == n && memcmp(x->s, s, n) == 0)
            return g->slot[at] - 1;
    }
    if (!lm_builder_grow(&g->b, (void **)&g->name, &g->cap_name, g->n_name, sizeof *g->name))
        return 0;
    if (g->n_name == MAX_RULES) {
        fail(g, LM_ELIMIT, "more than 20000 rules");
        return 0;
    }
    g->name[g->n_name] = (struct name){.s = s, .n = n, .rule = lm_builder_rule(&g->b)};
    g->slot[at] = (uint32_t)++g->n_name;
    return g->n_name - 1;
}

static size_t name_len(const struct gbnf *g)
{
    size_t n = 0;
    while (g->at + n < g->n && is_name(g->s[g->at + n]))
        n++;
    return n;
}

/* True when a rule begins here. */
static bool at_rule(struct gbnf *g)
{
    size_t at = g->at, n = name_len(g);
    g->at += n;
    skip_space(g);
    bool yes = n && g->n - g->at >= 3 && memcmp(g->s + g->at, "::=", 3) == 0;
    g->at = at;
    return yes;
}

static uint32_t hex(struct gbnf *g, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) {
        char c = more(g) ? g->s[g->at++] : 0;
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
        if (d < 0) {
            fail(g, LM_EINVAL, "bad hexadecimal escape");
            return 0;
        }
        v = v * 16 + (uint32_t)d;
    }
    if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        fail(g, LM_EINVAL, "an escape that is no character");
    return v;
}

static uint32_t character(struct gbnf *g)
{
    uint32_t c = 0;
    if (take(g, '\\')) {
        char e = more(g) ? g->s[g->at++] : 0;
        switch (e) {
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'x': return hex(g, 2);
        case 'u': return hex(g, 4);
        case 'U': return hex(g, 8);
        default:
            if (e && strchr("\\\"'[]^-", e))
                return (uint32_t)e;
            fail(g, LM_EINVAL, "unknown escape");
            return 0;
        }
    }
    int k = lm_utf8_decode(g->s + g->at, g->n - g->at, &c);
    if (k <= 0)
        fail(g, LM_EINVAL, "ill-formed UTF-8");
    g->at += k > 0 ? (size_t)k : 1;
    return c;
}

static struct piece text(struct gbnf *g, char quote)
{
    struct piece p = {lm_builder_node(&g->b), 0};
    char s[4];
    p.end = p.start;
    while (more(g) && g->s[g->at] != quote)
        p.end = lm_builder_text(&g->b, p.end, s, (size_t)lm_utf8_encode(character(g), s));
    if (!take(g, quote))
        fail(g, LM_EINVAL, "a text without its end");
    return p;
}

struct range { uint32_t lo, hi; };

static int by_lo(const void *a, const void *b)
{
    uint32_t x = ((const struct range *)a)->lo, y = ((const struct range *)b)->lo;
    return (x > y) - (x < y);
}

static void lower(struct gbnf *g, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to)
{
    if (lo <= 0xd7ff && lo <= hi)
        lm_lower_range(&g->b, LM_LOWER_RAW, from, lo, hi < 0xd7ff ? hi : 0xd7ff, to);
    if (hi >= 0xe000 && lo <= hi)
        lm_lower_range(&g->b, LM_LOWER_RAW, from, lo > 0xe000 ? lo : 0xe000, hi, to);
}

static struct piece of_ranges(struct gbnf *g, struct range *r, size_t n, bool invert)
{
    struct piece p = {lm_builder_node(&g->b), lm_builder_node(&g->b)};
    uint32_t from = 0;
    if (invert && n)
        qsort(r, n, sizeof *r, by_lo);
    for (size_t i = 0; i < n && !g->b.rc; i++) {
        if (!invert)
            lower(g, p.start, r[i].lo, r[i].hi, p.end);
        else if (r[i].lo > from)
            lower(g, p.start, from, r[i].lo - 1, p.end);
        from = r[i].hi + 1 > from ? r[i].hi + 1 : from;
    }
    if (invert && from <= 0x10ffff)
        lower(g, p.start, from, 0x10ffff, p.end);
    return p;
}

static struct piece class(struct gbnf *g)
{
    struct range r[MAX_RANGES];
    size_t n = 0;
    bool invert = take(g, '^');
    while (more(g) && g->s[g->at] != ']') {
        if (n == MAX_RANGES) {
            fail(g, LM_ELIMIT, "a class of too many ranges");
            break;
        }
        r[n].lo = r[n].hi = character(g);
        if (g->at + 1 < g->n && g->s[g->at] == '-' && g->s[g->at + 1] != ']') {
            g->at++;
            r[n].hi = character(g);
            if (r[n].hi < r[n].lo)
                fail(g, LM_EINVAL, "bad range in a class");
        }
        n++;
    }
    if (!take(g, ']'))
        fail(g, LM_EINVAL, "a class without its end");
    return of_ranges(g, r, n, invert);
}

static struct piece alternatives(struct gbnf *g, bool nested);

static struct piece element(struct gbnf *g)
{
    struct piece p = {0, 0};
    if (take(g, '"'))
        return text(g, '"');
    if (take(g, '\''))
        return text(g, '\'');
    if (take(g, '['))
        return class(g);
    if (take(g, '.'))
        return of_ranges(g, NULL, 0, true);
    if (take(g, '(')) {
        p = alternatives(g, true);
        if (!take(g, ')'))
            fail(g, LM_EINVAL, "a group without its end");
        return p;
    }
    size_t n = name_len(g);
    if (n == 0) {
        fail(g, LM_EINVAL, "a character that means nothing here");
        return p;
    }
    size_t i = name_of(g, g->s + g->at, n);
    g->at += n;
    p = (struct piece){lm_builder_node(&g->b), lm_builder_node(&g->b)};
    if (!g->b.rc)
        lm_builder_call(&g->b, p.start, g->name[i].rule, p.end);
    return p;
}

static uint32_t number(struct gbnf *g)
{
    uint32_t v = 0, n = 0;
    skip_space(g);
    for (; more(g) && g->s[g->at] >= '0' && g->s[g->at] <= '9'; g->at++, n++)
        v = v > MAX_REPEAT ? v : v * 10 + (uint32_t)(g->s[g->at] - '0');
    skip_space(g);
    return n ? v : UINT32_MAX;
}

static bool quantifier(struct gbnf *g, uint32_t *min, uint32_t *max)
{
    *min = 0;
    *max = UINT32_MAX;
    if (take(g, '?')) {
        *max = 1;
    } else if (take(g, '+')) {
        *min = 1;
    } else if (take(g, '{')) {
        *min = number(g);
        bool comma = take(g, ',');
        *max = comma ? number(g) : *min;
        if (comma && *min == UINT32_MAX)
            *min = 0;
        if (*min == UINT32_MAX || *min > *max || !take(g, '}'))
            fail(g, LM_EINVAL, "bad repetition");
        else if (*min > MAX_REPEAT || (*max != UINT32_MAX && *max > MAX_REPEAT))
            fail(g, LM_ELIMIT, "a repetition of more than 10000");
    } else if (!take(g, '*')) {
        return false;
    }
    return true;
}

static void jump(struct gbnf *g, uint32_t from, uint32_t to)
{
    lm_builder_step(&g->b, from, LM_STEP_JUMP, 0, 0, to);
}

/* The element that begins at `from`, made once more. */
static struct piece again(struct gbnf *g, size_t from)
{
    size_t at = g->at;
    g->at = from;
    struct piece p = element(g);
    g->at = at;
    return p;
}

static struct piece repeated(struct gbnf *g, size_t from, struct piece first, uint32_t min, uint32_t max)
{
    struct piece all = {lm_builder_node(&g->b), lm_builder_node(&g->b)};
    uint32_t at = all.start, n = max == UINT32_MAX ? min : max;
    for (uint32_t i = 0; i < n && !g->b.rc; i++) {
        struct piece p = i ? again(g, from) : first;
        if (i >= min)
            jump(g, at, all.end);
        jump(g, at, p.start);
        at = p.end;
    }
    if (max == UINT32_MAX) {
        struct piece p = n ? again(g, from) : first;
        uint32_t loop = lm_builder_node(&g->b);
        jump(g, at, loop);
        jump(g, loop, p.start);
        jump(g, p.end, loop);
        at = loop;
    }
    jump(g, at, all.end);
    return all;
}

static struct piece sequence(struct gbnf *g, bool nested)
{
    struct piece all = {lm_builder_node(&g->b), 0};
    all.end = all.start;
    for (skip_space(g); more(g) && g->s[g->at] != '|' && g->s[g->at] != ')' && (nested || !at_rule(g)); skip_space(g)) {
        size_t from = g->at;
        uint32_t min, max;
        struct piece p = element(g);
        while (quantifier(g, &min, &max)) {
            p = repeated(g, from, p, min, max);
            if (more(g) && strchr("*+?{", g->s[g->at]))
                fail(g, LM_EINVAL, "a repetition of a repetition");
        }
        jump(g, all.end, p.start);
        all.end = p.end;
    }
    return all;
}

static struct piece alternatives(struct gbnf *g, bool nested)
{
    struct piece all = {lm_builder_node(&g->b), lm_builder_node(&g->b)};
    if (++g->depth > MAX_DEPTH)
        fail(g, LM_ELIMIT, "groups too deep");
    do {
        struct piece p = sequence(g, nested);
        jump(g, all.start, p.start);
        jump(g, p.end, all.end);
    } while (take(g, '|') && !g->b.rc);
    g->depth--;
    return all;
}

static void rule(struct gbnf *g)
{
    size_t n = name_len(g), i = n ? name_of(g, g->s + g->at, n) : 0;
    if (!n || !at_rule(g)) {
        fail(g, LM_EINVAL, "expected 'name ::='");
        return;
    }
    g->at += n;
    skip_space(g);
    g->at += 3;
    if (g->b.rc || g->name[i].defined) {
        fail(g, LM_EINVAL, "a rule that is defined twice");
        return;
    }
    g->name[i].defined = true;
    struct piece p = alternatives(g, false);
    if (g->b.rc)
        return;
    jump(g, g->b.rule[g->name[i].rule].start, p.start);
    jump(g, p.end, g->b.rule[g->name[i].rule].end);
}

int lm_grammar_gbnf(const char *s, size_t n, struct lm_program **out, struct lm_err *err)
{
    struct gbnf g = {.s = s, .n = n};
    lm_builder_init(&g.b, err);
    for (skip_space(&g); more(&g); skip_space(&g))
        rule(&g);
    size_t root = g.b.rc ? 0 : name_of(&g, "root", 4);
    for (size_t i = 0; i < g.n_name && !g.b.rc; i++)
        if (!g.name[i].defined)
            g.b.rc = lm_fail(err, LM_EINVAL, "the grammar has no rule '%.*s'", (int)(g.name[i].n < 60 ? g.name[i].n : 60), g.name[i].s);
    if (!g.b.rc)
        lm_builder_finish(&g.b, g.name[root].rule, false, out);
    free(g.name);
    free(g.slot);
    int rc = g.b.rc;
    lm_builder_fini(&g.b);
    return rc;
}

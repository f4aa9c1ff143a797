/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/regex_nfa.h"
#include "runtime/base/utf8.h"

#include <stdlib.h>

enum { MAX_DEPTH = 100, MAX_REPEAT = 10000 };

static int fail(struct lm_regex *r, int code, const char *what)
{
    if (!r->b->rc)
        r->b->rc = lm_fail(r->b->err, code, "regular expression: %s at byte %zu", what, r->at);
    return r->b->rc;
}

static uint32_t node(struct lm_regex *r)
{
    if (!lm_builder_spend(r->b, 1) || !lm_builder_grow(r->b, (void **)&r->head, &r->cap_node, r->n_node, sizeof *r->head))
        return 0;
    r->head[r->n_node] = 0;
    return (uint32_t)r->n_node++;
}

static void edge(struct lm_regex *r, uint32_t from, enum lm_regex_edge_kind kind, uint32_t lo, uint32_t hi, uint32_t to)
{
    if (!lm_builder_spend(r->b, 1) || !lm_builder_grow(r->b, (void **)&r->edge, &r->cap_edge, r->n_edge, sizeof *r->edge))
        return;
    r->edge[r->n_edge++] = (struct lm_regex_edge){.next = r->head[from], .kind = kind, .lo = lo, .hi = hi, .to = to};
    r->head[from] = (uint32_t)r->n_edge;
}

static bool more(const struct lm_regex *r)
{
    return r->at < r->n && !r->b->rc;
}

static bool take(struct lm_regex *r, char c)
{
    if (!more(r) || r->s[r->at] != c)
        return false;
    r->at++;
    return true;
}

static bool take_text(struct lm_regex *r, const char *s)
{
    size_t n = strlen(s);
    if (r->n - r->at < n || memcmp(r->s + r->at, s, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* A set of characters while it is read: ranges in any order. */
struct set {
    struct { uint32_t lo, hi; } range[512];
    size_t n;
};

static void set_add(struct lm_regex *r, struct set *s, uint32_t lo, uint32_t hi)
{
    if (s->n == sizeof s->range / sizeof *s->range) {
        fail(r, LM_ELIMIT, "a class of too many ranges");
        return;
    }
    s->range[s->n].lo = lo;
    s->range[s->n++].hi = hi;
}

static int by_lo(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void set_invert(struct lm_regex *r, struct set *s)
{
    static struct set const none;
    struct set out = none;
    uint32_t from = 0;
    if (s->n)
        qsort(s->range, s->n, sizeof *s->range, by_lo);
    for (size_t i = 0; i < s->n; i++) {
        if (s->range[i].lo > from)
            set_add(r, &out, from, s->range[i].lo - 1);
        from = s->range[i].hi + 1 > from ? s->range[i].hi + 1 : from;
    }
    if (from <= 0x10ffff)
        set_add(r, &out, from, 0x10ffff);
    *s = out;
}

static const struct { uint32_t lo, hi; } spaces[] = {
    {9, 13}, {0x20, 0x20}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029},
    {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff},
};

/* \d \w \s and their opposites; false when c is none of them. */
static bool class_escape(struct lm_regex *r, char c, struct set *out)
{
    struct set s = {.n = 0};
    switch (c | 0x20) {
    case 'd':
        set_add(r, &s, '0', '9');
        break;
    case 'w':
        set_add(r, &s, '0', '9');
        set_add(r, &s, 'A', 'Z');
        set_add(r, &s, '_', '_');
        set_add(r, &s, 'a', 'z');
        break;
    case 's':
        for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
            set_add(r, &s, spaces[i].lo, spaces[i].hi);
        break;
    default:
        return false;
    }
    if (!(c & 0x20))
        set_invert(r, &s);
    for (size_t i = 0; i < s.n; i++)
        set_add(r, out, s.range[i].lo, s.range[i].hi);
    return true;
}

static uint32_t hex(struct lm_regex *r, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) {
        char c = r->at < r->n ? r->s[r->at] : 0;
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
        if (d < 0) {
            fail(r, LM_EINVAL, "bad hexadecimal escape");
            return 0;
        }
        v = v * 16 + (uint32_t)d;
        r->at++;
    }
    return v;
}

static uint32_t unicode_escape(struct lm_regex *r)
{
    if (take(r, '{')) {
        uint32_t v = 0;
        do
            v = v * 16 + hex(r, 1);
        while (more(r) && r->s[r->at] != '}' && v <= 0x10ffff);
        if (!take(r, '}') || v > 0x10ffff)
            fail(r, LM_EINVAL, "bad \\u{...}");
        return v;
    }
    uint32_t v = hex(r, 4);
    if (v >= 0xd800 && v <= 0xdbff && take_text(r, "\\u")) {
        uint32_t low = hex(r, 4);
        if (low < 0xdc00 || low > 0xdfff)
            fail(r, LM_EINVAL, "a high surrogate without a low one");
        return 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    }
    return v;
}

/* The character that an escape behind a backslash stands for. */
static uint32_t escape(struct lm_regex *r, bool in_class)
{
    static const char syntax[] = "^$\\.*+?()[]{}|/-";
    char c = r->at < r->n ? r->s[r->at++] : 0;
    switch (c) {
    case 't': return 9;
    case 'n': return 10;
    case 'v': return 11;
    case 'f': return 12;
    case 'r': return 13;
    case 'x': return hex(r, 2);
    case 'u': return unicode_escape(r);
    case 'c':
        if (more(r) && ((r->s[r->at] | 0x20) >= 'a' && (r->s[r->at] | 0x20) <= 'z'))
            return (uint32_t)(r->s[r->at++] & 0x1f);
        break;
    case '0':
        if (!more(r) || r->s[r->at] < '0' || r->s[r->at] > '9')
            return 0;
        break;
    case 'b':
        if (in_class)
            return 8;
        fail(r, LM_EUNSUPPORTED, "\\b is not supported");
        return 0;
    case 'B':
        fail(r, LM_EUNSUPPORTED, "\\B is not supported");
        return 0;
    case 'p':
    case 'P':
        fail(r, LM_EUNSUPPORTED, "\\p is not supported");
        return 0;
    default:
        if (c && strchr(syntax, c))
            return (uint32_t)c;
        /* Python escapes any punctuation; that means the same everywhere */
        if (c > 0x20 && c < 0x7f && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            return (uint32_t)c;
        if ((c >= '1' && c <= '9') || c == 'k') {
            fail(r, LM_EUNSUPPORTED, "back references are not supported");
            return 0;
        }
    }
    fail(r, LM_EINVAL, "unknown escape");
    return 0;
}

static uint32_t character(struct lm_regex *r)
{
    uint32_t c = 0;
    int k = lm_utf8_decode(r->s + r->at, r->n - r->at, &c);
    if (k <= 0)
        fail(r, LM_EINVAL, "ill-formed UTF-8");
    r->at += k > 0 ? (size_t)k : 1;
    return c;
}

/* A character or class escape; true when it is a single character in *out, else it was added to the set. */
static bool class_atom(struct lm_regex *r, struct set *s, bool in_class, uint32_t *out)
{
    if (!take(r, '\\')) {
        *out = character(r);
        return true;
    }
    if (more(r) && class_escape(r, r->s[r->at], s)) {
        r->at++;
        return false;
    }
    *out = escape(r, in_class);
    return true;
}

static void class_read(struct lm_regex *r, struct set *s)
{
    bool invert = take(r, '^');
    while (more(r) && r->s[r->at] != ']') {
        uint32_t lo, hi;
        if (!class_atom(r, s, true, &lo))
            continue;
        hi = lo;
        if (r->at + 1 < r->n && r->s[r->at] == '-' && r->s[r->at + 1] != ']') {
            r->at++;
            if (!class_atom(r, s, true, &hi) || hi < lo)
                fail(r, LM_EINVAL, "bad range in a class");
        }
        set_add(r, s, lo, hi);
    }
    if (!take(r, ']'))
        fail(r, LM_EINVAL, "a class without its end");
    if (invert)
        set_invert(r, s);
}

struct part { uint32_t start, end; };

static struct part of_set(struct lm_regex *r, const struct set *s)
{
    struct part p = {node(r), node(r)};
    for (size_t i = 0; i < s->n; i++)
        edge(r, p.start, LM_REGEX_CHARS, s->range[i].lo, s->range[i].hi, p.end);
    return p;
}

static struct part alternatives(struct lm_regex *r);

static struct part group(struct lm_regex *r)
{
    if (take(r, '?') && !take(r, ':')) {
        if (take_text(r, "P<") || (r->at + 1 < r->n && r->s[r->at] == '<' && !strchr("=!", r->s[r->at + 1]))) {
            while (more(r) && r->s[r->at] != '>')
                r->at++;
            if (!take(r, '>'))
                fail(r, LM_EINVAL, "a group's name without its end");
        } else {
            bool look = more(r) && strchr("=!<", r->s[r->at]);
            fail(r, LM_EUNSUPPORTED, look ? "look-around is not supported" : "flags are not supported");
        }
    }
    struct part p = alternatives(r);
    if (!take(r, ')'))
        fail(r, LM_EINVAL, "a group without its end");
    return p;
}

static struct part atom(struct lm_regex *r)
{
    struct set s = {.n = 0};
    struct part p = {0, 0};
    uint32_t c;
    if (take(r, '('))
        return group(r);
    if (take(r, '^') || take(r, '$')) {
        p = (struct part){node(r), node(r)};
        edge(r, p.start, r->s[r->at - 1] == '^' ? LM_REGEX_BEGIN : LM_REGEX_END, 0, 0, p.end);
        return p;
    }
    if (take(r, '[')) {
        class_read(r, &s);
    } else if (take(r, '.')) {
        set_add(r, &s, '\n', '\n');
        set_add(r, &s, '\r', '\r');
        set_add(r, &s, 0x2028, 0x2029);
        set_invert(r, &s);
    } else if (more(r) && strchr("*+?{", r->s[r->at])) {
        fail(r, LM_EINVAL, "nothing to repeat");
    } else if (more(r) && strchr(")]}", r->s[r->at])) {
        fail(r, LM_EINVAL, "a bracket without its beginning");
    } else if (class_atom(r, &s, false, &c)) {
        set_add(r, &s, c, c);
    }
    return of_set(r, &s);
}

static uint32_t number(struct lm_regex *r, uint32_t none)
{
    uint32_t v = 0, n = 0;
    for (; more(r) && r->s[r->at] >= '0' && r->s[r->at] <= '9'; r->at++, n++)
        v = v > MAX_REPEAT ? v : v * 10 + (uint32_t)(r->s[r->at] - '0');
    return n ? v : none;
}

/* min and max of what stands behind an atom; max UINT32_MAX: no end. False: nothing stands there. */
static bool quantifier(struct lm_regex *r, uint32_t *min, uint32_t *max)
{
    *min = 0;
    *max = UINT32_MAX;
    if (take(r, '?')) {
        *max = 1;
    } else if (take(r, '+')) {
        *min = 1;
    } else if (take(r, '{')) {
        *min = number(r, UINT32_MAX);
        *max = take(r, ',') ? number(r, UINT32_MAX) : *min;
        if (*min == UINT32_MAX || *min > *max || !take(r, '}'))
            fail(r, LM_EINVAL, "bad repetition");
        else if (*min > MAX_REPEAT || (*max != UINT32_MAX && *max > MAX_REPEAT))
            fail(r, LM_ELIMIT, "a repetition of more than 10000");
    } else if (!take(r, '*')) {
        return false;
    }
    take(r, '?');
    if (more(r) && strchr("*+?{", r->s[r->at]))
        fail(r, LM_EINVAL, "nothing to repeat");
    return true;
}

static struct part again(struct lm_regex *r, size_t from)
{
    size_t at = r->at;
    r->at = from;
    struct part p = atom(r);
    r->at = at;
    return p;
}

static struct part repeated(struct lm_regex *r, size_t from, struct part first, uint32_t min, uint32_t max)
{
    uint32_t start = node(r), end = node(r), at = start;
    for (uint32_t i = 0; i < min && !r->b->rc; i++) {
        struct part p = i ? again(r, from) : first;
        edge(r, at, LM_REGEX_JUMP, 0, 0, p.start);
        at = p.end;
    }
    if (max == UINT32_MAX) {
        struct part p = min ? again(r, from) : first;
        uint32_t loop = node(r);
        edge(r, at, LM_REGEX_JUMP, 0, 0, loop);
        edge(r, loop, LM_REGEX_JUMP, 0, 0, p.start);
        edge(r, p.end, LM_REGEX_JUMP, 0, 0, loop);
        at = loop;
    }
    for (uint32_t i = min; max != UINT32_MAX && i < max && !r->b->rc; i++) {
        struct part p = i ? again(r, from) : first;
        edge(r, at, LM_REGEX_JUMP, 0, 0, end);
        edge(r, at, LM_REGEX_JUMP, 0, 0, p.start);
        at = p.end;
    }
    edge(r, at, LM_REGEX_JUMP, 0, 0, end);
    return (struct part){start, end};
}

static struct part sequence(struct lm_regex *r)
{
    struct part all = {node(r), 0};
    uint32_t at = all.start;
    while (more(r) && r->s[r->at] != '|' && r->s[r->at] != ')') {
        size_t from = r->at;
        uint32_t min, max;
        struct part p = atom(r);
        if (quantifier(r, &min, &max))
            p = repeated(r, from, p, min, max);
        edge(r, at, LM_REGEX_JUMP, 0, 0, p.start);
        at = p.end;
    }
    all.end = at;
    return all;
}

static struct part alternatives(struct lm_regex *r)
{
    struct part all = {node(r), node(r)};
    if (++r->depth > MAX_DEPTH)
        fail(r, LM_ELIMIT, "groups too deep");
    do {
        struct part p = sequence(r);
        edge(r, all.start, LM_REGEX_JUMP, 0, 0, p.start);
        edge(r, p.end, LM_REGEX_JUMP, 0, 0, all.end);
    } while (take(r, '|'));
    r->depth--;
    return all;
}

struct lm_chars *lm_regex_compile(struct lm_builder *b, const char *s, size_t n, bool search)
{
    struct lm_regex r = {.b = b, .s = s, .n = n};
    struct lm_chars *out = NULL;
    if (b->rc)
        return NULL;
    struct part p = alternatives(&r);
    if (!b->rc && r.at < n)
        fail(&r, LM_EINVAL, "a bracket without its beginning");
    r.start = node(&r);
    r.end = node(&r);
    edge(&r, r.start, LM_REGEX_JUMP, 0, 0, p.start);
    edge(&r, p.end, LM_REGEX_JUMP, 0, 0, r.end);
    if (search) {
        edge(&r, r.start, LM_REGEX_CHARS, 0, 0x10ffff, r.start);
        edge(&r, r.end, LM_REGEX_CHARS, 0, 0x10ffff, r.end);
    }
    if (!b->rc)
        out = lm_regex_determinize(&r);
    free(r.head);
    free(r.edge);
    return out;
}

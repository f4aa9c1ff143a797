/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jast.h"
#include "runtime/text/jinja/jstr.h"
#include "runtime/base/utf8.h"
#include <errno.h>
#include <stdlib.h>

enum { MAX_BRACKETS = 256 };

struct lexer {
    struct lm_arena *mem;
    struct lm_jtoks *out;
    struct lm_err *err;
    const char *s; /* the text with \n for every line end */
    size_t n, at;
    uint32_t line;
    bool line_start; /* the last tag ended with a line end */
    char bracket[MAX_BRACKETS];
    size_t n_brackets;
};

static int fail(const struct lexer *l, const char *what)
{
    return lm_fail(l->err, LM_EFORMAT, "line %u: %s", l->line, what);
}

static int nomem(const struct lexer *l)
{
    return lm_fail(l->err, LM_ENOMEM, "out of memory for a template of %zu bytes", l->n);
}

static int add(struct lexer *l, struct lm_jtok t)
{
    struct lm_jtoks *o = l->out;
    if (o->n == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 64;
        struct lm_jtok *v = lm_arena_alloc(l->mem, cap * sizeof *v);
        if (!v)
            return nomem(l);
        if (o->n)
            memcpy(v, o->v, o->n * sizeof *v);
        o->v = v;
        o->cap = cap;
    }
    t.line = l->line;
    o->v[o->n++] = t;
    return 0;
}

/* Go to offset `to`, counting lines. */
static void advance(struct lexer *l, size_t to)
{
    for (; l->at < to; l->at++)
        l->line += l->s[l->at] == '\n';
}

static bool starts(const struct lexer *l, size_t at, const char *what)
{
    size_t n = strlen(what);
    return l->n - at >= n && !memcmp(l->s + at, what, n);
}

static size_t skip_space(const struct lexer *l, size_t at)
{
    size_t step;
    while (at < l->n && lm_jcase_space(lm_jstr_char(l->s + at, &step)))
        at += step;
    return at;
}

/* The end of a tag at `at`: %} with its line end, -%} with all space, +%}. Returns the offset behind it, 0 when none is there. */
static size_t tag_end(const struct lexer *l, size_t at, const char *close, bool trim, bool plus)
{
    if (at < l->n && l->s[at] == '-' && starts(l, at + 1, close))
        return skip_space(l, at + 3);
    if (plus && at < l->n && l->s[at] == '+' && starts(l, at + 1, close))
        return at + 3;
    if (!starts(l, at, close))
        return 0;
    at += 2;
    return trim && at < l->n && l->s[at] == '\n' ? at + 1 : at;
}

static void leave_tag(struct lexer *l, size_t end)
{
    advance(l, end);
    l->line_start = l->s[end - 1] == '\n';
}

/* Text before a tag: sign '-' strips all space before the tag, otherwise a statement or comment alone on its line
 * takes the space before it along. */
static int add_data(struct lexer *l, size_t from, size_t to, char sign, bool is_var)
{
    size_t end = to, line = to;
    while (line > from && l->s[line - 1] != '\n')
        line--;
    if (sign == '-') {
        end = from + lm_jstr_trim(lm_jval_str(l->s + from, to - from), LM_JSTR_RIGHT).n;
    } else if (sign != '+' && !is_var && (line > from || l->line_start) && skip_space(l, line) >= to) {
        end = line;
    }
    if (end == from)
        return 0;
    return add(l, (struct lm_jtok){.kind = LM_JTOK_DATA, .s = l->s + from, .n = end - from});
}

static int lex_comment(struct lexer *l, size_t body)
{
    for (size_t at = body; at < l->n; at++) {
        size_t end = tag_end(l, at, "#}", true, true);
        if (end) {
            leave_tag(l, end);
            return 0;
        }
    }
    if (body < l->n)
        return fail(l, "missing end of comment tag");
    advance(l, l->n);
    return 0;
}

/* {% raw %} at `at`: offset behind it, or 0. */
static size_t raw_begin(const struct lexer *l, size_t at)
{
    at += 2;
    if (at < l->n && (l->s[at] == '-' || l->s[at] == '+'))
        at++;
    at = skip_space(l, at);
    if (!starts(l, at, "raw"))
        return 0;
    return tag_end(l, skip_space(l, at + 3), "%}", false, false);
}

static int lex_raw(struct lexer *l, size_t body)
{
    leave_tag(l, body);
    for (size_t at = body; at < l->n; at++) {
        if (!starts(l, at, "{%"))
            continue;
        size_t name = at + 2;
        char sign = name < l->n ? l->s[name] : 0;
        if (sign == '-' || sign == '+')
            name++;
        name = skip_space(l, name);
        size_t end = starts(l, name, "endraw") ? tag_end(l, skip_space(l, name + 6), "%}", true, true) : 0;
        if (!end)
            continue;
        int rc = add_data(l, body, at, sign, false);
        leave_tag(l, end);
        return rc;
    }
    if (body < l->n)
        return fail(l, "missing end of raw directive");
    return 0;
}

/* ---- inside a tag ---- */

static bool is_digit(char ch, int base)
{
    int d = ch >= '0' && ch <= '9' ? ch - '0' : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10 : 99;
    return d < base;
}

/* Digits with single underscores between them: the offset behind, `at` when there is none. */
static size_t digits(const struct lexer *l, size_t at, int base, bool may_lead)
{
    size_t end = at;
    for (;;) {
        size_t d = end;
        if (d < l->n && l->s[d] == '_' && (may_lead || end > at))
            d++;
        if (d >= l->n || !is_digit(l->s[d], base))
            return end;
        end = d + 1;
    }
}

static size_t float_end(const struct lexer *l)
{
    size_t whole = digits(l, l->at, 10, false), end = whole;
    if (whole == l->at || (l->at && l->s[l->at - 1] == '.'))
        return 0;
    if (end < l->n && l->s[end] == '.' && digits(l, end + 1, 10, false) > end + 1)
        end = digits(l, end + 1, 10, false);
    size_t e = end;
    if (e < l->n && (l->s[e] | 32) == 'e') {
        e++;
        if (e < l->n && (l->s[e] == '+' || l->s[e] == '-'))
            e++;
        if (digits(l, e, 10, false) > e)
            return digits(l, e, 10, false);
    }
    return end > whole ? end : 0;
}

static size_t int_end(const struct lexer *l, int *base)
{
    size_t at = l->at;
    char kind = at + 1 < l->n && l->s[at] == '0' ? (char)(l->s[at + 1] | 32) : 0;
    *base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    if (*base != 10 && digits(l, at + 2, *base, true) > at + 2)
        return digits(l, at + 2, *base, true);
    *base = 10;
    if (l->s[at] != '0')
        return digits(l, at, 10, false);
    for (size_t end = at + 1;; end++) {
        size_t d = end < l->n && l->s[end] == '_' ? end + 1 : end;
        if (d >= l->n || l->s[d] != '0')
            return end;
        end = d;
    }
}

static int lex_number(struct lexer *l)
{
    int base = 10;
    size_t end = float_end(l);
    struct lm_jtok t = {.kind = end ? LM_JTOK_FLOAT : LM_JTOK_INT};
    if (!end)
        end = int_end(l, &base);
    char *digit = lm_arena_alloc(l->mem, end - l->at + 1);
    if (!digit)
        return nomem(l);
    size_t n = 0;
    for (size_t i = l->at + (base != 10 ? 2 : 0); i < end; i++)
        if (l->s[i] != '_')
            digit[n++] = l->s[i];
    errno = 0;
    if (t.kind == LM_JTOK_FLOAT)
        t.f = strtod(digit, NULL);
    else
        t.i = strtoll(digit, NULL, base);
    if (t.kind == LM_JTOK_INT && errno == ERANGE)
        return lm_fail(l->err, LM_ELIMIT, "line %u: integer beyond 64 bits", l->line);
    int rc = add(l, t);
    advance(l, end);
    return rc;
}

/* One escape at s[0..n), behind the backslash. *used: bytes read. Returns the character, or a negative number:
 * -1 the backslash stays, -2 nothing, -3 malformed. */
static int64_t escape(const char *s, size_t n, size_t *used)
{
    static const char names[] = "abfnrtv\\'\"", chars[] = "\a\b\f\n\r\t\v\\'\"";
    const char *p = n && *s ? strchr(names, *s) : NULL;
    *used = 1;
    if (p)
        return chars[p - names];
    if (n && *s == '\n')
        return -2;
    size_t want = n && *s == 'x' ? 2 : n && *s == 'u' ? 4 : n && *s == 'U' ? 8 : 0;
    uint32_t v = 0;
    if (want) {
        for (*used = 1; *used <= want; ++*used) {
            if (*used >= n || !is_digit(s[*used], 16))
                return -3;
            v = v << 4 | (uint32_t)(s[*used] <= '9' ? s[*used] - '0' : (s[*used] | 32) - 'a' + 10);
        }
        return v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? -3 : (int64_t)v;
    }
    if (!n || *s < '0' || *s > '7') {
        *used = 0;
        return n && *s == 'N' ? -3 : -1;
    }
    for (*used = 0; *used < 3 && *used < n && s[*used] >= '0' && s[*used] <= '7'; ++*used)
        v = v << 3 | (uint32_t)(s[*used] - '0');
    return v;
}

/* Python encodes the text with backslashes before it decodes, so that a backslash before a character that is not
 * ASCII meets the backslash of that character's own escape. */
static size_t unescape_foreign(const char *s, char *o)
{
    size_t step;
    uint32_t cp = lm_jstr_char(s, &step);
    return (size_t)sprintf(o, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
}

static int lex_string(struct lexer *l)
{
    size_t end = l->at + 1;
    while (end < l->n && l->s[end] != l->s[l->at])
        end += l->s[end] == '\\' ? 2 : 1;
    if (end >= l->n)
        return fail(l, "a string is not closed");
    const char *s = l->s + l->at + 1;
    size_t n = end - l->at - 1, o = 0;
    char *text = lm_arena_alloc(l->mem, n * 3 + 16);
    if (!text)
        return nomem(l);
    for (size_t i = 0; i < n;) {
        if (s[i] != '\\') {
            text[o++] = s[i++];
            continue;
        }
        if (i + 1 < n && (unsigned char)s[i + 1] >= 0x80) {
            o += unescape_foreign(s + i + 1, text + o);
            i += 1 + lm_jstr_step(s[i + 1]);
            continue;
        }
        size_t used;
        int64_t ch = escape(s + i + 1, n - i - 1, &used);
        if (ch == -3)
            return fail(l, "malformed escape in a string");
        if (ch == -1)
            text[o++] = '\\';
        else if (ch >= 0)
            o += (size_t)lm_utf8_encode((uint32_t)ch, text + o);
        i += 1 + used;
    }
    int rc = add(l, (struct lm_jtok){.kind = LM_JTOK_STR, .s = text, .n = o});
    advance(l, end + 1);
    return rc;
}

static int lex_operator(struct lexer *l)
{
    static const struct {
        char text[3];
        uint8_t op;
    } pairs[] = {{"//", LM_JOP_FLOORDIV}, {"**", LM_JOP_POW}, {"==", LM_JOP_EQ}, {"!=", LM_JOP_NE}, {">=", LM_JOP_GE}, {"<=", LM_JOP_LE}};
    static const char open[] = "([{", close[] = ")]}";
    char ch = l->s[l->at];
    uint8_t op = (uint8_t)ch;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (starts(l, l->at, pairs[i].text))
            op = pairs[i].op;
    if (!ch || (op < 128 && !strchr("+-/*%~[](){}><=.:|,;", ch)))
        return lm_fail(l->err, LM_EFORMAT, "line %u: unexpected character '%.*s'", l->line, (int)lm_jstr_step(ch), l->s + l->at);
    const char *o = strchr(open, ch), *cl = strchr(close, ch);
    if (o && l->n_brackets == MAX_BRACKETS)
        return lm_fail(l->err, LM_ELIMIT, "line %u: more than %d brackets nested", l->line, MAX_BRACKETS);
    if (o)
        l->bracket[l->n_brackets++] = close[o - open];
    if (cl && (!l->n_brackets || l->bracket[--l->n_brackets] != ch))
        return lm_fail(l->err, LM_EFORMAT, "line %u: unexpected '%c'", l->line, ch);
    int rc = add(l, (struct lm_jtok){.kind = LM_JTOK_OP, .op = op});
    advance(l, l->at + (op < 128 ? 1 : 2));
    return rc;
}

static int lex_name(struct lexer *l)
{
    size_t end = l->at, step;
    while (end < l->n && lm_jcase_name(lm_jstr_char(l->s + end, &step), end == l->at))
        end += step;
    int rc = add(l, (struct lm_jtok){.kind = LM_JTOK_NAME, .s = l->s + l->at, .n = end - l->at});
    advance(l, end);
    return rc;
}

static int lex_tag(struct lexer *l, const char *close, enum lm_jtok_kind end_kind)
{
    l->n_brackets = 0;
    for (;;) {
        size_t step, end = l->n_brackets ? 0 : tag_end(l, l->at, close, end_kind == LM_JTOK_BLOCK_END, end_kind == LM_JTOK_BLOCK_END);
        if (end) {
            int rc = add(l, (struct lm_jtok){.kind = (uint8_t)end_kind});
            leave_tag(l, end);
            return rc;
        }
        advance(l, skip_space(l, l->at));
        if (l->at >= l->n)
            return 0;
        end = l->n_brackets ? 0 : tag_end(l, l->at, close, end_kind == LM_JTOK_BLOCK_END, end_kind == LM_JTOK_BLOCK_END);
        if (end)
            continue;
        char ch = l->s[l->at];
        int rc = ch >= '0' && ch <= '9' ? lex_number(l) :
                 lm_jcase_name(lm_jstr_char(l->s + l->at, &step), true) ? lex_name(l) :
                 ch == '\'' || ch == '"' ? lex_string(l) : lex_operator(l);
        if (rc)
            return rc;
    }
}

/* Text up to the next tag, then the tag. */
static int lex_next(struct lexer *l)
{
    size_t from = l->at, at = from;
    while (at < l->n && !(l->s[at] == '{' && at + 1 < l->n && strchr("%{#", l->s[at + 1]) && l->s[at + 1]))
        at++;
    if (at == l->n) {
        int rc = from < at ? add(l, (struct lm_jtok){.kind = LM_JTOK_DATA, .s = l->s + from, .n = at - from}) : 0;
        advance(l, at);
        return rc;
    }
    char kind = l->s[at + 1], sign = at + 2 < l->n ? l->s[at + 2] : 0;
    int rc = add_data(l, from, at, sign, kind == '{');
    advance(l, at);
    if (rc)
        return rc;
    size_t raw = kind == '%' ? raw_begin(l, at) : 0, body = at + 2 + (sign == '-' || sign == '+');
    if (raw)
        return lex_raw(l, raw);
    if (kind == '#')
        return lex_comment(l, body);
    rc = add(l, (struct lm_jtok){.kind = kind == '%' ? LM_JTOK_BLOCK_BEGIN : LM_JTOK_VAR_BEGIN});
    advance(l, body);
    if (rc)
        return rc;
    return kind == '%' ? lex_tag(l, "%}", LM_JTOK_BLOCK_END) : lex_tag(l, "}}", LM_JTOK_VAR_END);
}

/* Line ends become \n, the last one goes. */
static int normalize(struct lexer *l, const char *text, size_t n)
{
    char *s = lm_arena_alloc(l->mem, n + 1);
    if (!s)
        return nomem(l);
    size_t o = 0;
    for (size_t i = 0; i < n; i++) {
        s[o++] = text[i] == '\r' ? '\n' : text[i];
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
            i++;
    }
    if (o && s[o - 1] == '\n')
        o--;
    l->s = s;
    l->n = o;
    return 0;
}

int lm_jlex_split(struct lm_arena *mem, const char *text, size_t n, struct lm_jtoks *out, struct lm_err *err)
{
    struct lexer l = {.mem = mem, .out = out, .err = err, .n = n, .line = 1, .line_start = true};
    if (!lm_utf8_valid(text, n))
        return lm_fail(err, LM_EFORMAT, "the template is not UTF-8");
    int rc = normalize(&l, text, n);
    while (!rc && l.at < l.n)
        rc = lex_next(&l);
    return rc ? rc : add(&l, (struct lm_jtok){.kind = LM_JTOK_EOF});
}

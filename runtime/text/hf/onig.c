/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/onig.h"

#include <ctype.h>
#include <stdlib.h>

/* The insides of classes: \w between brackets, and elsewhere. */
#define CLASS_WORD \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}" \
    "\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"
#define WORD CLASS_WORD "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"
#define HEX "0-9A-Fa-f"
#define BOUNDARY "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))"
#define INSIDE "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))"

enum { MAX_CLASS = 16, MAX_GROUP = 64, MAX_BYTES = 1 << 16 };

struct onig {
    const char *s;
    size_t n, i;
    struct lm_bytes *out;
    size_t atom;               /* where in out the last atom starts */
    size_t start[MAX_GROUP];   /* the same of the open groups */
    unsigned extra[MAX_GROUP]; /* groups that an option opened inside of them */
    size_t depth;
    struct lm_err *err;
};

static int no_support(const struct onig *o, const char *what, size_t n)
{
    return lm_fail(o->err, LM_EUNSUPPORTED, "the regular expression's '%.*s' (at %zu) is not supported",
                   n < 16 ? (int)n : 16, what, o->i);
}

static bool next_is(const struct onig *o, const char *text)
{
    size_t len = strlen(text);
    return o->n - o->i >= len && memcmp(o->s + o->i, text, len) == 0;
}

static bool is_category(const char *s, size_t n)
{
    static const char all[] = " L L& Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp "
                              "C Cc Cf Cs Co Cn Any ";
    char key[8];
    if (n + 3 > sizeof key)
        return false;
    snprintf(key, sizeof key, " %.*s ", (int)n, s);
    return strstr(all, key) != NULL;
}

/* A property, or a POSIX class, by another name that Oniguruma has for it; NULL: none. */
static const char *long_name(const char *s, size_t n)
{
    static const char *const names[][2] = {
        {"letter", "\\p{L}"},      {"alpha", "\\p{Alphabetic}"}, {"mark", "\\p{M}"},     {"alphabetic", "\\p{Alphabetic}"},
        {"number", "\\p{N}"},      {"digit", "\\p{Nd}"},         {"punctuation", "\\p{P}"}, {"punct", "\\p{P}"},
        {"symbol", "\\p{S}"},      {"separator", "\\p{Z}"},      {"space", "\\s"},       {"white_space", "\\s"},
        {"upper", "\\p{Uppercase}"}, {"lower", "\\p{Lowercase}"}, {"uppercase", "\\p{Uppercase}"},
        {"lowercase", "\\p{Lowercase}"}, {"xdigit", HEX},        {"word", CLASS_WORD},    {"ascii", "\\x00-\\x7F"},
        {"alnum", "\\p{Alphabetic}\\p{Nd}"}, {"blank", "\\t\\p{Zs}"}, {"cntrl", "\\p{Cc}"}, {"control", "\\p{Cc}"},
        {"other", "\\p{C}"},       {"uppercase_letter", "\\p{Lu}"}, {"lowercase_letter", "\\p{Ll}"},
        {"decimal_number", "\\p{Nd}"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (n == strlen(names[i][0]) && strncasecmp(s, names[i][0], n) == 0)
            return names[i][1];
    return NULL;
}

/* \p{...} at o->i, behind the p; inside: as the inside of a class. */
static int property(struct onig *o, bool negated, struct lm_bytes *in, bool *out_negated)
{
    const char *s = o->s + o->i + 1, *end = o->i < o->n && o->s[o->i] == '{' ? memchr(s, '}', o->n - o->i - 1) : NULL;
    if (!end)
        return no_support(o, "\\p", 2);
    o->i = (size_t)(end - o->s) + 1;
    if (s < end && *s == '^') {
        negated = !negated;
        s++;
    }
    size_t n = (size_t)(end - s);
    for (size_t k = 0; k < n; k++)
        if (!isalnum((unsigned char)s[k]) && s[k] != '_' && s[k] != '&')
            return no_support(o, s, n);
    const char *other = is_category(s, n) ? NULL : long_name(s, n);
    *out_negated = negated && other;
    if (other)
        lm_bytes_add_str(in, other);
    else
        lm_bytes_addf(in, "\\%c{%s%.*s}", negated ? 'P' : 'p', is_category(s, n) ? "" : "sc:", (int)n, s);
    return 0;
}

/* \xHH, \x{H...}, \uHHHH, at o->i behind the letter. */
static int code_point(struct onig *o, char letter, struct lm_bytes *out)
{
    char *end;
    bool braced = letter == 'x' && o->i < o->n && o->s[o->i] == '{';
    size_t from = o->i + braced, max = braced ? 8 : letter == 'x' ? 2 : 4, n = 0;
    while (n < max && from + n < o->n && isxdigit((unsigned char)o->s[from + n]))
        n++;
    char hex[9] = {0};
    memcpy(hex, o->s + from, n);
    unsigned long c = strtoul(hex, &end, 16);
    if (n == 0 || c > 0x10ffff || (!braced && letter == 'x' && c > 0x7f) || (letter == 'u' && n != 4) ||
        (braced && (from + n >= o->n || o->s[from + n] != '}')))
        return no_support(o, letter == 'x' ? "\\x" : "\\u", 2);
    o->i = from + n + braced;
    lm_bytes_addf(out, "\\x{%lX}", c);
    return 0;
}

/* What may stand in a class: an escape at o->i behind the backslash. *out_negated: all but that. */
static int class_escape(struct onig *o, struct lm_bytes *in, bool *out_negated)
{
    *out_negated = false;
    if (o->i >= o->n)
        return lm_fail(o->err, LM_EFORMAT, "the regular expression ends in a backslash");
    char c = o->s[o->i++];
    switch (c) {
    case 'w': case 'W':
        lm_bytes_add_str(in, CLASS_WORD);
        *out_negated = c == 'W';
        return 0;
    case 'h': case 'H':
        lm_bytes_add_str(in, HEX);
        *out_negated = c == 'H';
        return 0;
    case 'p': case 'P':
        return property(o, c == 'P', in, out_negated);
    case 'x': case 'u':
        return code_point(o, c, in);
    case 'v':
        lm_bytes_add_str(in, "\\x0b");
        return 0;
    case 'd': case 'D': case 's': case 'S': case 't': case 'n': case 'r': case 'f': case 'a': case 'e': case '0':
        lm_bytes_addf(in, "\\%c", c);
        return 0;
    default:
        if (isalnum((unsigned char)c))
            return no_support(o, o->s + o->i - 2, 2);
        if ((unsigned char)c < 0x80)
            lm_bytes_add_char(in, '\\');
        lm_bytes_add_char(in, c);
        return 0;
    }
}

static int class_of(struct onig *o, int depth, struct lm_bytes *out);

/* [:name:] or [:^name:] at o->i. */
static int posix_class(struct onig *o, struct lm_bytes *simple, struct lm_bytes *more)
{
    const char *s = o->s + o->i + 2, *end = memmem(s, o->n - o->i - 2, ":]", 2);
    if (!end)
        return lm_fail(o->err, LM_EFORMAT, "the regular expression has a '[:' without ':]'");
    bool negated = s < end && *s == '^';
    size_t n = (size_t)(end - s) - negated;
    const char *is = long_name(s + negated, n);
    if (is && n == 5 && strncasecmp(s + negated, "punct", 5) == 0)
        is = "\\p{P}\\p{S}";
    if (!is)
        return no_support(o, s - 2, n + 4);
    o->i = (size_t)(end - o->s) + 2;
    if (negated)
        lm_bytes_addf(more, "|[^%s]", is);
    else
        lm_bytes_add_str(simple, is);
    return 0;
}

/* One element of a class: into simple, what stands between brackets, or more, alternatives with | in front. */
static int class_element(struct onig *o, int depth, struct lm_bytes *simple, struct lm_bytes *more)
{
    bool negated = false;
    struct lm_bytes one = {0};
    int rc = 0;
    if (next_is(o, "[:"))
        return posix_class(o, simple, more);
    if (o->s[o->i] == '[') {
        lm_bytes_add_char(more, '|');
        return class_of(o, depth + 1, more);
    }
    if (o->s[o->i] == '\\') {
        o->i++;
        rc = class_escape(o, &one, &negated);
    } else {
        lm_bytes_add_char(&one, o->s[o->i++]);
    }
    if (negated)
        lm_bytes_addf(more, "|[^%s]", one.data ? one.data : "");
    else
        lm_bytes_add(simple, one.data, one.len);
    lm_bytes_fini(&one);
    return rc;
}

/* Up to && or the end: an expression for one character. */
static int class_union(struct onig *o, int depth, struct lm_bytes *out)
{
    struct lm_bytes simple = {0}, more = {0};
    size_t from = o->i;
    int rc = 0;
    while (!rc && o->i < o->n && !(o->s[o->i] == ']' && o->i > from) && !next_is(o, "&&"))
        rc = class_element(o, depth, &simple, &more);
    if (!rc && o->i >= o->n)
        rc = lm_fail(o->err, LM_EFORMAT, "the regular expression has a '[' without ']'");
    if (!rc && more.len == 0)
        lm_bytes_addf(out, "[%s]", simple.data ? simple.data : "");
    else if (!rc && simple.len == 0)
        lm_bytes_addf(out, "(?:%s)", more.data + 1);
    else if (!rc)
        lm_bytes_addf(out, "(?:[%s]%s)", simple.data, more.data);
    lm_bytes_fini(&simple);
    lm_bytes_fini(&more);
    return rc;
}

/* At its bracket. */
static int class_of(struct onig *o, int depth, struct lm_bytes *out)
{
    if (depth > MAX_CLASS)
        return lm_fail(o->err, LM_ELIMIT, "the regular expression has classes nested deeper than %d", MAX_CLASS);
    o->i++;
    bool negated = o->i < o->n && o->s[o->i] == '^';
    o->i += negated;
    struct lm_bytes all = {0};
    int rc = class_union(o, depth, &all);
    bool plain = all.data && all.data[0] == '[' && all.len > 2;
    while (!rc && next_is(o, "&&")) {
        struct lm_bytes right = {0}, both = {0};
        o->i += 2;
        rc = class_union(o, depth, &right);
        if (!rc)
            lm_bytes_addf(&both, "(?:(?=%s)%s)", all.data, right.data);
        lm_bytes_fini(&right);
        lm_bytes_fini(&all);
        all = both;
        plain = false;
    }
    o->i++;
    if (!rc && negated && plain)
        lm_bytes_addf(out, "[^%s", all.data + 1);
    else if (!rc && negated)
        lm_bytes_addf(out, "(?:(?!%s)(?s:.))", all.data ? all.data : "");
    else if (!rc)
        lm_bytes_add(out, all.data, all.len);
    lm_bytes_fini(&all);
    return rc;
}

static int escape(struct onig *o)
{
    static const char as_is[] = "zZAG123456789";
    char c = o->i + 1 < o->n ? o->s[o->i + 1] : 0;
    if (c == 'b' || c == 'B') {
        lm_bytes_add_str(o->out, c == 'b' ? BOUNDARY : INSIDE);
        o->i += 2;
        return 0;
    }
    if (c == 'w' || c == 'W') {
        lm_bytes_addf(o->out, "[%s%s]", c == 'W' ? "^" : "", WORD);
        o->i += 2;
        return 0;
    }
    if (c == 'R' || (c && strchr(as_is, c))) {
        lm_bytes_addf(o->out, "\\%c", c);
        o->i += 2;
        return 0;
    }
    struct lm_bytes in = {0};
    bool negated;
    o->i++;
    int rc = class_escape(o, &in, &negated);
    bool several = in.len && (c == 'h' || c == 'H' || ((c == 'p' || c == 'P') && in.data[1] != c));
    if (!rc && (negated || several || c == 'p' || c == 'P'))
        lm_bytes_addf(o->out, negated ? "[^%s]" : "[%s]", in.data ? in.data : "");
    else if (!rc)
        lm_bytes_add(o->out, in.data, in.len);
    lm_bytes_fini(&in);
    return rc;
}

/* (?imx-imx) and (?imx-imx: at o->i; *out_whole: up to the end of the group that it stands in. */
static int options(struct onig *o, bool *out_whole)
{
    size_t i = o->i + 2;
    lm_bytes_add_str(o->out, "(?");
    for (; i < o->n && strchr("imx-", o->s[i]); i++)
        lm_bytes_add_char(o->out, o->s[i] == 'm' ? 's' : o->s[i]);
    if (i >= o->n || i == o->i + 2 || (o->s[i] != ':' && o->s[i] != ')'))
        return no_support(o, o->s + o->i, o->n - o->i);
    lm_bytes_add_char(o->out, ':');
    *out_whole = o->s[i] == ')';
    o->i = i + 1;
    return 0;
}

static int open_group(struct onig *o)
{
    static const char *const known[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    bool whole = false;
    size_t at = o->out->len, i = 0;
    int rc = 0;
    if (next_is(o, "(?#")) {
        const char *end = memchr(o->s + o->i, ')', o->n - o->i);
        o->i = end ? (size_t)(end - o->s) + 1 : o->n;
        return 0;
    }
    while (i < sizeof known / sizeof *known && !next_is(o, known[i]))
        i++;
    if (i < sizeof known / sizeof *known) {
        lm_bytes_add_str(o->out, known[i]);
        o->i += strlen(known[i]);
    } else if (next_is(o, "(?<")) {
        return no_support(o, "(?<name>", 8);
    } else if (next_is(o, "(?")) {
        rc = options(o, &whole);
    } else {
        lm_bytes_add_char(o->out, '(');
        o->i++;
    }
    if (rc)
        return rc;
    if (whole) {
        o->extra[o->depth]++;
        return 0;
    }
    if (o->depth + 1 == MAX_GROUP)
        return lm_fail(o->err, LM_ELIMIT, "the regular expression has groups nested deeper than %d", MAX_GROUP);
    o->depth++;
    o->start[o->depth] = at;
    o->extra[o->depth] = 0;
    return 0;
}

static int close_group(struct onig *o)
{
    if (o->depth == 0)
        return lm_fail(o->err, LM_EFORMAT, "the regular expression has a ')' without '('");
    for (; o->extra[o->depth] > 0; o->extra[o->depth]--)
        lm_bytes_add_char(o->out, ')');
    lm_bytes_add_char(o->out, ')');
    o->atom = o->start[o->depth--];
    o->i++;
    return 0;
}

/* {n,m} at o->i: true when it is one. */
static bool interval(struct onig *o)
{
    size_t i = o->i + 1, from = i;
    while (i < o->n && (isdigit((unsigned char)o->s[i]) || o->s[i] == ','))
        i++;
    if (i == from || i >= o->n || o->s[i] != '}' || (i == from + 1 && o->s[from] == ','))
        return false;
    bool more = i + 1 < o->n && o->s[i + 1] == '+';
    if (more) {
        struct lm_bytes tail = {0};
        lm_bytes_add(&tail, o->out->data + o->atom, o->out->len - o->atom);
        o->out->len = o->atom;
        lm_bytes_addf(o->out, "(?:%s", tail.data ? tail.data : "");
        lm_bytes_fini(&tail);
    }
    lm_bytes_addf(o->out, "{%s%.*s}%s", o->s[from] == ',' ? "0" : "", (int)(i - from), o->s + from, more ? ")" : "");
    o->i = i + 1;
    return true;
}

static int step(struct onig *o)
{
    char c = o->s[o->i];
    size_t at = o->out->len;
    int rc = 0;
    if (c == '(')
        return open_group(o);
    if (c == ')')
        return close_group(o);
    if (c == '{' && interval(o))
        return 0;
    if (strchr("*+?|", c)) {
        lm_bytes_add_char(o->out, c);
        o->i++;
        return 0;
    }
    if (c == '[') {
        rc = class_of(o, 0, o->out);
    } else if (c == '\\') {
        rc = escape(o);
    } else if (c == '^' || c == '$') {
        lm_bytes_addf(o->out, "(?m:%c)", c);
        o->i++;
    } else {
        if (c == '{' || c == '}')
            lm_bytes_add_char(o->out, '\\');
        do
            lm_bytes_add_char(o->out, o->s[o->i++]);
        while (o->i < o->n && ((unsigned char)o->s[o->i] & 0xc0) == 0x80);
    }
    o->atom = at;
    return rc;
}

int lm_onig_to_pcre(const char *rx, size_t n, struct lm_bytes *out, struct lm_err *err)
{
    struct onig o = {.s = rx, .n = n, .out = out, .atom = out->len, .err = err};
    if (n > MAX_BYTES)
        return lm_fail(err, LM_ELIMIT, "the regular expression has more than %d bytes", MAX_BYTES);
    if (memchr(rx, 0, n))
        return lm_fail(err, LM_EUNSUPPORTED, "the regular expression has a NUL inside");
    int rc = 0;
    while (!rc && o.i < n)
        rc = step(&o);
    if (!rc && o.depth > 0)
        rc = lm_fail(err, LM_EFORMAT, "the regular expression has a '(' without ')'");
    for (; !rc && o.extra[0] > 0; o.extra[0]--)
        lm_bytes_add_char(out, ')');
    return rc || !out->failed ? rc : lm_fail(err, LM_ENOMEM, "out of memory");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/pattern.h"

#include "runtime/base/utf8.h"
#include "runtime/text/hf/jget.h"
#include "runtime/text/hf/onig.h"
#include <stdlib.h>
#include <time.h>

enum { BASE_NS = 2000000000, NS_PER_BYTE = 10000, LOOK_EVERY = 64 };

int lm_pattern_of(struct lm_pattern *p, const char *rx, struct lm_err *err)
{
    return lm_rx_compile(rx, strlen(rx), false, &p->code, err);
}

static int load_regex(struct lm_pattern *p, const char *s, size_t n, struct lm_err *err)
{
    struct lm_bytes rx = {0};
    int rc = lm_onig_to_pcre(s, n, &rx, err);
    if (!rc)
        rc = lm_rx_compile(rx.data ? rx.data : "", rx.len, false, &p->code, err);
    lm_bytes_fini(&rx);
    return rc;
}

int lm_pattern_load(struct lm_pattern *p, const json_t *o, const char *where, const char *key, struct lm_err *err)
{
    const json_t *j = json_object_get(o, key), *text = json_object_get(j, "String"), *rx = json_object_get(j, "Regex");
    if (json_is_string(text)) {
        p->n = json_string_length(text);
        if (p->n == 0)
            return lm_fail(err, LM_EUNSUPPORTED, "%s.%s is an empty text", where, key);
        return lm_jget_copy(json_string_value(text), p->n, &p->text, err);
    }
    if (!json_is_string(rx))
        return lm_fail(err, LM_EFORMAT, "%s.%s is neither a String nor a Regex", where, key);
    int rc = load_regex(p, json_string_value(rx), json_string_length(rx), err);
    return rc ? lm_fail_in(err, rc, "%s.%s", where, key) : 0;
}

void lm_pattern_fini(struct lm_pattern *p)
{
    free(p->text);
    pcre2_code_free(p->code);
    *p = (struct lm_pattern){0};
}

static uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void lm_cuts_begin(struct lm_cuts *c, size_t n)
{
    c->until_ns = thread_ns() + BASE_NS + (uint64_t)n * NS_PER_BYTE;
}

void lm_cuts_fini(struct lm_cuts *c)
{
    free(c->cut);
    lm_rx_work_fini(&c->rx);
    *c = (struct lm_cuts){0};
}

int lm_cuts_add(struct lm_cuts *c, size_t end, bool match, struct lm_err *err)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 256;
        struct lm_cut *grown = realloc(c->cut, cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        c->cut = grown;
        c->cap = cap;
    }
    c->cut[c->n++] = (struct lm_cut){(uint32_t)end, match};
    return 0;
}

/* The match at[0..1), and in front of it what lies behind the last one, which ends at from. */
static int add_match(struct lm_cuts *c, size_t from, const size_t at[2], struct lm_err *err)
{
    int rc = at[0] > from ? lm_cuts_add(c, at[0], false, err) : 0;
    return rc ? rc : lm_cuts_add(c, at[1], true, err);
}

static const char *find_text(const struct lm_pattern *p, const char *s, size_t n)
{
    return p->n == 1 ? memchr(s, p->text[0], n) : memmem(s, n, p->text, p->n);
}

static int cut_by_text(const struct lm_pattern *p, struct lm_cuts *c, const char *s, size_t n, size_t *end,
                       struct lm_err *err)
{
    int rc = 0;
    for (const char *hit; !rc && (hit = find_text(p, s + *end, n - *end));) {
        size_t at[2] = {(size_t)(hit - s), (size_t)(hit - s) + p->n};
        rc = add_match(c, *end, at, err);
        *end = at[1];
    }
    return rc;
}

/* An empty match counts, but not at the end of the one before it: from there it is looked for one character on. */
static int cut_by_rx(const struct lm_pattern *p, struct lm_cuts *c, const char *s, size_t n, size_t *end,
                     struct lm_err *err)
{
    size_t at[2], pos = 0, last = SIZE_MAX, tries = 0;
    int rc = 0;
    while (!rc && pos <= n && lm_rx_find(p->code, &c->rx, s, n, pos, 0, at) > 0) {
        if (++tries % LOOK_EVERY == 0 && thread_ns() > c->until_ns)
            return lm_fail(err, LM_ELIMIT, "the tokenizer's regular expressions take too long for this text");
        if (at[1] < at[0]) /* \K in a lookahead */
            break;
        if (at[0] == at[1] && at[1] == last) {
            uint32_t ch;
            int len = pos < n ? lm_utf8_decode(s + pos, n - pos, &ch) : 1;
            pos += len > 0 ? (size_t)len : 1;
            continue;
        }
        rc = add_match(c, *end, at, err);
        *end = pos = last = at[1];
    }
    return rc;
}

int lm_pattern_cut(const struct lm_pattern *p, struct lm_cuts *c, const char *s, size_t n, const char *subject,
                   struct lm_err *err)
{
    size_t end = 0;
    int rc = 0;
    c->n = 0;
    if (n == 0)
        return 0;
    if (p->text) {
        rc = cut_by_text(p, c, s, n, &end, err);
    } else {
        if (!subject) {
            rc = lm_rx_subject(&c->rx, s, n, err);
            subject = c->rx.subject;
        }
        if (!rc)
            rc = cut_by_rx(p, c, subject, n, &end, err);
    }
    return rc || end == n ? rc : lm_cuts_add(c, n, false, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/speculative.h"

#include <stdbool.h>
#include <stdlib.h>

enum { DEFAULT_TOK = 8, DEFAULT_MIN = 2, DEFAULT_MAX = 8 };

struct word { const char *s; size_t n; };

static const char *skip(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

static bool is(struct word w, const char *text)
{
    return strlen(text) == w.n && memcmp(w.s, text, w.n) == 0;
}

/* A JSON string without escapes, which no name here needs. */
static bool take_string(const char **at, struct word *out)
{
    const char *s = skip(*at);
    size_t n = *s == '"' ? strcspn(s + 1, "\"\\") : 0;
    if (*s != '"' || s[1 + n] != '"')
        return false;
    *out = (struct word){s + 1, n};
    *at = s + n + 2;
    return true;
}

static bool take_char(const char **at, char c)
{
    const char *s = skip(*at);
    if (*s != c)
        return false;
    *at = s + 1;
    return true;
}

static int take_method(const char **at, struct word key, struct lm_err *err)
{
    struct word v;
    if (!take_string(at, &v))
        return lm_fail(err, LM_ECONFIG, "speculative-config: %.*s must be text", (int)key.n, key.s);
    if (is(v, "ngram") || (is(key, "model") && is(v, "[ngram]")))
        return 0;
    return lm_fail(err, LM_ECONFIG, "speculative-config: %.*s \"%.*s\" is not built in; \"ngram\" is", (int)key.n, key.s,
                   v.n > 60 ? 60 : (int)v.n, v.s);
}

static int take_number(const char **at, struct word key, uint32_t most, uint32_t *out, struct lm_err *err)
{
    char *end;
    const char *s = skip(*at);
    long v = strtol(s, &end, 10);
    if (end == s || *s == '+' || v < 1 || v > (long)most)
        return lm_fail(err, LM_ECONFIG, "speculative-config: %.*s must be a number from 1 to %u", (int)key.n, key.s, (unsigned)most);
    *out = (uint32_t)v;
    *at = end;
    return 0;
}

static int take_member(const char **at, struct lm_conf_speculative *c, bool *has_method, struct lm_err *err)
{
    struct word key;
    if (!take_string(at, &key) || !take_char(at, ':'))
        return lm_fail(err, LM_ECONFIG, "speculative-config: not a JSON object");
    if (is(key, "method") || is(key, "model")) {
        *has_method = true;
        return take_method(at, key, err);
    }
    if (is(key, "num_speculative_tokens"))
        return take_number(at, key, LM_SPECULATIVE_MAX_TOK, &c->n_tok, err);
    if (is(key, "prompt_lookup_max"))
        return take_number(at, key, LM_SPECULATIVE_MAX_NGRAM, &c->n_max, err);
    if (is(key, "prompt_lookup_min"))
        return take_number(at, key, LM_SPECULATIVE_MAX_NGRAM, &c->n_min, err);
    return lm_fail(err, LM_ECONFIG, "speculative-config: key \"%.*s\" is not known; method, num_speculative_tokens, prompt_lookup_max "
                   "and prompt_lookup_min are", key.n > 60 ? 60 : (int)key.n, key.s);
}

static int read_object(const char *at, struct lm_conf_speculative *c, struct lm_err *err)
{
    bool has_method = false, open = take_char(&at, '{');
    *c = (struct lm_conf_speculative){0};
    if (open && take_char(&at, '}'))
        return lm_fail(err, LM_ECONFIG, "speculative-config: no method; \"ngram\" is one");
    do {
        int rc = open ? take_member(&at, c, &has_method, err) : 0;
        if (rc)
            return rc;
    } while (open && take_char(&at, ','));
    if (!open || !take_char(&at, '}') || *skip(at))
        return lm_fail(err, LM_ECONFIG, "speculative-config: neither off, ngram nor a JSON object");
    if (!has_method)
        return lm_fail(err, LM_ECONFIG, "speculative-config: no method; \"ngram\" is one");
    if (!c->n_max)
        c->n_max = c->n_min > DEFAULT_MAX ? c->n_min : DEFAULT_MAX;
    if (!c->n_min)
        c->n_min = c->n_max < DEFAULT_MIN ? c->n_max : DEFAULT_MIN;
    if (c->n_min > c->n_max)
        return lm_fail(err, LM_ECONFIG, "speculative-config: prompt_lookup_min %u is above prompt_lookup_max %u", (unsigned)c->n_min, (unsigned)c->n_max);
    return 0;
}

int lm_conf_speculative(const char *text, int64_t n_tok, struct lm_conf_speculative *out, struct lm_err *err)
{
    struct lm_conf_speculative c = {0, DEFAULT_MIN, DEFAULT_MAX};
    int rc = 0;
    if (strcmp(text, "off") == 0) {
        *out = c;
        return 0;
    }
    if (strcmp(text, "ngram") != 0)
        rc = read_object(text, &c, err);
    if (!rc && (n_tok < 0 || n_tok > LM_SPECULATIVE_MAX_TOK))
        rc = lm_fail(err, LM_ECONFIG, "spec-tokens: at most %d", LM_SPECULATIVE_MAX_TOK);
    if (rc)
        return rc;
    if (n_tok)
        c.n_tok = (uint32_t)n_tok;
    else if (!c.n_tok)
        c.n_tok = DEFAULT_TOK;
    *out = c;
    return 0;
}

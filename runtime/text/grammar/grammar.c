/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/grammar.h"
#include "runtime/base/utf8.h"
#include "runtime/text/grammar/lower.h"
#include "runtime/text/grammar/regex.h"

/* A rule of the automaton's texts; takes both. */
static int finish(struct lm_builder *b, struct lm_chars *c, struct lm_program **out)
{
    uint32_t rule = lm_builder_rule(b);
    if (!b->rc)
        lm_lower(b, c, LM_LOWER_RAW, b->rule[rule].start, &b->rule[rule].end, 1);
    int rc = lm_builder_finish(b, rule, false, out);
    lm_chars_destroy(c);
    lm_builder_fini(b);
    return rc;
}

int lm_grammar_regex(const char *s, size_t n, struct lm_program **out, struct lm_err *err)
{
    struct lm_builder b;
    lm_builder_init(&b, err);
    return finish(&b, lm_regex_compile(&b, s, n, false), out);
}

int lm_grammar_choice(const char *const *text, const size_t *len, size_t n, struct lm_program **out, struct lm_err *err)
{
    struct lm_builder b;
    for (size_t i = 0; i < n; i++)
        if (!lm_utf8_valid(text[i], len[i]))
            return lm_fail(err, LM_EINVAL, "choice %zu is not well-formed UTF-8", i);
    lm_builder_init(&b, err);
    return finish(&b, lm_chars_words(&b, text, len, n), out);
}

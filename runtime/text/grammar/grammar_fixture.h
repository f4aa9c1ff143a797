/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_FIXTURE_H
#define LM_GRAMMAR_FIXTURE_H
/** What the grammar's tests share: programs from text, what they accept, and a toy vocabulary. */
#include "runtime/text/grammar/grammar.h"
#include "runtime/text/grammar/mask.h"
#include "runtime/text/grammar/schema.h"
#include "tests/suite.h"
#include <stdlib.h>

static inline int compile_schema(const char *text, const struct lm_schema_options *options, struct lm_program **out, struct lm_err *err)
{
    static const struct lm_schema_options none;
    json_error_t why;
    json_t *schema = json_loads(text, JSON_DECODE_ANY, &why);
    ck_assert_msg(schema != NULL, "%s: %s", text, why.text);
    *err = (struct lm_err){0};
    int rc = lm_schema_compile(schema, options ? options : &none, out, err);
    json_decref(schema);
    return rc;
}

static inline bool accepts(const struct lm_program *p, const char *s, size_t n)
{
    struct lm_frames *pool;
    struct lm_matcher m;
    ck_assert_int_eq(lm_frames_create(p, &pool, NULL), 0);
    ck_assert_int_eq(lm_matcher_init(&m, pool, NULL), 0);
    bool yes = lm_matcher_feed(&m, s, n, false) && lm_matcher_accepts(&m);
    lm_matcher_fini(&m);
    lm_frames_destroy(pool);
    return yes;
}

/* Tokens 0 .. 255 are the bytes, then these, the last one ends a text; token 256 is a control token without bytes. */
static const char *const toy_words[] = {
    "", "\"", "\":", "\": ", "\",", "\", \"", "{\"", "\"}", "{}", "[]", "[1", "],", "}]", "},", "true", "false", "null", "name", "a\":", "b\":1",
    ",\"a\":1", ",\"x\":", "\"a\"", "\"\":", "ab", "abc", "12", "007", "0.", "e5", "-1", "  ", "\n", "\n  ", "\\u", "\\n", "\\\"", "\xc3\xa9", "\xf0\x9f\x98\x80",
    "\xe2\x82", "2024-", "[[", "]]", "\"\"", "{\"a\":{\"a\":", "}}", "x", "yes", "no",
};
enum { N_TOY = 256 + sizeof toy_words / sizeof *toy_words + 1, TOY_END = N_TOY - 1 };

static inline struct lm_vocab_trie *toy_vocab(void)
{
    char text[2048];
    uint32_t at[N_TOY + 1] = {0}, n = 0;
    struct lm_vocab_trie *t;
    for (int i = 0; i < N_TOY; i++) {
        char byte = (char)i;
        const char *s = i < 256 ? &byte : i == TOY_END ? "" : toy_words[i - 256];
        size_t len = i < 256 ? 1 : strlen(s);
        memcpy(text + n, s, len);
        n += (uint32_t)len;
        at[i + 1] = n;
    }
    ck_assert_int_eq(lm_vocab_trie_create(text, at, N_TOY, (int32_t[]){TOY_END}, 1, &t, NULL), 0);
    return t;
}

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
#endif

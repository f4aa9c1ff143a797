/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the grammar compilers: the first byte says what the rest is: a schema, a GBNF grammar, a regular
 * expression. What compiles is run: random bytes among those that may come lead to no dead end, and a whole text of a
 * schema parses and is valid.
 */
#include "runtime/text/grammar/grammar.h"
#include "runtime/text/grammar/matcher.h"
#include "runtime/text/grammar/schema.h"

#include <stdlib.h>

enum { N_TEXT = 4, MAX_BYTES = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* One random byte more; false: none may come. */
static bool step(struct lm_matcher *m, char *text, size_t at, uint32_t *state)
{
    static const char likely[] = "\"}],:0123456789aetrufls{[";
    uint32_t start = next(state);
    for (uint32_t k = 0; k < 256 + sizeof likely; k++) {
        struct lm_threads probe = {0};
        char c = k < sizeof likely ? likely[(start + k) % (sizeof likely - 1)] : (char)(start + k);
        m->pool->policy = LM_KEY_EXACT;
        m->pool->dup = c == '"' && m->pool->program->json && lm_json_keys_is_dup(&m->keys);
        lm_threads_step(m->pool, m->now.t, m->now.n, (uint8_t)c, &probe);
        bool may = probe.n > 0 || probe.accept;
        lm_threads_fini(&probe);
        if (!may || (m->keys.space >= 8 && strchr(" \t\r\n", c)))
            continue;
        text[at] = c;
        return lm_matcher_feed(m, &c, 1, false) || m->pool->program->json;
    }
    return false;
}

static void check_text(const json_t *schema, const char *text, size_t n)
{
    json_error_t why;
    json_t *v = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    bool limit = !v && (strstr(why.text, "too big") || strstr(why.text, "overflow") || strstr(why.text, "NUL"));
    if (!v && !limit)
        abort();
    if (v && !lm_schema_valid(schema, v))
        abort();
    json_decref(v);
}

static void run(const struct lm_program *p, const json_t *schema, uint32_t seed)
{
    struct lm_frames *frames;
    struct lm_matcher m;
    char text[MAX_BYTES];
    if (lm_frames_create(p, &frames, NULL))
        return;
    if (lm_matcher_init(&m, frames, NULL) == 0) {
        for (int i = 0; i < N_TEXT; i++) {
            size_t n = 0;
            lm_matcher_restart(&m);
            while (n < MAX_BYTES && !(lm_matcher_accepts(&m) && (m.now.n == 0 || next(&seed) % 4 == 0)) && step(&m, text, n, &seed))
                n++;
            if (schema && n < MAX_BYTES && lm_matcher_accepts(&m))
                check_text(schema, text, n);
        }
        lm_matcher_fini(&m);
    }
    lm_frames_destroy(frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct lm_schema_options options;
    struct lm_program *p = NULL;
    json_t *schema = NULL;
    struct lm_err err = {0};
    if (n < 2)
        return 0;
    const char *s = (const char *)data + 1;
    int rc = LM_EINVAL;
    if (data[0] % 3 == 1)
        rc = lm_grammar_gbnf(s, n - 1, &p, &err);
    else if (data[0] % 3 == 2)
        rc = lm_grammar_regex(s, n - 1, &p, &err);
    else if ((schema = json_loadb(s, n - 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL)) != NULL)
        rc = lm_schema_compile(schema, &options, &p, &err);
    if (rc == 0)
        run(p, schema, (uint32_t)n * 2654435761u);
    else if (schema == NULL && !err.code && data[0] % 3)
        abort(); /* a failure that says nothing */
    lm_program_destroy(p);
    json_decref(schema);
    return 0;
}

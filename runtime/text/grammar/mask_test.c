/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/grammar_fixture.h"

enum { N_TEXT = 10500, MAX_TOKEN = 400, N_WORD = (N_TOY + 31) / 32 };

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":-5,\"maximum\":300},\"b\":{\"type\":\"string\",\"minLength\":1,"
    "\"maxLength\":6},\"abc\":{\"type\":\"boolean\"}},\"required\":[\"b\"],\"additionalProperties\":false}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":3,\"maxProperties\":5}",
    "{\"type\":\"array\",\"items\":{\"enum\":[\"yes\",\"no\",12,null]},\"minItems\":2,\"maxItems\":9}",
    "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"},\"x\":{\"type\":\"null\"}},"
    "\"required\":[\"x\"],\"additionalProperties\":false}}}",
    "{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^a[bc]{1,3}$\"},{\"type\":\"number\",\"exclusiveMinimum\":0.5,\"maximum\":12.25},{\"type\":\"string\","
    "\"format\":\"date\"}]}",
    "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"name\":{\"const\":\"a\"},\"b\":{\"type\":\"integer\",\"multipleOf\":3}},\"required\":[\"name\",\"b\"],"
    "\"additionalProperties\":false},{\"type\":\"array\",\"prefixItems\":[{\"type\":\"boolean\"}],\"items\":{\"type\":\"string\",\"maxLength\":2},\"maxItems\":3}]}",
    "{\"type\":\"object\",\"patternProperties\":{\"^[ab]{1,2}$\":{\"type\":\"boolean\"}},\"additionalProperties\":false,\"minProperties\":4}",
    "{\"type\":\"object\",\"propertyNames\":{\"maxLength\":1},\"additionalProperties\":{\"type\":\"string\",\"maxLength\":1},\"minProperties\":1,\"maxProperties\":4}",
    "true",
};
enum { N_SCHEMA = sizeof schemas / sizeof *schemas };

struct run {
    struct lm_vocab_trie *trie;
    struct lm_program *program;
    struct lm_mask_cache *cache;
    struct lm_matcher m;
    json_t *schema;
    uint32_t mask[N_WORD];
    struct lm_bytes text;
};

static void run_begin(struct run *r, const char *schema, size_t max_bytes)
{
    struct lm_err err;
    *r = (struct run){.trie = toy_vocab(), .schema = json_loads(schema, JSON_DECODE_ANY, NULL)};
    ck_assert_msg(compile_schema(schema, NULL, &r->program, &err) == 0, "%s: %s", schema, err.msg);
    ck_assert_int_eq(lm_mask_cache_create(r->program, r->trie, max_bytes, &r->cache, NULL), 0);
    ck_assert_int_eq(lm_matcher_init(&r->m, lm_mask_cache_pool(r->cache), NULL), 0);
}

static void run_end(struct run *r)
{
    lm_matcher_fini(&r->m);
    lm_mask_cache_destroy(r->cache);
    lm_program_destroy(r->program);
    lm_vocab_trie_destroy(r->trie);
    json_decref(r->schema);
    lm_bytes_fini(&r->text);
}

static bool allowed(const struct run *r, int32_t id)
{
    return r->mask[id / 32] >> id % 32 & 1;
}

/* Late in a text the end and what closes are preferred, so that texts end. */
static int32_t pick(const struct run *r, uint64_t *seed, int n)
{
    static const char closing[] = "\"}]";
    uint32_t start = (uint32_t)(random_next(seed) % N_TOY);
    if (n > 12 && allowed(r, TOY_END))
        return TOY_END;
    for (int i = 0; n > 25 && i < 3; i++)
        if (allowed(r, closing[i]))
            return closing[i];
    for (uint32_t k = 0; k < N_TOY; k++)
        if (allowed(r, (int32_t)((start + k) % N_TOY)))
            return (int32_t)((start + k) % N_TOY);
    return -1;
}

/* One text of random tokens; true when it came to its end. */
static bool generate(struct run *r, uint64_t *seed)
{
    lm_matcher_restart(&r->m);
    lm_bytes_clear(&r->text);
    for (int n = 0; n < MAX_TOKEN; n++) {
        ck_assert_msg(lm_mask_fill(r->cache, &r->m, r->mask, NULL) > 0, "dead end behind %s", r->text.data);
        int32_t id = pick(r, seed, n);
        ck_assert_msg(lm_mask_take(r->cache, &r->m, id), "token %d was allowed behind %s", (int)id, r->text.data);
        if (id == TOY_END)
            return true;
        lm_bytes_add(&r->text, r->trie->text + r->trie->text_at[id], r->trie->text_at[id + 1] - r->trie->text_at[id]);
    }
    return false;
}

START_TEST(test_grammar_mask__random_texts_all_parse_and_are_valid)
{
    uint64_t seed = 88172645463325252u;
    size_t n = 0, cut = 0;
    for (size_t s = 0; s < N_SCHEMA; s++) {
        struct run r;
        run_begin(&r, schemas[s], 1 << 20);
        for (size_t i = 0; i < N_TEXT / N_SCHEMA + 1; i++) {
            struct lm_matcher *m = &r.m;
            json_error_t why;
            if (!generate(&r, &seed)) {
                cut++;
                continue;
            }
            json_t *v = json_loadb(r.text.data, r.text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
            bool too_big = !v && (strstr(why.text, "too big") || strstr(why.text, "overflow") || strstr(why.text, "NUL"));
            ck_assert_msg(v || too_big, "%s: %s: %s", schemas[s], r.text.data, why.text);
            ck_assert_msg(too_big || lm_schema_valid(r.schema, v), "%s: %s is not valid", schemas[s], r.text.data);
            json_decref(v);
            n += !too_big;
            lm_mask_cache_trim(r.cache, &m, 1);
        }
        run_end(&r);
    }
    printf("%zu texts parse and are valid, %zu were cut off\n", n, cut);
    ck_assert_uint_ge(n, 10000);
}
END_TEST

/* Token by token against the automaton itself. A key's end may be left to the single quote when the key may be there already. */
START_TEST(test_grammar_mask__a_bit_says_what_the_automaton_says)
{
    uint64_t seed = 1234567;
    size_t n = 0, stricter = 0;
    for (size_t s = 0; s < N_SCHEMA; s++) {
        struct run r;
        struct lm_matcher probe;
        run_begin(&r, schemas[s], 1 << 20);
        ck_assert_int_eq(lm_matcher_init(&probe, lm_mask_cache_pool(r.cache), NULL), 0);
        for (int i = 0; i < 25; i++) {
            generate(&r, &seed);
            struct lm_bytes whole = r.text;
            r.text = (struct lm_bytes){0};
            size_t cut = whole.len ? (size_t)(random_next(&seed) % whole.len) : 0;
            lm_matcher_restart(&r.m);
            ck_assert(lm_matcher_feed(&r.m, whole.data, cut, true) || cut == 0);
            ck_assert_int_ge(lm_mask_fill(r.cache, &r.m, r.mask, NULL), 0);
            for (int32_t id = 0; id < N_TOY; id++) {
                lm_matcher_restart(&probe);
                bool fed = cut == 0 || lm_matcher_feed(&probe, whole.data, cut, true), may = fed && lm_mask_take(r.cache, &probe, id);
                ck_assert_msg(may || !allowed(&r, id), "%s: token %d behind %.*s", schemas[s], (int)id, (int)cut, whole.data);
                stricter += may && !allowed(&r, id);
                ck_assert_msg(!may || allowed(&r, id) || id >= 256, "%s: byte %d behind %.*s", schemas[s], (int)id, (int)cut, whole.data);
                n++;
            }
            lm_bytes_fini(&whole);
        }
        lm_matcher_fini(&probe);
        run_end(&r);
    }
    printf("%zu bits, %zu stricter than the automaton\n", n, stricter);
    ck_assert_uint_le(stricter, n / 100);
}
END_TEST

START_TEST(test_grammar_mask__control_tokens_never_and_the_end_only_at_the_end)
{
    struct run r;
    run_begin(&r, "{\"type\":\"integer\",\"minimum\":10,\"maximum\":19}", 1 << 20);
    ck_assert_int_gt(lm_mask_fill(r.cache, &r.m, r.mask, NULL), 0);
    ck_assert(allowed(&r, '1') && !allowed(&r, TOY_END) && !allowed(&r, 256) && !allowed(&r, '2'));
    ck_assert(!lm_mask_take(r.cache, &r.m, TOY_END) && !lm_mask_take(r.cache, &r.m, 256) && !lm_mask_take(r.cache, &r.m, N_TOY) &&
              !lm_mask_take(r.cache, &r.m, -1));
    ck_assert(lm_mask_take(r.cache, &r.m, '1') && lm_mask_take(r.cache, &r.m, '7'));
    ck_assert_int_gt(lm_mask_fill(r.cache, &r.m, r.mask, NULL), 0);
    for (int32_t i = 0; i < N_TOY; i++)
        ck_assert_int_eq(allowed(&r, i), i == TOY_END);
    ck_assert(lm_mask_take(r.cache, &r.m, TOY_END));
    run_end(&r);
}
END_TEST

START_TEST(test_grammar_mask__cache_stays_within_its_bytes_and_masks_do_not_change)
{
    uint64_t seed = 99, same = 99;
    struct run small, large;
    run_begin(&small, schemas[0], 20000);
    run_begin(&large, schemas[0], 64 << 20);
    for (int i = 0; i < 200; i++) {
        generate(&small, &seed);
        generate(&large, &same);
        ck_assert_uint_eq(seed, same);
        ck_assert_str_eq(small.text.data, large.text.data);
        ck_assert_uint_lt(lm_mask_cache_bytes(small.cache), 20000 + 400000);
    }
    run_end(&small);
    run_end(&large);
}
END_TEST

static bool feed(struct lm_matcher *m, const char *s)
{
    return lm_matcher_feed(m, s, strlen(s), true);
}

/* A text far longer than the pool keeps: what lived before is given back, and the text goes on as it was. */
START_TEST(test_grammar_mask__collecting_keeps_living_texts)
{
    struct run r;
    struct lm_matcher *m = &r.m;
    run_begin(&r, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":5000},\"b\":{}},\"required\":[\"a\",\"b\"],\"additionalProperties\":false}", 1 << 20);
    ck_assert(feed(m, "{\"b\":[{\"a\":1},{\"c\":["));
    for (int i = 0; i < 3; i++) {
        struct lm_threads *set[] = {&m->now};
        ck_assert(feed(m, "[1],"));
        lm_frames_collect(lm_mask_cache_pool(r.cache), set, 1);
    }
    ck_assert(feed(m, "2]}],\"a\":[1"));
    for (int i = 1; i < 5000; i++) {
        struct lm_threads *set[] = {&m->now};
        ck_assert(!lm_matcher_accepts(m) && feed(m, ",1"));
        if (i % 500 == 0)
            lm_frames_collect(lm_mask_cache_pool(r.cache), set, 1);
    }
    ck_assert(feed(m, "]}") && lm_matcher_accepts(m));
    run_end(&r);
}
END_TEST

/* The stack ends somewhere: masks know it before the automaton refuses. */
START_TEST(test_grammar_mask__nesting_ends_without_a_dead_end)
{
    struct run r;
    run_begin(&r, "true", 1 << 22);
    int depth = 0;
    for (; depth < 2000; depth++) {
        ck_assert_int_gt(lm_mask_fill(r.cache, &r.m, r.mask, NULL), 0);
        if (!allowed(&r, '['))
            break;
        ck_assert(lm_mask_take(r.cache, &r.m, '['));
    }
    ck_assert_int_gt(depth, 100);
    ck_assert_int_lt(depth, 2000);
    for (; depth > 0; depth--)
        ck_assert(lm_mask_take(r.cache, &r.m, ']'));
    ck_assert(lm_matcher_accepts(&r.m));
    run_end(&r);
}
END_TEST

/* Programs that another process sends: any byte of them may be wrong. */
START_TEST(test_grammar_program__damaged_bytes_are_refused_or_run_within_bounds)
{
    uint64_t seed = 4711;
    struct lm_program *p, *copy;
    struct lm_err err;
    ck_assert_int_eq(compile_schema(schemas[0], NULL, &p, &err), 0);
    ck_assert_int_eq(lm_program_read(lm_program_data(p), p->bytes, &copy, NULL), 0);
    ck_assert(accepts(copy, "{\"b\":\"x\"}", 9) && copy->id == p->id);
    lm_program_destroy(copy);
    char *damaged = malloc(p->bytes);
    int refused = 0;
    for (int i = 0; i < 3000; i++) {
        memcpy(damaged, p, p->bytes);
        for (uint64_t k = random_next(&seed) % 4 + 1; k--;)
            damaged[random_next(&seed) % (i % 2 ? p->bytes : 200)] = (char)random_next(&seed);
        size_t n = i % 7 ? p->bytes : random_next(&seed) % p->bytes;
        if (lm_program_read(damaged, n, &copy, NULL)) {
            refused++;
            continue;
        }
        accepts(copy, "{\"b\":\"x\",\"a\":12,\"abc\":true}", 28);
        lm_program_destroy(copy);
    }
    ck_assert_int_gt(refused, 100);
    free(damaged);
    lm_program_destroy(p);
}
END_TEST

SUITE_MAIN("grammar/mask", test_grammar_mask__random_texts_all_parse_and_are_valid, test_grammar_mask__a_bit_says_what_the_automaton_says,
           test_grammar_mask__control_tokens_never_and_the_end_only_at_the_end,
           test_grammar_mask__cache_stays_within_its_bytes_and_masks_do_not_change, test_grammar_mask__collecting_keeps_living_texts,
           test_grammar_mask__nesting_ends_without_a_dead_end, test_grammar_program__damaged_bytes_are_refused_or_run_within_bounds)

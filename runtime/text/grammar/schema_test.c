/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "runtime/text/grammar/grammar_fixture.h"
#include <time.h>

#ifdef LM_ASAN
enum { MAX_MS = 20000 };
#else
enum { MAX_MS = 1000 };
#endif

static const struct { const char *schema, *yes[8], *no[12]; } cases[] = {
    /* keys in any order, each once, required ones all there */
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"}},\"required\":[\"a\"],\"additionalProperties\":false}",
     {"{\"a\":1}", "{\"b\":\"x\",\"a\":0}", "{ \"a\" : -7 , \"b\" : \"\" }"},
     {"{}", "{\"b\":\"x\"}", "{\"a\":1,\"a\":1}", "{\"a\":1,}", "{\"a\":1,\"c\":1}", "{\"a\":1.5}", "{\"a\":01}", "[]", "{\"a\":1 \"b\":\"\"}"}},
    /* an undeclared key is kept apart from all that came before, however it is spelled */
    {"{\"type\":\"object\"}",
     {"{}", "{\"\":1,\"a\":2}", "{\"a\":{\"a\":1},\"b\":{\"a\":1}}", "{\"\\u0061\":1,\"aa\":2}"},
     {"{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}", "{\"a\":{\"b\":1,\"b\":1}}", "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}"}},
    /* counts of members leave room for the required ones */
    {"{\"type\":\"object\",\"required\":[\"a\",\"b\"],\"maxProperties\":3,\"properties\":{\"c\":{},\"d\":{}}}",
     {"{\"c\":1,\"a\":1,\"b\":1}", "{\"a\":1,\"b\":1}"}, {"{\"c\":1,\"d\":1,\"a\":1,\"b\":1}", "{\"c\":1,\"d\":1", "{\"c\":1,\"a\":1}"}},
    {"{\"type\":\"object\",\"minProperties\":2,\"propertyNames\":{\"pattern\":\"^[ab]$\"}}",
     {"{\"a\":1,\"b\":2}"}, {"{}", "{\"a\":1}", "{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1,"}},
    {"{\"type\":\"object\",\"patternProperties\":{\"^n\":{\"type\":\"integer\"},\"t$\":{\"type\":\"string\"}},\"additionalProperties\":{\"type\":\"null\"}}",
     {"{\"n\":1,\"t\":\"\",\"x\":null}", "{\"nn\":1}"}, {"{\"n\":null}", "{\"t\":1}", "{\"nt\":1}", "{\"nt\":\"\"}", "{\"x\":1}"}},
    /* numbers compare by their digits */
    {"{\"type\":\"integer\",\"minimum\":-3,\"maximum\":120}",
     {"-3", "0", "-0", "9", "99", "120"}, {"-4", "121", "130", "200", "1000", "1.0", "1e1", "00", "-", "+1"}},
    {"{\"type\":\"number\",\"exclusiveMinimum\":0.5,\"maximum\":12.25}",
     {"0.51", "0.5000001", "1", "12.25", "12.250", "9.999"}, {"0.5", "0.50", "0", "-1", "12.2500001", "12.3", "13", "100", "1e0"}},
    {"{\"type\":\"number\",\"maximum\":-1.5}", {"-1.5", "-2", "-100", "-1.50"}, {"-1.4", "-1", "0", "1", "-0.9", "-1.49"}},
    {"{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":10}", {"14", "21", "700"}, {"7", "10", "15", "-14", "0"}},
    {"{\"type\":\"number\",\"multipleOf\":0.25}", {"0", "0.25", "-0.5", "3", "0.750"}, {"0.1", "0.3", "0.251", "0.2"}},
    {"{\"type\":\"number\"}", {"0", "-1.5e+10", "1E3", "0.0e-7"}, {"1.", ".5", "1e", "01", "0x1", "1e+", "--1"}},
    /* strings: length in characters, patterns anywhere unless anchored, every spelling of what is beyond ASCII */
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     {"\"ab\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"", "\"\\ud83d\\ude00\\u0061\"", "\"\\n\\\"\\\\\""}, {"\"a\"", "\"abcd\"", "\"\\ud83d\\ude00\"", "\"\\ud83da\"", "\"a\nb\"", "\"a\\xb\""}},
    {"{\"type\":\"string\",\"pattern\":\"^a+b?$|cd\"}", {"\"a\"", "\"aab\"", "\"xcdy\"", "\"cd\""}, {"\"\"", "\"b\"", "\"ba\"", "\"aabx\"", "\"c d\""}},
    {"{\"type\":\"string\",\"pattern\":\"^[^\\\\d\\\\s]{2}\\\\.$\",\"maxLength\":3}", {"\"ab.\"", "\"\xc3\xa9\\u00e9.\""}, {"\"1b.\"", "\"a .\"", "\"ab\"", "\"abc.\""}},
    {"{\"format\":\"date\",\"type\":\"string\"}", {"\"2024-02-29\"", "\"2000-02-29\"", "\"1999-12-31\""}, {"\"2023-02-29\"", "\"1900-02-29\"", "\"2024-13-01\"", "\"2024-04-31\"", "\"24-01-01\""}},
    {"{\"format\":\"unknown-format\",\"type\":\"string\"}", {"\"x\""}, {"1"}},
    /* enum and const are checked against what stands beside them */
    {"{\"enum\":[1,\"a\",null,{\"k\":[true]}],\"type\":[\"string\",\"object\"]}", {"\"a\"", "{\"k\":[true]}", "{ \"k\" : [ true ] }"}, {"1", "null", "{}", "{\"k\":[false]}"}},
    {"{\"const\":1.5}", {"1.5"}, {"1.50", "1", "\"1.5\""}},
    {"{\"const\":\"\xc3\xa9\\\"\"}", {"\"\xc3\xa9\\\"\"", "\"\\u00e9\\\"\"", "\"\\u00E9\\u0022\""}, {"\"\xc3\xa9\"", "\"e\\\"\""}},
    /* arrays */
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"items\":{\"type\":\"boolean\"},\"minItems\":1,\"maxItems\":4}",
     {"[1]", "[1,\"a\"]", "[ 1 , \"a\" , true , false ]"}, {"[]", "[\"a\"]", "[1,2]", "[1,\"a\",3]", "[1,\"a\",true,true,true]", "[1,]"}},
    {"{\"type\":\"array\",\"items\":false}", {"[]", "[ ]"}, {"[1]", "[,]"}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":300,\"maxItems\":301}", {NULL}, {"[]", "[null]"}},
    /* in-place applicators */
    {"{\"anyOf\":[{\"type\":\"object\",\"required\":[\"a\"]},{\"type\":\"object\",\"required\":[\"b\"]}],\"properties\":{\"a\":{\"type\":\"integer\"}}}",
     {"{\"a\":1}", "{\"b\":{}}", "{\"b\":0,\"a\":1}"}, {"{}", "{\"c\":1}", "{\"a\":\"\"}", "{\"b\":1,\"a\":\"\"}"}},
    {"{\"allOf\":[{\"properties\":{\"a\":{\"minimum\":3}}},{\"properties\":{\"a\":{\"type\":\"integer\",\"maximum\":5}}}],\"required\":[\"a\"],\"type\":\"object\"}",
     {"{\"a\":3}", "{\"a\":5}"}, {"{\"a\":2}", "{\"a\":6}", "{\"a\":3.5}", "{}"}},
    {"{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"t\":{\"const\":\"x\"},\"v\":{\"type\":\"integer\"}},\"required\":[\"t\",\"v\"]},"
     "{\"type\":\"object\",\"properties\":{\"t\":{\"const\":\"y\"}},\"required\":[\"t\"]},{\"type\":\"null\"}]}",
     {"{\"t\":\"x\",\"v\":1}", "{\"v\":\"\",\"t\":\"y\"}", "null"}, {"{\"t\":\"x\"}", "{\"t\":\"z\"}", "{\"t\":\"x\",\"v\":\"\"}", "{}"}},
    {"{\"not\":{\"type\":[\"object\",\"array\",\"string\",\"number\"]}}", {"null", "true", "false"}, {"1", "\"\"", "{}", "[]"}},
    {"{\"$ref\":\"#/$defs/t%25~1\",\"$defs\":{\"t%/\":{\"type\":[\"null\",\"array\"],\"items\":{\"$ref\":\"#x\"}},\"y\":{\"$anchor\":\"x\",\"$ref\":\"#/$defs/t%25~1\"}}}",
     {"null", "[]", "[null,[[null]]]"}, {"1", "[1]", "[[1]]", "[[]"}},
    {"true", {"1", "null", "{\"a\":[1,{\"b\":\"\"}]}", "\"\"", "[true,false]"}, {"nul", "{\"a\"}", "[1 2]", "tru e", ""}},
    /* what can never be is no trap on the way */
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"},\"b\":false,\"c\":{\"type\":\"null\"}},\"required\":[\"c\"],\"additionalProperties\":false}",
     {"{\"c\":null}", "{\"a\":{\"c\":null},\"c\":null}"}, {"{\"b\":1,\"c\":null}", "{\"b", "{\"a\":{}"}},
};

START_TEST(test_grammar_schema__texts_are_accepted_as_the_schema_says)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_program *p;
        struct lm_err err;
        ck_assert_msg(compile_schema(cases[i].schema, NULL, &p, &err) == 0, "%s: %s", cases[i].schema, err.msg);
        for (size_t k = 0; k < 8 && cases[i].yes[k]; k++)
            ck_assert_msg(accepts(p, cases[i].yes[k], strlen(cases[i].yes[k])), "%s rejects %s", cases[i].schema, cases[i].yes[k]);
        for (size_t k = 0; k < 12 && cases[i].no[k]; k++)
            ck_assert_msg(!accepts(p, cases[i].no[k], strlen(cases[i].no[k])), "%s accepts %s", cases[i].schema, cases[i].no[k]);
        lm_program_destroy(p);
    }
}
END_TEST

/* Prefixes of what can never be finished are refused as soon as that is sure. */
START_TEST(test_grammar_schema__no_prefix_is_a_dead_end)
{
    static const struct { const char *schema, *prefix; } dead[] = {
        {"{\"type\":\"object\",\"properties\":{\"abc\":{},\"abd\":{}},\"additionalProperties\":false}", "{\"abc\":1,\"abd\":1,"},
        {"{\"type\":\"object\",\"properties\":{\"abc\":{},\"xyz\":{}},\"additionalProperties\":false}", "{\"abc\":1,\"a"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"minLength\":3,\"maxLength\":2,\"type\":\"string\"}},\"additionalProperties\":false}", "{\""},
        {"{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":false,\"minItems\":1}}", "[["},
        {"{\"type\":\"integer\",\"minimum\":5,\"maximum\":7}", "1"},
    };
    for (size_t i = 0; i < sizeof dead / sizeof *dead; i++) {
        struct lm_program *p;
        struct lm_frames *pool;
        struct lm_matcher m;
        struct lm_err err;
        ck_assert_msg(compile_schema(dead[i].schema, NULL, &p, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(lm_frames_create(p, &pool, NULL), 0);
        ck_assert_int_eq(lm_matcher_init(&m, pool, NULL), 0);
        ck_assert_msg(!lm_matcher_feed(&m, dead[i].prefix, strlen(dead[i].prefix), false), "%s lives", dead[i].prefix);
        lm_matcher_fini(&m);
        lm_frames_destroy(pool);
        lm_program_destroy(p);
    }
}
END_TEST

START_TEST(test_grammar_schema__what_is_not_supported_is_refused_by_name)
{
    static const struct { const char *schema, *keyword; int code; } refused[] = {
        {"{\"uniqueItems\":true}", "uniqueItems: ", LM_EUNSUPPORTED},
        {"{\"contains\":{}}", "contains: ", LM_EUNSUPPORTED},
        {"{\"if\":{},\"then\":false}", "if: ", LM_EUNSUPPORTED},
        {"{\"not\":{\"minimum\":1}}", "not: ", LM_EUNSUPPORTED},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "dependentRequired: ", LM_EUNSUPPORTED},
        {"{\"unevaluatedProperties\":false}", "unevaluatedProperties: ", LM_EUNSUPPORTED},
        {"{\"$dynamicRef\":\"#x\"}", "$dynamicRef: ", LM_EUNSUPPORTED},
        {"{\"$ref\":\"http://a/b\"}", "$ref: ", LM_EUNSUPPORTED},
        {"{\"$ref\":\"#\"}", "$ref: ", LM_EUNSUPPORTED},
        {"{\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"},{}]}},\"$ref\":\"#/$defs/a\"}", "$ref: ", LM_EUNSUPPORTED},
        {"{\"items\":{\"$id\":\"x\"}}", "$id: ", LM_EUNSUPPORTED},
        {"{\"$schema\":\"http://example.org/own\"}", "$schema: ", LM_EUNSUPPORTED},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", "oneOf: ", LM_EUNSUPPORTED},
        {"{\"format\":\"regex\"}", "format: ", LM_EUNSUPPORTED},
        {"{\"pattern\":\"(?=a)\"}", "pattern: ", LM_EUNSUPPORTED},
        {"{\"pattern\":\"(a)\\\\1\"}", "pattern: ", LM_EUNSUPPORTED},
        {"{\"pattern\":\"(\"}", "pattern: ", LM_EINVAL},
        {"{\"type\":\"strin\"}", "type: ", LM_EINVAL},
        {"{\"properties\":[]}", "properties: ", LM_EINVAL},
        {"{\"minLength\":-1}", "minLength: ", LM_EINVAL},
        {"{\"items\":[{}]}", "items: ", LM_EINVAL},
        {"false", "no text", LM_ENOTFOUND},
        {"{\"type\":\"string\",\"enum\":[1]}", "no text", LM_ENOTFOUND},
        {"{\"type\":\"string\",\"pattern\":\"(a|aa|aaa|b.{900}){1000}\"}", "", LM_ELIMIT},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct lm_program *p;
        struct lm_err err;
        int rc = compile_schema(refused[i].schema, NULL, &p, &err);
        ck_assert_msg(rc == refused[i].code && strncmp(err.msg, refused[i].keyword, strlen(refused[i].keyword)) == 0, "%s: %d %s",
                      refused[i].schema, rc, err.msg);
    }
}
END_TEST

START_TEST(test_grammar_schema__compact_texts_have_no_space_and_others_a_bound)
{
    struct lm_program *p;
    struct lm_err err;
    char wide[LM_JSON_MAX_SPACE + 16];
    ck_assert_int_eq(compile_schema("{\"type\":\"object\"}", &(struct lm_schema_options){.compact = true}, &p, &err), 0);
    ck_assert(accepts(p, "{\"a\":[1,2]}", 11));
    ck_assert(!accepts(p, "{\"a\": 1}", 8));
    lm_program_destroy(p);
    ck_assert_int_eq(compile_schema("{\"type\":\"object\"}", NULL, &p, &err), 0);
    int n = snprintf(wide, sizeof wide, "{%*s}", LM_JSON_MAX_SPACE, "");
    ck_assert(accepts(p, wide, (size_t)n));
    n = snprintf(wide, sizeof wide, "{%*s}", LM_JSON_MAX_SPACE + 1, "");
    ck_assert(!accepts(p, wide, (size_t)n));
    lm_program_destroy(p);
}
END_TEST

START_TEST(test_grammar_schema__closed_by_default_on_request)
{
    struct lm_program *p;
    struct lm_err err;
    ck_assert_int_eq(compile_schema("{\"type\":\"object\",\"properties\":{\"a\":{}}}", &(struct lm_schema_options){.no_additional = true}, &p, &err), 0);
    ck_assert(accepts(p, "{\"a\":1}", 7));
    ck_assert(!accepts(p, "{\"b\":1}", 7));
    lm_program_destroy(p);
}
END_TEST

/* Hostile schemas end in time, whatever they ask for. */
START_TEST(test_grammar_schema__compile_is_bounded_in_time)
{
    static const char *const hard[] = {
        "{\"type\":\"string\",\"pattern\":\"(.*a){30}.{60}$\"}",
        "{\"type\":\"string\",\"pattern\":\"(x+x+)+y\"}",
        "{\"type\":\"string\",\"pattern\":\"((a{0,99}){0,99}){0,99}\"}",
        "{\"type\":\"string\",\"pattern\":\"[ab]*a[ab]{16}c\",\"maxLength\":10000}",
        "{\"type\":\"integer\",\"multipleOf\":99991,\"minimum\":-1e200,\"maximum\":1e200}",
        "{\"patternProperties\":{\"a.{9}b\":{},\"b.{9}a\":{},\"c.{9}d\":{},\"a.*b.*c\":{}}}",
        "{\"type\":\"array\",\"minItems\":1000000000}",
        "{\"type\":\"string\",\"format\":\"uri\",\"maxLength\":2000}",
    };
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        struct lm_program *p = NULL;
        struct lm_err err;
        clock_t from = clock();
        int rc = compile_schema(hard[i], NULL, &p, &err);
        double ms = (double)(clock() - from) * 1e3 / CLOCKS_PER_SEC;
        ck_assert_msg(rc == 0 || rc == LM_ELIMIT || rc == LM_EUNSUPPORTED, "%s: %d %s", hard[i], rc, err.msg);
        printf("%7.1f ms  %-9s %s\n", ms, rc ? "refused" : "compiled", hard[i]);
        ck_assert_msg(ms < MAX_MS, "%s took %.1f ms", hard[i], ms);
        if (rc == 0)
            lm_program_destroy(p);
    }
}
END_TEST

static size_t unescape(char *s)
{
    size_t n = 0;
    for (char *p = s; *p; p++) {
        if (*p != '\\') {
            s[n++] = *p;
        } else if (*++p == '\\') {
            s[n++] = '\\';
        } else {
            char hex[] = {p[1], p[2], 0};
            s[n++] = (char)strtoul(hex, NULL, 16);
            p += 2;
        }
    }
    return n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Of the suite's "must be accepted" only duplicate keys are never written. */
START_TEST(test_grammar_schema__json_test_suite_is_decided_as_it_asks)
{
    char path[1024], line[16384];
    const char *src = getenv("srcdir");
    struct lm_program *p;
    struct lm_err err;
    int n_y = 0, n_n = 0;
    ck_assert_int_eq(compile_schema("true", NULL, &p, &err), 0);
    snprintf(path, sizeof path, "%s/tests/data/json/cases.txt", src ? src : ".");
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *text = strchr(line, '\t');
        ck_assert_ptr_nonnull(text);
        *text++ = 0;
        size_t n = unescape(text);
        while (n && is_space(text[n - 1]))
            n--;
        while (n && is_space(*text))
            text++, n--;
        bool yes = accepts(p, text, n), dup = strstr(line, "duplicated_key") != NULL;
        if (line[0] == 'y')
            ck_assert_msg(yes == !dup, "%s: %d", line, yes);
        if (line[0] == 'n')
            ck_assert_msg(!yes, "%s was accepted", line);
        n_y += line[0] == 'y';
        n_n += line[0] == 'n';
    }
    fclose(f);
    lm_program_destroy(p);
    ck_assert_int_eq(n_y, 95);
    ck_assert_int_eq(n_n, 186);
}
END_TEST

SUITE_MAIN("grammar/schema", test_grammar_schema__texts_are_accepted_as_the_schema_says, test_grammar_schema__no_prefix_is_a_dead_end,
           test_grammar_schema__what_is_not_supported_is_refused_by_name, test_grammar_schema__compact_texts_have_no_space_and_others_a_bound,
           test_grammar_schema__closed_by_default_on_request, test_grammar_schema__compile_is_bounded_in_time,
           test_grammar_schema__json_test_suite_is_decided_as_it_asks)

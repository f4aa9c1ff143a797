/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/json.h"

#include "runtime/base/buf.h"
#include "tests/suite.h"

#include <stdlib.h>

/* Linked with --wrap=realloc, so that buffers fail as jansson's blocks do. */
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

static long until, live; /* the allocation that fails, 1 the next, 0 none; jansson's blocks that are not freed */

static bool fails(void)
{
    return until > 0 && --until == 0;
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

static void *allocate(size_t n)
{
    void *p = fails() ? NULL : malloc(n);
    live += p != NULL;
    return p;
}

static void release(void *p)
{
    live -= p != NULL;
    free(p);
}

static json_t *load(const char *s, unsigned flags, struct lm_err *err)
{
    size_t n = strlen(s);
    char *exact = malloc(n ? n : 1); /* so that a sanitizer sees its end */
    memcpy(exact, s, n);
    json_t *v = lm_json_load(exact, n, flags, err);
    free(exact);
    return v;
}

/* Each allocation of one reading fails in turn. Returns how many there are. */
static long fail_each(const char *s, const json_t *whole)
{
    struct lm_err err;
    for (long n = 1;; n++) {
        long before = live;
        err = (struct lm_err){0};
        until = n;
        json_t *v = load(s, LM_JSON_UNIQUE, &err);
        bool reached = until == 0;
        until = 0;
        ck_assert_msg(!v == reached, "allocation %ld of %.40s", n, s);
        ck_assert_int_eq(err.code, reached ? LM_ENOMEM : 0);
        ck_assert(!v || json_equal(v, whole));
        json_decref(v);
        ck_assert_int_eq(live, before);
        if (!reached)
            return n - 1;
    }
}

START_TEST(test_base_json__each_allocation_that_fails_is_told_and_leaks_nothing)
{
    static const char *const texts[] = {
        "{\"abcdefghijklmno\":\"123456789abcdefghij\",\"n\":1.00000000000000e5}", /* jansson loses the name's last letter */
        "[\"0123456789abcdefghijklmnopqrstuvwxyz 0123456789abcdefghijklmnopqrstuvwxyz\",true,null,-0.5,[[{}],{\"\":0}]]",
        "{\"a\":{\"b\":[1,2,3,4,5,6,7,8,9,10],\"c\":\"\\ud83d\\ude00\\n\"},\"d\":\"\",\"e\":1,\"f\":2,\"g\":3,\"h\":4,\"i\":5,\"j\":6,\"k\":7,\"l\":8}",
    };
    json_object_seed(1);
    json_set_alloc_funcs(allocate, release);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *whole = load(texts[i], LM_JSON_UNIQUE, NULL);
        ck_assert_ptr_nonnull(whole);
        ck_assert_int_gt(fail_each(texts[i], whole), 8);
        json_decref(whole);
    }
}
END_TEST

START_TEST(test_base_json__values_are_those_that_jansson_reads)
{
    static const char *const texts[] = {
        "[]", " { } ", "[0,-0,1,-1,9223372036854775807,-9223372036854775808,0.0,-0.0,1e0,1E+2,1.5e-3,123456789.123456789,1e-400,5e-324]",
        "[1234567890123456789012345678901234567890.5]", "{\"a\":[true,false,null],\"b\":{\"a\":{}}}", "\t[\r\n1 ,\n2\t]\n",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"]",
        "{\"\":1,\"\\u00e9\":2,\"\xe2\x82\xac\":3}", "{\"a\":1,\"b\":2,\"a\":3}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *v = load(texts[i], 0, NULL), *other = json_loads(texts[i], 0, NULL);
        ck_assert_ptr_nonnull(other);
        ck_assert_msg(json_equal(v, other), "%s", texts[i]);
        json_decref(v);
        json_decref(other);
    }
}
END_TEST

START_TEST(test_base_json__errors_name_the_byte)
{
    static const struct { const char *text; unsigned flags; int code; const char *message; } cases[] = {
        {"", LM_JSON_ANY, LM_EFORMAT, "JSON: no number at byte 0"},
        {"", 0, LM_EFORMAT, "JSON: no object or array at byte 0"},
        {" 1", 0, LM_EFORMAT, "JSON: no object or array at byte 1"},
        {"[1] 2", 0, LM_EFORMAT, "JSON: text behind the value at byte 4"},
        {"[1,]", 0, LM_EFORMAT, "JSON: no element at byte 3"},
        {"[1 2]", 0, LM_EFORMAT, "JSON: no comma at byte 3"},
        {"[tru]", 0, LM_EFORMAT, "JSON: no value at byte 1"},
        {"[nan]", 0, LM_EFORMAT, "JSON: no value at byte 1"},
        {"[01]", 0, LM_EFORMAT, "JSON: no number at byte 1"},
        {"[1.]", 0, LM_EFORMAT, "JSON: no number at byte 1"},
        {"[-]", 0, LM_EFORMAT, "JSON: no number at byte 1"},
        {"[+1]", 0, LM_EFORMAT, "JSON: no number at byte 1"},
        {"[1e]", 0, LM_EFORMAT, "JSON: no number at byte 1"},
        {"{1:2}", 0, LM_EFORMAT, "JSON: no string at byte 1"},
        {"{\"a\" 2}", 0, LM_EFORMAT, "JSON: no colon at byte 5"},
        {"[\"a", 0, LM_EFORMAT, "JSON: no end of the string at byte 3"},
        {"[\"\n\"]", 0, LM_EFORMAT, "JSON: no end of the string at byte 2"},
        {"[\"\xc3\"]", 0, LM_EFORMAT, "JSON: ill-formed UTF-8 at byte 1"},
        {"{\"\xff\":1}", 0, LM_EFORMAT, "JSON: ill-formed UTF-8 at byte 1"},
        {"[\"\\u0000\"]", 0, LM_EFORMAT, "JSON: NUL in a string at byte 1"},
        {"{\"\\u0000\":1}", LM_JSON_NUL, LM_EFORMAT, "JSON: NUL in a string at byte 1"},
        {"{\"a\":{\"b\":1,\"b\":2}}", LM_JSON_UNIQUE, LM_EFORMAT, "JSON: duplicate object key at byte 12"},
        {"[9223372036854775808]", 0, LM_ELIMIT, "JSON: number out of range at byte 1"},
        {"[1e999]", LM_JSON_REALS, LM_ELIMIT, "JSON: number out of range at byte 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_err err = {0};
        ck_assert_ptr_null(load(cases[i].text, cases[i].flags, &err));
        ck_assert_msg(err.code == cases[i].code && strcmp(err.msg, cases[i].message) == 0, "%s: %s", cases[i].text, err.msg);
    }
}
END_TEST

START_TEST(test_base_json__flags_allow_what_they_say)
{
    json_t *v = load("1", LM_JSON_ANY, NULL);
    ck_assert_int_eq(json_integer_value(v), 1);
    json_decref(v);
    v = load("[\"a\\u0000b\"]", LM_JSON_NUL, NULL);
    ck_assert_uint_eq(json_string_length(json_array_get(v, 0)), 3);
    json_decref(v);
    v = load("[1000000000000000000000000000000,2]", LM_JSON_REALS, NULL);
    ck_assert(json_real_value(json_array_get(v, 0)) == 1e30);
    ck_assert_int_eq(json_integer_value(json_array_get(v, 1)), 2);
    json_decref(v);
}
END_TEST

START_TEST(test_base_json__limits_hold_for_the_whole_text)
{
    static const struct { const char *text; size_t depth, members, values; bool ok; } cases[] = {
        {"[[1]]", 2, 0, 0, true}, {"[[1]]", 1, 0, 0, false}, {"[[],[],[]]", 2, 0, 0, true},
        {"{\"a\":{\"b\":1}}", 0, 2, 0, true}, {"{\"a\":{\"b\":1}}", 0, 1, 0, false}, {"[1,2,3]", 0, 0, 2, true}, {"[1,2,3]", 0, 0, 1, false},
        {"[\"\\\",,,::\",2]", 0, 1, 1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_json_reader r = {.depth = cases[i].depth, .members = cases[i].members, .values = cases[i].values};
        struct lm_err err = {0};
        json_t *v = lm_json_read(&r, cases[i].text, strlen(cases[i].text), &err);
        ck_assert_msg(!v != cases[i].ok && (v || err.code == LM_ELIMIT), "%s", cases[i].text);
        json_decref(v);
    }
}
END_TEST

SUITE_MAIN("base/json", test_base_json__each_allocation_that_fails_is_told_and_leaks_nothing, test_base_json__values_are_those_that_jansson_reads,
           test_base_json__errors_name_the_byte, test_base_json__flags_allow_what_they_say, test_base_json__limits_hold_for_the_whole_text)

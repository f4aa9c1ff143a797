/* SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <time.h>

/* Parse text as the value of a member, so that any JSON value can be tried. */
static int parse_as_member(const char *s, size_t n, struct lm_api_error *e)
{
    struct lm_bytes b = {0};
    json_t *v = NULL;
    lm_bytes_add_str(&b, "{\"v\":");
    lm_bytes_add(&b, s, n);
    lm_bytes_add_char(&b, '}');
    int rc = lm_json_parse(b.data, b.len, &v, e);
    json_decref(v);
    lm_bytes_fini(&b);
    return rc;
}

static int parse(const char *s, struct lm_api_error *e)
{
    json_t *v = NULL;
    int rc = lm_json_parse(s, strlen(s), &v, e);
    json_decref(v);
    return rc;
}

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

/* Of the suite's "must be accepted" only duplicate keys and NUL in a key are refused; "may be either" must not crash. */
START_TEST(test_api_json__json_test_suite_is_decided_as_it_asks)
{
    char path[1024], line[16384];
    const char *src = getenv("srcdir");
    int n_y = 0, n_n = 0;
    snprintf(path, sizeof path, "%s/tests/data/json/cases.txt", src ? src : ".");
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        struct lm_api_error e = {0};
        line[strcspn(line, "\n")] = 0;
        char *text = strchr(line, '\t');
        ck_assert_ptr_nonnull(text);
        *text++ = 0;
        int rc = parse_as_member(text, unescape(text), &e);
        bool refused = strstr(line, "duplicated_key") || strstr(line, "null_in_key");
        if (line[0] == 'y')
            ck_assert_msg(rc == (refused ? LM_EINVAL : 0), "%s: %s", line, e.message);
        if (line[0] == 'n')
            ck_assert_msg(rc == LM_EINVAL && e.status == 400, "%s was accepted", line);
        n_y += line[0] == 'y';
        n_n += line[0] == 'n';
    }
    fclose(f);
    ck_assert_int_eq(n_y, 95);
    ck_assert_int_eq(n_n, 186);
}
END_TEST

START_TEST(test_api_json__depth_is_bounded_before_parsing)
{
    struct lm_api_error e;
    size_t n = 1000000;
    char *deep = malloc(n + 1);
    memset(deep, '[', n);
    deep[n] = 0;
    ck_assert_int_eq(parse(deep, &e), LM_EINVAL);
    ck_assert_str_eq(e.message, "The body is not valid JSON: nested too deep at byte 64");
    for (size_t i = 0; i < n; i += 8)
        memcpy(deep + i, "[{\"\":\"\":", 8);
    ck_assert_int_eq(parse(deep, &e), LM_EINVAL);
    free(deep);
    char edge[256] = "{\"v\":";
    for (int i = 0; i < 63; i++)
        strcat(edge, "[");
    for (int i = 0; i < 63; i++)
        strcat(edge, "]");
    strcat(edge, "}");
    ck_assert_int_eq(parse(edge, &e), 0);
}
END_TEST

START_TEST(test_api_json__errors_name_the_member_but_not_its_content)
{
    static const struct { const char *body, *param; } cases[] = {
        {"{\"prompt\":\"x\",\"temperature\":1e999}", "temperature"},
        {"{\"max_tokens\":9223372036854775808}", "max_tokens"},
        {"{\"a\":{\"n\":1},\"logit_bias\":{\"b\":[1e999]}}", "logit_bias"},
        {"{\"model\":\"a\",\"model\":\"b\"}", "model"},
        {"{\"prompt\":\"secret\" 1}", ""},
        {"[1]", ""},
        {"", ""},
        {"{\"prompt\":NaN}", ""},
        {"{\"prompt\":Infinity}", ""},
        {"{\"prompt\":\"\\ud800\"}", ""},
        {"{\"prompt\":\"\xc0\xaf\"}", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_api_error e;
        ck_assert_int_eq(parse(cases[i].body, &e), LM_EINVAL);
        ck_assert_int_eq(e.status, 400);
        ck_assert_str_eq(e.param, cases[i].param);
        ck_assert_ptr_null(strstr(e.message, "secret"));
    }
}
END_TEST

/* open and close n times is refused within ms of the processor. */
static void check_refused(const char *open, const char *close, size_t n, long ms, const char *why)
{
    struct lm_bytes b = {0};
    struct lm_api_error e;
    json_t *v;
    lm_bytes_add_str(&b, "{\"a\":[");
    for (size_t i = 0; i < n; i++)
        lm_bytes_add_str(&b, open);
    for (size_t i = 0; i < n; i++)
        lm_bytes_add_str(&b, close);
    lm_bytes_add_str(&b, "1]}");
    ck_assert(!b.failed);
    clock_t at = clock();
    ck_assert_int_eq(lm_json_parse(b.data, b.len, &v, &e), LM_EINVAL);
    ck_assert_int_le(clock() - at, CLOCKS_PER_SEC / 1000 * ms);
    ck_assert_ptr_nonnull(strstr(e.message, why));
    lm_bytes_fini(&b);
}

START_TEST(test_api_json__a_million_levels_are_refused_at_once)
{
    check_refused("[", "]", 1000000, 10, "nested too deep at byte 68");
    check_refused("{\"a\":", "}", 1000000, 10, "nested too deep");
    check_refused("[", "", 1000000, 10, "nested too deep");
}
END_TEST

START_TEST(test_api_json__members_and_values_are_bounded)
{
    check_refused("{\"a\":1},", "", LM_JSON_MEMBERS + 1, 200, "too many object members");
    check_refused("1,", "", LM_JSON_VALUES + 1, 200, "too many values");
}
END_TEST

START_TEST(test_api_json__nul_in_a_string_is_data)
{
    struct lm_api_error e;
    json_t *v;
    const char body[] = "{\"a\":\"x\\u0000y\"}";
    ck_assert_int_eq(lm_json_parse(body, sizeof body - 1, &v, &e), 0);
    ck_assert_uint_eq(json_string_length(json_object_get(v, "a")), 3);
    json_decref(v);
}
END_TEST

START_TEST(test_api_json__error_bodies_are_well_formed_whatever_is_in_them)
{
    struct lm_api_error e;
    struct lm_bytes b = {0};
    char name[600];
    memset(name, '\xe2', sizeof name);
    name[sizeof name - 1] = 0;
    lm_api_fail(&e, 404, "model", "The model `%s` \"does\" not exist.", name);
    lm_api_error_write(&e, LM_ERROR_OPENAI, &b);
    json_error_t je;
    json_t *v = json_loadb(b.data, b.len, 0, &je), *err = json_object_get(v, "error");
    ck_assert_ptr_nonnull(v);
    ck_assert_str_eq(json_string_value(json_object_get(err, "type")), "NotFoundError");
    ck_assert_str_eq(json_string_value(json_object_get(err, "param")), "model");
    ck_assert_int_eq(json_integer_value(json_object_get(err, "code")), 404);
    json_decref(v);
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("api/json", test_api_json__json_test_suite_is_decided_as_it_asks, test_api_json__depth_is_bounded_before_parsing,
           test_api_json__errors_name_the_member_but_not_its_content, test_api_json__a_million_levels_are_refused_at_once, test_api_json__members_and_values_are_bounded,
           test_api_json__nul_in_a_string_is_data,
           test_api_json__error_bodies_are_well_formed_whatever_is_in_them)

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/constrain.h"
#include "tests/suite.h"

static int constrain(const char *body, struct lm_program **out, struct lm_api_error *e)
{
    json_t *v = json_loads(body, 0, NULL);
    ck_assert_ptr_nonnull(v);
    *e = (struct lm_api_error){0};
    int rc = lm_constrain(v, out, e);
    json_decref(v);
    return rc;
}

START_TEST(test_openai_constrain__every_spelling_is_compiled)
{
    static const struct { const char *body; bool json; } cases[] = {
        {"{\"response_format\":{\"type\":\"json_object\"}}", true},
        {"{\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"array\"}}}", true},
        {"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"strict\":true,\"schema\":{\"type\":\"object\"}}}}", true},
        {"{\"structured_outputs\":{\"json\":{\"type\":\"integer\"},\"disable_any_whitespace\":true}}", true},
        {"{\"structured_outputs\":{\"json\":\"{\\\"type\\\":\\\"integer\\\"}\",\"regex\":null}}", true},
        {"{\"structured_outputs\":{\"regex\":\"[0-9]+\"}}", false},
        {"{\"structured_outputs\":{\"choice\":[\"a\",\"b\"]}}", false},
        {"{\"structured_outputs\":{\"grammar\":\"root ::= [a-z]\"}}", false},
        {"{\"structured_outputs\":{\"json_object\":true}}", true},
        {"{\"guided_json\":{\"type\":\"string\"},\"guided_decoding_backend\":\"outlines\"}", true},
        {"{\"guided_regex\":\"a\"}", false},
        {"{\"guided_choice\":[\"yes\",\"no\"]}", false},
        {"{\"guided_grammar\":\"root ::= \\\"x\\\"\"}", false},
        {"{\"json_schema\":{\"type\":\"null\"}}", true},
        {"{\"grammar\":\"root ::= \\\"x\\\"\"}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_program *p;
        struct lm_api_error e;
        ck_assert_msg(constrain(cases[i].body, &p, &e) == 0, "%s: %s", cases[i].body, e.message);
        ck_assert_msg(p && p->json == cases[i].json, "%s", cases[i].body);
        lm_program_destroy(p);
    }
}
END_TEST

START_TEST(test_openai_constrain__none_is_none)
{
    static const char *const bodies[] = {"{}", "{\"response_format\":{\"type\":\"text\"}}", "{\"response_format\":null,\"structured_outputs\":null,\"guided_json\":null,\"grammar\":null}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct lm_program *p;
        struct lm_api_error e;
        ck_assert_int_eq(constrain(bodies[i], &p, &e), 0);
        ck_assert_ptr_null(p);
    }
}
END_TEST

START_TEST(test_openai_constrain__what_cannot_be_kept_is_a_400_that_says_what)
{
    static const struct { const char *body, *param, *text; } cases[] = {
        {"{\"response_format\":{\"type\":\"json_schema\"}}", "response_format", "json_schema.schema"},
        {"{\"response_format\":{\"type\":\"structural_tag\"}}", "response_format", "structural_tag"},
        {"{\"response_format\":1}", "response_format", "an integer"},
        {"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"uniqueItems\":true}}}}", "response_format", "uniqueItems"},
        {"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":false}}}", "response_format", "no text"},
        {"{\"structured_outputs\":{}}", "structured_outputs", "one of"},
        {"{\"structured_outputs\":[]}", "structured_outputs", "an object"},
        {"{\"structured_outputs\":{\"json\":{},\"regex\":\"a\"}}", "structured_outputs.regex", "only use one kind"},
        {"{\"guided_regex\":\"a\",\"response_format\":{\"type\":\"json_object\"}}", "response_format", "only use one kind"},
        {"{\"structured_outputs\":{\"regex\":\"a\",\"structural_tag\":\"x\"}}", "structured_outputs", "structural_tag"},
        {"{\"structured_outputs\":{\"regex\":\"a\",\"whitespace_pattern\":\" \"}}", "structured_outputs", "whitespace_pattern"},
        {"{\"guided_choice\":[]}", "guided_choice", "not empty"},
        {"{\"guided_choice\":[\"a\",1]}", "guided_choice", "strings"},
        {"{\"guided_grammar\":\"\"}", "guided_grammar", "not empty"},
        {"{\"guided_grammar\":{}}", "guided_grammar", "a string"},
        {"{\"guided_grammar\":\"root ::= x\"}", "guided_grammar", "no rule 'x'"},
        {"{\"guided_regex\":\"(\"}", "guided_regex", "group"},
        {"{\"guided_json\":\"{\"}", "guided_json", "not valid JSON"},
        {"{\"guided_json\":5}", "guided_json", "neither an object"},
        {"{\"json_schema\":\"x\"}", "json_schema", "neither an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_program *p;
        struct lm_api_error e;
        ck_assert_msg(constrain(cases[i].body, &p, &e) == LM_EINVAL || e.status == 400, "%s", cases[i].body);
        ck_assert_ptr_null(p);
        ck_assert_int_eq(e.status, 400);
        ck_assert_str_eq(e.param, cases[i].param);
        ck_assert_msg(strstr(e.message, cases[i].text) != NULL, "%s: %s", cases[i].body, e.message);
    }
}
END_TEST

SUITE_MAIN("openai/constrain", test_openai_constrain__every_spelling_is_compiled, test_openai_constrain__none_is_none,
           test_openai_constrain__what_cannot_be_kept_is_a_400_that_says_what)

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/lora.h"
#include "tests/suite.h"

static struct lm_conf_lora *list;
static size_t n;
static struct lm_err err;

static void expect(const char *text, const char *want)
{
    char got[512] = "";
    err.msg[0] = 0;
    int rc = lm_conf_lora_read(text, &list, &n, &err);
    ck_assert_msg(rc == 0, "%s: %s", text, err.msg);
    for (size_t i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s:%s;", list[i].name, list[i].path);
    ck_assert_str_eq(got, want);
    lm_conf_lora_fini(list, n);
}

START_TEST(test_conf_lora__both_forms_and_several)
{
    expect("", "");
    expect("a=/x", "a:/x;");
    expect(" a = /x y , b=/z=1,", "a:/x y;b:/z=1;");
    expect("{\"name\": \"a\", \"path\": \"/x,y\"}", "a:/x,y;");
    expect("{\"name\":\"a\",\"path\":\"C\\\\d\\\"\",\"base_model_name\":\"m\"},b=/z", "a:C\\d\";b:/z;");
    expect("[{\"name\": \"a\", \"path\": \"/x\"}, {\"path\": \"/y\", \"name\": \"b\", \"base_model_name\": null}]", "a:/x;b:/y;");
    expect("[]", "");
}
END_TEST

START_TEST(test_conf_lora__what_is_neither_is_refused)
{
    static const struct { const char *text, *why; } bad[] = {
        {"a", "'a' is not of the form NAME=PATH"}, {"=x", "without a name"}, {"a=", "without a path"}, {"a= ,b=c", "without a path"},
        {"a=/x,a=/y", "'a' is given twice"}, {"{}", "not a JSON object"}, {"{\"name\": \"a\"}", "without \"path\""}, {"{\"path\": \"a\"}", "without \"name\""},
        {"{\"name\": \"a\", \"path\": 5}", "not a JSON object"}, {"{\"nam\": \"a\"}", "key \"nam\" is not known"}, {"{\"name\": \"a", "not a JSON object"},
        {"[{\"name\": \"a\", \"path\": \"b\"}", "without its end"}, {"[a=b]", "not a JSON array of objects"}, {"{\"name\":\"a\",\"path\":\"b\"}x", "not a comma"},
        {"[{\"name\": \"a\", \"path\": \"b\"}]x", "without its end"}, {"{\"name\": \"\\u0061\", \"path\": \"b\"}", "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err.msg[0] = 0;
        ck_assert_msg(lm_conf_lora_read(bad[i].text, &list, &n, &err) == LM_ECONFIG, "%s", bad[i].text);
        ck_assert_msg(strstr(err.msg, bad[i].why) != NULL, "%s: %s", bad[i].text, err.msg);
    }
}
END_TEST

SUITE_MAIN("conf/lora", test_conf_lora__both_forms_and_several, test_conf_lora__what_is_neither_is_refused)

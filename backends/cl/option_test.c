/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/option.h"
#include "tests/suite.h"

static int read_one(const char *key, const char *value, struct cl_option *out, struct lm_err *err)
{
    return cl_option_read(&(struct lm_option){key, value}, 1, out, err);
}

START_TEST(test_cl_option__without_options_are_the_defaults)
{
    struct cl_option o;
    ck_assert_int_eq(cl_option_read(NULL, 0, &o, NULL), 0);
    ck_assert_str_eq(o.device, "");
    ck_assert_str_eq(o.platform, "");
    ck_assert_str_eq(o.cache, "auto");
    ck_assert_uint_eq(o.memory, 0);
    ck_assert_int_eq(o.kernels, CL_KERNELS_AUTO);
}
END_TEST

START_TEST(test_cl_option__values_are_read)
{
    struct cl_option o;
    ck_assert_int_eq(read_one("device", "Arc", &o, NULL), 0);
    ck_assert_str_eq(o.device, "Arc");
    ck_assert_int_eq(read_one("cache", "/var/cache/x", &o, NULL), 0);
    ck_assert_str_eq(o.cache, "/var/cache/x");
    ck_assert_int_eq(read_one("kernels", "portable", &o, NULL), 0);
    ck_assert_int_eq(o.kernels, CL_KERNELS_PORTABLE);
    ck_assert_int_eq(read_one("kernels", "xmx16", &o, NULL), 0);
    ck_assert_int_eq(o.kernels, CL_KERNELS_XMX16);
    ck_assert_int_eq(read_one("memory", "12g", &o, NULL), 0);
    ck_assert_uint_eq(o.memory, (uint64_t)12 << 30);
    ck_assert_int_eq(read_one("memory", "4096", &o, NULL), 0);
    ck_assert_uint_eq(o.memory, 4096);
}
END_TEST

START_TEST(test_cl_option__bad_values_are_refused_by_name)
{
    const char *const bad[][2] = {{"memory", ""}, {"memory", "-1"}, {"memory", "4X"}, {"memory", "4GB"}, {"memory", "99999999999T"},
                                  {"cache", "here"}, {"cache", ""}, {"kernels", "fast"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cl_option o = {.memory = 7};
        struct lm_err err = {0};
        ck_assert_msg(read_one(bad[i][0], bad[i][1], &o, &err) == LM_ECONFIG, "%s = %s", bad[i][0], bad[i][1]);
        ck_assert_msg(strstr(err.msg, bad[i][0]) != NULL, "%s", err.msg);
        ck_assert_uint_eq(o.memory, 7);
    }
}
END_TEST

START_TEST(test_cl_option__an_unknown_key_names_those_there_are)
{
    struct cl_option o;
    struct lm_err err = {0};
    ck_assert_int_eq(read_one("threads", "1", &o, &err), LM_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "'threads'"));
    ck_assert_ptr_nonnull(strstr(err.msg, "platform"));
}
END_TEST

SUITE_MAIN("cl/option", test_cl_option__without_options_are_the_defaults, test_cl_option__values_are_read,
           test_cl_option__bad_values_are_refused_by_name, test_cl_option__an_unknown_key_names_those_there_are)

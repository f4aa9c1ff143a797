/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/nodes.h"
#include "tests/suite.h"

START_TEST(test_conf_nodes__numbers_and_hosts_are_read)
{
    static const struct { const char *text; uint32_t n; bool named; } good[] = {
        {"", 0, false}, {"2", 2, false}, {"16", 16, false}, {"a,b", 2, true}, {"node-1.example.org:2,node-2", 3, true}, {"localhost:2", 2, true},
        {"10.0.0.1,10.0.0.2", 2, true}, {"1:2,2:2", 4, true},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct lm_conf_model m = {.nodes = (char *)(uintptr_t)good[i].text};
        struct lm_conf_nodes got;
        ck_assert_int_eq(lm_conf_nodes(&m, &got, NULL), 0);
        ck_assert_msg(got.n_process == good[i].n && got.named == good[i].named, "%s: %u", good[i].text, got.n_process);
    }
}
END_TEST

START_TEST(test_conf_nodes__what_is_neither_is_refused)
{
    static const char *const bad[] = {"1", "0", "a", "a:1", "-x,b", "a,,b", "a,", ",a", "a b,c", "a;reboot,b", "a:0,b", "a:,b", "a:x", "a:99999", "--host,b", "2000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_conf_model m = {.nodes = (char *)(uintptr_t)bad[i]};
        struct lm_conf_nodes got = {7, true};
        struct lm_err err;
        ck_assert_msg(lm_conf_nodes(&m, &got, &err) == LM_ECONFIG && strstr(err.msg, bad[i]), "%s", bad[i]);
        ck_assert_uint_eq(got.n_process, 7);
    }
}
END_TEST

SUITE_MAIN("conf/nodes", test_conf_nodes__numbers_and_hosts_are_read, test_conf_nodes__what_is_neither_is_refused)

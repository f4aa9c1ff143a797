/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/option.h"
#include "tests/suite.h"

START_TEST(test_cpu_option__defaults_are_the_best_isa_and_all_cores)
{
    struct cpu_option o;
    ck_assert_int_eq(cpu_option_read(NULL, 0, &o, NULL), 0);
    ck_assert_int_eq(o.isa, cpu_isa_detect());
    ck_assert_uint_eq(o.threads, 0);
    ck_assert_int_eq(o.pin, CPU_PIN_AUTO);
    ck_assert(o.huge_pages);
    ck_assert_uint_eq(o.devices, 1);
}
END_TEST

START_TEST(test_cpu_option__keys_have_dashes_or_underscores)
{
    const struct lm_option option[] = {{"threads", "3"}, {"isa", "portable"}, {"pin", "no"}, {"huge_pages", "no"}, {"threads", "5"}};
    struct cpu_option o;
    ck_assert_int_eq(cpu_option_read(option, 5, &o, NULL), 0);
    ck_assert_uint_eq(o.threads, 5);
    ck_assert_int_eq(o.isa, CPU_ISA_PORTABLE);
    ck_assert_int_eq(o.pin, CPU_PIN_NO);
    ck_assert(!o.huge_pages);
}
END_TEST

START_TEST(test_cpu_option__wrong_lines_are_named)
{
    const struct { struct lm_option option; const char *says; } cases[] = {
        {{"thread", "1"}, "unknown key 'thread'"}, {{"threads-", "1"}, "there are threads, isa, pin, huge-pages, devices"},
        {{"threads", "-1"}, "threads = -1"},       {{"threads", ""}, "threads = "},
        {{"threads", "2x"}, "threads = 2x"},       {{"threads", "99999999999999999999"}, "0 to 4096"},
        {{"isa", "sse"}, "portable, avx2"},        {{"pin", "maybe"}, "auto, yes, no"},
        {{"huge-pages", "1"}, "yes, no"},          {{"devices", "0"}, "1 to 64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cpu_option o = {.threads = 77};
        struct lm_err err = {0};
        ck_assert_int_eq(cpu_option_read(&cases[i].option, 1, &o, &err), LM_ECONFIG);
        ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s", err.msg);
        ck_assert_uint_eq(o.threads, 77);
    }
}
END_TEST

START_TEST(test_cpu_option__an_isa_the_machine_lacks_is_refused)
{
    for (int isa = 0; isa < CPU_N_ISA; isa++) {
        const struct lm_option option = {"isa", cpu_isa_name((enum cpu_isa)isa)};
        struct cpu_option o;
        ck_assert_int_eq(cpu_option_read(&option, 1, &o, NULL), cpu_isa_has((enum cpu_isa)isa) ? 0 : LM_ECONFIG);
    }
    ck_assert(cpu_isa_has(CPU_ISA_PORTABLE));
    ck_assert(cpu_isa_has(cpu_isa_detect()));
}
END_TEST

SUITE_MAIN("cpu/option", test_cpu_option__defaults_are_the_best_isa_and_all_cores,
           test_cpu_option__keys_have_dashes_or_underscores, test_cpu_option__wrong_lines_are_named,
           test_cpu_option__an_isa_the_machine_lacks_is_refused)

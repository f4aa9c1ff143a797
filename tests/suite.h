/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_SUITE_H
#define LM_TESTS_SUITE_H
/**
 * SUITE_MAIN("folder/file", test, test, …): the main() of a unit test that runs each test in a case of its own name.
 *
 * Exit status 0 all passed, 1 some failed. Up to 32 tests; a test is a START_TEST of check.
 */
#include <check.h>
#include <stddef.h>

static inline int suite_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(name);
    for (size_t i = 0; i < n; i++) {
        TCase *tc = tcase_create(tests[i]->name);
        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, tests[i]);
        suite_add_tcase(s, tc);
    }
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}

#define SUITE_MAIN(name, ...)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return suite_run(name, tests, sizeof tests / sizeof *tests);                               \
    }
#endif

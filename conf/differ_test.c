/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/differ.h"
#include "tests/suite.h"

/* What differs between two sets of flags. */
static void check(const char *const *a, const char *const *b, const char *const *except, const char *want)
{
    struct lm_conf conf[2];
    struct lm_bytes names = {0};
    const char *const *flags[] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        char copy[4][64], *argv[5] = {copy[0], copy[1], copy[2], copy[3]};
        int argc = 1;
        snprintf(copy[0], sizeof copy[0], "llmserved");
        for (; flags[i][argc - 1]; argc++)
            snprintf(copy[argc], sizeof copy[argc], "%s", flags[i][argc - 1]);
        ck_assert_int_eq(lm_conf_init(&conf[i], NULL), 0);
        ck_assert_int_eq(lm_conf_read_flags(&conf[i], &argc, argv, NULL), 0);
    }
    lm_conf_differ(&conf[0], &conf[1], except, &names);
    ck_assert_uint_eq(names.len, strlen(want));
    ck_assert(!names.len || memcmp(names.data, want, names.len) == 0);
    lm_bytes_fini(&names);
    lm_conf_fini(&conf[0]);
    lm_conf_fini(&conf[1]);
}

START_TEST(test_conf_differ__names_the_keys_that_differ_but_those_excepted)
{
    static const char *const none[] = {NULL}, *const port[] = {"port", NULL};
    const char *a[] = {"--model=a", "--port=1", NULL}, *b[] = {"--model=a", "--port=2", "--max-n=3", NULL};
    const char *c[] = {"--model=a", "--max-num-seqs=3", "--backend-option=x.y=1", NULL}, *d[] = {"--model=a", "--backend-option=x.y=2", NULL};
    check(a, a, none, "");
    check(a, b, none, "port max_n");
    check(a, b, port, "max_n");
    check(a, c, port, "max_num_seqs [backend]");
    check(c, d, none, "max_num_seqs [backend]");
    check(a, (const char *[]){"--model=b", "--port=1", NULL}, none, "[model]");
}
END_TEST

SUITE_MAIN("conf/differ", test_conf_differ__names_the_keys_that_differ_but_those_excepted)

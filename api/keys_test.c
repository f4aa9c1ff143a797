/* SPDX-License-Identifier: Apache-2.0 */
#include "api/keys.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <unistd.h>

static const char abc[] = "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

START_TEST(test_api_keys__given_as_they_are_or_as_digests)
{
    struct lm_keys k = {0};
    ck_assert(!lm_keys_match(&k, ""));
    ck_assert_int_eq(lm_keys_add(&k, " alpha, beta,,", NULL), 0);
    ck_assert_int_eq(lm_keys_add(&k, abc, NULL), 0);
    ck_assert_uint_eq(k.n, 3);
    ck_assert(lm_keys_match(&k, "alpha") && lm_keys_match(&k, "beta") && lm_keys_match(&k, "abc"));
    static const char *const wrong[] = {"", "alph", "alphaa", "ALPHA", "alpha,", abc, "sha256:"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert(!lm_keys_match(&k, wrong[i]));
    lm_keys_fini(&k);
}
END_TEST

START_TEST(test_api_keys__a_digest_that_is_none_is_refused)
{
    static const char *const bad[] = {"sha256:12", "sha256:zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"};
    for (size_t i = 0; i < 2; i++) {
        struct lm_keys k = {0};
        ck_assert_int_eq(lm_keys_add(&k, bad[i], NULL), LM_ECONFIG);
        lm_keys_fini(&k);
    }
}
END_TEST

START_TEST(test_api_keys__of_a_file_one_a_line)
{
    char path[] = "/tmp/llmserve-keys-XXXXXX";
    static const char text[] = "# of the team\n one \r\n\ntwo,2\nsha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nlast";
    struct lm_keys k = {0};
    struct lm_err err;
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    ck_assert_int_eq(lm_keys_add_file(&k, path, &err), 0);
    ck_assert_uint_eq(k.n, 4);
    ck_assert(lm_keys_match(&k, "one") && lm_keys_match(&k, "two,2") && lm_keys_match(&k, "abc") && lm_keys_match(&k, "last"));
    ck_assert_int_eq(ftruncate(fd, 8), 0);
    ck_assert_int_eq(lm_keys_add_file(&k, path, &err), LM_ECONFIG);
    unlink(path);
    ck_assert_int_eq(lm_keys_add_file(&k, path, &err), LM_ECONFIG);
    close(fd);
    lm_keys_fini(&k);
}
END_TEST

SUITE_MAIN("api/keys", test_api_keys__given_as_they_are_or_as_digests, test_api_keys__a_digest_that_is_none_is_refused,
           test_api_keys__of_a_file_one_a_line)

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/sha256.h"
#include "tests/suite.h"

#include <stdio.h>
#include <stdlib.h>

static void check(const char *s, size_t n, const char *want)
{
    uint8_t got[32];
    char hex[65];
    lm_sha256(s, n, got);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", got[i]);
    ck_assert_str_eq(hex, want);
}

/* The examples that FIPS 180-4 is published with. */
START_TEST(test_base_sha256__known_answers)
{
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check(two, sizeof two - 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *a = malloc(1000000);
    memset(a, 'a', 1000000);
    check(a, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(a);
}
END_TEST

SUITE_MAIN("base/sha256", test_base_sha256__known_answers)

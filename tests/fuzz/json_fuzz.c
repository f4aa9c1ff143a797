/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the JSON reader: the first byte says which flags. What it takes jansson's reader takes too, and reads the
 * same; what it refuses jansson refuses, but for levels above LM_JSON_DEEPEST and a NUL that stands behind a number.
 */
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lm_err err = {0};
    if (n < 1)
        return 0;
    const char *s = (const char *)data + 1;
    const unsigned flags = data[0] & (LM_JSON_ANY | LM_JSON_UNIQUE | LM_JSON_NUL);
    const size_t same = (flags & LM_JSON_ANY ? JSON_DECODE_ANY : 0) | (flags & LM_JSON_UNIQUE ? JSON_REJECT_DUPLICATES : 0) |
                        (flags & LM_JSON_NUL ? JSON_ALLOW_NUL : 0);
    json_t *v = lm_json_load(s, n - 1, flags, &err), *other = json_loadb(s, n - 1, same, NULL);
    expect(!v == (err.code != 0));
    if (v)
        expect(other && json_equal(v, other));
    else
        expect(lm_utf8_valid(err.msg, strlen(err.msg)) && (!other || strstr(err.msg, "nested too deep") || memchr(s, 0, n - 1)));
    json_decref(v);
    json_decref(other);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of tokenizers of folders: the first byte says whether the rest is a tokenizer.json or a tokenizer.model. One that
 * is taken encodes and decodes; tokens that are pushed one by one show well-formed UTF-8.
 */
#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void stream(const struct lm_tokenizer *t, const struct lm_tokens *ids)
{
    struct lm_detok d = {0};
    struct lm_bytes shown = {0};
    for (size_t i = 0; i < ids->n; i++)
        lm_detok_push(t, &d, ids->id[i], 0, &shown, NULL);
    lm_detok_finish(&d, &shown);
    if (shown.data && !lm_utf8_valid(shown.data, shown.len))
        abort();
    lm_bytes_fini(&shown);
}

static void use(const struct lm_tokenizer *t)
{
    static const char text[] = "A tokenizer's 1234 words: \xc3\xa9t\xc3\xa9, \xe6\xbc\xa2 \xf0\x9f\x99\x82\n\n  and <s> more\xff.";
    struct lm_tokens ids = {0};
    struct lm_bytes back = {0};
    if (lm_tokenizer_encode(t, text, sizeof text - 1, LM_TOK_ADD_SPECIAL | LM_TOK_PARSE_SPECIAL, 0, &ids, NULL) == 0) {
        if (lm_tokenizer_decode(t, ids.id, ids.n, 0, &back, NULL) == LM_EINVAL)
            abort(); /* ids of its own */
        stream(t, &ids);
    }
    lm_bytes_fini(&back);
    free(ids.id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    if (n < 1)
        return 0;
    char *s = malloc(n);
    if (!s)
        return 0;
    memcpy(s, data + 1, n - 1);
    s[n - 1] = 0;
    int rc = data[0] % 2 ? lm_tokenizer_parse_pieces(s, n - 1, NULL, &t, &err) : lm_tokenizer_parse(s, n - 1, NULL, &t, &err);
    free(s);
    if (rc && !err.msg[0])
        abort();
    if (!rc)
        use(t);
    lm_tokenizer_destroy(t);
    return 0;
}

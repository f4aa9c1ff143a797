/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokenizes many texts, for tests/tokenizers_random. Standard input: of each text its bytes' number (u32) and the bytes.
 * Standard output: of each the ids' number (u32) and the ids, then what they decode to in the same form; 0xffffffff: refused.
 *
 * usage: tok_batch PATH
 */
#include "runtime/text/tokenizer.h"

#include <stdlib.h>

static bool get(void *p, size_t n)
{
    return fread(p, 1, n, stdin) == n;
}

static void put(const void *p, size_t n)
{
    fwrite(p, 1, n, stdout);
}

static void put_count(uint32_t n)
{
    put(&n, sizeof n);
}

static void answer(const struct lm_tokenizer *t, const char *s, size_t n)
{
    struct lm_tokens ids = {0};
    struct lm_bytes back = {0};
    if (lm_tokenizer_encode(t, s, n, LM_TOK_ADD_SPECIAL | LM_TOK_PARSE_SPECIAL, 0, &ids, NULL)) {
        put_count(UINT32_MAX);
    } else {
        put_count((uint32_t)ids.n);
        put(ids.id, ids.n * sizeof *ids.id);
    }
    if (lm_tokenizer_decode(t, ids.id, ids.n, LM_TOK_SHOW_SPECIAL, &back, NULL)) {
        put_count(UINT32_MAX);
    } else {
        put_count((uint32_t)back.len);
        put(back.data, back.len);
    }
    free(ids.id);
    lm_bytes_fini(&back);
}

int main(int argc, char **argv)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    uint32_t n;
    char *s = NULL;
    if (argc != 2 || lm_tokenizer_open(argv[1], &t, &err)) {
        fprintf(stderr, "tok_batch: %s\n", argc == 2 ? err.msg : "usage: tok_batch PATH");
        return 1;
    }
    while (get(&n, sizeof n) && (s = realloc(s, n + 1u)) && get(s, n))
        answer(t, s, n);
    free(s);
    lm_tokenizer_destroy(t);
    return fflush(stdout) ? 1 : 0;
}

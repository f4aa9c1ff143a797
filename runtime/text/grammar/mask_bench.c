/* SPDX-License-Identifier: Apache-2.0 */
/* What token masks cost: mask_bench MODEL.gguf prints, for each schema, compile time and the percentiles of a mask. */
#include "runtime/base/clock.h"
#include "runtime/text/grammar/mask.h"
#include "runtime/text/grammar/schema.h"
#include "runtime/text/tokenizer.h"

#include <stdlib.h>

enum { N_WARM = 150, N_TEXT = 300, N_TOKEN = 200, MASK_BYTES = 64 << 20 };

static const struct { const char *name, *schema; } cases[] = {
    {"any object", "{\"type\":\"object\"}"},
    {"closed object", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":\"integer\",\"minimum\":0,"
     "\"maximum\":150},\"email\":{\"type\":\"string\"},\"kind\":{\"enum\":[\"cat\",\"dog\",\"bird\"]},\"ok\":{\"type\":\"boolean\"}},"
     "\"required\":[\"name\",\"age\"],\"additionalProperties\":false}"},
    {"open object", "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"},\"title\":{\"type\":\"string\"},\"tags\":"
     "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}},\"required\":[\"id\"]}"},
    {"bounded strings", "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":500},\"b\":{\"type\":"
     "\"string\",\"pattern\":\"^[A-Z][a-z ]+$\"},\"c\":{\"type\":\"string\",\"format\":\"date-time\"}},\"required\":[\"a\",\"b\",\"c\"],"
     "\"additionalProperties\":false}"},
    {"recursive", "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"string\"},\"kids\":{\"type\":"
     "\"array\",\"items\":{\"$ref\":\"#/$defs/n\"}}},\"required\":[\"v\"],\"additionalProperties\":false}}}"},
    {"alternatives", "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"t\":{\"const\":\"a\"},\"x\":{\"type\":\"number\"}},\"required\":[\"t\"],"
     "\"additionalProperties\":false},{\"type\":\"object\",\"properties\":{\"t\":{\"const\":\"b\"},\"y\":{\"type\":\"string\"}},\"required\":"
     "[\"t\"],\"additionalProperties\":false},{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":20}]}"},
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int32_t pick(const uint32_t *mask, uint32_t n_vocab, uint64_t *state)
{
    uint32_t start = (uint32_t)(random_next(state) % n_vocab);
    for (uint32_t k = 0; k < n_vocab; k++) {
        uint32_t i = (start + k) % n_vocab;
        if (mask[i / 32] >> i % 32 & 1)
            return (int32_t)i;
    }
    return -1;
}

static int make_trie(const char *path, struct lm_vocab_trie **out, struct lm_err *err)
{
    struct lm_gguf *g;
    struct lm_tokenizer *tok;
    struct lm_bytes text = {0};
    int rc = lm_gguf_open(path, &g, err);
    if (rc)
        return rc;
    rc = lm_tokenizer_create(g, &tok, err);
    lm_gguf_close(g);
    if (rc)
        return rc;
    uint32_t n = lm_tokenizer_n_vocab(tok), *at = calloc((size_t)n + 1, sizeof *at);
    size_t n_end, len;
    const int32_t *end = lm_tokenizer_eog(tok, &n_end);
    for (uint32_t i = 0; at && i < n; i++) {
        const char *s = lm_tokenizer_piece(tok, (int32_t)i, &len);
        if (!lm_tokenizer_is_control(tok, (int32_t)i))
            lm_bytes_add(&text, s, len);
        at[i + 1] = (uint32_t)text.len;
    }
    rc = at ? lm_vocab_trie_create(text.data, at, n, end, (uint32_t)n_end, out, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    free(at);
    lm_bytes_fini(&text);
    lm_tokenizer_destroy(tok);
    return rc;
}

/* One text of random tokens; every mask's time goes to out. Returns how many. */
static size_t text(struct lm_mask_cache *c, const struct lm_vocab_trie *t, struct lm_matcher *m, uint32_t *mask, uint64_t *seed, uint64_t *out)
{
    size_t n = 0;
    lm_matcher_restart(m);
    for (; n < N_TOKEN; n++) {
        uint64_t from = now_ns();
        int64_t some = lm_mask_fill(c, m, mask, NULL);
        out[n] = now_ns() - from;
        int32_t id = some > 0 ? pick(mask, t->n_vocab, seed) : -1;
        if (id < 0 || !lm_mask_take(c, m, id)) {
            printf("a dead end\n");
            return n;
        }
        for (uint32_t i = 0; i < t->n_end; i++)
            if (id == t->end[i])
                return n + 1;
        lm_mask_cache_trim(c, &m, 1);
    }
    return n;
}

static void bench(const struct lm_vocab_trie *t, size_t k, uint64_t *time)
{
    static const struct lm_schema_options options;
    struct lm_err err;
    struct lm_program *p;
    struct lm_mask_cache *c;
    struct lm_matcher m;
    uint64_t seed = 88172645463325252u, from = now_ns();
    uint32_t *mask = calloc(t->n_vocab / 32 + 1, sizeof *mask);
    json_t *schema = json_loads(cases[k].schema, JSON_DECODE_ANY, NULL);
    if (!mask || lm_schema_compile(schema, &options, &p, &err) || lm_mask_cache_create(p, t, MASK_BYTES, &c, &err) ||
        lm_matcher_init(&m, lm_mask_cache_pool(c), &err)) {
        printf("%s: %s\n", cases[k].name, err.msg);
        exit(1);
    }
    double compile_ms = (double)(now_ns() - from) / 1e6;
    size_t n = 0;
    for (size_t i = 0; i < N_WARM; i++)
        text(c, t, &m, mask, &seed, time);
    for (size_t i = 0; i < N_TEXT; i++)
        n += text(c, t, &m, mask, &seed, time + n);
    qsort(time, n, sizeof *time, by_value);
    printf("%-16s compile %6.2f ms  %6u nodes  masks %6zu  p50 %7.2f us  p99 %7.2f us  max %8.2f us  %5.1f MiB\n", cases[k].name, compile_ms,
           (unsigned)p->n_node, n, (double)time[n / 2] / 1e3, (double)time[n * 99 / 100] / 1e3, (double)time[n - 1] / 1e3,
           (double)lm_mask_cache_bytes(c) / (1 << 20));
    lm_matcher_fini(&m);
    lm_mask_cache_destroy(c);
    lm_program_destroy(p);
    json_decref(schema);
    free(mask);
}

int main(int argc, char **argv)
{
    struct lm_err err;
    struct lm_vocab_trie *t;
    uint64_t *time = malloc((N_TEXT + 1) * N_TOKEN * sizeof *time), from = lm_now_us();
    if (argc != 2 || !time)
        return fprintf(stderr, "usage: mask_bench MODEL.gguf\n"), 2;
    if (make_trie(argv[1], &t, &err))
        return fprintf(stderr, "mask_bench: %s\n", err.msg), 1;
    printf("vocabulary of %u tokens, %u nodes, made in %.1f ms\n", (unsigned)t->n_vocab, (unsigned)t->n_node, (double)(lm_now_us() - from) / 1e3);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        bench(t, k, time);
    lm_vocab_trie_destroy(t);
    free(time);
    return 0;
}

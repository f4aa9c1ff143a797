/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_TOK_FIXTURE_H
#define LM_TEXT_TOK_FIXTURE_H
/** For tests: GGUF metadata made in memory, and tokenizers from it. */
#include "runtime/text/tokenizer.h"
#include "runtime/text/vocab.h"
#include "tests/gguf_bytes.h"
#include "tests/suite.h"
#include <stdlib.h>

struct fix {
    struct lm_bytes body, file; /* file is what the opened GGUF lies in */
    uint64_t n_value;
};

static inline void fix_string(struct fix *f, const char *key, const char *s)
{
    gguf_put_key(&f->body, key, LM_GGUF_STRING);
    gguf_put_string(&f->body, s);
    f->n_value++;
}

static inline void fix_u32(struct fix *f, const char *key, uint32_t v)
{
    gguf_put_key(&f->body, key, LM_GGUF_U32);
    gguf_put(&f->body, v, 4);
    f->n_value++;
}

static inline void fix_bool(struct fix *f, const char *key, bool v)
{
    gguf_put_key(&f->body, key, LM_GGUF_BOOL);
    gguf_put(&f->body, v, 1);
    f->n_value++;
}

static inline void fix_array(struct fix *f, const char *key, enum lm_gguf_type elem, uint64_t n)
{
    gguf_put_array(&f->body, key, elem, n);
    f->n_value++;
}

static inline void fix_strings(struct fix *f, const char *key, const char *const *s, size_t n)
{
    fix_array(f, key, LM_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        gguf_put_string(&f->body, s[i]);
}

static inline void fix_ints(struct fix *f, const char *key, const int32_t *v, size_t n)
{
    fix_array(f, key, LM_GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        gguf_put(&f->body, (uint32_t)v[i], 4);
}

static inline void fix_floats(struct fix *f, const char *key, const float *v, size_t n)
{
    fix_array(f, key, LM_GGUF_F32, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], 4);
        gguf_put(&f->body, bits, 4);
    }
}

/* Header and body into f->file; frees the body. */
static inline void fix_finish(struct fix *f)
{
    gguf_put_header(&f->file, 3, 0, f->n_value);
    lm_bytes_add(&f->file, f->body.data, f->body.len);
    lm_bytes_fini(&f->body);
}

/* The file that it lies in is the caller's to free. */
static inline struct lm_gguf *fix_open(struct fix *f)
{
    struct lm_err err = {0};
    struct lm_gguf *g = NULL;
    fix_finish(f);
    int rc = lm_gguf_open_memory(f->file.data, f->file.len, &g, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    return g;
}

/* The code of lm_tokenizer_create(); the file is closed and freed. */
static inline int fix_tokenizer(struct fix *f, struct lm_tokenizer **out, struct lm_err *err)
{
    struct lm_gguf *g = fix_open(f);
    int rc = lm_tokenizer_create(g, out, err);
    lm_gguf_close(g);
    lm_bytes_fini(&f->file);
    *f = (struct fix){0};
    return rc;
}

/* Tokens 0 .. 255 are the bytes in their order, then more[0..n_more) of kinds[]. */
static inline void fix_byte_tokens(struct fix *f, const char *const *more, const int32_t *kinds, size_t n_more)
{
    fix_array(f, "tokenizer.ggml.tokens", LM_GGUF_STRING, 256 + n_more);
    for (unsigned b = 0; b < 256; b++) {
        char c[3];
        c[lm_vocab_byte_char((unsigned char)b, c)] = 0;
        gguf_put_string(&f->body, c);
    }
    for (size_t i = 0; i < n_more; i++)
        gguf_put_string(&f->body, more[i]);
    fix_array(f, "tokenizer.ggml.token_type", LM_GGUF_I32, 256 + n_more);
    for (size_t i = 0; i < 256 + n_more; i++)
        gguf_put(&f->body, i < 256 ? LM_TOKEN_NORMAL : (uint32_t)kinds[i - 256], 4);
}

/* ids of text[0..n) as "1 2 3"; the caller frees. */
static inline char *fix_encode(const struct lm_tokenizer *t, const char *text, size_t n, unsigned flags)
{
    struct lm_tokens ids = {0};
    struct lm_bytes s = {0};
    struct lm_err err = {0};
    int rc = lm_tokenizer_encode(t, text, n, flags, 0, &ids, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    for (size_t i = 0; i < ids.n; i++)
        lm_bytes_addf(&s, i ? " %d" : "%d", ids.id[i]);
    free(ids.id);
    return lm_bytes_take(&s);
}

static inline void fix_expect(const struct lm_tokenizer *t, const char *text, unsigned flags, const char *ids)
{
    char *got = fix_encode(t, text, strlen(text), flags);
    ck_assert_str_eq(got, ids);
    free(got);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_TOK_FIXTURE_H
#define LM_TEXT_TOK_FIXTURE_H
/** For tests: GGUF metadata made in memory, and tokenizers from it. */
#include "runtime/text/tokenizer.h"
#include "runtime/text/vocab.h"
#include "tests/suite.h"
#include <stdlib.h>

struct fix {
    struct lm_bytes body, file; /* file is what the opened GGUF lies in */
    uint64_t n_value;
};

static inline void fix_put(struct lm_bytes *b, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lm_bytes_add_char(b, (char)(v >> (8 * i)));
}

static inline void fix_put_string(struct lm_bytes *b, const char *s, size_t n)
{
    fix_put(b, n, 8);
    lm_bytes_add(b, s, n);
}

static inline void fix_key(struct fix *f, const char *key, uint32_t type)
{
    fix_put_string(&f->body, key, strlen(key));
    fix_put(&f->body, type, 4);
    f->n_value++;
}

static inline void fix_string(struct fix *f, const char *key, const char *s)
{
    fix_key(f, key, LM_GGUF_STRING);
    fix_put_string(&f->body, s, strlen(s));
}

static inline void fix_u32(struct fix *f, const char *key, uint32_t v)
{
    fix_key(f, key, LM_GGUF_U32);
    fix_put(&f->body, v, 4);
}

static inline void fix_bool(struct fix *f, const char *key, bool v)
{
    fix_key(f, key, LM_GGUF_BOOL);
    fix_put(&f->body, v, 1);
}

static inline void fix_array(struct fix *f, const char *key, uint32_t elem, uint64_t n)
{
    fix_key(f, key, LM_GGUF_ARRAY);
    fix_put(&f->body, elem, 4);
    fix_put(&f->body, n, 8);
}

static inline void fix_strings(struct fix *f, const char *key, const char *const *s, size_t n)
{
    fix_array(f, key, LM_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        fix_put_string(&f->body, s[i], strlen(s[i]));
}

static inline void fix_ints(struct fix *f, const char *key, const int32_t *v, size_t n)
{
    fix_array(f, key, LM_GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        fix_put(&f->body, (uint32_t)v[i], 4);
}

static inline void fix_floats(struct fix *f, const char *key, const float *v, size_t n)
{
    fix_array(f, key, LM_GGUF_F32, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], 4);
        fix_put(&f->body, bits, 4);
    }
}

/* Frees f's body; the file is f's until fix_fini(). */
static inline struct lm_gguf *fix_open(struct fix *f)
{
    struct lm_err err = {0};
    struct lm_gguf *g = NULL;
    lm_bytes_add_str(&f->file, "GGUF");
    fix_put(&f->file, 3, 4);
    fix_put(&f->file, 0, 8);
    fix_put(&f->file, f->n_value, 8);
    lm_bytes_add(&f->file, f->body.data, f->body.len);
    lm_bytes_fini(&f->body);
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
        char c[2];
        fix_put_string(&f->body, c, (size_t)lm_vocab_byte_char((unsigned char)b, c));
    }
    for (size_t i = 0; i < n_more; i++)
        fix_put_string(&f->body, more[i], strlen(more[i]));
    fix_array(f, "tokenizer.ggml.token_type", LM_GGUF_I32, 256 + n_more);
    for (size_t i = 0; i < 256 + n_more; i++)
        fix_put(&f->body, i < 256 ? LM_TOKEN_NORMAL : (uint32_t)kinds[i - 256], 4);
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

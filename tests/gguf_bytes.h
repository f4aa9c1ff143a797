/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_GGUF_BYTES_H
#define LM_TESTS_GGUF_BYTES_H
/**
 * Builds GGUF files in memory, piece by piece, for tests of readers: nothing is checked.
 */
#include "runtime/base/buf.h"
#include <string.h>

/** The n lowest bytes of v, little-endian. */
static inline void gguf_put(struct lm_bytes *b, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lm_bytes_add_char(b, (char)(v >> (8 * i)));
}

static inline void gguf_put_string(struct lm_bytes *b, const char *s)
{
    gguf_put(b, strlen(s), 8);
    lm_bytes_add_str(b, s);
}

static inline void gguf_put_header(struct lm_bytes *b, uint32_t version, uint64_t n_tensor, uint64_t n_value)
{
    lm_bytes_add_str(b, "GGUF");
    gguf_put(b, version, 4);
    gguf_put(b, n_tensor, 8);
    gguf_put(b, n_value, 8);
}

/** A key and its type; the value follows. */
static inline void gguf_put_key(struct lm_bytes *b, const char *key, uint32_t type)
{
    gguf_put_string(b, key);
    gguf_put(b, type, 4);
}

static inline void gguf_put_array(struct lm_bytes *b, const char *key, uint32_t elem, uint64_t n)
{
    gguf_put_key(b, key, 9);
    gguf_put(b, elem, 4);
    gguf_put(b, n, 8);
}

static inline void gguf_put_tensor(struct lm_bytes *b, const char *name, uint32_t qtype, uint32_t n_dim, const uint64_t *dim,
                                   uint64_t offset)
{
    gguf_put_string(b, name);
    gguf_put(b, n_dim, 4);
    for (uint32_t i = 0; i < n_dim; i++)
        gguf_put(b, dim[i], 8);
    gguf_put(b, qtype, 4);
    gguf_put(b, offset, 8);
}

/** Zeros up to a multiple of align, then n bytes 0, 1, 2, … */
static inline void gguf_put_data(struct lm_bytes *b, size_t align, size_t n)
{
    while (b->len % align)
        gguf_put(b, 0, 1);
    for (size_t i = 0; i < n; i++)
        gguf_put(b, i, 1);
}
#endif

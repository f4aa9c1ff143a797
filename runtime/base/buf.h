/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_BUF_H
#define LM_BASE_BUF_H
/**
 * A growing byte buffer. All-zero is a valid empty buffer.
 *
 * Allocation failure is sticky: `failed` is set, later appends do nothing, and the caller checks once at the
 * end. data is NUL-terminated whenever it is not NULL, the NUL is not counted in len.
 *
 * Owns     data, until lm_bytes_fini() or lm_bytes_take()
 * Thread   [any], one at a time
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_bytes {
    char *data;
    size_t len, cap;
    size_t limit; /* 0 = none; beyond it failed is set and nothing more is stored */
    bool failed;
};

void lm_bytes_fini(struct lm_bytes *b);
void lm_bytes_clear(struct lm_bytes *b); /* len 0, memory kept */
void lm_bytes_add(struct lm_bytes *b, const void *p, size_t n);
void lm_bytes_add_str(struct lm_bytes *b, const char *s);
void lm_bytes_add_char(struct lm_bytes *b, char c);
__attribute__((format(printf, 2, 3))) void lm_bytes_addf(struct lm_bytes *b, const char *fmt, ...);

/** Append s[0..n) as the inside of a JSON string (quotes not included); s is valid UTF-8. */
void lm_bytes_add_json(struct lm_bytes *b, const char *s, size_t n);

/** Drop the first n bytes. */
void lm_bytes_drop(struct lm_bytes *b, size_t n);

/** Move the NUL-terminated content out; the caller frees it. NULL when failed. b is empty afterwards. */
char *lm_bytes_take(struct lm_bytes *b);
#endif

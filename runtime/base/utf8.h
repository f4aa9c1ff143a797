/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_UTF8_H
#define LM_BASE_UTF8_H
/**
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Thread   [any]
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Decode one scalar value at s[0..n), n >= 1.
 *
 * Returns  its length 1 .. 4 and *out; 0 when the bytes are ill-formed; -1 when they are a proper prefix
 *          of a well-formed sequence that goes on after s + n
 */
int lm_utf8_decode(const char *s, size_t n, uint32_t *out);

/** Encode a scalar value (not a surrogate, <= U+10FFFF) into out[4]. Returns the length. */
int lm_utf8_encode(uint32_t c, char out[4]);

bool lm_utf8_valid(const char *s, size_t n);

/** Bytes of s[0..n) that end in a whole character or in an ill-formed byte: what may be shown already. */
size_t lm_utf8_whole(const char *s, size_t n);
#endif

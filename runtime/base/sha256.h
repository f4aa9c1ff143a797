/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_SHA256_H
#define LM_BASE_SHA256_H
/**
 * SHA-256 of s[0..n).
 *
 * Source   FIPS 180-4
 * Thread   [any]
 */
#include <stddef.h>
#include <stdint.h>

void lm_sha256(const void *s, size_t n, uint8_t out[32]);
#endif

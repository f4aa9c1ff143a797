/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_KEYS_H
#define LM_API_KEYS_H
/**
 * Keys that may call the API, kept as SHA-256 digests.
 *
 * Thread   [any] for reading; made by one
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_keys { uint8_t (*digest)[32]; size_t n; };

/** Add the keys of a list separated by commas or space: each as it is, or "sha256:" and 64 hexadecimal digits.  Errors LM_ECONFIG, LM_ENOMEM */
int lm_keys_add(struct lm_keys *k, const char *list, struct lm_err *err);
/** Add those of a file, one a line; lines that begin with # are none.  Errors LM_ECONFIG no such file, or no key in it; LM_ENOMEM */
int lm_keys_add_file(struct lm_keys *k, const char *path, struct lm_err *err);
/** Takes as long for a wrong key as for a right one: every digest is compared to its end. */
bool lm_keys_match(const struct lm_keys *k, const char *given);
void lm_keys_fini(struct lm_keys *k);
#endif

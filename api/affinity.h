/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_AFFINITY_H
#define LM_API_AFFINITY_H
/**
 * Which of a model's engines a prompt goes to: the one that has the longest known beginning of it in its prefix cache, unless
 * that has more to do than another one by a bound; else the one with the least to do.
 *
 * What went where is kept by a hash of each whole block from the prompt's start, in a table of fixed size in which the newer
 * one wins: a guess, for an engine may have given up its blocks.
 *
 * Thread   [loop]
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_affinity;

/** n_engine: 2 to 64.  NULL: no memory */
struct lm_affinity *lm_affinity_create(uint32_t n_engine);
void lm_affinity_destroy(struct lm_affinity *a);

/**
 * The engine for a prompt; it is remembered there. Prompts with another salt (NULL: none) or LoRA adapter (0:
 * none) share no cache with it. load[n_engine]: requests that each has; SIZE_MAX: it takes none. At least one takes some.
 */
uint32_t lm_affinity_route(struct lm_affinity *a, const char *salt, uint32_t lora, const int32_t *tok, size_t n_tok, const size_t *load);
#endif

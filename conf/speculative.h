/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_SPECULATIVE_H
#define LM_CONF_SPECULATIVE_H
/**
 * What speculative-config and spec-tokens ask for: prompt-lookup drafts, their number and the n-grams they follow.
 */
#include <llmserve/err.h>
#include <stdint.h>

#define LM_SPECULATIVE_MAX_TOK 16   /* drafts of a sequence in a step */
#define LM_SPECULATIVE_MAX_NGRAM 32

struct lm_conf_speculative {
    uint32_t n_tok;        /* most drafts of a sequence in a step; 0: off */
    uint32_t n_min, n_max; /* tokens of the n-gram that must have occurred before, and beyond which longer ones are not preferred */
};

/**
 * text     "off", "ngram", or an object of vLLM's --speculative-config: {"method": "ngram", "num_speculative_tokens": K,
 *          "prompt_lookup_max": N, "prompt_lookup_min": M}; "model" may be "ngram" or "[ngram]"
 * n_tok    spec-tokens: replaces K; 0: not given
 * Errors   LM_ECONFIG not one of these: another method, an unknown key, a number out of range
 * Thread   [any]
 */
int lm_conf_speculative(const char *text, int64_t n_tok, struct lm_conf_speculative *out, struct lm_err *err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_CHARSMAP_H
#define LM_TEXT_HF_CHARSMAP_H
/**
 * SentencePiece's precompiled_charsmap: replacements of byte strings, a double-array trie and their texts.
 *
 *   u32 bytes of the trie, u32 units[], NUL-terminated texts
 *
 * Every step is checked: a damaged map finds less, and nothing behind it is read.
 *
 * Thread   [any]; read-only after lm_charsmap_init()
 * Source   sentencepiece src/normalizer.cc; darts-clone, include/darts.h
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_charsmap {
    uint32_t *unit;
    size_t n_unit;
    char *text; /* NUL behind it */
    size_t n_text;
};

/** Copies s[0..n). m is all-zero before. Errors: LM_EFORMAT, LM_ENOMEM. */
int lm_charsmap_init(struct lm_charsmap *m, const char *s, size_t n, struct lm_err *err);
void lm_charsmap_fini(struct lm_charsmap *m);

/**
 * The replacement of the longest (else: the shortest) string of the map that s[0..n) starts with; NULL: there is none.
 */
const char *lm_charsmap_find(const struct lm_charsmap *m, const char *s, size_t n, bool longest, size_t *out_n);
#endif

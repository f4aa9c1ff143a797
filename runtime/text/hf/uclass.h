/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_UCLASS_H
#define LM_TEXT_HF_UCLASS_H
/**
 * Classes of characters as Hugging Face tokenizers has them: each is of the Unicode version that the library's part
 * was made for, so that none is the installed utf8proc's.
 *
 * Thread   [any]
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lm_uclass {
    LM_UC_CONTROL,   /* what BertNormalizer's clean_text removes */
    LM_UC_NONSPACING, /* what its strip_accents removes */
    LM_UC_MARK,      /* what StripAccents removes */
    LM_UC_PUNCT,     /* BertPreTokenizer, Punctuation */
    LM_UC_NUMERIC,   /* Digits */
    LM_UC_SPACE,     /* white space */
    LM_UC_WORD,      /* Whitespace, and what single_word looks at */
    LM_UC_CHINESE,   /* what BertNormalizer puts spaces around */
};

bool lm_uclass_has(enum lm_uclass k, uint32_t c);

/** Small letters of c into out (at most 2). Returns their number. */
int lm_uclass_lower(uint32_t c, uint32_t out[2]);

/** The script of c for UnicodeScripts: a number; 0 is of any. */
int lm_uclass_script(uint32_t c);

/** Bytes of white space at the start, or the end, of s[0..n), well-formed UTF-8. */
size_t lm_uclass_spaces(const char *s, size_t n);
size_t lm_uclass_spaces_behind(const char *s, size_t n);
#endif

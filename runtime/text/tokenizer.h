/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_TOKENIZER_H
#define LM_TEXT_TOKENIZER_H
/**
 * Text to token ids and back, as the model's own tokenizer does it.
 *
 * Made from a model file: GGUF `tokenizer.ggml.model` gpt2 (byte-level BPE; the pre-tokenizer by
 * `tokenizer.ggml.pre`), gemma4 (BPE of characters), llama (SentencePiece BPE by scores with byte fallback), and of
 * encoders bert (WordPiece) and t5 (Unigram).
 * Or from a Hugging Face folder: tokenizer.json (BPE, Unigram, WordPiece, WordLevel, with every normalizer,
 * pre-tokenizer, post-processor and decoder of the library but the decoder CTC), else tokenizer.model (SentencePiece
 * unigram and bpe).
 * Encoding n bytes takes O(n log n) for any input. Read-only after it is made; shared by worker threads. The file
 * may be closed as soon as it is made.
 *
 * Thread   [any]
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"
#include "runtime/model/gguf.h"

struct lm_tokenizer;

/** Growing array of ids; all-zero is empty; the caller frees id. */
struct lm_tokens {
    int32_t *id;
    size_t n, cap;
};

enum { /* encode flags */
    LM_TOK_ADD_SPECIAL = 1,   /* put BOS (and EOS) where the model's metadata asks for it */
    LM_TOK_PARSE_SPECIAL = 2, /* text that spells a control token becomes that token; user-defined tokens always do */
};

enum { /* decode flags */
    LM_TOK_SHOW_SPECIAL = 1, /* control tokens appear as their text; else they are left out */
};

/**
 * Errors   LM_EFORMAT vocabulary damaged (names key and index); LM_EUNSUPPORTED tokenizer model or
 *          pre-tokenizer unknown (names it); LM_ENOMEM
 */
int lm_tokenizer_create(const struct lm_gguf *g, struct lm_tokenizer **out, struct lm_err *err);
void lm_tokenizer_destroy(struct lm_tokenizer *t);

/**
 * The tokenizer of what is at path: a Hugging Face folder, a tokenizer.json, a tokenizer.model, or a GGUF file.
 * tokenizer_config.json, special_tokens_map.json and generation_config.json beside it say which tokens are special and
 * which end a generation.
 *
 * Errors   LM_ENOTFOUND, LM_EIO; LM_EFORMAT names key and place; LM_EUNSUPPORTED names what is not known; LM_ELIMIT;
 *          LM_ENOMEM
 */
int lm_tokenizer_open(const char *path, struct lm_tokenizer **out, struct lm_err *err);

struct lm_folder;
/** The same from the text of a tokenizer.json, behind which a NUL stands; f: the files beside it, or NULL. */
int lm_tokenizer_parse(const char *s, size_t n, const struct lm_folder *f, struct lm_tokenizer **out,
                       struct lm_err *err);
/** The same from the bytes of a tokenizer.model. */
int lm_tokenizer_parse_pieces(const char *s, size_t n, const struct lm_folder *f, struct lm_tokenizer **out,
                              struct lm_err *err);

/**
 * Append the ids of text[0..n) to out. text may hold any bytes: ill-formed UTF-8 becomes byte tokens where the
 * vocabulary has them, else U+FFFD. What the vocabulary has no tokens for becomes its unknown token
 * (SentencePiece) or is left out (BPE). Models whose tokenizer normalizes (Qwen: NFC) get normalized text. The
 * tokenizer of a folder gets U+FFFD for ill-formed UTF-8.
 *
 * Errors   LM_ENOMEM; LM_ELIMIT more than max_tokens (0 = no limit) ids, or 1 GiB of text
 */
int lm_tokenizer_encode(const struct lm_tokenizer *t, const char *text, size_t n, unsigned flags,
                        size_t max_tokens, struct lm_tokens *out, struct lm_err *err);

/** Offsets of a text, ascending, at which no control token begins, though one is spelled there. All-zero: none. */
struct lm_plain {
    const size_t *at;
    size_t n;
};

/** The same, LM_TOK_PARSE_SPECIAL but at these offsets: what is spelled there is encoded as text. */
int lm_tokenizer_encode_plain(const struct lm_tokenizer *t, const char *text, size_t n, const struct lm_plain *plain, unsigned flags,
                              size_t max_tokens, struct lm_tokens *out, struct lm_err *err);

/** The next offset in text[pos..n) at which a control token is spelled; n: there is none. out_id: the longest that is. */
size_t lm_tokenizer_find_control(const struct lm_tokenizer *t, const char *text, size_t pos, size_t n, int32_t *out_id);

/**
 * The ids of two texts with what the tokenizer puts around and between them. *out_second is where the second one begins
 * if its tokens are of type 1, else 0. A tokenizer without a form for pairs puts the second text behind the first.
 *
 * Errors   as lm_tokenizer_encode()
 */
int lm_tokenizer_encode_pair(const struct lm_tokenizer *t, const char *const text[2], const size_t n[2], size_t max_tokens,
                             struct lm_tokens *out, uint32_t *out_second, struct lm_err *err);

/**
 * Append the bytes of ids to out (may be ill-formed UTF-8). Unknown ids are LM_EINVAL. ids are a text from its start:
 * the space that encode put in front (SentencePiece) is left out. The tokenizer of a folder decodes as its decoder
 * says, which may replace ill-formed UTF-8.
 */
int lm_tokenizer_decode(const struct lm_tokenizer *t, const int32_t *id, size_t n, unsigned flags,
                        struct lm_bytes *out, struct lm_err *err);

/**
 * Bytes of one token as it stands inside a text (a SentencePiece U+2581 is a space); borrowed; NULL for an unknown
 * id. Control tokens give their text.
 */
const char *lm_tokenizer_piece(const struct lm_tokenizer *t, int32_t id, size_t *out_n);

bool lm_tokenizer_is_control(const struct lm_tokenizer *t, int32_t id);
/** True for every id that ends a generation: eos, eot, eom and the like. */
bool lm_tokenizer_is_eog(const struct lm_tokenizer *t, int32_t id);
int32_t lm_tokenizer_bos(const struct lm_tokenizer *t); /* -1: none */
int32_t lm_tokenizer_eos(const struct lm_tokenizer *t); /* -1: none */
uint32_t lm_tokenizer_n_vocab(const struct lm_tokenizer *t);
/** The model has n_row rows: tokens beyond are never drawn, so they end nothing. Before the tokenizer is shared. */
void lm_tokenizer_limit(struct lm_tokenizer *t, uint32_t n_row);
/** Tokens that may be drawn: all, or fewer by lm_tokenizer_limit(). */
uint32_t lm_tokenizer_n_drawn(const struct lm_tokenizer *t);
/** The eog ids, ascending; borrowed. */
const int32_t *lm_tokenizer_eog(const struct lm_tokenizer *t, size_t *out_n);

/**
 * Streaming detokenizer: tokens in, whole UTF-8 characters out. All-zero is the start of a completion.
 *
 * Concatenated output equals lm_tokenizer_decode() of all ids with ill-formed bytes replaced by U+FFFD (one
 * for each maximal subpart, as Unicode and Python do), whatever the order of calls. Only a first SentencePiece
 * space stays: a completion goes on with a text. Of a folder, what its decoder does only at the start or the end of a
 * text, or with several tokens at once, is not done.
 */
struct lm_detok {
    char tail[4]; /* unfinished character */
    uint8_t n_tail;
};

/** Append what token id makes visible to out. */
int lm_detok_push(const struct lm_tokenizer *t, struct lm_detok *d, int32_t id, unsigned flags, struct lm_bytes *out,
                  struct lm_err *err);
/** The same for bytes, such as those of lm_tokenizer_decode(). */
void lm_detok_add(struct lm_detok *d, const char *s, size_t n, struct lm_bytes *out);
/** Append what is still held back: an unfinished tail becomes U+FFFD. */
void lm_detok_finish(struct lm_detok *d, struct lm_bytes *out);
#endif

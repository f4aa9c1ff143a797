/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_VOCAB_H
#define LM_TEXT_VOCAB_H
/**
 * The tokens of a model: text, kind, score, and a hash from text to id. Made from the GGUF metadata
 * `tokenizer.ggml.*`; keeps copies, so that the file may be closed.
 *
 * Of several tokens with one text encoding uses the lowest id; tokens without text are never used by encoding.
 *
 * Thread   [any]; read-only after lm_vocab_load()
 * Source   https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; which ids end a generation: the list of
 *          llama.cpp, src/llama-vocab.cpp
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"
#include "runtime/model/gguf.h"
#include <stdint.h>

enum lm_token_kind { /* the numbers of tokenizer.ggml.token_type */
    LM_TOKEN_UNDEFINED,
    LM_TOKEN_NORMAL,
    LM_TOKEN_UNKNOWN,
    LM_TOKEN_CONTROL,
    LM_TOKEN_USER_DEFINED,
    LM_TOKEN_UNUSED,
    LM_TOKEN_BYTE
};

struct lm_vocab_slot {
    uint64_t hash;
    int32_t id; /* -1: free */
    uint32_t len;
};

struct lm_vocab {
    uint32_t n;
    bool byte_coded;   /* text is in GPT-2's alphabet of bytes; else U+2581 is a space */
    uint8_t *kind;     /* [n] enum lm_token_kind */
    float *score;      /* [n] or NULL */
    char *text;        /* as the file has it; token i is text[text_at[i] .. text_at[i + 1]) */
    uint32_t *text_at; /* [n + 1] */
    char *piece;       /* the bytes that the token stands for, in the same way */
    uint32_t *piece_at;
    struct lm_vocab_slot *slot;
    size_t slot_mask;
    uint64_t seed;
    size_t max_len;     /* bytes of the longest text */
    int32_t byte[256];  /* the token of a single byte or -1 */
    bool inner[256];    /* some text goes on with U+2581 behind this byte */
    int32_t bos, eos, unk; /* -1: none */
    int32_t *eog;       /* ascending */
    size_t n_eog;
};

/**
 * v is all-zero before; lm_vocab_fini() frees it also after a failure.
 *
 * Errors   LM_EFORMAT names key and index; LM_ENOMEM; LM_ELIMIT more text than 4 GiB
 */
int lm_vocab_load(struct lm_vocab *v, const struct lm_gguf *g, bool byte_coded, struct lm_err *err);
void lm_vocab_fini(struct lm_vocab *v);

/**
 * By hand instead of lm_vocab_load(): room for n tokens and their texts, then every token in order, then those that
 * lm_vocab_find() is to find (of equal texts the one indexed first).
 *
 * Errors   LM_ENOMEM; LM_ELIMIT more text than 4 GiB
 */
int lm_vocab_begin(struct lm_vocab *v, size_t n, uint64_t text_bytes, struct lm_err *err);
void lm_vocab_put(struct lm_vocab *v, int32_t id, enum lm_token_kind kind, const char *s, size_t n);
void lm_vocab_index(struct lm_vocab *v, int32_t id);

/** The id of a token by its text, or -1. */
int32_t lm_vocab_find(const struct lm_vocab *v, const char *s, size_t n);
/** Have what a lm_vocab_find() of the same text will read brought into the cache. */
void lm_vocab_prefetch(const struct lm_vocab *v, const char *s, size_t n);

/** Set bos, eos, unk and eog from metadata and well-known texts; a part of lm_vocab_load(). */
int lm_vocab_load_special(struct lm_vocab *v, const struct lm_gguf *g, struct lm_err *err);

/** True: a token of this text is known to end a generation. */
bool lm_vocab_ends(const char *s, size_t n);

/** An array of strings (else: numbers) of the metadata. Errors: LM_EFORMAT absent or of another type. */
int lm_vocab_array(const struct lm_gguf *g, const char *key, bool strings, const struct lm_gguf_value **out,
                   struct lm_err *err);

/** The character that stands for a byte in GPT-2's alphabet (U+0021 .. U+0143), as UTF-8. Returns its length. */
int lm_vocab_byte_char(unsigned char byte, char out[2]);

/** Append the bytes that s[0..n) in that alphabet stands for; false: it is not in it, and some may be appended. */
bool lm_vocab_byte_text(const char *s, size_t n, struct lm_bytes *out);

static inline const char *lm_vocab_text(const struct lm_vocab *v, int32_t id, size_t *n)
{
    *n = v->text_at[id + 1] - v->text_at[id];
    return v->text + v->text_at[id];
}

static inline const char *lm_vocab_piece(const struct lm_vocab *v, int32_t id, size_t *n)
{
    *n = v->piece_at[id + 1] - v->piece_at[id];
    return v->piece + v->piece_at[id];
}
#endif

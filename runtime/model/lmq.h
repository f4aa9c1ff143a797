/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_LMQ_H
#define LM_MODEL_LMQ_H
/**
 * Files of quantized models: GGUF with llmserve's own types, the source's metadata, and the keys of doc/low-bit-format.md,
 * which say what the file was made from and a hash of each tensor.
 *
 * Written to FILE.part in pieces, beside FILE.part.done, which says what of it is whole: an interrupted run goes on there. Renamed
 * at the end. Two processes that make the same file wait for each other.
 *
 * Thread   [any]; the calls take threads of their own
 */
#include "runtime/model/low_bit.h"
#include "runtime/model/model.h"

enum { LM_LMQ_KEY = 96, LM_LMQ_VERSION = 1 };

/** What a file is made from and how; see doc/low-bit-format.md. */
struct lm_lmq_key { char text[LM_LMQ_KEY]; };

/** Errors LM_EIO a file of the source cannot be looked at; LM_EFORMAT it has no tensors. */
int lm_lmq_key(const char *src_path, const struct lm_gguf *src, const struct lm_low_bit *lb, struct lm_lmq_key *out, struct lm_err *err);

struct lm_lmq_result {
    size_t n_resumed;            /* tensors that an earlier run had made */
    uint64_t bytes;              /* of the file */
};

/**
 * Make the file. It is whole and on the disk when this returns 0.
 *
 * progress   NULL, or called on the caller's thread with source bytes
 * out        may be NULL
 * Errors     LM_EIO with the file's name; LM_EFORMAT a weight that is no number; LM_EUNSUPPORTED nothing to convert; LM_ENOMEM
 */
int lm_lmq_write(const char *path, const struct lm_gguf *src, const struct lm_low_bit *lb, const struct lm_lmq_key *key,
                 lm_load_progress progress, void *progress_arg, struct lm_lmq_result *out, struct lm_err *err);

/** Compare every tensor with its hash. LM_EFORMAT names the first that differs, or says that the file has no hashes. */
int lm_lmq_verify(const struct lm_gguf *g, struct lm_err *err);

/**
 * Open the file, which is made first, unless it is there, was made from this very source, and is whole.
 *
 * Owns      *out is the caller's; src may be closed
 * Errors    as lm_lmq_write()
 */
int lm_lmq_open(const char *path, const char *src_path, const struct lm_gguf *src, const struct lm_low_bit *lb, lm_load_progress progress,
                void *progress_arg, struct lm_gguf **out, struct lm_err *err);

/** The file's name in a cache folder: *out is the caller's. */
int lm_lmq_cache_path(const char *folder, const char *src_path, const struct lm_lmq_key *key, const struct lm_low_bit *lb, char **out,
                      struct lm_err *err);
/** A path that a user gave for one file: of a folder its model.lmq. *out is the caller's. */
int lm_lmq_file_path(const char *path, char **out, struct lm_err *err);
/**
 * What lm_source_open() is to open of the knobs path and low-bit-model-path ("": none): the second as lm_lmq_file_path() has
 * it, else the first, of a folder that is no Hugging Face model the model.lmq. *out is the caller's.
 */
int lm_lmq_model_path(const char *path, const char *low_bit_model_path, char **out, struct lm_err *err);

/** For the two: of the n bytes of row `row` of a tensor; a tensor's hash is the sum over its rows. */
uint64_t lm_lmq_row_hash(const void *p, size_t n, uint64_t row);
#endif

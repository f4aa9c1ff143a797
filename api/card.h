/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_CARD_H
#define LM_API_CARD_H
/** What is told about a model's file: the facts, without its path. */
#include "runtime/engine/protocol.h"
#include "runtime/model/model.h"

struct lm_model_card {
    struct lm_hparams hp;
    uint64_t n_param, file_bytes;
    long long file_time; /* of its last change, seconds since 1970 */
    enum lm_pool pool;   /* of its embeddings, where the file says how; else last, of an encoder the first */
    char quantization[24]; /* the low-bit format that it is made of, "sym_int4"; else the type of most of its weights, "Q4_1" */
};

/** load_in_low_bit "none": nothing is quantized at load.  Thread [any]  Errors as lm_model_hparams() */
int lm_model_card_read(const struct lm_gguf *g, const char *path, const char *load_in_low_bit, struct lm_model_card *out, struct lm_err *err);
#endif

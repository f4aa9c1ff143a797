/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_LORA_ADAPTER_H
#define LM_MODEL_LORA_ADAPTER_H
/**
 * Reader of LoRA adapters: which modules of the model they change, and by which pairs of matrices.
 *
 *   FOLDER      as PEFT saves it: adapter_config.json and adapter_model.safetensors          peft.c
 *   FILE.gguf   as llama.cpp's convert_lora_to_gguf.py makes it: general.type adapter         gguf.c
 *
 * Modules go by GGUF's names ("blk.0.attn_q"), also those of PEFT, by the tables of hf/. The file is hostile and is read
 * into memory whole, so that one that shrinks meanwhile is an error and no SIGBUS. What changes the model in another way
 * than by such pairs (whole modules, DoRA, biases, embeddings) is refused by name.
 *
 * Thread   [any]; an open one is read-only
 */
#include "runtime/model/hf/names.h"
#include "runtime/model/hf/safetensors.h"
#include "runtime/model/model.h"

/** A matrix as the file has it: A is [rank][inputs], B [outputs][rank]. */
struct lm_adapter_side {
    struct lm_gguf_str tensor;
    uint64_t offset;  /* in the file */
    const void *data; /* NULL: not given */
    uint32_t qtype;
    uint64_t rows, cols;
};

struct lm_adapter_pair {
    char module[LM_HF_NAME_BYTES];
    struct lm_adapter_side a, b;
    float scale;           /* that B A x is multiplied by */
    uint32_t rank;         /* that the configuration says; 0: nothing */
    uint32_t n_part, part; /* B's rows: part `part` of n_part equal ones */
    enum lm_hf_how how;    /* B's rows: as the model's, or in halves that the model has interleaved */
};

struct lm_adapter {
    struct lm_adapter_pair *pair; /* [n] */
    size_t n, cap;
    char *data; /* of the file */
    struct lm_st *st;
    struct lm_gguf *g;
};

/**
 * hp       of the model: its family, and its heads
 * max_rank more is LM_ELIMIT, and so are files of more bytes than `most`
 * Owns     *out is the caller's until lm_adapter_close()
 * Errors   LM_ENOTFOUND; LM_EFORMAT, LM_ELIMIT, LM_EUNSUPPORTED the key or tensor, with its byte; LM_EIO the file shrank;
 *          LM_ENOMEM; all with the path
 */
int lm_adapter_open(const char *path, const struct lm_hparams *hp, uint32_t max_rank, size_t most, struct lm_adapter **out, struct lm_err *err);
void lm_adapter_close(struct lm_adapter *a); /* takes NULL */

/* For peft.c and gguf.c: */
/** Read a regular file of at most `most` bytes. *out is of malloc, with a NUL behind it. */
int lm_adapter_read_file(const char *path, size_t most, char **out, size_t *out_n, struct lm_err *err);
/** One side of a module's pair; *out is the pair. LM_EFORMAT it is given twice; LM_EUNSUPPORTED its type. */
int lm_adapter_put(struct lm_adapter *a, const char *module, bool is_b, const struct lm_adapter_side *side, struct lm_adapter_pair **out,
                   struct lm_err *err);
int lm_adapter_open_peft(const char *folder, const struct lm_hparams *hp, size_t most, struct lm_adapter *a, struct lm_err *err);
int lm_adapter_open_gguf(const char *path, const struct lm_hparams *hp, size_t most, struct lm_adapter *a, struct lm_err *err);
#endif

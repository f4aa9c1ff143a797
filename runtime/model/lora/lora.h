/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_LORA_LORA_H
#define LM_MODEL_LORA_LORA_H
/**
 * Adapters on the device, in the slots of a model that was loaded with some (struct lm_lora_room).
 *
 * Thread   [engine]; while a step runs only slots that it does not use
 */
#include "runtime/model/model.h"

/**
 * Where the graph takes adapters: of a module of `rows` outputs and `cols` inputs the n outputs from `first` on and the k inputs from
 * col_first on, as the model's own weight is cut. In the model's arena.
 */
struct lm_lora_site {
    char module[96]; /* "blk.0.attn_q" */
    uint32_t rows, cols;
    uint32_t first, n;
    uint32_t col_first, k;
    struct lm_lora *slot; /* [n_lora]; NULL: another part's layers have the module */
    struct lm_lora_site *next;
};

/**
 * Read an adapter and put it into an empty slot. Weights become f32.
 *
 * path     of a PEFT folder or a GGUF file: see adapter.h
 * Errors   of lm_adapter_open(); LM_EUNSUPPORTED a module that the model has not or that takes no adapter; LM_EFORMAT a
 *          shape or number that does not fit; the backend's; with path and tensor. The slot is empty then
 */
int lm_lora_load(const struct lm_model *m, const struct lm_backend *be, struct lm_dev *dev, uint32_t slot, const char *path, size_t *out_bytes,
                 struct lm_err *err);
/** The same of a model in n parts, each on its device; the file is read once. On failure the slot is empty in all of them. */
int lm_lora_load_parts(const struct lm_model *const *m, size_t n, const struct lm_backend *be, struct lm_dev *const *dev, uint32_t slot,
                       const char *path, size_t *out_bytes, struct lm_err *err);
/** Empty the slot, which no step uses. */
void lm_lora_unload(const struct lm_model *m, const struct lm_backend *be, struct lm_dev *dev, uint32_t slot);
#endif

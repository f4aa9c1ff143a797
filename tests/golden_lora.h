/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_GOLDEN_LORA_H
#define LM_TESTS_GOLDEN_LORA_H
/**
 * Runs the models of tests/golden/lora with and without their adapters through a backend and compares the logits of all
 * positions with those of PEFT, which stand beside them (make.py wrote them): each alone, then all in one batch, whole
 * and in pieces of 5 tokens and 1. Slot 0 has adapter a, 1 has b, 2 has a again, from its GGUF file.
 */
#include <llmserve/backend.h>
#include "runtime/model/model.h"

/** Devices to split the model over, by heads and by layers. */
struct lm_golden_split {
    uint32_t n_rank, n_stage;
    uint32_t n_process; /* that share them, each a thread here with a link to the others; 1: one, without a link */
    const struct lm_model_place *experts; /* [n_rank * n_stage] devices that have the experts; NULL: those that have the rest */
};

/** Names of the folders; NULL ends. */
extern const char *const lm_golden_loras[];

/**
 * folder     tests/golden/lora
 * out_error  largest |logit - golden| of any row, over the largest |golden| of that row
 * Errors     of the loaders and the backend
 * Thread     [engine]
 */
int lm_golden_lora_run(const struct lm_backend *be, struct lm_dev *dev, const char *folder, const char *name, double *out_error,
                       struct lm_err *err);
/** The same of a model that is split over dev[0 .. n_rank * n_stage - 1]. */
int lm_golden_lora_run_on(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name,
                          const struct lm_golden_split *split, double *out_error, struct lm_err *err);
#endif

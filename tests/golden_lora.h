/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_GOLDEN_LORA_H
#define LM_TESTS_GOLDEN_LORA_H
/**
 * Runs the models of tests/golden/lora with and without their adapters through a backend and compares the logits of all
 * positions with those of PEFT, which stand beside them (make.py wrote them): each alone, then all in one batch, whole
 * and in pieces of 5 tokens and 1. Slot 0 has adapter a, 1 has b, 2 has a again, from its GGUF file.
 */
#include <llmserve/backend.h>

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
#endif

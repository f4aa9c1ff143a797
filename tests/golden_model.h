/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_GOLDEN_MODEL_H
#define LM_TESTS_GOLDEN_MODEL_H
/**
 * Runs the golden models of tests/golden/model through a backend and compares the logits of all positions with
 * those of transformers, which stand in the files (make.py, families.py and make_hf.py wrote them).
 */
#include <llmserve/backend.h>
#include "runtime/model/low_bit.h"
#include "runtime/model/model.h"

enum { LM_GOLDEN_DEVICES = 8 };

/** Names of the files, without ".gguf", and of folders, "hf/…"; NULL ends. */
extern const char *const lm_golden_models[];

/** The same of a model of each family, to be run with a cache of f32: a rounding may change the choice of experts. */
extern const char *const lm_golden_families[];

/** How the tokens of a golden model are fed. */
struct lm_golden_feed {
    uint32_t chunk; /* tokens of a sequence in a step: 1 = decode */
    uint32_t n_seq; /* the same tokens as so many sequences, each one two tokens behind the one before */
    enum lm_kv_dtype kv_dtype;
    const struct lm_low_bit *low_bit; /* NULL: weights as they are in the file */
    bool moves; /* after each step all KV blocks go to the host and come back to other places, where the backend can do that; before the first one so do weights */
    bool mean; /* the error is the mean over the rows, not the largest */
    uint32_t n_rank, n_stage; /* devices to split the model over, by heads and by layers; 0: one */
    bool whole_experts; /* ranks share them out */
    const struct lm_model_place *experts; /* [n_rank * n_stage] devices that have them; NULL: those that have the rest */
    uint32_t n_process; /* that share these devices, each a thread here with a link to the others; 0: one, without a link */
    float **logits; /* [n_tok][n_vocab] of malloc: compare with them in the place of the golden ones; *logits NULL: keep them */
};

/**
 * Load a golden model from folder, run all its tokens, and read the logits of every row.
 *
 * dev        a split model goes over devices dev[0 .. n_rank * n_stage - 1], else dev[0] has it
 * out_error  largest |logit - golden| of any row, over the largest |golden| of that row; 0 where logits are kept
 * Errors     of the loader and the backend; LM_EINVAL when a sampled token is not the row's greatest logit, or its
 *            log-probability is off by more than 1e-3
 * Thread     [engine]
 */
int lm_golden_run_on(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name,
                     const struct lm_golden_feed *feed, double *out_error, struct lm_err *err);
/** The same on one device. */
int lm_golden_run(const struct lm_backend *be, struct lm_dev *dev, const char *folder, const char *name,
                  const struct lm_golden_feed *feed, double *out_error, struct lm_err *err);

/** The mixtures of experts among them that ranks can split. */
extern const char *const lm_golden_mixtures[];

/** How far the logits of a model split over 2, 3 and 4 ranks, 2 stages, and both, are from those of dev[0] alone, with a cache of f32. dev has 4. */
int lm_golden_run_split(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name, double *out_error,
                        struct lm_err *err);
/** The same of whole experts on 2 and, of a second stage too, 4 ranks. */
int lm_golden_run_experts(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name, double *out_error,
                          struct lm_err *err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_OP_RIG_H
#define LM_OPS_OP_RIG_H
/**
 * A graph with random weights on a backend and beside it the same for the scalar references: what op_suite.c builds
 * its tests from. Failures of the backend end the test by ck_assert.
 */
#include "ops/op_ref.h"
#include "ops/op_suite.h"

enum { RIG_ACT = 24, RIG_OP = 64, RIG_WEIGHT = 96, RIG_LAYER = 4, RIG_TOK = 96, RIG_SEQ = 8, RIG_STRIDE = 64 };

struct lm_rig {
    const struct lm_backend *be;
    struct lm_dev *dev;
    struct lm_plan *plan;
    struct lm_plan_desc desc; /* n_block, block_size, kv_dtype: change before lm_rig_prepare() */
    struct lm_graph graph;
    struct lm_act act[RIG_ACT];
    struct lm_op op[RIG_OP];
    uint32_t kv_dim[RIG_LAYER];
    struct {
        struct lm_weight *w;
        float *f32;
    } weight[RIG_WEIGHT];
    uint32_t n_weight;
    float *ref_act[RIG_ACT], *out_act[RIG_ACT]; /* the reference's and the backend's, after lm_rig_run() */
    struct lm_kv_ref kv[RIG_LAYER];
    uint64_t rng;
};

/** A step and its arrays. */
struct lm_rig_step {
    struct lm_step step;
    int32_t token[RIG_TOK], pos[RIG_TOK];
    uint32_t seq_row[RIG_SEQ + 1], out_row[RIG_TOK], table[RIG_SEQ * RIG_STRIDE];
    struct lm_sampling sampling[RIG_TOK];
    struct lm_sampled sampled[RIG_TOK];
    int32_t lora[RIG_SEQ]; /* step.lora stays NULL until a test sets it */
};

/** Open the device with an empty graph. */
void lm_rig_init(struct lm_rig *r, const struct lm_op_suite *s, uint64_t seed);
void lm_rig_fini(struct lm_rig *r);

uint32_t lm_rig_random(struct lm_rig *r, uint32_t n);
float lm_rig_real(struct lm_rig *r); /* about normal, deviation 1 */

uint32_t lm_rig_act(struct lm_rig *r, enum lm_rows rows, uint32_t dim);

/** Random weights of a published type, about 1 / sqrt(cols) large; vectors about 1. */
const struct lm_weight *lm_rig_weight(struct lm_rig *r, uint32_t qtype, uint32_t rows, uint32_t cols, uint32_t use);

/** Append an op of this kind; x, x2, y as given, the rest for the caller to fill. */
struct lm_op *lm_rig_op(struct lm_rig *r, enum lm_op_kind kind, uint32_t x, uint32_t x2, uint32_t y);

void lm_rig_prepare(struct lm_rig *r);

/** An empty step; then rows of sequence `seq` (its blocks are its own) at positions pos .. pos + n - 1 with random tokens. */
void lm_rig_step_init(struct lm_rig_step *st);
void lm_rig_step_add(struct lm_rig *r, struct lm_rig_step *st, uint32_t seq, uint32_t pos, uint32_t n);
/** After a copy: point the step at the arrays beside it. */
void lm_rig_step_own(struct lm_rig_step *st);
/** All rows need logits. */
void lm_rig_step_all_out(struct lm_rig_step *st);

/** Only the backend. */
void lm_rig_launch(struct lm_rig *r, struct lm_rig_step *st);

/** Where the environment has LM_TEST_TIME: print the least time of some launches of this step. */
void lm_rig_time(struct lm_rig *r, struct lm_rig_step *st, const char *what);

/** Fill all activations at random, run the step on both sides, and fetch what the backend made. */
void lm_rig_run(struct lm_rig *r, struct lm_rig_step *st);

/** lm_rig_run() in two parts, so that a test may put numbers of its own into activations between them. */
void lm_rig_fill(struct lm_rig *r, struct lm_rig_step *st);
void lm_rig_both(struct lm_rig *r, struct lm_rig_step *st);

/** |out - ref| <= tol * (1 + |ref|) for every element of the step's rows. */
void lm_rig_compare(struct lm_rig *r, const struct lm_rig_step *st, uint32_t act, double tol, const char *what);

/** |out - ref| <= tol * |ref| over the whole activation (Euclidean norms). */
void lm_rig_compare_norm(struct lm_rig *r, const struct lm_rig_step *st, uint32_t act, double tol, const char *what);

size_t lm_rig_count(const struct lm_rig *r, const struct lm_rig_step *st, uint32_t act);
#endif

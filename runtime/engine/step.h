/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_STEP_H
#define LM_ENGINE_STEP_H
/**
 * The arrays of a step, made once for the largest one and filled anew for each.
 *
 * Thread   [engine]
 */
#include <llmserve/backend.h>
#include "runtime/engine/sched.h"

struct lm_step_arrays {
    struct lm_step step;      /* what the backend is given; its pointers are the arrays below */
    struct lm_request **seq;  /* [n_seq] whose rows they are: those that decode first */
    struct lm_request **out;  /* [n_out] who gets sampled[o]; a request with drafts comes 1 + n_draft times */
    uint32_t *prompt_pos;     /* [n_out] 0: it draws a token; else the row is for the prompt's token at this index */
    uint32_t n_prompt_row;    /* of n_out, those that draw none */
    int32_t *token, *pos, *type, *lora;
    uint32_t *seq_row, *block_table, *out_row;
    struct lm_sampling *sampling;
    struct lm_sampled *sampled[2]; /* the answers of this step and of the one before, by turns */
    unsigned turn;                 /* which of them the next step fills */
};

/** Owns a's arrays, until lm_step_fini(). Errors LM_ENOMEM */
int lm_step_init(struct lm_step_arrays *a, const struct lm_plan_desc *plan, struct lm_err *err);
void lm_step_fini(struct lm_step_arrays *a);

/** Fill the step from the running requests' n_sched. */
void lm_step_build(struct lm_step_arrays *a, const struct lm_sched *s);
#endif

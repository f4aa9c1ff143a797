/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_SPEC_H
#define LM_ENGINE_SPEC_H
/**
 * How many drafts each sequence sends in a step: as many as make the most tokens per second.
 *
 * A step of n rows, one for each sequence that decodes and one for each draft, gives one token a sequence and those of
 * the drafts that are right, and takes cost(n). Drafts are added from the likeliest down, and those are sent that
 * make tokens / cost largest, if that is at least LM_SPEC_GAIN times what no draft makes.
 *
 * cost(n) is measured: level * shape[n]. Every step that only decodes moves the level fast, since all n share what
 * slows the machine down or lengthens attention, and shape[n] slowly. A shape not known yet is taken from its known
 * neighbours, at first as if rows were free, so that it gets tried; what was known long ago is tried again. In a step
 * that also computes prompts, a row costs its share of the rows.
 *
 * Which drafts are sent never changes which tokens come, only when. A request whose next tokens are restricted
 * (sampling.allow) gets none: what is allowed behind a draft is not known here.
 *
 * Thread   [engine]
 */
#include "runtime/engine/request.h"

#define LM_SPEC_MAX_ROWS 96   /* steps with more decoding sequences and drafts send no drafts */
#define LM_SPEC_MAX_DRAFTS 48 /* of all sequences in a step */
#define LM_SPEC_GAIN 1.03f

struct lm_spec {
    struct lm_conf_speculative conf;
    bool always;                         /* send every draft there is (tests) */
    struct lm_draft_odds odds;           /* of all requests, for new ones */
    float level;                         /* us; 0: nothing is known */
    float shape[LM_SPEC_MAX_ROWS + 1];   /* by rows */
    uint32_t known[LM_SPEC_MAX_ROWS + 1]; /* steps that made it, up to a bound */
    uint32_t n_learned;
};

void lm_spec_init(struct lm_spec *sp, const struct lm_conf_speculative *conf);

/**
 * Set n_draft of each running request with n_sched 1 (it decodes); others get 0.
 *
 * n_other  further rows of the step: pieces of prompts
 * n_max    most drafts of all together
 * Returns  how many
 */
uint32_t lm_spec_choose(const struct lm_spec *sp, struct lm_request *const *running, uint32_t n_running, uint32_t n_other, uint32_t n_max);

/** A step that decoded n_row rows, drafts included, and did nothing else took us microseconds. */
void lm_spec_learn(struct lm_spec *sp, uint32_t n_row, uint64_t us);

/** The expected time of such a step in any unit; only ratios count. */
float lm_spec_cost(const struct lm_spec *sp, uint32_t n_row);
#endif

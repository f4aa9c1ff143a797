/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PARALLEL_SPAN_H
#define LM_PARALLEL_SPAN_H
/**
 * A group that spans processes. Parts go to them in order, as many to each, so that the first process has the part with the logits:
 * where there are stages, it has the last one and the second process the first.
 *
 * Within a process the ranks of a stage join what they have as they do without others; one thread of each process then sums it over the
 * link. A step is one message: its tokens, positions, block tables and slots of adapters, without how tokens are drawn, which only the
 * first process does. An adapter is one too: the slot, and the path that each process reads.
 *
 * Thread   that of the first rank of a stage for what runs in a step; else [engine]
 */
#include "runtime/parallel/plan.h"

struct lm_span {
    const struct lm_group_desc *group;
    struct lm_plan_desc plan;
    float *sum;        /* of what this process's ranks have */
    float *columns;    /* of all processes, one after the other; the first one's */
    const float *joined; /* what came of it last */
    size_t *width;     /* [size] columns of each, of the op that puts them side by side */
    size_t *n_each;    /* [team] */
    char *message;
    size_t message_bytes;
    struct lm_step step; /* that was heard; its arrays are what follows or stand in the message */
    uint32_t *table;
    struct lm_sampling *sampling;
    struct lm_sampled *sampled;
};

/** The process that has a part. */
uint32_t lm_span_process(const struct lm_group_desc *group, uint32_t part);

/** plan->span.  Errors LM_ENOMEM */
int lm_span_create(const struct lm_group_desc *group, const struct lm_plan_desc *desc, struct lm_plan *plan, struct lm_err *err);
/** Once all processes have one: they tell each other what they have.  Errors of the link; LM_ENOMEM */
int lm_span_meet(struct lm_span *span, const struct lm_plan *plan, struct lm_err *err);
void lm_span_destroy(struct lm_span *span); /* takes NULL */

/** lm_group_join() over all ranks of the stage, to span->joined: part is the first one's of this process. */
int lm_span_join(struct lm_span *span, const struct lm_group_part *part, uint32_t i, uint32_t turn, const int32_t *token, uint32_t rows,
                 struct lm_err *err);

/** The residual stream to, or from, the stage beside the one that part `part` is the first of. */
int lm_span_send(const struct lm_span *span, uint32_t part, const float *x, uint32_t n_tok, struct lm_err *err);
int lm_span_receive(const struct lm_span *span, uint32_t part, float *x, uint32_t n_tok, struct lm_err *err);

/** What the first process tells the others. END: there will be no more. */
enum lm_span_kind { LM_SPAN_END, LM_SPAN_STEP, LM_SPAN_LOAD, LM_SPAN_UNLOAD };

struct lm_span_word {
    enum lm_span_kind kind;
    const struct lm_step *step;
    uint32_t slot; /* of an adapter */
    const char *path;
};

/** Tell the other processes a step; NULL: there will be none. */
int lm_span_tell(struct lm_span *span, const struct lm_step *step, struct lm_err *err);
/** Tell them to load an adapter; path NULL: to unload it.  LM_ELIMIT a longer path than any */
int lm_span_tell_lora(struct lm_span *span, uint32_t slot, const char *path, struct lm_err *err);
/** Hear it, until the next one is heard. LM_EINVAL: it does not fit the plan. */
int lm_span_hear(struct lm_span *span, struct lm_span_word *out, struct lm_err *err);
#endif

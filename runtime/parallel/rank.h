/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PARALLEL_RANK_H
#define LM_PARALLEL_RANK_H
/**
 * The inside of a group (group.h): a thread for each device, which takes the group's steps in order, from one collective op to the
 * next, and what these threads share.
 */
#include "runtime/parallel/span.h"

#include <pthread.h>

struct lm_rank {
    struct lm_dev *group;
    uint32_t index;
    pthread_t thread;
    uint64_t collect_us; /* of the step */
    uint64_t n_begun;    /* steps */
    uint32_t turn;       /* of what it gives to the others */
    struct lm_flight *f;    /* the step that it runs */
};

/* A step on its way through the stages. */
struct lm_flight {
    struct lm_plan *plan;
    const struct lm_step *step;
    float *x;              /* the stream from stage to stage */
    uint64_t launch_us, collect_us;
    uint32_t n_done;       /* ranks that have ended it */
    uint32_t n_stage_done;
};

/* Ranks of a stage meet: the one that comes last lets them all go on. */
struct lm_meeting {
    uint32_t n_here;
    uint64_t turn;
};

struct lm_dev {
    struct lm_group_desc desc; /* dev and model are this one's copies; be and dev those of offload.h where experts are elsewhere */
    uint32_t n, first;         /* the parts that are here */
    uint32_t n_mate;           /* ranks of one stage that are here */
    uint32_t n_started;
    struct lm_rank *rank;         /* [n] */
    struct lm_group_time time;
    pthread_mutex_t lock;      /* of what follows */
    pthread_cond_t changed;
    struct lm_meeting *meeting;   /* [n / n_mate] */
    struct lm_flight *flight;     /* [depth] step i is at i % depth */
    uint32_t depth;
    uint64_t n_launched, n_synced, synced_us; /* steps; when the last one was */
    bool stop;
    bool leads;                /* others follow this process */
    struct lm_span *span;      /* of the plan, where it leads; NULL: none, or no plan */
    bool joined;               /* ranks run collective ops by themselves */
    struct lm_err lost;        /* code 0: not lost */
};

/** The thread of a rank, until stop. */
void *lm_rank_run(void *rank);

/** Lose the group, for the first reason that there is.  Thread [any] */
void lm_rank_lose(struct lm_dev *group, const struct lm_err *why);

/** Do other processes have ranks of the stages that are here? */
static inline bool lm_rank_is_shared(const struct lm_dev *g)
{
    return g->n_mate < g->desc.n_rank;
}
#endif

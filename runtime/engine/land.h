/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_LAND_H
#define LM_ENGINE_LAND_H
/**
 * The inside of an engine (engine.h): its steps on their way, and what one that has ended leaves to its requests.
 *
 * Thread   [engine]
 */
#include "runtime/engine/engine.h"
#include "runtime/engine/step.h"

enum { LM_ENGINE_ID_BUCKETS = 4096 };

struct lm_engine_flight {
    struct lm_step_arrays arrays;
    uint64_t launch_us;
};

struct lm_engine {
    struct lm_engine_desc desc;
    struct lm_plan *plan;
    struct lm_kv *kv;
    struct lm_tier *tier;        /* NULL: none */
    struct lm_kvfile *file;      /* NULL: none */
    char note[280];
    struct lm_sched *sched;
    struct lm_slots *slots;
    struct lm_constraints *constraints;
    struct lm_loras *loras;
    struct lm_engine_flight *flight;       /* [max_flight] steps launched and not waited for: n_flight from `oldest` on, in a ring */
    uint32_t max_flight, n_flight, oldest;
    uint64_t landed_us;          /* when the last one ended */
    const struct lm_engine_flight *done;   /* the step whose tokens are taken */
    struct lm_request **told;    /* [n_told] who got a token in the step before the one that runs; NULL: nobody, a draft was wrong */
    uint32_t *told_pos;          /* [n_told] as the step's prompt_pos */
    float *hidden;               /* [max_out][dim] */
    uint32_t dim;                /* of an embedding */
    const struct lm_sampled *answer; /* [n_told] */
    uint32_t n_told, n_request, n_corrupt_row;
    struct lm_request *ended, **ended_end; /* by next: not told yet */
    struct lm_request *by_id[LM_ENGINE_ID_BUCKETS];
    struct lm_msg_stats stats;
};

/** Out of the scheduler, blocks given back; told and freed later. */
void lm_engine_end(struct lm_engine *e, struct lm_request *r);

/** The hidden state of such a step is read when it has ended: no other may follow it before. */
bool lm_engine_keeps_hidden(const struct lm_step_arrays *a);

/** The oldest step has ended: its tokens join their requests. Errors of copy_out() */
int lm_engine_land(struct lm_engine *e, struct lm_err *err);
#endif

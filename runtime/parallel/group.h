/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PARALLEL_GROUP_H
#define LM_PARALLEL_GROUP_H
/**
 * Several devices of one backend that serve one model together, as a backend of its own: who has one device and who has a
 * group call the same table.
 *
 * Each device has its part of the model (model.h) and a thread. A step runs on all ranks of a stage at once, from one
 * collective op to the next; there the ranks copy what they have to host memory, meet, and each takes the sum, or what stands
 * side by side, back; devices that join (backend.h) run these ops by themselves. Sums are made in the order of the ranks, so
 * that all have the same to the bit. The residual stream goes from the first rank of a stage to all of the next.
 *
 * Of the table there is what runs steps: measure() and mem() tell the most that a device needs and the least that one has,
 * copy_in() and copy_out() are those of the part with the logits. Weights are not made by it; adapters go into the slots of all parts.
 *
 * With a link the parts are shared out over its processes (span.h): each has a group of its own parts and makes the same calls, but
 * that launch(), adapters and what follows are the first process's, which has the part with the logits; the others lm_group_follow().
 *
 * Experts may be on devices of their own (offload.h), one beside each.
 *
 * Of steps there may be as many at a time as stages: launch() takes them up, each stage runs one after the other, sync() waits for the
 * oldest. They are of different sequences.
 *
 * A device that fails, or a deadline that passes, loses the group: every further step is LM_EDEVICE.
 *
 * Thread   [engine]; calls of one device come from one thread at a time, those of a step from the device's own
 */
#include "runtime/model/model.h"
#include "runtime/parallel/link.h"

struct lm_group_desc {
    const struct lm_backend *be;
    struct lm_dev *const *dev;     /* [n_stage * n_rank], as in lm_model_load_parts(); of lm_group_share() with a link */
    struct lm_model *const *model;
    uint32_t n_rank, n_stage;
    bool whole_experts;            /* ranks share out the experts of a mixture, not each expert's columns */
    uint64_t step_timeout_us;      /* of each wait for a device */
    const struct lm_model_place *experts; /* [n] devices that have the experts, as in lm_model_load_parts(); NULL: those above */
    struct lm_link *link;          /* NULL: all parts are here. Borrowed until close(), which ends what follows */
};

/** The parts of this process: the split of lm_model_load_parts(). */
struct lm_model_split lm_group_share(const struct lm_group_desc *desc);

/** Can n processes share out the parts?  LM_ECONFIG */
int lm_group_check(const struct lm_group_desc *desc, uint32_t n_process, struct lm_err *err);

/** How many processes have parts of one stage. */
uint32_t lm_group_team(const struct lm_group_desc *desc, uint32_t n_process);

extern const struct lm_backend lm_group_backend;

/**
 * Owns     *out is the caller's until lm_group_backend.close(), before devices and models, which stay the caller's, end
 * Errors   LM_ENOMEM memory or threads
 */
int lm_group_create(const struct lm_group_desc *desc, struct lm_dev **out, struct lm_err *err);

/** How many steps may run at a time. */
uint32_t lm_group_depth(const struct lm_group_desc *desc);

/** The part that has the logits, whose graph plans of the group are asked for. Borrowed. */
const struct lm_model *lm_group_model(const struct lm_group_desc *desc);

/**
 * lm_lora_load() and lm_lora_unload() of all parts, once the steps that run have ended. Other processes read the path on their own node.
 *
 * out_bytes  on this process's devices
 * Errors     also LM_ETIMEOUT the steps have not ended, LM_EDEVICE the group is lost; in unload either one loses the group
 */
int lm_group_load_lora(struct lm_dev *group, uint32_t slot, const char *path, size_t *out_bytes, struct lm_err *err);
void lm_group_unload_lora(struct lm_dev *group, uint32_t slot);

/** Do what the first process does, its steps and adapters, until it closes its group.  Errors LM_EDEVICE, LM_ETIMEOUT: the group is lost */
int lm_group_follow(struct lm_dev *group, struct lm_plan *plan, struct lm_err *err);

/** Ranks of one step: how long its collective ops took of all, on the first rank of each stage. */
struct lm_group_time { uint64_t step_us, collect_us; };
struct lm_group_time lm_group_time(const struct lm_dev *group);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PARALLEL_LINK_H
#define LM_PARALLEL_LINK_H
/**
 * What ties the processes that serve one model together: each has some of its parts (group.h), on its own node or beside others.
 *
 * All make the same calls in the same order. A link comes from a module of its own (mpi.c), so that nothing else needs the
 * library that it stands on. Processes of a team share the parts of one stage: team_size neighbours in rank.
 *
 * A process that is gone or silent for LM_LINK_SILENCE_US is told to lost(); what waits for it may wait on.
 *
 * Thread   one thread at a time; lost() comes from the link's own
 * Errors   LM_EDEVICE the link failed; LM_ETIMEOUT timeout_us passed: the link is of no more use
 */
#include <llmserve/err.h>
#include <stddef.h>
#include <stdint.h>

#define LM_LINK_ABI 1u
#define LM_LINK_SYMBOL "lm_link_module"
#define LM_LINK_BEAT_US 250000u
#define LM_LINK_SILENCE_US 3000000u

struct lm_link;

struct lm_link_desc {
    uint32_t team_size;
    void (*lost)(void *arg, const struct lm_err *why);
    void *arg;
};

/** A link embeds this as its first member. */
struct lm_link_place {
    const struct lm_link_ops *ops;
    uint32_t rank, size; /* of all processes */
    uint32_t node_rank;  /* among those of the same node */
};

struct lm_link_ops {
    uint32_t abi;
    int (*open)(const struct lm_link_desc *desc, struct lm_link **out, struct lm_err *err);
    void (*close)(struct lm_link *l); /* waits for the others; takes NULL */

    /** out[size][bytes]: what each process has at x. Waits without a bound: others may still load. */
    int (*share)(struct lm_link *l, const void *x, size_t bytes, void *out, struct lm_err *err);

    /** One message from the process of rank 0 to all others, which wait for it without a bound. LM_EINVAL it is longer than cap. */
    int (*tell)(struct lm_link *l, const void *message, size_t bytes, uint64_t timeout_us, struct lm_err *err);
    int (*hear)(struct lm_link *l, void *message, size_t cap, size_t *out_bytes, struct lm_err *err);

    /** x becomes the sum over the team, the same to the bit for all of it. */
    int (*sum)(struct lm_link *l, float *x, size_t n, uint64_t timeout_us, struct lm_err *err);

    /** The team's first gets all x of its team one after the other in out, n_each[i] from each; others have NULL there. */
    int (*join)(struct lm_link *l, const float *x, size_t n, float *out, const size_t *n_each, uint64_t timeout_us, struct lm_err *err);

    int (*send)(struct lm_link *l, uint32_t to, const float *x, size_t n, uint64_t timeout_us, struct lm_err *err);
    int (*receive)(struct lm_link *l, uint32_t from, float *x, size_t n, uint64_t timeout_us, struct lm_err *err);
};

static inline const struct lm_link_place *lm_link_place(const struct lm_link *l)
{
    return (const struct lm_link_place *)l;
}

/**
 * Load the module dir/NAME.link.so and open its link.
 *
 * dir      NULL or "": the one fixed at build
 * Owns     *out is the caller's until close()
 * Errors   LM_ENOTFOUND it is not installed; LM_EUNSUPPORTED it cannot be loaded; of open()
 * Thread   [engine]
 */
int lm_link_open(const char *dir, const char *name, const struct lm_link_desc *desc, struct lm_link **out, struct lm_err *err);

/** Of all processes the first that failed: its code and message, for all; 0: none did. link NULL: rc as it is. */
int lm_link_agree(struct lm_link *l, int rc, struct lm_err *err);
#endif

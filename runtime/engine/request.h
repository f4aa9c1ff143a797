/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_REQUEST_H
#define LM_ENGINE_REQUEST_H
/**
 * One request in the engine: its tokens, how the next one is drawn, its blocks and its place in the queues.
 *
 * Everything is one allocation made at submit for the longest answer that it may get; the parts that are not used
 * are never touched, so they cost no memory. Nothing is allocated per token, but what a grammar's stacks take.
 *
 * Thread   [engine]
 */
#include "runtime/engine/constraint.h"
#include "runtime/engine/draft.h"
#include "runtime/engine/dry.h"
#include "runtime/engine/kv.h"
#include "runtime/engine/think.h"

enum lm_request_state { LM_REQUEST_WAITING, LM_REQUEST_RUNNING, LM_REQUEST_DONE };

struct lm_request {
    /* What was asked. */
    uint64_t id;
    uint32_t n_prompt, max_tokens, min_tokens, n_stop, n_bias, n_bad;
    int32_t priority;
    int32_t *stop_id; /* [n_stop] ascending */
    struct lm_kv_salt salt;
    int32_t lora;     /* slot of its adapter; -1: none */
    int32_t *bad;     /* [n_bad] as in struct lm_msg_submit */
    struct lm_dry dry;
    bool share;       /* reads and fills the prefix cache */
    bool prompt_logprob;
    enum lm_pool pool;
    uint32_t slot;    /* as in struct lm_msg_submit */
    uint32_t second_text; /* its first token; 0: none */
    struct lm_sampling given; /* how a prompt's token is reported; given_token apart */

    /* Its tokens. */
    int32_t *token;      /* [n_prompt + max_tokens] prompt, then output */
    uint32_t n_token;    /* known so far */
    uint32_t n_computed; /* whose keys and values lie in blocks: those before are not sent again */
    uint32_t n_sched;    /* of the step that is being made or runs */
    uint32_t n_draft;    /* the last of them, guessed: they stand behind the known tokens */
    struct lm_draft draft;
    uint32_t n_row_done; /* of the prompt, whose logits or embeddings were wanted and taken: not again after a preemption */
    float *pooled;       /* [dim] */
    struct lm_sampling sampling;
    struct lm_constraint *constraint; /* NULL: any text */
    struct lm_think think;
    uint32_t *think_mask;             /* [n_mask] while a thought is closed, or NULL */
    uint32_t *allow;                  /* [n_mask] of the constraint or allowed_token_ids, or NULL */
    uint32_t *own_allow;              /* [n_mask] allowed_token_ids beside a constraint, or NULL */
    uint32_t n_mask;                  /* words of a mask */
    float mirostat_eta;
    uint32_t penalty_last_n; /* 0: all */
    int32_t *seen;       /* [1 + most drafts][longest] sampling.seen and .count, then those of drafts, or NULL */
    uint32_t *count;

    /* Its blocks: block[i] holds tokens i * block_size …; the first n_published are in the prefix tree. */
    uint32_t *block;
    uint32_t n_block, n_published;

    /* Its place. */
    enum lm_request_state state;
    uint64_t order; /* of arrival */
    bool cancelled;
    bool in_flight; /* a step that runs has n_sched of its tokens: its blocks stay */
    struct lm_request *prev, *next; /* of a list */
    struct lm_request *next_id;     /* of the engine's table */
    uint32_t n_preempted, n_cached;
    uint64_t submit_us, admit_us, first_us, last_us; /* 0: not yet */

    /* How it ended. */
    enum lm_finish reason;
    int code;
    const char *why; /* static text, with LM_FINISH_ERROR */
};

struct lm_request_limits {
    uint32_t n_vocab, max_model_len, block_size, n_block;
    uint32_t dim; /* of an embedding; 0: there are none */
    uint32_t n_type; /* of tokens */
    bool encoder; /* embeddings are all there is */
    struct lm_conf_speculative speculative;
    struct lm_draft_odds odds; /* expected of its drafts */
    struct lm_constraints *constraints; /* NULL: a grammar is refused */
};

/**
 * Check what was asked and make a request of it.
 *
 * Owns     *out is the caller's until lm_request_destroy(); in is not kept
 * Errors   LM_EINVAL ids, counts or numbers out of range, or longer than the model or the KV pool allows; as
 *          lm_constraint_open(); LM_ENOMEM
 */
int lm_request_create(const struct lm_msg_submit_view *in, const struct lm_request_limits *limits, struct lm_request **out,
                      struct lm_err *err);
void lm_request_destroy(struct lm_request *r);

/**
 * Take in the next token: counts, penalties, end. Sets reason and state LM_REQUEST_DONE when it was the last;
 * token -1 (NaN) ends it with LM_EDEVICE and is not stored.
 */
void lm_request_push(struct lm_request *r, int32_t token);

/** Mirostat: the next token was as surprising as this. Before lm_request_push(). */
static inline void lm_request_learn(struct lm_request *r, float surprise)
{
    if (r->sampling.mirostat)
        r->sampling.mirostat_mu -= r->mirostat_eta * (surprise - r->sampling.mirostat_tau);
}
/**
 * How the tokens are drawn that follow the known ones and 0, 1, … n_draft drafts: as if these were known.
 *
 * out      [1 + n_draft]; what it points to holds until the next push
 */
void lm_request_sampling(struct lm_request *r, struct lm_sampling *out);

static inline uint32_t lm_request_n_output(const struct lm_request *r)
{
    return r->n_token - r->n_prompt;
}

/** Rows before the last known token are wanted: those of its prompt's tokens, or of its embedding. */
static inline bool lm_request_wants_rows(const struct lm_request *r)
{
    return (r->prompt_logprob && r->n_row_done + 1 < r->n_prompt) || (r->pool == LM_POOL_MEAN) || (r->pool == LM_POOL_CLS && !r->n_row_done);
}

/** That of token i is. */
static inline bool lm_request_wants_row(const struct lm_request *r, uint32_t i)
{
    return lm_request_wants_rows(r) && i >= r->n_row_done && i + 1 < r->n_prompt && (r->pool != LM_POOL_CLS || i == 0);
}

/** True when a goes before b: lower priority number, then earlier arrival. */
static inline bool lm_request_before(const struct lm_request *a, const struct lm_request *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->order < b->order;
}
#endif

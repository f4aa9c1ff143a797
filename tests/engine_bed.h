/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_ENGINE_BED_H
#define LM_TESTS_ENGINE_BED_H
/**
 * What tests of the engine stand on: an engine on the toy backend, requests with what was heard of them, and their right answers.
 *
 * Thread   one
 */
#include "runtime/engine/engine.h"
#include "tests/suite.h"
#include "tests/toy_backend.h"

enum { VOCAB = 97, MAX_ASK = 2100, MAX_TOKENS = 400, EOS = 0 };

/* What a test asks for, and what it heard. */
struct ask {
    uint32_t n_prompt, max_tokens, min_tokens;
    int32_t prompt[MAX_TOKENS];
    int32_t priority;
    float temperature, presence, repetition; /* repetition 0: 1 */
    const char *salt;
    bool no_cache, no_stop, cancelled;
    uint32_t n_logprobs;
    bool prompt_logprob;
    enum lm_pool pool;
    uint64_t seed;
    void (*more)(struct lm_msg_submit_view *); /* what else it asks for; NULL: nothing */
    /* heard */
    uint32_t n_row;
    float embedding;
    int32_t got[MAX_TOKENS];
    uint32_t n_got, n_cached, first_step, last_step, longest_gap;
    bool ended;
    struct lm_msg_finished end;
};

struct bed {
    struct lm_backend be;
    struct lm_dev *dev;
    struct lm_graph graph;
    struct lm_engine_desc desc;
    struct lm_engine *engine;
    uint32_t period; /* of the toy's answers; 0: none */
    struct ask *ask; /* [MAX_ASK], by id */
    uint32_t n_step;
};

/** How a bed drafts; period as of the toy. */
struct drafts { uint32_t period; struct lm_conf_speculative conf; };

/** n_block blocks of 8 tokens, steps of max_tok tokens and max_seq sequences. */
void bed_make_drafting(struct bed *bed, const struct lm_backend *be, uint32_t n_block, uint32_t max_tok, uint32_t max_seq, bool cache,
                       struct drafts drafts);
void bed_make_on(struct bed *bed, const struct lm_backend *be, uint32_t n_block, uint32_t max_tok, uint32_t max_seq, bool cache);
void bed_make(struct bed *bed, uint32_t n_block, uint32_t max_tok, uint32_t max_seq, bool cache);
void bed_unmake(struct bed *bed);

/** Ask bed->ask[id]. */
int bed_submit(struct bed *bed, uint64_t id, struct lm_err *err);
void bed_must_submit(struct bed *bed, uint64_t id);

void bed_step(struct bed *bed);

/** Steps until nothing is left, and no block is held. */
void bed_run_dry(struct bed *bed);

uint64_t bed_random(uint64_t *state);
void ask_fill_prompt(struct ask *a, uint32_t n, uint64_t seed);
void ask_fill(struct ask *a, uint32_t n, uint64_t seed, uint32_t max_tokens);

/** The tokens seen before all[n], as penalties want them, the simple way. Returns how many. */
uint32_t ask_list_seen(const struct ask *a, const int32_t *all, uint32_t n, int32_t *seen, uint32_t *count);

/** Was a's answer the toy model's, computed without an engine? a that was cancelled may have got less of it. */
void ask_check_of(const struct ask *a, uint32_t period);
void ask_check(const struct ask *a); /* period 0 */
#endif

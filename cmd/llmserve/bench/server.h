/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_SERVER_H
#define LM_BENCH_SERVER_H
/**
 * What a benchmark asks the server for beside answers: tokens of a text, and how its drafts did.
 *
 * Thread   [any], one at a time
 */
#include "cmd/llmserve/bench/metrics.h"

struct lm_tokenizer;

/** Counts by a tokenizer file, or by the server's /tokenize (llmserve's, vLLM's or llama-server's). */
struct lm_counting {
    struct lm_client *client; /* set before open */
    const char *model;
    struct lm_tokenizer *tok;
    struct lm_counter counter; /* count NULL: nothing can count */
};

/** path NULL: the server counts, where it can. */
int lm_counting_open(struct lm_counting *c, const char *path, struct lm_err *err);
void lm_counting_close(struct lm_counting *c);

/** Counters of speculation in the server's /metrics; there is false where it has none. */
void lm_drafts_fetch(struct lm_client *c, struct lm_drafts *out);
/** What was counted since `before`. */
void lm_drafts_minus(struct lm_drafts *d, const struct lm_drafts *before);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_DATASET_H
#define LM_BENCH_DATASET_H
/**
 * The prompts of a benchmark. Options and their meaning are vLLM's; prompts are made of common words, so that no file is needed.
 *
 * random             random-input-len tokens of words that differ in each prompt, behind random-prefix-len shared ones
 * sharegpt           conversations of a file in ShareGPT's form, or lengths that are distributed like them
 * prefix_repetition  (or prefix) a few long prefixes, each with many suffixes
 * custom             a file with one {"prompt": TEXT} a line
 *
 * Source   vllm bench (names, defaults, which conversations are left out)
 */
#include "cmd/llmserve/options.h"

struct lm_dataset {
    const char *name, *path;
    int64_t n, seed;
    int64_t input_len, output_len, shared_len;                       /* random */
    double range_ratio;
    int64_t sharegpt_output_len;                                     /* 0: the conversation's own */
    int64_t rep_prefix_len, rep_suffix_len, rep_n, rep_output_len;   /* prefix_repetition */
    int64_t custom_output_len;
};

/** Rows of the options; s the struct, f its field of struct lm_dataset, count the default of --num-prompts. */
#define LM_DATASET_ROWS(s, f, count)                                                                                                    \
    LM_WORD(s, f.name, "dataset-name", "random|sharegpt|prefix_repetition|prefix|custom", "random", "What the prompts are made of"),    \
    LM_TEXT(s, f.path, "dataset-path dataset", "FILE", "Conversations in ShareGPT's form, or for custom one {\"prompt\": TEXT} a line"), \
    LM_INT(s, f.n, "num-prompts", "N", count, 1, 1e7, "Requests"),                                                                      \
    LM_INT(s, f.seed, "seed", "N", "0", 0, 1e15, "Seed of lengths, words and arrival times"),                                           \
    LM_INT(s, f.input_len, "random-input-len input-len", "TOKENS", "1024", 1, 1e7, "Tokens of a random prompt"),                        \
    LM_INT(s, f.output_len, "random-output-len output-len", "TOKENS", "128", 1, 1e7, "Tokens of its answer"),                           \
    LM_INT(s, f.shared_len, "random-prefix-len prefix-len", "TOKENS", "0", 0, 1e7, "Tokens before it that all prompts share"),          \
    LM_REAL(s, f.range_ratio, "random-range-ratio", "R", "0", 0, 0.999, "Lengths are spread evenly over [1-R, 1+R] times these"),       \
    LM_INT(s, f.sharegpt_output_len, "sharegpt-output-len", "TOKENS", "0", 0, 1e7, "Tokens of each answer; 0: as in the data"),         \
    LM_INT(s, f.rep_prefix_len, "prefix-repetition-prefix-len", "TOKENS", "256", 1, 1e7, "Tokens of a shared prefix"),                  \
    LM_INT(s, f.rep_suffix_len, "prefix-repetition-suffix-len", "TOKENS", "256", 0, 1e7, "Tokens behind it, of each prompt's own"),     \
    LM_INT(s, f.rep_n, "prefix-repetition-num-prefixes", "N", "10", 1, 1e6, "How many prefixes"),                                       \
    LM_INT(s, f.rep_output_len, "prefix-repetition-output-len", "TOKENS", "128", 1, 1e7, "Tokens of an answer"),                        \
    LM_INT(s, f.custom_output_len, "custom-output-len", "TOKENS", "256", 1, 1e7, "Tokens of an answer")

/** Counts the tokens of a text, specials included. */
struct lm_counter {
    int (*count)(void *arg, const char *text, size_t n, size_t *out, struct lm_err *err);
    void *arg;
};

struct lm_sample {
    char *prompt;
    size_t n_prompt;  /* tokens; a guess where nothing counts */
    int64_t n_output; /* tokens asked for */
};

struct lm_samples {
    struct lm_sample *at;
    size_t n;
};

/**
 * Make d->n prompts; the same for the same options.
 *
 * counter  NULL: nothing can count; one word is taken for one token
 * Owns     *out is the caller's until lm_samples_fini()
 * Errors   LM_ENOTFOUND, LM_EFORMAT the file; LM_EINVAL nothing in it fits; LM_ENOMEM; the counter's
 */
int lm_dataset_make(const struct lm_dataset *d, const struct lm_counter *counter, struct lm_samples *out, struct lm_err *err);
void lm_samples_fini(struct lm_samples *s);
#endif

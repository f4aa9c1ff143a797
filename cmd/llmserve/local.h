/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_LOCAL_H
#define LM_CMD_LOCAL_H
/**
 * A model in this process, for the subcommands that need no server: its settings, engine and tokenizer, and answers
 * to many prompts at once.
 *
 * With nodes the command is started on all of them (mpirun -n N llmserve …): the first process goes on with it, the others run its steps
 * and end with it.
 *
 * Thread   [engine] for everything
 */
#include "conf/conf.h"
#include "runtime/engine/boot.h"
#include "runtime/text/tokenizer.h"
#include <jansson.h>

struct lm_template;

struct lm_local {
    const char *command; /* "bench latency": for messages; set before use */
    bool no_engine;      /* set before lm_local_load(): only the model is wanted */
    struct lm_conf conf;
    struct lm_link *link; /* to the other processes of nodes; NULL: there are none */
    struct lm_boot *boot;
    struct lm_tokenizer *tok;
    struct lm_template *chat; /* made when it is first needed */
    struct lm_engine *engine;
    uint32_t adapter;         /* the first of lora-modules, which answers then; 0: there is none */
};

/**
 * The settings: the command's own defaults, the environment, the flags in argv (-m is --model).
 *
 * defaults NULL-terminated flags that the user's win over, such as "--max-num-seqs=1"; NULL: none
 * Errors   LM_ECONFIG
 */
int lm_local_read(struct lm_local *l, const char *const *defaults, int *io_argc, char **argv, struct lm_err *err);
/** There will be at most n requests at once (0 is taken for 1): room for more is not made. */
void lm_local_limit(struct lm_local *l, size_t n);
/** Load the model; a bar shows how far. */
int lm_local_load(struct lm_local *l, struct lm_err *err);
/** Takes one of which nothing was done, too. */
void lm_local_close(struct lm_local *l);

/** Append what the model's chat template makes of messages, with the prefix of an answer. LM_ENOTFOUND: it has none. */
int lm_local_render(struct lm_local *l, const json_t *messages, struct lm_bytes *out, struct lm_err *err);

/** How tokens are drawn. */
struct lm_local_sampling {
    double temperature, top_p, min_p, top_k;
    double seed; /* < 0: a fresh one for each */
    bool ignore_eos;
};

struct lm_local_request {
    const int32_t *id;
    size_t n;
    uint32_t max_tokens; /* cut to what the model has room for */
    void (*token)(struct lm_local_request *, int32_t id); /* NULL: nobody asks */
    void *arg;
    struct lm_msg_finished end; /* what it came to */
};

/**
 * Answer n requests, as many at once as max-num-seqs, and wait for the last.
 *
 * progress NULL, or told after each that ends
 * Errors   LM_EINVAL a prompt does not fit; LM_EDEVICE and the like; of one that failed, its own
 */
int lm_local_run(struct lm_local *l, const struct lm_local_sampling *s, struct lm_local_request *r, size_t n,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *progress_arg, struct lm_err *err);
#endif

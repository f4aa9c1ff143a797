/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_WORKERS_H
#define LM_API_WORKERS_H
/**
 * Threads that compute what the loop must not: parsing, templates, tokenizing.
 *
 * A job is run once by a worker, in order of submission, and then handed back to the loop. What the loop wrote
 * before submit the worker sees, what the worker wrote done sees.
 */
#include <llmserve/err.h>
#include <event2/event.h>

struct lm_workers;

struct lm_job {
    void (*run)(struct lm_job *job);  /* [worker] */
    void (*done)(struct lm_job *job); /* [loop] may free the job */
    struct lm_job *next;              /* ours */
};

/**
 * n threads; 0: one per core, at most 4.
 *
 * Errors   LM_EIO no thread or no file descriptor; LM_ENOMEM
 * Thread   [loop] for everything here
 */
int lm_workers_create(struct event_base *base, unsigned n, struct lm_workers **out, struct lm_err *err);
void lm_workers_submit(struct lm_workers *w, struct lm_job *job);
/** Waits for jobs that run, runs done of every job that was submitted. Takes NULL. */
void lm_workers_destroy(struct lm_workers *w);
#endif

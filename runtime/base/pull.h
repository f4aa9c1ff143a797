/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_PULL_H
#define LM_BASE_PULL_H
/**
 * Reads a JSON text piece by piece, without a tree of it: a tokenizer.json is tens of megabytes, most of them two
 * lists that are taken over as they are read.
 *
 * That strings are well-formed UTF-8 is the caller's to check. What is not looked into is only skipped.
 *
 * Thread   [any], one at a time
 * Source   RFC 8259
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"

struct lm_pull {
    const char *s;
    size_t n, i;
    const char *where; /* for errors */
    struct lm_err *err;
};

/** Step over white space. Returns the byte there, 0 at the end. */
char lm_pull_peek(struct lm_pull *p);

/** Go into an object or array: open is its bracket. Errors: LM_EFORMAT. */
int lm_pull_enter(struct lm_pull *p, char open);

/** 1: there is another element, and p is at it; 0: close was read; else LM_EFORMAT. first: none was read yet. */
int lm_pull_more(struct lm_pull *p, bool first, char close);

/** Append a string's text to out. Errors: LM_EFORMAT, LM_ENOMEM. */
int lm_pull_string(struct lm_pull *p, struct lm_bytes *out);
/** A member's name and the colon behind it. */
int lm_pull_key(struct lm_pull *p, struct lm_bytes *out);
int lm_pull_number(struct lm_pull *p, double *out);
/** A whole number from 0 to max. */
int lm_pull_id(struct lm_pull *p, uint32_t max, uint32_t *out);

/** Step over a value. Errors: LM_EFORMAT; LM_ELIMIT nested deeper than 256. */
int lm_pull_skip(struct lm_pull *p);
#endif

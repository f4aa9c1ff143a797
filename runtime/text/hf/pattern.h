/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_PATTERN_H
#define LM_TEXT_HF_PATTERN_H
/**
 * What Replace and Split look for: a text or a regular expression; and a text cut into what matches and what lies
 * between.
 *
 * Time is bounded: an expression that gives up matches nothing in the rest, and many slow ones end in LM_ELIMIT.
 *
 * Thread   [any]; lm_pattern is read-only, lm_cuts one at a time
 */
#include "runtime/text/rx.h"
#include <jansson.h>

struct lm_pattern {
    char *text; /* NULL: the expression */
    size_t n;
    pcre2_code *code;
};

struct lm_cut {
    uint32_t end; /* it starts where the one before it ends */
    bool match;
};

struct lm_cuts { /* all-zero before the first use */
    struct lm_cut *cut;
    size_t n, cap;
    struct lm_rx_work rx;
    uint64_t until_ns; /* of this thread's time; set by lm_cuts_begin() */
};

/**
 * {"String": text} or {"Regex": expression}, the member `key` of o at `where`.
 *
 * Errors   LM_EFORMAT; LM_EUNSUPPORTED, LM_ELIMIT of the expression; LM_ENOMEM
 */
int lm_pattern_load(struct lm_pattern *p, const json_t *o, const char *where, const char *key, struct lm_err *err);
/** An expression of our own, in PCRE2's syntax. */
int lm_pattern_of(struct lm_pattern *p, const char *rx, struct lm_err *err);
void lm_pattern_fini(struct lm_pattern *p);

/** Allow the work on n bytes its time. */
void lm_cuts_begin(struct lm_cuts *c, size_t n);
/** Append one. Errors: LM_ENOMEM. */
int lm_cuts_add(struct lm_cuts *c, size_t end, bool match, struct lm_err *err);

/**
 * Cut s[0..n), n < 2^32, well-formed UTF-8, into c->cut. subject: what lm_rx_subject() made of it, or NULL.
 *
 * Errors   LM_ENOMEM; LM_ELIMIT it takes too long
 */
int lm_pattern_cut(const struct lm_pattern *p, struct lm_cuts *c, const char *s, size_t n, const char *subject,
                   struct lm_err *err);
void lm_cuts_fini(struct lm_cuts *c);
#endif

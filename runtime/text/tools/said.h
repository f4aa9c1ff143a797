/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TOOLS_SAID_H
#define LM_TOOLS_SAID_H
/**
 * What a model said, taken apart: reasoning, content and calls of tools, in the order they came.
 *
 * Text is appended as it comes; who writes it out takes it away (lm_bytes_clear() of a part's text) and the part stays.
 * All-zero is empty. A failed allocation is sticky: failed.
 *
 * Owns     everything, until lm_said_fini()
 * Thread   [any], one at a time
 */
#include "runtime/base/buf.h"

enum lm_said_kind { LM_SAID_CONTENT, LM_SAID_REASONING, LM_SAID_CALL };

struct lm_said_part {
    enum lm_said_kind kind;
    bool told;             /* the reader's: its beginning is written */
    size_t n_told;         /* the reader's: bytes of text that are written */
    size_t n_call;         /* calls before it */
    struct lm_bytes name;  /* of a call */
    struct lm_bytes id;    /* of a call: as the model gave it, or empty */
    struct lm_bytes text;  /* of a call: its arguments, JSON unless the model erred */
};

struct lm_said {
    struct lm_said_part *part;
    size_t n, cap, n_call;
    bool failed;
};

void lm_said_fini(struct lm_said *s);
/** Append content or reasoning. */
void lm_said_text(struct lm_said *s, enum lm_said_kind kind, const char *text, size_t n);
/** A new part, empty as yet. */
void lm_said_open(struct lm_said *s, enum lm_said_kind kind);
/** A call begins. */
void lm_said_call(struct lm_said *s, const char *name, size_t n, const char *id, size_t n_id);
/** Append to the arguments of the call that came last. */
void lm_said_args(struct lm_said *s, const char *text, size_t n);
/** The part that came last is of this kind. */
bool lm_said_ends_in(const struct lm_said *s, enum lm_said_kind kind);
#endif

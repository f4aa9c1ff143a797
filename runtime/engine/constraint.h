/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_CONSTRAINT_H
#define LM_ENGINE_CONSTRAINT_H
/**
 * Structured output in the engine: requests that bring a program (runtime/text/grammar) may only be answered by its texts.
 *
 * The front compiles and sends the program with the request; the vocabulary's bytes it sends once (LM_MSG_VOCAB). Requests with
 * the same program share its masks. Programs that no request has stay, the longest unused go first beyond
 * LM_CONSTRAINT_BYTES.
 *
 * Thread   [engine]
 */
#include "runtime/engine/protocol.h"
#include "runtime/text/grammar/mask.h"

#define LM_CONSTRAINT_BYTES ((size_t)192 << 20) /* of programs and masks that are kept */
#define LM_CONSTRAINT_MASK_BYTES ((size_t)64 << 20) /* of one program's masks */

struct lm_constraints;

/** Owns *out until lm_constraints_destroy(): no constraint may be open then. LM_ENOMEM. */
int lm_constraints_create(uint32_t n_vocab, struct lm_constraints **out, struct lm_err *err);
void lm_constraints_destroy(struct lm_constraints *all);

/** Take LM_MSG_VOCAB's payload. A second one is ignored. LM_EFORMAT it is not of this vocabulary, LM_ENOMEM. */
int lm_constraints_vocab(struct lm_constraints *all, const void *payload, size_t bytes, struct lm_err *err);

/** One text's place in its program. */
struct lm_constraint {
    struct lm_constraint_program *program;
    struct lm_constraint *prev, *next; /* of the program */
    struct lm_matcher matcher;
    uint32_t *mask; /* [ceil(n_vocab / 32)] of the next token */
};

enum lm_constraint_state { LM_CONSTRAINT_GOES_ON, LM_CONSTRAINT_IS_WHOLE, LM_CONSTRAINT_IS_STUCK };

/**
 * Begin a text; its first mask is made.
 *
 * Errors   LM_EFORMAT the program is damaged; LM_EINVAL there is no vocabulary; LM_ENOMEM
 */
int lm_constraint_open(struct lm_constraints *all, const void *program, size_t bytes, struct lm_constraint **out, struct lm_err *err);
void lm_constraint_close(struct lm_constraint *c);

/**
 * Take a token in and make the next mask. IS_WHOLE: the text ended, or nothing but its end may come.
 * IS_STUCK: nothing may come, or the token might not have.
 */
enum lm_constraint_state lm_constraint_push(struct lm_constraint *c, int32_t token);
#endif

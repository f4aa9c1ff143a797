/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_PLAIN_H
#define LM_OPENAI_PLAIN_H
/**
 * What users, tools and documents write of control tokens is text: a "<|im_end|>" in a message ends nothing.
 *
 * Before a chat is rendered a sign is put in front of each control token that its strings spell; the template carries the
 * sign to where the text goes. Afterwards the signs are taken out, and where they stood no control token begins
 * (lm_tokenizer_encode_plain()). The sign is a noncharacter of Unicode that the chat does not have. A chat that spells no
 * control token is rendered as it is.
 *
 * Left as they are: system and developer messages, which are the application's own words, and in an assistant's message
 * the tokens that its calls and its reasoning consist of.
 *
 * Thread   [worker]
 */
#include "api/error.h"
#include "api/text.h"

#define LM_PLAIN_SIGN 3 /* bytes */

/**
 * Put signs into what a template is given: *messages, and tools and documents of vars, each replaced where that is needed.
 *
 * sign     gets the sign, or "" where there is none
 * Errors   fills e: all signs occur in the chat
 */
int lm_plain_mark(const struct lm_model_text *t, json_t **messages, json_t *vars, char sign[LM_PLAIN_SIGN + 1], struct lm_api_error *e);

/** Take the signs out of a rendered text; *out gets their offsets, in memory of a. LM_ENOMEM. */
int lm_plain_take(struct lm_bytes *text, const char *sign, struct lm_arena *a, struct lm_plain *out);
#endif

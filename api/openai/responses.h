/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_RESPONSES_H
#define LM_OPENAI_RESPONSES_H
/**
 * OpenAI's Responses API: a request becomes a chat, its answer a list of items. Responses are kept (store.h) unless store is
 * false; with background they run on without a client until they are done or cancelled.
 *
 * Thread   [loop], but where it says otherwise
 * Source   OpenAI API reference (responses, streaming events)
 */
#include "api/openai/gen.h"
#include "api/openai/store.h"

void lm_openai_responses(struct lm_call *call);
void lm_openai_response_input_tokens(struct lm_call *call);
void lm_openai_response(struct lm_call *call);        /* GET one */
void lm_openai_response_delete(struct lm_call *call);
void lm_openai_response_cancel(struct lm_call *call); /* POST …/cancel */

/** Of a request, in g->dialect_data. */
struct lm_response {
    bool store, background, cancelled;
    char *echo;            /* of g->mem: what the response repeats of the request, as JSON members */
    char *messages;        /* malloc: the conversation before the answer, a JSON array */
    unsigned n_event;
    struct lm_gen *next;   /* of those that run in the background */
};

/** [worker] Turn g->json into the body of a chat, and make g->dialect_data; fills error. */
int lm_responses_convert(struct lm_gen *g);
#endif

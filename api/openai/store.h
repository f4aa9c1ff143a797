/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_STORE_H
#define LM_OPENAI_STORE_H
/**
 * Responses that are kept for GET and previous_response_id: the newest, within LM_STORE_MAX of them and LM_STORE_BYTES.
 *
 * Thread   [any]
 */
#include "runtime/base/buf.h"
#include <stdbool.h>

#define LM_STORE_MAX 1024
#define LM_STORE_BYTES (64u << 20)

struct lm_store;

struct lm_store *lm_store_create(void); /* NULL: no memory */
void lm_store_destroy(struct lm_store *s); /* takes NULL */
/**
 * Keep a response, in place of an older one of this id; messages: the conversation so far, as a JSON array.
 *
 * Returns  false when it is not kept, nor the older one: it is too large, or memory is short
 */
bool lm_store_put(struct lm_store *s, const char *id, const struct lm_bytes *body, const char *messages);
/** Append what is kept; either may be NULL. False: there is none. */
bool lm_store_get(struct lm_store *s, const char *id, struct lm_bytes *out_body, struct lm_bytes *out_messages);
bool lm_store_drop(struct lm_store *s, const char *id);
#endif

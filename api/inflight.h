/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_INFLIGHT_H
#define LM_API_INFLIGHT_H
/**
 * What a model (served.h) has under way in its engines: sequences, adapters and actions on slots are sent to them, and
 * what they tell reaches who waits for it.
 *
 * Owns     nothing; a sequence or a wait is its owner's, who keeps it until it is out
 * Thread   [loop]
 */
#include "api/served.h"

#define LM_SERVED_NO_SLOT UINT32_MAX /* of the free slots: the list's end */

/** One sequence in the engine; embedded in its owner. */
struct lm_seq {
    uint64_t id; /* 0: not in the engine */
    uint32_t n_prompt;
    uint32_t lora; /* its adapter; 0: none */
    bool runs;     /* it has a token */
    void (*on_token)(struct lm_seq *q, const struct lm_msg_token *token, const struct lm_msg_top *top);
    void (*on_embedding)(struct lm_seq *q, const float *v, uint32_t dim); /* NULL: it asks for none */
    void (*on_finished)(struct lm_seq *q, const struct lm_msg_finished *f); /* q is out of the engine; may be freed */
    void (*on_lost)(struct lm_seq *q); /* the engine is gone, or the server ends: the same */
};

/** An action on one of llama-server's slots, in the caller's memory: done() comes once, with the answer or, the engine gone, LM_EDEVICE. */
struct lm_slot_wait {
    void (*done)(struct lm_slot_wait *w, const struct lm_msg_slot_done *m);
    uint32_t tag;
    struct lm_slot_wait *next;
};

/** Of every engine of a model; arg is its struct lm_served_engine. */
extern const struct lm_supervisor_events lm_served_events;

/** It is there. */
bool lm_served_engine_up(const struct lm_served_engine *e);
/** Send a message to all engines that serve. */
void lm_served_send(struct lm_served *m, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part);
/** There is room for n_seq more sequences with n_tok prompt tokens together. */
bool lm_served_has_room(const struct lm_served *m, size_t n_seq, size_t n_tok);

/**
 * Submit a sequence: part[0] is h, whose id is set here, then its arrays. Only while it serves.
 *
 * Errors   LM_ENOMEM
 */
int lm_served_submit(struct lm_served *m, struct lm_seq *q, struct lm_msg_submit *h, const char *salt, struct lm_msg_part *part,
                     size_t n_part);
/** Take a sequence out; nothing of it is heard again. Nothing happens when it is out already. */
void lm_served_cancel(struct lm_served *m, struct lm_seq *q);
/** Take every sequence out by on_lost. */
void lm_served_lose_all(struct lm_served *m);

/** Only while it serves, and has one engine. */
void lm_served_slot(struct lm_served *m, struct lm_slot_wait *w, enum lm_slot_action action, uint32_t slot, const char *path);
/** Who waits for an action on a slot is told that the engine is gone. */
void lm_served_lose_waits(struct lm_served *m);

/**
 * Load an adapter; one that has its name is unloaded then. done() is called later. Only while it serves.
 *
 * Errors   LM_ENOMEM, without a call of done()
 */
int lm_served_load_adapter(struct lm_served *m, const char *name, const char *path,
                           void (*done)(void *arg, const struct lm_err *err), void *arg);
void lm_served_unload_adapter(struct lm_served *m, struct lm_adapter_entry *e);
/** Append the names of adapters that sequences have, separated by commas: of those that run, or of those that wait. */
void lm_served_lora_names(const struct lm_served *m, bool runs, struct lm_bytes *out);
#endif

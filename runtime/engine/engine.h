/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_ENGINE_H
#define LM_ENGINE_ENGINE_H
/**
 * The engine in one process: requests in, events out, one step of the device at a time, or of a pipeline's stages as many as
 * max_flight, of different requests each.
 *
 * lm_engine_step() waits for the oldest step that runs, schedules and launches the next one, and tells the events of the
 * first while others run. Where more may run and requests are in none, it launches these and does not wait.
 *
 * Thread   [engine] for everything
 */
#include <llmserve/backend.h>
#include "conf/speculative.h"
#include "runtime/engine/protocol.h"
#include "runtime/model/model.h"

struct lm_engine;

struct lm_engine_desc {
    const struct lm_backend *be;
    struct lm_dev *dev;
    struct lm_plan_desc plan; /* max_seq <= max_tok; max_out as lm_engine_max_out() says */
    bool embeds;              /* hidden_act is what an embedding is made of: [n_out][dim] after the last norm */
    uint32_t hidden_act;
    bool encoder;             /* embeddings are all there is; rows may see later ones */
    bool prefix_cache;
    uint8_t model_id[32];         /* what keys and values depend on: files of slots are of one */
    const struct lm_model *model; /* whose slots adapters go into; NULL: there are none */
    uint32_t max_lora;            /* different adapters of one step */
    struct lm_conf_speculative speculative;
    uint64_t kv_host_bytes; /* of KV blocks that the device's pool gave up; 0: they are lost */
    const char *kv_file;    /* of them, too, which outlives the engine; NULL or "": none */
    uint64_t kv_file_bytes;
    bool always_restore;    /* of them what comes back, whether it pays or not (tests) */
    bool always_draft; /* whether it pays or not (tests) */
    uint64_t step_timeout_us;
    uint32_t max_flight;      /* steps that the backend takes before the first is waited for; 0: 1 */
};

/** Rows of a step that may need logits: one a sequence, drafts where they can pay, and some of prompts; of an encoder's all. */
uint32_t lm_engine_max_out(const struct lm_plan_desc *plan, const struct lm_conf_speculative *speculative);

/** What is told: every token of a request, then its end. What the pointers point to lives during the call. */
struct lm_engine_events {
    void (*token)(void *arg, const struct lm_msg_token *token, const struct lm_msg_top *top);
    void (*finished)(void *arg, const struct lm_msg_finished *finished);
    void *arg;
    void (*embedding)(void *arg, uint64_t id, const float *v, uint32_t dim); /* NULL: nobody asks */
};

/**
 * Prepare the plan on the device, with its KV pool, and everything that steps need.
 *
 * Owns     *out is the caller's until lm_engine_destroy(); desc's device and graph must outlive it
 * Errors   the backend's prepare(); LM_ENOMEM
 */
int lm_engine_create(const struct lm_engine_desc *desc, struct lm_engine **out, struct lm_err *err);
/** Waits for a running step at most its timeout. */
void lm_engine_destroy(struct lm_engine *e);

/**
 * Queue a request. Nothing of `in` is kept.
 *
 * Errors   LM_EINVAL something in it is out of range or does not fit; LM_EBUSY too many requests; LM_ENOTFOUND its adapter; LM_ENOMEM
 */
int lm_engine_submit(struct lm_engine *e, const struct lm_msg_submit_view *in, struct lm_err *err);

/** End a request: finished(LM_FINISH_ABORT) follows in lm_engine_step(). Unknown ids are ignored: it was finished before. */
void lm_engine_cancel(struct lm_engine *e, uint64_t id);

/** Take LM_MSG_VOCAB's payload, which requests with a grammar need. LM_EFORMAT, LM_ENOMEM. */
int lm_engine_vocab(struct lm_engine *e, const void *payload, size_t bytes, struct lm_err *err);

/** Load an adapter under an id of the caller's, or unload it once no request has it.  Errors as in lora.h */
int lm_engine_load_lora(struct lm_engine *e, uint32_t id, const char *path, size_t *out_bytes, struct lm_err *err);
void lm_engine_unload_lora(struct lm_engine *e, uint32_t id);

/**
 * Save, restore or erase a slot (slot.h).
 *
 * Returns  negative: the device is of no more use. Else out has what came of it, and the code and message of what could not be done
 */
int lm_engine_slot(struct lm_engine *e, const struct lm_msg_slot *ask, const char *path, struct lm_msg_slot_done *out, struct lm_err *err);

/** Forget the prefix cache. */
void lm_engine_forget(struct lm_engine *e);

/**
 * Free all that it has for serving, but the weights: of a backend that can, they go to host memory, else they stay where they are.
 * Adapters are unloaded, the prefix cache is forgotten, and it counts from zero. Requests are refused until it wakes. Only while it is not busy.
 *
 * Errors   of suspend(), resume() and prepare(), LM_ENOMEM: the engine can only be destroyed
 */
int lm_engine_sleep(struct lm_engine *e, struct lm_err *err);
int lm_engine_wake(struct lm_engine *e, struct lm_err *err);

/** True while lm_engine_step() has something to do. */
bool lm_engine_is_busy(const struct lm_engine *e);

/**
 * Go on by one step.
 *
 * Errors   any: the device is of no more use (LM_EDEVICE, LM_ETIMEOUT, …) and the engine can only be destroyed
 */
int lm_engine_step(struct lm_engine *e, const struct lm_engine_events *events, struct lm_err *err);

/** "", or what became of the file of KV blocks, for the log. Borrowed. */
const char *lm_engine_note(const struct lm_engine *e);

/** Wait until that file has what it is to have (tests). */
void lm_engine_flush(struct lm_engine *e);

struct lm_msg_stats lm_engine_stats(const struct lm_engine *e);

/** True when queues and blocks agree (tests). */
bool lm_engine_check(const struct lm_engine *e);
#endif

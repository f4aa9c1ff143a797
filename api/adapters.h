/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_ADAPTERS_H
#define LM_API_ADAPTERS_H
/**
 * The LoRA adapters of one model by name: those of lora-modules, and those that were loaded while it runs.
 *
 * The front keeps the list, each engine loads it anew. An id is never used again, so that a request that was on its way
 * when its adapter was unloaded is refused by the engine and not answered by another one.
 *
 * Thread   [loop], but where it says otherwise
 */
#include "runtime/engine/protocol.h"
#include <pthread.h>

struct lm_adapter_entry {
    uint32_t id;
    char *name, *path;
    bool module; /* of lora-modules */
    bool listed; /* requests may name it: of lora-modules, or the engines that were there have loaded it */
    bool loaded; /* by some engine, once */
    uint64_t has;    /* a bit for each engine that has it */
    uint32_t n_open; /* engines that have not answered, while done is there */
    void (*done)(void *arg, const struct lm_err *err); /* called once: it was loaded, or err says why not; NULL: nobody asks */
    void *arg;
};

struct lm_adapters {
    pthread_mutex_t lock; /* the list changes only under it */
    struct lm_adapter_entry **entry;
    size_t n;
    uint32_t last_id;
};

/** lora_modules: of the knob.  Errors LM_ECONFIG, LM_ENOMEM */
int lm_adapters_init(struct lm_adapters *a, const char *lora_modules, struct lm_err *err);
/** Calls done() of those that are waited for. */
void lm_adapters_fini(struct lm_adapters *a);

/** The id of a listed one; 0: none has this name.  Thread [any] */
uint32_t lm_adapters_find(struct lm_adapters *a, const char *name);
/** A listed one has this id.  Thread [any] */
bool lm_adapters_has(struct lm_adapters *a, uint32_t id);
/** Any of this name, listed or not; NULL. */
struct lm_adapter_entry *lm_adapters_get(const struct lm_adapters *a, const char *name);

/** Not listed yet. NULL: no memory. */
struct lm_adapter_entry *lm_adapters_add(struct lm_adapters *a, const char *name, const char *path);
void lm_adapters_remove(struct lm_adapters *a, struct lm_adapter_entry *e);

/**
 * The answer of an engine, 0 to 63, for an id.
 *
 * Returns  NULL when there is nothing more to do: the id is unknown, others have yet to answer, or who asked for it was told
 *          that it cannot be loaded
 */
struct lm_adapter_entry *lm_adapters_answer(struct lm_adapters *a, const struct lm_msg_lora *m, uint32_t engine);
/** Somebody waits for the answer for an id. */
bool lm_adapters_waits(const struct lm_adapters *a, uint32_t id);
/** A bit for each engine that has an id; 0: none, or there is no such id. */
uint64_t lm_adapters_engines(const struct lm_adapters *a, uint32_t id);
/** An engine is gone: those that are waited for fail, and are forgotten. */
void lm_adapters_lost(struct lm_adapters *a, uint32_t engine);
/** Some of lora-modules that no engine has answered for yet. */
bool lm_adapters_unsure(const struct lm_adapters *a);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_LORA_H
#define LM_ENGINE_LORA_H
/**
 * The adapters that are loaded: by the front's ids, each in a slot of the model, of all its parts where a group of devices has it.
 *
 * A request holds its adapter from submit to its end. An adapter that is unloaded takes no new request, and goes when the
 * last one that has it ends. A key tells what was loaded apart, also in the same slot: the prefix cache goes by it.
 *
 * Thread   [engine]
 */
#include "runtime/model/model.h"

struct lm_loras;

/** model may be NULL, or have no slots: then nothing can be loaded. All outlive *out.  Errors LM_ENOMEM */
int lm_loras_create(const struct lm_model *model, const struct lm_backend *be, struct lm_dev *dev, struct lm_loras **out, struct lm_err *err);
/** Unloads all. After the plan's end. Takes NULL. */
void lm_loras_destroy(struct lm_loras *l);

uint32_t lm_loras_n_slot(const struct lm_loras *l);

/**
 * Errors   LM_EINVAL id 0 or in use; LM_EUNSUPPORTED there are no slots; LM_ELIMIT all are taken; of lm_lora_load()
 */
int lm_loras_load(struct lm_loras *l, uint32_t id, const char *path, size_t *out_bytes, struct lm_err *err);
/** No request has one: all go. */
void lm_loras_unload_all(struct lm_loras *l);
/** Nothing happens for an id that is unknown. */
void lm_loras_unload(struct lm_loras *l, uint32_t id);

/**
 * The slot and key of an id, for one request more; id 0: -1 and key 0.
 *
 * Errors   LM_ENOTFOUND
 */
int lm_loras_hold(struct lm_loras *l, uint32_t id, int32_t *out_slot, uint32_t *out_key, struct lm_err *err);
void lm_loras_release(struct lm_loras *l, int32_t slot); /* -1: does nothing */
#endif

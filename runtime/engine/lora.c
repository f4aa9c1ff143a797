/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/lora.h"
#include "runtime/model/lora/lora.h"
#include "runtime/parallel/group.h"

#include <assert.h>
#include <stdlib.h>

struct slot {
    uint32_t id; /* 0: empty */
    uint32_t key, n_user;
    bool leaving;
};

struct lm_loras {
    const struct lm_model *model;
    const struct lm_backend *be;
    struct lm_dev *dev;
    uint32_t n_slot, n_loaded;
    struct slot slot[];
};

int lm_loras_create(const struct lm_model *model, const struct lm_backend *be, struct lm_dev *dev, struct lm_loras **out, struct lm_err *err)
{
    uint32_t n = model ? model->graph.n_lora : 0;
    struct lm_loras *l = calloc(1, sizeof *l + n * sizeof *l->slot);
    if (!l)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    l->model = model;
    l->be = be;
    l->dev = dev;
    l->n_slot = n;
    *out = l;
    return 0;
}

static bool is_group(const struct lm_loras *l)
{
    return l->be == &lm_group_backend;
}

static int fill(struct lm_loras *l, uint32_t i, const char *path, size_t *out_bytes, struct lm_err *err)
{
    return is_group(l) ? lm_group_load_lora(l->dev, i, path, out_bytes, err) :
                         lm_lora_load(l->model, l->be, l->dev, i, path, out_bytes, err);
}

static void empty(struct lm_loras *l, uint32_t i)
{
    if (is_group(l))
        lm_group_unload_lora(l->dev, i);
    else
        lm_lora_unload(l->model, l->be, l->dev, i);
    l->slot[i] = (struct slot){0};
}

void lm_loras_destroy(struct lm_loras *l)
{
    for (uint32_t i = 0; l && i < l->n_slot; i++)
        if (l->slot[i].id)
            empty(l, i);
    free(l);
}

uint32_t lm_loras_n_slot(const struct lm_loras *l)
{
    return l->n_slot;
}

/* The slot of an id that takes requests; of id 0 an empty one. n_slot: none. */
static uint32_t find(const struct lm_loras *l, uint32_t id)
{
    uint32_t i = 0;
    while (i < l->n_slot && (l->slot[i].id != id || l->slot[i].leaving))
        i++;
    return i;
}

int lm_loras_load(struct lm_loras *l, uint32_t id, const char *path, size_t *out_bytes, struct lm_err *err)
{
    uint32_t i = find(l, 0);
    if (l->n_slot == 0)
        return lm_fail(err, LM_EUNSUPPORTED, "the model was loaded without room for adapters: set enable-lora");
    if (id == 0 || find(l, id) < l->n_slot)
        return lm_fail(err, LM_EINVAL, "adapter id %u is in use", id);
    if (i == l->n_slot)
        return lm_fail(err, LM_ELIMIT, "%u adapters are loaded: unload one, or raise max-cpu-loras", l->n_slot);
    int rc = fill(l, i, path, out_bytes, err);
    if (!rc)
        l->slot[i] = (struct slot){.id = id, .key = ++l->n_loaded};
    return rc;
}

void lm_loras_unload(struct lm_loras *l, uint32_t id)
{
    uint32_t i = id ? find(l, id) : l->n_slot;
    if (i == l->n_slot)
        return;
    l->slot[i].leaving = true;
    if (l->slot[i].n_user == 0)
        empty(l, i);
}

void lm_loras_unload_all(struct lm_loras *l)
{
    for (uint32_t i = 0; i < l->n_slot; i++)
        lm_loras_unload(l, l->slot[i].id);
}

int lm_loras_hold(struct lm_loras *l, uint32_t id, int32_t *out_slot, uint32_t *out_key, struct lm_err *err)
{
    uint32_t i = id ? find(l, id) : 0;
    if (id && i == l->n_slot)
        return lm_fail(err, LM_ENOTFOUND, "the LoRA adapter is not loaded");
    *out_slot = id ? (int32_t)i : -1;
    *out_key = id ? l->slot[i].key : 0;
    if (id)
        l->slot[i].n_user++;
    return 0;
}

void lm_loras_release(struct lm_loras *l, int32_t slot)
{
    if (slot < 0)
        return;
    assert(l->slot[slot].n_user > 0);
    if (--l->slot[slot].n_user == 0 && l->slot[slot].leaving)
        empty(l, (uint32_t)slot);
}

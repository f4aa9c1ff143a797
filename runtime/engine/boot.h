/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_BOOT_H
#define LM_ENGINE_BOOT_H
/**
 * From the knobs of one model to everything that an engine stands on: plugin, device, model on the device, and
 * the size of its KV cache.
 *
 * Thread   [engine]
 */
#include "conf/conf.h"
#include "runtime/engine/engine.h"
#include "runtime/model/model.h"
#include "runtime/parallel/group.h"

enum { LM_BOOT_DEVICES = 64 };

struct lm_boot {
    const struct lm_backend *be; /* the plugin, or the group of its devices */
    struct lm_dev *dev;
    struct lm_gguf *gguf;
    const struct lm_model *model; /* the part with the logits */
    const struct lm_backend *plugin;
    struct lm_group_desc split;   /* of the device and model below, which have lm_group_share()'s n */
    struct lm_dev *device[LM_BOOT_DEVICES];
    struct lm_model *part[LM_BOOT_DEVICES];
    struct lm_model_place experts[LM_BOOT_DEVICES]; /* be NULL: on the devices above */
    struct lm_engine_desc engine; /* for lm_engine_create() */
    struct lm_msg_hello hello;
    uint64_t weight_bytes; /* of all processes */
    struct lm_err warning; /* code 0: none; for the caller's log */
};

/**
 * Meet the other processes that the model's nodes ask for: all of them call it.
 *
 * lost     as in link.h
 * Owns     *out is the caller's until its close(); NULL: the model has no nodes
 * Errors   LM_ECONFIG the nodes do not fit the split, or mpirun started others than these; of lm_link_open()
 */
int lm_boot_meet(const struct lm_conf *c, size_t model, void (*lost)(void *arg, const struct lm_err *why), struct lm_link **out, struct lm_err *err);

/**
 * Load c->model[model]. progress may be NULL.
 *
 * link     of the processes that `nodes` asks for, which all call this; NULL: there are none. Borrowed until lm_boot_destroy()
 * Owns     *out is the caller's until lm_boot_destroy(), after the engine's end; the file is the one that guard.h guards
 * Errors   LM_ECONFIG a knob; LM_ENOTFOUND, LM_EUNSUPPORTED, LM_EFORMAT plugin, device or model; LM_ENOMEM with needed
 *          and available bytes; LM_EDEVICE
 */
int lm_boot_create(const struct lm_conf *c, size_t model, struct lm_link *link, lm_load_progress progress, void *progress_arg, struct lm_boot **out,
                   struct lm_err *err);
void lm_boot_destroy(struct lm_boot *b);

/** Room on a device whose weights are loaded. */
struct lm_boot_room {
    uint64_t free_bytes, total_bytes;
    uint64_t weight_bytes, scratch_bytes;
    uint64_t block_bytes;   /* one KV block of block_size tokens */
    uint32_t block_size;
    uint32_t n_ctx_train;   /* longest sequence that the model was made for */
    bool is_host;           /* memory is the machine's own, shared with everything else */
    uint32_t n_device;      /* that the model is split over, of which this is one; 0: one */
};

/**
 * How many KV blocks, and how long a sequence may be.
 *
 * Room: kv-cache-memory-bytes when set; else gpu-memory-utilization of the total without what is used already; on a
 * host that share of what is free, at most 4 GiB over all devices; never more than max-num-seqs sequences of max-model-len could use.
 *
 * Errors   LM_ECONFIG max-model-len beyond the model's; LM_ENOMEM a sequence of max-model-len does not fit
 */
int lm_boot_size(const struct lm_conf_model *m, const struct lm_boot_room *room, uint32_t *out_n_block, uint32_t *out_max_len,
                 struct lm_err *err);
#endif

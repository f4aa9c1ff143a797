/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_MODEL_H
#define LM_MODEL_MODEL_H
/**
 * A model file turned into a graph with its weights on a device.
 *
 * lm_model_load() opens the file, asks the family's file (arch/<family>.c) for the graph, streams every
 * weight through the backend's pack(), and drops what it no longer needs.
 */
#include <llmserve/backend.h>
#include "runtime/model/gguf.h"
#include "runtime/model/low_bit.h"

/** What a family's file reads from the metadata. Counts were checked to be sane (non-zero, products fit). */
struct lm_hparams {
    char family[32];
    uint32_t n_layer, dim, n_head, n_kv_head, head_dim, ffn_dim, n_vocab;
    uint32_t n_next;                  /* layers behind the last one that predict further tokens; they are left out */
    uint32_t v_dim;                   /* columns of a value's head; head_dim but where a family says otherwise */
    uint32_t n_expert, n_expert_used; /* 0: none */
    uint32_t n_out;                   /* columns of an embedding: dim, or an encoder's classes */
    bool encoder, classifies;         /* it makes no tokens: its rows see all of their sequence; what they give are scores of classes */
    uint32_t n_ctx_train;
    float norm_eps;
};

/** A device and who drives it. */
struct lm_model_place {
    const struct lm_backend *be;
    struct lm_dev *dev;
};

/** Slots for adapters (lora/lora.h) and their largest rank. */
struct lm_lora_room { uint32_t n_slot, max_rank; };

/**
 * What one of several devices has of a model: of n_stage groups of layers the one at `stage`, and of each of its layers, of the
 * vocabulary's table and of the outputs the share of `rank` among n_rank. Of a mixture of experts it has a share of each expert,
 * or with whole_experts a share of the experts. Activations go from stage to stage; the ranks of a stage join theirs by the
 * graph's collective ops.
 */
struct lm_model_part {
    uint32_t rank, n_rank, stage, n_stage;
    bool whole_experts;
};

/** Those of the n_rank * n_stage parts, stage by stage, that are loaded here: n from `first` on. */
struct lm_model_split {
    uint32_t n_rank, n_stage, first, n;
    bool whole_experts;
    const struct lm_model_place *experts; /* [n] the devices that have the experts; NULL: those that have the rest */
};

struct lm_model {
    struct lm_hparams hp;
    struct lm_graph graph;
    uint32_t logits_act;     /* activation that holds the logits */
    uint32_t hidden_act;     /* what embeddings are pooled from, [n_out][hp.n_out]: after the last norm; of an encoder the logits too */
    uint32_t x_act;          /* the residual stream [n_tok][dim], which goes from stage to stage */
    size_t weight_bytes;     /* on the device */
    struct lm_lora_site *lora_site; /* where adapters go; NULL: the model was loaded without slots */
    struct lm_model_priv *priv;
};

/** Called during the load with bytes done and in total; may be NULL. */
typedef void (*lm_load_progress)(void *arg, uint64_t done, uint64_t total);

/**
 * Read only the hyper-parameters (metadata): cheap, before any weight is touched.
 *
 * Errors   LM_EUNSUPPORTED names the family; LM_EFORMAT a missing or senseless key
 */
int lm_model_hparams(const struct lm_gguf *g, struct lm_hparams *out, struct lm_err *err);

/**
 * low_bit  quantize weights on the way; NULL keeps the file's types
 * max_len  longest sequence that will be served, as some ropes depend on it; 0: the model's own
 * lora     NULL: no adapter will be loaded
 * Errors   as lm_gguf_open() and lm_model_hparams(); LM_EFORMAT a missing tensor or wrong shape (named);
 *          LM_ENOMEM, LM_EDEVICE from the backend; of lm_low_bit_check() and lm_low_bit_rows()
 * Owns     *out is the caller's until lm_model_destroy(), before the device closes; g must outlive it
 * Thread   [engine]
 */
int lm_model_load(const struct lm_gguf *g, const struct lm_low_bit *low_bit, const struct lm_backend *be, struct lm_dev *dev,
                  uint32_t max_len, const struct lm_lora_room *lora, lm_load_progress progress, void *progress_arg, struct lm_model **out, struct lm_err *err);

/**
 * The same of a model that is split over devices: out[stage * n_rank + rank - first] is the part on dev of that index. The
 * file is read once for all of them.
 *
 * Errors   also LM_ECONFIG it cannot be split among so many; LM_EUNSUPPORTED a family that cannot be split by ranks
 */
int lm_model_load_parts(const struct lm_gguf *g, const struct lm_low_bit *low_bit, const struct lm_backend *be, struct lm_dev *const *dev,
                        const struct lm_model_split *split, uint32_t max_len, const struct lm_lora_room *lora, lm_load_progress progress,
                        void *progress_arg, struct lm_model **out, struct lm_err *err);
/** The tensor that a weight of the graph came from: out as lm_gguf_quote() shows it; NULL when w is not the model's. */
const char *lm_model_weight_name(const struct lm_model *m, const struct lm_weight *w, char out[LM_GGUF_QUOTE]);
/** Activations that no op reads or writes take no room any more. */
void lm_graph_drop_unused(struct lm_graph *g);
void lm_model_destroy(struct lm_model *m, const struct lm_backend *be, struct lm_dev *dev);
#endif

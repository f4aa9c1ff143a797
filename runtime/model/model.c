/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/model.h"
#include "runtime/model/family.h"
#include "runtime/model/importance.h"
#include "runtime/model/load.h"
#include "runtime/model/lora/lora.h"
#include <stdlib.h>

struct lm_model_priv {
    struct lm_arena arena; /* of the graph */
    struct lm_pending *pending;
    size_t n_pending;
};

/* Moves what the builder made into the model, also after an error, so that it is released with it. */
static void take_graph(struct lm_model *m, struct lm_build *b)
{
    m->priv->pending = b->pending;
    m->priv->n_pending = b->n_pending;
    b->graph.act = lm_build_alloc(b, sizeof b->act);
    if (b->graph.act)
        memcpy(b->graph.act, b->act, sizeof b->act);
    b->graph.kv_head_dim = b->kv_head_dim;
    b->graph.n_layer = m->hp.n_layer;
    b->graph.n_vocab = m->hp.n_vocab;
    b->graph.n_lora = b->lora.n_slot;
    b->graph.lora_rank = b->lora.max_rank;
    m->lora_site = b->lora_site;
    m->graph = b->graph;
    m->logits_act = b->logits_act;
    m->hidden_act = b->hidden_act;
    for (size_t i = 0; i < b->n_pending; i++)
        m->weight_bytes += b->pending[i].weight->bytes;
}

static int build(struct lm_model *m, const struct lm_gguf *g, const struct lm_low_bit *low_bit, const struct lm_backend *be,
                 struct lm_dev *dev, uint32_t max_len, const struct lm_lora_room *lora, struct lm_err *err)
{
    struct lm_build b = {
        .keys = {.g = g, .family = m->hp.family, .err = err},
        .hp = &m->hp,
        .low_bit = low_bit,
        .be = be,
        .dev = dev,
        .arena = &m->priv->arena,
        .rows = LM_ROWS_TOK,
        .max_len = max_len ? max_len : m->hp.n_ctx_train,
    };
    if (lora && lora->n_slot)
        b.lora = *lora;
    b.used = lm_build_alloc(&b, lm_gguf_n_tensors(g) * sizeof *b.used);
    b.qtype_seen = lm_build_alloc(&b, lm_gguf_n_tensors(g) * sizeof *b.qtype_seen);
    b.kv_head_dim = lm_build_alloc(&b, m->hp.n_layer * sizeof *b.kv_head_dim);
    if (!b.keys.rc)
        lm_family_get(m->hp.family)->build(&b);
    lm_build_finish(&b);
    take_graph(m, &b);
    return b.keys.rc;
}

int lm_model_load(const struct lm_gguf *g, const struct lm_low_bit *low_bit, const struct lm_backend *be, struct lm_dev *dev,
                  uint32_t max_len, const struct lm_lora_room *lora, lm_load_progress progress, void *progress_arg, struct lm_model **out, struct lm_err *err)
{
    struct lm_hparams hp;
    bool lossy;
    int rc = lm_model_hparams(g, &hp, err);
    if (!rc && low_bit)
        rc = lm_low_bit_check(low_bit, g, &lossy, err);
    if (rc)
        return rc;
    struct lm_importance guess = {0};
    struct lm_low_bit with_guess;
    struct lm_model *m = calloc(1, sizeof *m);
    if (m) {
        m->hp = hp;
        m->priv = calloc(1, sizeof *m->priv);
    }
    if (!m || !m->priv) {
        rc = lm_fail(err, LM_ENOMEM, "no memory for a model");
        goto out;
    }
    rc = low_bit ? lm_low_bit_guess(low_bit, g, &with_guess, &guess, err) : 0;
    if (rc == 0)
        rc = build(m, g, low_bit ? &with_guess : NULL, be, dev, max_len, lora, err);
    if (rc == 0)
        rc = lm_gguf_whole(g, err);
    if (rc == 0)
        rc = lm_load_weights(g, low_bit ? &with_guess : NULL, be, dev, m->priv->pending, m->priv->n_pending, progress, progress_arg, err);
    if (rc == 0)
        *out = m;
out:
    lm_importance_fini(&guess);
    if (rc)
        lm_model_destroy(m, be, dev);
    return rc;
}

const char *lm_model_weight_name(const struct lm_model *m, const struct lm_weight *w, char out[LM_GGUF_QUOTE])
{
    for (size_t i = 0; i < m->priv->n_pending; i++)
        if (m->priv->pending[i].weight == w)
            return lm_gguf_quote(m->priv->pending[i].tensor->name, out);
    return NULL;
}

void lm_model_destroy(struct lm_model *m, const struct lm_backend *be, struct lm_dev *dev)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->graph.n_lora; i++)
        lm_lora_unload(m, be, dev, i);
    for (size_t i = 0; m->priv && i < m->priv->n_pending; i++)
        be->weight_destroy(dev, m->priv->pending[i].weight);
    if (m->priv) {
        free(m->priv->pending);
        lm_arena_fini(&m->priv->arena);
    }
    free(m->priv);
    free(m);
}

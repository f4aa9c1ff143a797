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

void lm_graph_drop_unused(struct lm_graph *g)
{
    for (uint32_t a = 0; a < g->n_act; a++) {
        bool used = false;
        for (uint32_t i = 0; i < g->n_op && !used; i++)
            used = g->op[i].x == a || g->op[i].x2 == a || g->op[i].y == a;
        g->act[a].dim = used ? g->act[a].dim : 1;
    }
}

/* Moves what the builder made into the model, also after an error, so that it is released with it. */
static void take_graph(struct lm_model *m, struct lm_build *b)
{
    m->priv->pending = b->pending;
    m->priv->n_pending = b->n_pending;
    b->graph.act = lm_build_alloc(b, sizeof b->act);
    if (b->graph.act)
        memcpy(b->graph.act, b->act, sizeof b->act);
    b->graph.kv_head_dim = b->kv_head_dim;
    b->graph.n_layer = b->layers.n;
    b->graph.n_vocab = m->hp.encoder ? m->hp.n_out : m->hp.n_vocab;
    if (m->hp.encoder)
        b->graph.n_token = m->hp.n_vocab;
    b->graph.n_lora = b->lora.n_slot;
    b->graph.lora_rank = b->lora.max_rank;
    m->lora_site = b->lora_site;
    m->graph = b->graph;
    m->logits_act = b->logits_act;
    m->hidden_act = b->hidden_act;
    m->x_act = b->x_act;
    if (!b->keys.rc && b->part.n_stage > 1)
        lm_graph_drop_unused(&m->graph);
    for (size_t i = 0; i < b->n_pending; i++)
        m->weight_bytes += b->pending[i].weight->bytes;
}

/* What all parts are made from. */
struct source {
    const struct lm_gguf *g;
    const struct lm_low_bit *low_bit;
    const struct lm_backend *be;
    uint32_t max_len;
    const struct lm_lora_room *lora;
};

static int build(struct lm_model *m, const struct source *s, struct lm_dev *dev, const struct lm_model_place *experts, struct lm_model_part part,
                 struct lm_err *err)
{
    const uint32_t first = m->hp.n_layer * part.stage / part.n_stage, end = m->hp.n_layer * (part.stage + 1) / part.n_stage;
    struct lm_build b = {
        .keys = {.g = s->g, .family = m->hp.family, .err = err},
        .hp = &m->hp,
        .low_bit = s->low_bit,
        .at = {s->be, dev},
        .arena = &m->priv->arena,
        .rows = LM_ROWS_TOK,
        .max_len = s->max_len ? s->max_len : m->hp.n_ctx_train,
        .part = part,
        .layers = {first, end - first},
    };
    b.experts = experts ? *experts : b.at;
    if (s->lora && s->lora->n_slot)
        b.lora = *s->lora;
    b.used = lm_build_alloc(&b, lm_gguf_n_tensors(s->g) * sizeof *b.used);
    b.qtype_seen = lm_build_alloc(&b, lm_gguf_n_tensors(s->g) * sizeof *b.qtype_seen);
    b.kv_head_dim = lm_build_alloc(&b, m->hp.n_layer * sizeof *b.kv_head_dim);
    if (!b.keys.rc && part.n_stage > m->hp.n_layer)
        b.keys.rc = lm_fail(err, LM_ECONFIG, "pipeline-parallel-size %u: the model has %u layers", part.n_stage, m->hp.n_layer);
    if (!b.keys.rc)
        lm_family_get(m->hp.family)->build(&b);
    lm_build_finish(&b);
    take_graph(m, &b);
    return lm_keys_place(s->g, b.keys.rc, err);
}

static int new_model(const struct lm_hparams *hp, struct lm_model **out, struct lm_err *err)
{
    struct lm_model *m = calloc(1, sizeof *m);
    struct lm_model_priv *priv = calloc(1, sizeof *priv);
    if (!m || !priv) {
        free(m);
        free(priv);
        return lm_fail(err, LM_ENOMEM, "no memory for a model");
    }
    m->hp = *hp;
    m->priv = priv;
    *out = m;
    return 0;
}

/* The weights of all parts in one list. */
static int fill(const struct source *s, struct lm_model *const *m, size_t n_part, lm_load_progress progress, void *progress_arg, struct lm_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < n_part; i++)
        n += m[i]->priv->n_pending;
    struct lm_pending *all = malloc((n + 1) * sizeof *all);
    if (!all)
        return lm_fail(err, LM_ENOMEM, "no memory for %zu weights", n);
    n = 0;
    for (size_t i = 0; i < n_part; i++) {
        memcpy(all + n, m[i]->priv->pending, m[i]->priv->n_pending * sizeof *all);
        n += m[i]->priv->n_pending;
    }
    int rc = lm_load_weights(s->g, s->low_bit, all, n, progress, progress_arg, err);
    free(all);
    return rc;
}

static int load(struct source *s, struct lm_dev *const *dev, const struct lm_model_split *split, lm_load_progress progress, void *progress_arg,
                struct lm_model **m, struct lm_err *err)
{
    struct lm_hparams hp;
    struct lm_importance guess = {0};
    struct lm_low_bit with_guess;
    bool lossy;
    int rc = lm_model_hparams(s->g, &hp, err);
    if (!rc && s->low_bit)
        rc = lm_low_bit_check(s->low_bit, s->g, &lossy, err);
    if (!rc && s->low_bit) {
        rc = lm_low_bit_guess(s->low_bit, s->g, &with_guess, &guess, err);
        s->low_bit = &with_guess;
    }
    for (uint32_t i = 0; i < split->n && !rc; i++) {
        const uint32_t part = split->first + i;
        rc = new_model(&hp, &m[i], err);
        if (!rc)
            rc = build(m[i], s, dev[i], split->experts ? &split->experts[i] : NULL,
                       (struct lm_model_part){part % split->n_rank, split->n_rank, part / split->n_rank, split->n_stage, split->whole_experts}, err);
    }
    if (!rc)
        rc = lm_gguf_whole(s->g, err);
    if (!rc)
        rc = fill(s, m, split->n, progress, progress_arg, err);
    lm_importance_fini(&guess);
    return rc;
}

int lm_model_load_parts(const struct lm_gguf *g, const struct lm_low_bit *low_bit, const struct lm_backend *be, struct lm_dev *const *dev,
                        const struct lm_model_split *split, uint32_t max_len, const struct lm_lora_room *lora, lm_load_progress progress,
                        void *progress_arg, struct lm_model **out, struct lm_err *err)
{
    struct source s = {g, low_bit, be, max_len, lora};
    const size_t n = split->n;
    struct lm_model **m = calloc(n, sizeof *m);
    int rc = m ? load(&s, dev, split, progress, progress_arg, m, err) : lm_fail(err, LM_ENOMEM, "no memory for %zu parts", n);
    for (size_t i = 0; m && i < n; i++)
        if (rc)
            lm_model_destroy(m[i], be, dev[i]);
        else
            out[i] = m[i];
    free(m);
    return rc;
}

int lm_model_load(const struct lm_gguf *g, const struct lm_low_bit *low_bit, const struct lm_backend *be, struct lm_dev *dev,
                  uint32_t max_len, const struct lm_lora_room *lora, lm_load_progress progress, void *progress_arg, struct lm_model **out, struct lm_err *err)
{
    struct source s = {g, low_bit, be, max_len, lora};
    struct lm_model *m = NULL;
    int rc = load(&s, &dev, &(struct lm_model_split){.n_rank = 1, .n_stage = 1, .n = 1}, progress, progress_arg, &m, err);
    if (rc)
        lm_model_destroy(m, be, dev);
    else
        *out = m;
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
        m->priv->pending[i].at.be->weight_destroy(m->priv->pending[i].at.dev, m->priv->pending[i].weight);
    if (m->priv) {
        free(m->priv->pending);
        lm_arena_fini(&m->priv->arena);
    }
    free(m->priv);
    free(m);
}

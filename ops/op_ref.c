/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/op_ref.h"
#include "ops/act_mul.h"
#include "ops/elementwise.h"
#include "ops/embed.h"
#include "ops/gather.h"
#include "ops/layernorm.h"
#include "ops/matmul.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"
#include "ops/sample.h"

#include <stdlib.h>

static const float *weight(const struct lm_ref *ref, const struct lm_weight *w)
{
    return w ? ref->weight(ref->weight_arg, w) : NULL;
}

static void run_sample(const struct lm_ref *ref, const float *x)
{
    size_t n_vocab = ref->graph->n_vocab;
    void *scratch = malloc(lm_sample_scratch_bytes((uint32_t)n_vocab));
    for (size_t o = 0; o < ref->step->n_out && scratch; o++)
        lm_sample(x + o * n_vocab, (uint32_t)n_vocab, &ref->step->sampling[o], &ref->step->sampled[o], scratch);
    free(scratch);
}

void lm_ref_op(const struct lm_ref *ref, const struct lm_op *op)
{
    const struct lm_graph *g = ref->graph;
    const struct lm_step *step = ref->step;
    const float *x = op->x < g->n_act ? ref->act[op->x] : NULL, *x2 = op->x2 < g->n_act ? ref->act[op->x2] : NULL;
    float *y = op->y < g->n_act ? ref->act[op->y] : NULL;
    const float *w = weight(ref, op->w), *b = weight(ref, op->b);
    const struct lm_act *shape = &g->act[op->y < g->n_act ? op->y : op->x];
    size_t rows = shape->rows == LM_ROWS_TOK ? step->n_tok : step->n_out, dim = shape->dim;
    switch (op->kind) {
    case LM_OP_EMBED: lm_embed_ref(y, w, step->token, rows, dim, op->u.embed.scale); break;
    case LM_OP_RMSNORM:
        lm_rmsnorm_ref(y, x, w, op->w ? (size_t)op->w->rows * op->w->cols : dim, rows, dim, op->u.norm.group,
                       op->u.norm.eps, op->u.norm.w_add);
        break;
    case LM_OP_LAYERNORM: lm_layernorm_ref(y, x, w, b, rows, dim, op->u.norm.eps); break;
    case LM_OP_MATMUL: lm_matmul_ref(y, x, w, b, rows, dim, op->w->cols); break;
    case LM_OP_ROPE: lm_rope_ref(y, op, step->pos, rows); break;
    case LM_OP_KV_STORE: lm_kv_store_ref(&ref->kv[op->u.attn.layer], op, step, x, x2); break;
    case LM_OP_ATTENTION: lm_attention_ref(y, op, &ref->kv[op->u.attn.layer], step, x); break;
    case LM_OP_SILU_MUL: lm_silu_mul_ref(y, x, x2, rows * dim); break;
    case LM_OP_GELU_MUL: lm_gelu_mul_ref(y, x, x2, rows * dim); break;
    case LM_OP_ADD: lm_add_ref(y, x, x2, rows * dim); break;
    case LM_OP_SCALE: lm_scale_ref(y, x, op->u.scale.scale, rows * dim); break;
    case LM_OP_SOFTCAP: lm_softcap_ref(y, x, op->u.softcap.cap, rows * dim); break;
    case LM_OP_LOGITS_GATHER: lm_gather_ref(y, x, step->out_row, rows, dim); break;
    case LM_OP_SAMPLE: run_sample(ref, x); break;
    case LM_OP_KIND_END: break;
    }
}

void lm_ref_run(const struct lm_ref *ref)
{
    for (uint32_t i = 0; i < ref->graph->n_op; i++)
        lm_ref_op(ref, &ref->graph->op[i]);
}

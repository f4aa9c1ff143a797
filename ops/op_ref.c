/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/op_ref.h"
#include "ops/act_mul.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/embed.h"
#include "ops/gather.h"
#include "ops/graph.h"
#include "ops/layernorm.h"
#include "ops/lora.h"
#include "ops/matmul.h"
#include "ops/moe.h"
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

/* The cache as the op sees it: it alone knows how wide values are. */
static struct lm_kv_ref cache(const struct lm_ref *ref, const struct lm_op *op)
{
    struct lm_kv_ref kv = ref->kv[op->u.attn.layer];
    kv.v_dim = (size_t)op->u.attn.n_kv_head * (op->u.attn.v_dim ? op->u.attn.v_dim : op->u.attn.head_dim);
    return kv;
}

static void run_kv_store(const struct lm_ref *ref, const struct lm_op *op)
{
    struct lm_kv_ref kv = cache(ref, op);
    lm_kv_store_ref(&kv, op, ref->step, ref->act[op->x], ref->act[op->x2]);
}

static void run_attention(const struct lm_ref *ref, const struct lm_op *op)
{
    struct lm_kv_ref kv = cache(ref, op);
    lm_attention_ref(ref->act[op->y], op, &kv, ref->step, ref->act[op->x], weight(ref, op->w));
}

/* The ops of a mixture of experts. */
static void run_moe(const struct lm_ref *ref, const struct lm_op *op, size_t rows)
{
    const struct lm_graph *g = ref->graph;
    const float *x = ref->act[op->x], *x2 = op->x2 < g->n_act ? ref->act[op->x2] : NULL;
    float *y = ref->act[op->y];
    if (op->kind == LM_OP_MOE_ROUTE)
        lm_moe_route_ref(y, x, weight(ref, op->b), op, rows, g->act[op->x].dim, g->act[op->y].dim / 2);
    else if (op->kind == LM_OP_MOE_MATMUL)
        lm_moe_matmul_ref(y, x, x2, g, op, rows, ref->weight, ref->weight_arg);
    else
        lm_moe_sum_ref(y, x, x2, rows, g->act[op->x2].dim / 2, g->act[op->y].dim);
}

static void run_lora(const struct lm_ref *ref, const struct lm_op *op, size_t rows)
{
    const struct lm_step *step = ref->step;
    int32_t *slot = step->lora ? malloc(((size_t)step->n_tok + step->n_out + 1) * sizeof *slot) : NULL;
    if (!slot)
        return;
    lm_lora_rows(step, slot, slot + step->n_tok);
    lm_lora_matmul_ref(ref->act[op->y], ref->act[op->x], ref->graph, op, ref->graph->act[op->y].rows == LM_ROWS_TOK ? slot : slot + step->n_tok,
                       rows, ref->weight, ref->weight_arg);
    free(slot);
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
    case LM_OP_EMBED: lm_embed_ref(y, w, op, step, dim); break;
    case LM_OP_RMSNORM:
        lm_rmsnorm_ref(y, x, w, op->w ? (size_t)op->w->rows * op->w->cols : dim, rows, dim, op->u.norm.group,
                       op->u.norm.eps, op->u.norm.w_add);
        break;
    case LM_OP_LAYERNORM: lm_layernorm_ref(y, x, w, b, rows, dim, op->u.norm.group, op->u.norm.eps); break;
    case LM_OP_MATMUL: lm_matmul_ref(y, x, w, b, rows, dim, op->w->cols); break;
    case LM_OP_ROPE: lm_rope_ref(y, op, step->pos, rows); break;
    case LM_OP_KV_STORE: run_kv_store(ref, op); break;
    case LM_OP_ATTENTION: run_attention(ref, op); break;
    case LM_OP_SILU_MUL: lm_silu_mul_ref(y, x, x2, rows * dim); break;
    case LM_OP_GELU_MUL: lm_gelu_mul_ref(y, x, x2, op->u.gelu.erf, rows * dim); break;
    case LM_OP_ADD: lm_add_ref(y, x, x2, rows * dim); break;
    case LM_OP_SCALE: lm_scale_ref(y, x, op->u.scale.scale, rows * dim); break;
    case LM_OP_SOFTCAP: lm_softcap_ref(y, x, op->u.softcap.cap, rows * dim); break;
    case LM_OP_LOGITS_GATHER: lm_gather_ref(y, x, step->out_row, rows, dim); break;
    case LM_OP_SAMPLE: run_sample(ref, x); break;
    case LM_OP_GELU: lm_gelu_ref(y, x, op->u.gelu.erf, rows * dim); break;
    case LM_OP_SWIGLU_CLAMP: lm_swiglu_clamp_ref(y, x, x2, op->u.swiglu.alpha, op->u.swiglu.limit, rows * dim); break;
    case LM_OP_GATE_ROWS: lm_gate_rows_ref(y, x, x2, rows, dim); break;
    case LM_OP_COPY_HEADS: lm_copy_heads_ref(y, x, g, op, rows); break;
    case LM_OP_MOE_ROUTE:
    case LM_OP_MOE_MATMUL:
    case LM_OP_MOE_SUM: run_moe(ref, op, rows); break;
    case LM_OP_LORA_MATMUL: run_lora(ref, op, rows); break;
    case LM_OP_ALLREDUCE:
    case LM_OP_ALLGATHER: /* never in a step's range */
    case LM_OP_KIND_END: break;
    }
}

void lm_ref_run(const struct lm_ref *ref)
{
    for (uint32_t i = ref->step->first_op; i < lm_step_end(ref->graph, ref->step); i++)
        lm_ref_op(ref, &ref->graph->op[i]);
}

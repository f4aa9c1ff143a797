/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/graph.h"
#include "ops/act_mul.h"
#include "ops/attention.h"
#include "ops/check.h"
#include "ops/collect.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/embed.h"
#include "ops/gather.h"
#include "ops/layernorm.h"
#include "ops/lora.h"
#include "ops/matmul.h"
#include "ops/moe.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"
#include "ops/sample.h"

typedef int (*lm_op_check)(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

static const struct {
    const char *name;
    lm_op_check check;
} kinds[LM_OP_KIND_END] = {
    [LM_OP_EMBED] = {"embed", lm_embed_check},
    [LM_OP_RMSNORM] = {"rmsnorm", lm_rmsnorm_check},
    [LM_OP_LAYERNORM] = {"layernorm", lm_layernorm_check},
    [LM_OP_MATMUL] = {"matmul", lm_matmul_check},
    [LM_OP_ROPE] = {"rope", lm_rope_check},
    [LM_OP_KV_STORE] = {"kv_store", lm_kv_store_check},
    [LM_OP_ATTENTION] = {"attention", lm_attention_check},
    [LM_OP_SILU_MUL] = {"silu_mul", lm_act_mul_check},
    [LM_OP_GELU_MUL] = {"gelu_mul", lm_act_mul_check},
    [LM_OP_ADD] = {"add", lm_add_check},
    [LM_OP_SCALE] = {"scale", lm_scale_check},
    [LM_OP_SOFTCAP] = {"softcap", lm_softcap_check},
    [LM_OP_LOGITS_GATHER] = {"logits_gather", lm_gather_check},
    [LM_OP_SAMPLE] = {"sample", lm_sample_check},
    [LM_OP_GELU] = {"gelu", lm_gelu_check},
    [LM_OP_SWIGLU_CLAMP] = {"swiglu_clamp", lm_swiglu_clamp_check},
    [LM_OP_GATE_ROWS] = {"gate_rows", lm_gate_rows_check},
    [LM_OP_COPY_HEADS] = {"copy_heads", lm_copy_heads_check},
    [LM_OP_MOE_ROUTE] = {"moe_route", lm_moe_route_check},
    [LM_OP_MOE_MATMUL] = {"moe_matmul", lm_moe_matmul_check},
    [LM_OP_MOE_SUM] = {"moe_sum", lm_moe_sum_check},
    [LM_OP_LORA_MATMUL] = {"lora_matmul", lm_lora_matmul_check},
    [LM_OP_ALLREDUCE] = {"allreduce", lm_allreduce_check},
    [LM_OP_ALLGATHER] = {"allgather", lm_allgather_check},
};

const char *lm_op_name(enum lm_op_kind kind)
{
    return (unsigned)kind < LM_OP_KIND_END ? kinds[kind].name : "?";
}

/* Heads of each layer's cache must be the same in all ops that touch it: a layer has one layout. */
static int check_layers(const struct lm_graph *g, struct lm_err *err)
{
    for (uint32_t layer = 0; layer < g->n_layer; layer++) {
        const struct lm_op *first = NULL;
        for (uint32_t i = 0; i < g->n_op; i++) {
            const struct lm_op *op = &g->op[i];
            if ((op->kind != LM_OP_KV_STORE && op->kind != LM_OP_ATTENTION) || op->u.attn.layer != layer)
                continue;
            first = first ? first : op;
            if (first->u.attn.head_dim != op->u.attn.head_dim || lm_v_dim(first) != lm_v_dim(op))
                return lm_fail(err, LM_EINVAL, "op %u (%s): heads of %u columns and values of %u, others of layer %u have %u and %u", i,
                               lm_op_name(op->kind), op->u.attn.head_dim, lm_v_dim(op), layer, first->u.attn.head_dim, lm_v_dim(first));
        }
    }
    return 0;
}

int lm_graph_check(const struct lm_graph *g, struct lm_err *err)
{
    for (uint32_t i = 0; i < g->n_act; i++) {
        if (g->act[i].rows != LM_ROWS_TOK && g->act[i].rows != LM_ROWS_OUT)
            return lm_fail(err, LM_EINVAL, "activation %u: rows of kind %d", i, (int)g->act[i].rows);
        if (g->act[i].dim == 0 || g->act[i].dim > INT32_MAX)
            return lm_fail(err, LM_EINVAL, "activation %u: %u columns", i, g->act[i].dim);
    }
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        if ((unsigned)op->kind >= LM_OP_KIND_END)
            return lm_fail(err, LM_EINVAL, "op %u: kind %d", i, (int)op->kind);
        int rc = kinds[op->kind].check(g, op, err);
        if (rc < 0)
            return lm_fail_in(err, rc, "op %u (%s)", i, lm_op_name(op->kind));
    }
    return check_layers(g, err);
}

/* Tables of positions have a row for each. */
static int check_positions(const struct lm_plan_desc *p, struct lm_err *err)
{
    for (uint32_t i = 0; i < p->graph->n_op; i++) {
        const struct lm_op *op = &p->graph->op[i];
        if (op->kind == LM_OP_EMBED && op->u.embed.by == LM_EMBED_POS && op->w->rows < p->max_len)
            return lm_fail(err, LM_EINVAL, "op %u (embed): %u positions for sequences of %u", i, op->w->rows, p->max_len);
    }
    return 0;
}

int lm_plan_check(const struct lm_plan_desc *p, struct lm_err *err)
{
    const uint32_t max_rows = 1u << 24;
    if (p->max_tok == 0 || p->max_tok > max_rows || p->max_seq == 0 || p->max_seq > max_rows || p->max_out > max_rows)
        return lm_fail(err, LM_EINVAL, "a plan for %u tokens, %u sequences, %u outputs", p->max_tok, p->max_seq, p->max_out);
    if (p->max_len == 0 || p->max_len > INT32_MAX)
        return lm_fail(err, LM_EINVAL, "a longest sequence of %u", p->max_len);
    if (p->block_size < 8 || p->block_size > 256 || (p->block_size & (p->block_size - 1)) != 0)
        return lm_fail(err, LM_EINVAL, "a block size of %u, not a power of two in 8 .. 256", p->block_size);
    if ((int)p->kv_dtype < 0 || p->kv_dtype >= LM_KV_END)
        return lm_fail(err, LM_EINVAL, "KV cache of type %d", (int)p->kv_dtype);
    int rc = lm_graph_check(p->graph, err);
    return rc ? rc : check_positions(p, err);
}

static int check_sequence(const struct lm_plan_desc *p, const struct lm_step *step, uint32_t s, struct lm_err *err)
{
    uint32_t r0 = step->seq_row[s], r1 = step->seq_row[s + 1];
    for (uint32_t r = r0; r < r1; r++) {
        if (step->pos[r] < 0 || (uint32_t)step->pos[r] >= p->max_len)
            return lm_fail(err, LM_EINVAL, "row %u: position %d, longest sequence %u", r, step->pos[r], p->max_len);
        if (r > r0 && step->pos[r] != step->pos[r - 1] + 1)
            return lm_fail(err, LM_EINVAL, "row %u: position %d after %d", r, step->pos[r], step->pos[r - 1]);
    }
    uint32_t n = (uint32_t)step->pos[r1 - 1] / p->block_size + 1;
    if (n > step->table_stride)
        return lm_fail(err, LM_EINVAL, "sequence %u: %u blocks in a table of %u", s, n, step->table_stride);
    const uint32_t *table = step->block_table + (size_t)s * step->table_stride;
    for (uint32_t i = 0; i < n; i++)
        if (table[i] >= p->n_block)
            return lm_fail(err, LM_EINVAL, "sequence %u: block %u of %u", s, table[i], p->n_block);
    return 0;
}

static bool samples(const struct lm_graph *g)
{
    for (uint32_t i = g->n_op; i-- > 0;)
        if (g->op[i].kind == LM_OP_SAMPLE)
            return true;
    return false;
}

uint32_t lm_graph_n_type(const struct lm_graph *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_EMBED && g->op[i].u.embed.by == LM_EMBED_TYPE)
            n = n && n < g->op[i].w->rows ? n : g->op[i].w->rows;
    return n;
}

static int check_types(const struct lm_graph *g, const struct lm_step *step, struct lm_err *err)
{
    const uint32_t n = step->type ? lm_graph_n_type(g) : 0;
    for (uint32_t r = 0; n && r < step->n_tok; r++)
        if (step->type[r] < 0 || (uint32_t)step->type[r] >= n)
            return lm_fail(err, LM_EINVAL, "row %u: a token of type %d of %u", r, step->type[r], n);
    return 0;
}

bool lm_graph_is_whole(const struct lm_graph *g)
{
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_ATTENTION && g->op[i].u.attn.whole)
            return true;
    return false;
}

static int check_rows(const struct lm_plan_desc *p, const struct lm_step *step, struct lm_err *err)
{
    bool sampling = samples(p->graph);
    const uint32_t n_token = p->graph->n_token ? p->graph->n_token : p->graph->n_vocab;
    for (uint32_t r = 0; r < step->n_tok; r++)
        if (step->token[r] < 0 || (uint32_t)step->token[r] >= n_token)
            return lm_fail(err, LM_EINVAL, "row %u: token %d of %u", r, step->token[r], n_token);
    for (uint32_t o = 0; o < step->n_out; o++) {
        if (step->out_row[o] >= step->n_tok)
            return lm_fail(err, LM_EINVAL, "output %u: row %u of %u", o, step->out_row[o], step->n_tok);
        int rc = sampling ? lm_sampling_check(&step->sampling[o], p->graph->n_vocab, err) : 0;
        if (rc < 0)
            return lm_fail_in(err, rc, "output %u", o);
    }
    return 0;
}

bool lm_op_is_collective(enum lm_op_kind kind)
{
    return kind == LM_OP_ALLREDUCE || kind == LM_OP_ALLGATHER;
}

uint32_t lm_step_end(const struct lm_graph *g, const struct lm_step *step)
{
    return step->end_op ? step->end_op : g->n_op;
}

/* Ops between which a step may begin and end are collective. */
static int check_range(const struct lm_graph *g, const struct lm_step *step, struct lm_err *err)
{
    const uint32_t first = step->first_op, end = lm_step_end(g, step);
    bool good = first <= end && end <= g->n_op && (first == 0 || lm_op_is_collective(g->op[first - 1].kind)) &&
                (end == g->n_op || lm_op_is_collective(g->op[end].kind));
    for (uint32_t i = first; i < end && good; i++)
        good = step->joined || !lm_op_is_collective(g->op[i].kind);
    return good ? 0 : lm_fail(err, LM_EINVAL, "ops %u to %u of %u are not what lies between collective ops", first, end, g->n_op);
}

int lm_step_check(const struct lm_plan_desc *p, const struct lm_step *step, struct lm_err *err)
{
    if (step->n_tok > p->max_tok || step->n_seq > p->max_seq || step->n_out > p->max_out)
        return lm_fail(err, LM_EINVAL, "%u tokens, %u sequences, %u outputs; the plan takes %u, %u, %u", step->n_tok,
                       step->n_seq, step->n_out, p->max_tok, p->max_seq, p->max_out);
    if (step->seq_row[0] != 0 || step->seq_row[step->n_seq] != step->n_tok)
        return lm_fail(err, LM_EINVAL, "the sequences do not cover the %u rows", step->n_tok);
    for (uint32_t s = 0; s < step->n_seq; s++) {
        if (step->seq_row[s] >= step->seq_row[s + 1] || step->seq_row[s + 1] > step->n_tok)
            return lm_fail(err, LM_EINVAL, "sequence %u has no rows, or more than there are", s);
        int rc = check_sequence(p, step, s, err);
        if (rc < 0)
            return rc;
    }
    int rc = check_range(p->graph, step, err);
    if (rc == 0)
        rc = check_types(p->graph, step, err);
    if (rc == 0)
        rc = lm_lora_step_check(p->graph, step, err);
    return rc < 0 ? rc : check_rows(p, step, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/lora.h"
#include "ops/check.h"

int lm_lora_matmul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_act(g, op->x, "x", err);
    if (rc == 0)
        rc = lm_check_act(g, op->y, "y", err);
    if (rc < 0)
        return rc;
    if (op->x == op->y)
        return lm_fail(err, LM_EINVAL, "y is x");
    if (g->act[op->x].rows != g->act[op->y].rows)
        return lm_fail(err, LM_EINVAL, "y has the wrong kind of rows");
    if (!op->u.lora.slot || g->n_lora == 0 || g->n_lora > INT32_MAX || g->lora_rank == 0)
        return lm_fail(err, LM_EINVAL, "%u slots of adapters of rank %u", op->u.lora.slot ? g->n_lora : 0, g->lora_rank);
    return 0;
}

static int check_slot(const struct lm_graph *g, const struct lm_op *op, int32_t slot, struct lm_err *err)
{
    const struct lm_lora *l = &op->u.lora.slot[slot];
    if (!l->a && !l->b)
        return 0;
    if (!l->a || !l->b || l->a->rows != l->b->rows || l->a->rows == 0 || l->a->rows > g->lora_rank ||
        l->a->cols != g->act[op->x].dim || l->b->cols != g->act[op->y].dim)
        return lm_fail(err, LM_EINVAL, "slot %d: shapes that do not fit", (int)slot);
    return lm_check_real(l->scale, "scale", false, err);
}

static bool is_first(const struct lm_step *step, uint32_t s)
{
    for (uint32_t i = 0; i < s; i++)
        if (step->lora[i] == step->lora[s])
            return false;
    return true;
}

int lm_lora_step_check(const struct lm_graph *g, const struct lm_step *step, struct lm_err *err)
{
    int rc = 0;
    for (uint32_t s = 0; step->lora && s < step->n_seq && rc == 0; s++) {
        int32_t slot = step->lora[s];
        if (slot < -1 || slot >= (int64_t)g->n_lora)
            return lm_fail(err, LM_EINVAL, "sequence %u: adapter slot %d of %u", s, (int)slot, g->n_lora);
        if (slot < 0 || !is_first(step, s))
            continue;
        for (uint32_t i = 0; i < g->n_op && rc == 0; i++)
            if (g->op[i].kind == LM_OP_LORA_MATMUL)
                rc = check_slot(g, &g->op[i], slot, err);
    }
    return rc;
}

void lm_lora_rows(const struct lm_step *step, int32_t *out, int32_t *out_row)
{
    for (uint32_t s = 0; s < step->n_seq; s++)
        for (uint32_t r = step->seq_row[s]; r < step->seq_row[s + 1]; r++)
            out[r] = step->lora[s];
    for (uint32_t o = 0; o < step->n_out; o++)
        out_row[o] = out[step->out_row[o]];
}

void lm_lora_matmul_ref(float *y, const float *x, const struct lm_graph *g, const struct lm_op *op, const int32_t *slot, size_t rows,
                        lm_lora_weight *weight, void *weight_arg)
{
    const size_t k = g->act[op->x].dim, n = g->act[op->y].dim;
    for (size_t r = 0; r < rows; r++) {
        const struct lm_lora *l = slot[r] < 0 ? NULL : &op->u.lora.slot[slot[r]];
        const float *a = l && l->a ? weight(weight_arg, l->a) : NULL, *b = a ? weight(weight_arg, l->b) : NULL;
        for (size_t i = 0; a && i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < l->a->rows; j++) {
                double low = 0;
                for (size_t c = 0; c < k; c++)
                    low += (double)a[j * k + c] * x[r * k + c];
                sum += low * b[j * n + i];
            }
            y[r * n + i] = (float)(y[r * n + i] + l->scale * sum);
        }
    }
}

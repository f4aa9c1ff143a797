/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attention.h"
#include "ops/check.h"
#include "runtime/base/fp8.h"

#include <math.h>

int lm_kv_store_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_kv(g, op, err);
    if (rc == 0)
        rc = lm_check_shape(g, op->x, "k", LM_ROWS_TOK, g->kv_head_dim[op->u.attn.layer], err);
    if (rc == 0)
        rc = lm_check_shape(g, op->x2, "v", LM_ROWS_TOK, op->u.attn.n_kv_head * lm_v_dim(op), err);
    return rc;
}

int lm_attention_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_kv(g, op, err);
    if (rc < 0)
        return rc;
    uint32_t n_head = op->u.attn.n_head;
    if (n_head == 0 || n_head % op->u.attn.n_kv_head != 0 || (uint64_t)n_head * op->u.attn.head_dim > INT32_MAX)
        return lm_fail(err, LM_EINVAL, "%u heads over %u key heads", n_head, op->u.attn.n_kv_head);
    if (op->y == op->x)
        return lm_fail(err, LM_EINVAL, "y is x");
    rc = lm_check_shape(g, op->x, "q", LM_ROWS_TOK, n_head * op->u.attn.head_dim, err);
    if (rc == 0)
        rc = lm_check_shape(g, op->y, "y", LM_ROWS_TOK, n_head * lm_v_dim(op), err);
    if (rc == 0 && op->w)
        rc = lm_check_vector(op->w, "w", n_head, err);
    if (rc == 0 && op->u.attn.slope && op->u.attn.softcap != 0)
        rc = lm_fail(err, LM_EINVAL, "slopes and a softcap");
    if (rc == 0 && op->u.attn.slope && op->u.attn.whole)
        rc = lm_fail(err, LM_EINVAL, "slopes of later positions");
    for (uint32_t h = 0; rc == 0 && op->u.attn.slope && h < n_head; h++)
        rc = lm_check_real(op->u.attn.slope[h], "a slope", false, err);
    if (rc == 0)
        rc = lm_check_real(op->u.attn.scale, "scale", true, err);
    if (rc == 0 && op->u.attn.softcap != 0)
        rc = lm_check_real(op->u.attn.softcap, "softcap", true, err);
    return rc;
}

/* To integers of at most `most`, and back. */
static void round_scaled(float most, size_t n, const float *x, float *y)
{
    float max = 0;
    for (size_t i = 0; i < n; i++)
        max = fmaxf(max, fabsf(x[i]));
    float inv = max > 0 ? most / max : 0;
    for (size_t i = 0; i < n; i++)
        y[i] = rintf(x[i] * inv) * (max / most);
}

void lm_kv_round(enum lm_kv_dtype dtype, size_t n, const float *x, float *y)
{
    if (dtype == LM_KV_I8 || dtype == LM_KV_I4) {
        round_scaled(dtype == LM_KV_I8 ? 127 : 7, n, x, y);
        return;
    }
    for (size_t i = 0; i < n; i++)
        y[i] = dtype == LM_KV_E4M3 ? lm_f8e4m3_to_f32(lm_f32_to_f8(x[i], 3)) : dtype == LM_KV_E5M2 ? lm_f8e5m2_to_f32(lm_f32_to_f8(x[i], 2)) :
            dtype == LM_KV_F16 ? lm_f16_to_f32(lm_f32_to_f16(x[i])) : dtype == LM_KV_BF16 ? lm_bf16_to_f32(lm_f32_to_bf16(x[i])) : x[i];
}

static size_t slot(const struct lm_kv_ref *kv, const struct lm_step *step, size_t seq, size_t pos)
{
    size_t block = step->block_table[seq * step->table_stride + pos / kv->block_size];
    return block * kv->block_size + pos % kv->block_size;
}

void lm_kv_store_ref(const struct lm_kv_ref *kv, const struct lm_op *op, const struct lm_step *step, const float *k, const float *v)
{
    size_t head_dim = op->u.attn.head_dim, v_head = lm_v_dim(op), v_dim = kv->v_dim ? kv->v_dim : kv->dim;
    for (size_t s = 0; s < step->n_seq; s++)
        for (size_t r = step->seq_row[s]; r < step->seq_row[s + 1]; r++) {
            size_t at = slot(kv, step, s, (size_t)step->pos[r]);
            for (size_t i = 0; i < kv->dim; i += head_dim)
                lm_kv_round(kv->dtype, head_dim, k + r * kv->dim + i, kv->k + at * kv->dim + i);
            for (size_t i = 0; i < v_dim; i += v_head)
                lm_kv_round(kv->dtype, v_head, v + r * v_dim + i, kv->v + at * v_dim + i);
        }
}

/* One head of one row. */
struct query {
    const struct lm_op *op;
    const struct lm_kv_ref *kv;
    const struct lm_step *step;
    const float *q;
    size_t seq, pos, last, kv_head, v_dim; /* last: the position that ends what is seen; v_dim: columns of a value's head */
    double slope, sink;              /* sink: -INFINITY where there is none */
};

static double dot(const struct lm_op *op, const float *q, const float *k)
{
    double sum = 0, cap = op->u.attn.softcap;
    for (size_t i = 0; i < op->u.attn.head_dim; i++)
        sum += (double)q[i] * k[i];
    sum *= op->u.attn.scale;
    return cap > 0 ? cap * tanh(sum / cap) : sum;
}

static double score(const struct query *a, size_t j)
{
    const float *k = a->kv->k + slot(a->kv, a->step, a->seq, j) * a->kv->dim + a->kv_head * a->op->u.attn.head_dim;
    return dot(a->op, a->q, k) + a->slope * ((double)j - (double)a->pos);
}

/* The largest score first, then 128 columns at a time, so that the sums stand in double. */
static void attend(float *y, const struct query *a)
{
    size_t window = a->op->u.attn.window, pos = a->pos;
    size_t from = window && pos >= window ? pos - window + 1 : 0;
    double max = a->sink;
    for (size_t j = from; j <= a->last; j++)
        max = fmax(max, score(a, j));
    for (size_t i0 = 0; i0 < a->v_dim; i0 += 128) {
        size_t n = a->v_dim - i0 < 128 ? a->v_dim - i0 : 128;
        double acc[128] = {0}, sum = exp(a->sink - max);
        for (size_t j = from; j <= a->last; j++) {
            const float *v = a->kv->v + (slot(a->kv, a->step, a->seq, j) * a->op->u.attn.n_kv_head + a->kv_head) * a->v_dim;
            double p = exp(score(a, j) - max);
            sum += p;
            for (size_t i = 0; i < n; i++)
                acc[i] += p * v[i0 + i];
        }
        for (size_t i = 0; i < n; i++)
            y[i0 + i] = (float)(acc[i] / sum);
    }
}

size_t lm_attention_last(const struct lm_op *op, const struct lm_step *step, size_t seq, size_t row)
{
    size_t pos = (size_t)step->pos[row], end = (size_t)step->pos[step->seq_row[seq + 1] - 1], window = op->u.attn.window;
    return !op->u.attn.whole ? pos : window && end - pos >= window ? pos + window - 1 : end;
}

void lm_attention_ref(float *y, const struct lm_op *op, const struct lm_kv_ref *kv, const struct lm_step *step,
                      const float *q, const float *sink)
{
    size_t n_head = op->u.attn.n_head, head_dim = op->u.attn.head_dim, share = n_head / op->u.attn.n_kv_head, v_dim = lm_v_dim(op);
    for (size_t s = 0; s < step->n_seq; s++)
        for (size_t r = step->seq_row[s]; r < step->seq_row[s + 1]; r++)
            for (size_t h = 0; h < n_head; h++) {
                const struct query a = {op, kv, step, q + (r * n_head + h) * head_dim, s, (size_t)step->pos[r], lm_attention_last(op, step, s, r), h / share, v_dim,
                                        op->u.attn.slope ? op->u.attn.slope[h] : 0, sink ? sink[h] : -INFINITY};
                attend(y + (r * n_head + h) * v_dim, &a);
            }
}

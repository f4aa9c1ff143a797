/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rope.h"
#include "ops/check.h"

#include <math.h>

int lm_rope_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t n_head = op->u.rope.n_head, head_dim = op->u.rope.head_dim, n_rot = op->u.rope.n_rot;
    if (op->x != LM_NONE && op->x != op->y)
        return lm_fail(err, LM_EINVAL, "x is not y");
    if (n_head == 0 || head_dim == 0 || (uint64_t)n_head * head_dim > INT32_MAX)
        return lm_fail(err, LM_EINVAL, "%u heads of %u columns", n_head, head_dim);
    int rc = lm_check_shape(g, op->y, "y", LM_ROWS_TOK, n_head * head_dim, err);
    if (rc < 0)
        return rc;
    if (n_rot == 0 || n_rot % 2 != 0 || n_rot > head_dim || op->u.rope.first > head_dim - n_rot || !op->u.rope.inv_freq)
        return lm_fail(err, LM_EINVAL, "%u of %u columns to rotate, from %u on", n_rot, head_dim, op->u.rope.first);
    if (op->u.rope.pairing != LM_ROPE_NEOX && op->u.rope.pairing != LM_ROPE_INTERLEAVED)
        return lm_fail(err, LM_EINVAL, "pairing %d", (int)op->u.rope.pairing);
    for (uint32_t i = 0; i < n_rot / 2 && rc == 0; i++)
        rc = lm_check_real(op->u.rope.inv_freq[i], "a frequency", false, err);
    return rc ? rc : lm_check_real(op->u.rope.mscale, "mscale", true, err);
}

void lm_rope_ref(float *y, const struct lm_op *op, const int32_t *pos, size_t rows)
{
    size_t n_head = op->u.rope.n_head, head_dim = op->u.rope.head_dim, half = op->u.rope.n_rot / 2;
    bool neox = op->u.rope.pairing == LM_ROPE_NEOX;
    y += op->u.rope.first;
    for (size_t r = 0; r < rows; r++)
        for (size_t h = 0; h < n_head; h++, y += head_dim)
            for (size_t i = 0; i < half; i++) {
                double a = (double)pos[r] * op->u.rope.inv_freq[i];
                double c = cos(a) * op->u.rope.mscale, s = sin(a) * op->u.rope.mscale;
                float *p = neox ? y + i : y + 2 * i, *q = neox ? p + half : p + 1;
                double u = *p, v = *q;
                *p = (float)(u * c - v * s);
                *q = (float)(v * c + u * s);
            }
}

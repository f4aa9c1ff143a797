/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/think.h"

#include <string.h>

static bool ends_with(const int32_t *output, uint32_t n, const int32_t *id, uint32_t n_id)
{
    return n_id && n >= n_id && memcmp(output + n - n_id, id, n_id * sizeof *id) == 0;
}

static void bound(struct lm_think *t)
{
    if (t->state == LM_THINK_INSIDE && t->n_tok >= t->budget)
        t->state = LM_THINK_CLOSING;
}

void lm_think_begin(struct lm_think *t)
{
    if (t->n_close)
        bound(t);
}

void lm_think_push(struct lm_think *t, const int32_t *output, uint32_t n)
{
    if (!t->n_close || t->state == LM_THINK_DONE)
        return;
    if (t->state == LM_THINK_BEFORE) {
        t->state = ends_with(output, n, t->open, t->n_open) ? LM_THINK_INSIDE : LM_THINK_BEFORE;
    } else if (t->state == LM_THINK_INSIDE) {
        t->n_tok++;
        if (ends_with(output, n, t->close, t->n_close))
            t->state = LM_THINK_DONE;
    } else if (++t->n_closed == t->n_close) {
        t->state = LM_THINK_DONE;
    }
    bound(t);
}

int32_t lm_think_forced(const struct lm_think *t)
{
    return t->n_close && t->state == LM_THINK_CLOSING ? t->close[t->n_closed] : -1;
}

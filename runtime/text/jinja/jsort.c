/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"

struct sorter {
    struct lm_jctx *c;
    const struct lm_jval *key;
    bool reverse;
};

/* Merge two sorted runs of positions into `to`. The right one goes first only when it must. */
static int merge(const struct sorter *s, const size_t *a, size_t n_a, const size_t *b, size_t n_b, size_t *to)
{
    while (n_a && n_b) {
        int order;
        int rc = s->reverse ? lm_jval_order(s->c, s->key[*a], s->key[*b], &order)
                            : lm_jval_order(s->c, s->key[*b], s->key[*a], &order);
        if (!rc)
            rc = lm_jval_charge(s->c, 1);
        if (rc)
            return rc;
        if (order < 0) {
            *to++ = *b++;
            n_b--;
        } else {
            *to++ = *a++;
            n_a--;
        }
    }
    memcpy(to, n_a ? a : b, (n_a + n_b) * sizeof *to);
    return 0;
}

static int sort(const struct sorter *s, size_t **at, size_t **spare, size_t n)
{
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t i = 0; i < n; i += 2 * run) {
            size_t left = n - i < run ? n - i : run, right = n - i - left < run ? n - i - left : run;
            int rc = merge(s, *at + i, left, *at + i + left, right, *spare + i);
            if (rc)
                return rc;
        }
        size_t *swap = *at;
        *at = *spare;
        *spare = swap;
    }
    return 0;
}

int lm_jsort_by(struct lm_jctx *c, struct lm_jval list, const struct lm_jval *key, bool reverse, struct lm_jval *out)
{
    struct sorter s = {.c = c, .key = key, .reverse = reverse};
    size_t *at = lm_jval_alloc(c, list.n, sizeof *at), *spare = lm_jval_alloc(c, list.n, sizeof *spare);
    struct lm_jval *v = lm_jval_alloc(c, list.n, sizeof *v);
    if (!at || !spare || !v)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < list.n; i++)
        at[i] = i;
    int rc = sort(&s, &at, &spare, list.n);
    if (rc)
        return rc;
    for (size_t i = 0; i < list.n; i++)
        v[i] = list.v[at[i]];
    *out = lm_jval_seq(LM_JLIST, v, list.n);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a rank has of a layer, and a stage of the layers. */
#include "runtime/model/build.h"

enum { COLS_UNIT = 32 }; /* columns that backends' kernels like together */

bool lm_build_skips(const struct lm_build *b)
{
    return b->layer < b->layers.first || (b->layer >= b->layers.first + b->layers.n && b->part.stage + 1 < b->part.n_stage);
}

void lm_build_refuse_split(struct lm_build *b)
{
    if (!b->keys.rc)
        b->keys.rc = lm_fail(b->keys.err, LM_EUNSUPPORTED, "tensor-parallel-size %u: models of the family %s cannot be split so; "
                             "pipeline-parallel-size can split them by layers", b->part.n_rank, b->hp->family);
}

/* Unit i of n units goes to the rank in whose share it lies. */
static struct lm_range share(uint32_t n, uint32_t unit, uint32_t rank, uint32_t n_rank)
{
    uint32_t n_unit = n / unit, first = (uint32_t)((uint64_t)n_unit * rank / n_rank) * unit;
    uint32_t end = rank + 1 == n_rank ? n : (uint32_t)((uint64_t)n_unit * (rank + 1) / n_rank) * unit;
    return (struct lm_range){first, end - first};
}

struct lm_range lm_build_share(struct lm_build *b, uint32_t n, uint32_t unit, const char *what)
{
    const struct lm_range all = {0, n};
    if (b->part.n_rank == 1 || b->keys.rc)
        return all;
    if (n / unit < b->part.n_rank) {
        b->keys.rc = lm_fail(b->keys.err, LM_ECONFIG, "tensor-parallel-size %u: the %u %s of layer %u can be split among %u at most (%u stay together)",
                             b->part.n_rank, n, what, b->layer, n / unit, unit);
        return all;
    }
    return share(n, unit, b->part.rank, b->part.n_rank);
}

struct lm_range lm_build_share_cols(struct lm_build *b, uint32_t n, const char *down)
{
    uint32_t block = b->part.n_rank > 1 ? lm_build_block(b, down) : 1;
    bool widen = COLS_UNIT % block == 0 && n % COLS_UNIT == 0 && n / COLS_UNIT >= b->part.n_rank;
    return lm_build_share(b, n, widen ? COLS_UNIT : block, "columns of the feed-forward");
}

/* The least number of n things of `cols` columns that end where a block ends. */
static uint32_t unit_of(uint32_t n, uint32_t cols, uint32_t block)
{
    uint32_t unit = 1;
    while (unit < n && (n % unit || (uint64_t)unit * cols % block))
        unit++;
    return unit;
}

struct lm_heads lm_build_heads(struct lm_build *b)
{
    const uint32_t n = b->hp->n_head, n_kv = b->hp->n_kv_head, group = n / n_kv, rank = b->part.rank, n_rank = b->part.n_rank;
    const struct lm_heads all = {{0, n}, {0, n_kv}};
    if (n_rank == 1 || b->keys.rc)
        return all;
    uint32_t block = lm_build_block(b, "attn_output"), each = b->hp->v_dim;
    if (n_rank <= n_kv) {
        struct lm_range kv = lm_build_share(b, n_kv, unit_of(n_kv, group * each, block), "key heads");
        return (struct lm_heads){{kv.first * group, kv.n * group}, kv};
    }
    uint32_t kv = (uint32_t)((uint64_t)rank * n_kv / n_rank), first = (kv * n_rank + n_kv - 1) / n_kv, end = ((kv + 1) * n_rank + n_kv - 1) / n_kv;
    uint32_t unit = unit_of(group, each, block);
    if (group / unit < end - first) {
        b->keys.rc = lm_fail(b->keys.err, LM_ECONFIG, "tensor-parallel-size %u: layer %u has %u key heads with %u query heads each, of which %u stay together",
                             n_rank, b->layer, n_kv, group, unit);
        return all;
    }
    struct lm_range q = share(group, unit, rank - first, end - first);
    return (struct lm_heads){{kv * group + q.first, q.n}, {kv, 1}};
}

uint32_t lm_build_act_cut(struct lm_build *b, const char *slot, uint32_t total, struct lm_range r)
{
    uint32_t act = lm_build_act(b, slot, r.n);
    b->cut[act] = r.n < total ? (struct lm_cut){r.first, total} : (struct lm_cut){0, 0};
    return act;
}

void lm_build_allreduce(struct lm_build *b, uint32_t y)
{
    if (b->part.n_rank > 1)
        lm_build_op(b, LM_OP_ALLREDUCE, y, y, LM_NONE);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/op_rig.h"
#include "runtime/base/clock.h"
#include "runtime/base/half.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* Where the f16 scales stand in a block: all other bytes may be anything. */
static const struct {
    uint32_t qtype;
    int32_t scale[2]; /* byte offsets; -1: none */
    float size;       /* of a typical quant times what it is scaled by inside the block */
} block_types[] = {
    {LM_Q_Q8_0, {0, -1}, 74}, {LM_Q_Q4_0, {0, -1}, 4.6f},     {LM_Q_Q4_1, {0, 2}, 4.6f},
    {LM_Q_Q5_0, {0, -1}, 9},  {LM_Q_Q4_K, {0, 2}, 150},       {LM_Q_Q6_K, {208, -1}, 1300},
};

static void *calloc_or_fail(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    ck_assert_ptr_nonnull(p);
    return p;
}

uint32_t lm_rig_random(struct lm_rig *r, uint32_t n)
{
    r->rng = r->rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->rng >> 33) % n;
}

float lm_rig_real(struct lm_rig *r)
{
    float sum = 0;
    for (int i = 0; i < 3; i++)
        sum += (float)lm_rig_random(r, 1 << 20) / (1 << 19) - 1;
    return sum;
}

void lm_rig_init(struct lm_rig *r, const struct lm_op_suite *s, uint64_t seed)
{
    struct lm_err err = {0};
    struct lm_open_desc desc = {.option = s->option, .n_option = s->n_option};
    *r = (struct lm_rig){.be = s->be, .rng = seed};
    r->graph = (struct lm_graph){.act = r->act, .op = r->op, .kv_head_dim = r->kv_dim, .n_vocab = 300};
    r->desc = (struct lm_plan_desc){.graph = &r->graph, .max_tok = RIG_TOK, .max_seq = RIG_SEQ, .max_out = RIG_TOK,
                                    .max_len = 1024, .block_size = 16, .n_block = RIG_SEQ * RIG_STRIDE, .kv_dtype = LM_KV_F32};
    ck_assert_msg(r->be->open(&desc, &r->dev, &err) == 0, "open: %s", err.msg);
}

void lm_rig_fini(struct lm_rig *r)
{
    r->be->release(r->dev, r->plan);
    for (uint32_t i = 0; i < r->n_weight; i++) {
        r->be->weight_destroy(r->dev, r->weight[i].w);
        free(r->weight[i].f32);
    }
    for (uint32_t i = 0; i < r->graph.n_act; i++) {
        free(r->ref_act[i]);
        free(r->out_act[i]);
    }
    for (uint32_t i = 0; i < r->graph.n_layer; i++) {
        free(r->kv[i].k);
        free(r->kv[i].v);
    }
    r->be->close(r->dev);
}

uint32_t lm_rig_act(struct lm_rig *r, enum lm_rows rows, uint32_t dim)
{
    ck_assert_uint_lt(r->graph.n_act, RIG_ACT);
    r->act[r->graph.n_act] = (struct lm_act){rows, dim};
    return r->graph.n_act++;
}

static void fill_floats(struct lm_rig *r, uint32_t qtype, uint8_t *p, size_t n, float size)
{
    for (size_t i = 0; i < n; i++) {
        float v = lm_rig_real(r) * size;
        uint16_t half = qtype == LM_Q_F16 ? lm_f32_to_f16(v) : lm_f32_to_bf16(v);
        if (qtype == LM_Q_F32)
            memcpy(p + 4 * i, &v, 4);
        else
            memcpy(p + 2 * i, &half, 2);
    }
}

static void fill_blocks(struct lm_rig *r, uint32_t qtype, uint8_t *p, size_t n, size_t block_bytes, float size)
{
    size_t k = 0;
    while (k < sizeof block_types / sizeof *block_types && block_types[k].qtype != qtype)
        k++;
    ck_assert_uint_lt(k, sizeof block_types / sizeof *block_types);
    for (size_t i = 0; i < n * block_bytes; i++)
        p[i] = (uint8_t)lm_rig_random(r, 256);
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < 2; j++) {
            float v = size / block_types[k].size * (0.5f + fabsf(lm_rig_real(r)) / 2) * (j ? -7.5f : 1);
            uint16_t half = lm_f32_to_f16(qtype == LM_Q_Q4_K ? fabsf(v) : v);
            if (block_types[k].scale[j] >= 0)
                memcpy(p + i * block_bytes + block_types[k].scale[j], &half, 2);
        }
}

static void pack(struct lm_rig *r, struct lm_weight *w, const uint8_t *data, size_t row_bytes)
{
    struct lm_err err = {0};
    for (uint32_t row = 0; row < w->rows; row += 64) {
        uint32_t n = w->rows - row < 64 ? w->rows - row : 64;
        ck_assert_msg(r->be->pack(r->dev, w, row, n, data + row * row_bytes, &err) == 0, "pack: %s", err.msg);
    }
}

const struct lm_weight *lm_rig_weight(struct lm_rig *r, uint32_t qtype, uint32_t rows, uint32_t cols, uint32_t use)
{
    const struct lm_qtype_info *q = lm_qtype_info(qtype);
    size_t row_bytes = lm_qtype_row_bytes(qtype, cols), n = (size_t)rows * cols / q->block;
    float size = use & LM_USE_VECTOR ? 1 : 1 / sqrtf((float)cols);
    struct lm_err err = {0};
    bool ready = false;
    ck_assert_uint_lt(r->n_weight, RIG_WEIGHT);
    ck_assert_uint_gt(row_bytes, 0);
    uint8_t *data = calloc_or_fail(rows, row_bytes);
    if (q->block == 1)
        fill_floats(r, qtype, data, n, size);
    else
        fill_blocks(r, qtype, data, n, q->block_bytes, size);
    struct lm_weight_desc desc = {.qtype = qtype, .rows = rows, .cols = cols, .use = use};
    struct lm_weight *w = NULL;
    ck_assert_msg(r->be->weight_create(r->dev, &desc, &w, &ready, &err) == 0, "weight_create: %s", err.msg);
    ck_assert(!ready);
    pack(r, w, data, row_bytes);
    float *f32 = calloc_or_fail((size_t)rows * cols, sizeof *f32);
    lm_qtype_dequantize(qtype, data, f32, rows, cols);
    free(data);
    r->weight[r->n_weight].w = w;
    r->weight[r->n_weight++].f32 = f32;
    return w;
}

struct lm_op *lm_rig_op(struct lm_rig *r, enum lm_op_kind kind, uint32_t x, uint32_t x2, uint32_t y)
{
    ck_assert_uint_lt(r->graph.n_op, RIG_OP);
    struct lm_op *op = &r->op[r->graph.n_op++];
    *op = (struct lm_op){.kind = kind, .x = x, .x2 = x2, .y = y};
    return op;
}

void lm_rig_prepare(struct lm_rig *r)
{
    struct lm_err err = {0};
    struct lm_plan_size size = {0};
    ck_assert_msg(r->be->measure(r->dev, &r->desc, &size, &err) == 0, "measure: %s", err.msg);
    ck_assert_msg(r->be->prepare(r->dev, &r->desc, &r->plan, &err) == 0, "prepare: %s", err.msg);
    ck_assert(r->graph.n_layer == 0 || size.block_bytes > 0);
    for (uint32_t i = 0; i < r->graph.n_act; i++) {
        r->ref_act[i] = calloc_or_fail(RIG_TOK, r->act[i].dim * sizeof(float));
        r->out_act[i] = calloc_or_fail(RIG_TOK, r->act[i].dim * sizeof(float));
    }
    for (uint32_t i = 0; i < r->graph.n_layer; i++) {
        size_t n = (size_t)r->desc.n_block * r->desc.block_size * r->kv_dim[i];
        r->kv[i] = (struct lm_kv_ref){.k = calloc_or_fail(n, sizeof(float)), .v = calloc_or_fail(n, sizeof(float)),
                                      .block_size = r->desc.block_size, .dim = r->kv_dim[i], .dtype = r->desc.kv_dtype};
    }
}

void lm_rig_step_init(struct lm_rig_step *st)
{
    *st = (struct lm_rig_step){.step = {.table_stride = RIG_STRIDE}};
    lm_rig_step_own(st);
}

void lm_rig_step_own(struct lm_rig_step *st)
{
    st->step.token = st->token;
    st->step.pos = st->pos;
    st->step.seq_row = st->seq_row;
    st->step.out_row = st->out_row;
    st->step.block_table = st->table;
    st->step.sampling = st->sampling;
    st->step.sampled = st->sampled;
}

void lm_rig_step_add(struct lm_rig *r, struct lm_rig_step *st, uint32_t seq, uint32_t pos, uint32_t n)
{
    uint32_t s = st->step.n_seq++, row = st->step.n_tok, n_block = r->desc.n_block;
    st->step.n_tok += n;
    ck_assert_uint_le(st->step.n_tok, RIG_TOK);
    st->seq_row[s + 1] = st->step.n_tok;
    for (uint32_t i = 0; i < n; i++) {
        st->token[row + i] = (int32_t)lm_rig_random(r, r->graph.n_vocab);
        st->pos[row + i] = (int32_t)(pos + i);
    }
    for (uint32_t i = 0; i < RIG_STRIDE; i++) /* a sequence's blocks lie scattered, in no order */
        st->table[s * RIG_STRIDE + i] = ((i * 37 + 11) % RIG_STRIDE * RIG_SEQ + seq) % n_block;
}

void lm_rig_step_all_out(struct lm_rig_step *st)
{
    st->step.n_out = st->step.n_tok;
    for (uint32_t i = 0; i < st->step.n_tok; i++) {
        st->out_row[i] = st->step.n_tok - 1 - i;
        st->sampling[i] = (struct lm_sampling){.top_p = 1, .repetition = 1};
    }
}

void lm_rig_launch(struct lm_rig *r, struct lm_rig_step *st)
{
    struct lm_err err = {0};
    ck_assert_msg(r->be->launch(r->dev, r->plan, &st->step, &err) == 0, "launch: %s", err.msg);
    ck_assert_msg(r->be->sync(r->dev, 60000000, &err) == 0, "sync: %s", err.msg);
}

void lm_rig_time(struct lm_rig *r, struct lm_rig_step *st, const char *what)
{
    uint64_t best = UINT64_MAX;
    if (!getenv("LM_TEST_TIME"))
        return;
    for (int i = 0; i < 50; i++) {
        uint64_t t = lm_now_us();
        lm_rig_launch(r, st);
        t = lm_now_us() - t;
        best = t < best ? t : best;
    }
    printf("%8" PRIu64 " us  %s, %u rows\n", best, what, st->step.n_tok);
}

static uint32_t rows_of(const struct lm_rig *r, const struct lm_rig_step *st, uint32_t act)
{
    return r->act[act].rows == LM_ROWS_TOK ? st->step.n_tok : st->step.n_out;
}

size_t lm_rig_count(const struct lm_rig *r, const struct lm_rig_step *st, uint32_t act)
{
    return (size_t)rows_of(r, st, act) * r->act[act].dim;
}

static const float *weight_of(void *arg, const struct lm_weight *w)
{
    const struct lm_rig *r = arg;
    uint32_t i = 0;
    while (i < r->n_weight && r->weight[i].w != w)
        i++;
    ck_assert_uint_lt(i, r->n_weight);
    return r->weight[i].f32;
}

void lm_rig_fill(struct lm_rig *r, struct lm_rig_step *st)
{
    struct lm_err err = {0};
    for (uint32_t i = 0; i < r->graph.n_act; i++) {
        for (size_t k = 0; k < lm_rig_count(r, st, i); k++)
            r->ref_act[i][k] = lm_rig_real(r);
        ck_assert_msg(r->be->copy_in(r->dev, r->plan, i, r->ref_act[i], rows_of(r, st, i), &err) == 0, "copy_in: %s", err.msg);
    }
}

void lm_rig_both(struct lm_rig *r, struct lm_rig_step *st)
{
    struct lm_err err = {0};
    struct lm_ref ref = {&r->graph, &st->step, r->ref_act, r->kv, weight_of, r};
    lm_rig_launch(r, st);
    lm_ref_run(&ref);
    for (uint32_t i = 0; i < r->graph.n_act; i++)
        ck_assert_msg(r->be->copy_out(r->dev, r->plan, i, r->out_act[i], rows_of(r, st, i), &err) == 0, "copy_out: %s", err.msg);
}

void lm_rig_run(struct lm_rig *r, struct lm_rig_step *st)
{
    lm_rig_fill(r, st);
    lm_rig_both(r, st);
}

void lm_rig_compare(struct lm_rig *r, const struct lm_rig_step *st, uint32_t act, double tol, const char *what)
{
    for (size_t i = 0; i < lm_rig_count(r, st, act); i++) {
        double out = r->out_act[act][i], ref = r->ref_act[act][i];
        if (!(fabs(out - ref) <= tol * (1 + fabs(ref)))) /* a ck_assert of each would take longer than the op */
            ck_abort_msg("%s: row %zu column %zu: %.9g, not %.9g", what, i / r->act[act].dim, i % r->act[act].dim, out, ref);
    }
}

void lm_rig_compare_norm(struct lm_rig *r, const struct lm_rig_step *st, uint32_t act, double tol, const char *what)
{
    double diff = 0, size = 0;
    for (size_t i = 0; i < lm_rig_count(r, st, act); i++) {
        double out = r->out_act[act][i], ref = r->ref_act[act][i];
        diff += (out - ref) * (out - ref);
        size += ref * ref;
    }
    ck_assert_msg(diff <= tol * tol * size, "%s: relative error %g, more than %g", what, sqrt(diff / size), tol);
}

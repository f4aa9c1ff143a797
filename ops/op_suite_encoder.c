/* SPDX-License-Identifier: Apache-2.0 */
/* What encoders have and decoders have not: rows that see later ones, tables of positions and types, gelu by erf. */
#include "ops/act_mul.h"
#include "ops/attention.h"
#include "ops/op_rig.h"

#include <check.h>
#include <math.h>

#define N(a) (sizeof(a) / sizeof *(a))

struct whole_case {
    uint32_t n_head, n_kv_head, head_dim, window;
    enum lm_kv_dtype dtype;
};

/* Whole sequences in a step, whose blocks had others before. */
static void whole_case(const struct lm_op_suite *s, const struct whole_case *c)
{
    static const uint32_t len[][3] = {{92, 1, 3}, {7, 40, 40}, {1, 0, 0}, {96, 0, 0}};
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, c->window);
    r.desc.kv_dtype = c->dtype;
    r.desc.max_len = r.desc.block_size * RIG_STRIDE;
    r.graph.n_layer = 1;
    r.kv_dim[0] = c->n_kv_head * c->head_dim;
    uint32_t q = lm_rig_act(&r, LM_ROWS_TOK, c->n_head * c->head_dim), k = lm_rig_act(&r, LM_ROWS_TOK, r.kv_dim[0]);
    uint32_t v = lm_rig_act(&r, LM_ROWS_TOK, r.kv_dim[0]), y = lm_rig_act(&r, LM_ROWS_TOK, c->n_head * c->head_dim);
    lm_rig_op(&r, LM_OP_KV_STORE, k, v, LM_NONE);
    lm_rig_op(&r, LM_OP_ATTENTION, q, LM_NONE, y);
    for (uint32_t i = 0; i < 2; i++) {
        r.op[i].u.attn.n_head = c->n_head;
        r.op[i].u.attn.n_kv_head = c->n_kv_head;
        r.op[i].u.attn.head_dim = c->head_dim;
        r.op[i].u.attn.scale = 1 / sqrtf((float)c->head_dim);
        r.op[i].u.attn.window = c->window;
        r.op[i].u.attn.whole = true;
    }
    lm_rig_prepare(&r);
    for (size_t i = 0; i < N(len); i++) {
        lm_rig_step_init(&st);
        for (uint32_t seq = 0; seq < 3; seq++)
            if (len[i][seq])
                lm_rig_step_add(&r, &st, 2 * seq, 0, len[i][seq]);
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, 3 * (c->dtype == LM_KV_F32 ? LM_ATTENTION_TOL : LM_ATTENTION_TOL_F16), "attention, whole");
    }
    lm_rig_fini(&r);
}

static void gelu_case(const struct lm_op_suite *s, enum lm_op_kind kind, uint32_t dim)
{
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, dim);
    uint32_t x = lm_rig_act(&r, LM_ROWS_TOK, dim), x2 = lm_rig_act(&r, LM_ROWS_TOK, dim), y = lm_rig_act(&r, LM_ROWS_TOK, dim);
    lm_rig_op(&r, kind, x, kind == LM_OP_GELU ? LM_NONE : x2, y)->u.gelu.erf = true;
    lm_rig_prepare(&r);
    lm_rig_step_init(&st);
    lm_rig_step_add(&r, &st, 1, 5, 31);
    lm_rig_run(&r, &st);
    lm_rig_compare(&r, &st, y, 20 * LM_ACT_MUL_TOL, "gelu by erf");
    lm_rig_fini(&r);
}

static void table_case(const struct lm_op_suite *s, enum lm_embed_by by, uint32_t qtype)
{
    struct lm_rig r;
    struct lm_rig_step st;
    int32_t type[RIG_TOK];
    lm_rig_init(&r, s, by);
    r.desc.max_len = 70;
    uint32_t y = lm_rig_act(&r, LM_ROWS_TOK, 96);
    struct lm_op *op = lm_rig_op(&r, LM_OP_EMBED, LM_NONE, LM_NONE, y);
    op->w = lm_rig_weight(&r, qtype, by == LM_EMBED_POS ? 70 : 2, 96, LM_USE_EMBED);
    op->u.embed.scale = 1;
    op->u.embed.by = by;
    lm_rig_prepare(&r);
    for (uint32_t typed = 0; typed < 2; typed++) {
        lm_rig_step_init(&st);
        lm_rig_step_add(&r, &st, 1, 0, 70);
        lm_rig_step_add(&r, &st, 3, 0, 9);
        for (uint32_t i = 0; i < st.step.n_tok; i++)
            type[i] = (int32_t)lm_rig_random(&r, 2);
        st.step.type = typed ? type : NULL;
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, 1e-6, "a table");
    }
    type[3] = 2;
    ck_assert_int_eq(r.be->launch(r.dev, r.plan, &st.step, NULL), by == LM_EMBED_TYPE ? LM_EINVAL : 0);
    if (by != LM_EMBED_TYPE)
        ck_assert_int_eq(r.be->sync(r.dev, 60000000, NULL), 0);
    struct lm_plan *longer = NULL;
    r.desc.max_len = 71;
    ck_assert_int_eq(r.be->prepare(r.dev, &r.desc, &longer, NULL), by == LM_EMBED_POS ? LM_EINVAL : 0);
    r.be->release(r.dev, longer);
    lm_rig_fini(&r);
}

void lm_op_suite_encoder(const struct lm_op_suite *s)
{
    static const struct whole_case cases[] = {
        {3, 3, 64, 0, LM_KV_F32}, {4, 2, 32, 9, LM_KV_F32}, {12, 12, 64, 0, LM_KV_F16}, {2, 2, 20, 65, LM_KV_F32}, {2, 1, 64, 5, LM_KV_BF16},
    };
    for (size_t i = 0; i < N(cases); i++)
        whole_case(s, &cases[i]);
    for (uint32_t dim = 1; dim < 2000; dim = dim * 6 + 1) {
        gelu_case(s, LM_OP_GELU, dim);
        gelu_case(s, LM_OP_GELU_MUL, dim);
    }
    for (enum lm_embed_by by = LM_EMBED_POS; by <= LM_EMBED_TYPE; by++) {
        table_case(s, by, LM_Q_F32);
        table_case(s, by, LM_Q_F16);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/graph.h"
#include "tests/suite.h"

static struct lm_act act[] = {{LM_ROWS_TOK, 16}, {LM_ROWS_TOK, 8}, {LM_ROWS_OUT, 16}, {LM_ROWS_OUT, 10}};
static const struct lm_weight table = {.rows = 10, .cols = 16};
static const uint32_t kv_head_dim[] = {8, 8};

struct fixture {
    struct lm_op op[6];
    struct lm_graph graph;
    struct lm_plan_desc plan;
};

static void init(struct fixture *f)
{
    *f = (struct fixture){.op = {
        {.kind = LM_OP_EMBED, .x = LM_NONE, .x2 = LM_NONE, .y = 0, .w = &table, .u.embed.scale = 1},
        {.kind = LM_OP_KV_STORE, .x = 1, .x2 = 1, .y = LM_NONE, .u.attn = {.layer = 1, .n_kv_head = 2, .head_dim = 4}},
        {.kind = LM_OP_ATTENTION, .x = 0, .x2 = LM_NONE, .y = 0, .u.attn = {1, 4, 2, 4, 1, 0, 0}},
        {.kind = LM_OP_LOGITS_GATHER, .x = 0, .y = 2},
        {.kind = LM_OP_MATMUL, .x = 2, .y = 3, .w = &table},
        {.kind = LM_OP_SAMPLE, .x = 3, .y = LM_NONE},
    }};
    f->op[2].y = 0;
    f->graph = (struct lm_graph){.act = act, .n_act = 4, .op = f->op, .n_op = 6, .n_layer = 2, .kv_head_dim = kv_head_dim, .n_vocab = 10};
    f->plan = (struct lm_plan_desc){&f->graph, 32, 4, 4, 64, 8, 16, LM_KV_F16};
}

START_TEST(test_ops_graph__an_error_names_the_op)
{
    struct fixture f;
    struct lm_err err;
    init(&f);
    ck_assert_int_eq(lm_graph_check(&f.graph, &err), LM_EINVAL);
    ck_assert_str_eq(err.msg, "op 2 (attention): y is x");
    ck_assert_int_eq(lm_plan_check(&f.plan, &err), LM_EINVAL);
    f.graph.n_op = 2;
    ck_assert_int_eq(lm_graph_check(&f.graph, &err), 0);
    ck_assert_int_eq(lm_plan_check(&f.plan, &err), 0);
    f.op[1].kind = LM_OP_KIND_END;
    ck_assert_int_eq(lm_graph_check(&f.graph, &err), LM_EINVAL);
    f.op[1].kind = (enum lm_op_kind)-1;
    ck_assert_int_eq(lm_graph_check(&f.graph, &err), LM_EINVAL);
    for (int kind = 0; kind < LM_OP_KIND_END; kind++)
        ck_assert_str_ne(lm_op_name((enum lm_op_kind)kind), "?");
    ck_assert_str_eq(lm_op_name(LM_OP_KIND_END), "?");
}
END_TEST

START_TEST(test_ops_graph__activations_have_rows_and_columns)
{
    struct fixture f;
    struct lm_act bad[4];
    for (int i = 0; i < 3; i++) {
        init(&f);
        f.graph.n_op = 0;
        memcpy(bad, act, sizeof bad);
        f.graph.act = bad;
        ck_assert_int_eq(lm_graph_check(&f.graph, NULL), 0);
        if (i == 0)
            bad[3].rows = (enum lm_rows)2;
        else
            bad[3].dim = i == 1 ? 0 : UINT32_MAX;
        ck_assert_int_eq(lm_graph_check(&f.graph, NULL), LM_EINVAL);
    }
}
END_TEST

START_TEST(test_ops_graph__a_layer_has_one_shape_of_heads)
{
    struct fixture f;
    struct lm_err err;
    init(&f);
    f.op[2] = f.op[1];
    f.op[2].u.attn.n_kv_head = 1;
    f.op[2].u.attn.head_dim = 8;
    f.graph.n_op = 3;
    ck_assert_int_eq(lm_graph_check(&f.graph, &err), LM_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "op 2 (kv_store)"));
    f.op[2].u.attn.layer = 0;
    ck_assert_int_eq(lm_graph_check(&f.graph, &err), 0);
}
END_TEST

START_TEST(test_ops_graph__logits_have_the_vocabulary)
{
    struct fixture f;
    init(&f);
    f.op[2] = f.op[1];
    ck_assert_int_eq(lm_graph_check(&f.graph, NULL), 0);
    f.op[5].x = 2;
    ck_assert_int_eq(lm_graph_check(&f.graph, NULL), LM_EINVAL);
}
END_TEST

START_TEST(test_ops_graph__plans_have_sizes_in_range)
{
    struct fixture f;
    init(&f);
    f.graph.n_op = 0;
    const struct lm_plan_desc bad[] = {
        {&f.graph, 0, 4, 4, 64, 8, 16, LM_KV_F16},      {&f.graph, 32, 0, 4, 64, 8, 16, LM_KV_F16},
        {&f.graph, 32, 4, 1u << 25, 64, 8, 16, LM_KV_F16}, {&f.graph, 32, 4, 4, 0, 8, 16, LM_KV_F16},
        {&f.graph, 32, 4, 4, 1u << 31, 8, 16, LM_KV_F16}, {&f.graph, 32, 4, 4, 64, 12, 16, LM_KV_F16},
        {&f.graph, 32, 4, 4, 64, 0, 16, LM_KV_F16},     {&f.graph, 32, 4, 4, 64, 512, 16, LM_KV_F16},
        {&f.graph, 32, 4, 4, 64, 8, 16, LM_KV_END},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(lm_plan_check(&bad[i], NULL) == LM_EINVAL, "case %zu", i);
    ck_assert_int_eq(lm_plan_check(&f.plan, NULL), 0);
}
END_TEST

START_TEST(test_ops_graph__steps_keep_within_the_plan)
{
    struct fixture f;
    init(&f);
    f.op[2] = f.op[1];
    const int32_t token[] = {9, 0, 1}, pos[] = {7, 8, 0}, past[] = {63, 64, 0}, gap[] = {7, 9, 0};
    const uint32_t rows[] = {0, 2, 3}, blocks[] = {15, 3, 0, 0}, wild[] = {15, 16, 0, 0}, out[] = {2};
    const struct lm_sampling sampling = {.top_p = 1, .repetition = 1}, nucleus_of_nothing = {.repetition = 1};
    struct lm_sampled sampled;
    const struct lm_step good = {3, 2, 1, token, pos, rows, blocks, 2, out, &sampling, &sampled, NULL, 0, 0, false, NULL, NULL};
    struct lm_step bad[8];
    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].pos = past;
    bad[1].pos = gap;
    bad[2].block_table = wild;
    bad[3].table_stride = 1;
    bad[4].sampling = &nucleus_of_nothing;
    bad[5].n_tok = 2;
    bad[6].n_seq = 1;
    bad[7].n_out = 5;
    for (int i = 0; i < 8; i++)
        ck_assert_msg(lm_step_check(&f.plan, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    ck_assert_int_eq(lm_step_check(&f.plan, &good, NULL), 0);
    f.graph.n_op = 5; /* no sample: its parameters do not matter */
    ck_assert_int_eq(lm_step_check(&f.plan, &bad[4], NULL), 0);
    const struct lm_step nothing = {.seq_row = rows};
    ck_assert_int_eq(lm_step_check(&f.plan, &nothing, NULL), 0);
}
END_TEST

SUITE_MAIN("ops/graph", test_ops_graph__an_error_names_the_op, test_ops_graph__activations_have_rows_and_columns,
           test_ops_graph__a_layer_has_one_shape_of_heads, test_ops_graph__logits_have_the_vocabulary,
           test_ops_graph__plans_have_sizes_in_range, test_ops_graph__steps_keep_within_the_plan)

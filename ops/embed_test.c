/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/embed.h"
#include "ops/gather.h"
#include "tests/suite.h"

#include <math.h>

START_TEST(test_ops_embed__rows_are_looked_up)
{
    const float w[] = {1, 2, 3, 4, 5, 6}, x[] = {7, 8, 9, 10};
    const int32_t token[] = {2, 0, 2}, pos[] = {0, 1, 2}, type[] = {1, 0, 0};
    struct lm_step step = {.n_tok = 3, .token = token, .pos = pos};
    struct lm_op op = {.u.embed.scale = 2};
    const uint32_t out_row[] = {1, 1, 0};
    const float want[] = {10, 12, 2, 4, 10, 12}, gathered[] = {9, 10, 9, 10, 7, 8};
    const float by_pos[] = {2, 4, 6, 8, 10, 12}, by_type[] = {6, 8, 2, 4, 2, 4}, untyped[] = {2, 4, 2, 4, 2, 4};
    float y[6];
    lm_embed_ref(y, w, &op, &step, 2);
    ck_assert_mem_eq(y, want, sizeof y);
    op.u.embed.by = LM_EMBED_POS;
    lm_embed_ref(y, w, &op, &step, 2);
    ck_assert_mem_eq(y, by_pos, sizeof y);
    op.u.embed.by = LM_EMBED_TYPE;
    lm_embed_ref(y, w, &op, &step, 2);
    ck_assert_mem_eq(y, untyped, sizeof y);
    step.type = type;
    lm_embed_ref(y, w, &op, &step, 2);
    ck_assert_mem_eq(y, by_type, sizeof y);
    lm_gather_ref(y, x, out_row, 3, 2);
    ck_assert_mem_eq(y, gathered, sizeof y);
}
END_TEST

START_TEST(test_ops_embed__checks_refuse_what_disagrees)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 8}, {LM_ROWS_OUT, 8}, {LM_ROWS_OUT, 9}};
    const struct lm_graph g = {.act = act, .n_act = 3, .n_vocab = 5};
    const struct lm_weight table = {.rows = 6, .cols = 8}, small = {.rows = 4, .cols = 8}, wide = {.rows = 5, .cols = 9};
    const struct lm_op bad[] = {
        {.y = 0, .u.embed.scale = 1},
        {.y = 0, .w = &small, .u.embed.scale = 1},
        {.y = 0, .w = &wide, .u.embed.scale = 1},
        {.y = 1, .w = &table, .u.embed.scale = 1},
        {.y = 3, .w = &table, .u.embed.scale = 1},
        {.y = 0, .w = &table, .u.embed.scale = NAN},
        {.y = 0, .w = &table, .u.embed = {.scale = 1, .by = (enum lm_embed_by)3}},
        {.y = 0, .u.embed = {.scale = 1, .by = LM_EMBED_TYPE}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(lm_embed_check(&g, &bad[i], NULL) == LM_EINVAL, "case %zu", i);
    const struct lm_op good = {.y = 0, .w = &table, .u.embed.scale = 1};
    ck_assert_int_eq(lm_embed_check(&g, &good, NULL), 0);
    const struct lm_op types = {.y = 0, .w = &small, .u.embed = {.scale = 1, .by = LM_EMBED_TYPE}};
    ck_assert_int_eq(lm_embed_check(&g, &types, NULL), 0);
    const struct lm_op gather = {.x = 0, .y = 1}, backwards = {.x = 1, .y = 0}, wider = {.x = 0, .y = 2}, none = {.x = 9, .y = 1};
    ck_assert_int_eq(lm_gather_check(&g, &gather, NULL), 0);
    ck_assert_int_eq(lm_gather_check(&g, &backwards, NULL), LM_EINVAL);
    ck_assert_int_eq(lm_gather_check(&g, &wider, NULL), LM_EINVAL);
    ck_assert_int_eq(lm_gather_check(&g, &none, NULL), LM_EINVAL);
}
END_TEST

SUITE_MAIN("ops/embed", test_ops_embed__rows_are_looked_up, test_ops_embed__checks_refuse_what_disagrees)

/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rope.h"
#include "tests/suite.h"

#include <math.h>

static const float freq[] = {1, 0.25f};

static struct lm_op rope(enum lm_rope_pairing pairing)
{
    return (struct lm_op){.kind = LM_OP_ROPE, .x = LM_NONE, .y = 0, .u.rope = {pairing, 2, 5, 4, freq, 2}};
}

START_TEST(test_ops_rope__pairs_turn_by_position_times_frequency)
{
    for (int neox = 0; neox < 2; neox++) {
        const int32_t pos[] = {0, 3};
        const struct lm_op op = rope(neox ? LM_ROPE_NEOX : LM_ROPE_INTERLEAVED);
        float y[20];
        for (int i = 0; i < 20; i++)
            y[i] = (float)(i % 10 % 5 + 1);
        lm_rope_ref(y, &op, pos, 2);
        ck_assert_float_eq(y[1], 4);      /* position 0: only mscale */
        ck_assert_float_eq(y[15 + 4], 5); /* past n_rot: as it was */
        int q = neox ? 2 : 1;
        ck_assert_float_eq_tol(y[15], 2 * (cos(3) - sin(3) * (q + 1)), 1e-5);
        ck_assert_float_eq_tol(y[15 + q], 2 * (cos(3) * (q + 1) + sin(3)), 1e-5);
        int p = neox ? 1 : 2;
        ck_assert_float_eq_tol(y[15 + 3], 2 * (cos(0.75) * 4 + sin(0.75) * (p + 1)), 1e-5);
    }
}
END_TEST

START_TEST(test_ops_rope__check_refuses_what_disagrees)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 10}, {LM_ROWS_OUT, 10}, {LM_ROWS_TOK, 20}};
    const struct lm_graph g = {.act = act, .n_act = 3};
    const float nan[] = {1, NAN};
    struct lm_op good = rope(LM_ROPE_NEOX), bad[11];
    for (int i = 0; i < 11; i++)
        bad[i] = good;
    bad[0].y = 1;
    bad[1].y = 2;
    bad[2].x = 2;
    bad[3].u.rope.n_rot = 3;
    bad[4].u.rope.n_rot = 6;
    bad[5].u.rope.n_rot = 0;
    bad[6].u.rope.inv_freq = NULL;
    bad[7].u.rope.inv_freq = nan;
    bad[8].u.rope.n_head = 0;
    bad[9].u.rope.mscale = 0;
    bad[10].u.rope.pairing = (enum lm_rope_pairing)2;
    for (int i = 0; i < 11; i++)
        ck_assert_msg(lm_rope_check(&g, &bad[i], NULL) == LM_EINVAL, "case %d", i);
    ck_assert_int_eq(lm_rope_check(&g, &good, NULL), 0);
    good.x = good.y;
    ck_assert_int_eq(lm_rope_check(&g, &good, NULL), 0);
}
END_TEST

SUITE_MAIN("ops/rope", test_ops_rope__pairs_turn_by_position_times_frequency, test_ops_rope__check_refuses_what_disagrees)

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/think.h"
#include "tests/suite.h"

static const int32_t open_id[] = {7}, close_id[] = {8, 9};

/* What comes when the model would say 1, 2, 3 … and obeys. */
static uint32_t say(struct lm_think *t, int32_t *out, uint32_t n)
{
    lm_think_begin(t);
    for (uint32_t i = 0; i < n; i++) {
        int32_t forced = lm_think_forced(t);
        out[i] = forced >= 0 ? forced : i == 0 && t->state == LM_THINK_BEFORE ? 7 : 100 + (int32_t)i;
        lm_think_push(t, out, i + 1);
    }
    return t->n_tok;
}

START_TEST(test_engine_think__a_thought_is_closed_at_its_budget)
{
    int32_t out[12];
    for (uint32_t budget = 0; budget < 5; budget++)
        for (int inside = 0; inside < 2; inside++) {
            struct lm_think t = {open_id, close_id, 1, 2, .budget = budget, .state = inside ? LM_THINK_INSIDE : LM_THINK_BEFORE};
            uint32_t at = budget + !inside;
            say(&t, out, 12);
            ck_assert(out[at] == 8 && out[at + 1] == 9 && out[at + 2] >= 100);
            ck_assert_int_eq(t.state, LM_THINK_DONE);
        }
}
END_TEST

START_TEST(test_engine_think__one_that_ends_itself_is_left_alone)
{
    const int32_t out[] = {1, 8, 9, 1, 1, 1, 1, 1};
    struct lm_think t = {open_id, close_id, 1, 2, .budget = 4, .state = LM_THINK_INSIDE}, none = {.budget = 1, .state = LM_THINK_INSIDE};
    for (uint32_t i = 0; i < 8; i++) {
        ck_assert_int_eq(lm_think_forced(&t), -1);
        ck_assert_int_eq(lm_think_forced(&none), -1);
        lm_think_push(&t, out, i + 1);
        lm_think_push(&none, out, i + 1);
    }
}
END_TEST

SUITE_MAIN("engine/think", test_engine_think__a_thought_is_closed_at_its_budget, test_engine_think__one_that_ends_itself_is_left_alone)

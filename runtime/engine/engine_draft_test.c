/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts in an engine: they change when tokens come, never which. */
#include "tests/engine_bed.h"

/* Requests of every kind; `id` picks which. */
static void fill_kind(struct ask *a, uint32_t id)
{
    static const uint32_t longest[] = {90, 1, 2, 9, 60, 16, 120};
    ask_fill(a, 1 + id * 5 % 61, id, longest[id % 7]);
    a->no_stop = id % 3 == 0;
    a->min_tokens = id % 4 == 1 ? 40 : 3;
    a->temperature = id % 2 ? 0.7f : 0;
    a->presence = id % 5 == 2 ? 0.5f : 0;
    a->repetition = id % 5 == 3 ? 1.3f : 0;
    a->n_logprobs = id % 6 == 4 ? 3 : 0;
    for (uint32_t i = 8; i < a->n_prompt && id % 2; i++)
        a->prompt[i] = a->prompt[i - 8]; /* something to find */
}

START_TEST(test_engine_engine_draft__drafts_right_wrong_and_partly_right_change_no_token)
{
    static const struct { uint32_t n_block, max_tok, max_seq; bool cache; struct drafts drafts; const char *why; } how[] = {
        {400, 256, 16, false, {0, {8, 1, 8}}, "nearly all wrong"}, {400, 256, 16, false, {5, {8, 2, 8}}, "mostly right"},
        {400, 256, 16, true, {24, {16, 3, 8}}, "long, with a prefix cache"}, {400, 256, 16, true, {8, {7, 1, 4}}, "ends at blocks' ends"},
        {400, 256, 16, true, {11, {1, 1, 1}}, "one at a time"}, {30, 64, 16, false, {7, {8, 1, 8}}, "preempted"},
        {30, 33, 16, true, {3, {16, 2, 2}}, "preempted, with a prefix cache, in small steps"}, {400, 16, 1, true, {5, {16, 1, 8}}, "alone"},
        {400, 17, 12, true, {5, {4, 1, 8}}, "little room in a step"}, {30, 64, 16, true, {0, {8, 1, 8}}, "wrong, preempted"},
    };
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct bed bed;
        bed_make_drafting(&bed, &lm_toy_backend, how[i].n_block, how[i].max_tok, how[i].max_seq, how[i].cache, how[i].drafts);
        for (uint32_t id = 0; id < 42; id++) {
            fill_kind(&bed.ask[id], id);
            bed_must_submit(&bed, id);
        }
        bed_run_dry(&bed);
        for (uint32_t id = 0; id < 42; id++)
            ask_check_of(&bed.ask[id], how[i].drafts.period);
        struct lm_msg_stats st = lm_engine_stats(bed.engine);
        ck_assert_msg(st.n_draft_tok > 100 && st.n_accepted_tok < st.n_draft_tok, "%s: %d of %d", how[i].why, (int)st.n_accepted_tok, (int)st.n_draft_tok);
        ck_assert_msg(how[i].drafts.period == 0 || st.n_accepted_tok > 100, "%s: %d", how[i].why, (int)st.n_accepted_tok);
        ck_assert_msg((st.n_preempted > 0) == (how[i].n_block == 30), "%s", how[i].why);
        ck_assert_uint_eq(st.accepted_at[0] + st.accepted_at[1] > 0, st.n_accepted_tok > 0);
        bed_unmake(&bed);
    }
}
END_TEST

START_TEST(test_engine_engine_draft__right_drafts_need_fewer_steps_and_end_at_the_longest_answer)
{
    for (uint32_t max_tokens = 60; max_tokens < 70; max_tokens++) {
        struct bed bed;
        bed_make_drafting(&bed, &lm_toy_backend, 10, 64, 4, true, (struct drafts){5, {8, 2, 8}});
        ask_fill(&bed.ask[0], 80 - max_tokens, 3, max_tokens); /* just what the pool holds */
        bed.ask[0].no_stop = true;
        bed_must_submit(&bed, 0);
        bed_run_dry(&bed);
        ask_check_of(&bed.ask[0], 5);
        ck_assert_uint_lt(lm_engine_stats(bed.engine).n_step, max_tokens * 2 / 3);
        bed_unmake(&bed);
    }
}
END_TEST

START_TEST(test_engine_engine_draft__a_stop_token_among_right_drafts_ends_the_answer_there)
{
    uint64_t n_accepted = 0;
    for (uint32_t n_prompt = 40; n_prompt < 60; n_prompt++) {
        struct bed bed;
        bed_make_drafting(&bed, &lm_toy_backend, 100, 64, 4, true, (struct drafts){9, {8, 2, 8}});
        ask_fill(&bed.ask[0], n_prompt, 2, 60);
        for (uint32_t i = 0; i < n_prompt; i++)
            bed.ask[0].prompt[i] = (int32_t)(i % 9 * 7); /* EOS is one of them, and comes again */
        bed_must_submit(&bed, 0);
        bed_run_dry(&bed);
        ask_check_of(&bed.ask[0], 9);
        n_accepted += lm_engine_stats(bed.engine).n_accepted_tok;
        bed_unmake(&bed);
    }
    ck_assert_uint_gt(n_accepted, 20);
}
END_TEST

START_TEST(test_engine_engine_draft__drafts_and_cancels_leave_no_block_behind)
{
    struct bed bed;
    uint64_t rng = 5;
    bed_make_drafting(&bed, &lm_toy_backend, 60, 64, 8, true, (struct drafts){6, {8, 1, 8}});
    for (uint32_t id = 0; id < 600 || lm_engine_is_busy(bed.engine);) {
        if (id < 600 && bed_random(&rng) % 2) {
            fill_kind(&bed.ask[id], id);
            bed_must_submit(&bed, id++);
        }
        if (bed_random(&rng) % 4 == 0 && id) {
            uint64_t k = bed_random(&rng) % id;
            bed.ask[k].cancelled = bed.ask[k].cancelled || !bed.ask[k].ended;
            lm_engine_cancel(bed.engine, k);
        }
        if (bed_random(&rng) % 50 == 0)
            lm_engine_forget(bed.engine);
        bed_step(&bed);
    }
    bed_run_dry(&bed);
    for (uint32_t id = 0; id < 600; id++)
        ask_check_of(&bed.ask[id], 6);
    bed_unmake(&bed);
}
END_TEST

/* Looks at each step before the toy runs it. */
static struct {
    void (*look)(const struct lm_step *st);
    const struct ask *ask;          /* the only request of it */
    int32_t all[2 * MAX_TOKENS];    /* its tokens by position, right ones before the step's first row */
    uint32_t n_shared, n_behind;
} watch;

static int watched_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *st, struct lm_err *err)
{
    watch.look(st);
    return lm_toy_backend.launch(dev, plan, st, err);
}

static struct lm_backend watched(void (*look)(const struct lm_step *))
{
    struct lm_backend be = lm_toy_backend;
    memset(&watch, 0, sizeof watch);
    watch.look = look;
    be.launch = watched_launch;
    return be;
}

/* Does the step have drafts (all rows of a sequence are drawn from) and a prompt's rows that are given? */
static void look_for_both(const struct lm_step *st)
{
    bool drafts = false, given = false;
    for (uint32_t s = 0, o = 0; s < st->n_seq; s++) {
        uint32_t n_row = st->seq_row[s + 1] - st->seq_row[s], n_drawn = 0;
        for (; o < st->n_out && st->out_row[o] < st->seq_row[s + 1]; o++) {
            n_drawn += !st->sampling[o].given;
            given |= st->sampling[o].given;
        }
        drafts |= n_row > 1 && n_drawn == n_row;
    }
    watch.n_shared += drafts && given;
}

START_TEST(test_engine_engine_draft__rows_of_prompts_and_drafts_share_steps)
{
    struct bed bed;
    struct lm_backend be = watched(look_for_both);
    bed_make_drafting(&bed, &be, 400, 64, 8, false, (struct drafts){5, {8, 2, 8}});
    for (uint32_t id = 0; id < 12; id++) {
        ask_fill(&bed.ask[id], 10 + id % 2 * 120, id, 60);
        bed.ask[id].no_stop = true;
        bed.ask[id].prompt_logprob = id % 2;
        bed_must_submit(&bed, id);
    }
    bed_run_dry(&bed);
    ck_assert_uint_gt(watch.n_shared, 5);
    for (uint32_t id = 0; id < 12; id++) {
        ask_check_of(&bed.ask[id], 5);
        ck_assert_uint_eq(bed.ask[id].n_row, id % 2 ? bed.ask[id].n_prompt - 1 : 0);
    }
    bed_unmake(&bed);
}
END_TEST

/* Each row of the request is drawn with what the tokens up to its own, right or not, make of the request. */
static void look_at_sampling(const struct lm_step *st)
{
    const struct ask *a = watch.ask;
    int32_t seen[VOCAB];
    uint32_t count[VOCAB];
    for (uint32_t r = 0; r < st->n_tok; r++)
        watch.all[st->pos[r]] = st->token[r];
    for (uint32_t o = 0; o < st->n_out; o++) {
        const struct lm_sampling *s = &st->sampling[o];
        uint32_t n = (uint32_t)st->pos[st->out_row[o]] + 1, n_seen = ask_list_seen(a, watch.all, n, seen, count);
        ck_assert_uint_eq(s->counter, n - a->n_prompt);
        ck_assert_uint_eq(s->n_bias > 0, n - a->n_prompt < a->min_tokens);
        ck_assert_uint_eq(s->n_seen, n_seen);
        ck_assert_mem_eq(s->seen, seen, n_seen * sizeof *seen);
        ck_assert_mem_eq(s->count, count, n_seen * sizeof *count);
    }
    watch.n_behind += st->n_out > 1 ? st->n_out - 1 : 0;
}

START_TEST(test_engine_engine_draft__rows_behind_drafts_are_drawn_as_if_these_were_known)
{
    for (uint32_t id = 0; id < 4; id++) {
        struct bed bed;
        struct lm_backend be = watched(look_at_sampling);
        bed_make_drafting(&bed, &be, 100, 64, 1, false, (struct drafts){7, {8, 2, 8}});
        ask_fill(&bed.ask[0], 30, 2 + id, 80);
        bed.ask[0].min_tokens = 40;
        bed.ask[0].presence = 0.5f;
        bed.ask[0].repetition = id % 2 ? 1.3f : 0;
        watch.ask = &bed.ask[0];
        bed_must_submit(&bed, 0);
        bed_run_dry(&bed);
        ask_check_of(&bed.ask[0], 7);
        ck_assert_uint_gt(watch.n_behind, 20);
        bed_unmake(&bed);
    }
}
END_TEST

static const int32_t bad[] = {2, 5, 6}, allow[] = {3, 4, 7, 11, 14, 21, 28, 35};
static void want_bad(struct lm_msg_submit_view *v) { v->bad = bad; v->h.n_bad = 3; }
static void want_allow(struct lm_msg_submit_view *v) { v->allow = allow; v->h.n_allow = 8; }
static void want_mirostat(struct lm_msg_submit_view *v) { v->h.mirostat = 2; v->h.mirostat_tau = 5; v->h.mirostat_eta = 0.1f; }
static void want_dry(struct lm_msg_submit_view *v) { v->h.dry_multiplier = 1; v->h.dry_base = 1.75f; v->h.dry_allowed_length = 2; }
static void want_nothing(struct lm_msg_submit_view *v) { }

START_TEST(test_engine_engine_draft__what_rows_cannot_be_given_in_advance_gets_no_drafts)
{
    void (*const want[])(struct lm_msg_submit_view *) = {want_nothing, want_bad, want_allow, want_mirostat, want_dry};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct bed bed;
        bed_make_drafting(&bed, &lm_toy_backend, 100, 64, 4, false, (struct drafts){7, {8, 2, 8}});
        ask_fill(&bed.ask[0], 40, 3, 100);
        bed.ask[0].no_stop = true;
        bed.ask[0].more = want[i];
        bed_must_submit(&bed, 0);
        bed_run_dry(&bed);
        ck_assert_uint_eq(bed.ask[0].n_got, 100);
        uint64_t n_draft = lm_engine_stats(bed.engine).n_draft_tok;
        ck_assert_msg(i == 0 ? n_draft > 20 : n_draft == 0, "%zu: %d drafts", i, (int)n_draft);
        bed_unmake(&bed);
    }
}
END_TEST

SUITE_MAIN("engine/engine_draft",
           test_engine_engine_draft__drafts_right_wrong_and_partly_right_change_no_token,
           test_engine_engine_draft__right_drafts_need_fewer_steps_and_end_at_the_longest_answer,
           test_engine_engine_draft__a_stop_token_among_right_drafts_ends_the_answer_there,
           test_engine_engine_draft__drafts_and_cancels_leave_no_block_behind,
           test_engine_engine_draft__rows_of_prompts_and_drafts_share_steps,
           test_engine_engine_draft__rows_behind_drafts_are_drawn_as_if_these_were_known,
           test_engine_engine_draft__what_rows_cannot_be_given_in_advance_gets_no_drafts)

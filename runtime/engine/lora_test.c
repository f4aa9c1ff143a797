/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters in the engine, on the reference backend with a tiny model, on one device and on several. */
#include "runtime/engine/engine.h"
#include "runtime/model/lora/lora.h"
#include "runtime/model/source.h"
#include "runtime/parallel/group.h"
#include "tests/refexec.h"
#include "tests/suite.h"

#define A LM_LORA_FOLDER "/llama/a"
#define B LM_LORA_FOLDER "/llama/b"

enum { N_PROMPT = 20, N_OUT = 12, MAX_ID = 8, MAX_PART = 4 };

static struct lm_err err;

struct bed {
    struct lm_gguf *g;
    struct lm_dev *dev[MAX_PART], *group; /* NULL: dev[0] alone has the model */
    struct lm_model *part[MAX_PART];
    uint32_t n_part;
    struct lm_engine *e;
    struct { int32_t token[N_OUT]; uint32_t n, n_cached; struct lm_msg_finished end; bool ended; } got[MAX_ID];
    uint32_t most_running;
};

static void make_split(struct bed *bed, uint32_t n_slot, uint32_t max_lora, uint32_t n_rank, uint32_t n_stage)
{
    const struct lm_lora_room room = {n_slot, 8};
    const struct lm_model_split split = {.n_rank = n_rank, .n_stage = n_stage, .n = n_rank * n_stage};
    *bed = (struct bed){.n_part = split.n};
    const struct lm_group_desc group = {.be = &lm_refexec, .dev = bed->dev, .model = bed->part, .n_rank = n_rank, .n_stage = n_stage,
                                        .step_timeout_us = 10000000};
    ck_assert_int_eq(lm_source_open(LM_LORA_FOLDER "/llama", &bed->g, &err), 0);
    for (uint32_t i = 0; i < split.n; i++)
        ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &bed->dev[i], &err), 0);
    ck_assert_int_eq(lm_model_load_parts(bed->g, NULL, &lm_refexec, bed->dev, &split, 0, &room, NULL, NULL, bed->part, &err), 0);
    if (split.n > 1)
        ck_assert_int_eq(lm_group_create(&group, &bed->group, &err), 0);
    const struct lm_model *m = lm_group_model(&group);
    const struct lm_engine_desc desc = {
        .be = bed->group ? &lm_group_backend : &lm_refexec, .dev = bed->group ? bed->group : bed->dev[0], .model = m, .max_lora = max_lora,
        .prefix_cache = true, .step_timeout_us = 10000000, .max_flight = n_stage,
        .plan = {.graph = &m->graph, .max_tok = 64, .max_seq = 8, .max_len = 64, .block_size = 8, .n_block = 64, .kv_dtype = LM_KV_F32},
    };
    ck_assert_int_eq(lm_engine_create(&desc, &bed->e, &err), 0);
}

static void make(struct bed *bed, uint32_t n_slot, uint32_t max_lora)
{
    make_split(bed, n_slot, max_lora, 1, 1);
}

static void unmake(struct bed *bed)
{
    lm_engine_destroy(bed->e);
    lm_group_backend.close(bed->group);
    for (uint32_t i = 0; i < bed->n_part; i++) {
        lm_model_destroy(bed->part[i], &lm_refexec, bed->dev[i]);
        lm_refexec.close(bed->dev[i]);
    }
    lm_gguf_close(bed->g);
}

static int load(struct bed *bed, uint32_t id, const char *path)
{
    size_t bytes;
    return lm_engine_load_lora(bed->e, id, path, &bytes, &err);
}

static int submit(struct bed *bed, uint64_t id, uint32_t lora)
{
    int32_t prompt[N_PROMPT];
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 3 + i * i % 90;
    const struct lm_msg_submit_view v = {.h = {.id = id, .n_prompt = N_PROMPT, .max_tokens = N_OUT, .top_p = 1, .repetition = 1, .lora = lora}, .prompt = prompt};
    return lm_engine_submit(bed->e, &v, &err);
}

static void on_token(void *arg, const struct lm_msg_token *t, const struct lm_msg_top *top)
{
    struct bed *bed = arg;
    if (bed->got[t->id].n == 0)
        bed->got[t->id].n_cached = t->n_cached;
    bed->got[t->id].token[bed->got[t->id].n++] = t->token;
}

static void on_finished(void *arg, const struct lm_msg_finished *f)
{
    struct bed *bed = arg;
    bed->got[f->id].end = *f;
    bed->got[f->id].ended = true;
}

static void step(struct bed *bed)
{
    const struct lm_engine_events ev = {.token = on_token, .finished = on_finished, .arg = bed};
    ck_assert_msg(lm_engine_step(bed->e, &ev, &err) == 0, "%s", err.msg);
    ck_assert(lm_engine_check(bed->e));
    uint32_t running = lm_engine_stats(bed->e).n_running;
    bed->most_running = running > bed->most_running ? running : bed->most_running;
}

static void run_dry(struct bed *bed)
{
    while (lm_engine_is_busy(bed->e))
        step(bed);
}

static void check_same(const struct bed *a, uint64_t i, const struct bed *b, uint64_t j)
{
    ck_assert_uint_eq(a->got[i].n, N_OUT);
    ck_assert_mem_eq(a->got[i].token, b->got[j].token, sizeof a->got[i].token);
}

START_TEST(test_engine_lora__each_request_has_its_own_and_its_own_cache)
{
    struct bed alone, all;
    make(&alone, 2, 2);
    ck_assert_int_eq(load(&alone, 7, A), 0);
    ck_assert_int_eq(load(&alone, 9, B), 0);
    for (uint64_t i = 0; i < 6; i++) { /* the second time from the cache of what it has computed itself */
        ck_assert_int_eq(submit(&alone, i, i % 3 == 0 ? 0 : i % 3 == 1 ? 7 : 9), 0);
        run_dry(&alone);
        ck_assert_uint_eq(alone.got[i].n_cached, i < 3 ? 0 : 16);
    }
    for (uint64_t i = 0; i < 3; i++)
        check_same(&alone, i, &alone, i + 3);
    ck_assert(memcmp(alone.got[0].token, alone.got[1].token, sizeof alone.got[0].token) != 0);
    ck_assert(memcmp(alone.got[1].token, alone.got[2].token, sizeof alone.got[0].token) != 0);
    make(&all, 2, 2);
    ck_assert_int_eq(load(&all, 7, A), 0);
    ck_assert_int_eq(load(&all, 9, B), 0);
    for (uint64_t i = 0; i < 6; i++)
        ck_assert_int_eq(submit(&all, i, i % 3 == 0 ? 0 : i % 3 == 1 ? 7 : 9), 0);
    run_dry(&all);
    ck_assert_uint_eq(all.most_running, 6);
    for (uint64_t i = 0; i < 6; i++)
        check_same(&all, i, &alone, i);
    unmake(&alone);
    unmake(&all);
}
END_TEST

START_TEST(test_engine_lora__a_step_has_at_most_max_lora_of_them)
{
    struct bed bed;
    make(&bed, 3, 1);
    ck_assert_int_eq(load(&bed, 7, A), 0);
    ck_assert_int_eq(load(&bed, 9, B), 0);
    ck_assert_int_eq(submit(&bed, 0, 0), 0);
    ck_assert_int_eq(submit(&bed, 1, 7), 0);
    ck_assert_int_eq(submit(&bed, 2, 7), 0);
    ck_assert_int_eq(submit(&bed, 3, 9), 0);
    run_dry(&bed);
    ck_assert_uint_eq(bed.most_running, 3);
    for (int i = 0; i < 4; i++)
        ck_assert(bed.got[i].ended && bed.got[i].end.reason == LM_FINISH_LENGTH);
    check_same(&bed, 1, &bed, 2);
    unmake(&bed);
}
END_TEST

START_TEST(test_engine_lora__one_that_is_used_goes_with_its_last_request)
{
    struct bed bed;
    make(&bed, 1, 1);
    ck_assert_int_eq(load(&bed, 7, A), 0);
    ck_assert_int_eq(submit(&bed, 0, 7), 0);
    run_dry(&bed);
    ck_assert_int_eq(submit(&bed, 1, 7), 0);
    step(&bed);
    step(&bed);
    lm_engine_unload_lora(bed.e, 7);
    ck_assert_int_eq(submit(&bed, 2, 7), LM_ENOTFOUND);
    ck_assert_int_eq(load(&bed, 8, B), LM_ELIMIT);
    run_dry(&bed);
    check_same(&bed, 1, &bed, 0);
    ck_assert_int_eq(load(&bed, 8, B), 0); /* the same slot */
    ck_assert_int_eq(submit(&bed, 3, 8), 0);
    run_dry(&bed);
    ck_assert_uint_eq(bed.got[3].n_cached, 0);
    ck_assert_int_eq(submit(&bed, 4, 8), 0);
    step(&bed);
    lm_engine_unload_lora(bed.e, 8);
    lm_engine_cancel(bed.e, 4);
    run_dry(&bed);
    ck_assert_int_eq(bed.got[4].end.reason, LM_FINISH_ABORT);
    ck_assert_int_eq(load(&bed, 9, A), 0);
    ck_assert_int_eq(submit(&bed, 5, 9), 0);
    run_dry(&bed);
    check_same(&bed, 5, &bed, 0);
    ck_assert(memcmp(bed.got[3].token, bed.got[0].token, sizeof bed.got[0].token) != 0);
    unmake(&bed);
}
END_TEST

START_TEST(test_engine_lora__what_cannot_be_is_refused)
{
    struct bed bed;
    make(&bed, 0, 1);
    ck_assert_int_eq(load(&bed, 1, A), LM_EUNSUPPORTED);
    ck_assert(strstr(err.msg, "set enable-lora"));
    ck_assert_int_eq(submit(&bed, 0, 1), LM_ENOTFOUND);
    unmake(&bed);
    make(&bed, 1, 1);
    ck_assert_int_eq(load(&bed, 0, A), LM_EINVAL);
    ck_assert_int_eq(load(&bed, 1, "/nonexistent"), LM_ENOTFOUND);
    ck_assert_int_eq(load(&bed, 1, A), 0);
    ck_assert_int_eq(load(&bed, 1, A), LM_EINVAL);
    ck_assert_int_eq(load(&bed, 2, A), LM_ELIMIT);
    ck_assert(strstr(err.msg, "raise max-cpu-loras"));
    lm_engine_unload_lora(bed.e, 5); /* nobody */
    lm_engine_unload_lora(bed.e, 1);
    lm_engine_unload_lora(bed.e, 1);
    ck_assert_int_eq(load(&bed, 2, A), 0);
    unmake(&bed); /* with one loaded */
}
END_TEST

/* Adapters come and go while the steps of others are on their way through the stages. */
static void come_and_go(const struct bed *one, uint32_t n_rank, uint32_t n_stage)
{
    struct bed bed;
    make_split(&bed, 2, 2, n_rank, n_stage);
    ck_assert_int_eq(load(&bed, 7, A), 0);
    ck_assert_int_eq(submit(&bed, 0, 0), 0);
    ck_assert_int_eq(submit(&bed, 1, 7), 0);
    step(&bed);
    step(&bed);
    ck_assert_int_eq(load(&bed, 8, "/nonexistent"), LM_ENOTFOUND);
    ck_assert_int_eq(load(&bed, 9, B), 0);
    ck_assert_int_eq(submit(&bed, 2, 9), 0);
    ck_assert_int_eq(submit(&bed, 3, 7), 0);
    step(&bed);
    lm_engine_unload_lora(bed.e, 9);
    ck_assert_int_eq(submit(&bed, 4, 9), LM_ENOTFOUND);
    run_dry(&bed);
    for (uint64_t i = 0; i < 4; i++)
        check_same(&bed, i, one, i < 3 ? i : 1);
    ck_assert_int_eq(load(&bed, 10, A), 0); /* in the slot of the one that went */
    ck_assert_int_eq(submit(&bed, 4, 10), 0);
    run_dry(&bed);
    ck_assert_uint_eq(bed.got[4].n_cached, 0);
    check_same(&bed, 4, one, 1);
    unmake(&bed);
}

START_TEST(test_engine_lora__several_devices_give_the_tokens_of_one)
{
    struct bed one;
    make(&one, 2, 2);
    ck_assert_int_eq(load(&one, 7, A), 0);
    ck_assert_int_eq(load(&one, 9, B), 0);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(submit(&one, i, i == 0 ? 0 : i == 1 ? 7 : 9), 0);
    run_dry(&one);
    come_and_go(&one, 2, 1);
    come_and_go(&one, 1, 2);
    come_and_go(&one, 2, 2);
    unmake(&one);
}
END_TEST

/* What each part has of a module: the model's own cut. */
START_TEST(test_engine_lora__a_part_has_what_its_weights_need)
{
    struct bed bed;
    make_split(&bed, 1, 1, 2, 2);
    ck_assert_int_eq(load(&bed, 1, A), 0);
    for (uint32_t i = 0; i < bed.n_part; i++)
        for (const struct lm_lora_site *s = bed.part[i]->lora_site; s; s = s->next) {
            const bool mine = (strncmp(s->module, "blk.0", 5) == 0) == (i < 2);
            const bool by_cols = strstr(s->module, "attn_output") || strstr(s->module, "ffn_down");
            ck_assert_msg((s->slot != NULL) == mine, "part %u: %s", i, s->module);
            if (!s->slot || !s->slot[0].a)
                continue;
            ck_assert_uint_eq(s->slot[0].a->cols, by_cols ? s->cols / 2 : s->cols);
            ck_assert_uint_eq(s->slot[0].b->cols, by_cols ? s->rows : s->rows / 2);
        }
    unmake(&bed);
}
END_TEST

SUITE_MAIN("engine/lora", test_engine_lora__several_devices_give_the_tokens_of_one, test_engine_lora__a_part_has_what_its_weights_need,
           test_engine_lora__each_request_has_its_own_and_its_own_cache, test_engine_lora__a_step_has_at_most_max_lora_of_them,
           test_engine_lora__one_that_is_used_goes_with_its_last_request, test_engine_lora__what_cannot_be_is_refused)

/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's table at its edges; ops_test has the arithmetic. */
#include "backends/cpu/mat.h"
#include "tests/suite.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((constructor)) static void run_in_one_process(void)
{
    setenv("CK_FORK", "no", 1);
}

static const struct lm_backend *be;
static struct lm_dev *dev;
static struct lm_plan *plan;

/* One layer of cache, and a row of logits to sample. */
static struct lm_act act[] = {{LM_ROWS_TOK, 4096}, {LM_ROWS_TOK, 16}, {LM_ROWS_OUT, 10}, {LM_ROWS_TOK, 16}};
static struct lm_op op[2];
static const uint32_t kv_head_dim[] = {16};
static struct lm_graph graph = {.act = act, .n_act = 4, .op = op, .n_op = 2, .n_layer = 1, .kv_head_dim = kv_head_dim, .n_vocab = 10};
static struct lm_plan_desc desc = {.graph = &graph, .max_tok = 512, .max_seq = 2, .max_out = 1, .max_len = 1024,
                                   .block_size = 16, .n_block = 64, .kv_dtype = LM_KV_F16};

static void setup(void)
{
    struct lm_err err = {0};
    struct lm_open_desc open_desc = {0};
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    be = so ? dlsym(so, "lm_backend") : NULL;
    ck_assert_ptr_nonnull(be);
    op[0] = (struct lm_op){.kind = LM_OP_KV_STORE, .x = 1, .x2 = 1, .y = LM_NONE, .u.attn = {.n_kv_head = 1, .head_dim = 16}};
    op[1] = (struct lm_op){.kind = LM_OP_SAMPLE, .x = 2, .x2 = LM_NONE, .y = LM_NONE};
    ck_assert_msg(be->open(&open_desc, &dev, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->prepare(dev, &desc, &plan, &err) == 0, "%s", err.msg);
}

static void teardown(void)
{
    be->release(dev, plan);
    be->close(dev);
}

START_TEST(test_cpu_cpu__table_is_complete)
{
    setup();
    ck_assert_uint_eq(be->abi, LM_BACKEND_ABI);
    ck_assert_uint_eq(be->size, sizeof *be);
    ck_assert_str_eq(be->name, "cpu");
    ck_assert_uint_eq(be->caps, LM_CAP_BATCH_INVARIANT | LM_CAP_STARTS_NONE);
    ck_assert_int_eq(be->score(), 10);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__there_is_one_device)
{
    struct lm_device_info info[2] = {{.name = ""}, {.name = "untouched"}};
    struct lm_open_desc second = {.device = 1};
    struct lm_dev *none = NULL;
    uint64_t free_bytes = 0, total = 0;
    setup();
    ck_assert_int_eq(be->devices(NULL, 0, NULL), 1);
    ck_assert_int_eq(be->devices(info, 2, NULL), 1);
    ck_assert_str_eq(info[0].kind, "cpu");
    ck_assert_str_ne(info[0].name, "");
    ck_assert_str_eq(info[0].problem, "");
    ck_assert_ptr_nonnull(strstr(info[0].driver, cpu_isa_name(cpu_isa_detect())));
    ck_assert_str_eq(info[1].name, "untouched");
    ck_assert_int_eq(be->open(&second, &none, NULL), LM_ENOTFOUND);
    ck_assert_int_eq(be->mem(dev, &free_bytes, &total, NULL), 0);
    ck_assert(free_bytes > 0 && free_bytes <= total && total == info[0].mem_bytes);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__an_unknown_option_is_a_config_error)
{
    struct lm_option option = {"treads", "1"};
    struct lm_open_desc d = {.option = &option, .n_option = 1};
    struct lm_dev *none = NULL;
    setup();
    ck_assert_int_eq(be->open(&d, &none, NULL), LM_ECONFIG);
    ck_assert_ptr_null(none);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__measure_and_prepare_refuse_alike)
{
    const struct { size_t at; uint32_t value; } cases[] = {
        {offsetof(struct lm_plan_desc, max_tok), 0},     {offsetof(struct lm_plan_desc, max_tok), UINT32_MAX},
        {offsetof(struct lm_plan_desc, max_seq), 0},     {offsetof(struct lm_plan_desc, max_out), UINT32_MAX},
        {offsetof(struct lm_plan_desc, max_len), 0},     {offsetof(struct lm_plan_desc, max_len), UINT32_MAX},
        {offsetof(struct lm_plan_desc, block_size), 24}, {offsetof(struct lm_plan_desc, block_size), 4},
        {offsetof(struct lm_plan_desc, block_size), 512}, {offsetof(struct lm_plan_desc, kv_dtype), 9},
    };
    setup();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_plan_desc bad = desc;
        struct lm_plan_size size = {77, 77};
        struct lm_plan *none = NULL;
        memcpy((char *)&bad + cases[i].at, &cases[i].value, sizeof cases[i].value);
        ck_assert_int_eq(be->measure(dev, &bad, &size, NULL), LM_EINVAL);
        ck_assert_int_eq(be->prepare(dev, &bad, &none, NULL), LM_EINVAL);
        ck_assert(size.scratch_bytes == 77 && !none);
    }
    op[0].u.attn.n_kv_head = 2;
    struct lm_plan *none = NULL;
    ck_assert_int_eq(be->prepare(dev, &desc, &none, NULL), LM_EINVAL);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__weights_serve_what_they_were_made_for)
{
    struct lm_weight_desc matrix = {.qtype = LM_Q_F32, .rows = 16, .cols = 16, .use = LM_USE_MATMUL};
    struct lm_weight_desc vector = {.qtype = LM_Q_F32, .rows = 1, .cols = 16, .use = LM_USE_VECTOR};
    struct lm_weight *m, *v;
    struct lm_plan *p = NULL;
    bool ready;
    setup();
    ck_assert_int_eq(be->weight_create(dev, &matrix, &m, &ready, NULL), 0);
    ck_assert_int_eq(be->weight_create(dev, &vector, &v, &ready, NULL), 0);
    matrix.rows = 1; /* a row of a matrix has a vector's shape */
    struct lm_weight *row;
    ck_assert_int_eq(be->weight_create(dev, &matrix, &row, &ready, NULL), 0);
    for (int i = 0; i < 4; i++) {
        op[0] = (struct lm_op){.kind = LM_OP_LAYERNORM, .x = 1, .y = 1, .w = i == 1 ? row : v, .b = i == 2 ? row : v};
        op[1] = (struct lm_op){.kind = LM_OP_MATMUL, .x = 1, .y = 3, .w = m, .b = i == 3 ? row : NULL};
        ck_assert_int_eq(be->prepare(dev, &desc, &p, NULL), i == 0 ? 0 : LM_EINVAL);
    }
    be->release(dev, p);
    be->weight_destroy(dev, row);
    be->weight_destroy(dev, v);
    be->weight_destroy(dev, m);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__more_memory_than_there_is_is_refused)
{
    struct lm_plan_desc huge = desc;
    struct lm_plan *none = NULL;
    setup();
    act[0].dim = INT32_MAX;
    huge.max_tok = 1u << 24;
    ck_assert_int_eq(be->prepare(dev, &huge, &none, NULL), LM_ENOMEM);
    act[0].dim = 4096;
    ck_assert_ptr_null(none);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__measure_tells_what_prepare_takes)
{
    struct lm_plan_size size, larger;
    struct lm_plan_desc more = desc;
    setup();
    more.max_tok *= 2;
    ck_assert_int_eq(be->measure(dev, &desc, &size, NULL), 0);
    ck_assert_int_eq(be->measure(dev, &more, &larger, NULL), 0);
    ck_assert_uint_ge(size.block_bytes, 16 * 2 * 16 * 2); /* tokens, k and v, columns, f16 */
    ck_assert_uint_eq(size.block_bytes, larger.block_bytes);
    ck_assert_uint_ge(larger.scratch_bytes - size.scratch_bytes, 512 * 4096 * 4);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__copies_keep_within_the_plan)
{
    static float in[4096 * 3], out[4096 * 3];
    setup();
    for (int i = 0; i < 4096 * 3; i++)
        in[i] = (float)i;
    ck_assert_int_eq(be->copy_in(dev, plan, 0, in, 3, NULL), 0);
    ck_assert_int_eq(be->copy_out(dev, plan, 0, out, 3, NULL), 0);
    ck_assert_mem_eq(in, out, sizeof in);
    ck_assert_int_eq(be->copy_in(dev, plan, 4, in, 1, NULL), LM_EINVAL);
    ck_assert_int_eq(be->copy_out(dev, plan, LM_NONE, out, 0, NULL), LM_EINVAL);
    ck_assert_int_eq(be->copy_out(dev, plan, 0, out, 513, NULL), LM_EINVAL);
    ck_assert_int_eq(be->copy_out(dev, plan, 2, out, 2, NULL), LM_EINVAL);
    teardown();
}
END_TEST

START_TEST(test_cpu_cpu__sync_without_a_step_returns_at_once)
{
    setup();
    ck_assert_int_eq(be->sync(dev, 0, NULL), 0);
    teardown();
}
END_TEST

static int gate[2];
static void *page;

/* A worker that touches the page waits here until the test lets it go on. */
static void hold(int sig)
{
    char c;
    if (read(gate[0], &c, 1) != 1 || mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0)
        abort();
}

START_TEST(test_cpu_cpu__a_missed_deadline_loses_the_device)
{
    const int32_t zero = 0;
    const uint32_t seq_row[] = {0, 1}, table[64] = {0};
    const struct lm_sampling sampling = {.top_p = 1, .repetition = 1};
    struct lm_step step = {.n_tok = 1, .n_seq = 1, .n_out = 1, .token = &zero, .pos = &zero, .seq_row = seq_row,
                           .block_table = table, .table_stride = 64, .out_row = table, .sampling = &sampling};
    struct sigaction action = {.sa_handler = hold}, old;
    struct lm_err err = {0};
    setup();
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(page != MAP_FAILED && pipe(gate) == 0);
    step.sampled = page;
    sigaction(SIGSEGV, &action, &old);
    ck_assert_int_eq(be->launch(dev, plan, &step, &err), 0);
    ck_assert_int_eq(be->launch(dev, plan, &step, &err), LM_EINVAL);
    ck_assert_int_eq(be->copy_out(dev, plan, 0, page, 1, &err), LM_EINVAL);
    ck_assert_int_eq(be->sync(dev, 1000, &err), LM_ETIMEOUT);
    ck_assert_int_eq(be->launch(dev, plan, &step, &err), LM_EDEVICE);
    ck_assert_int_eq(be->sync(dev, 1000, &err), LM_EDEVICE);
    ck_assert_int_eq(write(gate[1], "", 1), 1);
    teardown();
    sigaction(SIGSEGV, &old, NULL);
    ck_assert_int_eq(step.sampled->token, 0);
    munmap(page, 4096);
    close(gate[0]);
    close(gate[1]);
}
END_TEST

START_TEST(test_cpu_cpu__destroy_and_release_take_null)
{
    setup();
    be->weight_destroy(dev, NULL);
    be->release(dev, NULL);
    be->close(NULL);
    teardown();
}
END_TEST

SUITE_MAIN("cpu/cpu", test_cpu_cpu__table_is_complete, test_cpu_cpu__there_is_one_device,
           test_cpu_cpu__an_unknown_option_is_a_config_error, test_cpu_cpu__measure_and_prepare_refuse_alike,
           test_cpu_cpu__weights_serve_what_they_were_made_for,
           test_cpu_cpu__more_memory_than_there_is_is_refused, test_cpu_cpu__measure_tells_what_prepare_takes,
           test_cpu_cpu__copies_keep_within_the_plan, test_cpu_cpu__sync_without_a_step_returns_at_once,
           test_cpu_cpu__a_missed_deadline_loses_the_device, test_cpu_cpu__destroy_and_release_take_null)

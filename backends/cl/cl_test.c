/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's table: opening, options, the cache of programs, deadlines, memory. */
#include "backends/cl/plugin_test.h"
#include "tests/suite.h"

#include <dirent.h>
#include <unistd.h>

enum { DIM = 64, WIDE = 1 << 16, MAX_TOK = 64 };

static const struct lm_backend *be;

static struct lm_dev *open_with(const char *key, const char *value)
{
    const struct lm_option option[] = {test_option(), {key, value}};
    struct lm_dev *dev = NULL;
    struct lm_err err = {0};
    be = test_plugin();
    ck_assert_msg(be->open(&(struct lm_open_desc){.option = option, .n_option = key ? 2 : 1}, &dev, &err) == 0, "%s", err.msg);
    return dev;
}

static int open_fails(uint32_t device, const char *key, const char *value)
{
    const struct lm_option option[] = {test_option(), {key, value}};
    struct lm_dev *dev = NULL;
    struct lm_err err = {0};
    be = test_plugin();
    int rc = be->open(&(struct lm_open_desc){.device = device, .option = option, .n_option = key ? 2 : 1}, &dev, &err);
    ck_assert_int_eq(err.code, rc);
    ck_assert_ptr_null(dev);
    return rc;
}

/* Many additions of one activation to another: some work for the device, with an exact result. */
struct bed {
    struct lm_act act[2];
    struct lm_op op[200];
    struct lm_graph graph;
    struct lm_plan *plan;
    int32_t token[MAX_TOK], pos[MAX_TOK];
    uint32_t seq_row[2], table[8];
    struct lm_step step;
};

static int prepare(struct bed *b, struct lm_dev *dev, uint32_t n_op, uint32_t dim, struct lm_err *err)
{
    *b = (struct bed){.act = {{LM_ROWS_TOK, dim}, {LM_ROWS_TOK, dim}}, .seq_row = {0, MAX_TOK}};
    for (uint32_t i = 0; i < n_op; i++)
        b->op[i] = (struct lm_op){.kind = LM_OP_ADD, .x = 0, .x2 = 1, .y = 0};
    b->graph = (struct lm_graph){.act = b->act, .n_act = 2, .op = b->op, .n_op = n_op, .n_vocab = 10};
    for (int i = 0; i < MAX_TOK; i++)
        b->pos[i] = i;
    for (uint32_t i = 0; i < 8; i++)
        b->table[i] = i;
    b->step = (struct lm_step){.n_tok = MAX_TOK, .n_seq = 1, .token = b->token, .pos = b->pos, .seq_row = b->seq_row, .block_table = b->table, .table_stride = 8};
    const struct lm_plan_desc desc = {.graph = &b->graph, .max_tok = MAX_TOK, .max_seq = 1, .max_len = 128, .block_size = 16, .n_block = 8};
    return be->prepare(dev, &desc, &b->plan, err);
}

static float run(struct bed *b, struct lm_dev *dev)
{
    static float x[MAX_TOK * DIM], y[MAX_TOK * DIM];
    struct lm_err err = {0};
    for (int i = 0; i < MAX_TOK * DIM; i++)
        x[i] = 1;
    ck_assert_int_eq(be->copy_in(dev, b->plan, 0, x, MAX_TOK, &err), 0);
    ck_assert_int_eq(be->copy_in(dev, b->plan, 1, x, MAX_TOK, &err), 0);
    ck_assert_msg(be->launch(dev, b->plan, &b->step, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(be->launch(dev, b->plan, &b->step, &err), LM_EINVAL); /* one step at a time */
    ck_assert_int_eq(be->copy_out(dev, b->plan, 0, y, 1, &err), LM_EINVAL);
    ck_assert_msg(be->sync(dev, 60000000, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(be->copy_out(dev, b->plan, 0, y, MAX_TOK, &err), 0);
    return y[MAX_TOK * DIM - 1];
}

START_TEST(test_cl_cl__what_cannot_be_opened_says_why)
{
    ck_assert_int_eq(open_fails(99, NULL, NULL), LM_ENOTFOUND);
    ck_assert_int_eq(open_fails(0, "platform", "no such platform"), LM_ENOTFOUND);
    ck_assert_int_eq(open_fails(0, "device", "no such device"), LM_ENOTFOUND);
    ck_assert_int_eq(open_fails(0, "threads", "2"), LM_ECONFIG);
    if (!getenv("LLMSERVE_TEST_CL_PLATFORM"))
        ck_assert_int_eq(open_fails(0, "kernels", "nvidia"), LM_ECONFIG);
}
END_TEST

START_TEST(test_cl_cl__devices_and_memory_are_told)
{
    struct lm_device_info info[4] = {{.name = ""}};
    struct lm_err err;
    uint64_t left = 0, total = 0;
    struct lm_dev *dev = open_with("memory", "64M");
    ck_assert_int_ge(be->devices(info, 4, &err), 1);
    ck_assert_int_gt((int)strlen(info[0].name), 0);
    ck_assert_int_ge(be->score(), 1);
    ck_assert_int_eq(be->mem(dev, &left, &total, &err), 0);
    ck_assert_uint_eq(total, 64 << 20);
    ck_assert_uint_le(left, total);
    struct lm_weight *w = NULL;
    bool ready;
    const struct lm_weight_desc big = {.qtype = LM_Q_F32, .rows = 4096, .cols = 8192, .use = LM_USE_MATMUL};
    ck_assert_int_eq(be->weight_create(dev, &big, &w, &ready, &err), LM_ENOMEM);
    ck_assert_ptr_nonnull(strstr(err.msg, "memory"));
    ck_assert_ptr_nonnull(strstr(err.msg, "needs 128 MiB, 64 of 64 MiB are free"));
    ck_assert_ptr_nonnull(strstr(err.msg, "load-in-low-bit"));
    be->close(dev);
}
END_TEST

static int damage_files(const char *folder)
{
    DIR *d = opendir(folder);
    char path[600];
    int n = 0;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%.90s", folder, e->d_name);
        ck_assert_int_eq(truncate(path, 1000), 0);
        n++;
    }
    closedir(d);
    return n;
}

START_TEST(test_cl_cl__a_cache_of_programs_is_used_and_a_bad_one_is_rebuilt)
{
    char folder[] = "/tmp/llmserve-cl-XXXXXX", command[80];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 0; i < 3; i++) { /* built, found, damaged and built again */
        struct bed b;
        struct lm_dev *dev = open_with("cache", folder);
        struct lm_err err = {0};
        ck_assert_msg(prepare(&b, dev, 5, DIM, &err) == 0, "%s", err.msg);
        ck_assert(run(&b, dev) == 6);
        be->release(dev, b.plan);
        be->close(dev);
        if (i == 1)
            ck_assert_int_eq(damage_files(folder), 1);
    }
    ck_assert_int_eq(damage_files(folder), 1);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(test_cl_cl__a_step_past_its_deadline_loses_the_device)
{
    struct bed b;
    struct lm_dev *dev = open_with(NULL, NULL);
    struct lm_err err = {0};
    static float x[WIDE];
    ck_assert_msg(prepare(&b, dev, 60, WIDE, &err) == 0, "%s", err.msg); /* more work than queueing it */
    ck_assert_int_eq(be->launch(dev, b.plan, &b.step, &err), 0);
    ck_assert_int_eq(be->sync(dev, 60000000, &err), 0);
    ck_assert_int_eq(be->launch(dev, b.plan, &b.step, &err), 0);
    ck_assert_int_eq(be->sync(dev, 0, &err), LM_ETIMEOUT);
    ck_assert_int_eq(be->launch(dev, b.plan, &b.step, &err), LM_EDEVICE);
    ck_assert_int_eq(be->sync(dev, 1000000, &err), LM_EDEVICE);
    ck_assert_int_eq(be->copy_in(dev, b.plan, 0, x, 1, &err), LM_EDEVICE);
    be->release(dev, b.plan);
    be->close(dev);
}
END_TEST

START_TEST(test_cl_cl__what_has_no_kernel_is_refused_by_name)
{
    struct lm_act act[] = {{LM_ROWS_TOK, 1024}, {LM_ROWS_TOK, 1024}};
    struct lm_op op = {.kind = LM_OP_ATTENTION, .x = 0, .x2 = LM_NONE, .y = 1, .u.attn = {.n_head = 1, .n_kv_head = 1, .head_dim = 1024, .scale = 1}};
    const uint32_t kv_dim = 1024;
    const struct lm_graph g = {.act = act, .n_act = 2, .op = &op, .n_op = 1, .n_layer = 1, .kv_head_dim = &kv_dim, .n_vocab = 10};
    struct lm_plan_desc desc = {.graph = &g, .max_tok = 4, .max_seq = 1, .max_len = 128, .block_size = 16, .n_block = 8};
    struct lm_plan_size size;
    struct lm_plan *plan = NULL;
    struct lm_err err = {0};
    struct lm_dev *dev = open_with(NULL, NULL);
    ck_assert_int_eq(be->measure(dev, &desc, &size, &err), LM_EUNSUPPORTED);
    ck_assert_int_eq(be->prepare(dev, &desc, &plan, &err), LM_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "1024"));
    desc.kv_dtype = LM_KV_I4;
    ck_assert_int_eq(be->measure(dev, &desc, &size, &err), LM_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "kv-cache-dtype"));
    be->close(dev);
}
END_TEST

SUITE_MAIN("cl/cl", test_cl_cl__what_cannot_be_opened_says_why, test_cl_cl__devices_and_memory_are_told,
           test_cl_cl__a_cache_of_programs_is_used_and_a_bad_one_is_rebuilt, test_cl_cl__a_step_past_its_deadline_loses_the_device,
           test_cl_cl__what_has_no_kernel_is_refused_by_name)

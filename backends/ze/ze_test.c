/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's table on the test driver: opening, memory, the cache of binaries, recorded steps, deadlines. */
#include "backends/ze/bed_test.h"

#include <dirent.h>
#include <unistd.h>

static const struct lm_backend *be;

static int open_with(uint32_t device, const char *key, const char *value, struct lm_dev **out, struct lm_err *err)
{
    const struct lm_option option[] = {test_option(), {key, value}};
    be = test_plugin();
    *out = NULL;
    return be->open(&(struct lm_open_desc){.device = device, .option = option, .n_option = key ? 2 : 1}, out, err);
}

static struct lm_dev *open_device(const char *key, const char *value)
{
    struct lm_dev *dev;
    struct lm_err err = {0};
    ck_assert_msg(open_with(0, key, value, &dev, &err) == 0, "%s", err.msg);
    return dev;
}

static void nothing_is_left(void)
{
    char text[200];
    long (*live)(char *, size_t) = test_driver("ze_pocl_live");
    ck_assert_msg(live(text, sizeof text) == 0, "left: %s", text);
}

static long calls(void)
{
    long (*f)(void) = test_driver("ze_pocl_calls");
    return f();
}

static void faults(const char *text)
{
    void (*f)(const char *) = test_driver("ze_pocl_faults");
    f(text);
}

START_TEST(test_ze_ze__what_cannot_be_opened_says_why)
{
    const struct { uint32_t device; const char *key, *value; int code; const char *text; } bad[] = {
        {9, NULL, NULL, LM_ENOTFOUND, "9 of 2"}, {0, "device", "no such device", LM_ENOTFOUND, "no such device"},
        {0, "threads", "2", LM_ECONFIG, "device, memory, cache"}, {0, "memory", "4X", LM_ECONFIG, "memory"},
        {0, "cache", "here", LM_ECONFIG, "cache"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_dev *dev;
        struct lm_err err = {0};
        ck_assert_int_eq(open_with(bad[i].device, bad[i].key, bad[i].value, &dev, &err), bad[i].code);
        ck_assert_int_eq(err.code, bad[i].code);
        ck_assert_msg(strstr(err.msg, bad[i].text) != NULL, "%s", err.msg);
        ck_assert_ptr_null(dev);
    }
    nothing_is_left();
}
END_TEST

START_TEST(test_ze_ze__a_device_is_chosen_by_index_name_or_pci_address)
{
    const char *const by[][2] = {{NULL, NULL}, {"device", "ze_pocl 1"}, {"device", "0000:04:00.0"}, {"device", "04:00"}};
    struct lm_device_info info[4];
    struct lm_err err;
    for (size_t i = 0; i < 4; i++) {
        struct lm_dev *dev;
        ck_assert_int_eq(open_with(i == 0, by[i][0], by[i][1], &dev, &err), 0);
        be->close(dev);
    }
    ck_assert_int_eq(be->devices(info, 4, &err), 2);
    ck_assert_str_eq(info[1].name, "ze_pocl 1");
    ck_assert_str_eq(info[1].driver, "Alchemist, 0000:04:00.0, 1.3.65535");
    ck_assert_str_eq(info[1].problem, "");
    ck_assert_int_ge(be->score(), 101);
    nothing_is_left();
}
END_TEST

START_TEST(test_ze_ze__memory_is_what_the_driver_has_left)
{
    struct lm_err err;
    struct lm_weight *w = NULL;
    uint64_t left = 0, less = 0, total = 0;
    bool ready;
    struct lm_dev *dev = open_device(NULL, NULL), *other = open_device(NULL, NULL);
    const struct lm_weight_desc big = {.qtype = LM_Q_F32, .rows = 4096, .cols = 8192, .use = LM_USE_MATMUL};
    ck_assert_int_eq(be->mem(dev, &left, &total, &err), 0);
    ck_assert_uint_eq(total, 1 << 30);
    ck_assert_int_eq(be->weight_create(other, &big, &w, &ready, &err), 0); /* as another process would */
    ck_assert_int_eq(be->mem(dev, &less, &total, &err), 0);
    ck_assert_uint_ge(left - less, (uint64_t)128 << 20);
    be->weight_destroy(other, w);
    be->close(other);
    be->close(dev);
    dev = open_device("memory", "64M");
    ck_assert_int_eq(be->mem(dev, &left, &total, &err), 0);
    ck_assert_uint_eq(total, 64 << 20);
    ck_assert_int_eq(be->weight_create(dev, &big, &w, &ready, &err), LM_ENOMEM);
    ck_assert_ptr_nonnull(strstr(err.msg, "memory"));
    be->close(dev);
    nothing_is_left();
}
END_TEST

/* Cut every file short; how many there are. */
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

START_TEST(test_ze_ze__binaries_are_kept_and_a_bad_one_is_rebuilt)
{
    char folder[] = "/tmp/llmserve-ze-XXXXXX", command[80];
    struct bed b;
    struct lm_err err = {0};
    float y = 0;
    int n_file = 0;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 0; i < 4; i++) { /* built, found, damaged and built again; refused by the driver and built again */
        const struct lm_option option = {"cache", folder};
        struct lm_dev *dev = NULL;
        faults(i == 3 ? "module_create:1:7800000f" : NULL);
        be = test_plugin();
        ck_assert_msg(be->open(&(struct lm_open_desc){.option = &option, .n_option = 1}, &dev, &err) == 0, "%s", err.msg);
        ck_assert_msg(bed_prepare(&b, be, dev, 5, &err) == 0, "%s", err.msg);
        ck_assert_msg(bed_run(&b, be, dev, 3, &y, 60000000, &err) == 0, "%s", err.msg);
        ck_assert(y == 6);
        be->release(dev, b.plan);
        be->close(dev);
        if (i == 1)
            ck_assert_int_ge(n_file = damage_files(folder), 1);
    }
    faults(NULL);
    ck_assert_int_eq(damage_files(folder), n_file);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
    nothing_is_left();
}
END_TEST

START_TEST(test_ze_ze__copies_larger_than_every_buffer_arrive_whole)
{
    enum { ROWS = 5, COLS = (1 << 20) + 4 }; /* 20 MiB: no multiple of 4 or 16 */
    struct lm_act act[] = {{LM_ROWS_TOK, COLS}, {LM_ROWS_TOK, COLS}};
    struct lm_op op = {.kind = LM_OP_ADD, .x = 0, .x2 = 0, .y = 1};
    const struct lm_graph g = {.act = act, .n_act = 2, .op = &op, .n_op = 1, .n_vocab = 10};
    const struct lm_plan_desc desc = {.graph = &g, .max_tok = ROWS, .max_seq = 1, .max_len = 128, .block_size = 16, .n_block = 8};
    int32_t token[ROWS] = {0}, pos[ROWS] = {0, 1, 2, 3, 4};
    const uint32_t seq_row[] = {0, ROWS}, table[8] = {0};
    const struct lm_step step = {.n_tok = ROWS, .n_seq = 1, .token = token, .pos = pos, .seq_row = seq_row, .block_table = table, .table_stride = 8};
    struct lm_plan *plan = NULL;
    struct lm_err err = {0};
    float *x = malloc((size_t)ROWS * COLS * sizeof *x), *y = calloc((size_t)ROWS * COLS, sizeof *y);
    struct lm_dev *dev = open_device(NULL, NULL);
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = (float)(i % 8191);
    ck_assert_msg(be->prepare(dev, &desc, &plan, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->copy_in(dev, plan, 0, x, ROWS, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->launch(dev, plan, &step, &err) == 0 && be->sync(dev, 60000000, &err) == 0, "%s", err.msg);
    ck_assert_msg(be->copy_out(dev, plan, 1, y, ROWS, &err) == 0, "%s", err.msg);
    for (int i = 0; i < ROWS * COLS; i++)
        if (y[i] != 2 * x[i])
            ck_abort_msg("%d: %g, not %g", i, (double)y[i], 2 * (double)x[i]);
    be->release(dev, plan);
    be->close(dev);
    free(x), free(y);
    nothing_is_left();
}
END_TEST

/* Driver calls of launch() for a step of 300 ops. */
static long calls_of_step(struct bed *b, struct lm_dev *dev, int32_t last_pos)
{
    struct lm_err err = {0};
    float x[BED_TOK * BED_DIM] = {0};
    for (int i = 0; i < BED_TOK; i++)
        b->pos[i] = last_pos - BED_TOK + 1 + i;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(be->copy_in(dev, b->plan, (uint32_t)i, x, BED_TOK, &err), 0);
    long before = calls();
    ck_assert_msg(be->launch(dev, b->plan, &b->step, &err) == 0, "%s", err.msg);
    long n = calls() - before;
    ck_assert_msg(be->sync(dev, 60000000, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(b->sampled[0].token, 0);
    return n;
}

START_TEST(test_ze_ze__a_step_that_comes_again_is_one_call)
{
    struct bed b;
    struct lm_err err = {0};
    float y = 0;
    struct lm_dev *dev = open_device(NULL, NULL);
    ck_assert_msg(bed_prepare(&b, be, dev, 300, &err) == 0, "%s", err.msg);
    ck_assert_int_ge(calls_of_step(&b, dev, 7), 300); /* seen */
    ck_assert_int_ge(calls_of_step(&b, dev, 8), 300); /* recorded */
    for (int i = 9; i < 120; i++)
        ck_assert_int_le(calls_of_step(&b, dev, i), 3);
    for (int i = 0; i < 5; i++) { /* what is uploaded and read is the step's own */
        ck_assert_msg(bed_run(&b, be, dev, 10 + i, &y, 60000000, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(b.sampled[0].token, 10 + i);
        ck_assert(y == 301);
    }
    be->release(dev, b.plan);
    ck_assert_msg(bed_prepare(&b, be, dev, 300, &err) == 0, "%s", err.msg); /* other memory: nothing old is replayed */
    ck_assert_msg(bed_run(&b, be, dev, 2, &y, 60000000, &err) == 0, "%s", err.msg);
    ck_assert(y == 301 && b.sampled[0].token == 2);
    be->release(dev, b.plan);
    be->close(dev);
    nothing_is_left();
}
END_TEST

START_TEST(test_ze_ze__a_hang_ends_at_the_deadline_and_loses_the_device)
{
    struct bed b;
    struct lm_err err = {0};
    float y = 0;
    bed_leaks(true);
    struct lm_dev *dev = open_device(NULL, NULL);
    ck_assert_msg(bed_prepare(&b, be, dev, 5, &err) == 0, "%s", err.msg);
    faults("hang:3");
    ck_assert_int_eq(bed_run(&b, be, dev, 1, &y, 20000, &err), LM_ETIMEOUT);
    ck_assert_int_eq(bed_run(&b, be, dev, 1, &y, 20000, &err), LM_EDEVICE);
    ck_assert_int_eq(be->launch(dev, b.plan, &b.step, &err), LM_EDEVICE);
    be->release(dev, b.plan);
    be->close(dev); /* leaves what the device may still write to */
    faults(NULL);
    bed_leaks(false);
    dev = open_device(NULL, NULL);
    ck_assert_msg(bed_prepare(&b, be, dev, 5, &err) == 0, "%s", err.msg);
    ck_assert_msg(bed_run(&b, be, dev, 1, &y, 60000000, &err) == 0, "%s", err.msg);
    ck_assert(y == 6);
    be->release(dev, b.plan);
    be->close(dev);
}
END_TEST

/* The hang leaves objects behind: last. */
SUITE_MAIN("ze/ze", test_ze_ze__what_cannot_be_opened_says_why, test_ze_ze__a_device_is_chosen_by_index_name_or_pci_address,
           test_ze_ze__memory_is_what_the_driver_has_left, test_ze_ze__binaries_are_kept_and_a_bad_one_is_rebuilt,
           test_ze_ze__copies_larger_than_every_buffer_arrive_whole, test_ze_ze__a_step_that_comes_again_is_one_call, test_ze_ze__a_hang_ends_at_the_deadline_and_loses_the_device)

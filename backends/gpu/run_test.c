/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps on a driver that does nothing but look: all steps that one key (driver.h, again()) stands for are the same launches, in
 * every golden model.
 */
#include "backends/gpu/dev.h"
#include "runtime/model/model.h"
#include "tests/golden_model.h"
#include "tests/suite.h"

#include <stdlib.h>

enum { STEPS = 400, MAX_LEN = 1024, BLOCK = 32, MAX_SEQ = 3, MAX_PART = 20, MAX_TOK = MAX_SEQ * MAX_PART, N_UNIT = 40, MAX_KERNEL = 400 };

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

struct gpu_buf { char any; };
struct gpu_program { char name[64]; };
struct gpu_kernel { char name[128]; };

struct seen { uint64_t key, all; };

static struct {
    struct gpu_driver base;
    uint64_t hash, key; /* of what was queued since the last flush; at again(), 0: it was not asked */
    struct seen seen[STEPS];
    size_t n_seen, n_again, n_kernel;
    struct gpu_kernel kernel[MAX_KERNEL];
} look;

static void mix(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        look.hash = (look.hash ^ ((const unsigned char *)p)[i]) * FNV_PRIME;
}

static void do_close(struct gpu_driver *d)
{
}

static int do_mem(struct gpu_driver *d, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    *out_free = *out_total = d->caps.mem_bytes;
    return 0;
}

static int do_buf_create(struct gpu_driver *d, size_t bytes, struct gpu_buf **out, struct lm_err *err)
{
    *out = malloc(sizeof **out);
    return 0;
}

static void do_buf_destroy(struct gpu_driver *d, struct gpu_buf *b)
{
    free(b);
}

static int do_write(struct gpu_driver *d, struct gpu_buf *b, size_t at, const void *src, size_t bytes, struct lm_err *err)
{
    return 0;
}

/* Of an upload, or of tokens that come back: where, not what. */
static int do_copy(struct gpu_buf *b, size_t at, const void *host, size_t bytes)
{
    mix(&b, sizeof b), mix(&at, sizeof at), mix(&host, sizeof host), mix(&bytes, sizeof bytes);
    return 0;
}

static int do_write_later(struct gpu_driver *d, struct gpu_buf *b, size_t at, const void *src, size_t bytes, struct lm_err *err)
{
    return do_copy(b, at, src, bytes);
}

static int do_read_later(struct gpu_driver *d, struct gpu_buf *b, size_t at, void *dst, size_t bytes, struct lm_err *err)
{
    memset(dst, 0, bytes);
    return do_copy(b, at, dst, bytes);
}

static int do_program_create(struct gpu_driver *d, const char *name, const char *source, const char *options, struct gpu_program **out,
                             struct lm_err *err)
{
    *out = calloc(1, sizeof **out);
    snprintf((*out)->name, sizeof (*out)->name, "%s", name);
    return 0;
}

static void do_program_destroy(struct gpu_driver *d, struct gpu_program *p)
{
    free(p);
}

static int do_kernel_get(struct gpu_driver *d, struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err)
{
    char full[128];
    size_t i = 0;
    snprintf(full, sizeof full, "%s %.60s", p->name, name);
    while (i < look.n_kernel && strcmp(look.kernel[i].name, full) != 0)
        i++;
    ck_assert_uint_lt(i, MAX_KERNEL);
    memcpy(look.kernel[i].name, full, sizeof full);
    look.n_kernel += i == look.n_kernel;
    *out = &look.kernel[i];
    return 0;
}

static int do_launch(struct gpu_driver *d, const struct gpu_launch *l, struct lm_err *err)
{
    mix(&l->kernel, sizeof l->kernel), mix(l->groups, sizeof l->groups), mix(&l->local, sizeof l->local);
    for (uint32_t i = 0; i < l->n_arg; i++) {
        mix(&l->arg[i].kind, sizeof l->arg[i].kind);
        mix(&l->arg[i].u, l->arg[i].kind == GPU_ARG_BUF ? sizeof l->arg[i].buf : sizeof l->arg[i].u);
    }
    return 0;
}

static bool do_again(struct gpu_driver *d, const void *key, size_t bytes)
{
    uint64_t begin = look.hash;
    look.hash = FNV_START;
    mix(key, bytes);
    look.key = look.hash;
    look.hash = begin;
    return false;
}

static int do_flush(struct gpu_driver *d, struct lm_err *err)
{
    size_t i = 0;
    if (look.key) {
        while (i < look.n_seen && look.seen[i].key != look.key)
            i++;
        if (i == look.n_seen)
            look.seen[look.n_seen++] = (struct seen){look.key, look.hash};
        else
            look.n_again++;
        ck_assert_uint_eq(look.seen[i].all, look.hash);
    }
    look.key = 0;
    look.hash = FNV_START;
    return 0;
}

static int do_wait(struct gpu_driver *d, uint64_t deadline_us, struct lm_err *err)
{
    return do_flush(d, err);
}

static const struct gpu_driver_call calls = {
    .close = do_close, .mem = do_mem, .buf_create = do_buf_create, .buf_destroy = do_buf_destroy, .write = do_write, .write_later = do_write_later,
    .read_later = do_read_later, .program_create = do_program_create, .program_destroy = do_program_destroy, .kernel_get = do_kernel_get,
    .launch = do_launch, .again = do_again, .flush = do_flush, .wait = do_wait,
};

static const struct lm_backend backend = {
    .abi = LM_BACKEND_ABI, .size = sizeof(struct lm_backend), .name = "look", .close = gpu_dev_close, .mem = gpu_dev_mem,
    .weight_create = gpu_dev_weight_create, .weight_destroy = gpu_dev_weight_destroy, .pack = gpu_dev_pack, .measure = gpu_dev_measure,
    .prepare = gpu_dev_prepare, .release = gpu_dev_release, .launch = gpu_dev_launch, .sync = gpu_dev_sync,
};

/* Sequences of one to a few tokens, at any length; some rows give logits, greedily or drawn. */
static void run_random(struct lm_dev *dev, struct lm_plan *plan)
{
    int32_t token[MAX_TOK] = {0}, pos[MAX_TOK];
    uint32_t seq_row[MAX_SEQ + 1] = {0}, out_row[MAX_TOK], table[MAX_SEQ * (MAX_LEN / BLOCK)] = {0};
    struct lm_sampling sampling[MAX_TOK];
    struct lm_sampled sampled[MAX_TOK];
    struct lm_step step = {.token = token, .pos = pos, .seq_row = seq_row, .out_row = out_row, .block_table = table, .table_stride = MAX_LEN / BLOCK,
                           .sampling = sampling, .sampled = sampled, .n_seq = 1 + (uint32_t)rand() % MAX_SEQ};
    bool draws = rand() % 4 == 0;
    for (uint32_t s = 0; s < step.n_seq; s++) {
        int n = rand() % 4 ? 1 : 1 + rand() % MAX_PART, first = rand() % (rand() % 2 ? MAX_LEN - n : 150);
        for (int i = 0; i < n; i++)
            pos[step.n_tok++] = first + i;
        seq_row[s + 1] = step.n_tok;
        if (rand() % 4)
            out_row[step.n_out++] = step.n_tok - 1;
    }
    for (uint32_t o = 0; o < step.n_out; o++)
        sampling[o] = (struct lm_sampling){.top_p = 1, .repetition = 1, .temperature = draws ? 1 : 0};
    struct lm_err err = {0};
    ck_assert_msg(gpu_dev_launch(dev, plan, &step, &err) == 0 && gpu_dev_sync(dev, 1, &err) == 0, "%s", err.msg);
}

/* How many steps had the key of an earlier one. */
static size_t run_model(const char *name, enum gpu_class class)
{
    look.base = (struct gpu_driver){&calls, {.class = class, .mem_bytes = (uint64_t)1 << 40, .max_alloc_bytes = (uint64_t)1 << 40, .local_bytes = 65536,
                                             .n_unit = N_UNIT, .max_group = 1024, .sub_group = 16}};
    look.n_seen = look.n_again = look.n_kernel = 0;
    struct lm_gguf *g = NULL;
    struct lm_model *model = NULL;
    struct lm_plan *plan = NULL;
    struct lm_dev *dev = NULL;
    struct lm_err err = {0};
    char path[500];
    snprintf(path, sizeof path, "%s/%s.gguf", LM_GOLDEN_FOLDER, name);
    ck_assert_int_eq(gpu_dev_create(&look.base, &dev, &err), 0);
    ck_assert_msg(lm_gguf_open(path, &g, &err) == 0, "%s", err.msg);
    ck_assert_msg(lm_model_load(g, NULL, &backend, dev, MAX_LEN, NULL, NULL, NULL, &model, &err) == 0, "%s: %s", name, err.msg);
    const struct lm_plan_desc desc = {.graph = &model->graph, .max_tok = MAX_TOK, .max_seq = MAX_SEQ, .max_out = MAX_TOK, .max_len = MAX_LEN,
                                      .block_size = BLOCK, .n_block = MAX_SEQ * (MAX_LEN / BLOCK), .kv_dtype = LM_KV_F16};
    int rc = gpu_dev_prepare(dev, &desc, &plan, &err);
    ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
    do_flush(NULL, NULL);
    for (int i = 0; i < STEPS; i++)
        run_random(dev, plan);
    ck_assert_uint_ge(look.n_again, STEPS / 8);
    gpu_dev_release(dev, plan);
    lm_model_destroy(model, &backend, dev);
    lm_gguf_close(g);
    gpu_dev_close(dev);
    return look.n_again;
}

START_TEST(test_gpu_run__steps_of_one_key_are_the_same_launches)
{
    const char *const *const lists[] = {lm_golden_models, lm_golden_families};
    size_t n = 0, n_model = 0;
    for (int l = 0; l < 2; l++)
        for (const char *const *name = lists[l]; *name; name++)
            if (strncmp(*name, "hf/", 3) != 0 && !strstr(*name, "bert")) { /* files; encoders are cpu's */
                n += run_model(*name, GPU_PORTABLE) + run_model(*name, GPU_XMX);
                n_model++;
            }
    printf("%zu steps came again, of %zu models\n", n, n_model);
}
END_TEST

SUITE_MAIN("gpu/run", test_gpu_run__steps_of_one_key_are_the_same_launches)

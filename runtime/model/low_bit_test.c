/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that only keeps what is packed shows that quantizing on the way and through a file give the same bytes. */
#include "runtime/model/importance.h"
#include "runtime/model/lmq.h"
#include "runtime/model/model.h"
#include "tests/suite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WEIGHT = 256 };

struct kept_weight {
    struct lm_weight w; /* first: the handle */
    uint8_t *bytes;
    uint32_t next; /* row */
};

struct lm_dev {
    struct kept_weight *weight[MAX_WEIGHT];
    size_t n;
};

static int weight_create(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready, struct lm_err *err)
{
    struct kept_weight *k = calloc(1, sizeof *k);
    size_t bytes = lm_qtype_row_bytes(desc->qtype, desc->cols) * desc->rows;
    ck_assert(k && bytes && dev->n < MAX_WEIGHT);
    k->w = (struct lm_weight){desc->qtype, desc->rows, desc->cols, bytes};
    k->bytes = malloc(bytes);
    dev->weight[dev->n++] = k;
    *out = &k->w;
    *out_ready = false;
    return 0;
}

static void weight_destroy(struct lm_dev *dev, struct lm_weight *w)
{
}

static int pack(struct lm_dev *dev, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    struct kept_weight *k = (struct kept_weight *)w;
    size_t row_bytes = lm_qtype_row_bytes(w->qtype, w->cols);
    ck_assert(row == k->next && n <= w->rows - row && (n % 64 == 0 || row + n == w->rows));
    memcpy(k->bytes + row * row_bytes, src, n * row_bytes);
    k->next = row + n;
    return 0;
}

static const struct lm_backend keeper = {.weight_create = weight_create, .weight_destroy = weight_destroy, .pack = pack};

static void load(const struct lm_gguf *g, const struct lm_low_bit *lb, struct lm_dev *dev)
{
    struct lm_model *m;
    struct lm_err err;
    ck_assert_msg(lm_model_load(g, lb, &keeper, dev, 0, NULL, NULL, NULL, &m, &err) == 0, "%s", err.msg);
    lm_model_destroy(m, &keeper, dev);
}

static void compare(const struct lm_dev *a, const struct lm_dev *b, const char *format)
{
    bool low = false;
    ck_assert(a->n == b->n && a->n > 4);
    for (size_t i = 0; i < a->n; i++) {
        const struct kept_weight *x = a->weight[i], *y = b->weight[i];
        ck_assert_msg(x->w.qtype == y->w.qtype && x->w.bytes == y->w.bytes && x->next == x->w.rows && y->next == x->w.rows &&
                          memcmp(x->bytes, y->bytes, x->w.bytes) == 0, "%s: weight %zu", format, i);
        low = low || x->w.qtype >= LM_Q_LOW_BIT || x->w.qtype == LM_Q_F16 || x->w.qtype == LM_Q_BF16 || x->w.qtype == LM_Q_F32;
    }
    ck_assert(low);
}

static void release(struct lm_dev *dev)
{
    for (size_t i = 0; i < dev->n; i++) {
        free(dev->weight[i]->bytes);
        free(dev->weight[i]);
    }
    *dev = (struct lm_dev){0};
}

START_TEST(test_model_low_bit__a_start_from_the_cache_packs_the_same_bytes)
{
    const char *src = LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf";
    char path[] = "/tmp/low_bit_test.XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    for (size_t f = 0; lm_low_bit_name(f); f++) {
        struct lm_gguf *g = NULL, *kept = NULL;
        struct lm_low_bit lb;
        struct lm_dev direct = {0}, made = {0}, again = {0};
        struct lm_err err;
        ck_assert_int_eq(lm_low_bit_find(lm_low_bit_name(f), &lb, &err), 0);
        ck_assert_msg(lm_gguf_open(src, &g, &err) == 0, "%s", err.msg);
        load(g, &lb, &direct);
        ck_assert_msg(lm_lmq_open(path, src, g, &lb, NULL, NULL, &kept, &err) == 0, "%s", err.msg);
        load(kept, NULL, &made);
        lm_gguf_close(kept);
        ck_assert_int_eq(lm_lmq_open(path, src, g, &lb, NULL, NULL, &kept, &err), 0);
        load(kept, NULL, &again);
        compare(&direct, &made, lb.name);
        compare(&direct, &again, lb.name);
        lm_gguf_close(kept);
        lm_gguf_close(g);
        release(&direct);
        release(&made);
        release(&again);
    }
    unlink(path);
}
END_TEST

START_TEST(test_model_low_bit__a_model_without_wide_weights_is_refused_at_load)
{
    struct lm_gguf *g = NULL;
    struct lm_model *m = NULL;
    struct lm_low_bit lb;
    struct lm_dev dev = {0};
    struct lm_err err;
    char path[] = "/tmp/low_bit_test.XXXXXX", *src = LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf";
    struct lm_gguf *wide = NULL;
    close(mkstemp(path));
    ck_assert_int_eq(lm_low_bit_find("fp4", &lb, &err), 0);
    ck_assert_int_eq(lm_gguf_open(src, &wide, &err), 0);
    ck_assert_int_eq(lm_lmq_open(path, src, wide, &lb, NULL, NULL, &g, &err), 0);
    ck_assert_int_eq(lm_model_load(g, &lb, &keeper, &dev, 0, NULL, NULL, NULL, &m, &err), LM_EUNSUPPORTED);
    ck_assert_msg(strstr(err.msg, "FP4") && dev.n == 0, "%s", err.msg);
    lm_gguf_close(wide);
    lm_gguf_close(g);
    unlink(path);
}
END_TEST

static const struct lm_importance_of *importance_of(const struct lm_importance *im, const char *name)
{
    for (size_t i = 0; i < im->n; i++)
        if (strcmp(im->of[i].name, name) == 0)
            return &im->of[i];
    return NULL;
}

static float *floats_of(const struct lm_gguf *g, const char *name)
{
    const struct lm_gguf_tensor *t = lm_gguf_tensor(g, name);
    float *x = malloc((size_t)t->dim[0] * (size_t)t->dim[1] * sizeof *x);
    ck_assert_ptr_nonnull(x);
    lm_qtype_dequantize(t->qtype, t->data, x, (size_t)t->dim[1], (size_t)t->dim[0]);
    return x;
}

/* In the first layer it is known what comes in: the embedding, over its mean square, times the norm's weight. */
START_TEST(test_model_low_bit__columns_matter_as_the_weights_before_them_say)
{
    struct lm_gguf *g;
    struct lm_importance im = {0};
    double mean = 0, sum = 0;
    ck_assert_int_eq(lm_gguf_open(LM_GOLDEN_FOLDER "/qwen2-bf16.gguf", &g, NULL), 0);
    ck_assert_int_eq(lm_importance_guess(g, &im, NULL), 0);
    const struct lm_importance_of *q = importance_of(&im, "blk.0.attn_q.weight");
    const size_t dim = q->cols, rows = (size_t)lm_gguf_tensor(g, "token_embd.weight")->dim[1];
    float *embed = floats_of(g, "token_embd.weight"), *norm = floats_of(g, "blk.0.attn_norm.weight");
    double *want = calloc(dim, sizeof *want);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < dim; c++)
            want[c] += (double)embed[r * dim + c] * (double)embed[r * dim + c];
    for (size_t c = 0; c < dim; c++)
        sum += want[c] / (double)dim;
    for (size_t c = 0; c < dim; c++)
        mean += (want[c] *= (double)norm[c] * (double)norm[c] / sum) / (double)dim;
    for (size_t c = 0; c < dim; c++)
        ck_assert_double_eq_tol((double)q->weight[c], sqrt(sqrt(want[c] / mean + 0.01)), 1e-4);
    for (size_t i = 0; i < im.n; i++)
        for (size_t c = 0; c < im.of[i].cols; c++)
            ck_assert(im.of[i].weight[c] > 0 && im.of[i].weight[c] < 1e30f);
    ck_assert_ptr_nonnull(importance_of(&im, "blk.1.attn_output.weight"));
    ck_assert_ptr_nonnull(importance_of(&im, "blk.1.ffn_down.weight"));
    free(want), free(embed), free(norm);
    lm_importance_fini(&im);
    lm_gguf_close(g);
}
END_TEST

/* Uniform numbers need no smaller blocks; where every other 32 columns are three times as large, they save more than their bits. */
START_TEST(test_model_low_bit__blocks_of_32_are_taken_where_they_are_worth_their_bits)
{
    static const struct { const char *format; uint32_t cols; float every_other; uint32_t want; } cases[] = {
        {"sym_int4", 256, 1, LM_Q_SYM_INT4}, {"asym_int4", 256, 1, LM_Q_ASYM_INT4}, {"sym_int4", 256, 3, LM_Q_Q4_0},
        {"asym_int4", 256, 3, LM_Q_Q4_1},    {"sym_int4", 250, 3, LM_Q_SYM_INT4},   {"nf4", 256, 3, LM_Q_NF4},
    };
    enum { ROWS = 64 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint32_t cols = cases[i].cols;
        float *x = malloc(ROWS * cols * sizeof *x);
        const struct lm_gguf_tensor t = {.name = {"blk.0.ffn_up.weight", 19}, .n_dim = 2, .dim = {cols, ROWS, 1, 1}, .qtype = LM_Q_F32,
                                         .data = x, .bytes = ROWS * cols * sizeof *x};
        uint64_t z = 1;
        for (size_t k = 0; k < ROWS * cols; k++) {
            z = z * 6364136223846793005u + 1442695040888963407u;
            x[k] = ((float)(z >> 40) * 0x1p-24f - 0.5f) * (k % cols / 32 % 2 ? cases[i].every_other : 1);
        }
        struct lm_low_bit lb;
        uint32_t got = 0;
        ck_assert_int_eq(lm_low_bit_find(cases[i].format, &lb, NULL), 0);
        ck_assert_int_eq(lm_low_bit_type(&lb, NULL, &t, &got, NULL), 0);
        ck_assert_msg(got == cases[i].want, "%s of %u columns: %u", cases[i].format, cols, got);
        free(x);
    }
}
END_TEST

SUITE_MAIN("model/low_bit", test_model_low_bit__blocks_of_32_are_taken_where_they_are_worth_their_bits,
           test_model_low_bit__columns_matter_as_the_weights_before_them_say, test_model_low_bit__a_start_from_the_cache_packs_the_same_bytes,
           test_model_low_bit__a_model_without_wide_weights_is_refused_at_load)

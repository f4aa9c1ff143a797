/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/eval.h"
#include "runtime/model/lmq.h"
#include "runtime/model/source.h"
#include "tests/refexec.h"
#include "tests/suite.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static struct lm_gguf *file;
static struct lm_model *model;
static struct lm_dev *dev;
static const struct lm_gguf_value *tokens, *logits;
static int32_t id[512];

static void open_golden(const char *name)
{
    char path[512];
    struct lm_err err;
    snprintf(path, sizeof path, LM_GOLDEN_FOLDER "/%s.gguf", name);
    ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev, &err), 0);
    ck_assert_msg(lm_source_open(path, &file, &err) == 0, "%s", err.msg);
    ck_assert_msg(lm_model_load(file, NULL, &lm_refexec, dev, 0, NULL, NULL, NULL, &model, &err) == 0, "%s", err.msg);
    tokens = lm_gguf_get(file, "golden.tokens");
    logits = lm_gguf_get(file, "golden.logits");
    ck_assert(tokens && logits && tokens->n <= 512);
    for (size_t i = 0; i < tokens->n; i++)
        id[i] = (int32_t)lm_gguf_elem_i64(tokens, i);
}

static void close_golden(void)
{
    lm_model_destroy(model, &lm_refexec, dev);
    lm_gguf_close(file);
    lm_refexec.close(dev);
}

START_TEST(test_engine_eval__logits_are_the_golden_ones_with_and_without_inputs_kept)
{
    static const char *const names[] = {"llama-gqa-tied-f32", "gemma3-window-bf16", "qwen2-bf16", "olmo2", "mixtral", "granitemoe", "qwen2moe",
                                        "deepseek2-v2", "deepseek2-v3", "deepseek2-expanded", "gpt-oss", "glm4moe", "exaone4"};
    for (size_t k = 0; k < 2 * sizeof names / sizeof *names; k++) {
        struct lm_eval *e;
        struct lm_err err;
        open_golden(names[k / 2]);
        const uint32_t n = (uint32_t)tokens->n;
        const size_t n_vocab = model->hp.n_vocab;
        float *got = malloc(n * n_vocab * sizeof *got);
        ck_assert_msg(lm_eval_create(&lm_refexec, dev, model, n, k % 2, &e, &err) == 0, "%s", err.msg);
        for (int again = 0; again < 2; again++) { /* a piece is a sequence of its own */
            ck_assert_msg(lm_eval_run(e, id, n, got, &err) == 0, "%s", err.msg);
            for (size_t i = 0; i < n * n_vocab; i++) {
                double want = lm_gguf_elem_f64(logits, i);
                ck_assert_msg(fabs((double)got[i] - want) <= 1e-3 * (1 + fabs(want)), "%s: logit %zu is %g, not %g", names[k / 2], i,
                              (double)got[i], want);
            }
        }
        ck_assert_int_eq(lm_eval_run(e, id, n + 1, got, &err), LM_EINVAL);
        ck_assert_int_eq(lm_eval_run(e, id, 0, got, &err), LM_EINVAL);
        lm_eval_destroy(e);
        free(got);
        close_golden();
    }
}
END_TEST

/* By hand: the norm of the embeddings is what the first layer's matrices see. */
START_TEST(test_engine_eval__squares_are_those_of_the_matrices_inputs)
{
    struct lm_eval *e;
    struct lm_err err;
    struct lm_importance im = {0};
    open_golden("llama-gqa-tied-f32");
    const uint32_t n = 7, dim = model->hp.dim;
    const float *embed = lm_gguf_tensor(file, "token_embd.weight")->data, *norm = lm_gguf_tensor(file, "blk.0.attn_norm.weight")->data;
    ck_assert_int_eq(lm_eval_create(&lm_refexec, dev, model, 16, true, &e, &err), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(lm_eval_run(e, id, n, NULL, &err), 0);
        ck_assert_int_eq(lm_eval_add_squares(e, &im, &err), 0);
    }
    ck_assert_uint_eq(im.n, 7u * model->hp.n_layer + 1); /* q k v o gate up down, and the tied output */
    bool found = false;
    for (size_t i = 0; i < im.n; i++)
        for (uint32_t c = 0; c < im.of[i].cols; c++) {
            double want = 0;
            ck_assert(isfinite(im.of[i].weight[c]) && im.of[i].weight[c] >= 0);
            if (strcmp(im.of[i].name, "blk.0.attn_q.weight") != 0)
                continue;
            found = true;
            for (uint32_t t = 0; t < n; t++) {
                const float *x = embed + (size_t)id[t] * dim;
                double square = 0;
                for (uint32_t k = 0; k < dim; k++)
                    square += (double)x[k] * (double)x[k];
                double y = (double)x[c] / sqrt(square / dim + (double)model->hp.norm_eps) * (double)norm[c];
                want += 2 * y * y;
            }
            ck_assert_msg(fabs((double)im.of[i].weight[c] - want) <= 1e-4 * want + 1e-6, "column %u: %g, not %g", c, (double)im.of[i].weight[c], want);
        }
    ck_assert(found);
    lm_importance_fini(&im);
    lm_eval_destroy(e);
    close_golden();
}
END_TEST

/* The matrices of a family whose experts, joined weights and residual stream meet what is kept of the inputs. */
START_TEST(test_engine_eval__experts_and_unnormed_inputs_have_squares)
{
    static const struct { const char *model, *tensor; } cases[] = {
        {"mixtral", "blk.0.ffn_down_exps.weight"}, {"granitemoe", "blk.1.ffn_gate_exps.weight"}, {"deepseek2-v3", "blk.1.attn_k_b.weight"},
        {"olmo2", "blk.1.attn_q.weight"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct lm_eval *e;
        struct lm_err err;
        struct lm_importance im = {0};
        bool found = false;
        open_golden(cases[k].model);
        ck_assert_msg(lm_eval_create(&lm_refexec, dev, model, 16, true, &e, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(lm_eval_run(e, id, 7, NULL, &err), 0);
        ck_assert_int_eq(lm_eval_add_squares(e, &im, &err), 0);
        for (size_t i = 0; i < im.n; i++) {
            double sum = 0;
            const struct lm_gguf_tensor *t = lm_gguf_tensor(file, im.of[i].name);
            ck_assert(t && t->dim[0] == im.of[i].cols);
            for (uint32_t c = 0; c < im.of[i].cols; c++)
                sum += (double)im.of[i].weight[c];
            ck_assert_msg(isfinite(sum) && sum > 0, "%s: %s", cases[k].model, im.of[i].name);
            found = found || strcmp(im.of[i].name, cases[k].tensor) == 0;
        }
        ck_assert_msg(found, "%s has no %s", cases[k].model, cases[k].tensor);
        lm_importance_fini(&im);
        lm_eval_destroy(e);
        close_golden();
    }
}
END_TEST

/* By hand: the residual stream that olmo2's first layer reads without a norm is the embeddings. */
START_TEST(test_engine_eval__an_input_that_is_added_to_later_is_kept)
{
    struct lm_eval *e;
    struct lm_err err;
    struct lm_importance im = {0};
    bool found = false;
    open_golden("olmo2");
    const struct lm_gguf_tensor *embed = lm_gguf_tensor(file, "token_embd.weight");
    const uint32_t n = 7, dim = model->hp.dim;
    float *row = malloc(dim * sizeof *row), *want = calloc(dim, sizeof *want);
    ck_assert_int_eq(lm_eval_create(&lm_refexec, dev, model, 16, true, &e, &err), 0);
    ck_assert_int_eq(lm_eval_run(e, id, n, NULL, &err), 0);
    ck_assert_int_eq(lm_eval_add_squares(e, &im, &err), 0);
    for (uint32_t t = 0; t < n; t++) {
        lm_qtype_dequantize(embed->qtype, lm_gguf_rows(embed, (uint64_t)id[t], 1, NULL), row, 1, dim);
        for (uint32_t c = 0; c < dim; c++)
            want[c] += row[c] * row[c];
    }
    for (size_t i = 0; i < im.n; i++)
        for (uint32_t c = 0; strcmp(im.of[i].name, "blk.0.attn_q.weight") == 0 && c < dim; c++) {
            found = true;
            ck_assert_msg(fabsf(im.of[i].weight[c] - want[c]) <= 1e-5f * want[c], "column %u: %g, not %g", c, (double)im.of[i].weight[c], (double)want[c]);
        }
    ck_assert(found);
    free(row);
    free(want);
    lm_importance_fini(&im);
    lm_eval_destroy(e);
    close_golden();
}
END_TEST

static float *logits_of(const struct lm_gguf *g, const struct lm_low_bit *lb, size_t *out_n)
{
    static const int32_t token[6] = {1, 5, 9, 2, 30, 7};
    struct lm_model *m;
    struct lm_eval *e;
    struct lm_err err;
    ck_assert_msg(lm_model_load(g, lb, &lm_refexec, dev, 0, NULL, NULL, NULL, &m, &err) == 0, "%s", err.msg);
    ck_assert_msg(lm_eval_create(&lm_refexec, dev, m, 6, false, &e, &err) == 0, "%s", err.msg);
    *out_n = 6u * m->hp.n_vocab;
    float *out = malloc(*out_n * sizeof *out);
    ck_assert_msg(lm_eval_run(e, token, 6, out, &err) == 0, "%s", err.msg);
    lm_eval_destroy(e);
    lm_model_destroy(m, &lm_refexec, dev);
    return out;
}

/* Fused, joined, permuted and repacked weights, and those of experts. */
START_TEST(test_engine_eval__quantized_at_load_is_what_the_kept_file_is)
{
    static const char *const names[] = {"phi3-window.gguf", "mixtral.gguf", "deepseek2-v3.gguf", "gpt-oss-quants.gguf", "qwen2moe.gguf",
                                        "hf/llama-parts-bf16", "hf/mixtral-bf16", "hf/granitemoe-bf16", "hf/phi3-longrope-bf16",
                                        "hf/llama-fp8-block", "hf/llama-gptq-quants", "hf/llama-awq-quants"};
    static const char *const formats[] = {"mixed", "nf4", "fp32"};
    char folder[] = "/tmp/eval_test.XXXXXX", path[512], made[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(made, sizeof made, "%s/m.lmq", folder);
    for (size_t k = 0; k < 3 * sizeof names / sizeof *names; k++) {
        struct lm_gguf *g, *kept;
        struct lm_low_bit lb;
        struct lm_err err;
        size_t n, n_kept;
        snprintf(path, sizeof path, LM_GOLDEN_FOLDER "/%s", names[k / 3]);
        ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev, &err), 0);
        ck_assert_msg(lm_source_open(path, &g, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(lm_low_bit_find(formats[k % 3], &lb, &err), 0);
        lb.from_any = true;
        ck_assert_msg(lm_lmq_open(made, path, g, &lb, NULL, NULL, &kept, &err) == 0, "%s: %s", names[k / 3], err.msg);
        float *direct = logits_of(g, &lb, &n), *again = logits_of(kept, NULL, &n_kept);
        ck_assert_uint_eq(n, n_kept);
        ck_assert_msg(memcmp(direct, again, n * sizeof *direct) == 0, "%s in %s differs", names[k / 3], formats[k % 3]);
        free(direct);
        free(again);
        lm_gguf_close(kept);
        lm_gguf_close(g);
        lm_refexec.close(dev);
    }
    unlink(made);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

SUITE_MAIN("engine/eval", test_engine_eval__logits_are_the_golden_ones_with_and_without_inputs_kept,
           test_engine_eval__squares_are_those_of_the_matrices_inputs,
           test_engine_eval__experts_and_unnormed_inputs_have_squares, test_engine_eval__an_input_that_is_added_to_later_is_kept,
           test_engine_eval__quantized_at_load_is_what_the_kept_file_is)

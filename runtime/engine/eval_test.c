/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/eval.h"
#include "tests/refexec.h"
#include "tests/suite.h"
#include <math.h>
#include <stdlib.h>

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
    ck_assert_msg(lm_gguf_open(path, &file, &err) == 0, "%s", err.msg);
    ck_assert_msg(lm_model_load(file, &lm_refexec, dev, NULL, NULL, &model, &err) == 0, "%s", err.msg);
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
    static const char *const names[] = {"llama-gqa-tied-f32", "gemma3-window-bf16", "qwen2-bf16"};
    for (size_t k = 0; k < 6; k++) {
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

SUITE_MAIN("engine/eval", test_engine_eval__logits_are_the_golden_ones_with_and_without_inputs_kept,
           test_engine_eval__squares_are_those_of_the_matrices_inputs)

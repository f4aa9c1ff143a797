/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/calibrate.h"
#include "runtime/text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 64, TEXT_MAX = 1 << 20 };

static int read_tokens(const char *path, const struct lm_gguf *g, struct lm_tokens *out, struct lm_err *err)
{
    struct lm_tokenizer *t = NULL;
    char *text = malloc(TEXT_MAX);
    FILE *f = fopen(path, "r");
    size_t n = f && text ? fread(text, 1, TEXT_MAX, f) : 0;
    int rc = !f ? lm_fail(err, LM_ENOTFOUND, "%.150s: %m", path) : !text ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
    if (f)
        fclose(f);
    if (!rc)
        rc = lm_gguf_folder(g) ? lm_tokenizer_open(lm_gguf_folder(g), &t, err) : lm_tokenizer_create(g, &t, err);
    if (!rc)
        rc = lm_tokenizer_encode(t, text, n, 0, 0, out, err);
    if (!rc && out->n < PIECE)
        rc = lm_fail(err, LM_EINVAL, "%.150s has %zu tokens, at least %d are needed", path, out->n, PIECE);
    out->n = out->n < LM_CALIBRATE_TOK ? out->n : LM_CALIBRATE_TOK;
    lm_tokenizer_destroy(t);
    free(text);
    return rc;
}

/* No column is without any weight: the text may not have what makes it matter. */
static void add_floor(struct lm_importance *im)
{
    for (size_t i = 0; i < im->n; i++) {
        double sum = 0;
        for (uint32_t c = 0; c < im->of[i].cols; c++)
            sum += (double)im->of[i].weight[c];
        for (uint32_t c = 0; c < im->of[i].cols; c++)
            im->of[i].weight[c] += (float)(sum / im->of[i].cols * 0.01);
    }
}

int lm_calibrate(const char *text_path, const struct lm_gguf *g, const struct lm_backend *be, struct lm_dev *dev,
                 lm_load_progress progress, void *progress_arg, struct lm_importance *out, struct lm_err *err)
{
    struct lm_tokens ids = {0};
    struct lm_model *m = NULL;
    struct lm_eval *e = NULL;
    struct lm_importance im = {0};
    int rc = read_tokens(text_path, g, &ids, err);
    if (!rc)
        rc = lm_model_load(g, NULL, be, dev, PIECE, NULL, NULL, NULL, &m, err);
    if (!rc)
        rc = lm_eval_create(be, dev, m, PIECE, true, &e, err);
    for (size_t at = 0; at + PIECE <= ids.n && !rc; at += PIECE) {
        rc = lm_eval_run(e, ids.id + at, PIECE, NULL, err);
        if (!rc)
            rc = lm_eval_add_squares(e, &im, err);
        if (!rc && progress)
            progress(progress_arg, at + PIECE, ids.n / PIECE * PIECE);
    }
    if (rc) {
        lm_importance_fini(&im);
    } else {
        add_floor(&im);
        *out = im;
    }
    lm_eval_destroy(e);
    if (m)
        lm_model_destroy(m, be, dev);
    free(ids.id);
    return rc;
}

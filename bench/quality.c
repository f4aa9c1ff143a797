/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each low-bit format costs: bits a weight, relative error of the weights, Kullback-Leibler divergence of the next-token
 * distributions from those of the same model in f32, and perplexity, over a text. One line of a Markdown table for each.
 */
#include "cmd/llmserve/calibrate.h"
#include "runtime/model/source.h"
#include "runtime/plugin/registry.h"
#include "runtime/text/tokenizer.h"

#include <math.h>
#include <stdlib.h>

enum { PIECE = 256, SAMPLE = 64 };

struct bench {
    struct lm_gguf *gguf;
    const struct lm_backend *be;
    struct lm_dev *dev;
    const int32_t *token;
    size_t n_tok; /* a multiple of PIECE */
    size_t n_vocab;
    float *want; /* [n_tok][n_vocab] logits in f32 */
    struct lm_importance importance;
};

struct result {
    double bits, error, kl, loss, agree;
    size_t n, n_loss;
};

static double log_sum(const float *x, size_t n)
{
    float most = x[0];
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - most);
    return (double)most + log(sum);
}

static void compare(const struct bench *b, size_t at, const float *got, struct result *r)
{
    for (size_t p = 0; p < PIECE; p++) {
        const float *w = b->want + (at + p) * b->n_vocab, *g = got + p * b->n_vocab;
        double lw = log_sum(w, b->n_vocab), lg = log_sum(g, b->n_vocab), kl = 0;
        size_t bw = 0, bg = 0;
        for (size_t i = 0; i < b->n_vocab; i++) {
            kl += (double)expf((float)((double)w[i] - lw)) * (((double)w[i] - lw) - ((double)g[i] - lg));
            bw = w[i] > w[bw] ? i : bw;
            bg = g[i] > g[bg] ? i : bg;
        }
        r->kl += kl;
        r->agree += bw == bg;
        r->n++;
        if (p + 1 < PIECE) {
            r->loss += lg - (double)g[b->token[at + p + 1]];
            r->n_loss++;
        }
    }
}

/* Bits and error over the matrices of the layers: the error of rows that stand evenly in them. */
static int measure_weights(const struct bench *b, const struct lm_low_bit *lb, struct result *r, struct lm_err *err)
{
    double bytes = 0, n = 0, error = 0, square = 0;
    for (size_t i = 0; i < lm_gguf_n_tensors(b->gguf); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(b->gguf, i);
        const size_t cols = (size_t)t->dim[0], rows = lm_low_bit_n_rows(t), step = rows / SAMPLE + 1;
        uint32_t q;
        int rc = lm_low_bit_type(lb, b->gguf, t, &q, err);
        if (rc)
            return rc;
        if (q == t->qtype || memcmp(t->name.s, "blk.", 4) != 0)
            continue;
        bytes += (double)lm_qtype_row_bytes(q, cols) * (double)rows;
        n += (double)cols * (double)rows;
        float *x = malloc(lm_low_bit_scratch_bytes(t));
        void *dst = malloc(lm_qtype_row_bytes(q, cols));
        for (size_t row = 0; row < rows && !rc && x && dst; row += step) {
            rc = lm_low_bit_rows(lb, q, t, row, 1, x, dst, &error, err);
            for (size_t k = 0; k < cols; k++)
                square += (double)x[k] * (double)x[k];
        }
        free(x);
        free(dst);
        if (rc)
            return rc;
    }
    r->bits = n > 0 ? bytes * 8 / n : 0;
    r->error = square > 0 ? sqrt(error / square) : 0;
    return 0;
}

/* Run the text. want NULL: compare; else keep the logits there. */
static int run_format(const struct bench *b, const struct lm_low_bit *lb, float *want, struct result *r, struct lm_err *err)
{
    struct lm_model *m = NULL;
    struct lm_eval *e = NULL;
    float *got = want ? NULL : malloc(PIECE * b->n_vocab * sizeof *got);
    int rc = !want && !got ? lm_fail(err, LM_ENOMEM, "no memory for logits") :
        lm_model_load(b->gguf, lb, b->be, b->dev, PIECE, NULL, NULL, NULL, &m, err);
    if (!rc)
        rc = lm_eval_create(b->be, b->dev, m, PIECE, false, &e, err);
    for (size_t at = 0; at < b->n_tok && !rc; at += PIECE) {
        rc = lm_eval_run(e, b->token + at, PIECE, want ? want + at * b->n_vocab : got, err);
        if (!rc && !want)
            compare(b, at, got, r);
    }
    lm_eval_destroy(e);
    if (m)
        lm_model_destroy(m, b->be, b->dev);
    free(got);
    return rc;
}

static bool is_listed(const char *list, const char *name)
{
    const size_t n = strlen(name);
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == n && memcmp(list, name, n) == 0)
            return true;
    return false;
}

static int run_formats(struct bench *b, const char *only, struct lm_err *err)
{
    struct lm_low_bit lb;
    int rc = lm_low_bit_find("fp32", &lb, err);
    lb.from_any = true;
    b->want = malloc(b->n_tok * b->n_vocab * sizeof *b->want);
    if (!rc && !b->want)
        rc = lm_fail(err, LM_ENOMEM, "no memory for the logits of %zu positions", b->n_tok);
    if (!rc)
        rc = run_format(b, &lb, b->want, NULL, err);
    printf("| format | bits a weight | weights' relative error | KL divergence | perplexity | same first choice |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; lm_low_bit_name(i) && !rc; i++) {
        struct result r = {0};
        if (*only && !is_listed(only, lm_low_bit_name(i)))
            continue;
        rc = lm_low_bit_find(lm_low_bit_name(i), &lb, err);
        lb.from_any = true;
        lb.importance = b->importance.n ? &b->importance : NULL;
        struct lm_importance guess = {0};
        if (!rc)
            rc = lm_low_bit_guess(&lb, b->gguf, &lb, &guess, err);
        if (!rc)
            rc = measure_weights(b, &lb, &r, err);
        if (!rc)
            rc = run_format(b, &lb, NULL, &r, err);
        if (!rc)
            printf("| `%s` | %.2f | %.2f %% | %.5f | %.3f | %.1f %% |\n", lb.name, r.bits, r.error * 100, r.kl / (double)r.n,
                   exp(r.loss / (double)r.n_loss), r.agree * 100 / (double)r.n);
        fflush(stdout);
        lm_importance_fini(&guess);
    }
    free(b->want);
    return rc;
}

static int read_text(const char *path, const struct lm_gguf *g, struct lm_tokens *out, struct lm_err *err)
{
    struct lm_tokenizer *t = NULL;
    struct lm_bytes text = {0};
    char chunk[65536];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!f)
        return lm_fail(err, LM_ENOTFOUND, "%.150s: %m", path);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        lm_bytes_add(&text, chunk, n);
    if (f != stdin)
        fclose(f);
    int rc = lm_gguf_folder(g) ? lm_tokenizer_open(lm_gguf_folder(g), &t, err) : lm_tokenizer_create(g, &t, err);
    if (!rc)
        rc = lm_tokenizer_encode(t, text.data ? text.data : "", text.len, 0, 0, out, err);
    lm_tokenizer_destroy(t);
    lm_bytes_fini(&text);
    return rc;
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct lm_tokens ids = {0};
    struct lm_err err = {0};
    struct lm_hparams hp;
    if (argc < 3) {
        fprintf(stderr, "usage: quality MODEL TEXT [POSITIONS [FORMATS [CALIBRATION-TEXT]]]  (TEXT - is standard input; backend cpu)\n");
        return 2;
    }
    size_t most = argc > 3 ? strtoul(argv[3], NULL, 10) : 2048;
    int rc = lm_source_open(argv[1], &b.gguf, &err);
    if (!rc)
        rc = lm_model_hparams(b.gguf, &hp, &err);
    if (!rc)
        rc = read_text(argv[2], b.gguf, &ids, &err);
    if (!rc)
        rc = lm_registry_load(getenv("LLMSERVE_PLUGIN_DIR"), "cpu", &b.be, &err);
    if (!rc)
        rc = b.be->open(&(struct lm_open_desc){0}, &b.dev, &err);
    b.n_tok = (ids.n < most ? ids.n : most) / PIECE * PIECE;
    if (!rc && b.n_tok == 0)
        rc = lm_fail(&err, LM_EINVAL, "%zu tokens of text, at least %d are needed", ids.n, PIECE);
    if (!rc) {
        b.token = ids.id;
        b.n_vocab = hp.n_vocab;
        if (argc > 5)
            rc = lm_calibrate(argv[5], b.gguf, b.be, b.dev, NULL, NULL, &b.importance, &err);
        if (!rc)
            rc = run_formats(&b, argc > 4 ? argv[4] : "", &err);
    }
    if (rc)
        fprintf(stderr, "quality: %s\n", err.msg);
    lm_importance_fini(&b.importance);
    free(ids.id);
    if (b.dev)
        b.be->close(b.dev);
    lm_gguf_close(b.gguf);
    return rc ? 1 : 0;
}

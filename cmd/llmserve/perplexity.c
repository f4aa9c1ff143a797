/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve perplexity: how well a model foretells a text. Pieces and positions are those of llama-perplexity, so that figures can be compared. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/local.h"
#include "cmd/llmserve/progress.h"
#include "cmd/llmserve/text.h"
#include "runtime/engine/eval.h"

#include <math.h>
#include <stdlib.h>

struct args {
    const char *file;
    int64_t n_ctx, n_chunks;
    bool json;
};

static const struct lm_arg_row rows[] = {
    LM_TEXT(struct args, file, "file f", "FILE", "The text; - is standard input"),
    LM_INT(struct args, n_ctx, "ctx-size c", "TOKENS", "512", 16, 65536, "Length of a piece; what is foretold in its second half counts"),
    LM_INT(struct args, n_chunks, "chunks", "N", "0", 0, 1e9, "Pieces; 0: all of the text"),
    LM_FLAG(struct args, json, "json", "Print JSON"),
};

struct loss {
    double sum, sum2; /* of -log(p) and its square */
    size_t n;
};

static double loss_at(const float *logits, size_t n, int32_t next)
{
    double most = (double)logits[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - most);
    return log(sum) + most - (double)logits[next];
}

/* One piece; its first token becomes BOS where the model wants one. */
static int add_piece(struct lm_eval *e, int32_t *id, uint32_t n, int32_t bos, float *logits, size_t n_vocab, struct loss *l, struct lm_err *err)
{
    const int32_t first = id[0];
    if (bos >= 0)
        id[0] = bos;
    int rc = lm_eval_run(e, id, n, logits, err);
    for (uint32_t i = n / 2; i + 1 < n && !rc; i++) {
        double x = loss_at(logits + i * n_vocab, n_vocab, id[i + 1]);
        l->sum += x;
        l->sum2 += x * x;
        l->n++;
    }
    id[0] = first;
    return rc;
}

static int measure(const struct args *a, struct lm_local *l, struct lm_tokens *ids, struct loss *out, size_t *out_chunks, struct lm_err *err)
{
    struct lm_progress bar = {.what = "perplexity"};
    struct lm_eval *e = NULL;
    struct lm_tokens special = {0};
    const uint32_t n_ctx = (uint32_t)a->n_ctx, n_vocab = l->boot->hello.n_vocab;
    size_t n_chunks = ids->n / n_ctx;
    n_chunks = a->n_chunks && (size_t)a->n_chunks < n_chunks ? (size_t)a->n_chunks : n_chunks;
    if (!n_chunks)
        return lm_fail(err, LM_EINVAL, "%zu tokens of text, at least %u are needed", ids->n, n_ctx);
    float *logits = malloc((size_t)n_ctx * n_vocab * sizeof *logits);
    int rc = logits ? lm_tokenizer_encode(l->tok, "", 0, LM_TOK_ADD_SPECIAL, 0, &special, err) : lm_fail(err, LM_ENOMEM, "no memory for the logits of %u tokens", n_ctx);
    const int32_t bos = special.n && special.id[0] == lm_tokenizer_bos(l->tok) ? special.id[0] : -1;
    if (!rc)
        rc = lm_eval_create(l->boot->be, l->boot->dev, l->boot->model, n_ctx, false, &e, err);
    for (size_t i = 0; i < n_chunks && !rc; i++) {
        rc = add_piece(e, ids->id + i * n_ctx, n_ctx, bos, logits, n_vocab, out, err);
        lm_progress_show(&bar, i + 1, n_chunks);
    }
    lm_progress_end(&bar);
    lm_eval_destroy(e);
    free(special.id);
    free(logits);
    *out_chunks = n_chunks;
    return rc;
}

static void print(const struct args *a, const struct loss *l, size_t n_chunks)
{
    double n = (double)l->n, mean = l->sum / n, ppl = exp(mean), var = l->sum2 / n - mean * mean;
    double error = l->n > 1 && var > 0 ? sqrt(var / (n - 1)) * ppl : 0;
    if (a->json)
        printf("{\"perplexity\": %.6f, \"error\": %.6f, \"chunks\": %zu, \"ctx_size\": %lld, \"tokens\": %zu}\n", ppl, error, n_chunks, (long long)a->n_ctx, l->n);
    else
        printf("Final estimate: PPL = %.4f +/- %.5f\n", ppl, error);
}

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_local l = {.command = "perplexity", .no_engine = true};
    struct lm_bytes text = {0};
    struct lm_tokens ids = {0};
    struct loss loss = {0};
    struct lm_err err = {0};
    size_t n_chunks = 0;
    int rc = lm_options_read(&lm_command_perplexity.options, &a, &argc, argv, true, &err);
    if (!rc)
        rc = lm_local_read(&l, NULL, &argc, argv, &err);
    if (!rc && (!a.file || argc > 1))
        rc = lm_fail(&err, LM_EINVAL, a.file ? "unexpected argument '%.60s'" : "--file is needed", argv[argc - 1]);
    const bool usage = rc == LM_EINVAL;
    if (!rc)
        rc = lm_text_read(a.file, &text, &err);
    if (!rc) {
        lm_local_limit(&l, 1);
        rc = lm_local_load(&l, &err);
    }
    if (!rc)
        rc = lm_tokenizer_encode(l.tok, text.data ? text.data : "", text.len, LM_TOK_ADD_SPECIAL, 0, &ids, &err);
    if (!rc)
        rc = measure(&a, &l, &ids, &loss, &n_chunks, &err);
    if (!rc)
        print(&a, &loss, n_chunks);
    free(ids.id);
    lm_bytes_fini(&text);
    lm_local_close(&l);
    return lm_command_end("perplexity", rc == LM_EINVAL && !usage ? LM_EIO : rc, &err);
}

const struct lm_command lm_command_perplexity = {
    .name = "perplexity", .usage = "", .help = "measure how well a model foretells a text", .run = run, .options = LM_OPTIONS(rows), .knobs = true,
    .about = "Pieces and positions are those of llama-perplexity, so that figures can be compared.",
};

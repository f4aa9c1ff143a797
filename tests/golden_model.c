/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/golden_model.h"
#include "runtime/model/hf/safetensors.h"
#include "runtime/model/model.h"
#include "runtime/model/source.h"
#include "runtime/parallel/group.h"
#include "tests/memlink.h"
#include <math.h>
#include <stdlib.h>

enum { BLOCK = 8, LAG = 2 };

const char *const lm_golden_models[] = {
    "llama-gqa-tied-f32", "llama-llama3rope-bias-bf16", "llama-mqa-yarn-f16", "llama-window-linear-bf16", "llama-mixed-quants",
    "qwen2-bf16", "gemma3-window-bf16",
    "hf/llama-parts-bf16", "hf/llama-yarn-tied-f16", "hf/mistral-window-f32", "hf/qwen2-bf16", "hf/gemma3-window-bf16",
    "hf/llama-awq-quants", "hf/llama-gptq-quants", "hf/qwen2-gptq-order", "hf/llama-gptq8-quants", "hf/llama-fp8-block",
    "hf/llama-fp8-channel", "hf/llama-int4-quants", "hf/llama-int8-quants", NULL,
};

const char *const lm_golden_families[] = {
    "baichuan-7b", "baichuan-alibi", "chatglm", "cohere2", "command-r", "deepseek2-expanded", "deepseek2-v2",
    "deepseek2-v3", "exaone4", "exaone4-all", "gemma", "gemma2", "glm4", "glm4moe", "gpt-oss", "gpt-oss-quants",
    "granite", "granite-nope", "granitemoe", "internlm2", "minicpm", "mixtral", "mixtral-split", "olmo2", "olmo3", "olmoe",
    "phi3-longrope-long", "phi3-longrope-short", "phi3-window", "qwen2moe", "qwen3", "qwen3moe", "seed-oss",
    "starcoder2",
    "hf/cohere-bf16", "hf/cohere2-window-bf16", "hf/gemma-bf16", "hf/gemma2-window-bf16", "hf/glm-bf16", "hf/glm4-bf16",
    "hf/granite-bf16", "hf/granitemoe-bf16", "hf/mixtral-bf16", "hf/olmo2-bf16", "hf/olmoe-bf16", "hf/phi3-longrope-bf16",
    "hf/qwen2-moe-bf16", "hf/qwen3-base-bf16", "hf/qwen3-bf16", "hf/qwen3-moe-bf16", "hf/seed-oss-bf16", "hf/starcoder2-bf16",
    "hf/baichuan-bf16", "hf/baichuan-alibi-bf16", "hf/chatglm-bf16", "hf/deepseek-v2-bf16", "hf/deepseek-v3-yarn-bf16",
    "hf/exaone4-bf16", "hf/exaone4-window-bf16", "hf/glm4-moe-bf16", "hf/gpt-oss-bf16", "hf/gpt-oss-quants",
    "hf/granitemoeshared-bf16", "hf/internlm2-bf16", "hf/minicpm-bf16", "hf/olmo3-yarn-bf16",
    "bert", "bert-classes", "modern-bert", "nomic-bert", "roberta", "xlm-roberta-classes",
    "hf/bert-bf16", "hf/bert-classes-bf16", "hf/modernbert-bf16", "hf/nomic_bert-bf16", "hf/roberta-bf16", "hf/xlm-roberta-classes-bf16", NULL,
};

const char *const lm_golden_mixtures[] = {
    "glm4moe", "gpt-oss", "gpt-oss-quants", "granitemoe", "mixtral", "mixtral-split", "qwen2moe", "qwen3moe", NULL,
};

/* Where tokens and logits of all positions stand: in the file's keys, or in a folder's golden.safetensors. */
struct golden {
    struct lm_gguf *g;
    struct lm_st *st;
    const struct lm_gguf_value *key_token, *key_logits;
    const struct lm_st_tensor *st_token, *st_logits;
    const float *other; /* logits to compare with in the place of those */
};

static double golden_token(const struct golden *g, size_t i)
{
    return g->st ? lm_st_elem(g->st_token, i) : lm_gguf_elem_f64(g->key_token, i);
}

static double golden_logit(const struct golden *g, size_t i)
{
    if (g->other)
        return (double)g->other[i];
    return g->st ? lm_st_elem(g->st_logits, i) : lm_gguf_elem_f64(g->key_logits, i);
}

/* All sequences of one run. Arrays are sized for a step in which all are fed whole. */
struct run {
    const struct golden *golden;
    const struct lm_golden_feed *feed;
    const struct lm_model *model;
    bool follows; /* a process that has no part with logits */
    uint32_t n_tok, n_block; /* of a sequence */
    uint32_t *done;          /* [n_seq] tokens fed */
    struct lm_step step;
    int32_t *step_token, *pos;
    uint32_t *seq_row, *table, *out_row;
    struct lm_sampling *sampling;
    float *got, *keep;
    uint32_t n_moved; /* times that each block went one place on */
};

static void *array(size_t n, size_t each)
{
    void *p = calloc(n, each);
    if (!p)
        abort();
    return p;
}

static void init(struct run *r)
{
    size_t n_seq = r->feed->n_seq, rows = n_seq * r->n_tok;
    r->done = array(n_seq, sizeof *r->done);
    r->step_token = array(rows, sizeof *r->step_token);
    r->pos = array(rows, sizeof *r->pos);
    r->seq_row = array(n_seq + 1, sizeof *r->seq_row);
    r->table = array(n_seq * r->n_block, sizeof *r->table);
    r->out_row = array(rows, sizeof *r->out_row);
    r->sampling = array(rows, sizeof *r->sampling);
    r->step.sampled = array(rows, sizeof *r->step.sampled);
    r->got = array(rows * r->model->graph.n_vocab, sizeof *r->got);
    for (size_t i = 0; i < rows; i++)
        r->sampling[i] = (struct lm_sampling){.top_p = 1, .repetition = 1, .logprob = true, .n_logprobs = 2};
}

static void fini(struct run *r)
{
    free(r->done), free(r->step_token), free(r->pos), free(r->seq_row), free(r->table), free(r->out_row);
    free(r->sampling), free(r->step.sampled), free(r->got);
}

/* The next step: a chunk of each sequence that is not done nor too close to the one before. Rows are asked for backwards. */
static bool next_step(struct run *r)
{
    uint32_t n = 0, n_seq = 0, total = r->feed->n_seq * r->n_block;
    for (uint32_t s = 0; s < r->feed->n_seq; s++) {
        uint32_t most = s == 0 || r->done[s - 1] == r->n_tok ? r->n_tok : r->done[s - 1] < LAG ? 0 : r->done[s - 1] - LAG;
        uint32_t end = r->done[s] + r->feed->chunk < most ? r->done[s] + r->feed->chunk : most;
        end = r->model->hp.encoder ? r->n_tok : end; /* a sequence is whole, whatever the chunk */
        if (end <= r->done[s])
            continue;
        for (uint32_t b = 0; b < r->n_block; b++) /* scattered, and not in order */
            r->table[n_seq * r->n_block + b] = (total - 1 - (b * r->feed->n_seq + s) + r->n_moved) % total;
        for (; r->done[s] < end; r->done[s]++, n++) {
            r->step_token[n] = (int32_t)golden_token(r->golden, r->done[s]);
            r->pos[n] = (int32_t)r->done[s];
        }
        r->seq_row[++n_seq] = n;
    }
    for (uint32_t o = 0; o < n; o++)
        r->out_row[o] = n - 1 - o;
    r->step = (struct lm_step){.n_tok = n, .n_seq = n_seq, .n_out = n, .token = r->step_token, .pos = r->pos, .seq_row = r->seq_row,
                               .block_table = r->table, .table_stride = r->n_block, .out_row = r->out_row, .sampling = r->sampling,
                               .sampled = r->step.sampled};
    return n > 0;
}

static int compare(const struct run *r, uint32_t o, double *worst, double *sum_errors, struct lm_err *err)
{
    const size_t n = r->model->graph.n_vocab, at = (size_t)r->pos[r->out_row[o]] * n;
    const float *got = r->got + o * n;
    double diff = 0, scale = 0, sum = 0;
    size_t best = 0;
    if (r->keep)
        memcpy(r->keep + at, got, n * sizeof *got);
    for (size_t i = 0; i < n; i++) {
        double want = golden_logit(r->golden, at + i), d = fabs((double)got[i] - want);
        diff = d > diff || isnan(d) ? d : diff;
        scale = fabs(want) > scale ? fabs(want) : scale;
        best = got[i] > got[best] ? i : best;
    }
    for (size_t i = 0; i < n; i++)
        sum += exp((double)(got[i] - got[best]));
    const struct lm_sampled *s = &r->step.sampled[o];
    if (s->token != (int32_t)best || !(fabs((double)s->logprob + log(sum)) < 1e-3) || s->top_id[0] != s->token || s->n_top != (n < 2 ? n : 2))
        return lm_fail(err, LM_EINVAL, "position %d: sampled %d at %g, the best is %zu at %g", r->pos[r->out_row[o]], s->token,
                       (double)s->logprob, best, -log(sum));
    *sum_errors += diff / scale;
    if (!r->keep && !(diff / scale <= *worst)) /* also NaN */
        *worst = diff / scale;
    return 0;
}

static int move_blocks(struct run *r, const struct lm_backend *be, struct lm_dev *dev, struct lm_plan *plan, struct lm_err *err)
{
    const size_t bytes = r->feed->moves && be->kv_bytes ? be->kv_bytes(dev, plan) : 0;
    const uint32_t total = r->feed->n_seq * r->n_block;
    if (!bytes)
        return 0;
    char *all = array(total, bytes);
    int rc = 0;
    for (uint32_t b = 0; b < total && rc == 0; b++)
        rc = be->kv_out(dev, plan, b, all + b * bytes, err);
    for (uint32_t b = 0; b < total && rc == 0; b++)
        rc = be->kv_in(dev, plan, (b + 1) % total, all + b * bytes, err);
    r->n_moved++;
    free(all);
    return rc;
}

/* Weights leave the device and come back, where the backend can do that. */
static int nap(const struct run *r, const struct lm_backend *be, struct lm_dev *dev, struct lm_err *err)
{
    int rc = r->feed->moves && be->suspend ? be->suspend(dev, err) : 0;
    return rc || !r->feed->moves || !be->resume ? rc : be->resume(dev, err);
}

static int feed_all(struct run *r, const struct lm_backend *be, struct lm_dev *dev, double *out_error, struct lm_err *err)
{
    const uint32_t rows = r->feed->n_seq * r->n_tok;
    struct lm_plan_desc desc = {&r->model->graph, rows, r->feed->n_seq, rows, r->n_tok, BLOCK, r->feed->n_seq * r->n_block,
                                r->feed->kv_dtype};
    struct lm_plan *plan = NULL;
    double worst = 0, sum_errors = 0;
    int rc = nap(r, be, dev, err);
    if (rc == 0)
        rc = be->prepare(dev, &desc, &plan, err);
    if (rc == 0 && r->follows)
        rc = lm_group_follow(dev, plan, err);
    while (rc == 0 && !r->follows && next_step(r)) {
        if ((rc = be->launch(dev, plan, &r->step, err)) != 0 || (rc = be->sync(dev, 600u * 1000000u, err)) != 0 ||
            (rc = be->copy_out(dev, plan, r->model->logits_act, r->got, r->step.n_out, err)) != 0)
            break;
        for (uint32_t o = 0; o < r->step.n_out && rc == 0; o++)
            rc = compare(r, o, &worst, &sum_errors, err);
        if (rc == 0)
            rc = move_blocks(r, be, dev, plan, err);
    }
    be->release(dev, plan);
    if (rc == 0)
        *out_error = r->feed->mean && !r->keep ? sum_errors / rows : worst;
    return rc;
}

static int open_golden(const char *folder, const char *name, struct golden *out, size_t *out_n, size_t *out_logits, struct lm_err *err)
{
    char path[512], beside[544];
    bool is_folder = strncmp(name, "hf/", 3) == 0;
    snprintf(path, sizeof path, "%s/%s%s", folder, name, is_folder ? "" : ".gguf");
    snprintf(beside, sizeof beside, "%s/golden.safetensors", path);
    int rc = lm_source_open(path, &out->g, err);
    if (!rc && is_folder)
        rc = lm_st_open(beside, &out->st, err);
    if (rc)
        return rc;
    out->key_token = lm_gguf_get(out->g, "golden.tokens");
    out->key_logits = lm_gguf_get(out->g, "golden.logits");
    out->st_token = is_folder ? lm_st_tensor(out->st, "tokens") : NULL;
    out->st_logits = is_folder ? lm_st_tensor(out->st, "logits") : NULL;
    if (is_folder ? !out->st_token || !out->st_logits : !out->key_token || !out->key_logits)
        return lm_fail(err, LM_EFORMAT, "%s holds no golden logits", path);
    *out_n = is_folder ? out->st_token->n : out->key_token->n;
    *out_logits = is_folder ? out->st_logits->n : out->key_logits->n;
    return 0;
}

/* The model on one device or a group of them: who runs it, where, and whose logits are read. */
struct place {
    const struct lm_backend *be;
    struct lm_dev *dev;
    const struct lm_model *model;
    bool follows;
};

static int feed_place(const struct golden *golden, const struct place *at, const struct lm_golden_feed *feed, size_t n_tok, size_t n_logits,
                      double *out_error, struct lm_err *err)
{
    struct run r = {.feed = feed, .model = at->model, .golden = golden, .follows = at->follows};
    if (n_tok == 0 || n_logits != n_tok * at->model->graph.n_vocab)
        return lm_fail(err, LM_EFORMAT, "%zu tokens and %zu golden logits of %u", n_tok, n_logits, at->model->graph.n_vocab);
    r.n_tok = (uint32_t)n_tok;
    r.n_block = (r.n_tok + BLOCK - 1) / BLOCK;
    init(&r);
    if (feed->logits && !*feed->logits && !at->follows)
        r.keep = *feed->logits = array(n_logits, sizeof *r.keep);
    int rc = feed_all(&r, at->be, at->dev, out_error, err);
    fini(&r);
    return rc;
}

/* One process, or the only one. */
struct process {
    struct lm_group_desc split;
    const struct golden *golden;
    const struct lm_golden_feed *feed;
    size_t n_tok, n_logits;
    double error;
    int rc;
    struct lm_err err;
};

static void *run_process(void *arg)
{
    struct process *p = arg;
    struct lm_model *m[LM_GOLDEN_DEVICES] = {0};
    struct lm_group_desc *s = &p->split;
    const struct lm_model_split here = lm_group_share(s);
    struct place at = {s->be, s->dev[0], NULL, s->link && lm_link_place(s->link)->rank};
    const bool alone = s->n_rank * s->n_stage == 1 && !s->experts;
    s->model = m;
    int rc = alone ? lm_model_load(p->golden->g, p->feed->low_bit, s->be, s->dev[0], 0, NULL, NULL, NULL, m, &p->err) :
                     lm_model_load_parts(p->golden->g, p->feed->low_bit, s->be, s->dev, &here, 0, NULL, NULL, NULL, m, &p->err);
    if (!rc && !alone) {
        at.be = &lm_group_backend;
        at.dev = NULL;
        rc = lm_group_create(s, &at.dev, &p->err);
    }
    rc = lm_link_agree(s->link, rc, &p->err);
    if (!rc) {
        at.model = lm_group_model(s);
        rc = feed_place(p->golden, &at, p->feed, p->n_tok, p->n_logits, &p->error, &p->err);
    }
    if (at.be == &lm_group_backend)
        at.be->close(at.dev);
    for (uint32_t i = 0; i < here.n; i++)
        lm_model_destroy(m[i], s->be, s->dev[i]);
    if (s->link)
        lm_link_place(s->link)->ops->close(s->link);
    p->rc = rc;
    return NULL;
}

int lm_golden_run_on(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name,
                     const struct lm_golden_feed *feed, double *out_error, struct lm_err *err)
{
    struct golden golden = {0};
    struct process p[LM_GOLDEN_DEVICES] = {{.golden = &golden, .feed = feed, .split = {.be = be, .dev = dev, .n_rank = feed->n_rank ? feed->n_rank : 1,
                        .n_stage = feed->n_stage ? feed->n_stage : 1, .whole_experts = feed->whole_experts, .experts = feed->experts, .step_timeout_us = 600u * 1000000u}}};
    p->rc = open_golden(folder, name, &golden, &p->n_tok, &p->n_logits, &p->err);
    golden.other = feed->logits ? *feed->logits : NULL;
    if (!p->rc)
        lm_memlink_run(p, sizeof *p, feed->n_process, run_process);
    lm_gguf_close(golden.g);
    lm_st_close(golden.st);
    if (!p->rc)
        *out_error = p->error;
    else if (err)
        *err = p->err;
    return p->rc ? lm_fail_in(err, p->rc, "%s", name) : 0;
}

int lm_golden_run(const struct lm_backend *be, struct lm_dev *dev, const char *folder, const char *name,
                  const struct lm_golden_feed *feed, double *out_error, struct lm_err *err)
{
    return lm_golden_run_on(be, &dev, folder, name, feed, out_error, err);
}

struct split { uint32_t n_rank, n_stage; };

/* How far the logits of a model that is split in each of these ways are from those of one device. */
static int run_splits(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name, const struct split *split,
                      size_t n, bool whole_experts, double *out_error, struct lm_err *err)
{
    float *logits = NULL;
    struct lm_golden_feed feed = {.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .moves = true, .logits = &logits};
    double error, worst = 0;
    int rc = lm_golden_run(be, dev[0], folder, name, &feed, &error, err);
    feed.whole_experts = whole_experts;
    for (size_t i = 0; i < n && !rc; i++) {
        feed.n_rank = split[i].n_rank;
        feed.n_stage = split[i].n_stage;
        rc = lm_golden_run_on(be, dev, folder, name, &feed, &error, err);
        worst = !rc && !(error <= worst) ? error : worst; /* also NaN */
    }
    free(logits);
    *out_error = worst;
    return rc;
}

int lm_golden_run_split(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name, double *out_error,
                        struct lm_err *err)
{
    static const struct split all[] = {{2, 1}, {3, 1}, {4, 1}, {1, 2}, {2, 2}};
    return run_splits(be, dev, folder, name, all, sizeof all / sizeof *all, false, out_error, err);
}

int lm_golden_run_experts(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name, double *out_error,
                          struct lm_err *err)
{
    static const struct split all[] = {{2, 1}, {2, 2}};
    return run_splits(be, dev, folder, name, all, sizeof all / sizeof *all, true, out_error, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/golden_lora.h"
#include "runtime/model/hf/safetensors.h"
#include "runtime/model/lora/lora.h"
#include "runtime/model/source.h"
#include "runtime/parallel/group.h"
#include "tests/golden_model.h"
#include "tests/memlink.h"
#include <math.h>
#include <stdlib.h>

enum { N_SLOT = 3, MAX_SEQ = 5, MAX_TOK = 32, BLOCK = 8, MAX_BLOCK = MAX_TOK / BLOCK };

const char *const lm_golden_loras[] = {"llama", "qwen2", "phi3", NULL};

/* The model on one device, or what one process has of it and the group that runs it. */
struct golden {
    struct lm_gguf *g;
    struct lm_st *st;
    const struct lm_model *m;
    struct lm_model *part[LM_GOLDEN_DEVICES];
    struct lm_group_desc split; /* of these */
    const struct lm_backend *be;
    struct lm_dev *dev;
    struct lm_plan *plan;
    uint32_t n_tok;
    float *got;
};

/* A step of one chunk of each sequence; all rows are wanted. */
struct step {
    struct lm_step step;
    int32_t token[MAX_SEQ * MAX_TOK], pos[MAX_SEQ * MAX_TOK], lora[MAX_SEQ];
    uint32_t seq_row[MAX_SEQ + 1], out_row[MAX_SEQ * MAX_TOK], table[MAX_SEQ * MAX_BLOCK];
    struct lm_sampling sampling[MAX_SEQ * MAX_TOK];
    struct lm_sampled sampled[MAX_SEQ * MAX_TOK];
};

static void fill(const struct golden *g, struct step *st, const int32_t *slot, uint32_t n_seq, uint32_t from, uint32_t n)
{
    const struct lm_st_tensor *tokens = lm_st_tensor(g->st, "tokens");
    uint32_t row = 0;
    for (uint32_t s = 0; s < n_seq; s++) {
        st->lora[s] = slot[s];
        for (uint32_t i = 0; i < n; i++, row++) {
            st->token[row] = (int32_t)lm_st_elem(tokens, from + i);
            st->pos[row] = (int32_t)(from + i);
            st->out_row[row] = row;
            st->sampling[row] = (struct lm_sampling){.top_p = 1, .repetition = 1};
        }
        st->seq_row[s + 1] = row;
        for (uint32_t b = 0; b < MAX_BLOCK; b++)
            st->table[s * MAX_BLOCK + b] = b * MAX_SEQ + s;
    }
    st->step = (struct lm_step){.n_tok = row, .n_seq = n_seq, .n_out = row, .token = st->token, .pos = st->pos, .seq_row = st->seq_row,
                                .block_table = st->table, .table_stride = MAX_BLOCK, .out_row = st->out_row, .sampling = st->sampling,
                                .sampled = st->sampled, .lora = st->lora};
}

static double error_of(const struct golden *g, uint32_t row, int32_t slot, uint32_t pos)
{
    static const char *const keys[] = {"logits.base", "logits.a", "logits.b", "logits.a"};
    const struct lm_st_tensor *want = lm_st_tensor(g->st, keys[slot + 1]);
    size_t n = g->m->hp.n_vocab;
    double diff = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        double w = lm_st_elem(want, pos * n + i), d = fabs((double)g->got[row * n + i] - w);
        diff = d > diff || isnan(d) ? d : diff;
        scale = fabs(w) > scale ? fabs(w) : scale;
    }
    return diff / scale;
}

static int feed(const struct golden *g, const int32_t *slot, uint32_t n_seq, uint32_t chunk, double *io_worst, struct lm_err *err)
{
    struct step *st = calloc(1, sizeof *st);
    int rc = st ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (uint32_t from = 0; from < g->n_tok && rc == 0; from += chunk) {
        uint32_t n = g->n_tok - from < chunk ? g->n_tok - from : chunk;
        fill(g, st, slot, n_seq, from, n);
        rc = g->be->launch(g->dev, g->plan, &st->step, err);
        if (rc == 0)
            rc = g->be->sync(g->dev, 60u * 1000000u, err);
        if (rc == 0)
            rc = g->be->copy_out(g->dev, g->plan, g->m->logits_act, g->got, st->step.n_out, err);
        for (uint32_t r = 0; r < st->step.n_tok && rc == 0; r++) {
            double e = error_of(g, r, slot[r / n], from + r % n);
            *io_worst = !(e <= *io_worst) ? e : *io_worst; /* also NaN */
        }
    }
    free(st);
    return rc;
}

static bool is_group(const struct golden *g)
{
    return g->be == &lm_group_backend;
}

static int load_model(struct golden *g, const char *path, struct lm_err *err)
{
    const struct lm_lora_room room = {N_SLOT, 8};
    struct lm_group_desc *s = &g->split;
    const struct lm_model_split here = lm_group_share(s);
    int rc = lm_source_open(path, &g->g, err);
    g->be = s->be;
    g->dev = s->dev[0];
    s->model = g->part;
    if (rc == 0 && s->n_rank * s->n_stage == 1 && !s->experts) {
        rc = lm_model_load(g->g, NULL, s->be, s->dev[0], 0, &room, NULL, NULL, g->part, err);
    } else if (rc == 0) {
        g->be = &lm_group_backend;
        g->dev = NULL;
        rc = lm_model_load_parts(g->g, NULL, s->be, s->dev, &here, 0, &room, NULL, NULL, g->part, err);
        if (rc == 0)
            rc = lm_group_create(s, &g->dev, err);
    }
    rc = lm_link_agree(s->link, rc, err);
    g->m = rc ? NULL : lm_group_model(s);
    return rc;
}

static int load_adapters(struct golden *g, const char *folder, const char *name, struct lm_err *err)
{
    static const char *const adapters[N_SLOT] = {"a", "b", "a.gguf"};
    char path[512];
    size_t bytes = 0;
    int rc = 0;
    for (uint32_t i = 0; i < N_SLOT && rc == 0; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", folder, name, adapters[i]);
        rc = is_group(g) ? lm_group_load_lora(g->dev, i, path, &bytes, err) : lm_lora_load(g->m, g->be, g->dev, i, path, &bytes, err);
    }
    return rc;
}

static int load(struct golden *g, const char *folder, const char *name, struct lm_err *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int rc = load_model(g, path, err);
    snprintf(path, sizeof path, "%s/%s/golden.safetensors", folder, name);
    if (rc == 0)
        rc = lm_st_open(path, &g->st, err);
    if (rc == 0 && lm_st_tensor(g->st, "tokens")->n > MAX_TOK)
        rc = lm_fail(err, LM_EFORMAT, "more than %d tokens", MAX_TOK);
    if (rc)
        return rc;
    g->n_tok = (uint32_t)lm_st_tensor(g->st, "tokens")->n;
    g->got = calloc((size_t)MAX_SEQ * MAX_TOK * g->m->hp.n_vocab, sizeof *g->got);
    const struct lm_plan_desc desc = {.graph = &g->m->graph, .max_tok = MAX_SEQ * MAX_TOK, .max_seq = MAX_SEQ, .max_out = MAX_SEQ * MAX_TOK,
                                      .max_len = MAX_TOK, .block_size = BLOCK, .n_block = MAX_SEQ * MAX_BLOCK, .kv_dtype = LM_KV_F32};
    return g->got ? g->be->prepare(g->dev, &desc, &g->plan, err) : lm_fail(err, LM_ENOMEM, "out of memory");
}

static void unload(struct golden *g)
{
    const struct lm_group_desc *s = &g->split;
    if (g->dev)
        g->be->release(g->dev, g->plan);
    if (is_group(g))
        g->be->close(g->dev);
    for (uint32_t i = 0; i < lm_group_share(s).n; i++)
        lm_model_destroy(g->part[i], s->be, s->dev[i]);
    lm_gguf_close(g->g);
    lm_st_close(g->st);
    free(g->got);
    if (s->link)
        lm_link_place(s->link)->ops->close(s->link);
}

static int feed_all(const struct golden *g, double *out_worst, struct lm_err *err)
{
    static const int32_t alone[] = {-1, 0, 1, 2}, all[MAX_SEQ] = {0, -1, 1, 2, 0};
    static const uint32_t chunks[] = {MAX_TOK, 5, 1};
    int rc = 0;
    *out_worst = 0;
    for (size_t c = 0; c < 3 && rc == 0; c++) {
        for (size_t i = 0; i < 4 && rc == 0; i++)
            rc = feed(g, &alone[i], 1, chunks[c], out_worst, err);
        if (rc == 0)
            rc = feed(g, all, MAX_SEQ, chunks[c], out_worst, err);
    }
    return rc;
}

/* One process, or the only one. */
struct process {
    struct lm_group_desc split;
    const char *folder, *name;
    double error;
    int rc;
    struct lm_err err;
};

static void *run_process(void *arg)
{
    struct process *p = arg;
    struct golden g = {.split = p->split};
    p->rc = load(&g, p->folder, p->name, &p->err);
    if (p->rc == 0 && p->split.link && lm_link_place(p->split.link)->rank) {
        p->rc = lm_group_follow(g.dev, g.plan, &p->err);
    } else if (p->rc == 0) {
        p->rc = load_adapters(&g, p->folder, p->name, &p->err);
        p->rc = p->rc ? p->rc : feed_all(&g, &p->error, &p->err);
    }
    unload(&g);
    return NULL;
}

int lm_golden_lora_run_on(const struct lm_backend *be, struct lm_dev *const *dev, const char *folder, const char *name,
                          const struct lm_golden_split *split, double *out_error, struct lm_err *err)
{
    struct process p[LM_GOLDEN_DEVICES] = {{.folder = folder, .name = name, .split = {.be = be, .dev = dev, .n_rank = split->n_rank, .n_stage = split->n_stage,
                        .experts = split->experts, .step_timeout_us = 60u * 1000000u}}};
    lm_memlink_run(p, sizeof *p, split->n_process, run_process);
    if (p->rc == 0)
        *out_error = p->error;
    else if (err)
        *err = p->err;
    return p->rc ? lm_fail_in(err, p->rc, "%s on %u x %u", name, split->n_rank, split->n_stage) : 0;
}

int lm_golden_lora_run(const struct lm_backend *be, struct lm_dev *dev, const char *folder, const char *name, double *out_error,
                       struct lm_err *err)
{
    const struct lm_golden_split one = {.n_rank = 1, .n_stage = 1, .n_process = 1};
    return lm_golden_lora_run_on(be, &dev, folder, name, &one, out_error, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/golden_lora.h"
#include "runtime/model/hf/safetensors.h"
#include "runtime/model/lora/lora.h"
#include "runtime/model/source.h"
#include <math.h>
#include <stdlib.h>

enum { N_SLOT = 3, MAX_SEQ = 5, MAX_TOK = 32, BLOCK = 8, MAX_BLOCK = MAX_TOK / BLOCK };

const char *const lm_golden_loras[] = {"llama", "qwen2", "phi3", NULL};

struct golden {
    struct lm_gguf *g;
    struct lm_st *st;
    struct lm_model *m;
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

static int feed(const struct lm_backend *be, struct lm_dev *dev, const struct golden *g, const int32_t *slot, uint32_t n_seq, uint32_t chunk,
                double *io_worst, struct lm_err *err)
{
    struct step *st = calloc(1, sizeof *st);
    int rc = st ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (uint32_t from = 0; from < g->n_tok && rc == 0; from += chunk) {
        uint32_t n = g->n_tok - from < chunk ? g->n_tok - from : chunk;
        fill(g, st, slot, n_seq, from, n);
        rc = be->launch(dev, g->plan, &st->step, err);
        if (rc == 0)
            rc = be->sync(dev, 60u * 1000000u, err);
        if (rc == 0)
            rc = be->copy_out(dev, g->plan, g->m->logits_act, g->got, st->step.n_out, err);
        for (uint32_t r = 0; r < st->step.n_tok && rc == 0; r++) {
            double e = error_of(g, r, slot[r / n], from + r % n);
            *io_worst = !(e <= *io_worst) ? e : *io_worst; /* also NaN */
        }
    }
    free(st);
    return rc;
}

static int load(const struct lm_backend *be, struct lm_dev *dev, const char *folder, const char *name, struct golden *g, struct lm_err *err)
{
    static const char *const adapters[N_SLOT] = {"a", "b", "a.gguf"};
    const struct lm_lora_room room = {N_SLOT, 8};
    char path[512];
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int rc = lm_source_open(path, &g->g, err);
    if (rc == 0)
        rc = lm_model_load(g->g, NULL, be, dev, 0, &room, NULL, NULL, &g->m, err);
    snprintf(path, sizeof path, "%s/%s/golden.safetensors", folder, name);
    if (rc == 0)
        rc = lm_st_open(path, &g->st, err);
    for (uint32_t i = 0; i < N_SLOT && rc == 0; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", folder, name, adapters[i]);
        rc = lm_lora_load(g->m, be, dev, i, path, &bytes, err);
    }
    if (rc == 0 && lm_st_tensor(g->st, "tokens")->n > MAX_TOK)
        rc = lm_fail(err, LM_EFORMAT, "more than %d tokens", MAX_TOK);
    if (rc)
        return rc;
    g->n_tok = (uint32_t)lm_st_tensor(g->st, "tokens")->n;
    g->got = calloc((size_t)MAX_SEQ * MAX_TOK * g->m->hp.n_vocab, sizeof *g->got);
    const struct lm_plan_desc desc = {.graph = &g->m->graph, .max_tok = MAX_SEQ * MAX_TOK, .max_seq = MAX_SEQ, .max_out = MAX_SEQ * MAX_TOK,
                                      .max_len = MAX_TOK, .block_size = BLOCK, .n_block = MAX_SEQ * MAX_BLOCK, .kv_dtype = LM_KV_F32};
    return g->got ? be->prepare(dev, &desc, &g->plan, err) : lm_fail(err, LM_ENOMEM, "out of memory");
}

int lm_golden_lora_run(const struct lm_backend *be, struct lm_dev *dev, const char *folder, const char *name, double *out_error,
                       struct lm_err *err)
{
    static const int32_t alone[] = {-1, 0, 1, 2}, all[MAX_SEQ] = {0, -1, 1, 2, 0};
    static const uint32_t chunks[] = {MAX_TOK, 5, 1};
    struct golden g = {0};
    double worst = 0;
    int rc = load(be, dev, folder, name, &g, err);
    for (size_t c = 0; c < 3 && rc == 0; c++) {
        for (size_t i = 0; i < 4 && rc == 0; i++)
            rc = feed(be, dev, &g, &alone[i], 1, chunks[c], &worst, err);
        if (rc == 0)
            rc = feed(be, dev, &g, all, MAX_SEQ, chunks[c], &worst, err);
    }
    be->release(dev, g.plan);
    lm_model_destroy(g.m, be, dev);
    lm_gguf_close(g.g);
    lm_st_close(g.st);
    free(g.got);
    if (rc)
        return lm_fail_in(err, rc, "%s", name);
    *out_error = worst;
    return 0;
}

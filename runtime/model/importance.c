/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/importance.h"
#include "runtime/model/model.h"
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS_MAX = 16, PIECE_ROWS = 64, N_MAX = 1 << 20 };

struct guess {
    const struct lm_gguf *g;
    uint32_t n_head, n_kv;
    struct lm_importance im;
    size_t cap;
    struct lm_err *err;
    int rc;
};

static const struct lm_gguf_tensor *find(const struct guess *s, uint32_t layer, const char *name, const char *kind)
{
    char full[96];
    snprintf(full, sizeof full, "blk.%u.%s.%s", layer, name, kind);
    return lm_gguf_tensor(s->g, full);
}

static float *floats(struct guess *s, size_t n)
{
    float *v = s->rc ? NULL : calloc(n, sizeof *v);
    if (!v && !s->rc)
        s->rc = lm_fail(s->err, LM_ENOMEM, "no memory for the importance of %zu columns", n);
    return v;
}

static bool is_matrix(const struct lm_gguf_tensor *t)
{
    return t && t->n_dim == 2 && lm_qtype_info(t->qtype)->dequantize && t->dim[0] <= N_MAX && t->dim[1] <= N_MAX;
}

/* y += x^2 of a vector of n numbers, or nothing where it is another. */
static void add_squares(struct guess *s, const struct lm_gguf_tensor *t, size_t n, float *y)
{
    if (!t || t->dim[0] != n || lm_gguf_n_rows(t) != 1 || !lm_qtype_info(t->qtype)->dequantize)
        return;
    float *x = floats(s, n);
    void *made = x ? malloc(t->bytes) : NULL;
    if (x && made) {
        lm_qtype_dequantize(t->qtype, lm_gguf_rows(t, 0, 1, made), x, 1, n);
        for (size_t i = 0; i < n; i++)
            y[i] += x[i] * x[i];
    }
    free(made);
    free(x);
}

/* Of the n columns behind a norm of the residual stream, whose mean squares are given; NULL where the layer has none of that name. */
static float *behind_norm(struct guess *s, uint32_t layer, const char *name, const float *stream, size_t n)
{
    const struct lm_gguf_tensor *t = find(s, layer, name, "weight");
    float *y = t && t->dim[0] == n ? floats(s, n) : NULL;
    double mean = 0;
    if (!y)
        return NULL;
    add_squares(s, t, n, y);
    for (size_t i = 0; i < n; i++)
        mean += (double)stream[i] / (double)n;
    for (size_t i = 0; i < n && mean > 0; i++)
        y[i] *= (float)((double)stream[i] / mean);
    add_squares(s, find(s, layer, name, "bias"), n, y);
    return y;
}

/* Rows in pieces, by several threads. */
struct rows {
    const struct lm_gguf_tensor *t;
    uint64_t first, n;  /* rows */
    const float *weight; /* [cols] */
    float *y;            /* [n] */
    atomic_uint_fast64_t next;
    atomic_bool failed;
};

static void *sum_rows(void *arg)
{
    struct rows *r = arg;
    const size_t cols = (size_t)r->t->dim[0];
    float *x = malloc(cols * sizeof *x);
    void *made = malloc(r->t->bytes / lm_gguf_n_rows(r->t));
    atomic_store(&r->failed, atomic_load(&r->failed) || !x || !made);
    for (uint64_t at; x && made && (at = atomic_fetch_add(&r->next, PIECE_ROWS)) < r->n;)
        for (uint64_t i = at; i < r->n && i < at + PIECE_ROWS; i++) {
            float lane[16] = {0};
            lm_qtype_dequantize(r->t->qtype, lm_gguf_rows(r->t, r->first + i, 1, made), x, 1, cols);
            for (size_t c = 0; c < cols; c++)
                lane[c % 16] += x[c] * x[c] * r->weight[c];
            for (size_t k = 0; k < 16; k++)
                r->y[i] += lane[k];
        }
    free(x);
    free(made);
    return NULL;
}

/* y[i] += sum over the columns of weight * W[first + i]^2 */
static void weighted_rows(struct guess *s, const struct lm_gguf_tensor *t, uint64_t first, uint64_t n, const float *weight, float *y)
{
    struct rows r = {.t = t, .first = first, .n = n, .weight = weight, .y = y};
    pthread_t thread[THREADS_MAX];
    cpu_set_t set;
    size_t k = 0, cpus = sched_getaffinity(0, sizeof set, &set) ? 1 : (size_t)CPU_COUNT(&set);
    while (k + 1 < cpus && k < THREADS_MAX && (k + 1) * PIECE_ROWS < n && pthread_create(&thread[k], NULL, sum_rows, &r) == 0)
        k++;
    sum_rows(&r);
    while (k > 0)
        pthread_join(thread[--k], NULL);
    if (atomic_load(&r.failed) && !s->rc)
        s->rc = lm_fail(s->err, LM_ENOMEM, "no memory for a row of %llu", (unsigned long long)t->dim[0]);
    lm_gguf_has_read(s->g, t->made ? t->made->src : t->data, t->made ? t->made->src_bytes : t->bytes);
}

/*
 * Keeps the fourth root of y over its mean for a matrix (or the experts') of n columns: the guess is right about which columns matter,
 * but where a model has few large activations wrong about how much. A hundredth of the mean is the least that one matters.
 */
static void keep(struct guess *s, const struct lm_gguf_tensor *t, const float *y, size_t n)
{
    double mean = 0;
    if (s->rc || !t || t->n_dim < 2 || t->dim[0] != n)
        return;
    if (s->im.n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct lm_importance_of *grown = realloc(s->im.of, cap * sizeof *grown);
        if (!grown) {
            s->rc = lm_fail(s->err, LM_ENOMEM, "no memory for %zu importances", cap);
            return;
        }
        s->im.of = grown;
        s->cap = cap;
    }
    float *copy = floats(s, n);
    for (size_t i = 0; i < n; i++)
        mean += (double)y[i] / (double)n;
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = mean > 0 ? sqrtf(sqrtf((float)((double)y[i] / mean + 0.01))) : 0;
    if (!copy || !(mean > 0 && mean < 1e30) || t->name.n >= sizeof s->im.of->name) {
        free(copy);
        return;
    }
    struct lm_importance_of *of = &s->im.of[s->im.n++];
    *of = (struct lm_importance_of){.cols = (uint32_t)n, .weight = copy};
    memcpy(of->name, t->name.s, t->name.n);
}

static void attention(struct guess *s, uint32_t layer, const float *in, size_t dim, float *stream)
{
    static const char *const behind[] = {"attn_q", "attn_k", "attn_v", "attn_qkv", "attn_q_a", "attn_kv_a_mqa"};
    const struct lm_gguf_tensor *v = find(s, layer, "attn_v", "weight"), *qkv = find(s, layer, "attn_qkv", "weight");
    const struct lm_gguf_tensor *o = find(s, layer, "attn_output", "weight");
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        keep(s, find(s, layer, behind[i], "weight"), in, dim);
    v = v ? v : qkv;
    if (!is_matrix(v) || !is_matrix(o) || v->dim[0] != dim || s->n_kv == 0 || s->n_head % s->n_kv || o->dim[0] % s->n_head)
        return;
    const size_t head = (size_t)o->dim[0] / s->n_head, rows = head * s->n_kv;
    if (v->dim[1] < rows || (v != qkv && v->dim[1] != rows))
        return;
    float *y = floats(s, rows), *wide = floats(s, (size_t)o->dim[0]);
    if (y && wide) {
        weighted_rows(s, v, v->dim[1] - rows, rows, in, y);
        for (size_t c = 0; c < o->dim[0]; c++)
            wide[c] = y[c / head / (s->n_head / s->n_kv) * head + c % head];
        keep(s, o, wide, (size_t)o->dim[0]);
        if (o->dim[1] == dim)
            weighted_rows(s, o, 0, dim, wide, stream);
    }
    free(y);
    free(wide);
}

/* The mean square of silu(g) u for normal g and u: that of silu is near g^2 / 4 for small g, g^2 / 2 for large. */
static void mlp(struct guess *s, uint32_t layer, const float *in, size_t dim, float *stream)
{
    static const char *const behind[] = {"ffn_gate", "ffn_up", "ffn_gate_exps", "ffn_up_exps", "ffn_gate_up_exps", "ffn_gate_shexp", "ffn_up_shexp"};
    const struct lm_gguf_tensor *gate = find(s, layer, "ffn_gate", "weight"), *up = find(s, layer, "ffn_up", "weight");
    const struct lm_gguf_tensor *down = find(s, layer, "ffn_down", "weight");
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        keep(s, find(s, layer, behind[i], "weight"), in, dim);
    if (!is_matrix(up) || !is_matrix(down) || up->dim[0] != dim || (gate && (!is_matrix(gate) || gate->dim[0] != dim)))
        return;
    const size_t n = (size_t)down->dim[0], joined = up->dim[1] == 2 * n;
    if ((!joined && up->dim[1] != n) || (gate && gate->dim[1] != n))
        return;
    float *u = floats(s, n), *h = floats(s, n);
    if (u && h) {
        weighted_rows(s, up, joined ? n : 0, n, in, u);
        if (gate || joined)
            weighted_rows(s, gate ? gate : up, 0, n, in, h);
        for (size_t i = 0; i < n; i++)
            h[i] = gate || joined ? u[i] * h[i] * (0.25f + 0.25f * h[i] / (h[i] + 4)) : u[i];
        keep(s, down, h, n);
        if (down->dim[1] == dim)
            weighted_rows(s, down, 0, dim, h, stream);
    }
    free(u);
    free(h);
}

/* Mean squares of the columns of the embedding, from rows that stand evenly in it. */
static void add_embedding(struct guess *s, const struct lm_gguf_tensor *t, size_t dim, float *stream)
{
    enum { ROWS = 1024 };
    if (!is_matrix(t) || t->dim[0] != dim)
        return;
    float *x = floats(s, dim);
    void *made = malloc(t->bytes / t->dim[1]);
    const uint64_t step = t->dim[1] / ROWS + 1;
    for (uint64_t row = 0; x && made && row < t->dim[1]; row += step) {
        lm_qtype_dequantize(t->qtype, lm_gguf_rows(t, row, 1, made), x, 1, dim);
        for (size_t i = 0; i < dim; i++)
            stream[i] += x[i] * x[i] / (float)(t->dim[1] / step + 1);
    }
    free(made);
    free(x);
}

int lm_importance_guess(const struct lm_gguf *g, struct lm_importance *out, struct lm_err *err)
{
    const struct lm_gguf_tensor *embed = lm_gguf_tensor(g, "token_embd.weight");
    struct guess s = {.g = g, .err = err};
    struct lm_hparams hp;
    int rc = lm_model_hparams(g, &hp, NULL);
    if (rc || !embed) /* a file of no known family has none */
        return 0;
    s.n_head = hp.n_head;
    s.n_kv = hp.n_kv_head;
    float *stream = floats(&s, hp.dim);
    if (stream)
        add_embedding(&s, embed, hp.dim, stream);
    for (uint32_t layer = 0; layer < hp.n_layer && !s.rc; layer++) {
        float *in = behind_norm(&s, layer, "attn_norm", stream, hp.dim);
        if (in)
            attention(&s, layer, in, hp.dim, stream);
        float *ffn = behind_norm(&s, layer, "ffn_norm", stream, hp.dim);
        if (!ffn && in) /* where it has the other's name; without attn_norm it stands behind the attention */
            ffn = behind_norm(&s, layer, "post_attention_norm", stream, hp.dim);
        if (ffn)
            mlp(&s, layer, ffn, hp.dim, stream);
        free(in);
        free(ffn);
    }
    free(stream);
    if (s.rc)
        lm_importance_fini(&s.im);
    else
        *out = s.im;
    return s.rc;
}

void lm_importance_fini(struct lm_importance *im)
{
    for (size_t i = 0; i < im->n; i++)
        free(im->of[i].weight);
    free(im->of);
    *im = (struct lm_importance){0};
}

int lm_low_bit_guess(const struct lm_low_bit *lb, const struct lm_gguf *g, struct lm_low_bit *out, struct lm_importance *guess,
                     struct lm_err *err)
{
    *out = *lb;
    if (lb->importance || lb->qtype < LM_Q_LOW_BIT)
        return 0;
    int rc = lm_importance_guess(g, guess, err);
    if (!rc && guess->n)
        out->importance = guess;
    return rc;
}

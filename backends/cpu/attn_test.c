/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention over a paged cache against a sum in double, and against itself: a row's bits are the same alone, in a
 * prompt, next to other sequences, and for any number of threads. The pool starts as NaN everywhere, so a read
 * of a position that was never stored shows.
 */
#include "backends/cpu/attn_kern.h"
#include "ops/attention.h"
#include "runtime/base/fp8.h"
#include "tests/suite.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_SEQ = 4, STRIDE = 80 };

struct world {
    enum cpu_isa isa;
    enum lm_kv_dtype dtype;
    uint32_t block_size, n_head, n_kv_head, head_dim, window;
    float scale, softcap;
    uint32_t n_seq, len[MAX_SEQ];
    struct cpu_kv kv;
    uint32_t table[MAX_SEQ * STRIDE];
    float *q[MAX_SEQ], *k[MAX_SEQ], *v[MAX_SEQ], *y[MAX_SEQ]; /* of each position */
};

static uint64_t state = 1;

static enum cpu_isa next_isa(enum cpu_isa isa)
{
    do
        isa++;
    while (isa < CPU_N_ISA && !cpu_isa_has(isa));
    return isa;
}

static enum lm_kv_dtype next_dtype(enum lm_kv_dtype dtype)
{
    return dtype + 1 == LM_KV_AUTO ? LM_KV_AUTO + 1 : dtype + 1;
}

static float noise(void)
{
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        sum += (float)(state >> 40) * 0x1p-24f;
    }
    return (sum - 2) * 1.7f;
}

static float *noises(size_t n, float factor)
{
    float *f = malloc(n * sizeof *f);
    for (size_t i = 0; i < n; i++)
        f[i] = noise() * factor;
    return f;
}

static size_t q_dim(const struct world *w) { return (size_t)w->n_head * w->head_dim; }
static size_t kv_dim(const struct world *w) { return (size_t)w->n_kv_head * w->head_dim; }

static void open_world(struct world *w)
{
    uint32_t per_seq = 0, used = 0;
    for (uint32_t s = 0; s < w->n_seq; s++) {
        w->q[s] = noises(w->len[s] * q_dim(w), 1);
        w->k[s] = noises(w->len[s] * kv_dim(w), 1);
        w->v[s] = noises(w->len[s] * kv_dim(w), 1);
        w->y[s] = calloc(w->len[s] * q_dim(w), sizeof(float));
        per_seq = w->len[s] > per_seq ? w->len[s] : per_seq;
    }
    per_seq = (per_seq + w->block_size - 1) / w->block_size;
    ck_assert_uint_le(per_seq, STRIDE);
    for (uint32_t b = 0; b < per_seq; b++) /* the sequences' blocks alternate, in falling order */
        for (uint32_t s = 0; s < w->n_seq; s++)
            w->table[s * STRIDE + b] = per_seq * w->n_seq - 1 - used++;
    w->kv = (struct cpu_kv){.block_size = w->block_size, .n_kv_head = w->n_kv_head, .head_dim = w->head_dim, .dtype = w->dtype};
    size_t bytes = w->kv.block_bytes = cpu_kv_block_bytes(&w->kv);
    w->kv.data = aligned_alloc(64, (bytes * used + 63) / 64 * 64);
    memset(w->kv.data, 0xff, bytes * used);
}

static void close_world(struct world *w)
{
    for (uint32_t s = 0; s < w->n_seq; s++) {
        free(w->q[s]);
        free(w->k[s]);
        free(w->v[s]);
        free(w->y[s]);
    }
    free(w->kv.data);
}

/** One step: positions from[s] .. to[s] - 1 of each sequence that has some; results go to y. */
static void step(struct world *w, const uint32_t *from, const uint32_t *to, uint32_t n_thread)
{
    uint32_t n = 0, n_seq = 0, longest = 0, seq_row[MAX_SEQ + 1] = {0}, table[MAX_SEQ * STRIDE], which[MAX_SEQ];
    for (uint32_t s = 0; s < w->n_seq; s++)
        if (to[s] > from[s]) {
            memcpy(table + n_seq * STRIDE, w->table + s * STRIDE, STRIDE * sizeof *table);
            which[n_seq++] = s;
            seq_row[n_seq] = n += to[s] - from[s];
            longest = to[s] > longest ? to[s] : longest;
        }
    int32_t *pos = malloc(n * sizeof *pos);
    uint32_t *seq_of = malloc(n * sizeof *seq_of);
    float *q = malloc(n * q_dim(w) * 4), *y = malloc(n * q_dim(w) * 4), *k = malloc(n * kv_dim(w) * 4), *v = malloc(n * kv_dim(w) * 4);
    for (uint32_t i = 0; i < n_seq; i++)
        for (uint32_t r = seq_row[i]; r < seq_row[i + 1]; r++) {
            uint32_t s = which[i], p = from[s] + r - seq_row[i];
            pos[r] = (int32_t)p;
            seq_of[r] = i;
            memcpy(q + r * q_dim(w), w->q[s] + p * q_dim(w), q_dim(w) * 4);
            memcpy(k + r * kv_dim(w), w->k[s] + p * kv_dim(w), kv_dim(w) * 4);
            memcpy(v + r * kv_dim(w), w->v[s] + p * kv_dim(w), kv_dim(w) * 4);
        }
    struct lm_step st = {.n_tok = n, .n_seq = n_seq, .pos = pos, .seq_row = seq_row, .block_table = table, .table_stride = STRIDE};
    cpu_kv_store(w->isa, &w->kv, &st, seq_of, k, v, n / 2, n);
    cpu_kv_store(w->isa, &w->kv, &st, seq_of, k, v, 0, n / 2);
    struct cpu_attn a = {.isa = w->isa, .kv = &w->kv, .step = &st, .q = q, .y = y, .n_head = w->n_head, .scale = w->scale, .softcap = w->softcap,
                         .window = w->window};
    a.join = malloc(cpu_attn_join_bytes(w->n_head, w->head_dim, n, longest, n_thread));
    void *scratch = aligned_alloc(64, CPU_MAT_SCRATCH);
    for (uint32_t i = 0; i < cpu_attn_n_item(&a, n_thread); i++)
        cpu_attn_item(&a, n_thread, i, scratch);
    for (uint32_t i = 0; i < cpu_attn_n_join(&a, n_thread); i++)
        cpu_attn_join(&a, n_thread, i);
    for (uint32_t i = 0; i < n_seq; i++)
        for (uint32_t r = seq_row[i]; r < seq_row[i + 1]; r++)
            memcpy(w->y[which[i]] + pos[r] * q_dim(w), y + r * q_dim(w), q_dim(w) * 4);
    free(pos); free(seq_of); free(q); free(y); free(k); free(v); free(a.join); free(scratch);
}

/** The keys or values x of a sequence as the cache keeps them. */
static float *stored(const struct world *w, uint32_t s, const float *x)
{
    size_t n = w->len[s] * kv_dim(w);
    float *y = malloc(n * sizeof *y);
    for (size_t i = 0; i < n; i += w->head_dim)
        lm_kv_round(w->dtype, w->head_dim, x + i, y + i);
    return y;
}

static void reference(const struct world *w, const float *keys, const float *values, uint32_t s, uint32_t p, uint32_t h, double *y)
{
    uint32_t lo = w->window && p >= w->window ? p - w->window + 1 : 0, kvh = h / (w->n_head / w->n_kv_head);
    double *e = malloc((p + 1) * sizeof *e), max = -INFINITY, sum = 0;
    for (uint32_t i = lo; i <= p; i++) {
        e[i] = 0;
        for (uint32_t d = 0; d < w->head_dim; d++)
            e[i] += (double)w->q[s][p * q_dim(w) + h * w->head_dim + d] * keys[i * kv_dim(w) + kvh * w->head_dim + d];
        e[i] *= w->scale;
        e[i] = w->softcap > 0 ? w->softcap * tanh(e[i] / w->softcap) : e[i];
        max = fmax(max, e[i]);
    }
    for (uint32_t d = 0; d < w->head_dim; d++)
        y[d] = 0;
    for (uint32_t i = lo; i <= p; i++) {
        e[i] = exp(e[i] - max);
        sum += e[i];
        for (uint32_t d = 0; d < w->head_dim; d++)
            y[d] += e[i] * values[i * kv_dim(w) + kvh * w->head_dim + d];
    }
    for (uint32_t d = 0; d < w->head_dim; d++)
        y[d] /= sum;
    free(e);
}

/** Every 7th position and the last ones. size: of the values, which the tolerance grows with. */
static void check_world(const struct world *w, double size)
{
    double y[512], tol = w->dtype == LM_KV_BF16 ? 2e-2 : cpu_kv_is_int(w->dtype) ? 1e-3 : 2e-5;
    tol *= size;
    for (uint32_t s = 0; s < w->n_seq; s++) {
        float *keys = stored(w, s, w->k[s]), *values = stored(w, s, w->v[s]);
        for (uint32_t p = 0; p < w->len[s]; p += p + 9 < w->len[s] ? 7 : 1)
            for (uint32_t h = 0; h < w->n_head; h++) {
                reference(w, keys, values, s, p, h, y);
                for (uint32_t d = 0; d < w->head_dim; d++) {
                    float got = w->y[s][p * q_dim(w) + h * w->head_dim + d];
                    if (!(fabs(got - y[d]) <= tol)) /* an assertion that holds costs a system call */
                        ck_abort_msg("%s dtype %d seq %u pos %u head %u d %u: %g, not %g", cpu_isa_name(w->isa), w->dtype, s, p, h, d, got, y[d]);
                }
            }
        free(keys);
        free(values);
    }
}

static float **copy_y(const struct world *w)
{
    float **y = calloc(w->n_seq, sizeof *y);
    for (uint32_t s = 0; s < w->n_seq; s++) {
        y[s] = malloc(w->len[s] * q_dim(w) * 4);
        memcpy(y[s], w->y[s], w->len[s] * q_dim(w) * 4);
    }
    return y;
}

/** Compare with and free what copy_y() kept, from position `first` on. */
static void check_same(const struct world *w, float **y, uint32_t first)
{
    for (uint32_t s = 0; s < w->n_seq; s++) {
        for (size_t i = first * q_dim(w); i < w->len[s] * q_dim(w); i++)
            if (lm_f32_bits(y[s][i]) != lm_f32_bits(w->y[s][i]))
                ck_abort_msg("%s dtype %d seq %u pos %zu: %g is not %g", cpu_isa_name(w->isa), w->dtype, s, i / q_dim(w), w->y[s][i], y[s][i]);
        free(y[s]);
    }
    free(y);
}

static const struct world shape[] = {
    /* GQA of 3, as SmolLM2; several sequences, lengths on both sides of a chunk and of blocks */
    {.block_size = 32, .n_head = 9, .n_kv_head = 3, .head_dim = 64, .scale = 0.125f, .n_seq = 3, .len = {300, 17, 256}},
    /* one KV head of 256 columns and a window that starts inside a chunk, as gemma3 */
    {.block_size = 16, .n_head = 4, .n_kv_head = 1, .head_dim = 256, .scale = 0.0625f, .window = 100, .n_seq = 2, .len = {530, 40}},
    /* no groups, soft cap, columns that fill no vector, widest blocks */
    {.block_size = 256, .n_head = 3, .n_kv_head = 3, .head_dim = 40, .scale = 0.3f, .softcap = 5, .n_seq = 2, .len = {270, 1}},
    /* blocks narrower than a sub-tile; an odd number of columns; 7 heads a group */
    {.block_size = 8, .n_head = 7, .n_kv_head = 1, .head_dim = 37, .scale = 0.2f, .window = 19, .n_seq = 4, .len = {70, 8, 9, 33}},
};

static void each_world(void (*fn)(struct world *))
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (enum lm_kv_dtype dtype = LM_KV_F16; dtype < LM_KV_END; dtype = next_dtype(dtype))
            for (size_t i = isa == CPU_ISA_PORTABLE && dtype != LM_KV_I16 ? 2 : 0; i < sizeof shape / sizeof *shape; i++) { /* the large ones are slow without vectors */
                struct world w = shape[i];
                w.isa = isa;
                w.dtype = dtype;
                open_world(&w);
                fn(&w);
                close_world(&w);
            }
}

static void prompt(struct world *w)
{
    step(w, (uint32_t[MAX_SEQ]){0}, w->len, 2);
    check_world(w, 1);
}

START_TEST(test_cpu_attn__equals_the_sum_in_double)
{
    each_world(prompt);
}
END_TEST

static void pieces(struct world *w)
{
    step(w, (uint32_t[MAX_SEQ]){0}, w->len, 1);
    float **whole = copy_y(w);
    uint32_t from[MAX_SEQ] = {0}, to[MAX_SEQ];
    for (uint32_t n = 1, left = 1; left; n = n * 2 + 1) {
        left = 0;
        for (uint32_t s = 0; s < w->n_seq; s++) {
            to[s] = from[s] + n + s < w->len[s] ? from[s] + n + s : w->len[s];
            left += w->len[s] - to[s];
        }
        step(w, from, to, n);
        memcpy(from, to, sizeof from);
    }
    check_same(w, whole, 0);
}

START_TEST(test_cpu_attn__is_the_same_for_a_prompt_in_pieces)
{
    each_world(pieces);
}
END_TEST

static void decode(struct world *w)
{
    step(w, (uint32_t[MAX_SEQ]){0}, w->len, 3);
    float **whole = copy_y(w);
    for (uint32_t s = 0; s < w->n_seq; s++)
        for (uint32_t back = 1; back <= 5 && back <= w->len[s]; back++) { /* alone: chunks are split over threads */
            uint32_t from[MAX_SEQ] = {0}, to[MAX_SEQ] = {0};
            from[s] = w->len[s] - back;
            to[s] = from[s] + 1;
            step(w, from, to, 1u << back);
        }
    uint32_t from[MAX_SEQ];
    for (uint32_t s = 0; s < w->n_seq; s++)
        from[s] = w->len[s] - 1;
    step(w, from, w->len, 1); /* together */
    check_same(w, whole, 0);
}

START_TEST(test_cpu_attn__is_the_same_for_a_row_alone)
{
    each_world(decode);
}
END_TEST

START_TEST(test_cpu_attn__short_floats_saturate)
{
    static const struct { enum lm_kv_dtype dtype; float most; } type[] = {{LM_KV_F16, 65504}, {LM_KV_E4M3, 448}, {LM_KV_E5M2, 57344}};
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (size_t k = 0; k < sizeof type / sizeof *type; k++) {
            struct world w = shape[0];
            w.isa = isa;
            w.dtype = type[k].dtype;
            open_world(&w);
            for (size_t i = 0; i < w.len[0] * kv_dim(&w); i++)
                w.v[0][i] = 1e6f;
            step(&w, (uint32_t[MAX_SEQ]){0}, w.len, 2);
            ck_assert_float_eq_tol(w.y[0][0], type[k].most, 1);
            close_world(&w);
        }
}
END_TEST

/** Around every code and every tie between two of them. */
START_TEST(test_cpu_attn__f8_is_the_nearest)
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (int n_mantissa = 2; n_mantissa <= 3; n_mantissa++)
            for (uint32_t code = 0; code < (n_mantissa == 3 ? 0x7eu : 0x7bu); code++)
                for (uint32_t sign = 0; sign <= 0x80; sign += 0x80) {
                    float (*const value)(uint8_t) = n_mantissa == 3 ? lm_f8e4m3_to_f32 : lm_f8e5m2_to_f32;
                    float a = value((uint8_t)(code | sign)), b = value((uint8_t)((code + 1) | sign)), tie = (a + b) / 2;
                    const float x[4] = {a, tie, nextafterf(tie, a), nextafterf(tie, b)};
                    const uint8_t want[4] = {(uint8_t)(code | sign), (uint8_t)((code + code % 2) | sign), (uint8_t)(code | sign), (uint8_t)((code + 1) | sign)};
                    uint8_t got[4];
                    cpu_kern_get(isa)->attn->convert(n_mantissa == 3 ? LM_KV_E4M3 : LM_KV_E5M2, x, 4, got);
                    if (memcmp(got, want, 4))
                        ck_abort_msg("%s: code %x of %d bits: %x %x %x %x", cpu_isa_name(isa), code | sign, n_mantissa, got[0], got[1], got[2], got[3]);
                }
}
END_TEST

START_TEST(test_cpu_attn__integer_sums_never_overflow)
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (enum lm_kv_dtype dtype = LM_KV_I16; dtype <= LM_KV_I4; dtype++) {
            struct world w = {.isa = isa, .dtype = dtype, .block_size = 32, .n_head = 2, .n_kv_head = 1, .head_dim = 512, .scale = 1e-8f,
                              .n_seq = 1, .len = {256}};
            open_world(&w);
            for (size_t i = 0; i < w.len[0] * q_dim(&w); i++) /* all at the end of the range, of one sign */
                w.q[0][i] = 3000;
            for (size_t i = 0; i < w.len[0] * kv_dim(&w); i++)
                w.k[0][i] = w.v[0][i] = -2000;
            step(&w, (uint32_t[MAX_SEQ]){0}, w.len, 2);
            check_world(&w, 2000);
            close_world(&w);
        }
}
END_TEST

START_TEST(test_cpu_attn__a_nan_shows_in_its_row_and_later_ones_only)
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa)) {
        for (enum lm_kv_dtype dtype = LM_KV_F16; dtype < LM_KV_END; dtype = next_dtype(dtype)) {
            struct world w = shape[0];
            w.isa = isa;
            w.dtype = dtype;
            open_world(&w);
            w.k[0][100 * kv_dim(&w)] = NAN;
            w.v[2][30 * kv_dim(&w) + 1] = INFINITY;
            step(&w, (uint32_t[MAX_SEQ]){0}, w.len, 2);
            ck_assert(!isnan(w.y[0][99 * q_dim(&w)]) && isnan(w.y[0][100 * q_dim(&w)]) && isnan(w.y[0][150 * q_dim(&w)]));
            ck_assert(!isnan(w.y[1][0]) && isfinite(w.y[2][29 * q_dim(&w) + 1]));
            ck_assert(dtype == LM_KV_F16 || !isfinite(w.y[2][30 * q_dim(&w) + 1]));
            close_world(&w);
        }
    }
}
END_TEST

SUITE_MAIN("cpu/attn", test_cpu_attn__equals_the_sum_in_double, test_cpu_attn__is_the_same_for_a_prompt_in_pieces,
           test_cpu_attn__is_the_same_for_a_row_alone, test_cpu_attn__short_floats_saturate, test_cpu_attn__f8_is_the_nearest,
           test_cpu_attn__integer_sums_never_overflow, test_cpu_attn__a_nan_shows_in_its_row_and_later_ones_only)

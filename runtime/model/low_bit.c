/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/low_bit.h"
#include "runtime/model/quant.h"
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ROWS = 128, MIN_COLS = 32 };

static const struct lm_low_bit formats[] = {
    {"sym_int4", LM_Q_SYM_INT4, LM_Q_Q4_0, false, NULL},        {"asym_int4", LM_Q_ASYM_INT4, LM_Q_Q4_1, false, NULL},
    {"sym_int5", LM_Q_SYM_INT5, LM_Q_SYM_INT5, false, NULL},    {"asym_int5", LM_Q_ASYM_INT5, LM_Q_ASYM_INT5, false, NULL},
    {"sym_int8", LM_Q_SYM_INT8, LM_Q_SYM_INT8, false, NULL},    {"fp4", LM_Q_FP4, LM_Q_FP4, false, NULL},
    {"nf4", LM_Q_NF4, LM_Q_NF4, false, NULL},                   {"fp6", LM_Q_FP6, LM_Q_FP6, false, NULL},
    {"fp8_e5m2", LM_Q_FP8_E5M2, LM_Q_FP8_E5M2, false, NULL},    {"fp8_e4m3", LM_Q_FP8_E4M3, LM_Q_FP8_E4M3, false, NULL},
    {"mixed_fp4", LM_Q_SYM_INT4, LM_Q_FP4, false, NULL},        {"mixed_fp8", LM_Q_SYM_INT8, LM_Q_FP8_E4M3, false, NULL},
    {"fp16", LM_Q_F16, LM_Q_F16, false, NULL},                  {"bf16", LM_Q_BF16, LM_Q_BF16, false, NULL},
    {"fp32", LM_Q_F32, LM_Q_F32, false, NULL},                  {"q4_0", LM_Q_Q4_0, LM_Q_Q4_0, false, NULL},
    {"q4_1", LM_Q_Q4_1, LM_Q_Q4_1, false, NULL},                {"q8_0", LM_Q_Q8_0, LM_Q_Q8_0, false, NULL},
};
enum { N_FORMAT = sizeof formats / sizeof *formats };

const char *lm_low_bit_name(size_t i)
{
    return i < N_FORMAT ? formats[i].name : NULL;
}

int lm_low_bit_find(const char *name, struct lm_low_bit *out, struct lm_err *err)
{
    const char *full = strcmp(name, "fp8") == 0 ? "fp8_e5m2" : strcmp(name, "mixed") == 0 ? "mixed_fp4" : name;
    for (size_t i = 0; i < N_FORMAT; i++)
        if (strcmp(formats[i].name, full) == 0) {
            *out = formats[i];
            return 0;
        }
    return lm_fail(err, LM_ECONFIG, "low-bit format '%.40s' is not one of " LM_LOW_BIT_NAMES, name);
}

static bool is_float(uint32_t qtype)
{
    return qtype == LM_Q_F32 || qtype == LM_Q_F16 || qtype == LM_Q_BF16;
}

static bool has(struct lm_gguf_str s, const char *part)
{
    return memmem(s.s, s.n, part, strlen(part)) != NULL;
}

static bool is(struct lm_gguf_str s, const char *name)
{
    return s.n == strlen(name) && memcmp(s.s, name, s.n) == 0;
}

static bool is_layer_matrix(const struct lm_gguf_tensor *t)
{
    static const char *const stay[] = {"norm", "ffn_gate_inp", "ssm_", "shortconv", "rope_", ".bias", "sinks"};
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++)
        if (has(t->name, stay[i]))
            return false;
    return t->name.n > 11 && memcmp(t->name.s, "blk.", 4) == 0 && memcmp(t->name.s + t->name.n - 7, ".weight", 7) == 0;
}

static bool is_output(const struct lm_gguf *g, const struct lm_gguf_tensor *t)
{
    return is(t->name, "output.weight") || (is(t->name, "token_embd.weight") && !lm_gguf_tensor(g, "output.weight"));
}

/* Values of heads that several query heads share: few weights, each of which meets many. */
static bool is_shared_value(const struct lm_gguf_tensor *t)
{
    return has(t->name, ".attn_v.") && t->dim[1] * 2 <= t->dim[0];
}

static bool is_source(const struct lm_low_bit *lb, uint32_t qtype)
{
    const struct lm_qtype_info *q = lm_qtype_info(qtype);
    bool eight = qtype == LM_Q_Q8_0 || qtype == LM_Q_FP8_E4M3_F32;
    return is_float(qtype) || (eight && !is_float(lb->qtype)) || (lb->from_any && q->dequantize);
}

static double n_bits(uint32_t qtype)
{
    return (double)lm_qtype_info(qtype)->block_bytes * 8 / lm_qtype_info(qtype)->block;
}

/* The types to choose from, the same one twice where there is no choice; false: the tensor stays. */
static bool candidates(const struct lm_low_bit *lb, const struct lm_gguf *g, const struct lm_gguf_tensor *t, uint32_t out[2])
{
    bool output = is_output(g, t), embed = is(t->name, "token_embd.weight");
    if (t->n_dim < 2 || t->dim[0] < MIN_COLS || t->dim[1] < 2 || !is_source(lb, t->qtype))
        return false;
    if (!is_layer_matrix(t) && !output && !(embed && is_float(lb->qtype)))
        return false;
    out[0] = lb->qtype;
    out[1] = lb->other;
    if ((output || (lb->qtype >= LM_Q_LOW_BIT && is_shared_value(t))) && n_bits(lb->qtype) < 8)
        out[0] = out[1] = lb->qtype < LM_Q_GGUF_END ? LM_Q_Q8_0 : LM_Q_SYM_INT8;
    if (!lm_qtype_row_bytes(out[1], (size_t)t->dim[0]))
        out[1] = out[0];
    return lm_qtype_row_bytes(out[0], (size_t)t->dim[0]) != 0;
}

static const float *importance_of(const struct lm_low_bit *lb, const struct lm_gguf_tensor *t)
{
    for (size_t i = 0; lb->importance && i < lb->importance->n; i++) {
        const struct lm_importance_of *of = &lb->importance->of[i];
        if (is(t->name, of->name) && of->cols == t->dim[0])
            return of->weight;
    }
    return NULL;
}

size_t lm_low_bit_scratch_bytes(const struct lm_gguf_tensor *t)
{
    return (size_t)t->dim[0] * sizeof(float) + (t->made ? t->bytes / lm_low_bit_n_rows(t) : 0);
}

int lm_low_bit_rows(const struct lm_low_bit *lb, uint32_t qtype, const struct lm_gguf_tensor *t, size_t row, size_t n, void *scratch,
                    void *dst, double *out_error, struct lm_err *err)
{
    const size_t cols = (size_t)t->dim[0], to_bytes = lm_qtype_row_bytes(qtype, cols);
    float *x = scratch, *made = x + cols;
    const float *importance = importance_of(lb, t);
    char name[LM_GGUF_QUOTE];
    for (size_t i = 0; i < n; i++) {
        lm_qtype_dequantize(t->qtype, lm_gguf_rows(t, row + i, 1, made), x, 1, cols);
        int rc = lm_quantize_row(qtype, lb->qtype >= LM_Q_LOW_BIT, x, importance, cols, (char *)dst + i * to_bytes, out_error, err);
        if (rc)
            return lm_fail_in(err, rc, "tensor '%s' row %zu", lm_gguf_quote(t->name, name), row + i + (t->made ? (size_t)t->first : 0));
    }
    return 0;
}

/* The squared error that a type makes in rows that stand evenly in the matrix. */
static int sample_error(const struct lm_low_bit *lb, uint32_t qtype, const struct lm_gguf_tensor *t, double *out, struct lm_err *err)
{
    const size_t cols = (size_t)t->dim[0], rows = lm_low_bit_n_rows(t), step = (rows + SAMPLE_ROWS - 1) / SAMPLE_ROWS;
    void *scratch = malloc(lm_low_bit_scratch_bytes(t));
    void *dst = malloc(lm_qtype_row_bytes(qtype, cols));
    int rc = scratch && dst ? 0 : lm_fail(err, LM_ENOMEM, "no memory for a row of %zu", cols);
    *out = 0;
    for (size_t row = 0; row < rows && !rc; row += step)
        rc = lm_low_bit_rows(lb, qtype, t, row, 1, scratch, dst, out, err);
    free(scratch);
    free(dst);
    return rc;
}

/* A further bit a weight everywhere saves three quarters of the squared error: what the second has more must save that much for its bits. */
static bool is_second_better(const uint32_t type[2], const double error[2])
{
    return error[1] < error[0] * (1 - 0.75 * (n_bits(type[1]) - n_bits(type[0])));
}

int lm_low_bit_type(const struct lm_low_bit *lb, const struct lm_gguf *g, const struct lm_gguf_tensor *t, uint32_t *out,
                    struct lm_err *err)
{
    uint32_t type[2];
    double error[2];
    if (!candidates(lb, g, t, type)) {
        *out = t->qtype;
        return 0;
    }
    for (int i = 0; i < 2 && type[0] != type[1]; i++) {
        int rc = sample_error(lb, type[i], t, &error[i], err);
        if (rc)
            return rc;
    }
    *out = type[0] != type[1] && is_second_better(type, error) ? type[1] : type[0];
    return 0;
}

int lm_low_bit_check(const struct lm_low_bit *lb, const struct lm_gguf *g, bool *out_lossy, struct lm_err *err)
{
    uint32_t type[2];
    bool any = false, lossy = false;
    const char *other = "none";
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        if (is_layer_matrix(t) && !is_source(lb, t->qtype))
            other = lm_qtype_info(t->qtype)->name;
        if (!candidates(lb, g, t, type))
            continue;
        any = any || is_layer_matrix(t);
        lossy = lossy || !is_float(t->qtype);
    }
    if (!any)
        return lm_fail(err, LM_EUNSUPPORTED, "%s is made of F32, F16, BF16 or Q8_0 weights; this model's are of type %s already", lb->name, other);
    *out_lossy = lossy;
    return 0;
}

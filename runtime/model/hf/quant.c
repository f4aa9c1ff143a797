/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/quant.h"
#include "runtime/base/half.h"
#include <math.h>
#include <strings.h>

/* What is looked for around one weight; the first error sticks. */
struct around {
    const struct lm_st_tensor *w;
    const char *module;
    lm_hf_find find;
    void *arg;
    struct lm_err *err;
    int rc;
};

static bool is(const char *s, const char *text)
{
    return s && strcmp(s, text) == 0;
}

static void read_awq(struct lm_hf_config *c, const json_t *q, struct lm_hf_quant *out)
{
    const char *version = lm_hf_string(c, q, "version");
    out->method = LM_HF_IS_AWQ;
    lm_hf_refuse(c, lm_hf_u32(c, q, "bits", 4) != 4, "bits", "AWQ is read with 4");
    lm_hf_refuse(c, version && strcasecmp(version, "gemm") != 0, "version", "AWQ is read in the form gemm");
}

static void read_gptq(struct lm_hf_config *c, const json_t *q, struct lm_hf_quant *out)
{
    const char *format = lm_hf_string(c, q, "checkpoint_format");
    out->method = LM_HF_IS_GPTQ;
    out->bits = lm_hf_u32(c, q, "bits", 4);
    out->v2 = is(format, "gptq_v2");
    lm_hf_refuse(c, out->bits != 2 && out->bits != 4 && out->bits != 8, "bits", "GPTQ is read with 2, 4 and 8");
    lm_hf_refuse(c, format && !out->v2 && !is(format, "gptq"), "checkpoint_format", "GPTQ is read in the forms gptq and gptq_v2");
}

/* [rows, columns] of weight_block_size; 128 x 128 where nothing is said. */
static void read_block(struct lm_hf_config *c, const json_t *block, struct lm_hf_quant *out)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(block, i);
        out->block[i] = json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 128;
        lm_hf_refuse(c, block && (!json_is_integer(v) || json_integer_value(v) < 1), "weight_block_size", "is not of two counts");
    }
}

/* block_structure of the weights of the first group that has one. */
static const json_t *ct_block(const json_t *q)
{
    const json_t *block = NULL;
    const char *name;
    json_t *group;
    json_object_foreach((json_t *)(uintptr_t)lm_hf_node(q, "config_groups"), name, group)
        if (!block)
            block = lm_hf_node(lm_hf_node(group, "weights"), "block_structure");
    return block;
}

static void read_ct(struct lm_hf_config *c, const json_t *q, struct lm_hf_quant *out)
{
    static const char *const known[] = {"pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "dense"};
    const char *format = lm_hf_string(c, q, "format"), *sparse = lm_hf_string(c, lm_hf_node(q, "sparsity_config"), "format");
    bool good = !format;
    out->method = LM_HF_IS_CT;
    read_block(c, ct_block(q), out);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        good |= is(format, known[i]);
    lm_hf_refuse(c, !good, "format", "of compressed-tensors are read pack-, int-, float- and naive-quantized");
    lm_hf_refuse(c, sparse && !is(sparse, "dense"), "sparsity_config", "sparse weights are not supported");
    lm_hf_refuse(c, json_object_size(lm_hf_node(q, "transform_config")) > 0, "transform_config", "transforms are not supported");
}

struct lm_hf_quant lm_hf_quant_read(struct lm_hf_config *c)
{
    struct lm_hf_quant out = {0};
    const json_t *q = lm_hf_node(c->root, "quantization_config");
    if (!q)
        q = lm_hf_node(c->root, "compression_config");
    const char *method = lm_hf_string(c, q, "quant_method");
    read_block(c, lm_hf_node(q, "weight_block_size"), &out);
    if (!q)
        return out;
    if (is(method, "awq"))
        read_awq(c, q, &out);
    else if (is(method, "gptq"))
        read_gptq(c, q, &out);
    else if (is(method, "compressed-tensors"))
        read_ct(c, q, &out);
    else if (is(method, "fp8"))
        out.method = LM_HF_IS_FP8;
    else if (is(method, "mxfp4"))
        out.method = LM_HF_IS_MXFP4;
    else
        lm_hf_refuse(c, true, "quant_method", "known are awq, gptq, fp8, mxfp4 and compressed-tensors");
    return out;
}

static const struct lm_st_tensor *look(struct around *a, const char *last, bool need)
{
    char name[300];
    snprintf(name, sizeof name, "%s.%s", a->module, last);
    const struct lm_st_tensor *t = a->rc ? NULL : a->find(a->arg, name);
    if (!t && need && !a->rc)
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' is missing beside '%.80s'", name, a->w->name.s);
    return t;
}

/* A tensor of a type and up to two dimensions. */
static void need(struct around *a, const struct lm_st_tensor *t, enum lm_st_type type, uint64_t rows, uint64_t cols)
{
    if (!a->rc && t && (t->type != type || t->n_dim > 2 || t->dim[0] != rows || t->dim[1] != cols))
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu is %s %llu x %llu, not %s %llu x %llu", t->name.s,
                        (unsigned long long)t->offset, lm_st_type_name(t->type), (unsigned long long)t->dim[0],
                        (unsigned long long)t->dim[1], lm_st_type_name(type), (unsigned long long)rows, (unsigned long long)cols);
}

static void need_float(struct around *a, const struct lm_st_tensor *t)
{
    if (!a->rc && t->type != LM_ST_F16 && t->type != LM_ST_BF16 && t->type != LM_ST_F32)
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu is %s, not F16, BF16 or F32", t->name.s,
                        (unsigned long long)t->offset, lm_st_type_name(t->type));
}

static void set_groups(struct around *a, struct lm_hf_part *p, uint64_t n_group)
{
    p->n_group = n_group;
    if (!a->rc && (n_group == 0 || p->rows == 0 || p->cols == 0 || p->cols % n_group))
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu has %llu x %llu elements, which %llu groups do not divide",
                        a->w->name.s, (unsigned long long)a->w->offset, (unsigned long long)p->rows, (unsigned long long)p->cols,
                        (unsigned long long)n_group);
    p->group = a->rc ? 1 : p->cols / n_group;
    p->row_group = 1;
}

/* The groups of columns: dropped where they are in order, as without act-order. */
static void set_group_of(struct around *a, struct lm_hf_part *p, const struct lm_st_tensor *t)
{
    bool in_order = true;
    if (!t)
        return;
    if (!a->rc && (t->type != LM_ST_I32 || t->n != p->cols))
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu is not I32 of %llu elements", t->name.s,
                        (unsigned long long)t->offset, (unsigned long long)p->cols);
    for (uint64_t i = 0; i < p->cols && !a->rc; i++) {
        double g = lm_st_elem(t, i);
        if (g < 0 || g >= (double)p->n_group)
            a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu has the group %.0f of %llu", t->name.s,
                            (unsigned long long)(t->offset + 4 * i), g, (unsigned long long)p->n_group);
        in_order &= (uint64_t)fmax(0, g) == i / p->group;
    }
    p->group_of = in_order ? NULL : t;
}

/* Zeros that are all the middle need no reading: a word that every word must be. */
static void drop_middle(struct lm_hf_part *p)
{
    uint32_t want = 0, field = ((1u << (p->bits - 1)) - p->zero_add) & ((1u << p->bits) - 1);
    for (uint32_t i = 0; i < 32; i += p->bits)
        want |= field << i;
    for (uint64_t i = 0; p->zero && i < p->zero->n; i++)
        if (memcmp((const char *)p->zero->data + 4 * i, &(unsigned char[4]){(unsigned char)want, (unsigned char)(want >> 8),
            (unsigned char)(want >> 16), (unsigned char)(want >> 24)}, 4) != 0)
            return;
    p->zero = NULL;
}

static void read_words(struct around *a, const struct lm_hf_quant *q, struct lm_hf_part *p)
{
    const bool awq = q->method == LM_HF_IS_AWQ;
    const uint64_t n = awq ? 8 : 32 / q->bits;
    const struct lm_st_tensor *group_of = look(a, "g_idx", false);
    p->layout = awq ? LM_HF_AWQ : LM_HF_GPTQ;
    p->bits = awq ? 4 : q->bits;
    p->zero_add = !awq && !q->v2;
    p->scale = look(a, "scales", true);
    p->zero = look(a, "qzeros", true);
    need(a, a->w, LM_ST_I32, a->w->dim[0], a->w->dim[1]);
    if (a->rc)
        return;
    p->rows = awq ? a->w->dim[1] * n : a->w->dim[1];
    p->cols = awq ? a->w->dim[0] : a->w->dim[0] * n;
    set_groups(a, p, p->scale->dim[0]);
    need_float(a, p->scale);
    need(a, p->scale, p->scale->type, p->n_group, p->rows);
    if (!a->rc && p->rows % n)
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' has %llu rows, no multiple of %llu", a->w->name.s,
                        (unsigned long long)p->rows, (unsigned long long)n);
    need(a, p->zero, LM_ST_I32, p->n_group, p->rows / n);
    set_group_of(a, p, group_of);
    if (!a->rc)
        drop_middle(p);
}

/* weight_shape says the columns, and so how many bits the words' fields have. */
static void read_shape(struct around *a, struct lm_hf_part *p)
{
    const struct lm_st_tensor *shape = look(a, "weight_shape", true);
    if (!a->rc && (shape->n != 2 || shape->n_dim != 1))
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu is not of 2 elements", shape->name.s,
                        (unsigned long long)shape->offset);
    if (a->rc)
        return;
    double rows = lm_st_elem(shape, 0), cols = lm_st_elem(shape, 1);
    bool good = a->w->type == LM_ST_I32 && a->w->n_dim == 2 && rows == (double)a->w->dim[0] && cols >= 1 && cols <= 0x1p32;
    p->rows = a->w->dim[0];
    p->cols = good ? (uint64_t)cols : 0;
    for (uint32_t bits = 8; good && bits >= 2; bits /= 2)
        if ((p->cols - 1) / (32 / bits) + 1 == a->w->dim[1])
            p->bits = bits;
    if (!p->bits)
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu: %llu x %llu words are not of %.0f x %.0f integers of 2, 4 or 8 bits",
                        a->w->name.s, (unsigned long long)a->w->offset, (unsigned long long)a->w->dim[0],
                        (unsigned long long)a->w->dim[1], rows, cols);
}

static void read_packed(struct around *a, struct lm_hf_part *p)
{
    p->layout = LM_HF_PACKED;
    p->scale = look(a, "weight_scale", true);
    p->zero = look(a, "weight_zero_point", false);
    read_shape(a, p);
    if (a->rc)
        return;
    set_groups(a, p, p->scale->dim[1]);
    need_float(a, p->scale);
    need(a, p->scale, p->scale->type, p->rows, p->n_group);
    if (p->zero)
        need(a, p->zero, LM_ST_I32, (p->rows - 1) / (32 / p->bits) + 1, p->n_group);
    set_group_of(a, p, look(a, "weight_g_idx", false));
    if (!a->rc)
        drop_middle(p);
}

/* One scale, one a row, or one a group of columns. */
static void read_int8(struct around *a, struct lm_hf_part *p)
{
    p->layout = LM_HF_INT8;
    p->bits = 8;
    p->scale = look(a, "weight_scale", true);
    p->zero = look(a, "weight_zero_point", false);
    if (a->rc)
        return;
    set_groups(a, p, p->scale->dim[1]);
    need_float(a, p->scale);
    if (p->scale->n == 1)
        p->row_group = p->rows;
    else
        need(a, p->scale, p->scale->type, p->rows, p->n_group);
    if (p->zero && !a->rc && (p->zero->type != LM_ST_I8 || p->zero->n != p->scale->n))
        need(a, p->zero, LM_ST_I8, p->scale->dim[0], p->scale->dim[1]);
}

static void read_fp8(struct around *a, const struct lm_hf_quant *q, struct lm_hf_part *p)
{
    const struct lm_st_tensor *s = look(a, "weight_scale_inv", false);
    s = s ? s : look(a, "weight_scale", q->method != LM_HF_NONE);
    if (a->rc || !s)
        return;
    p->layout = LM_HF_FP8;
    p->scale = s;
    need_float(a, s);
    if (!a->rc && a->w->type != LM_ST_F8_E4M3)
        a->rc = lm_fail(a->err, LM_EUNSUPPORTED, "tensor '%.80s' is F8_E5M2 with a scale; F8_E4M3 is read", a->w->name.s);
    p->n_group = 1;
    p->group = p->cols;
    p->row_group = s->n == 1 ? p->rows : 1;
    if (s->n == 1 || (s->n == p->rows && (s->n_dim == 1 || s->dim[1] == 1)))
        return;
    p->row_group = q->block[0];
    p->group = q->block[1];
    p->n_group = (p->cols - 1) / p->group + 1;
    need(a, s, s->type, (p->rows - 1) / p->row_group + 1, p->n_group);
}

/* Blocks [matrices][rows][cols / 32][16] of two codes a byte, and an exponent each. */
static void read_mxfp4(struct around *a, struct lm_hf_part *p)
{
    const struct lm_st_tensor *w = a->w;
    const size_t stem = strlen(w->name.s) - strlen("blocks");
    char name[300];
    snprintf(name, sizeof name, "%.*sscales", (int)stem, w->name.s);
    const struct lm_st_tensor *s = a->find(a->arg, name);
    if (!s)
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' is missing beside '%.80s'", name, w->name.s);
    else if (w->type != LM_ST_U8 || w->n_dim != 4 || w->dim[3] != 16)
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu is not U8 of four dimensions, the last 16", w->name.s,
                        (unsigned long long)w->offset);
    else if (s->type != LM_ST_U8 || s->n_dim != 3 || s->dim[0] != w->dim[0] || s->dim[1] != w->dim[1] || s->dim[2] != w->dim[2])
        a->rc = lm_fail(a->err, LM_EFORMAT, "tensor '%.80s' at byte %llu is not U8, one for each 16 of '%.80s'", s->name.s,
                        (unsigned long long)s->offset, w->name.s);
    p->layout = LM_HF_MXFP4;
    p->scale = s;
    p->n_dim = 3;
    p->mats = w->dim[0];
    p->rows = w->dim[0] * w->dim[1];
    p->cols = w->dim[2] * 32;
}

int lm_hf_part_read(const struct lm_hf_quant *q, const struct lm_st_tensor *w, const char *module, lm_hf_find find, void *arg,
                    struct lm_hf_part *out, struct lm_err *err)
{
    struct around a = {w, module, find, arg, err, 0};
    struct lm_hf_part p = {.w = w, .rows = 1, .cols = w->dim[w->n_dim ? w->n_dim - 1 : 0]};
    const char *last = strrchr(w->name.s, '.');
    if (w->n == 0)
        return lm_fail(err, LM_EFORMAT, "tensor '%.80s' at byte %llu has no elements", w->name.s, (unsigned long long)w->offset);
    for (uint32_t i = 0; i + 1 < w->n_dim; i++)
        p.rows *= w->dim[i];
    p.n_dim = w->n_dim;
    p.mats = w->n_dim > 2 ? p.rows / w->dim[w->n_dim - 2] : 1;
    if (is(last, ".qweight") && (q->method == LM_HF_IS_AWQ || q->method == LM_HF_IS_GPTQ))
        read_words(&a, q, &p);
    else if (is(last, ".weight_packed") && q->method == LM_HF_IS_CT)
        read_packed(&a, &p);
    else if (q->method == LM_HF_IS_MXFP4 && w->name.n > 7 && is(w->name.s + w->name.n - 7, "_blocks"))
        read_mxfp4(&a, &p);
    else if (is(last, ".qweight") || is(last, ".weight_packed"))
        a.rc = lm_fail(err, LM_EFORMAT, "tensor '%.80s' is not one of the quantization that config.json names", w->name.s);
    else if (is(last, ".weight") && w->n_dim == 2 && w->type == LM_ST_I8 && q->method == LM_HF_IS_CT)
        read_int8(&a, &p);
    else if (is(last, ".weight") && w->n_dim == 2 && (w->type == LM_ST_F8_E4M3 || w->type == LM_ST_F8_E5M2))
        read_fp8(&a, q, &p);
    if (!a.rc)
        *out = p;
    return a.rc;
}

static bool is_half(const struct lm_st_tensor *t)
{
    for (uint64_t i = 0; t->type != LM_ST_F16 && i < t->n; i++) {
        float f = (float)lm_st_elem(t, i);
        if (lm_f32_bits(lm_f16_to_f32(lm_f32_to_f16(f))) != lm_f32_bits(f))
            return false;
    }
    return true;
}

static uint32_t native(enum lm_st_type type)
{
    static const uint32_t of[LM_ST_N_TYPE] = {
        [LM_ST_BOOL] = LM_Q_I8, [LM_ST_U8] = LM_Q_I8, [LM_ST_I8] = LM_Q_I8, [LM_ST_F8_E5M2] = LM_Q_BF16, [LM_ST_F8_E4M3] = LM_Q_BF16,
        [LM_ST_I16] = LM_Q_I16, [LM_ST_U16] = LM_Q_I16, [LM_ST_F16] = LM_Q_F16, [LM_ST_BF16] = LM_Q_BF16, [LM_ST_I32] = LM_Q_I32,
        [LM_ST_U32] = LM_Q_I32, [LM_ST_F32] = LM_Q_F32, [LM_ST_F64] = LM_Q_F64, [LM_ST_I64] = LM_Q_I64, [LM_ST_U64] = LM_Q_I64,
    };
    return of[type];
}

static uint32_t qtype_of(const struct lm_hf_part *p)
{
    if (p->layout == LM_HF_NATIVE)
        return native(p->w->type);
    if (p->layout == LM_HF_MXFP4)
        return LM_Q_MXFP4;
    if (p->layout == LM_HF_FP8)
        return p->n_group == 1 || p->group % 64 == 0 ? LM_Q_FP8_E4M3_F32 : LM_Q_F32;
    if (p->group_of || p->group % 32 || p->cols % 32 || !is_half(p->scale))
        return LM_Q_F32;
    if (p->bits == 8)
        return p->zero ? LM_Q_F32 : LM_Q_Q8_0;
    return p->zero && p->bits == 4 ? LM_Q_Q5_0 : LM_Q_Q4_0;
}

/* One type for all: F32 has every value, and Q5_0 those of Q4_0. */
uint32_t lm_hf_qtype(const struct lm_hf_part *part, uint64_t n)
{
    uint32_t all = qtype_of(&part[0]);
    for (uint64_t i = 1; i < n; i++) {
        uint32_t q = qtype_of(&part[i]);
        bool ints = (q == LM_Q_Q4_0 || q == LM_Q_Q5_0) && (all == LM_Q_Q4_0 || all == LM_Q_Q5_0);
        if (q != all)
            all = ints ? LM_Q_Q5_0 : part[i].layout == LM_HF_NATIVE || part[0].layout == LM_HF_NATIVE ? LM_Q_GGUF_END : LM_Q_F32;
        if (all == LM_Q_GGUF_END)
            break;
    }
    return all;
}

static const char *const aux[] = {"qzeros", "scales", "g_idx", "weight_scale", "weight_scale_inv", "weight_zero_point", "weight_shape",
                                  "weight_g_idx"};
static const char *const ignored[] = {"input_scale", "input_zero_point", "output_scale", "output_zero_point", "k_scale", "v_scale", "q_scale",
                                      "activation_scale", "inv_freq"};

bool lm_hf_is_aux(const char *last)
{
    for (size_t i = 0; i < sizeof aux / sizeof *aux; i++)
        if (strcmp(last, aux[i]) == 0)
            return true;
    return false;
}

bool lm_hf_is_ignored(const char *last)
{
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (strcmp(last, ignored[i]) == 0)
            return true;
    return false;
}

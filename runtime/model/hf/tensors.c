/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/tensors.h"
#include "runtime/model/hf/names.h"
#include <stdlib.h>

/* One tensor of the files that has a place. */
struct item {
    char name[LM_HF_NAME_BYTES]; /* GGUF's */
    uint32_t expert;
    bool is_expert;
    const struct lm_hf_name *entry;
    struct lm_hf_part part;
};

struct work {
    const struct lm_hf_tensors *in;
    struct item *item;
    size_t n, cap;
    bool *used; /* [n_tensor] of the files */
    bool base;  /* names lack "model.", as of a model that was saved without its head */
    struct lm_gguf_tensor *out;
    size_t n_out;
    struct lm_err *err;
};

static const struct lm_st_tensor *find(void *arg, const char *name)
{
    struct work *w = arg;
    size_t i = lm_hf_shards_find(w->in->shards, name);
    if (i == w->in->shards->n_tensor)
        return NULL;
    w->used[i] = true;
    return w->in->shards->tensor[i];
}

static int set_name(struct item *item, const struct lm_hf_name *e, const uint32_t number[2], const char *last)
{
    const bool whole = !last; /* the table has the parameter's full name */
    if (!lm_hf_name_gguf(e, number, item->name))
        return LM_EFORMAT;
    size_t n = strlen(item->name);
    if (!whole)
        n += (size_t)snprintf(item->name + n, LM_HF_NAME_BYTES - n, ".%s", strcmp(last, "bias") == 0 ? "bias" : "weight");
    item->is_expert = lm_hf_name_is_expert(e);
    item->expert = item->is_expert ? number[1] : 0;
    item->entry = e;
    return n < LM_HF_NAME_BYTES ? 0 : LM_EFORMAT;
}

static bool is_main(const char *last)
{
    return strcmp(last, "weight") == 0 || strcmp(last, "bias") == 0 || strcmp(last, "qweight") == 0 || strcmp(last, "weight_packed") == 0;
}

static int add_item(struct work *w, const struct lm_hf_name *e, const uint32_t number[2], const char *last, const struct lm_hf_part *part)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 256;
        struct item *item = realloc(w->item, cap * sizeof *item);
        if (!item)
            return lm_fail(w->err, LM_ENOMEM, "no memory for %zu tensors", cap);
        w->item = item;
        w->cap = cap;
    }
    if (set_name(&w->item[w->n], e, number, last))
        return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' has too long a name", part->w->name.s);
    w->item[w->n++].part = *part;
    return 0;
}

/* Of a layer behind the last one, which predicts further tokens? */
static bool is_left_out(const struct work *w, const char *name)
{
    struct lm_hf_config reads = {0};
    const json_t *root = w->in->config->root;
    const uint32_t n = lm_hf_u32(&reads, root, "num_hidden_layers", 0), more = lm_hf_u32(&reads, root, "num_nextn_predict_layers", 0);
    unsigned layer = 0;
    return more && sscanf(name, "model.layers.%9u.", &layer) == 1 && layer >= n && layer - n < more;
}

/* Finds the place of tensor i of the files. */
static int place(struct work *w, size_t i)
{
    const struct lm_st_tensor *t = w->in->shards->tensor[i];
    char full[300], module[256];
    snprintf(full, sizeof full, "%s%s", w->base ? "model." : "", lm_hf_name_bare(t->name.s));
    const char *name = full, *dot = strrchr(name, '.');
    uint32_t number[2] = {0};
    const struct lm_hf_name *e = lm_hf_name_find(w->in->family->name, name, strlen(name), number);
    const char *last = e || !dot ? NULL : dot + 1;
    if ((last && lm_hf_is_ignored(last)) || is_left_out(w, name)) {
        w->used[i] = true;
        return 0;
    }
    if (!e && last && is_main(last))
        e = lm_hf_name_find(w->in->family->name, name, (size_t)(dot - name), number);
    if (e && (e->how == LM_HF_SKIP || (w->in->tied && strcmp(e->gguf, "output") == 0))) {
        w->used[i] = true;
        return 0;
    }
    if (!e)
        return 0; /* may belong to another one; refused at the end */
    w->used[i] = true;
    snprintf(module, sizeof module, "%.*s", last ? (int)(strrchr(t->name.s, '.') - t->name.s) : 255, t->name.s);
    struct lm_hf_part part;
    int rc = lm_hf_part_read(w->in->quant, t, module, find, w, &part, w->err);
    for (size_t n = last ? (size_t)(dot - name) : strlen(name); e && !rc; e = lm_hf_name_find(e + 1, name, n, number))
        rc = add_item(w, e, number, last, &part);
    return rc;
}

static int check_used(const struct work *w)
{
    for (size_t i = 0; i < w->in->shards->n_tensor; i++) {
        const struct lm_st_tensor *t = w->in->shards->tensor[i];
        const char *dot = strrchr(t->name.s, '.');
        if (w->used[i])
            continue;
        if (dot && lm_hf_is_aux(dot + 1))
            return lm_fail(w->err, LM_EUNSUPPORTED, "tensor '%.80s' at byte %llu belongs to no weight that is read", t->name.s,
                           (unsigned long long)t->offset);
        return lm_fail(w->err, LM_EUNSUPPORTED, "tensor '%.80s' at byte %llu has no place in the family %s", t->name.s,
                       (unsigned long long)t->offset, w->in->family->model_type);
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c ? c : (x->expert > y->expert) - (x->expert < y->expert);
}

/* Experts 0 .. n - 1 of one name are all there, and alike. */
static int check_run(const struct work *w, const struct item *item, size_t n)
{
    const struct lm_hf_part *first = &item->part;
    for (size_t i = 0; i < n; i++) {
        const struct lm_hf_part *p = &item[i].part;
        if (!item[i].is_expert && n > 1)
            return lm_fail(w->err, LM_EFORMAT, "tensors '%.70s' and '%.70s' have one place", first->w->name.s, p[0].w->name.s);
        if (item[i].expert != i && item[i].is_expert)
            return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' is given, but not expert %zu, or twice", p->w->name.s, i);
        if (p->rows != first->rows || p->cols != first->cols || p->n_dim != first->n_dim || p->mats != first->mats)
            return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' has another shape than '%.80s'", p->w->name.s, first->w->name.s);
    }
    return 0;
}

static void set_shape(struct lm_gguf_tensor *t, const struct item *item, const struct lm_hf_made *m)
{
    t->n_dim = m->mats > 1 || item->part.n_dim > 2 ? 3 : item->part.n_dim == 2 ? 2 : 1;
    t->dim[0] = m->cols;
    t->dim[1] = m->rows;
    t->dim[2] = m->mats;
    t->dim[3] = 1;
    if (item->is_expert)
        t->dim[t->n_dim++] = m->n_part;
}

static int head_pairs(const struct work *w, const struct item *item, uint64_t *out)
{
    const struct lm_hf_config *c = w->in->config;
    struct lm_hf_config reads = {.err = w->err};
    uint32_t n_head = lm_hf_u32(&reads, c->root, "num_attention_heads", 0);
    uint32_t n = item->entry->how == LM_HF_K_PAIRS ? lm_hf_u32(&reads, c->root, "num_key_value_heads", n_head) : n_head;
    uint64_t rows = (item->part.n_dim < 2 ? item->part.cols : item->part.rows) / (item->entry->n ? item->entry->n : 1);
    if (reads.rc)
        return reads.rc;
    if (n == 0 || rows % n || rows / n % 2)
        return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' has %llu rows, which are not of %u heads", item->part.w->name.s,
                       (unsigned long long)rows, n);
    *out = rows / n / 2;
    return 0;
}

static bool as_is(const struct lm_hf_made *m)
{
    enum lm_st_type type = m->part->w->type;
    return m->n_part == 1 && m->each == m->step && !m->half && !m->stride.col && !m->unit && m->add == 0 &&
           m->part->layout == LM_HF_NATIVE && type != LM_ST_F8_E4M3 && type != LM_ST_F8_E5M2;
}

static int wrong_rows(const struct work *w, const struct lm_hf_part *p, const char *what)
{
    return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' has %llu rows of %llu, which are not %s", p->w->name.s,
                   (unsigned long long)p->rows, (unsigned long long)p->cols, what);
}

/* Of each `step` rows (of a vector elements) those from skip on, and as they are. */
static void take_rows(struct lm_hf_made *m, uint64_t skip, uint64_t each, uint64_t step)
{
    const struct lm_hf_part *p = m->part;
    m->skip = skip;
    m->each = each;
    m->step = step;
    m->mats = p->mats;
    m->rows = p->n_dim < 2 ? 1 : p->rows / p->mats / step * each;
    m->cols = p->n_dim < 2 ? each : p->cols;
}

static void take_stride(struct lm_hf_made *m, uint64_t mats, uint64_t rows, uint64_t cols, struct lm_hf_stride stride)
{
    m->skip = 0;
    m->each = m->step = 1;
    m->mats = mats;
    m->rows = rows;
    m->cols = cols;
    m->stride = stride;
}

/* Heads in groups of g query heads, a key head and a value head. */
static int take_qkv(const struct work *w, enum lm_hf_how how, struct lm_hf_made *m)
{
    struct lm_hf_config reads = {.err = w->err};
    const uint64_t n = lm_hf_u32(&reads, w->in->config->root, "num_attention_heads", 0);
    const uint64_t n_kv = lm_hf_u32(&reads, w->in->config->root, "num_key_value_heads", (uint32_t)n);
    const uint64_t rows = m->part->rows;
    if (reads.rc)
        return reads.rc;
    if (n == 0 || n_kv == 0 || n % n_kv || rows % (n + 2 * n_kv) || rows / (n + 2 * n_kv) % 2 || m->part->n_dim != 2)
        return wrong_rows(w, m->part, "groups of heads");
    const uint64_t head = rows / (n + 2 * n_kv), g = n / n_kv, step = (g + 2) * head;
    if (how == LM_HF_QKV_Q)
        take_rows(m, 0, g * head, step);
    else
        take_rows(m, (how == LM_HF_QKV_K ? g : g + 1) * head, head, step);
    m->half = how == LM_HF_QKV_V ? 0 : head / 2;
    return 0;
}

/* Heads of rows that make keys, then rows that make values. */
static int take_kv(const struct work *w, enum lm_hf_how how, struct lm_hf_made *m)
{
    struct lm_hf_config reads = {.err = w->err};
    const json_t *root = w->in->config->root;
    const uint64_t n = lm_hf_u32(&reads, root, "num_attention_heads", 0), key = lm_hf_u32(&reads, root, "qk_nope_head_dim", 128);
    const uint64_t each = key + lm_hf_u32(&reads, root, "v_head_dim", 128), cols = m->part->cols;
    if (reads.rc)
        return reads.rc;
    if (n == 0 || key == 0 || key == each || m->part->n_dim != 2 || m->part->rows % n || m->part->rows / n != each)
        return wrong_rows(w, m->part, "of heads of keys and values");
    if (how == LM_HF_KV_K) {
        take_stride(m, n, cols, key, (struct lm_hf_stride){0, each * cols, 1, cols});
        return 0;
    }
    take_rows(m, key, each - key, each);
    m->mats = n;
    m->rows = each - key;
    return 0;
}

/* Which rows of each matrix, or elements of a vector, are taken. */
static int set_slice(const struct work *w, const struct item *item, struct lm_hf_made *m)
{
    const struct lm_hf_part *p = &item->part;
    const uint64_t n = item->entry->n ? item->entry->n : 1, i = item->entry->i;
    const uint64_t rows = p->n_dim < 2 ? p->cols : p->rows / p->mats;
    const bool by_col = item->entry->how == LM_HF_EVERY_COL || item->entry->how == LM_HF_TURNED;
    if (p->n_dim > 3 || (by_col && p->n_dim < 2))
        return lm_fail(w->err, LM_EUNSUPPORTED, "tensor '%.80s' has %u dimensions", p->w->name.s, p->n_dim);
    if ((by_col ? p->cols : rows) % n || (by_col ? p->cols : rows) < n)
        return wrong_rows(w, p, "as many equal parts as its place needs");
    switch (item->entry->how) {
    case LM_HF_BEHIND:
        if (rows <= i)
            return wrong_rows(w, p, "as many as its place needs");
        take_rows(m, i, rows - i, rows);
        return 0;
    case LM_HF_EVERY: take_rows(m, i, 1, n); return 0;
    case LM_HF_EVERY_COL: take_stride(m, p->mats, rows, p->cols / n, (struct lm_hf_stride){i, rows * p->cols, p->cols, n}); return 0;
    case LM_HF_TURNED: take_stride(m, p->mats, p->cols / n, rows, (struct lm_hf_stride){i, rows * p->cols, n, p->cols}); return 0;
    case LM_HF_QKV_Q: case LM_HF_QKV_K: case LM_HF_QKV_V: return take_qkv(w, item->entry->how, m);
    case LM_HF_KV_K: case LM_HF_KV_V: return take_kv(w, item->entry->how, m);
    case LM_HF_Q_PAIRS: case LM_HF_K_PAIRS:
        take_rows(m, rows / n * i, rows / n, rows);
        return p->n_dim > 2 ? wrong_rows(w, p, "one matrix") : head_pairs(w, item, &m->half);
    default: take_rows(m, rows / n * i, rows / n, rows); return 0;
    }
}

static int set_bytes(const struct work *w, struct lm_gguf_tensor *t, struct lm_hf_made *m)
{
    uint64_t rows = m->mats * m->rows; /* at most the elements of the file */
    m->row_bytes = lm_qtype_row_bytes(m->qtype, m->cols);
    if (m->row_bytes == 0 || __builtin_mul_overflow(rows, m->n_part, &rows) || __builtin_mul_overflow(rows, m->row_bytes, &t->bytes))
        return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' is too large", m->part->w->name.s);
    return 0;
}

/* The type of what is made: elements that move one by one keep it where they can. */
static int set_type(const struct work *w, struct lm_hf_made *m)
{
    const bool vector = m->part->n_dim < 2, is_float = m->qtype == LM_Q_F32 || m->qtype == LM_Q_F16 || m->qtype == LM_Q_BF16;
    if (m->qtype == LM_Q_GGUF_END || (m->qtype == LM_Q_MXFP4 && (m->stride.col || m->unit)))
        return lm_fail(w->err, LM_EUNSUPPORTED, "tensor '%.80s' has a type or shape that its place does not allow", m->part->w->name.s);
    if (m->add != 0 && !vector)
        return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' is no vector", m->part->w->name.s);
    if ((vector && (m->half || m->add != 0 || m->each != m->step)) || ((m->stride.col || m->unit) && !is_float))
        m->qtype = LM_Q_F32;
    return 0;
}

/* One tensor of GGUF's form, of n items. */
static int make(struct work *w, const struct item *item, size_t n)
{
    struct lm_gguf_tensor *t = &w->out[w->n_out];
    struct lm_hf_part *part = lm_arena_alloc(w->in->arena, n * sizeof *part);
    struct lm_hf_made *m = lm_arena_alloc(w->in->arena, sizeof *m);
    char *name = lm_arena_copy(w->in->arena, item->name, strlen(item->name));
    if (!part || !m || !name)
        return lm_fail(w->err, LM_ENOMEM, "no memory for tensor '%s'", item->name);
    for (size_t i = 0; i < n; i++)
        part[i] = item[i].part;
    *m = (struct lm_hf_made){.part = part, .n_part = n, .add = item->entry->how == LM_HF_ADD_1, .qtype = lm_hf_qtype(part, n)};
    m->unit = w->in->config->unit_output && strcmp(item->name, "output.weight") == 0;
    int rc = check_run(w, item, n);
    if (!rc)
        rc = set_slice(w, item, m);
    if (!rc)
        rc = set_type(w, m);
    if (rc)
        return rc;
    t->name = (struct lm_gguf_str){name, strlen(name)};
    t->qtype = m->qtype;
    t->offset = part->w->offset;
    set_shape(t, item, m);
    if ((rc = set_bytes(w, t, m)) != 0)
        return rc;
    (item->part.n_dim < 2 && m->qtype == LM_Q_F32 && !as_is(m) ? lm_hf_made_vector : lm_hf_made_matrix)(m);
    t->data = as_is(m) ? part->w->data : NULL;
    t->made = as_is(m) ? NULL : &m->base;
    w->n_out++;
    return 0;
}

static void add_extra(struct work *w)
{
    const struct lm_hf_config *c = w->in->config;
    for (size_t i = 0; i < c->n_extra; i++) {
        const struct lm_hf_extra *x = &c->extra[i];
        w->out[w->n_out++] = (struct lm_gguf_tensor){.name = {x->name, strlen(x->name)}, .qtype = LM_Q_F32, .n_dim = 1,
                                                     .dim = {x->n, 1, 1, 1}, .data = x->v, .bytes = x->n * sizeof *x->v};
    }
}

static int run(struct work *w)
{
    int rc = 0;
    static const char *const bare[] = {"embed_tokens.weight", "embeddings.tok_embeddings.weight"};
    for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
        w->base |= lm_hf_shards_find(w->in->shards, bare[i]) != w->in->shards->n_tensor;
    for (size_t i = 0; i < w->in->shards->n_tensor && !rc; i++)
        rc = place(w, i);
    if (rc || (rc = check_used(w)) != 0)
        return rc;
    w->out = calloc(w->n + LM_HF_EXTRA + 1, sizeof *w->out);
    if (!w->out)
        return lm_fail(w->err, LM_ENOMEM, "no memory for %zu tensors", w->n);
    if (w->n)
        qsort(w->item, w->n, sizeof *w->item, by_name);
    for (size_t i = 0, n; i < w->n && !rc; i += n) {
        for (n = 1; i + n < w->n && strcmp(w->item[i].name, w->item[i + n].name) == 0;)
            n++;
        rc = make(w, &w->item[i], n);
    }
    if (!rc)
        add_extra(w);
    return rc;
}

int lm_hf_tensors_make(const struct lm_hf_tensors *in, struct lm_gguf_tensor **out, size_t *out_n, struct lm_err *err)
{
    const size_t n = in->shards->n_tensor;
    struct work w = {.in = in, .err = err};
    w.used = calloc(n + 1, sizeof *w.used);
    int rc = w.used ? run(&w) : lm_fail(err, LM_ENOMEM, "no memory for %zu tensors", n);
    if (rc) {
        free(w.out);
    } else {
        *out = w.out;
        *out_n = w.n_out;
    }
    free(w.item);
    free(w.used);
    return rc;
}

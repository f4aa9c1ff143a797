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

/* Finds the place of tensor i of the files. */
static int place(struct work *w, size_t i)
{
    const struct lm_st_tensor *t = w->in->shards->tensor[i];
    const char *name = lm_hf_name_bare(t->name.s), *dot = strrchr(name, '.');
    uint32_t number[2] = {0};
    char module[256];
    const struct lm_hf_name *e = lm_hf_name_find(w->in->family->name, name, strlen(name), number);
    const char *last = e || !dot ? NULL : dot + 1;
    if (last && lm_hf_is_ignored(last)) {
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
        if (p->rows != first->rows || p->cols != first->cols || p->w->n_dim != first->w->n_dim)
            return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' has another shape than '%.80s'", p->w->name.s, first->w->name.s);
    }
    return 0;
}

static void set_shape(struct lm_gguf_tensor *t, const struct item *item, size_t n)
{
    const struct lm_hf_part *p = &item->part;
    const struct lm_st_tensor *w = p->w;
    for (size_t i = 0; i < 4; i++)
        t->dim[i] = 1;
    t->n_dim = w->n_dim ? w->n_dim : 1;
    t->dim[0] = p->cols;
    for (uint32_t i = 1; i < w->n_dim; i++)
        t->dim[i] = i == 1 && w->n_dim == 2 ? p->rows : w->dim[w->n_dim - 1 - i];
    t->dim[w->n_dim > 1] /= item->entry->n ? item->entry->n : 1;
    if (item->is_expert)
        t->dim[t->n_dim++] = n;
}

static int head_pairs(const struct work *w, const struct item *item, uint64_t *out)
{
    const struct lm_hf_config *c = w->in->config;
    struct lm_hf_config reads = {.err = w->err};
    uint32_t n_head = lm_hf_u32(&reads, c->root, "num_attention_heads", 0);
    uint32_t n = item->entry->how == LM_HF_K_PAIRS ? lm_hf_u32(&reads, c->root, "num_key_value_heads", n_head) : n_head;
    uint64_t rows = (item->part.w->n_dim == 1 ? item->part.cols : item->part.rows) / (item->entry->n ? item->entry->n : 1);
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
    return m->n_part == 1 && m->each == m->step && !m->half && m->add == 0 && m->part->layout == LM_HF_NATIVE && type != LM_ST_F8_E4M3 && type != LM_ST_F8_E5M2;
}

/* Which rows of each matrix, or elements of a vector, are taken. */
static int set_slice(const struct work *w, const struct item *item, struct lm_hf_made *m)
{
    const struct lm_hf_part *p = &item->part;
    const uint32_t n_dim = p->w->n_dim, n = item->entry->n ? item->entry->n : 1;
    m->step = n_dim > 2 ? p->w->dim[n_dim - 2] : n_dim == 2 ? p->rows : p->cols;
    m->each = m->step / n;
    m->skip = m->each * item->entry->i;
    if (m->step % n || m->each == 0)
        return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' has %llu rows, which are not %u equal parts", p->w->name.s,
                       (unsigned long long)m->step, n);
    return 0;
}

static int set_bytes(const struct work *w, struct lm_gguf_tensor *t, struct lm_hf_made *m)
{
    const struct lm_hf_part *p = m->part;
    const bool vector = p->w->n_dim <= 1;
    uint64_t rows = vector ? 1 : p->rows / m->step * m->each;
    m->row_bytes = lm_qtype_row_bytes(m->qtype, vector ? m->each : p->cols);
    if (m->row_bytes == 0 || __builtin_mul_overflow(rows, m->n_part, &rows) || __builtin_mul_overflow(rows, m->row_bytes, &t->bytes))
        return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' is too large", p->w->name.s);
    return 0;
}

/* One tensor of GGUF's form, of n items. */
static int make(struct work *w, const struct item *item, size_t n)
{
    struct lm_gguf_tensor *t = &w->out[w->n_out];
    const uint32_t n_dim = item->part.w->n_dim;
    struct lm_hf_part *part = lm_arena_alloc(w->in->arena, n * sizeof *part);
    struct lm_hf_made *m = lm_arena_alloc(w->in->arena, sizeof *m);
    char *name = lm_arena_copy(w->in->arena, item->name, strlen(item->name));
    if (!part || !m || !name)
        return lm_fail(w->err, LM_ENOMEM, "no memory for tensor '%s'", item->name);
    for (size_t i = 0; i < n; i++)
        part[i] = item[i].part;
    *m = (struct lm_hf_made){.part = part, .n_part = n, .add = item->entry->how == LM_HF_ADD_1, .qtype = lm_hf_qtype(part, n)};
    int rc = check_run(w, item, n);
    if (!rc)
        rc = set_slice(w, item, m);
    if (!rc && (item->entry->how == LM_HF_Q_PAIRS || item->entry->how == LM_HF_K_PAIRS))
        rc = head_pairs(w, item, &m->half);
    if (rc)
        return rc;
    if (m->qtype == LM_Q_GGUF_END || (item->entry->how != LM_HF_AS_IS && n_dim > 2))
        return lm_fail(w->err, LM_EUNSUPPORTED, "tensor '%.80s' has a type or shape that its place does not allow", part->w->name.s);
    if (n_dim <= 1 && (m->half || m->add != 0 || m->each != m->step))
        m->qtype = LM_Q_F32;
    else if (m->add != 0)
        return lm_fail(w->err, LM_EFORMAT, "tensor '%.80s' is no vector", part->w->name.s);
    t->name = (struct lm_gguf_str){name, strlen(name)};
    t->qtype = m->qtype;
    t->offset = part->w->offset;
    set_shape(t, item, n);
    if ((rc = set_bytes(w, t, m)) != 0)
        return rc;
    (n_dim <= 1 && m->qtype == LM_Q_F32 && !as_is(m) ? lm_hf_made_vector : lm_hf_made_matrix)(m);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/gguf.h"
#include <stdlib.h>
#include <string.h>

enum {
    KEY_MAX = 65535, /* bytes, as the specification says */
    NAME_MAX_BYTES = 255,
    VALUES_MAX = 1 << 16,
    TENSORS_MAX = 1 << 20,
    VALUE_MIN_BYTES = 8 + 1 + 4 + 1,      /* key, type, value */
    TENSOR_MIN_BYTES = 8 + 1 + 4 + 4 + 8  /* name, n_dim, type, offset */
};

struct lm_gguf {
    const unsigned char *base;
    struct lm_map map; /* of base, where a file was opened */
    struct lm_gguf_whole whole;
    struct lm_gguf_value *value;
    struct lm_gguf_tensor *tensor;
    size_t n_value, n_tensor;
    const struct lm_gguf_str **by_key, **by_name; /* sorted; each string is the first member of its value or tensor */
};

struct reader {
    const unsigned char *base;
    size_t size, pos;
};

/* Little-endian, whatever the host is. */
static uint64_t le(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static int truncated(const struct reader *r, const char *what, uint64_t need, struct lm_err *err)
{
    return lm_fail(err, LM_EFORMAT, "truncated: %s at byte %zu needs %llu bytes but the file has %zu", what, r->pos,
                   (unsigned long long)need, r->size);
}

static int take(struct reader *r, size_t n, const char *what, uint64_t *out, struct lm_err *err)
{
    if (r->size - r->pos < n)
        return truncated(r, what, n, err);
    *out = le(r->base + r->pos, n);
    r->pos += n;
    return 0;
}

static int take_string(struct reader *r, const char *what, struct lm_gguf_str *out, struct lm_err *err)
{
    uint64_t n = 0;
    int rc = take(r, 8, what, &n, err);
    if (rc)
        return rc;
    if (n > r->size - r->pos)
        return truncated(r, what, n, err);
    *out = (struct lm_gguf_str){(const char *)r->base + r->pos, (size_t)n};
    r->pos += (size_t)n;
    return 0;
}

static int take_name(struct reader *r, const char *what, size_t max, struct lm_gguf_str *out, struct lm_err *err)
{
    size_t at = r->pos;
    int rc = take_string(r, what, out, err);
    if (rc)
        return rc;
    if (out->n == 0 || out->n > max)
        return lm_fail(err, LM_EFORMAT, "%s at byte %zu is %zu bytes long, not 1 to %zu", what, at, out->n, max);
    return 0;
}

static size_t scalar_bytes(uint64_t type)
{
    static const unsigned char bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

static int take_strings(struct reader *r, const char *what, uint64_t n, struct lm_err *err)
{
    struct lm_gguf_str s;
    if (n > (r->size - r->pos) / 8)
        return truncated(r, what, n > UINT64_MAX / 8 ? UINT64_MAX : n * 8, err);
    for (uint64_t i = 0; i < n; i++) {
        int rc = take_string(r, what, &s, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int take_scalars(struct reader *r, const char *what, const struct lm_gguf_value *v, struct lm_err *err)
{
    size_t each = scalar_bytes(v->elem);
    if (v->n > (r->size - r->pos) / each)
        return truncated(r, what, v->n > UINT64_MAX / each ? UINT64_MAX : v->n * each, err);
    if (v->elem == LM_GGUF_BOOL)
        for (size_t i = 0; i < v->n; i++)
            if (r->base[r->pos + i] > 1)
                return lm_fail(err, LM_EFORMAT, "%s has the truth value %d at byte %zu", what, r->base[r->pos + i], r->pos + i);
    r->pos += (size_t)v->n * each;
    return 0;
}

static int take_value(struct reader *r, struct lm_gguf_value *v, struct lm_err *err)
{
    char name[LM_GGUF_QUOTE], what[LM_GGUF_QUOTE + 8];
    uint64_t type = 0;
    int rc = take_name(r, "a key", KEY_MAX, &v->key, err);
    if (rc)
        return rc;
    snprintf(what, sizeof what, "key '%s'", lm_gguf_quote(v->key, name));
    if ((rc = take(r, 4, what, &type, err)) != 0)
        return rc;
    bool array = type == LM_GGUF_ARRAY;
    v->type = (enum lm_gguf_type)type;
    v->n = 1;
    if (array && ((rc = take(r, 4, what, &type, err)) != 0 || (rc = take(r, 8, what, &v->n, err)) != 0))
        return rc;
    if (array && type == LM_GGUF_ARRAY)
        return lm_fail(err, LM_EUNSUPPORTED, "%s at byte %zu is an array of arrays", what, r->pos);
    if (type > LM_GGUF_F64)
        return lm_fail(err, LM_EFORMAT, "%s at byte %zu has the unknown type %llu", what, r->pos, (unsigned long long)type);
    v->elem = (enum lm_gguf_type)type;
    v->at = r->base + r->pos;
    rc = type == LM_GGUF_STRING ? take_strings(r, what, v->n, err) : take_scalars(r, what, v, err);
    v->bytes = (size_t)(r->base + r->pos - v->at);
    return rc;
}

static int tensor_bytes(struct lm_gguf_tensor *t, const char *name, size_t at, struct lm_err *err)
{
    const struct lm_qtype_info *q = lm_qtype_info(t->qtype);
    uint64_t n = 1;
    if (!q)
        return lm_fail(err, LM_EUNSUPPORTED, "tensor '%s' at byte %zu has the unknown type %u", name, at, t->qtype);
    for (size_t i = 0; i < 4; i++)
        if (t->dim[i] == 0 || __builtin_mul_overflow(n, t->dim[i], &n))
            return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %zu has a zero or too large dimension", name, at);
    size_t row = t->dim[0] > SIZE_MAX ? 0 : lm_qtype_row_bytes(t->qtype, (size_t)t->dim[0]);
    if (t->dim[0] % q->block && !q->ends_short)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %zu: %llu columns are no multiple of %s's block of %u", name, at,
                       (unsigned long long)t->dim[0], q->name, q->block);
    if (!row || __builtin_mul_overflow(n / t->dim[0], row, &t->bytes))
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %zu is too large", name, at);
    return 0;
}

/* Leaves the offset in *out_offset: where the data begins is known only after the last tensor. */
static int take_tensor(struct reader *r, struct lm_gguf_tensor *t, uint64_t *out_offset, struct lm_err *err)
{
    char name[LM_GGUF_QUOTE], what[LM_GGUF_QUOTE + 16];
    uint64_t n = 0;
    size_t at = r->pos;
    int rc = take_name(r, "a tensor's name", NAME_MAX_BYTES, &t->name, err);
    if (rc)
        return rc;
    snprintf(what, sizeof what, "tensor '%s'", lm_gguf_quote(t->name, name));
    if ((rc = take(r, 4, what, &n, err)) != 0)
        return rc;
    if (n > 4)
        return lm_fail(err, LM_EFORMAT, "%s at byte %zu has %llu dimensions, not 0 to 4", what, at, (unsigned long long)n);
    t->n_dim = (uint32_t)n;
    for (size_t i = 0; i < 4; i++)
        t->dim[i] = 1;
    for (size_t i = 0; i < t->n_dim; i++)
        if ((rc = take(r, 8, what, &t->dim[i], err)) != 0)
            return rc;
    if ((rc = take(r, 4, what, &n, err)) != 0 || (rc = take(r, 8, what, out_offset, err)) != 0)
        return rc;
    t->qtype = (uint32_t)n;
    return tensor_bytes(t, name, at, err);
}

static int compare_strings(struct lm_gguf_str a, struct lm_gguf_str b)
{
    int c = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_string(const void *a, const void *b)
{
    return compare_strings(**(const struct lm_gguf_str *const *)a, **(const struct lm_gguf_str *const *)b);
}

static int by_data(const void *a, const void *b)
{
    const struct lm_gguf_tensor *x = *(const struct lm_gguf_tensor *const *)a, *y = *(const struct lm_gguf_tensor *const *)b;
    return (x->data > y->data) - (x->data < y->data);
}

/* Pointers to the first member of n elements of `each` bytes, sorted: equal strings become neighbours. base NULL: of several files. */
static int index_strings(const void *first, size_t each, size_t n, const struct lm_gguf_str ***out, const char *what,
                         const unsigned char *base, struct lm_err *err)
{
    char name[LM_GGUF_QUOTE];
    const struct lm_gguf_str **s = calloc(n ? n : 1, sizeof *s);
    if (!s)
        return lm_fail(err, LM_ENOMEM, "no memory for %zu names", n);
    for (size_t i = 0; i < n; i++)
        s[i] = (const struct lm_gguf_str *)((const char *)first + i * each);
    qsort(s, n, sizeof *s, by_string);
    *out = s;
    for (size_t i = 1; i < n; i++)
        if (!compare_strings(*s[i - 1], *s[i])) {
            const char *last = s[i - 1]->s > s[i]->s ? s[i - 1]->s : s[i]->s;
            if (!base)
                return lm_fail(err, LM_EFORMAT, "%s '%s' is given twice", what, lm_gguf_quote(*s[i], name));
            return lm_fail(err, LM_EFORMAT, "%s '%s' is given twice, again at byte %zu", what, lm_gguf_quote(*s[i], name),
                           (size_t)((const unsigned char *)last - base));
        }
    return 0;
}

static int take_header(struct reader *r, uint64_t *out_tensors, uint64_t *out_values, struct lm_err *err)
{
    uint64_t magic = 0, version = 0;
    int rc;
    if ((rc = take(r, 4, "the magic", &magic, err)) != 0)
        return rc;
    if (magic != 0x46554747)
        return lm_fail(err, LM_EFORMAT, "not a GGUF file: its first bytes are not 'GGUF'");
    if ((rc = take(r, 4, "the version", &version, err)) != 0)
        return rc;
    if (version && !(version & 0xffff))
        return lm_fail(err, LM_EUNSUPPORTED, "a big-endian GGUF file; only little-endian ones are read");
    if (version != 2 && version != 3)
        return lm_fail(err, LM_EUNSUPPORTED, "GGUF version %llu; versions 2 and 3 are read", (unsigned long long)version);
    if ((rc = take(r, 8, "the tensor count", out_tensors, err)) != 0 || (rc = take(r, 8, "the key count", out_values, err)) != 0)
        return rc;
    size_t rest = r->size - r->pos;
    if (*out_tensors > TENSORS_MAX || *out_tensors > rest / TENSOR_MIN_BYTES)
        return lm_fail(err, LM_EFORMAT, "the header at byte 8 counts %llu tensors; the file has room for %zu",
                       (unsigned long long)*out_tensors, rest / TENSOR_MIN_BYTES);
    if (*out_values > VALUES_MAX || *out_values > rest / VALUE_MIN_BYTES)
        return lm_fail(err, LM_EFORMAT, "the header at byte 16 counts %llu keys; the file has room for %zu",
                       (unsigned long long)*out_values, rest / VALUE_MIN_BYTES);
    return 0;
}

static int parse_values(struct lm_gguf *g, struct reader *r, uint64_t n, struct lm_err *err)
{
    g->value = calloc(n ? (size_t)n : 1, sizeof *g->value);
    if (!g->value)
        return lm_fail(err, LM_ENOMEM, "no memory for %llu keys", (unsigned long long)n);
    for (; g->n_value < n; g->n_value++) {
        int rc = take_value(r, &g->value[g->n_value], err);
        if (rc)
            return rc;
    }
    return index_strings(g->value, sizeof *g->value, g->n_value, &g->by_key, "key", r->base, err);
}

static int place_tensor(struct lm_gguf_tensor *t, const struct reader *r, uint64_t start, uint32_t align, uint64_t offset,
                        struct lm_err *err)
{
    char name[LM_GGUF_QUOTE];
    uint64_t at, end;
    lm_gguf_quote(t->name, name);
    if (offset % align)
        return lm_fail(err, LM_EFORMAT, "tensor '%s': offset %llu is no multiple of the alignment %u", name,
                       (unsigned long long)offset, align);
    if (__builtin_add_overflow(start, offset, &at) || __builtin_add_overflow(at, t->bytes, &end))
        return lm_fail(err, LM_EFORMAT, "tensor '%s': offset %llu is too large", name, (unsigned long long)offset);
    if (end > r->size)
        return lm_fail(err, LM_EFORMAT, "truncated: tensor '%s' ends at byte %llu but the file has %zu: fetch the file again", name,
                       (unsigned long long)end, r->size);
    t->offset = at;
    t->data = r->base + at;
    return 0;
}

static int refuse_overlap(const struct lm_gguf *g, struct lm_err *err)
{
    char a[LM_GGUF_QUOTE], b[LM_GGUF_QUOTE];
    const struct lm_gguf_tensor **t = calloc(g->n_tensor ? g->n_tensor : 1, sizeof *t);
    int rc = 0;
    if (!t)
        return lm_fail(err, LM_ENOMEM, "no memory for %zu tensors", g->n_tensor);
    for (size_t i = 0; i < g->n_tensor; i++)
        t[i] = &g->tensor[i];
    qsort(t, g->n_tensor, sizeof *t, by_data);
    for (size_t i = 1; i < g->n_tensor && !rc; i++)
        if ((const char *)t[i - 1]->data + t[i - 1]->bytes > (const char *)t[i]->data)
            rc = lm_fail(err, LM_EFORMAT, "tensors '%s' and '%s' overlap at byte %zu", lm_gguf_quote(t[i - 1]->name, a),
                         lm_gguf_quote(t[i]->name, b), (size_t)((const unsigned char *)t[i]->data - g->base));
    free(t);
    return rc;
}

static int parse_tensors(struct lm_gguf *g, struct reader *r, uint64_t n, struct lm_err *err)
{
    uint32_t align;
    int rc = lm_gguf_u32(g, "general.alignment", 32, &align, err);
    if (rc)
        return rc;
    if (align == 0 || align & (align - 1))
        return lm_fail(err, LM_EFORMAT, "key 'general.alignment' is %u, not a power of two", align);
    g->tensor = calloc(n ? (size_t)n : 1, sizeof *g->tensor);
    uint64_t *offset = calloc(n ? (size_t)n : 1, sizeof *offset);
    if (!g->tensor || !offset) {
        rc = lm_fail(err, LM_ENOMEM, "no memory for %llu tensors", (unsigned long long)n);
        goto out;
    }
    for (; g->n_tensor < n; g->n_tensor++)
        if ((rc = take_tensor(r, &g->tensor[g->n_tensor], &offset[g->n_tensor], err)) != 0)
            goto out;
    uint64_t start = ((uint64_t)r->pos + align - 1) & ~((uint64_t)align - 1);
    for (size_t i = 0; i < n; i++)
        if ((rc = place_tensor(&g->tensor[i], r, start, align, offset[i], err)) != 0)
            goto out;
    if ((rc = index_strings(g->tensor, sizeof *g->tensor, g->n_tensor, &g->by_name, "tensor", r->base, err)) != 0)
        goto out;
    rc = refuse_overlap(g, err);
out:
    free(offset);
    return rc;
}

int lm_gguf_open_memory(const void *data, size_t size, struct lm_gguf **out, struct lm_err *err)
{
    struct lm_gguf *g = calloc(1, sizeof *g);
    struct reader r = {data, size, 0};
    uint64_t n_tensor = 0, n_value = 0;
    int rc;
    if (!g)
        return lm_fail(err, LM_ENOMEM, "no memory for a model file");
    g->base = data;
    if ((rc = take_header(&r, &n_tensor, &n_value, err)) != 0 || (rc = parse_values(g, &r, n_value, err)) != 0 ||
        (rc = parse_tensors(g, &r, n_tensor, err)) != 0) {
        lm_gguf_close(g);
        return rc;
    }
    *out = g;
    return 0;
}

int lm_gguf_open(const char *path, struct lm_gguf **out, struct lm_err *err)
{
    struct lm_map map = {0};
    int rc = lm_map_open(path, &map, err);
    if (!rc)
        rc = lm_gguf_open_memory(map.base, map.size, out, err);
    if (rc) {
        lm_map_close(&map);
        return lm_fail_in(err, rc, "%.100s", path);
    }
    (*out)->map = map;
    return 0;
}

int lm_gguf_whole(const struct lm_gguf *g, struct lm_err *err)
{
    int rc = lm_map_whole(&g->map, err);
    for (size_t i = 0; i < g->whole.n_map && rc == 0; i++)
        rc = lm_map_whole(&g->whole.map[i], err);
    return rc;
}

const void *lm_gguf_mapping(const struct lm_gguf *g, size_t *out_bytes)
{
    *out_bytes = g->whole.n_map ? SIZE_MAX : g->map.size;
    return g->whole.n_map ? NULL : g->map.base;
}

void lm_gguf_close(struct lm_gguf *g)
{
    if (!g)
        return;
    if (g->whole.release)
        g->whole.release(g->whole.owner);
    lm_map_close(&g->map);
    free(g->value);
    free(g->tensor);
    free(g->by_key);
    free(g->by_name);
    free(g);
}

static const void *find(const struct lm_gguf_str **sorted, size_t n, const char *name)
{
    const struct lm_gguf_str key = {name, strlen(name)}, *p = &key;
    const struct lm_gguf_str **hit = bsearch(&p, sorted, n, sizeof *sorted, by_string);
    return hit ? *hit : NULL;
}

size_t lm_gguf_n_values(const struct lm_gguf *g)
{
    return g->n_value;
}

const struct lm_gguf_value *lm_gguf_value_at(const struct lm_gguf *g, size_t i)
{
    return &g->value[i];
}

const struct lm_gguf_value *lm_gguf_get(const struct lm_gguf *g, const char *key)
{
    return find(g->by_key, g->n_value, key);
}

size_t lm_gguf_n_tensors(const struct lm_gguf *g)
{
    return g->n_tensor;
}

const struct lm_gguf_tensor *lm_gguf_tensor_at(const struct lm_gguf *g, size_t i)
{
    return &g->tensor[i];
}

const struct lm_gguf_tensor *lm_gguf_tensor(const struct lm_gguf *g, const char *name)
{
    return find(g->by_name, g->n_tensor, name);
}

int lm_gguf_complete(struct lm_gguf *g, const struct lm_gguf_whole *w, struct lm_err *err)
{
    const struct lm_gguf_str **by_name = NULL;
    int rc = index_strings(w->tensor, sizeof *w->tensor, w->n_tensor, &by_name, "tensor", NULL, err);
    if (rc) {
        free(by_name);
        return rc;
    }
    free(g->tensor);
    free(g->by_name);
    g->tensor = w->tensor;
    g->n_tensor = w->n_tensor;
    g->by_name = by_name;
    g->whole = *w;
    return 0;
}

size_t lm_gguf_n_files(const struct lm_gguf *g)
{
    return g->whole.n_map ? g->whole.n_map : 1;
}

struct lm_map lm_gguf_map(const struct lm_gguf *g)
{
    return g->map;
}

struct lm_map lm_gguf_file(const struct lm_gguf *g, size_t i)
{
    return g->whole.n_map ? g->whole.map[i] : g->map;
}

const char *lm_gguf_folder(const struct lm_gguf *g)
{
    return g->whole.folder;
}

const void *lm_gguf_rows(const struct lm_gguf_tensor *t, uint64_t row, uint64_t n, void *scratch)
{
    if (!t->made)
        return (const char *)t->data + row * (t->bytes / lm_gguf_n_rows(t));
    t->made->rows(t->made, t->first + row, n, scratch);
    return scratch;
}

uint64_t lm_gguf_n_rows(const struct lm_gguf_tensor *t)
{
    return t->dim[1] * t->dim[2] * t->dim[3];
}

void lm_gguf_will_read(const struct lm_gguf *g, const void *p, size_t n)
{
    lm_map_will_read(&g->map, p, n);
    for (size_t i = 0; i < g->whole.n_map; i++)
        lm_map_will_read(&g->whole.map[i], p, n);
}

void lm_gguf_has_read(const struct lm_gguf *g, const void *p, size_t n)
{
    lm_map_has_read(&g->map, p, n);
    for (size_t i = 0; i < g->whole.n_map; i++)
        lm_map_has_read(&g->whole.map[i], p, n);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/safetensors.h"
#include "runtime/base/arena.h"
#include "runtime/base/fp8.h"
#include "runtime/model/hf/json.h"
#include <stdlib.h>

enum { HEADER_MAX = 16 << 20, NAME_BYTES_MAX = 255 };

struct lm_st {
    struct lm_map map; /* empty where the bytes are the caller's */
    const unsigned char *base;
    size_t size, start; /* of the tensors' bytes */
    struct lm_st_tensor *tensor;
    size_t n_tensor;
    struct lm_arena names;
};

static const struct { const char *name; size_t bytes; } types[LM_ST_N_TYPE] = {
    [LM_ST_BOOL] = {"BOOL", 1}, [LM_ST_U8] = {"U8", 1},   [LM_ST_I8] = {"I8", 1},     [LM_ST_F8_E5M2] = {"F8_E5M2", 1},
    [LM_ST_F8_E4M3] = {"F8_E4M3", 1}, [LM_ST_I16] = {"I16", 2}, [LM_ST_U16] = {"U16", 2}, [LM_ST_F16] = {"F16", 2},
    [LM_ST_BF16] = {"BF16", 2}, [LM_ST_I32] = {"I32", 4}, [LM_ST_U32] = {"U32", 4},   [LM_ST_F32] = {"F32", 4},
    [LM_ST_F64] = {"F64", 8},   [LM_ST_I64] = {"I64", 8}, [LM_ST_U64] = {"U64", 8},
};

size_t lm_st_type_bytes(enum lm_st_type type)
{
    return types[type].bytes;
}

const char *lm_st_type_name(enum lm_st_type type)
{
    return types[type].name;
}

static uint64_t le(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static int take_type(struct lm_st_tensor *t, const json_t *entry, const char *name, struct lm_err *err)
{
    char shown[LM_GGUF_QUOTE];
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    for (size_t i = 0; type && i < LM_ST_N_TYPE; i++)
        if (strcmp(type, types[i].name) == 0) {
            t->type = (enum lm_st_type)i;
            return 0;
        }
    return type ? lm_fail(err, LM_EUNSUPPORTED, "tensor '%s' has the unknown type '%s'", name,
                          lm_gguf_quote((struct lm_gguf_str){type, strlen(type)}, shown))
                : lm_fail(err, LM_EFORMAT, "tensor '%s' has no dtype", name);
}

static int take_shape(struct lm_st_tensor *t, const json_t *entry, const char *name, struct lm_err *err)
{
    const json_t *shape = json_object_get(entry, "shape");
    size_t n = json_array_size(shape);
    if (!json_is_array(shape) || n > 8)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' has no shape of 0 to 8 dimensions", name);
    t->n_dim = (uint32_t)n;
    t->n = 1;
    for (size_t i = 0; i < 8; i++) {
        const json_t *d = i < n ? json_array_get(shape, i) : NULL;
        if (i < n && (!json_is_integer(d) || json_integer_value(d) < 0))
            return lm_fail(err, LM_EFORMAT, "tensor '%s' has a dimension that is no count", name);
        t->dim[i] = i < n ? (uint64_t)json_integer_value(d) : 1;
        if (__builtin_mul_overflow(t->n, t->dim[i], &t->n))
            return lm_fail(err, LM_EFORMAT, "tensor '%s' has too large a shape", name);
    }
    if (__builtin_mul_overflow(t->n, types[t->type].bytes, &t->bytes))
        return lm_fail(err, LM_EFORMAT, "tensor '%s' has too large a shape", name);
    return 0;
}

static int take_place(const struct lm_st *s, struct lm_st_tensor *t, const json_t *entry, const char *name, struct lm_err *err)
{
    const json_t *place = json_object_get(entry, "data_offsets"), *b = json_array_get(place, 0), *e = json_array_get(place, 1);
    if (json_array_size(place) != 2 || !json_is_integer(b) || !json_is_integer(e) || json_integer_value(b) < 0 ||
        json_integer_value(e) < json_integer_value(b))
        return lm_fail(err, LM_EFORMAT, "tensor '%s' has no data_offsets of two ascending numbers", name);
    uint64_t first = (uint64_t)json_integer_value(b), end = (uint64_t)json_integer_value(e);
    if (end > s->size - s->start)
        return lm_fail(err, LM_EFORMAT, "truncated: tensor '%s' ends at byte %llu but the file has %zu", name,
                       (unsigned long long)end + s->start, s->size);
    if (end - first != t->bytes)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %llu has %llu bytes, but its shape and type %s need %zu", name,
                       (unsigned long long)first + s->start, (unsigned long long)(end - first), types[t->type].name, t->bytes);
    t->offset = s->start + first;
    t->data = s->base + t->offset;
    return 0;
}

/* As all names are that a family has; others would reach a terminal by an error's message. */
static bool is_printable(const char *s)
{
    while (*s >= ' ' && *s <= '~')
        s++;
    return !*s;
}

static int take_tensor(struct lm_st *s, const char *name, size_t n, const json_t *entry, struct lm_err *err)
{
    char shown[LM_GGUF_QUOTE];
    struct lm_st_tensor *t = &s->tensor[s->n_tensor];
    lm_gguf_quote((struct lm_gguf_str){name, n}, shown);
    if (n == 0 || n > NAME_BYTES_MAX)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' has a name of %zu bytes, not 1 to %d", shown, n, NAME_BYTES_MAX);
    if (!is_printable(name))
        return lm_fail(err, LM_EFORMAT, "tensor '%s' has a name that is not of printable ASCII", shown);
    if (!json_is_object(entry))
        return lm_fail(err, LM_EFORMAT, "tensor '%s' is no object in the header", shown);
    int rc = take_type(t, entry, shown, err);
    if (rc || (rc = take_shape(t, entry, shown, err)) != 0 || (rc = take_place(s, t, entry, shown, err)) != 0)
        return rc;
    t->name = (struct lm_gguf_str){lm_arena_copy(&s->names, name, n), n};
    if (!t->name.s)
        return lm_fail(err, LM_ENOMEM, "no memory for a tensor's name");
    s->n_tensor++;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct lm_st_tensor *x = a, *y = b;
    int c = (x->offset > y->offset) - (x->offset < y->offset);
    return c ? c : (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct lm_st_tensor *)a)->name.s, ((const struct lm_st_tensor *)b)->name.s);
}

/* The bytes are those of the tensors, each one once. */
static int check_places(const struct lm_st *s, struct lm_err *err)
{
    char a[LM_GGUF_QUOTE], b[LM_GGUF_QUOTE];
    uint64_t at = s->start;
    for (size_t i = 0; i < s->n_tensor; i++) {
        const struct lm_st_tensor *t = &s->tensor[i];
        if (t->offset < at)
            return lm_fail(err, LM_EFORMAT, "tensors '%s' and '%s' overlap at byte %llu", lm_gguf_quote(t[-1].name, a),
                           lm_gguf_quote(t->name, b), (unsigned long long)t->offset);
        if (t->offset > at)
            return lm_fail(err, LM_EFORMAT, "the bytes from %llu to tensor '%s' at byte %llu are of no tensor",
                           (unsigned long long)at, lm_gguf_quote(t->name, a), (unsigned long long)t->offset);
        at += t->bytes;
    }
    if (at != s->size)
        return lm_fail(err, LM_EFORMAT, "the last tensor ends at byte %llu but the file has %zu", (unsigned long long)at, s->size);
    return 0;
}

static int take_header(struct lm_st *s, json_t **out, struct lm_err *err)
{
    if (s->size < 8)
        return lm_fail(err, LM_EFORMAT, "truncated: the header's length at byte 0 needs 8 bytes but the file has %zu", s->size);
    uint64_t n = le(s->base, 8);
    if (n > s->size - 8)
        return lm_fail(err, LM_EFORMAT, "truncated: the header at byte 8 has %llu bytes but the file has %zu", (unsigned long long)n, s->size);
    if (n > HEADER_MAX)
        return lm_fail(err, LM_ELIMIT, "the header at byte 8 has %llu bytes, more than %d", (unsigned long long)n, HEADER_MAX);
    s->start = 8 + (size_t)n;
    int rc = lm_hf_json_parse((const char *)s->base + 8, (size_t)n, out, err);
    return rc ? lm_fail_in(err, rc, "the header at byte 8") : 0;
}

static int parse(struct lm_st *s, struct lm_err *err)
{
    json_t *header = NULL, *entry;
    const char *name;
    int rc = take_header(s, &header, err);
    if (rc)
        return rc;
    s->tensor = calloc(json_object_size(header) + 1, sizeof *s->tensor);
    if (!s->tensor)
        rc = lm_fail(err, LM_ENOMEM, "no memory for %zu tensors", json_object_size(header));
    else
        json_object_foreach(header, name, entry) {
            if (strcmp(name, "__metadata__") != 0)
                rc = take_tensor(s, name, strlen(name), entry, err);
            if (rc)
                break;
        }
    json_decref(header);
    if (rc)
        return rc;
    qsort(s->tensor, s->n_tensor, sizeof *s->tensor, by_place);
    rc = check_places(s, err);
    qsort(s->tensor, s->n_tensor, sizeof *s->tensor, by_name);
    return rc;
}

int lm_st_open_memory(const void *data, size_t n, struct lm_st **out, struct lm_err *err)
{
    struct lm_st *s = calloc(1, sizeof *s);
    if (!s)
        return lm_fail(err, LM_ENOMEM, "no memory for a safetensors file");
    s->base = data;
    s->size = n;
    int rc = parse(s, err);
    if (rc)
        lm_st_close(s);
    else
        *out = s;
    return rc;
}

int lm_st_open(const char *path, struct lm_st **out, struct lm_err *err)
{
    struct lm_map map = {0};
    struct lm_st *s = NULL;
    int rc = lm_map_open(path, &map, err);
    if (!rc)
        rc = lm_st_open_memory(map.base, map.size, &s, err);
    if (rc) {
        lm_map_close(&map);
        return rc;
    }
    s->map = map;
    *out = s;
    return 0;
}

void lm_st_close(struct lm_st *s)
{
    if (!s)
        return;
    lm_map_close(&s->map);
    lm_arena_fini(&s->names);
    free(s->tensor);
    free(s);
}

size_t lm_st_n_tensors(const struct lm_st *s)
{
    return s->n_tensor;
}

const struct lm_st_tensor *lm_st_tensor_at(const struct lm_st *s, size_t i)
{
    return &s->tensor[i];
}

const struct lm_st_tensor *lm_st_tensor(const struct lm_st *s, const char *name)
{
    const struct lm_st_tensor key = {.name = {name, strlen(name)}};
    return bsearch(&key, s->tensor, s->n_tensor, sizeof key, by_name);
}

struct lm_map lm_st_map(const struct lm_st *s)
{
    return s->map;
}

double lm_st_elem(const struct lm_st_tensor *t, uint64_t i)
{
    const unsigned char *p = (const unsigned char *)t->data + i * types[t->type].bytes;
    uint64_t u = le(p, types[t->type].bytes);
    double d;
    switch (t->type) {
    case LM_ST_I8: return (int8_t)u;
    case LM_ST_I16: return (int16_t)u;
    case LM_ST_I32: return (int32_t)u;
    case LM_ST_I64: return (double)(int64_t)u;
    case LM_ST_F8_E4M3: return (double)lm_f8e4m3_to_f32((uint8_t)u);
    case LM_ST_F8_E5M2: return (double)lm_f8e5m2_to_f32((uint8_t)u);
    case LM_ST_F16: return (double)lm_f16_to_f32((uint16_t)u);
    case LM_ST_BF16: return (double)lm_bf16_to_f32((uint16_t)u);
    case LM_ST_F32: return (double)lm_f32_of((uint32_t)u);
    case LM_ST_F64: memcpy(&d, &u, sizeof d); return d;
    default: return (double)u;
    }
}

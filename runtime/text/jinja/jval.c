/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jval.h"
#include "runtime/text/jinja/jstr.h"
#include <math.h>

enum { MAX_DEPTH = 1000 }; /* of nodes evaluated inside each other, and of values printed or compared */

int lm_jval_nomem(struct lm_jctx *c)
{
    if (c->mem.limit && c->mem.used > c->mem.limit / 2)
        return lm_fail(c->err, LM_ELIMIT, "the template's values need more than %zu bytes", c->mem.limit);
    return lm_fail(c->err, LM_ENOMEM, "out of memory");
}

void *lm_jval_alloc(struct lm_jctx *c, size_t n, size_t size)
{
    if (n > SIZE_MAX / 2 / size || (c->mem.limit && n * size > c->mem.limit)) {
        c->mem.used = c->mem.limit; /* beyond the limit by far: nothing more fits either */
        return NULL;
    }
    void *p = lm_arena_alloc(&c->mem, n * size);
    if (!p && c->mem.limit && n * size > c->mem.limit - c->mem.used)
        c->mem.used = c->mem.limit;
    return p;
}

int lm_jval_charge(struct lm_jctx *c, uint64_t n)
{
    if (n > c->max_steps - c->steps)
        return lm_fail(c->err, LM_ELIMIT, "the template runs for more than %llu steps", (unsigned long long)c->max_steps);
    c->steps += n;
    return 0;
}

int lm_jval_enter(struct lm_jctx *c)
{
    if (c->depth >= MAX_DEPTH)
        return lm_fail(c->err, LM_ELIMIT, "nested or called more than %d levels deep", MAX_DEPTH);
    c->depth++;
    return lm_jval_charge(c, 1) ? (c->depth--, LM_ELIMIT) : 0;
}

int lm_jval_take(struct lm_jctx *c, struct lm_bytes *from, size_t mark, struct lm_jval *out)
{
    size_t n = from->len - mark;
    char *s = lm_jval_alloc(c, n, 1);
    if (!s)
        return lm_jval_nomem(c);
    if (n)
        memcpy(s, from->data + mark, n);
    from->len = mark;
    *out = lm_jval_str(s, n);
    return 0;
}

int lm_jval_cut(struct lm_jctx *c, size_t mark, struct lm_jval *out)
{
    if (c->tmp.failed)
        return lm_fail(c->err, LM_ELIMIT, "a string is longer than %zu bytes", c->tmp.limit);
    return lm_jval_take(c, &c->tmp, mark, out);
}

int lm_jval_push(struct lm_jctx *c, struct lm_jlist *l, struct lm_jval v)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        struct lm_jval *p = lm_jval_alloc(c, cap, sizeof *p);
        if (!p)
            return lm_jval_nomem(c);
        if (l->n)
            memcpy(p, l->v, l->n * sizeof *p);
        l->v = p;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return 0;
}

int lm_jval_pair(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, struct lm_jval *out)
{
    struct lm_jval *p = lm_jval_alloc(c, 2, sizeof *p);
    if (!p)
        return lm_jval_nomem(c);
    p[0] = a;
    p[1] = b;
    *out = lm_jval_seq(LM_JTUPLE, p, 2);
    return 0;
}

static int from_object(struct lm_jctx *c, const json_t *j, struct lm_jval *out)
{
    struct lm_jdict *d = lm_jdict_create(c);
    if (!d)
        return lm_jval_nomem(c);
    for (void *it = json_object_iter((json_t *)j); it; it = json_object_iter_next((json_t *)j, it)) {
        struct lm_jval v;
        int rc = lm_jval_from_json(c, json_object_iter_value(it), &v);
        if (!rc)
            rc = lm_jdict_set(c, d, lm_jval_cstr(json_object_iter_key(it)), v);
        if (rc)
            return rc;
    }
    *out = lm_jval_dict(d);
    return 0;
}

static int from_array(struct lm_jctx *c, const json_t *j, struct lm_jval *out)
{
    size_t n = json_array_size(j);
    struct lm_jval *v = lm_jval_alloc(c, n, sizeof *v);
    if (!v)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < n; i++) {
        int rc = lm_jval_from_json(c, json_array_get(j, i), &v[i]);
        if (rc)
            return rc;
    }
    *out = lm_jval_seq(LM_JLIST, v, n);
    return 0;
}

int lm_jval_from_json(struct lm_jctx *c, const json_t *j, struct lm_jval *out)
{
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        rc = from_object(c, j, out);
        break;
    case JSON_ARRAY:
        rc = from_array(c, j, out);
        break;
    case JSON_STRING:
        *out = lm_jval_str(json_string_value(j), json_string_length(j));
        break;
    case JSON_INTEGER:
        *out = lm_jval_int(json_integer_value(j));
        break;
    case JSON_REAL:
        *out = lm_jval_float(json_real_value(j));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = lm_jval_bool(json_is_true(j));
        break;
    default:
        *out = lm_jval_none();
    }
    lm_jval_leave(c);
    return rc;
}

const char *lm_jval_type(struct lm_jval v)
{
    static const char *const name[] = {
        [LM_JMISSING] = "missing", [LM_JUNDEF] = "Undefined", [LM_JNONE] = "NoneType", [LM_JBOOL] = "bool",
        [LM_JINT] = "int", [LM_JFLOAT] = "float", [LM_JSTR] = "str", [LM_JLIST] = "list", [LM_JTUPLE] = "tuple",
        [LM_JDICT] = "dict", [LM_JRANGE] = "range", [LM_JVIEW] = "dict_items", [LM_JGEN] = "generator",
        [LM_JSPACE] = "Namespace", [LM_JFUNC] = "function", [LM_JMACRO] = "Macro", [LM_JLOOP] = "LoopContext",
        [LM_JCYCLER] = "Cycler", [LM_JJOINER] = "Joiner",
    };
    return name[v.kind];
}

bool lm_jval_truth(struct lm_jval v)
{
    switch (v.kind) {
    case LM_JMISSING:
    case LM_JUNDEF:
    case LM_JNONE:
        return false;
    case LM_JBOOL:
        return v.b;
    case LM_JINT:
        return v.i != 0;
    case LM_JFLOAT:
        return v.f != 0;
    case LM_JSTR:
    case LM_JLIST:
    case LM_JTUPLE:
        return v.n > 0;
    case LM_JDICT:
    case LM_JVIEW:
        return v.d->n > 0;
    case LM_JRANGE:
        return v.range->n > 0;
    default:
        return true;
    }
}

bool lm_jval_is_str(struct lm_jval v, const char *s)
{
    return v.kind == LM_JSTR && v.n == strlen(s) && !memcmp(v.s, s, v.n);
}

bool lm_jval_same(struct lm_jval a, struct lm_jval b)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case LM_JNONE:
        return true;
    case LM_JBOOL:
        return a.b == b.b;
    case LM_JINT:
        return a.i == b.i;
    case LM_JFLOAT:
    case LM_JUNDEF:
        return false;
    default:
        return a.s == b.s && a.n == b.n && a.tag == b.tag;
    }
}

int lm_jval_len(struct lm_jctx *c, struct lm_jval v, size_t *out)
{
    switch (v.kind) {
    case LM_JUNDEF:
        *out = 0;
        return 0;
    case LM_JSTR:
        *out = lm_jstr_len(v.s, v.n);
        return lm_jval_charge(c, v.n / 64);
    case LM_JLIST:
    case LM_JTUPLE:
        *out = v.n;
        return 0;
    case LM_JDICT:
    case LM_JVIEW:
        *out = v.d->n;
        return 0;
    case LM_JRANGE:
        *out = v.range->n;
        return 0;
    default:
        return lm_fail(c->err, LM_EFORMAT, "object of type '%s' has no len()", lm_jval_type(v));
    }
}

static int compare_int_float(int64_t i, double f)
{
    if (isnan(f))
        return 2;
    if (f >= 0x1p63)
        return -1;
    if (f < -0x1p63)
        return 1;
    int64_t whole = (int64_t)f;
    if (i != whole)
        return i < whole ? -1 : 1;
    double rest = f - (double)whole;
    return rest > 0 ? -1 : rest < 0;
}

static int compare_numbers(struct lm_jval a, struct lm_jval b)
{
    int64_t i, k;
    if (lm_jval_as_int(a, &i) && lm_jval_as_int(b, &k))
        return i < k ? -1 : i > k;
    if (lm_jval_as_int(a, &i))
        return compare_int_float(i, b.f);
    if (lm_jval_as_int(b, &k)) {
        int r = compare_int_float(k, a.f);
        return r == 2 ? 2 : -r;
    }
    if (isnan(a.f) || isnan(b.f))
        return 2;
    return a.f < b.f ? -1 : a.f > b.f;
}

static int compare_bytes(struct lm_jval a, struct lm_jval b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.s, b.s, n) : 0;
    return r < 0 ? -1 : r > 0 ? 1 : a.n < b.n ? -1 : a.n > b.n;
}

static int equal_dicts(struct lm_jctx *c, const struct lm_jdict *a, const struct lm_jdict *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        struct lm_jval v;
        int rc = lm_jdict_get(c, b, a->p[i].key, &v);
        if (rc < 0)
            return rc;
        *out = rc > 0;
        rc = *out ? lm_jval_equal(c, a->p[i].val, v, out) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

/* *out is the first position where the sequences differ, or the shorter length. */
static int first_difference(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, size_t *out)
{
    size_t i = 0, n = a.n < b.n ? a.n : b.n;
    for (bool same = true; i < n; i++) {
        int rc = lm_jval_equal(c, a.v[i], b.v[i], &same);
        if (rc)
            return rc;
        if (!same)
            break;
    }
    *out = i;
    return lm_jval_charge(c, i / 4);
}

static bool equal_ranges(const struct lm_jrange *a, const struct lm_jrange *b)
{
    return a->n == b->n && (!a->n || (a->start == b->start && (a->n == 1 || a->step == b->step)));
}

int lm_jval_equal(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, bool *out)
{
    if (lm_jval_is_number(a) && lm_jval_is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return 0;
    }
    *out = false;
    if (a.kind != b.kind)
        return 0;
    if (a.kind == LM_JSTR) {
        *out = a.n == b.n && !compare_bytes(a, b);
        return lm_jval_charge(c, a.n / 64);
    }
    if (!lm_jval_is_seq(a) && a.kind != LM_JDICT) {
        *out = a.kind == LM_JUNDEF || (a.kind == LM_JRANGE ? equal_ranges(a.range, b.range) : lm_jval_same(a, b));
        return 0;
    }
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    if (a.kind == LM_JDICT) {
        rc = equal_dicts(c, a.d, b.d, out);
    } else if (a.n == b.n) {
        size_t i;
        rc = first_difference(c, a, b, &i);
        *out = !rc && i == a.n;
    }
    lm_jval_leave(c);
    return rc;
}

int lm_jval_order(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, int *out)
{
    if (lm_jval_is_number(a) && lm_jval_is_number(b)) {
        *out = compare_numbers(a, b);
        return 0;
    }
    if (a.kind == LM_JSTR && b.kind == LM_JSTR) {
        *out = compare_bytes(a, b);
        return lm_jval_charge(c, (a.n < b.n ? a.n : b.n) / 64);
    }
    if (a.kind == LM_JUNDEF || b.kind == LM_JUNDEF)
        return lm_jval_fail_undef(c, a.kind == LM_JUNDEF ? a : b);
    if (a.kind != b.kind || !lm_jval_is_seq(a))
        return lm_fail(c->err, LM_EFORMAT, "'%s' and '%s' have no order", lm_jval_type(a), lm_jval_type(b));
    size_t i;
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    rc = first_difference(c, a, b, &i);
    if (!rc && i < a.n && i < b.n)
        rc = lm_jval_order(c, a.v[i], b.v[i], out);
    else
        *out = a.n < b.n ? -1 : a.n > b.n;
    lm_jval_leave(c);
    return rc;
}

static int contains_by_search(struct lm_jctx *c, struct lm_jval box, struct lm_jval item, bool *out)
{
    struct lm_jiter it;
    struct lm_jval v;
    int rc = lm_jiter_open(c, box, &it);
    *out = false;
    while (!rc && (rc = lm_jiter_next(c, &it, &v)) > 0) {
        rc = lm_jval_equal(c, v, item, out);
        if (!rc && (*out || lm_jval_same(v, item))) {
            *out = true;
            return 0;
        }
    }
    return rc;
}

int lm_jval_contains(struct lm_jctx *c, struct lm_jval box, struct lm_jval item, bool *out)
{
    if (box.kind == LM_JSTR) {
        if (item.kind != LM_JSTR)
            return lm_fail(c->err, LM_EFORMAT, "'in <string>' requires string as left operand, not %s", lm_jval_type(item));
        *out = lm_jstr_find(box.s, box.n, item.s, item.n) != LM_JSTR_NONE;
        return lm_jval_charge(c, lm_jstr_find_cost(box.n, item.n));
    }
    if (box.kind == LM_JDICT || (box.kind == LM_JVIEW && box.tag == LM_JKEYS)) {
        struct lm_jval v;
        int rc = lm_jdict_get(c, box.d, item, &v);
        *out = rc > 0;
        return rc < 0 ? rc : 0;
    }
    if (box.kind != LM_JUNDEF && !lm_jiter_can(box))
        return lm_jval_fail_type(c, box, "cannot contain anything");
    return contains_by_search(c, box, item, out);
}

int lm_jval_fail_undef(struct lm_jctx *c, struct lm_jval v)
{
    int n = v.n > 100 ? 100 : (int)v.n;
    const char *of = lm_jval_type((struct lm_jval){.kind = v.of});
    switch (v.tag) {
    case LM_JWHY_NAME:
        return lm_fail(c->err, LM_EFORMAT, "'%.*s' is undefined", n, v.s);
    case LM_JWHY_ATTR:
        return lm_fail(c->err, LM_EFORMAT, "'%s object' has no attribute '%.*s'", of, n, v.s);
    case LM_JWHY_ITEM:
        return lm_fail(c->err, LM_EFORMAT, "%s object has no such element", of);
    case LM_JWHY_UNSAFE:
        return lm_fail(c->err, LM_EFORMAT, "access to attribute '%.*s' of '%s' object is unsafe", n, v.s, of);
    default:
        return lm_fail(c->err, LM_EFORMAT, "%.*s", n, v.s);
    }
}

int lm_jval_fail_type(struct lm_jctx *c, struct lm_jval v, const char *what)
{
    if (v.kind == LM_JUNDEF)
        return lm_jval_fail_undef(c, v);
    return lm_fail(c->err, LM_EFORMAT, "'%s' object %s", lm_jval_type(v), what);
}

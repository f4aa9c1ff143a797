/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/nfc.h"

#include "runtime/base/utf8.h"
#include <stdlib.h>
#include <utf8proc.h>

enum { MAX_DECOMPOSED = 18 };

struct chars {
    utf8proc_option_t form;
    utf8proc_int32_t *c;
    size_t n, cap;
};

static bool in_ranges(uint32_t c, const uint32_t (*range)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c >= range[i][0] && c <= range[i][1])
            return true;
    return false;
}

/* Above U+02FF: frequent ranges whose characters neither change nor join with the one before them. */
static bool is_stable(uint32_t c)
{
    static const uint32_t range[][2] = {{0x400, 0x482},   {0x2010, 0x2027}, {0x3000, 0x3029}, {0x3041, 0x3096},
                                        {0x30a0, 0x30ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xac00, 0xd7a3},
                                        {0xff00, 0xffef}, {0x1f000, 0x1faff}};
    return c < 0x300 || in_ranges(c, range, sizeof range / sizeof *range);
}

/* Marks and composites of Unicode 10 to 16: unknown to the normalizers that models were trained with. */
static bool is_newer(uint32_t c)
{
    static const uint32_t range[][2] = {
        {0x7fd, 0x7fd}, {0x897, 0x89f}, {0x8ca, 0x8d3}, {0x9fe, 0x9fe}, {0xc3c, 0xc3c}, {0xd3b, 0xd3c},
        {0xeba, 0xeba}, {0xece, 0xece}, {0x1715, 0x1715}, {0x1abf, 0x1ace}, {0x1df6, 0x1dfa}, {0xa82c, 0xa82c},
        {0x105c9, 0x105c9}, {0x105e4, 0x105e4}, {0x10d24, 0x10d27}, {0x10d69, 0x10d6d}, {0x10eab, 0x10eac},
        {0x10efd, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
        {0x11383, 0x11383}, {0x11385, 0x11385}, {0x1138e, 0x1138e}, {0x11391, 0x11391}, {0x113c5, 0x113c5},
        {0x113c7, 0x113c8}, {0x113ce, 0x113d0}, {0x113e1, 0x113e2}, {0x1145e, 0x1145e}, {0x11839, 0x1183a},
        {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34},
        {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45}, {0x11d97, 0x11d97},
        {0x11f41, 0x11f42}, {0x16121, 0x16128}, {0x1612f, 0x1612f}, {0x16d68, 0x16d6a}, {0x16ff0, 0x16ff1},
        {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef},
        {0x1e5ee, 0x1e5ef}};
    return c >= range[0][0] && in_ranges(c, range, sizeof range / sizeof *range);
}

/* Characters of Unicode 10 to 16 with a compatible one. */
static bool is_newer_compatible(uint32_t c)
{
    static const uint32_t range[][2] = {{0x32ff, 0x32ff},   {0xa7f2, 0xa7f4},   {0xab69, 0xab69},
                                        {0x10781, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba},
                                        {0x1e030, 0x1e06d}, {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9}};
    return c >= range[0][0] && in_ranges(c, range, sizeof range / sizeof *range);
}

bool lm_nfc_wanted(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = (unsigned char)s[i] < 0xcc ? 1 : lm_utf8_decode(s + i, n - i, &c);
        if (len > 1 && !is_stable(c))
            return true;
        i += len > 0 ? (size_t)len : 1;
    }
    return false;
}

static bool decompose(struct chars *v, uint32_t c)
{
    if (v->cap - v->n < MAX_DECOMPOSED) {
        size_t cap = v->cap ? 2 * v->cap : 1024;
        utf8proc_int32_t *grown = realloc(v->c, cap * sizeof *grown);
        if (!grown)
            return false;
        v->c = grown;
        v->cap = cap;
    }
    int last = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, v->c + v->n, MAX_DECOMPOSED, v->form, &last);
    if (n < 0 || n > MAX_DECOMPOSED) {
        v->c[v->n] = (utf8proc_int32_t)c;
        n = 1;
    }
    v->n += (size_t)n;
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sort marks by combining class, those of one class in the order they have. */
static bool sort_marks(utf8proc_int32_t *c, size_t n)
{
    uint64_t *key = malloc(n * sizeof *key);
    if (!key)
        return false;
    for (size_t i = 0; i < n; i++)
        key[i] = (uint64_t)utf8proc_get_property(c[i])->combining_class << 56 | (uint64_t)i << 21 | (uint32_t)c[i];
    qsort(key, n, sizeof *key, by_value);
    for (size_t i = 0; i < n; i++)
        c[i] = (utf8proc_int32_t)(key[i] & 0x1fffff);
    free(key);
    return true;
}

static bool sort_runs(struct chars *v)
{
    for (size_t i = 0, end; i < v->n; i = end + 1) {
        for (end = i; end < v->n && utf8proc_get_property(v->c[end])->combining_class;)
            end++;
        if (end - i > 1 && !sort_marks(v->c + i, end - i))
            return false;
    }
    return true;
}

static void compose(struct chars *v, struct lm_bytes *out)
{
    if (!sort_runs(v)) {
        out->failed = true;
        return;
    }
    utf8proc_ssize_t n = utf8proc_normalize_utf32(v->c, (utf8proc_ssize_t)v->n, v->form);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char s[4];
        lm_bytes_add(out, s, (size_t)lm_utf8_encode((uint32_t)v->c[i], s));
    }
    v->n = 0;
}

void lm_normal_form(enum lm_normal_form form, const char *s, size_t n, struct lm_bytes *out)
{
    static const int options[] = {
        [LM_FORM_C] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [LM_FORM_D] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [LM_FORM_KC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [LM_FORM_KD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    struct chars v = {.form = (utf8proc_option_t)options[form]};
    bool compatible = form == LM_FORM_KC || form == LM_FORM_KD;
    for (size_t i = 0; i < n && !out->failed;) {
        uint32_t c;
        int len = lm_utf8_decode(s + i, n - i, &c);
        if (len > 0 && !is_newer(c) && !(compatible && is_newer_compatible(c))) {
            out->failed |= !decompose(&v, c);
        } else {
            compose(&v, out);
            lm_bytes_add(out, s + i, len > 0 ? (size_t)len : 1);
        }
        i += len > 0 ? (size_t)len : 1;
    }
    compose(&v, out);
    free(v.c);
}

void lm_nfc(const char *s, size_t n, struct lm_bytes *out)
{
    lm_normal_form(LM_FORM_C, s, n, out);
}

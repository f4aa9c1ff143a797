/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/jget.h"
#include "runtime/text/hf/norm.h"

#include <stdlib.h>

enum { MAX_DEPTH = 8, MAX_OPS = 1024 };
static const char WHERE[] = "normalizer";

static const struct {
    const char *type;
    enum lm_norm_kind kind;
} kinds[] = {
    {"NFC", LM_NORM_NFC}, {"NFD", LM_NORM_NFD}, {"NFKC", LM_NORM_NFKC}, {"NFKD", LM_NORM_NFKD},
    {"Nmt", LM_NORM_NMT}, {"Lowercase", LM_NORM_LOWERCASE}, {"Strip", LM_NORM_STRIP},
    {"StripAccents", LM_NORM_STRIP_ACCENTS}, {"Prepend", LM_NORM_PREPEND}, {"Replace", LM_NORM_REPLACE},
    {"Precompiled", LM_NORM_PRECOMPILED}, {"BertNormalizer", LM_NORM_BERT}, {"ByteLevel", LM_NORM_BYTE_LEVEL},
};

static int load_flag(struct lm_norm_op *op, const json_t *j, const char *key, bool fallback, unsigned flag,
                     struct lm_err *err)
{
    bool on = fallback;
    int rc = lm_jget_bool(j, WHERE, key, &on, err);
    if (on)
        op->flags |= flag;
    return rc;
}

static int load_bert(struct lm_norm_op *op, const json_t *j, struct lm_err *err)
{
    int rc = load_flag(op, j, "clean_text", true, LM_NORM_CLEAN, err);
    if (!rc)
        rc = load_flag(op, j, "handle_chinese_chars", true, LM_NORM_CHINESE, err);
    if (!rc)
        rc = load_flag(op, j, "lowercase", true, LM_NORM_LOWER, err);
    if (!rc)
        rc = load_flag(op, j, "strip_accents", op->flags & LM_NORM_LOWER, LM_NORM_ACCENTS, err);
    return rc;
}

static int digit(char c)
{
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(all, c) : NULL;
    return at ? (int)(at - all) : -1;
}

/* RFC 4648. */
static int decode_base64(const char *s, size_t n, struct lm_bytes *out, struct lm_err *err)
{
    uint32_t bits = 0;
    size_t pad = n >= 2 && s[n - 2] == '=' ? 2 : n >= 1 && s[n - 1] == '=';
    if (n % 4)
        return lm_fail(err, LM_EFORMAT, "%s.precompiled_charsmap is no base64", WHERE);
    for (size_t i = 0; i < n - pad; i++) {
        int d = digit(s[i]);
        if (d < 0)
            return lm_fail(err, LM_EFORMAT, "%s.precompiled_charsmap is no base64", WHERE);
        bits = bits << 6 | (uint32_t)d;
        if (i % 4 > 0)
            lm_bytes_add_char(out, (char)(bits >> (6 - 2 * (i % 4))));
    }
    return out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

static int load_precompiled(struct lm_norm_op *op, const json_t *j, struct lm_err *err)
{
    const char *s;
    size_t n;
    struct lm_bytes map = {0};
    int rc = lm_jget_str(j, WHERE, "precompiled_charsmap", false, &s, &n, err);
    if (!rc)
        rc = decode_base64(s, n, &map, err);
    if (!rc)
        rc = lm_charsmap_init(&op->map, map.data ? map.data : "", map.len, err);
    lm_bytes_fini(&map);
    return rc;
}

static int load_text(struct lm_norm_op *op, const json_t *j, const char *key, struct lm_err *err)
{
    const char *s;
    int rc = lm_jget_str(j, WHERE, key, false, &s, &op->n_text, err);
    return rc ? rc : lm_jget_copy(s, op->n_text, &op->text, err);
}

static int load_one(struct lm_norm_op *op, const json_t *j, struct lm_err *err)
{
    int rc = 0;
    switch (op->kind) {
    case LM_NORM_STRIP:
        rc = load_flag(op, j, "strip_left", true, LM_NORM_LEFT, err);
        return rc ? rc : load_flag(op, j, "strip_right", true, LM_NORM_RIGHT, err);
    case LM_NORM_PREPEND:
        return load_text(op, j, "prepend", err);
    case LM_NORM_REPLACE:
        rc = lm_pattern_load(&op->pattern, j, WHERE, "pattern", err);
        return rc ? rc : load_text(op, j, "content", err);
    case LM_NORM_PRECOMPILED:
        return load_precompiled(op, j, err);
    case LM_NORM_BERT:
        return load_bert(op, j, err);
    default:
        return 0;
    }
}

static struct lm_norm_op *add(struct lm_norm *n, struct lm_err *err)
{
    if (n->n == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 8;
        struct lm_norm_op *grown = cap > MAX_OPS ? NULL : realloc(n->op, cap * sizeof *grown);
        if (!grown) {
            lm_fail(err, LM_ELIMIT, "%s has more than %d parts", WHERE, MAX_OPS);
            return NULL;
        }
        n->op = grown;
        n->cap = cap;
    }
    n->op[n->n] = (struct lm_norm_op){0};
    return &n->op[n->n++];
}

static int load(struct lm_norm *n, const json_t *j, int depth, struct lm_err *err)
{
    const char *type;
    const json_t *list, *part;
    size_t i, k = 0;
    int rc = lm_jget_type(j, WHERE, &type, err);
    if (rc)
        return rc;
    if (strcmp(type, "Sequence") == 0) {
        if (depth == MAX_DEPTH)
            return lm_fail(err, LM_ELIMIT, "%s is nested deeper than %d", WHERE, MAX_DEPTH);
        rc = lm_jget_array(j, WHERE, "normalizers", &list, err);
        for (i = 0; !rc && i < json_array_size(list); i++) {
            part = json_array_get(list, i);
            rc = load(n, part, depth + 1, err);
        }
        return rc;
    }
    while (k < sizeof kinds / sizeof *kinds && strcmp(type, kinds[k].type) != 0)
        k++;
    if (k == sizeof kinds / sizeof *kinds)
        return lm_fail(err, LM_EUNSUPPORTED, "%s type '%.40s' is not supported", WHERE, type);
    struct lm_norm_op *op = add(n, err);
    if (!op)
        return LM_ELIMIT;
    op->kind = kinds[k].kind;
    return load_one(op, j, err);
}

int lm_norm_load(struct lm_norm *n, const json_t *j, struct lm_err *err)
{
    return !j || json_is_null(j) ? 0 : load(n, j, 0, err);
}

void lm_norm_fini(struct lm_norm *n)
{
    for (size_t i = 0; i < n->n; i++) {
        lm_pattern_fini(&n->op[i].pattern);
        lm_charsmap_fini(&n->op[i].map);
        free(n->op[i].text);
    }
    free(n->op);
    *n = (struct lm_norm){0};
}

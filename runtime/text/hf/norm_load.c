/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/jget.h"
#include "runtime/text/hf/norm.h"

#include <stdlib.h>

enum { MAX_OPS = 1024 };
static const char WHERE[] = "normalizer";

static const char *const types[] = {
    [LM_NORM_NFC] = "NFC", [LM_NORM_NFD] = "NFD", [LM_NORM_NFKC] = "NFKC", [LM_NORM_NFKD] = "NFKD",
    [LM_NORM_NMT] = "Nmt", [LM_NORM_LOWERCASE] = "Lowercase", [LM_NORM_STRIP] = "Strip",
    [LM_NORM_STRIP_ACCENTS] = "StripAccents", [LM_NORM_PREPEND] = "Prepend", [LM_NORM_REPLACE] = "Replace",
    [LM_NORM_PRECOMPILED] = "Precompiled", [LM_NORM_BERT] = "BertNormalizer", [LM_NORM_BYTE_LEVEL] = "ByteLevel",
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

int lm_norm_load(struct lm_norm *norm, const json_t *j, struct lm_err *err)
{
    struct lm_jget_part *part = NULL;
    size_t n;
    int rc = lm_jget_parts(j, WHERE, "normalizers", types, sizeof types / sizeof *types, MAX_OPS, &part, &n, err);
    if (rc)
        return rc;
    norm->op = calloc(n + 1, sizeof *norm->op);
    if (!norm->op)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    while (norm->n < n && !rc) {
        struct lm_norm_op *op = &norm->op[norm->n];
        op->kind = (enum lm_norm_kind)part[norm->n++].kind;
        rc = load_one(op, part[norm->n - 1].j, err);
    }
    free(part);
    return rc;
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

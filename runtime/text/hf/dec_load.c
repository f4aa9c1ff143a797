/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/dec.h"
#include "runtime/text/hf/jget.h"

#include <stdlib.h>

enum { MAX_DEPTH = 8, MAX_OPS = 256 };
static const char WHERE[] = "decoder";
static const char SPACE[] = "\xe2\x96\x81"; /* U+2581 */

static const struct {
    const char *type;
    enum lm_dec_kind kind;
} kinds[] = {
    {"ByteLevel", LM_DEC_BYTE_LEVEL}, {"ByteFallback", LM_DEC_BYTE_FALLBACK}, {"Fuse", LM_DEC_FUSE},
    {"Strip", LM_DEC_STRIP}, {"Replace", LM_DEC_REPLACE}, {"Metaspace", LM_DEC_METASPACE},
    {"WordPiece", LM_DEC_WORDPIECE}, {"BPEDecoder", LM_DEC_BPE},
};

static int load_text(struct lm_dec_op *op, const json_t *j, const char *key, const char *fallback, struct lm_err *err)
{
    const char *s;
    int rc = lm_jget_str(j, WHERE, key, fallback != NULL, &s, &op->n_text, err);
    if (rc)
        return rc;
    if (!s) {
        s = fallback;
        op->n_text = strlen(s);
    }
    return lm_jget_copy(s, op->n_text, &op->text, err);
}

static int load_metaspace(struct lm_dec_op *op, const json_t *j, struct lm_err *err)
{
    const char *scheme;
    size_t n;
    bool prefix = true;
    int rc = lm_jget_char(j, WHERE, "replacement", SPACE, op->ch, err);
    if (!rc)
        rc = lm_jget_bool(j, WHERE, "add_prefix_space", &prefix, err);
    if (!rc)
        rc = lm_jget_str(j, WHERE, "prepend_scheme", true, &scheme, &n, err);
    if (!rc)
        op->flag = scheme ? strcasecmp(scheme, "never") != 0 : prefix;
    return rc;
}

static int load_one(struct lm_dec_op *op, const json_t *j, struct lm_err *err)
{
    int rc = 0;
    switch (op->kind) {
    case LM_DEC_STRIP:
        rc = lm_jget_char(j, WHERE, "content", NULL, op->ch, err);
        if (!rc)
            rc = lm_jget_size(j, WHERE, "start", UINT32_MAX, &op->start, err);
        return rc ? rc : lm_jget_size(j, WHERE, "stop", UINT32_MAX, &op->stop, err);
    case LM_DEC_REPLACE:
        rc = lm_pattern_load(&op->pattern, j, WHERE, "pattern", err);
        return rc ? rc : load_text(op, j, "content", NULL, err);
    case LM_DEC_METASPACE:
        return load_metaspace(op, j, err);
    case LM_DEC_WORDPIECE:
        op->flag = true;
        rc = load_text(op, j, "prefix", "##", err);
        return rc ? rc : lm_jget_bool(j, WHERE, "cleanup", &op->flag, err);
    case LM_DEC_BPE:
        rc = load_text(op, j, "suffix", "</w>", err);
        if (!rc && op->n_text == 0)
            rc = lm_fail(err, LM_EUNSUPPORTED, "%s.suffix is empty", WHERE);
        return rc;
    default:
        return 0;
    }
}

static struct lm_dec_op *add(struct lm_dec *d, struct lm_err *err)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 8;
        struct lm_dec_op *grown = cap > MAX_OPS ? NULL : realloc(d->op, cap * sizeof *grown);
        if (!grown) {
            lm_fail(err, LM_ELIMIT, "%s has more than %d parts", WHERE, MAX_OPS);
            return NULL;
        }
        d->op = grown;
        d->cap = cap;
    }
    d->op[d->n] = (struct lm_dec_op){0};
    return &d->op[d->n++];
}

static int load(struct lm_dec *d, const json_t *j, int depth, struct lm_err *err)
{
    const char *type;
    const json_t *list;
    size_t k = 0;
    int rc = lm_jget_type(j, WHERE, &type, err);
    if (rc)
        return rc;
    if (strcmp(type, "Sequence") == 0) {
        if (depth == MAX_DEPTH)
            return lm_fail(err, LM_ELIMIT, "%s is nested deeper than %d", WHERE, MAX_DEPTH);
        rc = lm_jget_array(j, WHERE, "decoders", &list, err);
        for (size_t i = 0; !rc && i < json_array_size(list); i++)
            rc = load(d, json_array_get(list, i), depth + 1, err);
        return rc;
    }
    while (k < sizeof kinds / sizeof *kinds && strcmp(type, kinds[k].type) != 0)
        k++;
    if (k == sizeof kinds / sizeof *kinds)
        return lm_fail(err, LM_EUNSUPPORTED, "%s type '%.40s' is not supported", WHERE, type);
    struct lm_dec_op *op = add(d, err);
    if (!op)
        return LM_ELIMIT;
    op->kind = kinds[k].kind;
    return load_one(op, j, err);
}

int lm_dec_load(struct lm_dec *d, const json_t *j, struct lm_err *err)
{
    d->none = !j || json_is_null(j);
    return d->none ? 0 : load(d, j, 0, err);
}

void lm_dec_fini(struct lm_dec *d)
{
    for (size_t i = 0; i < d->n; i++) {
        lm_pattern_fini(&d->op[i].pattern);
        free(d->op[i].text);
    }
    free(d->op);
    *d = (struct lm_dec){0};
}

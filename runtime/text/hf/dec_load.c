/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/dec.h"
#include "runtime/text/hf/jget.h"

#include <stdlib.h>

enum { MAX_OPS = 256 };
static const char WHERE[] = "decoder";
static const char SPACE[] = "\xe2\x96\x81"; /* U+2581 */

static const char *const types[] = {
    [LM_DEC_BYTE_LEVEL] = "ByteLevel", [LM_DEC_BYTE_FALLBACK] = "ByteFallback", [LM_DEC_FUSE] = "Fuse",
    [LM_DEC_STRIP] = "Strip", [LM_DEC_REPLACE] = "Replace", [LM_DEC_METASPACE] = "Metaspace",
    [LM_DEC_WORDPIECE] = "WordPiece", [LM_DEC_BPE] = "BPEDecoder",
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

int lm_dec_load(struct lm_dec *d, const json_t *j, struct lm_err *err)
{
    struct lm_jget_part *part = NULL;
    size_t n;
    d->none = !j || json_is_null(j);
    int rc = lm_jget_parts(j, WHERE, "decoders", types, sizeof types / sizeof *types, MAX_OPS, &part, &n, err);
    if (rc)
        return rc;
    d->op = calloc(n + 1, sizeof *d->op);
    if (!d->op)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    while (d->n < n && !rc) {
        struct lm_dec_op *op = &d->op[d->n];
        op->kind = (enum lm_dec_kind)part[d->n++].kind;
        rc = load_one(op, part[d->n - 1].j, err);
    }
    free(part);
    return rc;
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

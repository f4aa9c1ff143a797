/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/jget.h"
#include "runtime/text/hf/split.h"

#include <stdlib.h>

enum { MAX_OPS = 256 };
static const char WHERE[] = "pre_tokenizer";
static const char SPACE[] = "\xe2\x96\x81"; /* U+2581 */
static const char GPT2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static const char *const types[] = {
    [LM_SPLIT_PATTERN] = "Split", [LM_SPLIT_BYTE_LEVEL] = "ByteLevel", [LM_SPLIT_DIGITS] = "Digits",
    [LM_SPLIT_PUNCTUATION] = "Punctuation", [LM_SPLIT_WHITESPACE] = "Whitespace",
    [LM_SPLIT_WHITESPACE_SPLIT] = "WhitespaceSplit", [LM_SPLIT_METASPACE] = "Metaspace",
    [LM_SPLIT_BERT] = "BertPreTokenizer", [LM_SPLIT_SCRIPTS] = "UnicodeScripts",
    [LM_SPLIT_DELIMITER] = "CharDelimiterSplit", [LM_SPLIT_LENGTH] = "FixedLength",
};

/* One of the names, or the number of names. */
static int load_name(const json_t *j, const char *key, const char *fallback, const char *const *names, size_t n_names,
                     size_t *out, struct lm_err *err)
{
    const char *s;
    size_t n, i = 0;
    int rc = lm_jget_str(j, WHERE, key, fallback != NULL, &s, &n, err);
    if (rc)
        return rc;
    if (!s)
        s = fallback;
    while (i < n_names && strcasecmp(s, names[i]) != 0)
        i++;
    if (i == n_names)
        return lm_fail(err, LM_EUNSUPPORTED, "%s.%s '%.40s' is not supported", WHERE, key, s);
    *out = i;
    return 0;
}

static int load_how(struct lm_split_op *op, const json_t *j, const char *fallback, struct lm_err *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    size_t i = 0;
    int rc = load_name(j, "behavior", fallback, names, sizeof names / sizeof *names, &i, err);
    op->how = (enum lm_split_how)i;
    return rc;
}

/* Older files say add_prefix_space where newer ones say prepend_scheme. */
static int load_metaspace(struct lm_split_op *op, const json_t *j, struct lm_err *err)
{
    static const char *const names[] = {"never", "first", "always"};
    bool prefix = true;
    size_t i = 0;
    op->cuts = true;
    int rc = lm_jget_char(j, WHERE, "replacement", SPACE, op->ch, err);
    if (!rc)
        rc = lm_jget_bool(j, WHERE, "add_prefix_space", &prefix, err);
    if (!rc)
        rc = load_name(j, "prepend_scheme", prefix ? "always" : "never", names, 3, &i, err);
    if (!rc)
        rc = lm_jget_bool(j, WHERE, "split", &op->cuts, err);
    if (!rc && !prefix && i == LM_PREPEND_FIRST)
        rc = lm_fail(err, LM_EFORMAT, "%s: add_prefix_space and prepend_scheme do not agree", WHERE);
    op->prepend = prefix ? (enum lm_split_prepend)i : LM_PREPEND_NEVER;
    return rc;
}

static int load_byte_level(struct lm_split_op *op, const json_t *j, struct lm_err *err)
{
    op->add_space = op->cuts = true;
    op->how = LM_HOW_ISOLATED;
    int rc = lm_jget_bool(j, WHERE, "add_prefix_space", &op->add_space, err);
    if (!rc)
        rc = lm_jget_bool(j, WHERE, "use_regex", &op->cuts, err);
    return rc ? rc : lm_pattern_of(&op->pattern, GPT2, err);
}

static int load_length(struct lm_split_op *op, const json_t *j, struct lm_err *err)
{
    op->length = 5;
    int rc = lm_jget_size(j, WHERE, "length", UINT32_MAX, &op->length, err);
    if (!rc && op->length == 0)
        rc = lm_fail(err, LM_EFORMAT, "%s.length is 0", WHERE);
    return rc;
}

static int load_one(struct lm_split_op *op, const json_t *j, struct lm_err *err)
{
    bool single = false;
    int rc;
    switch (op->kind) {
    case LM_SPLIT_PATTERN:
        rc = lm_pattern_load(&op->pattern, j, WHERE, "pattern", err);
        if (!rc)
            rc = load_how(op, j, NULL, err);
        return rc ? rc : lm_jget_bool(j, WHERE, "invert", &op->invert, err);
    case LM_SPLIT_BYTE_LEVEL:
        return load_byte_level(op, j, err);
    case LM_SPLIT_DIGITS:
        rc = lm_jget_bool(j, WHERE, "individual_digits", &single, err);
        op->how = single ? LM_HOW_ISOLATED : LM_HOW_CONTIGUOUS;
        return rc;
    case LM_SPLIT_PUNCTUATION:
        return load_how(op, j, "Isolated", err);
    case LM_SPLIT_METASPACE:
        return load_metaspace(op, j, err);
    case LM_SPLIT_DELIMITER:
        return lm_jget_char(j, WHERE, "delimiter", NULL, op->ch, err);
    case LM_SPLIT_LENGTH:
        return load_length(op, j, err);
    default:
        return 0;
    }
}

int lm_split_load(struct lm_split *s, const json_t *j, struct lm_err *err)
{
    struct lm_jget_part *part = NULL;
    size_t n;
    int rc = lm_jget_parts(j, WHERE, "pretokenizers", types, sizeof types / sizeof *types, MAX_OPS, &part, &n, err);
    if (rc)
        return rc;
    s->op = calloc(n + 1, sizeof *s->op);
    if (!s->op)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    while (s->n < n && !rc) {
        struct lm_split_op *op = &s->op[s->n];
        op->kind = (enum lm_split_kind)part[s->n++].kind;
        rc = load_one(op, part[s->n - 1].j, err);
    }
    free(part);
    return rc;
}

void lm_split_fini(struct lm_split *s)
{
    for (size_t i = 0; i < s->n; i++)
        lm_pattern_fini(&s->op[i].pattern);
    free(s->op);
    *s = (struct lm_split){0};
}

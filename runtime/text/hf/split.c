/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/split.h"

#include "runtime/base/utf8.h"
#include "runtime/text/hf/uclass.h"
#include "runtime/text/vocab.h"
#include <stdlib.h>

enum { MAX_BYTES = 1 << 30 };

struct run {
    const struct lm_split_op *op;
    struct lm_split_work *w;
    struct lm_err *err;
    const char *s; /* the piece */
    size_t n;
    const char *subject; /* the same for regular expressions; NULL: not made yet */
    bool first;
    bool bytes; /* what is put out is in the alphabet of bytes */
};

static int end_piece(struct lm_piece_list *l, bool first, struct lm_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        struct lm_piece *grown = realloc(l->piece, cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        l->piece = grown;
        l->cap = cap;
    }
    l->piece[l->n++] = (struct lm_piece){(uint32_t)l->text.len, first};
    return 0;
}

static int put(struct run *r, size_t from, size_t to)
{
    struct lm_piece_list *out = &r->w->out;
    if (from >= to)
        return 0;
    if (r->bytes) {
        for (size_t i = from; i < to; i++) {
            char c[2];
            lm_bytes_add(&out->text, c, (size_t)lm_vocab_byte_char((unsigned char)r->s[i], c));
        }
    } else {
        lm_bytes_add(&out->text, r->s + from, to - from);
    }
    return end_piece(out, r->first && from == 0, r->err);
}

/* From the last to the first: a match takes what stands in front of it. */
static int put_with_next(struct run *r)
{
    const struct lm_cuts *c = &r->w->cuts;
    size_t from = 0;
    int rc = 0;
    for (size_t i = 0; i < c->n && !rc; i++) {
        bool joins = i + 1 < c->n && c->cut[i].match && !c->cut[i + 1].match;
        if (joins)
            continue;
        rc = put(r, from, c->cut[i].end);
        from = c->cut[i].end;
    }
    return rc;
}

/* Put out the pieces of w->cuts. */
static int put_cuts(struct run *r, enum lm_split_how how, bool invert)
{
    struct lm_cuts *c = &r->w->cuts;
    size_t from = 0;
    int rc = 0;
    for (size_t i = 0; invert && i < c->n; i++)
        c->cut[i].match = !c->cut[i].match;
    if (how == LM_HOW_WITH_NEXT)
        return put_with_next(r);
    for (size_t i = 0; i < c->n && !rc; i++) {
        bool match = c->cut[i].match, last = i + 1 == c->n;
        bool next = !last && c->cut[i + 1].match;
        bool open = (how == LM_HOW_WITH_PREVIOUS && next && !match) || (how == LM_HOW_CONTIGUOUS && !last && next == match);
        if (how == LM_HOW_REMOVED && match)
            from = c->cut[i].end;
        if (open)
            continue;
        rc = put(r, from, c->cut[i].end);
        from = c->cut[i].end;
    }
    return rc;
}

/* Cut at each character that is of a class, or (class < 0) is ch. */
static int cut_chars(struct run *r, int class, const char *ch)
{
    struct lm_cuts *c = &r->w->cuts;
    size_t done = 0, n_ch = class < 0 ? strlen(ch) : 0;
    int rc = 0;
    c->n = 0;
    for (size_t i = 0, next; i < r->n && !rc; i = next) {
        uint32_t cp;
        int len = lm_utf8_decode(r->s + i, r->n - i, &cp);
        next = i + (len > 0 ? (size_t)len : 1);
        bool hit = class >= 0 ? lm_uclass_has((enum lm_uclass)class, cp)
                              : next - i == n_ch && memcmp(r->s + i, ch, n_ch) == 0;
        if (hit && i > done)
            rc = lm_cuts_add(c, i, false, r->err);
        if (hit && !rc) {
            rc = lm_cuts_add(c, next, true, r->err);
            done = next;
        }
    }
    return rc || done == r->n ? rc : lm_cuts_add(c, r->n, false, r->err);
}

static int by_chars(struct run *r, enum lm_uclass class, enum lm_split_how how)
{
    int rc = cut_chars(r, (int)class, NULL);
    return rc ? rc : put_cuts(r, how, false);
}

/* Runs of one kind: 0 white space, 1 words, 2 what else. */
static int by_words(struct run *r)
{
    int before = 0, rc = 0;
    size_t from = 0;
    for (size_t i = 0; i <= r->n && !rc;) {
        uint32_t c = 0;
        int len = i < r->n ? lm_utf8_decode(r->s + i, r->n - i, &c) : 1;
        int kind = i == r->n || lm_uclass_has(LM_UC_SPACE, c) ? 0 : lm_uclass_has(LM_UC_WORD, c) ? 1 : 2;
        if (kind != before) {
            if (before)
                rc = put(r, from, i);
            from = i;
            before = kind;
        }
        i += len > 0 ? (size_t)len : 1;
    }
    return rc;
}

/* White space goes, punctuation stands alone. */
static int by_bert(struct run *r)
{
    size_t from = 0;
    int rc = 0;
    for (size_t i = 0, next; i < r->n && !rc; i = next) {
        uint32_t c = 0;
        int len = lm_utf8_decode(r->s + i, r->n - i, &c);
        next = i + (len > 0 ? (size_t)len : 1);
        bool space = lm_uclass_has(LM_UC_SPACE, c);
        if (!space && !lm_uclass_has(LM_UC_PUNCT, c))
            continue;
        rc = put(r, from, i);
        if (!rc && !space)
            rc = put(r, i, next);
        from = next;
    }
    return rc ? rc : put(r, from, r->n);
}

/* Characters of any script go with what stands before them; in front of all others they are dropped. */
static int by_scripts(struct run *r)
{
    int before = 0, rc = 0;
    size_t from = 0;
    for (size_t i = 0; i < r->n && !rc;) {
        uint32_t c = 0;
        int len = lm_utf8_decode(r->s + i, r->n - i, &c), script = lm_uclass_script(c);
        if (script && script != before) {
            if (before)
                rc = put(r, from, i);
            from = i;
            before = script;
        }
        i += len > 0 ? (size_t)len : 1;
    }
    return rc || !before ? rc : put(r, from, r->n);
}

static int by_length(struct run *r)
{
    size_t from = 0, n = 0;
    int rc = 0;
    for (size_t i = 0; i < r->n && !rc; i++) {
        bool starts = ((unsigned char)r->s[i] & 0xc0) != 0x80;
        if (starts && n++ == r->op->length) {
            rc = put(r, from, i);
            from = i;
            n = 1;
        }
    }
    return rc ? rc : put(r, from, r->n);
}

/* Let the piece be text in front of it and itself, each space of it as. */
static void change(struct run *r, const char *front, const char *as)
{
    struct lm_bytes *b = &r->w->changed;
    size_t n_as = strlen(as);
    lm_bytes_clear(b);
    lm_bytes_add_str(b, front);
    for (size_t i = 0; i < r->n;) {
        const char *space = memchr(r->s + i, ' ', r->n - i);
        size_t end = space ? (size_t)(space - r->s) : r->n;
        lm_bytes_add(b, r->s + i, end - i);
        if (space)
            lm_bytes_add(b, as, n_as);
        i = end + 1;
    }
    r->s = b->data;
    r->n = b->len;
    r->subject = NULL;
}

static bool starts_with(const struct run *r, const char *s)
{
    size_t n = strlen(s);
    return r->n >= n && memcmp(r->s, s, n) == 0;
}

static int by_metaspace(struct run *r)
{
    bool wanted = r->op->prepend == LM_PREPEND_ALWAYS || (r->op->prepend == LM_PREPEND_FIRST && r->first);
    bool has = starts_with(r, r->op->ch) || starts_with(r, " ");
    change(r, wanted && !has ? r->op->ch : "", r->op->ch);
    if (r->w->changed.failed)
        return lm_fail(r->err, LM_ENOMEM, "out of memory");
    if (!r->op->cuts)
        return put(r, 0, r->n);
    int rc = cut_chars(r, -1, r->op->ch);
    return rc ? rc : put_cuts(r, LM_HOW_WITH_NEXT, false);
}

static int by_byte_level(struct run *r)
{
    if (r->op->add_space && !starts_with(r, " "))
        change(r, " ", " ");
    if (r->w->changed.failed)
        return lm_fail(r->err, LM_ENOMEM, "out of memory");
    r->bytes = true;
    if (!r->op->cuts)
        return put(r, 0, r->n);
    int rc = lm_pattern_cut(&r->op->pattern, &r->w->cuts, r->s, r->n, r->subject, r->err);
    return rc ? rc : put_cuts(r, LM_HOW_ISOLATED, false);
}

static int cut(struct run *r)
{
    int rc;
    switch (r->op->kind) {
    case LM_SPLIT_PATTERN:
        rc = lm_pattern_cut(&r->op->pattern, &r->w->cuts, r->s, r->n, r->subject, r->err);
        return rc ? rc : put_cuts(r, r->op->how, r->op->invert);
    case LM_SPLIT_BYTE_LEVEL:
        return by_byte_level(r);
    case LM_SPLIT_DIGITS:
        return by_chars(r, LM_UC_NUMERIC, r->op->how);
    case LM_SPLIT_PUNCTUATION:
        return by_chars(r, LM_UC_PUNCT, r->op->how);
    case LM_SPLIT_WHITESPACE:
        return by_words(r);
    case LM_SPLIT_WHITESPACE_SPLIT:
        return by_chars(r, LM_UC_SPACE, LM_HOW_REMOVED);
    case LM_SPLIT_METASPACE:
        return by_metaspace(r);
    case LM_SPLIT_BERT:
        return by_bert(r);
    case LM_SPLIT_SCRIPTS:
        return by_scripts(r);
    case LM_SPLIT_DELIMITER:
        rc = cut_chars(r, -1, r->op->ch);
        return rc ? rc : put_cuts(r, LM_HOW_REMOVED, false);
    case LM_SPLIT_LENGTH:
        return by_length(r);
    }
    return 0;
}

static int run_op(const struct lm_split_op *op, struct lm_split_work *w, struct lm_err *err)
{
    bool rx = op->pattern.code && (op->kind != LM_SPLIT_BYTE_LEVEL || op->cuts);
    const struct lm_piece_list *in = &w->in;
    int rc = rx ? lm_rx_subject(&w->cuts.rx, in->text.data, in->text.len, err) : 0;
    bool once = rx && !op->add_space; /* the pieces stay what they are */
    size_t from = 0;
    lm_bytes_clear(&w->out.text);
    w->out.n = 0;
    for (size_t i = 0; i < in->n && !rc; from = in->piece[i++].end) {
        struct run r = {.op = op, .w = w, .err = err, .s = in->text.data + from, .n = in->piece[i].end - from,
                        .first = in->piece[i].first};
        r.subject = once ? w->cuts.rx.subject + from : NULL;
        rc = cut(&r);
    }
    if (!rc && w->out.text.failed)
        rc = lm_fail(err, LM_ELIMIT, "the text becomes too long");
    struct lm_piece_list done = w->in;
    w->in = w->out;
    w->out = done;
    return rc;
}

int lm_split_run(const struct lm_split *split, struct lm_split_work *w, const char *s, size_t n, bool first,
                 struct lm_err *err)
{
    w->in.n = 0;
    lm_bytes_clear(&w->in.text);
    w->in.text.limit = w->out.text.limit = MAX_BYTES;
    lm_bytes_add(&w->in.text, s, n);
    if (w->in.text.failed)
        return lm_fail(err, LM_ELIMIT, "the text is too long");
    int rc = n ? end_piece(&w->in, first, err) : 0;
    for (size_t i = 0; i < split->n && !rc && w->in.n > 0; i++)
        rc = run_op(&split->op[i], w, err);
    return rc;
}

void lm_split_work_fini(struct lm_split_work *w)
{
    lm_bytes_fini(&w->in.text);
    lm_bytes_fini(&w->out.text);
    free(w->in.piece);
    free(w->out.piece);
    lm_cuts_fini(&w->cuts);
    lm_bytes_fini(&w->changed);
    *w = (struct lm_split_work){0};
}

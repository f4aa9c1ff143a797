/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/dec.h"

#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/vocab.h"
#include <ctype.h>
#include <stdlib.h>

enum { MAX_BYTES = 1 << 30 };
static const char REPLACEMENT[] = "\xef\xbf\xbd";

struct run {
    const struct lm_dec_op *op;
    struct lm_cuts cuts;
    struct lm_dec_list *in, *out;
    bool inside; /* of one token: neither the first nor the last, and bytes stay what they are */
    bool fused;
    struct lm_err *err;
};

static int end_one(struct lm_dec_list *l, struct lm_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        uint32_t *grown = realloc(l->end, cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        l->end = grown;
        l->cap = cap;
    }
    l->end[l->n++] = (uint32_t)l->text.len;
    return 0;
}

int lm_dec_put(struct lm_dec_list *l, const char *s, size_t n, struct lm_err *err)
{
    l->text.limit = MAX_BYTES;
    lm_bytes_add(&l->text, s, n);
    return end_one(l, err);
}

void lm_dec_list_fini(struct lm_dec_list *l)
{
    lm_bytes_fini(&l->text);
    free(l->end);
    *l = (struct lm_dec_list){0};
}

static const char *get(const struct lm_dec_list *l, size_t i, size_t *n)
{
    size_t from = i ? l->end[i - 1] : 0;
    *n = l->end[i] - from;
    return (l->text.data ? l->text.data : "") + from;
}

static int byte_level(struct run *r)
{
    struct lm_bytes bytes = {0};
    struct lm_detok whole = {0};
    size_t n;
    for (size_t i = 0; i < r->in->n; i++) {
        const char *s = get(r->in, i, &n);
        size_t before = bytes.len;
        if (!lm_vocab_byte_text(s, n, &bytes)) {
            bytes.len = before;
            lm_bytes_add(&bytes, s, n);
        }
    }
    r->out->text.failed |= bytes.failed;
    if (r->inside)
        lm_bytes_add(&r->out->text, bytes.data, bytes.len);
    else
        lm_detok_add(&whole, bytes.data, bytes.len, &r->out->text);
    lm_detok_finish(&whole, &r->out->text);
    lm_bytes_fini(&bytes);
    return end_one(r->out, r->err);
}

static int byte_of(const char *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || !isxdigit((unsigned char)s[4]))
        return -1;
    if (s[3] != '+' && !isxdigit((unsigned char)s[3]))
        return -1;
    return (int)strtoul((char[]){s[3], s[4], 0}, NULL, 16);
}

static int end_bytes(struct run *r, struct lm_bytes *bytes)
{
    int rc = 0;
    if (bytes->len == 0)
        return 0;
    if (r->inside || lm_utf8_valid(bytes->data, bytes->len))
        rc = lm_dec_put(r->out, bytes->data, bytes->len, r->err);
    else
        for (size_t i = 0; i < bytes->len && !rc; i++)
            rc = lm_dec_put(r->out, REPLACEMENT, 3, r->err);
    lm_bytes_clear(bytes);
    return rc;
}

static int byte_fallback(struct run *r)
{
    struct lm_bytes bytes = {0};
    int rc = 0;
    size_t n;
    for (size_t i = 0; i < r->in->n && !rc; i++) {
        const char *s = get(r->in, i, &n);
        int byte = byte_of(s, n);
        if (byte >= 0) {
            lm_bytes_add_char(&bytes, (char)byte);
            continue;
        }
        rc = end_bytes(r, &bytes);
        if (!rc)
            rc = lm_dec_put(r->out, s, n, r->err);
    }
    if (!rc)
        rc = end_bytes(r, &bytes);
    r->out->text.failed |= bytes.failed;
    lm_bytes_fini(&bytes);
    return rc;
}

static void strip(const struct run *r, const char *s, size_t n)
{
    size_t k = strlen(r->op->ch), from = 0;
    for (size_t i = 0; i < r->op->start && n - from >= k && memcmp(s + from, r->op->ch, k) == 0; i++)
        from += k;
    for (size_t i = 0; i < r->op->stop && n - from >= k && memcmp(s + n - k, r->op->ch, k) == 0; i++)
        n -= k;
    lm_bytes_add(&r->out->text, s + from, n - from);
}

static int replace(struct run *r, const char *s, size_t n)
{
    int rc = lm_pattern_cut(&r->op->pattern, &r->cuts, s, n, NULL, r->err);
    size_t from = 0;
    for (size_t i = 0; i < r->cuts.n && !rc; from = r->cuts.cut[i++].end) {
        if (r->cuts.cut[i].match)
            lm_bytes_add(&r->out->text, r->op->text, r->op->n_text);
        else
            lm_bytes_add(&r->out->text, s + from, r->cuts.cut[i].end - from);
    }
    return rc;
}

/* Each place of what in s[0..n) becomes as. */
static void exchange(struct lm_bytes *out, const char *s, size_t n, const char *what, size_t n_what, const char *as)
{
    const char *end = s + n;
    for (const char *hit; (hit = memmem(s, (size_t)(end - s), what, n_what)); s = hit + n_what) {
        lm_bytes_add(out, s, (size_t)(hit - s));
        lm_bytes_add_str(out, as);
    }
    lm_bytes_add(out, s, (size_t)(end - s));
}

static void clean_up(struct lm_bytes *out, const char *s, size_t n)
{
    static const char *const pairs[][2] = {{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"},
                                           {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"},
                                           {" 've", "'ve"}, {" 're", "'re"}};
    struct lm_bytes a = {0}, b = {0};
    lm_bytes_add(&a, s, n);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        lm_bytes_clear(&b);
        exchange(&b, a.data ? a.data : "", a.len, pairs[i][0], strlen(pairs[i][0]), pairs[i][1]);
        struct lm_bytes done = a;
        a = b;
        b = done;
    }
    out->failed |= a.failed || b.failed;
    lm_bytes_add(out, a.data, a.len);
    lm_bytes_fini(&a);
    lm_bytes_fini(&b);
}

static void wordpiece(struct run *r, const char *s, size_t n, bool first)
{
    struct lm_bytes word = {0};
    bool goes_on = n >= r->op->n_text && memcmp(s, r->op->text, r->op->n_text) == 0;
    if (!first && !goes_on)
        lm_bytes_add_char(&word, ' ');
    size_t skip = !first && goes_on ? r->op->n_text : 0;
    lm_bytes_add(&word, s + skip, n - skip);
    r->out->text.failed |= word.failed;
    if (r->op->flag)
        clean_up(&r->out->text, word.data ? word.data : "", word.len);
    else
        lm_bytes_add(&r->out->text, word.data, word.len);
    lm_bytes_fini(&word);
}

static int one(struct run *r, const char *s, size_t n, bool first, bool last)
{
    int rc = 0;
    switch (r->op->kind) {
    case LM_DEC_STRIP:
        if (r->inside && r->fused)
            lm_bytes_add(&r->out->text, s, n);
        else
            strip(r, s, n);
        break;
    case LM_DEC_REPLACE:
        rc = replace(r, s, n);
        break;
    case LM_DEC_METASPACE:
        exchange(&r->out->text, s, n, r->op->ch, strlen(r->op->ch), first && r->op->flag ? "" : " ");
        break;
    case LM_DEC_WORDPIECE:
        wordpiece(r, s, n, first);
        break;
    default: /* LM_DEC_BPE */
        exchange(&r->out->text, s, n, r->op->text, r->op->n_text, last ? "" : " ");
        break;
    }
    return rc ? rc : end_one(r->out, r->err);
}

static int run_op(struct run *r)
{
    int rc = 0;
    size_t n;
    if (r->op->kind == LM_DEC_BYTE_LEVEL)
        return byte_level(r);
    if (r->op->kind == LM_DEC_BYTE_FALLBACK)
        return byte_fallback(r);
    if (r->op->kind == LM_DEC_FUSE) {
        lm_bytes_add(&r->out->text, r->in->text.data, r->in->text.len);
        return end_one(r->out, r->err);
    }
    for (size_t i = 0; i < r->in->n && !rc; i++) {
        const char *s = get(r->in, i, &n);
        rc = one(r, s, n, i == 0 && !r->inside, i + 1 == r->in->n && !r->inside);
    }
    return rc;
}

static int run(const struct lm_dec *d, struct lm_dec_list *l, bool inside, struct lm_err *err)
{
    struct lm_dec_list other = {0};
    struct run r = {.in = l, .out = &other, .inside = inside, .err = err};
    int rc = 0;
    lm_cuts_begin(&r.cuts, l->text.len);
    for (size_t i = 0; i < d->n && !rc; i++) {
        r.op = &d->op[i];
        other.text.limit = MAX_BYTES;
        lm_bytes_clear(&other.text);
        other.n = 0;
        rc = run_op(&r);
        if (!rc && other.text.failed)
            rc = lm_fail(err, LM_ELIMIT, "the decoded text is too long");
        r.fused |= r.op->kind == LM_DEC_FUSE;
        struct lm_dec_list done = *l;
        *l = other;
        other = done;
    }
    lm_dec_list_fini(&other);
    lm_cuts_fini(&r.cuts);
    return rc;
}

int lm_dec_run(const struct lm_dec *d, struct lm_dec_list *l, struct lm_bytes *out, struct lm_err *err)
{
    int rc = l->text.failed ? lm_fail(err, LM_ELIMIT, "the decoded text is too long") : run(d, l, false, err);
    size_t n;
    for (size_t i = 0; i < l->n && !rc; i++) {
        const char *s = get(l, i, &n);
        if (d->none && i > 0)
            lm_bytes_add_char(out, ' ');
        lm_bytes_add(out, s, n);
    }
    return rc || !out->failed ? rc : lm_fail(err, LM_ENOMEM, "out of memory");
}

int lm_dec_piece(const struct lm_dec *d, struct lm_dec_list *l, const char *s, size_t n, struct lm_bytes *out,
                 struct lm_err *err)
{
    lm_bytes_clear(&l->text);
    l->n = 0;
    int rc = lm_dec_put(l, s, n, err);
    if (!rc)
        rc = run(d, l, true, err);
    if (rc)
        return rc;
    if (d->none)
        lm_bytes_add_char(out, ' ');
    lm_bytes_add(out, l->text.data, l->text.len);
    return out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

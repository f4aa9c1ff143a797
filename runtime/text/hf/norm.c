/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/norm.h"

#include "runtime/base/utf8.h"
#include "runtime/text/hf/uclass.h"
#include "runtime/text/nfc.h"
#include "runtime/text/vocab.h"
#include <utf8proc.h>

enum { MAX_GRAPHEME = 6, MAX_BYTES = 1 << 30 };

struct run {
    const struct lm_norm_op *op;
    struct lm_norm_work *w;
    const char *s;
    size_t n;
    struct lm_bytes *out;
    bool kept; /* what the first character made is still there */
    struct lm_err *err;
};

static void add_char(struct lm_bytes *out, uint32_t c)
{
    char s[4];
    lm_bytes_add(out, s, (size_t)lm_utf8_encode(c, s));
}

/* Each makes of one character none or more. */
static void one_lower(uint32_t c, struct lm_bytes *out)
{
    uint32_t lower[2];
    int n = lm_uclass_lower(c, lower);
    for (int i = 0; i < n; i++)
        add_char(out, lower[i]);
}

static void one_nmt(uint32_t c, struct lm_bytes *out)
{
    bool gone = (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
    bool space = c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
    if (!gone)
        add_char(out, space ? ' ' : c);
}

static void one_without_marks(uint32_t c, struct lm_bytes *out)
{
    if (!lm_uclass_has(LM_UC_MARK, c))
        add_char(out, c);
}

static void one_without_nonspacing(uint32_t c, struct lm_bytes *out)
{
    if (!lm_uclass_has(LM_UC_NONSPACING, c))
        add_char(out, c);
}

static void one_clean(uint32_t c, struct lm_bytes *out)
{
    if (!lm_uclass_has(LM_UC_CONTROL, c))
        add_char(out, lm_uclass_has(LM_UC_SPACE, c) ? ' ' : c);
}

static void one_chinese(uint32_t c, struct lm_bytes *out)
{
    bool apart = lm_uclass_has(LM_UC_CHINESE, c);
    if (apart)
        add_char(out, ' ');
    add_char(out, c);
    if (apart)
        add_char(out, ' ');
}

static void each(struct run *r, void (*one)(uint32_t c, struct lm_bytes *out))
{
    for (size_t i = 0; i < r->n;) {
        uint32_t c;
        int len = lm_utf8_decode(r->s + i, r->n - i, &c);
        one(c, r->out);
        if (i == 0)
            r->kept &= r->out->len > 0;
        i += len > 0 ? (size_t)len : 1;
    }
}

static void strip(struct run *r)
{
    size_t from = r->op->flags & LM_NORM_LEFT ? lm_uclass_spaces(r->s, r->n) : 0;
    size_t behind = r->op->flags & LM_NORM_RIGHT ? lm_uclass_spaces_behind(r->s + from, r->n - from) : 0;
    lm_bytes_add(r->out, r->s + from, r->n - from - behind);
    r->kept &= from == 0;
}

static int replace(struct run *r)
{
    struct lm_cuts *c = &r->w->cuts;
    int rc = lm_pattern_cut(&r->op->pattern, c, r->s, r->n, NULL, r->err);
    size_t from = 0;
    for (size_t i = 0; i < c->n && !rc; from = c->cut[i++].end) {
        uint32_t ch;
        if (!c->cut[i].match) {
            lm_bytes_add(r->out, r->s + from, c->cut[i].end - from);
            continue;
        }
        lm_bytes_add(r->out, r->op->text, r->op->n_text);
        if (from == 0 && c->cut[i].end > 0)
            r->kept &= r->op->n_text > 0 && lm_utf8_decode(r->s, r->n, &ch) == (int)c->cut[i].end;
    }
    return rc;
}

/* A character that every utf8proc knows, and that joins with others as c does: marks of Unicode 17 besides. */
static utf8proc_int32_t known(uint32_t c)
{
    bool mark = (c >= 0x1acf && c <= 0x1aeb) || c == 0x10efa || c == 0x10efb || (c >= 0x11b60 && c <= 0x11b67);
    return mark ? 0x301 : (utf8proc_int32_t)lm_rx_stand_in(c);
}

static bool breaks(uint32_t c, uint32_t next, utf8proc_int32_t *state)
{
    if (c < 0x80 && next < 0x80 && c != '\r') {
        *state = 0;
        return true;
    }
    return utf8proc_grapheme_break_stateful(known(c), known(next), state);
}

/* Each replacement is of the shortest string of the map that a grapheme, or else a character, starts with. */
static void precompiled(struct run *r)
{
    utf8proc_int32_t state = 0;
    for (size_t i = 0, end; i < r->n; i = end) {
        uint32_t c, next;
        size_t used, k = i;
        int len = lm_utf8_decode(r->s + i, r->n - i, &c);
        for (end = i + (size_t)len; end < r->n; end += (size_t)len, c = next) {
            len = lm_utf8_decode(r->s + end, r->n - end, &next);
            if (breaks(c, next, &state))
                break;
        }
        const char *as = end - i < MAX_GRAPHEME ? lm_charsmap_find(&r->op->map, r->s + i, end - i, false, &used) : NULL;
        if (as) {
            lm_bytes_add_str(r->out, as);
            continue;
        }
        for (; k < end; k += (size_t)len) {
            len = lm_utf8_decode(r->s + k, end - k, &c);
            as = lm_charsmap_find(&r->op->map, r->s + k, (size_t)len, false, &used);
            lm_bytes_add(r->out, as ? as : r->s + k, as ? strlen(as) : (size_t)len);
        }
    }
}

/* Each step reads what the one before made. */
static void next_step(struct run *r, struct lm_bytes *mid)
{
    lm_bytes_clear(mid);
    lm_bytes_add(mid, r->out->data, r->out->len);
    lm_bytes_clear(r->out);
    r->s = mid->data ? mid->data : "";
    r->n = mid->len;
}

static void bert(struct run *r)
{
    static const struct {
        unsigned flag;
        void (*one)(uint32_t c, struct lm_bytes *out);
    } step[] = {{LM_NORM_CLEAN, one_clean}, {LM_NORM_CHINESE, one_chinese}, {LM_NORM_ACCENTS, NULL},
                {LM_NORM_ACCENTS, one_without_nonspacing}, {LM_NORM_LOWER, one_lower}};
    struct lm_bytes mid = {0};
    lm_bytes_add(r->out, r->s, r->n);
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        if (!(r->op->flags & step[i].flag))
            continue;
        next_step(r, &mid);
        if (step[i].one)
            each(r, step[i].one);
        else
            lm_normal_form(LM_FORM_D, r->s, r->n, r->out);
    }
    r->out->failed |= mid.failed;
    lm_bytes_fini(&mid);
}

static void byte_chars(struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        char c[2];
        lm_bytes_add(r->out, c, (size_t)lm_vocab_byte_char((unsigned char)r->s[i], c));
    }
}

static int step(struct run *r)
{
    switch (r->op->kind) {
    case LM_NORM_NFC:
        if (lm_nfc_wanted(r->s, r->n))
            lm_nfc(r->s, r->n, r->out);
        else
            lm_bytes_add(r->out, r->s, r->n);
        break;
    case LM_NORM_NFD:
    case LM_NORM_NFKC:
    case LM_NORM_NFKD:
        lm_normal_form((enum lm_normal_form)(LM_FORM_C + (r->op->kind - LM_NORM_NFC)), r->s, r->n, r->out);
        break;
    case LM_NORM_NMT:
        each(r, one_nmt);
        break;
    case LM_NORM_LOWERCASE:
        each(r, one_lower);
        break;
    case LM_NORM_STRIP:
        strip(r);
        break;
    case LM_NORM_STRIP_ACCENTS:
        each(r, one_without_marks);
        break;
    case LM_NORM_PREPEND:
        lm_bytes_add(r->out, r->op->text, r->op->n_text);
        lm_bytes_add(r->out, r->s, r->n);
        break;
    case LM_NORM_REPLACE:
        return replace(r);
    case LM_NORM_PRECOMPILED:
        precompiled(r);
        break;
    case LM_NORM_BERT:
        bert(r);
        break;
    case LM_NORM_BYTE_LEVEL:
        byte_chars(r);
        break;
    }
    return 0;
}

int lm_norm_run(const struct lm_norm *norm, struct lm_norm_work *w, const char *s, size_t n, const char **out,
                size_t *out_n, bool *first, struct lm_err *err)
{
    struct run r = {.w = w, .s = s, .n = n, .kept = true, .err = err};
    int rc = 0;
    for (size_t i = 0; i < norm->n && !rc && r.n > 0; i++) {
        r.op = &norm->op[i];
        r.out = i % 2 ? &w->b : &w->a;
        r.out->limit = MAX_BYTES;
        lm_bytes_clear(r.out);
        rc = step(&r);
        if (!rc && r.out->failed)
            rc = lm_fail(err, LM_ELIMIT, "the normalized text is too long");
        r.s = r.out->data ? r.out->data : "";
        r.n = r.out->len;
    }
    if (rc)
        return rc;
    *out = r.s;
    *out_n = r.n;
    *first &= r.kept;
    return 0;
}

void lm_norm_work_fini(struct lm_norm_work *w)
{
    lm_bytes_fini(&w->a);
    lm_bytes_fini(&w->b);
    lm_cuts_fini(&w->cuts);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/rx.h"

#include "runtime/base/utf8.h"
#include <stdlib.h>

/* Characters that the installed PCRE2 may not class as Unicode 16 does, and one of the same class and length in
 * UTF-8 that every PCRE2 knows. */
static const struct stand_in {
    uint32_t first, last, as;
} stand_ins[] = {
#include "runtime/text/newer_unicode.h"
};

static const char ILL_FORMED = 0x7f; /* what a byte that is no UTF-8 counts as */

int lm_rx_compile(const char *rx, size_t n, bool bytes, pcre2_code **out, struct lm_err *err)
{
    uint32_t utf = bytes ? 0 : PCRE2_UTF | PCRE2_UCP;
    int code;
    PCRE2_SIZE at;
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)rx, n, utf | PCRE2_NO_AUTO_CAPTURE, &code, &at, NULL);
    if (!c) {
        PCRE2_UCHAR why[120];
        pcre2_get_error_message(code, why, sizeof why);
        return lm_fail(err, code == PCRE2_ERROR_NOMEMORY ? LM_ENOMEM : LM_EUNSUPPORTED,
                       "the installed PCRE2 refuses the regular expression: %s (at %zu)", (const char *)why, (size_t)at);
    }
    pcre2_jit_compile(c, PCRE2_JIT_COMPLETE);
    *out = c;
    return 0;
}

void lm_rx_work_fini(struct lm_rx_work *w)
{
    free(w->subject);
    pcre2_match_data_free(w->match);
    pcre2_match_context_free(w->context);
    *w = (struct lm_rx_work){0};
}

uint32_t lm_rx_stand_in(uint32_t c)
{
    size_t lo = 0, hi = sizeof stand_ins / sizeof *stand_ins;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c > stand_ins[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof stand_ins / sizeof *stand_ins && c >= stand_ins[lo].first ? stand_ins[lo].as : c;
}

static int begin(struct lm_rx_work *w, size_t n, struct lm_err *err)
{
    if (!w->match)
        w->match = pcre2_match_data_create(1, NULL);
    if (!w->context)
        w->context = pcre2_match_context_create(NULL);
    if (!w->match || !w->context)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    if (n > w->cap) {
        char *s = realloc(w->subject, n);
        if (!s)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        w->subject = s;
        w->cap = n;
    }
    return 0;
}

int lm_rx_subject(struct lm_rx_work *w, const char *text, size_t n, struct lm_err *err)
{
    int rc = begin(w, n, err);
    if (rc)
        return rc;
    if (n)
        memcpy(w->subject, text, n);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = (unsigned char)text[i] < 0x80 ? 1 : lm_utf8_decode(text + i, n - i, &c);
        if (len <= 0)
            w->subject[i] = ILL_FORMED;
        else if (len >= 3)
            lm_utf8_encode(lm_rx_stand_in(c), w->subject + i);
        i += len > 0 ? (size_t)len : 1;
    }
    return 0;
}

int lm_rx_find(const pcre2_code *code, struct lm_rx_work *w, const char *s, size_t n, size_t pos, uint32_t options,
               size_t at[2])
{
    /* Enough for what a sane expression does in linear time. */
    pcre2_set_match_limit(w->context, n < UINT32_MAX / 32 ? 1000u + 16u * (uint32_t)n : UINT32_MAX);
    int found = pcre2_match(code, (PCRE2_SPTR)s, n, pos, PCRE2_NO_UTF_CHECK | options, w->match, w->context);
    if (found < 0)
        return found == PCRE2_ERROR_NOMATCH ? 0 : -1;
    const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(w->match);
    at[0] = ov[0];
    at[1] = ov[1];
    return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jstr.h"
#include <utf8proc.h>

struct span {
    uint32_t from, to;
};

/* Numeric_Type=Digit that is not decimal. */
static const struct span digits[] = {
    {0xb2, 0xb3}, {0xb9, 0xb9}, {0x1369, 0x1371}, {0x19da, 0x19da}, {0x2070, 0x2070}, {0x2074, 0x2079}, {0x2080, 0x2089},
    {0x2460, 0x2468}, {0x2474, 0x247c}, {0x2488, 0x2490}, {0x24ea, 0x24ea}, {0x24f5, 0x24fd}, {0x24ff, 0x24ff},
    {0x2776, 0x277e}, {0x2780, 0x2788}, {0x278a, 0x2792}, {0x10a40, 0x10a43}, {0x10e60, 0x10e68}, {0x11052, 0x1105a},
    {0x1f100, 0x1f10a},
};

/* Other_Lowercase and Other_Uppercase. */
static const struct span other_lower[] = {
    {0xaa, 0xaa}, {0xba, 0xba}, {0x2b0, 0x2b8}, {0x2c0, 0x2c1}, {0x2e0, 0x2e4}, {0x345, 0x345}, {0x37a, 0x37a},
    {0x1d2c, 0x1d6a}, {0x1d78, 0x1d78}, {0x1d9b, 0x1dbf}, {0x2071, 0x2071}, {0x207f, 0x207f}, {0x2090, 0x209c},
    {0x2170, 0x217f}, {0x24d0, 0x24e9}, {0x2c7c, 0x2c7d}, {0xa69c, 0xa69d}, {0xa770, 0xa770}, {0xa7f8, 0xa7f9},
    {0xab5c, 0xab5f}, {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba},
};
static const struct span other_upper[] = {
    {0x2160, 0x216f}, {0x24b6, 0x24cf}, {0x1f130, 0x1f149}, {0x1f150, 0x1f169}, {0x1f170, 0x1f189},
};

/* Word_Break of MidLetter, MidNumLet and Single_Quote: with marks and modifiers, what final sigma looks past. */
static const uint32_t mid_word[] = {'\'', '.', ':', 0xb7, 0x387, 0x55f, 0x5f4, 0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                    0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};

/* SpecialCasing.txt without conditions: upper and title case; U+1F80 to U+1FAF are computed. */
static const struct special {
    uint32_t cp;
    const char *upper, *title;
} specials[] = {
    {0xdf, "SS", "Ss"}, {0x149, "\u02bcN", "\u02bcN"}, {0x1f0, "J\u030c", "J\u030c"},
    {0x390, "\u0399\u0308\u0301", "\u0399\u0308\u0301"}, {0x3b0, "\u03a5\u0308\u0301", "\u03a5\u0308\u0301"},
    {0x587, "\u0535\u0552", "\u0535\u0582"}, {0x1e96, "H\u0331", "H\u0331"}, {0x1e97, "T\u0308", "T\u0308"},
    {0x1e98, "W\u030a", "W\u030a"}, {0x1e99, "Y\u030a", "Y\u030a"}, {0x1e9a, "A\u02be", "A\u02be"},
    {0x1f50, "\u03a5\u0313", "\u03a5\u0313"}, {0x1f52, "\u03a5\u0313\u0300", "\u03a5\u0313\u0300"},
    {0x1f54, "\u03a5\u0313\u0301", "\u03a5\u0313\u0301"}, {0x1f56, "\u03a5\u0313\u0342", "\u03a5\u0313\u0342"},
    {0x1fb2, "\u1fba\u0399", "\u1fba\u0345"}, {0x1fb3, "\u0391\u0399", "\u1fbc"},
    {0x1fb4, "\u0386\u0399", "\u0386\u0345"}, {0x1fb6, "\u0391\u0342", "\u0391\u0342"},
    {0x1fb7, "\u0391\u0342\u0399", "\u0391\u0342\u0345"}, {0x1fbc, "\u0391\u0399", "\u1fbc"},
    {0x1fc2, "\u1fca\u0399", "\u1fca\u0345"}, {0x1fc3, "\u0397\u0399", "\u1fcc"},
    {0x1fc4, "\u0389\u0399", "\u0389\u0345"}, {0x1fc6, "\u0397\u0342", "\u0397\u0342"},
    {0x1fc7, "\u0397\u0342\u0399", "\u0397\u0342\u0345"}, {0x1fcc, "\u0397\u0399", "\u1fcc"},
    {0x1fd2, "\u0399\u0308\u0300", "\u0399\u0308\u0300"}, {0x1fd3, "\u0399\u0308\u0301", "\u0399\u0308\u0301"},
    {0x1fd6, "\u0399\u0342", "\u0399\u0342"}, {0x1fd7, "\u0399\u0308\u0342", "\u0399\u0308\u0342"},
    {0x1fe2, "\u03a5\u0308\u0300", "\u03a5\u0308\u0300"}, {0x1fe3, "\u03a5\u0308\u0301", "\u03a5\u0308\u0301"},
    {0x1fe4, "\u03a1\u0313", "\u03a1\u0313"}, {0x1fe6, "\u03a5\u0342", "\u03a5\u0342"},
    {0x1fe7, "\u03a5\u0308\u0342", "\u03a5\u0308\u0342"}, {0x1ff2, "\u1ffa\u0399", "\u1ffa\u0345"},
    {0x1ff3, "\u03a9\u0399", "\u1ffc"}, {0x1ff4, "\u038f\u0399", "\u038f\u0345"},
    {0x1ff6, "\u03a9\u0342", "\u03a9\u0342"}, {0x1ff7, "\u03a9\u0342\u0399", "\u03a9\u0342\u0345"},
    {0x1ffc, "\u03a9\u0399", "\u1ffc"}, {0xfb00, "FF", "Ff"}, {0xfb01, "FI", "Fi"}, {0xfb02, "FL", "Fl"},
    {0xfb03, "FFI", "Ffi"}, {0xfb04, "FFL", "Ffl"}, {0xfb05, "ST", "St"}, {0xfb06, "ST", "St"},
    {0xfb13, "\u0544\u0546", "\u0544\u0576"}, {0xfb14, "\u0544\u0535", "\u0544\u0565"},
    {0xfb15, "\u0544\u053b", "\u0544\u056b"}, {0xfb16, "\u054e\u0546", "\u054e\u0576"},
    {0xfb17, "\u0544\u053d", "\u0544\u056d"},
};

static bool in_spans(uint32_t cp, const struct span *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= s[i].from && cp <= s[i].to)
            return true;
    return false;
}

static utf8proc_category_t category(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp);
}

bool lm_jcase_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || (cp >= 0x1c && cp <= 0x20) || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

bool lm_jcase_alpha(uint32_t cp)
{
    utf8proc_category_t k = category(cp);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool lm_jcase_decimal(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_ND;
}

bool lm_jcase_digit(uint32_t cp)
{
    return lm_jcase_decimal(cp) || in_spans(cp, digits, sizeof digits / sizeof *digits);
}

bool lm_jcase_numeric(uint32_t cp)
{
    utf8proc_category_t k = category(cp);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool lm_jcase_lower(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_LL || in_spans(cp, other_lower, sizeof other_lower / sizeof *other_lower);
}

bool lm_jcase_upper(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_LU || in_spans(cp, other_upper, sizeof other_upper / sizeof *other_upper);
}

bool lm_jcase_title(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_LT;
}

bool lm_jcase_printable(uint32_t cp)
{
    utf8proc_category_t k = category(cp);
    return cp == ' ' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_SO);
}

bool lm_jcase_name(uint32_t cp, bool first)
{
    utf8proc_category_t k = category(cp);
    if (cp == '_' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) || k == UTF8PROC_CATEGORY_NL)
        return true;
    return !first && (k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ND ||
                      k == UTF8PROC_CATEGORY_PC || cp == 0xb7 || cp == 0x387);
}

static bool is_cased(uint32_t cp)
{
    return lm_jcase_lower(cp) || lm_jcase_upper(cp) || lm_jcase_title(cp);
}

static bool is_ignorable(uint32_t cp)
{
    utf8proc_category_t k = category(cp);
    if (k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_LM ||
        k == UTF8PROC_CATEGORY_SK)
        return true;
    for (size_t i = 0; i < sizeof mid_word / sizeof *mid_word; i++)
        if (mid_word[i] == cp)
            return true;
    return false;
}

/* Is the capital sigma at s[at] the last letter of a word? */
static bool is_final_sigma(struct lm_jval s, size_t at)
{
    size_t step, i = at;
    uint32_t cp = 0;
    while (i > 0) {
        for (i--; ((unsigned char)s.s[i] & 0xc0) == 0x80;)
            i--;
        cp = lm_jstr_char(s.s + i, &step);
        if (!is_ignorable(cp))
            break;
        cp = 0;
    }
    if (!is_cased(cp))
        return false;
    for (i = at + 2; i < s.n; i += step) {
        cp = lm_jstr_char(s.s + i, &step);
        if (!is_ignorable(cp))
            return !is_cased(cp);
    }
    return true;
}

static void add_lower(struct lm_jctx *c, struct lm_jval s, size_t at, uint32_t cp)
{
    if (cp == 0x130)
        lm_bytes_add_str(&c->tmp, "i\u0307");
    else if (cp == 0x3a3)
        lm_jstr_add_char(c, is_final_sigma(s, at) ? 0x3c2 : 0x3c3);
    else
        lm_jstr_add_char(c, cp < 0x80 ? cp + (cp >= 'A' && cp <= 'Z' ? 32 : 0) : (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
}

static void add_upper(struct lm_jctx *c, uint32_t cp, bool title)
{
    if (cp < 0x80) {
        lm_jstr_add_char(c, cp - (cp >= 'a' && cp <= 'z' ? 32 : 0));
        return;
    }
    if (cp >= 0x1f80 && cp <= 0x1faf) {
        lm_jstr_add_char(c, title ? cp | 8 : (cp < 0x1f90 ? 0x1f08 : cp < 0x1fa0 ? 0x1f28 : 0x1f68) + (cp & 7));
        if (!title)
            lm_jstr_add_char(c, 0x399);
        return;
    }
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (specials[i].cp == cp) {
            lm_bytes_add_str(&c->tmp, title ? specials[i].title : specials[i].upper);
            return;
        }
    utf8proc_int32_t k = (utf8proc_int32_t)cp;
    lm_jstr_add_char(c, (uint32_t)(title ? utf8proc_totitle(k) : utf8proc_toupper(k)));
}

static void add_folded(struct lm_jctx *c, uint32_t cp)
{
    utf8proc_int32_t to[8];
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, to, 8, UTF8PROC_CASEFOLD, NULL);
    for (utf8proc_ssize_t i = 0; i < n && i < 8; i++)
        lm_jstr_add_char(c, (uint32_t)to[i]);
}

int lm_jcase_map(struct lm_jctx *c, struct lm_jval s, enum lm_jcase how, struct lm_jval *out)
{
    size_t step, mark = lm_jval_mark(c);
    bool in_word = false;
    int rc = lm_jval_charge(c, s.n / 8);
    for (size_t i = 0; i < s.n && !rc && !c->tmp.failed; i += step) {
        uint32_t cp = lm_jstr_char(s.s + i, &step);
        bool head = how == LM_JCASE_CAPITAL ? i == 0 : how == LM_JCASE_TITLE && !in_word;
        in_word = how == LM_JCASE_TITLE && is_cased(cp);
        if (how == LM_JCASE_FOLD)
            add_folded(c, cp);
        else if (head)
            add_upper(c, cp, true);
        else if (how == LM_JCASE_UPPER || (how == LM_JCASE_SWAP && lm_jcase_lower(cp)))
            add_upper(c, cp, false);
        else if (how == LM_JCASE_SWAP && !lm_jcase_upper(cp))
            lm_jstr_add_char(c, cp);
        else
            add_lower(c, s, i, cp);
    }
    if (!rc)
        rc = lm_jval_cut(c, mark, out);
    if (!rc)
        out->safe = s.safe;
    return rc;
}

/* islower, isupper, istitle: some letter has the case, none the other; a title has capitals at word heads only. */
static bool case_is(struct lm_jval s, enum lm_jcase_is what)
{
    bool cased = false, in_word = false;
    size_t step;
    for (size_t i = 0; i < s.n; i += step) {
        uint32_t cp = lm_jstr_char(s.s + i, &step);
        bool low = lm_jcase_lower(cp), up = lm_jcase_upper(cp), title = lm_jcase_title(cp);
        if (what == LM_JCASE_IS_TITLE ? (low && !in_word) || ((up || title) && in_word) :
            title || (what == LM_JCASE_IS_LOWER ? up : low))
            return false;
        in_word = low || up || title;
        cased |= in_word;
    }
    return cased;
}

static bool char_is(uint32_t cp, enum lm_jcase_is what, bool first)
{
    switch (what) {
    case LM_JCASE_IS_ALPHA:
        return lm_jcase_alpha(cp);
    case LM_JCASE_IS_DIGIT:
        return lm_jcase_digit(cp);
    case LM_JCASE_IS_DECIMAL:
        return lm_jcase_decimal(cp);
    case LM_JCASE_IS_NUMERIC:
        return lm_jcase_numeric(cp);
    case LM_JCASE_IS_ALNUM:
        return lm_jcase_alpha(cp) || lm_jcase_numeric(cp);
    case LM_JCASE_IS_SPACE:
        return lm_jcase_space(cp);
    case LM_JCASE_IS_ASCII:
        return cp < 0x80;
    case LM_JCASE_IS_PRINTABLE:
        return lm_jcase_printable(cp);
    default:
        return lm_jcase_name(cp, first);
    }
}

int lm_jcase_is(struct lm_jctx *c, struct lm_jval s, enum lm_jcase_is what, struct lm_jval *out)
{
    bool is = s.n || what == LM_JCASE_IS_ASCII || what == LM_JCASE_IS_PRINTABLE;
    size_t step;
    if (what <= LM_JCASE_IS_TITLE)
        is = case_is(s, what);
    else
        for (size_t i = 0; i < s.n && is; i += step) {
            uint32_t cp = lm_jstr_char(s.s + i, &step);
            is = char_is(cp, what, i == 0);
        }
    *out = lm_jval_bool(is);
    return lm_jval_charge(c, s.n / 8);
}

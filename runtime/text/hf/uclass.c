/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/uclass.h"

#include "runtime/base/utf8.h"
#include <utf8proc.h>

struct uc_range {
    uint32_t first, last;
};
struct uc_script {
    uint32_t first, last;
    int number;
};
#include "runtime/text/hf/uclass_table.h"

static bool in(const struct uc_range *r, size_t n, uint32_t c)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c > r[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && c >= r[lo].first;
}

#define IN(table, c) in(table, sizeof table / sizeof *table, c)

bool lm_uclass_has(enum lm_uclass k, uint32_t c)
{
    switch (k) {
    case LM_UC_CONTROL:
        return IN(control, c);
    case LM_UC_NONSPACING:
        return c >= 0x300 && IN(nonspacing, c);
    case LM_UC_MARK:
        return c >= 0x300 && IN(mark, c);
    case LM_UC_PUNCT:
        return IN(punct, c);
    case LM_UC_NUMERIC:
        return c < 0x80 ? c >= '0' && c <= '9' : IN(numeric, c);
    case LM_UC_SPACE:
        return c < 0x80 ? c == ' ' || (c >= 9 && c <= 13) : IN(space, c);
    case LM_UC_WORD:
        return IN(word, c);
    case LM_UC_CHINESE:
        return c >= chinese[0].first && IN(chinese, c);
    }
    return false;
}

/* Pairs of Unicode 16 and 17, which utf8proc may not have. */
static uint32_t newer_lower(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        int32_t add;
    } row[] = {{0x1c89, 0x1c89, 1},     {0xa7cb, 0xa7cb, 0x264 - 0xa7cb}, {0xa7cc, 0xa7cc, 1}, {0xa7ce, 0xa7ce, 1},
               {0xa7d2, 0xa7d2, 1},     {0xa7d4, 0xa7d4, 1},              {0xa7da, 0xa7da, 1}, {0xa7dc, 0xa7dc, 0x19b - 0xa7dc},
               {0x10d50, 0x10d65, 32}, {0x16ea0, 0x16eb8, 27}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (c >= row[i].first && c <= row[i].last)
            return (uint32_t)((int32_t)c + row[i].add);
    return c;
}

int lm_uclass_lower(uint32_t c, uint32_t out[2])
{
    out[0] = c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    if (c == 0x130) {
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    if (c >= 0x1c89 && out[0] == c)
        out[0] = newer_lower(c);
    return 1;
}

int lm_uclass_script(uint32_t c)
{
    size_t lo = 0, n = sizeof script / sizeof *script, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c > script[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && c >= script[lo].first ? script[lo].number : 0;
}

size_t lm_uclass_spaces(const char *s, size_t n)
{
    size_t i = 0;
    uint32_t c;
    for (int len; i < n && (len = lm_utf8_decode(s + i, n - i, &c)) > 0 && lm_uclass_has(LM_UC_SPACE, c);)
        i += (size_t)len;
    return i;
}

size_t lm_uclass_spaces_behind(const char *s, size_t n)
{
    size_t end = n;
    while (end > 0) {
        uint32_t c;
        size_t at = end - 1;
        while (at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80)
            at--;
        if (lm_utf8_decode(s + at, end - at, &c) <= 0 || !lm_uclass_has(LM_UC_SPACE, c))
            break;
        end = at;
    }
    return n - end;
}

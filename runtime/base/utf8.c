/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"

/* Length of a sequence by its lead byte and the legal range of its second byte (Unicode 15, table 3-7). */
static int lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
    *lo = 0x80;
    *hi = 0xbf;
    if (c < 0x80)
        return 1;
    if (c < 0xc2)
        return 0;
    if (c < 0xe0)
        return 2;
    if (c < 0xf0) {
        if (c == 0xe0)
            *lo = 0xa0;
        if (c == 0xed)
            *hi = 0x9f;
        return 3;
    }
    if (c == 0xf0)
        *lo = 0x90;
    if (c == 0xf4)
        *hi = 0x8f;
    return c <= 0xf4 ? 4 : 0;
}

int lm_utf8_decode(const char *s, size_t n, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char lo, hi;
    int len = lead(p[0], &lo, &hi);
    if (len <= 1) {
        if (len == 1)
            *out = p[0];
        return len;
    }
    uint32_t c = p[0] & (0x7fu >> len);
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n)
            return -1;
        if (p[i] < lo || p[i] > hi)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
        lo = 0x80;
        hi = 0xbf;
    }
    *out = c;
    return len;
}

int lm_utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    int len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> len & 0xf0u) | c);
    return len;
}

bool lm_utf8_valid(const char *s, size_t n)
{
    uint32_t c;
    for (size_t i = 0; i < n;) {
        int len = lm_utf8_decode(s + i, n - i, &c);
        if (len <= 0)
            return false;
        i += (size_t)len;
    }
    return true;
}

size_t lm_utf8_whole(const char *s, size_t n)
{
    uint32_t c;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char b = (unsigned char)s[n - back];
        if (b >= 0xc0)
            return lm_utf8_decode(s + n - back, back, &c) == -1 ? n - back : n;
        if (b < 0x80)
            return n;
    }
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/buf.h"

#include <stdlib.h>

void lm_bytes_fini(struct lm_bytes *b)
{
    free(b->data);
    *b = (struct lm_bytes){0};
}

void lm_bytes_clear(struct lm_bytes *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

static bool reserve(struct lm_bytes *b, size_t n)
{
    if (b->failed)
        return false;
    if (n > SIZE_MAX / 2 - b->len || (b->limit && b->len + n > b->limit)) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void lm_bytes_add(struct lm_bytes *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
}

void lm_bytes_add_str(struct lm_bytes *b, const char *s)
{
    lm_bytes_add(b, s, strlen(s));
}

void lm_bytes_add_char(struct lm_bytes *b, char c)
{
    lm_bytes_add(b, &c, 1);
}

void lm_bytes_addf(struct lm_bytes *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void lm_bytes_add_json(struct lm_bytes *b, const char *s, size_t n)
{
    static const char short_escape[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        lm_bytes_add(b, s + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            lm_bytes_add(b, (char[]){'\\', (char)c}, 2);
        else if (c < sizeof short_escape && short_escape[c])
            lm_bytes_add(b, (char[]){'\\', short_escape[c]}, 2);
        else
            lm_bytes_addf(b, "\\u%04x", c);
    }
    lm_bytes_add(b, s + from, n - from);
}

void lm_bytes_drop(struct lm_bytes *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data)
        b->data[b->len] = 0;
}

char *lm_bytes_take(struct lm_bytes *b)
{
    lm_bytes_add(b, "", 0);
    char *data = b->failed ? NULL : b->data;
    if (b->failed)
        free(b->data);
    *b = (struct lm_bytes){0};
    return data;
}

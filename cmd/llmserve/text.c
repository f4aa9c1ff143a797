/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/text.h"

#include "runtime/base/utf8.h"

#include <stdint.h>

int lm_text_read(const char *path, struct lm_bytes *out, struct lm_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "re");
    char chunk[65536];
    if (!f)
        return lm_fail(err, LM_ENOTFOUND, "%.150s: %m", path);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        lm_bytes_add(out, chunk, n);
    int rc = ferror(f) ? lm_fail(err, LM_EIO, "%.150s: %m", path) : out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
    if (!is_stdin)
        fclose(f);
    return rc;
}

/* What Python calls not printable, as far as models write it. */
static bool is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || c == 0x1680 || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           (c >= 0x205f && c <= 0x206f) || c == 0x3000 || (c >= 0xe000 && c <= 0xf8ff) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb);
}

static void add_char(uint32_t c, const char *s, size_t len, char quote, struct lm_bytes *out)
{
    if (c == '\n' || c == '\r' || c == '\t')
        lm_bytes_add_str(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    else if (c == '\\' || c == (uint32_t)quote)
        lm_bytes_addf(out, "\\%c", (int)c);
    else if (is_hidden(c))
        lm_bytes_addf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
    else
        lm_bytes_add(out, s, len);
}

void lm_text_repr(const char *s, size_t n, struct lm_bytes *out)
{
    char quote = n && memchr(s, '\'', n) && !memchr(s, '"', n) ? '"' : '\'';
    lm_bytes_add_char(out, quote);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = lm_utf8_decode(s + i, n - i, &c);
        if (len > 0)
            add_char(c, s + i, (size_t)len, quote, out);
        else
            lm_bytes_addf(out, "\\x%02x", (unsigned char)s[i]);
        i += len > 0 ? (size_t)len : 1;
    }
    lm_bytes_add_char(out, quote);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/charsmap.h"

#include <stdlib.h>

static uint32_t u32(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int lm_charsmap_init(struct lm_charsmap *m, const char *s, size_t n, struct lm_err *err)
{
    uint32_t bytes = n >= 4 ? u32(s) : 0;
    if (n < 4 || bytes > n - 4 || bytes % 4 || bytes == 0)
        return lm_fail(err, LM_EFORMAT, "precompiled_charsmap of %zu bytes is damaged", n);
    m->n_unit = bytes / 4;
    m->n_text = n - 4 - bytes;
    m->unit = malloc(bytes);
    m->text = malloc(m->n_text + 1);
    if (!m->unit || !m->text)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < m->n_unit; i++)
        m->unit[i] = u32(s + 4 + 4 * i);
    memcpy(m->text, s + 4 + bytes, m->n_text);
    m->text[m->n_text] = 0;
    return 0;
}

void lm_charsmap_fini(struct lm_charsmap *m)
{
    free(m->unit);
    free(m->text);
    *m = (struct lm_charsmap){0};
}

static size_t offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

const char *lm_charsmap_find(const struct lm_charsmap *m, const char *s, size_t n, bool longest, size_t *out_n)
{
    const char *found = NULL;
    size_t at = offset(m->unit[0]);
    for (size_t i = 0; i < n && s[i]; i++) {
        at ^= (unsigned char)s[i];
        if (at >= m->n_unit || (m->unit[at] & (1u << 31 | 0xff)) != (unsigned char)s[i])
            break;
        uint32_t unit = m->unit[at];
        at ^= offset(unit);
        if (!(unit & 1u << 8))
            continue;
        if (at >= m->n_unit || (m->unit[at] & 0x7fffffffu) >= m->n_text)
            break;
        found = m->text + (m->unit[at] & 0x7fffffffu);
        *out_n = i + 1;
        if (!longest)
            break;
    }
    return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"
#include "runtime/text/hf/spm.h"

static const char SPACE[] = "\xe2\x96\x81"; /* U+2581 */

struct part {
    const char *s;
    size_t n, used;
};

/* What the start of s[0..n) becomes: a user-defined piece itself, the longest replacement, or one character. */
static struct part next_part(const struct lm_spm *p, const char *s, size_t n)
{
    size_t used = 0;
    uint32_t c;
    if (p->user.node && lm_trie_longest(&p->user, s, n, &used) >= 0)
        return (struct part){s, used, used};
    const char *as = p->map.unit ? lm_charsmap_find(&p->map, s, n, true, &used) : NULL;
    if (as)
        return (struct part){as, strlen(as), used};
    int len = lm_utf8_decode(s, n, &c);
    return len > 0 ? (struct part){s, (size_t)len, (size_t)len} : (struct part){"\xef\xbf\xbd", 3, 1};
}

static void add_space(const struct lm_spm *p, struct lm_bytes *out)
{
    lm_bytes_add_str(out, p->escape ? SPACE : " ");
}

static void add_part(const struct lm_spm *p, struct part part, struct lm_bytes *out)
{
    for (size_t i = 0; i < part.n; i++)
        if (part.s[i] == ' ')
            add_space(p, out);
        else
            lm_bytes_add_char(out, part.s[i]);
}

void lm_spm_normalize(const struct lm_spm *p, const char *text, size_t n, struct lm_bytes *out)
{
    size_t i = 0, from = out->len;
    struct part part;
    while (p->remove_extra && i < n && (part = next_part(p, text + i, n - i)).n == 1 && part.s[0] == ' ')
        i += part.used;
    if (i == n)
        return;
    if (p->dummy_prefix && !p->suffix)
        add_space(p, out);
    bool after_space = p->remove_extra;
    for (; i < n; i += part.used) {
        part = next_part(p, text + i, n - i);
        struct part shown = part;
        while (after_space && shown.n > 0 && shown.s[0] == ' ') {
            shown.s++;
            shown.n--;
        }
        add_part(p, shown, out);
        if (shown.n > 0)
            after_space = p->remove_extra && shown.s[shown.n - 1] == ' ';
    }
    size_t space = p->escape ? 3 : 1;
    while (p->remove_extra && out->len >= from + space &&
           memcmp(out->data + out->len - space, p->escape ? SPACE : " ", space) == 0)
        out->len -= space;
    if (p->dummy_prefix && p->suffix)
        add_space(p, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/special.h"

#include <stdlib.h>

static uint32_t find_node(const struct lm_special *s, uint32_t first, char byte)
{
    while (first && s->node[first].byte != byte)
        first = s->node[first].next;
    return first;
}

static uint32_t *children(struct lm_special *s, uint32_t at, char byte)
{
    return at ? &s->node[at].child : &s->root[(unsigned char)byte];
}

static int add(struct lm_special *s, const char *text, size_t n, int32_t id, bool strip, struct lm_err *err)
{
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t next = find_node(s, *children(s, at, text[i]), text[i]);
        if (!next) {
            if (s->n == s->cap) {
                struct lm_special_node *grown = realloc(s->node, 2 * (size_t)s->cap * sizeof *grown);
                if (!grown)
                    return lm_fail(err, LM_ENOMEM, "out of memory");
                s->node = grown;
                s->cap *= 2;
            }
            next = s->n++;
            s->node[next] = (struct lm_special_node){.next = *children(s, at, text[i]), .id = -1, .byte = text[i]};
            *children(s, at, text[i]) = next;
        }
        at = next;
    }
    if (at && s->node[at].id < 0) {
        s->node[at].id = id;
        s->node[at].strip = strip;
    }
    return 0;
}

static bool never_strips(const char *text, size_t n)
{
    static const char *const names[] = {"<unk>", "<s>", "<|endoftext|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (n == strlen(names[i]) && memcmp(text, names[i], n) == 0)
            return true;
    return false;
}

int lm_special_init(struct lm_special *s, const struct lm_vocab *v, bool strip, uint32_t user, struct lm_err *err)
{
    s->cap = 1024;
    s->n = 1;
    s->strips = strip;
    s->node = malloc(s->cap * sizeof *s->node);
    if (!s->node)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (int32_t id = 0; id < (int32_t)v->n; id++) {
        if (v->kind[id] != LM_TOKEN_CONTROL && v->kind[id] != LM_TOKEN_USER_DEFINED && v->kind[id] != LM_TOKEN_UNKNOWN)
            continue;
        if (v->kind[id] == LM_TOKEN_USER_DEFINED && (uint32_t)id < user)
            continue;
        size_t n;
        const char *text = lm_vocab_text(v, id, &n);
        int rc = add(s, text, n, id, strip && !never_strips(text, n), err);
        if (rc)
            return rc;
    }
    return 0;
}

void lm_special_fini(struct lm_special *s)
{
    free(s->node);
    s->node = NULL;
}

bool lm_plain_has(const struct lm_plain *p, size_t from, size_t to)
{
    size_t low = 0;
    for (size_t high = p->n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (p->at[mid] < from)
            low = mid + 1;
        else
            high = mid;
    }
    return low < p->n && p->at[low] < to;
}

struct lm_special_hit lm_special_find(const struct lm_special *s, const struct lm_vocab *v, const char *text,
                                      size_t pos, size_t n, bool control, const struct lm_plain *plain)
{
    struct lm_special_hit hit = {n, n, -1, false};
    for (; pos < n && hit.id < 0; pos++) {
        uint32_t at = s->root[(unsigned char)text[pos]];
        bool counts = at && control && !lm_plain_has(plain, pos, pos + 1);
        for (size_t i = pos + 1; at; i++) {
            const struct lm_special_node *node = &s->node[at];
            if (node->id >= 0 && (counts || v->kind[node->id] == LM_TOKEN_USER_DEFINED))
                hit = (struct lm_special_hit){pos, i, node->id, node->strip};
            at = i < n ? find_node(s, node->child, text[i]) : 0;
        }
    }
    return hit;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/said.h"

#include <stdlib.h>

void lm_said_fini(struct lm_said *s)
{
    for (size_t i = 0; i < s->n; i++) {
        lm_bytes_fini(&s->part[i].name);
        lm_bytes_fini(&s->part[i].id);
        lm_bytes_fini(&s->part[i].text);
    }
    free(s->part);
    *s = (struct lm_said){0};
}

bool lm_said_ends_in(const struct lm_said *s, enum lm_said_kind kind)
{
    return s->n && s->part[s->n - 1].kind == kind;
}

static struct lm_said_part *add(struct lm_said *s, enum lm_said_kind kind)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 4;
        struct lm_said_part *more = realloc(s->part, cap * sizeof *more);
        if (!more) {
            s->failed = true;
            return NULL;
        }
        s->part = more;
        s->cap = cap;
    }
    s->part[s->n] = (struct lm_said_part){.kind = kind, .n_call = s->n_call};
    return &s->part[s->n++];
}

static void append(struct lm_said *s, struct lm_bytes *b, const char *text, size_t n)
{
    lm_bytes_add(b, text, n);
    s->failed |= b->failed;
}

void lm_said_text(struct lm_said *s, enum lm_said_kind kind, const char *text, size_t n)
{
    struct lm_said_part *p = n == 0 ? NULL : lm_said_ends_in(s, kind) ? &s->part[s->n - 1] : add(s, kind);
    if (p)
        append(s, &p->text, text, n);
}

void lm_said_open(struct lm_said *s, enum lm_said_kind kind)
{
    add(s, kind);
}

void lm_said_call(struct lm_said *s, const char *name, size_t n, const char *id, size_t n_id)
{
    struct lm_said_part *p = add(s, LM_SAID_CALL);
    if (!p)
        return;
    s->n_call++;
    append(s, &p->name, name, n);
    append(s, &p->id, id, n_id);
}

void lm_said_args(struct lm_said *s, const char *text, size_t n)
{
    if (n && lm_said_ends_in(s, LM_SAID_CALL))
        append(s, &s->part[s->n - 1].text, text, n);
}

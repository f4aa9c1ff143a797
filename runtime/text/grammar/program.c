/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/program.h"

#include <stdlib.h>

/* Sizes and places of the arrays behind the head, in order of alignment. Returns the whole; 0: too large. */
static size_t layout(struct lm_program *p, bool set)
{
    const struct { size_t n, size; } part[] = {
        {p->n_bits, sizeof *p->bits}, {p->n_node, sizeof *p->node}, {p->n_step, sizeof *p->step},
        {p->n_object, sizeof *p->object}, {p->n_repeat, sizeof *p->repeat}, {p->n_edge, sizeof *p->edge},
    };
    size_t at[7] = {(sizeof *p + 15) & ~(size_t)15};
    for (size_t i = 0; i < 6; i++) {
        at[i + 1] = (at[i] + part[i].n * part[i].size + 7) & ~(size_t)7;
        if (part[i].n > LM_PROGRAM_MAX_BYTES || at[i + 1] > LM_PROGRAM_MAX_BYTES)
            return 0;
    }
    if (set) {
        char *base = (char *)p;
        p->bits = (uint64_t *)(base + at[0]);
        p->node = (struct lm_program_node *)(base + at[1]);
        p->step = (struct lm_program_step *)(base + at[2]);
        p->object = (struct lm_program_object *)(base + at[3]);
        p->repeat = (struct lm_program_repeat *)(base + at[4]);
        p->edge = (struct lm_program_edge *)(base + at[5]);
    }
    return at[6];
}

int lm_program_create(const struct lm_program *head, struct lm_program **out, struct lm_err *err)
{
    struct lm_program h = *head;
    size_t n = layout(&h, false);
    if (!n || h.n_node > LM_PROGRAM_MAX_NODES)
        return lm_fail(err, LM_ELIMIT, "the grammar is too large: %u nodes", (unsigned)h.n_node);
    struct lm_program *p = calloc(1, n);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a grammar of %u nodes", (unsigned)h.n_node);
    *p = h;
    p->bytes = n;
    layout(p, true);
    *out = p;
    return 0;
}

void lm_program_destroy(struct lm_program *p)
{
    free(p);
}

void lm_program_seal(struct lm_program *p)
{
    uint64_t hash = 0xcbf29ce484222325u;
    const unsigned char *s = (const unsigned char *)p->bits;
    for (size_t i = 0; i < p->bytes - (size_t)((const char *)s - (const char *)p); i++)
        hash = (hash ^ s[i]) * 0x100000001b3u;
    p->id = hash ^ p->start;
}

static bool bits_fit(const struct lm_program *p, uint32_t at, uint32_t n)
{
    return at <= p->n_bits && n <= p->n_bits - at;
}

static bool node_check(const struct lm_program *p, const struct lm_program_node *n)
{
    if (n->edge > p->n_edge || n->n_edge > p->n_edge - n->edge || n->step > p->n_step || n->n_step > p->n_step - n->step)
        return false;
    if (n->object && (n->object > p->n_object || !bits_fit(p, n->reach, p->object[n->object - 1].n_word)))
        return false;
    for (uint32_t i = 0; i < n->n_edge; i++)
        if (p->edge[n->edge + i].lo > p->edge[n->edge + i].hi || (i && p->edge[n->edge + i].lo <= p->edge[n->edge + i - 1].hi))
            return false;
    return true;
}

static bool step_check(const struct lm_program *p, const struct lm_program_step *s)
{
    if (s->to >= p->n_node || s->op >= LM_STEP_END)
        return false;
    if (s->op == LM_STEP_CALL)
        return s->arg < p->n_node;
    if (s->op == LM_STEP_LOOP || s->op == LM_STEP_EXIT || s->op == LM_STEP_INC)
        return s->arg < p->n_repeat;
    if (s->op == LM_STEP_KEY)
        return s->arg < p->n_object && s->class < p->object[s->arg].n_class;
    return s->op == LM_STEP_JUMP || s->arg < p->n_object;
}

static bool check(const struct lm_program *p)
{
    bool ok = p->start < p->n_node;
    for (uint32_t i = 0; ok && i < p->n_object; i++) {
        const struct lm_program_object *o = &p->object[i];
        ok = o->n_declared <= o->n_class && o->n_word == o->n_class / 64 + (o->n_class % 64 != 0) &&
             bits_fit(p, o->possible, o->n_word) && bits_fit(p, o->required, o->n_word);
    }
    for (uint32_t i = 0; ok && i < p->n_node; i++)
        ok = node_check(p, &p->node[i]);
    for (uint32_t i = 0; ok && i < p->n_edge; i++)
        ok = p->edge[i].to < p->n_node;
    for (uint32_t i = 0; ok && i < p->n_step; i++)
        ok = step_check(p, &p->step[i]);
    return ok;
}

int lm_program_read(const void *data, size_t n, struct lm_program **out, struct lm_err *err)
{
    struct lm_program head, *p;
    if (n < sizeof head)
        return lm_fail(err, LM_EFORMAT, "grammar of %zu bytes", n);
    memcpy(&head, data, sizeof head);
    if (head.n_node > LM_PROGRAM_MAX_NODES || head.bytes != n || layout(&head, false) != n)
        return lm_fail(err, LM_EFORMAT, "grammar whose counts do not make %zu bytes", n);
    if (!(p = malloc(n)))
        return lm_fail(err, LM_ENOMEM, "no memory for a grammar of %zu bytes", n);
    memcpy(p, data, n);
    layout(p, true);
    if (!check(p)) {
        free(p);
        return lm_fail(err, LM_EFORMAT, "grammar with an index out of range");
    }
    *out = p;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/threads.h"

#include <stdlib.h>

static void visit(struct lm_frames *p, struct lm_thread t)
{
    for (size_t i = 0; i < p->n_visit; i++)
        if (p->visit[i].node == t.node && p->visit[i].reg == t.reg && p->visit[i].frame == t.frame)
            return;
    if (p->n_visit < LM_THREADS_MAX)
        p->visit[p->n_visit++] = t;
}

static void exit_add(struct lm_frames *p, uint32_t step)
{
    for (size_t i = 0; i < p->n_exit; i++)
        if (p->exit[i].step == step)
            return;
    if (p->n_exit < sizeof p->exit / sizeof *p->exit)
        p->exit[p->n_exit++].step = step;
}

static void call(struct lm_frames *p, struct lm_thread t, const struct lm_program_step *s)
{
    const struct lm_program_node *back = &p->program->node[s->to];
    if (back->accept && back->n_edge == 0 && back->n_step == 0) {
        visit(p, (struct lm_thread){s->arg, 0, t.frame});
        return;
    }
    if (p->frame[t.frame].depth + p->base >= LM_STACK_MAX)
        return;
    uint32_t frame = lm_frames_add(p, s->to, t.reg, t.frame);
    if (!p->failed)
        visit(p, (struct lm_thread){s->arg, 0, frame});
}

static void key(struct lm_frames *p, struct lm_thread t, uint32_t step)
{
    const struct lm_program_step *s = &p->program->step[step];
    const struct lm_object_reg *r = lm_frames_reg(p, s->arg, t.reg);
    uint32_t n_word = p->program->object[s->arg].n_word;
    if (!(p->bits[r->bits + n_word + s->class / 64] >> s->class % 64 & 1))
        return;
    if (p->policy == LM_KEY_EXIT) {
        exit_add(p, step);
        return;
    }
    if (s->class >= p->program->object[s->arg].n_declared && (p->policy == LM_KEY_EXACT ? p->dup : r->count > 0))
        return;
    visit(p, lm_threads_key(p, t, step));
}

static bool any_allowed(const struct lm_frames *p, uint32_t object, uint32_t reg)
{
    const struct lm_object_reg *r = lm_frames_reg(p, object, reg);
    uint32_t n_word = p->program->object[object].n_word;
    for (uint32_t i = 0; i < n_word; i++)
        if (p->bits[r->bits + n_word + i])
            return true;
    return false;
}

static void take_step(struct lm_frames *p, struct lm_thread t, uint32_t step)
{
    const struct lm_program_step *s = &p->program->step[step];
    const struct lm_program_repeat *r = p->program->repeat;
    struct lm_thread to = {s->to, t.reg, t.frame};
    switch (s->op) {
    case LM_STEP_CALL:
        call(p, t, s);
        return;
    case LM_STEP_LOOP:
        if (r[s->arg].max == UINT32_MAX || t.reg < r[s->arg].max)
            visit(p, to);
        return;
    case LM_STEP_EXIT:
        if (t.reg >= r[s->arg].min)
            visit(p, to);
        return;
    case LM_STEP_INC:
        if (r[s->arg].max != UINT32_MAX || t.reg < r[s->arg].min)
            to.reg++;
        visit(p, to);
        return;
    case LM_STEP_MORE:
        if (any_allowed(p, s->arg, t.reg))
            visit(p, to);
        return;
    case LM_STEP_CLOSE:
        if (lm_frames_reg(p, s->arg, t.reg)->closable)
            visit(p, to);
        return;
    case LM_STEP_KEY:
        key(p, t, step);
        return;
    default:
        visit(p, to);
    }
}

static void pop(struct lm_frames *p, struct lm_thread t, struct lm_threads *out)
{
    if (t.frame == LM_FRAME_ROOT) {
        out->accept = true;
    } else if (t.frame == LM_FRAME_BOTTOM) {
        exit_add(p, LM_EXIT_POP);
    } else {
        const struct lm_frame *f = &p->frame[t.frame];
        visit(p, (struct lm_thread){f->node, f->reg, f->parent});
    }
}

static void out_add(struct lm_frames *p, struct lm_threads *out, struct lm_thread t)
{
    if (out->n == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 8;
        struct lm_thread *more = realloc(out->t, cap * sizeof *more);
        if (!more) {
            p->failed = true;
            return;
        }
        out->t = more;
        out->cap = cap;
    }
    out->t[out->n++] = t;
}

/* All that is visited, and what it leads to without a byte. */
static void close_all(struct lm_frames *p, struct lm_threads *out)
{
    for (size_t i = 0; i < p->n_visit && !p->failed; i++) {
        struct lm_thread t = p->visit[i];
        const struct lm_program_node *n = &p->program->node[t.node];
        if (n->n_edge)
            out_add(p, out, t);
        for (uint32_t k = 0; k < n->n_step; k++)
            take_step(p, t, n->step + k);
        if (n->accept)
            pop(p, t, out);
    }
}

/* Inside a key: some class that the node leads to is still allowed. */
static bool key_goes_on(const struct lm_frames *p, const struct lm_program_node *n, uint32_t reg)
{
    const struct lm_object_reg *r = lm_frames_reg(p, n->object - 1, reg);
    uint32_t n_word = p->program->object[n->object - 1].n_word;
    for (uint32_t i = 0; i < n_word; i++)
        if (p->bits[r->bits + n_word + i] & p->program->bits[n->reach + i])
            return true;
    return false;
}

static const struct lm_program_edge *find_edge(const struct lm_program *g, const struct lm_program_node *n, uint8_t c)
{
    const struct lm_program_edge *e = g->edge + n->edge;
    uint32_t lo = 0, hi = n->n_edge;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (e[mid].hi < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n->n_edge && e[lo].lo <= c ? &e[lo] : NULL;
}

static void begin(struct lm_frames *p, struct lm_threads *out)
{
    p->n_visit = p->n_exit = 0;
    out->n = 0;
    out->accept = false;
}

void lm_threads_step(struct lm_frames *p, const struct lm_thread *in, size_t n, uint8_t c, struct lm_threads *out)
{
    const struct lm_program *g = p->program;
    bool plain = true;
    begin(p, out);
    for (size_t i = 0; i < n; i++) {
        const struct lm_program_edge *e = find_edge(g, &g->node[in[i].node], c);
        const struct lm_program_node *to = e ? &g->node[e->to] : NULL;
        if (!to || (to->object && !key_goes_on(p, to, in[i].reg)))
            continue;
        if (p->policy == LM_KEY_FIRST && p->tail[e->to] && lm_frames_reg(p, to->object - 1, in[i].reg)->count > 0)
            continue;
        plain = plain && to->n_step == 0 && !to->accept;
        visit(p, (struct lm_thread){e->to, in[i].reg, in[i].frame});
    }
    if (plain)
        for (size_t i = 0; i < p->n_visit; i++)
            out_add(p, out, p->visit[i]);
    else
        close_all(p, out);
}

void lm_threads_close(struct lm_frames *p, struct lm_thread t, struct lm_threads *out)
{
    begin(p, out);
    visit(p, t);
    close_all(p, out);
}

void lm_threads_begin(struct lm_frames *p, struct lm_threads *out)
{
    lm_threads_close(p, (struct lm_thread){p->program->start, 0, LM_FRAME_ROOT}, out);
}

void lm_threads_fini(struct lm_threads *set)
{
    free(set->t);
    *set = (struct lm_threads){0};
}

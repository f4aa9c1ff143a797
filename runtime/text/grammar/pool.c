/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/threads.h"

#include <stdlib.h>

static bool grow(struct lm_frames *p, void **array, size_t *cap, size_t n, size_t size)
{
    if (n <= *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 256;
    while (more < n)
        more *= 2;
    void *at = realloc(*array, more * size);
    if (!at) {
        p->failed = true;
        return false;
    }
    *array = at;
    *cap = more;
    return true;
}

static size_t frame_hash(uint32_t node, uint32_t reg, uint32_t parent)
{
    uint64_t h = ((uint64_t)node << 32 | parent) * 0x9e3779b97f4a7c15u;
    h = (h ^ reg) * 0xbf58476d1ce4e5b9u;
    return h >> 24;
}

static bool frame_slots(struct lm_frames *p)
{
    if (p->n_frame * 2 < p->n_frame_slot)
        return true;
    size_t n = p->n_frame_slot ? p->n_frame_slot * 2 : 1024;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        p->failed = true;
        return false;
    }
    for (size_t i = 2; i < p->n_frame; i++) {
        size_t at = frame_hash(p->frame[i].node, p->frame[i].reg, p->frame[i].parent) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i;
    }
    free(p->frame_slot);
    p->frame_slot = slot;
    p->n_frame_slot = n;
    return true;
}

uint32_t lm_frames_add(struct lm_frames *p, uint32_t node, uint32_t reg, uint32_t parent)
{
    if (!frame_slots(p))
        return LM_FRAME_ROOT;
    size_t at = frame_hash(node, reg, parent) & (p->n_frame_slot - 1);
    for (; p->frame_slot[at]; at = (at + 1) & (p->n_frame_slot - 1)) {
        const struct lm_frame *f = &p->frame[p->frame_slot[at]];
        if (f->node == node && f->reg == reg && f->parent == parent)
            return p->frame_slot[at];
    }
    if (!grow(p, (void **)&p->frame, &p->cap_frame, p->n_frame + 1, sizeof *p->frame))
        return LM_FRAME_ROOT;
    p->frame[p->n_frame] = (struct lm_frame){node, reg, parent, p->frame[parent].depth + 1};
    p->frame_slot[at] = (uint32_t)p->n_frame;
    return (uint32_t)p->n_frame++;
}

static size_t reg_hash(const struct lm_frames *p, const struct lm_object_reg *r, const uint64_t *bits)
{
    uint64_t h = (uint64_t)r->object << 32 | r->count << 1 | r->masked;
    for (uint32_t i = 0; i < 2 * p->program->object[r->object].n_word; i++)
        h = (h ^ bits[i]) * 0x9e3779b97f4a7c15u;
    return (h * 0xbf58476d1ce4e5b9u) >> 24;
}

static bool reg_slots(struct lm_frames *p)
{
    if (p->n_reg * 2 < p->n_reg_slot)
        return true;
    size_t n = p->n_reg_slot ? p->n_reg_slot * 2 : 256;
    while (n <= p->n_reg * 2)
        n *= 2;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        p->failed = true;
        return false;
    }
    for (size_t i = 0; i < p->n_reg; i++) {
        size_t at = reg_hash(p, &p->reg[i], p->bits + p->reg[i].bits) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(p->reg_slot);
    p->reg_slot = slot;
    p->n_reg_slot = n;
    return true;
}

/* The number of a register with p->scratch as bits. */
static uint32_t reg_find(struct lm_frames *p, struct lm_object_reg r)
{
    size_t n = 2 * (size_t)p->program->object[r.object].n_word;
    if (!reg_slots(p))
        return 0;
    size_t at = reg_hash(p, &r, p->scratch) & (p->n_reg_slot - 1);
    for (; p->reg_slot[at]; at = (at + 1) & (p->n_reg_slot - 1)) {
        const struct lm_object_reg *x = &p->reg[p->reg_slot[at] - 1];
        if (x->object == r.object && x->count == r.count && x->masked == r.masked &&
            memcmp(p->bits + x->bits, p->scratch, n * sizeof *p->bits) == 0)
            return p->reg_slot[at];
    }
    if (!grow(p, (void **)&p->reg, &p->cap_reg, p->n_reg + 1, sizeof *p->reg) ||
        !grow(p, (void **)&p->bits, &p->cap_bits, p->n_bits + n, sizeof *p->bits))
        return 0;
    r.bits = (uint32_t)p->n_bits;
    memcpy(p->bits + p->n_bits, p->scratch, n * sizeof *p->bits);
    p->n_bits += n;
    p->reg[p->n_reg] = r;
    p->reg_slot[at] = (uint32_t)++p->n_reg;
    return (uint32_t)p->n_reg;
}

const struct lm_object_reg *lm_frames_reg(const struct lm_frames *p, uint32_t object, uint32_t reg)
{
    return &p->reg[reg && reg <= p->n_reg && p->reg[reg - 1].object == object ? reg - 1 : object];
}

/* From what was seen (in scratch) to what is allowed, and whether the object may end. */
static void reg_fill(const struct lm_frames *p, struct lm_object_reg *r)
{
    const struct lm_program_object *o = &p->program->object[r->object];
    const uint64_t *possible = p->program->bits + o->possible, *required = p->program->bits + o->required;
    uint64_t *seen = p->scratch, *allowed = p->scratch + o->n_word;
    uint32_t missing = 0;
    for (uint32_t i = 0; i < o->n_word; i++)
        missing += (uint32_t)__builtin_popcountll(required[i] & ~seen[i]);
    uint32_t room = o->max == UINT32_MAX ? UINT32_MAX : o->max > r->count ? o->max - r->count : 0;
    for (uint32_t i = 0; i < o->n_word; i++) {
        allowed[i] = possible[i] & ~seen[i];
        if (room <= missing)
            allowed[i] &= required[i];
        if (room == 0)
            allowed[i] = 0;
    }
    r->closable = missing == 0 && r->count >= o->min;
}

/* One member of a class more. */
static uint32_t reg_add(struct lm_frames *p, uint32_t object, uint32_t reg, uint32_t class)
{
    const struct lm_program_object *o = &p->program->object[object];
    const struct lm_object_reg *old = lm_frames_reg(p, object, reg);
    struct lm_object_reg r = {.object = object};
    uint32_t most = o->max != UINT32_MAX ? o->max : o->min ? o->min : 1;
    r.count = old->count < most ? old->count + 1 : most;
    memcpy(p->scratch, p->bits + old->bits, o->n_word * sizeof *p->scratch);
    if (class < o->n_declared)
        p->scratch[class / 64] |= (uint64_t)1 << class % 64;
    reg_fill(p, &r);
    return reg_find(p, r);
}

uint32_t lm_frames_mask(struct lm_frames *p, uint32_t node, uint32_t reg)
{
    const struct lm_program_node *n = &p->program->node[node];
    const struct lm_program_object *o = &p->program->object[n->object - 1];
    const struct lm_object_reg *old = lm_frames_reg(p, n->object - 1, reg);
    struct lm_object_reg r = {.object = n->object - 1, .masked = true};
    for (uint32_t i = 0; i < o->n_word; i++) {
        p->scratch[i] = 0;
        p->scratch[o->n_word + i] = p->bits[old->bits + o->n_word + i] & p->program->bits[n->reach + i];
    }
    return reg_find(p, r);
}

struct lm_thread lm_threads_key(struct lm_frames *p, struct lm_thread t, uint32_t step)
{
    const struct lm_program_step *s = &p->program->step[step];
    return (struct lm_thread){s->to, reg_add(p, s->arg, t.reg, s->class), t.frame};
}

/* What registers mean at each node: passed back from the steps that read them. */
static void find_repeats(struct lm_frames *p)
{
    const struct lm_program *g = p->program;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = g->n_node; i-- > 0;) {
            const struct lm_program_node *n = &g->node[i];
            uint32_t r = 0;
            for (uint32_t k = 0; k < n->n_step && !r; k++) {
                const struct lm_program_step *s = &g->step[n->step + k];
                if (s->op == LM_STEP_LOOP || s->op == LM_STEP_EXIT || s->op == LM_STEP_INC)
                    r = s->arg + 1;
                else
                    r = s->op >= LM_STEP_MORE ? UINT32_MAX : p->repeat[s->to];
            }
            for (uint32_t k = 0; k < n->n_edge && !r; k++)
                r = p->repeat[g->edge[n->edge + k].to];
            changed |= r && !p->repeat[i];
            p->repeat[i] = p->repeat[i] ? p->repeat[i] : r;
        }
    }
}

enum { TAIL_MANY = 1 << 20 };

static uint32_t count_tail(const struct lm_frames *p, const struct lm_program_node *n)
{
    const struct lm_program *g = p->program;
    uint64_t sum = 0;
    for (uint32_t k = 0; k < n->n_step; k++)
        sum += g->step[n->step + k].op == LM_STEP_KEY;
    for (uint32_t k = 0; k < n->n_edge && sum < TAIL_MANY; k++)
        sum += (uint64_t)(g->edge[n->edge + k].hi - g->edge[n->edge + k].lo + 1) * p->tail[g->edge[n->edge + k].to];
    return sum < TAIL_MANY ? (uint32_t)sum : TAIL_MANY;
}

static bool reaches_undeclared(const struct lm_program *g, const struct lm_program_node *n)
{
    const struct lm_program_object *o = &g->object[n->object - 1];
    for (uint32_t c = o->n_declared; c < o->n_class; c++)
        if (g->bits[n->reach + c / 64] >> c % 64 & 1)
            return true;
    return false;
}

/* Texts that may follow in a key; a loop makes them many. */
static void find_tails(struct lm_frames *p)
{
    const struct lm_program *g = p->program;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = g->n_node; i-- > 0;) {
            uint32_t n = g->node[i].object ? count_tail(p, &g->node[i]) : 0;
            changed |= n != p->tail[i];
            p->tail[i] = n;
        }
    }
    for (size_t i = 0; i < g->n_node; i++) {
        const struct lm_program_node *n = &g->node[i];
        if (!n->object || p->tail[i] == TAIL_MANY || n->n_step || !reaches_undeclared(g, n))
            p->tail[i] = 0;
        if (p->tail[i])
            p->has_tail[n->object - 1] = true;
    }
}

static void first_regs(struct lm_frames *p)
{
    for (uint32_t i = 0; i < p->program->n_object && !p->failed; i++) {
        struct lm_object_reg r = {.object = i};
        memset(p->scratch, 0, p->program->object[i].n_word * sizeof *p->scratch);
        reg_fill(p, &r);
        reg_find(p, r);
    }
}

int lm_frames_create(const struct lm_program *program, struct lm_frames **out, struct lm_err *err)
{
    struct lm_frames *p = calloc(1, sizeof *p);
    size_t words = 1;
    for (uint32_t i = 0; i < program->n_object; i++)
        words = program->object[i].n_word > words ? program->object[i].n_word : words;
    if (p) {
        p->program = program;
        p->repeat = calloc(program->n_node, sizeof *p->repeat);
        p->visit = malloc(LM_THREADS_MAX * sizeof *p->visit);
        p->scratch = calloc(2 * words, sizeof *p->scratch);
        p->tail = calloc(program->n_node, sizeof *p->tail);
        p->has_tail = calloc(program->n_object + 1u, sizeof *p->has_tail);
    }
    if (!p || !p->tail || !p->has_tail || !p->repeat || !p->visit || !p->scratch || !grow(p, (void **)&p->frame, &p->cap_frame, 2, sizeof *p->frame) ||
        !grow(p, (void **)&p->bits, &p->cap_bits, 1, sizeof *p->bits)) {
        lm_frames_destroy(p);
        return lm_fail(err, LM_ENOMEM, "no memory to run a grammar");
    }
    memset(p->frame, 0, 2 * sizeof *p->frame);
    p->n_frame = 2;
    find_repeats(p);
    find_tails(p);
    first_regs(p);
    if (p->failed) {
        lm_frames_destroy(p);
        return lm_fail(err, LM_ENOMEM, "no memory to run a grammar");
    }
    *out = p;
    return 0;
}

void lm_frames_destroy(struct lm_frames *p)
{
    if (!p)
        return;
    free(p->frame);
    free(p->frame_slot);
    free(p->reg);
    free(p->reg_slot);
    free(p->bits);
    free(p->scratch);
    free(p->repeat);
    free(p->tail);
    free(p->has_tail);
    free(p->visit);
    free(p);
}

size_t lm_frames_bytes(const struct lm_frames *p)
{
    return p->cap_frame * sizeof *p->frame + p->cap_reg * sizeof *p->reg + p->cap_bits * sizeof *p->bits +
           (p->n_frame_slot + p->n_reg_slot + 2 * (size_t)p->program->n_node) * sizeof(uint32_t);
}

/* Number kept things anew: [i] of keep becomes the new index + 1. */
static size_t renumber(uint32_t *keep, size_t first, size_t n)
{
    size_t to = first;
    for (size_t i = first; i < n; i++)
        keep[i] = keep[i] ? (uint32_t)++to : 0;
    return to;
}

static void keep_reg(const struct lm_frames *p, uint32_t *keep, uint32_t node, uint32_t reg)
{
    if (reg && p->repeat[node] == UINT32_MAX)
        keep[reg - 1] = 1;
}

static uint32_t new_reg(const struct lm_frames *p, const uint32_t *keep, uint32_t node, uint32_t reg)
{
    return reg && p->repeat[node] == UINT32_MAX ? keep[reg - 1] : reg;
}

static void move_regs(struct lm_frames *p, const uint32_t *keep, size_t first)
{
    size_t n_bits = 0, to = 0;
    for (size_t i = 0; i < p->n_reg; i++) {
        size_t n = 2 * (size_t)p->program->object[p->reg[i].object].n_word;
        if (i >= first && !keep[i])
            continue;
        memmove(p->bits + n_bits, p->bits + p->reg[i].bits, n * sizeof *p->bits);
        p->reg[to] = p->reg[i];
        p->reg[to++].bits = (uint32_t)n_bits;
        n_bits += n;
    }
    p->n_reg = to;
    p->n_bits = n_bits;
}

static void move_frames(struct lm_frames *p, const uint32_t *keep, const uint32_t *keep_regs)
{
    size_t to = 2;
    for (size_t i = 2; i < p->n_frame; i++) {
        struct lm_frame f = p->frame[i];
        if (!keep[i])
            continue;
        f.reg = new_reg(p, keep_regs, f.node, f.reg);
        f.parent = f.parent < 2 ? f.parent : keep[f.parent] - 1;
        p->frame[to++] = f;
    }
    p->n_frame = to;
}

void lm_frames_collect(struct lm_frames *p, struct lm_threads *const *set, size_t n)
{
    uint32_t *frames = calloc(p->n_frame + 1, sizeof *frames), *regs = calloc(p->n_reg + 1, sizeof *regs);
    size_t first = p->program->n_object;
    if (!frames || !regs) {
        p->failed = true;
        free(frames);
        free(regs);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < set[i]->n; k++) {
            frames[set[i]->t[k].frame] = 1;
            keep_reg(p, regs, set[i]->t[k].node, set[i]->t[k].reg);
        }
    for (size_t i = p->n_frame; i-- > 2;)
        if (frames[i]) {
            frames[p->frame[i].parent] = 1;
            keep_reg(p, regs, p->frame[i].node, p->frame[i].reg);
        }
    for (size_t i = 0; i < first; i++)
        regs[i] = (uint32_t)i + 1;
    renumber(frames, 2, p->n_frame);
    renumber(regs, first, p->n_reg);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < set[i]->n; k++) {
            struct lm_thread *t = &set[i]->t[k];
            t->reg = new_reg(p, regs, t->node, t->reg);
            t->frame = t->frame < 2 ? t->frame : frames[t->frame] - 1;
        }
    move_frames(p, frames, regs);
    move_regs(p, regs, first);
    free(frames);
    free(regs);
    free(p->frame_slot);
    free(p->reg_slot);
    p->frame_slot = p->reg_slot = NULL;
    p->n_frame_slot = p->n_reg_slot = 0;
    while (!p->failed && (p->n_frame * 2 >= p->n_frame_slot))
        frame_slots(p);
    reg_slots(p);
}

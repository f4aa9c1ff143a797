/* SPDX-License-Identifier: Apache-2.0 */
/* From the builder's rules to a program: what can end stays. */
#include "runtime/text/grammar/dfa.h"

#include <stdlib.h>

struct finish {
    struct lm_dfa d;
    struct lm_builder *b;
    bool *good;       /* [n_node] can end */
    bool *rule_good;  /* [n_rule] */
    uint32_t *number; /* [n_node] in the program; LM_DFA_NONE: left out */
    uint32_t *order;  /* [n_order] nodes by number */
    size_t n_order;
    uint32_t *reach;  /* [n_node] offset in bits + 1 of nodes inside keys */
    uint32_t *object; /* [n_node] their object + 1 */
    uint64_t *bits;
    size_t n_bits, cap_bits;
};

static bool step_good(const struct finish *f, const struct lm_program_step *s)
{
    return f->good[s->to] && (s->op != LM_STEP_CALL || f->rule_good[s->arg]);
}

static bool node_good(const struct finish *f, const struct lm_dfa_node *n)
{
    bool good = n->accept;
    for (uint32_t i = 0; !good && i < n->n_edge; i++)
        good = f->good[f->d.edge[n->edge + i].to];
    for (uint32_t i = 0; !good && i < n->n_step; i++)
        good = step_good(f, &f->d.step[n->step + i]);
    return good;
}

static bool object_good(const struct finish *f, const struct lm_builder_object *o)
{
    uint64_t n = 0, n_required = 0;
    for (uint32_t c = 0; c < o->n_class; c++) {
        bool good = f->rule_good[o->value[c]];
        if (o->required[c] && !good)
            return false;
        n_required += o->required[c];
        n += !good ? 0 : c < o->n_declared ? 1 : UINT32_MAX;
    }
    return n >= o->min && n_required <= o->max && o->min <= o->max;
}

static bool rule_can(const struct finish *f, uint32_t r)
{
    const struct lm_builder_rule *rule = &f->b->rule[r];
    bool good = f->good[f->d.start[r]];
    for (uint32_t i = rule->need; good && i; i = f->b->need[i - 1].next)
        good = f->rule_good[f->b->need[i - 1].rule];
    return good && (!rule->object || object_good(f, &f->b->object[rule->object - 1]));
}

static void find_good(struct finish *f)
{
    bool changed = true;
    while (changed && lm_builder_spend(f->b, f->d.n_node / 2 + 1)) {
        changed = false;
        for (size_t i = f->d.n_node; i-- > 0;)
            if (!f->good[i] && node_good(f, &f->d.node[i]))
                changed = f->good[i] = true;
        for (size_t i = f->d.n_queue; i-- > 0;)
            if (!f->rule_good[f->d.queue[i]] && rule_can(f, f->d.queue[i]))
                changed = f->rule_good[f->d.queue[i]] = true;
    }
}

static void number_node(struct finish *f, uint32_t node)
{
    if (f->number[node] != LM_DFA_NONE)
        return;
    f->number[node] = (uint32_t)f->n_order;
    f->order[f->n_order++] = node;
}

static void number_all(struct finish *f, uint32_t root)
{
    number_node(f, f->d.start[root]);
    for (size_t i = 0; i < f->n_order; i++) {
        const struct lm_dfa_node *n = &f->d.node[f->order[i]];
        for (uint32_t k = 0; k < n->n_edge; k++)
            if (f->good[f->d.edge[n->edge + k].to])
                number_node(f, f->d.edge[n->edge + k].to);
        for (uint32_t k = 0; k < n->n_step; k++) {
            const struct lm_program_step *s = &f->d.step[n->step + k];
            if (!step_good(f, s))
                continue;
            if (s->op == LM_STEP_CALL)
                number_node(f, f->d.start[s->arg]);
            number_node(f, s->to);
        }
    }
}

static uint32_t n_word(const struct lm_builder_object *o)
{
    return o->n_class / 64 + (o->n_class % 64 != 0);
}

static uint32_t bits_take(struct finish *f, uint32_t n)
{
    size_t at = f->n_bits;
    for (uint32_t i = 0; i < n; i++) {
        if (!lm_builder_grow(f->b, (void **)&f->bits, &f->cap_bits, f->n_bits, sizeof *f->bits))
            return 0;
        f->bits[f->n_bits++] = 0;
    }
    return (uint32_t)at;
}

/* Join the classes of `object` in bits[from] to those of a node. Returns whether that was news. */
static bool reach_join(struct finish *f, uint32_t node, uint32_t object, const uint64_t *from)
{
    const struct lm_builder_object *o = &f->b->object[object];
    bool news = !f->reach[node];
    if (news) {
        f->reach[node] = bits_take(f, n_word(o)) + 1;
        f->object[node] = object + 1;
    }
    for (uint32_t i = 0; i < n_word(o) && !f->b->rc; i++) {
        uint64_t *at = &f->bits[f->reach[node] - 1 + i];
        news |= (from[i] & ~*at) != 0;
        *at |= from[i];
    }
    return news;
}

static bool reach_of_node(struct finish *f, uint32_t node, uint64_t *scratch)
{
    const struct lm_dfa_node *n = &f->d.node[node];
    bool news = false;
    for (uint32_t k = 0; k < n->n_step; k++) {
        const struct lm_program_step *s = &f->d.step[n->step + k];
        if (s->op != LM_STEP_KEY || !step_good(f, s))
            continue;
        memset(scratch, 0, n_word(&f->b->object[s->arg]) * sizeof *scratch);
        scratch[s->class / 64] |= (uint64_t)1 << s->class % 64;
        news |= reach_join(f, node, s->arg, scratch);
    }
    for (uint32_t k = 0; k < n->n_edge; k++) {
        uint32_t to = f->d.edge[n->edge + k].to;
        if (!f->reach[to] || to == node)
            continue;
        memcpy(scratch, f->bits + f->reach[to] - 1, n_word(&f->b->object[f->object[to] - 1]) * sizeof *scratch);
        news |= reach_join(f, node, f->object[to] - 1, scratch);
    }
    return news;
}

static void find_reach(struct finish *f)
{
    uint32_t most = 1;
    for (size_t i = 0; i < f->b->n_object; i++)
        most = n_word(&f->b->object[i]) > most ? n_word(&f->b->object[i]) : most;
    uint64_t *scratch = malloc(most * sizeof *scratch);
    if (!scratch)
        f->b->rc = lm_fail(f->b->err, LM_ENOMEM, "no memory for a grammar");
    bool changed = f->b->n_object > 0;
    while (changed && lm_builder_spend(f->b, f->n_order)) {
        changed = false;
        for (size_t i = f->n_order; i-- > 0 && !f->b->rc;)
            changed |= reach_of_node(f, f->order[i], scratch);
    }
    free(scratch);
}

/* Calls that a rule makes before any byte: no rule may come back to itself that way. */
struct eager { uint32_t from, to; };

static bool node_null(const struct finish *f, const bool *null, const bool *rule_null, const struct lm_dfa_node *n)
{
    bool yes = n->accept;
    for (uint32_t i = 0; !yes && i < n->n_step; i++) {
        const struct lm_program_step *s = &f->d.step[n->step + i];
        yes = null[s->to] && (s->op != LM_STEP_CALL || rule_null[s->arg]);
    }
    return yes;
}

static void find_null(struct finish *f, bool *null, bool *rule_null)
{
    bool changed = true;
    while (changed && lm_builder_spend(f->b, f->d.n_node)) {
        changed = false;
        for (size_t i = f->d.n_node; i-- > 0;)
            if (!null[i] && node_null(f, null, rule_null, &f->d.node[i]))
                changed = null[i] = true;
        for (size_t i = 0; i < f->d.n_queue; i++)
            if (!rule_null[f->d.queue[i]] && null[f->d.start[f->d.queue[i]]])
                changed = rule_null[f->d.queue[i]] = true;
    }
}

/* Eager calls of one rule: reach[] is scratch of nodes. */
static void eager_of_rule(struct finish *f, uint32_t rule, const bool *rule_null, uint32_t *seen, uint32_t *stack, struct eager **out,
                          size_t *n, size_t *cap)
{
    size_t top = 0;
    stack[top++] = f->d.start[rule];
    seen[f->d.start[rule]] = rule + 1;
    while (top) {
        const struct lm_dfa_node *node = &f->d.node[stack[--top]];
        for (uint32_t i = 0; i < node->n_step; i++) {
            const struct lm_program_step *s = &f->d.step[node->step + i];
            if (s->op == LM_STEP_CALL) {
                if (!lm_builder_grow(f->b, (void **)out, cap, *n, sizeof **out))
                    return;
                (*out)[(*n)++] = (struct eager){rule, s->arg};
            }
            if ((s->op == LM_STEP_CALL && !rule_null[s->arg]) || seen[s->to] == rule + 1)
                continue;
            seen[s->to] = rule + 1;
            stack[top++] = s->to;
        }
    }
}

/* Take away rules that nothing left calls, until none can be taken: what remains calls itself. */
static bool has_cycle(struct finish *f, const struct eager *e, size_t n)
{
    uint32_t *callers = calloc(f->b->n_rule + 1, sizeof *callers), *ready = malloc((f->b->n_rule + 1) * sizeof *ready);
    uint32_t *head = calloc(f->b->n_rule + 1, sizeof *head), *next = malloc((n + 1) * sizeof *next);
    size_t n_ready = 0, done = 0;
    if (!callers || !ready || !head || !next)
        f->b->rc = lm_fail(f->b->err, LM_ENOMEM, "no memory for a grammar");
    for (size_t i = 0; i < n && !f->b->rc; i++) {
        callers[e[i].to]++;
        next[i] = head[e[i].from];
        head[e[i].from] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < f->b->n_rule && !f->b->rc; i++)
        if (!callers[i])
            ready[n_ready++] = (uint32_t)i;
    for (; done < n_ready; done++)
        for (uint32_t i = head[ready[done]]; i; i = next[i - 1])
            if (--callers[e[i - 1].to] == 0)
                ready[n_ready++] = e[i - 1].to;
    free(callers);
    free(ready);
    free(head);
    free(next);
    return done < f->b->n_rule;
}

static void check_left_recursion(struct finish *f)
{
    size_t n_node = f->d.n_node, n = 0, cap = 0;
    bool *null = calloc(n_node + f->b->n_rule, sizeof *null);
    uint32_t *seen = calloc(n_node, sizeof *seen), *stack = malloc(n_node * sizeof *stack);
    struct eager *e = NULL;
    if (!null || !seen || !stack)
        f->b->rc = lm_fail(f->b->err, LM_ENOMEM, "no memory for a grammar");
    if (!f->b->rc)
        find_null(f, null, null + n_node);
    for (size_t i = 0; i < f->d.n_queue && !f->b->rc; i++)
        eager_of_rule(f, f->d.queue[i], null + n_node, seen, stack, &e, &n, &cap);
    if (!f->b->rc && has_cycle(f, e, n) && !f->b->rc)
        f->b->rc = lm_fail(f->b->err, LM_EINVAL, "the grammar is left-recursive: a rule begins with itself");
    free(null);
    free(seen);
    free(stack);
    free(e);
}

static void pack_node(const struct finish *f, struct lm_program *p, uint32_t number)
{
    const struct lm_dfa_node *from = &f->d.node[f->order[number]];
    struct lm_program_node *to = &p->node[number];
    *to = (struct lm_program_node){.edge = p->n_edge, .step = p->n_step, .accept = from->accept, .outside = from->outside};
    if (f->reach[f->order[number]]) {
        to->object = f->object[f->order[number]];
        to->reach = f->reach[f->order[number]] - 1;
    }
    for (uint32_t k = 0; k < from->n_edge; k++) {
        struct lm_program_edge e = f->d.edge[from->edge + k];
        if (f->good[e.to])
            p->edge[p->n_edge++] = (struct lm_program_edge){.lo = e.lo, .hi = e.hi, .to = f->number[e.to]};
    }
    for (uint32_t k = 0; k < from->n_step; k++) {
        struct lm_program_step s = f->d.step[from->step + k];
        if (!step_good(f, &s))
            continue;
        s.to = f->number[s.to];
        s.arg = s.op == LM_STEP_CALL ? f->number[f->d.start[s.arg]] : s.arg;
        p->step[p->n_step++] = s;
    }
    to->n_edge = (uint16_t)(p->n_edge - to->edge);
    to->n_step = (uint16_t)(p->n_step - to->step);
}

static void pack_object(const struct finish *f, struct lm_program *p, uint32_t i, uint32_t bits)
{
    const struct lm_builder_object *o = &f->b->object[i];
    p->object[i] = (struct lm_program_object){
        .n_class = o->n_class, .n_declared = o->n_declared, .min = o->min, .max = o->max, .n_word = n_word(o),
        .possible = bits, .required = bits + n_word(o),
    };
    for (uint32_t c = 0; c < o->n_class; c++) {
        uint64_t bit = (uint64_t)1 << c % 64;
        p->bits[bits + c / 64] |= f->rule_good[o->value[c]] ? bit : 0;
        p->bits[bits + n_word(o) + c / 64] |= o->required[c] ? bit : 0;
    }
}

static int pack(struct finish *f, bool json, struct lm_program **out)
{
    struct lm_program head = {.n_node = (uint32_t)f->n_order, .n_object = (uint32_t)f->b->n_object, .n_repeat = (uint32_t)f->b->n_repeat,
                              .json = json, .start = 0}, *p;
    uint32_t object_bits = (uint32_t)f->n_bits;
    for (size_t i = 0; i < f->n_order; i++) {
        const struct lm_dfa_node *n = &f->d.node[f->order[i]];
        if (n->n_step > UINT16_MAX)
            return lm_fail(f->b->err, LM_ELIMIT, "the grammar has a choice between too many rules");
        head.n_edge += n->n_edge;
        head.n_step += n->n_step;
    }
    head.n_bits = object_bits;
    for (size_t i = 0; i < f->b->n_object; i++)
        head.n_bits += 2 * n_word(&f->b->object[i]);
    int rc = lm_program_create(&head, &p, f->b->err);
    if (rc)
        return rc;
    p->n_edge = p->n_step = 0;
    for (uint32_t i = 0; i < p->n_node; i++)
        pack_node(f, p, i);
    p->n_edge = head.n_edge;
    p->n_step = head.n_step;
    if (f->n_bits)
        memcpy(p->bits, f->bits, f->n_bits * sizeof *p->bits);
    for (uint32_t i = 0; i < p->n_object; object_bits += 2 * p->object[i].n_word, i++)
        pack_object(f, p, i, object_bits);
    if (p->n_repeat)
        memcpy(p->repeat, f->b->repeat, p->n_repeat * sizeof *p->repeat);
    lm_program_seal(p);
    *out = p;
    return 0;
}

static void allocate(struct finish *f)
{
    size_t n = f->d.n_node;
    f->good = calloc(n, sizeof *f->good);
    f->rule_good = calloc(f->b->n_rule, sizeof *f->rule_good);
    f->number = malloc(n * sizeof *f->number);
    f->order = malloc(n * sizeof *f->order);
    f->reach = calloc(n, sizeof *f->reach);
    f->object = calloc(n, sizeof *f->object);
    if (!f->good || !f->rule_good || !f->number || !f->order || !f->reach || !f->object)
        f->b->rc = lm_fail(f->b->err, LM_ENOMEM, "no memory for a grammar");
    for (size_t i = 0; i < n && !f->b->rc; i++)
        f->number[i] = LM_DFA_NONE;
}

int lm_builder_finish(struct lm_builder *b, uint32_t root, bool json, struct lm_program **out)
{
    struct finish f = {.b = b};
    lm_dfa_make(&f.d, b, root);
    if (!b->rc)
        allocate(&f);
    if (!b->rc)
        find_good(&f);
    if (!b->rc && !f.rule_good[root])
        b->rc = lm_fail(b->err, LM_ENOTFOUND, "no text satisfies it");
    if (!b->rc)
        check_left_recursion(&f);
    if (!b->rc)
        number_all(&f, root);
    if (!b->rc)
        find_reach(&f);
    if (!b->rc)
        b->rc = pack(&f, json, out);
    free(f.good);
    free(f.rule_good);
    free(f.number);
    free(f.order);
    free(f.reach);
    free(f.object);
    free(f.bits);
    lm_dfa_fini(&f.d);
    return b->rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/schema_parts.h"

#include <stdlib.h>

enum { MAX_RULES = 20000, ARENA_LIMIT = 64 << 20 };

int lm_schema_fail(struct lm_schema *s, int code, const char *keyword, const char *fmt, ...)
{
    char what[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (!s->b.rc)
        s->b.rc = lm_fail(s->b.err, code, "%.60s: %s", keyword, what);
    return s->b.rc;
}

void *lm_schema_alloc(struct lm_schema *s, size_t n)
{
    static max_align_t nothing[64];
    void *p = s->b.rc ? NULL : lm_arena_alloc(&s->mem, n);
    if (!p && !s->b.rc)
        s->b.rc = lm_fail(s->b.err, LM_ELIMIT, "the schema is too complex");
    return p ? p : n <= sizeof nothing ? nothing : NULL;
}

void lm_schema_join(struct lm_schema_set *set, const json_t *schema)
{
    size_t at = 0;
    if (json_is_true(schema) || (json_is_object(schema) && json_object_size(schema) == 0) || lm_schema_is_false(set))
        return;
    if (json_is_false(schema))
        set->n = 0;
    while (at < set->n && set->s[at] < schema)
        at++;
    if (at < set->n && set->s[at] == schema)
        return;
    memmove(set->s + at + 1, set->s + at, (set->n - at) * sizeof *set->s);
    set->s[at] = schema;
    set->n++;
}

bool lm_schema_is_false(const struct lm_schema_set *set)
{
    return set->n == 1 && json_is_false(set->s[0]);
}

uint32_t lm_schema_space(struct lm_schema *s)
{
    uint32_t n = lm_builder_node(&s->b);
    static const char space[] = " \t\n\r";
    for (size_t i = 0; i < 4 && !s->options.compact; i++)
        lm_builder_bytes(&s->b, n, (uint8_t)space[i], (uint8_t)space[i], n);
    return n;
}

static size_t set_hash(const struct lm_schema_set *set)
{
    uint64_t h = set->n;
    for (size_t i = 0; i < set->n; i++)
        h = (h ^ (uint64_t)(uintptr_t)set->s[i]) * 0x9e3779b97f4a7c15u;
    return h >> 20;
}

static bool slots_grow(struct lm_schema *s)
{
    size_t n = s->n_slot ? s->n_slot * 2 : 128;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot) {
        s->b.rc = lm_fail(s->b.err, LM_ENOMEM, "no memory for a schema");
        return false;
    }
    for (size_t i = 0; i < s->n_rule; i++) {
        size_t at = set_hash(&s->rule[i].set) & (n - 1);
        while (slot[at])
            at = (at + 1) & (n - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(s->slot);
    s->slot = slot;
    s->n_slot = n;
    return true;
}

uint32_t lm_schema_rule(struct lm_schema *s, const struct lm_schema_set *set)
{
    if (!lm_builder_spend(&s->b, set->n + 1) || (s->n_rule * 2 >= s->n_slot && !slots_grow(s)))
        return 0;
    size_t at = set_hash(set) & (s->n_slot - 1);
    for (; s->slot[at]; at = (at + 1) & (s->n_slot - 1)) {
        const struct lm_schema_rule *r = &s->rule[s->slot[at] - 1];
        if (r->set.n == set->n && memcmp(r->set.s, set->s, set->n * sizeof *set->s) == 0)
            return r->rule;
    }
    if (s->n_rule >= MAX_RULES)
        lm_schema_fail(s, LM_ELIMIT, "schema", "more than %d parts", MAX_RULES);
    if (!lm_builder_grow(&s->b, (void **)&s->rule, &s->cap_rule, s->n_rule, sizeof *s->rule))
        return 0;
    struct lm_schema_set copy = {lm_schema_alloc(s, (set->n + 1) * sizeof *set->s), set->n};
    if (s->b.rc)
        return 0;
    memcpy(copy.s, set->s, set->n * sizeof *set->s);
    s->rule[s->n_rule] = (struct lm_schema_rule){.set = copy, .rule = lm_builder_rule(&s->b)};
    s->slot[at] = (uint32_t)++s->n_rule;
    return s->rule[s->n_rule - 1].rule;
}

static void make_body(struct lm_schema *s, const struct lm_schema_rule *r)
{
    struct lm_schema_alts alts = {0};
    struct lm_schema_rule rule = *r;
    if (lm_schema_expand(s, &rule.set, &alts))
        return;
    for (size_t i = 0; i < alts.n && !s->b.rc; i++)
        lm_schema_build(s, &alts.alt[i], rule.rule, s->b.rule[rule.rule].start, s->b.rule[rule.rule].end);
}

void lm_schema_bodies(struct lm_schema *s)
{
    for (; s->n_done < s->n_rule && !s->b.rc; s->n_done++)
        make_body(s, &s->rule[s->n_done]);
}

uint32_t lm_schema_document(struct lm_schema *s, const json_t *root)
{
    const json_t *one[2];
    struct lm_schema_set set = {one, 0};
    s->root = root;
    lm_schema_join(&set, root);
    uint32_t rule = lm_schema_rule(s, &set);
    lm_schema_bodies(s);
    return rule;
}

void lm_schema_fini(struct lm_schema *s)
{
    lm_builder_fini(&s->b);
    lm_arena_fini(&s->mem);
    free(s->rule);
    free(s->slot);
    free(s->mark);
}

int lm_schema_compile(const json_t *schema, const struct lm_schema_options *options, struct lm_program **out, struct lm_err *err)
{
    struct lm_schema s = {.options = *options, .mem = {.limit = ARENA_LIMIT}};
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return lm_fail(err, LM_EINVAL, "the schema is neither an object nor true or false");
    lm_builder_init(&s.b, err);
    uint32_t root = lm_schema_document(&s, schema);
    int rc = s.b.rc ? s.b.rc : lm_builder_finish(&s.b, root, true, out);
    lm_schema_fini(&s);
    return rc;
}

bool lm_schema_valid(const json_t *schema, const json_t *value)
{
    struct lm_err err;
    struct lm_schema s = {.root = schema};
    lm_builder_init(&s.b, &err);
    s.b.budget = UINT64_MAX / 2;
    bool yes = lm_schema_holds(&s, schema, value) && !s.b.rc;
    lm_schema_fini(&s);
    return yes;
}

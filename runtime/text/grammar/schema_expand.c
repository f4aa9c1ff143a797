/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of schemas to alternatives, and what the keywords of one say. */
#include "runtime/text/grammar/schema_parts.h"

#include <stdlib.h>

enum { MAX_ALTS = 512, MAX_SET = 256, MAX_CHOICES = 64 };

/* Where an expansion stands: what holds, and the choices to make. */
struct walk {
    const json_t *have[MAX_SET + 1];
    struct lm_schema_set set;
    const json_t *choice[MAX_CHOICES]; /* an anyOf's or oneOf's array */
    bool one[MAX_CHOICES];
    size_t n_choice;
    bool dead;
};

static void alts_add(struct lm_schema *s, struct lm_schema_alts *out, const struct lm_schema_set *set)
{
    if (out->n >= MAX_ALTS) {
        lm_schema_fail(s, LM_ELIMIT, "anyOf", "more than %d alternatives", MAX_ALTS);
        return;
    }
    if (out->n == out->cap) {
        struct lm_schema_set *more = lm_schema_alloc(s, (out->cap * 2 + 8) * sizeof *more);
        if (s->b.rc)
            return;
        if (out->n)
            memcpy(more, out->alt, out->n * sizeof *more);
        out->alt = more;
        out->cap = out->cap * 2 + 8;
    }
    struct lm_schema_set copy = {lm_schema_alloc(s, (set->n + 1) * sizeof *set->s), set->n};
    if (s->b.rc)
        return;
    memcpy(copy.s, set->s, set->n * sizeof *set->s);
    out->alt[out->n++] = copy;
}

static void choice_add(struct lm_schema *s, struct walk *w, const json_t *list, bool one)
{
    if (!list)
        return;
    if (w->n_choice == MAX_CHOICES) {
        lm_schema_fail(s, LM_ELIMIT, one ? "oneOf" : "anyOf", "more than %d at once", MAX_CHOICES);
        return;
    }
    w->choice[w->n_choice] = list;
    w->one[w->n_choice++] = one;
}

static void take(struct lm_schema *s, struct walk *w, const json_t *schema)
{
    size_t i, n = w->set.n;
    json_t *x;
    if (json_is_false(schema))
        w->dead = true;
    if (s->b.rc || w->dead || !json_is_object(schema) || lm_schema_check(s, schema) || !lm_builder_spend(&s->b, w->set.n + 1))
        return;
    if (n == MAX_SET) {
        lm_schema_fail(s, LM_ELIMIT, "allOf", "more than %d schemas at once", MAX_SET);
        return;
    }
    lm_schema_join(&w->set, schema);
    if (w->set.n == n)
        return;
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    const json_t *to = ref ? lm_schema_resolve(s, ref) : NULL;
    if (to)
        take(s, w, to);
    json_array_foreach(json_object_get(schema, "allOf"), i, x)
        take(s, w, x);
    choice_add(s, w, json_object_get(schema, "anyOf"), false);
    choice_add(s, w, json_object_get(schema, "oneOf"), true);
}

static void check_apart(struct lm_schema *s, const struct lm_schema_alts *x, const struct lm_schema_alts *y)
{
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < y->n && !s->b.rc; k++)
            if (!lm_schema_apart(s, &x->alt[i], &y->alt[k]) && !s->b.rc)
                lm_schema_fail(s, LM_EUNSUPPORTED, "oneOf", "two of its branches may hold both");
}

static void walk_on(struct lm_schema *s, const struct walk *from, struct lm_schema_alts *out);

/* Each branch of the last choice, to alternatives of its own. */
static void branch(struct lm_schema *s, const struct walk *from, struct lm_schema_alts *out)
{
    const json_t *list = from->choice[from->n_choice - 1];
    bool one = from->one[from->n_choice - 1];
    size_t n = json_array_size(list);
    struct lm_schema_alts *part = lm_schema_alloc(s, n * sizeof *part);
    struct walk *w = malloc(sizeof *w);
    if (!w)
        lm_schema_fail(s, LM_ENOMEM, "anyOf", "no memory");
    for (size_t i = 0; i < n && !s->b.rc; i++) {
        *w = *from;
        w->set.s = w->have;
        w->n_choice--;
        part[i] = (struct lm_schema_alts){0};
        take(s, w, json_array_get(list, i));
        walk_on(s, w, &part[i]);
    }
    for (size_t i = 0; i < n && !s->b.rc; i++)
        for (size_t k = 0; k < i && one; k++)
            check_apart(s, &part[k], &part[i]);
    for (size_t i = 0; i < n && !s->b.rc; i++)
        for (size_t k = 0; k < part[i].n && !s->b.rc; k++)
            alts_add(s, out, &part[i].alt[k]);
    free(w);
}

static void walk_on(struct lm_schema *s, const struct walk *from, struct lm_schema_alts *out)
{
    if (s->b.rc || from->dead || !lm_builder_spend(&s->b, from->set.n + 1))
        return;
    if (from->n_choice == 0)
        alts_add(s, out, &from->set);
    else
        branch(s, from, out);
}

int lm_schema_expand(struct lm_schema *s, const struct lm_schema_set *set, struct lm_schema_alts *out)
{
    struct walk *w = malloc(sizeof *w);
    if (!w)
        return lm_schema_fail(s, LM_ENOMEM, "schema", "no memory");
    *w = (struct walk){.set = {w->have, 0}};
    w->set.s = w->have;
    for (size_t i = 0; i < set->n && !lm_schema_check_cycle(s, set->s[i]); i++)
        take(s, w, set->s[i]);
    walk_on(s, w, out);
    free(w);
    return s->b.rc;
}

static unsigned type_named(struct lm_schema *s, const json_t *name, bool *integer)
{
    static const struct { const char *name; unsigned type; } types[] = {
        {"null", LM_SCHEMA_NULL}, {"boolean", LM_SCHEMA_BOOL}, {"number", LM_SCHEMA_NUMBER}, {"integer", LM_SCHEMA_NUMBER},
        {"string", LM_SCHEMA_STRING}, {"array", LM_SCHEMA_ARRAY}, {"object", LM_SCHEMA_OBJECT},
    };
    const char *n = json_string_value(name);
    *integer = false;
    for (size_t i = 0; n && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, n) == 0) {
            *integer = i == 3;
            return types[i].type;
        }
    lm_schema_fail(s, LM_EINVAL, "type", "is not a type or a list of types");
    return 0;
}

/* The types of `type`'s value; *integer when numbers are integers only. */
static unsigned types_of(struct lm_schema *s, const json_t *v, bool *integer)
{
    unsigned all = 0;
    bool number = false, one;
    size_t i;
    json_t *x;
    if (!json_is_array(v))
        return type_named(s, v, integer);
    *integer = false;
    json_array_foreach(v, i, x) {
        unsigned t = type_named(s, x, &one);
        *integer |= one;
        number |= t == LM_SCHEMA_NUMBER && !one;
        all |= t;
    }
    *integer &= !number;
    return all;
}

static void read_types(struct lm_schema *s, const json_t *schema, struct lm_schema_facts *f)
{
    const json_t *type = json_object_get(schema, "type"), *no = json_object_get(schema, "not");
    bool integer = false;
    if (type) {
        f->types &= types_of(s, type, &integer);
        f->number.integer |= integer;
    }
    if (json_is_true(no) || (json_is_object(no) && json_object_size(no) == 0))
        f->types = 0;
    else if (json_is_object(no))
        f->types &= ~types_of(s, json_object_get(no, "type"), &integer);
}

static void read_number(struct lm_schema *s, const json_t *schema, struct lm_number *n)
{
    static const char *const keys[] = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"};
    for (size_t i = 0; i < 5 && !s->b.rc; i++) {
        const json_t *v = json_object_get(schema, keys[i]);
        struct lm_decimal d;
        struct lm_err err;
        if (!v)
            continue;
        int rc = lm_decimal_of(v, &d, &err);
        if (!rc && i < 2)
            rc = lm_number_at_least(n, &d, i == 1);
        else if (!rc && i < 4)
            rc = lm_number_at_most(n, &d, i == 3);
        else if (!rc)
            rc = lm_number_multiple(n, &d, &err);
        if (rc)
            lm_schema_fail(s, rc, keys[i], "%s", err.msg);
    }
}

static void read_counts(const json_t *schema, struct lm_schema_facts *f)
{
    const struct { const char *key; uint32_t *at; bool max; } counts[] = {
        {"minLength", &f->min_length, false}, {"maxLength", &f->max_length, true}, {"minItems", &f->min_items, false},
        {"maxItems", &f->max_items, true}, {"minProperties", &f->min_members, false}, {"maxProperties", &f->max_members, true},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const json_t *v = json_object_get(schema, counts[i].key);
        double d = v ? json_number_value(v) : 0;
        uint32_t n = d >= UINT32_MAX ? UINT32_MAX : (uint32_t)d;
        if (v && (counts[i].max ? n < *counts[i].at : n > *counts[i].at))
            *counts[i].at = n;
    }
}

/* enum, or const as an enum of one; the shortest list is taken, and the others are checked value by value. */
static void read_values(struct lm_schema *s, const json_t *schema, struct lm_schema_facts *f)
{
    json_t *one = json_object_get(schema, "const");
    const json_t *list = json_object_get(schema, "enum");
    if (one && (!f->values || json_array_size(f->values) != 1))
        f->values = schema;
    else if (list && (!f->values || (json_is_array(f->values) && json_array_size(list) < json_array_size(f->values))))
        f->values = list;
}

int lm_schema_facts(struct lm_schema *s, const struct lm_schema_set *alt, struct lm_schema_facts *out)
{
    struct lm_schema_facts f = {.types = LM_SCHEMA_ALL, .max_length = UINT32_MAX, .max_items = UINT32_MAX, .max_members = UINT32_MAX};
    for (size_t i = 0; i < alt->n && !s->b.rc; i++) {
        read_types(s, alt->s[i], &f);
        read_number(s, alt->s[i], &f.number);
        read_counts(alt->s[i], &f);
        read_values(s, alt->s[i], &f);
    }
    if (f.min_length > f.max_length)
        f.types &= ~(unsigned)LM_SCHEMA_STRING;
    if (f.min_items > f.max_items)
        f.types &= ~(unsigned)LM_SCHEMA_ARRAY;
    *out = f;
    return s->b.rc;
}

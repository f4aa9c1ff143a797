/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two alternatives can hold for the same value. */
#include "runtime/text/grammar/schema_parts.h"

#include <stdlib.h>

enum { MAX_NEST = 4 };

static bool sets_apart(struct lm_schema *s, const struct lm_schema_set *x, const struct lm_schema_set *y)
{
    struct lm_schema_alts a = {0}, b = {0};
    bool apart = true;
    if (lm_schema_is_false(x) || lm_schema_is_false(y))
        return true;
    if (x->n == 0 || y->n == 0 || s->depth >= MAX_NEST || lm_schema_expand(s, x, &a) || lm_schema_expand(s, y, &b))
        return false;
    s->depth++;
    for (size_t i = 0; i < a.n; i++)
        for (size_t k = 0; k < b.n && apart; k++)
            apart = lm_schema_apart(s, &a.alt[i], &b.alt[k]);
    s->depth--;
    return apart;
}

static bool strings_apart(struct lm_schema *s, const struct lm_schema_set *x, const struct lm_schema_facts *fx, const struct lm_schema_set *y,
                          const struct lm_schema_facts *fy)
{
    struct lm_chars *a = NULL, *b = NULL, *both = NULL;
    bool apart = fx->min_length > fy->max_length || fy->min_length > fx->max_length;
    if (apart || lm_schema_strings(s, x, fx, &a) || lm_schema_strings(s, y, fy, &b) || !a || !b) {
        lm_chars_destroy(a);
        lm_chars_destroy(b);
        return apart;
    }
    both = lm_chars_both(&s->b, a, b);
    apart = both && lm_chars_is_empty(both);
    lm_chars_destroy(a);
    lm_chars_destroy(b);
    lm_chars_destroy(both);
    return apart;
}

static bool arrays_apart(const struct lm_schema_facts *x, const struct lm_schema_facts *y)
{
    return x->min_items > y->max_items || y->min_items > x->max_items;
}

/* A member that x needs and that cannot be what both ask. */
static bool members_apart(struct lm_schema *s, const struct lm_schema_set *x, const struct lm_schema_set *y)
{
    size_t i;
    json_t *name;
    for (size_t k = 0; k < x->n; k++)
        json_array_foreach(json_object_get(x->s[k], "required"), i, name) {
            const char *text = json_string_value(name);
            if (!text || s->b.rc)
                continue;
            struct lm_schema_set a = lm_schema_member(s, x, text, strlen(text)), b = lm_schema_member(s, y, text, strlen(text));
            bool needed = lm_schema_is_false(&b);
            for (size_t m = 0; m < y->n && !needed; m++) {
                size_t n;
                json_t *other;
                json_array_foreach(json_object_get(y->s[m], "required"), n, other)
                    needed |= json_equal(name, other) != 0;
            }
            if (needed && sets_apart(s, &a, &b))
                return true;
        }
    return false;
}

static bool objects_apart(struct lm_schema *s, const struct lm_schema_set *x, const struct lm_schema_facts *fx, const struct lm_schema_set *y,
                          const struct lm_schema_facts *fy)
{
    return fx->min_members > fy->max_members || fy->min_members > fx->max_members || members_apart(s, x, y) || members_apart(s, y, x);
}

/* No value of a list of x satisfies y. */
static bool values_apart(struct lm_schema *s, const json_t *values, const struct lm_schema_set *x, const struct lm_schema_set *y)
{
    size_t i;
    json_t *v = json_is_object(values) ? json_object_get(values, "const") : NULL;
    bool apart = !v || !(lm_schema_holds_all(s, x, v) && lm_schema_holds_all(s, y, v));
    json_array_foreach(values, i, v)
        apart = apart && !(lm_schema_holds_all(s, x, v) && lm_schema_holds_all(s, y, v));
    return apart;
}

bool lm_schema_apart(struct lm_schema *s, const struct lm_schema_set *x, const struct lm_schema_set *y)
{
    struct lm_schema_facts fx, fy;
    if (lm_schema_facts(s, x, &fx) || lm_schema_facts(s, y, &fy))
        return false;
    if (fx.values)
        return values_apart(s, fx.values, x, y);
    if (fy.values)
        return values_apart(s, fy.values, y, x);
    unsigned both = fx.types & fy.types;
    if (both & (LM_SCHEMA_NULL | LM_SCHEMA_BOOL))
        return false;
    return (!(both & LM_SCHEMA_NUMBER) || lm_number_apart(&fx.number, &fy.number)) &&
           (!(both & LM_SCHEMA_ARRAY) || arrays_apart(&fx, &fy)) && (!(both & LM_SCHEMA_STRING) || strings_apart(s, x, &fx, y, &fy)) &&
           (!(both & LM_SCHEMA_OBJECT) || objects_apart(s, x, &fx, y, &fy));
}

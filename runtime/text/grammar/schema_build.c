/* SPDX-License-Identifier: Apache-2.0 */
/* Facts to automata: literals, strings, arrays, and an alternative as a whole. */
#include "runtime/text/grammar/format.h"
#include "runtime/text/grammar/regex.h"
#include "runtime/text/grammar/schema_parts.h"

#include <stdlib.h>

enum { MAX_DEPTH = 64, MAX_ENUM = 20000 };

static void jump(struct lm_schema *s, uint32_t from, uint32_t to)
{
    lm_builder_step(&s->b, from, LM_STEP_JUMP, 0, 0, to);
}

static void quoted(struct lm_schema *s, const struct lm_chars *c, enum lm_lower how, uint32_t from, uint32_t to)
{
    uint32_t open = lm_builder_text(&s->b, from, "\"", 1), end = lm_builder_node(&s->b);
    lm_lower(&s->b, c, how, open, &end, 1);
    lm_builder_bytes(&s->b, end, '"', '"', to);
}

static void literal_string(struct lm_schema *s, const json_t *value, uint32_t from, uint32_t to)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    struct lm_chars *c = lm_chars_words(&s->b, &text, &n, 1);
    quoted(s, c, LM_LOWER_JSON, from, to);
    lm_chars_destroy(c);
}

static void literal_number(struct lm_schema *s, const json_t *value, uint32_t from, uint32_t to)
{
    struct lm_decimal d;
    struct lm_err err;
    if (lm_decimal_of(value, &d, &err)) {
        lm_schema_fail(s, LM_ELIMIT, "const", "%s", err.msg);
        return;
    }
    if (d.negative)
        from = lm_builder_text(&s->b, from, "-", 1);
    uint32_t whole = lm_builder_text(&s->b, from, d.digit, d.n_int);
    if (d.n_frac == 0)
        jump(s, whole, to);
    if (d.n_frac == 0 && json_is_real(value)) /* spelled 1.0 in the schema */
        jump(s, lm_builder_text(&s->b, whole, ".0", 2), to);
    if (d.n_frac)
        jump(s, lm_builder_text(&s->b, lm_builder_text(&s->b, whole, ".", 1), d.digit + d.n_int, d.n_frac), to);
}

static void literal_array(struct lm_schema *s, const json_t *value, uint32_t from, uint32_t to)
{
    size_t i;
    json_t *x;
    uint32_t at = lm_schema_space(s);
    jump(s, lm_builder_text(&s->b, from, "[", 1), at);
    json_array_foreach(value, i, x) {
        uint32_t behind = lm_schema_space(s);
        if (i) {
            uint32_t next = lm_schema_space(s);
            lm_builder_bytes(&s->b, at, ',', ',', next);
            at = next;
        }
        lm_schema_literal(s, x, at, behind);
        at = behind;
    }
    lm_builder_bytes(&s->b, at, ']', ']', to);
}

static void literal_object(struct lm_schema *s, const json_t *value, uint32_t from, uint32_t to)
{
    uint32_t n = (uint32_t)json_object_size(value), i = 0;
    struct lm_schema_members m = {.how = LM_LOWER_JSON, .n_declared = n, .n_class = n, .min = n, .max = n};
    const char **word = lm_schema_alloc(s, (n + 1) * sizeof *word), *key;
    size_t *len = lm_schema_alloc(s, (n + 1) * sizeof *len);
    json_t *x;
    m.value = lm_schema_alloc(s, (n + 1) * sizeof *m.value);
    m.required = lm_schema_alloc(s, n + 1);
    if (s->b.rc)
        return;
    json_object_foreach((json_t *)(uintptr_t)value, key, x) {
        word[i] = key;
        len[i] = strlen(key);
        m.required[i] = true;
        m.value[i] = lm_builder_rule(&s->b);
        if (!s->b.rc)
            lm_schema_literal(s, x, s->b.rule[m.value[i]].start, s->b.rule[m.value[i]].end);
        i++;
    }
    m.keys = n ? lm_chars_words(&s->b, word, len, n) : NULL;
    lm_builder_call(&s->b, from, lm_schema_object_rule(s, &m), to);
    lm_chars_destroy(m.keys);
}

void lm_schema_literal(struct lm_schema *s, const json_t *value, uint32_t from, uint32_t to)
{
    if (s->b.rc)
        return;
    if (++s->depth > MAX_DEPTH) {
        lm_schema_fail(s, LM_ELIMIT, "const", "a value of more than %d levels", MAX_DEPTH);
        return;
    }
    if (json_is_string(value))
        literal_string(s, value, from, to);
    else if (json_is_number(value))
        literal_number(s, value, from, to);
    else if (json_is_array(value))
        literal_array(s, value, from, to);
    else if (json_is_object(value))
        literal_object(s, value, from, to);
    else
        jump(s, lm_builder_text(&s->b, from, json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false",
                                json_is_false(value) ? 5 : 4), to);
    s->depth--;
}

/* Narrow *all to what c accepts too; c is taken. */
static void narrow(struct lm_schema *s, struct lm_chars **all, struct lm_chars *c)
{
    if (*all && c) {
        struct lm_chars *both = lm_chars_both(&s->b, *all, c);
        lm_chars_destroy(*all);
        lm_chars_destroy(c);
        c = both;
    }
    *all = c;
}

static void narrow_by_schema(struct lm_schema *s, const json_t *schema, struct lm_chars **all)
{
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format");
    if (pattern && !s->b.rc) {
        narrow(s, all, lm_regex_compile(&s->b, json_string_value(pattern), json_string_length(pattern), true));
        if (s->b.rc)
            lm_fail_in(s->b.err, s->b.rc, "pattern");
    }
    if (format && !s->b.rc && lm_format_find(json_string_value(format)) == LM_FORMAT_KNOWN) {
        narrow(s, all, lm_format_compile(&s->b, json_string_value(format)));
        if (s->b.rc)
            lm_fail_in(s->b.err, s->b.rc, "format");
    }
}

int lm_schema_strings(struct lm_schema *s, const struct lm_schema_set *alt, const struct lm_schema_facts *f, struct lm_chars **out)
{
    struct lm_chars *all = NULL;
    for (size_t i = 0; i < alt->n && !s->b.rc; i++)
        narrow_by_schema(s, alt->s[i], &all);
    if (all && !s->b.rc && (f->min_length > 0 || f->max_length != UINT32_MAX)) {
        narrow(s, &all, lm_chars_length(&s->b, f->min_length, f->max_length));
        if (s->b.rc)
            lm_fail_in(s->b.err, s->b.rc, "maxLength with pattern");
    }
    if (s->b.rc)
        lm_chars_destroy(all);
    else
        *out = all;
    return s->b.rc;
}

static void build_string(struct lm_schema *s, const struct lm_schema_set *alt, const struct lm_schema_facts *f, uint32_t from, uint32_t to)
{
    struct lm_chars *c = NULL;
    if (lm_schema_strings(s, alt, f, &c))
        return;
    if (c) {
        quoted(s, c, LM_LOWER_JSON, from, to);
    } else if (f->min_length == 0 && f->max_length == UINT32_MAX) {
        c = lm_chars_any(&s->b);
        quoted(s, c, LM_LOWER_FREE, from, to);
    } else {
        uint32_t r = lm_builder_repeat(&s->b, f->min_length, f->max_length);
        uint32_t loop = lm_builder_text(&s->b, from, "\"", 1), in = lm_builder_node(&s->b), out = lm_builder_node(&s->b), end = lm_builder_node(&s->b);
        lm_builder_step(&s->b, loop, LM_STEP_LOOP, r, 0, in);
        lm_lower_range(&s->b, LM_LOWER_FREE, in, 0, 0xd7ff, out);
        lm_lower_range(&s->b, LM_LOWER_FREE, in, 0xe000, 0x10ffff, out);
        lm_builder_step(&s->b, out, LM_STEP_INC, r, 0, loop);
        lm_builder_step(&s->b, loop, LM_STEP_EXIT, r, 0, end);
        lm_builder_bytes(&s->b, end, '"', '"', to);
    }
    lm_chars_destroy(c);
}

/* What item i must satisfy; i beyond all prefixes: the rest. */
static struct lm_schema_set item_set(struct lm_schema *s, const struct lm_schema_set *alt, size_t i)
{
    struct lm_schema_set set = {lm_schema_alloc(s, (alt->n + 1) * sizeof *set.s), 0};
    for (size_t k = 0; k < alt->n && !s->b.rc; k++) {
        const json_t *prefix = json_object_get(alt->s[k], "prefixItems"), *items = json_object_get(alt->s[k], "items");
        if (i < json_array_size(prefix))
            lm_schema_join(&set, json_array_get(prefix, i));
        else if (items)
            lm_schema_join(&set, items);
    }
    return set;
}

/* The items behind the prefix: node `first` is where the array may end or go on, by a comma unless none came before. */
static void build_rest(struct lm_schema *s, uint32_t rule, const struct lm_schema_facts *f, uint32_t n_prefix, uint32_t item, uint32_t first)
{
    uint32_t end = s->b.rule[rule].end, min = f->min_items > n_prefix ? f->min_items - n_prefix : 0;
    uint32_t max = f->max_items == UINT32_MAX ? UINT32_MAX : f->max_items - n_prefix;
    uint32_t r = lm_builder_repeat(&s->b, min, max), value = lm_schema_space(s), behind = lm_schema_space(s), at[2] = {first, behind};
    uint32_t after = lm_builder_node(&s->b);
    for (int i = 0; i < 2; i++) {
        uint32_t close = lm_builder_node(&s->b), more = lm_builder_node(&s->b);
        lm_builder_step(&s->b, at[i], LM_STEP_EXIT, r, 0, close);
        lm_builder_bytes(&s->b, close, ']', ']', end);
        lm_builder_step(&s->b, at[i], LM_STEP_LOOP, r, 0, more);
        if (i || n_prefix)
            lm_builder_bytes(&s->b, more, ',', ',', value);
        else
            lm_builder_call(&s->b, more, item, after);
    }
    lm_builder_call(&s->b, value, item, after);
    lm_builder_step(&s->b, after, LM_STEP_INC, r, 0, behind);
    if (min)
        lm_builder_needs(&s->b, rule, item);
}

static void build_array(struct lm_schema *s, const struct lm_schema_set *alt, const struct lm_schema_facts *f, uint32_t from, uint32_t to)
{
    uint32_t rule = lm_builder_rule(&s->b), n_prefix = 0, at = lm_schema_space(s);
    lm_builder_call(&s->b, from, rule, to);
    for (size_t k = 0; k < alt->n; k++) {
        size_t n = json_array_size(json_object_get(alt->s[k], "prefixItems"));
        n_prefix = n > n_prefix ? (uint32_t)n : n_prefix;
    }
    if (s->b.rc)
        return;
    uint32_t end = s->b.rule[rule].end, n_item = n_prefix < f->max_items ? n_prefix : f->max_items;
    jump(s, lm_builder_text(&s->b, s->b.rule[rule].start, "[", 1), at);
    for (uint32_t i = 0; i < n_item && !s->b.rc; i++) {
        struct lm_schema_set set = item_set(s, alt, i);
        uint32_t item = lm_schema_rule(s, &set), value = at, behind = lm_schema_space(s);
        if (i >= f->min_items)
            lm_builder_bytes(&s->b, at, ']', ']', end);
        if (i) {
            value = lm_schema_space(s);
            lm_builder_bytes(&s->b, at, ',', ',', value);
        }
        lm_builder_call(&s->b, value, item, behind);
        if (i < f->min_items)
            lm_builder_needs(&s->b, rule, item);
        at = behind;
    }
    struct lm_schema_set rest = item_set(s, alt, SIZE_MAX);
    if (n_item == f->max_items) {
        lm_builder_bytes(&s->b, at, ']', ']', end);
    } else {
        build_rest(s, rule, f, n_item, lm_schema_rule(s, &rest), at);
    }
}

/* The strings of a list that hold, as one automaton. */
static void build_strings(struct lm_schema *s, const struct lm_schema_set *alt, const json_t *list, uint32_t from, uint32_t to)
{
    size_t n = 0, i;
    const char **text = lm_schema_alloc(s, (json_array_size(list) + 1) * sizeof *text);
    size_t *len = lm_schema_alloc(s, (json_array_size(list) + 1) * sizeof *len);
    json_t *x;
    json_array_foreach(list, i, x) {
        if (s->b.rc)
            return;
        if (!json_is_string(x) || !lm_schema_holds_all(s, alt, x))
            continue;
        text[n] = json_string_value(x);
        len[n++] = json_string_length(x);
    }
    struct lm_chars *c = n ? lm_chars_words(&s->b, text, len, n) : NULL;
    if (c)
        quoted(s, c, LM_LOWER_JSON, from, to);
    lm_chars_destroy(c);
}

static void build_values(struct lm_schema *s, const struct lm_schema_set *alt, const json_t *values, uint32_t from, uint32_t to)
{
    size_t i;
    json_t *x = json_is_object(values) ? json_object_get(values, "const") : NULL;
    if (x && lm_schema_holds_all(s, alt, x))
        lm_schema_literal(s, x, from, to);
    if (json_array_size(values) > MAX_ENUM)
        lm_schema_fail(s, LM_ELIMIT, "enum", "more than %d values", MAX_ENUM);
    s->own_list = values;
    build_strings(s, alt, values, from, to);
    json_array_foreach(values, i, x)
        if (!s->b.rc && !json_is_string(x) && lm_schema_holds_all(s, alt, x))
            lm_schema_literal(s, x, from, to);
    s->own_list = NULL;
}

void lm_schema_build(struct lm_schema *s, const struct lm_schema_set *alt, uint32_t rule, uint32_t from, uint32_t to)
{
    struct lm_schema_facts f;
    if (lm_schema_facts(s, alt, &f))
        return;
    if (f.values) {
        build_values(s, alt, f.values, from, to);
        return;
    }
    if (f.types & LM_SCHEMA_NULL)
        jump(s, lm_builder_text(&s->b, from, "null", 4), to);
    if (f.types & LM_SCHEMA_BOOL) {
        jump(s, lm_builder_text(&s->b, from, "true", 4), to);
        jump(s, lm_builder_text(&s->b, from, "false", 5), to);
    }
    if (f.types & LM_SCHEMA_NUMBER)
        lm_number_build(&s->b, &f.number, from, to);
    if (f.types & LM_SCHEMA_STRING)
        build_string(s, alt, &f, from, to);
    if (f.types & LM_SCHEMA_ARRAY)
        build_array(s, alt, &f, from, to);
    if (f.types & LM_SCHEMA_OBJECT)
        lm_schema_object(s, alt, &f, from, to);
}

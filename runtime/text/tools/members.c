/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/regex.h"
#include "runtime/text/tools/grammar_parts.h"

#include <stdlib.h>

static uint32_t put(struct lm_tool_grammar *g, uint32_t from, const char *text)
{
    return text ? lm_tool_put(g, from, text) : from;
}

/* A string as it is, by one alternative of its schema; NULL: any text. */
static struct lm_chars *raw_chars(struct lm_tool_grammar *g, const struct lm_schema_set *alt)
{
    struct lm_builder *b = &g->s.b;
    struct lm_schema_facts f;
    struct lm_chars *c = NULL;
    if (lm_schema_facts(&g->s, alt, &f))
        return NULL;
    if (f.values) {
        size_t n = json_array_size(f.values), k = 0;
        const char **word = lm_schema_alloc(&g->s, (n + 1) * sizeof *word);
        size_t *len = lm_schema_alloc(&g->s, (n + 1) * sizeof *len);
        for (size_t i = 0; i < (n ? n : 1) && !b->rc; i++) {
            const json_t *v = n ? json_array_get(f.values, i) : json_object_get(f.values, "const");
            if (!json_is_string(v) || !lm_schema_holds_all(&g->s, alt, v))
                continue;
            word[k] = json_string_value(v);
            len[k++] = json_string_length(v);
        }
        return k ? lm_chars_words(b, word, len, k) : lm_chars_length(b, 1, 0);
    }
    if (lm_schema_strings(&g->s, alt, &f, &c) || (!c && f.min_length == 0 && f.max_length == UINT32_MAX))
        return NULL;
    struct lm_chars *own = c ? c : lm_chars_length(b, f.min_length, f.max_length), *plain = lm_regex_compile(b, "[^<]*", 5, false);
    struct lm_chars *both = own && plain ? lm_chars_both(b, own, plain) : NULL;
    lm_chars_destroy(own);
    lm_chars_destroy(plain);
    return both;
}

/* The string and what stands behind it. */
static void put_raw(struct lm_tool_grammar *g, const struct lm_tool_members *m, const json_t *schema, uint32_t from, uint32_t to)
{
    const json_t *one[2];
    struct lm_schema_set set = {one, 0};
    struct lm_schema_alts alts = {0};
    lm_schema_join(&set, schema);
    if (lm_schema_expand(&g->s, &set, &alts))
        return;
    for (size_t i = 0; i < alts.n && !g->s.b.rc; i++) {
        struct lm_chars *c = raw_chars(g, &alts.alt[i]);
        if (c) {
            uint32_t end = lm_builder_node(&g->s.b);
            lm_lower(&g->s.b, c, LM_LOWER_RAW, from, &end, 1);
            lm_tool_join(g, put(g, end, m->behind_value), to);
            lm_chars_destroy(c);
        } else if (!g->s.b.rc) {
            const char *tag = strchr(m->raw_ends_at, '<'); /* the line end before it is the text's own */
            uint32_t own = lm_builder_node(&g->s.b);
            lm_tool_join(g, from, own);
            lm_tool_join(g, put(g, lm_tool_put_free(g, own, tag, false, 0), strstr(m->behind_value, tag) + strlen(tag)), to);
        }
    }
}

struct param { const char *name; const json_t *schema; bool required; };

/* A rule of one value and what stands behind it. */
static uint32_t value_rule(struct lm_tool_grammar *g, const struct lm_tool_members *m, const struct param *p)
{
    struct lm_builder *b = &g->s.b;
    uint32_t rule = lm_builder_rule(b);
    if (b->rc)
        return 0;
    b->rule[rule].outside = true;
    uint32_t from = b->rule[rule].start, to = b->rule[rule].end;
    if (m->raw && lm_tool_kind_of(p->schema) == LM_TOOL_STRING) {
        put_raw(g, m, p->schema, from, to);
        return rule;
    }
    const json_t *one[2];
    struct lm_schema_set set = {one, 0};
    uint32_t behind = lm_builder_node(b);
    lm_schema_join(&set, p->schema);
    lm_builder_call(b, from, lm_schema_rule(&g->s, &set), behind);
    lm_schema_bodies(&g->s);
    if (!b->rc)
        lm_tool_join(g, put(g, behind, m->behind_value), to);
    return rule;
}

static size_t params_of(struct lm_tool_grammar *g, const json_t *schema, bool loose, struct param *out)
{
    const char *key;
    json_t *v, *r;
    size_t n = 0, k;
    json_object_foreach(json_object_get(schema, "properties"), key, v) {
        bool string = lm_tool_kind_of(v) == LM_TOOL_STRING;
        out[n] = (struct param){key, loose ? string ? g->string : json_true() : v, false};
        json_array_foreach(json_object_get(schema, "required"), k, r)
            out[n].required |= json_is_string(r) && strcmp(json_string_value(r), key) == 0;
        n++;
    }
    return n;
}

/* The keys and their values, between two of which the object's register says what may come. */
static void put_object(struct lm_tool_grammar *g, const struct lm_tool_members *m, const struct param *p, size_t n, uint32_t rule)
{
    struct lm_builder *b = &g->s.b;
    const char **word = lm_schema_alloc(&g->s, (n + 1) * sizeof *word);
    size_t *len = lm_schema_alloc(&g->s, (n + 1) * sizeof *len);
    uint32_t *to = lm_schema_alloc(&g->s, (n + 1) * sizeof *to), object = lm_builder_object(b, (uint32_t)n, (uint32_t)n, 0, UINT32_MAX);
    if (b->rc)
        return;
    uint32_t first = b->rule[rule].start, next = lm_builder_node(b), open = lm_builder_node(b), more = lm_builder_node(b);
    b->rule[rule].object = object + 1;
    lm_builder_step(b, first, LM_STEP_CLOSE, object, 0, b->rule[rule].end);
    lm_builder_step(b, next, LM_STEP_CLOSE, object, 0, b->rule[rule].end);
    lm_builder_step(b, first, LM_STEP_MORE, object, 0, open);
    lm_builder_step(b, next, LM_STEP_MORE, object, 0, more);
    lm_tool_join(g, put(g, more, m->between), open);
    for (size_t i = 0; i < n && !b->rc; i++) {
        word[i] = p[i].name;
        len[i] = strlen(word[i]);
        b->object[object].required[i] = p[i].required;
        uint32_t value = value_rule(g, m, &p[i]), key = lm_builder_node(b);
        if (b->rc)
            return;
        b->object[object].value[i] = value;
        to[i] = lm_builder_node(b);
        lm_builder_step(b, put(g, to[i], m->behind_key), LM_STEP_KEY, object, (uint32_t)i, key);
        lm_builder_call(b, key, value, next);
    }
    struct lm_chars *keys = lm_chars_words(b, word, len, n);
    if (keys)
        lm_lower(b, keys, LM_LOWER_RAW, put(g, open, m->before_key), to, n);
    lm_chars_destroy(keys);
}

uint32_t lm_tool_put_members(struct lm_tool_grammar *g, size_t tool, const struct lm_tool_members *m, uint32_t from)
{
    struct lm_builder *b = &g->s.b;
    const json_t *schema = lm_tool_parameters(g, tool);
    size_t n = json_object_size(json_object_get(schema, "properties"));
    struct param *p = lm_schema_alloc(&g->s, (n + 1) * sizeof *p);
    uint32_t rule = lm_builder_rule(b), to = lm_builder_node(b);
    if (b->rc)
        return to;
    b->rule[rule].outside = true;
    g->s.root = schema;
    n = params_of(g, schema, g->loose[tool], p);
    if (n)
        put_object(g, m, p, n, rule);
    else
        lm_tool_join(g, b->rule[rule].start, b->rule[rule].end);
    if (!b->rc)
        lm_builder_call(b, from, rule, to);
    return to;
}

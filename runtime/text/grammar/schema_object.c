/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: their keys as one automaton whose labels are classes. */
#include "runtime/base/utf8.h"
#include "runtime/text/grammar/regex.h"
#include "runtime/text/grammar/schema_parts.h"

#include <stdlib.h>

enum { MAX_PATTERNS = 30, MAX_DECLARED = 2000, MAX_FINITE = 1000 };

struct object {
    struct lm_schema *s;
    const struct lm_schema_set *alt;
    const char **name;  /* [n_name] declared keys */
    size_t *len;
    bool *required;
    size_t n_name, cap_name;
    struct { const char *text; size_t n; struct lm_chars *c; } pattern[MAX_PATTERNS];
    size_t n_pattern;
    uint32_t class_mask[1 << 8]; /* patterns that the keys of an undeclared class match */
    struct lm_schema_set class_set[1 << 8];
    size_t n_class;
    bool *dead;         /* [n_name] the value can never be */
};

/* The additionalProperties of one schema; NULL: anything. */
static const json_t *additional(const struct lm_schema *s, const json_t *schema)
{
    const json_t *v = json_object_get(schema, "additionalProperties");
    bool closed = s->options.no_additional && (json_object_get(schema, "properties") || json_object_get(schema, "patternProperties"));
    return v || !closed ? v : json_false();
}

static struct lm_chars *pattern_chars(struct object *o, const char *text)
{
    for (size_t i = 0; i < o->n_pattern; i++)
        if (strcmp(o->pattern[i].text, text) == 0)
            return o->pattern[i].c;
    if (o->n_pattern == MAX_PATTERNS) {
        lm_schema_fail(o->s, LM_ELIMIT, "patternProperties", "more than %d patterns", MAX_PATTERNS);
        return NULL;
    }
    struct lm_chars *c = lm_regex_compile(&o->s->b, text, strlen(text), true);
    if (!c) {
        lm_fail_in(o->s->b.err, o->s->b.rc, "patternProperties");
        return NULL;
    }
    o->pattern[o->n_pattern].text = text;
    o->pattern[o->n_pattern++].c = c;
    return c;
}

/* What a key that matches the patterns of mask (and, with name, that one) must satisfy. */
static struct lm_schema_set class_set(struct object *o, const char *name, uint32_t mask)
{
    struct lm_schema *s = o->s;
    size_t most = 1;
    for (size_t i = 0; i < o->alt->n; i++)
        most += 2 + json_object_size(json_object_get(o->alt->s[i], "patternProperties"));
    struct lm_schema_set set = {lm_schema_alloc(s, most * sizeof *set.s), 0};
    for (size_t i = 0; i < o->alt->n && !s->b.rc; i++) {
        const json_t *own = name ? json_object_get(json_object_get(o->alt->s[i], "properties"), name) : NULL;
        bool found = own != NULL;
        const char *key;
        json_t *v;
        if (own)
            lm_schema_join(&set, own);
        json_object_foreach(json_object_get(o->alt->s[i], "patternProperties"), key, v) {
            size_t p = 0;
            while (p < o->n_pattern && strcmp(o->pattern[p].text, key) != 0)
                p++;
            if (p == o->n_pattern || !(mask >> p & 1))
                continue;
            found = true;
            lm_schema_join(&set, v);
        }
        const json_t *rest = found ? NULL : additional(s, o->alt->s[i]);
        if (rest)
            lm_schema_join(&set, rest);
    }
    return set;
}

static uint32_t mask_of(const struct object *o, const char *name, size_t n)
{
    uint32_t mask = 0;
    for (size_t p = 0; p < o->n_pattern; p++)
        mask |= lm_chars_match(o->pattern[p].c, name, n) >= 0 ? (uint32_t)1 << p : 0;
    return mask;
}

static void find_patterns(struct object *o)
{
    const char *key;
    json_t *v;
    for (size_t i = 0; i < o->alt->n; i++)
        json_object_foreach(json_object_get(o->alt->s[i], "patternProperties"), key, v)
            if (!o->s->b.rc)
                pattern_chars(o, key);
}

static void free_patterns(struct object *o)
{
    for (size_t i = 0; i < o->n_pattern; i++)
        lm_chars_destroy(o->pattern[i].c);
}

struct lm_schema_set lm_schema_member(struct lm_schema *s, const struct lm_schema_set *alt, const char *name, size_t n)
{
    struct object o = {.s = s, .alt = alt};
    find_patterns(&o);
    struct lm_schema_set set = class_set(&o, name, s->b.rc ? 0 : mask_of(&o, name, n));
    free_patterns(&o);
    return set;
}

static void declare(struct object *o, const char *name, bool required)
{
    struct lm_builder *b = &o->s->b;
    for (size_t i = 0; i < o->n_name && lm_builder_spend(b, 1); i++)
        if (strcmp(o->name[i], name) == 0) {
            o->required[i] |= required;
            return;
        }
    if (o->n_name == MAX_DECLARED) {
        lm_schema_fail(o->s, LM_ELIMIT, "properties", "more than %d keys", MAX_DECLARED);
        return;
    }
    if (o->n_name == o->cap_name) {
        size_t cap = o->cap_name * 2 + 16, n = o->n_name;
        const char **names = lm_schema_alloc(o->s, cap * sizeof *names);
        size_t *len = lm_schema_alloc(o->s, cap * sizeof *len);
        bool *req = lm_schema_alloc(o->s, cap);
        if (b->rc)
            return;
        if (n) {
            memcpy(names, o->name, n * sizeof *names);
            memcpy(len, o->len, n * sizeof *len);
            memcpy(req, o->required, n);
        }
        o->name = names;
        o->len = len;
        o->required = req;
        o->cap_name = cap;
    }
    o->name[o->n_name] = name;
    o->len[o->n_name] = strlen(name);
    o->required[o->n_name++] = required;
}

static void find_names(struct object *o)
{
    const char *key;
    json_t *v;
    size_t k;
    for (size_t i = 0; i < o->alt->n; i++) {
        json_object_foreach(json_object_get(o->alt->s[i], "properties"), key, v)
            declare(o, key, false);
        json_array_foreach(json_object_get(o->alt->s[i], "required"), k, v)
            declare(o, json_string_value(v), true);
    }
}

/* labels[0]: a declared key; [1 ..]: patterns; behind them what propertyNames asks, which every key must have. */
static int32_t key_label(void *arg, const int32_t *labels)
{
    struct object *o = arg;
    uint32_t mask = 0;
    if (labels[0] >= 0)
        return o->dead[labels[0]] ? -1 : labels[0];
    for (size_t p = 0; p < o->n_pattern; p++)
        mask |= labels[1 + p] >= 0 ? (uint32_t)1 << p : 0;
    for (size_t i = 0; i < o->n_class; i++)
        if (o->class_mask[i] == mask)
            return lm_schema_is_false(&o->class_set[i]) ? -1 : (int32_t)(o->n_name + i);
    if (o->n_class == sizeof o->class_mask / sizeof *o->class_mask) {
        lm_schema_fail(o->s, LM_ELIMIT, "patternProperties", "patterns that overlap in too many ways");
        return -1;
    }
    o->class_mask[o->n_class] = mask;
    o->class_set[o->n_class] = class_set(o, NULL, mask);
    return lm_schema_is_false(&o->class_set[o->n_class++]) ? -1 : (int32_t)(o->n_name + o->n_class - 1);
}

/* What propertyNames says of keys; NULL: nothing. */
static struct lm_chars *name_chars(struct lm_schema *s, const struct lm_schema_set *alt)
{
    struct lm_schema_set set = {lm_schema_alloc(s, (alt->n + 1) * sizeof *set.s), 0};
    struct lm_schema_alts alts = {0};
    struct lm_schema_facts f;
    struct lm_chars *c = NULL;
    for (size_t i = 0; i < alt->n && !s->b.rc; i++)
        if (json_object_get(alt->s[i], "propertyNames"))
            lm_schema_join(&set, json_object_get(alt->s[i], "propertyNames"));
    if (set.n == 0 || lm_schema_expand(s, &set, &alts))
        return NULL;
    if (alts.n == 0)
        return lm_chars_length(&s->b, 1, 0);
    if (alts.n > 1 || lm_schema_facts(s, &alts.alt[0], &f)) {
        lm_schema_fail(s, LM_EUNSUPPORTED, "propertyNames", "alternatives are not supported");
        return NULL;
    }
    if (!(f.types & LM_SCHEMA_STRING))
        return lm_chars_length(&s->b, 1, 0);
    if (f.values) {
        size_t n = json_array_size(f.values), k = 0;
        const char **word = lm_schema_alloc(s, (n + 1) * sizeof *word);
        size_t *len = lm_schema_alloc(s, (n + 1) * sizeof *len);
        for (size_t i = 0; i < (n ? n : 1) && !s->b.rc; i++) {
            const json_t *v = n ? json_array_get(f.values, i) : json_object_get(f.values, "const");
            if (!json_is_string(v) || !lm_schema_holds_all(s, &alts.alt[0], v))
                continue;
            word[k] = json_string_value(v);
            len[k++] = json_string_length(v);
        }
        return k ? lm_chars_words(&s->b, word, len, k) : lm_chars_length(&s->b, 1, 0);
    }
    if (lm_schema_strings(s, &alts.alt[0], &f, &c))
        return NULL;
    return c ? c : lm_chars_length(&s->b, f.min_length, f.max_length);
}

/* The automaton of all keys. */
static struct lm_chars *key_chars(struct object *o)
{
    struct lm_builder *b = &o->s->b;
    const struct lm_chars *part[MAX_PATTERNS + 3];
    bool must[MAX_PATTERNS + 3] = {false};
    size_t n = 0;
    struct lm_chars *words = lm_chars_words(b, o->name, o->len, o->n_name), *names = name_chars(o->s, o->alt);
    struct lm_chars *any = lm_chars_any(b), *keys = NULL;
    o->n_class = 0;
    part[n++] = words;
    for (size_t i = 0; i < o->n_pattern; i++)
        part[n++] = o->pattern[i].c;
    must[n] = true;
    part[n++] = any;
    if (names) {
        must[n] = true;
        part[n++] = names;
    }
    if (!b->rc)
        keys = lm_chars_product(b, part, must, n, key_label, o);
    lm_chars_destroy(words);
    lm_chars_destroy(names);
    lm_chars_destroy(any);
    return keys;
}

/* When the undeclared keys are few they are declared, so that each comes once. */
struct finite_walk {
    struct object *o;
    const struct lm_chars *c;
    int32_t from; /* labels of undeclared keys */
    char key[1024];
    size_t count;
    bool ok;
};

static void declare_copy(struct finite_walk *w, size_t n)
{
    char *copy = lm_schema_alloc(w->o->s, n + 1);
    w->ok = ++w->count <= MAX_FINITE && !w->o->s->b.rc;
    if (!w->ok)
        return;
    memcpy(copy, w->key, n);
    copy[n] = 0;
    declare(w->o, copy, false);
}

static void walk_finite(struct finite_walk *w, uint32_t state, size_t n, int depth)
{
    const struct lm_chars_state st = w->c->state[state];
    w->ok &= depth < 200 && n + 8 < sizeof w->key && lm_builder_spend(&w->o->s->b, 1);
    if (w->ok && st.label >= w->from)
        declare_copy(w, n);
    for (uint32_t k = 0; k < st.n_range && w->ok; k++) {
        struct lm_chars_range r = w->c->range[st.range + k];
        w->ok &= r.lo > 0; /* keys are C strings here */
        for (uint32_t ch = r.lo; ch <= r.hi && w->ok; ch++)
            walk_finite(w, r.to, n + (size_t)lm_utf8_encode(ch, w->key + n), depth + 1);
    }
}

static void fill(struct object *o, struct lm_schema_members *m)
{
    struct lm_schema *s = o->s;
    size_t n = o->n_name + o->n_class;
    m->value = lm_schema_alloc(s, (n + 1) * sizeof *m->value);
    m->required = lm_schema_alloc(s, n + 1);
    for (size_t i = 0; i < n && !s->b.rc; i++) {
        struct lm_schema_set set = i < o->n_name ? class_set(o, o->name[i], mask_of(o, o->name[i], o->len[i])) : o->class_set[i - o->n_name];
        m->value[i] = lm_schema_rule(s, &set);
        m->required[i] = i < o->n_name && o->required[i];
    }
    m->n_declared = (uint32_t)o->n_name;
    m->n_class = (uint32_t)n;
}

static void find_dead(struct object *o)
{
    o->dead = lm_schema_alloc(o->s, o->n_name + 1);
    for (size_t i = 0; i < o->n_name && !o->s->b.rc; i++) {
        struct lm_schema_set set = class_set(o, o->name[i], mask_of(o, o->name[i], o->len[i]));
        o->dead[i] = lm_schema_is_false(&set);
    }
}

static struct lm_chars *all_keys(struct object *o)
{
    find_dead(o);
    struct lm_chars *keys = o->s->b.rc ? NULL : key_chars(o);
    if (!keys || o->s->b.rc || lm_chars_is_empty(keys) || !lm_chars_is_finite(&o->s->b, keys, (int32_t)o->n_name))
        return keys;
    struct finite_walk *w = malloc(sizeof *w);
    size_t n_name = o->n_name;
    if (w) {
        *w = (struct finite_walk){.o = o, .c = keys, .from = (int32_t)o->n_name, .ok = true};
        walk_finite(w, 0, 0, 0);
    }
    if (!w)
        lm_schema_fail(o->s, LM_ENOMEM, "patternProperties", "no memory");
    bool again = w && w->ok && w->count;
    if (!again)
        o->n_name = n_name; /* so many that they will not all come */
    free(w);
    if (!again || o->s->b.rc)
        return keys;
    lm_chars_destroy(keys);
    find_dead(o);
    return o->s->b.rc ? NULL : key_chars(o);
}

void lm_schema_object(struct lm_schema *s, const struct lm_schema_set *alt, const struct lm_schema_facts *f, uint32_t from, uint32_t to)
{
    struct object *o = calloc(1, sizeof *o);
    struct lm_schema_members m = {.min = f->min_members, .max = f->max_members};
    if (!o) {
        lm_schema_fail(s, LM_ENOMEM, "properties", "no memory");
        return;
    }
    o->s = s;
    o->alt = alt;
    find_patterns(o);
    find_names(o);
    m.keys = s->b.rc ? NULL : all_keys(o);
    m.how = o->n_name == 0 && o->n_pattern == 0 ? LM_LOWER_FREE : LM_LOWER_JSON;
    if (!s->b.rc)
        fill(o, &m);
    if (!s->b.rc)
        lm_builder_call(&s->b, from, lm_schema_object_rule(s, &m), to);
    lm_chars_destroy(m.keys);
    free_patterns(o);
    free(o);
}

/* Behind the quote that ends a key of class c: the colon and the value, to node `behind`. */
static void build_member(struct lm_schema *s, uint32_t object, uint32_t c, uint32_t rule, uint32_t quote, uint32_t behind)
{
    uint32_t end = lm_builder_node(&s->b), colon = lm_schema_space(s), value = lm_schema_space(s);
    lm_builder_bytes(&s->b, quote, '"', '"', end);
    lm_builder_step(&s->b, end, LM_STEP_KEY, object, c, colon);
    lm_builder_bytes(&s->b, colon, ':', ':', value);
    lm_builder_call(&s->b, value, rule, behind);
}

static void build_keys(struct lm_schema *s, const struct lm_schema_members *m, uint32_t object, uint32_t open, uint32_t behind)
{
    uint32_t *quote = malloc((m->n_class + 1) * sizeof *quote), key = lm_builder_text(&s->b, open, "\"", 1);
    if (!quote) {
        lm_schema_fail(s, LM_ENOMEM, "properties", "no memory");
        return;
    }
    for (uint32_t c = 0; c < m->n_class; c++) {
        quote[c] = lm_builder_node(&s->b);
        build_member(s, object, c, m->value[c], quote[c], behind);
    }
    lm_lower(&s->b, m->keys, m->how, key, quote, m->n_class);
    free(quote);
}

uint32_t lm_schema_object_rule(struct lm_schema *s, const struct lm_schema_members *m)
{
    struct lm_builder *b = &s->b;
    uint32_t rule = lm_builder_rule(b), object = lm_builder_object(b, m->n_declared, m->n_class, m->min, m->max);
    if (b->rc)
        return 0;
    b->rule[rule].object = object + 1;
    for (uint32_t c = 0; c < m->n_class; c++) {
        b->object[object].value[c] = m->value[c];
        b->object[object].required[c] = c < m->n_declared && m->required[c];
    }
    uint32_t at[2] = {lm_schema_space(s), lm_schema_space(s)}, open = lm_builder_node(b), comma = lm_builder_node(b);
    uint32_t key = lm_schema_space(s), close = lm_builder_node(b);
    lm_builder_step(b, lm_builder_text(b, b->rule[rule].start, "{", 1), LM_STEP_JUMP, 0, 0, at[0]);
    for (int i = 0; i < 2; i++)
        lm_builder_step(b, at[i], LM_STEP_CLOSE, object, 0, close);
    lm_builder_bytes(b, close, '}', '}', b->rule[rule].end);
    if (m->keys && m->n_class && !lm_chars_is_empty(m->keys)) {
        lm_builder_step(b, at[0], LM_STEP_MORE, object, 0, open);
        lm_builder_step(b, at[1], LM_STEP_MORE, object, 0, comma);
        lm_builder_bytes(b, comma, ',', ',', key);
        lm_builder_step(b, key, LM_STEP_JUMP, 0, 0, open);
        build_keys(s, m, object, open, at[1]);
    }
    return rule;
}

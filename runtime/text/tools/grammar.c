/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/grammar_parts.h"

#include <stdlib.h>

enum { MARK_MAX = 64, SPACE_MAX = 2 };

/* ---- texts ---- */

/* The longest mark of a list that s begins with. */
static size_t mark_at(const char *const *list, const char *s)
{
    size_t best = 0;
    for (; list && *list; list++) {
        size_t n = strlen(*list);
        if (n > best && strncmp(s, *list, n) == 0)
            best = n;
    }
    return best;
}

void lm_tool_bytes(const struct lm_tool_grammar *g, const char *s, struct lm_bytes *out)
{
    const struct lm_reasoning_syntax *r = g->d->reasoning;
    while (*s) {
        size_t n = g->d->syntax ? mark_at(g->d->syntax->mark, s) : 0, m = r ? mark_at(r->open, s) : 0, k = r ? mark_at(r->close, s) : 0;
        n = n > m ? n : m;
        n = n > k ? n : k;
        int32_t id = n && g->d->control ? g->d->control(g->d->arg, s, n) : -1;
        char bytes[LM_CONTROL_BYTES];
        if (id >= 0) {
            lm_control_bytes(id, bytes);
            lm_bytes_add(out, bytes, sizeof bytes);
        } else {
            n = 1;
            lm_bytes_add_char(out, *s);
        }
        s += n;
    }
}

uint32_t lm_tool_put(struct lm_tool_grammar *g, uint32_t from, const char *text)
{
    struct lm_bytes b = {0};
    size_t skip = strlen(text) < g->n_skip ? strlen(text) : g->n_skip;
    g->n_skip -= skip;
    lm_tool_bytes(g, text + skip, &b);
    uint32_t at = lm_builder_text(&g->s.b, from, b.data ? b.data : "", b.len);
    if (b.failed && !g->s.b.rc)
        g->s.b.rc = lm_fail(g->s.b.err, LM_ENOMEM, "out of memory");
    lm_bytes_fini(&b);
    return at;
}

void lm_tool_join(struct lm_tool_grammar *g, uint32_t from, uint32_t to)
{
    lm_builder_step(&g->s.b, from, LM_STEP_JUMP, 0, 0, to);
}

static const json_t *function_of(const struct lm_tool_grammar *g, size_t tool)
{
    return json_object_get(json_array_get(g->d->tools, tool), "function");
}

uint32_t lm_tool_put_name(struct lm_tool_grammar *g, size_t tool, uint32_t from)
{
    return lm_builder_text(&g->s.b, from, json_string_value(json_object_get(function_of(g, tool), "name")),
                           json_string_length(json_object_get(function_of(g, tool), "name")));
}

uint32_t lm_tool_put_digits(struct lm_tool_grammar *g, uint32_t from)
{
    uint32_t to = lm_builder_node(&g->s.b), at = from;
    for (int i = 0; i < 3; i++) {
        uint32_t next = lm_builder_node(&g->s.b);
        lm_builder_bytes(&g->s.b, at, '0', '9', next);
        lm_tool_join(g, next, to);
        at = next;
    }
    return to;
}

uint32_t lm_tool_put_json(struct lm_tool_grammar *g, size_t tool, uint32_t from)
{
    uint32_t to = lm_builder_node(&g->s.b);
    if (!g->s.b.rc)
        lm_builder_call(&g->s.b, from, lm_schema_document(&g->s, lm_tool_schema(g, tool)), to);
    return to;
}

const json_t *lm_tool_parameters(const struct lm_tool_grammar *g, size_t tool)
{
    return json_object_get(function_of(g, tool), "parameters");
}

const json_t *lm_tool_schema(const struct lm_tool_grammar *g, size_t tool)
{
    const json_t *p = lm_tool_parameters(g, tool);
    return g->loose[tool] ? g->any : json_object_size(p) ? p : g->none;
}

/* ---- any text up to a mark ---- */

/* How much of s[0..n) the text s[0..i) c ends with. */
static size_t border(const char *s, size_t i, uint8_t c)
{
    for (size_t k = i + 1; k > 0; k--)
        if ((uint8_t)s[k - 1] == c && memcmp(s, s + i + 1 - k, k - 1) == 0)
            return k;
    return 0;
}

uint32_t lm_tool_put_free(struct lm_tool_grammar *g, uint32_t from, const char *until, bool controls, uint32_t end)
{
    struct lm_builder *b = &g->s.b;
    struct lm_bytes mark = {0};
    uint32_t node[MARK_MAX + 1];
    lm_tool_bytes(g, until, &mark);
    size_t n = mark.failed || mark.len > MARK_MAX ? 0 : mark.len;
    if (!n && !b->rc)
        b->rc = lm_fail(b->err, LM_ELIMIT, "a mark that is too long");
    for (size_t i = 0; i <= n; i++)
        node[i] = i ? lm_builder_node(b) : from;
    for (size_t i = 0; i < n && !b->rc; i++) {
        unsigned lo = 0, top = controls ? 256 : 255;
        for (unsigned c = 0; c <= top; c++) {
            bool own = c < 256 && memchr(mark.data, (int)c, n);
            if (!own && c < top)
                continue;
            if (c > lo)
                lm_builder_bytes(b, node[i], (uint8_t)lo, (uint8_t)(c - 1), node[0]);
            lo = c + 1;
            if (own)
                lm_builder_bytes(b, node[i], (uint8_t)c, (uint8_t)c, node[border(mark.data, i, (uint8_t)c)]);
        }
        if (end)
            lm_tool_join(g, node[i], end);
    }
    lm_bytes_fini(&mark);
    return n ? node[n] : from;
}

/* ---- all calls ---- */

/* The call of one tool, whose first bytes may be there already. */
static void put_call(struct lm_tool_grammar *g, size_t tool, size_t skip, uint32_t from, uint32_t to)
{
    const char *name = json_string_value(json_object_get(function_of(g, tool), "name"));
    if (g->d->only && strcmp(g->d->only, name) != 0)
        return;
    g->n_skip = skip;
    g->d->syntax->call(g, tool, from, to);
    g->n_skip = 0;
}

/* open call (between call)* close, whose first `skip` bytes are there already. */
static void put_calls(struct lm_tool_grammar *g, size_t skip, uint32_t from, uint32_t to)
{
    const struct lm_tool_syntax *s = g->d->syntax;
    size_t n_open = strlen(s->open), own = skip < n_open ? skip : n_open;
    uint32_t first = lm_tool_put(g, from, s->open + own), behind = lm_builder_node(&g->s.b);
    for (size_t i = 0; i < json_array_size(g->d->tools); i++)
        put_call(g, i, skip - own, first, behind);
    if (g->d->many && s->between) {
        uint32_t next = lm_tool_put(g, behind, s->between);
        for (size_t i = 0; i < json_array_size(g->d->tools); i++)
            put_call(g, i, 0, next, behind);
    }
    lm_tool_join(g, lm_tool_put(g, behind, s->close), to);
}

/* Reasoning, if it may come: returns the node behind it, and from `from` too where it may be left out. */
static uint32_t put_thought(struct lm_tool_grammar *g, uint32_t from)
{
    const struct lm_tool_syntax *s = g->d->syntax;
    const struct lm_reasoning_syntax *r = g->d->reasoning;
    bool own = s && s->thought[0];
    uint32_t to = lm_builder_node(&g->s.b), at = from;
    if (own || (r && !r->other && g->d->thinking != LM_THINKING_CLOSED)) {
        if (own || g->d->thinking != LM_THINKING_OPEN)
            lm_tool_join(g, from, to);
        if (own || (g->d->thinking != LM_THINKING_OPEN && !r->begins))
            at = lm_tool_put(g, from, own ? s->thought[0] : r->open[0]);
        else if (g->d->thinking == LM_THINKING_NONE) { /* a node of its own: `from` goes on otherwise too */
            at = lm_builder_node(&g->s.b);
            lm_tool_join(g, from, at);
        }
        at = lm_tool_put_free(g, at, own ? s->thought[1] : r->close[0], false, 0);
        if (own)
            at = lm_tool_put(g, at, s->thought[2]);
    }
    lm_tool_join(g, at, to);
    for (int i = 0; i < SPACE_MAX && !own; i++) {
        uint32_t next = lm_builder_node(&g->s.b);
        lm_tool_join(g, to, next);
        lm_builder_bytes(&g->s.b, to, '\n', '\n', next);
        to = next;
    }
    return to;
}

/* The answer in its format. */
static void put_format(struct lm_tool_grammar *g, uint32_t from, uint32_t to)
{
    struct lm_schema_options own = g->s.options;
    if (g->d->syntax && g->d->syntax->answer)
        from = lm_tool_put(g, from, g->d->syntax->answer);
    g->s.options = g->d->options;
    uint32_t rule = lm_schema_document(&g->s, g->d->format);
    g->s.options = own;
    if (!g->s.b.rc)
        lm_builder_call(&g->s.b, from, rule, to);
}

static void put_all(struct lm_tool_grammar *g, uint32_t from, uint32_t to)
{
    const struct lm_tool_syntax *s = g->d->syntax;
    if (g->d->format || g->d->need == LM_TOOL_MUST) {
        uint32_t at = put_thought(g, from);
        if (g->d->need != LM_TOOL_NONE)
            put_calls(g, 0, at, to);
        if (g->d->need != LM_TOOL_MUST)
            put_format(g, at, to);
        return;
    }
    uint32_t text = lm_builder_node(&g->s.b), behind = g->d->many ? text : to;
    lm_tool_join(g, from, text);
    put_calls(g, strlen(s->trigger), lm_tool_put_free(g, text, s->trigger, true, to), behind);
}

/* ---- what tools may be ---- */

static bool name_is_sound(const json_t *name)
{
    const char *s = json_string_value(name);
    size_t n = json_string_length(name);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f || strchr("\"\\<>{}[]()|,", s[i]))
            return false;
    return n > 0 && n <= 256;
}

static int check_tool(struct lm_tool_grammar *g, size_t i, struct lm_err *err)
{
    const json_t *f = function_of(g, i), *name = json_object_get(f, "name");
    const struct lm_schema_options options = {.no_additional = true};
    struct lm_program *p = NULL;
    if (!name_is_sound(name))
        return lm_fail(err, LM_EINVAL, "the name of tool %zu has a character that a call cannot have", i);
    int rc = lm_schema_compile(lm_tool_schema(g, i), &options, &p, err);
    lm_program_destroy(p);
    if (rc == 0 || rc == LM_ENOMEM)
        return rc;
    if (json_is_true(json_object_get(f, "strict")))
        return lm_fail_in(err, rc, "parameters of the strict tool %.40s", json_string_value(name));
    g->loose[i] = true;
    return 0;
}

static int compile(struct lm_tool_grammar *g, struct lm_program **out, struct lm_err *err)
{
    size_t n = g->d->need == LM_TOOL_NONE ? 0 : json_array_size(g->d->tools);
    int rc = 0;
    g->loose = calloc(n + 1, sizeof *g->loose);
    g->any = json_pack("{s:s}", "type", "object");
    g->none = json_pack("{s:s,s:{},s:b}", "type", "object", "properties", "additionalProperties", 0);
    g->string = json_pack("{s:s}", "type", "string");
    if (!g->loose || !g->any || !g->none || !g->string)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = check_tool(g, i, err);
    if (rc)
        return rc;
    lm_builder_init(&g->s.b, err);
    uint32_t root = lm_builder_rule(&g->s.b);
    if (!g->s.b.rc)
        g->s.b.rule[root].outside = true;
    if (!g->s.b.rc)
        put_all(g, g->s.b.rule[root].start, g->s.b.rule[root].end);
    rc = g->s.b.rc ? g->s.b.rc : lm_builder_finish(&g->s.b, root, true, out);
    lm_schema_fini(&g->s);
    return rc;
}

int lm_tool_grammar_compile(const struct lm_tool_grammar_desc *desc, struct lm_program **out, struct lm_err *err)
{
    struct lm_tool_grammar g = {.d = desc, .s = {.options = {.no_additional = true}, .mem = {.limit = 64 << 20}}};
    *out = NULL;
    if (!desc->format && (desc->need == LM_TOOL_NONE || (desc->need == LM_TOOL_MAY && !desc->syntax->trigger)))
        return 0;
    int rc = compile(&g, out, err);
    free(g.loose);
    json_decref(g.any);
    json_decref(g.none);
    json_decref(g.string);
    return rc;
}

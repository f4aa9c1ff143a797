/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the grammar of calls allows, the parser of the same syntax takes for calls whose arguments are valid. */
#include "runtime/text/grammar/matcher.h"
#include "runtime/text/grammar/schema.h"
#include "runtime/text/tools/grammar.h"
#include "tests/suite.h"

#include <stdlib.h>

enum { N_TEXT = 60, MAX_BYTES = 4000 };

static const char tools_text[] =
    "[{'type':'function','function':{'name':'get_weather','parameters':{'type':'object','properties':{"
    "'city':{'type':'string','minLength':1,'maxLength':6},'days':{'type':'integer','minimum':1,'maximum':9},'unit':{'enum':['C','F','a<b']},"
    "'flag':{'type':'boolean'},'list':{'type':'array','items':{'$ref':'#/$defs/n'},'maxItems':2},'note':{'type':['string','null'],'maxLength':3},"
    "'c':{'type':'string','pattern':'^[a-z]{2}$'}},'required':['city','unit'],'$defs':{'n':{'type':'integer','maximum':5,'minimum':0}}}}},"
    "{'type':'function','function':{'name':'get','parameters':{'type':'object','properties':{'x':{'const':1.5}},'required':['x']}}},"
    "{'type':'function','function':{'name':'now'}}]";

static const char *const names[] = {"hermes", "llama3_json", "mistral", "qwen3_coder", "deepseek_v3", "deepseek_v31", "glm45", "kimi_k2", "openai", "pythonic"};

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static json_t *load(const char *text)
{
    struct lm_bytes b = {0};
    for (; *text; text++)
        lm_bytes_add_char(&b, *text == '\'' ? '"' : *text);
    json_t *v = json_loads(b.data, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(v);
    lm_bytes_fini(&b);
    return v;
}

/* Marks that are control tokens are bytes that no text has. */
static int32_t control(void *arg, const char *s, size_t n)
{
    (void)s;
    *(size_t *)arg += n;
    return (int32_t)n;
}

static struct lm_program *compile(const struct lm_tool_grammar_desc *d)
{
    struct lm_program *p = NULL;
    struct lm_err err = {0};
    int rc = lm_tool_grammar_compile(d, &p, &err);
    ck_assert_msg(rc == 0, "%s: %s", d->syntax->name, err.msg);
    return p;
}

static bool may(struct lm_matcher *m, char c)
{
    struct lm_threads probe = {0};
    m->pool->policy = LM_KEY_EXACT;
    m->pool->dup = c == '"' && lm_json_keys_is_dup(&m->keys);
    lm_threads_step(m->pool, m->now.t, m->now.n, (uint8_t)c, &probe);
    bool yes = probe.n > 0 || probe.accept;
    lm_threads_fini(&probe);
    return yes && !(m->keys.space >= 3 && strchr(" \t\r\n", c));
}

/* A random text of the program: bytes that are likely to end it come more often. False: it became too long. */
static bool random_text(struct lm_matcher *m, uint32_t *seed, struct lm_bytes *out)
{
    static const char likely[] = "\"}],:<)/";
    lm_bytes_clear(out);
    lm_matcher_restart(m);
    while (out->len < MAX_BYTES && !(lm_matcher_accepts(m) && (m->now.n == 0 || next(seed) % 3 == 0))) {
        char c = 0;
        uint32_t k = 0, start = next(seed);
        for (; k < 256 + 8; k++) {
            c = k < 8 && next(seed) % 2 ? likely[(start + k) % 8] : (char)(start * 7 + k);
            if (may(m, c))
                break;
        }
        ck_assert_msg(k < 264, "a dead end behind: %s", out->data);
        ck_assert(lm_matcher_feed(m, &c, 1, false));
        lm_bytes_add_char(out, c);
    }
    return lm_matcher_accepts(m);
}

static const json_t *schema_of(const json_t *tools, const char *name)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *f = json_object_get(json_array_get(tools, i), "function");
        if (strcmp(json_string_value(json_object_get(f, "name")), name) == 0)
            return json_object_get(f, "parameters");
    }
    return NULL;
}

/* Returns the number of calls. */
static size_t check_calls(const struct lm_tool_grammar_desc *d, const char *s, size_t n)
{
    struct lm_arena mem = {0};
    struct lm_tool_list list;
    struct lm_said said = {0};
    struct lm_parser *p;
    ck_assert_int_eq(lm_tool_list_init(d->tools, &mem, &list), 0);
    struct lm_parser_desc pd = {.tools = d->syntax, .reasoning = d->reasoning, .list = &list, .thinking = d->thinking};
    ck_assert_int_eq(lm_parser_create(&pd, &said, &p, NULL), 0);
    lm_parser_feed(p, s, n);
    lm_parser_finish(p);
    lm_parser_destroy(p);
    for (size_t i = 0; i < said.n; i++) {
        const struct lm_said_part *part = &said.part[i];
        ck_assert_msg(part->kind == LM_SAID_CALL || d->need == LM_TOOL_MAY || part->kind == LM_SAID_REASONING, "%s: content in: %s", d->syntax->name, s);
        if (part->kind != LM_SAID_CALL)
            continue;
        json_t *args = json_loadb(part->text.data, part->text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        const json_t *schema = schema_of(d->tools, part->name.data);
        ck_assert_msg(json_is_object(args) && (!schema || lm_schema_valid(schema, args)), "%s: %s of: %s", d->syntax->name, part->text.data, s);
        ck_assert(!d->only || strcmp(d->only, part->name.data) == 0);
        json_decref(args);
    }
    size_t n_call = said.n_call;
    lm_said_fini(&said);
    lm_arena_fini(&mem);
    return n_call;
}

static size_t try_texts(const struct lm_tool_grammar_desc *d, uint32_t seed)
{
    struct lm_program *p = compile(d);
    struct lm_frames *frames;
    struct lm_matcher m;
    struct lm_bytes text = {0};
    size_t most = 0, whole = 0;
    ck_assert_int_eq(lm_frames_create(p, &frames, NULL), 0);
    ck_assert_int_eq(lm_matcher_init(&m, frames, NULL), 0);
    for (int i = 0; i < N_TEXT; i++) {
        if (!random_text(&m, &seed, &text))
            continue;
        size_t n = check_calls(d, text.data ? text.data : "", text.len);
        ck_assert_msg(d->need == LM_TOOL_MAY || n > 0, "%s: no call in: %s", d->syntax->name, text.data);
        most = n > most ? n : most;
        whole++;
    }
    ck_assert_msg(whole > (lm_tool_reasons(d->syntax) ? 0 : N_TEXT / 4),
                  "%s: only %zu texts ended", d->syntax->name, whole);
    lm_bytes_fini(&text);
    lm_matcher_fini(&m);
    lm_frames_destroy(frames);
    lm_program_destroy(p);
    return most;
}

START_TEST(test_tools_grammar__what_it_allows_are_valid_calls)
{
    json_t *tools = load(tools_text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct lm_tool_grammar_desc d = {.syntax = lm_tool_syntax_find(names[i], NULL), .need = LM_TOOL_MUST, .tools = tools, .many = true};
        size_t most = try_texts(&d, (uint32_t)i);
        ck_assert(most > 1 || lm_tool_reasons(d.syntax));
        d.many = false;
        ck_assert_uint_eq(try_texts(&d, (uint32_t)i), 1);
        d.only = "get";
        ck_assert_uint_eq(try_texts(&d, (uint32_t)i + 7), 1);
    }
    json_decref(tools);
}
END_TEST

static bool accepts(const struct lm_program *p, const char *s, bool whole)
{
    struct lm_frames *frames;
    struct lm_matcher m;
    ck_assert_int_eq(lm_frames_create(p, &frames, NULL), 0);
    ck_assert_int_eq(lm_matcher_init(&m, frames, NULL), 0);
    bool ok = lm_matcher_feed(&m, s, strlen(s), false) && (!whole || lm_matcher_accepts(&m));
    lm_matcher_fini(&m);
    lm_frames_destroy(frames);
    return ok;
}

START_TEST(test_tools_grammar__golden_calls_of_known_tools_are_allowed)
{
    size_t n_tried = 0, k;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        json_t *c;
        snprintf(path, sizeof path, "%s/%s.json", TOOLS_DIR, names[i]);
        json_t *cases = json_load_file(path, 0, NULL);
        json_array_foreach(cases, k, c) {
            const char *name = json_string_value(json_object_get(c, "name"));
            if (strcmp(name, "one call") != 0 && strcmp(name, "two calls") != 0)
                continue;
            struct lm_tool_grammar_desc d = {
                .syntax = lm_tool_syntax_find(names[i], NULL), .need = LM_TOOL_MAY, .tools = json_object_get(c, "tools"), .many = true,
            };
            struct lm_program *p = compile(&d);
            ck_assert((p != NULL) == (d.syntax->trigger != NULL));
            ck_assert_msg(!p || accepts(p, json_string_value(json_object_get(c, "text")), true), "%s: %s", names[i], name);
            n_tried += p != NULL;
            lm_program_destroy(p);
        }
        json_decref(cases);
    }
    ck_assert_uint_gt(n_tried, 8);
}
END_TEST

START_TEST(test_tools_grammar__with_auto_a_call_that_has_begun_must_be_valid)
{
    json_t *tools = load(tools_text);
    struct lm_tool_grammar_desc d = {.syntax = lm_tool_syntax_find("hermes", NULL), .need = LM_TOOL_MAY, .tools = tools, .many = true};
    struct lm_program *p = compile(&d);
    ck_assert(accepts(p, "", true) && accepts(p, "any {\"text\" <tool_cal at all\"\"", true));
    ck_assert(accepts(p, "a\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", true));
    ck_assert(!accepts(p, "a\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}", true));
    ck_assert(!accepts(p, "<tool_call>\n{\"name\": \"other", false));
    ck_assert(!accepts(p, "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"x\": 2", false));
    ck_assert(!accepts(p, "{\"a\"<tool_call>\n{\"name\": \"get\", \"arguments\": {\"x\": 1.5, \"x\"", false));
    lm_program_destroy(p);
    json_decref(tools);
}
END_TEST

START_TEST(test_tools_grammar__reasoning_may_come_first)
{
    json_t *tools = load(tools_text);
    const char *call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    struct lm_tool_grammar_desc d = {.syntax = lm_tool_syntax_find("hermes", NULL), .reasoning = lm_reasoning_find("qwen3", NULL), .need = LM_TOOL_MUST, .tools = tools};
    for (int t = LM_THINKING_NONE; t <= LM_THINKING_CLOSED; t++) {
        struct lm_bytes a = {0}, b = {0};
        d.thinking = (enum lm_thinking)t;
        struct lm_program *p = compile(&d);
        lm_bytes_addf(&a, "<think>\nwell <tool_call>\n</think>\n\n%s", call);
        lm_bytes_addf(&b, "well\n</think>\n\n%s", call);
        ck_assert_int_eq(accepts(p, a.data, true), t == LM_THINKING_NONE || t == LM_THINKING_OPEN);
        ck_assert_int_eq(accepts(p, b.data, true), t == LM_THINKING_OPEN);
        ck_assert_int_eq(accepts(p, call, true), t != LM_THINKING_OPEN);
        lm_program_destroy(p);
        lm_bytes_fini(&a);
        lm_bytes_fini(&b);
    }
    json_decref(tools);
}
END_TEST

START_TEST(test_tools_grammar__a_format_goes_with_calls_and_thoughts)
{
    json_t *tools = load(tools_text), *format = load("{'type':'object','properties':{'a':{'type':'integer'}},'required':['a'],'additionalProperties':false}");
    const char *call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    struct lm_tool_grammar_desc d = {
        .syntax = lm_tool_syntax_find("hermes", NULL), .reasoning = lm_reasoning_find("qwen3", NULL), .need = LM_TOOL_MAY, .tools = tools, .format = format,
    };
    struct lm_program *p = compile(&d);
    ck_assert(accepts(p, call, true) && accepts(p, "{\"a\": 5}", true) && accepts(p, "<think>x{\"</think>\n\n{\"a\": 5}", true));
    ck_assert(!accepts(p, "any text", false) && !accepts(p, "{\"b\"", false) && !accepts(p, "{\"a\": 5, \"a\"", false));
    lm_program_destroy(p);
    d.need = LM_TOOL_NONE;
    d.thinking = LM_THINKING_OPEN;
    d.syntax = NULL;
    p = compile(&d);
    ck_assert(accepts(p, "x\n</think>\n\n{\"a\": 5}", true) && !accepts(p, "x</think>a", false) && !accepts(p, "{\"a\": 5}", true));
    lm_program_destroy(p);
    d.syntax = lm_tool_syntax_find("openai", NULL);
    d.reasoning = NULL;
    p = compile(&d);
    ck_assert(accepts(p, "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>{\"a\": 5}", true));
    lm_program_destroy(p);
    json_decref(format);
    json_decref(tools);
}
END_TEST

START_TEST(test_tools_grammar__control_tokens_stand_for_themselves)
{
    json_t *tools = load(tools_text);
    size_t n_mark = 0;
    struct lm_tool_grammar_desc d = {
        .syntax = lm_tool_syntax_find("mistral", "[TOOL_CALLS][ARGS]"), .need = LM_TOOL_MUST, .tools = tools, .control = control, .arg = &n_mark,
    };
    struct lm_program *p = compile(&d);
    ck_assert_uint_gt(n_mark, 0);
    ck_assert(!accepts(p, "[TOOL_CALLS]now[ARGS]{}", false));
    ck_assert(accepts(p, "\xff\x80\x80\x8cnow\xff\x80\x80\x86{}", true));
    lm_program_destroy(p);
    json_decref(tools);
}
END_TEST

START_TEST(test_tools_grammar__a_schema_that_cannot_be_kept_is_refused_when_strict)
{
    json_t *tools = load("[{'function':{'name':'f','parameters':{'type':'object','properties':{'a':{'type':'array','uniqueItems':true}}}}}]");
    struct lm_tool_grammar_desc d = {.need = LM_TOOL_MUST, .tools = tools};
    struct lm_program *p;
    struct lm_err err;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        d.syntax = lm_tool_syntax_find(names[i], NULL);
        lm_program_destroy(compile(&d));
    }
    json_object_set_new(json_object_get(json_array_get(tools, 0), "function"), "strict", json_true());
    ck_assert_int_eq(lm_tool_grammar_compile(&d, &p, &err), LM_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "uniqueItems"));
    json_object_set_new(json_object_get(json_array_get(tools, 0), "function"), "name", json_string("a b"));
    ck_assert_int_eq(lm_tool_grammar_compile(&d, &p, &err), LM_EINVAL);
    json_decref(tools);
}
END_TEST

SUITE_MAIN("tools/grammar", test_tools_grammar__what_it_allows_are_valid_calls, test_tools_grammar__golden_calls_of_known_tools_are_allowed,
           test_tools_grammar__with_auto_a_call_that_has_begun_must_be_valid, test_tools_grammar__reasoning_may_come_first,
           test_tools_grammar__a_format_goes_with_calls_and_thoughts, test_tools_grammar__control_tokens_stand_for_themselves, test_tools_grammar__a_schema_that_cannot_be_kept_is_refused_when_strict)

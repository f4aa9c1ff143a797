/* SPDX-License-Identifier: Apache-2.0 */
/* Every case of tests/golden/tools, whole, byte by byte and in random pieces, and damaged. */
#include "runtime/text/tools/tools.h"
#include "tests/suite.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { N_CUT = 20, N_DAMAGE = 60 };

struct parsed {
    struct lm_said said;
    struct lm_arena mem;
};

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static const char *text_of(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));
    return s ? s : "";
}

/* piece 0: whole; else pieces of at most that many bytes. */
static void parse(const json_t *c, const char *syntax, const char *s, size_t n, size_t piece, uint32_t seed, struct parsed *out)
{
    struct lm_tool_list list = {0};
    struct lm_parser *p;
    const char *reasoning = text_of(c, "reasoning_parser");
    *out = (struct parsed){0};
    ck_assert_int_eq(lm_tool_list_init(json_object_get(c, "tools"), &out->mem, &list), 0);
    struct lm_parser_desc d = {.list = &list};
    if (*syntax)
        ck_assert_ptr_nonnull(d.tools = lm_tool_syntax_find(syntax, NULL));
    if (*reasoning)
        ck_assert_ptr_nonnull(d.reasoning = lm_reasoning_find(reasoning, NULL));
    d.thinking = lm_reasoning_of_prompt(d.reasoning, text_of(c, "prompt"), strlen(text_of(c, "prompt")));
    ck_assert_int_eq(lm_parser_create(&d, &out->said, &p, NULL), 0);
    for (size_t at = 0; at < n;) {
        size_t k = piece == 0 ? n : 1 + next(&seed) % piece;
        k = k < n - at ? k : n - at;
        lm_parser_feed(p, s + at, k);
        at += k;
    }
    lm_parser_finish(p);
    lm_parser_destroy(p);
    ck_assert(!out->said.failed);
}

static void done(struct parsed *p)
{
    lm_said_fini(&p->said);
    lm_arena_fini(&p->mem);
}

static struct lm_bytes joined(const struct lm_said *s, enum lm_said_kind kind)
{
    struct lm_bytes b = {0};
    for (size_t i = 0; i < s->n; i++)
        if (s->part[i].kind == kind)
            lm_bytes_add(&b, s->part[i].text.data, s->part[i].text.len);
    lm_bytes_add_str(&b, "");
    return b;
}

static void same_text(const struct lm_said *s, enum lm_said_kind kind, const char *want, const char *name)
{
    struct lm_bytes b = joined(s, kind);
    ck_assert_msg(strcmp(b.data ? b.data : "", want) == 0, "%s: %s is \"%s\", not \"%s\"", name, kind ? "reasoning" : "content", b.data ? b.data : "", want);
    lm_bytes_fini(&b);
}

static bool same_bytes(const struct lm_bytes *a, const struct lm_bytes *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static void same_said(const struct lm_said *a, const struct lm_said *b, const char *name)
{
    ck_assert_msg(a->n == b->n && a->n_call == b->n_call, "%s: %zu parts, not %zu", name, b->n, a->n);
    for (size_t i = 0; i < a->n; i++) {
        const struct lm_said_part *x = &a->part[i], *y = &b->part[i];
        ck_assert_msg(x->kind == y->kind && same_bytes(&x->name, &y->name) && same_bytes(&x->id, &y->id) && same_bytes(&x->text, &y->text),
                      "%s: part %zu differs: \"%s\", not \"%s\"", name, i, y->text.data ? y->text.data : "", x->text.data ? x->text.data : "");
    }
}

/* arguments: an object as it parses, or a text as it is. */
static void same_calls(const struct lm_said *s, const json_t *want, const char *name)
{
    size_t k = 0;
    ck_assert_msg(s->n_call == json_array_size(want), "%s: %zu calls, not %zu", name, s->n_call, json_array_size(want));
    for (size_t i = 0; i < s->n; i++) {
        const struct lm_said_part *p = &s->part[i];
        if (p->kind != LM_SAID_CALL)
            continue;
        const json_t *w = json_array_get(want, k++), *args = json_object_get(w, "arguments");
        ck_assert_msg(strcmp(p->name.data, text_of(w, "name")) == 0, "%s: a call of %s", name, p->name.data);
        ck_assert_msg(!json_object_get(w, "id") || strcmp(p->id.data ? p->id.data : "", text_of(w, "id")) == 0, "%s: id %s", name, p->id.data);
        if (json_is_string(args)) {
            ck_assert_msg(strcmp(p->text.data ? p->text.data : "", json_string_value(args)) == 0, "%s: arguments %s", name, p->text.data);
            continue;
        }
        json_t *got = json_loadb(p->text.data ? p->text.data : "", p->text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        ck_assert_msg(json_equal(got, args), "%s: arguments %s", name, p->text.data);
        json_decref(got);
    }
}

static void cut(const json_t *c, const char *syntax, const char *text, size_t n, const struct lm_said *whole, const char *name)
{
    struct parsed p;
    parse(c, syntax, text, n, 1, 0, &p);
    same_said(whole, &p.said, name);
    done(&p);
    for (uint32_t i = 0; i < N_CUT; i++) {
        parse(c, syntax, text, n, 1 + i % 9, i, &p);
        same_said(whole, &p.said, name);
        done(&p);
    }
}

/* Where there is no call, every visible byte is content or reasoning, but for marks. */
static void damage(const json_t *c, const char *syntax, const char *text, size_t n, const char *name)
{
    char *copy = malloc(n + 1);
    ck_assert_ptr_nonnull(copy);
    for (uint32_t i = 0; i < N_DAMAGE; i++) {
        uint32_t state = i * 7919 + (uint32_t)n;
        struct parsed whole;
        size_t len = n;
        memcpy(copy, text, n);
        if (i % 3 == 0)
            len = next(&state) % (n + 1);
        else if (i % 3 == 1 && n)
            copy[next(&state) % n] = "{}[]\"<>:,\\x\n "[next(&state) % 13];
        else if (n)
            memmove(copy + next(&state) % n, copy, 1);
        parse(c, syntax, copy, len, 0, 0, &whole);
        cut(c, syntax, copy, len, &whole.said, name);
        done(&whole);
    }
    free(copy);
}

static void try_case(const json_t *c, const char *syntax)
{
    struct parsed whole;
    const json_t *text = json_object_get(c, "text");
    const char *name = text_of(c, "name"), *s = json_string_value(text);
    size_t n = json_string_length(text);
    parse(c, syntax, s, n, 0, 0, &whole);
    same_text(&whole.said, LM_SAID_CONTENT, text_of(c, "content"), name);
    same_text(&whole.said, LM_SAID_REASONING, text_of(c, "reasoning"), name);
    same_calls(&whole.said, json_object_get(c, "calls"), name);
    cut(c, syntax, s, n, &whole.said, name);
    done(&whole);
    damage(c, syntax, s, n, name);
}

START_TEST(test_tools__every_golden_case_is_taken_apart_however_it_is_cut)
{
    DIR *d = opendir(TOOLS_DIR);
    size_t n_case = 0, i;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512], syntax[64];
        json_t *c;
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".json") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", TOOLS_DIR, e->d_name);
        snprintf(syntax, sizeof syntax, "%.*s", (int)(dot - e->d_name), e->d_name);
        json_t *cases = json_load_file(path, 0, NULL);
        ck_assert_msg(json_array_size(cases) > 0, "%s cannot be read", path);
        json_array_foreach(cases, i, c) {
            try_case(c, strcmp(syntax, "none") == 0 ? "" : syntax);
            n_case++;
        }
        json_decref(cases);
    }
    closedir(d);
    ck_assert_uint_gt(n_case, 60);
}
END_TEST

START_TEST(test_tools__time_is_linear_in_the_text)
{
    static const char *const pieces[] = {"<tool_call>", "<tool_call>{\"name\": \"", "[TOOL_CALLS][", "<", "{\"a\":", " ", "[f(", "\"", "<think>",
                                         "<tool_call>\n<function=f>\n<parameter=", "<|channel|>", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"};
    static const char *const names[] = {"hermes", "llama3_json", "mistral", "qwen3_coder", "deepseek_v3", "glm45", "kimi_k2", "openai", "pythonic"};
    json_t *c = json_pack("{s:s}", "reasoning_parser", "qwen3");
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            struct lm_bytes b = {0};
            struct parsed p;
            while (b.len < 60000)
                lm_bytes_add_str(&b, pieces[i]);
            parse(c, names[k], b.data, b.len, 7, 1, &p);
            done(&p);
            parse(c, names[k], b.data, b.len, 0, 1, &p);
            done(&p);
            lm_bytes_fini(&b);
        }
    json_decref(c);
}
END_TEST

START_TEST(test_tools__the_template_says_which_syntax_it_is)
{
    static const struct { const char *source, *tools, *reasoning; } rows[] = {
        {"... <tool_call> ... <think>", "hermes", "qwen3"}, {"<tool_call>\n<function=x>\n<parameter=", "qwen3_coder", NULL},
        {"<tool_call>{{ f }}<arg_key>", "glm45", NULL}, {"<|start|><|channel|><|message|>", "openai", "gpt_oss"},
        {"<｜tool▁calls▁begin｜>```json", "deepseek_v3", NULL}, {"<｜tool▁calls▁begin｜> <｜Assistant｜><think>", "deepseek_v31", "qwen3"},
        {"<|tool_calls_section_begin|>", "kimi_k2", NULL}, {"[TOOL_CALLS]", "mistral", NULL}, {"nothing", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_ptr_eq(lm_tool_syntax_find("auto", rows[i].source), rows[i].tools ? lm_tool_syntax_find(rows[i].tools, rows[i].source) : NULL);
        ck_assert_ptr_eq(lm_reasoning_find("auto", rows[i].source), rows[i].reasoning ? lm_reasoning_find(rows[i].reasoning, NULL) : NULL);
    }
    ck_assert_ptr_null(lm_tool_syntax_find("nosuch", "<tool_call>"));
    ck_assert_ptr_ne(lm_tool_syntax_find("mistral", "[TOOL_CALLS] [ARGS]"), lm_tool_syntax_find("mistral", "[TOOL_CALLS]"));
}
END_TEST

SUITE_MAIN("tools/tools", test_tools__every_golden_case_is_taken_apart_however_it_is_cut, test_tools__time_is_linear_in_the_text,
           test_tools__the_template_says_which_syntax_it_is)

/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer may call, and how it is taken apart: by the model's syntax of calls and of reasoning. */
#include "api/openai/gen.h"
#include "runtime/base/json.h"
#include "runtime/text/tools/grammar.h"

#include <stdlib.h>

enum need { NONE, AUTO, REQUIRED, NAMED };

static enum need need_of(const struct lm_params *p, const char **out_name)
{
    const char *choice = json_string_value(p->tool_choice);
    *out_name = json_string_value(json_object_get(json_object_get(p->tool_choice, "function"), "name"));
    if (!p->tools || (choice && strcmp(choice, "none") == 0))
        return NONE;
    return *out_name ? NAMED : choice && strcmp(choice, "required") == 0 ? REQUIRED : AUTO;
}

static int32_t control_of(void *arg, const char *s, size_t n)
{
    struct lm_tokens t = {0};
    int32_t id = -1;
    if (lm_tokenizer_encode(arg, s, n, LM_TOK_PARSE_SPECIAL, 8, &t, NULL) == 0 && t.n == 1 && lm_tokenizer_is_control(arg, t.id[0]))
        id = t.id[0];
    free(t.id);
    return id;
}

/* Compile what the answer may be; *out NULL: any text, or what its format alone allows. */
static int compile(struct lm_gen *g, enum need need, const char *name, struct lm_program **out)
{
    bool must = need == REQUIRED || need == NAMED;
    struct lm_tool_grammar_desc d = {
        .syntax = g->tool_syntax, .reasoning = g->reasoning, .thinking = g->thinking, .need = must ? LM_TOOL_MUST : need == AUTO ? LM_TOOL_MAY : LM_TOOL_NONE,
        .tools = g->params.tools, .only = name, .many = g->params.parallel_tool_calls && need != NAMED, .control = control_of, .arg = g->model->text.tok,
    };
    struct lm_err err = {0};
    json_t *format = must || !g->program ? NULL : lm_constrain_schema(g->json, &d.options);
    bool free_text = !must && (g->params.beam_search || (g->program && !format));
    d.format = format;
    int rc = free_text ? 0 : lm_tool_grammar_compile(&d, out, &err);
    json_decref(format);
    if (rc == 0 && *out && (*out)->bytes > LM_CONSTRAIN_MAX_BYTES) {
        rc = lm_fail(&err, LM_ELIMIT, "their schemas are too large");
        lm_program_destroy(*out);
        *out = NULL;
    }
    if (rc == LM_ENOMEM)
        return lm_api_no_memory(&g->error);
    return rc && (must || rc == LM_EUNSUPPORTED) ? lm_api_bad(&g->error, "tools", "tools: %s", err.msg) : 0;
}

/* Bind the answer to calls, to its format, or to both; a format that could not be joined with a thought leaves no room for one. */
static int bind_answer(struct lm_gen *g, enum need need, const char *name)
{
    struct lm_program *program = NULL;
    bool must = need == REQUIRED || need == NAMED;
    if (must && g->params.beam_search)
        return lm_api_bad(&g->error, "use_beam_search", "use_beam_search with calls that are required is not supported.");
    if (compile(g, need, name, &program))
        return LM_EINVAL;
    if (program) {
        lm_program_destroy(g->program);
        g->program = program;
    } else if (g->program) {
        g->thinking = LM_THINKING_CLOSED;
    }
    return 0;
}

static bool has_tool(const struct lm_tool_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->tool[i].name, name) == 0)
            return true;
    return false;
}

static int bound_thought(struct lm_gen *g)
{
    const char *open = lm_reasoning_begin(g->reasoning), *close = lm_reasoning_end(g->reasoning);
    const struct lm_tokenizer *tok = g->model->text.tok;
    if (lm_tokenizer_encode(tok, open, strlen(open), LM_TOK_PARSE_SPECIAL, 0, &g->think_open, NULL) ||
        lm_tokenizer_encode(tok, close, strlen(close), LM_TOK_PARSE_SPECIAL, 0, &g->think_close, NULL))
        return lm_api_no_memory(&g->error);
    return 0;
}

int lm_gen_tools(struct lm_gen *g, const struct lm_bytes *prompt)
{
    const struct lm_model_text *t = &g->model->text;
    const char *name;
    enum need need = need_of(&g->params, &name);
    g->reasoning = g->params.raw_reasoning ? NULL : t->reasoning;
    g->thinking = lm_reasoning_of_prompt(g->reasoning, prompt->data ? prompt->data : "", prompt->len);
    g->named_tool = need == NAMED;
    if (g->params.think_budget >= 0 && g->reasoning && bound_thought(g))
        return LM_EINVAL;
    if (need == NONE) {
        g->tool_syntax = t->tool_syntax && lm_tool_reasons(t->tool_syntax) ? t->tool_syntax : NULL;
        return g->program && (g->reasoning || g->tool_syntax) ? bind_answer(g, need, NULL) : 0;
    }
    g->tool_syntax = t->tool_syntax ? t->tool_syntax : lm_tool_syntax_find("hermes", NULL);
    if (need == AUTO && !g->model->conf->enable_auto_tool_choice)
        return lm_api_bad(&g->error, "tool_choice", "\"auto\" tool choice requires the server's option enable-auto-tool-choice.");
    if (lm_tool_list_init(g->params.tools, &g->mem, &g->tools))
        return lm_api_no_memory(&g->error);
    if (name && !has_tool(&g->tools, name))
        return lm_api_bad(&g->error, "tool_choice", "tool_choice names a function that is none of `tools`.");
    return bind_answer(g, need, name);
}

/* ---- of one answer ---- */

int lm_choice_tools(struct lm_choice *c)
{
    struct lm_gen *g = c->gen;
    struct lm_parser_desc d = {.tools = g->tool_syntax, .reasoning = g->reasoning, .list = &g->tools, .thinking = g->thinking};
    return d.tools || d.reasoning ? lm_parser_create(&d, &c->said, &c->parser, NULL) : 0;
}

bool lm_choice_shows(const struct lm_choice *c, int32_t token)
{
    const struct lm_gen *g = c->gen;
    size_t n = 0;
    if (g->params.skip_special && !c->parser)
        return false;
    if (!g->params.skip_special || !lm_tokenizer_is_control(g->model->text.tok, token))
        return true;
    const char *s = lm_tokenizer_piece(g->model->text.tok, token, &n);
    return s && lm_tool_is_mark(g->tool_syntax, g->reasoning, s, n);
}

/* Only the first call counts: what came behind it is gone. */
static bool cut_to_one(struct lm_said *s)
{
    bool cut = s->n_call > 1;
    for (size_t i = s->n; cut && i-- > 0 && s->part[i].n_call > 0;) {
        lm_bytes_fini(&s->part[i].name);
        lm_bytes_fini(&s->part[i].id);
        lm_bytes_fini(&s->part[i].text);
        s->n = i;
    }
    s->n_call = cut ? 1 : s->n_call;
    return cut;
}

bool lm_choice_parse(struct lm_choice *c, bool end)
{
    if (!c->parser)
        return false;
    bool thought = lm_parser_thinks(c->parser);
    c->said.failed |= c->text.failed;
    lm_parser_feed(c->parser, c->text.data ? c->text.data : "", c->text.len);
    lm_bytes_clear(&c->text);
    if (end)
        lm_parser_finish(c->parser);
    else if (thought || lm_parser_thinks(c->parser))
        c->n_reasoning_tok++;
    return !c->gen->params.parallel_tool_calls && cut_to_one(&c->said);
}

struct lm_said *lm_choice_said(struct lm_choice *c)
{
    if (!c->parser) {
        lm_said_text(&c->said, LM_SAID_CONTENT, c->text.data, c->text.len);
        c->said.failed |= c->text.failed;
        lm_bytes_clear(&c->text);
    }
    for (size_t i = 0; !c->gen->params.include_reasoning && i < c->said.n; i++)
        if (c->said.part[i].kind == LM_SAID_REASONING)
            lm_bytes_clear(&c->said.part[i].text);
    return &c->said;
}

bool lm_choice_calls(const struct lm_choice *c)
{
    return c->said.n_call > 0 && c->reason == LM_REASON_STOP;
}

void lm_choice_call_id(const struct lm_choice *c, const struct lm_said_part *p, const char *prefix, struct lm_bytes *out)
{
    size_t n;
    const char *alphabet = lm_tool_id_style(c->gen->tool_syntax, &n);
    uint64_t h = c->gen->random[0] ^ (c->gen->random[1] << 1) ^ ((uint64_t)c->index << 32) ^ p->n_call;
    if (p->id.len && (!alphabet || p->id.len == n)) {
        lm_bytes_add_json(out, p->id.data, p->id.len);
        return;
    }
    if (!alphabet)
        lm_bytes_add_str(out, prefix);
    for (size_t i = 0; i < (alphabet ? n : 24); i++) {
        h = (h + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 31;
        lm_bytes_add_char(out, alphabet ? alphabet[(h >> 8) % strlen(alphabet)] : "0123456789abcdef"[h >> 60]);
    }
}

void lm_shape_object(struct lm_bytes *out, const struct lm_bytes *args)
{
    struct lm_err err = {0};
    json_t *v = lm_json_load(args->data, args->len, LM_JSON_UNIQUE | LM_JSON_NUL, &err);
    out->failed |= err.code == LM_ENOMEM;
    if (json_is_object(v)) {
        lm_bytes_add(out, args->data, args->len);
    } else {
        lm_bytes_add_str(out, "{\"raw\":");
        lm_shape_string(out, args->data ? args->data : "", args->len);
        lm_bytes_add_char(out, '}');
    }
    json_decref(v);
}

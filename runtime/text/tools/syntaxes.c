/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/syntax.h"

/* The first whose sign a template has is the template's; of several with one name the first fits too where none has. */
static const struct lm_tool_syntax *const syntaxes[] = {
    &lm_tool_openai, &lm_tool_deepseek_v3, &lm_tool_deepseek_v31, &lm_tool_kimi_k2, &lm_tool_mistral_args, &lm_tool_mistral, &lm_tool_qwen3_coder,
    &lm_tool_glm45, &lm_tool_hermes, &lm_tool_pythonic_tagged, &lm_tool_pythonic, &lm_tool_llama3_json,
};

#define N_SYNTAX (sizeof syntaxes / sizeof *syntaxes)

static bool has_sign(const struct lm_tool_syntax *s, const char *source)
{
    for (size_t i = 0; s->sign[i]; i++)
        if (!source || !strstr(source, s->sign[i]))
            return false;
    return true;
}

const struct lm_tool_syntax *lm_tool_syntax_find(const char *name, const char *source)
{
    static const struct { const char *also, *name; } other[] = {{"gpt-oss", "openai"}, {"deepseek_v3_1", "deepseek_v31"}, {"qwen3_xml", "qwen3_coder"}};
    const struct lm_tool_syntax *found = NULL;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(name, other[i].also) == 0)
            name = other[i].name;
    for (size_t i = 0; i < N_SYNTAX; i++) {
        bool named = strcmp(name, syntaxes[i]->name) == 0;
        if ((named || strcmp(name, "auto") == 0) && has_sign(syntaxes[i], source))
            return syntaxes[i];
        if (named) /* the plainer variant stands last */
            found = syntaxes[i];
    }
    return found;
}

void lm_tool_syntax_names(struct lm_bytes *out)
{
    for (size_t i = 0; i < N_SYNTAX; i++)
        if (i == 0 || strcmp(syntaxes[i]->name, syntaxes[i - 1]->name) != 0) {
            lm_bytes_add_str(out, i ? ", " : "");
            lm_bytes_add_str(out, syntaxes[i]->name);
        }
}

const char *lm_tool_id_style(const struct lm_tool_syntax *s, size_t *out_len)
{
    *out_len = s ? s->id_len : 0;
    return s ? s->id_style : NULL;
}

bool lm_tool_reasons(const struct lm_tool_syntax *s)
{
    return s && s->reasons;
}

static bool is_one(const char *const *list, const char *s, size_t n)
{
    for (; *list; list++)
        if (strlen(*list) == n && memcmp(*list, s, n) == 0)
            return true;
    return false;
}

bool lm_tool_is_mark(const struct lm_tool_syntax *tools, const struct lm_reasoning_syntax *reasoning, const char *s, size_t n)
{
    return (tools && is_one(tools->mark, s, n)) || (reasoning && (is_one(reasoning->open, s, n) || is_one(reasoning->close, s, n)));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How models mark what they think: a row each. */
#include "runtime/text/tools/syntax.h"

#define THINK .open = {"<think>"}, .close = {"</think>"}

static const struct lm_reasoning_syntax rows[] = {
    {.name = "gpt_oss", .other = true, .sign = "<|channel|>"},
    {.name = "granite", .open = {"<think>", "Here is my thought process:", "Here's my thought process:"},
     .close = {"</think>", "Here is my response:", "Here's my response:"}, .sign = "thought process"},
    {.name = "deepseek_r1", THINK, .begins = true}, /* by name alone: a prompt that opens the thought says so itself */
    {.name = "mistral", .open = {"[THINK]"}, .close = {"[/THINK]"}, .sign = "[THINK]"},
    {.name = "seed_oss", .open = {"<seed:think>"}, .close = {"</seed:think>"}, .sign = "<seed:think>"},
    {.name = "qwen3", THINK, .sign = "<think>"},
    {.name = "glm45", THINK},
    {.name = "kimi_k2", THINK},
};

#define N_ROW (sizeof rows / sizeof *rows)

const struct lm_reasoning_syntax *lm_reasoning_find(const char *name, const char *source)
{
    static const struct { const char *also, *name; } other[] = {{"gpt-oss", "gpt_oss"}, {"openai_gptoss", "gpt_oss"}, {"openai", "gpt_oss"},
                                                                {"deepseek_v3", "qwen3"}, {"deepseek-r1", "deepseek_r1"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(name, other[i].also) == 0)
            name = other[i].name;
    for (size_t i = 0; i < N_ROW; i++)
        if (strcmp(name, rows[i].name) == 0 || (strcmp(name, "auto") == 0 && source && rows[i].sign && strstr(source, rows[i].sign)))
            return &rows[i];
    return NULL;
}

void lm_reasoning_names(struct lm_bytes *out)
{
    for (size_t i = 0; i < N_ROW; i++) {
        lm_bytes_add_str(out, i ? ", " : "");
        lm_bytes_add_str(out, rows[i].name);
    }
}

/* The place of the last of the marks in s[0..n) and its length; n: there is none. */
static size_t last(const char *const *mark, const char *s, size_t n, size_t *out_len)
{
    for (size_t at = n; at-- > 0;)
        for (size_t k = 0; mark[k]; k++) {
            size_t len = strlen(mark[k]);
            if (s[at] == mark[k][0] && len <= n - at && memcmp(s + at, mark[k], len) == 0) {
                *out_len = len;
                return at;
            }
        }
    return n;
}

static bool blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!s[i] || !strchr(" \n\t\r", s[i]))
            return false;
    return true;
}

enum lm_thinking lm_reasoning_of_prompt(const struct lm_reasoning_syntax *s, const char *prompt, size_t n)
{
    size_t n_open = 0, n_close = 0;
    if (!s || s->other)
        return LM_THINKING_NONE;
    size_t from = n > 200 ? n - 200 : 0; /* what the prompt ends with, but for white space */
    const char *tail = prompt + from;
    n -= from;
    size_t open = last(s->open, tail, n, &n_open), close = last(s->close, tail, n, &n_close);
    if (close < n && (open == n || close > open))
        return blank(tail + close + n_close, n - close - n_close) ? LM_THINKING_CLOSED : LM_THINKING_NONE;
    return open < n && blank(tail + open + n_open, n - open - n_open) ? LM_THINKING_OPEN : LM_THINKING_NONE;
}

bool lm_reasoning_starts(const struct lm_reasoning_syntax *s, enum lm_thinking thinking)
{
    return thinking == LM_THINKING_OPEN || (s->begins && thinking == LM_THINKING_NONE);
}

const char *lm_reasoning_begin(const struct lm_reasoning_syntax *s)
{
    return s->other ? "<|channel|>analysis<|message|>" : s->open[0];
}

const char *lm_reasoning_end(const struct lm_reasoning_syntax *s)
{
    return s->other ? "<|end|><|start|>assistant<|channel|>final<|message|>" : s->close[0];
}

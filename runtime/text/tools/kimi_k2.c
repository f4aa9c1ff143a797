/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kimi K2: a call's id names its tool and its number.
 *
 *   <|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a": 1}<|tool_call_end|><|tool_calls_section_end|>
 */
#include "runtime/text/tools/grammar.h"

#define CALLS "<|tool_calls_section_begin|>"
#define CALLS_END "<|tool_calls_section_end|>"
#define CALL "<|tool_call_begin|>"
#define CALL_END "<|tool_call_end|>"
#define SEP "<|tool_call_argument_begin|>"

static bool head(struct lm_parser *p, const char *s, size_t n)
{
    static const char space[] = "functions.";
    while (n && (*s == ' ' || *s == '\n'))
        s++, n--;
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\n'))
        n--;
    lm_bytes_clear(&p->name);
    lm_bytes_clear(&p->id);
    lm_bytes_add(&p->id, s, n);
    if (n > sizeof space - 1 && memcmp(s, space, sizeof space - 1) == 0) {
        s += sizeof space - 1;
        n -= sizeof space - 1;
    }
    size_t end = n;
    while (end && s[end - 1] >= '0' && s[end - 1] <= '9')
        end--;
    lm_bytes_add(&p->name, s, end && end < n && s[end - 1] == ':' ? end - 1 : n);
    return p->name.len > 0 && !memchr(p->name.data, '\n', p->name.len);
}

static bool step(struct lm_parser *p, bool end)
{
    static const struct lm_marked_syntax marked = {CALLS, CALLS_END, CALL, SEP, CALL_END, head, .fence_head = NULL};
    return lm_marked_step(p, &marked, end);
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put(g, lm_tool_put_name(g, tool, lm_tool_put(g, from, CALL "functions.")), ":");
    at = lm_tool_put(g, lm_tool_put_digits(g, at), SEP);
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_json(g, tool, at), CALL_END), to);
}

const struct lm_tool_syntax lm_tool_kimi_k2 = {
    .name = "kimi_k2", .mark = (const char *const[]){CALLS, CALLS_END, CALL, CALL_END, SEP, NULL}, .sign = (const char *const[]){CALLS, NULL},
    .step = step, .open = CALLS, .between = "", .close = CALLS_END, .call = call, .trigger = CALLS,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DeepSeek V3 and R1, and (without "function" and the fence) V3.1; one parser reads both:
 *
 *   <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f
 *   ```json
 *   {"a": 1}
 *   ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
 *
 *   <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>
 */
#include "runtime/text/tools/grammar.h"

#define CALLS "<｜tool▁calls▁begin｜>"
#define CALLS_END "<｜tool▁calls▁end｜>"
#define CALL "<｜tool▁call▁begin｜>"
#define CALL_END "<｜tool▁call▁end｜>"
#define SEP "<｜tool▁sep｜>"

static bool head(struct lm_parser *p, const char *s, size_t n)
{
    lm_bytes_clear(&p->name);
    lm_bytes_clear(&p->id);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\n'))
        n--;
    lm_bytes_add(&p->name, s, n);
    return n > 0 && !memchr(s, '\n', n);
}

static bool step(struct lm_parser *p, bool end)
{
    static const struct lm_marked_syntax marked = {
        CALLS, CALLS_END, CALL, SEP, CALL_END, head, .fence_head = "function", .fence_open = "\n```json\n", .fence_close = "```" CALL_END,
    };
    return lm_marked_step(p, &marked, end);
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put_name(g, tool, lm_tool_put(g, from, CALL "function" SEP));
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_json(g, tool, lm_tool_put(g, at, "\n```json\n")), "\n```" CALL_END), to);
}

static void call_v31(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put(g, lm_tool_put_name(g, tool, lm_tool_put(g, from, CALL)), SEP);
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_json(g, tool, at), CALL_END), to);
}

#define MARKS .mark = (const char *const[]){CALLS, CALLS_END, CALL, CALL_END, SEP, NULL}

const struct lm_tool_syntax lm_tool_deepseek_v3 = {
    .name = "deepseek_v3", MARKS, .sign = (const char *const[]){CALLS, "```json", NULL}, .step = step, .open = CALLS, .between = "\n", .close = CALLS_END,
    .call = call, .trigger = CALLS,
};
const struct lm_tool_syntax lm_tool_deepseek_v31 = {
    .name = "deepseek_v31", MARKS, .sign = (const char *const[]){CALLS, NULL}, .step = step, .open = CALLS, .between = "", .close = CALLS_END,
    .call = call_v31, .trigger = CALLS,
};

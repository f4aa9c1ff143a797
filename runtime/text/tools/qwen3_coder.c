/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Qwen3-Coder and Qwen 3.5: a string is written as it is, everything else as JSON.
 *
 *   <tool_call>
 *   <function=f>
 *   <parameter=a>
 *   1
 *   </parameter>
 *   </function>
 *   </tool_call>
 */
#include "runtime/text/tools/grammar.h"

static bool step(struct lm_parser *p, bool end)
{
    static const struct lm_tag_syntax tags = {
        .open = "<tool_call>", .function = "<function=", .name_end = {">"}, .key = "<parameter=", .key_end = ">", .value_end = "</parameter>",
        .call_end = "</function>", .close = "</tool_call>", .lines = true,
    };
    return lm_tags_step(p, &tags, end);
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    static const struct lm_tool_members tags = {
        .before_key = "<parameter=", .behind_key = ">\n", .behind_value = "\n</parameter>\n", .raw_ends_at = "\n</parameter>", .raw = true,
    };
    uint32_t at = lm_tool_put(g, lm_tool_put_name(g, tool, lm_tool_put(g, from, "<tool_call>\n<function=")), ">\n");
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_members(g, tool, &tags, at), "</function>\n</tool_call>"), to);
}

const struct lm_tool_syntax lm_tool_qwen3_coder = {
    .name = "qwen3_coder", .mark = (const char *const[]){"<tool_call>", "</tool_call>", NULL},
    .sign = (const char *const[]){"<tool_call>", "<function=", "<parameter=", NULL}, .step = step, .open = "", .between = "\n", .close = "",
    .call = call, .trigger = "<tool_call>",
};

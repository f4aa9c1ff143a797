/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GLM 4.5 to 4.7: a string is written as it is, everything else as JSON.
 *
 *   <tool_call>f
 *   <arg_key>a</arg_key>
 *   <arg_value>1</arg_value>
 *   </tool_call>
 */
#include "runtime/text/tools/grammar.h"

static bool step(struct lm_parser *p, bool end)
{
    static const struct lm_tag_syntax tags = {
        .open = "<tool_call>", .name_end = {"\n", "<arg_key>", "</tool_call>"}, .key = "<arg_key>", .key_end = "</arg_key>", .value = "<arg_value>",
        .value_end = "</arg_value>", .call_end = "</tool_call>",
    };
    return lm_tags_step(p, &tags, end);
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    static const struct lm_tool_members tags = {
        .before_key = "<arg_key>", .behind_key = "</arg_key>\n<arg_value>", .behind_value = "</arg_value>\n", .raw_ends_at = "</arg_value>", .raw = true,
    };
    uint32_t at = lm_tool_put(g, lm_tool_put_name(g, tool, lm_tool_put(g, from, "<tool_call>")), "\n");
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_members(g, tool, &tags, at), "</tool_call>"), to);
}

const struct lm_tool_syntax lm_tool_glm45 = {
    .name = "glm45",
    .mark = (const char *const[]){"<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", NULL},
    .sign = (const char *const[]){"<tool_call>", "<arg_key>", NULL}, .step = step, .open = "", .between = "\n", .close = "", .call = call,
    .trigger = "<tool_call>",
};

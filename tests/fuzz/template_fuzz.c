/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target of chat templates: what parses is rendered within its limits; a failure says what it is. */
#include "runtime/base/utf8.h"
#include "runtime/text/chat_template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static json_t *variables(void)
{
    return json_pack("{s:[{s:s,s:s},{s:s,s:s,s:[{s:s,s:{s:s,s:{s:i,s:[n,b]}}}]}],s:[{s:s,s:{s:s,s:s,s:{s:s}}}],s:b,s:s,s:s}", "messages", "role",
                     "user", "content", "h\xc3\xa9llo <b> ' \"", "role", "assistant", "content", "x", "tool_calls", "type", "function", "function",
                     "name", "f", "arguments", "a", 1, "b", 1, "tools", "type", "function", "function", "name", "f", "description", "d",
                     "parameters", "type", "object", "add_generation_prompt", 1, "bos_token", "<s>", "eos_token", "</s>");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct lm_template_limits limits = {.max_steps = 20000, .max_out_bytes = 1 << 18, .max_mem_bytes = 1 << 22, .now = 1};
    struct lm_template *t = NULL;
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    json_t *vars = variables();
    if (!vars)
        abort();
    int rc = lm_template_parse((const char *)data, n, &t, &err);
    if (!rc)
        rc = lm_template_render(t, vars, &limits, &out, &err);
    if (rc && (!err.code || (!err.msg[0] && rc != LM_EINVAL)))
        abort();
    if (!rc && out.len > limits.max_out_bytes)
        abort();
    lm_bytes_fini(&out);
    lm_template_destroy(t);
    json_decref(vars);
    return 0;
}

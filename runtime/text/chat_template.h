/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_CHAT_TEMPLATE_H
#define LM_TEXT_CHAT_TEMPLATE_H
/**
 * Interpreter of chat templates: the Jinja2 language as Hugging Face transformers configures it
 * (trim_blocks, lstrip_blocks, loop controls, raise_exception, strftime_now, tojson with its options, the
 * generation block, and Python's string, list and dict methods that templates call).
 *
 * A sandbox: values are JSON data, functions and filters a fixed list, no attribute reaches the host. Steps,
 * depth, output bytes and memory are bounded.
 *
 * Source   Jinja 3.1 template designer documentation; transformers utils/chat_template_utils.py
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"
#include <jansson.h>

struct lm_template;

/**
 * Parse a template.
 *
 * Owns     *out is the caller's; it is read-only and may be rendered by several threads
 * Errors   LM_EFORMAT with line number; LM_EUNSUPPORTED names the construct; LM_ELIMIT; LM_ENOMEM
 * Thread   [any]
 */
int lm_template_parse(const char *text, size_t n, struct lm_template **out, struct lm_err *err);
void lm_template_destroy(struct lm_template *t);

struct lm_template_limits {
    uint64_t max_steps;   /* evaluated nodes and loop turns; 0 = 10,000,000 */
    size_t max_out_bytes; /* 0 = 16 MiB */
    size_t max_mem_bytes; /* values made while rendering; 0 = 64 MiB */
    int64_t now;          /* seconds since 1970 that strftime_now() shows, in local time; 0 = the clock */
};

/**
 * Render with the members of `vars` (a JSON object) as top-level variables, e.g. messages, tools,
 * add_generation_prompt, bos_token, eos_token. Key order of objects is kept.
 *
 * Errors   LM_EINVAL raise_exception() was called, message passed on; LM_EFORMAT an operation fails at run time
 *          (with line); LM_ELIMIT; LM_ENOMEM
 * Thread   [any]
 */
int lm_template_render(const struct lm_template *t, const json_t *vars, const struct lm_template_limits *limits,
                       struct lm_bytes *out, struct lm_err *err);
#endif

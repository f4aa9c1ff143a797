/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TOOLS_GRAMMAR_H
#define LM_TOOLS_GRAMMAR_H
/**
 * Calls as a grammar: what a model may write where calls are asked for, in its own syntax, with arguments that are valid by
 * the tools' schemas.
 *
 * A tool whose parameters are no schema that can be enforced (runtime/text/grammar/schema.h) gets any object, unless it is
 * `strict`. Objects with declared properties get no others, unless the schema allows them in words. In a syntax that writes
 * strings as they are, one with a pattern, format or length gets no '<'.
 *
 * Thread   [any]
 */
#include "runtime/text/grammar/schema.h"
#include "runtime/text/tools/syntax.h"

enum lm_tool_need {
    LM_TOOL_MAY,  /* any text, in which calls that begin by the syntax's trigger are valid */
    LM_TOOL_MUST, /* nothing but calls, behind reasoning at most */
    LM_TOOL_NONE, /* no calls */
};

struct lm_tool_grammar_desc {
    const struct lm_tool_syntax *syntax; /* NULL: no calls */
    const struct lm_reasoning_syntax *reasoning; /* NULL: none comes before the calls */
    enum lm_thinking thinking;
    enum lm_tool_need need;
    const json_t *tools;               /* each {"function": {"name", "parameters", "strict"}} */
    const char *only;                  /* the one tool that may be called; NULL: all */
    bool many;                         /* more than one call */
    const json_t *format;              /* a schema of the answer where it is no call, behind reasoning at most; NULL: any text, but with MUST */
    struct lm_schema_options options;  /* of format */
    int32_t (*control)(void *arg, const char *s, size_t n); /* the control token of this text, or -1; NULL: there are none */
    void *arg;
};

/**
 * *out NULL: with MAY, nothing can be enforced.
 *
 * Owns     *out is the caller's until lm_program_destroy()
 * Errors   LM_EINVAL a name that the syntax cannot write; a strict tool's: as lm_schema_compile(); LM_ELIMIT; LM_ENOMEM
 */
int lm_tool_grammar_compile(const struct lm_tool_grammar_desc *desc, struct lm_program **out, struct lm_err *err);

/* For the syntaxes: each adds something behind node `from` and returns the node behind it. */

/** A text, in which special tokens of the syntax stand for themselves. */
uint32_t lm_tool_put(struct lm_tool_grammar *g, uint32_t from, const char *text);
uint32_t lm_tool_put_name(struct lm_tool_grammar *g, size_t tool, uint32_t from);
uint32_t lm_tool_put_digits(struct lm_tool_grammar *g, uint32_t from);
/** The arguments, a JSON object. */
uint32_t lm_tool_put_json(struct lm_tool_grammar *g, size_t tool, uint32_t from);

/** The arguments one by one, in any order: before_key KEY behind_key VALUE behind_value, `between` between two. */
struct lm_tool_members {
    const char *before_key, *behind_key, *behind_value, *between; /* NULL: nothing */
    bool raw;                 /* a string is written as it is, up to the first raw_ends_at, which behind_value has */
    const char *raw_ends_at;
};
uint32_t lm_tool_put_members(struct lm_tool_grammar *g, size_t tool, const struct lm_tool_members *m, uint32_t from);
void lm_tool_join(struct lm_tool_grammar *g, uint32_t from, uint32_t to);
#endif

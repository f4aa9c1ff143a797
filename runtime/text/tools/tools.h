/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TOOLS_TOOLS_H
#define LM_TOOLS_TOOLS_H
/**
 * How models write calls of tools and reasoning: one file for each syntax of calls, a table for those of reasoning.
 *
 * A parser is fed text piece by piece and takes it apart (said.h). However the text is cut, the result is the same; work is
 * linear. What is not a call is content, and no text is lost: what began like a call and is none becomes content, unless
 * its name was told already.
 *
 * Thread   [any], one at a time; syntaxes and tool lists are read-only
 * Source   the chat templates of the models; vLLM (names of the parsers)
 */
#include "runtime/base/arena.h"
#include "runtime/text/tools/said.h"
#include <jansson.h>

struct lm_tool_syntax;
struct lm_reasoning_syntax;

/** The value of a parameter, by its schema: a string in any case, something else at times, or nothing is known. */
enum lm_tool_kind { LM_TOOL_UNKNOWN, LM_TOOL_STRING, LM_TOOL_OTHER };

struct lm_tool_param { const char *name; enum lm_tool_kind kind; };
struct lm_tool { const char *name; struct lm_tool_param *param; size_t n_param; };
struct lm_tool_list { struct lm_tool *tool; size_t n; };

/** Of a request's tools, each {"function": {"name", "parameters"}}; all copies lie in the arena. LM_ENOMEM. */
int lm_tool_list_init(const json_t *tools, struct lm_arena *a, struct lm_tool_list *out);
enum lm_tool_kind lm_tool_kind_of(const json_t *schema);

/**
 * A syntax by its name, in the variant that the chat template is for; or, name "auto", the one that the template is for.
 * source NULL or "": no template.  NULL: there is none.
 */
const struct lm_tool_syntax *lm_tool_syntax_find(const char *name, const char *source);
const struct lm_reasoning_syntax *lm_reasoning_find(const char *name, const char *source);
/** "hermes|llama3_json|…", for messages. */
void lm_tool_syntax_names(struct lm_bytes *out);
void lm_reasoning_names(struct lm_bytes *out);

/** A special token that is told to the parser though special tokens are not shown; either syntax may be NULL. */
bool lm_tool_is_mark(const struct lm_tool_syntax *tools, const struct lm_reasoning_syntax *reasoning, const char *s, size_t n);
/** The alphabet and length of a call's id that this syntax needs; NULL: any. */
const char *lm_tool_id_style(const struct lm_tool_syntax *s, size_t *out_len);
/** The syntax writes reasoning too. */
bool lm_tool_reasons(const struct lm_tool_syntax *s);
/** Where a prompt ends: inside a thought, behind a closed one, or neither. */
enum lm_thinking { LM_THINKING_NONE, LM_THINKING_OPEN, LM_THINKING_CLOSED };
enum lm_thinking lm_reasoning_of_prompt(const struct lm_reasoning_syntax *s, const char *prompt, size_t n);
/** An answer begins inside of a thought. */
bool lm_reasoning_starts(const struct lm_reasoning_syntax *s, enum lm_thinking thinking);
/** What begins and ends a thought, as text that could be put in. */
const char *lm_reasoning_begin(const struct lm_reasoning_syntax *s);
const char *lm_reasoning_end(const struct lm_reasoning_syntax *s);

struct lm_parser_desc {
    const struct lm_tool_syntax *tools;          /* NULL: no calls are looked for */
    const struct lm_reasoning_syntax *reasoning; /* NULL: no reasoning is */
    const struct lm_tool_list *list;             /* may be NULL; must live as long as the parser */
    enum lm_thinking thinking;
};

struct lm_parser;

/** Owns *out until lm_parser_destroy(), which takes NULL; said stays the caller's and gets what is found. LM_ENOMEM. */
int lm_parser_create(const struct lm_parser_desc *desc, struct lm_said *said, struct lm_parser **out, struct lm_err *err);
void lm_parser_destroy(struct lm_parser *p);
void lm_parser_feed(struct lm_parser *p, const char *s, size_t n);
/** The text is whole. */
void lm_parser_finish(struct lm_parser *p);
/** What came last is part of a thought. */
bool lm_parser_thinks(const struct lm_parser *p);
#endif

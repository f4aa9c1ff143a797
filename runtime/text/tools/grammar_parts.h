/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TOOLS_GRAMMAR_PARTS_H
#define LM_TOOLS_GRAMMAR_PARTS_H
/** Inside of the grammars of calls: grammar.c is calls as a whole, members.c arguments one by one. */
#include "runtime/text/grammar/schema_parts.h"
#include "runtime/text/grammar/vocab_trie.h"
#include "runtime/text/tools/grammar.h"

struct lm_tool_grammar {
    const struct lm_tool_grammar_desc *d;
    struct lm_schema s;  /* its builder is the grammar's */
    bool *loose;         /* [n tools] its schema cannot be enforced */
    json_t *any, *none, *string; /* schemas: any object, the empty one, any string */
    size_t n_skip;       /* bytes of what is put next that are there already */
};

/** The bytes of a text to the automaton, control tokens as lm_control_bytes(). */
void lm_tool_bytes(const struct lm_tool_grammar *g, const char *s, struct lm_bytes *out);
/** Any text without `until` and then that. controls: other control tokens may come. end: where the text may end before; 0: nowhere. */
uint32_t lm_tool_put_free(struct lm_tool_grammar *g, uint32_t from, const char *until, bool controls, uint32_t end);
/** What a tool says of its parameters, and the schema that is enforced. */
const json_t *lm_tool_parameters(const struct lm_tool_grammar *g, size_t tool);
const json_t *lm_tool_schema(const struct lm_tool_grammar *g, size_t tool);
#endif

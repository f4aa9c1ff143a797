/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_SCHEMA_H
#define LM_GRAMMAR_SCHEMA_H
/**
 * JSON Schema (draft 2020-12) to a program: the JSON texts that are valid.
 *
 * What is compiled is enforced exactly, what cannot be is refused by the name of its keyword. Texts that are valid but
 * never written by a program, so that the automaton stays small (a check calls them invalid):
 *
 * - an integer as 1.0 or 1e2, a number with bounds with an exponent
 * - ASCII characters that need no escape as \u00XX, in keys of objects with declared keys and in strings that a
 *   pattern, format, enum or const binds; lone surrogates anywhere
 * - more than LM_JSON_MAX_SPACE bytes of white space in a row (none with `compact`), or any around the document
 * - objects with a key twice
 *
 * Keys may come in any order. `format` is asserted for the formats of format.h, unknown names mean nothing, other
 * formats of the draft are refused. allOf and $ref (local) are merged, anyOf becomes alternatives, oneOf too when its
 * branches cannot hold both (types, constants, ranges, strings, or a required member that differs). Refused: not (but for
 * types), if, contains, uniqueItems, dependent*, unevaluated*, $dynamicRef, $id below the root, remote $ref.
 *
 * Thread   [any]
 * Source   JSON Schema draft 2020-12, https://json-schema.org/draft/2020-12/json-schema-core and -validation
 */
#include "runtime/text/grammar/program.h"
#include <jansson.h>

#define LM_JSON_MAX_SPACE 64

struct lm_schema_options {
    bool compact;       /* no white space between tokens */
    bool no_additional; /* objects with properties and no additionalProperties get no other keys */
};

/**
 * Errors   LM_EUNSUPPORTED names the keyword; LM_EINVAL not a schema; LM_ENOTFOUND nothing is valid; LM_ELIMIT too complex;
 *          LM_ENOMEM
 */
int lm_schema_compile(const json_t *schema, const struct lm_schema_options *options, struct lm_program **out, struct lm_err *err);

/** Whether a value is valid, by the words of the draft and without an automaton, for schemas that compile (tests). */
bool lm_schema_valid(const json_t *schema, const json_t *value);
#endif

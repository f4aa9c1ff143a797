/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_SCHEMA_PARTS_H
#define LM_GRAMMAR_SCHEMA_PARTS_H
/**
 * Inside of the schema compiler. A set of schemas means all of them at once; it is expanded to alternatives without
 * $ref, allOf, anyOf and oneOf, each alternative's keywords are summed up as facts, and facts become automata.
 *
 * Thread   [any], one at a time
 * Errors   the first is kept in s->b.rc
 */
#include "runtime/base/arena.h"
#include "runtime/text/grammar/lower.h"
#include "runtime/text/grammar/number.h"
#include "runtime/text/grammar/schema.h"

/** Schemas that must all hold: ascending pointers, none `true`; a `false` makes it the only one. */
struct lm_schema_set {
    const json_t **s;
    size_t n;
};

struct lm_schema_alts {
    struct lm_schema_set *alt;
    size_t n, cap;
};

struct lm_schema_rule {
    struct lm_schema_set set;
    uint32_t rule;
};

struct lm_schema_mark { const json_t *schema; int state; };

struct lm_schema {
    struct lm_builder b;
    struct lm_arena mem;
    const json_t *root;
    struct lm_schema_options options;
    struct lm_schema_rule *rule; /* those below n_done have their body */
    size_t n_rule, n_done, cap_rule;
    uint32_t *slot; /* of sets: index + 1 */
    size_t n_slot;
    struct lm_schema_mark *mark; /* schemas whose references were followed */
    size_t n_mark, cap_mark;
    const json_t *own_list; /* the enum whose values are tried: they are of it */
    int depth;
};

enum { /* types */
    LM_SCHEMA_NULL = 1,
    LM_SCHEMA_BOOL = 2,
    LM_SCHEMA_NUMBER = 4,
    LM_SCHEMA_STRING = 8,
    LM_SCHEMA_ARRAY = 16,
    LM_SCHEMA_OBJECT = 32,
    LM_SCHEMA_ALL = 63
};

/** What the keywords of an alternative say together, but for the members of objects and arrays. */
struct lm_schema_facts {
    unsigned types;
    struct lm_number number;
    uint32_t min_length, max_length, min_items, max_items, min_members, max_members; /* max UINT32_MAX: none */
    const json_t *values; /* an enum's array, or an object whose `const` is the value; NULL: any */
};

/** Note a refusal: the keyword, and what is wrong with it. Returns the code. */
__attribute__((format(printf, 4, 5))) int lm_schema_fail(struct lm_schema *s, int code, const char *keyword, const char *fmt, ...);
void *lm_schema_alloc(struct lm_schema *s, size_t n);

/** Refuse what is not supported or malformed in one schema. */
int lm_schema_check(struct lm_schema *s, const json_t *schema);
/** Follow $ref, allOf, anyOf and oneOf; they may not come back. */
int lm_schema_check_cycle(struct lm_schema *s, const json_t *schema);
/** The schema that $ref names; NULL after a failure. */
const json_t *lm_schema_resolve(struct lm_schema *s, const char *ref);

/** Join a schema to a set (of n_max at most). */
void lm_schema_join(struct lm_schema_set *set, const json_t *schema);
bool lm_schema_is_false(const struct lm_schema_set *set);
/** The alternatives of a set. */
int lm_schema_expand(struct lm_schema *s, const struct lm_schema_set *set, struct lm_schema_alts *out);
int lm_schema_facts(struct lm_schema *s, const struct lm_schema_set *alt, struct lm_schema_facts *out);
/** True when no value satisfies both alternatives, as far as can be shown. */
bool lm_schema_apart(struct lm_schema *s, const struct lm_schema_set *x, const struct lm_schema_set *y);
bool lm_schema_holds(struct lm_schema *s, const json_t *schema, const json_t *value);
bool lm_schema_holds_all(struct lm_schema *s, const struct lm_schema_set *alt, const json_t *value);

/** The rule of a document's texts, $ref and all, with its body. */
uint32_t lm_schema_document(struct lm_schema *s, const json_t *root);
/** Make the bodies of all rules that there are. */
void lm_schema_bodies(struct lm_schema *s);
void lm_schema_fini(struct lm_schema *s);
/** The rule of a set's texts; its body is made later. */
uint32_t lm_schema_rule(struct lm_schema *s, const struct lm_schema_set *set);
/** Add the texts of an alternative between two nodes of a rule. */
void lm_schema_build(struct lm_schema *s, const struct lm_schema_set *alt, uint32_t rule, uint32_t from, uint32_t to);
/** Add one value's spellings. */
void lm_schema_literal(struct lm_schema *s, const json_t *value, uint32_t from, uint32_t to);
/** The strings of an alternative; *out NULL: bound by their length alone. The caller's. */
int lm_schema_strings(struct lm_schema *s, const struct lm_schema_set *alt, const struct lm_schema_facts *f, struct lm_chars **out);
void lm_schema_object(struct lm_schema *s, const struct lm_schema_set *alt, const struct lm_schema_facts *f, uint32_t from, uint32_t to);
/** What a member of this name must satisfy. */
struct lm_schema_set lm_schema_member(struct lm_schema *s, const struct lm_schema_set *alt, const char *name, size_t n);
/** A node where white space may come. */
uint32_t lm_schema_space(struct lm_schema *s);
/** An object rule of classes: key automaton, values. Label l of keys is class l. */
struct lm_schema_members {
    struct lm_chars *keys; /* NULL: none */
    enum lm_lower how;
    uint32_t n_declared, n_class, min, max;
    uint32_t *value;  /* [n_class] rules */
    bool *required;   /* [n_declared] */
};
uint32_t lm_schema_object_rule(struct lm_schema *s, const struct lm_schema_members *m);
#endif

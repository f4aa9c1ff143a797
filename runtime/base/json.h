/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_JSON_H
#define LM_BASE_JSON_H
/**
 * Reads a JSON text into jansson's tree. Nothing from outside is given to jansson's own reader: where an allocation fails it goes
 * on without some bytes of the text, and so returns other strings and numbers than were sent, or reads past the end.
 *
 * What RFC 8259 allows, with well-formed UTF-8, whole surrogate pairs and no text behind the value. An integer has 64 bits with a
 * sign; other numbers are doubles. NUL in a member's name is refused.
 *
 * Thread   [any]
 * Source   RFC 8259
 */
#include <jansson.h>
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>

enum { LM_JSON_DEEPEST = 512 }; /* levels where a reader has no limit of its own */

enum lm_json_flags {
    LM_JSON_ANY = 1,    /* the value may be no array and no object */
    LM_JSON_UNIQUE = 2, /* a name given twice in an object is an error; else the last one holds */
    LM_JSON_NUL = 4,    /* strings may hold \u0000 */
    LM_JSON_REALS = 8,  /* an integer of more than 64 bits becomes a double; else it is an error */
};

struct lm_json_reader {
    unsigned flags;
    size_t depth;                  /* levels; 0: LM_JSON_DEEPEST */
    size_t members, values;        /* of the whole text, counted by their colons and commas; 0: no limit */
    const char *where;             /* begins a message; NULL: "JSON" */
    char member[64];               /* out: member of the outermost object that is given twice, or holds what is given twice or out of range; "" */
};

/**
 * The value of s[0..n), the caller's to json_decref(); s may be NULL when n is 0.
 *
 * Returns  NULL with err filled when there is none
 * Errors   LM_EFORMAT not JSON; LM_ELIMIT a limit or a number's range is exceeded; LM_ENOMEM; messages name the byte, not what it is
 */
json_t *lm_json_read(struct lm_json_reader *r, const char *s, size_t n, struct lm_err *err);

/** The same with flags alone. */
json_t *lm_json_load(const char *s, size_t n, unsigned flags, struct lm_err *err);

/** Let jansson note where its allocations fail. Before there is a second thread. */
void lm_json_note_shortage(void);
/**
 * Whether an allocation of jansson's failed in this thread since the last call of this: a tree made meanwhile may lack parts. So what
 * makes a tree asks once at its end.
 */
bool lm_json_was_short(void);
#endif

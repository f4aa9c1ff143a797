/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_KNOB_H
#define LM_CONF_KNOB_H
/**
 * The rows of knobs.def as a table, and how a row's text becomes a field.
 *
 * Thread   [any]
 */
#include "conf/conf.h"
#include "runtime/base/buf.h"

enum lm_knob_section { LM_KNOB_SERVER, LM_KNOB_MODEL };
enum lm_knob_type { LM_KNOB_STR, LM_KNOB_LIST, LM_KNOB_ENUM, LM_KNOB_INT, LM_KNOB_BYTES, LM_KNOB_REAL, LM_KNOB_BOOL, LM_KNOB_SECS };

struct lm_knob {
    enum lm_knob_section section;
    const char *name; /* with underscores, as the field */
    enum lm_knob_type type;
    size_t offset;    /* of the field in struct lm_conf_server or lm_conf_model */
    const char *def, *min, *max, *alias, *help;
};

extern const struct lm_knob lm_knobs[];
extern const size_t lm_n_knobs;

/** Compare names with '-' and '_' alike. */
bool lm_knob_same(const char *a, const char *b);

/** The row of a section whose name or alias it is; NULL if none. */
const struct lm_knob *lm_knob_find(enum lm_knob_section section, const char *name);

/** Levenshtein distance of two names, '-' and '_' alike; 1000 when b is longer than 63. */
unsigned lm_spelling_distance(const char *a, const char *b);

/** The name of the row nearest in spelling to `name`; of all sections when section is -1. Never NULL. */
const char *lm_knob_nearest(int section, const char *name);

/**
 * Parse text into the row's field of the struct at base, freeing what it held. Numbers take k m g (powers of 1000)
 * and K M G (powers of 1024); BYTES takes k K m M g G t T with an optional B or iB, all powers of 1024; "auto" is
 * the default of a number.
 *
 * Errors   LM_ECONFIG says what is allowed; LM_ENOMEM
 */
int lm_knob_set(const struct lm_knob *k, void *base, const char *text, struct lm_err *err);

/** Append the field's value as lm_knob_set() would read it. */
void lm_knob_print(const struct lm_knob *k, const void *base, struct lm_bytes *out);

/** All fields of a section to their defaults (base all zero before); fini frees them. */
int lm_knob_init(enum lm_knob_section section, void *base, struct lm_err *err);
void lm_knob_fini(enum lm_knob_section section, void *base);
#endif

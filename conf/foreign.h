/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_FOREIGN_H
#define LM_CONF_FOREIGN_H
/**
 * The rows of foreign.def: flags of other servers that llmserved takes.
 *
 * Thread   [any]
 */
#include "conf/conf.h"

struct lm_foreign {
    const char *name, *values, *sets, *note;
};

extern const struct lm_foreign lm_foreign[];
extern const size_t lm_n_foreign;

/** The first row of that name whose values hold value (NULL: the flag has none); NULL: none fits. */
const struct lm_foreign *lm_foreign_find(const char *name, const char *value);

/** True when some row has that name. */
bool lm_foreign_is(const char *name);

/** The name of a row or knob that is nearest in spelling. */
const char *lm_foreign_nearest(const char *name);

/** All values of that name's rows as "a|b|c" into out[size]. */
void lm_foreign_values(const char *name, char *out, size_t size);
#endif

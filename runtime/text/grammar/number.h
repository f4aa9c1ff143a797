/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_NUMBER_H
#define LM_GRAMMAR_NUMBER_H
/**
 * JSON numbers within bounds, as automata of digits.
 *
 * The comparison is exact: digits against the digits of the bound. A number without bounds may have an exponent, one
 * with bounds is written without; an integer has neither fraction nor exponent.
 *
 * Thread   [any]
 */
#include "runtime/text/grammar/builder.h"
#include <jansson.h>

#define LM_DECIMAL_DIGITS 400

/** (-1)^negative * 0.digits * 10^n_int: n_int digits before the point, the rest behind it, no zero at the end behind it. */
struct lm_decimal {
    bool negative;
    uint16_t n_int, n_frac; /* n_int >= 1; no leading zero but a single "0" */
    char digit[LM_DECIMAL_DIGITS];
};

/** The shortest decimal that reads as the same number. LM_ELIMIT when it has too many digits. */
int lm_decimal_of(const json_t *v, struct lm_decimal *out, struct lm_err *err);
/** < 0, 0, > 0 */
int lm_decimal_compare(const struct lm_decimal *a, const struct lm_decimal *b);

struct lm_number {
    bool integer, has_min, has_max, min_open, max_open, has_multiple;
    struct lm_decimal min, max;
    uint64_t multiple; /* of 10^-scale */
    uint32_t scale;
};

#define LM_NUMBER_MAX_MULTIPLE 10000u /* what remains is a state */

/** All numbers. */
static inline bool lm_number_is_free(const struct lm_number *n)
{
    return !n->has_min && !n->has_max && !n->has_multiple;
}

/** Narrow. LM_ELIMIT, LM_EUNSUPPORTED multiples that have no common multiple in range. */
int lm_number_at_least(struct lm_number *n, const struct lm_decimal *bound, bool open);
int lm_number_at_most(struct lm_number *n, const struct lm_decimal *bound, bool open);
int lm_number_multiple(struct lm_number *n, const struct lm_decimal *of, struct lm_err *err);

/** True when the bounds of the two have no number in common. */
bool lm_number_apart(const struct lm_number *a, const struct lm_number *b);

/** Add the spellings between two nodes. */
void lm_number_build(struct lm_builder *b, const struct lm_number *n, uint32_t from, uint32_t to);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_KEYS_H
#define LM_MODEL_KEYS_H
/**
 * Reads of a family's keys, "<family>.<name>", in which the first error sticks: it is kept in rc and err, and
 * later reads give their fallback, so that a family checks once, at the end.
 *
 * Thread   [any], one at a time
 */
#include "runtime/model/gguf.h"

struct lm_keys {
    const struct lm_gguf *g;
    const char *family;
    struct lm_err *err; /* may be NULL */
    int rc;
};

bool lm_keys_has(const struct lm_keys *k, const char *name);

/**
 * An integer in [lo, hi].
 *
 * Errors   LM_EFORMAT wrong type, out of range, or absent with a fallback that is out of range itself
 */
uint32_t lm_keys_u32(struct lm_keys *k, const char *name, uint32_t fallback, uint32_t lo, uint32_t hi);

/** A finite number above 0, under the same rule. A number of 0 counts as absent: writers mean "unset". */
float lm_keys_positive(struct lm_keys *k, const char *name, float fallback);

/** A finite number of any sign. */
float lm_keys_real(struct lm_keys *k, const char *name, float fallback);

/**
 * One layer's entry of a key that is an array of numbers or truth values, one for each layer, or a single period: of so
 * many layers the last one is false. A period of 0 is always true.
 */
bool lm_keys_layer(struct lm_keys *k, const char *name, uint32_t layer, uint32_t fallback);

bool lm_keys_bool(struct lm_keys *k, const char *name, bool fallback);

/** Whether the string key is present and equals `value`. */
bool lm_keys_is(const struct lm_keys *k, const char *name, const char *value);

/** Fail with LM_EUNSUPPORTED when `wrong`, naming the key. */
/** rc; an error of a folder's keys and tensors, which it names as GGUF does, gets the folder in front. */
int lm_keys_place(const struct lm_gguf *g, int rc, struct lm_err *err);
void lm_keys_refuse(struct lm_keys *k, bool wrong, const char *name, const char *why);
#endif

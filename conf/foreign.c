/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/foreign.h"

#include "conf/knob.h"

const struct lm_foreign lm_foreign[] = {
#define LM_FOREIGN(name, values, sets, note) {name, values, sets, note},
#include "conf/foreign.def"
#undef LM_FOREIGN
};
const size_t lm_n_foreign = sizeof lm_foreign / sizeof *lm_foreign;

static bool fits(const char *values, const char *value)
{
    if (!value)
        return !*values;
    if (strcmp(values, "*") == 0)
        return *value != 0;
    for (size_t n; *values; values += n + (values[n] == '|')) {
        n = strcspn(values, "|");
        if (strlen(value) == n && memcmp(values, value, n) == 0)
            return true;
    }
    return false;
}

const struct lm_foreign *lm_foreign_find(const char *name, const char *value)
{
    for (size_t i = 0; i < lm_n_foreign; i++)
        if (lm_knob_same(lm_foreign[i].name, name) && fits(lm_foreign[i].values, value))
            return &lm_foreign[i];
    return NULL;
}

bool lm_foreign_is(const char *name)
{
    for (size_t i = 0; i < lm_n_foreign; i++)
        if (lm_knob_same(lm_foreign[i].name, name))
            return true;
    return false;
}

const char *lm_foreign_nearest(const char *name)
{
    const char *best = lm_knob_nearest(-1, name);
    unsigned best_d = lm_spelling_distance(name, best);
    for (size_t i = 0; i < lm_n_foreign; i++) {
        unsigned d = lm_spelling_distance(name, lm_foreign[i].name);
        if (d < best_d) {
            best_d = d;
            best = lm_foreign[i].name;
        }
    }
    return best;
}

void lm_foreign_values(const char *name, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < lm_n_foreign && n < size; i++)
        if (lm_knob_same(lm_foreign[i].name, name))
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "|" : "", lm_foreign[i].values);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/knob.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SECTION_server LM_KNOB_SERVER
#define SECTION_model LM_KNOB_MODEL
#define STRUCT_server struct lm_conf_server
#define STRUCT_model struct lm_conf_model

const struct lm_knob lm_knobs[] = {
#define LM_KNOB(section, field, type, def, min, max, alias, help)                                  \
    {SECTION_##section, #field, LM_KNOB_##type, offsetof(STRUCT_##section, field), def, min, max, alias, help},
#include "conf/knobs.def"
#undef LM_KNOB
};
const size_t lm_n_knobs = sizeof lm_knobs / sizeof *lm_knobs;

static char fold(char c)
{
    return c == '-' ? '_' : c;
}

bool lm_knob_same(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b))
        a++, b++;
    return fold(*a) == fold(*b);
}

static bool has_alias(const struct lm_knob *k, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = k->alias; *p;) {
        size_t n = strcspn(p, " ");
        char one[64];
        if (n == len && n < sizeof one) {
            memcpy(one, p, n);
            one[n] = 0;
            if (lm_knob_same(one, name))
                return true;
        }
        p += n + (p[n] == ' ');
    }
    return false;
}

const struct lm_knob *lm_knob_find(enum lm_knob_section section, const char *name)
{
    for (size_t i = 0; i < lm_n_knobs; i++)
        if (lm_knobs[i].section == section && (lm_knob_same(lm_knobs[i].name, name) || has_alias(&lm_knobs[i], name)))
            return &lm_knobs[i];
    return NULL;
}

unsigned lm_spelling_distance(const char *a, const char *b)
{
    unsigned row[64], n = (unsigned)strlen(b); /* one row of the table at a time */
    if (n >= sizeof row / sizeof *row)
        return 1000;
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; *a; a++, i++) {
        unsigned diag = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= n; j++) {
            unsigned best = diag + (fold(*a) != fold(b[j - 1]));
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diag = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

const char *lm_knob_nearest(int section, const char *name)
{
    const char *best = lm_knobs[0].name;
    unsigned best_d = 1000;
    for (size_t i = 0; i < lm_n_knobs; i++) {
        unsigned d = lm_spelling_distance(name, lm_knobs[i].name);
        if ((section < 0 || (int)lm_knobs[i].section == section) && d < best_d) {
            best = lm_knobs[i].name;
            best_d = d;
        }
    }
    return best;
}

static const char *const scales = "kmgt";

/* A number with an optional scale suffix. */
static bool parse_scaled(const char *s, bool bytes, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || errno)
        return false;
    const char *at = *end ? strchr(scales, *end | 0x20) : NULL;
    if (at) {
        int64_t unit = !bytes && (*end & 0x20) ? 1000 : 1024, by = 1;
        for (long i = 0; i <= at - scales; i++)
            by *= unit;
        if (__builtin_mul_overflow(v, by, &v))
            return false;
        end++;
        if (bytes && *end == 'i')
            end++;
    }
    if (bytes && (*end == 'B' || *end == 'b'))
        end++;
    *out = v;
    return *end == 0;
}

static int set_int(const struct lm_knob *k, int64_t *field, const char *text, struct lm_err *err)
{
    bool bytes = k->type == LM_KNOB_BYTES;
    int64_t v, lo = INT64_MIN, hi = INT64_MAX;
    if (strcmp(text, "auto") == 0)
        text = k->def;
    if (!parse_scaled(text, bytes, &v))
        return lm_fail(err, LM_ECONFIG, "'%.60s' is not a %s", text, bytes ? "size (such as 512M or 4G)" : "whole number");
    if (*k->min)
        parse_scaled(k->min, bytes, &lo);
    if (*k->max)
        parse_scaled(k->max, bytes, &hi);
    if (v < lo || v > hi)
        return lm_fail(err, LM_ECONFIG, "%.60s is out of range (%s to %s)", text, *k->min ? k->min : "any", *k->max ? k->max : "any");
    *field = v;
    return 0;
}

static int set_real(const struct lm_knob *k, double *field, const char *text, struct lm_err *err)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v))
        return lm_fail(err, LM_ECONFIG, "'%.60s' is not a number", text);
    if ((*k->min && v < strtod(k->min, NULL)) || (*k->max && v > strtod(k->max, NULL)))
        return lm_fail(err, LM_ECONFIG, "%.60s is out of range (%s to %s)", text, k->min, k->max);
    *field = v;
    return 0;
}

static int set_bool(bool *field, const char *text, struct lm_err *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            *field = i % 2;
            return 0;
        }
    return lm_fail(err, LM_ECONFIG, "'%.60s' is neither yes nor no", text);
}

static int set_text(const struct lm_knob *k, char **field, const char *text, struct lm_err *err)
{
    if (k->type == LM_KNOB_ENUM) {
        size_t len = strlen(text);
        const char *p = k->min;
        while (*p && !(strncmp(p, text, len) == 0 && (p[len] == '|' || !p[len]) && len)) {
            p += strcspn(p, "|");
            p += *p == '|';
        }
        if (!*p)
            return lm_fail(err, LM_ECONFIG, "'%.60s' is not one of %s", text, k->min);
    }
    char *copy = strdup(text);
    if (!copy)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    free(*field);
    *field = copy;
    return 0;
}

int lm_knob_set(const struct lm_knob *k, void *base, const char *text, struct lm_err *err)
{
    void *field = (char *)base + k->offset;
    switch (k->type) {
    case LM_KNOB_INT:
    case LM_KNOB_BYTES:
        return set_int(k, field, text, err);
    case LM_KNOB_REAL:
    case LM_KNOB_SECS:
        return set_real(k, field, text, err);
    case LM_KNOB_BOOL:
        return set_bool(field, text, err);
    default:
        return set_text(k, field, text, err);
    }
}

void lm_knob_print(const struct lm_knob *k, const void *base, struct lm_bytes *out)
{
    const void *field = (const char *)base + k->offset;
    switch (k->type) {
    case LM_KNOB_INT:
    case LM_KNOB_BYTES:
        lm_bytes_addf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case LM_KNOB_REAL:
    case LM_KNOB_SECS:
        lm_bytes_addf(out, "%.17g", *(const double *)field);
        break;
    case LM_KNOB_BOOL:
        lm_bytes_add_str(out, *(const bool *)field ? "yes" : "no");
        break;
    default:
        lm_bytes_add_str(out, *(char *const *)field);
    }
}

int lm_knob_init(enum lm_knob_section section, void *base, struct lm_err *err)
{
    for (size_t i = 0; i < lm_n_knobs; i++) {
        int rc = lm_knobs[i].section == section ? lm_knob_set(&lm_knobs[i], base, lm_knobs[i].def, err) : 0;
        if (rc)
            return lm_fail_in(err, rc, "%s", lm_knobs[i].name);
    }
    return 0;
}

void lm_knob_fini(enum lm_knob_section section, void *base)
{
    for (size_t i = 0; i < lm_n_knobs; i++)
        if (lm_knobs[i].section == section && lm_knobs[i].type <= LM_KNOB_ENUM) {
            char **field = (char **)((char *)base + lm_knobs[i].offset);
            free(*field);
            *field = NULL;
        }
}

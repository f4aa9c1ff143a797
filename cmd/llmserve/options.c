/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/options.h"

#include "conf/knob.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The i-th word of s, words parted by one of `between`; its length, 0: no more. */
static size_t word_at(const char *s, size_t i, char between, const char **out)
{
    for (;; i--) {
        const char *end = strchr(s, between);
        size_t n = end ? (size_t)(end - s) : strlen(s);
        if (i == 0) {
            *out = s;
            return n;
        }
        if (!end)
            return 0;
        s = end + 1;
    }
}

static const char *dashed(const char *word, size_t n, char out[LM_OPTION_NAME_MAX])
{
    snprintf(out, LM_OPTION_NAME_MAX, "%s%.*s", n == 1 ? "-" : "--", (int)n, word);
    return out;
}

const char *lm_option_alias(const struct lm_arg_row *row, size_t i, char out[LM_OPTION_NAME_MAX])
{
    const char *word;
    size_t n = word_at(row->name, i + 1, ' ', &word);
    return n ? dashed(word, n, out) : NULL;
}

const char *lm_option_name(const struct lm_arg_row *row, char out[LM_OPTION_NAME_MAX])
{
    const char *word;
    size_t n = word_at(row->name, 0, ' ', &word);
    return dashed(word, n, out);
}

static bool same(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]))
            return false;
    return true;
}

const struct lm_arg_row *lm_options_find(const struct lm_options *o, const char *name, size_t n)
{
    const char *word;
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0, len; (len = word_at(o->row[i].name, k, ' ', &word)) > 0; k++)
            if (len == n && same(word, name, n))
                return &o->row[i];
    return NULL;
}

static int set_number(const struct lm_arg_row *row, void *field, const char *name, const char *value, struct lm_err *err)
{
    char *end;
    errno = 0;
    double x = strtod(value, &end);
    bool whole = row->type == LM_OPTION_INT;
    if (whole && end != value && (*end == 'k' || *end == 'K'))
        x *= *end++ == 'k' ? 1000 : 1024;
    if (end == value || *end || !(x >= row->min && x <= row->max) || (whole && x != floor(x)))
        return lm_fail(err, LM_EINVAL, "%s %.40s: a %snumber from %.15g to %.15g is needed", name, value, whole ? "whole " : "", row->min, row->max);
    if (whole)
        *(int64_t *)field = (int64_t)x;
    else
        *(double *)field = x;
    return 0;
}

static int set(const struct lm_arg_row *row, void *base, const char *value, struct lm_err *err)
{
    char name[LM_OPTION_NAME_MAX];
    const char *word;
    void *field = (char *)base + row->offset;
    lm_option_name(row, name);
    switch (row->type) {
    case LM_OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case LM_OPTION_WORD:
        for (size_t i = 0, n; (n = word_at(row->value, i, '|', &word)) > 0; i++)
            if (strlen(value) == n && strncmp(word, value, n) == 0) {
                *(const char **)field = value;
                return 0;
            }
        return lm_fail(err, LM_EINVAL, "%s %.40s: one of %.120s is needed", name, value, row->value);
    case LM_OPTION_TEXT:
        *(const char **)field = value;
        return 0;
    case LM_OPTION_LIST:
    case LM_OPTION_WORDS:
        lm_bytes_add(field, value, strlen(value) + 1);
        return ((struct lm_bytes *)field)->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
    default:
        return set_number(row, field, name, value, err);
    }
}

static void set_defaults(const struct lm_options *o, void *base)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct lm_arg_row *row = &o->row[i];
        void *field = (char *)base + row->offset;
        struct lm_err err;
        if (row->def && set(row, base, row->def, &err) == 0)
            continue;
        if (row->type == LM_OPTION_FLAG)
            *(bool *)field = false;
        else if (row->type == LM_OPTION_LIST || row->type == LM_OPTION_WORDS)
            *(struct lm_bytes *)field = (struct lm_bytes){0};
        else if (row->type == LM_OPTION_INT)
            *(int64_t *)field = LM_UNSET_INT;
        else if (row->type == LM_OPTION_REAL)
            *(double *)field = NAN;
        else
            *(const char **)field = NULL;
    }
}

static int unknown(const struct lm_options *o, const char *arg, struct lm_err *err)
{
    char name[LM_OPTION_NAME_MAX] = "", best[LM_OPTION_NAME_MAX] = "--help", one[LM_OPTION_NAME_MAX];
    unsigned best_d = 1000;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(arg, "="), arg);
    for (size_t i = 0; i < o->n; i++) {
        unsigned d = lm_spelling_distance(name, lm_option_name(&o->row[i], one));
        if (d < best_d) {
            best_d = d;
            memcpy(best, one, sizeof best);
        }
    }
    return lm_fail(err, LM_EINVAL, "%s: unknown option; the nearest is %s", name, best);
}

/* The option at argv[*i]; moves *i over its values. */
static int read_one(const struct lm_arg_row *row, void *base, int argc, char **argv, int *i, struct lm_err *err)
{
    char name[LM_OPTION_NAME_MAX];
    const char *eq = strchr(argv[*i], '=');
    if (row->type == LM_OPTION_FLAG)
        return eq ? lm_fail(err, LM_EINVAL, "%s takes no value", lm_option_name(row, name)) : set(row, base, NULL, err);
    if (eq)
        return set(row, base, eq + 1, err);
    if (*i + 1 >= argc)
        return lm_fail(err, LM_EINVAL, "%s needs a value", lm_option_name(row, name));
    int rc = set(row, base, argv[++*i], err);
    while (!rc && row->type == LM_OPTION_WORDS && *i + 1 < argc && argv[*i + 1][0] != '-')
        rc = set(row, base, argv[++*i], err);
    return rc;
}

int lm_options_read(const struct lm_options *o, void *base, int *io_argc, char **argv, bool pass, struct lm_err *err)
{
    int keep = 1, rc = 0;
    bool rest = false;
    set_defaults(o, base);
    for (int i = 1; i < *io_argc && !rc; i++) {
        const char *arg = argv[i];
        bool is_option = !rest && arg[0] == '-' && arg[1], ends = is_option && strcmp(arg, "--") == 0;
        size_t dash = is_option && arg[1] == '-' ? 2 : 1, n = is_option ? strcspn(arg + dash, "=") : 0;
        const struct lm_arg_row *row = is_option && !ends && (n == 1 || dash == 2) ? lm_options_find(o, arg + dash, n) : NULL;
        rest = rest || ends;
        if (row)
            rc = read_one(row, base, *io_argc, argv, &i, err);
        else if (is_option && !ends && !pass)
            rc = unknown(o, arg, err);
        else if (!ends || pass)
            argv[keep++] = argv[i];
    }
    if (!rc)
        argv[*io_argc = keep] = NULL;
    return rc;
}

void lm_options_fini(const struct lm_options *o, void *base)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->row[i].type == LM_OPTION_LIST || o->row[i].type == LM_OPTION_WORDS)
            lm_bytes_fini((struct lm_bytes *)((char *)base + o->row[i].offset));
}

void lm_options_help(const struct lm_options *o, struct lm_bytes *out)
{
    char name[LM_OPTION_NAME_MAX];
    for (size_t i = 0; i < o->n; i++) {
        const struct lm_arg_row *row = &o->row[i];
        lm_bytes_addf(out, "  %s", lm_option_name(row, name));
        for (size_t k = 0; lm_option_alias(row, k, name); k++)
            lm_bytes_addf(out, ", %s", name);
        lm_bytes_addf(out, "%s%s\n        %s", *row->value ? " " : "", row->value, row->help);
        if (row->def && *row->def)
            lm_bytes_addf(out, " [%s]", row->def);
        lm_bytes_add_char(out, '\n');
    }
}

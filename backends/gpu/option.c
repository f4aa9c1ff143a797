/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/option.h"

#include <stdlib.h>

int gpu_option_text(const char *key, const char *value, char *out, size_t n, struct lm_err *err)
{
    if (strlen(value) >= n)
        return lm_fail(err, LM_ECONFIG, "%s: longer than %zu bytes", key, n - 1);
    snprintf(out, n, "%s", value);
    return 0;
}

int gpu_option_bytes(const char *key, const char *value, uint64_t *out, struct lm_err *err)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned long long n = strtoull(value, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (end == value || *value == '-' || (*end && (!unit || end[1])) || n > UINT64_MAX >> shift)
        return lm_fail(err, LM_ECONFIG, "%s = %.40s: not a number of bytes, or one with K, M, G or T", key, value);
    *out = (uint64_t)n << shift;
    return 0;
}

int gpu_option_word(const char *key, const char *value, const char *const *words, struct lm_err *err)
{
    char all[80] = "";
    for (int i = 0; words[i]; i++) {
        if (strcmp(value, words[i]) == 0)
            return i;
        size_t at = strlen(all);
        snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", words[i]);
    }
    return lm_fail(err, LM_ECONFIG, "%s = %.40s: not one of %s", key, value, all);
}

int gpu_option_self_test(const char *value, enum gpu_self_test *out, struct lm_err *err)
{
    int word = gpu_option_word("self-test", value, (const char *const[]){"auto", "yes", "no", NULL}, err);
    if (word < 0)
        return word;
    *out = (enum gpu_self_test)word;
    return 0;
}

int gpu_option_cache(const char *value, char *out, size_t n, struct lm_err *err)
{
    if (strcmp(value, "auto") != 0 && strcmp(value, "no") != 0 && *value != '/')
        return lm_fail(err, LM_ECONFIG, "cache = %.80s: not auto, no or an absolute folder", value);
    return gpu_option_text("cache", value, out, n, err);
}

static bool same_key(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != *b)
            return false;
    return *a == *b;
}

static int fail_unknown(const char *backend, const struct gpu_option_row *row, size_t n_row, const char *key, struct lm_err *err)
{
    char have[120] = "";
    for (size_t i = 0, at = 0; i < n_row && at < sizeof have; i++)
        at += (size_t)snprintf(have + at, sizeof have - at, "%s%s", i ? ", " : "", row[i].key);
    return lm_fail(err, LM_ECONFIG, "[backend %s]: unknown key '%.40s'; there are %s", backend, key, have);
}

int gpu_option_read(const char *backend, const struct gpu_option_row *row, size_t n_row, const struct lm_option *option, size_t n,
                    void *out, struct lm_err *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_row && !same_key(option[i].key, row[k].key))
            k++;
        if (k == n_row)
            return fail_unknown(backend, row, n_row, option[i].key, err);
        int rc = row[k].read(option[i].value, out, err);
        if (rc < 0)
            return lm_fail_in(err, rc, "[backend %s]", backend);
    }
    return 0;
}

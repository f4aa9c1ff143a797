/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/option.h"

#include <stdlib.h>

static int read_text(const char *key, const char *value, char *out, size_t n, struct lm_err *err)
{
    if (strlen(value) >= n)
        return lm_fail(err, LM_ECONFIG, "%s: longer than %zu bytes", key, n - 1);
    snprintf(out, n, "%s", value);
    return 0;
}

static int read_device(const char *value, struct cl_option *out, struct lm_err *err)
{
    return read_text("device", value, out->device, sizeof out->device, err);
}

static int read_platform(const char *value, struct cl_option *out, struct lm_err *err)
{
    return read_text("platform", value, out->platform, sizeof out->platform, err);
}

static int read_memory(const char *value, struct cl_option *out, struct lm_err *err)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned long long n = strtoull(value, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (end == value || *value == '-' || (*end && (!unit || end[1])) || n > UINT64_MAX >> shift)
        return lm_fail(err, LM_ECONFIG, "memory = %.40s: not a number of bytes, or one with K, M, G or T", value);
    out->memory = (uint64_t)n << shift;
    return 0;
}

static int read_cache(const char *value, struct cl_option *out, struct lm_err *err)
{
    if (strcmp(value, "auto") != 0 && strcmp(value, "no") != 0 && *value != '/')
        return lm_fail(err, LM_ECONFIG, "cache = %.80s: not auto, no or an absolute folder", value);
    return read_text("cache", value, out->cache, sizeof out->cache, err);
}

/* The number of the word that value is. */
static int read_word(const char *key, const char *value, const char *const words[3], struct lm_err *err)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    return lm_fail(err, LM_ECONFIG, "%s = %.40s: not one of %s, %s, %s", key, value, words[0], words[1], words[2]);
}

static int read_kernels(const char *value, struct cl_option *out, struct lm_err *err)
{
    int rc = read_word("kernels", value, (const char *const[]){"auto", "portable", "nvidia"}, err);
    out->kernels = rc < 0 ? out->kernels : (enum cl_kernels)rc;
    return rc < 0 ? rc : 0;
}

static int read_self_test(const char *value, struct cl_option *out, struct lm_err *err)
{
    int rc = read_word("self-test", value, (const char *const[]){"auto", "yes", "no"}, err);
    out->self_test = rc < 0 ? out->self_test : (enum cl_self_test)rc;
    return rc < 0 ? rc : 0;
}

static const struct {
    const char *key;
    int (*read)(const char *value, struct cl_option *out, struct lm_err *err);
} options[] = {{"device", read_device}, {"platform", read_platform}, {"memory", read_memory}, {"cache", read_cache},
               {"kernels", read_kernels}, {"self-test", read_self_test}};

static bool same_key(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != *b)
            return false;
    return *a == *b;
}

int cl_option_read(const struct lm_option *option, size_t n, struct cl_option *out, struct lm_err *err)
{
    struct cl_option o = {.cache = "auto"};
    size_t n_key = sizeof options / sizeof *options;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_key && !same_key(option[i].key, options[k].key))
            k++;
        if (k == n_key)
            return lm_fail(err, LM_ECONFIG, "[backend cl]: unknown key '%.40s'; there are device, platform, memory, cache, kernels, self-test",
                           option[i].key);
        int rc = options[k].read(option[i].value, &o, err);
        if (rc < 0)
            return lm_fail_in(err, rc, "[backend cl]");
    }
    *out = o;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/option.h"
#include "backends/gpu/option.h"

static int read_device(const char *value, void *out, struct lm_err *err)
{
    struct cl_option *o = out;
    return gpu_option_text("device", value, o->device, sizeof o->device, err);
}

static int read_platform(const char *value, void *out, struct lm_err *err)
{
    struct cl_option *o = out;
    return gpu_option_text("platform", value, o->platform, sizeof o->platform, err);
}

static int read_memory(const char *value, void *out, struct lm_err *err)
{
    return gpu_option_bytes("memory", value, &((struct cl_option *)out)->memory, err);
}

static int read_cache(const char *value, void *out, struct lm_err *err)
{
    struct cl_option *o = out;
    return gpu_option_cache(value, o->cache, sizeof o->cache, err);
}

/* The number of the word that value is. */
static int read_word(const char *key, const char *value, const char *const words[3], struct lm_err *err)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    return lm_fail(err, LM_ECONFIG, "%s = %.40s: not one of %s, %s, %s", key, value, words[0], words[1], words[2]);
}

static int read_kernels(const char *value, void *out, struct lm_err *err)
{
    struct cl_option *o = out;
    int rc = read_word("kernels", value, (const char *const[]){"auto", "portable", "nvidia"}, err);
    o->kernels = rc < 0 ? o->kernels : (enum cl_kernels)rc;
    return rc < 0 ? rc : 0;
}

static int read_self_test(const char *value, void *out, struct lm_err *err)
{
    struct cl_option *o = out;
    int rc = read_word("self-test", value, (const char *const[]){"auto", "yes", "no"}, err);
    o->self_test = rc < 0 ? o->self_test : (enum cl_self_test)rc;
    return rc < 0 ? rc : 0;
}

int cl_option_read(const struct lm_option *option, size_t n, struct cl_option *out, struct lm_err *err)
{
    static const struct gpu_option_row rows[] = {
        {"device", read_device}, {"platform", read_platform}, {"memory", read_memory}, {"cache", read_cache}, {"kernels", read_kernels}, {"self-test", read_self_test}};
    struct cl_option o = {.cache = "auto"};
    int rc = gpu_option_read("cl", rows, sizeof rows / sizeof *rows, option, n, &o, err);
    if (rc == 0)
        *out = o;
    return rc;
}

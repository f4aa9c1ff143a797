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

static int read_kernels(const char *value, void *out, struct lm_err *err)
{
    int word = gpu_option_word("kernels", value, (const char *const[]){"auto", "portable", "nvidia", "xmx8", "xmx16", NULL}, err);
    if (word < 0)
        return word;
    ((struct cl_option *)out)->kernels = (enum cl_kernels)word;
    return 0;
}

static int read_self_test(const char *value, void *out, struct lm_err *err)
{
    return gpu_option_self_test(value, &((struct cl_option *)out)->self_test, err);
}

int cl_option_read(const struct lm_option *option, size_t n, struct cl_option *out, struct lm_err *err)
{
    static const struct gpu_option_row rows[] = {
        {"device", read_device}, {"platform", read_platform}, {"memory", read_memory}, {"cache", read_cache}, {"kernels", read_kernels},
        {"self-test", read_self_test}};
    struct cl_option o = {.cache = "auto"};
    int rc = gpu_option_read("cl", rows, sizeof rows / sizeof *rows, option, n, &o, err);
    if (rc == 0)
        *out = o;
    return rc;
}

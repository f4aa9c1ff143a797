/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/option.h"

static int read_device(const char *value, void *out, struct lm_err *err)
{
    struct ze_option *o = out;
    return gpu_option_text("device", value, o->device, sizeof o->device, err);
}

static int read_memory(const char *value, void *out, struct lm_err *err)
{
    return gpu_option_bytes("memory", value, &((struct ze_option *)out)->memory, err);
}

static int read_cache(const char *value, void *out, struct lm_err *err)
{
    struct ze_option *o = out;
    return gpu_option_cache(value, o->cache, sizeof o->cache, err);
}

static int read_self_test(const char *value, void *out, struct lm_err *err)
{
    return gpu_option_self_test(value, &((struct ze_option *)out)->self_test, err);
}

int ze_option_read(const struct lm_option *option, size_t n, struct ze_option *out, struct lm_err *err)
{
    static const struct gpu_option_row rows[] = {{"device", read_device}, {"memory", read_memory}, {"cache", read_cache}, {"self-test", read_self_test}};
    struct ze_option o = {.cache = "auto"};
    int rc = gpu_option_read("ze", rows, sizeof rows / sizeof *rows, option, n, &o, err);
    if (rc == 0)
        *out = o;
    return rc;
}

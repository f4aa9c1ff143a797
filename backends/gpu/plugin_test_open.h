/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_PLUGIN_TEST_OPEN_H
#define GPU_PLUGIN_TEST_OPEN_H
/** What the tests of built plugins share: TEST_PLUGIN's table. */
#include <llmserve/backend.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static inline const struct lm_backend *test_plugin(void)
{
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        fprintf(stderr, "%s\n", dlerror());
        abort();
    }
    return dlsym(so, "lm_backend");
}

/** Ends the process with 77 when no device can be opened, with n options, because there is none. */
static inline void test_skip_without_device(const struct lm_option *option, size_t n)
{
    const struct lm_backend *be = test_plugin();
    struct lm_dev *dev = NULL;
    struct lm_err err = {0};
    int rc = be->open(&(struct lm_open_desc){.option = option, .n_option = n}, &dev, &err);
    if (rc == LM_ENOTFOUND) {
        printf("skipped: %s\n", err.msg);
        fflush(stdout);
        _Exit(77);
    }
    if (rc == 0)
        be->close(dev);
}
#endif

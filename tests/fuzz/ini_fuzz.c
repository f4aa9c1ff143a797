/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target of configuration files: what is refused is refused with words; what is taken makes an engine's flags. */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void make_flags(const struct lm_conf *c)
{
    struct lm_err err = {0};
    char **flags;
    for (size_t i = 0; i < c->n_model; i++) {
        if (lm_conf_model_flags(c, i, 0, &flags, &err))
            abort();
        for (size_t k = 0; flags[k]; k++)
            free(flags[k]);
        free(flags);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lm_conf c;
    struct lm_err err = {0};
    char path[64];
    int fd = memfd_create("ini", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n || lm_conf_init(&c, &err))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = lm_conf_read_ini(&c, path, &err);
    if (rc ? !err.msg[0] : lm_conf_check(&c, &err) && !err.msg[0])
        abort();
    if (!rc && !err.code)
        make_flags(&c);
    lm_conf_fini(&c);
    close(fd);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/link.h"
#include "runtime/base/rights.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

int lm_link_open(const char *dir, const char *name, const struct lm_link_desc *desc, struct lm_link **out, struct lm_err *err)
{
    char path[PATH_MAX];
    const char *folder = dir && *dir ? dir : LM_PKGLIBDIR;
    snprintf(path, sizeof path, "%s/%s.link.so", folder, name);
    if (*path != '/' || access(path, R_OK) != 0)
        return lm_fail(err, LM_ENOTFOUND, "nodes: %.120s is not there: install llmserve-%s on every node, or build with its library", path, name);
    int rc = lm_rights_check(folder, path, err);
    if (rc)
        return rc;
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct lm_link_ops *ops = so ? dlsym(so, LM_LINK_SYMBOL) : NULL;
    if (!so)
        return lm_fail(err, LM_EUNSUPPORTED, "%.100s cannot be loaded: %.120s", path, dlerror());
    if (!ops || ops->abi != LM_LINK_ABI)
        return lm_fail(err, LM_EUNSUPPORTED, "%.150s is of another version: install the same version of both", path);
    return ops->open(desc, out, err);
}

int lm_link_agree(struct lm_link *l, int rc, struct lm_err *err)
{
    struct lm_err mine = rc && err ? *err : (struct lm_err){0};
    mine.code = rc;
    if (!l)
        return rc;
    const uint32_t n = lm_link_place(l)->size;
    struct lm_err *all = calloc(n, sizeof *all);
    if (!all)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    int shared = lm_link_place(l)->ops->share(l, &mine, sizeof mine, all, err);
    rc = shared;
    for (uint32_t i = 0; i < n && !rc; i++)
        if (all[i].code)
            rc = lm_fail(err, all[i].code, "process %u of %u: %.200s", i, n, all[i].msg);
    free(all);
    return rc;
}

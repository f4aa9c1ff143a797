/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/rights.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(const char *path, struct lm_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return lm_fail(err, LM_EIO, "%.120s: %s", path, strerror(errno));
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return lm_fail(err, LM_EUNSUPPORTED, "%.110s belongs to user %u, who could change plugins: run chown %s on it", path,
                       (unsigned)st.st_uid, geteuid() ? "with your user or root" : "root");
    if (st.st_mode & S_IWOTH)
        return lm_fail(err, LM_EUNSUPPORTED, "%.110s may be written by everyone, who could change plugins: run chmod o-w on it", path);
    if (st.st_mode & S_IWGRP && st.st_gid != 0 && st.st_gid != getegid())
        return lm_fail(err, LM_EUNSUPPORTED, "%.110s may be written by group %u, which could change plugins: run chmod g-w on it", path,
                       (unsigned)st.st_gid);
    return 0;
}

int lm_rights_check(const char *folder, const char *path, struct lm_err *err)
{
    int rc = check(path, err);
    return rc ? rc : check(folder, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/folder.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int lm_folder_make(const char *path, struct lm_err *err)
{
    char *part = strdup(path);
    int rc = part ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t at = 1; !rc && *path; at++) {
        at += strcspn(path + at, "/");
        part[at] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            rc = lm_fail(err, LM_EIO, "cannot make the folder %.150s: %m", part);
        if (!path[at])
            break;
        part[at] = '/';
    }
    free(part);
    return rc;
}

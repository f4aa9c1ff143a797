/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/build_log.h"

#include <string.h>

int gpu_build_log_fail(const char *program, const char *device, const char *code, long native, const char *log, struct lm_err *err)
{
    const char *at = log ? strstr(log, "error") : NULL;
    while (at && at > log && at[-1] != '\n')
        at--;
    at = at ? at : log ? log : "";
    int rc = lm_fail(err, LM_EUNSUPPORTED, "%s does not build on %.60s (%s): %.*s", program, device, code, (int)strcspn(at, "\n"), at);
    if (err)
        err->native = native;
    return rc;
}

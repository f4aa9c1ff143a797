/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/token_io.h"
#include "cmd/llmserve/command.h"

#include <errno.h>

int token_io_read(struct lm_bytes *out, struct lm_err *err)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        lm_bytes_add(out, chunk, n);
    if (ferror(stdin))
        return lm_fail(err, LM_EIO, "standard input: %s", strerror(errno));
    return out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

int token_io_end(const char *command, int rc, const struct lm_bytes *out, struct lm_err *err)
{
    if (!rc && out->failed)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc && ((out->len && fwrite(out->data, 1, out->len, stdout) != out->len) || fflush(stdout) != 0))
        rc = lm_fail(err, LM_EIO, "standard output: %s", strerror(errno));
    if (rc)
        lm_command_complain(command, err);
    return rc ? 1 : 0;
}

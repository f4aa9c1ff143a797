/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/source.h"
#include "runtime/model/hf/hf.h"
#include <sys/stat.h>

int lm_source_open(const char *path, struct lm_gguf **out, struct lm_err *err)
{
    struct stat st;
    struct lm_gguf *g;
    uint32_t n_part = 1;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return lm_hf_open(path, out, err);
    int rc = lm_gguf_open(path, &g, err);
    if (rc)
        return rc;
    rc = lm_gguf_u32(g, "split.count", 1, &n_part, err);
    if (rc) {
        lm_gguf_close(g);
        return lm_fail_in(err, rc, "%.100s", path);
    }
    if (n_part > 1)
        return lm_split_open(path, g, out, err);
    *out = g;
    return 0;
}

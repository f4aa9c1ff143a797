/* SPDX-License-Identifier: Apache-2.0 */
#include "api/card.h"
#include <llmserve/qtype.h>

#include <stdio.h>
#include <sys/stat.h>

enum { N_TYPE = 256 };

static uint64_t n_elements(const struct lm_gguf_tensor *t)
{
    uint64_t n = 1;
    for (size_t i = 0; i < sizeof t->dim / sizeof *t->dim; i++)
        n *= t->dim[i];
    return n;
}

int lm_model_card_read(const struct lm_gguf *g, const char *path, struct lm_model_card *out, struct lm_err *err)
{
    struct lm_model_card c = {.quantization = "unknown", .pool = LM_POOL_LAST};
    static const enum lm_pool pools[] = {LM_POOL_LAST, LM_POOL_MEAN, LM_POOL_CLS, LM_POOL_LAST};
    char key[96];
    uint32_t pool = 0;
    uint64_t n_of[N_TYPE] = {0}, most = 0;
    struct stat st;
    int rc = lm_model_hparams(g, &c.hp, err);
    if (rc)
        return rc;
    snprintf(key, sizeof key, "%s.pooling_type", c.hp.family);
    if (lm_gguf_u32(g, key, 0, &pool, NULL) == 0 && pool < sizeof pools / sizeof *pools)
        c.pool = pools[pool];
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        c.n_param += n_elements(t);
        if (t->qtype < N_TYPE)
            n_of[t->qtype] += n_elements(t);
    }
    for (uint32_t type = 0; type < N_TYPE; type++) {
        const struct lm_qtype_info *info = lm_qtype_info(type);
        if (n_of[type] <= most || !info || !info->name)
            continue;
        most = n_of[type];
        snprintf(c.quantization, sizeof c.quantization, "%s", info->name);
    }
    if (stat(path, &st) == 0) {
        c.file_bytes = (uint64_t)st.st_size;
        c.file_time = (long long)st.st_mtime;
    }
    *out = c;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/card.h"
#include "runtime/model/low_bit.h"
#include <llmserve/qtype.h>

#include <stdio.h>
#include <sys/stat.h>

enum { N_TYPE = LM_Q_GGUF_END + LM_Q_LOW_BIT_END - LM_Q_LOW_BIT };

static uint64_t n_elements(const struct lm_gguf_tensor *t)
{
    uint64_t n = 1;
    for (size_t i = 0; i < sizeof t->dim / sizeof *t->dim; i++)
        n *= t->dim[i];
    return n;
}

/* The type of most of the weights. */
static const char *main_type(const struct lm_gguf *g)
{
    uint64_t n_of[N_TYPE] = {0}, most = 0;
    const char *name = "unknown";
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        uint64_t *n = &n_of[t->qtype < LM_Q_LOW_BIT ? t->qtype : t->qtype - LM_Q_LOW_BIT + LM_Q_GGUF_END];
        *n += n_elements(t);
        if (*n > most) {
            most = *n;
            name = lm_qtype_info(t->qtype)->name;
        }
    }
    return name;
}

/* The format that the engine makes of the weights, or that the file was made in: it may have several types. */
static const char *format(const struct lm_gguf *g, const char *load_in_low_bit)
{
    struct lm_gguf_str made = lm_gguf_string(g, "llmserve.low_bit.type");
    struct lm_low_bit lb;
    char name[24];
    snprintf(name, sizeof name, "%.*s", (int)(made.n < sizeof name ? made.n : 0), made.n ? made.s : "");
    return lm_low_bit_find(load_in_low_bit, &lb, NULL) == 0 || lm_low_bit_find(name, &lb, NULL) == 0 ? lb.name : NULL;
}

int lm_model_card_read(const struct lm_gguf *g, const char *path, const char *load_in_low_bit, struct lm_model_card *out, struct lm_err *err)
{
    struct lm_model_card c = {.pool = LM_POOL_LAST};
    static const enum lm_pool pools[] = {LM_POOL_LAST, LM_POOL_MEAN, LM_POOL_CLS, LM_POOL_LAST};
    char key[96];
    uint32_t pool = 0;
    struct stat st;
    int rc = lm_model_hparams(g, &c.hp, err);
    if (rc)
        return rc;
    snprintf(key, sizeof key, "%s.pooling_type", c.hp.family);
    if (c.hp.encoder)
        c.pool = LM_POOL_CLS;
    if (!c.hp.classifies && lm_gguf_u32(g, key, 0, &pool, NULL) == 0 && pool < sizeof pools / sizeof *pools)
        c.pool = pools[pool];
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++)
        c.n_param += n_elements(lm_gguf_tensor_at(g, i));
    const char *made = format(g, load_in_low_bit);
    snprintf(c.quantization, sizeof c.quantization, "%s", made ? made : main_type(g));
    if (stat(path, &st) == 0) {
        c.file_bytes = (uint64_t)st.st_size;
        c.file_time = (long long)st.st_mtime;
    }
    *out = c;
    return 0;
}

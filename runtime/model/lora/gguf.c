/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters in GGUF: NAME.weight.lora_a [rank][inputs] and NAME.weight.lora_b [outputs][rank], rows as the model has them. */
#include "runtime/model/lora/adapter.h"

static bool is_string(const struct lm_gguf *g, const char *key, const char *want)
{
    struct lm_gguf_str s = lm_gguf_string(g, key);
    return s.s && s.n == strlen(want) && memcmp(s.s, want, s.n) == 0;
}

static int check_keys(const struct lm_gguf *g, const struct lm_hparams *hp, struct lm_err *err)
{
    char shown[LM_GGUF_QUOTE];
    if (!is_string(g, "general.type", "adapter"))
        return lm_fail(err, LM_EFORMAT, "key 'general.type' is not 'adapter': a GGUF file of another kind");
    if (!is_string(g, "adapter.type", "lora"))
        return lm_fail(err, LM_EUNSUPPORTED, "key 'adapter.type' is '%s'; 'lora' is supported", lm_gguf_quote(lm_gguf_string(g, "adapter.type"), shown));
    if (!is_string(g, "general.architecture", hp->family))
        return lm_fail(err, LM_EFORMAT, "key 'general.architecture' is '%s', the model's is '%s': an adapter of another model",
                       lm_gguf_quote(lm_gguf_string(g, "general.architecture"), shown), hp->family);
    if (lm_gguf_get(g, "adapter.alora.invocation_tokens"))
        return lm_fail(err, LM_EUNSUPPORTED, "key 'adapter.alora.invocation_tokens': adapters that begin at a token are not supported");
    return 0;
}

static int take(struct lm_adapter *a, const struct lm_gguf_tensor *t, struct lm_err *err)
{
    static const char a_end[] = ".weight.lora_a", b_end[] = ".weight.lora_b";
    const size_t n_end = sizeof a_end - 1;
    char module[LM_HF_NAME_BYTES], name[LM_GGUF_QUOTE];
    struct lm_adapter_pair *p;
    bool is_a = t->name.n > n_end && memcmp(t->name.s + t->name.n - n_end, a_end, n_end) == 0;
    bool is_b = t->name.n > n_end && memcmp(t->name.s + t->name.n - n_end, b_end, n_end) == 0;
    lm_gguf_quote(t->name, name);
    if ((!is_a && !is_b) || t->name.n - n_end >= sizeof module)
        return lm_fail(err, LM_EUNSUPPORTED, "tensor '%s' at byte %llu is no lora_a or lora_b of a weight", name, (unsigned long long)t->offset);
    if (t->n_dim != 2)
        return lm_fail(err, LM_EUNSUPPORTED, "tensor '%s' at byte %llu has %u dimensions: adapters of experts are not supported", name,
                       (unsigned long long)t->offset, t->n_dim);
    snprintf(module, sizeof module, "%.*s", (int)(t->name.n - n_end), t->name.s);
    const struct lm_adapter_side side = {t->name, t->offset, t->data, t->qtype, t->dim[1], t->dim[0]};
    return lm_adapter_put(a, module, is_b, &side, &p, err);
}

int lm_adapter_open_gguf(const char *path, const struct lm_hparams *hp, size_t most, struct lm_adapter *a, struct lm_err *err)
{
    size_t n = 0;
    float alpha = 0;
    int rc = lm_adapter_read_file(path, most, &a->data, &n, err);
    if (!rc)
        rc = lm_gguf_open_memory(a->data, n, &a->g, err);
    if (!rc)
        rc = check_keys(a->g, hp, err);
    if (!rc)
        rc = lm_gguf_f32(a->g, "adapter.lora.alpha", 0, &alpha, err);
    for (size_t i = 0; !rc && i < lm_gguf_n_tensors(a->g); i++)
        rc = take(a, lm_gguf_tensor_at(a->g, i), err);
    for (size_t i = 0; i < a->n && !rc; i++)
        a->pair[i].scale = alpha != 0 && a->pair[i].a.rows ? alpha / (float)a->pair[i].a.rows : 1; /* as llama.cpp has it */
    return rc;
}

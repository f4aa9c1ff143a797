/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/family.h"

enum { WIDTH_MAX = 1 << 24 }; /* columns of any activation: products with small counts fit uint32_t */

/* Features that are present when the key is anything but a number 0. */
static const struct { const char *key, *why; unsigned can; } refused[] = {
    {"expert_count", "a mixture of experts is not supported in this family", LM_CAN_EXPERTS},
    {"residual_scale", "scaled residuals are not supported in this family", LM_CAN_SCALE},
    {"embedding_scale", "a scaled embedding is not supported in this family", LM_CAN_SCALE},
    {"attention.clamp_kqv", "clamped queries, keys and values are not supported", 0},
    {"attention.max_alibi_bias", "ALiBi is not supported in this family", LM_CAN_ALIBI},
    {"rope.dimension_sections", "a rope in sections is not supported in this family", 0},
};

static int refuse_features(struct lm_keys *k, unsigned can)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char key[96];
        if (refused[i].can & can)
            continue;
        snprintf(key, sizeof key, "%s.%s", k->family, refused[i].key);
        const struct lm_gguf_value *v = lm_gguf_get(k->g, key);
        lm_keys_refuse(k, v && (v->n != 1 || v->elem == LM_GGUF_STRING || lm_gguf_elem_f64(v, 0) != 0), refused[i].key, refused[i].why);
    }
    const bool encodes = can & LM_CAN_ENCODE;
    lm_keys_refuse(k, lm_keys_bool(k, "attention.causal", !encodes) == encodes, "attention.causal",
                   encodes ? "attention to earlier tokens alone is not supported in this family" :
                             "attention to later tokens is not supported in this family");
    return k->rc;
}

static int read_family(const struct lm_gguf *g, struct lm_hparams *hp, struct lm_err *err)
{
    char name[LM_GGUF_QUOTE], list[160];
    struct lm_gguf_str s = lm_gguf_string(g, "general.architecture");
    uint32_t n_split = 1;
    int rc = lm_gguf_u32(g, "split.count", 1, &n_split, err);
    if (rc)
        return rc;
    if (n_split > 1 && lm_gguf_n_files(g) != n_split)
        return lm_fail(err, LM_EUNSUPPORTED, "one of %u parts of a split model (key 'split.count'), without the others", n_split);
    if (!s.s)
        return lm_fail(err, LM_EFORMAT, "key 'general.architecture' is missing or no string");
    lm_gguf_quote(s, name);
    lm_family_list(list, sizeof list);
    if (s.n >= sizeof hp->family || !lm_family_get(name))
        return lm_fail(err, LM_EUNSUPPORTED, "model family '%s' is not supported; supported are %s", name, list);
    strcpy(hp->family, name);
    return 0;
}

static void read_heads(struct lm_keys *k, struct lm_hparams *hp, unsigned can)
{
    hp->n_head = lm_keys_u32(k, "attention.head_count", 0, 1, 1 << 14);
    hp->n_kv_head = lm_keys_u32(k, "attention.head_count_kv", hp->n_head, 1, 1 << 14);
    uint32_t fallback = k->rc || hp->dim % hp->n_head ? 0 : hp->dim / hp->n_head;
    hp->head_dim = lm_keys_u32(k, "attention.key_length", fallback, 2, 1024);
    hp->v_dim = lm_keys_u32(k, "attention.value_length", hp->head_dim, 1, UINT32_MAX);
    if (k->rc)
        return;
    lm_keys_refuse(k, hp->head_dim % 2, "attention.key_length", "an odd number of columns is not supported");
    lm_keys_refuse(k, hp->v_dim != hp->head_dim && !(can & LM_CAN_VALUES), "attention.value_length", "other than attention.key_length is not supported");
    if (!k->rc && hp->n_head % hp->n_kv_head)
        k->rc = lm_fail(k->err, LM_EFORMAT, "key '%s.attention.head_count' is %u, no multiple of %u (head_count_kv)", hp->family,
                        hp->n_head, hp->n_kv_head);
}

static void read_vocab(struct lm_keys *k, struct lm_hparams *hp)
{
    const struct lm_gguf_tensor *t = lm_gguf_tensor(k->g, "token_embd.weight");
    if (k->rc)
        return;
    if (!t)
        k->rc = lm_fail(k->err, LM_EFORMAT, "tensor 'token_embd.weight' is missing");
    else if (t->dim[1] > WIDTH_MAX)
        k->rc = lm_fail(k->err, LM_EFORMAT, "tensor 'token_embd.weight' has %llu rows, more than %d",
                        (unsigned long long)t->dim[1], WIDTH_MAX);
    else
        hp->n_vocab = (uint32_t)t->dim[1];
}

/* An encoder's outputs: its classes, or its columns. */
static uint32_t n_out(struct lm_keys *k, struct lm_hparams *hp)
{
    const struct lm_gguf_tensor *t = lm_gguf_tensor(k->g, "cls.output.weight");
    hp->classifies = t != NULL;
    if (t && (t->dim[1] == 0 || t->dim[1] > WIDTH_MAX) && !k->rc)
        k->rc = lm_fail(k->err, LM_EFORMAT, "tensor 'cls.output.weight' has %llu rows", (unsigned long long)t->dim[1]);
    return k->rc ? 0 : t ? (uint32_t)t->dim[1] : hp->dim;
}

int lm_model_hparams(const struct lm_gguf *g, struct lm_hparams *out, struct lm_err *err)
{
    struct lm_hparams hp = {0};
    int rc = read_family(g, &hp, err);
    if (rc)
        return rc;
    struct lm_keys k = {.g = g, .family = hp.family, .err = err};
    unsigned can = lm_family_get(hp.family)->can;
    if (refuse_features(&k, can))
        return lm_keys_place(g, k.rc, err);
    hp.encoder = can & LM_CAN_ENCODE;
    hp.n_layer = lm_keys_u32(&k, "block_count", 0, 1, 4096);
    hp.n_next = lm_keys_u32(&k, "nextn_predict_layers", 0, 0, hp.n_layer ? hp.n_layer - 1 : 0);
    hp.n_layer -= hp.n_next;
    hp.dim = lm_keys_u32(&k, "embedding_length", 0, 1, WIDTH_MAX);
    hp.ffn_dim = lm_keys_u32(&k, "feed_forward_length", 0, 1, WIDTH_MAX);
    hp.n_ctx_train = lm_keys_u32(&k, "context_length", 0, 1, 1 << 30);
    bool layer_norm = lm_keys_has(&k, "attention.layer_norm_epsilon") && !lm_keys_has(&k, "attention.layer_norm_rms_epsilon");
    hp.norm_eps = lm_keys_positive(&k, layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 0);
    hp.n_expert = lm_keys_u32(&k, "expert_count", 0, 0, 1024);
    hp.n_expert_used = hp.n_expert ? lm_keys_u32(&k, "expert_used_count", 0, 1, hp.n_expert) : 0;
    read_heads(&k, &hp, can);
    read_vocab(&k, &hp);
    hp.n_out = hp.encoder ? n_out(&k, &hp) : hp.dim;
    if (!k.rc)
        *out = hp;
    return lm_keys_place(g, k.rc, err);
}

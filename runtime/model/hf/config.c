/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/config.h"
#include <math.h>

static const json_t *get(const json_t *in, const char *name)
{
    const json_t *v = json_object_get(in, name);
    return json_is_null(v) ? NULL : v;
}

const json_t *lm_hf_node(const json_t *in, const char *name)
{
    const json_t *v = get(in, name);
    return json_is_object(v) || json_is_array(v) ? v : NULL;
}

static void wrong_type(struct lm_hf_config *c, const char *name, const char *what)
{
    if (!c->rc)
        c->rc = lm_fail(c->err, LM_EFORMAT, "config.json: '%s' is not %s", name, what);
}

uint32_t lm_hf_u32(struct lm_hf_config *c, const json_t *in, const char *name, uint32_t fallback)
{
    const json_t *v = get(in, name);
    if (!v)
        return fallback;
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= UINT32_MAX)
        return (uint32_t)json_integer_value(v);
    wrong_type(c, name, "a count");
    return fallback;
}

double lm_hf_f64(struct lm_hf_config *c, const json_t *in, const char *name, double fallback)
{
    const json_t *v = get(in, name);
    if (!v)
        return fallback;
    if (json_is_number(v) && isfinite(json_number_value(v)))
        return json_number_value(v);
    wrong_type(c, name, "a finite number");
    return fallback;
}

bool lm_hf_bool(struct lm_hf_config *c, const json_t *in, const char *name, bool fallback)
{
    const json_t *v = get(in, name);
    if (v && !json_is_boolean(v))
        wrong_type(c, name, "a truth value");
    return v && json_is_boolean(v) ? json_is_true(v) : fallback;
}

const char *lm_hf_string(struct lm_hf_config *c, const json_t *in, const char *name)
{
    const json_t *v = get(in, name);
    if (v && !json_is_string(v))
        wrong_type(c, name, "a string");
    return json_string_value(v);
}

void lm_hf_check_kinds(struct lm_hf_config *c, const json_t *in)
{
    static const char *const objects[] = {"text_config", "rope_parameters", "rope_scaling", "quantization_config", "compression_config"};
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        if (get(in, objects[i]) && !json_is_object(get(in, objects[i])))
            wrong_type(c, objects[i], "an object");
    if (get(in, "layer_types") && !json_is_array(get(in, "layer_types")))
        wrong_type(c, "layer_types", "a list");
}

void lm_hf_refuse(struct lm_hf_config *c, bool wrong, const char *name, const char *why)
{
    if (!c->rc && wrong)
        c->rc = lm_fail(c->err, LM_EUNSUPPORTED, "config.json: '%s': %s", name, why);
}

void lm_hf_need_act(struct lm_hf_config *c, const char *a, const char *b)
{
    const char *name = get(c->root, "hidden_act") ? "hidden_act" : "hidden_activation";
    const char *is = lm_hf_string(c, c->root, name);
    lm_hf_refuse(c, is && strcmp(is, a) != 0 && (!b || strcmp(is, b) != 0), name, "another activation is not supported in this family");
}

static void put(struct lm_bytes *b, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lm_bytes_add_char(b, (char)(v >> (8 * i)));
}

static void put_key(struct lm_hf_config *c, const char *key, enum lm_gguf_type type)
{
    bool whole = strncmp(key, "general.", 8) == 0 || strncmp(key, "tokenizer.", 10) == 0;
    size_t n = strlen(key), family = whole ? 0 : strlen(c->family) + 1;
    put(&c->kv, n + family, 8);
    if (!whole)
        lm_bytes_addf(&c->kv, "%s.", c->family);
    lm_bytes_add(&c->kv, key, n);
    put(&c->kv, type, 4);
    c->n_kv++;
}

void lm_hf_put_u32(struct lm_hf_config *c, const char *key, uint32_t v)
{
    put_key(c, key, LM_GGUF_U32);
    put(&c->kv, v, 4);
}

void lm_hf_put_i32(struct lm_hf_config *c, const char *key, int32_t v)
{
    put_key(c, key, LM_GGUF_I32);
    put(&c->kv, (uint32_t)v, 4);
}

void lm_hf_put_f32(struct lm_hf_config *c, const char *key, double v)
{
    float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    put_key(c, key, LM_GGUF_F32);
    put(&c->kv, bits, 4);
}

void lm_hf_put_bool(struct lm_hf_config *c, const char *key, bool v)
{
    put_key(c, key, LM_GGUF_BOOL);
    put(&c->kv, v, 1);
}

void lm_hf_put_string(struct lm_hf_config *c, const char *key, const char *s)
{
    put_key(c, key, LM_GGUF_STRING);
    put(&c->kv, strlen(s), 8);
    lm_bytes_add_str(&c->kv, s);
}

void lm_hf_put_i32s(struct lm_hf_config *c, const char *key, const int32_t *v, size_t n)
{
    put_key(c, key, LM_GGUF_ARRAY);
    put(&c->kv, LM_GGUF_I32, 4);
    put(&c->kv, n, 8);
    for (size_t i = 0; i < n; i++)
        put(&c->kv, (uint32_t)v[i], 4);
}

void lm_hf_copy_u32(struct lm_hf_config *c, const char *name, const char *key)
{
    if (get(c->root, name))
        lm_hf_put_u32(c, key, lm_hf_u32(c, c->root, name, 0));
}

void lm_hf_copy_f32(struct lm_hf_config *c, const char *name, const char *key)
{
    if (get(c->root, name))
        lm_hf_put_f32(c, key, lm_hf_f64(c, c->root, name, 0));
}

float *lm_hf_put_extra(struct lm_hf_config *c, const char *name, size_t n)
{
    float *v = c->rc ? NULL : lm_arena_alloc(c->arena, n * sizeof *v);
    if (!c->rc && (!v || c->n_extra == LM_HF_EXTRA))
        c->rc = lm_fail(c->err, LM_ENOMEM, "no memory for '%s'", name);
    if (!c->rc)
        c->extra[c->n_extra++] = (struct lm_hf_extra){name, v, n};
    return v;
}

void lm_hf_put_common(struct lm_hf_config *c, double theta)
{
    enum { N_PLAIN = 4 }; /* entries before those of heads */
    static const struct { const char *name, *key; } sizes[] = {
        {"num_hidden_layers", "block_count"},
        {"hidden_size", "embedding_length"},
        {"intermediate_size", "feed_forward_length"},
        {"max_position_embeddings", "context_length"},
        {"num_attention_heads", "attention.head_count"},
        {"num_key_value_heads", "attention.head_count_kv"},
        {"head_dim", "attention.key_length"},
        {"head_dim", "attention.value_length"},
    };
    const json_t *parameters = lm_hf_node(c->root, "rope_parameters"), *full = lm_hf_node(parameters, "full_attention");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!c->heads || i < N_PLAIN)
            lm_hf_copy_u32(c, sizes[i].name, sizes[i].key);
    if (!c->layer_norm)
        lm_hf_put_f32(c, "attention.layer_norm_rms_epsilon", lm_hf_f64(c, c->root, "rms_norm_eps", 1e-6));
    lm_hf_put_rope(c, full ? full : parameters ? parameters : lm_hf_node(c->root, "rope_scaling"), theta);
}

void lm_hf_put_layer_norm(struct lm_hf_config *c, const char *name, double fallback)
{
    c->layer_norm = true;
    lm_hf_put_f32(c, "attention.layer_norm_epsilon", lm_hf_f64(c, c->root, name, fallback));
}

void lm_hf_put_windows(struct lm_hf_config *c, uint32_t period)
{
    static const char key[] = "attention.sliding_window_pattern";
    const json_t *types = lm_hf_node(c->root, "layer_types"), *t;
    size_t n = json_array_size(types), i;
    if (!types) {
        const json_t *letters = json_object_get(c->root, "sliding_window_pattern"); /* "LLLG": local ones, then a global one */
        lm_hf_put_u32(c, key, json_is_string(letters) ? (uint32_t)json_string_length(letters) :
                                                        lm_hf_u32(c, c->root, "sliding_window_pattern", period));
        return;
    }
    int32_t *local = c->rc ? NULL : lm_arena_alloc(c->arena, n * sizeof *local);
    lm_hf_refuse(c, n != lm_hf_u32(c, c->root, "num_hidden_layers", 0), "layer_types", "is not of num_hidden_layers");
    json_array_foreach(types, i, t) {
        const char *type = json_string_value(t);
        bool sliding = type && strcmp(type, "sliding_attention") == 0;
        lm_hf_refuse(c, !sliding && !(type && strcmp(type, "full_attention") == 0), "layer_types",
                     "known are full_attention and sliding_attention");
        if (local)
            local[i] = sliding;
    }
    if (local)
        lm_hf_put_i32s(c, key, local, n);
}

void lm_hf_put_experts(struct lm_hf_config *c, bool norm)
{
    const char *count = get(c->root, "num_local_experts") ? "num_local_experts" : "num_experts";
    lm_hf_copy_u32(c, count, "expert_count");
    lm_hf_copy_u32(c, "num_experts_per_tok", "expert_used_count");
    lm_hf_put_bool(c, "expert_weights_norm", lm_hf_bool(c, c->root, "norm_topk_prob", norm));
}

void lm_hf_put_grouped_experts(struct lm_hf_config *c, bool sigmoid, bool norm, bool groups)
{
    lm_hf_copy_u32(c, "n_routed_experts", "expert_count");
    lm_hf_copy_u32(c, "num_experts_per_tok", "expert_used_count");
    lm_hf_copy_u32(c, "n_shared_experts", "expert_shared_count");
    lm_hf_copy_u32(c, "moe_intermediate_size", "expert_feed_forward_length");
    lm_hf_copy_u32(c, "first_k_dense_replace", "leading_dense_block_count");
    if (groups) {
        lm_hf_copy_u32(c, "n_group", "expert_group_count");
        lm_hf_copy_u32(c, "topk_group", "expert_group_used_count");
    }
    lm_hf_put_f32(c, "expert_weights_scale", lm_hf_f64(c, c->root, "routed_scaling_factor", 1));
    lm_hf_put_bool(c, "expert_weights_norm", lm_hf_bool(c, c->root, "norm_topk_prob", norm));
    lm_hf_put_u32(c, "expert_gating_func", sigmoid ? 2 : 1);
}

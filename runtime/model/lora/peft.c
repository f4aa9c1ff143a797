/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapters as PEFT saves them. A module's scale is lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora; rank_pattern and
 * alpha_pattern have other numbers for some. fan_in_fan_out says how the model's weight is stored, which is the model's business.
 *
 * Source: https://github.com/huggingface/peft (LoraConfig, save_pretrained)
 */
#include "runtime/model/lora/adapter.h"
#include "runtime/model/hf/json.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const size_t config_max = 4 << 20;

struct peft {
    const json_t *config;
    const struct lm_hparams *hp;
    double alpha;
    uint32_t rank;
    bool root;
    struct lm_err *err;
};

static const char file[] = "adapter_config.json";

/* A setting that changes the model in a way that is not done here: anything but absent, null, false, none and empty. */
static bool is_set(const json_t *v)
{
    return v && !json_is_null(v) && !json_is_false(v) && (!json_is_array(v) || json_array_size(v)) && (!json_is_object(v) || json_object_size(v)) &&
           (!json_is_string(v) || strcmp(json_string_value(v), "none") != 0);
}

static int check_features(const struct peft *p)
{
    static const struct { const char *name, *why; } refused[] = {
        {"modules_to_save", "whole modules that take the place of the model's are not supported"},
        {"bias", "biases that were trained along are not supported: use 'none'"},
        {"lora_bias", "biases of lora_B are not supported"},
        {"use_dora", "DoRA is not supported"},
        {"use_qalora", "QALoRA is not supported"},
        {"use_bdlora", "block-diagonal adapters are not supported"},
        {"kasa_config", "KaSA is not supported"},
        {"trainable_token_indices", "embeddings that were trained along are not supported"},
        {"layer_replication", "layers that are used again are not supported"},
        {"alora_invocation_tokens", "adapters that begin at a token are not supported"},
    };
    static const char *const inits[] = {"pissa", "olora", "corda", "loftq"};
    const char *type = json_string_value(json_object_get(p->config, "peft_type"));
    const char *init = json_string_value(json_object_get(p->config, "init_lora_weights"));
    if (!type || strcmp(type, "LORA") != 0)
        return lm_fail(p->err, LM_EUNSUPPORTED, "%s: 'peft_type' is '%.40s'; LORA is supported", file, type ? type : "missing");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const json_t *v = json_object_get(p->config, refused[i].name);
        const char *what = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);
        if (is_set(v))
            return lm_fail(p->err, LM_EUNSUPPORTED, "%s: '%s'%s%.40s%s: %s", file, refused[i].name, what ? " has '" : "", what ? what : "", what ? "'" : "",
                           refused[i].why);
    }
    for (size_t i = 0; init && i < sizeof inits / sizeof *inits; i++)
        if (strncmp(init, inits[i], strlen(inits[i])) == 0)
            return lm_fail(p->err, LM_EUNSUPPORTED, "%s: 'init_lora_weights' is '%.40s', which changed the model's own weights: convert the adapter "
                           "with path_initial_model_for_weight_conversion", file, init);
    return 0;
}

/* Of another kind they would be taken for absent, and scales be others. */
static int check_kinds(const struct peft *p)
{
    static const char *const patterns[] = {"rank_pattern", "alpha_pattern"};
    const json_t *root = json_object_get(p->config, "use_rslora");
    if (root && !json_is_null(root) && !json_is_boolean(root))
        return lm_fail(p->err, LM_EFORMAT, "%s: 'use_rslora' is not a truth value", file);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        const json_t *v = json_object_get(p->config, patterns[i]);
        if (v && !json_is_null(v) && !json_is_object(v))
            return lm_fail(p->err, LM_EFORMAT, "%s: '%s' is not an object", file, patterns[i]);
    }
    return 0;
}

static int read_config(struct peft *p)
{
    const json_t *r = json_object_get(p->config, "r"), *alpha = json_object_get(p->config, "lora_alpha");
    int rc = check_features(p);
    if (rc)
        return rc;
    if (!json_is_integer(r) || json_integer_value(r) < 1 || json_integer_value(r) > INT32_MAX)
        return lm_fail(p->err, LM_EFORMAT, "%s: 'r' is no count from 1 on", file);
    if (!json_is_number(alpha) || !isfinite(json_number_value(alpha)))
        return lm_fail(p->err, LM_EFORMAT, "%s: 'lora_alpha' is no number", file);
    p->rank = (uint32_t)json_integer_value(r);
    p->alpha = json_number_value(alpha);
    p->root = json_is_true(json_object_get(p->config, "use_rslora"));
    return check_kinds(p);
}

/* The number that a pattern has for the module: of the key that is its name or, behind a dot, its end. */
static int pattern(const struct peft *p, const char *name, const char *module, size_t n, double *io)
{
    const json_t *patterns = json_object_get(p->config, name), *v;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)patterns, key, v) {
        size_t n_key = strlen(key);
        if (strpbrk(key, "^$*+?()[]{}|\\"))
            return lm_fail(p->err, LM_EUNSUPPORTED, "%s: '%s' has the regular expression '%.60s'; names of modules are supported", file, name, key);
        if (!json_is_number(v) || !isfinite(json_number_value(v)))
            return lm_fail(p->err, LM_EFORMAT, "%s: '%s' of '%.60s' is no number", file, name, key);
        if (n_key <= n && memcmp(module + n - n_key, key, n_key) == 0 && (n_key == n || module[n - n_key - 1] == '.')) {
            *io = json_number_value(v);
            return 0;
        }
    }
    return 0;
}

static int set_numbers(const struct peft *p, const char *module, size_t n, struct lm_adapter_pair *pair)
{
    double rank = p->rank, alpha = p->alpha;
    int rc = pattern(p, "rank_pattern", module, n, &rank);
    if (!rc)
        rc = pattern(p, "alpha_pattern", module, n, &alpha);
    if (!rc && !(rank >= 1 && rank <= INT32_MAX))
        rc = lm_fail(p->err, LM_EFORMAT, "%s: 'rank_pattern' has a rank of %g", file, rank);
    if (rc)
        return rc;
    pair->rank = (uint32_t)rank;
    pair->scale = (float)(alpha / (p->root ? sqrt(pair->rank) : pair->rank));
    return 0;
}

/* The module of a tensor's name, base_model.model.MODULE.lora_A.weight; 0: it is another tensor. */
static size_t module_of(const char *name, const char **out, bool *out_b)
{
    static const char head[] = "base_model.model.";
    static const char *const tail[] = {".lora_A.weight", ".lora_B.weight", ".lora_A.default.weight", ".lora_B.default.weight"};
    const size_t n = strlen(name), n_head = sizeof head - 1;
    for (size_t i = 0; i < 4 && n > n_head && memcmp(name, head, n_head) == 0; i++) {
        size_t n_tail = strlen(tail[i]);
        if (n <= n_head + n_tail || strcmp(name + n - n_tail, tail[i]) != 0)
            continue;
        *out = lm_hf_name_bare(name + n_head);
        *out_b = i % 2;
        return n - n_tail - (size_t)(*out - name);
    }
    return 0;
}

static int refuse(const struct peft *p, const struct lm_st_tensor *t, const char *why)
{
    char name[LM_GGUF_QUOTE];
    return lm_fail(p->err, LM_EUNSUPPORTED, "tensor '%s' at byte %llu: %s", lm_gguf_quote(t->name, name), (unsigned long long)t->offset, why);
}

static int side_of(const struct peft *p, const struct lm_st_tensor *t, struct lm_adapter_side *out)
{
    char why[80];
    if (t->type != LM_ST_F32 && t->type != LM_ST_F16 && t->type != LM_ST_BF16) {
        snprintf(why, sizeof why, "the type %s is not one of F32, F16 and BF16", lm_st_type_name(t->type));
        return refuse(p, t, why);
    }
    if (t->n_dim != 2)
        return refuse(p, t, "it is no matrix");
    *out = (struct lm_adapter_side){t->name, t->offset, t->data, t->type == LM_ST_F32 ? LM_Q_F32 : t->type == LM_ST_F16 ? LM_Q_F16 : LM_Q_BF16,
                                    t->dim[0], t->dim[1]};
    return 0;
}

/* The entry of the module in the tables of the model's family, which several kinds of folders may have. */
static const struct lm_hf_name *find(const struct peft *p, const char *module, size_t n, uint32_t number[2])
{
    const struct lm_hf_name *e = NULL;
    const struct lm_hf_family *f;
    for (size_t i = 0; !e && (f = lm_hf_family_of(p->hp->family, i)) != NULL; i++)
        e = lm_hf_name_find(f->name, module, n, number);
    return e;
}

/* A weight of the model itself, which is saved along where the head is adapted. */
static bool is_base(const char *name)
{
    static const char tail[] = ".base_layer.weight";
    size_t n = strlen(name), n_tail = sizeof tail - 1;
    return n > n_tail && strcmp(name + n - n_tail, tail) == 0;
}

static int take(const struct peft *p, struct lm_adapter *a, const struct lm_st_tensor *t)
{
    const char *module = NULL;
    uint32_t number[2] = {0};
    bool is_b = false;
    size_t n = module_of(t->name.s, &module, &is_b);
    struct lm_adapter_side side;
    if (!n)
        return refuse(p, t, strstr(t->name.s, "lora_embedding") ? "adapters of embeddings are not supported: leave embed_tokens out of target_modules" :
                      strstr(t->name.s, "lora_magnitude") ? "DoRA is not supported" : "it is no lora_A or lora_B of a module");
    const struct lm_hf_name *e = find(p, module, n, number);
    if (!e)
        return refuse(p, t, lm_hf_family_of(p->hp->family, 0) ? "the model has no such module" :
                      "names of this family's modules are known in GGUF only: convert the adapter by convert_lora_to_gguf.py");
    if (e->how > LM_HF_K_PAIRS && e->how != LM_HF_SKIP)
        return refuse(p, t, "the model has its rows in another order: convert the adapter by convert_lora_to_gguf.py");
    if (lm_hf_name_is_expert(e) || e->how == LM_HF_SKIP)
        return refuse(p, t, "adapters of experts are not supported: leave the module out of target_modules");
    int rc = side_of(p, t, &side);
    for (; e && !rc; e = lm_hf_name_find(e + 1, module, n, number)) {
        struct lm_adapter_pair *pair = NULL;
        char name[LM_HF_NAME_BYTES];
        if (!lm_hf_name_gguf(e, number, name))
            return refuse(p, t, "its name is too long");
        rc = lm_adapter_put(a, name, is_b, &side, &pair, p->err);
        if (!rc)
            rc = set_numbers(p, module, n, pair);
        if (!rc) {
            pair->how = e->how;
            pair->n_part = e->n ? e->n : 1;
            pair->part = e->i;
        }
    }
    return rc;
}

int lm_adapter_open_peft(const char *folder, const struct lm_hparams *hp, size_t most, struct lm_adapter *a, struct lm_err *err)
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t n = 0;
    json_t *config = NULL;
    struct peft p = {.hp = hp, .err = err};
    if (snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder) >= (int)sizeof path)
        return lm_fail(err, LM_EINVAL, "a path of %zu bytes", strlen(folder));
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int rc = lm_adapter_read_file(path, config_max, &text, &n, err);
    if (!rc)
        rc = lm_hf_json_parse(text, n, &config, err);
    if (rc)
        lm_fail_in(err, rc, "%s", file);
    p.config = config;
    if (!rc)
        rc = read_config(&p);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    if (!rc) {
        rc = lm_adapter_read_file(path, most, &a->data, &n, err);
        snprintf(path, sizeof path, "%s/adapter_model.bin", folder);
        if (rc == LM_ENOTFOUND && access(path, F_OK) == 0)
            rc = lm_fail(err, LM_EUNSUPPORTED, "adapter_model.bin may hold code: save the adapter as safetensors");
        else if (!rc)
            rc = lm_st_open_memory(a->data, n, &a->st, err);
        if (rc)
            lm_fail_in(err, rc, "adapter_model.safetensors");
    }
    for (size_t i = 0; !rc && i < lm_st_n_tensors(a->st); i++)
        if (!is_base(lm_st_tensor_at(a->st, i)->name.s))
            rc = take(&p, a, lm_st_tensor_at(a->st, i));
    json_decref(config);
    free(text);
    return rc;
}

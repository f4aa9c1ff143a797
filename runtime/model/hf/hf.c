/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/hf.h"
#include "runtime/model/hf/tensors.h"
#include <limits.h>
#include <stdlib.h>

enum { CONFIG_MAX = 4 << 20, EOS_MAX = 32 };

/* What a model of a folder owns. */
struct folder {
    char path[PATH_MAX];
    struct lm_arena arena;
    struct lm_hf_shards shards;
    struct lm_bytes header; /* the keys, as a GGUF file without tensors */
};

static void release(void *owner)
{
    struct folder *f = owner;
    lm_hf_shards_close(&f->shards);
    lm_bytes_fini(&f->header);
    lm_arena_fini(&f->arena);
    free(f);
}

static int read_json(const struct folder *f, const char *name, json_t **out, struct lm_err *err)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    return lm_hf_json_read(path, CONFIG_MAX, out, err);
}

/* An id, or several; ids that are no tokens are the tokenizer's business. */
static size_t read_ids(struct lm_hf_config *c, const json_t *in, const char *name, int32_t out[EOS_MAX])
{
    const json_t *v = json_object_get(in, name), *one = v;
    size_t n = json_is_array(v) ? json_array_size(v) : json_is_integer(v), i;
    for (i = 0; i < n && i < EOS_MAX; i++) {
        one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(one) || json_integer_value(one) < -1 || json_integer_value(one) > INT32_MAX)
            break;
        out[i] = (int32_t)json_integer_value(one);
    }
    if ((i < n || (v && !json_is_null(v) && n == 0 && !json_is_array(v))) && !c->rc)
        c->rc = lm_fail(c->err, LM_EFORMAT, "config.json or generation_config.json: '%s' is not one to %d token ids", name, EOS_MAX);
    return i;
}

static void put_id(struct lm_hf_config *c, const json_t *first, const json_t *then, const char *name, const char *key)
{
    int32_t id[EOS_MAX];
    size_t n = read_ids(c, first, name, id);
    if (n == 0)
        n = read_ids(c, then, name, id);
    if (n == 0 || id[0] < 0)
        return;
    lm_hf_put_u32(c, key, (uint32_t)id[0]);
    if (strcmp(name, "eos_token_id") == 0)
        lm_hf_put_i32s(c, "tokenizer.ggml.eos_token_ids", id, n);
}

/* Ids that end an answer, and what a request takes that does not say how to sample. */
static void put_generation(struct lm_hf_config *c, const json_t *generation, const json_t *root)
{
    static const struct { const char *name, *key; } reals[] = {
        {"temperature", "general.sampling.temp"},
        {"top_p", "general.sampling.top_p"},
        {"min_p", "general.sampling.min_p"},
        {"repetition_penalty", "general.sampling.penalty_repeat"},
    };
    put_id(c, generation, root, "bos_token_id", "tokenizer.ggml.bos_token_id");
    put_id(c, generation, root, "eos_token_id", "tokenizer.ggml.eos_token_id");
    put_id(c, generation, root, "pad_token_id", "tokenizer.ggml.padding_token_id");
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (json_is_number(json_object_get(generation, reals[i].name)))
            lm_hf_put_f32(c, reals[i].key, lm_hf_f64(c, generation, reals[i].name, 0));
    const json_int_t top_k = json_integer_value(json_object_get(generation, "top_k"));
    if (json_is_integer(json_object_get(generation, "top_k")) && top_k >= INT32_MIN && top_k <= INT32_MAX)
        lm_hf_put_i32(c, "general.sampling.top_k", (int32_t)top_k);
}

static int read_generation(const struct folder *f, struct lm_hf_config *c, const json_t *root)
{
    json_t *generation = NULL;
    struct lm_err err;
    int rc = read_json(f, "generation_config.json", &generation, &err);
    if (rc && rc != LM_ENOTFOUND)
        return lm_fail(c->err, rc, "%s", err.msg);
    put_generation(c, generation, root);
    json_decref(generation);
    return c->rc;
}

/* How sentence-transformers pools: GGUF's numbers. */
static int read_pooling(const struct folder *f, struct lm_hf_config *c)
{
    static const struct { const char *name; uint32_t type; } modes[] = {
        {"pooling_mode_mean_tokens", 1}, {"pooling_mode_cls_token", 2}, {"pooling_mode_lasttoken", 3},
    };
    json_t *pooling = NULL;
    struct lm_err err;
    int rc = read_json(f, "1_Pooling/config.json", &pooling, &err);
    if (rc && rc != LM_ENOTFOUND)
        return lm_fail(c->err, rc, "%s", err.msg);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (lm_hf_bool(c, pooling, modes[i].name, false)) {
            lm_hf_put_u32(c, "pooling_type", modes[i].type);
            break;
        }
    json_decref(pooling);
    return c->rc;
}

static int make_header(struct folder *f, struct lm_hf_config *c)
{
    unsigned char head[24] = {'G', 'G', 'U', 'F', 3};
    for (int i = 0; i < 8; i++)
        head[16 + i] = (unsigned char)(c->n_kv >> (8 * i));
    lm_bytes_add(&f->header, head, sizeof head);
    lm_bytes_add(&f->header, c->kv.data, c->kv.len);
    if (!c->rc && (c->kv.failed || f->header.failed))
        c->rc = lm_fail(c->err, LM_ENOMEM, "no memory for the keys of a model");
    return c->rc;
}

static int family_of(struct lm_hf_config *c, const struct lm_hf_family **out)
{
    char list[160], shown[LM_GGUF_QUOTE];
    const char *type = lm_hf_string(c, c->root, "model_type");
    if (!c->rc && !type)
        c->rc = lm_fail(c->err, LM_EFORMAT, "config.json: 'model_type' is missing");
    if (c->rc)
        return c->rc;
    *out = lm_hf_family_get(type);
    lm_hf_family_list(list, sizeof list);
    if (!*out)
        return lm_fail(c->err, LM_EUNSUPPORTED, "config.json: model_type '%s' is not supported; supported are %s",
                       lm_gguf_quote((struct lm_gguf_str){type, strlen(type)}, shown), list);
    c->family = (*out)->gguf;
    return 0;
}

static int build(struct folder *f, const json_t *root, struct lm_hf_config *c, struct lm_gguf **out)
{
    struct lm_gguf_whole w = {.map = f->shards.map, .n_map = f->shards.n, .folder = f->path, .owner = f, .release = release};
    struct lm_hf_tensors in = {.shards = &f->shards, .config = c, .arena = &f->arena};
    struct lm_gguf *g = NULL;
    int rc = family_of(c, &in.family);
    if (rc)
        return rc;
    struct lm_hf_quant quant;
    in.quant = &quant;
    const json_t *text = lm_hf_node(root, "text_config"), *outer = root;
    lm_hf_check_kinds(c, root);
    lm_hf_check_kinds(c, text);
    lm_hf_put_string(c, "general.architecture", c->family);
    quant = lm_hf_quant_read(c);
    if (text) {
        c->root = text;
        outer = lm_hf_node(text, "eos_token_id") ? text : root;
    }
    in.tied = lm_hf_bool(c, c->root, "tie_word_embeddings", lm_hf_bool(c, root, "tie_word_embeddings", in.family->tied));
    in.family->keys(c);
    if (c->rc || (rc = read_generation(f, c, outer)) != 0 || (rc = read_pooling(f, c)) != 0 || (rc = make_header(f, c)) != 0)
        return c->rc ? c->rc : rc;
    rc = lm_hf_tensors_make(&in, &w.tensor, &w.n_tensor, c->err);
    if (rc || (rc = lm_gguf_open_memory(f->header.data, f->header.len, &g, c->err)) != 0 || (rc = lm_gguf_complete(g, &w, c->err)) != 0) {
        free(w.tensor);
        lm_gguf_close(g);
        return rc;
    }
    *out = g;
    return 0;
}

int lm_hf_open(const char *path, struct lm_gguf **out, struct lm_err *err)
{
    json_t *root = NULL;
    struct folder *f = calloc(1, sizeof *f);
    if (!f)
        return lm_fail(err, LM_ENOMEM, "no memory for a model's folder");
    struct lm_hf_config c = {.arena = &f->arena, .err = err};
    int n = snprintf(f->path, sizeof f->path, "%s", path);
    int rc = n < PATH_MAX ? read_json(f, "config.json", &root, err) : lm_fail(err, LM_EINVAL, "a path of %d bytes", n);
    c.root = root;
    if (!rc)
        rc = lm_hf_shards_open(f->path, &f->shards, err);
    if (!rc)
        rc = build(f, root, &c, out);
    if (rc) {
        lm_fail_in(err, rc, "%.60s", path);
        release(f);
    }
    json_decref(root);
    lm_bytes_fini(&c.kv);
    return rc;
}

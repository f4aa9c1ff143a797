/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/embed.h"

#include <math.h>

int lm_embed_read(struct lm_gen *g, struct lm_embed **out)
{
    static const char *const pools[] = {[LM_POOL_LAST] = "last", [LM_POOL_MEAN] = "mean", [LM_POOL_CLS] = "cls"};
    const json_t *pool = json_object_get(g->json, "pooling"), *format = json_object_get(g->json, "encoding_format");
    const json_t *dim = json_object_get(g->json, "dimensions"), *normalize = json_object_get(g->json, "normalize");
    struct lm_embed e = {.pool = g->model->card.pool};
    const char *name = json_string_value(pool), *how = json_string_value(format);
    for (unsigned i = LM_POOL_LAST; name && i <= LM_POOL_CLS; i++)
        if (strcmp(name, pools[i]) == 0) {
            e.pool = (enum lm_pool)i;
            pool = NULL;
        }
    if (pool && !json_is_null(pool))
        return lm_api_bad(&g->error, "pooling", "pooling must be \"last\", \"mean\" or \"cls\".");
    e.base64 = how && strcmp(how, "base64") == 0;
    if (format && !json_is_null(format) && !e.base64 && (!how || strcmp(how, "float") != 0))
        return lm_api_bad(&g->error, "encoding_format", "encoding_format must be \"float\" or \"base64\".");
    if (normalize && !json_is_null(normalize) && !json_is_boolean(normalize))
        return lm_api_bad(&g->error, "normalize", "normalize must be a boolean, got %s.", lm_json_kind(normalize));
    e.raw = json_is_false(normalize);
    if (dim && !json_is_null(dim) && (!json_is_integer(dim) || json_integer_value(dim) != g->model->card.hp.dim))
        return lm_api_bad(&g->error, "dimensions", "This model's embeddings have %u dimensions, and no others.", g->model->card.hp.dim);
    if (json_is_true(json_object_get(g->json, "stream")))
        return lm_api_bad(&g->error, "stream", "Embeddings are not streamed.");
    struct lm_embed *kept = lm_arena_alloc(&g->mem, sizeof *kept);
    if (!kept)
        return lm_api_no_memory(&g->error);
    *kept = e;
    g->pool = e.pool;
    g->dialect_data = *out = kept;
    return 0;
}

void lm_embed_usage(const struct lm_gen *g, struct lm_bytes *out)
{
    size_t n = lm_gen_usage(g).n_prompt_tok;
    lm_bytes_addf(out, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu,\"completion_tokens\":0}", n, n);
}

void lm_embed_normalize(struct lm_gen *g)
{
    for (size_t i = 0; i < g->n_choice; i++) {
        struct lm_choice *c = &g->choice[i];
        double sum = 0;
        for (uint32_t k = 0; k < c->n_dim; k++)
            sum += (double)c->embedding[k] * c->embedding[k];
        for (uint32_t k = 0; k < c->n_dim && sum > 0; k++)
            c->embedding[k] = (float)(c->embedding[k] / sqrt(sum));
    }
}

static void add_base64(struct lm_bytes *out, const void *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = p;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)s[i] << 16 | (i + 1 < n ? (unsigned)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);
        char four[4] = {digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=', i + 2 < n ? digit[v & 63] : '='};
        lm_bytes_add(out, four, 4);
    }
}

void lm_embed_vector(const struct lm_choice *c, bool base64, struct lm_bytes *out)
{
    lm_bytes_add_char(out, base64 ? '"' : '[');
    if (base64)
        add_base64(out, c->embedding, c->n_dim * sizeof *c->embedding);
    for (uint32_t k = 0; !base64 && k < c->n_dim; k++)
        lm_bytes_addf(out, k ? ",%.9g" : "%.9g", (double)c->embedding[k]);
    lm_bytes_add_char(out, base64 ? '"' : ']');
}

void lm_embed_answer(struct lm_gen *g, const char *prefix, const char *object, const char *member, struct lm_bytes *out)
{
    const struct lm_embed *e = g->dialect_data;
    const char *name = g->name;
    if (!e->raw)
        lm_embed_normalize(g);
    lm_bytes_addf(out, "{\"id\":\"%s-", prefix);
    lm_shape_id(g, out);
    lm_bytes_addf(out, "\",\"object\":\"list\",\"created\":%lld,\"model\":", g->created);
    lm_shape_string(out, name, strlen(name));
    lm_bytes_add_str(out, ",\"data\":[");
    for (size_t i = 0; i < g->n_choice; i++) {
        lm_bytes_addf(out, "%s{\"index\":%zu,\"object\":\"%s\",\"%s\":", i ? "," : "", i, object, member);
        lm_embed_vector(&g->choice[i], e->base64, out);
        lm_bytes_add_char(out, '}');
    }
    lm_bytes_add_char(out, ']');
    lm_embed_usage(g, out);
    lm_bytes_add_char(out, '}');
}

int lm_embed_texts(struct lm_gen *g)
{
    struct lm_embed *e;
    json_t *out = json_object();
    static const char *const same[] = {"truncate_prompt_tokens", "truncation_side", "priority", "add_special_tokens", "chat_template_kwargs", "messages"};
    int rc = lm_embed_read(g, &e);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_object_get(g->json, same[i]))
            json_object_set(out, same[i], json_object_get(g->json, same[i]));
    if (json_object_get(g->json, "messages"))
        g->endpoint = LM_CHAT;
    else if (json_object_get(g->json, "input"))
        json_object_set(out, "prompt", json_object_get(g->json, "input"));
    json_object_set_new(out, "max_tokens", json_integer(1));
    json_decref(g->json);
    g->json = out;
    return rc;
}

int lm_embed_convert(struct lm_gen *g)
{
    if (g->model->card.hp.classifies)
        return lm_api_bad(&g->error, "model", "The model does not support the Embeddings API: it has classes.");
    return lm_embed_texts(g);
}

static void answer(struct lm_gen *g, struct lm_bytes *out)
{
    lm_embed_answer(g, "embd", "embedding", "embedding", out);
}

void lm_openai_embeddings(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .prompt_name = "input", .convert = lm_embed_convert, .answer = answer};
    lm_gen_begin(call, &d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/embed.h"

#include <math.h>

/* vLLM's /pooling and /classify, Cohere's /v2/embed. */

static int pooling_convert(struct lm_gen *g)
{
    const json_t *task = json_object_get(g->json, "task");
    const char *s = json_string_value(task);
    if (task && !json_is_null(task) && (!s || strcmp(s, "embed") != 0))
        return lm_api_bad(&g->error, "task", "task can only be \"embed\": this model has no other pooler.");
    return lm_embed_convert(g);
}

static void pooling_answer(struct lm_gen *g, struct lm_bytes *out)
{
    lm_embed_answer(g, "pool", "pooling", "data", out);
}

void lm_openai_pooling(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .prompt_name = "input", .convert = pooling_convert, .answer = pooling_answer};
    lm_gen_begin(call, &d);
}

/* embedding_types: float, base64 or both. */
static int read_types(struct lm_gen *g, bool *out_float, bool *out_base64)
{
    const json_t *list = json_object_get(g->json, "embedding_types");
    bool absent = !list || json_is_null(list);
    *out_float = absent;
    *out_base64 = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        bool is_float = s && strcmp(s, "float") == 0, is_base64 = s && strcmp(s, "base64") == 0;
        if (!is_float && !is_base64)
            return lm_api_bad(&g->error, "embedding_types", "embedding_types can only have \"float\" and \"base64\".");
        *out_float |= is_float;
        *out_base64 |= is_base64;
    }
    if (!absent && !json_array_size(list))
        return lm_api_bad(&g->error, "embedding_types", "embedding_types must be an array that is not empty.");
    return 0;
}

/* What is too long loses its end, its beginning, or is refused. */
static int read_truncate(struct lm_gen *g)
{
    static const struct { const char *name, *side; } ways[] = {{"END", "right"}, {"START", "left"}, {"NONE", NULL}};
    const json_t *v = json_object_get(g->json, "truncate"), *most = json_object_get(g->json, "max_tokens");
    const char *name = v && !json_is_null(v) ? json_string_value(v) : "END";
    size_t i = 0;
    while (i < 3 && name && strcmp(ways[i].name, name) != 0)
        i++;
    if (!name || i == 3)
        return lm_api_bad(&g->error, "truncate", "truncate must be \"END\", \"START\" or \"NONE\".");
    if (most && !json_is_null(most) && (!json_is_integer(most) || json_integer_value(most) < 1))
        return lm_api_bad(&g->error, "max_tokens", "max_tokens must be an integer of at least 1.");
    json_object_del(g->json, "truncate_prompt_tokens");
    if (!ways[i].side)
        return 0;
    json_object_set_new(g->json, "truncate_prompt_tokens", json_integer(json_is_integer(most) ? json_integer_value(most) : -1));
    json_object_set_new(g->json, "truncation_side", json_string(ways[i].side));
    return 0;
}

static int read_input_type(struct lm_gen *g)
{
    static const char *const known[] = {"search_document", "search_query", "classification", "clustering"};
    const json_t *v = json_object_get(g->json, "input_type"), *images = json_object_get(g->json, "images");
    const char *s = json_string_value(v);
    for (size_t i = 0; s && i < sizeof known / sizeof *known; i++)
        if (strcmp(s, known[i]) == 0)
            v = NULL;
    if (v && !json_is_null(v))
        return lm_api_bad(&g->error, "input_type", "input_type must be \"search_document\", \"search_query\", \"classification\" or \"clustering\".");
    if (images && !json_is_null(images))
        return lm_api_bad(&g->error, "images", "images is not supported.");
    return 0;
}

static int cohere_convert(struct lm_gen *g)
{
    json_t *texts = json_object_get(g->json, "texts"), *dim = json_object_get(g->json, "output_dimension");
    bool floats, base64;
    if (!json_is_array(texts) || !json_is_string(json_array_get(texts, 0)))
        return lm_api_bad(&g->error, "texts", "texts must be an array of strings that is not empty.");
    if (read_types(g, &floats, &base64) || read_truncate(g) || read_input_type(g))
        return LM_EINVAL;
    if (dim && !json_is_null(dim) && (!json_is_integer(dim) || json_integer_value(dim) != g->model->card.hp.dim))
        return lm_api_bad(&g->error, "output_dimension", "This model's embeddings have %u dimensions, and no others.", g->model->card.hp.dim);
    json_object_del(g->json, "encoding_format");
    json_object_set(g->json, "input", texts);
    if (lm_embed_convert(g))
        return LM_EINVAL;
    struct lm_embed *e = g->dialect_data;
    e->floats = floats;
    e->base64 = base64;
    return 0;
}

static void add_vectors(const struct lm_gen *g, const char *name, bool base64, struct lm_bytes *out)
{
    lm_bytes_addf(out, "\"%s\":[", name);
    for (size_t i = 0; i < g->n_choice; i++) {
        lm_bytes_add_str(out, i ? "," : "");
        lm_embed_vector(&g->choice[i], base64, out);
    }
    lm_bytes_add_char(out, ']');
}

static void cohere_answer(struct lm_gen *g, struct lm_bytes *out)
{
    const struct lm_embed *e = g->dialect_data;
    lm_embed_normalize(g);
    lm_bytes_add_str(out, "{\"id\":\"embd-");
    lm_shape_id(g, out);
    lm_bytes_add_str(out, "\",\"embeddings\":{");
    if (e->floats)
        add_vectors(g, "float", false, out);
    lm_bytes_add_str(out, e->floats && e->base64 ? "," : "");
    if (e->base64)
        add_vectors(g, "base64", true, out);
    lm_bytes_addf(out, "},\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"input_tokens\":%zu}}}", lm_gen_usage(g).n_prompt_tok);
}

void lm_cohere_embed(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .prompt_name = "texts", .convert = cohere_convert, .answer = cohere_answer};
    lm_gen_begin(call, &d);
}

static int classify_convert(struct lm_gen *g)
{
    if (!g->model->card.hp.classifies)
        return lm_api_bad(&g->error, "model", "The model does not support the Classification API: it has no classes.");
    return lm_embed_texts(g);
}

/* Scores to probabilities: of one class by itself, of several over all. Returns the likeliest. */
static uint32_t to_probabilities(struct lm_choice *c)
{
    uint32_t best = 0;
    double sum = 0;
    for (uint32_t i = 1; i < c->n_dim; i++)
        best = c->embedding[i] > c->embedding[best] ? i : best;
    const double most = c->n_dim > 1 ? (double)c->embedding[best] : 0;
    for (uint32_t i = 0; i < c->n_dim; i++)
        sum += exp((double)c->embedding[i] - most);
    for (uint32_t i = 0; i < c->n_dim; i++)
        c->embedding[i] = c->n_dim > 1 ? (float)(exp((double)c->embedding[i] - most) / sum) : (float)(1 / (1 + exp(-(double)c->embedding[i])));
    return best;
}

static void classify_answer(struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "{\"id\":\"classify-");
    lm_shape_id(g, out);
    lm_bytes_addf(out, "\",\"object\":\"list\",\"created\":%lld,\"model\":", g->created);
    lm_shape_string(out, g->name, strlen(g->name));
    lm_bytes_add_str(out, ",\"data\":[");
    for (size_t i = 0; i < g->n_choice; i++) {
        uint32_t label = to_probabilities(&g->choice[i]);
        lm_bytes_addf(out, "%s{\"index\":%zu,\"label\":\"LABEL_%u\",\"probs\":", i ? "," : "", i, label);
        lm_embed_vector(&g->choice[i], false, out);
        lm_bytes_addf(out, ",\"num_classes\":%u}", g->choice[i].n_dim);
    }
    lm_bytes_add_char(out, ']');
    lm_embed_usage(g, out);
    lm_bytes_add_char(out, '}');
}

void lm_openai_classify(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .prompt_name = "input", .convert = classify_convert, .answer = classify_answer};
    lm_gen_begin(call, &d);
}

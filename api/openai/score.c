/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/embed.h"

#include <math.h>
#include <stdlib.h>

/* /score and /rerank: pairs of texts have the score of a model that has one class, else the cosine of their embeddings. */

static double cosine(const struct lm_choice *a, const struct lm_choice *b)
{
    double sum = 0;
    for (uint32_t k = 0; k < a->n_dim && k < b->n_dim; k++)
        sum += (double)a->embedding[k] * (double)b->embedding[k];
    return sum;
}

/* Of text i. */
static double relevance(const struct lm_gen *g, const struct lm_embed *e, size_t i)
{
    if (g->model->card.hp.classifies)
        return 1 / (1 + exp(-(double)g->choice[i].embedding[0]));
    return cosine(&g->choice[e->n_query == 1 ? 0 : i], &g->choice[e->n_query + i]);
}

static void begin_answer(struct lm_gen *g, const char *prefix, struct lm_bytes *out)
{
    const char *name = g->name;
    if (!g->model->card.hp.classifies)
        lm_embed_normalize(g);
    lm_bytes_addf(out, "{\"id\":\"%s-", prefix);
    lm_shape_id(g, out);
    lm_bytes_addf(out, "\",\"object\":\"list\",\"created\":%lld,\"model\":", g->created);
    lm_shape_string(out, name, strlen(name));
}

static void score_answer(struct lm_gen *g, struct lm_bytes *out)
{
    const struct lm_embed *e = g->dialect_data;
    begin_answer(g, "score", out);
    lm_bytes_add_str(out, ",\"data\":[");
    for (size_t i = 0; i < e->n_text; i++)
        lm_bytes_addf(out, "%s{\"index\":%zu,\"object\":\"score\",\"score\":%.9g}", i ? "," : "", i, relevance(g, e, i));
    lm_bytes_add_char(out, ']');
    lm_embed_usage(g, out);
    lm_bytes_add_char(out, '}');
}

struct ranked { size_t i; double score; };

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : (x->i > y->i) - (x->i < y->i);
}

static void rerank_answer(struct lm_gen *g, struct lm_bytes *out)
{
    const struct lm_embed *e = g->dialect_data;
    struct ranked *r = calloc(e->n_text + 1, sizeof *r);
    begin_answer(g, "rerank", out);
    out->failed |= !r;
    for (size_t i = 0; r && i < e->n_text; i++)
        r[i] = (struct ranked){i, relevance(g, e, i)};
    if (r)
        qsort(r, e->n_text, sizeof *r, by_score);
    lm_bytes_add_str(out, ",\"results\":[");
    for (size_t i = 0; r && i < e->top_n; i++) {
        const struct lm_document *d = &e->document[r[i].i];
        lm_bytes_addf(out, "%s{\"index\":%zu,\"relevance_score\":%.9g,\"document\":{\"text\":", i ? "," : "", r[i].i, r[i].score);
        lm_shape_string(out, d->text, d->n);
        lm_bytes_add_str(out, "}}");
    }
    lm_bytes_add_char(out, ']');
    lm_embed_usage(g, out);
    lm_bytes_add_char(out, '}');
    free(r);
}

/* Append the texts of a string, or of an array of strings or of objects with a text. */
static int add_texts(struct lm_gen *g, const char *name, const json_t *v, json_t *prompts)
{
    if (json_is_string(v))
        return json_array_append(prompts, (json_t *)(uintptr_t)v);
    if (!json_is_array(v) || !json_array_size(v))
        return lm_api_bad(&g->error, name, "%s must be a string or an array of strings, got %s.", name, json_is_array(v) ? "an empty one" : lm_json_kind(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *one = json_array_get(v, i), *text = json_is_object(one) ? json_object_get(one, "text") : one;
        if (!json_is_string(text))
            return lm_api_bad(&g->error, name, "%s[%zu] is not a text.", name, i);
        json_array_append(prompts, text);
    }
    return 0;
}

static const char *either(const struct lm_gen *g, const char *a, const char *b)
{
    return json_object_get(g->json, a) ? a : b;
}

static int read_texts(struct lm_gen *g, const char *queries, const char *texts, struct lm_embed *e, json_t *prompts)
{
    if (add_texts(g, queries, json_object_get(g->json, queries), prompts))
        return LM_EINVAL;
    e->n_query = json_array_size(prompts);
    if (add_texts(g, texts, json_object_get(g->json, texts), prompts))
        return LM_EINVAL;
    e->n_text = json_array_size(prompts) - e->n_query;
    if (e->n_query != 1 && e->n_query != e->n_text)
        return lm_api_bad(&g->error, texts, "%s must be one text, or as many as %s.", queries, texts);
    g->prompt_name = texts;
    g->query_name = queries;
    g->n_query = e->n_query;
    return 0;
}

static int keep_texts(struct lm_gen *g, struct lm_embed *e, const json_t *prompts)
{
    e->document = lm_arena_alloc(&g->mem, e->n_text * sizeof *e->document);
    for (size_t i = 0; e->document && i < e->n_text; i++) {
        const json_t *s = json_array_get(prompts, e->n_query + i);
        struct lm_document *d = &e->document[i];
        *d = (struct lm_document){lm_arena_copy(&g->mem, json_string_value(s), json_string_length(s)), json_string_length(s)};
        if (!d->text)
            e->document = NULL;
    }
    return e->document ? 0 : lm_api_no_memory(&g->error);
}

static int add_pair(struct lm_gen *g, const json_t *a, const json_t *b, json_t *out, uint32_t *out_second)
{
    const char *const text[] = {json_string_value(a), json_string_value(b)};
    const size_t n[] = {json_string_length(a), json_string_length(b)};
    struct lm_tokens t = {0};
    struct lm_err err;
    int rc = lm_tokenizer_encode_pair(g->model->text.tok, text, n, 0, &t, out_second, &err);
    json_t *ids = json_array();
    for (size_t i = 0; i < t.n; i++)
        json_array_append_new(ids, json_integer(t.id[i]));
    json_array_append_new(out, ids);
    free(t.id);
    return rc ? lm_api_fail_err(&g->error, &err) : 0;
}

/* A model with one class reads query and text as one prompt. */
static int make_pairs(struct lm_gen *g, const struct lm_embed *e, json_t **prompts)
{
    const uint32_t n_class = g->model->card.hp.n_out;
    uint32_t *second = lm_arena_alloc(&g->mem, e->n_text * sizeof *second);
    if (n_class != 1)
        return lm_api_bad(&g->error, "model", "The model does not support the Score API: it has %u classes, not one.", n_class);
    if (!second)
        return lm_api_no_memory(&g->error);
    json_t *pairs = json_array();
    g->n_query = 0;
    int rc = 0;
    for (size_t i = 0; i < e->n_text && rc == 0; i++)
        rc = add_pair(g, json_array_get(*prompts, e->n_query == 1 ? 0 : i), json_array_get(*prompts, e->n_query + i), pairs, &second[i]);
    json_decref(*prompts);
    *prompts = pairs;
    g->second_text = second;
    return rc;
}

static int replace(struct lm_gen *g, const struct lm_embed *e, json_t *prompts, int rc)
{
    if (rc == 0 && g->model->card.hp.classifies)
        rc = make_pairs(g, e, &prompts);
    json_t *side = json_object_get(g->json, "truncate_prompt_tokens"), *out = json_object();
    if (side)
        json_object_set(out, "truncate_prompt_tokens", side);
    json_object_set_new(out, "prompt", prompts);
    json_object_set_new(out, "max_tokens", json_integer(1));
    json_decref(g->json);
    g->json = out;
    return rc;
}

static int score_convert(struct lm_gen *g)
{
    struct lm_embed *e = NULL;
    json_t *prompts = json_array();
    int rc = lm_embed_read(g, &e);
    const char *first = either(g, "text_1", either(g, "data_1", "queries")), *second = either(g, "text_2", either(g, "data_2", "documents"));
    if (rc == 0)
        rc = read_texts(g, first, second, e, prompts);
    return replace(g, e, prompts, rc);
}

static int rerank_convert(struct lm_gen *g)
{
    struct lm_embed *e = NULL;
    json_t *prompts = json_array();
    const json_t *n = json_object_get(g->json, "top_n");
    int rc = lm_embed_read(g, &e);
    if (rc == 0 && !json_is_string(json_object_get(g->json, "query")))
        rc = lm_api_bad(&g->error, "query", "query must be a string, got %s.", lm_json_kind(json_object_get(g->json, "query")));
    if (rc == 0)
        rc = read_texts(g, "query", "documents", e, prompts);
    if (rc == 0 && n && !json_is_null(n) && (!json_is_integer(n) || json_integer_value(n) < 0))
        rc = lm_api_bad(&g->error, "top_n", "top_n must be an integer of at least 0.");
    if (rc == 0) {
        size_t want = (size_t)json_integer_value(n);
        e->top_n = want && want < e->n_text ? want : e->n_text;
        rc = keep_texts(g, e, prompts);
    }
    return replace(g, e, prompts, rc);
}

void lm_openai_score(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .convert = score_convert, .answer = score_answer};
    lm_gen_begin(call, &d);
}

void lm_openai_rerank(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .convert = rerank_convert, .answer = rerank_answer};
    lm_gen_begin(call, &d);
}

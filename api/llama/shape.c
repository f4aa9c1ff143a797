/* SPDX-License-Identifier: Apache-2.0 */
#include "api/llama/shape.h"
#include "runtime/base/json.h"

#include <stdlib.h>

struct asked { const char **field; size_t n_field; }; /* of response_fields: all that the answer has; none: everything */

/* The list outlives the request's JSON. What is no string is left out here, and refused with the other parameters. */
static int keep_fields(struct lm_gen *g, struct asked *a)
{
    const json_t *list = json_object_get(g->json, "response_fields");
    a->field = lm_arena_alloc(&g->mem, (json_array_size(list) + 1) * sizeof *a->field);
    for (size_t i = 0; a->field && i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s && (a->field[a->n_field++] = lm_arena_copy(&g->mem, s, strlen(s))) == NULL)
            a->field = NULL;
    }
    return a->field ? 0 : LM_ENOMEM;
}

static void set_default(json_t *o, const char *name, json_t *v)
{
    if (!json_object_get(o, name))
        json_object_set(o, name, v);
    json_decref(v);
}

int lm_llama_read(struct lm_gen *g)
{
    struct asked *a = lm_arena_alloc(&g->mem, sizeof *a);
    const json_t *grammar = json_object_get(g->json, "grammar"), *images = json_object_get(g->json, "image_data");
    if (!a)
        return lm_api_no_memory(&g->error);
    *a = (struct asked){0};
    if (keep_fields(g, a))
        return lm_api_no_memory(&g->error);
    g->dialect_data = a;
    if (images && !json_is_null(images) && json_array_size(images))
        return lm_api_bad(&g->error, "image_data", "image_data is not supported.");
    if (json_is_string(grammar) && !json_string_length(grammar))
        json_object_del(g->json, "grammar");
    json_object_del(g->json, "echo");
    if (json_number_value(json_object_get(g->json, "temperature")) < 0) /* as 0: the likeliest token */
        json_object_set_new(g->json, "temperature", json_integer(0));
    if (json_is_true(json_object_get(g->json, "return_tokens")) || json_is_true(json_object_get(g->json, "stream")))
        json_object_set_new(g->json, "return_token_ids", json_true());
    set_default(g->json, "repeat_last_n", json_integer(64));
    return 0;
}

static void add_probabilities(struct lm_choice *c, struct lm_bytes *out)
{
    struct lm_bytes *list = &c->logprobs.token;
    out->failed |= list->failed;
    if (!list->len)
        return;
    lm_bytes_add_str(out, ",\"completion_probabilities\":[");
    lm_bytes_add(out, list->data, list->len);
    lm_bytes_add_char(out, ']');
    lm_bytes_clear(list);
}

static void add_settings(const struct lm_gen *g, const struct lm_choice *c, struct lm_bytes *out)
{
    const struct lm_params *p = &g->params;
    const struct lm_filters *f = &p->filter;
    lm_bytes_addf(out,
                  ",\"generation_settings\":{\"n_predict\":%u,\"max_tokens\":%u,\"seed\":%lld,\"temperature\":%.9g,\"dynatemp_range\":%.9g,"
                  "\"dynatemp_exponent\":%.9g,\"top_k\":%lld,\"top_p\":%.9g,\"min_p\":%.9g,\"top_n_sigma\":%.9g,\"typical_p\":%.9g,"
                  "\"xtc_probability\":%.9g,\"xtc_threshold\":%.9g,\"repeat_last_n\":%lld,\"repeat_penalty\":%.9g,\"presence_penalty\":%.9g,"
                  "\"frequency_penalty\":%.9g,\"dry_multiplier\":%.9g,\"dry_base\":%.9g,\"dry_allowed_length\":%lld,\"dry_penalty_last_n\":%lld,"
                  "\"mirostat\":%lld,\"mirostat_tau\":%.9g,\"mirostat_eta\":%.9g,\"min_keep\":%lld,\"ignore_eos\":%s,\"stream\":%s,"
                  "\"n_probs\":%lld,\"timings_per_token\":%s,\"stop\":[",
                  c->max_tok, c->max_tok, (long long)p->seed, p->temperature, f->dynatemp_range, f->dynatemp_exponent, (long long)p->top_k, p->top_p,
                  p->min_p, f->top_n_sigma, f->typical_p, f->xtc_probability, f->xtc_threshold, (long long)p->repeat_last_n, p->repetition, p->presence,
                  p->frequency, f->dry_multiplier, f->dry_base, (long long)f->dry_allowed_length, (long long)f->dry_last_n, (long long)f->mirostat,
                  f->mirostat_tau, f->mirostat_eta, (long long)f->min_keep, p->ignore_eos ? "true" : "false", p->stream ? "true" : "false",
                  p->n_logprobs == LM_UNSET ? 0 : (long long)p->n_logprobs, p->timings ? "true" : "false");
    for (size_t i = 0; i < p->stop.n; i++) {
        lm_bytes_add_str(out, i ? "," : "");
        lm_shape_string(out, p->stop.string[i].s, p->stop.string[i].n);
    }
    lm_bytes_add_str(out, "]}");
}

static const char *stop_type(const struct lm_choice *c)
{
    return c->stop_string >= 0 ? "word" : c->reason == LM_REASON_STOP ? "eos" : c->reason == LM_REASON_LENGTH ? "limit" : "none";
}

static void add_end(const struct lm_gen *g, const struct lm_choice *c, struct lm_bytes *out)
{
    const struct lm_stop_string *word = c->stop_string >= 0 ? &g->params.stop.string[c->stop_string] : NULL;
    const struct lm_bytes *prompt = &g->prompt_text[c->index / (size_t)g->params.best_of];
    lm_bytes_add_str(out, ",\"model\":");
    lm_shape_string(out, g->name, strlen(g->name));
    lm_bytes_add_str(out, ",\"prompt\":");
    lm_shape_text(out, prompt);
    add_settings(g, c, out);
    lm_bytes_addf(out, ",\"has_new_line\":%s,\"truncated\":false,\"stop_type\":\"%s\",\"stopping_word\":", c->newline ? "true" : "false", stop_type(c));
    lm_shape_string(out, word ? word->s : "", word ? word->n : 0);
    lm_bytes_addf(out, ",\"tokens_cached\":%u", c->n_cached);
}

/* Of an event, or of a whole answer; stop: the choice ends with it. */
static void add_body(struct lm_gen *g, struct lm_choice *c, bool stop, struct lm_bytes *out)
{
    lm_bytes_addf(out, "{\"index\":%zu,\"content\":", c->number);
    lm_shape_text(out, &c->text);
    lm_bytes_add_str(out, ",\"tokens\":[");
    lm_bytes_add(out, c->ids.data, c->ids.len);
    lm_bytes_addf(out, "],\"stop\":%s,\"id_slot\":%lld,\"tokens_predicted\":%u,\"tokens_evaluated\":%zu", stop ? "true" : "false",
                  (long long)g->params.id_slot, c->n_tok, g->prompt[c->index / (size_t)g->params.best_of].n);
    out->failed |= c->ids.failed;
    lm_bytes_clear(&c->text);
    lm_bytes_clear(&c->ids);
    add_probabilities(c, out);
    if (stop)
        add_end(g, c, out);
    if (stop || g->params.timings)
        lm_shape_timings(g, c, out);
    if (g->params.progress && g->params.stream && !c->begun)
        lm_shape_progress(g, c, out);
    lm_bytes_add_char(out, '}');
    c->begun = true;
    c->pending = false;
}

/* What a path of names leads to; NULL: nothing. */
static json_t *find(json_t *v, const char *path)
{
    while (v && *path) {
        size_t n = strcspn(path, "/");
        v = json_object_getn(v, path, n);
        path += n + (path[n] == '/');
    }
    return v;
}

/* The asked fields of the object that begins at `from`, in its place. */
static void choose_fields(const struct asked *a, size_t from, struct lm_bytes *out)
{
    json_t *all = a->n_field && !out->failed ? lm_json_load(out->data + from, out->len - from, 0, NULL) : NULL, *some = json_object();
    for (size_t i = 0; all && i < a->n_field; i++) {
        json_t *v = find(all, a->field[i]);
        if (v)
            json_object_set(some, a->field[i], v);
    }
    char *text = all ? json_dumps(some, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (text) {
        out->len = from;
        lm_bytes_add_str(out, text);
    }
    out->failed |= a->n_field && !text;
    free(text);
    json_decref(all);
    json_decref(some);
}

void lm_llama_chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "data: ");
    size_t from = out->len;
    add_body(g, c, c->done, out);
    if (c->done)
        choose_fields(g->dialect_data, from, out);
    lm_bytes_add_str(out, "\n\n");
}

void lm_llama_end(struct lm_gen *g, struct lm_bytes *out)
{
}

void lm_llama_answer(struct lm_gen *g, struct lm_bytes *out)
{
    bool many = g->n_prompt > 1 || g->params.n > 1;
    lm_bytes_add_str(out, many ? "[" : "");
    for (size_t i = 0; i < g->n_choice; i++) {
        if (i % (size_t)g->params.best_of >= (size_t)g->params.n)
            continue;
        lm_bytes_add_str(out, i ? "," : "");
        size_t from = out->len;
        add_body(g, &g->choice[i], true, out);
        choose_fields(g->dialect_data, from, out);
    }
    lm_bytes_add_str(out, many ? "]" : "");
}

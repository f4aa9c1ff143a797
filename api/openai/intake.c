/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/gen.h"
#include "runtime/base/json.h"

#include <malloc.h>
#include <stdlib.h>

#define TRIM_BYTES (256u << 10)

/* A model, or one of its adapters. */
static struct lm_served *named_model(struct lm_gen *g, const char *name)
{
    struct lm_served *m = lm_server_model(g->call.server, name);
    if (m) {
        g->name = m->name[0];
        return m;
    }
    m = lm_server_adapter(g->call.server, name, &g->adapter);
    g->name = m ? lm_arena_copy(&g->mem, name, strlen(name)) : NULL;
    return g->name ? m : NULL;
}

static struct lm_served *tagged_model(struct lm_gen *g, const char *name)
{
    static const char tag[] = ":latest";
    size_t n = strlen(name), n_tag = sizeof tag - 1;
    if (n <= n_tag || strcmp(name + n - n_tag, tag) != 0)
        return NULL;
    char *bare = strndup(name, n - n_tag);
    struct lm_served *m = bare ? named_model(g, bare) : NULL;
    free(bare);
    return m;
}

static int find_model(struct lm_gen *g)
{
    const json_t *name = json_object_get(g->json, "model");
    if (!name && g->dialect->tagged)
        name = json_object_get(g->json, "name");
    if (name && !json_is_null(name) && !json_is_string(name))
        return lm_api_bad(&g->error, "model", "model must be a string, got %s.", lm_json_kind(name));
    if (json_is_string(name) && strlen(json_string_value(name)) != json_string_length(name))
        return lm_api_bad(&g->error, "model", "model has a NUL character.");
    g->model = named_model(g, json_string_value(name));
    if (!g->model && g->dialect->tagged)
        g->model = tagged_model(g, json_string_value(name));
    if (!g->model)
        return lm_api_fail(&g->error, 404, "model", "The model `%s` does not exist.", json_string_value(name));
    g->absent = !g->dialect->work && atomic_load(&g->model->on_demand) && !atomic_load(&g->model->up);
    if (!g->absent && !atomic_load(&g->model->max_model_len))
        return lm_api_fail(&g->error, 503, NULL, "The engine is loading.");
    return 0;
}

/* The most that a prompt may have: what a longer one has is not counted to the end. */
static size_t prompt_limit(const struct lm_gen *g)
{
    return g->params.truncate_prompt_tokens != LM_UNSET ? 0 : (size_t)atomic_load(&g->model->max_model_len) + 1;
}

/* Tokens that must fit behind a prompt. */
static int64_t least_room(const struct lm_gen *g)
{
    return g->pool ? 0 : g->params.max_tokens == LM_UNSET || g->dialect->clamps ? 1 : g->params.max_tokens;
}

static int too_long(struct lm_gen *g, size_t n, bool at_least)
{
    uint32_t max = atomic_load(&g->model->max_model_len);
    int64_t want = least_room(g);
    long long total = want > INT64_MAX - (int64_t)n ? INT64_MAX : (long long)(want + (int64_t)n);
    return lm_api_bad_int(&g->error, "input_tokens", (int64_t)n,
                          "This model's maximum context length is %u tokens. However, you requested %lld output tokens and your "
                          "prompt contains %s%zu input tokens, for a total of %s%lld tokens. Please reduce the length of the "
                          "input prompt or the number of requested output tokens.",
                          max, (long long)want, at_least ? "at least " : "", n, at_least ? "at least " : "", total);
}

int lm_gen_tokenize(struct lm_gen *g, const char *text, size_t n, size_t limit, struct lm_tokens *out)
{
    struct lm_err err;
    unsigned flags = LM_TOK_PARSE_SPECIAL | (g->params.add_special ? LM_TOK_ADD_SPECIAL : 0);
    int rc = lm_tokenizer_encode_plain(g->model->text.tok, text, n, &g->plain, flags, limit, out, &err);
    if (rc == LM_ELIMIT)
        return too_long(g, limit, true);
    return rc ? lm_api_fail_err(&g->error, &err) : 0;
}

static int take_ids(struct lm_gen *g, const json_t *list, struct lm_tokens *out)
{
    size_t n = json_array_size(list);
    out->id = malloc((n + 1) * sizeof *out->id);
    if (!out->id)
        return lm_api_no_memory(&g->error);
    out->cap = n + 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v))
            return lm_api_bad(&g->error, "prompt", "prompt must not mix kinds: an integer is expected, got %s.", lm_json_kind(v));
        if (id < 0 || id >= (json_int_t)lm_tokenizer_n_vocab(g->model->text.tok))
            return lm_api_bad_int(&g->error, "prompt", id, "Token id %lld is out of vocabulary.", (long long)id);
        out->id[out->n++] = (int32_t)id;
    }
    return 0;
}

static int keep_text(struct lm_gen *g, const json_t *v, size_t i)
{
    struct lm_bytes raw = {0}, text = {0};
    unsigned flags = g->params.skip_special ? 0 : LM_TOK_SHOW_SPECIAL;
    int rc = 0;
    if (json_is_string(v))
        lm_bytes_add(&text, json_string_value(v), json_string_length(v));
    else
        rc = lm_tokenizer_decode(g->model->text.tok, g->prompt[i].id, g->prompt[i].n, flags, &raw, NULL);
    lm_bytes_add_lossy(&text, raw.data, raw.len);
    lm_bytes_fini(&raw);
    g->prompt_text[i] = text;
    return rc || text.failed ? lm_api_no_memory(&g->error) : 0;
}

static int take_prompt(struct lm_gen *g, const json_t *v, size_t i)
{
    int rc = json_is_string(v) ? lm_gen_tokenize(g, json_string_value(v), json_string_length(v), prompt_limit(g), &g->prompt[i])
                               : take_ids(g, v, &g->prompt[i]);
    if (rc == 0 && (g->params.echo || g->dialect->llama))
        rc = keep_text(g, v, i);
    return rc;
}

static int make_prompts(struct lm_gen *g, size_t n, const char *name)
{
    if (!n || (int64_t)n > g->call.server->conf->server.max_n)
        return lm_api_bad(&g->error, name, "%s must have 1 to %lld prompts, got %zu.", name, (long long)g->call.server->conf->server.max_n, n);
    g->prompt = calloc(n, sizeof *g->prompt);
    g->prompt_text = calloc(n, sizeof *g->prompt_text);
    if (!g->prompt || !g->prompt_text)
        return lm_api_no_memory(&g->error);
    g->n_prompt = n;
    return 0;
}

static int take_prompts(struct lm_gen *g)
{
    const json_t *v = json_object_get(g->json, "prompt"), *first = json_array_get(v, 0);
    bool many = json_is_string(first) || json_is_array(first);
    size_t n = many ? json_array_size(v) : 1;
    if (!json_is_string(v) && !json_is_array(v))
        return lm_api_bad(&g->error, "prompt",
                          "prompt must be a string, an array of strings, of integers, or of arrays of integers, got %s.",
                          lm_json_kind(v));
    if (make_prompts(g, n, "prompt"))
        return LM_EINVAL;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = many ? json_array_get(v, i) : v;
        if (many && json_typeof(one) != json_typeof(first))
            return lm_api_bad(&g->error, "prompt", "prompt must not mix kinds: got %s beside %s.", lm_json_kind(one),
                              lm_json_kind(first));
        if (take_prompt(g, one, i))
            return LM_EINVAL;
    }
    return 0;
}

static int take_chat(struct lm_gen *g, size_t i)
{
    struct lm_bytes text = {0};
    int rc = lm_gen_render(g, &text);
    if (rc == 0)
        rc = lm_gen_tokenize(g, text.data ? text.data : "", text.len, prompt_limit(g), &g->prompt[i]);
    if (rc == 0 && i == 0)
        rc = lm_gen_tools(g, &text);
    if (rc == 0 && g->params.return_prompt_text) {
        g->prompt_text[i] = text;
        return 0;
    }
    lm_bytes_fini(&text);
    return rc;
}

/* Whose answers are choices of one whole answer: what is told of a chat beside its choices has no place there. */
static int take_batch(struct lm_gen *g)
{
    const struct lm_params *p = &g->params;
    const char *wrong = p->stream ? "stream" : p->tools ? "tools" : p->beam_search ? "use_beam_search" : p->return_token_ids ? "return_token_ids"
                      : p->return_prompt_text ? "return_prompt_text" : p->n_prompt_logprobs != LM_UNSET ? "prompt_logprobs" : NULL;
    json_t *chats = json_object_get(g->json, "messages");
    if (wrong)
        return lm_api_bad(&g->error, wrong, "%s is not supported for a batch of chats.", wrong);
    if (!json_is_array(chats))
        return lm_api_bad(&g->error, "messages", "messages must be an array of chats, got %s.", lm_json_kind(chats));
    int rc = make_prompts(g, json_array_size(chats), "messages");
    json_incref(chats);
    for (size_t i = 0; rc == 0 && i < g->n_prompt; i++) {
        json_object_set(g->json, "messages", json_array_get(chats, i));
        rc = take_chat(g, i);
    }
    json_decref(chats);
    return rc;
}

static int take_messages(struct lm_gen *g)
{
    if (g->dialect->batch)
        return take_batch(g);
    int rc = make_prompts(g, 1, "messages");
    return rc ? rc : take_chat(g, 0);
}

/* Words that stand for tokens. */
static int take_words(struct lm_gen *g)
{
    const struct lm_params *p = &g->params;
    struct lm_err err;
    int rc = p->bad_words ? lm_words_bad(g->model->text.tok, p->bad_words, &g->mem, &g->bad, &err) : 0;
    if (rc == 0 && p->filter.dry_multiplier > 0 && p->filter.dry_last_n)
        rc = lm_words_breakers(g->model->text.tok, p->breakers, &g->mem, &g->breaker, &err);
    return rc ? lm_api_fail_err(&g->error, &err) : 0;
}

static void truncate_prompt(struct lm_gen *g, struct lm_tokens *t)
{
    int64_t max = atomic_load(&g->model->max_model_len), want = least_room(g);
    int64_t keep = g->params.truncate_prompt_tokens;
    if (keep == LM_UNSET)
        return;
    if (keep == -1)
        keep = max > want ? max - want : 1;
    if ((int64_t)t->n <= keep)
        return;
    if (!g->params.keep_left)
        memmove(t->id, t->id + t->n - (size_t)keep, (size_t)keep * sizeof *t->id);
    t->n = (size_t)keep;
}

static int check_length(struct lm_gen *g, const struct lm_tokens *t)
{
    int64_t max = atomic_load(&g->model->max_model_len), want = least_room(g);
    if (!t->n)
        return lm_api_bad(&g->error, g->endpoint == LM_CHAT ? "messages" : "prompt", "The prompt must not be empty.");
    return want > max - (int64_t)t->n ? too_long(g, t->n, false) : 0;
}

/* What has no value of its own gets it here: every prompt was checked to leave room for a token. */
static int settle(struct lm_gen *g)
{
    struct lm_params *p = &g->params;
    const struct lm_conf_server *conf = &g->call.server->conf->server;
    size_t n_seq = g->n_prompt * (size_t)p->best_of, n_tok = 0;
    for (size_t i = 0; i < g->n_prompt; i++) {
        truncate_prompt(g, &g->prompt[i]);
        if (check_length(g, &g->prompt[i])) {
            g->prompt_name = i < g->n_query ? g->query_name : g->prompt_name;
            return LM_EINVAL;
        }
        n_tok += g->prompt[i].n * (size_t)p->best_of;
    }
    if ((int64_t)n_tok > conf->max_queued_tokens)
        return lm_api_bad(&g->error, "prompt", "The request has %zu prompt tokens over all its answers; the server takes at most %lld at once.", n_tok,
                          (long long)conf->max_queued_tokens);
    if ((int64_t)n_seq > conf->max_queued_requests)
        return lm_api_bad(&g->error, "n", "The request asks for %zu answers; the server takes at most %lld at once.", n_seq,
                          (long long)conf->max_queued_requests);
    size_t n_eog = 0;
    const int32_t *eog = lm_tokenizer_eog(g->model->text.tok, &n_eog);
    n_eog = p->ignore_eos ? 0 : n_eog;
    g->stop_id = lm_arena_alloc(&g->mem, (n_eog + p->n_stop_id) * sizeof *g->stop_id);
    if (!g->stop_id)
        return lm_api_no_memory(&g->error);
    if (n_eog)
        memcpy(g->stop_id, eog, n_eog * sizeof *eog);
    g->n_stop_id = (uint32_t)n_eog;
    for (uint32_t i = 0; i < p->n_stop_id; i++) {
        bool there = false;
        for (uint32_t j = 0; j < g->n_stop_id && !there; j++)
            there = g->stop_id[j] == p->stop_id[i];
        if (!there)
            g->stop_id[g->n_stop_id++] = p->stop_id[i];
    }
    return 0;
}

/* After the parameters: they say what it cannot go with. */
static int constrain(struct lm_gen *g)
{
    int rc = lm_constrain(g->json, &g->program, &g->error);
    if (rc || (g->program && g->program->bytes >= TRIM_BYTES))
        malloc_trim(0); /* compiling takes much more than its result */
    if (rc)
        return LM_EINVAL;
    if (g->program && g->params.beam_search)
        return lm_api_bad(&g->error, "use_beam_search", "use_beam_search with structured output is not supported.");
    return 0;
}

/* One entry of llama-server's form of logit_bias: [id or text, bias or false]. */
static int add_bias(struct lm_gen *g, const json_t *pair, json_t *out)
{
    const json_t *what = json_array_get(pair, 0), *bias = json_array_get(pair, 1);
    struct lm_tokens t = {0};
    char key[24];
    if (json_array_size(pair) != 2 || (!json_is_integer(what) && !json_is_string(what)) || (!json_is_number(bias) && !json_is_false(bias)))
        return lm_api_bad(&g->error, "logit_bias", "logit_bias must be an object, or an array of pairs of a token id or a text and a number or false.");
    if (json_is_string(what) && lm_tokenizer_encode(g->model->text.tok, json_string_value(what), json_string_length(what), 0, 0, &t, NULL))
        return lm_api_no_memory(&g->error);
    for (size_t i = 0; i < (json_is_string(what) ? t.n : 1); i++) {
        snprintf(key, sizeof key, "%lld", json_is_string(what) ? (long long)t.id[i] : (long long)json_integer_value(what));
        json_object_set_new(out, key, json_real(json_is_false(bias) ? -100 : json_number_value(bias)));
    }
    free(t.id);
    return 0;
}

static int read_bias_pairs(struct lm_gen *g)
{
    const json_t *pairs = json_object_get(g->json, "logit_bias");
    if (!json_is_array(pairs))
        return 0;
    json_t *out = json_object();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(pairs) && json_object_size(out) <= LM_BIAS_MAX; i++)
        rc = add_bias(g, json_array_get(pairs, i), out);
    json_object_set_new(g->json, "logit_bias", out);
    return rc;
}

/* llama-server's, where the model has none of its own. */
static void set_llama_defaults(struct lm_sampling_defaults *d)
{
    const struct lm_sampling_defaults *n = &lm_sampling_neutral;
    d->temperature = d->temperature == n->temperature ? 0.8 : d->temperature;
    d->top_p = d->top_p == n->top_p ? 0.95 : d->top_p;
    d->top_k = d->top_k == n->top_k ? 40 : d->top_k;
    d->min_p = d->min_p == n->min_p ? 0.05 : d->min_p;
    d->max_tokens = d->max_tokens == n->max_tokens ? INT64_MAX : d->max_tokens;
}

/* An adapter that is named by its id. */
static int take_lora(struct lm_gen *g)
{
    for (size_t i = 0; i < json_array_size(g->params.lora); i++) {
        const json_t *one = json_array_get(g->params.lora, i);
        json_int_t id = json_integer_value(json_object_get(one, "id"));
        if (id <= 0 || id > UINT32_MAX || !lm_adapters_has(&g->model->adapters, (uint32_t)id))
            return lm_api_bad_int(&g->error, "lora", id, "The model has no adapter %lld; GET /lora-adapters lists them.", (long long)id);
        if (json_number_value(json_object_get(one, "scale")) == 1)
            g->adapter = (uint32_t)id;
    }
    return 0;
}

int lm_gen_params(struct lm_gen *g)
{
    struct lm_sampling_defaults defaults = g->model->defaults;
    if (g->dialect->llama)
        set_llama_defaults(&defaults);
    struct lm_params_limits limits = {
        .n_vocab = lm_tokenizer_n_vocab(g->model->text.tok), .max_n = g->call.server->conf->server.max_n,
        .max_logprobs = g->call.server->conf->server.max_logprobs, .defaults = &defaults,
    };
    if (read_bias_pairs(g) || lm_params_parse(g->json, g->endpoint, &limits, &g->mem, &g->params, &g->error))
        return LM_EINVAL;
    return take_lora(g);
}

int lm_gen_prepare(struct lm_gen *g)
{
    if (lm_gen_params(g) || constrain(g) || take_words(g) || (g->endpoint == LM_CHAT ? take_messages(g) : take_prompts(g)))
        return LM_EINVAL;
    return settle(g);
}

static void take(struct lm_gen *g)
{
    if (lm_json_parse(g->body, g->n_body, &g->json, &g->error) || find_model(g) || g->absent)
        return;
    free(g->body);
    g->body = NULL;
    if (g->dialect->work) {
        g->dialect->work(g);
        return;
    }
    if (g->dialect->convert && g->dialect->convert(g))
        return;
    if (g->model->card.hp.encoder && !g->pool) {
        lm_api_bad(&g->error, "model", "The model does not support the %s API: it is an encoder, which makes embeddings or scores.",
                   g->endpoint == LM_CHAT ? "Chat Completions" : "Completions");
        return;
    }
    lm_gen_prepare(g);
}

/* Errors call a field as the request does. */
static void name_as_asked(struct lm_gen *g)
{
    const struct lm_dialect *d = g->dialect;
    const char *prompt = g->prompt_name ? g->prompt_name : d->prompt_name;
    if (prompt)
        lm_api_rename(&g->error, "prompt", prompt);
    for (const struct lm_alias *a = d->alias; a && a->ours; a++)
        lm_api_rename(&g->error, a->ours, a->theirs);
}

void lm_gen_intake(struct lm_gen *g)
{
    g->error.status = 0;
    lm_json_was_short();
    take(g);
    if (lm_json_was_short())
        lm_api_no_memory(&g->error);
    if (g->error.status)
        name_as_asked(g);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ollama/ollama.h"
#include "api/openai/embed.h"
#include "runtime/base/clock.h"

/* Texts that are too long are cut, unless truncate is false. */
static int convert_key(struct lm_gen *g, const char *key)
{
    struct lm_embed *e;
    json_t *out = json_object(), *input = json_object_get(g->json, key);
    const json_t *truncate = json_object_get(g->json, "truncate");
    int rc = lm_embed_read(g, &e);
    if (rc == 0 && truncate && !json_is_null(truncate) && !json_is_boolean(truncate))
        rc = lm_api_bad(&g->error, "truncate", "truncate must be a boolean, got %s.", lm_json_kind(truncate));
    if (input)
        json_object_set(out, "prompt", input);
    json_object_set_new(out, "max_tokens", json_integer(1));
    if (!json_is_false(truncate))
        json_object_set_new(out, "truncate_prompt_tokens", json_integer(-1));
    json_decref(g->json);
    g->json = out;
    return rc;
}

static int convert(struct lm_gen *g)
{
    return convert_key(g, "input");
}

static int convert_old(struct lm_gen *g)
{
    return convert_key(g, "prompt");
}

static void answer(struct lm_gen *g, struct lm_bytes *out)
{
    const char *name = g->model->name[0];
    lm_embed_normalize(g);
    lm_bytes_add_str(out, "{\"model\":");
    lm_shape_string(out, name, strlen(name));
    lm_bytes_add_str(out, ",\"embeddings\":[");
    for (size_t i = 0; i < g->n_choice; i++) {
        lm_bytes_add_str(out, i ? "," : "");
        lm_embed_vector(&g->choice[i], false, out);
    }
    lm_bytes_addf(out, "],\"total_duration\":%llu,\"load_duration\":0,\"prompt_eval_count\":%zu}",
                  (unsigned long long)(lm_now_us() - g->start_us) * 1000, lm_gen_usage(g).n_prompt_tok);
}

static void answer_old(struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "{\"embedding\":");
    lm_embed_vector(&g->choice[0], false, out);
    lm_bytes_add_char(out, '}');
}

void lm_ollama_embed(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .tagged = true, .prompt_name = "input", .convert = convert, .answer = answer};
    lm_gen_begin(call, &d);
}

void lm_ollama_embeddings(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .tagged = true, .convert = convert_old, .answer = answer_old};
    lm_gen_begin(call, &d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/llama/shape.h"

#include <stdlib.h>

/* /completion in llama-server's shape. Its prompt is a text, ids, both mixed, an object with prompt_string, or a list of these. */

static int wrong(struct lm_gen *g, const json_t *v)
{
    return lm_api_bad(&g->error, "prompt", "prompt must be a text, an array of token ids and texts, an object with prompt_string, or an array of these, got %s.",
                      lm_json_kind(v));
}

static bool is_mixed(const json_t *v)
{
    bool text = false, id = false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        text |= json_is_string(json_array_get(v, i));
        id |= json_is_integer(json_array_get(v, i));
    }
    return text && id;
}

/* Append the ids of a text; its beginning gets what the tokenizer puts before texts. */
static int add_text(struct lm_gen *g, const json_t *text, bool first, json_t *out)
{
    struct lm_tokens t = {0};
    unsigned flags = LM_TOK_PARSE_SPECIAL | (first ? LM_TOK_ADD_SPECIAL : 0);
    int rc = lm_tokenizer_encode(g->model->text.tok, json_string_value(text), json_string_length(text), flags, 0, &t, NULL);
    for (size_t i = 0; rc == 0 && i < t.n; i++)
        json_array_append_new(out, json_integer(t.id[i]));
    free(t.id);
    return rc ? lm_api_no_memory(&g->error) : 0;
}

static int join(struct lm_gen *g, const json_t *v, json_t **out)
{
    json_t *ids = json_array();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(v); i++) {
        json_t *one = json_array_get(v, i);
        rc = json_is_string(one) ? add_text(g, one, i == 0, ids) : json_is_integer(one) ? json_array_append(ids, one) : wrong(g, one);
    }
    *out = ids;
    return rc;
}

/* A new reference to the prompt as a text or ids; as ids whatever it is. */
static int one_prompt(struct lm_gen *g, json_t *v, bool as_ids, json_t **out)
{
    json_t *text = json_object_get(v, "prompt_string");
    if (json_is_object(v) && (!json_is_string(text) || json_array_size(json_object_get(v, "multimodal_data"))))
        return lm_api_bad(&g->error, "prompt", "prompt must be an object with a string prompt_string and no multimodal_data.");
    text = json_is_object(v) ? text : v;
    if (is_mixed(v))
        return join(g, v, out);
    if (!as_ids || !json_is_string(text)) {
        *out = json_incref(text);
        return 0;
    }
    *out = json_array();
    return add_text(g, text, true, *out);
}

static bool has_ids(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_is_array(json_array_get(list, i)))
            return true;
    return false;
}

static bool is_list(const json_t *v)
{
    const json_t *first = json_array_get(v, 0);
    return json_is_array(first) || json_is_object(first) || (json_is_string(first) && !is_mixed(v));
}

/* Each of a list; as ids if one of them cannot be a text. */
static int every_prompt(struct lm_gen *g, const json_t *v, json_t *out)
{
    bool as_ids = has_ids(v);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(v); i++) {
        json_t *one = NULL;
        rc = one_prompt(g, json_array_get(v, i), as_ids, &one);
        if (one)
            json_array_append_new(out, one);
    }
    return rc;
}

static int convert(struct lm_gen *g)
{
    json_t *v = json_object_get(g->json, "prompt"), *out = NULL;
    int rc = lm_llama_read(g);
    if (rc || !v)
        return rc ? rc : wrong(g, v);
    if (is_list(v))
        rc = every_prompt(g, v, out = json_array());
    else
        rc = one_prompt(g, v, false, &out);
    if (out)
        json_object_set_new(g->json, "prompt", out);
    return rc;
}

void lm_llama_completion(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_COMPLETIONS, .llama = true, .clamps = true, .convert = convert, .ping = LM_LLAMA_PING, .chunk = lm_llama_chunk, .end = lm_llama_end,
        .error = lm_shape_error, .answer = lm_llama_answer,
    };
    lm_gen_begin(call, &d);
}

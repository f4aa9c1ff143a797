/* SPDX-License-Identifier: Apache-2.0 */
#include "api/llama/shape.h"

#include <stdlib.h>

/*
 * /infill in llama-server's shape: what stands between input_prefix and input_suffix, by the model's own tokens for it:
 *
 *   (<sep> filename newline text)… <prefix> input_prefix <suffix> input_suffix <middle> prompt
 */

static const char *const marks[][4] = { /* prefix, suffix, middle, file separator */
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>"},
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>"},
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>", "<file-sep>"},
    {"<\357\275\234fim\342\226\201begin\357\275\234>", "<\357\275\234fim\342\226\201hole\357\275\234>", "<\357\275\234fim\342\226\201end\357\275\234>", ""},
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", ""},
    {"\342\226\201<PRE>", "\342\226\201<SUF>", "\342\226\201<MID>", ""},
    {"<PRE>", "<SUF>", "<MID>", ""},
    {"[PREFIX]", "[SUFFIX]", "[MIDDLE]", ""},
};

/* The control token that is spelled so; -1: there is none. */
static int32_t mark_of(const struct lm_tokenizer *tok, const char *text)
{
    struct lm_tokens t = {0};
    int32_t id = -1;
    if (*text && lm_tokenizer_encode(tok, text, strlen(text), LM_TOK_PARSE_SPECIAL, 0, &t, NULL) == 0 && t.n == 1)
        id = t.id[0];
    free(t.id);
    return id;
}

static bool find_marks(const struct lm_tokenizer *tok, int32_t out[4])
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        for (int k = 0; k < 4; k++)
            out[k] = mark_of(tok, marks[i][k]);
        if (out[0] >= 0 && out[1] >= 0 && out[2] >= 0)
            return true;
    }
    return false;
}

static void add_id(json_t *list, int32_t id)
{
    json_array_append_new(list, json_integer(id));
}

/* Text that spells a mark stays text. */
static int add_text(struct lm_gen *g, json_t *list, const char *name, const json_t *v)
{
    struct lm_tokens t = {0};
    if (v && !json_is_null(v) && !json_is_string(v))
        return lm_api_bad(&g->error, name, "%s must be a string, got %s.", name, lm_json_kind(v));
    bool fine = !json_string_length(v) || lm_tokenizer_encode(g->model->text.tok, json_string_value(v), json_string_length(v), 0, 0, &t, NULL) == 0;
    for (size_t i = 0; fine && i < t.n; i++)
        add_id(list, t.id[i]);
    free(t.id);
    return fine ? 0 : lm_api_no_memory(&g->error);
}

static int add_extra(struct lm_gen *g, json_t *list, int32_t separator)
{
    const json_t *extra = json_object_get(g->json, "input_extra");
    if (extra && !json_is_null(extra) && !json_is_array(extra))
        return lm_api_bad(&g->error, "input_extra", "input_extra must be an array, got %s.", lm_json_kind(extra));
    for (size_t i = 0; i < json_array_size(extra); i++) {
        const json_t *file = json_array_get(extra, i);
        json_t *newline = json_string("\n");
        if (separator >= 0)
            add_id(list, separator);
        int rc = add_text(g, list, "input_extra", json_object_get(file, "filename"));
        rc = rc ? rc : add_text(g, list, "input_extra", newline);
        rc = rc ? rc : add_text(g, list, "input_extra", json_object_get(file, "text"));
        json_decref(newline);
        if (rc)
            return rc;
    }
    return 0;
}

static int convert(struct lm_gen *g)
{
    int32_t mark[4] = {0};
    json_t *prompt = json_array();
    int rc = lm_llama_read(g);
    if (rc == 0 && !find_marks(g->model->text.tok, mark))
        rc = lm_api_bad(&g->error, "input_prefix", "This model has no tokens for filling in the middle.");
    rc = rc ? rc : add_extra(g, prompt, mark[3]);
    add_id(prompt, mark[0]);
    rc = rc ? rc : add_text(g, prompt, "input_prefix", json_object_get(g->json, "input_prefix"));
    add_id(prompt, mark[1]);
    rc = rc ? rc : add_text(g, prompt, "input_suffix", json_object_get(g->json, "input_suffix"));
    add_id(prompt, mark[2]);
    rc = rc ? rc : add_text(g, prompt, "prompt", json_object_get(g->json, "prompt"));
    json_object_set_new(g->json, "prompt", prompt);
    return rc;
}

void lm_llama_infill(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_COMPLETIONS, .llama = true, .clamps = true, .convert = convert, .ping = LM_LLAMA_PING, .chunk = lm_llama_chunk, .end = lm_llama_end,
        .error = lm_shape_error, .answer = lm_llama_answer,
    };
    lm_gen_begin(call, &d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/llama/llama.h"
#include "api/openai/embed.h"

/* /embedding: [{"index","embedding":[[…]]}], of content, input or prompt; embd_normalize 2 (unit length) or -1 (as they are). */

static int convert(struct lm_gen *g)
{
    const json_t *norm = json_object_get(g->json, "embd_normalize");
    json_t *content = json_object_get(g->json, "content"), *prompt = json_object_get(g->json, "prompt");
    if (norm && !json_is_null(norm) && (!json_is_integer(norm) || (json_integer_value(norm) != 2 && json_integer_value(norm) != -1)))
        return lm_api_bad(&g->error, "embd_normalize", "embd_normalize must be 2 (unit length) or -1 (none).");
    if (json_is_integer(norm))
        json_object_set_new(g->json, "normalize", json_boolean(json_integer_value(norm) == 2));
    if (!json_object_get(g->json, "input") && (content || prompt)) {
        json_object_set(g->json, "input", content ? content : prompt);
        g->prompt_name = content ? "content" : "prompt";
    }
    return lm_embed_convert(g);
}

static void answer(struct lm_gen *g, struct lm_bytes *out)
{
    const struct lm_embed *e = g->dialect_data;
    if (!e->raw)
        lm_embed_normalize(g);
    for (size_t i = 0; i < g->n_choice; i++) {
        lm_bytes_addf(out, "%s{\"index\":%zu,\"embedding\":[", i ? "," : "[", i);
        lm_embed_vector(&g->choice[i], e->base64, out);
        lm_bytes_add_str(out, "]}");
    }
    lm_bytes_add_char(out, ']');
}

void lm_llama_embedding(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .prompt_name = "input", .convert = convert, .answer = answer};
    lm_gen_begin(call, &d);
}

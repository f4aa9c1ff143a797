/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/gen.h"
#include "api/openai/openai.h"

/* /v1/chat/completions/render and /v1/completions/render: the request as vLLM's body of one in token ids. */

static void add_number(struct lm_bytes *out, const char *name, int64_t v, int64_t none)
{
    if (v == none)
        lm_bytes_addf(out, ",\"%s\":null", name);
    else
        lm_bytes_addf(out, ",\"%s\":%lld", name, (long long)v);
}

static void add_sampling(const struct lm_gen *g, size_t i, struct lm_bytes *out)
{
    const struct lm_params *p = &g->params;
    lm_bytes_addf(out,
                  "{\"n\":%lld,\"temperature\":%.9g,\"top_p\":%.9g,\"top_k\":%lld,\"min_p\":%.9g,\"presence_penalty\":%.9g,\"frequency_penalty\":%.9g,"
                  "\"repetition_penalty\":%.9g,\"min_tokens\":%lld,\"ignore_eos\":%s,\"skip_special_tokens\":%s,\"max_tokens\":%u",
                  (long long)p->n, p->temperature, p->top_p, (long long)p->top_k, p->min_p, p->presence, p->frequency, p->repetition, (long long)p->min_tokens,
                  p->ignore_eos ? "true" : "false", p->skip_special ? "true" : "false", lm_gen_max_tok(g, i));
    add_number(out, "seed", p->seed, -1);
    add_number(out, "logprobs", p->n_logprobs, LM_UNSET);
    lm_bytes_add_str(out, ",\"stop\":[");
    for (size_t k = 0; k < p->stop.n; k++) {
        lm_bytes_add_str(out, k ? "," : "");
        lm_shape_string(out, p->stop.string[k].s, p->stop.string[k].n);
    }
    lm_bytes_add_str(out, "],\"stop_token_ids\":[");
    for (uint32_t k = 0; k < g->n_stop_id; k++)
        lm_bytes_addf(out, k ? ",%d" : "%d", g->stop_id[k]);
    lm_bytes_add_str(out, "]}");
}

/* What would be generated from: vLLM's body of a request in token ids. */
static void add_rendered(const struct lm_gen *g, size_t i, struct lm_bytes *out)
{
    lm_bytes_addf(out, "{\"request_id\":\"%s", g->endpoint == LM_CHAT ? "chatcmpl-" : "cmpl-");
    lm_shape_id(g, out);
    lm_bytes_addf(out, g->n_prompt > 1 ? "-%zu\",\"token_ids\":[" : "\",\"token_ids\":[", i);
    for (size_t k = 0; k < g->prompt[i].n; k++)
        lm_bytes_addf(out, k ? ",%d" : "%d", g->prompt[i].id[k]);
    lm_bytes_add_str(out, "],\"features\":null,\"sampling_params\":");
    add_sampling(g, i, out);
    lm_bytes_add_str(out, ",\"model\":");
    lm_shape_string(out, g->name, strlen(g->name));
    lm_bytes_addf(out, ",\"stream\":%s,\"priority\":%lld}", g->params.stream ? "true" : "false", (long long)g->params.priority);
}

static void render_chat(struct lm_gen *g)
{
    if (lm_gen_prepare(g) == 0)
        add_rendered(g, 0, &g->out);
}

static void render_completions(struct lm_gen *g)
{
    if (lm_gen_prepare(g))
        return;
    for (size_t i = 0; i < g->n_prompt; i++) {
        lm_bytes_add_char(&g->out, i ? ',' : '[');
        add_rendered(g, i, &g->out);
    }
    lm_bytes_add_char(&g->out, ']');
}

void lm_openai_chat_render(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .work = render_chat};
    lm_gen_begin(call, &d);
}

void lm_openai_completions_render(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .work = render_completions};
    lm_gen_begin(call, &d);
}

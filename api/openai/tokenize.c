/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin.h"
#include "api/openai/gen.h"
#include "api/openai/openai.h"
#include "runtime/base/utf8.h"

#include <stdlib.h>

/* /tokenize, /detokenize, /tokenizer_info (vLLM's shapes), …/input_tokens and /apply-template (llama-server's). */

/* llama-server's form: a token that is no whole characters is its bytes. */
static void add_pieces(const struct lm_gen *g, const struct lm_tokens *t, struct lm_bytes *out)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t n = 0;
        const char *s = lm_tokenizer_piece(g->model->text.tok, t->id[i], &n);
        lm_bytes_addf(out, i ? ",{\"id\":%d,\"piece\":" : "{\"id\":%d,\"piece\":", t->id[i]);
        if (!s || lm_utf8_valid(s, n)) {
            lm_shape_string(out, s ? s : "", s ? n : 0);
        } else {
            lm_bytes_add_char(out, '[');
            for (size_t k = 0; k < n; k++)
                lm_bytes_addf(out, k ? ",%u" : "%u", (unsigned char)s[k]);
            lm_bytes_add_char(out, ']');
        }
        lm_bytes_add_char(out, '}');
    }
}

static void add_tokens(const struct lm_gen *g, const struct lm_tokens *t, bool strings, bool pieces, struct lm_bytes *out)
{
    lm_bytes_addf(out, "{\"count\":%zu,\"max_model_len\":%u,\"tokens\":[", t->n, atomic_load(&g->model->max_model_len));
    if (pieces)
        add_pieces(g, t, out);
    for (size_t i = 0; !pieces && i < t->n; i++)
        lm_bytes_addf(out, i ? ",%d" : "%d", t->id[i]);
    lm_bytes_add_str(out, "],\"token_strs\":");
    lm_bytes_add_str(out, strings ? "[" : "null");
    for (size_t i = 0; strings && i < t->n; i++) {
        size_t n = 0;
        struct lm_bytes text = {0};
        const char *s = lm_tokenizer_piece(g->model->text.tok, t->id[i], &n);
        lm_bytes_add_lossy(&text, s, s ? n : 0);
        lm_bytes_add_str(out, i ? "," : "");
        lm_shape_text(out, &text);
        lm_bytes_fini(&text);
    }
    lm_bytes_add_str(out, strings ? "]}" : "}");
}

static int read_flag(struct lm_gen *g, const char *name, bool *out)
{
    const json_t *v = json_object_get(g->json, name);
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_boolean(v))
        return lm_api_bad(&g->error, name, "%s must be a boolean, got %s.", name, lm_json_kind(v));
    *out = json_is_true(v);
    return 0;
}

/* The text that is asked about: prompt (or llama-server's content), or a chat. */
static int asked_text(struct lm_gen *g, struct lm_bytes *out)
{
    const json_t *v = json_object_get(g->json, "prompt");
    bool special = false;
    if (json_object_get(g->json, "messages")) {
        g->endpoint = LM_CHAT;
        return lm_gen_params(g) ? LM_EINVAL : lm_gen_render(g, out);
    }
    bool llama = !v && (v = json_object_get(g->json, "content"));
    if (lm_gen_params(g) || (llama && read_flag(g, "add_special", &special)))
        return LM_EINVAL;
    g->params.add_special = llama ? special : g->params.add_special;
    if (!json_is_string(v))
        return lm_api_bad(&g->error, "prompt", "prompt must be a string, or messages an array, got %s.", lm_json_kind(v));
    lm_bytes_add(out, json_string_value(v), json_string_length(v));
    return out->failed ? lm_api_no_memory(&g->error) : 0;
}

static void tokenize(struct lm_gen *g)
{
    struct lm_bytes text = {0};
    struct lm_tokens t = {0};
    bool strings = false, pieces = false;
    if (read_flag(g, "return_token_strs", &strings) == 0 && read_flag(g, "with_pieces", &pieces) == 0 && asked_text(g, &text) == 0 &&
        lm_gen_tokenize(g, text.data ? text.data : "", text.len, 0, &t) == 0)
        add_tokens(g, &t, strings, pieces, &g->out);
    free(t.id);
    lm_bytes_fini(&text);
}

static void detokenize(struct lm_gen *g)
{
    const json_t *list = json_object_get(g->json, "tokens");
    size_t n = json_array_size(list);
    struct lm_bytes raw = {0}, text = {0};
    int32_t *id = malloc((n + 1) * sizeof *id);
    if (!json_is_array(list))
        lm_api_bad(&g->error, "tokens", "tokens must be an array of integers, got %s.", lm_json_kind(list));
    if (!id)
        lm_api_no_memory(&g->error);
    for (size_t i = 0; !g->error.status && i < n; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t x = json_integer_value(v);
        if (!json_is_integer(v))
            lm_api_bad(&g->error, "tokens", "tokens must be an array of integers, got %s in it.", lm_json_kind(v));
        else if (x < 0 || x >= (json_int_t)lm_tokenizer_n_vocab(g->model->text.tok))
            lm_api_bad_int(&g->error, "tokens", x, "Token id %lld is out of vocabulary.", (long long)x);
        else
            id[i] = (int32_t)x;
    }
    if (!g->error.status) {
        g->out.failed |= lm_tokenizer_decode(g->model->text.tok, id, n, LM_TOK_SHOW_SPECIAL, &raw, NULL) != 0;
        lm_bytes_add_lossy(&text, raw.data, raw.len);
        lm_bytes_add_str(&g->out, "{\"prompt\":");
        lm_shape_text(&g->out, &text);
        lm_bytes_add_char(&g->out, '}');
    }
    free(id);
    lm_bytes_fini(&raw);
    lm_bytes_fini(&text);
}

static void apply_template(struct lm_gen *g)
{
    struct lm_bytes text = {0};
    if (lm_gen_params(g) == 0 && lm_gen_render(g, &text) == 0) {
        lm_bytes_add_str(&g->out, "{\"prompt\":");
        lm_shape_text(&g->out, &text);
        lm_bytes_add_char(&g->out, '}');
    }
    lm_bytes_fini(&text);
}

int lm_gen_count(struct lm_gen *g, size_t *out)
{
    struct lm_bytes text = {0};
    struct lm_tokens t = {0};
    int rc = lm_gen_params(g);
    rc = rc ? rc : lm_gen_render(g, &text);
    rc = rc ? rc : lm_gen_tokenize(g, text.data ? text.data : "", text.len, 0, &t);
    *out = t.n;
    free(t.id);
    lm_bytes_fini(&text);
    return rc;
}

void lm_gen_tell_count(struct lm_gen *g)
{
    size_t n;
    if (lm_gen_count(g, &n) == 0)
        lm_bytes_addf(&g->out, "{\"object\":\"response.input_tokens\",\"input_tokens\":%zu}", n);
}

void lm_openai_chat_input_tokens(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .work = lm_gen_tell_count};
    lm_gen_begin(call, &d);
}

/* The texts of the tokens that have a meaning, and the template. */
void lm_openai_tokenizer_info(struct lm_call *call)
{
    size_t i, end;
    struct lm_bytes b = {0};
    const char *name;
    json_t *token;
    if (!lm_admin_named(call, &i, &end))
        return;
    const struct lm_served *m = call->server->model[i];
    lm_bytes_addf(&b, "{\"tokenizer_class\":\"llmserve\",\"vocab_size\":%u,\"model_max_length\":%u,\"chat_template\":", lm_tokenizer_n_vocab(m->text.tok),
                  atomic_load(&m->max_model_len));
    if (m->text.source.len)
        lm_shape_text(&b, &m->text.source);
    else
        lm_bytes_add_str(&b, "null");
    json_object_foreach(m->text.vars, name, token) {
        lm_bytes_addf(&b, ",\"%s\":", name);
        lm_shape_string(&b, json_string_value(token), json_string_length(token));
    }
    lm_bytes_add_char(&b, '}');
    lm_call_reply(call, 200, "application/json", &b);
    lm_bytes_fini(&b);
}

void lm_openai_tokenize(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .work = tokenize};
    lm_gen_begin(call, &d);
}

void lm_openai_detokenize(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_COMPLETIONS, .work = detokenize};
    lm_gen_begin(call, &d);
}

void lm_openai_apply_template(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .work = apply_template};
    lm_gen_begin(call, &d);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/gen.h"

static bool is_stop_id(const struct lm_gen *g, int32_t token)
{
    for (uint32_t i = 0; i < g->n_stop_id; i++)
        if (g->stop_id[i] == token)
            return true;
    return false;
}

int lm_choice_init(struct lm_choice *c, struct lm_gen *g, size_t index)
{
    const struct lm_params *p = &g->params;
    size_t prompt = index / (size_t)p->n;
    int64_t room = (int64_t)atomic_load(&g->model->max_model_len) - (int64_t)g->prompt[prompt].n;
    int64_t want = p->max_tokens != LM_UNSET ? p->max_tokens : g->endpoint == LM_CHAT ? room : 16;
    c->gen = g;
    c->index = index;
    c->max_tok = (uint32_t)(want < room ? want : room);
    c->stop_string = c->stop_token = -1;
    c->logprobs = (struct lm_logprobs){.chat = g->endpoint == LM_CHAT, .token_ids = p->tokens_as_ids};
    if (p->echo)
        lm_bytes_add(&c->text, g->prompt_text[prompt].data, g->prompt_text[prompt].len);
    return c->text.failed ? LM_ENOMEM : lm_stop_init(&c->stop, &p->stop, &g->mem);
}

void lm_choice_fini(struct lm_choice *c)
{
    lm_stop_fini(&c->stop);
    lm_bytes_fini(&c->text);
    lm_bytes_fini(&c->ids);
    lm_logprobs_fini(&c->logprobs);
}

bool lm_choice_is_last(const struct lm_choice *c, int32_t token)
{
    return c->n_tok >= c->max_tok || is_stop_id(c->gen, token);
}

/* Text goes through the stop strings, which count only after min_tokens. Returns true at the end of one. */
static bool feed(struct lm_choice *c, const struct lm_bytes *text)
{
    const struct lm_params *p = &c->gen->params;
    if (c->n_tok <= p->min_tokens)
        lm_bytes_add(&c->text, text->data, text->len);
    else if (c->stop_string < 0)
        c->stop_string = lm_stop_feed(&p->stop, &c->stop, text->data, text->len, p->include_stop, &c->text);
    return c->stop_string >= 0;
}

bool lm_choice_push(struct lm_choice *c, const struct lm_msg_token *t, const struct lm_msg_top *top)
{
    struct lm_gen *g = c->gen;
    const struct lm_params *p = &g->params;
    const struct lm_tokenizer *tok = g->model->text.tok;
    c->n_tok++;
    c->pending = true;
    if (p->n_logprobs != LM_UNSET)
        lm_logprobs_add(&c->logprobs, tok, t, top, t->n_top < p->n_logprobs ? t->n_top : (uint32_t)p->n_logprobs);
    if (p->return_token_ids)
        lm_bytes_addf(&c->ids, c->ids.len ? ",%d" : "%d", t->token);
    if (is_stop_id(g, t->token) && !p->include_stop)
        return false;
    lm_bytes_clear(&g->piece);
    lm_detok_push(tok, &c->detok, t->token, p->skip_special ? 0 : LM_TOK_SHOW_SPECIAL, &g->piece, NULL);
    return feed(c, &g->piece);
}

void lm_choice_end(struct lm_choice *c, enum lm_reason reason)
{
    struct lm_gen *g = c->gen;
    lm_bytes_clear(&g->piece);
    lm_detok_finish(&c->detok, &g->piece);
    if (!feed(c, &g->piece))
        lm_stop_finish(&c->stop, &c->text);
    c->reason = reason;
    c->done = c->pending = true;
}

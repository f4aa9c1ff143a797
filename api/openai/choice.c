/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/gen.h"

#include <math.h>
#include <stdlib.h>

bool lm_gen_is_stop_id(const struct lm_gen *g, int32_t token)
{
    for (uint32_t i = 0; i < g->n_stop_id; i++)
        if (g->stop_id[i] == token)
            return true;
    return false;
}

uint32_t lm_gen_max_tok(const struct lm_gen *g, size_t prompt)
{
    const struct lm_params *p = &g->params;
    int64_t room = (int64_t)atomic_load(&g->model->max_model_len) - (int64_t)g->prompt[prompt].n;
    int64_t usual = p->default_max_tokens != LM_UNSET ? p->default_max_tokens : g->endpoint == LM_CHAT ? room : 16;
    int64_t want = p->max_tokens != LM_UNSET ? p->max_tokens : usual;
    return g->pool ? 1 : (uint32_t)(want < room ? want : room);
}

int lm_choice_init(struct lm_choice *c, struct lm_gen *g, size_t index)
{
    const struct lm_params *p = &g->params;
    size_t prompt = index / (size_t)p->best_of;
    c->gen = g;
    c->index = c->number = index;
    c->max_tok = lm_gen_max_tok(g, prompt);
    c->stop_string = c->stop_token = -1;
    c->logprobs = (struct lm_logprobs){.chat = g->endpoint == LM_CHAT || g->dialect->llama, .ids = g->dialect->llama, .token_ids = p->tokens_as_ids};
    if (p->echo && p->n_logprobs != LM_UNSET)
        lm_logprobs_add_first(&c->logprobs, g->model->text.tok, g->prompt[prompt].id[0]);
    if (p->echo)
        lm_bytes_add(&c->text, g->prompt_text[prompt].data, g->prompt_text[prompt].len);
    if (c->text.failed || lm_choice_tools(c))
        return LM_ENOMEM;
    return lm_stop_init(&c->stop, &p->stop, &g->mem);
}

void lm_choice_fini(struct lm_choice *c)
{
    lm_stop_fini(&c->stop);
    lm_bytes_fini(&c->text);
    lm_parser_destroy(c->parser);
    lm_said_fini(&c->said);
    lm_bytes_fini(&c->ids);
    lm_logprobs_fini(&c->logprobs);
    lm_bytes_fini(&c->history);
    lm_bytes_fini(&c->prompt_list);
    free(c->embedding);
}

bool lm_choice_is_last(const struct lm_choice *c, int32_t token)
{
    return c->n_tok >= c->max_tok || lm_gen_is_stop_id(c->gen, token);
}

/* Text goes through the stop strings, which count only after min_tokens. Returns true at the end of one. */
static bool feed(struct lm_choice *c, const struct lm_bytes *text)
{
    const struct lm_params *p = &c->gen->params;
    c->text.failed |= text->failed;
    if (c->n_tok <= p->min_tokens)
        lm_bytes_add(&c->text, text->data, text->len);
    else if (c->stop_string < 0)
        c->stop_string = lm_stop_feed(&p->stop, &c->stop, text->data, text->len, p->include_stop, &c->text);
    return c->stop_string >= 0;
}

void lm_choice_push_prompt(struct lm_choice *c, const struct lm_msg_token *t, const struct lm_msg_top *top)
{
    const struct lm_params *p = &c->gen->params;
    const struct lm_tokenizer *tok = c->gen->model->text.tok;
    if (p->n_prompt_logprobs != LM_UNSET)
        lm_prompt_logprobs_add(&c->prompt_list, tok, t, top, t->n_top < p->n_prompt_logprobs ? t->n_top : (uint32_t)p->n_prompt_logprobs);
    if (!p->echo || p->n_logprobs == LM_UNSET)
        return;
    lm_logprobs_add(&c->logprobs, tok, t, top, t->n_top < p->n_logprobs ? t->n_top : (uint32_t)p->n_logprobs);
}

/* Do the newest tokens repeat a pattern often enough? */
static bool repeats(struct lm_choice *c, int32_t token)
{
    const struct lm_repetition *r = &c->gen->params.repeats;
    if (!r->max_size)
        return false;
    lm_bytes_add(&c->history, &token, sizeof token);
    c->text.failed |= c->history.failed;
    const int32_t *end = (const int32_t *)c->history.data + c->history.len / sizeof *end;
    size_t n = c->history.failed ? 0 : c->history.len / sizeof *end;
    for (size_t size = r->min_size; size <= r->max_size && size * r->min_count <= n; size++) {
        size_t same = 0, need = size * (r->min_count - 1);
        while (same < need && *(end - 1 - same) == *(end - 1 - same - size))
            same++;
        if (same == need)
            return true;
    }
    return false;
}

static bool is_late(const struct lm_choice *c)
{
    int64_t ms = c->gen->params.predict_ms;
    return ms > 0 && c->newline && c->token_us - c->first_us > (uint64_t)ms * 1000;
}

bool lm_choice_push(struct lm_choice *c, const struct lm_msg_token *t, const struct lm_msg_top *top)
{
    struct lm_gen *g = c->gen;
    const struct lm_params *p = &g->params;
    const struct lm_tokenizer *tok = g->model->text.tok;
    if (p->echo_only)
        return false;
    c->n_tok++;
    c->pending = true;
    c->sum_logprob += (double)t->logprob;
    if (p->n_logprobs != LM_UNSET)
        lm_logprobs_add(&c->logprobs, tok, t, top, t->n_top < p->n_logprobs ? t->n_top : (uint32_t)p->n_logprobs);
    if (p->return_token_ids)
        lm_bytes_addf(&c->ids, c->ids.len ? ",%d" : "%d", t->token);
    if (lm_gen_is_stop_id(g, t->token) && !p->include_stop)
        return false;
    lm_bytes_clear(&g->piece);
    lm_detok_push(tok, &c->detok, t->token, lm_choice_shows(c, t->token) ? LM_TOK_SHOW_SPECIAL : 0, &g->piece, NULL);
    c->reason = LM_REASON_STOP;
    c->newline |= g->piece.len && memchr(g->piece.data, '\n', g->piece.len);
    bool ends = feed(c, &g->piece);
    if (lm_choice_parse(c, false) || ends)
        return true;
    if (c->n_tok < p->min_tokens)
        return false;
    c->reason = repeats(c, t->token) ? LM_REASON_REPETITION : is_late(c) ? LM_REASON_LENGTH : LM_REASON_STOP;
    return c->reason != LM_REASON_STOP;
}

void lm_choice_end(struct lm_choice *c, enum lm_reason reason)
{
    struct lm_gen *g = c->gen;
    lm_bytes_clear(&g->piece);
    lm_detok_finish(&c->detok, &g->piece);
    if (!feed(c, &g->piece))
        lm_stop_finish(&c->stop, &c->text);
    lm_choice_parse(c, true);
    c->reason = reason;
    c->done = c->pending = true;
}

static int by_likelihood(const void *a, const void *b)
{
    const struct lm_choice *x = a, *y = b;
    double p = x->n_tok ? x->sum_logprob / x->n_tok : -HUGE_VAL, q = y->n_tok ? y->sum_logprob / y->n_tok : -HUGE_VAL;
    return p != q ? (p < q) - (p > q) : (x->index > y->index) - (x->index < y->index);
}

void lm_choice_rank(struct lm_gen *g)
{
    size_t n = (size_t)g->params.n, of = (size_t)g->params.best_of;
    for (size_t i = 0; i < g->n_prompt && of > n; i++) {
        struct lm_choice *first = &g->choice[i * of];
        qsort(first, of, sizeof *first, by_likelihood);
        for (size_t k = 0; k < of; k++) {
            first[k].index = i * of + k;
            first[k].number = i * n + k;
        }
    }
}

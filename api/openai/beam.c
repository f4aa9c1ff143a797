/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/beam.h"

#include <math.h>
#include <stdlib.h>

struct path {
    struct lm_seq seq;
    struct lm_beam *beam;
    int32_t *id; /* [max_tok] */
    uint32_t n;
    double sum, score;
    bool ended;  /* the last id ends it */
};

struct candidate { uint32_t from; int32_t id; double sum; };

struct lm_beam {
    struct lm_gen *gen;
    size_t prompt;
    uint32_t width, max_tok, n_live, n_wait, n_done, n_candidate;
    struct path *live, *next, *done; /* [width] each */
    struct candidate *candidate;     /* [width * 2 width] */
    int32_t *text;                   /* [n_prompt + max_tok] scratch */
    int32_t *pool;                   /* ids of all paths */
    uint32_t n_cached;
};

static double score(const struct lm_beam *b, double sum, uint32_t n, bool ended)
{
    double len = (double)b->gen->prompt[b->prompt].n + n - ended;
    return sum / pow(len > 1 ? len : 1, b->gen->params.length_penalty);
}

static int by_score(const void *a, const void *b)
{
    double x = ((const struct path *)a)->score, y = ((const struct path *)b)->score;
    return (x < y) - (x > y);
}

static int by_sum(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->sum != y->sum)
        return (x->sum < y->sum) - (x->sum > y->sum);
    return x->from != y->from ? (x->from > y->from) - (x->from < y->from) : (x->id > y->id) - (x->id < y->id);
}

static void copy_path(struct path *to, const struct path *from)
{
    memcpy(to->id, from->id, from->n * sizeof *to->id);
    to->n = from->n;
}

/* Among the best that ended, if it is one of them. */
static void set_aside(struct lm_beam *b, const struct path *from, int32_t id, double sum)
{
    double s = score(b, sum, from->n + 1, true);
    struct path *at = b->n_done < b->width ? &b->done[b->n_done++] : &b->done[b->width - 1];
    if (at->n && at->score >= s)
        return;
    copy_path(at, from);
    at->id[at->n++] = id;
    at->sum = sum;
    at->score = s;
    at->ended = true;
    qsort(b->done, b->n_done, sizeof *b->done, by_score);
}

static void grow(struct lm_beam *b)
{
    uint32_t n = 0;
    qsort(b->candidate, b->n_candidate, sizeof *b->candidate, by_sum);
    for (uint32_t i = 0; i < b->n_candidate && n < b->width; i++) {
        const struct candidate *c = &b->candidate[i];
        const struct path *from = &b->live[c->from];
        bool early = from->n < (uint64_t)b->gen->params.min_tokens;
        if (lm_gen_is_stop_id(b->gen, c->id)) {
            if (!early)
                set_aside(b, from, c->id, c->sum);
            continue;
        }
        struct path *to = &b->next[n++];
        copy_path(to, from);
        to->id[to->n++] = c->id;
        to->sum = c->sum;
        to->ended = false;
    }
    struct path *old = b->live;
    b->live = b->next;
    b->next = old;
    b->n_live = n;
    b->n_candidate = 0;
}

static bool is_over(const struct lm_beam *b)
{
    if (!b->n_live || b->live[0].n >= b->max_tok)
        return true;
    return b->n_done == b->width && score(b, b->live[0].sum, b->live[0].n, false) <= b->done[b->width - 1].score;
}

static void give(struct lm_choice *c, const struct path *p)
{
    enum lm_reason reason = p->ended ? LM_REASON_STOP : LM_REASON_LENGTH;
    const struct lm_served *m = c->gen->model;
    c->gen->model->metrics.n_output_tok += p->n;
    if (p->ended && !lm_tokenizer_is_eog(m->text.tok, p->id[p->n - 1]))
        c->stop_token = p->id[p->n - 1];
    for (uint32_t i = 0; i < p->n; i++)
        if (lm_choice_push(c, &(struct lm_msg_token){.token = p->id[i]}, NULL)) {
            reason = c->reason;
            break;
        }
    lm_gen_end_choice(c, reason);
}

/* The best of both lists are the answers. The last call of lm_gen_end_choice() may end the request, and b. */
static void answer(struct lm_beam *b)
{
    struct lm_gen *g = b->gen;
    struct lm_choice *first = &g->choice[b->prompt * (size_t)g->params.best_of];
    uint32_t n = b->width;
    g->model->metrics.n_prompt_tok += g->prompt[b->prompt].n;
    g->model->metrics.n_prompt_cached_tok += b->n_cached;
    for (uint32_t i = 0; i < b->n_live; i++)
        b->live[i].score = score(b, b->live[i].sum, b->live[i].n, false);
    qsort(b->live, b->n_live, sizeof *b->live, by_score);
    for (uint32_t i = 0, done = 0, live = 0; i < n; i++) {
        bool has_done = done < b->n_done, has_live = live < b->n_live;
        first[i].n_cached = b->n_cached;
        if (has_done && (!has_live || b->done[done].score >= b->live[live].score))
            give(&first[i], &b->done[done++]);
        else if (has_live)
            give(&first[i], &b->live[live++]);
        else
            lm_gen_end_choice(&first[i], LM_REASON_LENGTH);
    }
}

static struct path *of_seq(struct lm_seq *q)
{
    return (struct path *)((char *)q - offsetof(struct path, seq));
}

static void on_token(struct lm_seq *q, const struct lm_msg_token *t, const struct lm_msg_top *top)
{
    struct path *p = of_seq(q);
    struct lm_beam *b = p->beam;
    if (!p->n)
        b->n_cached = t->n_cached;
    for (uint32_t i = 0; i < t->n_top && i < 2 * b->width && b->n_candidate < 2 * b->width * b->width; i++)
        if (isfinite(top[i].logprob))
            b->candidate[b->n_candidate++] = (struct candidate){(uint32_t)(p - b->live), top[i].token, p->sum + (double)top[i].logprob};
}

static int step(struct lm_beam *b);

static void on_finished(struct lm_seq *q, const struct lm_msg_finished *f)
{
    struct lm_beam *b = of_seq(q)->beam;
    struct lm_gen *g = b->gen;
    b->n_wait--;
    if (f->reason != LM_FINISH_LENGTH) {
        lm_gen_refuse(g, f);
    } else if (!b->n_wait) {
        grow(b);
        if (is_over(b))
            answer(b);
        else if (step(b))
            lm_gen_refuse(g, &(struct lm_msg_finished){.reason = LM_FINISH_ERROR, .code = LM_ENOMEM});
    }
    lm_gen_leave(g);
}

static void on_lost(struct lm_seq *q)
{
    struct lm_gen *g = of_seq(q)->beam->gen;
    lm_gen_lose(g);
    lm_gen_leave(g);
}

static int submit(struct lm_beam *b, struct path *p)
{
    const struct lm_gen *g = b->gen;
    const struct lm_tokens *prompt = &g->prompt[b->prompt];
    struct lm_msg_submit h = {
        .n_prompt = (uint32_t)prompt->n + p->n, .max_tokens = 1, .n_logprobs = 2 * b->width, .logprob = 1, .top_p = 1, .repetition = 1,
        .n_salt = g->params.cache_salt ? (uint32_t)strlen(g->params.cache_salt) : 0, .priority = (int32_t)g->params.priority,
        .lora = g->adapter,
    };
    memcpy(b->text, prompt->id, prompt->n * sizeof *b->text);
    memcpy(b->text + prompt->n, p->id, p->n * sizeof *b->text);
    struct lm_msg_part part[] = {{&h, sizeof h}, {b->text, h.n_prompt * sizeof *b->text}, {g->params.cache_salt, h.n_salt}};
    p->seq = (struct lm_seq){.on_token = on_token, .on_finished = on_finished, .on_lost = on_lost};
    return lm_served_submit(g->model, &p->seq, &h, g->params.cache_salt, part, 3);
}

static int step(struct lm_beam *b)
{
    if (!lm_served_serves(b->gen->model))
        return LM_ENOMEM;
    b->n_wait = b->n_live;
    for (uint32_t i = 0; i < b->n_live; i++)
        if (submit(b, &b->live[i]))
            return LM_ENOMEM;
    return 0;
}

int lm_beam_create(struct lm_gen *g, size_t prompt, struct lm_beam **out)
{
    uint32_t width = (uint32_t)g->params.best_of, max_tok = g->choice[prompt * width].max_tok;
    struct lm_beam *b = calloc(1, sizeof *b);
    if (!b)
        return LM_ENOMEM;
    *b = (struct lm_beam){.gen = g, .prompt = prompt, .width = width, .max_tok = max_tok, .n_live = 1};
    b->live = calloc(width, sizeof *b->live);
    b->next = calloc(width, sizeof *b->next);
    b->done = calloc(width, sizeof *b->done);
    b->candidate = calloc(2 * (size_t)width * width, sizeof *b->candidate);
    b->text = malloc((g->prompt[prompt].n + max_tok) * sizeof *b->text);
    b->pool = malloc(3 * (size_t)width * (max_tok + 1) * sizeof *b->pool);
    *out = b;
    if (!b->live || !b->next || !b->done || !b->candidate || !b->text || !b->pool)
        return LM_ENOMEM;
    struct path *all[] = {b->live, b->next, b->done};
    for (size_t i = 0; i < 3 * (size_t)width; i++) {
        struct path *p = &all[i / width][i % width];
        p->id = b->pool + i * (max_tok + 1);
        p->beam = b;
    }
    return step(b);
}

void lm_beam_destroy(struct lm_beam *b)
{
    if (!b)
        return;
    for (uint32_t i = 0; b->live && i < b->width; i++)
        lm_served_cancel(b->gen->model, &b->live[i].seq);
    free(b->live);
    free(b->next);
    free(b->done);
    free(b->candidate);
    free(b->text);
    free(b->pool);
    free(b);
}

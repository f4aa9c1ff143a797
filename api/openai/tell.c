/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/gen.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#include <stdlib.h>

/* Counts and times only: what was asked and answered is nobody's business. */
static void log_end(const struct lm_gen *g, const struct lm_usage *u)
{
    lm_log(LM_DEBUG, "http", "%s answers=%zu unfinished=%zu prompt_tokens=%zu output_tokens=%zu seconds=%.3f status=%d",
           g->call.server->route[g->call.route].path, g->n_choice, g->n_open, u->n_prompt_tok, u->n_output_tok,
           (double)(lm_now_us() - g->start_us) / 1e6, g->error.status ? g->error.status : 200);
}

static uint64_t first_token_us(const struct lm_gen *g)
{
    uint64_t first = 0;
    for (size_t i = 0; i < g->n_choice; i++)
        if (g->choice[i].first_us && (!first || g->choice[i].first_us < first))
            first = g->choice[i].first_us;
    return first ? first - g->start_us : 0;
}

static void set_id(const struct lm_gen *g, char *out, size_t size)
{
    struct lm_bytes id = {0};
    lm_shape_id(g, &id);
    lm_record_copy(g->params.request_id ? g->params.request_id : id.data ? id.data : "", out, size);
    lm_bytes_fini(&id);
}

static void fill(const struct lm_gen *g, const struct lm_usage *u, struct lm_record_gen *out)
{
    const struct lm_params *p = &g->params;
    *out = (struct lm_record_gen){
        .model = g->model->name[0], .n_prompt_tok = u->n_prompt_tok, .n_cached_tok = u->n_cached_tok, .n_output_tok = u->n_output_tok,
        .first_token_s = (double)first_token_us(g) / 1e6, .queue_s = (double)g->queue_us / 1e6, .prefill_s = (double)g->prefill_us / 1e6,
        .decode_s = (double)g->decode_us / 1e6, .temperature = p->temperature, .top_p = p->top_p, .n = p->n,
        .max_tokens = p->max_tokens == LM_UNSET ? -1 : p->max_tokens,
        .reason = g->n_choice && g->choice[0].done ? lm_reason_name(g->choice[0].reason) : NULL,
    };
    set_id(g, out->id, sizeof out->id);
}

void lm_gen_tell(struct lm_gen *g)
{
    struct lm_usage u = lm_gen_usage(g);
    struct lm_record *r = g->call.record;
    log_end(g, &u);
    if (!r)
        return;
    r->failed = g->error.status && r->status < 400 && !r->left;
    r->trace.sampled &= !g->dialect->work; /* nothing is generated */
    if (g->model)
        fill(g, &u, &r->gen);
    lm_record_end(r);
    g->call.record = NULL;
}

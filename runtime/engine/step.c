/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/step.h"

#include <stdlib.h>

int lm_step_init(struct lm_step_arrays *a, const struct lm_plan_desc *plan, struct lm_err *err)
{
    uint32_t max_tok = plan->max_tok, max_seq = plan->max_seq, max_out = plan->max_out;
    uint32_t table_stride = (plan->max_len + plan->block_size - 1) / plan->block_size;
    *a = (struct lm_step_arrays){
        .seq = calloc(max_seq, sizeof *a->seq), .out = calloc(max_out, sizeof *a->out),
        .token = calloc(max_tok, sizeof *a->token), .pos = calloc(max_tok, sizeof *a->pos), .type = calloc(max_tok, sizeof *a->type),
        .seq_row = calloc((size_t)max_seq + 1, sizeof *a->seq_row), .lora = calloc(max_seq, sizeof *a->lora),
        .block_table = calloc((size_t)max_seq * table_stride, sizeof *a->block_table),
        .out_row = calloc(max_out, sizeof *a->out_row), .sampling = calloc(max_out, sizeof *a->sampling),
        .prompt_pos = calloc(max_out, sizeof *a->prompt_pos),
        .sampled = {calloc(max_out, sizeof **a->sampled), calloc(max_out, sizeof **a->sampled)},
    };
    if (!a->seq || !a->out || !a->token || !a->pos || !a->type || !a->seq_row || !a->lora || !a->block_table || !a->out_row || !a->sampling ||
        !a->prompt_pos || !a->sampled[0] || !a->sampled[1]) {
        lm_step_fini(a);
        return lm_fail(err, LM_ENOMEM, "no memory for steps of %u tokens and %u sequences", (unsigned)max_tok, (unsigned)max_seq);
    }
    a->step = (struct lm_step){.token = a->token, .pos = a->pos, .seq_row = a->seq_row, .block_table = a->block_table,
                               .table_stride = table_stride, .out_row = a->out_row, .sampling = a->sampling};
    return 0;
}

void lm_step_fini(struct lm_step_arrays *a)
{
    free(a->seq);
    free(a->out);
    free(a->token);
    free(a->pos);
    free(a->type);
    free(a->seq_row);
    free(a->lora);
    free(a->block_table);
    free(a->out_row);
    free(a->prompt_pos);
    free(a->sampling);
    free(a->sampled[0]);
    free(a->sampled[1]);
    *a = (struct lm_step_arrays){0};
}

static void add_prompt_row(struct lm_step_arrays *a, struct lm_request *r, uint32_t i)
{
    uint32_t o = a->step.n_out++;
    a->n_prompt_row++;
    a->out[o] = r;
    a->out_row[o] = a->step.n_tok;
    a->prompt_pos[o] = i + 1;
    a->sampling[o] = r->given;
    a->sampling[o].given_token = r->pool ? 0 : r->token[i + 1];
}

static void add(struct lm_step_arrays *a, struct lm_request *r, uint32_t block_size)
{
    struct lm_step *st = &a->step;
    uint32_t end = r->n_computed + r->n_sched, s = st->n_seq++;
    a->seq[s] = r;
    a->lora[s] = r->lora;
    if (r->lora >= 0)
        st->lora = a->lora;
    if (r->second_text)
        st->type = a->type;
    for (uint32_t i = r->n_computed; i < end; i++, st->n_tok++) {
        a->token[st->n_tok] = r->token[i];
        a->pos[st->n_tok] = (int32_t)i;
        a->type[st->n_tok] = r->second_text && i >= r->second_text;
        if (lm_request_wants_row(r, i))
            add_prompt_row(a, r, i);
    }
    a->seq_row[s + 1] = st->n_tok;
    memcpy(a->block_table + (size_t)s * st->table_stride, r->block, (end + block_size - 1) / block_size * sizeof *r->block);
    if (end != r->n_token + r->n_draft)
        return;
    if (r->pool)
        a->sampling[st->n_out] = r->given; /* of token 0: nothing is drawn */
    else
        lm_request_sampling(r, a->sampling + st->n_out);
    for (uint32_t i = 0; i <= r->n_draft; i++, st->n_out++) {
        a->out[st->n_out] = r;
        a->prompt_pos[st->n_out] = 0;
        a->out_row[st->n_out] = st->n_tok - 1 - r->n_draft + i;
    }
}

/* Is the request in the step that is made, and what of it? */
static bool decodes(const struct lm_request *r)
{
    return !r->in_flight && r->n_sched == 1 + r->n_draft;
}

static bool has_piece(const struct lm_request *r)
{
    return !r->in_flight && r->n_sched && !decodes(r);
}

void lm_step_build(struct lm_step_arrays *a, const struct lm_sched *s)
{
    a->step.n_tok = a->step.n_seq = a->step.n_out = a->n_prompt_row = 0;
    a->step.sampled = a->sampled[a->turn];
    a->step.lora = NULL;
    a->step.type = NULL;
    for (uint32_t i = 0; i < s->n_running; i++)
        if (decodes(s->running[i]))
            add(a, s->running[i], s->kv->block_size);
    for (uint32_t i = 0; i < s->n_running; i++)
        if (has_piece(s->running[i]))
            add(a, s->running[i], s->kv->block_size);
}

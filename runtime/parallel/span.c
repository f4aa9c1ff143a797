/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/span.h"
#include "ops/graph.h"

#include <limits.h>
#include <stdlib.h>

/* A step's message begins with it; then token, pos, seq_row, out_row, lora, and of each sequence the blocks that it uses. */
struct told { uint32_t kind, n_tok, n_seq, n_out, n_lora; };

/* An adapter's. */
struct told_lora {
    uint32_t kind, slot;
    char path[PATH_MAX]; /* with its end */
};

static const struct lm_link_place *place(const struct lm_group_desc *d)
{
    return lm_link_place(d->link);
}

static uint32_t n_process(const struct lm_group_desc *d)
{
    return d->link ? place(d)->size : 1;
}

static uint32_t n_part(const struct lm_group_desc *d)
{
    return d->n_rank * d->n_stage / n_process(d);
}

/* The share of parts, of all in order, that has the logits. */
static uint32_t head_share(const struct lm_group_desc *d)
{
    return d->n_rank * (d->n_stage - 1) / n_part(d);
}

struct lm_model_split lm_group_share(const struct lm_group_desc *d)
{
    const uint32_t n = n_part(d), share = d->link ? (head_share(d) + place(d)->rank) % n_process(d) : 0;
    return (struct lm_model_split){d->n_rank, d->n_stage, share * n, n, d->whole_experts, d->experts};
}

uint32_t lm_group_team(const struct lm_group_desc *d, uint32_t n)
{
    const uint32_t each = d->n_rank * d->n_stage / n;
    return each < d->n_rank ? d->n_rank / each : 1;
}

int lm_group_check(const struct lm_group_desc *d, uint32_t n, struct lm_err *err)
{
    const uint32_t all = d->n_rank * d->n_stage, each = n ? all / n : 0;
    if (!each || all % n)
        return lm_fail(err, LM_ECONFIG, "nodes: %u processes cannot share %u parts: make tensor-parallel-size times pipeline-parallel-size a multiple of %u", n, all, n);
    if (each % d->n_rank && d->n_rank % each)
        return lm_fail(err, LM_ECONFIG, "nodes: %u parts for each of %u processes are neither whole stages of tensor-parallel-size %u nor an even share of one",
                       each, n, d->n_rank);
    return 0;
}

uint32_t lm_span_process(const struct lm_group_desc *d, uint32_t part)
{
    return (part / n_part(d) + n_process(d) - head_share(d)) % n_process(d);
}

static size_t table_stride(const struct lm_plan_desc *p)
{
    return (p->max_len + p->block_size - 1) / p->block_size;
}

/* The columns that this process has of the op that puts them side by side: 0, it has none. */
static size_t own_width(const struct lm_plan *plan)
{
    size_t width = 0;
    for (uint32_t i = 0; i < plan->n; i++) {
        const struct lm_graph *g = plan->part[i].graph;
        for (uint32_t k = 0; k < g->n_op; k++)
            width += g->op[k].kind == LM_OP_ALLGATHER ? g->act[g->op[k].x].dim : 0;
    }
    return width;
}

static size_t widest_sum(const struct lm_plan *plan, const struct lm_plan_desc *d)
{
    size_t most = own_width(plan) * d->max_out;
    const struct lm_graph *g = plan->part[0].graph;
    for (uint32_t i = 0; i < g->n_op; i++) {
        if (!lm_op_is_collective(g->op[i].kind))
            continue;
        const struct lm_act *x = &g->act[g->op[i].x];
        size_t n = (size_t)(x->rows == LM_ROWS_TOK ? d->max_tok : d->max_out) * x->dim;
        most = n > most ? n : most;
    }
    return most + 1;
}

int lm_span_meet(struct lm_span *s, const struct lm_plan *plan, struct lm_err *err)
{
    size_t own = own_width(plan), all = 0;
    int rc = place(s->group)->ops->share(s->group->link, &own, sizeof own, s->width, err);
    for (uint32_t i = 0; i < n_process(s->group) && !rc; i++)
        all += s->width[i];
    if (!rc && place(s->group)->rank == 0)
        s->columns = malloc((all * s->plan.max_out + 1) * sizeof *s->columns);
    return rc || place(s->group)->rank || s->columns ? rc : lm_fail(err, LM_ENOMEM, "no memory for the logits of a step");
}

int lm_span_create(const struct lm_group_desc *group, const struct lm_plan_desc *desc, struct lm_plan *plan, struct lm_err *err)
{
    struct lm_span *s = plan->span = calloc(1, sizeof *s);
    if (!s)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    s->group = group;
    s->plan = *desc;
    s->message_bytes = sizeof(struct told_lora) + sizeof(struct told) +
                       sizeof(uint32_t) * (2 * (size_t)desc->max_tok + 1 + desc->max_out + desc->max_seq * (2 + table_stride(desc)));
    s->message = malloc(s->message_bytes);
    s->table = calloc(desc->max_seq * table_stride(desc) + 1, sizeof *s->table);
    s->sampling = calloc(desc->max_out + 1, sizeof *s->sampling);
    s->sampled = calloc(desc->max_out + 1, sizeof *s->sampled);
    s->width = calloc(n_process(group), sizeof *s->width);
    s->n_each = calloc(n_process(group), sizeof *s->n_each);
    s->sum = malloc(widest_sum(plan, desc) * sizeof *s->sum);
    if (!s->message || !s->table || !s->sampling || !s->sampled || !s->width || !s->n_each || !s->sum)
        return lm_fail(err, LM_ENOMEM, "no memory for what nodes share: lower max-num-batched-tokens");
    for (uint32_t i = 0; i < desc->max_out; i++)
        s->sampling[i] = (struct lm_sampling){.top_p = 1, .repetition = 1};
    return 0;
}

void lm_span_destroy(struct lm_span *s)
{
    if (!s)
        return;
    free(s->sum);
    free(s->columns);
    free(s->width);
    free(s->n_each);
    free(s->message);
    free(s->table);
    free(s->sampling);
    free(s->sampled);
    free(s);
}

/* Columns of process after process become rows. The team that has them is the first process's: ranks 0 .. team - 1. */
static void interleave(const struct lm_span *s, uint32_t team, uint32_t rows, float *out)
{
    for (size_t r = 0; r < rows; r++) {
        const float *from = s->columns;
        for (uint32_t k = 0; k < team; k++) {
            memcpy(out, from + r * s->width[k], s->width[k] * sizeof *out);
            out += s->width[k];
            from += rows * s->width[k];
        }
    }
}

int lm_span_join(struct lm_span *s, const struct lm_group_part *part, uint32_t i, uint32_t turn, const int32_t *token, uint32_t rows,
                 struct lm_err *err)
{
    const struct lm_group_desc *d = s->group;
    const struct lm_op *op = &part->graph->op[i];
    const uint32_t team = lm_group_team(d, n_process(d)), rank = place(d)->rank;
    lm_group_join(part, n_part(d), i, turn, token, rows, s->sum);
    s->joined = s->sum;
    if (op->kind == LM_OP_ALLREDUCE)
        return place(d)->ops->sum(d->link, s->sum, (size_t)rows * part->graph->act[op->x].dim, d->step_timeout_us, err);
    for (uint32_t k = 0; k < team; k++)
        s->n_each[k] = rows * s->width[k];
    int rc = place(d)->ops->join(d->link, s->sum, rows * s->width[rank], rank ? NULL : s->columns, s->n_each, d->step_timeout_us, err);
    if (rc || rank)
        return rc;
    interleave(s, team, rows, part->in);
    s->joined = part->in;
    return 0;
}

int lm_span_send(const struct lm_span *s, uint32_t part, const float *x, uint32_t n_tok, struct lm_err *err)
{
    const struct lm_group_desc *d = s->group;
    const size_t n = (size_t)n_tok * d->model[0]->hp.dim;
    const uint32_t next = part + d->n_rank, step = n_part(d) < d->n_rank ? n_part(d) : d->n_rank;
    int rc = 0;
    for (uint32_t k = next; k < next + d->n_rank && !rc; k += step)
        rc = place(d)->ops->send(d->link, lm_span_process(d, k), x, n, d->step_timeout_us, err);
    return rc;
}

int lm_span_receive(const struct lm_span *s, uint32_t part, float *x, uint32_t n_tok, struct lm_err *err)
{
    const struct lm_group_desc *d = s->group;
    const uint32_t before = (part / d->n_rank - 1) * d->n_rank;
    return place(d)->ops->receive(d->link, lm_span_process(d, before), x, (size_t)n_tok * d->model[0]->hp.dim, d->step_timeout_us, err);
}

static void *put(char **at, const void *from, size_t n)
{
    void *to = *at;
    memcpy(to, from, n * sizeof(uint32_t));
    *at += n * sizeof(uint32_t);
    return to;
}

/* Blocks of sequence i up to that of its last token. */
static size_t n_block(const struct lm_span *s, const struct lm_step *step, uint32_t i)
{
    return (size_t)step->pos[step->seq_row[i + 1] - 1] / s->plan.block_size + 1;
}

int lm_span_tell(struct lm_span *s, const struct lm_step *step, struct lm_err *err)
{
    char *at = s->message;
    if (step) {
        const struct told told = {LM_SPAN_STEP, step->n_tok, step->n_seq, step->n_out, step->lora ? step->n_seq : 0};
        put(&at, &told, sizeof told / sizeof(uint32_t));
        put(&at, step->token, step->n_tok);
        put(&at, step->pos, step->n_tok);
        put(&at, step->seq_row, step->n_seq + 1);
        put(&at, step->out_row, step->n_out);
        if (step->lora)
            put(&at, step->lora, told.n_lora);
        for (uint32_t i = 0; i < step->n_seq; i++)
            put(&at, step->block_table + (size_t)i * step->table_stride, n_block(s, step, i));
    }
    return place(s->group)->ops->tell(s->group->link, s->message, (size_t)(at - s->message), s->group->step_timeout_us, err);
}

int lm_span_tell_lora(struct lm_span *s, uint32_t slot, const char *path, struct lm_err *err)
{
    struct told_lora *told = (struct told_lora *)s->message;
    if (path && strlen(path) >= sizeof told->path)
        return lm_fail(err, LM_ELIMIT, "a path of %zu bytes", strlen(path));
    *told = (struct told_lora){.kind = path ? LM_SPAN_LOAD : LM_SPAN_UNLOAD, .slot = slot};
    strcpy(told->path, path ? path : "");
    return place(s->group)->ops->tell(s->group->link, s->message, sizeof *told, s->group->step_timeout_us, err);
}

static const void *take(const char **at, const char *end, size_t n)
{
    const char *from = *at;
    if ((size_t)(end - from) / sizeof(uint32_t) < n)
        return NULL;
    *at += n * sizeof(uint32_t);
    return from;
}

static bool read_tables(struct lm_span *s, const char *at, const char *end)
{
    struct lm_step *step = &s->step;
    for (uint32_t i = 0; i < step->n_seq; i++) {
        const uint32_t last = step->seq_row[i + 1];
        if (!last || last > step->n_tok || step->pos[last - 1] < 0 || n_block(s, step, i) > step->table_stride)
            return false;
        const void *from = take(&at, end, n_block(s, step, i));
        if (!from)
            return false;
        memcpy(s->table + (size_t)i * step->table_stride, from, n_block(s, step, i) * sizeof *s->table);
    }
    return at == end;
}

static bool read_step(struct lm_span *s, size_t bytes)
{
    const char *at = s->message, *end = at + bytes;
    const struct told *t = take(&at, end, sizeof *t / sizeof(uint32_t));
    if (!t || t->n_tok > s->plan.max_tok || t->n_seq > s->plan.max_seq || t->n_out > s->plan.max_out)
        return false;
    if (t->n_lora && t->n_lora != t->n_seq)
        return false;
    s->step = (struct lm_step){.n_tok = t->n_tok, .n_seq = t->n_seq, .n_out = t->n_out, .block_table = s->table,
                               .table_stride = (uint32_t)table_stride(&s->plan), .sampling = s->sampling, .sampled = s->sampled};
    s->step.token = take(&at, end, t->n_tok);
    s->step.pos = take(&at, end, t->n_tok);
    s->step.seq_row = take(&at, end, t->n_seq + 1);
    s->step.out_row = take(&at, end, t->n_out);
    const int32_t *lora = take(&at, end, t->n_lora);
    s->step.lora = t->n_lora ? lora : NULL;
    return s->step.token && s->step.pos && s->step.seq_row && s->step.out_row && lora && read_tables(s, at, end);
}

static bool read_lora(const struct lm_span *s, size_t bytes, struct lm_span_word *out)
{
    const struct told_lora *t = (const struct told_lora *)s->message;
    if (bytes != sizeof *t || t->slot >= s->plan.graph->n_lora || !memchr(t->path, 0, sizeof t->path))
        return false;
    *out = (struct lm_span_word){.kind = t->kind, .slot = t->slot, .path = t->path};
    return true;
}

int lm_span_hear(struct lm_span *s, struct lm_span_word *out, struct lm_err *err)
{
    size_t bytes;
    int rc = place(s->group)->ops->hear(s->group->link, s->message, s->message_bytes, &bytes, err);
    if (rc)
        return rc;
    uint32_t kind = LM_SPAN_END;
    memcpy(&kind, s->message, bytes < sizeof kind ? 0 : sizeof kind);
    *out = (struct lm_span_word){.kind = kind, .step = &s->step};
    bool good = kind == LM_SPAN_STEP ? read_step(s, bytes) :
                kind == LM_SPAN_END ? bytes == 0 : kind <= LM_SPAN_UNLOAD && read_lora(s, bytes, out);
    return good ? 0 : lm_fail(err, LM_EINVAL, "a message of %zu bytes that does not fit the plan", bytes);
}

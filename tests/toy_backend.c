/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/toy_backend.h"

#include <math.h>
#include <stdlib.h>

struct slot { int32_t token, pos; };

struct lm_dev {
    struct lm_plan *running; /* work is done in sync(): whoever touches a step's arrays too early is found out */
    const struct lm_step *step;
    uint32_t period; /* 0: none */
    bool blind;
};

struct lm_plan {
    struct lm_plan_desc desc;
    struct slot *slot; /* [n_block][block_size] */
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t begin(void)
{
    return 0x243f6a8885a308d3u;
}

static bool allowed(const struct lm_sampling *s, int32_t token)
{
    for (uint32_t i = 0; i < s->n_bias; i++)
        if (s->bias_id[i] == token && isinf(s->bias[i]))
            return false;
    return !s->allow || s->allow[token / 32] >> (token % 32) & 1;
}

/* Of the tokens of a mask each is as likely. */
static int32_t choose_allowed(uint64_t h, uint32_t n_vocab, const struct lm_sampling *s)
{
    uint64_t n = 0, k;
    for (uint32_t i = 0; i < n_vocab; i++)
        n += allowed(s, (int32_t)i);
    k = n ? h % n : 0;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (allowed(s, (int32_t)i) && k-- == 0)
            return (int32_t)i;
    return -1;
}

static int32_t choose(uint64_t h, size_t n, uint32_t n_vocab, uint32_t period, const struct lm_sampling *s)
{
    if (s->temperature > 0)
        h = mix(mix(h, s->seed), s->counter);
    for (uint32_t i = 0; i < s->n_seen; i++)
        h = mix(mix(h, (uint64_t)s->seen[i]), s->count[i]);
    if (period && h >> 32 & 7) {
        int32_t token = (int32_t)(n % period * 7 % n_vocab);
        if (allowed(s, token))
            return token;
    }
    if (s->allow)
        return choose_allowed(h, n_vocab, s);
    for (uint32_t tries = 0; tries < 4 * n_vocab; tries++, h = mix(h, 1)) {
        int32_t token = (int32_t)(h % n_vocab);
        if (allowed(s, token))
            return token;
    }
    return -1;
}

int32_t lm_toy_next(const int32_t *token, size_t n, uint32_t n_vocab, const struct lm_sampling *s)
{
    return lm_toy_next_periodic(token, n, n_vocab, 0, s);
}

int32_t lm_toy_next_periodic(const int32_t *token, size_t n, uint32_t n_vocab, uint32_t period, const struct lm_sampling *s)
{
    uint64_t h = begin();
    for (size_t i = 0; i < n; i++)
        h = mix(mix(h, (uint64_t)token[i]), i);
    return choose(h, n, n_vocab, period, s);
}

size_t lm_toy_block_bytes(uint32_t block_size)
{
    return block_size * sizeof(struct slot);
}

struct lm_graph lm_toy_graph(uint32_t n_vocab)
{
    static struct lm_act act[] = {{LM_ROWS_OUT, 1}};
    static struct lm_op op[] = {{.kind = LM_OP_SAMPLE, .x = 0, .x2 = LM_NONE, .y = LM_NONE}};
    static const uint32_t head_dim[] = {1};
    return (struct lm_graph){.act = act, .n_act = 1, .op = op, .n_op = 1, .n_layer = 1, .kv_head_dim = head_dim, .n_vocab = n_vocab};
}

static int toy_score(void)
{
    return 1;
}

static int toy_devices(struct lm_device_info *info, size_t n, struct lm_err *err)
{
    if (n)
        info[0] = (struct lm_device_info){.name = "toy device", .driver = "none", .kind = "cpu", .mem_bytes = 1u << 30};
    return 1;
}

static int toy_open(const struct lm_open_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    if (desc->device != 0)
        return lm_fail(err, LM_ENOTFOUND, "no device %u", (unsigned)desc->device);
    struct lm_dev *dev = calloc(1, sizeof *dev);
    if (!dev)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < desc->n_option; i++) {
        if (strcmp(desc->option[i].key, "period") == 0)
            dev->period = (uint32_t)strtoul(desc->option[i].value, NULL, 10);
        dev->blind |= strcmp(desc->option[i].key, "blind") == 0;
    }
    *out = dev;
    return 0;
}

static void toy_close(struct lm_dev *dev)
{
    free(dev);
}

static int toy_mem(struct lm_dev *dev, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    *out_free = *out_total = 1u << 30;
    return 0;
}

static int toy_weight_create(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready,
                             struct lm_err *err)
{
    struct lm_weight *w = malloc(sizeof *w);
    if (!w)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    *w = (struct lm_weight){.qtype = desc->qtype, .rows = desc->rows, .cols = desc->cols};
    *out = w;
    *out_ready = true;
    return 0;
}

static void toy_weight_destroy(struct lm_dev *dev, struct lm_weight *w)
{
    free(w);
}

static int toy_pack(struct lm_dev *dev, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    return 0;
}

static int toy_measure(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    *out = (struct lm_plan_size){.scratch_bytes = 4096, .block_bytes = lm_toy_block_bytes(desc->block_size)};
    return 0;
}

static int toy_prepare(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    struct lm_plan *p = malloc(sizeof *p);
    struct slot *slot = calloc((size_t)desc->n_block * desc->block_size, sizeof *slot);
    if (!p || !slot) {
        free(p);
        free(slot);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    *p = (struct lm_plan){*desc, slot};
    *out = p;
    return 0;
}

static void toy_release(struct lm_dev *dev, struct lm_plan *plan)
{
    if (plan)
        free(plan->slot);
    free(plan);
}

static int toy_copy_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    return lm_fail(err, LM_EUNSUPPORTED, "no activations");
}

static int toy_copy_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    const struct lm_step *st = dev->step;
    if (act != 0 || rows > st->n_out)
        return lm_fail(err, LM_EINVAL, "no such activation");
    for (uint32_t o = 0; o < rows; o++)
        dst[o] = (float)(st->token[st->out_row[o]] + 100 * st->pos[st->out_row[o]]);
    return 0;
}

static size_t toy_kv_bytes(const struct lm_dev *dev, const struct lm_plan *plan)
{
    return lm_toy_block_bytes(plan->desc.block_size);
}

static int toy_kv_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, void *dst, struct lm_err *err)
{
    if (dev->running || block >= plan->desc.n_block)
        return lm_fail(err, LM_EINVAL, "no such block while no step runs");
    memcpy(dst, plan->slot + (size_t)block * plan->desc.block_size, toy_kv_bytes(dev, plan));
    return 0;
}

static int toy_kv_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err)
{
    if (dev->running || block >= plan->desc.n_block)
        return lm_fail(err, LM_EINVAL, "no such block while no step runs");
    memcpy(plan->slot + (size_t)block * plan->desc.block_size, src, toy_kv_bytes(dev, plan));
    return 0;
}

static int step_check(const struct lm_plan *p, const struct lm_step *st, struct lm_err *err)
{
    const struct lm_plan_desc *d = &p->desc;
    if (st->n_tok < 1 || st->n_tok > d->max_tok || st->n_seq < 1 || st->n_seq > d->max_seq || st->n_out > d->max_out)
        return lm_fail(err, LM_EINVAL, "step too large");
    if (st->seq_row[0] != 0 || st->seq_row[st->n_seq] != st->n_tok)
        return lm_fail(err, LM_EINVAL, "rows do not cover the step");
    for (uint32_t s = 0; s < st->n_seq; s++)
        for (uint32_t r = st->seq_row[s]; r < st->seq_row[s + 1]; r++) {
            bool next = r == st->seq_row[s] || st->pos[r] == st->pos[r - 1] + 1;
            if (!next || st->pos[r] < 0 || (uint32_t)st->pos[r] >= d->max_len || st->token[r] < 0 ||
                (uint32_t)st->token[r] >= d->graph->n_vocab)
                return lm_fail(err, LM_EINVAL, "row %u is wrong", (unsigned)r);
            if (st->block_table[(size_t)s * st->table_stride + (uint32_t)st->pos[r] / d->block_size] >= d->n_block)
                return lm_fail(err, LM_EINVAL, "row %u has no block", (unsigned)r);
        }
    return 0;
}

static struct slot *slot_at(const struct lm_plan *p, const struct lm_step *st, uint32_t s, uint32_t pos)
{
    uint32_t size = p->desc.block_size;
    return &p->slot[(size_t)st->block_table[(size_t)s * st->table_stride + pos / size] * size + pos % size];
}

static void answer(const struct lm_plan *p, const struct lm_step *st, uint32_t s, uint32_t row, uint32_t o, const struct lm_dev *dev)
{
    const struct lm_sampling *how = &st->sampling[o];
    struct lm_sampled *out = &st->sampled[o];
    uint64_t h = begin();
    for (uint32_t i = dev->blind ? (uint32_t)st->pos[row] : 0; i <= (uint32_t)st->pos[row]; i++) {
        const struct slot *at = slot_at(p, st, s, i);
        h = mix(mix(h, (uint64_t)at->token), (uint64_t)at->pos);
    }
    *out = (struct lm_sampled){.token = choose(h, (size_t)st->pos[row] + 1, p->desc.graph->n_vocab, dev->period, how)};
    if (how->given) {
        out->token = how->given_token;
        out->rank = 1 + (uint32_t)how->given_token % 5;
    }
    if (how->logprob)
        out->logprob = -0.5f * (float)(out->token % 7);
    out->n_top = how->n_logprobs;
    for (uint32_t i = 0; i < out->n_top; i++) {
        out->top_id[i] = (int32_t)(((uint32_t)out->token + i) % p->desc.graph->n_vocab);
        out->top_logprob[i] = -(float)i;
    }
}

static int toy_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *st, struct lm_err *err)
{
    int rc = step_check(plan, st, err);
    if (rc)
        return rc;
    if (dev->running)
        return lm_fail(err, LM_EINVAL, "a step is running");
    dev->running = plan;
    dev->step = st;
    memset(st->sampled, 0x55, st->n_out * sizeof *st->sampled);
    return 0;
}

static int toy_sync(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err)
{
    struct lm_plan *plan = dev->running;
    const struct lm_step *st = dev->step;
    if (!plan)
        return 0;
    dev->running = NULL;
    for (uint32_t s = 0; s < st->n_seq; s++)
        for (uint32_t r = st->seq_row[s]; r < st->seq_row[s + 1]; r++)
            *slot_at(plan, st, s, (uint32_t)st->pos[r]) = (struct slot){st->token[r], st->pos[r]};
    for (uint32_t o = 0, s = 0; o < st->n_out; o++) {
        if (st->out_row[o] < st->seq_row[s])
            s = 0;
        while (st->out_row[o] >= st->seq_row[s + 1])
            s++;
        answer(plan, st, s, st->out_row[o], o, dev);
    }
    return 0;
}

const struct lm_backend lm_toy_backend = {
    .abi = LM_BACKEND_ABI, .size = sizeof(struct lm_backend), .name = "toy", .version = "1", .caps = LM_CAP_BATCH_INVARIANT,
    .score = toy_score, .devices = toy_devices, .open = toy_open, .close = toy_close, .mem = toy_mem,
    .weight_create = toy_weight_create, .weight_destroy = toy_weight_destroy, .pack = toy_pack,
    .measure = toy_measure, .prepare = toy_prepare, .release = toy_release, .copy_in = toy_copy_in, .copy_out = toy_copy_out,
    .launch = toy_launch, .sync = toy_sync, .kv_bytes = toy_kv_bytes, .kv_out = toy_kv_out, .kv_in = toy_kv_in,
};

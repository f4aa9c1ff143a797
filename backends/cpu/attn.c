/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention's walk: items of work, chunks of keys, tiles of query rows. The arithmetic is the ISA's (attn_kern.h).
 * A query row here is (row of the step, head); those of one item share their keys, chunk by chunk.
 */
#include "backends/cpu/attn_kern.h"

#include <assert.h>
#include <math.h>

enum {
    MAX_ROWS = 96,            /* query rows an item aims at */
    ITEMS_PER_THREAD = 4,
    N_GROUP = CPU_ATTN_CHUNK / (CPU_ATTN_LANE * CPU_ATTN_GROUP),
};

static const size_t join_max = 64u << 20;

/** How the work of one call is cut. */
struct plan {
    uint32_t run;     /* rows of an item */
    uint32_t n_run;
    uint32_t n_part;  /* ranges of chunks; > 1: runs are single rows and chunks go to `join` */
    uint32_t n_chunk; /* most chunks of a row, where n_part > 1 */
};

/** What an item works on. */
struct job {
    const struct cpu_attn *a;
    struct cpu_kv_shape shape;
    const uint32_t *table;
    uint32_t row0, n_row, kv_head, group; /* group: query heads of the KV head */
    uint32_t n_chunk;                     /* of plan */
    float *max, *sum, *o;                 /* of each query row; o [..][v_dim] */
    float *q, *s, *part;                  /* of a tile: [k_dim], [CPU_ATTN_CHUNK], [v_dim] */
    int16_t *q_int, *weight;              /* of a tile, with an integer cache: [k_dim in whole 32s], [CPU_ATTN_CHUNK] */
    float *q_scale;
    uint8_t *sub_k;                       /* CPU_ATTN_GROUP sub-tiles put together from narrower ones */
};

struct range { uint32_t lo, hi; };

/** One behind the last position of the row's sequence in the step. */
static uint32_t end_of(const struct lm_step *st, uint32_t row)
{
    uint32_t lo = 0, hi = st->n_seq;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        *(st->seq_row[mid] <= row ? &lo : &hi) = mid;
    }
    return (uint32_t)st->pos[st->seq_row[lo + 1] - 1] + 1;
}

/** The positions that a row sees. */
static struct range seen(const struct cpu_attn *a, uint32_t row)
{
    uint32_t p = (uint32_t)a->step->pos[row], end = p + 1;
    if (a->whole) {
        end = end_of(a->step, row);
        end = a->window && end - p > a->window ? p + a->window : end;
    }
    return (struct range){a->window && p >= a->window ? p - a->window + 1 : 0, end};
}

static struct range chunks(const struct cpu_attn *a, uint32_t row0, uint32_t n_row)
{
    return (struct range){seen(a, row0).lo / CPU_ATTN_CHUNK, (seen(a, row0 + n_row - 1).hi - 1) / CPU_ATTN_CHUNK + 1};
}

static struct range within(struct range r, uint32_t chunk)
{
    uint32_t first = chunk * CPU_ATTN_CHUNK, last = first + CPU_ATTN_CHUNK;
    r.lo = r.lo < first ? first : r.lo > last ? last : r.lo;
    r.hi = r.hi < r.lo ? r.lo : r.hi > last ? last : r.hi;
    return (struct range){r.lo - first, r.hi - first};
}

static size_t slot_floats(uint32_t head_dim)
{
    return (head_dim + CPU_ATTN_LANE - 1) / CPU_ATTN_LANE * CPU_ATTN_LANE + CPU_ATTN_LANE; /* columns in whole vectors, maximum, sum */
}

size_t cpu_attn_join_bytes(uint32_t n_head, uint32_t head_dim, uint32_t max_tok, uint32_t max_len, uint32_t n_thread)
{
    size_t rows = (size_t)ITEMS_PER_THREAD * n_thread;
    rows = max_tok < rows ? max_tok : rows;
    size_t bytes = rows * n_head * (max_len / CPU_ATTN_CHUNK + 1) * slot_floats(head_dim) * sizeof(float);
    return bytes < join_max ? bytes : join_max;
}

static struct plan plan(const struct cpu_attn *a, uint32_t n_thread)
{
    const struct lm_step *st = a->step;
    uint32_t n_kv = a->kv->n_kv_head, most = MAX_ROWS / (a->n_head / n_kv), want = ITEMS_PER_THREAD * n_thread;
    struct plan p = {.n_part = 1};
    uint32_t even = (uint32_t)((uint64_t)st->n_tok * n_kv / want);
    p.run = even < most ? even : most;
    p.run = p.run < 2 ? 1 : p.run < CPU_ATTN_TILE ? p.run : p.run / CPU_ATTN_TILE * CPU_ATTN_TILE;
    for (uint32_t s = 0; s < st->n_seq && p.run > 1; s++)
        p.n_run += (st->seq_row[s + 1] - st->seq_row[s] + p.run - 1) / p.run;
    if (p.run > 1)
        return p;
    p.n_run = st->n_tok;
    if (st->n_tok * n_kv >= want)
        return p;
    for (uint32_t r = 0; r < st->n_tok; r++) {
        struct range c = chunks(a, r, 1);
        p.n_chunk = c.hi - c.lo > p.n_chunk ? c.hi - c.lo : p.n_chunk;
    }
    uint32_t parts = st->n_tok ? (want + st->n_tok * n_kv - 1) / (st->n_tok * n_kv) : 1;
    parts = p.n_chunk < parts ? p.n_chunk : parts;
    if ((size_t)st->n_tok * a->n_head * p.n_chunk * slot_floats(a->kv->head_dim) * sizeof(float) <= join_max)
        p.n_part = parts ? parts : 1;
    return p;
}

/** Rows and sequence of a run. */
static uint32_t find_run(const struct cpu_attn *a, const struct plan *p, uint32_t run, struct job *out)
{
    const struct lm_step *st = a->step;
    uint32_t s = st->n_tok == st->n_seq && p->run == 1 ? run : 0; /* one row each */
    run -= s;
    for (;; s++) {
        uint32_t n_row = st->seq_row[s + 1] - st->seq_row[s], n = (n_row + p->run - 1) / p->run;
        if (run < n) {
            out->row0 = st->seq_row[s] + run * p->run;
            out->n_row = n_row - run * p->run < p->run ? n_row - run * p->run : p->run;
            return s;
        }
        run -= n;
    }
}

static float *slot(const struct cpu_attn *a, uint32_t n_chunk, uint32_t row, uint32_t head, uint32_t i)
{
    return (float *)a->join + (((size_t)row * a->n_head + head) * n_chunk + i) * slot_floats(a->kv->head_dim);
}

static void add_part(const struct job *j, uint32_t i, float max, float sum, const float *part)
{
    float m = j->max[i] > max ? j->max[i] : max, was = expf(j->max[i] - m), is = expf(max - m);
    cpu_kern_get(j->a->isa)->attn->join(j->o + (size_t)i * j->shape.v_dim, was, part, is, j->shape.v_dim);
    j->sum[i] = j->sum[i] * was + sum * is;
    j->max[i] = m;
}

static void keep_part(const struct job *j, uint32_t i, uint32_t chunk, float max, float sum, const float *part)
{
    uint32_t head = j->kv_head * j->group + i;
    float *at = slot(j->a, j->n_chunk, j->row0, head, chunk - chunks(j->a, j->row0, 1).lo);
    memcpy(at, part, j->shape.v_dim * sizeof *at);
    at[j->shape.v_dim] = max;
    at[j->shape.v_dim + 1] = sum;
}

static const uint8_t *sub_tile(const struct job *j, uint32_t pos)
{
    const struct cpu_kv *kv = j->a->kv;
    uint32_t block = j->table[pos / kv->block_size];
    return kv->data + block * kv->block_bytes + j->kv_head * j->shape.head_bytes;
}

static const uint8_t *sub_k(const struct job *j, uint32_t pos)
{
    return sub_tile(j, pos) + pos % j->a->kv->block_size / j->shape.width * j->shape.sub_k_bytes;
}

static const uint8_t *sub_v(const struct job *j, uint32_t pos)
{
    return sub_tile(j, pos) + j->shape.v_offset + pos % j->a->kv->block_size / j->shape.width * j->shape.sub_v_bytes;
}

/** Two sub-tiles of 8 positions as one of 16. */
static const uint8_t *widen(const struct job *j, uint32_t pos, uint32_t end, uint8_t *dst)
{
    size_t run = 8 * j->shape.unit, scales = j->shape.sub_k_bytes - j->shape.k_scale;
    const uint8_t *a = sub_k(j, pos), *b = pos + 8 < end ? sub_k(j, pos + 8) : a;
    uint32_t n = j->shape.k_dim / j->shape.pair;
    for (uint32_t d = 0; d < n; d++) {
        memcpy(dst + 2 * d * run, a + d * run, run);
        memcpy(dst + (2 * d + 1) * run, b + d * run, run);
    }
    memcpy(dst + 2 * n * run, a + j->shape.k_scale, scales);
    memcpy(dst + 2 * n * run + scales, b + j->shape.k_scale, scales);
    return dst;
}

/** Scores of a tile's n_q rows against the positions r of the chunk at `first`. */
static void scores(const struct job *j, uint32_t n_q, uint32_t first, struct range r)
{
    const uint8_t *k[CPU_ATTN_GROUP];
    uint32_t span = CPU_ATTN_LANE * CPU_ATTN_GROUP;
    for (uint32_t g = r.lo / CPU_ATTN_LANE * CPU_ATTN_LANE; g < r.hi; g += span) {
        uint32_t n = 0;
        for (uint32_t i = g; i < r.hi && n < CPU_ATTN_GROUP; i += CPU_ATTN_LANE, n++)
            k[n] = j->shape.width == CPU_ATTN_LANE ? sub_k(j, first + i) :
                widen(j, first + i, first + r.hi, j->sub_k + n * 2 * j->shape.sub_k_bytes);
        const struct cpu_attn_kern *kern = cpu_kern_get(j->a->isa)->attn;
        if (cpu_kv_is_int(j->a->kv->dtype))
            kern->qk_int(j->a->kv->dtype, j->q_int, n_q, k, n, j->shape.k_dim, j->s + g);
        else
            kern->qk(j->a->kv->dtype, j->q, n_q, k, n, j->shape.k_dim, j->s + g);
    }
}

/** The weights of a tile's rows as integers, then pv_int(). v: the sub-tiles, mine: what each row sees of the chunk. */
static void int_values(const struct job *j, uint32_t n_q, const uint8_t *const *v, const struct range *mine, struct range r)
{
    const struct cpu_attn_kern *kern = cpu_kern_get(j->a->isa)->attn;
    float v_scale[CPU_ATTN_CHUNK], scale[CPU_ATTN_TILE];
    uint32_t width = j->shape.width, first = r.lo / CPU_ATTN_LANE * CPU_ATTN_LANE;
    for (uint32_t i = first; i < r.hi; i += width)
        if (v[i / width])
            memcpy(v_scale + i, v[i / width] + j->shape.v_scale, width * sizeof *v_scale);
    for (uint32_t t = 0; t < n_q; t++) {
        int16_t *w = j->weight + t * CPU_ATTN_CHUNK;
        memset(w + first, 0, ((r.hi + CPU_ATTN_LANE - 1) / CPU_ATTN_LANE * CPU_ATTN_LANE - first) * sizeof *w);
        scale[t] = mine[t].lo < mine[t].hi ? kern->weigh(j->s + t * CPU_ATTN_CHUNK, v_scale, mine[t].lo, mine[t].hi, w) : 0;
    }
    kern->pv_int(j->a->kv->dtype, j->weight, scale, n_q, v, width == 8 ? 3 : 4, r.lo, r.hi, j->shape.v_dim, j->part);
}

static void values(const struct job *j, uint32_t n_q, uint32_t first, const struct range *mine, struct range r)
{
    const uint8_t *v[CPU_ATTN_CHUNK / 8] = {0};
    for (uint32_t i = r.lo / j->shape.width; i * j->shape.width < r.hi; i++)
        v[i] = sub_v(j, first + i * j->shape.width);
    if (cpu_kv_is_int(j->a->kv->dtype))
        int_values(j, n_q, v, mine, r);
    else
        cpu_kern_get(j->a->isa)->attn->pv(j->a->kv->dtype, j->s, n_q, v, j->shape.width == 8 ? 3 : 4, r.lo, r.hi, j->shape.v_dim, j->part);
}

static size_t whole_32(uint32_t n)
{
    return (n + 31u) / 32 * 32;
}

static void load_q(const struct job *j, uint32_t i0, uint32_t n_q)
{
    uint32_t dim = j->a->kv->head_dim;
    for (uint32_t t = 0; t < n_q; t++) {
        uint32_t row = j->row0 + (i0 + t) / j->group, head = j->kv_head * j->group + (i0 + t) % j->group;
        const float *from = j->a->q + ((size_t)row * j->a->n_head + head) * dim;
        float *q = j->q + (size_t)t * j->shape.k_dim;
        j->q_scale[t] = 1;
        if (cpu_kv_is_int(j->a->kv->dtype)) {
            j->q_scale[t] = cpu_kern_get(j->a->isa)->attn->quantize(from, dim, 32767, CPU_ATTN_NORM, j->q_int + t * whole_32(j->shape.k_dim));
            continue;
        }
        memcpy(q, from, dim * sizeof *q);
        if (j->shape.k_dim > dim)
            q[dim] = 0;
    }
}

/** Row i's scores s of the positions r of a chunk, before scale but times *q_scale, which becomes 1, with what ALiBi adds. */
static void add_slope(const struct job *j, uint32_t i, uint32_t first, struct range r, float *q_scale, float *s)
{
    const struct cpu_attn *a = j->a;
    float slope = a->slope[j->kv_head * j->group + i % j->group] / a->scale;
    float pos = (float)a->step->pos[j->row0 + i / j->group] - (float)first;
    for (uint32_t p = r.lo; p < r.hi; p++)
        s[p] = s[p] * *q_scale + slope * ((float)p - pos);
    *q_scale = 1;
}

/** Query rows i0 .. i0 + n_q - 1 of the item against one chunk. */
static void tile(const struct job *j, uint32_t i0, uint32_t n_q, uint32_t chunk)
{
    const struct cpu_attn *a = j->a;
    const struct cpu_attn_kern *kern = cpu_kern_get(a->isa)->attn;
    struct range r = {seen(a, j->row0 + i0 / j->group).lo, seen(a, j->row0 + (i0 + n_q - 1) / j->group).hi};
    r = within(r, chunk);
    if (r.lo >= r.hi)
        return;
    load_q(j, i0, n_q);
    scores(j, n_q, chunk * CPU_ATTN_CHUNK, r);
    float max[CPU_ATTN_TILE], sum[CPU_ATTN_TILE];
    struct range mine[CPU_ATTN_TILE];
    for (uint32_t t = 0; t < n_q; t++) {
        mine[t] = within(seen(a, j->row0 + (i0 + t) / j->group), chunk);
        if (a->slope)
            add_slope(j, i0 + t, chunk * CPU_ATTN_CHUNK, mine[t], &j->q_scale[t], j->s + t * CPU_ATTN_CHUNK);
        sum[t] = kern->softmax(j->s + t * CPU_ATTN_CHUNK, (r.hi + CPU_ATTN_LANE - 1) / CPU_ATTN_LANE * CPU_ATTN_LANE, mine[t].lo,
                               mine[t].hi, a->scale * j->q_scale[t], a->softcap, &max[t]);
    }
    values(j, n_q, chunk * CPU_ATTN_CHUNK, mine, r);
    for (uint32_t t = 0; t < n_q; t++)
        if (mine[t].lo >= mine[t].hi)
            continue;
        else if (j->n_chunk)
            keep_part(j, i0 + t, chunk, max[t], sum[t], j->part + (size_t)t * j->shape.v_dim);
        else
            add_part(j, i0 + t, max[t], sum[t], j->part + (size_t)t * j->shape.v_dim);
}

/** Lay the item's buffers out in scratch. */
static void use_scratch(struct job *j, void *scratch)
{
    size_t n_q = (size_t)j->n_row * j->group, v_dim = j->shape.v_dim;
    j->s = scratch;
    j->part = j->s + CPU_ATTN_TILE * CPU_ATTN_CHUNK;
    j->o = j->part + CPU_ATTN_TILE * v_dim;
    j->q = j->o + n_q * v_dim;
    j->max = j->q + (CPU_ATTN_TILE * (size_t)j->shape.k_dim + 15) / 16 * 16;
    j->sum = j->max + n_q;
    j->q_scale = j->sum + n_q;
    j->q_int = (int16_t *)(j->q_scale + CPU_ATTN_TILE);
    j->weight = j->q_int + CPU_ATTN_TILE * whole_32(j->shape.k_dim);
    j->sub_k = (uint8_t *)(j->weight + CPU_ATTN_TILE * CPU_ATTN_CHUNK);
    assert(j->sub_k + 2 * CPU_ATTN_GROUP * j->shape.sub_k_bytes <= (uint8_t *)scratch + CPU_MAT_SCRATCH);
    memset(j->o, 0, n_q * v_dim * sizeof *j->o);
    for (size_t i = 0; i < n_q; i++) {
        j->max[i] = -INFINITY;
        j->sum[i] = 0;
    }
}

static void finish(const struct job *j)
{
    const struct cpu_attn *a = j->a;
    uint32_t v_dim = cpu_kv_v_dim(a->kv);
    for (uint32_t i = 0; i < j->n_row * j->group; i++) {
        uint32_t row = j->row0 + i / j->group, head = j->kv_head * j->group + i % j->group;
        float *y = a->y + ((size_t)row * a->n_head + head) * v_dim, one = 1.0f / j->sum[i];
        if (a->sink) { /* of the larger of both maxima */
            float max = a->sink[head] > j->max[i] ? a->sink[head] : j->max[i], part = expf(j->max[i] - max);
            one = part / (j->sum[i] * part + expf(a->sink[head] - max));
        }
        for (uint32_t d = 0; d < v_dim; d++)
            y[d] = j->o[(size_t)i * j->shape.v_dim + d] * one;
    }
}

uint32_t cpu_attn_n_item(const struct cpu_attn *a, uint32_t n_thread)
{
    struct plan p = plan(a, n_thread);
    return p.n_run * a->kv->n_kv_head * p.n_part;
}

void cpu_attn_item(const struct cpu_attn *a, uint32_t n_thread, uint32_t item, void *scratch)
{
    struct plan p = plan(a, n_thread);
    uint32_t n_kv = a->kv->n_kv_head, n_item = p.n_run * n_kv * p.n_part;
    item = n_item - 1 - item; /* the longest rows of a prompt stand last */
    struct job j = {.a = a, .shape = cpu_kv_shape(a->kv), .group = a->n_head / n_kv};
    uint32_t part = item % p.n_part;
    j.kv_head = item / p.n_part % n_kv;
    j.n_chunk = p.n_part > 1 ? p.n_chunk : 0;
    uint32_t seq = find_run(a, &p, item / p.n_part / n_kv, &j);
    j.table = a->step->block_table + (size_t)seq * a->step->table_stride;
    use_scratch(&j, scratch);
    struct range c = chunks(a, j.row0, j.n_row);
    uint32_t n = c.hi - c.lo, n_q = j.n_row * j.group;
    for (uint32_t chunk = c.lo + n * part / p.n_part; chunk < c.lo + n * (part + 1) / p.n_part; chunk++)
        for (uint32_t i = 0; i < n_q; i += CPU_ATTN_TILE)
            tile(&j, i, n_q - i < CPU_ATTN_TILE ? n_q - i : CPU_ATTN_TILE, chunk);
    if (p.n_part == 1)
        finish(&j);
}

uint32_t cpu_attn_n_join(const struct cpu_attn *a, uint32_t n_thread)
{
    return plan(a, n_thread).n_part > 1 ? a->step->n_tok * a->n_head : 0;
}

void cpu_attn_join(const struct cpu_attn *a, uint32_t n_thread, uint32_t item)
{
    uint32_t row = item / a->n_head, head = item % a->n_head, n_chunk = plan(a, n_thread).n_chunk;
    struct range c = chunks(a, row, 1);
    float o[CPU_ATTN_MAX_DIM], max = -INFINITY, sum = 0;
    struct job j = {.a = a, .row0 = row, .n_row = 1, .kv_head = head, .group = 1, .max = &max, .sum = &sum, .o = o};
    j.shape = cpu_kv_shape(a->kv);
    memset(o, 0, sizeof o);
    for (uint32_t i = 0; i < c.hi - c.lo; i++) {
        const float *at = slot(a, n_chunk, row, head, i);
        add_part(&j, 0, at[j.shape.v_dim], at[j.shape.v_dim + 1], at);
    }
    finish(&j);
}

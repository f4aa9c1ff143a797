/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/fuse_read.h"
#include "backends/gpu/run.h"
#include "ops/graph.h"

#include <stdlib.h>

enum { TILE_ROWS = 64, GEMM_TILES = 16, MAX_PARTS = 4096, MIN_SPAN = 128, MIN_SPAN_1 = 64 };

_Static_assert(sizeof(struct gpu_phase) == 112 + 25 * 8, "struct phase of phase.cl has no padding");

struct gpu_fuse {
    struct gpu_phases one, many; /* of steps of one row; of more */
    struct gpu_kernel *step[3], *gemm, *rows, *flash;
    struct gpu_buf **half; /* [n_act] activations that matmuls read, as f16; NULL: none */
    struct gpu_buf *bar, *count, *best;
    uint32_t target; /* of the barrier's counter, which wraps */
};

static void buffers_of(const struct gpu_plan *p, const struct gpu_fuse *f, struct gpu_buf **out)
{
    const struct lm_graph *g = p->desc.graph;
    struct gpu_places s = gpu_fuse_places(p);
    for (uint32_t i = 0; i < g->n_act; i++) {
        out[i] = p->act[i];
        out[s.half + i] = f->half[i];
    }
    for (uint32_t i = 0; i < g->n_layer; i++) {
        out[s.key + i] = p->kv[i].k;
        out[s.value + i] = p->kv[i].v;
    }
    for (uint32_t i = 0; i < p->n_angles; i++)
        out[s.angles + i] = p->angles[i].table;
    for (uint32_t i = 0; i < g->n_op; i++) {
        out[s.w + i] = g->op[i].w ? gpu_weight_of(g->op[i].w)->slice[0].buf : NULL;
        out[s.b + i] = g->op[i].b ? gpu_weight_of(g->op[i].b)->slice[0].buf : NULL;
    }
    out[s.part] = p->part;
    out[s.part + 1] = f->count;
    out[s.part + 2] = f->best;
    out[s.part + 3] = p->token;
    out[s.part + 4] = p->peer ? p->peer->address : NULL;
}

static bool is_matmul_input(const struct lm_graph *g, uint32_t act)
{
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_MATMUL && g->op[i].x == act)
            return true;
    return false;
}

static size_t half_bytes(const struct lm_plan_desc *d, uint32_t act)
{
    size_t rows = d->graph->act[act].rows == LM_ROWS_TOK ? d->max_tok : d->max_out ? d->max_out : 1;
    return (rows + TILE_ROWS - 1) / TILE_ROWS * (size_t)TILE_ROWS * d->graph->act[act].dim * 2;
}

size_t gpu_fuse_bytes(const struct lm_plan_desc *d)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < d->graph->n_act; i++)
        bytes += is_matmul_input(d->graph, i) ? half_bytes(d, i) : 0;
    return bytes;
}

static int make_zeroed(struct gpu_driver *d, size_t bytes, struct gpu_buf **out, struct lm_err *err)
{
    int rc = d->call->buf_create(d, bytes, out, err);
    return rc == 0 ? gpu_zero(d, *out, bytes, err) : rc;
}

static uint32_t most_heads(const struct lm_graph *g)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_ATTENTION && g->op[i].u.attn.n_head > n)
            n = g->op[i].u.attn.n_head;
    return n;
}

static bool make_phases(const struct lm_graph *g, struct gpu_phases *l)
{
    l->at = calloc((size_t)g->n_op + 2, sizeof *l->at);
    l->reduce = calloc((size_t)g->n_op + 2, sizeof *l->reduce);
    return l->at && l->reduce;
}

static int make_memory(const struct gpu_plan *p, struct gpu_fuse *f, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    int rc = 0;
    f->half = calloc((size_t)g->n_act + 1, sizeof *f->half);
    if (!f->half || !make_phases(g, &f->one) || !make_phases(g, &f->many))
        return lm_fail(err, LM_ENOMEM, "no memory for phases");
    for (uint32_t i = 0; i < g->n_act && rc == 0; i++)
        if (is_matmul_input(g, i))
            rc = p->drv->call->buf_create(p->drv, half_bytes(&p->desc, i), &f->half[i], err);
    if (rc == 0)
        rc = make_zeroed(p->drv, 256, &f->bar, err);
    if (rc == 0)
        rc = make_zeroed(p->drv, (size_t)GPU_FUSE_ROWS * most_heads(g) * 4, &f->count, err);
    return rc == 0 ? p->drv->call->buf_create(p->drv, MAX_PARTS * 12, &f->best, err) : rc;
}

static int get_kernels(const struct gpu_plan *p, struct gpu_lib *lib, struct gpu_fuse *f, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    uint32_t head_dim = 0;
    for (uint32_t i = 0; i < g->n_op; i++)
        head_dim = g->op[i].kind == LM_OP_ATTENTION ? g->op[i].u.attn.head_dim : head_dim;
    enum gpu_program_id prefill = head_dim == 64 ? GPU_PREFILL_64 : GPU_PREFILL_128;
    const int step = p->peer ? GPU_RANK_1 : GPU_STEP_1;
    struct gpu_need need = {0};
    for (int i = 0; i < 3; i++)
        need.program[step + i] = true;
    need.program[prefill] = need.program[GPU_PEER] = true;
    int rc = gpu_lib_build(lib, &need, err);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = gpu_lib_kernel(lib, (enum gpu_program_id)(step + i), "step", &f->step[i], err);
    if (rc == 0)
        rc = gpu_lib_kernel(lib, prefill, "gemm", &f->gemm, err);
    if (rc == 0)
        rc = gpu_lib_kernel(lib, prefill, "rows", &f->rows, err);
    return rc == 0 ? gpu_lib_kernel(lib, prefill, "flash", &f->flash, err) : rc;
}

/* Heads of one size, a cache of f16, and tiles wherever a matrix is: what is needed at least. */
static bool may_fuse(const struct gpu_plan *p)
{
    const struct lm_graph *g = p->desc.graph;
    uint32_t head_dim = 0;
    if (p->drv->caps.class != GPU_NVIDIA || p->desc.kv_dtype != LM_KV_F16 || p->drv->caps.n_unit > MAX_PARTS || (p->desc.block_size & (p->desc.block_size - 1)))
        return false;
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        if ((op->kind == LM_OP_MATMUL && gpu_weight_of(op->w)->layout != GPU_TILED) || (lm_op_is_collective(op->kind) && !p->peer))
            return false;
        if (op->kind == LM_OP_ATTENTION && head_dim && head_dim != op->u.attn.head_dim)
            return false;
        head_dim = op->kind == LM_OP_ATTENTION ? op->u.attn.head_dim : head_dim;
    }
    return head_dim != 0;
}

static int read_graph(struct gpu_plan *p, struct gpu_lib *lib, struct gpu_fuse *f, bool *out_good, struct lm_err *err)
{
    size_t n = gpu_fuse_places(p).n, n_act = p->desc.graph->n_act;
    struct gpu_buf **buf = calloc(n, sizeof *buf);
    uint64_t *address = calloc(n, sizeof *address);
    bool *has_half = calloc(2 * n_act + 1, sizeof *has_half);
    int rc = buf && address && has_half ? 0 : lm_fail(err, LM_ENOMEM, "no memory for %zu addresses", n);
    if (rc == 0) {
        buffers_of(p, f, buf);
        rc = gpu_peer_addresses(lib, buf, n, address, err);
    }
    if (rc == 0)
        *out_good = gpu_fuse_read(&(struct gpu_reader){.p = p, .merge = true, .has_half = has_half, .out = &f->one, .address = address}) &&
                    gpu_fuse_read(&(struct gpu_reader){.p = p, .has_half = has_half + n_act, .out = &f->many, .address = address});
    free(buf), free(address), free(has_half);
    return rc;
}

static int upload(struct gpu_driver *d, struct gpu_phases *l, struct lm_err *err)
{
    int rc = d->call->buf_create(d, l->n * sizeof *l->at, &l->buf, err);
    return rc == 0 ? d->call->write(d, l->buf, 0, l->at, l->n * sizeof *l->at, err) : rc;
}

int gpu_fuse_create(struct gpu_lib *lib, struct gpu_plan *p, struct gpu_fuse **out, struct lm_err *err)
{
    bool good = false;
    *out = NULL;
    if (!may_fuse(p))
        return 0;
    struct gpu_fuse *f = calloc(1, sizeof *f);
    int rc = f ? make_memory(p, f, err) : lm_fail(err, LM_ENOMEM, "no memory for phases");
    if (rc == 0)
        rc = get_kernels(p, lib, f, err);
    if (rc == 0)
        rc = read_graph(p, lib, f, &good, err);
    if (rc == 0 && good)
        rc = upload(p->drv, &f->one, err);
    if (rc == 0 && good)
        rc = upload(p->drv, &f->many, err);
    if (rc < 0 || !good) {
        gpu_fuse_destroy(p, f);
        return rc;
    }
    *out = f;
    return 0;
}

void gpu_fuse_destroy(struct gpu_plan *p, struct gpu_fuse *f)
{
    struct gpu_driver *d = p->drv;
    if (!f)
        return;
    for (uint32_t i = 0; f->half && i < p->desc.graph->n_act; i++)
        d->call->buf_destroy(d, f->half[i]);
    d->call->buf_destroy(d, f->one.buf), d->call->buf_destroy(d, f->many.buf);
    d->call->buf_destroy(d, f->bar), d->call->buf_destroy(d, f->count), d->call->buf_destroy(d, f->best);
    free(f->half), free(f->one.at), free(f->many.at), free(f->one.reduce), free(f->many.reduce);
    free(f);
}

size_t gpu_fuse_step_words(const struct lm_plan_desc *d)
{
    return 2 * ((size_t)d->max_tok / TILE_ROWS + d->max_seq + 1);
}

uint32_t gpu_fuse_step_tiles(const struct lm_step *step, int32_t *out)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < step->n_seq; s++)
        for (uint32_t r = step->seq_row[s]; r < step->seq_row[s + 1]; r += TILE_ROWS, n++) {
            uint32_t left = step->seq_row[s + 1] - r;
            out[2 * n] = (int32_t)r;
            out[2 * n + 1] = (int32_t)(left < TILE_ROWS ? left : TILE_ROWS);
        }
    return n;
}

/* list and index, or list and length with the barrier; then the step's inputs; up to five more. */
static int launch(struct gpu_plan *p, const struct lm_step *step, struct gpu_kernel *k, const struct gpu_arg *first, uint32_t n_first,
                  const uint32_t *more, uint32_t n_more, const uint32_t groups[2], uint32_t local, struct lm_err *err)
{
    const uint32_t u[] = {step->n_tok, step->n_out, p->pos_at, p->seq_at, p->out_at, p->table_at, p->stride};
    struct gpu_arg a[20];
    uint32_t n = 0;
    if (groups[0] == 0 || groups[1] == 0)
        return 0;
    for (uint32_t i = 0; i < n_first; i++)
        a[n++] = first[i];
    a[n++] = (struct gpu_arg){.kind = GPU_ARG_BUF, .buf = p->step};
    for (uint32_t i = 0; i < 7; i++)
        a[n++] = (struct gpu_arg){.kind = GPU_ARG_U32, .u = u[i]};
    for (uint32_t i = 0; i < n_more; i++)
        a[n++] = (struct gpu_arg){.kind = GPU_ARG_U32, .u = more[i]};
    const struct gpu_launch l = {.kernel = k, .groups = {groups[0], groups[1]}, .local = local, .arg = a, .n_arg = n};
    return p->drv->call->launch(p->drv, &l, err);
}

/*
 * How many of a group's warps take an item of attention, `longest` keys: so that the groups, whose turns end together, are
 * done first. A turn costs as much as some keys besides.
 */
static uint32_t warps_for(uint32_t items, uint32_t longest, uint32_t warps, uint32_t n_group)
{
    enum { TURN = 16 };
    uint32_t best = warps, least = UINT32_MAX;
    for (uint32_t width = warps; width > 0; width /= 2) {
        uint32_t at_once = n_group * (warps / width), time = (items + at_once - 1) / at_once * (longest / width + TURN);
        if (time < least) {
            least = time;
            best = width;
        }
    }
    return best;
}

static int launch_step(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, struct lm_err *err)
{
    uint32_t rows = step->n_tok > step->n_out ? step->n_tok : step->n_out, n_group = p->drv->caps.n_unit, longest = 1;
    struct gpu_phases *l = rows == 1 ? &f->one : &f->many;
    for (uint32_t r = 0; r < step->n_tok; r++)
        longest = (uint32_t)step->pos[r] + 1 > longest ? (uint32_t)step->pos[r] + 1 : longest;
    uint32_t items = step->n_tok * most_heads(p->desc.graph), n = items && n_group > items ? n_group / items : 1;
    uint32_t least = rows == 1 ? MIN_SPAN_1 : MIN_SPAN, span = ((longest + n - 1) / n + least - 1) / least * least;
    if (n == 1)
        span = longest;
    int k = rows == 1 ? 0 : rows <= 16 ? 1 : 2;
    uint32_t warps = k == 2 ? 8 : 16, n_split = (longest + span - 1) / span;
    uint32_t width = n_split == 1 ? warps_for(items, longest, warps, n_group) : warps;
    const uint32_t more[] = {n_split, span, width, p->peer ? p->peer->turn : 0, p->peer ? p->peer->rank : 0}, groups[] = {n_group, 1};
    const struct gpu_arg first[] = {{.kind = GPU_ARG_BUF, .buf = l->buf}, {.kind = GPU_ARG_U32, .u = l->n},
                                    {.kind = GPU_ARG_BUF, .buf = f->bar}, {.kind = GPU_ARG_U32, .u = f->target}};
    f->target += (l->n - 1) * n_group;
    if (p->peer)
        p->peer->turn += l->n_turn;
    return launch(p, step, f->step[k], first, 4, more, 5, groups, warps * 32, err);
}

static int launch_phase(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, uint32_t i, uint32_t tiles_at, uint32_t n_tile,
                        struct lm_err *err)
{
    const struct gpu_phase *ph = &f->many.at[i];
    const struct gpu_arg first[] = {{.kind = GPU_ARG_BUF, .buf = f->many.buf}, {.kind = GPU_ARG_U32, .u = i}};
    uint32_t rows = ph->out ? step->n_out : step->n_tok, tiles = ph->tiles[0] + ph->tiles[1] + ph->tiles[2];
    const uint32_t gemm[] = {(rows + TILE_ROWS - 1) / TILE_ROWS, (tiles + GEMM_TILES - 1) / GEMM_TILES};
    const uint32_t flash[] = {n_tile, ph->n_head}, norm[] = {rows, 1}, gather[] = {rows < 64 ? rows * 4 : 256, 1};
    switch (ph->kind) {
    case PH_MATMUL: return launch(p, step, f->gemm, first, 2, NULL, 0, gemm, 128, err);
    case PH_NORM: return launch(p, step, f->rows, first, 2, NULL, 0, norm, 128, err);
    case PH_GATHER: return launch(p, step, f->rows, first, 2, NULL, 0, gather, 128, err);
    case PH_ATTENTION: return launch(p, step, f->flash, first, 2, &tiles_at, 1, flash, 128, err);
    default: return 0;
    }
}

/* The sum over ranks behind a phase, and the residual add that would be the phase's own. */
static int launch_sum(struct gpu_plan *p, const struct gpu_fuse *f, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    uint32_t op = f->many.reduce[i];
    int rc = op ? gpu_run_op(p, step, op, err) : 0;
    return rc == 0 && op && f->many.at[i].epi == EPI_ADD ? gpu_run_op(p, step, op + 1, err) : rc;
}

uint32_t gpu_fuse_first(const struct gpu_fuse *f)
{
    return f->many.first;
}

int gpu_fuse_launch(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, uint32_t *out_end, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    bool few = step->n_tok <= GPU_FUSE_ROWS && step->n_out <= GPU_FUSE_ROWS, samples = g->op[f->many.end - 1].kind == LM_OP_SAMPLE;
    *out_end = f->many.end - (samples && !few);
    if (step->n_tok == 0)
        return 0;
    if (few)
        return launch_step(p, f, step, err);
    int rc = 0;
    for (uint32_t i = 0; i < f->many.n && rc == 0; i++) {
        rc = launch_phase(p, f, step, i, p->tiles_at, p->n_tile, err);
        if (rc == 0)
            rc = launch_sum(p, f, step, i, err);
    }
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/refexec.h"
#include "ops/graph.h"
#include "ops/op_ref.h"
#include <stdlib.h>

enum { KEEP_F32 = 1 << 18 }; /* elements of a weight that is kept as f32; larger ones are dequantized for each op */

struct ref_weight {
    struct lm_weight w; /* first: the handle */
    unsigned char *bytes;
    float *f32;
    uint32_t packed; /* rows */
};

struct lm_dev {
    struct lm_plan *plan; /* whose step runs */
    float *scratch;
    size_t n_scratch;
};

struct lm_plan {
    struct lm_plan_desc desc;
    float **act;
    struct lm_kv_ref *kv;
};

static int score(void)
{
    return 1;
}

static int devices(struct lm_device_info *info, size_t n, struct lm_err *err)
{
    if (n > 0)
        info[0] = (struct lm_device_info){.name = "reference", .driver = "scalar", .kind = "cpu", .mem_bytes = 1u << 30};
    return 1;
}

static void ref_close(struct lm_dev *dev)
{
    if (dev)
        free(dev->scratch);
    free(dev);
}

static int ref_open(const struct lm_open_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    if (desc->device != 0)
        return lm_fail(err, LM_ENOTFOUND, "no device %u", desc->device);
    if (desc->n_option)
        return lm_fail(err, LM_ECONFIG, "unknown key '%s'", desc->option[0].key);
    struct lm_dev *dev = calloc(1, sizeof *dev);
    if (!dev)
        return lm_fail(err, LM_ENOMEM, "no memory");
    *out = dev;
    return 0;
}

static int mem(struct lm_dev *dev, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    *out_free = *out_total = 1u << 30;
    return 0;
}

static void weight_destroy(struct lm_dev *dev, struct lm_weight *w)
{
    struct ref_weight *r = (struct ref_weight *)w;
    if (!r)
        return;
    free(r->bytes);
    free(r->f32);
    free(r);
}

static int weight_create(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready,
                         struct lm_err *err)
{
    const struct lm_qtype_info *q = lm_qtype_info(desc->qtype);
    size_t row = lm_qtype_row_bytes(desc->qtype, desc->cols), n = (size_t)desc->rows * desc->cols;
    if (!q || !q->dequantize || !row || !desc->rows)
        return lm_fail(err, LM_EUNSUPPORTED, "no kernel for type %u", desc->qtype);
    struct ref_weight *r = calloc(1, sizeof *r);
    if (r) {
        r->w = (struct lm_weight){desc->qtype, desc->rows, desc->cols, row * desc->rows};
        r->bytes = malloc(r->w.bytes);
        r->f32 = n <= KEEP_F32 ? malloc(n * sizeof *r->f32) : NULL;
    }
    if (!r || !r->bytes || (n <= KEEP_F32 && !r->f32)) {
        weight_destroy(dev, r ? &r->w : NULL);
        return lm_fail(err, LM_ENOMEM, "no memory for %u x %u", desc->rows, desc->cols);
    }
    *out = &r->w;
    *out_ready = false;
    return 0;
}

static void dequantize(const struct ref_weight *r, float *out)
{
    lm_qtype_dequantize(r->w.qtype, r->bytes, out, r->w.rows, r->w.cols);
}

static int pack(struct lm_dev *dev, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    struct ref_weight *r = (struct ref_weight *)w;
    size_t bytes = lm_qtype_row_bytes(w->qtype, w->cols);
    if (row != r->packed || n == 0 || n > w->rows - row || (n % 64 && row + n != w->rows))
        return lm_fail(err, LM_EINVAL, "rows %u to %u of %u after %u", row, row + n, w->rows, r->packed);
    memcpy(r->bytes + row * bytes, src, n * bytes);
    r->packed += n;
    if (r->packed == w->rows && r->f32)
        dequantize(r, r->f32);
    return 0;
}

/* One weight of an op at most is large: biases are kept as f32. */
static const float *weight_f32(void *arg, const struct lm_weight *w)
{
    struct lm_dev *dev = arg;
    const struct ref_weight *r = (const struct ref_weight *)w;
    if (r->f32)
        return r->f32;
    size_t n = (size_t)w->rows * w->cols;
    if (dev->n_scratch < n) {
        free(dev->scratch);
        dev->scratch = malloc(n * sizeof *dev->scratch);
        if (!dev->scratch)
            abort();
        dev->n_scratch = n;
    }
    dequantize(r, dev->scratch);
    return dev->scratch;
}

static size_t rows_of(const struct lm_plan_desc *d, uint32_t act)
{
    return d->graph->act[act].rows == LM_ROWS_TOK ? d->max_tok : d->max_out;
}

static int measure(struct lm_dev *dev, const struct lm_plan_desc *d, struct lm_plan_size *out, struct lm_err *err)
{
    struct lm_plan_size size = {0};
    for (uint32_t i = 0; i < d->graph->n_act; i++)
        size.scratch_bytes += rows_of(d, i) * d->graph->act[i].dim * sizeof(float);
    for (uint32_t l = 0; l < d->graph->n_layer; l++)
        size.block_bytes += 2 * sizeof(float) * d->block_size * d->graph->kv_head_dim[l];
    *out = size;
    return 0;
}

static void release(struct lm_dev *dev, struct lm_plan *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; p->act && i < p->desc.graph->n_act; i++)
        free(p->act[i]);
    for (uint32_t l = 0; p->kv && l < p->desc.graph->n_layer; l++) {
        free(p->kv[l].k);
        free(p->kv[l].v);
    }
    free(p->act);
    free(p->kv);
    free(p);
}

static bool fill_plan(struct lm_plan *p)
{
    const struct lm_plan_desc *d = &p->desc;
    p->act = calloc(d->graph->n_act, sizeof *p->act);
    p->kv = calloc(d->graph->n_layer, sizeof *p->kv);
    bool good = p->act && p->kv;
    for (uint32_t i = 0; good && i < d->graph->n_act; i++)
        good = (p->act[i] = calloc(rows_of(d, i) * d->graph->act[i].dim, sizeof(float))) != NULL;
    for (uint32_t l = 0; good && l < d->graph->n_layer; l++) {
        size_t dim = d->graph->kv_head_dim[l], n = dim * d->block_size * d->n_block;
        p->kv[l] = (struct lm_kv_ref){.k = calloc(n, sizeof(float)), .v = calloc(n, sizeof(float)), .block_size = d->block_size,
                                       .dim = dim, .dtype = d->kv_dtype};
        good = p->kv[l].k && p->kv[l].v;
    }
    return good;
}

static bool packed(const struct lm_weight *w)
{
    return !w || ((const struct ref_weight *)w)->packed == w->rows;
}

static bool experts_packed(const struct lm_op *op)
{
    bool all = true;
    for (uint32_t e = 0; op->kind == LM_OP_MOE_MATMUL && e < op->u.moe.n_expert; e++)
        all &= packed(op->u.moe.w[e]) && (!op->u.moe.b || packed(op->u.moe.b[e]));
    return all;
}

static int prepare(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    int rc = lm_graph_check(desc->graph, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < desc->graph->n_op; i++)
        if (!packed(desc->graph->op[i].w) || !packed(desc->graph->op[i].b) || !experts_packed(&desc->graph->op[i]))
            return lm_fail(err, LM_EINVAL, "op %u: its weight is not packed", i);
    struct lm_plan *p = calloc(1, sizeof *p);
    if (p)
        p->desc = *desc;
    if (!p || !fill_plan(p)) {
        release(dev, p);
        return lm_fail(err, LM_ENOMEM, "no memory for the plan");
    }
    *out = p;
    return 0;
}

static int check_act(const struct lm_plan *p, uint32_t act, uint32_t rows, struct lm_err *err)
{
    if (act >= p->desc.graph->n_act || rows > rows_of(&p->desc, act))
        return lm_fail(err, LM_EINVAL, "%u rows of activation %u", rows, act);
    return 0;
}

static int copy_in(struct lm_dev *dev, struct lm_plan *p, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    int rc = check_act(p, act, rows, err);
    if (rc == 0)
        memcpy(p->act[act], src, (size_t)rows * p->desc.graph->act[act].dim * sizeof *src);
    return rc;
}

static int copy_out(struct lm_dev *dev, struct lm_plan *p, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    int rc = check_act(p, act, rows, err);
    if (rc == 0)
        memcpy(dst, p->act[act], (size_t)rows * p->desc.graph->act[act].dim * sizeof *dst);
    return rc;
}

static int launch(struct lm_dev *dev, struct lm_plan *p, const struct lm_step *step, struct lm_err *err)
{
    int rc = dev->plan ? lm_fail(err, LM_EINVAL, "a step is running") : lm_step_check(&p->desc, step, err);
    if (rc)
        return rc;
    dev->plan = p;
    lm_ref_run(&(struct lm_ref){p->desc.graph, step, p->act, p->kv, weight_f32, dev});
    return 0;
}

static int ref_sync(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err)
{
    dev->plan = NULL;
    return 0;
}

const struct lm_backend lm_refexec = {
    .abi = LM_BACKEND_ABI,
    .size = sizeof lm_refexec,
    .name = "ref",
    .version = "1",
    .caps = LM_CAP_BATCH_INVARIANT,
    .score = score,
    .devices = devices,
    .open = ref_open,
    .close = ref_close,
    .mem = mem,
    .weight_create = weight_create,
    .weight_destroy = weight_destroy,
    .pack = pack,
    .measure = measure,
    .prepare = prepare,
    .release = release,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .launch = launch,
    .sync = ref_sync,
};

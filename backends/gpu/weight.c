/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/weight.h"
#include "backends/gpu/tile.h"

#include <stdlib.h>

static uint32_t n_block(const struct gpu_weight *w)
{
    return (w->weight.cols + 31) / 32;
}

static bool in_sixteens(const struct gpu_weight *w)
{
    return w->layout == GPU_SIXTEENS_8 || w->layout == GPU_SIXTEENS_16;
}

/* Rows that n rows take in a plane. */
static size_t padded(const struct gpu_weight *w, uint32_t n)
{
    return in_sixteens(w) ? ((size_t)n + 15) / 16 * 16 : n;
}

/* Bytes of n rows in each plane. */
static size_t q_bytes(const struct gpu_weight *w, uint32_t n)
{
    if (w->layout == GPU_TILED)
        return gpu_tile_units(n, w->weight.cols) * GPU_TILE_Q;
    return (size_t)n_block(w) * gpu_kind_words(w->kind) * 4 * padded(w, n);
}

static size_t s_bytes(const struct gpu_weight *w, uint32_t n)
{
    return w->layout == GPU_TILED ? gpu_tile_units(n, w->weight.cols) * GPU_TILE_S : (size_t)n_block(w) * w->kind->s_bytes * padded(w, n);
}

static size_t d_bytes(const struct gpu_weight *w, uint32_t n)
{
    return (size_t)(n_block(w) / 8) * w->kind->d_bytes * padded(w, n);
}

/* Give slice i its rows; returns its bytes. Planes begin at multiples of 256 bytes. */
static size_t lay_out(const struct gpu_weight *w, struct gpu_slice *s)
{
    size_t s_at = (q_bytes(w, s->rows) + 255) / 256 * 256, d_at = (s_at + s_bytes(w, s->rows) + 255) / 256 * 256;
    s->s_at = (uint32_t)(s_at / 4);
    s->d_at = (uint32_t)(d_at / 4);
    return d_at + d_bytes(w, s->rows);
}

int gpu_make(struct gpu_driver *drv, size_t bytes, const char *what, const char *remedy, struct gpu_buf **out, struct lm_err *err)
{
    uint64_t most = drv->caps.max_alloc_bytes, left = 0, total = 0;
    if (bytes > most)
        return lm_fail(err, LM_ENOMEM, "%s needs %zu MiB; the device allocates at most %llu MiB at once: %s", what, bytes >> 20,
                       (unsigned long long)(most >> 20), remedy);
    int rc = drv->call->buf_create(drv, bytes ? bytes : 4, out, err);
    if (rc != LM_ENOMEM || drv->call->mem(drv, &left, &total, NULL) < 0)
        return rc < 0 ? lm_fail_in(err, rc, "%s", what) : 0;
    return lm_fail_in(err, rc, "%s needs %zu MiB, %llu of %llu MiB are free: %s", what, bytes >> 20, (unsigned long long)(left >> 20),
                      (unsigned long long)(total >> 20), remedy);
}

int gpu_zero(struct gpu_driver *drv, struct gpu_buf *buf, size_t bytes, struct lm_err *err)
{
    void *zero = calloc(1, bytes);
    int rc = zero ? drv->call->write(drv, buf, 0, zero, bytes, err) : lm_fail(err, LM_ENOMEM, "no memory for zeros");
    free(zero);
    return rc;
}

static int create_slices(struct gpu_driver *drv, struct gpu_weight *w, struct lm_err *err)
{
    uint32_t rows = w->weight.rows;
    uint64_t most = drv->caps.max_alloc_bytes < (uint64_t)16 << 30 ? drv->caps.max_alloc_bytes : (uint64_t)16 << 30;
    size_t row = (q_bytes(w, 16) + s_bytes(w, 16) + d_bytes(w, 16) + 15) / 16;
    uint64_t fit = most > 1024 ? (most - 1024) / row : 0;
    if (fit < rows)
        fit = fit / 64 * 64;
    if (fit == 0 || (rows - 1) / fit >= GPU_MAX_SLICE)
        return lm_fail(err, LM_ENOMEM, "a weight of %u x %u: the device allocates at most %llu bytes at once", rows, w->weight.cols,
                       (unsigned long long)drv->caps.max_alloc_bytes);
    for (uint32_t first = 0; first < rows; first += w->slice[w->n_slice - 1].rows) {
        struct gpu_slice *s = &w->slice[w->n_slice];
        *s = (struct gpu_slice){.first = first, .rows = rows - first < fit ? rows - first : (uint32_t)fit};
        size_t bytes = s->bytes = lay_out(w, s);
        int rc = gpu_make(drv, bytes, "a weight", "take a smaller model or load-in-low-bit", &s->buf, err);
        if (rc < 0)
            return rc;
        w->n_slice++;
        w->weight.bytes += bytes;
    }
    return 0;
}

static int create_vector(struct gpu_driver *drv, struct gpu_weight *w, struct lm_err *err)
{
    w->weight.bytes = (size_t)w->weight.rows * w->weight.cols * sizeof(float);
    w->slice[0].rows = w->weight.rows;
    w->slice[0].bytes = w->weight.bytes;
    w->n_slice = 1;
    return drv->call->buf_create(drv, w->weight.bytes, &w->slice[0].buf, err);
}

static enum gpu_layout layout_for(const struct gpu_caps *caps, const struct gpu_kind *k)
{
    if (caps->class == GPU_NVIDIA && k->qtype == LM_Q_Q4_0)
        return GPU_TILED;
    if (caps->class == GPU_XMX && gpu_kind_has_sixteens(k))
        return caps->sub_group == 8 ? GPU_SIXTEENS_8 : GPU_SIXTEENS_16;
    return GPU_PLANES;
}

int gpu_weight_create(struct gpu_driver *drv, const struct lm_weight_desc *desc, struct gpu_weight **out, struct lm_err *err)
{
    const struct lm_qtype_info *info = lm_qtype_info(desc->qtype);
    size_t row_bytes = lm_qtype_row_bytes(desc->qtype, desc->cols);
    if (!info || !info->dequantize)
        return lm_fail(err, LM_EUNSUPPORTED, "type %u is none of weights", desc->qtype);
    if (!row_bytes || desc->rows == 0 || (desc->use & (LM_USE_MATMUL | LM_USE_EMBED | LM_USE_VECTOR)) == 0)
        return lm_fail(err, LM_EINVAL, "a weight of %u x %u for use %u", desc->rows, desc->cols, desc->use);
    struct gpu_weight *w = calloc(1, sizeof *w);
    if (!w)
        return lm_fail(err, LM_ENOMEM, "no memory for a weight");
    w->weight = (struct lm_weight){.qtype = desc->qtype, .rows = desc->rows, .cols = desc->cols};
    w->kind = gpu_kind_of(desc->qtype);
    w->layout = layout_for(&drv->caps, w->kind);
    w->vector = (desc->use & (LM_USE_MATMUL | LM_USE_EMBED)) == 0;
    int rc = w->vector ? create_vector(drv, w, err) : create_slices(drv, w, err);
    if (rc < 0) {
        gpu_weight_destroy(drv, w);
        return rc;
    }
    *out = w;
    return 0;
}

void gpu_weight_destroy(struct gpu_driver *drv, struct gpu_weight *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->n_slice; i++) {
        drv->call->buf_destroy(drv, w->slice[i].buf);
        free(w->slice[i].host);
    }
    free(w);
}

static int suspend_slice(struct gpu_driver *drv, struct gpu_slice *s, struct lm_err *err)
{
    void *host = malloc(s->bytes);
    int rc = host ? drv->call->read_later(drv, s->buf, 0, host, s->bytes, err) : lm_fail(err, LM_ENOMEM, "no memory on the host for %zu MiB of weights", s->bytes >> 20);
    if (rc == 0)
        rc = drv->call->wait(drv, GPU_COPY_DEADLINE_US, err);
    if (rc < 0) {
        if (rc != LM_ETIMEOUT) /* else the device may still write to it */
            free(host);
        return rc;
    }
    drv->call->buf_destroy(drv, s->buf);
    s->buf = NULL;
    s->host = host;
    return 0;
}

int gpu_weight_suspend(struct gpu_driver *drv, struct gpu_weight *w, struct lm_err *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < w->n_slice && rc == 0; i++)
        rc = w->slice[i].host ? 0 : suspend_slice(drv, &w->slice[i], err);
    return rc;
}

int gpu_weight_resume(struct gpu_driver *drv, struct gpu_weight *w, struct lm_err *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < w->n_slice && rc == 0; i++) {
        struct gpu_slice *s = &w->slice[i];
        if (!s->host)
            continue;
        rc = s->buf ? 0 : gpu_make(drv, s->bytes, "a weight", "something else has taken the device's memory", &s->buf, err);
        if (rc == 0)
            rc = drv->call->write(drv, s->buf, 0, s->host, s->bytes, err);
        if (rc == 0) {
            free(s->host);
            s->host = NULL;
        }
    }
    return rc;
}

static int pack_vector(struct gpu_driver *drv, const struct gpu_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    size_t count = (size_t)n * w->weight.cols, at = (size_t)row * w->weight.cols * sizeof(float);
    float *f = malloc(count * sizeof *f);
    if (!f)
        return lm_fail(err, LM_ENOMEM, "no memory to convert %zu numbers", count);
    lm_qtype_dequantize(w->weight.qtype, src, f, n, w->weight.cols);
    int rc = drv->call->write(drv, w->slice[0].buf, at, f, count * sizeof *f, err);
    free(f);
    return rc;
}

/* The planes of n rows into sixteens; host has room for them twice. */
static void pack_sixteens(const struct gpu_weight *w, uint32_t n, const uint8_t *host, uint8_t *to)
{
    size_t words = (size_t)n_block(w) * gpu_kind_words(w->kind);
    gpu_kind_sixteens(n, words, 4, host, to);
    gpu_kind_sixteens(n, n_block(w) / 8, w->kind->d_bytes, host + q_bytes(w, n), to + q_bytes(w, n));
    gpu_kind_sixteens(n, n_block(w), w->kind->s_bytes, host + q_bytes(w, n) + d_bytes(w, n), to + q_bytes(w, n) + d_bytes(w, n));
}

/* Rows row .. row + n - 1, all of slice s, which begins at its row 0. */
static int pack_slice(struct gpu_driver *drv, const struct gpu_weight *w, const struct gpu_slice *s, uint32_t row, uint32_t n,
                      const void *src, struct lm_err *err)
{
    size_t q = q_bytes(w, n), sb = s_bytes(w, n), d = d_bytes(w, n);
    uint8_t *host = malloc((q + sb + d) * (in_sixteens(w) ? 2 : 1)), *rows = host;
    if (!host)
        return lm_fail(err, LM_ENOMEM, "no memory to lay out %u rows", n);
    if (in_sixteens(w))
        rows += q + sb + d;
    uint8_t *at_d = host + q, *at_s = at_d + d;
    int rc = 0;
    if (w->layout == GPU_TILED)
        gpu_tile_pack(w->weight.cols, n, src, (uint32_t *)host, (uint16_t *)at_s);
    else
        rc = gpu_kind_pack(w->kind, w->weight.qtype, w->weight.cols, n, src, (uint32_t *)rows, rows + q + d, (uint32_t *)(rows + q), err);
    if (rc == 0 && in_sixteens(w))
        pack_sixteens(w, n, rows, host);
    if (rc == 0)
        rc = drv->call->write(drv, s->buf, q_bytes(w, row), host, q, err);
    if (rc == 0 && sb)
        rc = drv->call->write(drv, s->buf, (size_t)s->s_at * 4 + s_bytes(w, row), at_s, sb, err);
    if (rc == 0 && d)
        rc = drv->call->write(drv, s->buf, (size_t)s->d_at * 4 + d_bytes(w, row), at_d, d, err);
    free(host);
    return rc;
}

int gpu_weight_pack(struct gpu_driver *drv, struct gpu_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    uint32_t rows = w->weight.rows;
    if (row != w->packed || n == 0 || n > rows - row || (n % 64 != 0 && row + n != rows))
        return lm_fail(err, LM_EINVAL, "rows %u to %llu of %u, after %u", row, (unsigned long long)row + n, rows, w->packed);
    size_t row_bytes = lm_qtype_row_bytes(w->weight.qtype, w->weight.cols);
    int rc = w->vector ? pack_vector(drv, w, row, n, src, err) : 0;
    for (uint32_t i = 0; i < w->n_slice && rc == 0 && !w->vector; i++) {
        const struct gpu_slice *s = &w->slice[i];
        uint32_t from = row > s->first ? row : s->first, to = row + n < s->first + s->rows ? row + n : s->first + s->rows;
        if (from < to)
            rc = pack_slice(drv, w, s, from - s->first, to - from, (const char *)src + (size_t)(from - row) * row_bytes, err);
    }
    if (rc == 0)
        w->packed += n;
    return rc;
}

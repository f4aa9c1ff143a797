/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/lora/lora.h"
#include "runtime/model/lora/adapter.h"
#include <math.h>
#include <stdlib.h>

/* One pair on its way to the places of one module. */
struct work {
    const struct lm_model *m;
    const struct lm_backend *be;
    struct lm_dev *dev;
    const struct lm_adapter_pair *pair;
    struct lm_err *err;
};

static int refuse(const struct work *w, int rc, const struct lm_adapter_side *side, const char *why)
{
    char name[LM_GGUF_QUOTE];
    return lm_fail(w->err, rc, "tensor '%s' at byte %llu: %s", lm_gguf_quote(side->tensor, name), (unsigned long long)side->offset, why);
}

/* Row i of B that is row `row` of the model's: a head's halves may stand interleaved there. */
static uint64_t source_row(uint64_t row, uint64_t half)
{
    uint64_t i = half ? row % (2 * half) : 0;
    return half ? row - i + i % 2 * half + i / 2 : row;
}

static int half_of(const struct work *w, uint32_t rows, uint64_t *out)
{
    const enum lm_hf_how how = w->pair->how;
    const uint32_t n_head = how == LM_HF_K_PAIRS ? w->m->hp.n_kv_head : w->m->hp.n_head;
    *out = 0;
    if (how != LM_HF_Q_PAIRS && how != LM_HF_K_PAIRS)
        return 0;
    if (rows % (2 * n_head))
        return refuse(w, LM_EFORMAT, &w->pair->b, "its rows are not of the model's heads");
    *out = rows / n_head / 2;
    return 0;
}

/* n rows of one side from row `first` on, as f32. */
static int to_f32(const struct work *w, const struct lm_adapter_side *s, uint64_t first, uint64_t n, float *out)
{
    size_t row_bytes = lm_qtype_row_bytes(s->qtype, s->cols);
    lm_qtype_dequantize(s->qtype, (const char *)s->data + first * row_bytes, out, n, s->cols);
    for (size_t i = 0; i < n * s->cols; i++)
        if (!isfinite(out[i]))
            return refuse(w, LM_EFORMAT, s, "it holds a NaN or infinity");
    return 0;
}

static int put(const struct work *w, const float *v, uint32_t rows, uint32_t cols, const struct lm_weight **out)
{
    struct lm_weight *made = NULL;
    bool ready = false;
    const struct lm_weight_desc desc = {.qtype = LM_Q_F32, .rows = rows, .cols = cols, .use = LM_USE_VECTOR};
    int rc = w->be->weight_create(w->dev, &desc, &made, &ready, w->err);
    if (!rc)
        *out = made;
    return rc ? rc : w->be->pack(w->dev, made, 0, rows, v, w->err);
}

/* The site's columns of A, at v, which has all of them. */
static void cut_columns(const struct lm_lora_site *site, uint32_t rank, float *v)
{
    for (uint32_t j = 0; j < rank && site->k < site->cols; j++)
        memmove(v + (size_t)j * site->k, v + (size_t)j * site->cols + site->col_first, site->k * sizeof *v);
}

static uint32_t widest(const struct lm_lora_site *site)
{
    return site->n > site->cols ? site->n : site->cols;
}

/* The columns of A, and those of B transposed, that the site has. On failure what was made stays in the slot. */
static int fill(const struct work *w, const struct lm_lora_site *site, uint32_t slot, float *room)
{
    const struct lm_adapter_pair *p = w->pair;
    struct lm_lora *to = &site->slot[slot];
    const uint32_t rank = (uint32_t)p->a.rows;
    float *row = room + (size_t)rank * widest(site);
    uint64_t half = 0;
    int rc = half_of(w, site->rows, &half);
    if (!rc)
        rc = to_f32(w, &p->a, 0, rank, room);
    if (!rc) {
        cut_columns(site, rank, room);
        rc = put(w, room, rank, site->k, &to->a);
    }
    for (uint32_t i = 0; i < site->n && !rc; i++) {
        rc = to_f32(w, &p->b, p->part * (uint64_t)site->rows + source_row(site->first + i, half), 1, row);
        for (uint32_t j = 0; j < rank; j++)
            room[(size_t)j * site->n + i] = row[j];
    }
    to->scale = p->scale;
    return rc ? rc : put(w, room, rank, site->n, &to->b);
}

static int check_shape(const struct work *w, const struct lm_lora_site *site)
{
    char why[96];
    const struct lm_adapter_pair *p = w->pair;
    if (p->a.cols != site->cols) {
        snprintf(why, sizeof why, "it takes %llu inputs, the model's %.24s has %u", (unsigned long long)p->a.cols, p->module, site->cols);
        return refuse(w, LM_EFORMAT, &p->a, why);
    }
    if (p->b.rows != (uint64_t)site->rows * p->n_part) {
        snprintf(why, sizeof why, "it has %llu outputs, the model's %.24s %llu", (unsigned long long)p->b.rows, p->module,
                 (unsigned long long)site->rows * p->n_part);
        return refuse(w, LM_EFORMAT, &p->b, why);
    }
    return 0;
}

static int place(const struct work *w, uint32_t slot, size_t *io_bytes)
{
    char key[LM_HF_NAME_BYTES + 8];
    bool found = false;
    int rc = 0;
    for (const struct lm_lora_site *site = w->m->lora_site; site && !rc; site = site->next) {
        if (strcmp(site->module, w->pair->module) != 0)
            continue;
        found = true;
        rc = check_shape(w, site);
        if (rc || !site->slot)
            continue;
        const size_t rank = (size_t)w->pair->a.rows;
        float *room = malloc(rank * ((size_t)widest(site) + 1) * sizeof *room);
        rc = room ? fill(w, site, slot, room) : lm_fail(w->err, LM_ENOMEM, "no memory for %s", w->pair->module);
        free(room);
        *io_bytes += rank * ((size_t)site->n + site->k) * sizeof(float);
    }
    if (found)
        return rc;
    snprintf(key, sizeof key, "the model has no module '%.40s' that takes an adapter: leave it out of target_modules", w->pair->module);
    return refuse(w, LM_EUNSUPPORTED, &w->pair->a, key);
}

/* What an adapter of all modules in f32 takes at the largest rank, with a header; the head's own weight may be there too. */
static size_t most_bytes(const struct lm_model *m)
{
    size_t n = ((size_t)32 << 20) + (size_t)m->hp.n_vocab * m->hp.dim * sizeof(float);
    for (const struct lm_lora_site *site = m->lora_site; site; site = site->next)
        n += ((size_t)site->rows + site->cols) * m->graph.lora_rank * sizeof(float);
    return n;
}

static int place_all(struct work w, const struct lm_adapter *a, uint32_t slot, size_t *io_bytes)
{
    int rc = 0;
    for (size_t i = 0; i < a->n && !rc; i++) {
        w.pair = &a->pair[i];
        rc = place(&w, slot, io_bytes);
    }
    return rc;
}

int lm_lora_load_parts(const struct lm_model *const *m, size_t n, const struct lm_backend *be, struct lm_dev *const *dev, uint32_t slot,
                       const char *path, size_t *out_bytes, struct lm_err *err)
{
    struct lm_adapter *a = NULL;
    size_t bytes = 0;
    int rc = lm_adapter_open(path, &m[0]->hp, m[0]->graph.lora_rank, most_bytes(m[0]), &a, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++)
        rc = place_all((struct work){m[i], be, dev[i], NULL, err}, a, slot, &bytes);
    lm_adapter_close(a);
    if (!rc) {
        *out_bytes = bytes;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        lm_lora_unload(m[i], be, dev[i], slot);
    return lm_fail_in(err, rc, "%.60s", path);
}

int lm_lora_load(const struct lm_model *m, const struct lm_backend *be, struct lm_dev *dev, uint32_t slot, const char *path,
                 size_t *out_bytes, struct lm_err *err)
{
    return lm_lora_load_parts(&m, 1, be, &dev, slot, path, out_bytes, err);
}

void lm_lora_unload(const struct lm_model *m, const struct lm_backend *be, struct lm_dev *dev, uint32_t slot)
{
    for (struct lm_lora_site *site = m->lora_site; site; site = site->next) {
        if (!site->slot)
            continue;
        be->weight_destroy(dev, (struct lm_weight *)(uintptr_t)site->slot[slot].a);
        be->weight_destroy(dev, (struct lm_weight *)(uintptr_t)site->slot[slot].b);
        site->slot[slot] = (struct lm_lora){0};
    }
}

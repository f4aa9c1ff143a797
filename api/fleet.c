/* SPDX-License-Identifier: Apache-2.0 */
#include "api/fleet.h"

#define BACKOFF_MIN_US 1000000u
#define BACKOFF_MAX_US 30000000u

void lm_fleet_init(struct lm_fleet *f, struct lm_fleet_model *model, size_t n, size_t max)
{
    *f = (struct lm_fleet){.model = model, .n = n, .max = max};
    for (size_t i = 0; i < n; i++)
        model[i].max_others = SIZE_MAX;
}

static bool wants(const struct lm_fleet_model *m)
{
    return m->state == LM_FLEET_UNLOADED && !m->asleep && (m->n_waiting || m->wished);
}

static bool is_idle(const struct lm_fleet_model *m)
{
    return m->state == LM_FLEET_LOADED && !m->n_held && !m->n_waiting;
}

static size_t n_places(const struct lm_fleet *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += f->model[i].state != LM_FLEET_UNLOADED;
    return n;
}

/* Whom the next place is for; n: nobody. */
static size_t first_in_line(const struct lm_fleet *f, uint64_t now_us)
{
    size_t first = f->n;
    for (size_t i = 0; i < f->n; i++) {
        const struct lm_fleet_model *m = &f->model[i];
        if (wants(m) && now_us >= m->retry_us && (first == f->n || m->waits_us < f->model[first].waits_us))
            first = i;
    }
    return first;
}

/* Of those that are idle the one used longest ago; n: none is. */
static size_t least_used(const struct lm_fleet *f)
{
    size_t least = f->n;
    for (size_t i = 0; i < f->n; i++)
        if (is_idle(&f->model[i]) && (least == f->n || f->model[i].used_us < f->model[least].used_us))
            least = i;
    return least;
}

static bool has_served_enough(const struct lm_fleet_model *m, uint64_t now_us)
{
    return now_us - m->loaded_us >= m->loaded_us - m->load_us;
}

/* Of those that have served long enough the one loaded first; n: none has. */
static size_t longest_loaded(const struct lm_fleet *f, uint64_t now_us)
{
    size_t oldest = f->n;
    for (size_t i = 0; i < f->n; i++) {
        const struct lm_fleet_model *m = &f->model[i];
        if (m->state == LM_FLEET_LOADED && !m->closed && has_served_enough(m, now_us) &&
            (oldest == f->n || m->loaded_us < f->model[oldest].loaded_us))
            oldest = i;
    }
    return oldest;
}

static enum lm_fleet_act unload(struct lm_fleet *f, size_t i, size_t *out_model)
{
    f->model[i].state = LM_FLEET_LEAVING;
    f->model[i].closed = false;
    *out_model = i;
    return LM_FLEET_UNLOAD;
}

static enum lm_fleet_act load(struct lm_fleet *f, size_t i, uint64_t now_us, size_t *out_model)
{
    lm_fleet_starts(&f->model[i], now_us);
    *out_model = i;
    return LM_FLEET_LOAD;
}

/* Places that become free without more being done: of those that leave or are closed. */
static size_t n_leaving(const struct lm_fleet *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += f->model[i].state == LM_FLEET_LEAVING || f->model[i].closed;
    return n;
}

static size_t n_in_line(const struct lm_fleet *f, uint64_t now_us)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += wants(&f->model[i]) && now_us >= f->model[i].retry_us;
    return n;
}

/* All places are taken, and fewer become free than are wanted. */
static enum lm_fleet_act make_room(struct lm_fleet *f, uint64_t now_us, size_t *out_model)
{
    size_t i = least_used(f);
    if (i < f->n)
        return unload(f, i, out_model);
    i = longest_loaded(f, now_us);
    if (i < f->n)
        f->model[i].closed = true;
    return LM_FLEET_NOTHING;
}

/* Closed ones that nobody needs the place of any more, or that are empty; n: none. */
static enum lm_fleet_act settle_closed(struct lm_fleet *f, bool needed, size_t *out_model)
{
    for (size_t i = 0; i < f->n; i++) {
        struct lm_fleet_model *m = &f->model[i];
        if (!m->closed || (needed && m->n_held))
            continue;
        if (needed)
            return unload(f, i, out_model);
        m->closed = false;
        *out_model = i;
        return LM_FLEET_OPEN;
    }
    return LM_FLEET_NOTHING;
}

static enum lm_fleet_act unload_idle(struct lm_fleet *f, uint64_t now_us, size_t *out_model)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct lm_fleet_model *m = &f->model[i];
        if (is_idle(m) && m->idle_us && now_us - m->used_us >= m->idle_us)
            return unload(f, i, out_model);
    }
    return LM_FLEET_NOTHING;
}

enum lm_fleet_act lm_fleet_next(struct lm_fleet *f, uint64_t now_us, size_t *out_model)
{
    size_t first = first_in_line(f, now_us), taken = n_places(f), leaving = n_leaving(f);
    bool full = first < f->n && ((f->max && taken >= f->max) || taken > f->model[first].max_others);
    enum lm_fleet_act act = settle_closed(f, full, out_model);
    if (act != LM_FLEET_NOTHING)
        return act;
    if (first == f->n)
        return unload_idle(f, now_us, out_model);
    if (!full)
        return load(f, first, now_us, out_model);
    return leaving < n_in_line(f, now_us) ? make_room(f, now_us, out_model) : LM_FLEET_NOTHING;
}

uint64_t lm_fleet_due(const struct lm_fleet *f, uint64_t now_us)
{
    bool line = first_in_line(f, now_us) < f->n;
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < f->n; i++) {
        const struct lm_fleet_model *m = &f->model[i];
        uint64_t at = UINT64_MAX;
        if (wants(m) && now_us < m->retry_us)
            at = m->retry_us;
        else if (!line && is_idle(m) && m->idle_us)
            at = m->used_us + m->idle_us;
        else if (line && m->state == LM_FLEET_LOADED && !has_served_enough(m, now_us))
            at = 2 * m->loaded_us - m->load_us;
        due = at < due ? at : due;
    }
    return due;
}

bool lm_fleet_takes(const struct lm_fleet_model *m)
{
    return m->state == LM_FLEET_LOADED && !m->closed;
}

bool lm_fleet_refuses(const struct lm_fleet_model *m, uint64_t now_us)
{
    return m->state == LM_FLEET_UNLOADED && m->failed && now_us < m->retry_us;
}

void lm_fleet_hold(struct lm_fleet_model *m)
{
    m->n_held++;
}

void lm_fleet_release(struct lm_fleet_model *m, uint64_t now_us)
{
    m->n_held--;
    m->used_us = now_us;
}

void lm_fleet_wait(struct lm_fleet_model *m, uint64_t now_us)
{
    if (!m->n_waiting++ && !m->wished)
        m->waits_us = now_us;
}

void lm_fleet_unwait(struct lm_fleet_model *m, uint64_t oldest_us)
{
    if (--m->n_waiting && !m->wished)
        m->waits_us = oldest_us;
}

void lm_fleet_wish(struct lm_fleet_model *m, uint64_t now_us)
{
    m->asleep = false;
    m->closed = false;
    m->retry_us = 0;
    if (m->state == LM_FLEET_LOADED || m->state == LM_FLEET_LOADING)
        return;
    if (!m->n_waiting && !m->wished)
        m->waits_us = now_us;
    m->wished = true;
}

bool lm_fleet_dismiss(struct lm_fleet_model *m, bool asleep)
{
    bool there = m->state == LM_FLEET_LOADED || m->state == LM_FLEET_LOADING;
    m->asleep |= asleep;
    m->wished = m->closed = false;
    if (there)
        m->state = LM_FLEET_LEAVING;
    return there;
}

void lm_fleet_starts(struct lm_fleet_model *m, uint64_t now_us)
{
    m->state = LM_FLEET_LOADING;
    m->closed = false;
    m->load_us = now_us;
}

void lm_fleet_loaded(struct lm_fleet_model *m, uint64_t now_us)
{
    if (m->state == LM_FLEET_LEAVING)
        return;
    m->state = LM_FLEET_LOADED;
    m->loaded_us = m->used_us = now_us;
    m->retry_us = m->backoff_us = 0;
    m->max_others = SIZE_MAX;
    m->wished = m->failed = false;
}

void lm_fleet_gone(struct lm_fleet_model *m)
{
    m->state = LM_FLEET_UNLOADED;
    m->closed = false;
}

bool lm_fleet_failed(struct lm_fleet *f, size_t model, bool for_memory, uint64_t now_us)
{
    struct lm_fleet_model *m = &f->model[model];
    lm_fleet_gone(m);
    size_t n_others = n_places(f);
    if (for_memory && n_others) {
        m->max_others = n_others - 1;
        return false;
    }
    m->failed = true;
    m->wished &= m->retries;
    m->max_others = SIZE_MAX;
    m->backoff_us = !m->backoff_us ? BACKOFF_MIN_US : m->backoff_us > BACKOFF_MAX_US / 2 ? BACKOFF_MAX_US : m->backoff_us * 2;
    m->retry_us = now_us + m->backoff_us;
    return true;
}

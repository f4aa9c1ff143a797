/* SPDX-License-Identifier: Apache-2.0 */
#include "api/adapters.h"
#include "conf/lora.h"

#include <stdlib.h>

int lm_adapters_init(struct lm_adapters *a, const char *lora_modules, struct lm_err *err)
{
    struct lm_conf_lora *list = NULL;
    size_t n = 0;
    pthread_mutex_init(&a->lock, NULL);
    int rc = lm_conf_lora_read(lora_modules, &list, &n, err);
    for (size_t i = 0; i < n && !rc; i++) {
        struct lm_adapter_entry *e = lm_adapters_add(a, list[i].name, list[i].path);
        if (e)
            e->module = e->listed = true;
        else
            rc = lm_fail(err, LM_ENOMEM, "out of memory");
    }
    lm_conf_lora_fini(list, n);
    return rc;
}

static void tell(struct lm_adapter_entry *e, const struct lm_err *err)
{
    void (*done)(void *, const struct lm_err *) = e->done;
    e->done = NULL;
    if (done)
        done(e->arg, err);
}

static void entry_free(struct lm_adapter_entry *e)
{
    if (!e)
        return;
    free(e->name);
    free(e->path);
    free(e);
}

void lm_adapters_fini(struct lm_adapters *a)
{
    lm_adapters_lost(a, 0);
    for (size_t i = 0; i < a->n; i++)
        entry_free(a->entry[i]);
    free(a->entry);
    pthread_mutex_destroy(&a->lock);
    *a = (struct lm_adapters){0};
}

struct lm_adapter_entry *lm_adapters_get(const struct lm_adapters *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->entry[i]->name, name) == 0)
            return a->entry[i];
    return NULL;
}

uint32_t lm_adapters_find(struct lm_adapters *a, const char *name)
{
    pthread_mutex_lock(&a->lock);
    const struct lm_adapter_entry *e = lm_adapters_get(a, name);
    uint32_t id = e && e->listed ? e->id : 0;
    pthread_mutex_unlock(&a->lock);
    return id;
}

bool lm_adapters_has(struct lm_adapters *a, uint32_t id)
{
    bool has = false;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->n && !has; i++)
        has = a->entry[i]->listed && a->entry[i]->id == id;
    pthread_mutex_unlock(&a->lock);
    return has;
}

struct lm_adapter_entry *lm_adapters_add(struct lm_adapters *a, const char *name, const char *path)
{
    struct lm_adapter_entry *e = calloc(1, sizeof *e);
    if (e) {
        e->id = ++a->last_id;
        e->name = strdup(name);
        e->path = strdup(path);
    }
    pthread_mutex_lock(&a->lock);
    struct lm_adapter_entry **grown = realloc(a->entry, (a->n + 1) * sizeof *grown);
    if (grown)
        a->entry = grown;
    bool good = e && e->name && e->path && grown;
    if (good)
        a->entry[a->n++] = e;
    pthread_mutex_unlock(&a->lock);
    if (!good)
        entry_free(e);
    return good ? e : NULL;
}

void lm_adapters_remove(struct lm_adapters *a, struct lm_adapter_entry *e)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->n; i++)
        if (a->entry[i] == e) {
            memmove(a->entry + i, a->entry + i + 1, (a->n - i - 1) * sizeof *a->entry);
            a->n--;
            break;
        }
    pthread_mutex_unlock(&a->lock);
    entry_free(e);
}

static struct lm_adapter_entry *by_id(const struct lm_adapters *a, uint32_t id)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->entry[i]->id == id)
            return a->entry[i];
    return NULL;
}

uint64_t lm_adapters_engines(const struct lm_adapters *a, uint32_t id)
{
    const struct lm_adapter_entry *e = by_id(a, id);
    return e ? e->has : 0;
}

bool lm_adapters_waits(const struct lm_adapters *a, uint32_t id)
{
    const struct lm_adapter_entry *e = by_id(a, id);
    return e && e->done;
}

struct lm_adapter_entry *lm_adapters_answer(struct lm_adapters *a, const struct lm_msg_lora *m, uint32_t engine)
{
    struct lm_err err = {.code = m->code};
    struct lm_adapter_entry *e = by_id(a, m->id);
    if (!e)
        return NULL;
    e->has |= (uint64_t)(m->code == 0) << engine;
    if (e->done && !m->code && --e->n_open > 0)
        return NULL;
    snprintf(err.msg, sizeof err.msg, "%s", m->msg);
    bool asked = e->done;
    if (m->code == 0) {
        pthread_mutex_lock(&a->lock);
        e->listed = e->loaded = true;
        pthread_mutex_unlock(&a->lock);
    }
    tell(e, m->code ? &err : NULL);
    if (m->code && asked) {
        lm_adapters_remove(a, e);
        return NULL;
    }
    return e;
}

void lm_adapters_lost(struct lm_adapters *a, uint32_t engine)
{
    const struct lm_err err = {.code = LM_EDEVICE, .msg = "The engine failed"};
    for (size_t i = a->n; i-- > 0;) {
        struct lm_adapter_entry *e = a->entry[i];
        e->has &= ~((uint64_t)1 << engine);
        if (!e->done)
            continue;
        tell(e, &err);
        lm_adapters_remove(a, e);
    }
}

bool lm_adapters_unsure(const struct lm_adapters *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->entry[i]->listed && !a->entry[i]->loaded)
            return true;
    return false;
}

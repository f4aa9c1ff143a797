/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/differ.h"
#include "conf/knob.h"

#include <stdlib.h>

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool same_value(const struct lm_knob *k, const void *a, const void *b)
{
    struct lm_bytes va = {0}, vb = {0};
    lm_knob_print(k, a, &va);
    lm_knob_print(k, b, &vb);
    bool same = !va.failed && !vb.failed && va.len == vb.len && (!va.len || memcmp(va.data, vb.data, va.len) == 0);
    lm_bytes_fini(&va);
    lm_bytes_fini(&vb);
    return same;
}

static void add_name(struct lm_bytes *out, const char *name)
{
    lm_bytes_addf(out, "%s%s", out->len ? " " : "", name);
}

static void compare(enum lm_knob_section section, const void *a, const void *b, const char *const *except, struct lm_bytes *out)
{
    for (size_t i = 0; i < lm_n_knobs; i++)
        if (lm_knobs[i].section == section && !is_listed(except, lm_knobs[i].name) && !same_value(&lm_knobs[i], a, b))
            add_name(out, lm_knobs[i].name);
}

static bool same_backend(const struct lm_conf_backend *a, const struct lm_conf_backend *b)
{
    bool same = strcmp(a->name, b->name) == 0 && a->n_option == b->n_option;
    for (size_t i = 0; same && i < a->n_option; i++)
        same = strcmp(a->option[i].key, b->option[i].key) == 0 && strcmp(a->option[i].value, b->option[i].value) == 0;
    return same;
}

void lm_conf_differ(const struct lm_conf *a, const struct lm_conf *b, const char *const *except, struct lm_bytes *out)
{
    bool models = a->n_model == b->n_model, backends = a->n_backend == b->n_backend;
    compare(LM_KNOB_SERVER, &a->server, &b->server, except, out);
    for (size_t i = 0; models && i < a->n_model; i++)
        models = strcmp(a->model[i].name, b->model[i].name) == 0;
    for (size_t i = 0; models && i < a->n_model; i++)
        compare(LM_KNOB_MODEL, &a->model[i], &b->model[i], except, out);
    if (!models)
        add_name(out, "[model]");
    for (size_t i = 0; backends && i < a->n_backend; i++)
        backends = same_backend(&a->backend[i], &b->backend[i]);
    if (!backends)
        add_name(out, "[backend]");
}

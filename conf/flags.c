/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include "conf/foreign.h"
#include "conf/knob.h"
#include "conf/replicas.h"
#include "conf/section.h"

#include <ctype.h>
#include <stdlib.h>

/* Set a row of the server, or of every model (pending: those there are, or the one that flags make). */
static int apply(struct lm_conf *c, struct lm_conf_model *pending, const char *name, const char *value, struct lm_err *err)
{
    const struct lm_knob *k = lm_knob_find(LM_KNOB_SERVER, name);
    if (k)
        return lm_knob_set(k, &c->server, value, err);
    k = lm_knob_find(LM_KNOB_MODEL, name);
    if (c->n_model == 0)
        return lm_knob_set(k, pending, value, err);
    int rc = 0;
    for (size_t i = 0; i < c->n_model && rc == 0; i++)
        rc = lm_knob_set(k, &c->model[i], value, err);
    return rc;
}

static const struct lm_knob *find_any(const char *name)
{
    const struct lm_knob *k = lm_knob_find(LM_KNOB_SERVER, name);
    return k ? k : lm_knob_find(LM_KNOB_MODEL, name);
}

static int backend_flag(struct lm_conf *c, const char *text, struct lm_err *err)
{
    char copy[512];
    int n = snprintf(copy, sizeof copy, "%s", text);
    char *dot = strchr(copy, '.'), *eq = dot ? strchr(dot, '=') : NULL;
    if (n >= (int)sizeof copy || !eq)
        return lm_fail(err, LM_ECONFIG, "'%.60s' is not of the form NAME.key=value", text);
    *dot = *eq = 0;
    return lm_conf_backend_option(c, copy, dot + 1, eq + 1, err);
}

/* Do what a row of foreign.def says, and note it. */
static int apply_foreign(struct lm_conf *c, struct lm_conf_model *pending, const struct lm_foreign *f, const char *value, struct lm_err *err)
{
    char knob[64];
    const char *eq = strchr(f->sets, '=');
    if (*f->note)
        lm_bytes_addf(&c->notes, "--%s%s%.60s: %s\n", f->name, value ? " " : "", value ? value : "", f->note);
    if (!eq)
        return c->notes.failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
    snprintf(knob, sizeof knob, "%.*s", (int)(eq - f->sets), f->sets);
    return apply(c, pending, knob, strcmp(eq + 1, "@") == 0 ? value : eq + 1, err);
}

/* Does the flag take no value? The row that says so in *out_foreign, unless it is a knob. */
static bool is_bool(const char *name, const struct lm_knob *k, const struct lm_foreign **out_foreign)
{
    *out_foreign = k ? NULL : lm_foreign_find(name, NULL);
    return *out_foreign || (k && k->type == LM_KNOB_BOOL);
}

/* The value of its own that a flag has at argv[*i + 1]; a list of llmserved goes on to the next flag, in commas. */
static int take_value(struct lm_conf *c, const struct lm_knob *k, int argc, char **argv, int *i, struct lm_bytes *out, struct lm_err *err)
{
    if (*i + 1 >= argc)
        return lm_fail(err, LM_ECONFIG, "needs a value");
    lm_bytes_add_str(out, argv[++*i]);
    while (c->long_lists && k && k->type == LM_KNOB_LIST && *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
        lm_bytes_addf(out, ",%s", argv[++*i]);
    return out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

/* A flag and its value: a row of foreign.def that the value fits, a knob, or an option of a backend. */
static int set_flag(struct lm_conf *c, struct lm_conf_model *pending, const char *name, const char *value, struct lm_err *err)
{
    char values[160];
    const struct lm_foreign *f = lm_foreign_find(name, value);
    if (f)
        return apply_foreign(c, pending, f, value, err);
    if (find_any(name))
        return apply(c, pending, name, value, err);
    if (lm_knob_same(name, "backend-option"))
        return backend_flag(c, value, err);
    lm_foreign_values(name, values, sizeof values);
    return lm_fail(err, LM_ECONFIG, *values ? "'%.40s' is not supported here; there is %s" : "takes no value, but '%.40s' is given%s", value, values);
}

/* One flag at argv[*i]; moves *i over a value of its own. */
static int read_flag(struct lm_conf *c, struct lm_conf_model *pending, int argc, char **argv, int *i, struct lm_err *err)
{
    char name[64];
    const char *flag = argv[*i] + 2, *value = strchr(flag, '=');
    size_t n = value ? (size_t)(value - flag) : strlen(flag);
    if (n >= sizeof name)
        return lm_fail(err, LM_ECONFIG, "unknown flag");
    memcpy(name, flag, n);
    name[n] = 0;
    const struct lm_knob *k = find_any(name);
    const struct lm_foreign *foreign;
    bool known = k || lm_knob_same(name, "backend-option") || lm_foreign_is(name);
    if (!known && !value && strncmp(name, "no-", 3) == 0 && is_bool(name + 3, find_any(name + 3), &foreign))
        return foreign ? apply_foreign(c, pending, foreign, NULL, err) : apply(c, pending, name + 3, "no", err);
    if (!known) {
        snprintf(name, sizeof name, "%s", lm_foreign_nearest(name));
        for (char *p = name; (p = strchr(p, '_'));)
            *p = '-';
        return lm_fail(err, LM_ECONFIG, "unknown flag; the nearest is --%s", name);
    }
    if (value)
        return set_flag(c, pending, name, value + 1, err);
    if (is_bool(name, k, &foreign))
        return foreign ? apply_foreign(c, pending, foreign, NULL, err) : apply(c, pending, name, "yes", err);
    struct lm_bytes own = {0};
    int rc = take_value(c, k, argc, argv, i, &own, err);
    if (!rc)
        rc = set_flag(c, pending, name, own.data, err);
    lm_bytes_fini(&own);
    return rc;
}

/* The name of a model that only flags describe: its first served name, else its file's. */
static void model_name(const struct lm_conf_model *m, char *out, size_t size)
{
    const char *from = m->served_model_name + strspn(m->served_model_name, ", ");
    size_t n = strcspn(from, ",");
    if (!n) {
        const char *path = lm_conf_model_path(m), *slash = strrchr(path, '/');
        from = slash ? slash + 1 : path;
        n = strlen(from);
        if (n > 5 && strcmp(from + n - 5, ".gguf") == 0)
            n -= 5;
        else if (n > 4 && strcmp(from + n - 4, ".lmq") == 0)
            n -= 4;
    }
    snprintf(out, size, "%.*s", (int)n, from);
}

int lm_conf_read_flags(struct lm_conf *c, int *io_argc, char **argv, struct lm_err *err)
{
    struct lm_conf_model pending = {0}, *made;
    int keep = 1, rc = lm_knob_init(LM_KNOB_MODEL, &pending, err);
    bool only_args = false;
    for (int i = 1; i < *io_argc && rc == 0; i++) {
        const char *arg = argv[i];
        if (only_args || strncmp(arg, "--", 2) != 0) {
            argv[keep++] = argv[i];
        } else if (!arg[2]) {
            only_args = true;
        } else {
            rc = read_flag(c, &pending, *io_argc, argv, &i, err);
            if (rc)
                lm_fail_in(err, rc, "%.*s", (int)strcspn(arg, "="), arg);
        }
    }
    if (rc == 0 && c->n_model == 0 && *lm_conf_model_path(&pending)) {
        char name[256];
        model_name(&pending, name, sizeof name);
        rc = lm_conf_model_section(c, name, &made, err);
        if (rc == 0) {
            char *own_name = made->name;
            lm_knob_fini(LM_KNOB_MODEL, made);
            *made = pending;
            made->name = own_name;
            pending = (struct lm_conf_model){0};
        }
    }
    lm_knob_fini(LM_KNOB_MODEL, &pending);
    if (rc == 0)
        *io_argc = keep;
    return rc;
}

int lm_conf_read_env(struct lm_conf *c, struct lm_err *err)
{
    for (size_t i = 0; i < lm_n_knobs; i++) {
        char name[96] = "LLMSERVE_";
        size_t n = strlen(name);
        for (const char *p = lm_knobs[i].name; *p; p++)
            name[n++] = (char)toupper((unsigned char)*p);
        name[n] = 0;
        const char *value = getenv(name);
        if (!value || (lm_knobs[i].section == LM_KNOB_MODEL && c->n_model == 0))
            continue;
        int rc = apply(c, NULL, lm_knobs[i].name, value, err);
        if (rc)
            return lm_fail_in(err, rc, "environment %s", name);
    }
    return 0;
}

static bool push(char ***list, size_t *n, struct lm_bytes *text)
{
    char **grown = realloc(*list, (*n + 2) * sizeof *grown);
    char *one = lm_bytes_take(text);
    if (grown)
        *list = grown;
    if (!grown || !one) {
        free(one);
        return false;
    }
    grown[(*n)++] = one;
    grown[*n] = NULL;
    return true;
}

/* Engines of one machine have a part of its cores each, unless its devices are set. */
static bool share_cores(const struct lm_conf *c, const struct lm_conf_model *m)
{
    for (size_t i = 0; i < c->n_backend; i++)
        for (size_t j = 0; j < c->backend[i].n_option; j++)
            if (strcmp(c->backend[i].name, "cpu") == 0 && lm_knob_same(c->backend[i].option[j].key, "devices"))
                return false;
    return m->data_parallel_size > 1;
}

int lm_conf_model_flags(const struct lm_conf *c, size_t model, size_t rank, char ***out, struct lm_err *err)
{
    const struct lm_conf_model *m = &c->model[model];
    char **list = NULL;
    size_t n = 0;
    bool ok = true;
    struct lm_bytes b = {0};
    for (size_t i = 0; i < lm_n_knobs && ok; i++) {
        const struct lm_knob *k = &lm_knobs[i];
        bool shared = lm_knob_same(k->name, "plugin_dir") || lm_knob_same(k->name, "log_level") || lm_knob_same(k->name, "sandbox");
        if (k->section == LM_KNOB_SERVER && !shared)
            continue;
        lm_bytes_addf(&b, "--%s=", k->name);
        if (lm_knob_same(k->name, "served_model_name"))
            lm_bytes_add_str(&b, m->name);
        else if (lm_knob_same(k->name, "device"))
            lm_conf_replica_device(m, rank, &b);
        else if (lm_knob_same(k->name, "data_parallel_size"))
            lm_bytes_add_char(&b, '1');
        else
            lm_knob_print(k, k->section == LM_KNOB_SERVER ? (const void *)&c->server : (const void *)m, &b);
        ok = push(&list, &n, &b);
    }
    for (size_t i = 0; i < c->n_backend && ok; i++)
        for (size_t j = 0; j < c->backend[i].n_option && ok; j++) {
            lm_bytes_addf(&b, "--backend-option=%s.%s=%s", c->backend[i].name, c->backend[i].option[j].key, c->backend[i].option[j].value);
            ok = push(&list, &n, &b);
        }
    if (ok && share_cores(c, m)) {
        lm_bytes_addf(&b, "--backend-option=cpu.devices=%zu", lm_conf_replica_devices(m));
        ok = push(&list, &n, &b);
    }
    if (!ok) {
        for (size_t i = 0; i < n; i++)
            free(list[i]);
        free(list);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    *out = list;
    return 0;
}

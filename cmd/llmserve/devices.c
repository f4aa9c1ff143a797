/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve devices: what each backend plugin can use on this machine. */
#include "cmd/llmserve/command.h"
#include "conf/conf.h"
#include "runtime/base/buf.h"
#include "runtime/base/utf8.h"
#include "runtime/plugin/registry.h"

#include <stdlib.h>

enum { MAX_DEVICE = 64 };

struct list {
    const char *dir;
    bool json;
    struct lm_bytes out;
    unsigned n_usable;
};

/* "key":"value"; a driver may say anything, so what is not UTF-8 loses its bytes beyond ASCII. */
static void add_text(struct lm_bytes *out, const char *key, const char *value)
{
    size_t n = strlen(value);
    bool valid = lm_utf8_valid(value, n);
    lm_bytes_addf(out, "\"%s\":\"", key);
    if (valid)
        lm_bytes_add_json(out, value, n);
    for (size_t i = 0; i < n && !valid; i++)
        lm_bytes_add_json(out, (unsigned char)value[i] < 0x80 ? value + i : "?", 1);
    lm_bytes_add_char(out, '"');
}

static void add_device(struct list *l, const struct lm_backend *be, int i, const struct lm_device_info *d)
{
    struct lm_bytes *out = &l->out;
    bool usable = !d->problem[0];
    l->n_usable += usable;
    if (!l->json) {
        lm_bytes_addf(out, "[%s:%s:%d] %s, %s, %.1f GiB\n", be->name, d->kind, i, d->name, d->driver, (double)d->mem_bytes / (1 << 30));
        if (!usable)
            lm_bytes_addf(out, "    cannot be used: %s\n", d->problem);
        return;
    }
    lm_bytes_addf(out, "%s{\"index\":%d,", i ? "," : "", i);
    add_text(out, "name", d->name);
    lm_bytes_add_char(out, ',');
    add_text(out, "driver", d->driver);
    lm_bytes_add_char(out, ',');
    add_text(out, "kind", d->kind);
    lm_bytes_addf(out, ",\"mem_bytes\":%llu,\"usable\":%s,", (unsigned long long)d->mem_bytes, usable ? "true" : "false");
    add_text(out, "problem", d->problem);
    lm_bytes_add_char(out, '}');
}

static void add_problem(struct list *l, const char *name, const struct lm_err *err)
{
    if (l->json) {
        lm_bytes_add_char(&l->out, ',');
        add_text(&l->out, "problem", err->msg);
    } else {
        lm_bytes_addf(&l->out, "[%s] cannot be used: %s\n", name, err->msg);
    }
}

static void add_plugin(struct list *l, const char *name, bool first)
{
    const struct lm_backend *be;
    struct lm_device_info info[MAX_DEVICE];
    struct lm_err err = {0};
    int n = lm_registry_load(l->dir, name, &be, &err);
    if (l->json) {
        lm_bytes_add_str(&l->out, first ? "{" : ",{");
        add_text(&l->out, "backend", name);
        if (!n) {
            lm_bytes_addf(&l->out, ",\"score\":%d,", be->score());
            add_text(&l->out, "version", be->version);
        }
    }
    if (!n)
        n = be->devices(info, MAX_DEVICE, &err);
    if (n < 0)
        add_problem(l, name, &err);
    if (l->json)
        lm_bytes_add_str(&l->out, ",\"devices\":[");
    for (int i = 0; i < n && i < MAX_DEVICE; i++)
        add_device(l, be, i, &info[i]);
    if (l->json)
        lm_bytes_add_str(&l->out, "]}");
}

static int list_all(struct list *l, struct lm_err *err)
{
    char **name = NULL;
    int n = lm_registry_list(l->dir, &name, err);
    if (n < 0)
        return n;
    if (l->json)
        lm_bytes_add_char(&l->out, '[');
    for (int i = 0; i < n; i++) {
        add_plugin(l, name[i], i == 0);
        free(name[i]);
    }
    free(name);
    lm_bytes_add_str(&l->out, l->json ? "]\n" : "");
    if (l->out.failed)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    if (fwrite(l->out.data, 1, l->out.len, stdout) != l->out.len || fflush(stdout) != 0)
        return lm_fail(err, LM_EIO, "writing: %m");
    return l->n_usable ? 0 : lm_fail(err, LM_ENOTFOUND, "no usable device");
}

struct args {
    bool json;
};

static const struct lm_arg_row rows[] = {LM_FLAG(struct args, json, "json", "Print JSON")};

static int run(int argc, char **argv)
{
    struct lm_conf c;
    struct args a;
    struct lm_err err = {0};
    struct list l = {0};
    int rc = lm_command_settings(&lm_command_devices, &a, &c, argc, argv, &err);
    if (!rc) {
        l.json = a.json;
        l.dir = *c.server.plugin_dir ? c.server.plugin_dir : NULL;
        rc = list_all(&l, &err);
    }
    lm_bytes_fini(&l.out);
    lm_conf_fini(&c);
    return lm_command_end("devices", rc, &err);
}

const struct lm_command lm_command_devices = {
    .name = "devices", .usage = "", .help = "list the devices of each backend and why one cannot be used", .run = run,
    .options = LM_OPTIONS(rows), .knobs = true,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include "conf/knob.h"
#include "conf/lora.h"
#include "conf/nodes.h"
#include "conf/replicas.h"
#include "conf/section.h"
#include "conf/speculative.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int lm_conf_init(struct lm_conf *c, struct lm_err *err)
{
    *c = (struct lm_conf){.path = strdup("")};
    if (!c->path)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    int rc = lm_knob_init(LM_KNOB_SERVER, &c->server, err);
    if (rc)
        lm_conf_fini(c);
    return rc;
}

void lm_conf_fini(struct lm_conf *c)
{
    lm_knob_fini(LM_KNOB_SERVER, &c->server);
    for (size_t i = 0; i < c->n_model; i++) {
        lm_knob_fini(LM_KNOB_MODEL, &c->model[i]);
        free(c->model[i].name);
    }
    for (size_t i = 0; i < c->n_backend; i++) {
        for (size_t j = 0; j < c->backend[i].n_option; j++) {
            free(c->backend[i].option[j].key);
            free(c->backend[i].option[j].value);
        }
        free(c->backend[i].option);
        free(c->backend[i].name);
    }
    free(c->model);
    free(c->backend);
    free(c->path);
    lm_bytes_fini(&c->notes);
    *c = (struct lm_conf){0};
}

int lm_conf_model_section(struct lm_conf *c, const char *name, struct lm_conf_model **out, struct lm_err *err)
{
    for (size_t i = 0; i < c->n_model; i++)
        if (strcmp(c->model[i].name, name) == 0) {
            *out = &c->model[i];
            return 0;
        }
    struct lm_conf_model *grown = realloc(c->model, (c->n_model + 1) * sizeof *grown);
    if (!grown)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    c->model = grown;
    struct lm_conf_model *m = &grown[c->n_model++];
    *m = (struct lm_conf_model){.name = strdup(name)};
    int rc = lm_knob_init(LM_KNOB_MODEL, m, err);
    if (rc == 0 && !m->name)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    *out = m;
    return rc;
}

static int backend_section(struct lm_conf *c, const char *name, struct lm_conf_backend **out, struct lm_err *err)
{
    for (size_t i = 0; i < c->n_backend; i++)
        if (strcmp(c->backend[i].name, name) == 0) {
            *out = &c->backend[i];
            return 0;
        }
    struct lm_conf_backend *grown = realloc(c->backend, (c->n_backend + 1) * sizeof *grown);
    char *copy = strdup(name);
    if (grown)
        c->backend = grown;
    if (!grown || !copy) {
        free(copy);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    grown[c->n_backend] = (struct lm_conf_backend){.name = copy};
    *out = &grown[c->n_backend++];
    return 0;
}

int lm_conf_backend_option(struct lm_conf *c, const char *name, const char *key, const char *value, struct lm_err *err)
{
    struct lm_conf_backend *b = NULL;
    int rc = backend_section(c, name, &b, err);
    if (rc)
        return rc;
    char *k = strdup(key), *v = strdup(value);
    struct lm_conf_option *grown = realloc(b->option, (b->n_option + 1) * sizeof *grown);
    if (grown)
        b->option = grown;
    if (!k || !v || !grown) {
        free(k);
        free(v);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < b->n_option; i++)
        if (lm_knob_same(b->option[i].key, k)) { /* the later one wins */
            free(b->option[i].value);
            free(k);
            b->option[i].value = v;
            return 0;
        }
    b->option[b->n_option++] = (struct lm_conf_option){k, v};
    return 0;
}

static int check_file(const struct lm_conf_model *m, const char *key, const char *path, struct lm_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return lm_fail(err, LM_ECONFIG, "[model %.60s] %s: no such file: %s", m->name, key, path);
    if (access(path, R_OK) != 0)
        return lm_fail(err, LM_ECONFIG, "[model %.60s] %s: not readable by this user: %s", m->name, key, path);
    return 0;
}

const char *lm_conf_model_path(const struct lm_conf_model *m)
{
    return *m->low_bit_model_path ? m->low_bit_model_path : m->path;
}

static int check_model(const struct lm_conf_model *m, struct lm_err *err)
{
    if (!*lm_conf_model_path(m))
        return lm_fail(err, LM_ECONFIG, "[model %.60s] path: not set; it names the model file", m->name);
    int rc = check_file(m, *m->low_bit_model_path ? "low-bit-model-path" : "path", lm_conf_model_path(m), err);
    if (rc == 0 && *m->chat_template)
        rc = check_file(m, "chat-template", m->chat_template, err);
    if (rc)
        return rc;
    if (m->block_size && (m->block_size < 8 || (m->block_size & (m->block_size - 1))))
        return lm_fail(err, LM_ECONFIG, "[model %.60s] block-size: %lld is not a power of two from 8 to 256", m->name, (long long)m->block_size);
    struct lm_conf_speculative spec;
    rc = lm_conf_speculative(m->speculative_config, m->spec_tokens, &spec, err);
    if (rc)
        return lm_fail_in(err, rc, "[model %.60s]", m->name);
    struct lm_conf_nodes nodes;
    rc = lm_conf_nodes(m, &nodes, err);
    if (rc == 0)
        rc = lm_conf_replicas_check(m, err);
    if (rc)
        return lm_fail_in(err, rc, "[model %.60s]", m->name);
    struct lm_conf_lora *lora;
    size_t n_lora;
    rc = lm_conf_lora_read(m->lora_modules, &lora, &n_lora, err);
    if (rc)
        return lm_fail_in(err, rc, "[model %.60s]", m->name);
    lm_conf_lora_fini(lora, n_lora);
    bool kept = *m->low_bit_cache || *m->low_bit_save_path;
    if (strcmp(m->load_in_low_bit, "none") == 0 && kept)
        return lm_fail(err, LM_ECONFIG, "[model %.60s] %s: there is nothing to keep without load-in-low-bit", m->name,
                       *m->low_bit_cache ? "low-bit-cache" : "low-bit-save-path");
    if (*m->low_bit_cache && *m->low_bit_save_path)
        return lm_fail(err, LM_ECONFIG, "[model %.60s] low-bit-cache and low-bit-save-path exclude each other", m->name);
    return 0;
}

static int check_names(const struct lm_conf *c, struct lm_err *err)
{
    for (size_t i = 0; i < c->n_model; i++)
        for (size_t j = 0; j < c->n_model; j++)
            if (i != j && lm_conf_model_answers(&c->model[i], c->model[j].name))
                return lm_fail(err, LM_ECONFIG, "[model %.60s] served-model-name: '%.60s' is another model's name", c->model[i].name, c->model[j].name);
    return 0;
}

bool lm_conf_model_answers(const struct lm_conf_model *m, const char *name)
{
    size_t len = strlen(name);
    if (strcmp(m->name, name) == 0)
        return true;
    for (const char *p = m->served_model_name; *p;) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ",");
        while (n && p[n - 1] == ' ')
            n--;
        if (n == len && memcmp(p, name, n) == 0)
            return true;
        p += strcspn(p, ",");
    }
    return false;
}

static int check_places(const struct lm_conf *c, struct lm_err *err)
{
    int64_t n = 0, max = c->server.max_loaded_models;
    for (size_t i = 0; i < c->n_model; i++)
        n += strcmp(c->model[i].load, "start") == 0;
    return max && n > max ? lm_fail(err, LM_ECONFIG, "max-loaded-models: %lld models are to be loaded at start, there are places for %lld; "
                                    "load = lazy loads one at its first request", (long long)n, (long long)max) : 0;
}

int lm_conf_check(const struct lm_conf *c, struct lm_err *err)
{
    if (c->n_model == 0)
        return lm_fail(err, LM_ECONFIG, "no model: add a section [model NAME] with path = FILE, or give --model FILE");
    for (size_t i = 0; i < c->n_model; i++) {
        int rc = check_model(&c->model[i], err);
        if (rc)
            return *c->path ? lm_fail_in(err, rc, "%.100s", c->path) : rc;
    }
    int rc = check_places(c, err);
    return rc ? rc : check_names(c, err);
}

static const char *default_path(void)
{
    if (access("llmserve.ini", F_OK) == 0)
        return "llmserve.ini";
    return access(LM_SYSCONFDIR "/llmserve.ini", F_OK) == 0 ? LM_SYSCONFDIR "/llmserve.ini" : NULL;
}

/* Take --config FILE or --config=FILE out of argv. */
static int take_config_flag(int *argc, char **argv, const char **out, struct lm_err *err)
{
    int keep = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--config") == 0) {
            if (i + 1 >= *argc)
                return lm_fail(err, LM_ECONFIG, "--config: needs a file");
            *out = argv[++i];
        } else if (strncmp(argv[i], "--config=", 9) == 0) {
            *out = argv[i] + 9;
        } else {
            argv[keep++] = argv[i];
        }
    }
    *argc = keep;
    return 0;
}

int lm_conf_load(struct lm_conf *c, int *io_argc, char **argv, struct lm_err *err)
{
    const char *path = default_path();
    int rc = take_config_flag(io_argc, argv, &path, err);
    if (rc == 0 && path)
        rc = lm_conf_read_ini(c, path, err);
    if (rc == 0)
        rc = lm_conf_read_env(c, err);
    if (rc == 0)
        rc = lm_conf_read_flags(c, io_argc, argv, err);
    for (size_t i = 0; i < c->n_model; i++)
        if (c->model[i].max_model_len < 0)
            c->model[i].max_model_len = 0;
    return rc ? rc : lm_conf_check(c, err);
}

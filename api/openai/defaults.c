/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/defaults.h"
#include "runtime/model/hf/json.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <sys/stat.h>

#define CONFIG_MAX_BYTES (1u << 20)
#define AT(field) offsetof(struct lm_sampling_defaults, field)

static const struct row {
    const char *config, *gguf; /* NULL: not there */
    bool is_int;
    size_t at;
    double min, max;
} rows[] = {
    {"temperature", "general.sampling.temp", false, AT(temperature), 0, 1e6},
    {"top_p", "general.sampling.top_p", false, AT(top_p), 5e-324, 1},
    {"top_k", "general.sampling.top_k", true, AT(top_k), -1, INT32_MAX},
    {"min_p", "general.sampling.min_p", false, AT(min_p), 0, 1},
    {"repetition_penalty", "general.sampling.penalty_repeat", false, AT(repetition), 5e-324, 1e6},
    {"max_new_tokens", NULL, true, AT(max_tokens), 1, INT32_MAX},
    {NULL, "general.sampling.xtc_probability", false, AT(filter.xtc_probability), 0, 1},
    {NULL, "general.sampling.xtc_threshold", false, AT(filter.xtc_threshold), 0, 1},
    {NULL, "general.sampling.mirostat", true, AT(filter.mirostat), 0, 2},
    {NULL, "general.sampling.mirostat_tau", false, AT(filter.mirostat_tau), 0, 1e6},
    {NULL, "general.sampling.mirostat_eta", false, AT(filter.mirostat_eta), 0, 1e6},
};

static int put(const struct row *r, const char *where, double v, struct lm_sampling_defaults *out, struct lm_err *err)
{
    if (!(v >= r->min && v <= r->max) || (r->is_int && v != floor(v)))
        return lm_fail(err, LM_EFORMAT, "%s: %s is %g", where, r->config ? r->config : r->gguf, v);
    if (r->is_int)
        *(int64_t *)((char *)out + r->at) = (int64_t)v;
    else
        *(double *)((char *)out + r->at) = v;
    return 0;
}

static int read_gguf(const struct lm_gguf *g, struct lm_sampling_defaults *out, struct lm_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && rc == 0; i++) {
        const struct lm_gguf_value *v = rows[i].gguf ? lm_gguf_get(g, rows[i].gguf) : NULL;
        if (v && (v->type == LM_GGUF_STRING || v->type == LM_GGUF_ARRAY))
            rc = lm_fail(err, LM_EFORMAT, "key '%s' is not a number", rows[i].gguf);
        else if (v)
            rc = put(&rows[i], rows[i].gguf, lm_gguf_elem_f64(v, 0), out, err);
    }
    return rc;
}

static int read_json(const char *path, const json_t *config, struct lm_sampling_defaults *out, struct lm_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && rc == 0; i++) {
        const json_t *v = rows[i].config ? json_object_get(config, rows[i].config) : NULL;
        if (v && !json_is_null(v) && !json_is_number(v))
            rc = lm_fail(err, LM_EFORMAT, "%s: '%s' is not a number", path, rows[i].config);
        else if (json_is_number(v))
            rc = put(&rows[i], path, json_number_value(v), out, err);
    }
    return rc;
}

static int read_config(const char *path, bool must, struct lm_sampling_defaults *out, struct lm_err *err)
{
    struct stat st;
    json_t *config;
    if (stat(path, &st))
        return must ? lm_fail(err, LM_ENOTFOUND, "%s: %s", path, strerror(errno)) : 0;
    int rc = lm_hf_json_read(path, CONFIG_MAX_BYTES, &config, err);
    if (rc)
        return rc;
    rc = read_json(path, config, out, err);
    json_decref(config);
    return rc;
}

/* The model's folder: itself, or where its file lies. */
static void folder_of(const char *path, char *out, size_t n)
{
    struct stat st;
    snprintf(out, n, "%s", path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return;
    char *slash = strrchr(out, '/');
    snprintf(slash ? slash : out, slash ? n - (size_t)(slash - out) : n, "%s", slash ? "" : ".");
}

int lm_sampling_defaults_read(const struct lm_gguf *g, const char *model_path, const char *how, struct lm_sampling_defaults *out,
                              struct lm_err *err)
{
    char folder[PATH_MAX], path[PATH_MAX + 32];
    bool own = strcmp(how, "auto") == 0;
    struct lm_sampling_defaults d = lm_sampling_neutral;
    int rc = 0;
    if (strcmp(how, "vllm") != 0) {
        folder_of(own ? model_path : "", folder, sizeof folder);
        snprintf(path, sizeof path, "%s/generation_config.json", own ? folder : how);
        rc = own && g && !lm_gguf_folder(g) ? read_gguf(g, &d, err) : 0; /* a folder has them in the file below */
        rc = rc ? rc : read_config(path, !own, &d, err);
    }
    if (rc == 0)
        *out = d;
    return rc;
}

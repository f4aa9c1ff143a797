/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/folder.h"

#include "runtime/base/json.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_JSON = 64 << 20, MAX_TEMPLATE = 4 << 20 };

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

bool lm_folder_is(const char *path)
{
    return is_dir(path) || ends_in(path, ".json") || ends_in(path, ".model");
}

bool lm_folder_has_text(const char *path, const struct lm_gguf *g)
{
    return lm_folder_is(path) && !lm_gguf_get(g, "tokenizer.ggml.model");
}

/* The path of a file of the folder. */
static char *join(const char *path, const char *name)
{
    struct lm_bytes s = {0};
    const char *slash = is_dir(path) ? path + strlen(path) : strrchr(path, '/');
    lm_bytes_add(&s, path, slash ? (size_t)(slash - path) : 0);
    lm_bytes_addf(&s, slash ? "/%s" : "%s", name);
    return lm_bytes_take(&s);
}

static int read_all(int fd, const char *path, size_t max, struct lm_bytes *out, struct lm_err *err)
{
    char chunk[1 << 16];
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return lm_fail(err, LM_EIO, "%.120s is not a file", path);
    out->limit = max;
    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lm_fail(err, LM_EIO, "%.120s: %s", path, strerror(errno));
        lm_bytes_add(out, chunk, (size_t)n);
        if (out->failed)
            return lm_fail(err, LM_ELIMIT, "%.120s has more than %zu bytes", path, max);
    }
    lm_bytes_add(out, "", 0);
    return out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

int lm_folder_read(const char *path, const char *name, size_t max, struct lm_bytes *out, struct lm_err *err)
{
    char *file = join(path, name);
    if (!file)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = fd < 0 ? lm_fail(err, errno == ENOENT || errno == ENOTDIR ? LM_ENOTFOUND : LM_EIO, "%.120s: %s", file,
                              strerror(errno))
                    : read_all(fd, file, max, out, err);
    if (fd >= 0)
        close(fd);
    free(file);
    return rc;
}

/* *out stays NULL when there is no such file. */
static int read_json(const char *path, const char *name, json_t **out, struct lm_err *err)
{
    struct lm_bytes text = {0};
    struct lm_err why = {0};
    int rc = lm_folder_read(path, name, MAX_JSON, &text, err);
    /* transformers writes 10^30 for "no limit" (model_max_length) */
    if (!rc && !(*out = lm_json_load(text.data, text.len, LM_JSON_NUL | LM_JSON_REALS, &why)))
        rc = lm_fail(err, why.code, "%s: %.120s", name, why.msg);
    if (!rc && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        rc = lm_fail(err, LM_EFORMAT, "%s is not an object", name);
    }
    lm_bytes_fini(&text);
    return rc == LM_ENOTFOUND ? 0 : rc;
}

static int read_template(const char *path, const char *name, struct lm_bytes *out, struct lm_err *err)
{
    int rc = lm_folder_read(path, name, MAX_TEMPLATE, out, err);
    return rc == LM_ENOTFOUND ? 0 : rc;
}

static void set(struct lm_bytes *out, const json_t *text)
{
    if (json_is_string(text) && out->len == 0)
        lm_bytes_add(out, json_string_value(text), json_string_length(text));
}

static int templates_of(struct lm_folder *f, const json_t *o, const char *file, struct lm_err *err)
{
    const json_t *t = json_object_get(o, "chat_template"), *one;
    size_t i;
    if (t && !json_is_null(t) && !json_is_string(t) && !json_is_array(t))
        return lm_fail(err, LM_EFORMAT, "%s: chat_template is neither a text nor a list", file);
    set(&f->chat, t);
    json_array_foreach(t, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        const json_t *text = json_object_get(one, "template");
        if (!name || !json_is_string(text))
            return lm_fail(err, LM_EFORMAT, "%s: chat_template[%zu] is not a name and a template", file, i);
        if (strcmp(name, "default") == 0)
            set(&f->chat, text);
        else if (strcmp(name, "tool_use") == 0)
            set(&f->tools, text);
    }
    return 0;
}

static int read_templates(const char *path, struct lm_folder *f, struct lm_err *err)
{
    json_t *file = NULL;
    int rc = read_template(path, "chat_template.jinja", &f->chat, err);
    if (!rc)
        rc = read_template(path, "additional_chat_templates/tool_use.jinja", &f->tools, err);
    if (!rc && f->chat.len == 0)
        rc = read_json(path, "chat_template.json", &file, err);
    if (!rc)
        rc = templates_of(f, file, "chat_template.json", err);
    if (!rc && f->chat.len == 0)
        rc = templates_of(f, f->config, "tokenizer_config.json", err);
    json_decref(file);
    return !rc && (f->chat.failed || f->tools.failed) ? lm_fail(err, LM_ELIMIT, "a chat template is too long") : rc;
}

/* Files say 1e30 where there is no limit. */
static uint64_t read_length(const json_t *config)
{
    double n = json_number_value(json_object_get(config, "model_max_length"));
    return n >= 1 && n < 1e15 ? (uint64_t)n : 0;
}

int lm_folder_open(const char *path, struct lm_folder *out, struct lm_err *err)
{
    struct lm_folder f = {0};
    int rc = read_json(path, "tokenizer_config.json", &f.config, err);
    if (!rc)
        rc = read_json(path, "special_tokens_map.json", &f.map, err);
    if (!rc)
        rc = read_json(path, "generation_config.json", &f.generation, err);
    if (!rc)
        rc = read_templates(path, &f, err);
    f.max_length = read_length(f.config);
    if (rc)
        lm_folder_close(&f);
    else
        *out = f;
    return rc;
}

void lm_folder_close(struct lm_folder *f)
{
    json_decref(f->config);
    json_decref(f->map);
    json_decref(f->generation);
    lm_bytes_fini(&f->chat);
    lm_bytes_fini(&f->tools);
    *f = (struct lm_folder){0};
}

const char *lm_folder_token(const struct lm_folder *f, const char *key, size_t *out_n)
{
    const json_t *v = json_object_get(f->config, key);
    if (!v)
        v = json_object_get(f->map, key);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    if (!json_is_string(v) || json_string_length(v) == 0)
        return NULL;
    *out_n = json_string_length(v);
    return json_string_value(v);
}

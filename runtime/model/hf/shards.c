/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/shards.h"
#include "runtime/model/hf/json.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILES_MAX = 1024, INDEX_MAX = 16 << 20 };

static const char index_name[] = "model.safetensors.index.json", single_name[] = "model.safetensors";

static int path_of(const char *folder, const char *name, char out[PATH_MAX], struct lm_err *err)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return n < PATH_MAX ? 0 : lm_fail(err, LM_EINVAL, "a path of %d bytes", n);
}

static bool is_plain(const char *name)
{
    size_t n = strlen(name), end = strlen(".safetensors");
    return n > end && n < 200 && name[0] != '.' && !strchr(name, '/') && strcmp(name + n - end, ".safetensors") == 0;
}

static int open_one(const char *folder, const char *name, struct lm_hf_shards *s, struct lm_err *err)
{
    char path[PATH_MAX];
    int rc = path_of(folder, name, path, err);
    if (!rc)
        rc = lm_st_open(path, &s->st[s->n], err);
    if (rc)
        return lm_fail_in(err, rc, "%.100s", name);
    s->map[s->n] = lm_st_map(s->st[s->n]);
    s->n_tensor += lm_st_n_tensors(s->st[s->n]);
    s->n++;
    return 0;
}

static int make_room(struct lm_hf_shards *s, size_t n, struct lm_err *err)
{
    s->st = calloc(n, sizeof *s->st);
    s->map = calloc(n, sizeof *s->map);
    return s->st && s->map ? 0 : lm_fail(err, LM_ENOMEM, "no memory for %zu files", n);
}

/* Files in the order in which the index names them first; `at` maps a name to its number. */
static int open_named(const char *folder, const json_t *map, json_t *at, struct lm_hf_shards *s, struct lm_err *err)
{
    char shown[LM_GGUF_QUOTE];
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const char *file = json_string_value(value);
        if (!file || !is_plain(file))
            return lm_fail(err, LM_EFORMAT, "tensor '%s' has no safetensors file of this folder", lm_gguf_quote((struct lm_gguf_str){tensor, strlen(tensor)}, shown));
        if (json_object_get(at, file))
            continue;
        if (s->n == FILES_MAX)
            return lm_fail(err, LM_ELIMIT, "more than %d files", FILES_MAX);
        int rc = open_one(folder, file, s, err);
        if (rc)
            return rc;
        if (json_object_set_new(at, file, json_integer((json_int_t)s->n - 1)))
            return lm_fail(err, LM_ENOMEM, "no memory for a file's name");
    }
    return 0;
}

static int check_named(const json_t *map, const json_t *at, const struct lm_hf_shards *s, struct lm_err *err)
{
    char shown[LM_GGUF_QUOTE];
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const char *file = json_string_value(value);
        if (!lm_st_tensor(s->st[json_integer_value(json_object_get(at, file))], tensor))
            return lm_fail(err, LM_EFORMAT, "tensor '%s' is not in %.80s",
                           lm_gguf_quote((struct lm_gguf_str){tensor, strlen(tensor)}, shown), file);
    }
    return 0;
}

static int open_index(const char *folder, const char *path, struct lm_hf_shards *s, struct lm_err *err)
{
    json_t *index = NULL, *at = json_object();
    int rc = at ? lm_hf_json_read(path, INDEX_MAX, &index, err) : lm_fail(err, LM_ENOMEM, "no memory for an index");
    const json_t *map = json_object_get(index, "weight_map");
    if (!rc && json_object_size(map) == 0)
        rc = lm_fail(err, LM_EFORMAT, "has no 'weight_map'");
    if (!rc)
        rc = make_room(s, FILES_MAX, err);
    if (!rc)
        rc = open_named(folder, map, at, s, err);
    if (!rc)
        rc = check_named(map, at, s, err);
    json_decref(index);
    json_decref(at);
    return rc ? lm_fail_in(err, rc, "%s", index_name) : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct lm_st_tensor *const *)a)->name.s, (*(const struct lm_st_tensor *const *)b)->name.s);
}

static int join(struct lm_hf_shards *s, struct lm_err *err)
{
    size_t n = 0;
    s->tensor = calloc(s->n_tensor + 1, sizeof *s->tensor);
    if (!s->tensor)
        return lm_fail(err, LM_ENOMEM, "no memory for %zu tensors", s->n_tensor);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < lm_st_n_tensors(s->st[i]); k++)
            s->tensor[n++] = lm_st_tensor_at(s->st[i], k);
    qsort(s->tensor, n, sizeof *s->tensor, by_name);
    for (size_t i = 1; i < n; i++)
        if (!by_name(&s->tensor[i - 1], &s->tensor[i]))
            return lm_fail(err, LM_EFORMAT, "tensor '%.80s' is in two files", s->tensor[i]->name.s);
    return 0;
}

int lm_hf_shards_open(const char *folder, struct lm_hf_shards *out, struct lm_err *err)
{
    char path[PATH_MAX];
    struct stat st;
    struct lm_hf_shards s = {0};
    int rc = path_of(folder, index_name, path, err);
    if (!rc && stat(path, &st) == 0)
        rc = open_index(folder, path, &s, err);
    else if (!rc && (rc = make_room(&s, 1, err)) == 0)
        rc = open_one(folder, single_name, &s, err);
    if (!rc)
        rc = join(&s, err);
    if (rc)
        lm_hf_shards_close(&s);
    else
        *out = s;
    return rc;
}

void lm_hf_shards_close(struct lm_hf_shards *s)
{
    for (size_t i = 0; i < s->n; i++)
        lm_st_close(s->st[i]);
    free(s->st);
    free(s->map);
    free(s->tensor);
    *s = (struct lm_hf_shards){0};
}

size_t lm_hf_shards_find(const struct lm_hf_shards *s, const char *name)
{
    const struct lm_st_tensor key = {.name = {name, strlen(name)}}, *p = &key;
    const struct lm_st_tensor **hit = bsearch(&p, s->tensor, s->n_tensor, sizeof *s->tensor, by_name);
    return hit ? (size_t)(hit - s->tensor) : s->n_tensor;
}

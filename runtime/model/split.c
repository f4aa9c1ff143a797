/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/source.h"
#include <limits.h>
#include <stdlib.h>

enum { PARTS_MAX = 1024, SUFFIX = sizeof "-00001-of-00002.gguf" - 1 };

struct split {
    uint32_t n;
    struct lm_gguf *part[PARTS_MAX]; /* the first one is NULL when it owns the others */
    struct lm_map map[PARTS_MAX];    /* borrowed from the parts */
};

static void release(void *owner)
{
    struct split *s = owner;
    for (uint32_t i = 0; i < s->n; i++)
        lm_gguf_close(s->part[i]);
    free(s);
}

/* "-00001-of-00002.gguf" at the end of path, with digits only. */
static bool parse_name(const char *path, uint32_t *out_no, uint32_t *out_count)
{
    size_t n = strlen(path);
    const char *s = path + (n < SUFFIX ? 0 : n - SUFFIX);
    if (n < SUFFIX || s[0] != '-' || memcmp(s + 6, "-of-", 4) != 0 || strcmp(s + 15, ".gguf") != 0)
        return false;
    for (int i = 1; i <= 14; i = i == 5 ? 10 : i + 1)
        if (s[i] < '0' || s[i] > '9')
            return false;
    *out_no = (uint32_t)strtoul(s + 1, NULL, 10);
    *out_count = (uint32_t)strtoul(s + 10, NULL, 10);
    return true;
}

static int check_part(const struct lm_gguf *g, uint32_t no, uint32_t count, struct lm_err *err)
{
    uint32_t got_no = 0, got_count = 0;
    int rc = lm_gguf_u32(g, "split.no", UINT32_MAX, &got_no, err);
    if (rc || (rc = lm_gguf_u32(g, "split.count", UINT32_MAX, &got_count, err)) != 0)
        return rc;
    if (got_no != no || got_count != count)
        return lm_fail(err, LM_EFORMAT, "keys 'split.no' and 'split.count' are %u and %u, not %u and %u as the file's name says", got_no,
                       got_count, no, count);
    return 0;
}

static int open_parts(const char *path, uint32_t here, struct split *s, struct lm_err *err)
{
    char name[PATH_MAX + 8];
    const size_t n = strlen(path);
    int rc = n < PATH_MAX ? 0 : lm_fail(err, LM_EINVAL, "a path of %zu bytes", n);
    for (uint32_t i = 0; i < s->n && !rc; i++) {
        snprintf(name, sizeof name, "%.*s-%05u-of-%05u.gguf", (int)(n - SUFFIX), path, i + 1, s->n);
        if (i != here)
            rc = lm_gguf_open(name, &s->part[i], err);
        if (!rc && (rc = check_part(s->part[i], i, s->n, err)) != 0)
            lm_fail_in(err, rc, "%.100s", name);
    }
    return rc;
}

static int check_total(const struct lm_gguf *first, size_t n_tensor, struct lm_err *err)
{
    uint32_t total = 0;
    int rc = lm_gguf_u32(first, "split.tensors.count", (uint32_t)n_tensor, &total, err);
    if (!rc && total != n_tensor)
        rc = lm_fail(err, LM_EFORMAT, "key 'split.tensors.count' is %u, but the parts hold %zu tensors", total, n_tensor);
    return rc;
}

/* The first part becomes the whole, which owns the others. */
static int join(struct split *s, struct lm_gguf **out, struct lm_err *err)
{
    struct lm_gguf_whole w = {.map = s->map, .n_map = s->n, .owner = s, .release = release};
    struct lm_gguf *first = s->part[0];
    size_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        n += lm_gguf_n_tensors(s->part[i]);
        s->map[i] = lm_gguf_map(s->part[i]);
    }
    int rc = check_total(first, n, err);
    if (rc)
        return rc;
    w.tensor = malloc((n ? n : 1) * sizeof *w.tensor);
    if (!w.tensor)
        return lm_fail(err, LM_ENOMEM, "no memory for %zu tensors", n);
    for (uint32_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < lm_gguf_n_tensors(s->part[i]); k++)
            w.tensor[w.n_tensor++] = *lm_gguf_tensor_at(s->part[i], k);
    if ((rc = lm_gguf_complete(first, &w, err)) != 0) {
        free(w.tensor);
        return rc;
    }
    s->part[0] = NULL;
    *out = first;
    return 0;
}

int lm_split_open(const char *path, struct lm_gguf *part, struct lm_gguf **out, struct lm_err *err)
{
    uint32_t no = 0, count = 0;
    int rc = 0;
    struct split *s = calloc(1, sizeof *s);
    if (!s) {
        rc = lm_fail(err, LM_ENOMEM, "no memory for the parts of a model");
    } else if (!parse_name(path, &no, &count) || no < 1 || no > count) {
        rc = lm_fail(err, LM_EFORMAT, "a part of a split model whose name does not end in -00001-of-0000N.gguf");
    } else if (count > PARTS_MAX) {
        rc = lm_fail(err, LM_EUNSUPPORTED, "a model in %u parts; up to %d are read", count, PARTS_MAX);
    }
    if (rc) {
        lm_gguf_close(part);
        free(s);
        return lm_fail_in(err, rc, "%.100s", path);
    }
    s->n = count;
    s->part[no - 1] = part;
    rc = open_parts(path, no - 1, s, err);
    if (!rc && (rc = join(s, out, err)) != 0)
        lm_fail_in(err, rc, "%.100s", path);
    if (rc)
        release(s);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/lora/adapter.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int lm_adapter_read_file(const char *path, size_t most, char **out, size_t *out_n, struct lm_err *err)
{
    struct stat st;
    char *data = NULL;
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
    if (fd < 0)
        return lm_fail(err, errno == ENOENT || errno == ENOTDIR ? LM_ENOTFOUND : LM_EIO, "%s", strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0)
        rc = lm_fail(err, LM_EFORMAT, "no regular file, or an empty one");
    else if ((uint64_t)st.st_size > most)
        rc = lm_fail(err, LM_ELIMIT, "the file has %lld bytes, more than the %zu that it can need", (long long)st.st_size, most);
    else if (!(data = malloc((size_t)st.st_size + 1)))
        rc = lm_fail(err, LM_ENOMEM, "no memory for %lld bytes", (long long)st.st_size);
    while (!rc && n < (size_t)st.st_size) {
        ssize_t got = read(fd, data + n, (size_t)st.st_size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            rc = lm_fail(err, LM_EIO, "%s at byte %zu", got < 0 ? strerror(errno) : "the file shrank while it was read", n);
        else
            n += (size_t)got;
    }
    close(fd);
    if (rc) {
        free(data);
        return rc;
    }
    data[n] = 0;
    *out = data;
    *out_n = n;
    return 0;
}

static struct lm_adapter_pair *pair_of(struct lm_adapter *a, const char *module)
{
    for (size_t i = a->n; i-- > 0;)
        if (strcmp(a->pair[i].module, module) == 0)
            return &a->pair[i];
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 256;
        struct lm_adapter_pair *pair = realloc(a->pair, cap * sizeof *pair);
        if (!pair)
            return NULL;
        a->pair = pair;
        a->cap = cap;
    }
    struct lm_adapter_pair *p = &a->pair[a->n++];
    *p = (struct lm_adapter_pair){.n_part = 1};
    snprintf(p->module, sizeof p->module, "%s", module);
    return p;
}

int lm_adapter_put(struct lm_adapter *a, const char *module, bool is_b, const struct lm_adapter_side *side, struct lm_adapter_pair **out,
                   struct lm_err *err)
{
    char name[LM_GGUF_QUOTE];
    const struct lm_qtype_info *q = lm_qtype_info(side->qtype);
    if (!q || !q->dequantize)
        return lm_fail(err, LM_EUNSUPPORTED, "tensor '%s' at byte %llu has a type that no weights have", lm_gguf_quote(side->tensor, name),
                       (unsigned long long)side->offset);
    struct lm_adapter_pair *p = pair_of(a, module);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for an adapter");
    struct lm_adapter_side *to = is_b ? &p->b : &p->a;
    if (to->data)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %llu: the adapter has another one for %s", lm_gguf_quote(side->tensor, name),
                       (unsigned long long)side->offset, module);
    *to = *side;
    *out = p;
    return 0;
}

/* Both sides are there and fit each other, with a rank that is allowed and the one that the configuration says. */
static int check_pair(const struct lm_adapter_pair *p, uint32_t max_rank, struct lm_err *err)
{
    char name[LM_GGUF_QUOTE];
    const struct lm_adapter_side *one = p->a.data ? &p->a : &p->b;
    unsigned long long at = one->offset, rank = p->a.rows;
    lm_gguf_quote(one->tensor, name);
    if (!p->a.data || !p->b.data)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %llu is given without its lora_%s", name, at, p->a.data ? "B" : "A");
    if (rank == 0 || rank != p->b.cols)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %llu has rank %llu, its lora_B %llu", name, at, rank, (unsigned long long)p->b.cols);
    if (p->rank && rank != p->rank)
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %llu has rank %llu, but adapter_config.json says %u", name, at, rank, p->rank);
    if (rank > max_rank)
        return lm_fail(err, LM_ELIMIT, "tensor '%s' at byte %llu has rank %llu, more than max-lora-rank %u: set max-lora-rank to %llu", name, at,
                       rank, max_rank, rank);
    if (!isfinite(p->scale))
        return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %llu: a scale of %g", name, at, (double)p->scale);
    return 0;
}

int lm_adapter_open(const char *path, const struct lm_hparams *hp, uint32_t max_rank, size_t most, struct lm_adapter **out, struct lm_err *err)
{
    struct stat st;
    struct lm_adapter *a = calloc(1, sizeof *a);
    if (!a)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    int rc = stat(path, &st) == 0 ? 0 : lm_fail(err, LM_ENOTFOUND, "%s: an adapter is a PEFT folder or a GGUF file of this machine", strerror(errno));
    if (!rc)
        rc = (S_ISDIR(st.st_mode) ? lm_adapter_open_peft : lm_adapter_open_gguf)(path, hp, most, a, err);
    if (!rc && a->n == 0)
        rc = lm_fail(err, LM_EFORMAT, "the adapter changes nothing: it has no tensors");
    for (size_t i = 0; i < a->n && !rc; i++)
        rc = check_pair(&a->pair[i], max_rank, err);
    if (rc) {
        lm_adapter_close(a);
        return lm_fail_in(err, rc, "%.60s", path);
    }
    *out = a;
    return 0;
}

void lm_adapter_close(struct lm_adapter *a)
{
    if (!a)
        return;
    lm_st_close(a->st);
    lm_gguf_close(a->g);
    free(a->data);
    free(a->pair);
    free(a);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/replicas.h"

#include <stdlib.h>

static size_t n_each(const struct lm_conf_model *m)
{
    return (size_t)(m->tensor_parallel_size * m->pipeline_parallel_size);
}

size_t lm_conf_replica_devices(const struct lm_conf_model *m)
{
    return (size_t)m->data_parallel_size * n_each(m);
}

static size_t n_listed(const char *list)
{
    size_t n = 1;
    for (; *list; list++)
        n += *list == ',';
    return n;
}

int lm_conf_replicas_check(const struct lm_conf_model *m, struct lm_err *err)
{
    size_t n = n_listed(m->device);
    if (m->data_parallel_size == 1)
        return 0;
    if (*m->nodes)
        return lm_fail(err, LM_ECONFIG, "data-parallel-size: engines on several nodes (nodes) are not replicated; put one server on each, behind a proxy");
    if (n != 1 && n != lm_conf_replica_devices(m))
        return lm_fail(err, LM_ECONFIG, "device: %zu indices, but data-parallel-size times tensor-parallel-size times pipeline-parallel-size is %zu", n,
                       lm_conf_replica_devices(m));
    return 0;
}

/* At the end it stays there: a list may be shorter until it is checked. */
static const char *next(const char *at)
{
    at += strcspn(at, ",");
    return at + (*at == ',');
}

void lm_conf_replica_device(const struct lm_conf_model *m, size_t rank, struct lm_bytes *out)
{
    const char *at = m->device;
    char *end;
    unsigned long first = strtoul(at, &end, 10);
    if (m->data_parallel_size == 1 || *end != ',') {
        if (m->data_parallel_size == 1 || end == at || *end)
            lm_bytes_add_str(out, at); /* what is no index is the engine's to refuse */
        else
            lm_bytes_addf(out, "%lu", first + rank * n_each(m));
        return;
    }
    for (size_t i = 0; i < rank * n_each(m); i++)
        at = next(at);
    for (size_t i = 0; i < n_each(m); i++, at = next(at))
        lm_bytes_addf(out, "%s%.*s", i ? "," : "", (int)strcspn(at, ","), at);
}

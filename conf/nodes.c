/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/nodes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1024 };

/* A number from 1 at *text, which ends where the list goes on; 0: there is none. */
static uint32_t read_count(const char **text)
{
    char *end;
    unsigned long n = isdigit((unsigned char)**text) ? strtoul(*text, &end, 10) : 0;
    if (!n || n > MOST || (*end && *end != ','))
        return 0;
    *text = end;
    return (uint32_t)n;
}

static bool is_host(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(i ? "-._" : "_", text[i]))
            return false;
    return n > 0;
}

/* One of the list: its processes; 0: it is none. */
static uint32_t read_host(const char **text)
{
    size_t n = strcspn(*text, ":,");
    if (!is_host(*text, n))
        return 0;
    *text += n;
    if (**text != ':')
        return 1;
    ++*text;
    return read_count(text);
}

int lm_conf_nodes(const struct lm_conf_model *m, struct lm_conf_nodes *out, struct lm_err *err)
{
    const char *at = m->nodes;
    struct lm_conf_nodes nodes = {0};
    uint32_t n = *at ? read_count(&at) : 0;
    if (!*at && (n > 1 || !*m->nodes)) {
        *out = (struct lm_conf_nodes){n, false};
        return 0;
    }
    nodes.named = true;
    for (at = m->nodes; (n = read_host(&at)) > 0; at++) {
        nodes.n_process += n;
        if (!*at)
            break;
    }
    if (!n || nodes.n_process < 2 || nodes.n_process > MOST)
        return lm_fail(err, LM_ECONFIG, "nodes: '%.80s' is neither a number of processes from 2 nor hosts, as host1,host2:2", m->nodes);
    *out = nodes;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_NODES_H
#define LM_CONF_NODES_H
/**
 * What `nodes` asks for: the processes that share a model.
 */
#include "conf/conf.h"

struct lm_conf_nodes {
    uint32_t n_process; /* 0: no other processes */
    bool named;         /* the text is a list of hosts; else mpirun knows them */
};

/**
 * Read the nodes of a model: "", a number, or "host1,host2:2".
 *
 * Errors   LM_ECONFIG it is none of these, or names one process
 * Thread   [any]
 */
int lm_conf_nodes(const struct lm_conf_model *m, struct lm_conf_nodes *out, struct lm_err *err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_LAUNCH_H
#define LM_CMD_LAUNCH_H
/**
 * The engine of a model on many nodes: the process that llmserved starts runs mpirun, which starts this program again on each node
 * with --join=NAME. The first of those comes to an abstract socket of that name and is given the front's socket; from then on the
 * front talks with it, and this process only waits for mpirun, which ends with its first process.
 *
 * Thread   [engine]
 */
#include "conf/conf.h"
#include "conf/nodes.h"

/** Run the processes. argv are the engine's flags. Returns the exit status. */
int lm_launch(const struct lm_conf_model *m, const struct lm_conf_nodes *nodes, int front_fd, int argc, char *const *argv);

/** --join=NAME as the first flag is taken out of argv; NULL: there is none. Borrowed from argv. */
const char *lm_launch_take_flag(int *argc, char **argv);

/** In the first process: the front's socket becomes descriptor fd.  Errors LM_EIO */
int lm_launch_join(const char *name, int fd, struct lm_err *err);
#endif

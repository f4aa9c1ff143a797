/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_CHILD_H
#define LM_CMD_CHILD_H
/**
 * A llmserved of our own, on a free port of the loopback and with a key that nobody else knows, for the subcommands
 * that need all of a server. It ends with us.
 *
 * Thread   [any], one at a time
 */
#include <llmserve/err.h>
#include <stdint.h>

struct lm_child;

/**
 * Start it with the flags in argv (argv[0] is left out; -m is --model) and wait until its first model is ready.
 *
 * It is the llmserved beside this program, else the one in PATH. Its warnings and errors go to standard error.
 * Owns     *out is the caller's until lm_child_stop()
 * Errors   LM_ECONFIG it refused its settings (said on standard error); LM_EIO; LM_ENOMEM
 */
int lm_child_start(int argc, char **argv, struct lm_child **out, struct lm_err *err);
/** End it and wait for its end. Takes NULL. */
void lm_child_stop(struct lm_child *c);

const char *lm_child_url(const struct lm_child *c);
const char *lm_child_key(const struct lm_child *c);
/** From its start to its first model being ready. */
uint64_t lm_child_start_us(const struct lm_child *c);
#endif

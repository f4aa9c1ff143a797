/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_MEMLINK_H
#define LM_TESTS_MEMLINK_H
/**
 * A link (runtime/parallel/link.h) between threads, which stand for processes of several nodes.
 *
 * Owns     links out[n] are the caller's until each is closed
 * Thread   each link is one thread's
 */
#include "runtime/parallel/link.h"

#include <stddef.h>

void lm_memlink_create(uint32_t n, uint32_t team_size, struct lm_link **out);

/**
 * Run n copies of a process in threads of their own, each with a link and the devices of its parts; one is run as it is.
 *
 * process  the first of n, of so many bytes each, and the only one that is set; each begins with its struct lm_group_desc
 */
void lm_memlink_run(void *process, size_t bytes, uint32_t n, void *(*run)(void *process));
#endif

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

void lm_memlink_create(uint32_t n, uint32_t team_size, struct lm_link **out);
#endif

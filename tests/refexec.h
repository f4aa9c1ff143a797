/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_REFEXEC_H
#define LM_TESTS_REFEXEC_H
/**
 * The backend "ref": the ops' scalar references behind the table of a plugin, as the oracle of every other one.
 *
 * Complete (paged cache of any dtype, sampling, checks of graphs and steps), exact and slow. It holds callers to
 * the contract: pack() refuses rows out of order, prepare() weights with rows missing, launch() an unfinished step.
 */
#include <llmserve/backend.h>

extern const struct lm_backend lm_refexec;
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_REFJOIN_H
#define LM_TESTS_REFJOIN_H
/**
 * The backend ref (refexec.h) with devices that can join: ranks run collective ops by the ops' references and meet in memory.
 *
 * For one group at a time of at most LM_REFJOIN_DEVICES devices.
 */
#include "tests/refexec.h"

enum { LM_REFJOIN_DEVICES = 8 };

/** For devices that are open from now on. */
const struct lm_backend *lm_refjoin(void);

/** Collective ops that devices have run since the program began. */
unsigned lm_refjoin_count(void);
#endif

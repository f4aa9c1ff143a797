/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_RIGHTS_H
#define LM_BASE_RIGHTS_H
/**
 * Whoever may write a plugin, or put another one in its folder, runs code in the engine: that may be root and who runs it.
 * Both are looked at, the file first.
 *
 * Errors   LM_EUNSUPPORTED a file or folder that others may change, with the chown or chmod to run; LM_EIO it is not there
 * Thread   [any]
 */
#include <llmserve/err.h>

int lm_rights_check(const char *folder, const char *path, struct lm_err *err);
#endif

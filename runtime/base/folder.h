/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_FOLDER_H
#define LM_BASE_FOLDER_H
/**
 * Make a folder, and those above it, for the user alone. One that is there stays as it is.
 *
 * Errors   LM_ENOMEM; LM_EIO with the folder that could not be made
 * Thread   [any]
 */
#include <llmserve/err.h>

int lm_folder_make(const char *path, struct lm_err *err);
#endif

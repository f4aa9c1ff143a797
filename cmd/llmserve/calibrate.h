/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_CALIBRATE_H
#define LM_CMD_CALIBRATE_H
/**
 * Run a text through a model and measure how much each input column of each matrix matters.
 *
 * text_path   a file; its first LM_CALIBRATE_TOK tokens are taken, in pieces of 64
 * be, dev     an open device with room for the model as it is in the file and, for a piece, all activations of all layers
 * Owns        *out is the caller's until lm_importance_fini()
 * Errors      LM_ENOTFOUND, LM_EINVAL the text; of the model and the backend
 * Thread      [engine]
 */
#include "runtime/engine/eval.h"

enum { LM_CALIBRATE_TOK = 8192 };

int lm_calibrate(const char *text_path, const struct lm_gguf *g, const struct lm_backend *be, struct lm_dev *dev,
                 lm_load_progress progress, void *progress_arg, struct lm_importance *out, struct lm_err *err);
#endif

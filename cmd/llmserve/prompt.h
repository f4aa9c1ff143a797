/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_PROMPT_H
#define LM_CMD_PROMPT_H
/**
 * Lines from the terminal, edited and with a history that is kept (libedit, where it was built in), or from a pipe.
 *
 * Thread   [any], one at a time
 */
#include <llmserve/err.h>

struct lm_prompt;

/** name: of the history's file, in $XDG_STATE_HOME/llmserve or ~/.local/state/llmserve. LM_ENOMEM */
int lm_prompt_create(const char *name, struct lm_prompt **out, struct lm_err *err);
/** Keeps the history. */
void lm_prompt_destroy(struct lm_prompt *p);

/** The next line that is not empty, without its end; borrowed until the next call. NULL: the end, or "stop", "/exit" or "/quit". */
const char *lm_prompt_read(struct lm_prompt *p);
#endif

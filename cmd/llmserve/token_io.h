/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_TOKEN_IO_H
#define LM_CMD_TOKEN_IO_H
/** What tokenize and detokenize share. */
#include "runtime/text/tokenizer.h"

/** Append all of standard input to out. */
int token_io_read(struct lm_bytes *out, struct lm_err *err);

/** Write out to standard output, when rc is 0. Prints the error to standard error; returns the exit status. */
int token_io_end(const char *command, int rc, const struct lm_bytes *out, struct lm_err *err);
#endif

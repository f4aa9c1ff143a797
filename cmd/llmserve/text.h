/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_TEXT_H
#define LM_CMD_TEXT_H
/** Texts in and out. Thread [any] */
#include "runtime/base/buf.h"

/** Append a whole file; "-" is standard input. LM_ENOTFOUND, LM_EIO, LM_ENOMEM */
int lm_text_read(const char *path, struct lm_bytes *out, struct lm_err *err);

/** Append s as Python's repr() writes a string: in quotes, with what cannot be seen escaped. */
void lm_text_repr(const char *s, size_t n, struct lm_bytes *out);
#endif

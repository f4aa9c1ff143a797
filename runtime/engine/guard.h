/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_GUARD_H
#define LM_ENGINE_GUARD_H
/**
 * A model file that shrinks while it is mapped, or whose disk fails, ends the process that reads it by SIGBUS: with
 * this guard by a message that names the file and what to do.
 *
 * Everything is made ready before, so that the handler only writes and exits. What it needs is the process's only
 * state outside of objects, since a handler is given nothing else. A SIGBUS from elsewhere stays what it was.
 *
 * Thread   the thread that loads; the handler runs in whichever thread reads
 */
#include "runtime/model/gguf.h"

/**
 * From now on: the file's end is told on fd as FAILED (code LM_EIO), or with fd < 0 in a line on standard error,
 * and the process exits with status 1.
 *
 * Errors   LM_EIO the handler cannot be set
 */
int lm_guard_begin(int fd, struct lm_err *err);

/** The file that is guarded: its mapping and how messages name it. bytes 0: none any more. */
void lm_guard_file(const char *path, const void *base, size_t bytes);

/** The same of an open model; NULL: none any more. */
void lm_guard_model(const char *path, const struct lm_gguf *g);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_LOG_H
#define LM_BASE_LOG_H
/**
 * One line a call to standard error: time, level, part, message. Only programs and their boundary log;
 * libraries return errors. Control characters in the message are escaped. Lines that cannot be written
 * (disk full, pipe without a reader) are counted and dropped, never waited for.
 *
 * Where the journal reads (JOURNAL_STREAM names the descriptor's file) a line begins with <N>, its priority, instead of
 * the time and level, which the journal keeps itself.
 *
 * Thread   [any]
 * Source   sd-daemon(3), systemd.exec(5)
 */
#include <stddef.h>

enum lm_log_level { LM_ERROR, LM_WARN, LM_INFO, LM_DEBUG };

/** Show messages up to the level of this name, as log-level has it; other names change nothing. LM_INFO at start. */
void lm_log_set_level(const char *name);

__attribute__((format(printf, 3, 4)))
void lm_log(enum lm_log_level level, const char *part, const char *fmt, ...);

/** A line of its own to standard output, as it is: s[0..n) holds no line end. */
void lm_log_line(const char *s, size_t n);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_LOG_H
#define LM_BASE_LOG_H
/**
 * One line a call to standard error: time, level, part, message. Only programs and their boundary log;
 * libraries return errors. Control characters in the message are escaped. Lines that cannot be written
 * (disk full, pipe without a reader) are counted and dropped, never waited for.
 *
 * Thread   [any]
 */
enum lm_log_level { LM_ERROR, LM_WARN, LM_INFO, LM_DEBUG };

/** Show messages up to this level; LM_INFO at start. */
void lm_log_set_level(enum lm_log_level level);

__attribute__((format(printf, 3, 4)))
void lm_log(enum lm_log_level level, const char *part, const char *fmt, ...);
#endif

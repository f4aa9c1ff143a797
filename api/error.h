/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_ERROR_H
#define LM_API_ERROR_H
/**
 * Errors as a client sees them: {"error":{"message","type","param","code"}}, the code being the HTTP status.
 *
 * The one place that turns LM_E* into statuses and types. A message never holds an address, a prompt, or a path that its
 * reader did not give.
 *
 * Thread   [any]
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"

struct lm_api_error {
    int status;        /* 0: no error */
    char param[64];    /* field of the request; "" is null */
    char message[400]; /* well-formed UTF-8 */
};

/** "BadRequestError" for 400 and so on. */
const char *lm_api_error_type(int status);

/** Fill e and return LM_EINVAL. param NULL: none. */
__attribute__((format(printf, 4, 5)))
int lm_api_fail(struct lm_api_error *e, int status, const char *param, const char *fmt, ...);

/** The same with status 503. */
int lm_api_no_memory(struct lm_api_error *e);

/** The same with status 400 and " (parameter=PARAM)" behind the message; with a value " (parameter=PARAM, value=VALUE)". */
__attribute__((format(printf, 3, 4)))
int lm_api_bad(struct lm_api_error *e, const char *param, const char *fmt, ...);
__attribute__((format(printf, 4, 5)))
int lm_api_bad_int(struct lm_api_error *e, const char *param, int64_t value, const char *fmt, ...);

/** Where e is about the field `ours`, call it theirs; with an index (ours[2]) it stays: that counts what was made of the request. */
void lm_api_rename(struct lm_api_error *e, const char *ours, const char *theirs);

/** Fill e from an internal error: codes that are the client's fault keep their message, the others are hidden. */
int lm_api_fail_err(struct lm_api_error *e, const struct lm_err *err);

enum lm_error_style {
    LM_ERROR_OPENAI,
    LM_ERROR_ANTHROPIC, /* {"type":"error","error":{"type","message"}} */
    LM_ERROR_OLLAMA,    /* {"error":"message"} */
};

/** Append the JSON body. */
void lm_api_error_write(const struct lm_api_error *e, enum lm_error_style style, struct lm_bytes *out);
#endif

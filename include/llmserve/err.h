/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LLMSERVE_ERR_H
#define LLMSERVE_ERR_H
/**
 * Errors: 0 is success, each negative code is one that a caller treats differently.
 *
 * A function that can fail returns int (0 or LM_E*), takes `struct lm_err *err` last, and leaves its
 * outputs untouched on failure. err may be NULL. Only lm_fail() makes an error, so that the returned
 * code and the filled struct cannot disagree; lm_fail_in() puts context in front of one passed up.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LM_OK = 0,
    LM_EINVAL = -1,       /* an argument or a request is wrong: the caller's fault */
    LM_ENOMEM = -2,       /* host or device memory is short */
    LM_EIO = -3,          /* a system call failed; native is errno */
    LM_EFORMAT = -4,      /* a file or message is malformed */
    LM_EUNSUPPORTED = -5, /* well-formed, but not built here */
    LM_ENOTFOUND = -6,    /* no such file, key, model or device */
    LM_ELIMIT = -7,       /* a configured or fixed limit is exceeded */
    LM_EDEVICE = -8,      /* the device is lost or failed; native is the driver's code */
    LM_ETIMEOUT = -9,     /* a deadline passed */
    LM_ECONFIG = -10,     /* the configuration is wrong (exit status 78) */
    LM_EBUSY = -11,       /* a bounded queue is full; try again later */
};

struct lm_err {
    int code;
    long native;
    char msg[240];
};

/**
 * Fill err and return code.
 *
 * Thread   [any]
 */
__attribute__((format(printf, 3, 4)))
static inline int lm_fail(struct lm_err *err, int code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
        err->code = code;
        err->native = 0;
    }
    return code;
}

/**
 * Put "context: " in front of the message of an error that is passed up, and return its code.
 *
 * Thread   [any]
 */
__attribute__((format(printf, 3, 4)))
static inline int lm_fail_in(struct lm_err *err, int code, const char *fmt, ...)
{
    if (err) {
        char old[sizeof err->msg];
        memcpy(old, err->msg, sizeof old);
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof err->msg)
            snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %.200s", old);
        err->code = code;
    }
    return code;
}
#endif

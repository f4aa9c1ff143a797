/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_CLIENT_H
#define LM_CMD_CLIENT_H
/**
 * HTTP requests to a server, many at once in one thread, their answers whole or as server-sent events (libcurl).
 *
 * Thread   [any], one at a time; callbacks come from lm_client_poll()
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"

struct lm_client;

struct lm_client_desc {
    const char *url;     /* "http://host:port" or with a path; a trailing slash is dropped */
    const char *api_key; /* NULL or "": none */
    int64_t timeout_s;   /* of a request; 0: none */
    bool insecure;       /* take any certificate */
    bool fresh;          /* a connection of its own for each request */
};

struct lm_call { /* the caller's, until done() */
    const char *path;  /* behind the client's url; or a whole URL */
    const char *body;  /* NULL: GET; else POST of JSON */
    size_t body_bytes;
    void (*event)(struct lm_call *, const char *data, size_t n); /* each event's data, as it comes; NULL: keep the body in reply */
    void (*done)(struct lm_call *);                              /* may be NULL */
    void *arg;

    long status;           /* of HTTP; 0: no answer, see err */
    struct lm_err err;     /* code 0: an answer came to its end, whatever its status */
    struct lm_bytes reply; /* the body: without event(), or where status is not 200; the caller's to free */
    uint64_t start_us, now_us; /* when it was started; when the last bytes came */
    uint64_t connect_us;       /* from start to a connection, 0 where one was there */

    void *handle; /* private */
    struct lm_bytes line, data, post;
    struct lm_client *client;
};

/** Errors   LM_EINVAL no url of http or https; LM_ENOMEM */
int lm_client_create(const struct lm_client_desc *desc, struct lm_client **out, struct lm_err *err);
/** Ends what still runs, without done(). */
void lm_client_destroy(struct lm_client *c);

/** Start a request; the fields above `status` are set, all others zero. A failure to connect comes as done(). */
int lm_client_start(struct lm_client *c, struct lm_call *call, struct lm_err *err);

/** Wait at most max_ms for something to come, tell it, and return how many requests still run (or an error). */
int lm_client_poll(struct lm_client *c, int max_ms, struct lm_err *err);

/**
 * Start a request and wait for its end.
 *
 * Errors   call->err; LM_EIO with what the server said where the status is not 200
 */
int lm_client_fetch(struct lm_client *c, struct lm_call *call, struct lm_err *err);

/** What a failed call came to, in one line: the server's message, the status, or why there was no answer. 0: it did not fail. */
int lm_call_result(const struct lm_call *call, struct lm_err *err);
void lm_call_fini(struct lm_call *call);
#endif

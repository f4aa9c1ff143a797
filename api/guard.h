/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_GUARD_H
#define LM_API_GUARD_H
/**
 * Who may call: keys, the admin's key, the Host header on a loopback address, origins of web pages.
 *
 * A loopback address is reached by every page that the user's browser shows; a Host header that names this machine shows that
 * no foreign name was made to point here (DNS rebinding).
 *
 * Thread   [loop]
 */
#include "api/http/http.h"
#include "api/keys.h"
#include "conf/conf.h"

struct lm_guard {
    struct lm_keys key, admin;
    char **origin, **host; /* NULL-terminated */
    bool loopback;
};

/**
 * loopback  the address listened on is this machine's alone
 * Errors    LM_ECONFIG: a key, file or origin at fault, or a public address without a key; LM_ENOMEM
 */
int lm_guard_init(struct lm_guard *g, const struct lm_conf_server *conf, bool loopback, struct lm_err *err);
/** A host, by name or address, that is this machine alone. */
bool lm_guard_is_loopback(const char *host);
void lm_guard_fini(struct lm_guard *g);

/** The request has a key, or none is asked for. */
bool lm_guard_may_call(const struct lm_guard *g, const struct lm_http_req *req);
bool lm_guard_is_admin(const struct lm_guard *g, const struct lm_http_req *req);
/** Its Host header may be answered. */
bool lm_guard_knows_host(const struct lm_guard *g, const struct lm_http_req *req);
/** The value of Access-Control-Allow-Origin; NULL: none. */
const char *lm_guard_origin(const struct lm_guard *g, const struct lm_http_req *req);
#endif

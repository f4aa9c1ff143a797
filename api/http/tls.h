/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_HTTP_TLS_H
#define LM_API_HTTP_TLS_H
/**
 * TLS 1.2 and later for the connections of an HTTP server. Without OpenSSL at build time every call here is LM_EUNSUPPORTED
 * or does nothing.
 *
 * Thread   [loop]
 */
#include <event2/util.h>
#include <llmserve/err.h>

struct lm_tls; /* a certificate and its key */
struct bufferevent;
struct event_base;

/**
 * Read a PEM certificate chain and its key ("": the key stands with the certificate).
 *
 * Errors   LM_ECONFIG names the file; LM_EUNSUPPORTED; LM_ENOMEM
 */
int lm_tls_create(const char *cert, const char *key, struct lm_tls **out, struct lm_err *err);
/** Connections that were made with it go on. Takes NULL. */
void lm_tls_destroy(struct lm_tls *t);

/** A bufferevent that begins the handshake on fd, which stays the caller's; NULL: no memory. */
struct bufferevent *lm_tls_accept(struct lm_tls *t, struct event_base *base, evutil_socket_t fd);
/** Tell the peer that nothing more comes. */
void lm_tls_close_notify(struct bufferevent *bev);
/** Free bev and what belongs to its connection. */
void lm_tls_free(struct bufferevent *bev);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/tls.h"
#include "config.h"

#include <stdlib.h>

#ifdef HAVE_TLS

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

struct lm_tls { SSL_CTX *ctx; };

static int fail_file(const char *what, const char *path, struct lm_err *err)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    int rc = lm_fail(err, LM_ECONFIG, "%s %s: %s", what, path, why ? why : "cannot be read");
    ERR_clear_error();
    return rc;
}

static int load(SSL_CTX *ctx, const char *cert, const char *key, struct lm_err *err)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return fail_file("ssl-certfile", cert, err);
    if (SSL_CTX_use_PrivateKey_file(ctx, *key ? key : cert, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return fail_file(*key ? "ssl-keyfile" : "ssl-certfile", *key ? key : cert, err);
    return 0;
}

int lm_tls_create(const char *cert, const char *key, struct lm_tls **out, struct lm_err *err)
{
    struct lm_tls *t = calloc(1, sizeof *t);
    if (t)
        t->ctx = SSL_CTX_new(TLS_server_method());
    if (!t || !t->ctx) {
        lm_tls_destroy(t);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
    int rc = load(t->ctx, cert, key, err);
    if (rc)
        lm_tls_destroy(t);
    else
        *out = t;
    return rc;
}

void lm_tls_destroy(struct lm_tls *t)
{
    if (t)
        SSL_CTX_free(t->ctx);
    free(t);
}

struct bufferevent *lm_tls_accept(struct lm_tls *t, struct event_base *base, evutil_socket_t fd)
{
    SSL *ssl = SSL_new(t->ctx);
    struct bufferevent *bev = ssl ? bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, 0) : NULL;
    if (bev)
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    else
        SSL_free(ssl);
    return bev;
}

void lm_tls_close_notify(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (ssl && SSL_is_init_finished(ssl))
        SSL_shutdown(ssl);
    ERR_clear_error();
}

void lm_tls_free(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    bufferevent_free(bev);
    SSL_free(ssl);
}

#else

int lm_tls_create(const char *cert, const char *key, struct lm_tls **out, struct lm_err *err)
{
    return lm_fail(err, LM_EUNSUPPORTED, "ssl-certfile: this program was built without TLS; build it with libssl-dev (Debian, Ubuntu) or openssl-devel (Fedora)");
}

void lm_tls_destroy(struct lm_tls *t)
{
}

struct bufferevent *lm_tls_accept(struct lm_tls *t, struct event_base *base, evutil_socket_t fd)
{
    return NULL;
}

void lm_tls_close_notify(struct bufferevent *bev)
{
}

void lm_tls_free(struct bufferevent *bev)
{
}

#endif

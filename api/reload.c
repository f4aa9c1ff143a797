/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reload.h"
#include "api/http/tls.h"
#include "api/metrics_text.h"
#include "conf/differ.h"
#include "runtime/base/log.h"

/* Keys that are in force at once. */
static const char *const live[] = {
    "api_key", "api_key_file", "admin_key", "allow_unauthenticated", "allowed_origins", "allowed_hosts", "ssl_certfile", "ssl_keyfile",
    "max_connections", "max_body_bytes", "header_timeout", "body_timeout", "keep_alive_timeout", "write_timeout", "drain_timeout",
    "log_level", "access_log", NULL,
};

static void tell_rest(const struct lm_server *s, const struct lm_conf *fresh)
{
    struct lm_bytes names = {0};
    lm_conf_differ(s->conf, fresh, live, &names);
    if (names.len && !names.failed)
        lm_log(LM_WARN, "server", "in force after a restart only: %.*s", (int)names.len, names.data);
    lm_bytes_fini(&names);
}

static int make_tls(const struct lm_server *s, const struct lm_conf_server *c, struct lm_tls **out, struct lm_err *err)
{
    if (!*c->ssl_certfile != !s->tls)
        return lm_fail(err, LM_ECONFIG, "ssl-certfile: a restart turns HTTPS on or off");
    return s->tls ? lm_tls_create(c->ssl_certfile, c->ssl_keyfile, out, err) : 0;
}

static int take(struct lm_server *s, const struct lm_conf *fresh, struct lm_err *err)
{
    struct lm_guard guard = {0};
    struct lm_tls *tls = NULL;
    int rc = lm_guard_init(&guard, &fresh->server, s->guard.loopback, err);
    if (rc == 0)
        rc = make_tls(s, &fresh->server, &tls, err);
    if (rc) {
        lm_guard_fini(&guard);
        return rc;
    }
    lm_guard_fini(&s->guard);
    s->guard = guard;
    lm_http_server_set_tls(s->http, tls);
    lm_tls_destroy(s->tls);
    s->tls = tls;
    lm_server_set_live(s, &fresh->server);
    return 0;
}

void lm_reload(struct lm_server *s, const struct lm_conf *fresh, int rc, struct lm_err *err)
{
    if (rc == 0)
        rc = take(s, fresh, err);
    s->n_reload[rc != 0]++;
    if (rc) {
        lm_log(LM_ERROR, "server", "SIGHUP: the configuration stays as it was: %s", err->msg);
        return;
    }
    tell_rest(s, fresh);
    lm_log(LM_INFO, "server", "SIGHUP: configuration read again%s", s->tls ? ", and the certificate" : "");
}

void lm_reload_metrics(const struct lm_server *s, struct lm_bytes *out)
{
    static const char name[] = "llmserve:config_reloads_total";
    lm_metrics_head(out, name, "counter", "Times the configuration was read again, by result.");
    for (int failed = 0; failed < 2; failed++)
        lm_bytes_addf(out, "%s{result=\"%s\"} %llu\n", name, failed ? "failed" : "ok", (unsigned long long)s->n_reload[failed]);
}

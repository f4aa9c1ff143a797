/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"
#include "cmd/health.h"
#include "config.h"
#include "runtime/base/log.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_CONFIG 78

static int print_and_free(char *text)
{
    bool ok = text && fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    free(text);
    return ok ? 0 : 1;
}

/* Flags that print and exit. -1: none is there. */
static int information(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--version") == 0)
            return puts("llmserved " PACKAGE_VERSION) < 0;
        if (strcmp(argv[i], "--print-config") == 0)
            return print_and_free(lm_conf_default_ini());
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            puts("usage: llmserved [--config FILE] [--model FILE.gguf] [--KEY VALUE]...\n\n"
                 "  --config FILE, --print-config, --version, --help\n"
                 "  --health (first): ask the server of this configuration whether it is ready, and exit 0 if so\n");
            return print_and_free(lm_conf_help());
        }
    }
    return -1;
}

static bool is_configuration(int code)
{
    return code != LM_EIO && code != LM_ENOMEM && code != LM_EDEVICE && code != LM_ETIMEOUT && code != LM_EBUSY;
}

static int report(int code, const char *msg)
{
    lm_log(LM_ERROR, "server", "%s", msg);
    return is_configuration(code) ? EXIT_CONFIG : 1;
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct lm_server *s = *(struct lm_server **)arg;
    if (sig == SIGHUP) {
        lm_server_reload(s);
        return;
    }
    if (s->draining)
        _exit(1);
    lm_server_drain(s);
}

/* Signals that come before the loop runs wait for it. */
static int serve(struct event_base *base, const struct lm_conf *conf)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct event *ev[3] = {0};
    struct lm_server *s = NULL;
    struct lm_err err;
    int rc = 0;
    for (size_t i = 0; i < 3; i++) {
        ev[i] = evsignal_new(base, signals[i], on_signal, &s);
        if (!ev[i] || event_add(ev[i], NULL))
            rc = lm_fail(&err, LM_ENOMEM, "out of memory");
    }
    if (rc == 0)
        rc = lm_server_create(base, conf, lm_routes, &s, &err);
    if (rc == 0)
        event_base_dispatch(base);
    int status = rc ? report(rc, err.msg) : s->fatal_code ? report(s->fatal_code, s->fatal_msg) : 0;
    lm_server_destroy(s);
    for (size_t i = 0; i < 3; i++)
        if (ev[i])
            event_free(ev[i]);
    return status;
}

static enum lm_log_level level_of(const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0)
            return (enum lm_log_level)i;
    return LM_INFO;
}

static void log_notes(const struct lm_conf *conf)
{
    for (const char *s = conf->notes.data; s && *s; s += strcspn(s, "\n") + 1)
        lm_log(LM_INFO, "server", "%.*s", (int)strcspn(s, "\n"), s);
}

int main(int argc, char **argv)
{
    struct lm_conf conf = {0};
    struct lm_err err;
    int status = information(argc, argv);
    if (status >= 0)
        return status;
    bool only_health = argc > 1 && strcmp(argv[1], "--health") == 0;
    if (only_health)
        argv[1] = argv[0];
    argc -= only_health;
    argv += only_health;
    signal(SIGPIPE, SIG_IGN);
    json_object_seed(0);
    int rc = lm_conf_init(&conf, &err);
    conf.long_lists = true;
    if (rc == 0)
        rc = lm_conf_load(&conf, &argc, argv, &err);
    if (rc == 0 && argc > 1)
        rc = lm_fail(&err, LM_ECONFIG, "unexpected argument '%s'; a model is given by --model FILE", argv[1]);
    if (only_health && rc != LM_ENOMEM) /* what is wrong with the rest, models say, is the server's to report */
        rc = 0;
    if (rc) {
        lm_conf_fini(&conf);
        return report(LM_ECONFIG, err.msg);
    }
    if (only_health) {
        status = cmd_health(&conf.server);
        lm_conf_fini(&conf);
        return status;
    }
    lm_log_set_level(level_of(conf.server.log_level));
    log_notes(&conf);
    struct event_base *base = event_base_new();
    status = base ? serve(base, &conf) : report(LM_ENOMEM, "cannot make an event loop");
    if (base)
        event_base_free(base);
    lm_conf_fini(&conf);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/reload.h"
#include "api/routes.h"
#include "cmd/health.h"
#include "config.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/engine/sandbox.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_CONFIG 78
#define MMAP_BYTES (256 << 10)

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

struct program {
    int argc;
    char **argv;
    struct lm_conf conf;
    struct lm_server *server;
};

/* argv stays as it is, for the next time. */
static int read_conf(const struct program *p, struct lm_conf *out, struct lm_err *err)
{
    int argc = p->argc;
    char **argv = calloc((size_t)argc + 1, sizeof *argv);
    int rc = argv ? lm_conf_init(out, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (rc == 0) {
        memcpy(argv, p->argv, (size_t)argc * sizeof *argv);
        out->long_lists = true;
        rc = lm_conf_load(out, &argc, argv, err);
    }
    if (rc == 0 && argc > 1)
        rc = lm_fail(err, LM_ECONFIG, "unexpected argument '%s'; a model is given by --model FILE", argv[1]);
    free(argv);
    return rc;
}

/* A pipe has been read to its end, and the next one to write into it may be slow. */
static int check_file(const char *path, struct lm_err *err)
{
    struct stat st;
    if (!*path || (stat(path, &st) == 0 && S_ISREG(st.st_mode)))
        return 0;
    return lm_fail(err, LM_ECONFIG, "%s: not a regular file that can be read again", path);
}

static void reload(const struct program *p)
{
    struct lm_conf fresh = {0};
    struct lm_err err;
    int rc = check_file(p->conf.path, &err);
    if (rc == 0)
        rc = read_conf(p, &fresh, &err);
    lm_reload(p->server, &fresh, rc, &err);
    lm_conf_fini(&fresh);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct program *p = arg;
    if (sig == SIGHUP) {
        reload(p);
        return;
    }
    if (p->server->draining)
        _exit(1);
    lm_server_drain(p->server);
}

/* Signals that come before the loop runs wait for it. */
static int serve(struct event_base *base, struct program *p)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct event *ev[3] = {0};
    struct lm_err err;
    int rc = 0;
    for (size_t i = 0; i < 3; i++) {
        ev[i] = evsignal_new(base, signals[i], on_signal, p);
        if (!ev[i] || event_add(ev[i], NULL))
            rc = lm_fail(&err, LM_ENOMEM, "out of memory");
    }
    if (rc == 0)
        rc = lm_server_create(base, &p->conf, lm_routes, &p->server, &err);
    if (rc == 0)
        event_base_dispatch(base);
    int status = rc ? report(rc, err.msg) : p->server->fatal_code ? report(p->server->fatal_code, p->server->fatal_msg) : 0;
    lm_server_destroy(p->server);
    for (size_t i = 0; i < 3; i++)
        if (ev[i])
            event_free(ev[i]);
    return status;
}

static void log_notes(const struct lm_conf *conf)
{
    for (const char *s = conf->notes.data; s && *s; s += strcspn(s, "\n") + 1)
        lm_log(LM_INFO, "server", "%.*s", (int)strcspn(s, "\n"), s);
}

int main(int argc, char **argv)
{
    struct program p = {.argc = argc, .argv = argv};
    struct lm_err err;
    int status = information(argc, argv);
    if (status >= 0)
        return status;
    bool only_health = argc > 1 && strcmp(argv[1], "--health") == 0;
    if (only_health)
        argv[1] = argv[0];
    p.argc -= only_health;
    p.argv += only_health;
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES); /* else it grows with the largest body, and such blocks stay in the heap */
    json_object_seed(0);
    lm_json_note_shortage();
    int rc = read_conf(&p, &p.conf, &err);
    if (only_health && rc != LM_ENOMEM) /* what is wrong with the rest, models say, is the server's to report */
        rc = 0;
    if (rc) {
        lm_conf_fini(&p.conf);
        return report(LM_ECONFIG, err.msg);
    }
    if (only_health) {
        status = cmd_health(&p.conf.server);
        lm_conf_fini(&p.conf);
        return status;
    }
    if (p.conf.server.sandbox)
        lm_sandbox_begin(0);
    lm_log_set_level(p.conf.server.log_level);
    log_notes(&p.conf);
    struct event_base *base = event_base_new();
    status = base ? serve(base, &p) : report(LM_ENOMEM, "cannot make an event loop");
    if (base)
        event_base_free(base);
    lm_conf_fini(&p.conf);
    return status;
}

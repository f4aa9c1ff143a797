/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llmserve-engine: one model on one device, behind the socket on file descriptor 3. Started by llmserved, which
 * gives the model's settings as flags. Exit status 0 drained or the front is gone, 1 failed, 78 configuration.
 */
#include "conf/conf.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/engine/boot.h"
#include "runtime/engine/guard.h"
#include "runtime/engine/loop.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRONT_FD = 3, EXIT_CONFIG = 78, LOADING_US = 100000, GRACE_US = 2000000 };

struct watch {
    int stop_fd;
    uint64_t told_us;
};

static int exit_status(int code)
{
    switch (code) {
    case 0:
        return 0;
    case LM_ECONFIG:
    case LM_ENOTFOUND:
    case LM_EFORMAT:
    case LM_EUNSUPPORTED:
        return EXIT_CONFIG;
    default:
        return 1;
    }
}

/* While it loads: tell the front, and stop at once when asked to or when the front is gone. */
static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct watch *w = arg;
    uint64_t now_us = lm_now_us();
    if (now_us - w->told_us < LOADING_US)
        return;
    w->told_us = now_us;
    struct pollfd p = {.fd = w->stop_fd, .events = POLLIN};
    struct lm_msg_loading m = {done, total};
    if (poll(&p, 1, 0) == 1 || lm_loop_send(FRONT_FD, LM_MSG_LOADING, &m, sizeof m, NULL) != 0)
        _exit(0);
}

/* SIGTERM becomes readable at the descriptor that this returns, in every thread there will be; -1 on failure. */
static int take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole group: the front decides */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int read_conf(struct lm_conf *c, int argc, char **argv, struct lm_err *err)
{
    int rc = lm_conf_init(c, err);
    if (!rc)
        rc = lm_conf_read_flags(c, &argc, argv, err);
    if (!rc && argc > 1)
        rc = lm_fail(err, LM_ECONFIG, "argument %.80s is not a flag", argv[1]);
    return rc ? rc : lm_conf_check(c, err);
}

/* dtype means more elsewhere: say what it does here. */
static void tell_dtype(const struct lm_conf_model *m)
{
    if (strcmp(m->dtype, "auto") == 0)
        return;
    if (strcmp(m->kv_cache_dtype, "auto") == 0)
        lm_log(LM_INFO, "engine", "dtype=%s is the KV cache's type; weights keep the file's types", m->dtype);
    else
        lm_log(LM_INFO, "engine", "dtype=%s is not used: kv-cache-dtype=%s, and weights keep the file's types", m->dtype, m->kv_cache_dtype);
}

static int serve(const struct lm_conf *c, const struct lm_boot *boot, int stop_fd, struct lm_err *err)
{
    struct lm_engine *engine = NULL;
    int rc = lm_engine_create(&boot->engine, &engine, err);
    if (rc) {
        lm_loop_send_failed(FRONT_FD, err);
        return rc;
    }
    const struct lm_msg_hello *h = &boot->hello;
    lm_log(LM_DEBUG, "engine", "ready model=%s backend=%s device=\"%s\" load_ms=%llu weight_mib=%llu kv_mib=%llu max_model_len=%u",
           c->model[0].name, h->backend, h->device, (unsigned long long)h->load_us / 1000, (unsigned long long)h->weight_bytes >> 20,
           (unsigned long long)h->kv_bytes >> 20, (unsigned)h->max_model_len);
    rc = lm_loop_run(&(struct lm_loop_desc){
        .fd = FRONT_FD, .stop_fd = stop_fd, .engine = engine, .hello = h, .watchdog_us = boot->engine.step_timeout_us + GRACE_US}, err);
    if (rc == LM_EDEVICE || rc == LM_ETIMEOUT)
        _exit(1); /* a lost device may hang whoever tries to close it */
    lm_engine_destroy(engine);
    return rc;
}

int main(int argc, char **argv)
{
    struct lm_conf conf;
    struct lm_err err = {0};
    struct lm_boot *boot = NULL;
    struct stat st;
    prctl(PR_SET_NAME, "llmserve-engine");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (fstat(FRONT_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "llmserve-engine is started by llmserved; to run a model by hand: llmserve run\n");
        return 2;
    }
    struct watch watch = {.stop_fd = take_signals()};
    int rc = read_conf(&conf, argc, argv, &err);
    if (!rc)
        rc = lm_guard_begin(FRONT_FD, &err);
    if (!rc) {
        lm_log_set_level(conf.server.log_level);
        tell_dtype(&conf.model[0]);
        rc = lm_boot_create(&conf, 0, on_progress, &watch, &boot, &err);
    }
    if (!rc && boot->warning.code)
        lm_log(LM_WARN, "engine", "%s", boot->warning.msg);
    if (rc)
        lm_loop_send_failed(FRONT_FD, &err);
    else
        rc = serve(&conf, boot, watch.stop_fd, &err);
    if (rc)
        lm_log(LM_DEBUG, "engine", "%s", err.msg) /* the front says it */;
    lm_boot_destroy(boot);
    lm_conf_fini(&conf);
    return exit_status(rc);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llmserve-engine: one model, behind the socket on file descriptor 3. Started by llmserved, which
 * gives the model's settings as flags. Exit status 0 drained or the front is gone, 1 failed, 78 configuration.
 * With nodes it starts itself on each by mpirun (launch.h): the first of these serves, the others follow it.
 */
#include "cmd/launch.h"
#include "conf/conf.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/engine/boot.h"
#include "runtime/engine/guard.h"
#include "runtime/engine/loop.h"
#include "runtime/engine/sandbox.h"

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
    bool follows;
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
    if (w->follows || now_us - w->told_us < LOADING_US)
        return;
    w->told_us = now_us;
    struct pollfd p = {.fd = w->stop_fd, .events = POLLIN};
    struct lm_msg_loading m = {done, total};
    if (poll(&p, 1, 0) == 1 || lm_loop_send(FRONT_FD, LM_MSG_LOADING, &m, sizeof m, NULL) != 0)
        _exit(0);
}

/* SIGTERM becomes readable at the descriptor that this returns, in every thread there will be; -1 on failure. One of many processes
   is ended by it: that is how mpirun ends all when one is gone. */
static int take_signals(bool is_one_of_many)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole group: the front decides */
    if (is_one_of_many || sigprocmask(SIG_BLOCK, &set, NULL) != 0)
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

/* Nothing of what is given up is needed once the model is loaded. */
static void enter_sandbox(const struct lm_conf *c, const struct lm_boot *boot)
{
    struct lm_err err;
    unsigned allowed = (boot->plugin->caps & LM_CAP_STARTS_NONE ? 0 : LM_SANDBOX_EXEC) | (boot->split.link ? LM_SANDBOX_SHARE : 0);
    if (c->server.sandbox && lm_sandbox_enter(allowed, &err) != 0)
        lm_log(LM_WARN, "engine", "sandbox: %s; going on without", err.msg);
}

static int serve(const struct lm_conf *c, const struct lm_boot *boot, int stop_fd, struct lm_err *err)
{
    struct lm_engine *engine = NULL;
    int rc = lm_engine_create(&boot->engine, &engine, err);
    if (rc) {
        lm_loop_send_failed(FRONT_FD, err);
        return rc;
    }
    if (*lm_engine_note(engine))
        lm_log(LM_WARN, "engine", "%s", lm_engine_note(engine));
    enter_sandbox(c, boot);
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

/* Run the steps of the first process. */
static int follow(const struct lm_conf *c, const struct lm_boot *boot, struct lm_err *err)
{
    struct lm_plan *plan = NULL;
    int rc = boot->be->prepare(boot->dev, &boot->engine.plan, &plan, err);
    if (!rc) {
        enter_sandbox(c, boot);
        rc = lm_group_follow(boot->dev, plan, err);
    }
    if (rc) {
        lm_log(LM_ERROR, "engine", "%s", err->msg);
        _exit(exit_status(rc));
    }
    boot->be->release(boot->dev, plan);
    return 0;
}

static void on_lost(void *arg, const struct lm_err *why)
{
    lm_log(LM_ERROR, "engine", "%s", why->msg);
    _exit(1); /* others may hold what a longer way would wait for */
}

static int read_nodes(const struct lm_conf_model *m, struct lm_conf_nodes *out, struct lm_err *err)
{
    const struct lm_group_desc split = {.n_rank = (uint32_t)m->tensor_parallel_size, .n_stage = (uint32_t)m->pipeline_parallel_size};
    int rc = lm_conf_nodes(m, out, err);
    return rc || !out->n_process ? rc : lm_group_check(&split, out->n_process, err);
}

/* The others that share the model; in the first of them the front's socket is there afterwards. */
static int meet_others(const struct lm_conf *c, const char *join, struct lm_link **out, struct lm_err *err)
{
    int rc = lm_boot_meet(c, 0, on_lost, out, err);
    return rc || !*out || lm_link_place(*out)->rank ? rc : lm_launch_join(join, FRONT_FD, err);
}

static int load_and_serve(const struct lm_conf *c, struct lm_link *link, struct watch *watch, struct lm_err *err)
{
    struct lm_boot *boot = NULL;
    int rc = lm_guard_begin(watch->follows ? -1 : FRONT_FD, err);
    if (!rc)
        rc = lm_boot_create(c, 0, link, on_progress, watch, &boot, err);
    if (!rc && boot->warning.code)
        lm_log(LM_WARN, "engine", "%s", boot->warning.msg);
    if (rc && !watch->follows)
        lm_loop_send_failed(FRONT_FD, err);
    else if (!rc)
        rc = watch->follows ? follow(c, boot, err) : serve(c, boot, watch->stop_fd, err);
    lm_boot_destroy(boot);
    return rc;
}

static bool front_is_there(void)
{
    struct stat st;
    return fstat(FRONT_FD, &st) == 0 && S_ISSOCK(st.st_mode);
}

int main(int argc, char **argv)
{
    struct lm_conf conf;
    struct lm_conf_nodes nodes = {0};
    struct lm_link *link = NULL;
    struct lm_err err = {0};
    const char *join = lm_launch_take_flag(&argc, argv);
    prctl(PR_SET_NAME, "llmserve-engine");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!join && !front_is_there()) {
        fprintf(stderr, "llmserve-engine is started by llmserved; to run a model by hand: llmserve run\n");
        return 2;
    }
    struct watch watch = {.stop_fd = take_signals(join != NULL)};
    int rc = read_conf(&conf, argc, argv, &err);
    if (!rc && conf.server.sandbox)
        lm_sandbox_begin(join ? LM_SANDBOX_SHARE : 0);
    if (!rc)
        lm_log_set_level(conf.server.log_level);
    if (!rc)
        rc = read_nodes(&conf.model[0], &nodes, &err);
    if (!rc && nodes.n_process && !join)
        return lm_launch(&conf.model[0], &nodes, FRONT_FD, argc, argv);
    if (!rc && join)
        rc = meet_others(&conf, join, &link, &err);
    if (!rc) {
        watch.follows = link && lm_link_place(link)->rank;
        tell_dtype(&conf.model[0]);
        rc = load_and_serve(&conf, link, &watch, &err);
    } else if (front_is_there()) {
        lm_loop_send_failed(FRONT_FD, &err);
    }
    if (rc)
        lm_log(link ? LM_ERROR : LM_DEBUG, "engine", "%s", err.msg) /* the front says it */;
    if (rc && join)
        _exit(exit_status(rc));
    if (link)
        lm_link_place(link)->ops->close(link);
    lm_conf_fini(&conf);
    return exit_status(rc);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/channel.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURN_US 250u /* of reading, before others of the loop have their turn */
#define HEALTHY_US 5000000u
#define STEADY_US 60000000u
#define BACKOFF_MIN_US 100000u
#define BACKOFF_MAX_US 10000000u
#define BACKOFF_SERVED_MAX_US 1000000u /* of an engine that had loaded: the next one most likely will */
#define EXIT_GRACE_US 1000000u
#define EXIT_CONFIG 78
#define EXIT_NOT_RUN 126 /* and above: the shell's and the dynamic linker's */

static void spawn_or_wait(struct lm_supervisor *s);

static void arm(struct event *ev, uint64_t us)
{
    struct timeval tv = {.tv_sec = (time_t)(us / 1000000u), .tv_usec = (suseconds_t)(us % 1000000u)};
    event_add(ev, &tv);
}

/* Nothing more is expected from this engine: fail its requests, and see that it goes. */
static void end_engine(struct lm_supervisor *s)
{
    bool served = s->state == LM_ENGINE_SERVING;
    lm_channel_close(s);
    s->n_pending = 0;
    event_del(s->watch);
    if (served && lm_now_us() - s->served_us >= STEADY_US)
        s->backoff_us = 0;
    s->state = LM_ENGINE_ENDING;
    s->ended_us = lm_now_us();
    arm(s->timer, EXIT_GRACE_US);
    if (served)
        s->d.events->lost(s->d.arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct lm_supervisor *s = arg;
    struct lm_err err;
    int rc = 1;
    uint64_t start_us = lm_now_us();
    while (rc == 1 && lm_now_us() - start_us < TURN_US)
        rc = lm_channel_read(s, &err);
    if (rc >= 0)
        return;
    if (rc != LM_EIO && !s->failed)
        lm_log(LM_ERROR, "engine", "lost model=%s: %s", s->d.name, err.msg);
    end_engine(s);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct lm_supervisor *s = arg;
    if (!s->n_pending)
        return;
    if (lm_now_us() - s->progress_us < s->d.stall_us) {
        arm(s->watch, 1000000);
        return;
    }
    lm_log(LM_ERROR, "engine", "no progress model=%s seconds=%.0f: it is killed", s->d.name, (double)s->d.stall_us / 1e6);
    kill(s->pid, SIGKILL);
    end_engine(s);
}

static bool curable(int code)
{
    return code == LM_EIO || code == LM_EDEVICE || code == LM_ETIMEOUT || code == LM_EBUSY;
}

static void wait_and_restart(struct lm_supervisor *s)
{
    uint64_t max_us = s->served_us ? BACKOFF_SERVED_MAX_US : BACKOFF_MAX_US;
    s->backoff_us = s->backoff_us ? s->backoff_us * 2 : BACKOFF_MIN_US;
    if (s->backoff_us > max_us)
        s->backoff_us = max_us;
    s->state = LM_ENGINE_WAITING;
    lm_log(LM_WARN, "engine", "restart model=%s in seconds=%.1f", s->d.name, (double)s->backoff_us / 1e6);
    arm(s->timer, s->backoff_us);
}

static bool means_configuration(int status)
{
    return WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_CONFIG || WEXITSTATUS(status) >= EXIT_NOT_RUN);
}

static void rest(struct lm_supervisor *s)
{
    bool told = s->told_asleep && !s->failed;
    s->state = LM_ENGINE_ASLEEP;
    if (told)
        return;
    if (s->failed)
        s->d.events->failed(s->d.arg, s->failure.code, s->failure.msg);
    else
        s->d.events->asleep(s->d.arg);
}

/* It could not load. */
static void give_up(struct lm_supervisor *s, int status, const char *how)
{
    if (!s->failed) {
        s->failure.code = means_configuration(status) ? LM_ECONFIG : LM_EDEVICE;
        snprintf(s->failure.msg, sizeof s->failure.msg, "the engine %s", how);
    }
    s->failed = s->sleeping = true;
    rest(s);
}

static void reaped(struct lm_supervisor *s, int status)
{
    char how[64];
    s->pid = 0;
    event_del(s->timer);
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was ended by signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof how, "exited with status %d", WEXITSTATUS(status));
    if (s->stopping) {
        s->state = LM_ENGINE_STOPPED;
    } else if (s->sleeping) {
        s->failed = false;
        rest(s);
    } else if (s->once && !s->served_us) {
        give_up(s, status, how);
    } else if (!s->ever_served && s->failed && !curable(s->failure.code)) {
        s->state = LM_ENGINE_STOPPED;
        s->d.events->fatal(s->d.arg, s->failure.code, s->failure.msg);
    } else if (!s->ever_served && !s->failed && means_configuration(status)) {
        s->state = LM_ENGINE_STOPPED;
        s->d.events->fatal(s->d.arg, LM_ECONFIG, "the engine refused its configuration");
    } else {
        lm_log(LM_ERROR, "engine", "model=%s %s%s%s", s->d.name, how, s->failed ? ": " : "", s->failed ? s->failure.msg : "");
        wait_and_restart(s);
    }
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
    struct lm_supervisor *s = arg;
    struct lm_err err;
    int status;
    if (s->pid <= 0 || waitpid(s->pid, &status, WNOHANG) != s->pid)
        return;
    while (s->fd >= 0 && lm_channel_read(s, &err) == 1) /* what it said last */
        ;
    if (s->state != LM_ENGINE_ENDING)
        end_engine(s);
    reaped(s, status);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct lm_supervisor *s = arg;
    if (s->state == LM_ENGINE_ENDING)
        kill(s->pid, SIGKILL);
    else if (s->state == LM_ENGINE_WAITING && s->sleeping)
        rest(s);
    else if (s->state == LM_ENGINE_WAITING)
        spawn_or_wait(s);
}

static int exec_child(const struct lm_supervisor *s, int fd, pid_t *pid)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (int sig = 1; sig < 32; sig++)
        if (sig != SIGKILL && sig != SIGSTOP)
            sigaddset(&defaults, sig);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, fd, 3);
    posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    int rc = posix_spawn(pid, s->d.program, &fa, &attr, s->argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&fa);
    return rc;
}

static int spawn(struct lm_supervisor *s, struct lm_err *err)
{
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
        return lm_fail(err, LM_EIO, "socketpair: %s", strerror(errno));
    int rc = exec_child(s, fd[1], &s->pid);
    close(fd[1]);
    if (rc) {
        close(fd[0]);
        s->pid = 0;
        return lm_fail(err, LM_ECONFIG, "cannot run the engine %s: %s", s->d.program, strerror(rc));
    }
    s->failed = false;
    s->served_us = 0;
    s->state = LM_ENGINE_LOADING;
    rc = lm_channel_open(s, fd[0], on_readable, err);
    if (rc == 0)
        lm_log(LM_DEBUG, "engine", "started model=%s pid=%d", s->d.name, (int)s->pid);
    return rc;
}

static void spawn_or_wait(struct lm_supervisor *s)
{
    struct lm_err err;
    if (spawn(s, &err) == 0)
        return;
    lm_log(LM_ERROR, "engine", "%s", err.msg);
    if (s->pid > 0) {
        end_engine(s);
    } else if (s->once) {
        s->failure.code = err.code;
        snprintf(s->failure.msg, sizeof s->failure.msg, "%s", err.msg);
        s->failed = s->sleeping = true;
        s->state = LM_ENGINE_WAITING;
        arm(s->timer, 0);
    } else {
        wait_and_restart(s);
    }
}

int lm_supervisor_create(struct event_base *base, const struct lm_supervisor_desc *desc, struct lm_supervisor **out, struct lm_err *err)
{
    size_t n = 0;
    while (desc->flag[n])
        n++;
    struct lm_supervisor *s = calloc(1, sizeof *s);
    if (!s)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    *s = (struct lm_supervisor){.base = base, .d = *desc, .fd = -1};
    int rc = lm_fail(err, LM_ENOMEM, "out of memory");
    s->argv = calloc(n + 2, sizeof *s->argv);
    s->child = evsignal_new(base, SIGCHLD, on_child, s);
    s->timer = evtimer_new(base, on_timer, s);
    s->watch = evtimer_new(base, on_watch, s);
    if (!s->argv || !s->child || !s->timer || !s->watch || event_add(s->child, NULL))
        goto out;
    s->argv[0] = (char *)(uintptr_t)desc->program;
    memcpy(s->argv + 1, desc->flag, n * sizeof *s->argv);
    s->sleeping = s->d.asleep;
    s->state = LM_ENGINE_ASLEEP;
    rc = s->sleeping ? 0 : spawn(s, err);
    if (rc == 0)
        *out = s;
out:
    if (rc)
        lm_supervisor_destroy(s);
    return rc;
}

bool lm_supervisor_serves(const struct lm_supervisor *s)
{
    return s->state == LM_ENGINE_SERVING && !s->stopping && !s->sleeping;
}

bool lm_supervisor_healthy(const struct lm_supervisor *s)
{
    return lm_supervisor_serves(s) && (!s->n_pending || lm_now_us() - s->progress_us < HEALTHY_US);
}

bool lm_supervisor_progresses(const struct lm_supervisor *s)
{
    uint64_t now = lm_now_us();
    if (s->state == LM_ENGINE_SERVING)
        return !s->n_pending || now - s->progress_us < HEALTHY_US;
    return s->state != LM_ENGINE_ENDING || now - s->ended_us < EXIT_GRACE_US + HEALTHY_US;
}

void lm_supervisor_send(struct lm_supervisor *s, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part)
{
    if (s->state == LM_ENGINE_SERVING)
        lm_channel_send(s, type, part, n_part);
}

void lm_supervisor_submit(struct lm_supervisor *s, const struct lm_msg_part *part, size_t n_part)
{
    if (s->n_pending++ == 0) {
        s->progress_us = lm_now_us();
        arm(s->watch, 1000000);
    }
    lm_supervisor_send(s, LM_MSG_SUBMIT, part, n_part);
}

void lm_supervisor_sleep(struct lm_supervisor *s, bool keep_weights)
{
    if (s->sleeping || s->stopping)
        return;
    s->sleeping = true;
    s->failed = s->told_asleep = false;
    lm_supervisor_send(s, keep_weights ? LM_MSG_SLEEP : LM_MSG_DRAIN, NULL, 0);
    if (s->state == LM_ENGINE_LOADING)
        kill(s->pid, SIGTERM);
    if (s->state == LM_ENGINE_WAITING)
        arm(s->timer, 0);
}

void lm_supervisor_wake(struct lm_supervisor *s)
{
    if (s->state != LM_ENGINE_ASLEEP && s->state != LM_ENGINE_DOZING)
        return;
    s->sleeping = s->failed = false;
    s->once = true;
    if (s->state == LM_ENGINE_ASLEEP) {
        spawn_or_wait(s);
        return;
    }
    s->state = LM_ENGINE_LOADING;
    s->served_us = 0;
    lm_channel_send(s, LM_MSG_WAKE, NULL, 0);
}

void lm_supervisor_stop(struct lm_supervisor *s)
{
    if (s->state == LM_ENGINE_SERVING || s->state == LM_ENGINE_DOZING)
        lm_channel_send(s, LM_MSG_DRAIN, NULL, 0);
    s->stopping = true;
    if (s->state == LM_ENGINE_LOADING)
        kill(s->pid, SIGTERM);
    if (s->state == LM_ENGINE_WAITING || s->state == LM_ENGINE_ASLEEP)
        s->state = LM_ENGINE_STOPPED;
}

bool lm_supervisor_stopped(const struct lm_supervisor *s)
{
    return s->state == LM_ENGINE_STOPPED;
}

void lm_supervisor_destroy(struct lm_supervisor *s)
{
    if (!s)
        return;
    lm_channel_close(s);
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    struct event *ev[] = {s->child, s->timer, s->watch};
    for (size_t i = 0; i < sizeof ev / sizeof *ev; i++)
        if (ev[i])
            event_free(ev[i]);
    free(s->argv);
    free(s);
}

char *lm_supervisor_find_engine(const char *configured)
{
    static const char *const beside[] = {"", "../"}; /* the second: of a build tree's .libs */
    char dir[PATH_MAX], path[PATH_MAX + 32];
    if (configured[0])
        return strdup(configured);
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[n > 0 ? n : 0] = 0;
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = 0;
    for (size_t i = 0; slash && i < sizeof beside / sizeof *beside; i++) {
        snprintf(path, sizeof path, "%s/%sllmserve-engine", dir, beside[i]);
        if (access(path, X_OK) == 0)
            return strdup(path);
    }
    return strdup(LM_PKGLIBEXECDIR "/llmserve-engine");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/launch.h"
#include "runtime/base/clock.h"
#include "runtime/engine/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_CONFIG = 78, NOT_FOUND = 127, START_MS = 60000, GRACE_MS = 5000 };

static const char join_flag[] = "--join=";

struct launch {
    int front_fd;  /* until the first process has it */
    int listen_fd, signal_fd;
    pid_t pid;
    uint64_t late_us; /* when the first process must have come, and later when mpirun must have ended; 0: there is no such time */
    bool told_to_end;
    char flag[64]; /* --join=NAME */
};

static socklen_t address(const char *name, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(out->sun_path + 1, sizeof out->sun_path - 1, "llmserve-engine-%.60s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static int fail_socket(const char *what, struct lm_err *err)
{
    int native = errno, rc = lm_fail(err, LM_EIO, "nodes: %s: %s", what, strerror(native));
    if (err)
        err->native = native;
    return rc;
}

static int start_listening(struct launch *l, struct lm_err *err)
{
    struct sockaddr_un at;
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return fail_socket("no random number", err);
    snprintf(l->flag, sizeof l->flag, "%s%d-%016llx", join_flag, (int)getpid(), (unsigned long long)number);
    socklen_t n = address(l->flag + strlen(join_flag), &at);
    l->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->listen_fd < 0 || bind(l->listen_fd, (struct sockaddr *)&at, n) != 0 || listen(l->listen_fd, 4) != 0)
        return fail_socket("no socket for the first process", err);
    return 0;
}

static int take_signals(struct launch *l, struct lm_err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    l->signal_fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    return l->signal_fd < 0 ? fail_socket("no signals", err) : 0;
}

/* The words of mpi-command, -n, the hosts, this program and its flags. */
static char **make_command(const struct lm_conf_model *m, const struct lm_conf_nodes *nodes, char *flag, int argc, char *const *argv)
{
    char *words = strdup(m->mpi_command), *rest = NULL, number[16];
    char **list = calloc(strlen(m->mpi_command) / 2 + (size_t)argc + 16, sizeof *list);
    size_t n = 0;
    if (!words || !list)
        return NULL;
    for (char *w = strtok_r(words, " \t", &rest); w; w = strtok_r(NULL, " \t", &rest))
        list[n++] = w;
    snprintf(number, sizeof number, "%u", nodes->n_process);
    list[n++] = "-n";
    list[n++] = strdup(number);
    if (nodes->named) {
        list[n++] = "--host";
        list[n++] = m->nodes;
    }
    list[n++] = argv[0];
    list[n++] = flag;
    for (int i = 1; i < argc; i++)
        list[n++] = argv[i];
    return list;
}

/* It outlives this process by as long as it takes: its first process ends with the front, and then it ends with its others and its files. */
static void run_command(struct launch *l, char **command)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    close(l->front_fd); /* that it is closed must mean that the first process is gone */
    execvp(command[0], command);
    _exit(NOT_FOUND);
}

static int start(struct launch *l, char **command, struct lm_err *err)
{
    if (!command || !command[0])
        return lm_fail(err, LM_ENOMEM, "out of memory");
    l->pid = fork();
    if (l->pid < 0)
        return fail_socket("no process for mpirun", err);
    if (l->pid == 0)
        run_command(l, command);
    return 0;
}

static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.uid == geteuid();
}

/* The front's socket to who has come. */
static bool hand_over(int to, int fd)
{
    char byte = 0;
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec io = {&byte, 1};
    struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(to, &msg, MSG_NOSIGNAL) == 1;
}

static void meet_first(struct launch *l)
{
    int fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || !is_ours(fd) || !hand_over(fd, l->front_fd)) {
        close(fd);
        return;
    }
    close(fd);
    close(l->listen_fd);
    close(l->front_fd);
    l->listen_fd = l->front_fd = -1;
    l->late_us = 0;
}

/* At the second time it has had its grace. */
static void end_command(struct launch *l)
{
    kill(l->pid, l->told_to_end ? SIGKILL : SIGTERM);
    l->told_to_end = true;
    l->late_us = lm_now_us() + GRACE_MS * 1000;
}

/* Until mpirun has ended. Returns what wait() says of it. */
static int watch(struct launch *l)
{
    struct signalfd_siginfo info;
    int status = 0;
    for (;;) {
        struct pollfd p[] = {{l->signal_fd, POLLIN, 0}, {l->listen_fd, POLLIN, 0}};
        poll(p, 2, l->late_us ? 1000 : -1);
        while (read(l->signal_fd, &info, sizeof info) == sizeof info)
            if (info.ssi_signo == SIGTERM && !l->told_to_end)
                end_command(l);
        if (waitpid(l->pid, &status, WNOHANG) == l->pid)
            return status;
        if (p[1].revents)
            meet_first(l);
        if (l->late_us && lm_now_us() > l->late_us)
            end_command(l);
    }
}

/* The first process has not come: who waits for it is told why. */
static int tell_front(const struct launch *l, const struct lm_conf_model *m, int status)
{
    struct lm_err err;
    bool ran = WIFEXITED(status) && WEXITSTATUS(status) != NOT_FOUND;
    if (l->front_fd < 0)
        return 0;
    if (l->told_to_end)
        lm_fail(&err, LM_ETIMEOUT, "nodes: no process of \"%.80s\" has come in %d s: is every node reachable?", m->mpi_command, START_MS / 1000);
    else if (ran)
        lm_fail(&err, LM_EIO, "nodes: \"%.80s\" ended with status %d before the model was loaded; its own lines say why", m->mpi_command, WEXITSTATUS(status));
    else if (WIFEXITED(status))
        lm_fail(&err, LM_ECONFIG, "nodes: \"%.80s\" cannot be run: install openmpi-bin, or set mpi-command", m->mpi_command);
    else
        lm_fail(&err, LM_EIO, "nodes: \"%.80s\" was ended by signal %d", m->mpi_command, WTERMSIG(status));
    lm_loop_send_failed(l->front_fd, &err);
    return err.code;
}

int lm_launch(const struct lm_conf_model *m, const struct lm_conf_nodes *nodes, int front_fd, int argc, char *const *argv)
{
    struct launch l = {.front_fd = front_fd, .listen_fd = -1, .signal_fd = -1};
    struct lm_err err = {0};
    int rc = take_signals(&l, &err);
    if (!rc)
        rc = start_listening(&l, &err);
    if (!rc)
        rc = start(&l, make_command(m, nodes, l.flag, argc, argv), &err);
    if (rc) {
        lm_loop_send_failed(front_fd, &err);
        return EXIT_FAILED;
    }
    l.late_us = lm_now_us() + START_MS * 1000;
    int status = watch(&l);
    if (tell_front(&l, m, status) == LM_ECONFIG)
        return EXIT_CONFIG;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

const char *lm_launch_take_flag(int *argc, char **argv)
{
    if (*argc < 2 || strncmp(argv[1], join_flag, strlen(join_flag)) != 0)
        return NULL;
    const char *name = argv[1] + strlen(join_flag);
    memmove(argv + 1, argv + 2, (size_t)(*argc - 1) * sizeof *argv);
    --*argc;
    return name;
}

static int receive_fd(int from)
{
    char byte;
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec io = {&byte, 1};
    struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    int fd = -1;
    if (recvmsg(from, &msg, 0) != 1)
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

int lm_launch_join(const char *name, int fd, struct lm_err *err)
{
    struct sockaddr_un at;
    socklen_t n = address(name, &at);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = 0;
    if (s < 0 || connect(s, (struct sockaddr *)&at, n) != 0)
        rc = fail_socket("the first process is not on the machine of llmserved, which must be the first of the hosts", err);
    int got = rc ? -1 : receive_fd(s);
    if (!rc && got < 0)
        rc = fail_socket("no socket of llmserved", err);
    close(s);
    if (!rc && got != fd && (dup2(got, fd) < 0 || close(got) != 0))
        rc = fail_socket("no descriptor", err);
    return rc;
}

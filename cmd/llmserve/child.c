/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/child.h"

#include "runtime/base/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

struct lm_child {
    pid_t pid;
    int log; /* its standard error */
    pthread_t reader;
    bool has_reader;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready, closed;
    char url[64], key[33];
    uint64_t start_us, ready_us;
};

static void see_line(struct lm_child *c, const char *line)
{
    const char *url = strstr(line, " listening on http");
    pthread_mutex_lock(&c->lock);
    if (url)
        snprintf(c->url, sizeof c->url, "%.*s", (int)strcspn(url + 14, " \n"), url + 14);
    if (strstr(line, "server: ready model=") && !c->ready) {
        c->ready = true;
        c->ready_us = lm_now_us();
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    if (strstr(line, " warn ") || strstr(line, " error "))
        fputs(line, stderr);
}

static void *read_log(void *arg)
{
    struct lm_child *c = arg;
    char *line = NULL;
    size_t cap = 0;
    FILE *f = fdopen(c->log, "r");
    while (f && getline(&line, &cap, f) >= 0)
        see_line(c, line);
    if (f)
        fclose(f);
    free(line);
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void make_key(char out[33])
{
    unsigned char random[16] = {0};
    if (getrandom(random, sizeof random, 0) != sizeof random)
        memcpy(random, &(uint64_t){lm_now_us()}, 8);
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

/* In the new process. */
static void run_program(char **args, const char *key, int log)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(log, STDERR_FILENO);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    setenv("LLMSERVE_API_KEY", key, 1);
    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');
    if (slash) {
        strcpy(slash, "/llmserved");
        execv(path, args);
    }
    execvp("llmserved", args);
    dprintf(STDERR_FILENO, "- error: llmserved is neither beside llmserve nor in PATH\n");
    _exit(127);
}

static char **make_args(int argc, char **argv)
{
    static char program[] = "llmserved", model[] = "--model", host[] = "--host=127.0.0.1", port[] = "--port=0", level[] = "--log-level=info";
    char **args = calloc((size_t)argc + 5, sizeof *args);
    int n = 0;
    if (!args)
        return NULL;
    args[n++] = program;
    for (int i = 1; i < argc; i++)
        args[n++] = strcmp(argv[i], "-m") == 0 ? model : argv[i];
    args[n++] = host;
    args[n++] = port;
    args[n++] = level;
    return args;
}

static int spawn(struct lm_child *c, char **args, struct lm_err *err)
{
    int pipe_fd[2];
    if (pipe2(pipe_fd, O_CLOEXEC))
        return lm_fail(err, LM_EIO, "pipe: %m");
    c->start_us = lm_now_us();
    c->pid = fork();
    if (c->pid == 0)
        run_program(args, c->key, pipe_fd[1]);
    close(pipe_fd[1]);
    c->log = pipe_fd[0];
    c->has_reader = c->pid > 0 && pthread_create(&c->reader, NULL, read_log, c) == 0;
    if (!c->has_reader)
        close(c->log);
    return c->pid < 0 ? lm_fail(err, LM_EIO, "fork: %m") : c->has_reader ? 0 : lm_fail(err, LM_ENOMEM, "no thread");
}

static int wait_ready(struct lm_child *c, struct lm_err *err)
{
    int status = 0;
    pthread_mutex_lock(&c->lock);
    while (!c->ready && !c->closed)
        pthread_cond_wait(&c->changed, &c->lock);
    bool ready = c->ready;
    pthread_mutex_unlock(&c->lock);
    if (ready)
        return 0;
    waitpid(c->pid, &status, 0);
    c->pid = -1;
    bool refused = WIFEXITED(status) && WEXITSTATUS(status) == 78;
    return lm_fail(err, refused ? LM_ECONFIG : LM_EIO, refused ? "the settings are wrong" : "llmserved ended before it was ready");
}

int lm_child_start(int argc, char **argv, struct lm_child **out, struct lm_err *err)
{
    struct lm_child *c = calloc(1, sizeof *c);
    char **args = make_args(argc, argv);
    if (!c || !args) {
        free(c);
        free(args);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    c->pid = -1;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    make_key(c->key);
    int rc = spawn(c, args, err);
    if (!rc)
        rc = wait_ready(c, err);
    free(args);
    if (rc)
        lm_child_stop(c);
    else
        *out = c;
    return rc;
}

void lm_child_stop(struct lm_child *c)
{
    if (!c)
        return;
    if (c->pid > 0) {
        kill(c->pid, SIGTERM);
        waitpid(c->pid, NULL, 0);
    }
    if (c->has_reader)
        pthread_join(c->reader, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const char *lm_child_url(const struct lm_child *c)
{
    return c->url;
}

const char *lm_child_key(const struct lm_child *c)
{
    return c->key;
}

uint64_t lm_child_start_us(const struct lm_child *c)
{
    return c->ready_us - c->start_us;
}

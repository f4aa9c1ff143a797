/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the front costs, with an engine that answers at once (the plugin `fault`: random tokens, no arithmetic):
 *
 *   streams    n connections stream m tokens each; tokens per second of the front's own CPU time, which is what one core does,
 *              and of the clock, which also counts what the engine, this program and others take
 *   idle       k connections that made a request each and wait; bytes of the front's memory for each
 *
 * usage: front_bench LLMSERVED MODEL PLUGIN_DIR [connections tokens idle]
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct server { pid_t pid; uint16_t port; FILE *log; };

static void die(const char *what)
{
    fprintf(stderr, "front_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Wait for a line of the log that holds text. */
static void wait_line(struct server *s, const char *text, char *out, size_t n)
{
    while (fgets(out, (int)n, s->log))
        if (strstr(out, text))
            return;
    fprintf(stderr, "front_bench: the server ended before it said \"%s\"\n", text);
    exit(1);
}

static void start(struct server *s, char **argv)
{
    int fd[2];
    char line[1024];
    if (pipe(fd) || (s->pid = fork()) < 0)
        die("start");
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fd[1], 2);
        close(fd[0]);
        close(fd[1]);
        execl(argv[1], argv[1], "--port", "0", "--model", argv[2], "--plugin-dir", argv[3], "--backend", "fault", "--backend-option", "fault.blind=1", "--max-model-len", "2048", "--max-num-seqs",
              "1024", "--max-num-batched-tokens", "8192", "--max-connections", "100000", "--keep-alive-timeout", "600", "--enable-prefix-caching=no", (char *)NULL);
        _exit(127);
    }
    close(fd[1]);
    s->log = fdopen(fd[0], "r");
    wait_line(s, "listening on http://", line, sizeof line);
    s->port = (uint16_t)atoi(strrchr(line, ':') + 1);
    wait_line(s, "server: ready model=", line, sizeof line);
}

/* CPU seconds of a process's threads: the scheduler's own count, not that of its ticks. */
static double cpu(pid_t pid)
{
    char path[512];
    unsigned long long ns, sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    if (!d)
        die("/proc/PID/task");
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f && fscanf(f, "%llu", &ns) == 1)
            sum += ns;
        if (f)
            fclose(f);
    }
    closedir(d);
    return (double)sum / 1e9;
}

/* The engine: the front's only child. */
static pid_t engine_of(pid_t front)
{
    char path[64];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)front, (int)front);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%d", &pid) != 1)
        die("/proc/PID/task/PID/children");
    fclose(f);
    return pid;
}

/* Resident bytes of a process. */
static double resident(pid_t pid)
{
    char path[64];
    unsigned long all, pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%lu %lu", &all, &pages) != 2)
        die("/proc/PID/statm");
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static int dial(const struct server *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    return fd;
}

static void ask(int fd, const char *text)
{
    size_t n = strlen(text);
    if (write(fd, text, n) != (ssize_t)n)
        die("write");
}

/* Read until the streams have ended; returns the bytes. */
static size_t drain(struct pollfd *p, size_t n)
{
    static char buf[1 << 16];
    size_t open = n, bytes = 0;
    while (open) {
        if (poll(p, n, 60000) <= 0)
            die("poll");
        for (size_t i = 0; i < n; i++) {
            ssize_t got = p[i].fd >= 0 && p[i].revents ? read(p[i].fd, buf, sizeof buf) : -1;
            if (p[i].fd < 0 || !p[i].revents)
                continue;
            if (got <= 0) {
                close(p[i].fd);
                p[i].fd = -1;
                open--;
            } else {
                bytes += (size_t)got;
            }
        }
    }
    return bytes;
}

static void streams(const struct server *s, bool chat, size_t n, size_t n_tok)
{
    struct pollfd *p = calloc(n, sizeof *p);
    char body[256], text[512];
    snprintf(body, sizeof body, "{%s,\"stream\":true,\"max_tokens\":%zu,\"ignore_eos\":true,\"temperature\":1}",
             chat ? "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" : "\"prompt\":\"x\"", n_tok);
    snprintf(text, sizeof text, "POST /v1/%scompletions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             chat ? "chat/" : "", strlen(body), body);
    for (size_t i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = dial(s), .events = POLLIN};
    pid_t engine = engine_of(s->pid);
    double cpu0 = cpu(s->pid), engine0 = cpu(engine), t0 = now();
    for (size_t i = 0; i < n; i++)
        ask(p[i].fd, text);
    size_t bytes = drain(p, n);
    double used = cpu(s->pid) - cpu0, took = now() - t0, engine_s = cpu(engine) - engine0, tokens = (double)(n * n_tok);
    printf("streams%s: %zu connections, %.0f tokens, %.1f MB: %.0f tokens/s of the front's CPU time (%.2f s), %.0f tokens/s of the engine's (%.2f s), %.0f tokens/s by the clock (%.2f s)\n", chat ? " of chats" : "", n, tokens,
           (double)bytes / 1e6, tokens / used, used, tokens / engine_s, engine_s, tokens / took, took);
    free(p);
}

static void idle(const struct server *s, size_t n)
{
    int *fd = malloc(n * sizeof *fd);
    char buf[1024];
    double before = resident(s->pid);
    for (size_t i = 0; i < n; i++) {
        fd[i] = dial(s);
        ask(fd[i], "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if (read(fd[i], buf, sizeof buf) < 12 || memcmp(buf, "HTTP/1.1 200", 12) != 0)
            die("an idle connection was refused");
    }
    double used = resident(s->pid) - before;
    printf("idle: %zu connections: %.0f bytes each\n", n, used / (double)n);
    for (size_t i = 0; i < n; i++)
        close(fd[i]);
    free(fd);
}

int main(int argc, char **argv)
{
    struct server s;
    if (argc < 4) {
        fprintf(stderr, "usage: front_bench LLMSERVED MODEL PLUGIN_DIR [connections tokens idle]\n");
        return 2;
    }
    size_t n = argc > 4 ? strtoul(argv[4], NULL, 10) : 256, n_tok = argc > 5 ? strtoul(argv[5], NULL, 10) : 512, n_idle = argc > 6 ? strtoul(argv[6], NULL, 10) : 10000;
    signal(SIGPIPE, SIG_IGN);
    start(&s, argv);
    idle(&s, n_idle);
    streams(&s, false, n, 16); /* warm */
    streams(&s, false, n, n_tok);
    streams(&s, true, n, n_tok);
    kill(s.pid, SIGKILL);
    waitpid(s.pid, NULL, 0);
    return 0;
}

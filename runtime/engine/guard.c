/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/guard.h"
#include "runtime/engine/protocol.h"

#include <signal.h>
#include <unistd.h>

enum { EXIT_FAILED = 1 };

static struct {
    uintptr_t base;
    size_t bytes;
    int fd;
    struct { struct lm_msg_head head; struct lm_msg_failed failed; char pad[8]; } told;
    size_t told_bytes, line_bytes;
    char line[300];
} guard;

static void on_bus(int sig, siginfo_t *info, void *context)
{
    bool ours = info->si_code > 0 && (uintptr_t)info->si_addr - guard.base < guard.bytes;
    if (!ours) {
        signal(sig, SIG_DFL); /* the instruction faults again */
        return;
    }
    ssize_t n = guard.fd < 0 ? write(STDERR_FILENO, guard.line, guard.line_bytes) : write(guard.fd, &guard.told, guard.told_bytes);
    _exit(n > 0 ? EXIT_FAILED : EXIT_FAILED + 1);
}

int lm_guard_begin(int fd, struct lm_err *err)
{
    struct sigaction act = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    guard.fd = fd;
    if (sigaction(SIGBUS, &act, NULL) == 0)
        return 0;
    return lm_fail(err, LM_EIO, "cannot handle SIGBUS");
}

void lm_guard_file(const char *path, const void *base, size_t bytes)
{
    guard.bytes = 0;
    if (!bytes)
        return;
    struct lm_msg_failed *f = &guard.told.failed;
    size_t n = (sizeof guard.told.head + sizeof *f + 7) / 8 * 8;
    memset(&guard.told, 0, sizeof guard.told);
    f->code = LM_EIO;
    snprintf(f->msg, sizeof f->msg, "%.110s: the file shrank while it was in use, or its disk failed: put the whole file back, and replace "
             "files by renaming", path);
    guard.told.head = (struct lm_msg_head){.bytes = (uint32_t)n, .type = LM_MSG_FAILED};
    guard.told_bytes = n;
    guard.line_bytes = (size_t)snprintf(guard.line, sizeof guard.line, "error: %s\n", f->msg);
    guard.base = (uintptr_t)base;
    guard.bytes = bytes;
}

void lm_guard_model(const char *path, const struct lm_gguf *g)
{
    size_t bytes = 0;
    const void *base = g ? lm_gguf_mapping(g, &bytes) : NULL;
    lm_guard_file(path, base, bytes);
}

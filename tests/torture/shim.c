/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For LD_PRELOAD: makes one call of a program fail that can fail, an allocation or a system call, and counts what it has allocated.
 *
 * $LLMSERVE_TORTURE names a file that the test maps too (struct shared); only the program that $LLMSERVE_TORTURE_OF names
 * is touched, not its children. until: the call that fails, 1 the next; 0 none. live: blocks that are not freed yet.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { ALLOC, READ, WRITE, RECV, SEND, READV, WRITEV, ACCEPT, EPOLL_CTL, GETRANDOM, SENDMSG, RECVMSG, N_CALL };

struct shared {
    atomic_llong until, live;
    atomic_llong failed[N_CALL]; /* how often each has been made to fail */
};

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static struct shared *shared;

__attribute__((constructor))
static void begin(void)
{
    const char *path = getenv("LLMSERVE_TORTURE"), *of = getenv("LLMSERVE_TORTURE_OF");
    if (!path || !of || strcmp(of, program_invocation_short_name) != 0)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (p != MAP_FAILED)
        shared = p;
}

static bool fails(enum call call, int why)
{
    if (!shared || atomic_load(&shared->until) <= 0 || atomic_fetch_sub(&shared->until, 1) != 1)
        return false;
    atomic_fetch_add(&shared->failed[call], 1);
    errno = why;
    return true;
}

static void *counted(void *p)
{
    if (shared && p)
        atomic_fetch_add(&shared->live, 1);
    return p;
}

void *malloc(size_t n)
{
    return fails(ALLOC, ENOMEM) ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t count, size_t n)
{
    return fails(ALLOC, ENOMEM) ? NULL : counted(__libc_calloc(count, n));
}

void *realloc(void *p, size_t n)
{
    if (fails(ALLOC, ENOMEM))
        return NULL;
    void *q = __libc_realloc(p, n);
    return p ? q : counted(q);
}

void *memalign(size_t align, size_t n)
{
    return fails(ALLOC, ENOMEM) ? NULL : counted(__libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    void *p = memalign(align, n);
    if (p)
        *out = p;
    return p ? 0 : ENOMEM;
}

void free(void *p)
{
    if (shared && p)
        atomic_fetch_sub(&shared->live, 1);
    __libc_free(p);
}

/* What stands behind this file: the C library's own. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int fd, void *p, size_t n)
{
    return fails(READ, EIO) ? -1 : NEXT(read)(fd, p, n);
}

ssize_t write(int fd, const void *p, size_t n)
{
    return fails(WRITE, ENOSPC) ? -1 : NEXT(write)(fd, p, n);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
    return fails(RECV, ECONNRESET) ? -1 : NEXT(recv)(fd, p, n, flags);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    return fails(SEND, ECONNRESET) ? -1 : NEXT(send)(fd, p, n, flags);
}

ssize_t readv(int fd, const struct iovec *v, int n)
{
    return fails(READV, ECONNRESET) ? -1 : NEXT(readv)(fd, v, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    return fails(WRITEV, EPIPE) ? -1 : NEXT(writev)(fd, v, n);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    return fails(SENDMSG, ENOBUFS) ? -1 : NEXT(sendmsg)(fd, m, flags);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    return fails(RECVMSG, ECONNRESET) ? -1 : NEXT(recvmsg)(fd, m, flags);
}

int accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
    return fails(ACCEPT, EMFILE) ? -1 : NEXT(accept4)(fd, a, n, flags);
}

int epoll_ctl(int ep, int op, int fd, struct epoll_event *e)
{
    return op != EPOLL_CTL_DEL && fails(EPOLL_CTL, ENOMEM) ? -1 : NEXT(epoll_ctl)(ep, op, fd, e);
}

ssize_t getrandom(void *p, size_t n, unsigned flags)
{
    return fails(GETRANDOM, EAGAIN) ? -1 : NEXT(getrandom)(p, n, flags);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/map.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 8 << 20 }; /* read ahead when a file is opened */

static int fail_errno(struct lm_err *err, int code, const char *what, int e)
{
    lm_fail(err, code, "%s%s", what, strerror(e));
    if (err)
        err->native = e;
    return code;
}

int lm_map_open(const char *path, struct lm_map *out, struct lm_err *err)
{
    struct stat st;
    int rc = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(err, errno == ENOENT || errno == ENOTDIR ? LM_ENOTFOUND : LM_EIO, "", errno);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        rc = lm_fail(err, LM_EFORMAT, "not a regular file");
        goto out;
    }
    if (st.st_size == 0 || (uint64_t)st.st_size > SIZE_MAX) {
        rc = lm_fail(err, LM_EFORMAT, "the file has %lld bytes", (long long)st.st_size);
        goto out;
    }
    size_t size = (size_t)st.st_size;
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        rc = fail_errno(err, errno == ENOMEM ? LM_ENOMEM : LM_EIO, "mmap: ", errno);
        goto out;
    }
    madvise(p, size < HEAD_BYTES ? size : HEAD_BYTES, MADV_WILLNEED);
    *out = (struct lm_map){p, size, fd};
    return 0;
out:
    close(fd);
    return rc;
}

int lm_map_whole(const struct lm_map *m, struct lm_err *err)
{
    struct stat st;
    if (!m->base)
        return 0;
    if (fstat(m->fd, &st))
        return fail_errno(err, LM_EIO, "the model file: ", errno);
    if ((uint64_t)st.st_size < m->size)
        return lm_fail(err, LM_EIO, "the model file shrank from %zu to %lld bytes while it was loaded: put the whole file back",
                       m->size, (long long)st.st_size);
    return 0;
}

void lm_map_close(struct lm_map *m)
{
    if (m->base) {
        munmap((void *)(uintptr_t)m->base, m->size);
        close(m->fd);
    }
    *m = (struct lm_map){0};
}

static void advise(const struct lm_map *m, uintptr_t first, uintptr_t end, int advice)
{
    uintptr_t start = (uintptr_t)m->base, last = start + m->size;
    first = first > start ? first : start;
    end = end < last ? end : last;
    if (m->base && first < end)
        madvise((void *)first, end - first, advice);
}

void lm_map_will_read(const struct lm_map *m, const void *p, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    advise(m, (uintptr_t)p & ~(page - 1), (uintptr_t)p + n, MADV_WILLNEED);
}

void lm_map_has_read(const struct lm_map *m, const void *p, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE); /* whole pages only */
    advise(m, ((uintptr_t)p + page - 1) & ~(page - 1), ((uintptr_t)p + n) & ~(page - 1), MADV_DONTNEED);
}

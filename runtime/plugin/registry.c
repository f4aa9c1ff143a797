/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plugin/registry.h"
#include "runtime/base/rights.h"
#include "runtime/plugin/elf.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_NAME = 31, MAX_PLUGIN = 32, MIN_SIZE = offsetof(struct lm_backend, peer_copy), MAX_SIZE = 4096, SCORE_MS = 20000 };

/* The one plugin table: plugins are never closed, so a path is loaded once. */
static struct plugin {
    char *path;
    struct lm_backend table;
} plugins[MAX_PLUGIN];

static bool name_ok(const char *name, size_t n)
{
    return n >= 1 && n <= MAX_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") >= n;
}

static int dir_check(const char **io_dir, struct lm_err *err)
{
    if (!*io_dir || !**io_dir)
        *io_dir = LM_PKGLIBDIR "/backends";
    if (**io_dir != '/')
        return lm_fail(err, LM_ECONFIG, "plugin folder \"%.100s\" is not an absolute path", *io_dir);
    return 0;
}

static void names_free(char **name, int n)
{
    for (int i = 0; i < n; i++)
        free(name[i]);
    free(name);
}

static int fail_missing(const char *dir, const char *name, struct lm_err *err)
{
    char have[96] = "", **list = NULL;
    int n = lm_registry_list(dir, &list, NULL);
    for (int i = 0; i < n; i++) {
        size_t at = strlen(have);
        snprintf(have + at, sizeof have - at, "%s%s", i ? ", " : "", list[i]);
    }
    names_free(list, n);
    return lm_fail(err, LM_ENOTFOUND, "backend \"%s\" is not installed: no %.80s/%s.so; built backends here: %s", name,
                   dir, name, *have ? have : "none");
}

static int file_check(const char *dir, const char *name, const char *path, struct lm_err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return fail_missing(dir, name, err);
        int code = lm_fail(err, LM_EIO, "%.120s: %s", path, strerror(errno));
        if (err)
            err->native = errno;
        return code;
    }
    if (!S_ISREG(st.st_mode))
        return lm_fail(err, LM_EUNSUPPORTED, "%.150s is not a regular file: put the plugin itself there", path);
    int rc = lm_rights_check(dir, path, err);
    return rc ? rc : lm_elf_check(path, (size_t)st.st_size, err);
}

static int missing_call(struct lm_err *err)
{
    return lm_fail(err, LM_EUNSUPPORTED, "this backend does not have this call");
}

static int stub_peer_copy(struct lm_dev *dst, struct lm_dev *src, void *dst_ptr, const void *src_ptr, size_t bytes,
                          struct lm_err *err)
{
    return missing_call(err);
}

static int stub_join(struct lm_dev *const *dev, uint32_t n, struct lm_err *err)
{
    return missing_call(err);
}

static int stub_bench(struct lm_dev *dev, const struct lm_bench_desc *desc, lm_bench_fn *row, void *arg, struct lm_err *err)
{
    return missing_call(err);
}

static size_t stub_kv_bytes(const struct lm_dev *dev, const struct lm_plan *plan)
{
    return 0;
}

static bool calls_complete(const struct lm_backend *t)
{
    return t->name && t->version && t->score && t->devices && t->open && t->close && t->mem && t->weight_create &&
           t->weight_destroy && t->pack && t->measure && t->prepare && t->release && t->copy_in && t->copy_out &&
           t->launch && t->sync;
}

static int table_check(const char *path, const struct lm_backend *be, struct lm_backend *out, struct lm_err *err)
{
    if (be->abi != LM_BACKEND_ABI)
        return lm_fail(err, LM_EUNSUPPORTED, "%.110s has plugin ABI %u, this program needs %u: install the same version of both",
                       path, (unsigned)be->abi, LM_BACKEND_ABI);
    if (be->size < MIN_SIZE || be->size > MAX_SIZE)
        return lm_fail(err, LM_EUNSUPPORTED, "%.110s has a table of %u bytes, %u to %u are valid: rebuild the plugin",
                       path, (unsigned)be->size, (unsigned)MIN_SIZE, (unsigned)MAX_SIZE);
    struct lm_backend full = {0};
    memcpy(&full, be, be->size < sizeof full ? be->size : sizeof full);
    full.size = sizeof full;
    if (!calls_complete(&full))
        return lm_fail(err, LM_EUNSUPPORTED, "%.130s lacks a call that every plugin has: rebuild the plugin", path);
    if (!full.peer_copy)
        full.peer_copy = stub_peer_copy;
    if (!full.join)
        full.join = stub_join;
    if (!full.bench)
        full.bench = stub_bench;
    if (!full.kv_bytes || !full.kv_out || !full.kv_in)
        full.kv_bytes = stub_kv_bytes;
    *out = full;
    return 0;
}

static int open_file(const char *path, struct lm_backend *out, struct lm_err *err)
{
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        const char *why = dlerror(); /* glibc puts the path in front, where it is the plugin itself that is bad */
        size_t n = strlen(path);
        if (why && strncmp(why, path, n) == 0 && why[n] == ':')
            why += n + 1 + strspn(why + n + 1, " ");
        return lm_fail(err, LM_EUNSUPPORTED, "%.90s cannot be loaded: %.100s; reinstall it and what it needs", path,
                       why ? why : "no reason given");
    }
    const struct lm_backend *be = dlsym(so, "lm_backend");
    if (!be)
        return lm_fail(err, LM_EUNSUPPORTED, "%.130s is not an llmserve plugin: it has no symbol lm_backend", path);
    return table_check(path, be, out, err);
}

int lm_registry_load(const char *dir, const char *name, const struct lm_backend **out, struct lm_err *err)
{
    char path[PATH_MAX];
    struct plugin *p = plugins;
    int rc = dir_check(&dir, err);
    if (rc)
        return rc;
    if (!name_ok(name, strlen(name)))
        return lm_fail(err, LM_ECONFIG, "backend name \"%.40s\": 1 to %d of a-z 0-9 _ - are valid", name, MAX_NAME);
    if (snprintf(path, sizeof path, "%s/%s.so", dir, name) >= (int)sizeof path)
        return lm_fail(err, LM_ECONFIG, "plugin folder \"%.60s...\" is too long", dir);
    while (p < plugins + MAX_PLUGIN && p->path && strcmp(p->path, path))
        p++;
    if (p == plugins + MAX_PLUGIN)
        return lm_fail(err, LM_ELIMIT, "more than %d plugins", MAX_PLUGIN);
    if (!p->path) {
        rc = file_check(dir, name, path, err);
        if (!rc)
            rc = open_file(path, &p->table, err);
        if (rc)
            return rc;
        p->path = strdup(path);
        if (!p->path)
            return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    *out = &p->table;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The plugin's name when a directory entry is one, else false. */
static bool entry_name(const char *file, char name[MAX_NAME + 1])
{
    size_t n = strlen(file);
    if (n < 4 || strcmp(file + n - 3, ".so") != 0 || !name_ok(file, n - 3))
        return false;
    memcpy(name, file, n - 3);
    name[n - 3] = 0;
    return true;
}

int lm_registry_list(const char *dir, char ***out, struct lm_err *err)
{
    char **list = NULL, name[MAX_NAME + 1];
    int n = 0, rc = dir_check(&dir, err);
    if (rc)
        return rc;
    DIR *d = opendir(dir);
    if (!d)
        return lm_fail(err, LM_ENOTFOUND, "plugin folder %.120s: %s", dir, strerror(errno));
    list = calloc(MAX_PLUGIN, sizeof *list);
    for (struct dirent *e; list && (e = readdir(d)) && n < MAX_PLUGIN;) {
        if (!entry_name(e->d_name, name))
            continue;
        list[n] = strdup(name);
        if (!list[n])
            break;
        n++;
    }
    closedir(d);
    if (!list)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    qsort(list, (size_t)n, sizeof *list, by_name);
    *out = list;
    return n;
}

/* What a child process that loads a plugin finds. */
struct scored {
    int score;
    struct lm_err err;
};

static void score(const char *dir, const char *name, struct scored *out)
{
    const struct lm_backend *be;
    *out = (struct scored){0};
    if (lm_registry_load(dir, name, &be, &out->err) == 0)
        out->score = be->score();
}

/* The same in a process of its own, so that the drivers of plugins that are not chosen stay out of this one, and one that crashes or
   hangs is passed over. */
static void score_aside(const char *dir, const char *name, struct scored *out)
{
    int end[2] = {-1, -1};
    pid_t child = pipe2(end, O_CLOEXEC) == 0 ? fork() : -1;
    if (child <= 0)
        score(dir, name, out);
    if (child == 0)
        _exit(write(end[1], out, sizeof *out) != sizeof *out);
    close(end[1]);
    if (child < 0) {
        close(end[0]);
        return;
    }
    *out = (struct scored){0};
    lm_fail(&out->err, LM_EDEVICE, "plugin %s: it crashed or hung when it looked for devices", name);
    struct pollfd answer = {.fd = end[0], .events = POLLIN};
    struct scored got;
    if (poll(&answer, 1, SCORE_MS) == 1 && read(end[0], &got, sizeof got) == sizeof got)
        *out = got;
    close(end[0]);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

int lm_registry_best(const char *dir, const struct lm_backend **out, struct lm_err *err)
{
    struct lm_err last = {0};
    int best_score = 0, best = -1;
    char **list = NULL;
    int n = lm_registry_list(dir, &list, err);
    if (n < 0)
        return n;
    for (int i = 0; i < n; i++) {
        struct scored s;
        score_aside(dir, list[i], &s);
        last = s.err.code ? s.err : last;
        if (s.score > best_score) {
            best_score = s.score;
            best = i;
        }
    }
    int rc = best >= 0 ? lm_registry_load(dir, list[best], out, err) : 0;
    names_free(list, n);
    if (best < 0)
        return lm_fail(err, LM_ENOTFOUND, "no usable backend in %.60s%s%.150s", dir ? dir : LM_PKGLIBDIR "/backends",
                       last.code ? ": " : ": install one, for example llmserve-backend-cpu", last.msg);
    return rc;
}

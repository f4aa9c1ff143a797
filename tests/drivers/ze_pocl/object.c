/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/drivers/ze_pocl/fault.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEAD = 0xdeaddead };

static const char *const names[] = {"driver", "device", "context", "queue", "list", "event pool", "event", "module", "build log", "kernel"};
static void **dead; /* what had a handle once: reachable, so that a leak checker sees only the program's own leaks */
static size_t n_dead, room;

struct state drv = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .driver = {K_DRIVER}};

void drv_lock(void)
{
    pthread_mutex_lock(&drv.lock);
}

void drv_unlock(void)
{
    pthread_mutex_unlock(&drv.lock);
}

void *drv_object(enum kind kind, size_t bytes)
{
    struct object *o = calloc(1, bytes);
    if (!o)
        return NULL;
    o->kind = kind;
    drv_lock();
    drv.live[kind - K_DRIVER]++;
    drv_unlock();
    return o;
}

void drv_object_end(void *object)
{
    struct object *o = object;
    drv_lock();
    drv.live[o->kind - K_DRIVER]--;
    o->kind = DEAD;
    if (n_dead == room) {
        void **new = realloc(dead, (2 * room + 64) * sizeof *dead);
        dead = new ? new : dead;
        room = new ? 2 * room + 64 : room;
    }
    if (n_dead < room)
        dead[n_dead++] = o;
    drv_unlock();
}

bool drv_is(const void *handle, enum kind kind)
{
    return handle && ((const struct object *)handle)->kind == kind;
}

ze_result_t drv_misuse(ze_result_t code, const char *what)
{
    fprintf(stderr, "ze_pocl: misuse: %s\n", what);
    __atomic_add_fetch(&drv.misuse, 1, __ATOMIC_RELAXED);
    return code;
}

long ze_pocl_live(char *out, size_t n)
{
    long all = 0, memory = 0;
    size_t at = 0;
    drv_lock();
    for (const struct memory *m = drv.memory; m; m = m->next)
        memory++;
    const struct { const char *name; long n; } extra[] = {{"allocation", memory}, {"misuse", drv.misuse}};
    for (int i = 0; i < K_END - K_DRIVER + 2; i++) {
        bool object = i < K_END - K_DRIVER;
        long count = object ? drv.live[i] : extra[i - (K_END - K_DRIVER)].n;
        all += count;
        if (count && at < n)
            at += (size_t)snprintf(out + at, n - at, "%s%ld %s", at ? ", " : "", count, object ? names[i] : extra[i - (K_END - K_DRIVER)].name);
    }
    if (at == 0)
        snprintf(out, n, "nothing");
    drv_unlock();
    return all;
}

/* One line a process: what is left. */
__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("ZE_POCL_REPORT");
    char text[400];
    FILE *f = drv.ready && path ? fopen(path, "a") : NULL;
    if (!f)
        return;
    ze_pocl_live(text, sizeof text);
    fprintf(f, "%s\n", text);
    fclose(f);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/pool.h"
#include "runtime/base/clock.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SPIN_US = 50,   /* longer than the gaps between phases, shorter than a wake-up is worth */
    SPIN_PAUSES = 64,
    FAN_IN = 8,     /* threads that count on one cache line of a barrier */
};

/* A counter that can be waited on: it opens by being raised. */
struct gate {
    _Alignas(64) atomic_uint turn;
    atomic_uint n_sleeper;
};

struct cell {
    _Alignas(64) atomic_uint n;
};

struct thread {
    struct cpu_pool *pool;
    pthread_t id;
};

struct cpu_pool {
    struct gate start, barrier, done;
    struct cell root;
    struct cell *cell; /* [n_cell] of FAN_IN threads each */
    struct thread *thread;
    struct cpu_pool_desc desc;
    uint32_t n_thread, n_cell; /* threads that run, cells in use */
    cpu_pool_fn fn;
    void *arg;
    unsigned seen; /* turn of `done` when the last job began */
    bool running, stop;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static long futex(atomic_uint *word, int op, unsigned value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

static void gate_open(struct gate *g)
{
    atomic_fetch_add(&g->turn, 1);
    if (atomic_load(&g->n_sleeper) > 0)
        futex(&g->turn, FUTEX_WAKE, INT_MAX, NULL);
}

static bool gate_spin(struct gate *g, unsigned turn)
{
    uint64_t end = lm_now_us() + SPIN_US;
    do
        for (int i = 0; i < SPIN_PAUSES; i++) {
            if (atomic_load_explicit(&g->turn, memory_order_acquire) != turn)
                return true;
            relax();
        }
    while (lm_now_us() < end);
    return false;
}

/* Wait until the gate's turn is no longer `turn`; false if deadline_us (a point in time) came first. */
static bool gate_sleep(struct gate *g, unsigned turn, uint64_t deadline_us)
{
    bool open;
    atomic_fetch_add(&g->n_sleeper, 1);
    while (!(open = atomic_load(&g->turn) != turn)) {
        uint64_t now = lm_now_us();
        if (now >= deadline_us)
            break;
        uint64_t left = deadline_us - now;
        struct timespec t = {.tv_sec = (time_t)(left / 1000000), .tv_nsec = (long)(left % 1000000) * 1000};
        futex(&g->turn, FUTEX_WAIT, turn, deadline_us == UINT64_MAX ? NULL : &t);
    }
    atomic_fetch_sub(&g->n_sleeper, 1);
    return open;
}

static void gate_wait(struct gate *g, unsigned turn, bool spin)
{
    if (!spin || !gate_spin(g, turn))
        gate_sleep(g, turn, UINT64_MAX);
}

/* Count a thread in: true for the last one, which finds all counters back at zero. */
static bool arrive(struct cpu_pool *p, uint32_t thread)
{
    uint32_t c = thread / FAN_IN, n = c + 1 < p->n_cell ? FAN_IN : p->n_thread - c * FAN_IN;
    if (atomic_fetch_add(&p->cell[c].n, 1) + 1 < n)
        return false;
    atomic_store(&p->cell[c].n, 0);
    if (atomic_fetch_add(&p->root.n, 1) + 1 < p->n_cell)
        return false;
    atomic_store(&p->root.n, 0);
    return true;
}

void cpu_pool_barrier(struct cpu_pool *p, uint32_t thread)
{
    unsigned turn = atomic_load_explicit(&p->barrier.turn, memory_order_relaxed);
    if (arrive(p, thread))
        gate_open(&p->barrier);
    else
        gate_wait(&p->barrier, turn, p->desc.spin);
}

static void *work(void *arg)
{
    struct thread *t = arg;
    struct cpu_pool *p = t->pool;
    uint32_t index = (uint32_t)(t - p->thread);
    if (p->desc.enter)
        p->desc.enter(p->desc.arg, index);
    bool last = false;
    for (unsigned turn = 0;; turn++) {
        gate_wait(&p->start, turn, p->desc.spin && !last); /* the last one leaves its processor to who waits for done */
        if (p->stop)
            return NULL;
        p->fn(p->arg, index);
        last = arrive(p, index);
        if (last)
            gate_open(&p->done);
    }
}

static int start_threads(struct cpu_pool *p)
{
    sigset_t all, old;
    int rc = 0;
    const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* but for its own faults, signals are the program's, not a worker's */
    while (p->n_thread < p->desc.n_thread && rc == 0) {
        struct thread *t = &p->thread[p->n_thread];
        t->pool = p;
        rc = pthread_create(&t->id, NULL, work, t);
        p->n_thread += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

int cpu_pool_create(const struct cpu_pool_desc *desc, struct cpu_pool **out, struct lm_err *err)
{
    struct cpu_pool *p = aligned_alloc(64, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a thread pool");
    *p = (struct cpu_pool){.desc = *desc, .n_cell = (desc->n_thread - 1) / FAN_IN + 1};
    p->thread = calloc(desc->n_thread, sizeof *p->thread);
    p->cell = aligned_alloc(64, p->n_cell * sizeof *p->cell);
    if (p->cell)
        memset(p->cell, 0, p->n_cell * sizeof *p->cell);
    if (!p->thread || !p->cell || start_threads(p) != 0) {
        cpu_pool_destroy(p);
        return lm_fail(err, LM_ENOMEM, "%u threads cannot be started", desc->n_thread);
    }
    *out = p;
    return 0;
}

void cpu_pool_destroy(struct cpu_pool *p)
{
    if (!p)
        return;
    cpu_pool_wait(p, UINT64_MAX);
    p->stop = true;
    gate_open(&p->start);
    for (uint32_t i = 0; i < p->n_thread; i++)
        pthread_join(p->thread[i].id, NULL);
    free(p->cell);
    free(p->thread);
    free(p);
}

void cpu_pool_start(struct cpu_pool *p, cpu_pool_fn fn, void *arg)
{
    p->fn = fn;
    p->arg = arg;
    p->seen = atomic_load(&p->done.turn);
    p->running = true;
    gate_open(&p->start);
}

bool cpu_pool_wait(struct cpu_pool *p, uint64_t deadline_us)
{
    uint64_t now = lm_now_us();
    if (p->running && gate_sleep(&p->done, p->seen, deadline_us < UINT64_MAX - now ? now + deadline_us : UINT64_MAX))
        p->running = false;
    return !p->running;
}

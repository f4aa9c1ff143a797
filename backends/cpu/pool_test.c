/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/pool.h"
#include "tests/suite.h"

#include <stdatomic.h>
#include <unistd.h>

enum { MAX_THREAD = 70, ROUNDS = 200 };

struct job {
    struct cpu_pool *pool;
    uint32_t n_thread;
    uint32_t round[MAX_THREAD * 16]; /* of each thread, on lines of their own; plain memory: the barrier orders it */
    atomic_uint n_wrong, n_entered;
    int gate[2];
};

static void enter(void *arg, uint32_t thread)
{
    struct job *j = arg;
    atomic_fetch_add(&j->n_entered, 1);
}

static void rounds(void *arg, uint32_t thread)
{
    struct job *j = arg;
    for (uint32_t r = 0; r < ROUNDS; r++) {
        j->round[thread * 16] = r;
        cpu_pool_barrier(j->pool, thread);
        for (uint32_t t = 0; t < j->n_thread; t++)
            atomic_fetch_add(&j->n_wrong, j->round[t * 16] != r);
        cpu_pool_barrier(j->pool, thread);
    }
}

static struct job *with_pool(struct job *j, uint32_t n_thread, bool spin)
{
    struct cpu_pool_desc desc = {.n_thread = n_thread, .spin = spin, .enter = enter, .arg = j};
    *j = (struct job){.n_thread = n_thread};
    ck_assert_int_eq(cpu_pool_create(&desc, &j->pool, NULL), 0);
    return j;
}

START_TEST(test_cpu_pool__no_thread_leaves_a_barrier_early)
{
    static struct job j;
    const uint32_t n[] = {1, 2, 3, 8, 9, 17, MAX_THREAD};
    for (size_t i = 0; i < 2 * sizeof n / sizeof *n; i++) {
        with_pool(&j, n[i / 2], i % 2);
        for (int job = 0; job < (n[i / 2] > 9 ? 1 : 5); job++) {
            cpu_pool_start(j.pool, rounds, &j);
            ck_assert(cpu_pool_wait(j.pool, UINT64_MAX));
            ck_assert_uint_eq(j.n_wrong, 0);
        }
        ck_assert_uint_eq(j.n_entered, n[i / 2]);
        cpu_pool_destroy(j.pool);
    }
}
END_TEST

static void hold(void *arg, uint32_t thread)
{
    struct job *j = arg;
    char c;
    if (thread == 0)
        ck_assert_int_eq(read(j->gate[0], &c, 1), 1);
    cpu_pool_barrier(j->pool, thread);
}

START_TEST(test_cpu_pool__wait_ends_at_its_deadline)
{
    static struct job j;
    with_pool(&j, 3, true);
    ck_assert(cpu_pool_wait(j.pool, 0)); /* nothing runs */
    ck_assert_int_eq(pipe(j.gate), 0);
    cpu_pool_start(j.pool, hold, &j);
    ck_assert(!cpu_pool_wait(j.pool, 0));
    ck_assert(!cpu_pool_wait(j.pool, 1000));
    ck_assert_int_eq(write(j.gate[1], "", 1), 1);
    ck_assert(cpu_pool_wait(j.pool, UINT64_MAX));
    ck_assert(cpu_pool_wait(j.pool, 0));
    cpu_pool_start(j.pool, hold, &j); /* destroy waits for it */
    ck_assert_int_eq(write(j.gate[1], "", 1), 1);
    cpu_pool_destroy(j.pool);
    close(j.gate[0]);
    close(j.gate[1]);
}
END_TEST

START_TEST(test_cpu_pool__destroy_takes_null)
{
    cpu_pool_destroy(NULL);
}
END_TEST

SUITE_MAIN("cpu/pool", test_cpu_pool__no_thread_leaves_a_barrier_early, test_cpu_pool__wait_ends_at_its_deadline,
           test_cpu_pool__destroy_takes_null)

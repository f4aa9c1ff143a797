/* SPDX-License-Identifier: Apache-2.0 */
#include "api/workers.h"
#include "runtime/base/clock.h"
#include "tests/suite.h"

#include <pthread.h>
#include <stdbool.h>

#define N_JOBS 1000

struct count {
    struct lm_job job;
    struct event_base *base;
    pthread_t loop;
    bool ran, done, on_loop, off_loop;
    int *n_left;
};

static void run(struct lm_job *job)
{
    struct count *c = (struct count *)job;
    c->ran = true;
    c->off_loop = !pthread_equal(pthread_self(), c->loop);
}

static void done(struct lm_job *job)
{
    struct count *c = (struct count *)job;
    c->done = true;
    c->on_loop = pthread_equal(pthread_self(), c->loop);
    if (--*c->n_left == 0)
        event_base_loopbreak(c->base);
}

START_TEST(test_api_workers__every_job_runs_in_a_thread_and_comes_back_to_the_loop)
{
    static struct count jobs[N_JOBS];
    struct event_base *base = event_base_new();
    struct lm_workers *w;
    int n_left = N_JOBS;
    ck_assert_int_eq(lm_workers_create(base, 3, &w, NULL), 0);
    for (int i = 0; i < N_JOBS; i++) {
        jobs[i] = (struct count){.job = {run, done, NULL}, .base = base, .loop = pthread_self(), .n_left = &n_left};
        lm_workers_submit(w, &jobs[i].job);
    }
    event_base_dispatch(base);
    for (int i = 0; i < N_JOBS; i++)
        ck_assert(jobs[i].ran && jobs[i].done && jobs[i].on_loop && jobs[i].off_loop);
    lm_workers_destroy(w);
    event_base_free(base);
}
END_TEST

struct slow {
    struct lm_job job;
    int *n_done;
};

static void nothing(struct lm_job *job)
{
}

static void take_time(struct lm_job *job)
{
    uint64_t end_us = lm_now_us() + 500;
    while (lm_now_us() < end_us)
        ;
    ++*((struct slow *)job)->n_done;
}

START_TEST(test_api_workers__others_of_the_loop_have_their_turn_between_jobs_that_come_back)
{
    enum { N = 100 };
    struct slow jobs[N];
    struct event_base *base = event_base_new();
    struct lm_workers *w;
    int n_done = 0, n_turn = 0;
    ck_assert_int_eq(lm_workers_create(base, 2, &w, NULL), 0);
    for (int i = 0; i < N; i++) {
        jobs[i] = (struct slow){.job = {nothing, take_time, NULL}, .n_done = &n_done};
        lm_workers_submit(w, &jobs[i].job);
    }
    for (; n_done < N; n_turn++)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_ge(n_turn, N / 4); /* two jobs or three in a millisecond */
    lm_workers_destroy(w);
    event_base_free(base);
}
END_TEST

START_TEST(test_api_workers__the_end_hands_back_what_never_ran)
{
    static struct count jobs[N_JOBS];
    struct event_base *base = event_base_new();
    struct lm_workers *w;
    int n_left = N_JOBS;
    ck_assert_int_eq(lm_workers_create(base, 1, &w, NULL), 0);
    for (int i = 0; i < N_JOBS; i++) {
        jobs[i] = (struct count){.job = {run, done, NULL}, .base = base, .loop = pthread_self(), .n_left = &n_left};
        lm_workers_submit(w, &jobs[i].job);
    }
    lm_workers_destroy(w);
    ck_assert_int_eq(n_left, 0);
    event_base_free(base);
}
END_TEST

SUITE_MAIN("api/workers", test_api_workers__every_job_runs_in_a_thread_and_comes_back_to_the_loop,
           test_api_workers__others_of_the_loop_have_their_turn_between_jobs_that_come_back,
           test_api_workers__the_end_hands_back_what_never_ran)

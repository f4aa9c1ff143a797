/* SPDX-License-Identifier: Apache-2.0 */
#include "api/workers.h"
#include "runtime/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TURN_US = 1000 }; /* of handing back, before others of the loop have their turn */

struct queue { struct lm_job *first, **last; };

struct lm_workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue todo, finished;
    bool stop;
    int fd; /* eventfd: finished is not empty */
    struct event *ev;
    unsigned n;
    pthread_t thread[];
};

static void push(struct queue *q, struct lm_job *job)
{
    job->next = NULL;
    *(q->first ? q->last : &q->first) = job;
    q->last = &job->next;
}

static struct lm_job *pop(struct queue *q)
{
    struct lm_job *job = q->first;
    if (job)
        q->first = job->next;
    return job;
}

static void *work(void *arg)
{
    struct lm_workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct lm_job *job = w->stop ? NULL : pop(&w->todo);
        if (job) {
            pthread_mutex_unlock(&w->lock);
            job->run(job);
            pthread_mutex_lock(&w->lock);
            bool first = !w->finished.first;
            push(&w->finished, job);
            if (first)
                eventfd_write(w->fd, 1);
        } else if (w->stop) {
            break;
        } else {
            pthread_cond_wait(&w->wake, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static struct lm_job *take(struct lm_workers *w, struct queue *q)
{
    pthread_mutex_lock(&w->lock);
    struct lm_job *job = pop(q);
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct lm_workers *w = arg;
    uint64_t end_us = lm_now_us() + TURN_US;
    struct lm_job *job;
    eventfd_t n;
    eventfd_read(fd, &n);
    while ((job = take(w, &w->finished)) != NULL) {
        job->done(job);
        if (lm_now_us() >= end_us) {
            eventfd_write(fd, 1); /* come back for the rest */
            return;
        }
    }
}

static void hand_back(struct lm_workers *w, struct queue *q)
{
    for (struct lm_job *job; (job = take(w, q)) != NULL;)
        job->done(job);
}

/* Signals are the loop's. */
static int start(struct lm_workers *w)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread[w->n], NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    w->n += rc == 0;
    return rc;
}

int lm_workers_create(struct event_base *base, unsigned n, struct lm_workers **out, struct lm_err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (!n)
        n = cores > 4 ? 4 : cores < 1 ? 1 : (unsigned)cores;
    struct lm_workers *w = calloc(1, sizeof *w + n * sizeof *w->thread);
    if (!w)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->ev = w->fd < 0 ? NULL : event_new(base, w->fd, EV_READ | EV_PERSIST, on_finished, w);
    int rc = w->ev && event_add(w->ev, NULL) == 0 ? 0 : lm_fail(err, LM_EIO, "cannot make an eventfd: %s", strerror(errno));
    while (rc == 0 && w->n < n) {
        int e = start(w);
        if (e)
            rc = lm_fail(err, LM_EIO, "cannot start a worker thread: %s", strerror(e));
    }
    if (rc) {
        lm_workers_destroy(w);
        return rc;
    }
    *out = w;
    return 0;
}

void lm_workers_submit(struct lm_workers *w, struct lm_job *job)
{
    pthread_mutex_lock(&w->lock);
    push(&w->todo, job);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void lm_workers_destroy(struct lm_workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n; i++)
        pthread_join(w->thread[i], NULL);
    hand_back(w, &w->finished);
    hand_back(w, &w->todo);
    if (w->ev)
        event_free(w->ev);
    if (w->fd >= 0)
        close(w->fd);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

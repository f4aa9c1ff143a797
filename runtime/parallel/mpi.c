/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link by MPI. Every call to it is one that returns at once, under a lock: so a wait has an end, and the thread that tells
 * the others that this process is alive has its turn. Who waits sleeps longer the longer it takes: a call that blocked would
 * take a core from the model.
 */
#include "runtime/parallel/link.h"
#include "runtime/base/clock.h"

#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    FEW = 4, /* so many of a team send each other what they have; more sum by MPI's own ways */
    TAG_STEP = 1, TAG_ROWS = 2, TAG_BEAT = 3, TAG_SUM = 4,
    SPIN_US = 2000, NAP_US = 50, LONG_WAIT_US = 200000, LONG_NAP_US = 1000,
};

struct peer {
    MPI_Request to, from;
    uint64_t heard_us;
    char beat;
};

struct lm_link {
    struct lm_link_place place;
    struct lm_link_desc desc;
    MPI_Comm all, team, beats;
    int team_rank, team_size;
    float *other;         /* [team_size][n_other] what the others of the team have sent */
    size_t n_other;
    pthread_mutex_t lock; /* of each call to MPI, and of what follows */
    pthread_cond_t wake;
    pthread_t thread;
    bool beating, stop;
    uint32_t n_peer;      /* rank 0 hears all others, they hear it */
    struct peer *peer;    /* [n_peer] */
    MPI_Request *told;    /* [2]: to whom this process passes a message on */
};

static int fail_mpi(const char *what, int code, struct lm_err *err)
{
    char why[MPI_MAX_ERROR_STRING] = "";
    int n;
    MPI_Error_string(code, why, &n);
    int rc = lm_fail(err, LM_EDEVICE, "MPI: %s: %.180s", what, why);
    if (err)
        err->native = code;
    return rc;
}

static void nap(uint64_t waited_us)
{
    if (waited_us < SPIN_US) {
        sched_yield();
        return;
    }
    const struct timespec ts = {.tv_nsec = 1000 * (waited_us < LONG_WAIT_US ? NAP_US : LONG_NAP_US)};
    nanosleep(&ts, NULL);
}

/* What MPI returned when it took the requests up, and their end. timeout_us 0: no bound. */
static int end_all(struct lm_link *l, const char *what, int code, MPI_Request *q, int n, uint64_t timeout_us, struct lm_err *err)
{
    const uint64_t start_us = lm_now_us();
    uint64_t waited_us = 0;
    int done = 0;
    while (code == MPI_SUCCESS) {
        pthread_mutex_lock(&l->lock);
        code = MPI_Testall(n, q, &done, MPI_STATUSES_IGNORE);
        pthread_mutex_unlock(&l->lock);
        if (done || code != MPI_SUCCESS)
            break;
        waited_us = lm_now_us() - start_us;
        if (timeout_us && waited_us > timeout_us)
            return lm_fail(err, LM_ETIMEOUT, "MPI: %s: others have not come after %llu ms", what, (unsigned long long)timeout_us / 1000);
        nap(waited_us);
    }
    return code == MPI_SUCCESS ? 0 : fail_mpi(what, code, err);
}

static int mpi_share(struct lm_link *l, const void *x, size_t bytes, void *out, struct lm_err *err)
{
    MPI_Request q;
    pthread_mutex_lock(&l->lock);
    int code = MPI_Iallgather(x, (int)bytes, MPI_BYTE, out, (int)bytes, MPI_BYTE, l->all, &q);
    pthread_mutex_unlock(&l->lock);
    return end_all(l, "gathering", code, &q, 1, 0, err);
}

/* Messages go down a tree: each process passes them to two. */
static int pass_on(struct lm_link *l, const void *message, size_t bytes, uint64_t timeout_us, struct lm_err *err)
{
    int code = MPI_SUCCESS, n = 0;
    if (bytes > INT_MAX)
        return lm_fail(err, LM_EINVAL, "a message of %zu bytes", bytes);
    pthread_mutex_lock(&l->lock);
    for (uint32_t to = 2 * l->place.rank + 1; to < l->place.size && to <= 2 * l->place.rank + 2 && code == MPI_SUCCESS; to++)
        code = MPI_Isend(message, (int)bytes, MPI_BYTE, (int)to, TAG_STEP, l->all, &l->told[n++]);
    pthread_mutex_unlock(&l->lock);
    return end_all(l, "telling a step", code, l->told, n, timeout_us, err);
}

static int mpi_tell(struct lm_link *l, const void *message, size_t bytes, uint64_t timeout_us, struct lm_err *err)
{
    return pass_on(l, message, bytes, timeout_us, err);
}

/* 1: a message of *out_bytes was taken up, by *q; 0: none is there. */
static int look(struct lm_link *l, void *message, size_t cap, size_t *out_bytes, MPI_Request *q, struct lm_err *err)
{
    const int from = (int)(l->place.rank - 1) / 2;
    MPI_Message handle;
    MPI_Status status;
    int there = 0, n = 0;
    pthread_mutex_lock(&l->lock);
    int code = MPI_Improbe(from, TAG_STEP, l->all, &there, &handle, &status);
    if (code == MPI_SUCCESS && there)
        code = MPI_Get_count(&status, MPI_BYTE, &n);
    bool fits = (size_t)n <= cap;
    if (code == MPI_SUCCESS && there && fits)
        code = MPI_Imrecv(message, n, MPI_BYTE, &handle, q);
    pthread_mutex_unlock(&l->lock);
    *out_bytes = (size_t)n;
    if (code != MPI_SUCCESS)
        return fail_mpi("hearing of a step", code, err);
    return fits ? there : lm_fail(err, LM_EINVAL, "a step of %d bytes, room for %zu", n, cap);
}

static int mpi_hear(struct lm_link *l, void *message, size_t cap, size_t *out_bytes, struct lm_err *err)
{
    const uint64_t start_us = lm_now_us();
    MPI_Request q;
    size_t n = 0;
    int rc;
    while ((rc = look(l, message, cap, &n, &q, err)) == 0)
        nap(lm_now_us() - start_us);
    if (rc < 0)
        return rc;
    rc = end_all(l, "hearing of a step", MPI_SUCCESS, &q, 1, 0, err);
    if (!rc)
        rc = pass_on(l, message, n, 0, err);
    if (!rc)
        *out_bytes = n;
    return rc;
}

/* In the order of ranks, so that all have the same to the bit. */
static void add_others(struct lm_link *l, float *x, size_t n)
{
    float *restrict sum = l->other;
    memcpy(l->other + (size_t)l->team_rank * n, x, n * sizeof *x);
    for (size_t k = 1; k < (size_t)l->team_size; k++)
        for (size_t i = 0; i < n; i++)
            sum[i] += (sum + k * n)[i];
    memcpy(x, sum, n * sizeof *x);
}

/* One message each way instead of two in turn. */
static int sum_few(struct lm_link *l, float *x, size_t n, uint64_t timeout_us, struct lm_err *err)
{
    MPI_Request q[2 * FEW];
    int code = MPI_SUCCESS, n_q = 0;
    if (n > l->n_other) {
        float *grown = realloc(l->other, (size_t)l->team_size * n * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ENOMEM, "no memory for sums of nodes");
        l->other = grown;
        l->n_other = n;
    }
    pthread_mutex_lock(&l->lock);
    for (int k = 0; k < l->team_size && code == MPI_SUCCESS; k++)
        if (k != l->team_rank)
            code = MPI_Irecv(l->other + (size_t)k * n, (int)n, MPI_FLOAT, k, TAG_SUM, l->team, &q[n_q++]);
    for (int k = 0; k < l->team_size && code == MPI_SUCCESS; k++)
        if (k != l->team_rank)
            code = MPI_Isend(x, (int)n, MPI_FLOAT, k, TAG_SUM, l->team, &q[n_q++]);
    pthread_mutex_unlock(&l->lock);
    int rc = end_all(l, "a sum over nodes", code, q, n_q, timeout_us, err);
    if (!rc)
        add_others(l, x, n);
    return rc;
}

static int mpi_sum(struct lm_link *l, float *x, size_t n, uint64_t timeout_us, struct lm_err *err)
{
    MPI_Request q;
    if (n > INT_MAX)
        return lm_fail(err, LM_EINVAL, "a sum of %zu numbers: lower max-num-batched-tokens", n);
    if (l->team_size <= FEW)
        return sum_few(l, x, n, timeout_us, err);
    pthread_mutex_lock(&l->lock);
    int code = MPI_Iallreduce(MPI_IN_PLACE, x, (int)n, MPI_FLOAT, MPI_SUM, l->team, &q);
    pthread_mutex_unlock(&l->lock);
    return end_all(l, "a sum over nodes", code, &q, 1, timeout_us, err);
}

static int mpi_send(struct lm_link *l, uint32_t to, const float *x, size_t n, uint64_t timeout_us, struct lm_err *err)
{
    MPI_Request q;
    if (n > INT_MAX)
        return lm_fail(err, LM_EINVAL, "a message of %zu numbers: lower max-num-batched-tokens", n);
    pthread_mutex_lock(&l->lock);
    int code = MPI_Isend(x, (int)n, MPI_FLOAT, (int)to, TAG_ROWS, l->all, &q);
    pthread_mutex_unlock(&l->lock);
    return end_all(l, "sending to the next stage", code, &q, 1, timeout_us, err);
}

static int mpi_receive(struct lm_link *l, uint32_t from, float *x, size_t n, uint64_t timeout_us, struct lm_err *err)
{
    MPI_Request q;
    pthread_mutex_lock(&l->lock);
    int code = MPI_Irecv(x, (int)n, MPI_FLOAT, (int)from, TAG_ROWS, l->all, &q);
    pthread_mutex_unlock(&l->lock);
    return end_all(l, "waiting for the stage before", code, &q, 1, timeout_us, err);
}

static int join_all(struct lm_link *l, const float *x, float *out, const size_t *n_each, uint64_t timeout_us, struct lm_err *err)
{
    MPI_Request *q = malloc((size_t)l->team_size * sizeof *q);
    int code = MPI_SUCCESS, n = 0;
    if (!q)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    memcpy(out, x, n_each[0] * sizeof *x);
    out += n_each[0];
    pthread_mutex_lock(&l->lock);
    for (int i = 1; i < l->team_size && code == MPI_SUCCESS; out += n_each[i++])
        code = MPI_Irecv(out, (int)n_each[i], MPI_FLOAT, i, TAG_ROWS, l->team, &q[n++]);
    pthread_mutex_unlock(&l->lock);
    int rc = end_all(l, "joining columns", code, q, n, timeout_us, err);
    free(q);
    return rc;
}

static int mpi_join(struct lm_link *l, const float *x, size_t n, float *out, const size_t *n_each, uint64_t timeout_us, struct lm_err *err)
{
    MPI_Request q;
    if (n > INT_MAX)
        return lm_fail(err, LM_EINVAL, "%zu logits of a step: lower max-num-seqs", n);
    if (l->team_rank == 0)
        return join_all(l, x, out, n_each, timeout_us, err);
    pthread_mutex_lock(&l->lock);
    int code = MPI_Isend(x, (int)n, MPI_FLOAT, 0, TAG_ROWS, l->team, &q);
    pthread_mutex_unlock(&l->lock);
    return end_all(l, "joining columns", code, &q, 1, timeout_us, err);
}

static int peer_rank(const struct lm_link *l, uint32_t i)
{
    return l->place.rank ? 0 : (int)i + 1;
}

/* Tell each peer that this process lives, and note who has told it. */
static int beat(struct lm_link *l)
{
    int code = MPI_SUCCESS, done;
    for (uint32_t i = 0; i < l->n_peer && code == MPI_SUCCESS; i++) {
        struct peer *p = &l->peer[i];
        code = MPI_Test(&p->to, &done, MPI_STATUS_IGNORE);
        if (code == MPI_SUCCESS && done)
            code = MPI_Isend("", 0, MPI_BYTE, peer_rank(l, i), TAG_BEAT, l->beats, &p->to);
        while (code == MPI_SUCCESS && (code = MPI_Test(&p->from, &done, MPI_STATUS_IGNORE)) == MPI_SUCCESS && done) {
            p->heard_us = lm_now_us();
            code = MPI_Irecv(&p->beat, 1, MPI_BYTE, peer_rank(l, i), TAG_BEAT, l->beats, &p->from);
        }
    }
    return code;
}

static int find_silent(const struct lm_link *l, struct lm_err *err)
{
    const uint64_t now_us = lm_now_us();
    for (uint32_t i = 0; i < l->n_peer; i++)
        if (now_us - l->peer[i].heard_us > LM_LINK_SILENCE_US)
            return lm_fail(err, LM_EDEVICE, "process %d of %u is gone: silent for %.1f s", peer_rank(l, i), l->place.size,
                           (double)(now_us - l->peer[i].heard_us) / 1e6);
    return 0;
}

static void wait_for_beat(struct lm_link *l)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += LM_LINK_BEAT_US * 1000L;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&l->wake, &l->lock, &ts);
}

static void *run_beats(void *arg)
{
    struct lm_link *l = arg;
    struct lm_err why = {0};
    pthread_mutex_lock(&l->lock);
    while (!l->stop && !why.code) {
        int code = beat(l);
        if (code != MPI_SUCCESS)
            fail_mpi("a process is gone", code, &why);
        else if (!find_silent(l, &why))
            wait_for_beat(l);
    }
    pthread_mutex_unlock(&l->lock);
    if (why.code)
        l->desc.lost(l->desc.arg, &why);
    return NULL;
}

static void stop_beats(struct lm_link *l)
{
    if (!l->beating)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->beating = false;
    for (uint32_t i = 0; i < l->n_peer; i++) {
        MPI_Cancel(&l->peer[i].from);
        MPI_Wait(&l->peer[i].from, MPI_STATUS_IGNORE);
        if (l->peer[i].to != MPI_REQUEST_NULL)
            MPI_Request_free(&l->peer[i].to);
    }
}

static void mpi_close(struct lm_link *l)
{
    char end = 0, *all = l ? malloc(l->place.size) : NULL;
    if (!l)
        return;
    if (all && l->beating)
        mpi_share(l, &end, 1, all, NULL);
    free(all);
    stop_beats(l);
    MPI_Finalize();
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l->peer);
    free(l->other);
    free(l->told);
    free(l);
}

static int split(struct lm_link *l, struct lm_err *err)
{
    MPI_Comm node;
    int node_rank, code = MPI_Comm_dup(MPI_COMM_WORLD, &l->all);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &l->beats);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_split(MPI_COMM_WORLD, (int)(l->place.rank / l->desc.team_size), 0, &l->team);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    if (code != MPI_SUCCESS)
        return fail_mpi("making groups of processes", code, err);
    MPI_Comm_rank(node, &node_rank);
    MPI_Comm_free(&node);
    MPI_Comm_rank(l->team, &l->team_rank);
    MPI_Comm_size(l->team, &l->team_size);
    l->place.node_rank = (uint32_t)node_rank;
    return 0;
}

static int start_beats(struct lm_link *l, struct lm_err *err)
{
    const uint64_t now_us = lm_now_us();
    l->n_peer = l->place.rank ? 1 : l->place.size - 1;
    l->peer = calloc(l->n_peer + 1, sizeof *l->peer);
    l->told = calloc(2, sizeof *l->told);
    if (!l->peer || !l->told)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < l->n_peer; i++) {
        l->peer[i] = (struct peer){.to = MPI_REQUEST_NULL, .heard_us = now_us};
        MPI_Irecv(&l->peer[i].beat, 1, MPI_BYTE, peer_rank(l, i), TAG_BEAT, l->beats, &l->peer[i].from);
    }
    if (pthread_create(&l->thread, NULL, run_beats, l) != 0)
        return lm_fail(err, LM_ENOMEM, "no thread for MPI");
    l->beating = true;
    return 0;
}

extern const struct lm_link_ops lm_link_module;

static int init(struct lm_link *l, struct lm_err *err)
{
    pthread_condattr_t attr;
    int rank, size, level, code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    if (code != MPI_SUCCESS)
        return fail_mpi("starting", code, err);
    if (level < MPI_THREAD_SERIALIZED)
        return lm_fail(err, LM_EUNSUPPORTED, "this MPI does not let threads take turns (MPI_THREAD_SERIALIZED)");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    l->place = (struct lm_link_place){&lm_link_module, (uint32_t)rank, (uint32_t)size, 0};
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &attr);
    pthread_condattr_destroy(&attr);
    int rc = split(l, err);
    return rc ? rc : start_beats(l, err);
}

static int mpi_open(const struct lm_link_desc *desc, struct lm_link **out, struct lm_err *err)
{
    struct lm_link *l = calloc(1, sizeof *l);
    if (!l)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    l->desc = *desc;
    int rc = init(l, err);
    if (rc)
        free(l); /* the process ends; the others are told by that */
    else
        *out = l;
    return rc;
}

__attribute__((visibility("default"))) const struct lm_link_ops lm_link_module = {
    .abi = LM_LINK_ABI, .open = mpi_open, .close = mpi_close, .share = mpi_share, .tell = mpi_tell, .hear = mpi_hear,
    .sum = mpi_sum, .join = mpi_join, .send = mpi_send, .receive = mpi_receive,
};

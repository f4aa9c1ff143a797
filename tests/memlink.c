/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/memlink.h"
#include "runtime/parallel/group.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8, DEADLINE_S = 60 };

struct meeting {
    uint32_t n_here;
    uint64_t turn;
    const void *x[MOST];
};

struct mail {
    const float *x;
    size_t n;
};

struct hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t n_open;
    struct meeting all, team[MOST];
    struct mail mail[MOST][MOST]; /* from, to */
    char *message;
    size_t bytes;
    uint64_t n_told;
    uint32_t n_heard;
};

struct lm_link {
    struct lm_link_place place;
    struct hub *hub;
    uint32_t team_size;
    uint64_t n_heard;
};

/* Under the lock; false: it took too long. */
static bool wait(struct hub *h)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += DEADLINE_S;
    return pthread_cond_timedwait(&h->changed, &h->lock, &ts) == 0;
}

static int meet(struct hub *h, struct meeting *m, uint32_t n, uint32_t who, const void *x, struct lm_err *err)
{
    bool good = true;
    pthread_mutex_lock(&h->lock);
    const uint64_t turn = m->turn;
    if (x) /* else others may still read it */
        m->x[who] = x;
    if (++m->n_here == n) {
        m->n_here = 0;
        m->turn++;
        pthread_cond_broadcast(&h->changed);
    }
    while (m->turn == turn && good)
        good = wait(h);
    pthread_mutex_unlock(&h->lock);
    return good ? 0 : lm_fail(err, LM_ETIMEOUT, "the others have not come");
}

static int share(struct lm_link *l, const void *x, size_t bytes, void *out, struct lm_err *err)
{
    struct meeting *m = &l->hub->all;
    int rc = meet(l->hub, m, l->place.size, l->place.rank, x, err);
    for (uint32_t i = 0; i < l->place.size && !rc; i++)
        memcpy((char *)out + i * bytes, m->x[i], bytes);
    return rc ? rc : meet(l->hub, m, l->place.size, l->place.rank, NULL, err);
}

static int tell(struct lm_link *l, const void *message, size_t bytes, uint64_t timeout_us, struct lm_err *err)
{
    struct hub *h = l->hub;
    bool good = true;
    pthread_mutex_lock(&h->lock);
    while (h->n_told && h->n_heard < l->place.size - 1 && good)
        good = wait(h);
    free(h->message);
    h->message = malloc(bytes + 1);
    if (h->message)
        memcpy(h->message, message, bytes);
    h->bytes = bytes;
    h->n_told++;
    h->n_heard = 0;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    return good && h->message ? 0 : lm_fail(err, LM_ETIMEOUT, "a message was not heard");
}

static int hear(struct lm_link *l, void *message, size_t cap, size_t *out_bytes, struct lm_err *err)
{
    struct hub *h = l->hub;
    bool good = true;
    pthread_mutex_lock(&h->lock);
    while (h->n_told == l->n_heard && good)
        good = wait(h);
    if (good && h->bytes <= cap) {
        memcpy(message, h->message, h->bytes);
        *out_bytes = h->bytes;
    }
    good = good && h->bytes <= cap;
    l->n_heard++;
    h->n_heard++;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    return good ? 0 : lm_fail(err, LM_EINVAL, "no message, or a long one");
}

static int team_meet(struct lm_link *l, const void *x, struct lm_err *err)
{
    return meet(l->hub, &l->hub->team[l->place.rank / l->team_size], l->team_size, l->place.rank % l->team_size, x, err);
}

static int sum(struct lm_link *l, float *x, size_t n, uint64_t timeout_us, struct lm_err *err)
{
    const struct meeting *m = &l->hub->team[l->place.rank / l->team_size];
    float *all = calloc(n + 1, sizeof *all);
    int rc = all ? team_meet(l, x, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    for (uint32_t k = 0; k < l->team_size && !rc; k++)
        for (size_t i = 0; i < n; i++)
            all[i] += ((const float *)m->x[k])[i];
    if (!rc)
        rc = team_meet(l, NULL, err);
    if (!rc)
        memcpy(x, all, n * sizeof *x);
    free(all);
    return rc;
}

static int join(struct lm_link *l, const float *x, size_t n, float *out, const size_t *n_each, uint64_t timeout_us, struct lm_err *err)
{
    const struct meeting *m = &l->hub->team[l->place.rank / l->team_size];
    int rc = team_meet(l, x, err);
    for (uint32_t k = 0; k < l->team_size && !rc && out; out += n_each[k++])
        memcpy(out, m->x[k], n_each[k] * sizeof *out);
    return rc ? rc : team_meet(l, NULL, err);
}

static int send_rows(struct lm_link *l, uint32_t to, const float *x, size_t n, uint64_t timeout_us, struct lm_err *err)
{
    struct mail *m = &l->hub->mail[l->place.rank][to];
    bool good = true;
    pthread_mutex_lock(&l->hub->lock);
    *m = (struct mail){x, n};
    pthread_cond_broadcast(&l->hub->changed);
    while (m->x && good)
        good = wait(l->hub);
    pthread_mutex_unlock(&l->hub->lock);
    return good ? 0 : lm_fail(err, LM_ETIMEOUT, "rows were not taken");
}

static int receive(struct lm_link *l, uint32_t from, float *x, size_t n, uint64_t timeout_us, struct lm_err *err)
{
    struct mail *m = &l->hub->mail[from][l->place.rank];
    bool good = true;
    pthread_mutex_lock(&l->hub->lock);
    while (!m->x && good)
        good = wait(l->hub);
    good = good && m->n == n;
    if (good)
        memcpy(x, m->x, n * sizeof *x);
    m->x = NULL;
    pthread_cond_broadcast(&l->hub->changed);
    pthread_mutex_unlock(&l->hub->lock);
    return good ? 0 : lm_fail(err, LM_ETIMEOUT, "no rows came, or others than were waited for");
}

static void close_link(struct lm_link *l)
{
    struct hub *h = l->hub;
    pthread_mutex_lock(&h->lock);
    bool last = --h->n_open == 0;
    pthread_mutex_unlock(&h->lock);
    if (last) {
        pthread_mutex_destroy(&h->lock);
        pthread_cond_destroy(&h->changed);
        free(h->message);
        free(h);
    }
    free(l);
}

static const struct lm_link_ops ops = {
    .abi = LM_LINK_ABI, .close = close_link, .share = share, .tell = tell, .hear = hear, .sum = sum, .join = join, .send = send_rows, .receive = receive,
};

void lm_memlink_create(uint32_t n, uint32_t team_size, struct lm_link **out)
{
    struct hub *h = calloc(1, sizeof *h);
    if (!h || n > MOST)
        abort();
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
    h->n_open = n;
    for (uint32_t i = 0; i < n; i++) {
        out[i] = calloc(1, sizeof *out[i]);
        if (!out[i])
            abort();
        *out[i] = (struct lm_link){.place = {&ops, i, n, 0}, .hub = h, .team_size = team_size};
    }
}

void lm_memlink_run(void *process, size_t bytes, uint32_t n, void *(*run)(void *process))
{
    struct lm_link *link[MOST];
    pthread_t thread[MOST];
    if (n > 1)
        lm_memlink_create(n, lm_group_team(process, n), link);
    for (uint32_t i = n; n > 1 && i--;) {
        char *p = (char *)process + i * bytes;
        struct lm_group_desc *split = (struct lm_group_desc *)(void *)p;
        if (i > 0)
            memcpy(p, process, bytes);
        split->link = link[i];
        split->dev += lm_group_share(split).first;
        if (i > 0 && pthread_create(&thread[i], NULL, run, p) != 0)
            abort();
    }
    run(process);
    for (uint32_t i = 1; i < n; i++)
        pthread_join(thread[i], NULL);
}

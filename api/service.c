/* SPDX-License-Identifier: Apache-2.0 */
#include "api/service.h"
#include "api/server.h"
#include "config.h"

#include <event2/event.h>
#include <stdlib.h>
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

struct lm_service {
    struct lm_server *server;
    struct event *feed; /* NULL: no watchdog */
    bool ready;
};

#ifdef HAVE_LIBSYSTEMD
static void notify(const char *state)
{
    sd_notify(0, state);
}

static uint64_t watchdog_us(void)
{
    uint64_t us = 0;
    return sd_watchdog_enabled(1, &us) > 0 ? us : 0;
}

int lm_service_sockets(int *out_first)
{
    *out_first = SD_LISTEN_FDS_START;
    int n = sd_listen_fds(1);
    return n > 0 ? n : 0;
}
#else
static void notify(const char *state)
{
}

static uint64_t watchdog_us(void)
{
    return 0;
}

int lm_service_sockets(int *out_first)
{
    *out_first = 3;
    return 0;
}
#endif

static void on_feed(evutil_socket_t fd, short what, void *arg)
{
    const struct lm_service *v = arg;
    if (lm_server_progresses(v->server))
        notify("WATCHDOG=1");
}

int lm_service_create(struct lm_server *s, struct lm_service **out, struct lm_err *err)
{
    struct lm_service *v = calloc(1, sizeof *v);
    uint64_t us = watchdog_us() / 3;
    struct timeval every = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    if (!v)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    v->server = s;
    if (us && (!(v->feed = event_new(s->base, -1, EV_PERSIST, on_feed, v)) || event_add(v->feed, &every))) {
        lm_service_destroy(v);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    notify("STATUS=Loading");
    *out = v;
    return 0;
}

bool lm_service_on_ready(struct lm_service *v)
{
    char state[128];
    if (!v || v->ready)
        return false;
    for (size_t i = 0; i < v->server->n_model; i++)
        if (!lm_served_ready(v->server->model[i]))
            return false;
    v->ready = true;
    snprintf(state, sizeof state, "READY=1\nSTATUS=Serving %zu model%s on port %u", v->server->n_model, v->server->n_model == 1 ? "" : "s",
             v->server->port);
    notify(state);
    return true;
}

void lm_service_stopping(struct lm_service *v)
{
    if (v)
        notify("STOPPING=1\nSTATUS=Finishing what runs");
}

void lm_service_destroy(struct lm_service *v)
{
    if (!v)
        return;
    if (v->feed)
        event_free(v->feed);
    free(v);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/channel.h"
#include "runtime/base/clock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (4u << 10)

/* The fixed part of a message; false: it is not all there. */
static bool take(void *to, size_t size, const void *p, size_t n, const char *name, struct lm_err *err)
{
    if (n < size)
        lm_fail(err, LM_EFORMAT, "%s of %zu bytes", name, n);
    else
        memcpy(to, p, size);
    return n >= size;
}

static int on_hello(struct lm_supervisor *s, const void *p, size_t n, struct lm_err *err)
{
    struct lm_msg_hello h;
    if (n < sizeof h || s->state != LM_ENGINE_LOADING)
        return lm_fail(err, LM_EFORMAT, "unexpected hello");
    memcpy(&h, p, sizeof h);
    h.backend[sizeof h.backend - 1] = h.device[sizeof h.device - 1] = 0;
    if (h.version != LM_PROTOCOL_VERSION || !h.n_vocab || !h.max_model_len)
        return lm_fail(err, LM_EFORMAT, "hello of version %u, expected %u", h.version, LM_PROTOCOL_VERSION);
    s->state = LM_ENGINE_SERVING;
    s->ever_served = true;
    s->once = s->d.once;
    s->served_us = lm_now_us();
    s->d.events->hello(s->d.arg, &h);
    return 0;
}

static int on_tokens(struct lm_supervisor *s, const void *p, size_t n, struct lm_err *err)
{
    struct lm_msg_token token;
    const struct lm_msg_top *top;
    size_t cursor = 0;
    int rc;
    while ((rc = lm_msg_next_token(p, n, &cursor, &token, &top, err)) == 1)
        s->d.events->token(s->d.arg, &token, top);
    return rc;
}

static int on_finished(struct lm_supervisor *s, const void *p, size_t n, struct lm_err *err)
{
    struct lm_msg_finished f;
    if (!take(&f, sizeof f, p, n, "finished", err))
        return LM_EFORMAT;
    f.msg[sizeof f.msg - 1] = 0;
    s->n_pending -= s->n_pending > 0;
    if (f.reason == LM_FINISH_STOP || f.reason == LM_FINISH_LENGTH)
        s->backoff_us = 0;
    s->d.events->finished(s->d.arg, &f);
    return 0;
}

static int on_embedding(struct lm_supervisor *s, const void *p, size_t n, struct lm_err *err)
{
    struct lm_msg_embedding e;
    if (!take(&e, sizeof e, p, n, "embedding", err))
        return LM_EFORMAT;
    if (e.dim > (n - sizeof e) / sizeof(float))
        return lm_fail(err, LM_EFORMAT, "embedding of %u numbers in %zu bytes", e.dim, n);
    s->d.events->embedding(s->d.arg, e.id, (const float *)((const char *)p + sizeof e), e.dim);
    return 0;
}

static int on_lora(struct lm_supervisor *s, const void *p, size_t n, struct lm_err *err)
{
    struct lm_msg_lora m;
    if (!take(&m, sizeof m, p, n, "lora", err))
        return LM_EFORMAT;
    m.msg[sizeof m.msg - 1] = 0;
    s->d.events->lora(s->d.arg, &m);
    return 0;
}

static int on_slot(struct lm_supervisor *s, const void *p, size_t n, struct lm_err *err)
{
    struct lm_msg_slot_done m;
    if (!take(&m, sizeof m, p, n, "slot", err))
        return LM_EFORMAT;
    m.msg[sizeof m.msg - 1] = 0;
    s->d.events->slot(s->d.arg, &m);
    return 0;
}

static int on_asleep(struct lm_supervisor *s, struct lm_err *err)
{
    if (!s->sleeping)
        return lm_fail(err, LM_EFORMAT, "the engine sleeps unasked");
    s->state = LM_ENGINE_DOZING;
    s->told_asleep = true;
    s->d.events->asleep(s->d.arg);
    return 0;
}

static int on_failed(struct lm_supervisor *s, const void *p, size_t n, struct lm_err *err)
{
    if (!take(&s->failure, sizeof s->failure, p, n, "failed", err))
        return LM_EFORMAT;
    s->failure.msg[sizeof s->failure.msg - 1] = 0;
    s->failed = true;
    return lm_fail(err, s->failure.code < 0 ? s->failure.code : LM_EDEVICE, "%s", s->failure.msg);
}

/* Negative: this engine is done with. */
static int on_message(void *arg, uint32_t type, const void *p, size_t n, struct lm_err *err)
{
    struct lm_supervisor *s = arg;
    struct lm_msg_stats stats;
    s->progress_us = lm_now_us();
    if (type != LM_MSG_LOADING && type != LM_MSG_HELLO && type != LM_MSG_FAILED && s->state != LM_ENGINE_SERVING)
        return lm_fail(err, LM_EFORMAT, "message %u before hello", type);
    switch (type) {
    case LM_MSG_LOADING:
        return 0;
    case LM_MSG_HELLO:
        return on_hello(s, p, n, err);
    case LM_MSG_TOKENS:
        return on_tokens(s, p, n, err);
    case LM_MSG_FINISHED:
        return on_finished(s, p, n, err);
    case LM_MSG_EMBEDDING:
        return on_embedding(s, p, n, err);
    case LM_MSG_STATS:
        if (!take(&stats, sizeof stats, p, n, "stats", err))
            return LM_EFORMAT;
        s->d.events->stats(s->d.arg, &stats);
        return 0;
    case LM_MSG_LORA:
        return on_lora(s, p, n, err);
    case LM_MSG_ASLEEP:
        return on_asleep(s, err);
    case LM_MSG_SLOT_DONE:
        return on_slot(s, p, n, err);
    case LM_MSG_FAILED:
        return on_failed(s, p, n, err);
    }
    return lm_fail(err, LM_EFORMAT, "message of unknown type %u", type);
}

/* 1: there may be more, 0: nothing more there now, negative: this engine is done with. */
int lm_channel_read(struct lm_supervisor *s, struct lm_err *err)
{
    char buf[READ_BYTES];
    ssize_t n = read(s->fd, buf, sizeof buf);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : lm_fail(err, LM_EIO, "%s", strerror(errno));
    if (n == 0)
        return lm_fail(err, LM_EIO, "the engine closed its socket");
    lm_bytes_add(&s->in, buf, (size_t)n);
    if (s->in.failed)
        return lm_fail(err, LM_ENOMEM, "a message does not fit in memory");
    int rc = lm_msg_take(&s->in, on_message, s, err);
    return rc < 0 ? rc : (size_t)n == sizeof buf;
}

static void flush(struct lm_supervisor *s)
{
    while (!s->out.failed && s->n_sent < s->out.len) {
        ssize_t n = send(s->fd, s->out.data + s->n_sent, s->out.len - s->n_sent, MSG_NOSIGNAL);
        if (n >= 0)
            s->n_sent += (size_t)n;
        else if ((errno == EAGAIN || errno == EINTR) && event_add(s->writable, NULL) == 0)
            return;
        else
            break;
    }
    if (s->out.failed || s->n_sent < s->out.len) { /* half a message: the engine must not see more, and it is lost */
        shutdown(s->fd, SHUT_RDWR);
        return;
    }
    lm_bytes_clear(&s->out);
    s->n_sent = 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    flush(arg);
}

int lm_channel_open(struct lm_supervisor *s, int fd, event_callback_fn on_readable, struct lm_err *err)
{
    evutil_make_socket_nonblocking(fd);
    s->fd = fd;
    s->readable = event_new(s->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
    s->writable = event_new(s->base, s->fd, EV_WRITE, on_writable, s);
    s->in.limit = LM_MSG_MAX_BYTES + READ_BYTES;
    if (!s->readable || !s->writable || event_add(s->readable, NULL))
        return lm_fail(err, LM_ENOMEM, "out of memory");
    return 0;
}

void lm_channel_close(struct lm_supervisor *s)
{
    if (s->fd < 0)
        return;
    if (s->readable)
        event_free(s->readable);
    if (s->writable)
        event_free(s->writable);
    s->readable = s->writable = NULL;
    close(s->fd);
    s->fd = -1;
    lm_bytes_fini(&s->in);
    lm_bytes_fini(&s->out);
    s->n_sent = 0;
}

void lm_channel_send(struct lm_supervisor *s, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part)
{
    lm_msg_write(&s->out, type, part, n_part);
    flush(s);
}

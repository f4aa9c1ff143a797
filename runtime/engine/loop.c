/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/loop.h"

#include "runtime/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TOKENS_BYTES = 2 << 10, /* of a message: the front handles it in one go */
    OUT_LIMIT = 1 << 20,   /* unread by the front: no further step */
    READ_CHUNK = 64 << 10,
    KEEP_BYTES = 1 << 20,  /* of an empty buffer for what comes in */
    STATS_US = 100000,
    REARM_US = 1000000,
    SEND_MS = 1000,
};

struct loop {
    struct lm_loop_desc desc;
    struct lm_bytes in, out;
    struct lm_bytes tokens; /* of the step that is being told */
    uint32_t n_token;
    bool draining, front_gone, was_busy;
    bool tired, asleep; /* told to sleep; it does */
    uint64_t stats_us, armed_us; /* 0: the watchdog sleeps */
};

static int fail_socket(const char *what, struct lm_err *err)
{
    int native = errno, rc = lm_fail(err, LM_EIO, "%s the front: %s", what, strerror(native));
    if (err)
        err->native = native;
    return rc;
}

static void put(struct loop *l, enum lm_msg_type type, const void *payload, size_t bytes)
{
    lm_msg_write(&l->out, type, &(struct lm_msg_part){payload, bytes}, 1);
}

static void flush_tokens(struct loop *l)
{
    const struct lm_msg_tokens head = {.n_token = l->n_token};
    const struct lm_msg_part part[] = {{&head, sizeof head}, {l->tokens.data, l->tokens.len}};
    if (!l->n_token)
        return;
    lm_msg_write(&l->out, LM_MSG_TOKENS, part, 2);
    l->out.failed = l->out.failed || l->tokens.failed;
    lm_bytes_clear(&l->tokens);
    l->n_token = 0;
}

static void on_token(void *arg, const struct lm_msg_token *token, const struct lm_msg_top *top)
{
    struct loop *l = arg;
    lm_bytes_add(&l->tokens, token, sizeof *token);
    lm_bytes_add(&l->tokens, top, token->n_top * sizeof *top);
    l->n_token++;
    if (l->tokens.len >= TOKENS_BYTES)
        flush_tokens(l);
}

static void on_embedding(void *arg, uint64_t id, const float *v, uint32_t dim)
{
    struct loop *l = arg;
    const struct lm_msg_embedding head = {.id = id, .dim = dim};
    const struct lm_msg_part part[] = {{&head, sizeof head}, {v, dim * sizeof *v}};
    flush_tokens(l);
    lm_msg_write(&l->out, LM_MSG_EMBEDDING, part, 2);
}

static void on_finished(void *arg, const struct lm_msg_finished *finished)
{
    struct loop *l = arg;
    flush_tokens(l);
    put(l, LM_MSG_FINISHED, finished, sizeof *finished);
}

static int submit(struct loop *l, const void *payload, size_t bytes, struct lm_err *err)
{
    struct lm_msg_submit_view v;
    struct lm_err why = {0};
    int rc = lm_msg_read_submit(payload, bytes, &v, err);
    if (rc)
        return rc;
    rc = l->draining ? lm_fail(&why, LM_EBUSY, "the engine is about to stop") : lm_engine_submit(l->desc.engine, &v, &why);
    if (!rc)
        return 0;
    struct lm_msg_finished f = {.id = v.h.id, .reason = LM_FINISH_ERROR, .code = rc, .stop_token = -1, .n_prompt = v.h.n_prompt};
    snprintf(f.msg, sizeof f.msg, "%.*s", (int)sizeof f.msg - 1, why.msg);
    put(l, LM_MSG_FINISHED, &f, sizeof f);
    return 0;
}

/* The front is told what came of it; only a message that is malformed ends the engine. */
static int load_lora(struct loop *l, const void *payload, size_t bytes, struct lm_err *err)
{
    struct lm_msg_lora m = {0};
    struct lm_err why = {0};
    char *path = NULL;
    size_t taken = 0;
    int rc = lm_msg_read_lora_load(payload, bytes, &m.id, &path, err);
    if (rc)
        return rc;
    m.code = lm_engine_load_lora(l->desc.engine, m.id, path, &taken, &why);
    m.bytes = taken;
    snprintf(m.msg, sizeof m.msg, "%s", m.code ? why.msg : "");
    put(l, LM_MSG_LORA, &m, sizeof m);
    free(path);
    return 0;
}

static int slot(struct loop *l, const void *payload, size_t bytes, struct lm_err *err)
{
    struct lm_msg_slot ask;
    struct lm_msg_slot_done done;
    char *path = NULL;
    int rc = lm_msg_read_slot(payload, bytes, &ask, &path, err);
    if (!rc)
        rc = lm_engine_slot(l->desc.engine, &ask, path, &done, err);
    if (!rc)
        put(l, LM_MSG_SLOT_DONE, &done, sizeof done);
    free(path);
    return rc;
}

static int doze(struct loop *l, struct lm_err *err)
{
    int rc = lm_engine_sleep(l->desc.engine, err);
    l->tired = false;
    l->asleep = true;
    if (!rc)
        put(l, LM_MSG_ASLEEP, NULL, 0);
    return rc;
}

static int wake(struct loop *l, struct lm_err *err)
{
    int rc = l->asleep ? lm_engine_wake(l->desc.engine, err) : lm_fail(err, LM_EFORMAT, "the engine is awake");
    l->asleep = false;
    if (!rc)
        put(l, LM_MSG_HELLO, l->desc.hello, sizeof *l->desc.hello);
    return rc;
}

static int handle(void *arg, uint32_t type, const void *payload, size_t bytes, struct lm_err *err)
{
    struct loop *l = arg;
    struct lm_msg_cancel cancel;
    struct lm_msg_lora_unload unload;
    switch (type) {
    case LM_MSG_SUBMIT:
        return submit(l, payload, bytes, err);
    case LM_MSG_CANCEL:
        memcpy(&cancel, payload, sizeof cancel);
        lm_engine_cancel(l->desc.engine, cancel.id);
        return 0;
    case LM_MSG_VOCAB:
        return lm_engine_vocab(l->desc.engine, payload, bytes, err);
    case LM_MSG_LORA_LOAD:
        return load_lora(l, payload, bytes, err);
    case LM_MSG_LORA_UNLOAD:
        memcpy(&unload, payload, sizeof unload);
        lm_engine_unload_lora(l->desc.engine, unload.id);
        return 0;
    case LM_MSG_SLEEP:
        l->tired = !l->asleep;
        return 0;
    case LM_MSG_WAKE:
        return wake(l, err);
    case LM_MSG_SLOT:
        return slot(l, payload, bytes, err);
    case LM_MSG_DRAIN:
        l->draining = true;
        return 0;
    case LM_MSG_RESET_PREFIX_CACHE:
        lm_engine_forget(l->desc.engine);
        return 0;
    default:
        return lm_fail(err, LM_EFORMAT, "message type %u is not the front's to send", (unsigned)type);
    }
}

static int handle_all(struct loop *l, struct lm_err *err)
{
    int rc = lm_msg_take(&l->in, handle, l, err);
    if (!l->in.len && l->in.cap > KEEP_BYTES)
        lm_bytes_fini(&l->in);
    return rc;
}

/* Take in what has come, without waiting. */
static int receive(struct loop *l, struct lm_err *err)
{
    char chunk[READ_CHUNK];
    for (;;) {
        ssize_t n = recv(l->desc.fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            l->front_gone = true;
            return 0;
        }
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : fail_socket("reading from", err);
        lm_bytes_add(&l->in, chunk, (size_t)n);
        if (l->in.failed)
            return lm_fail(err, LM_ENOMEM, "no memory for messages");
        int rc = handle_all(l, err);
        if (rc || (size_t)n < sizeof chunk || l->out.len >= OUT_LIMIT)
            return rc;
    }
}

static int flush(struct loop *l, struct lm_err *err)
{
    size_t at = 0;
    int rc = l->out.failed ? lm_fail(err, LM_ENOMEM, "no memory for messages") : 0;
    while (!rc && at < l->out.len) {
        ssize_t n = send(l->desc.fd, l->out.data + at, l->out.len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            l->front_gone = true;
            return 0;
        } else if (errno == EAGAIN || errno == EINTR) {
            break;
        } else {
            rc = fail_socket("writing to", err);
        }
    }
    if (at)
        lm_bytes_drop(&l->out, at);
    return rc;
}

/* Steps are short: the alarm is set anew once a second while there are any, and stopped before a sleep. */
static void watch(struct loop *l, bool steps)
{
    if (!l->desc.watchdog_us || (!steps && !l->armed_us))
        return;
    uint64_t now_us = steps ? lm_now_us() : 0;
    if (steps && l->armed_us && now_us - l->armed_us < REARM_US)
        return;
    alarm(steps ? (unsigned)((l->desc.watchdog_us + REARM_US) / 1000000) + 1 : 0);
    l->armed_us = now_us;
}

/* Sleep until there is something to do; busy: only look. */
static int wait(struct loop *l, struct lm_err *err)
{
    bool full = l->out.len >= OUT_LIMIT, busy = lm_engine_is_busy(l->desc.engine);
    struct pollfd p[2] = {
        {.fd = l->desc.fd, .events = (short)((full ? 0 : POLLIN) | (l->out.len ? POLLOUT : 0))},
        {.fd = l->draining ? -1 : l->desc.stop_fd, .events = POLLIN},
    };
    if (!busy || full)
        watch(l, false);
    if (poll(p, 2, busy && !full ? 0 : -1) < 0)
        return errno == EINTR ? 0 : fail_socket("waiting for", err);
    if (p[1].revents)
        l->draining = true;
    if (p[0].revents & (POLLIN | POLLHUP | POLLERR))
        return receive(l, err);
    return 0;
}

static int step(struct loop *l, struct lm_err *err)
{
    const struct lm_engine_events events = {on_token, on_finished, l, on_embedding};
    watch(l, true);
    int rc = lm_engine_step(l->desc.engine, &events, err);
    flush_tokens(l);
    return rc;
}

static void tell_stats(struct loop *l)
{
    uint64_t now_us = lm_now_us();
    bool busy = lm_engine_is_busy(l->desc.engine);
    if (busy ? now_us - l->stats_us < STATS_US : !l->was_busy)
        return;
    struct lm_msg_stats stats = lm_engine_stats(l->desc.engine);
    put(l, LM_MSG_STATS, &stats, sizeof stats);
    l->stats_us = now_us;
    l->was_busy = busy;
}

static int serve(struct loop *l, struct lm_err *err)
{
    int rc = 0;
    while (!rc && !l->front_gone) {
        bool busy = lm_engine_is_busy(l->desc.engine);
        if (l->draining && !busy && !l->out.len)
            return 0;
        if (l->tired && !busy)
            rc = doze(l, err);
        if (!rc)
            rc = wait(l, err);
        if (!rc && l->out.len < OUT_LIMIT && lm_engine_is_busy(l->desc.engine)) {
            rc = step(l, err);
            l->was_busy = true;
        }
        if (!rc) {
            tell_stats(l);
            rc = flush(l, err);
        }
    }
    return rc;
}

/* Write everything, waiting for the front at most a second each time. */
static int send_all(int fd, const struct lm_bytes *out, struct lm_err *err)
{
    for (size_t at = 0; at < out->len;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, SEND_MS) != 1)
            return lm_fail(err, LM_EIO, "the front does not read");
        ssize_t n = send(fd, out->data + at, out->len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail_socket("writing to", err);
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void put_failed(struct lm_bytes *out, const struct lm_err *err)
{
    struct lm_msg_failed f = {.code = err->code};
    snprintf(f.msg, sizeof f.msg, "%s", err->msg);
    lm_msg_write(out, LM_MSG_FAILED, &(struct lm_msg_part){&f, sizeof f}, 1);
}

int lm_loop_run(const struct lm_loop_desc *desc, struct lm_err *err)
{
    struct loop l = {.desc = *desc};
    struct lm_err why = {0};
    put(&l, LM_MSG_HELLO, desc->hello, sizeof *desc->hello);
    int rc = flush(&l, &why);
    rc = rc ? rc : serve(&l, &why);
    watch(&l, false);
    if (rc && rc != LM_EIO) {
        put_failed(&l.out, &why);
        send_all(desc->fd, &l.out, NULL);
    }
    lm_bytes_fini(&l.in);
    lm_bytes_fini(&l.out);
    lm_bytes_fini(&l.tokens);
    if (rc && err)
        *err = why;
    return rc;
}

int lm_loop_send(int fd, enum lm_msg_type type, const void *payload, size_t bytes, struct lm_err *err)
{
    struct lm_bytes out = {0};
    lm_msg_write(&out, type, &(struct lm_msg_part){payload, bytes}, 1);
    int rc = out.failed ? lm_fail(err, LM_ENOMEM, "no memory for messages") : send_all(fd, &out, err);
    lm_bytes_fini(&out);
    return rc;
}

void lm_loop_send_failed(int fd, const struct lm_err *err)
{
    struct lm_bytes out = {0};
    put_failed(&out, err);
    send_all(fd, &out, NULL);
    lm_bytes_fini(&out);
}

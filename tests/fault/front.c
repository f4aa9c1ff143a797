/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/front.h"

#include <check.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 30000, PROMPT_IDS = 90 };

void front_start(struct front *f, int (*body)(int fd, int stop_fd, const void *arg), const void *arg)
{
    int sv[2], pipe_fd[2];
    *f = (struct front){0};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    ck_assert_int_eq(pipe(pipe_fd), 0);
    fflush(NULL);
    f->pid = fork();
    ck_assert_int_ge(f->pid, 0);
    if (f->pid == 0) {
        close(sv[0]);
        close(pipe_fd[1]);
        _exit(body(sv[1], pipe_fd[0], arg));
    }
    close(sv[1]);
    close(pipe_fd[0]);
    f->fd = sv[0];
    f->stop_fd = pipe_fd[1];
}

static void hear_tokens(struct front *f, const char *payload, size_t bytes)
{
    struct lm_msg_token t;
    const struct lm_msg_top *top;
    size_t cursor = 0;
    while (lm_msg_next_token(payload, bytes, &cursor, &t, &top, NULL) == 1) {
        ck_assert(t.id < FRONT_MAX_ID && !f->ended[t.id] && f->n_got[t.id] < FRONT_MAX_TOKENS);
        f->got[t.id][f->n_got[t.id]++] = t.token;
    }
}

static void hear_finished(struct front *f, const char *payload)
{
    struct lm_msg_finished end;
    memcpy(&end, payload, sizeof end);
    ck_assert(end.id < FRONT_MAX_ID && !f->ended[end.id]);
    f->ended[end.id] = true;
    f->end[end.id] = end;
}

static void hear(struct front *f, uint32_t type, const char *payload, size_t bytes)
{
    switch (type) {
    case LM_MSG_HELLO: memcpy(&f->hello, payload, sizeof f->hello); break;
    case LM_MSG_FAILED: memcpy(&f->failed, payload, sizeof f->failed); break;
    case LM_MSG_LOADING: f->n_loading++; break;
    case LM_MSG_FINISHED: hear_finished(f, payload); break;
    case LM_MSG_TOKENS:
        f->most_bytes = bytes > f->most_bytes ? bytes : f->most_bytes;
        hear_tokens(f, payload, bytes);
        break;
    case LM_MSG_STATS:
        memcpy(&f->stats, payload, sizeof f->stats);
        f->n_stats++;
        break;
    default: ck_abort_msg("message type %u", (unsigned)type);
    }
}

bool front_receive(struct front *f)
{
    char chunk[4096];
    struct pollfd p = {.fd = f->fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
    ssize_t n = recv(f->fd, chunk, sizeof chunk, 0);
    if (n <= 0)
        return false;
    lm_bytes_add(&f->in, chunk, (size_t)n);
    for (;;) {
        uint32_t type;
        int64_t size = lm_msg_peek(f->in.data, f->in.len, &type, NULL);
        ck_assert_int_ge(size, 0);
        if (!size)
            return true;
        hear(f, type, f->in.data + sizeof(struct lm_msg_head), (size_t)size - sizeof(struct lm_msg_head));
        lm_bytes_drop(&f->in, (size_t)size);
    }
}

void front_wait_hello(struct front *f)
{
    while (!f->hello.version && !f->failed.code && front_receive(f))
        ;
}

void front_say(struct front *f, enum lm_msg_type type, const struct lm_msg_part *part, size_t n)
{
    lm_msg_write(&f->out, type, part, n);
    if (f->hold)
        return;
    ck_assert_int_eq(send(f->fd, f->out.data, f->out.len, MSG_NOSIGNAL), (ssize_t)f->out.len);
    lm_bytes_clear(&f->out);
}

static int32_t prompt_token(uint64_t id, uint32_t i)
{
    return (int32_t)(1 + (id + i) % PROMPT_IDS);
}

void front_submit(struct front *f, uint64_t id, uint32_t n_prompt, uint32_t max_tokens)
{
    int32_t prompt[FRONT_MAX_TOKENS];
    for (uint32_t i = 0; i < n_prompt; i++)
        prompt[i] = prompt_token(id, i);
    const struct lm_msg_submit h = {.id = id, .n_prompt = n_prompt, .max_tokens = max_tokens, .top_p = 1, .repetition = 1, .n_logprobs = f->n_logprobs};
    front_say(f, LM_MSG_SUBMIT, (struct lm_msg_part[]){{&h, sizeof h}, {prompt, 4 * n_prompt}}, 2);
}

void front_cancel(struct front *f, uint64_t id)
{
    front_say(f, LM_MSG_CANCEL, &(struct lm_msg_part){&(struct lm_msg_cancel){id}, 8}, 1);
}

void front_check_answer(const struct front *f, uint64_t id, uint32_t n_prompt, uint32_t max_tokens)
{
    int32_t all[2 * FRONT_MAX_TOKENS];
    for (uint32_t i = 0; i < n_prompt; i++)
        all[i] = prompt_token(id, i);
    for (uint32_t i = n_prompt; i < n_prompt + max_tokens; i++)
        all[i] = lm_toy_next(all, i, f->hello.n_vocab, &(struct lm_sampling){0});
    ck_assert(f->ended[id]);
    ck_assert_uint_eq(f->end[id].reason, LM_FINISH_LENGTH);
    ck_assert_uint_eq(f->n_got[id], max_tokens);
    ck_assert_mem_eq(f->got[id], all + n_prompt, max_tokens * sizeof *all);
}

int front_until_exit(struct front *f)
{
    int status;
    while (front_receive(f))
        ;
    ck_assert_int_eq(waitpid(f->pid, &status, 0), f->pid);
    close(f->fd);
    close(f->stop_fd);
    lm_bytes_fini(&f->in);
    lm_bytes_fini(&f->out);
    return status;
}

void front_must_exit(struct front *f, int status)
{
    int got = front_until_exit(f);
    ck_assert_msg(WIFEXITED(got) && WEXITSTATUS(got) == status, "wait status %#x: %s", (unsigned)got, f->failed.msg);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine without a model, for the tests of the front: its prompts are its orders.
 *
 * What stands behind the last "!!" of a prompt of byte tokens (ids 0 .. 255) is "order;order=N;…|text". The text comes
 * back byte by byte, then EOS; text is begun anew when EOS does not end the request. Orders, N counts tokens:
 *
 *   crash=N exit=N close=N garbage=N freeze=N   end the engine badly after N tokens
 *   hang=N      this request gets no more       gate=N  no more until the file $LLMSERVE_FAKE_GATE exists
 *   nan=N       a NaN in the logits             busy, refuse  the queue is full, the request is wrong
 *   ids=A,B     these ids instead of a text     step=N  N tokens in one message
 *
 * An adapter is loaded unless its path has "bad" in it; those of the path "gate" answer once the file is there.
 *
 * $LLMSERVE_FAKE_START: gate (before HELLO), fail=CODE:text and exit=N (while there is no gate file). $LLMSERVE_FAKE_LOG: a file that gets a line
 * for each message and each start.
 */
#include "runtime/engine/protocol.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <dirent.h>
#include <unistd.h>

#define EOS 257
#define N_VOCAB 261
#define N_SEQ 256

struct seq {
    struct lm_msg_submit h;
    int32_t *stop_id, *prompt;
    char order[4096];
    const char *text; /* behind '|' */
    uint32_t n_out, n_text;
    bool used, released;
};

struct engine {
    struct seq seq[N_SEQ];
    struct lm_bytes in, out;
    struct lm_msg_stats stats;
    uint32_t max_model_len;
    const char *name; /* of the model */
    bool draining, tired;
};

__attribute__((format(printf, 1, 2)))
static void note(const char *fmt, ...)
{
    const char *path = getenv("LLMSERVE_FAKE_LOG");
    FILE *f = path ? fopen(path, "ae") : NULL;
    va_list ap;
    if (!f)
        return;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fclose(f);
}

static void send_all(struct engine *e)
{
    for (size_t at = 0; at < e->out.len;) {
        ssize_t n = write(3, e->out.data + at, e->out.len - at);
        if (n < 0 && errno != EINTR)
            exit(0);
        at += n > 0 ? (size_t)n : 0;
    }
    lm_bytes_clear(&e->out);
}

static void send_message(struct engine *e, enum lm_msg_type type, const void *p, size_t n)
{
    lm_msg_write(&e->out, type, &(struct lm_msg_part){p, n}, 1);
}

/* Value of an order: -1 when it is not given. */
static long order(const struct seq *q, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = q->order; p && p < q->text; p = strchr(p, ';') ? strchr(p, ';') + 1 : NULL)
        if (strncmp(p, name, n) == 0 && strchr("=;|", p[n]))
            return p[n] == '=' ? strtol(p + n + 1, NULL, 10) : 0;
    return -1;
}

static bool gate_is_open(void)
{
    struct stat st;
    const char *path = getenv("LLMSERVE_FAKE_GATE");
    return !path || stat(path, &st) == 0;
}

static void finish(struct engine *e, struct seq *q, enum lm_finish reason, int code, int32_t stop_token)
{
    struct lm_msg_finished f = {
        .id = q->h.id, .reason = reason, .code = code, .stop_token = stop_token, .n_prompt = q->h.n_prompt, .n_output = q->n_out,
        .queue_us = 1000, .prefill_us = 2000, .decode_us = 3000, .msg = "the fake engine was told so",
    };
    send_message(e, LM_MSG_FINISHED, &f, sizeof f);
    free(q->stop_id);
    free(q->prompt);
    *q = (struct seq){0};
}

static int32_t next_token(const struct seq *q)
{
    const char *ids = strstr(q->order, "ids=");
    if (ids && ids < q->text) {
        ids += 4;
        for (uint32_t i = 0; i < q->n_out && ids; i++)
            ids = strchr(ids, ',') && strchr(ids, ',') < q->text ? strchr(ids, ',') + 1 : NULL;
        return ids ? (int32_t)strtol(ids, NULL, 10) : EOS;
    }
    uint32_t at = q->n_out % (q->n_text + 1);
    return at < q->n_text ? (unsigned char)q->text[at] : EOS;
}

static void misbehave(struct engine *e, const struct seq *q)
{
    long n = (long)q->n_out;
    if (order(q, "crash") == n || order(q, "exit") == n || order(q, "close") == n || order(q, "garbage") == n || order(q, "freeze") == n)
        send_all(e);
    if (order(q, "crash") == n)
        abort();
    if (order(q, "exit") == n)
        exit(1);
    if (order(q, "freeze") == n)
        raise(SIGSTOP);
    if (order(q, "garbage") == n)
        lm_bytes_add(&e->out, "\1\0\0\0\377\377\377\377", 8);
    if (order(q, "close") == n) {
        close(3);
        for (;;)
            pause();
    }
}

static void add_token(struct seq *q, struct lm_bytes *tokens, int32_t token)
{
    struct lm_msg_token t = {.id = q->h.id, .token = token, .logprob = -0.25f, .n_top = q->h.n_logprobs};
    lm_bytes_add(tokens, &t, sizeof t);
    for (uint32_t i = 0; i < q->h.n_logprobs; i++) {
        struct lm_msg_top top = {.token = (int32_t)((token + (int32_t)i) % N_VOCAB), .logprob = -0.25f - (float)i};
        lm_bytes_add(tokens, &top, sizeof top);
    }
    q->n_out++;
}

static bool ends_at(const struct seq *q, int32_t token)
{
    for (uint32_t i = 0; i < q->h.n_stop; i++)
        if (q->stop_id[i] == token)
            return q->n_out > q->h.min_tokens;
    return false;
}

static bool waits(struct seq *q)
{
    long n = (long)q->n_out, hang = order(q, "hang"), gate = order(q, "gate");
    if (hang >= 0 && n >= hang)
        return true;
    q->released |= gate >= 0 && n >= gate && gate_is_open();
    return gate >= 0 && n >= gate && !q->released;
}

/* Every prompt token after the first: -0.5, rank 2, then like the others. */
static void tell_prompt(struct engine *e, const struct seq *q)
{
    struct lm_msg_tokens head = {.n_token = q->h.n_prompt - 1};
    struct lm_bytes tokens = {0};
    for (uint32_t i = 1; i < q->h.n_prompt; i++) {
        struct lm_msg_token t = {.id = q->h.id, .token = q->prompt[i], .logprob = -0.5f, .n_top = q->h.n_prompt_logprobs, .prompt_pos = i, .rank = 2};
        lm_bytes_add(&tokens, &t, sizeof t);
        for (uint32_t k = 0; k < t.n_top; k++) {
            struct lm_msg_top top = {.token = (t.token + 1 + (int32_t)k) % N_VOCAB, .logprob = -0.25f - (float)k};
            lm_bytes_add(&tokens, &top, sizeof top);
        }
    }
    struct lm_msg_part part[] = {{&head, sizeof head}, {tokens.data, tokens.len}};
    lm_msg_write(&e->out, LM_MSG_TOKENS, part, 2);
    lm_bytes_fini(&tokens);
}

/* How many a, b and c there are, and the kind of pooling. */
static void embed(struct engine *e, struct seq *q)
{
    const struct lm_msg_embedding head = {.id = q->h.id, .dim = 4};
    float v[4] = {0, 0, 0, q->h.pool};
    for (uint32_t i = 0; i < q->h.n_prompt; i++)
        if (q->prompt[i] >= 'a' && q->prompt[i] <= 'c')
            v[q->prompt[i] - 'a']++;
    struct lm_msg_part part[] = {{&head, sizeof head}, {v, sizeof v}};
    lm_msg_write(&e->out, LM_MSG_EMBEDDING, part, 2);
    finish(e, q, LM_FINISH_STOP, 0, -1);
}

/* One token of one request as a message of its own, and its end. */
static void step_one(struct engine *e, struct seq *q)
{
    struct lm_msg_tokens head = {.n_token = 0};
    struct lm_bytes tokens = {0};
    long n = order(q, "step");
    int32_t token = 0;
    bool end = false;
    if (q->h.pool)
        return embed(e, q);
    if (q->h.prompt_logprob && q->n_out == 0 && q->h.n_prompt > 1)
        tell_prompt(e, q);
    if (order(q, "nan") == (long)q->n_out)
        return finish(e, q, LM_FINISH_ERROR, LM_EDEVICE, -1);
    for (long i = 0; i < (n > 0 ? n : 1) && !end; i++) {
        token = next_token(q);
        add_token(q, &tokens, token);
        head.n_token++;
        end = ends_at(q, token) || q->n_out >= q->h.max_tokens;
    }
    struct lm_msg_part part[] = {{&head, sizeof head}, {tokens.data, tokens.len}};
    lm_msg_write(&e->out, LM_MSG_TOKENS, part, 2);
    lm_bytes_fini(&tokens);
    e->stats.n_step++;
    e->stats.n_output_tok += head.n_token;
    e->stats.step_tok_hist[0]++;
    e->stats.step_tok_sum += head.n_token;
    misbehave(e, q);
    if (end)
        finish(e, q, ends_at(q, token) ? LM_FINISH_STOP : LM_FINISH_LENGTH, 0, ends_at(q, token) ? token : -1);
}

/* Returns how many could go on at once. */
static size_t step(struct engine *e)
{
    size_t n_ran = 0, n_used = 0;
    for (size_t i = 0; i < N_SEQ; i++) {
        struct seq *q = &e->seq[i];
        if (q->used && !waits(q)) {
            step_one(e, q);
            n_ran++;
        }
        n_used += q->used;
    }
    e->stats.n_running = (uint32_t)n_used;
    if (n_ran)
        send_message(e, LM_MSG_STATS, &e->stats, sizeof e->stats);
    return n_ran;
}

static void read_orders(struct seq *q, const int32_t *prompt)
{
    size_t n = 0, start = 0;
    for (uint32_t i = 0; i + 1 < q->h.n_prompt; i++)
        if (prompt[i] == '!' && prompt[i + 1] == '!')
            start = i + 2;
    for (uint32_t i = (uint32_t)start; i < q->h.n_prompt && prompt[i] < 256 && n < sizeof q->order - 1; i++)
        q->order[n++] = (char)prompt[i];
    q->text = strchr(q->order, '|');
    q->text = q->text ? q->text + 1 : q->order;
    q->n_text = (uint32_t)(q->order + n - q->text);
}

static void on_submit(struct engine *e, const void *p, size_t n)
{
    struct lm_msg_submit_view v;
    size_t i = 0;
    if (lm_msg_read_submit(p, n, &v, NULL))
        exit(2);
    while (i < N_SEQ && e->seq[i].used)
        i++;
    if (i == N_SEQ)
        exit(3);
    struct seq *q = &e->seq[i];
    *q = (struct seq){.h = v.h, .used = true, .stop_id = malloc((v.h.n_stop + 1) * sizeof *v.stop_id)};
    q->prompt = malloc(v.h.n_prompt * sizeof *q->prompt);
    memcpy(q->prompt, v.prompt, v.h.n_prompt * sizeof *q->prompt);
    if (v.h.n_stop)
        memcpy(q->stop_id, v.stop_id, v.h.n_stop * sizeof *v.stop_id);
    read_orders(q, v.prompt);
    note("submit prompt=%u max=%u min=%u stop=%u bias=%u salt=%.*s priority=%d logprobs=%u temperature=%g top_p=%g top_k=%d min_p=%g "
         "presence=%g frequency=%g repetition=%g seed=%llu no_cache=%d allow=%u bad=%u breaker=%u keep=%u sigma=%g typical=%g xtc=%g/%g dynatemp=%g/%g "
         "mirostat=%u/%g/%g dry=%g/%g/%u/%u last_n=%u think=%u/%u/%u/%u pid=%d lora=%u\n", v.h.n_prompt, v.h.max_tokens, v.h.min_tokens, v.h.n_stop, v.h.n_bias,
         (int)v.h.n_salt, v.salt, v.h.priority, v.h.logprob ? v.h.n_logprobs + 1 : 0, (double)v.h.temperature, (double)v.h.top_p, v.h.top_k,
         (double)v.h.min_p, (double)v.h.presence, (double)v.h.frequency, (double)v.h.repetition, (unsigned long long)v.h.seed, v.h.no_prefix_cache,
         v.h.n_allow, v.h.n_bad, v.h.n_breaker, v.h.min_keep, (double)v.h.top_n_sigma, (double)v.h.typical_p, (double)v.h.xtc_probability,
         (double)v.h.xtc_threshold, (double)v.h.dynatemp_range, (double)v.h.dynatemp_exponent, v.h.mirostat, (double)v.h.mirostat_tau,
         (double)v.h.mirostat_eta, (double)v.h.dry_multiplier, (double)v.h.dry_base, v.h.dry_allowed_length, v.h.dry_last_n,
         v.h.penalty_last_n, v.h.n_think_open, v.h.n_think_close, v.h.think_budget, v.h.thinks, (int)getpid(), v.h.lora);
    e->stats.n_prompt_tok += v.h.n_prompt;
    misbehave(e, q);
    if (order(q, "busy") >= 0)
        finish(e, q, LM_FINISH_ERROR, LM_EBUSY, -1);
    else if (order(q, "refuse") >= 0)
        finish(e, q, LM_FINISH_ERROR, LM_EINVAL, -1);
}

static void on_cancel(struct engine *e, const void *p)
{
    struct lm_msg_cancel c;
    memcpy(&c, p, sizeof c);
    for (size_t i = 0; i < N_SEQ; i++)
        if (e->seq[i].used && e->seq[i].h.id == c.id) {
            note("cancel tokens=%u\n", e->seq[i].n_out);
            finish(e, &e->seq[i], LM_FINISH_ABORT, 0, -1);
        }
}

static void on_lora_load(struct engine *e, const void *p, size_t n)
{
    struct lm_msg_lora m = {.bytes = 1};
    char *path = NULL;
    if (lm_msg_read_lora_load(p, n, &m.id, &path, NULL))
        exit(6);
    note("lora load id=%u path=%s\n", m.id, path);
    while (strcmp(path, "gate") == 0 && !gate_is_open())
        poll(NULL, 0, 5);
    if (strstr(path, "bad") || (strncmp(path, "there:", 6) == 0 && access(path + 6, F_OK))) {
        m.code = LM_EFORMAT;
        snprintf(m.msg, sizeof m.msg, "tensor 'x' at byte 8 is bad");
    }
    send_message(e, LM_MSG_LORA, &m, sizeof m);
    free(path);
}

static void on_lora_unload(const void *p)
{
    struct lm_msg_lora_unload u;
    memcpy(&u, p, sizeof u);
    note("lora unload id=%u\n", u.id);
}

static void say_hello(struct engine *e)
{
    struct lm_msg_hello h = {
        .version = LM_PROTOCOL_VERSION, .n_vocab = N_VOCAB, .max_model_len = e->max_model_len, .block_size = 16, .n_block = 128,
        .max_num_seqs = N_SEQ, .max_num_batched_tokens = 512, .backend = "fake", .device = "none",
    };
    e->stats.n_block = h.n_block;
    send_message(e, LM_MSG_HELLO, &h, sizeof h);
}

static void read_messages(struct engine *e)
{
    char buf[65536];
    uint32_t type;
    ssize_t n = read(3, buf, sizeof buf);
    if (n <= 0)
        exit(0);
    lm_bytes_add(&e->in, buf, (size_t)n);
    for (int64_t len; (len = lm_msg_peek(e->in.data, e->in.len, &type, NULL)) != 0; lm_bytes_drop(&e->in, (size_t)len)) {
        const char *p = e->in.data + sizeof(struct lm_msg_head);
        if (len < 0)
            exit(4);
        if (type == LM_MSG_SUBMIT)
            on_submit(e, p, (size_t)len - sizeof(struct lm_msg_head));
        else if (type == LM_MSG_CANCEL)
            on_cancel(e, p);
        else if (type == LM_MSG_LORA_LOAD)
            on_lora_load(e, p, (size_t)len - sizeof(struct lm_msg_head));
        else if (type == LM_MSG_LORA_UNLOAD)
            on_lora_unload(p);
        else if (type == LM_MSG_SLEEP)
            e->tired = true;
        else if (type == LM_MSG_WAKE)
            say_hello(e);
        else if (type == LM_MSG_SLOT)
            exit(7); /* it ends while somebody waits for it */
        else if (type == LM_MSG_DRAIN)
            e->draining = true;
        if (type == LM_MSG_DRAIN || type == LM_MSG_RESET_PREFIX_CACHE)
            note(type == LM_MSG_DRAIN ? "drain\n" : "reset\n");
    }
}

static int count_open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *f; d && (f = readdir(d));)
        n += f->d_name[0] != '.' && atoi(f->d_name) != dirfd(d);
    if (d)
        closedir(d);
    return n;
}

static void start(struct engine *e)
{
    const char *how = getenv("LLMSERVE_FAKE_START");
    note("start pid=%d files=%d name=%s\n", (int)getpid(), count_open_files(), e->name);
    if (how && strcmp(how, "gate") == 0)
        for (struct pollfd p = {.fd = 3}; !gate_is_open();)
            if (poll(&p, 1, 5) > 0)
                exit(0);
    if (how && strncmp(how, "exit=", 5) == 0 && !gate_is_open())
        exit(atoi(how + 5));
    if (how && strncmp(how, "fail=", 5) == 0 && !gate_is_open()) {
        struct lm_msg_failed f = {.code = atoi(how + 5)};
        snprintf(f.msg, sizeof f.msg, "%s", strchr(how, ':') + 1);
        send_message(e, LM_MSG_FAILED, &f, sizeof f);
        send_all(e);
        exit(78);
    }
    say_hello(e);
}

int main(int argc, char **argv)
{
    static struct engine e = {.max_model_len = 2048, .name = ""};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--max_model_len=", 16) == 0 && atoi(argv[i] + 16) > 0)
            e.max_model_len = (uint32_t)atoi(argv[i] + 16);
        else if (strncmp(argv[i], "--served_model_name=", 20) == 0)
            e.name = argv[i] + 20;
    start(&e);
    for (size_t n_ran = 0;;) {
        struct pollfd p = {.fd = 3, .events = POLLIN};
        if (e.tired && !e.stats.n_running) {
            e.tired = false;
            send_message(&e, LM_MSG_ASLEEP, NULL, 0);
        }
        send_all(&e);
        if (e.draining && !e.stats.n_running)
            return 0;
        if (poll(&p, 1, n_ran ? 0 : e.stats.n_running ? 5 : -1) > 0)
            read_messages(&e);
        n_ran = step(&e);
    }
}

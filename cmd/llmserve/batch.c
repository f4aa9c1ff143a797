/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve batch: answer a file of requests in the form of OpenAI's batch API. What an earlier run answered stays. */
#include "cmd/llmserve/child.h"
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/progress.h"
#include "cmd/llmserve/target.h"
#include "cmd/llmserve/text.h"
#include "runtime/base/clock.h"
#include "runtime/base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { TRIES = 240, RETRY_MS = 250 }; /* a minute */

struct args {
    const char *url, *api_key, *in, *out;
    int64_t concurrency, timeout_s;
    bool insecure, json, quiet;
};

static const struct lm_arg_row rows[] = {
    LM_TEXT(struct args, in, "input-file i", "FILE", "Requests, one a line: {\"custom_id\", \"method\": \"POST\", \"url\": \"/v1/...\", \"body\"}; - is standard input"),
    LM_TEXT(struct args, out, "output-file o", "FILE", "Answers; lines that are there already are not asked again"),
    LM_TEXT(struct args, url, "url", "URL", "A server; without it one is started with the flags of llmserved that are given"),
    LM_TEXT(struct args, api_key, "api-key", "KEY", "That server's key"),
    LM_FLAG(struct args, insecure, "insecure", "Take any certificate of it"),
    LM_INT(struct args, concurrency, "max-concurrency", "N", "64", 1, 65536, "Requests at once"),
    LM_INT(struct args, timeout_s, "timeout", "SECONDS", "21600", 1, 1e7, "Of one request"),
    LM_FLAG(struct args, json, "json", "Print the figures as JSON"),
    LM_FLAG(struct args, quiet, "quiet", "No progress"),
};

/* A line of the input on its way. */
struct item {
    struct lm_call call;
    char *body, *path;
    json_t *id; /* custom_id, a string */
    struct work *work;
    int tries;
    uint64_t not_before_us;
    enum { WAITING, RUNNING, DONE } state;
};

struct work {
    struct args a;
    struct lm_client *client;
    struct lm_child *child;
    struct item *item;
    size_t n, n_running, n_done, n_failed, n_before;
    json_t *seen; /* custom_ids of the output that was there */
    FILE *out;
    struct lm_err err; /* writing failed */
    struct lm_progress bar;
};

/* Note what an earlier run wrote, and cut off a line that it did not finish. */
static int read_output(struct work *w, struct lm_err *err)
{
    char *line = NULL;
    size_t cap = 0;
    long whole = 0;
    FILE *f = fopen(w->a.out, "a+e");
    if (!f)
        return lm_fail(err, LM_EIO, "%.150s: %m", w->a.out);
    rewind(f);
    for (ssize_t n; (n = getline(&line, &cap, f)) >= 0;) {
        if (line[n - 1] != '\n')
            break;
        json_t *root = lm_json_load(line, (size_t)n, 0, NULL);
        const char *id = json_string_value(json_object_get(root, "custom_id"));
        if (id)
            json_object_set_new(w->seen, id, json_true());
        json_decref(root);
        whole += n;
    }
    free(line);
    w->out = f;
    return ftruncate(fileno(f), whole) || fseek(f, whole, SEEK_SET) ? lm_fail(err, LM_EIO, "%.150s: %m", w->a.out) : 0;
}

static int add_line(struct work *w, size_t at, const char *line, size_t n, struct lm_err *err)
{
    json_t *root = lm_json_load(line, n, LM_JSON_UNIQUE, err);
    json_t *id = json_object_get(root, "custom_id"), *body = json_object_get(root, "body");
    const char *path = json_string_value(json_object_get(root, "url")), *method = json_string_value(json_object_get(root, "method"));
    struct item item = {.work = w};
    int rc = 0;
    if (!root)
        rc = lm_fail_in(err, LM_EFORMAT, "%.100s:%zu", w->a.in, at);
    else if (!json_is_string(id) || !json_is_object(body) || !path || *path != '/' || (method && strcmp(method, "POST") != 0))
        rc = lm_fail(err, LM_EFORMAT, "%.100s:%zu: custom_id, method POST, url that begins with / and body are needed", w->a.in, at);
    else if (json_object_get(w->seen, json_string_value(id)))
        w->n_before++;
    else {
        json_object_del(body, "stream");
        json_object_set_new(w->seen, json_string_value(id), json_true());
        item.body = json_dumps(body, JSON_COMPACT);
        item.path = strdup(path);
        item.id = json_incref(id);
        struct item *grown = w->n & (w->n - 1) ? w->item : realloc(w->item, (w->n ? 2 * w->n : 1) * sizeof *grown);
        if (!grown || !item.body || !item.path)
            rc = lm_fail(err, LM_ENOMEM, "out of memory");
        w->item = grown ? grown : w->item;
        if (!rc) {
            w->item[w->n++] = item;
        } else {
            free(item.body);
            free(item.path);
            json_decref(item.id);
        }
    }
    json_decref(root);
    return rc;
}

static int read_input(struct work *w, struct lm_err *err)
{
    struct lm_bytes text = {0};
    size_t at = 0;
    int rc = lm_text_read(w->a.in, &text, err);
    for (char *s = text.data; s && *s && !rc;) {
        size_t n = strcspn(s, "\n");
        at++;
        if (strspn(s, " \t\r") < n)
            rc = add_line(w, at, s, n, err);
        s += n + (s[n] == '\n');
    }
    lm_bytes_fini(&text);
    return rc;
}

/* An id as OpenAI's: a prefix and random digits. */
static json_t *new_id(const char *prefix)
{
    uint64_t random[2] = {0};
    char text[64];
    if (getrandom(random, sizeof random, 0) < 0)
        random[0] = lm_now_us();
    snprintf(text, sizeof text, "%s-%016llx%016llx", prefix, (unsigned long long)random[0], (unsigned long long)random[1]);
    return json_string(text);
}

static void write_answer(struct work *w, const struct item *it)
{
    json_t *reply = lm_json_load(it->call.reply.data, it->call.reply.len, 0, NULL);
    json_t *error = it->call.status == 200 ? NULL : json_object_get(reply, "error");
    json_t *line = json_pack("{s:o, s:O, s:{s:i, s:o, s:O}, s:O}", "id", new_id("batch_req"), "custom_id", it->id, "response", "status_code",
                             (int)it->call.status, "request_id", new_id("req"), "body", reply ? reply : json_null(), "error", error ? error : json_null());
    char *text = json_dumps(line, JSON_COMPACT);
    if (!text || fprintf(w->out, "%s\n", text) < 0 || fflush(w->out))
        lm_fail(&w->err, LM_EIO, "%.150s: %m", w->a.out);
    free(text);
    json_decref(line);
    json_decref(reply);
}

/* A server that is full or away may be there again, now or in a later run; everything else is the line's answer. */
static void on_done(struct lm_call *call)
{
    struct item *it = call->arg;
    struct work *w = it->work;
    const bool busy = call->err.code == LM_EIO || call->status == 429 || call->status == 503;
    struct lm_err err;
    w->n_running--;
    if (busy && ++it->tries < TRIES) {
        it->state = WAITING;
        it->not_before_us = lm_now_us() + (uint64_t)RETRY_MS * 1000;
    } else if (busy || call->err.code) {
        lm_call_result(call, &err);
        fprintf(stderr, "llmserve batch: %s: %s\n", json_string_value(it->id), err.msg);
        it->state = DONE;
        w->n_failed++;
    } else {
        write_answer(w, it);
        it->state = DONE;
        w->n_failed += call->status != 200;
        w->n_done++;
        if (!w->a.quiet)
            lm_progress_show(&w->bar, w->n_done + w->n_failed, w->n);
    }
    lm_call_fini(call);
}

/* Start what may be started; true: something is left that waits or runs. */
static bool start_some(struct work *w, struct lm_err *err, int *rc)
{
    uint64_t now_us = lm_now_us();
    bool left = w->n_running > 0;
    for (size_t i = 0; i < w->n && !*rc; i++) {
        struct item *it = &w->item[i];
        left = left || it->state != DONE;
        if (it->state != WAITING || it->not_before_us > now_us || w->n_running >= (size_t)w->a.concurrency)
            continue;
        it->call = (struct lm_call){.path = it->path, .body = it->body, .body_bytes = strlen(it->body), .done = on_done, .arg = it};
        *rc = lm_client_start(w->client, &it->call, err);
        it->state = RUNNING;
        w->n_running++;
    }
    return left;
}

static int answer_all(struct work *w, struct lm_err *err)
{
    int rc = 0;
    w->bar.what = "answering";
    while (start_some(w, err, &rc) && !rc && !w->err.code) {
        if (!w->n_running)
            nanosleep(&(struct timespec){0, RETRY_MS * 1000000L}, NULL);
        int n = lm_client_poll(w->client, RETRY_MS, err);
        rc = n < 0 ? n : 0;
    }
    lm_progress_end(&w->bar);
    if (!rc && w->err.code) {
        *err = w->err;
        rc = err->code;
    }
    return rc;
}

static int open_server(struct work *w, int argc, char **argv, struct lm_err *err)
{
    struct lm_target t = {.url = w->a.url, .api_key = w->a.api_key, .timeout_s = w->a.timeout_s, .insecure = w->a.insecure};
    if (!t.url) {
        t.insecure = true; /* a certificate is for other names than the loopback's */
        int rc = lm_child_start(argc, argv, &w->child, err);
        if (rc)
            return rc;
        t.url = lm_child_url(w->child);
        t.api_key = lm_child_key(w->child);
    }
    return lm_target_open(&t, &w->client, err);
}

static void report(const struct work *w, uint64_t us)
{
    double seconds = (double)us * 1e-6;
    if (w->a.json)
        printf("{\"answered\": %zu, \"failed\": %zu, \"there_before\": %zu, \"seconds\": %.3f}\n", w->n_done, w->n_failed, w->n_before, seconds);
    else
        printf("%zu answered, %zu failed, %zu were there before, %.1f s\n", w->n_done, w->n_failed, w->n_before, seconds);
    fflush(stdout);
}

static void clean_up(struct work *w)
{
    lm_client_destroy(w->client);
    lm_child_stop(w->child);
    for (size_t i = 0; i < w->n; i++) {
        lm_bytes_fini(&w->item[i].call.reply);
        free(w->item[i].body);
        free(w->item[i].path);
        json_decref(w->item[i].id);
    }
    free(w->item);
    if (w->out)
        fclose(w->out);
    json_decref(w->seen);
}

static int run(int argc, char **argv)
{
    struct work w = {.seen = json_object()};
    struct lm_err err = {0};
    uint64_t start_us = lm_now_us();
    int rc = lm_options_read(&lm_command_batch.options, &w.a, &argc, argv, true, &err);
    if (!rc && (!w.a.in || !w.a.out))
        rc = lm_fail(&err, LM_EINVAL, "-i FILE and -o FILE are needed");
    if (!rc && w.a.url && argc > 1)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s' beside --url", argv[1]);
    if (!rc)
        rc = read_output(&w, &err);
    if (!rc)
        rc = read_input(&w, &err);
    if (!rc && w.n)
        rc = open_server(&w, argc, argv, &err);
    if (!rc && w.n)
        rc = answer_all(&w, &err);
    if (!rc)
        report(&w, lm_now_us() - start_us);
    if (!rc && w.n_done < w.n)
        rc = lm_fail(&err, LM_EIO, "%zu lines got no answer: run again to go on", w.n - w.n_done);
    clean_up(&w);
    return lm_command_end("batch", rc, &err);
}

const struct lm_command lm_command_batch = {
    .name = "batch", .usage = "", .help = "answer a file of requests in the form of OpenAI's batch API", .run = run, .options = LM_OPTIONS(rows), .knobs = true,
    .about = "Lines may ask for any path of the API: chat, completions, responses, embeddings, score, rerank. Answers are written as they "
             "come; an interrupted run goes on where it was when it is started again.",
};

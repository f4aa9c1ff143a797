/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/bench/load.h"

#include "cmd/llmserve/bench/random.h"
#include "runtime/base/clock.h"
#include "runtime/base/json.h"

#include <stdlib.h>

/* One request on its way. */
struct flight {
    struct lm_call call;
    struct lm_output *out;
    char *body;
    double last_s; /* when the last chunk came, after the start */
    struct run *run;
};

struct run {
    struct lm_client *client;
    const struct lm_load *load;
    const struct lm_samples *samples;
    struct lm_output *out;
    struct flight *flight; /* [n] */
    double *arrival_s;     /* [n] */
    size_t n_started, n_done;
    bool chat;
};

/* Gaps between requests are drawn from a gamma distribution, and stretched so that the whole takes n / rate. */
static void set_arrivals(const struct lm_load *l, size_t n, double *out)
{
    struct lm_random r = {l->seed ^ 0x61727269u};
    double at = 0, want = 0;
    for (size_t i = 0; i < n; i++) {
        double rate = l->rate, part = n > 1 ? (double)i / (double)(n - 1) : 0;
        if (l->ramp)
            rate = *l->ramp == 'l' ? l->ramp_start + (l->ramp_end - l->ramp_start) * part : l->ramp_start * pow(l->ramp_end / l->ramp_start, part);
        double gap = isinf(rate) ? 0 : isinf(l->burstiness) ? 1 / rate : lm_random_gamma(&r, l->burstiness) / (rate * l->burstiness);
        at += gap;
        want += isinf(rate) ? 0 : 1 / rate;
        out[i] = at;
    }
    for (size_t i = 0; i < n && at > 0; i++)
        out[i] *= want / at;
}

static char *make_body(const struct run *r, const struct lm_sample *s)
{
    const struct lm_load *l = r->load;
    json_t *body = json_pack("{s:s, s:I, s:b, s:{s:b}, s:f}", "model", l->model, "max_tokens", (json_int_t)s->n_output, "stream", 1, "stream_options",
                             "include_usage", 1, "temperature", 0.0);
    if (r->chat)
        json_object_set_new(body, "messages", json_pack("[{s:s, s:s}]", "role", "user", "content", s->prompt));
    else
        json_object_set_new(body, "prompt", json_string(s->prompt));
    if (l->ignore_eos)
        json_object_set_new(body, "ignore_eos", json_true());
    if (l->extra)
        json_object_update(body, (json_t *)l->extra);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* The text of a chunk's first choice; NULL: it says nothing. */
static const char *chunk_text(const json_t *choice)
{
    const json_t *delta = json_object_get(choice, "delta");
    const char *s = json_string_value(json_object_get(choice, "text"));
    if (!s)
        s = json_string_value(json_object_get(delta, "content"));
    if (!s || !*s)
        s = json_string_value(json_object_get(delta, "reasoning_content"));
    if (!s || !*s)
        s = json_string_value(json_object_get(delta, "reasoning"));
    return s && *s ? s : NULL;
}

static void take_choice(struct flight *f, const json_t *choice)
{
    struct lm_output *o = f->out;
    const char *text = chunk_text(choice), *reason = json_string_value(json_object_get(choice, "finish_reason"));
    double now_s = (double)(f->call.now_us - f->call.start_us) * 1e-6;
    bool says = text || json_object_get(json_object_get(choice, "delta"), "tool_calls");
    if (reason && (strcmp(reason, "error") == 0 || strcmp(reason, "abort") == 0))
        lm_fail(&o->err, LM_EIO, "finish_reason is %s", reason);
    if (!says && !reason && !json_object_get(choice, "text"))
        return;
    if (o->ttft_s == 0)
        o->ttft_s = now_s;
    else if (says)
        lm_series_add(&o->itl_s, now_s - f->last_s);
    o->latency_s = f->last_s = now_s;
    if (text)
        lm_bytes_add_str(&o->text, text);
}

static void on_event(struct lm_call *call, const char *data, size_t n)
{
    struct flight *f = call->arg;
    json_t *chunk = lm_json_load(data, n, 0, NULL);
    const json_t *choices = json_object_get(chunk, "choices"), *usage = json_object_get(chunk, "usage"), *error = json_object_get(chunk, "error");
    if (error && !f->out->err.code) {
        const char *why = json_string_value(json_object_get(error, "message"));
        lm_fail(&f->out->err, LM_EIO, "in the stream: %.150s", why ? why : "an error");
    }
    if (json_array_size(choices))
        take_choice(f, json_array_get(choices, 0));
    if (json_is_object(usage)) {
        f->out->n_prompt = (int64_t)json_integer_value(json_object_get(usage, "prompt_tokens"));
        f->out->n_output = (int64_t)json_integer_value(json_object_get(usage, "completion_tokens"));
    }
    json_decref(chunk);
}

static void on_done(struct lm_call *call)
{
    struct flight *f = call->arg;
    struct lm_output *o = f->out;
    int rc = o->err.code ? o->err.code : lm_call_result(call, &o->err);
    if (!rc && o->ttft_s == 0)
        rc = lm_fail(&o->err, LM_EFORMAT, "an answer without a token");
    if (!rc && !o->n_output) /* no usage chunk: a chunk for a token */
        o->n_output = 1 + (int64_t)o->itl_s.n;
    o->ok = !rc;
    free(f->body);
    f->body = NULL;
    lm_call_fini(call);
    f->run->n_done++;
    if (f->run->load->progress)
        f->run->load->progress(f->run->load->progress_arg, f->run->n_done, f->run->samples->n);
}

static int start_one(struct run *r, struct lm_err *err)
{
    size_t i = r->n_started;
    struct flight *f = &r->flight[i];
    f->body = make_body(r, &r->samples->at[i]);
    if (!f->body)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    f->out = &r->out[i];
    f->run = r;
    f->out->n_prompt = (int64_t)r->samples->at[i].n_prompt;
    f->call = (struct lm_call){.path = r->load->endpoint, .body = f->body, .body_bytes = strlen(f->body), .event = on_event, .done = on_done, .arg = f};
    int rc = lm_client_start(r->client, &f->call, err);
    f->out->start_us = f->call.start_us;
    r->n_started += !rc;
    return rc;
}

static bool may_start(const struct run *r)
{
    return r->n_started < r->samples->n && (!r->load->max_concurrency || r->n_started - r->n_done < (size_t)r->load->max_concurrency);
}

static int go_on(struct run *r, double *out_duration_s, struct lm_err *err)
{
    uint64_t start_us = lm_now_us();
    int rc = 0;
    while (!rc && r->n_done < r->samples->n) {
        double now_s = (double)(lm_now_us() - start_us) * 1e-6, wait_s = 1;
        while (!rc && may_start(r) && r->arrival_s[r->n_started] <= now_s)
            rc = start_one(r, err);
        if (may_start(r))
            wait_s = r->arrival_s[r->n_started] - now_s;
        if (!rc && r->n_started == r->n_done) { /* nothing runs: poll() would not wait */
            struct timespec nap = {(time_t)wait_s, (long)((wait_s - (double)(time_t)wait_s) * 1e9)};
            nanosleep(&nap, NULL);
        } else if (!rc) {
            int n = lm_client_poll(r->client, wait_s < 1 ? (int)(wait_s * 1000) + 1 : 1000, err);
            rc = n < 0 ? n : 0;
        }
    }
    *out_duration_s = (double)(lm_now_us() - start_us) * 1e-6;
    return rc;
}

int lm_load_run(struct lm_client *c, const struct lm_load *l, const struct lm_samples *s, struct lm_output *out, double *out_duration_s,
                struct lm_err *err)
{
    struct run r = {.client = c, .load = l, .samples = s, .out = out, .chat = strstr(l->endpoint, "chat/completions") != NULL};
    r.flight = calloc(s->n, sizeof *r.flight);
    r.arrival_s = calloc(s->n, sizeof *r.arrival_s);
    int rc = r.flight && r.arrival_s ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc) {
        set_arrivals(l, s->n, r.arrival_s);
        rc = go_on(&r, out_duration_s, err);
    }
    for (size_t i = 0; i < r.n_started; i++) { /* those that still run, after a failure of this end */
        lm_call_fini(&r.flight[i].call);
        free(r.flight[i].body);
    }
    free(r.flight);
    free(r.arrival_s);
    return rc;
}

void lm_outputs_fini(struct lm_output *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        lm_series_fini(&out[i].itl_s);
        lm_bytes_fini(&out[i].text);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/request.h"

#include <math.h>
#include <stdlib.h>

static int ids_check(const char *what, const int32_t *id, uint32_t n, uint32_t n_vocab, struct lm_err *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (id[i] < 0 || (uint32_t)id[i] >= n_vocab)
            return lm_fail(err, LM_EINVAL, "%s[%u] is %d: token ids are 0 to %u", what, (unsigned)i, (int)id[i], (unsigned)(n_vocab - 1));
    return 0;
}

/* What is beyond would make logits overflow, which looks like a broken model. */
static const float max_shift = 1e6f, max_repetition = 1e4f;

static int number_check(const char *what, float x, bool ok, struct lm_err *err)
{
    return ok && isfinite(x) ? 0 : lm_fail(err, LM_EINVAL, "%s is out of range: %g", what, (double)x);
}

static int filters_check(const struct lm_msg_submit *h, struct lm_err *err)
{
    const struct { const char *name; float x, max; } rows[] = {
        {"top_n_sigma", h->top_n_sigma, max_shift}, {"typical_p", h->typical_p, 1}, {"xtc_probability", h->xtc_probability, 1},
        {"xtc_threshold", h->xtc_threshold, 1}, {"dynatemp_range", h->dynatemp_range, max_shift},
        {"dynatemp_exponent", h->dynatemp_exponent, max_shift}, {"mirostat_tau", h->mirostat_tau, max_shift},
        {"mirostat_eta", h->mirostat_eta, max_shift}, {"dry_multiplier", h->dry_multiplier, max_shift}, {"dry_base", h->dry_base, max_shift},
    };
    int rc = h->mirostat <= 2 ? 0 : lm_fail(err, LM_EINVAL, "mirostat is %u: 0, 1 or 2", (unsigned)h->mirostat);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !rc; i++)
        rc = number_check(rows[i].name, rows[i].x, rows[i].x >= 0 && rows[i].x <= rows[i].max, err);
    return rc;
}

static int bad_check(const struct lm_msg_submit_view *in, uint32_t n_vocab, struct lm_err *err)
{
    for (uint32_t i = 0, n; i < in->h.n_bad; i += 1 + n) {
        n = (uint32_t)in->bad[i];
        if (n < 1 || n > in->h.n_bad - i - 1)
            return lm_fail(err, LM_EINVAL, "bad_words has a sequence of %d ids", (int)in->bad[i]);
        int rc = ids_check("bad_words", in->bad + i + 1, n, n_vocab, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int sampling_check(const struct lm_msg_submit_view *in, struct lm_err *err)
{
    const struct lm_msg_submit *h = &in->h;
    int rc = number_check("temperature", h->temperature, h->temperature >= 0, err);
    if (!rc)
        rc = number_check("top_p", h->top_p, h->top_p > 0 && h->top_p <= 1, err);
    if (!rc)
        rc = number_check("min_p", h->min_p, h->min_p >= 0 && h->min_p <= 1, err);
    if (!rc)
        rc = number_check("presence_penalty", h->presence, fabsf(h->presence) <= max_shift, err);
    if (!rc)
        rc = number_check("frequency_penalty", h->frequency, fabsf(h->frequency) <= max_shift, err);
    if (!rc)
        rc = number_check("repetition_penalty", h->repetition, h->repetition > 0, err);
    if (!rc)
        rc = filters_check(h, err);
    for (uint32_t i = 0; i < h->n_bias && !rc; i++)
        rc = number_check("logit_bias", in->bias[i], fabsf(in->bias[i]) <= max_shift, err);
    if (!rc && h->n_logprobs > LM_MAX_LOGPROBS)
        rc = lm_fail(err, LM_EINVAL, "logprobs is %u: at most %d", (unsigned)h->n_logprobs, LM_MAX_LOGPROBS);
    if (!rc && h->n_prompt_logprobs > LM_MAX_LOGPROBS)
        rc = lm_fail(err, LM_EINVAL, "prompt_logprobs is %u: at most %d", (unsigned)h->n_prompt_logprobs, LM_MAX_LOGPROBS);
    return rc;
}

/* Tokens of the longest sequence it may become: a pooled one makes none. */
static uint64_t most_tokens(const struct lm_msg_submit *h)
{
    return (uint64_t)h->n_prompt + (h->pool ? 0 : h->max_tokens);
}

static int length_check(const struct lm_msg_submit *h, const struct lm_request_limits *l, struct lm_err *err)
{
    uint64_t total = most_tokens(h), pool = (uint64_t)l->n_block * l->block_size;
    if (h->n_prompt < 1 || h->max_tokens < 1)
        return lm_fail(err, LM_EINVAL, "prompt and max_tokens must be at least 1");
    if (total > l->max_model_len)
        return lm_fail(err, LM_EINVAL, "prompt of %u tokens and max_tokens %u exceed the longest sequence of %u",
                       (unsigned)h->n_prompt, (unsigned)h->max_tokens, (unsigned)l->max_model_len);
    if (total > pool)
        return lm_fail(err, LM_EINVAL, "prompt of %u tokens and max_tokens %u exceed the KV cache of %u",
                       (unsigned)h->n_prompt, (unsigned)h->max_tokens, (unsigned)pool);
    if (h->n_salt > LM_MAX_SALT_BYTES)
        return lm_fail(err, LM_EINVAL, "cache_salt of %u bytes: at most %u", (unsigned)h->n_salt, LM_MAX_SALT_BYTES);
    return 0;
}

static bool has_penalty(const struct lm_msg_submit *h)
{
    return h->presence != 0 || h->frequency != 0 || h->repetition != 1;
}

/* Bytes of the request and its arrays; with base, also set the pointers. */
static size_t layout(struct lm_request *base, const struct lm_msg_submit *h, const struct lm_request_limits *l)
{
    size_t n_token = (size_t)most_tokens(h);
    size_t n_bias = (size_t)h->n_bias + h->n_stop + h->n_bad / 2 + (h->dry_multiplier > 0 ? LM_DRY_MAX : 0);
    size_t n_seen = has_penalty(h) ? n_token * (1 + l->speculative.n_tok) : 0, n_block = (n_token + l->block_size - 1) / l->block_size;
    size_t n_allow = h->n_allow || h->n_grammar ? ((size_t)l->n_vocab + 31) / 32 : 0, n_match = h->dry_multiplier > 0 ? n_token : 0;
    size_t n_draft = l->speculative.n_tok ? lm_draft_words((uint32_t)n_token) : 0;
    const size_t n[] = {n_token, n_seen, n_seen, n_block, h->n_stop, n_bias, n_bias, n_allow, h->n_bad, h->n_breaker, n_match,
                        h->pool ? l->dim : 0, n_draft, h->n_allow && h->n_grammar ? n_allow : 0,
                        (size_t)h->n_think_open + h->n_think_close, h->n_think_close ? ((size_t)l->n_vocab + 31) / 32 : 0};
    enum { N = sizeof n / sizeof *n };
    size_t at[N + 1] = {sizeof(struct lm_request)};
    for (int i = 0; i < N; i++)
        at[i + 1] = at[i] + n[i] * 4;
    if (base) {
        char *p = (char *)base;
        base->token = (int32_t *)(p + at[0]);
        base->seen = n_seen ? (int32_t *)(p + at[1]) : NULL;
        base->count = n_seen ? (uint32_t *)(p + at[2]) : NULL;
        base->block = (uint32_t *)(p + at[3]);
        base->stop_id = (int32_t *)(p + at[4]);
        base->sampling.bias_id = (const int32_t *)(p + at[5]);
        base->sampling.bias = (const float *)(p + at[6]);
        base->sampling.allow = base->allow = n_allow ? (uint32_t *)(p + at[7]) : NULL;
        base->bad = (int32_t *)(p + at[8]);
        base->dry.breaker = (int32_t *)(p + at[9]);
        base->dry.match = (uint32_t *)(p + at[10]);
        base->pooled = (float *)(p + at[11]);
        if (n_draft)
            lm_draft_init(&base->draft, (uint32_t *)(p + at[12]), (uint32_t)n_token, &l->speculative, &l->odds);
        base->own_allow = h->n_allow && h->n_grammar ? (uint32_t *)(p + at[13]) : NULL;
        base->think.open = (const int32_t *)(p + at[14]);
        base->think.close = base->think.open + h->n_think_open;
        base->think_mask = h->n_think_close ? (uint32_t *)(p + at[15]) : NULL;
    }
    return at[N];
}

static int by_id(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The prompt's distinct tokens, ascending, none of them in the output yet. */
static void seen_begin(struct lm_request *r)
{
    uint32_t n = 0;
    memcpy(r->seen, r->token, r->n_prompt * sizeof *r->seen);
    qsort(r->seen, r->n_prompt, sizeof *r->seen, by_id);
    for (uint32_t i = 0; i < r->n_prompt; i++)
        if (i == 0 || r->seen[i] != r->seen[n - 1])
            r->seen[n++] = r->seen[i];
    memset(r->count, 0, n * sizeof *r->count);
    r->sampling.n_seen = n;
}

/* seen and count are those that s points to, or will. */
static void seen_add(struct lm_sampling *s, int32_t *seen, uint32_t *count, int32_t token)
{
    uint32_t lo = 0, hi = s->n_seen;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (seen[mid] < token)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == s->n_seen || seen[lo] != token) {
        size_t tail = s->n_seen++ - lo;
        memmove(seen + lo + 1, seen + lo, tail * sizeof *seen);
        memmove(count + lo + 1, count + lo, tail * sizeof *count);
        seen[lo] = token;
        count[lo] = 0;
    }
    count[lo]++;
}

/* The list of the row before with one more token, in this row's place. */
/* The newest penalty_last_n tokens; of the prompt none counts as output. */
static void seen_window(struct lm_request *r)
{
    uint32_t from = r->n_token > r->penalty_last_n ? r->n_token - r->penalty_last_n : 0;
    r->sampling.n_seen = 0;
    for (uint32_t i = from; i < r->n_token; i++)
        if (i >= r->n_prompt || r->sampling.repetition != 1)
            seen_add(&r->sampling, r->seen, r->count, r->token[i]);
    for (uint32_t i = from; i < r->n_prompt; i++) {
        const int32_t *at = bsearch(&r->token[i], r->seen, r->sampling.n_seen, sizeof *at, by_id);
        if (at)
            r->count[at - r->seen]--;
    }
}

static void seen_copy(const struct lm_request *r, uint32_t row, struct lm_sampling *s, int32_t token)
{
    size_t longest = (size_t)r->n_prompt + r->max_tokens;
    int32_t *seen = r->seen + row * longest;
    uint32_t *count = r->count + row * longest;
    memcpy(seen, s->seen, s->n_seen * sizeof *seen);
    memcpy(count, s->count, s->n_seen * sizeof *count);
    seen_add(s, seen, count, token);
    s->seen = seen;
    s->count = count;
}

/* How many biases are in force when n_output tokens are out. */
static uint32_t n_bias_at(const struct lm_request *r, uint32_t n_output)
{
    return r->n_bias + (n_output < r->min_tokens ? r->n_stop : 0);
}

void lm_request_sampling(struct lm_request *r, struct lm_sampling *out)
{
    out[0] = r->sampling;
    for (uint32_t i = 1; i <= r->n_draft; i++) {
        out[i] = out[i - 1];
        out[i].counter++;
        out[i].n_bias = n_bias_at(r, lm_request_n_output(r) + i);
        if (r->seen)
            seen_copy(r, i, &out[i], r->token[r->n_token + i - 1]);
    }
}

static void ban(struct lm_request *r, int32_t token)
{
    ((int32_t *)r->sampling.bias_id)[r->sampling.n_bias] = token;
    ((float *)r->sampling.bias)[r->sampling.n_bias++] = -INFINITY;
}

/* Does the output end with all but the last of these ids? */
static bool is_begun(const struct lm_request *r, const int32_t *id, uint32_t n)
{
    return n - 1 <= lm_request_n_output(r) && !memcmp(r->token + r->n_token - (n - 1), id, (n - 1) * sizeof *id);
}

/* Behind the request's own bias stands what the tokens so far forbid or make unlikely. */
static void bias_renew(struct lm_request *r)
{
    struct lm_sampling *s = &r->sampling;
    s->n_bias = r->n_bias;
    for (uint32_t i = 0; i < r->n_stop && lm_request_n_output(r) < r->min_tokens; i++)
        ban(r, r->stop_id[i]);
    for (uint32_t i = 0; i < r->n_bad; i += 1 + (uint32_t)r->bad[i])
        if (is_begun(r, r->bad + i + 1, (uint32_t)r->bad[i]))
            ban(r, r->bad[i + r->bad[i]]);
    if (r->dry.multiplier > 0)
        s->n_bias += lm_dry_penalize(&r->dry, r->token, r->n_token, (int32_t *)s->bias_id + s->n_bias, (float *)s->bias + s->n_bias);
}

static void bias_begin(struct lm_request *r, const struct lm_msg_submit_view *in)
{
    int32_t *id = (int32_t *)r->sampling.bias_id;
    float *bias = (float *)r->sampling.bias;
    for (uint32_t i = 0; i < r->n_bias; i++) {
        id[i] = in->bias_id[i];
        bias[i] = in->bias[i];
    }
    for (uint32_t i = 0; i < r->n_bad; i++)
        r->bad[i] = in->bad[i];
    for (uint32_t i = 0; i < r->dry.n_breaker; i++)
        r->dry.breaker[i] = in->breaker[i];
    if (r->dry.n_breaker)
        qsort(r->dry.breaker, r->dry.n_breaker, sizeof *r->dry.breaker, by_id);
    bias_renew(r);
}

/* What the grammar allows next; of the ids of allowed_token_ids, kept behind the mask, only those. */
static bool allow_renew(struct lm_request *r, uint32_t n_word)
{
    uint32_t *mask = r->allow, any = 0;
    for (uint32_t i = 0; i < n_word; i++) {
        mask[i] = r->constraint->mask[i] & (r->own_allow ? r->own_allow[i] : UINT32_MAX);
        any |= mask[i];
    }
    return any != 0;
}

static void allow_begin(struct lm_request *r, const struct lm_msg_submit_view *in, uint32_t n_vocab)
{
    uint32_t *mask = r->own_allow ? r->own_allow : r->allow;
    if (!mask || !in->h.n_allow)
        return;
    memset(mask, 0, ((size_t)n_vocab + 31) / 32 * sizeof *mask);
    for (uint32_t i = 0; i < in->h.n_allow; i++)
        mask[in->allow[i] / 32] |= 1u << in->allow[i] % 32;
}

/* While a thought is closed nothing else may come. */
static void think_renew(struct lm_request *r)
{
    int32_t forced = lm_think_forced(&r->think);
    r->sampling.allow = forced >= 0 ? r->think_mask : r->allow;
    if (forced < 0)
        return;
    memset(r->think_mask, 0, r->n_mask * sizeof *r->think_mask);
    r->think_mask[forced / 32] = 1u << forced % 32;
}

static void think_begin(struct lm_request *r, const struct lm_msg_submit_view *in)
{
    struct lm_think *t = &r->think;
    if (in->h.n_think_open)
        memcpy((int32_t *)(uintptr_t)t->open, in->think_open, in->h.n_think_open * sizeof *t->open);
    if (in->h.n_think_close)
        memcpy((int32_t *)(uintptr_t)t->close, in->think_close, in->h.n_think_close * sizeof *t->close);
    t->n_open = in->h.n_think_open;
    t->n_close = in->h.n_think_close;
    t->budget = in->h.think_budget;
    t->state = in->h.thinks ? LM_THINK_INSIDE : LM_THINK_BEFORE;
    lm_think_begin(t);
    think_renew(r);
}

static void fill(struct lm_request *r, const struct lm_msg_submit_view *in, uint32_t n_vocab, uint32_t dim)
{
    const struct lm_msg_submit *h = &in->h;
    memcpy(r->token, in->prompt, h->n_prompt * sizeof *r->token);
    for (uint32_t i = 0; i < h->n_stop; i++)
        r->stop_id[i] = in->stop_id[i];
    if (h->n_stop)
        qsort(r->stop_id, h->n_stop, sizeof *r->stop_id, by_id);
    r->salt.n = (uint8_t)h->n_salt;
    for (uint32_t i = 0; i < h->n_salt; i++)
        r->salt.s[i] = in->salt[i];
    for (uint32_t i = 0; r->pool && i < dim; i++)
        r->pooled[i] = 0;
    bias_begin(r, in);
    allow_begin(r, in, n_vocab);
    think_begin(r, in);
    if (r->seen && h->penalty_last_n)
        seen_window(r);
    else if (r->seen && h->repetition != 1)
        seen_begin(r);
    r->sampling.seen = r->seen;
    r->sampling.count = r->count;
}

static int constraint_open(const struct lm_msg_submit_view *in, const struct lm_request_limits *limits, struct lm_constraint **out, struct lm_err *err)
{
    if (!limits->constraints || in->h.pool)
        return lm_fail(err, LM_EUNSUPPORTED, "a grammar has no meaning here");
    return lm_constraint_open(limits->constraints, in->grammar, in->h.n_grammar, out, err);
}

static int submit_check(const struct lm_msg_submit_view *in, const struct lm_request_limits *limits, struct lm_err *err)
{
    const struct lm_msg_submit *h = &in->h;
    int rc = length_check(h, limits, err);
    if (!rc && h->pool > LM_POOL_CLS)
        rc = lm_fail(err, LM_EINVAL, "pool is %u", (unsigned)h->pool);
    if (!rc && h->pool && !limits->dim)
        rc = lm_fail(err, LM_EUNSUPPORTED, "this model makes no embeddings");
    if (!rc && !h->pool && limits->encoder)
        rc = lm_fail(err, LM_EUNSUPPORTED, "this model makes embeddings, no text");
    if (!rc)
        rc = sampling_check(in, err);
    if (!rc)
        rc = ids_check("prompt", in->prompt, h->n_prompt, limits->n_vocab, err);
    if (!rc)
        rc = ids_check("stop_token_ids", in->stop_id, h->n_stop, limits->n_vocab, err);
    if (!rc)
        rc = ids_check("logit_bias", in->bias_id, h->n_bias, limits->n_vocab, err);
    if (!rc)
        rc = ids_check("allowed_token_ids", in->allow, h->n_allow, limits->n_vocab, err);
    if (!rc)
        rc = ids_check("thinking_token_budget", in->think_open, h->n_think_open + h->n_think_close, limits->n_vocab, err);
    if (!rc)
        rc = ids_check("dry_sequence_breakers", in->breaker, h->n_breaker, limits->n_vocab, err);
    return rc ? rc : bad_check(in, limits->n_vocab, err);
}

int lm_request_create(const struct lm_msg_submit_view *in, const struct lm_request_limits *limits, struct lm_request **out,
                      struct lm_err *err)
{
    const struct lm_msg_submit *h = &in->h;
    int rc = submit_check(in, limits, err);
    if (rc)
        return rc;
    struct lm_constraint *constraint = NULL;
    if (h->n_grammar && (rc = constraint_open(in, limits, &constraint, err)) != 0)
        return rc;
    struct lm_request *r = malloc(layout(NULL, h, limits));
    if (!r) {
        lm_constraint_close(constraint);
        return lm_fail(err, LM_ENOMEM, "no memory for a request of %u tokens", (unsigned)most_tokens(h));
    }
    *r = (struct lm_request){
        .id = h->id, .lora = -1, .n_prompt = h->n_prompt, .max_tokens = h->max_tokens, .min_tokens = h->min_tokens, .n_stop = h->n_stop,
        .n_bias = h->n_bias, .priority = h->priority, .share = !h->no_prefix_cache && !h->prompt_logprob && !h->pool,
        .prompt_logprob = h->prompt_logprob && !h->pool, .pool = h->pool, .slot = h->slot, .second_text = limits->n_type > 1 ? h->second_text : 0,
        .given = {.top_p = 1, .repetition = 1, .given = true, .logprob = true, .n_logprobs = h->n_prompt_logprobs}, .n_token = h->n_prompt,
        .sampling = {.temperature = h->temperature, .top_k = h->top_k, .top_p = h->top_p, .min_p = h->min_p,
                     .presence = h->presence, .frequency = h->frequency,
                     .repetition = fminf(fmaxf(h->repetition, 1 / max_repetition), max_repetition), .seed = h->seed,
                     .n_logprobs = h->n_logprobs, .logprob = h->logprob, .min_keep = h->min_keep, .top_n_sigma = h->top_n_sigma,
                     .typical_p = h->typical_p, .xtc_probability = h->xtc_probability, .xtc_threshold = h->xtc_threshold,
                     .dynatemp_range = h->dynatemp_range, .dynatemp_exponent = h->dynatemp_exponent, .mirostat = h->mirostat,
                     .mirostat_tau = h->mirostat_tau, .mirostat_mu = 2 * h->mirostat_tau},
        .mirostat_eta = h->mirostat_eta, .penalty_last_n = h->penalty_last_n, .n_bad = h->n_bad, .constraint = constraint, .n_mask = (limits->n_vocab + 31) / 32,
        .dry = {.multiplier = h->dry_multiplier, .base = h->dry_base, .allowed_length = h->dry_allowed_length, .last_n = h->dry_last_n,
                .n_breaker = h->n_breaker},
    };
    layout(r, h, limits);
    fill(r, in, limits->n_vocab, limits->dim);
    if (constraint && !allow_renew(r, r->n_mask)) {
        lm_request_destroy(r);
        return lm_fail(err, LM_EINVAL, "no token of allowed_token_ids can begin a text of the grammar");
    }
    *out = r;
    return 0;
}

void lm_request_destroy(struct lm_request *r)
{
    if (r)
        lm_constraint_close(r->constraint);
    free(r);
}

static void finish(struct lm_request *r, enum lm_finish reason)
{
    r->state = LM_REQUEST_DONE;
    r->reason = reason;
}

/* The token in the grammar's text. Sets the end when the text is whole or cannot go on. */
static void constraint_push(struct lm_request *r, int32_t token)
{
    enum lm_constraint_state state = lm_constraint_push(r->constraint, token);
    if (state == LM_CONSTRAINT_IS_WHOLE) {
        finish(r, LM_FINISH_STOP);
    } else if (state == LM_CONSTRAINT_IS_STUCK || !allow_renew(r, r->n_mask)) {
        r->code = LM_ELIMIT;
        r->why = "the grammar's text cannot go on: it is nested too deep, or no token that is allowed fits";
        finish(r, LM_FINISH_ERROR);
    }
}

void lm_request_push(struct lm_request *r, int32_t token)
{
    if (token < 0) {
        r->code = LM_EDEVICE;
        r->why = "the model's output held a NaN or infinity";
        finish(r, LM_FINISH_ERROR);
        return;
    }
    r->token[r->n_token++] = token;
    uint32_t n_output = lm_request_n_output(r);
    r->sampling.counter = n_output;
    if (r->seen && r->penalty_last_n)
        seen_window(r);
    else if (r->seen)
        seen_add(&r->sampling, r->seen, r->count, token);
    if (r->n_bad || r->dry.multiplier > 0)
        bias_renew(r);
    else
        r->sampling.n_bias = n_bias_at(r, n_output);
    if (r->constraint)
        constraint_push(r, token);
    if (r->think_mask) {
        lm_think_push(&r->think, r->token + r->n_prompt, n_output);
        think_renew(r);
    }
    if (r->state == LM_REQUEST_DONE)
        return;
    if (r->n_stop && n_output >= r->min_tokens && bsearch(&token, r->stop_id, r->n_stop, sizeof token, by_id))
        finish(r, LM_FINISH_STOP);
    else if (n_output == r->max_tokens)
        finish(r, LM_FINISH_LENGTH);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/sched.h"

#include <stdlib.h>

int lm_sched_create(const struct lm_sched_desc *desc, struct lm_sched **out, struct lm_err *err)
{
    struct lm_sched *s = calloc(1, sizeof *s);
    if (s) {
        s->running = calloc(desc->max_seq, sizeof *s->running);
        s->lora_run = calloc((size_t)desc->n_lora_slot + 1, sizeof *s->lora_run);
    }
    if (!s || !s->running || !s->lora_run) {
        lm_sched_destroy(s);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    s->kv = desc->kv;
    s->max_seq = desc->max_seq;
    s->max_out = desc->max_out;
    s->prefix_cache = desc->prefix_cache && !desc->whole;
    s->whole = desc->whole;
    s->max_lora = desc->max_lora;
    s->max_flight = desc->max_flight ? desc->max_flight : 1;
    lm_spec_init(&s->spec, &desc->speculative);
    *out = s;
    return 0;
}

static void evict(void *arg, uint32_t b)
{
    lm_tier_save(arg, b);
}

void lm_sched_set_tier(struct lm_sched *s, struct lm_tier *tier)
{
    s->tier = tier;
    s->kv->evict = tier ? evict : NULL;
    s->kv->evict_arg = tier;
}

void lm_sched_destroy(struct lm_sched *s)
{
    if (s) {
        free(s->running);
        free(s->lora_run);
    }
    free(s);
}

bool lm_sched_publish(struct lm_sched *s, uint32_t *b, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    uint32_t known = lm_kv_publish(s->kv, *b, parent, salt, token);
    if (known == LM_NONE)
        return false;
    if (s->tier)
        lm_tier_name(s->tier, known, parent, salt, token);
    *b = known;
    return true;
}

uint32_t lm_sched_find(struct lm_sched *s, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    uint32_t b = lm_kv_find(s->kv, parent, salt, token), slot;
    if (b != LM_NONE) {
        lm_kv_ref(s->kv, b);
        return b;
    }
    if (!s->tier || (slot = lm_tier_find(s->tier, parent, salt, token)) == LM_NONE || (b = lm_kv_take(s->kv)) == LM_NONE)
        return LM_NONE;
    if (lm_tier_load(s->tier, slot, b) && lm_sched_publish(s, &b, parent, salt, token))
        return b;
    lm_kv_unref(s->kv, b);
    return LM_NONE;
}

void lm_sched_drop(struct lm_sched *s, uint32_t b)
{
    if (lm_kv_drop(s->kv, b) && s->tier)
        lm_tier_drop(s->tier, b);
}

static void list_remove(struct lm_request_list *l, struct lm_request *r)
{
    *(r->prev ? &r->prev->next : &l->first) = r->next;
    *(r->next ? &r->next->prev : &l->last) = r->prev;
    r->prev = r->next = NULL;
}

static void list_insert_after(struct lm_request_list *l, struct lm_request *at, struct lm_request *r)
{
    r->prev = at;
    r->next = at ? at->next : l->first;
    *(r->next ? &r->next->prev : &l->last) = r;
    *(at ? &at->next : &l->first) = r;
}

/* New requests mostly belong at the end, preempted ones near the front: each looks from there. */
static void wait_in_order(struct lm_sched *s, struct lm_request *r, bool from_front)
{
    struct lm_request *at = from_front ? NULL : s->waiting.last;
    if (from_front)
        for (struct lm_request *next = s->waiting.first; next && lm_request_before(next, r); next = next->next)
            at = next;
    else
        while (at && lm_request_before(r, at))
            at = at->prev;
    list_insert_after(&s->waiting, at, r);
    r->state = LM_REQUEST_WAITING;
    s->n_waiting++;
}

void lm_sched_add(struct lm_sched *s, struct lm_request *r)
{
    r->order = s->n_arrived++;
    r->share = r->share && s->prefix_cache;
    wait_in_order(s, r, false);
}

static void release_blocks(struct lm_sched *s, struct lm_request *r)
{
    while (r->n_block)
        lm_kv_unref(s->kv, r->block[--r->n_block]);
    r->n_published = r->n_computed = r->n_sched = r->n_draft = 0;
    if (!r->first_us)
        r->n_cached = 0;
}

static void leave_running(struct lm_sched *s, uint32_t i)
{
    int32_t lora = s->running[i]->lora;
    release_blocks(s, s->running[i]);
    s->n_lora -= lora >= 0 && --s->lora_run[lora] == 0;
    s->n_running--;
    memmove(s->running + i, s->running + i + 1, (s->n_running - i) * sizeof *s->running);
}

void lm_sched_remove(struct lm_sched *s, struct lm_request *r)
{
    bool waits = r->prev || s->waiting.first == r;
    if (waits) {
        list_remove(&s->waiting, r);
        s->n_waiting--;
    } else {
        uint32_t i = 0;
        while (s->running[i] != r)
            i++;
        leave_running(s, i);
    }
    r->state = LM_REQUEST_DONE;
}

static bool is_pinned(const struct lm_request *r)
{
    return r->n_preempted >= LM_MAX_PREEMPT;
}

static void preempt(struct lm_sched *s, uint32_t i)
{
    struct lm_request *r = s->running[i];
    leave_running(s, i);
    r->n_preempted++;
    s->n_preempted++;
    wait_in_order(s, r, true);
}

/* Preempt the last running request behind position i. False when there is none. */
static bool preempt_behind(struct lm_sched *s, uint32_t i)
{
    for (uint32_t j = s->n_running; j-- > i + 1;)
        if (!is_pinned(s->running[j]) && !s->running[j]->in_flight) {
            preempt(s, j);
            return true;
        }
    return false;
}

/* Before any piece of a prompt is scheduled: a decoding request's next token needs a place. */
static bool decode_fits(struct lm_sched *s, uint32_t i)
{
    struct lm_request *r = s->running[i];
    if (r->n_computed < r->n_block * s->kv->block_size)
        return true;
    while (lm_kv_n_free(s->kv) == 0)
        if (!preempt_behind(s, i))
            return false;
    r->block[r->n_block++] = lm_kv_take(s->kv);
    return true;
}

/* May r's next block be one that was computed before, at least one token being left to compute? */
static bool takes_hit(const struct lm_sched *s, const struct lm_request *r)
{
    uint32_t size = s->kv->block_size;
    return r->share && r->n_computed % size == 0 && r->n_published == r->n_computed / size && r->n_token - r->n_computed > size;
}

/* The block before r's first that is not published. */
static uint32_t last_published(const struct lm_request *r)
{
    return r->n_published ? r->block[r->n_published - 1] : LM_NONE;
}

/* The published block that holds r's next block_size tokens, or LM_NONE. */
static uint32_t next_hit(const struct lm_sched *s, const struct lm_request *r)
{
    return takes_hit(s, r) ? lm_kv_find(s->kv, last_published(r), &r->salt, r->token + r->n_computed) : LM_NONE;
}

/* Put the published block b, already referenced, at r's next place. */
static void accept_hit(struct lm_sched *s, struct lm_request *r, uint32_t b)
{
    uint32_t size = s->kv->block_size;
    r->block[r->n_published++] = b;
    r->n_computed += size;
    if (!r->first_us)
        r->n_cached += size;
}

/* While it computes its prompt, r may meet blocks that another request published since it was admitted. */
static void follow(struct lm_sched *s, struct lm_request *r)
{
    uint32_t b;
    while ((b = next_hit(s, r)) != LM_NONE) {
        lm_kv_ref(s->kv, b);
        lm_kv_unref(s->kv, r->block[r->n_published]);
        accept_hit(s, r, b);
    }
}

/* Publish r's next block, which is full. */
static bool publish_next(struct lm_sched *s, struct lm_request *r)
{
    const int32_t *token = r->token + (size_t)r->n_published * s->kv->block_size;
    if (!lm_sched_publish(s, &r->block[r->n_published], last_published(r), &r->salt, token))
        return false;
    r->n_published++;
    return true;
}

static uint32_t blocks_for(const struct lm_sched *s, uint32_t n_tok)
{
    return (n_tok + s->kv->block_size - 1) / s->kv->block_size;
}

/* Give r the blocks of its known tokens (pinned: of its longest answer). Others get to keep one free block each. */
static bool take_blocks(struct lm_sched *s, struct lm_request *r)
{
    struct lm_kv *kv = s->kv;
    uint32_t b;
    while (takes_hit(s, r) && (b = lm_sched_find(s, last_published(r), &r->salt, r->token + r->n_computed)) != LM_NONE) {
        r->n_block++;
        accept_hit(s, r, b);
    }
    uint32_t want = blocks_for(s, is_pinned(r) ? r->n_prompt + r->max_tokens : r->n_token);
    if ((uint64_t)want - r->n_block + s->n_running > lm_kv_n_free(kv)) {
        release_blocks(s, r);
        return false;
    }
    while (r->n_block < want)
        r->block[r->n_block++] = lm_kv_take(kv);
    return true;
}

static bool lora_fits(const struct lm_sched *s, const struct lm_request *r)
{
    return r->lora < 0 || s->lora_run[r->lora] || s->n_lora < s->max_lora;
}

static bool admit_first(struct lm_sched *s, uint64_t now_us)
{
    struct lm_request *r = s->waiting.first;
    if (!r || s->n_running == s->max_seq || !lora_fits(s, r) || !take_blocks(s, r))
        return false;
    list_remove(&s->waiting, r);
    s->n_waiting--;
    if (!r->admit_us)
        r->admit_us = now_us;
    r->state = LM_REQUEST_RUNNING;
    s->n_lora += r->lora >= 0 && s->lora_run[r->lora]++ == 0;
    uint32_t i = s->n_running++;
    for (; i > 0 && lm_request_before(r, s->running[i - 1]); i--)
        s->running[i] = s->running[i - 1];
    s->running[i] = r;
    return true;
}

static uint32_t n_left(const struct lm_request *r)
{
    return r->n_token - r->n_computed;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* One request's piece of prompt, out of `left` tokens and, where it wants them, `rows`. */
static uint32_t schedule_piece(struct lm_sched *s, struct lm_request *r, uint32_t left, uint32_t *rows)
{
    follow(s, r);
    if (s->whole && n_left(r) > left)
        return 0;
    r->n_sched = smaller(n_left(r), left);
    if (lm_request_wants_rows(r)) {
        r->n_sched = smaller(r->n_sched, *rows);
        *rows -= r->n_sched;
    }
    return r->n_sched;
}

/* Places for r's drafts; fewer when blocks are short. */
static uint32_t drafts_fit(struct lm_sched *s, struct lm_request *r)
{
    uint32_t size = s->kv->block_size, need = blocks_for(s, r->n_computed + 1 + r->n_draft);
    while (r->n_block < need && lm_kv_n_free(s->kv) > s->n_running)
        r->block[r->n_block++] = lm_kv_take(s->kv);
    return smaller(r->n_draft, r->n_block * size - r->n_computed - 1);
}

/* Tokens of prompts that this step has to compute, as far as it has room for them. */
static uint32_t n_prompt_left(const struct lm_sched *s, uint32_t left)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->n_running; i++)
        n += !s->running[i]->in_flight && n_left(s->running[i]) > 1 ? n_left(s->running[i]) : 0;
    if (s->waiting.first && s->n_running < s->max_seq)
        n += s->waiting.first->n_token;
    return n < left ? (uint32_t)n : left;
}

/* Drafts behind the tokens of those that decode, out of `left`. */
static uint32_t schedule_drafts(struct lm_sched *s, uint32_t left)
{
    uint64_t n_seq = (uint64_t)s->n_running + s->n_waiting;
    uint32_t room = s->max_out - (n_seq < s->max_seq ? (uint32_t)n_seq : s->max_seq), n = 0;
    if (!s->spec.conf.n_tok || !lm_spec_choose(&s->spec, s->running, s->n_running, n_prompt_left(s, left), smaller(room, left)))
        return 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        struct lm_request *r = s->running[i];
        if (r->in_flight || !r->n_draft)
            continue;
        r->n_draft = drafts_fit(s, r);
        r->n_sched += r->n_draft;
        lm_draft_write(&r->draft, r->token, r->n_token, r->n_draft);
        n += r->n_draft;
    }
    return n;
}

/* Requests that one step may have. */
static uint32_t share_of_step(const struct lm_sched *s)
{
    const uint64_t n = (uint64_t)s->n_running + s->n_waiting, all = n < s->max_seq ? n : s->max_seq;
    return (uint32_t)((all + s->max_flight - 1) / s->max_flight);
}

/* The next request from *i on that is in no step. NULL: none is. */
static struct lm_request *next_free(const struct lm_sched *s, uint32_t *i)
{
    while (*i < s->n_running && s->running[*i]->in_flight)
        ++*i;
    return *i < s->n_running ? s->running[*i] : NULL;
}

uint32_t lm_sched_plan(struct lm_sched *s, uint32_t max_tok, uint64_t now_us)
{
    uint32_t left = max_tok, rows = s->whole ? max_tok : LM_PROMPT_ROWS, n_more = share_of_step(s);
    struct lm_request *r;
    for (uint32_t i = 0; (r = next_free(s, &i)); i++)
        r->n_sched = r->n_draft = 0;
    for (uint32_t i = 0; left > 0 && n_more > 0 && !s->whole && (r = next_free(s, &i)); i++)
        if (n_left(r) == 1 && decode_fits(s, i)) {
            r->n_sched = 1;
            left--;
            n_more--;
        }
    left -= schedule_drafts(s, left);
    for (uint32_t i = 0; left > 0 && n_more > 0 && (r = next_free(s, &i)); i++)
        if (n_left(r) > 1 || s->whole) {
            uint32_t n = schedule_piece(s, r, left, &rows);
            left -= n;
            n_more -= n > 0;
        }
    while (left > 0 && n_more > 0 && (r = s->waiting.first)) {
        if (!admit_first(s, now_us))
            break;
        uint32_t n = schedule_piece(s, r, left, &rows);
        if (n == 0)
            break;
        left -= n;
        n_more--;
    }
    return max_tok - left;
}

void lm_sched_advance(struct lm_sched *s, struct lm_request *r)
{
    uint32_t size = s->kv->block_size;
    r->n_computed += r->n_sched;
    r->n_sched = 0;
    while (r->share && (r->n_published + 1) * size <= r->n_computed && publish_next(s, r))
        ;
}

void lm_sched_forget(struct lm_sched *s)
{
    lm_kv_forget(s->kv);
    if (s->tier)
        lm_tier_forget(s->tier);
    for (uint32_t i = 0; i < s->n_running; i++)
        s->running[i]->share = false;
}

static bool running_check(const struct lm_sched *s, uint32_t i)
{
    const struct lm_request *r = s->running[i];
    if (r->n_published > r->n_block || r->n_computed > r->n_block * s->kv->block_size || r->n_computed >= r->n_token)
        return false;
    for (uint32_t i_block = 0; i_block < r->n_block; i_block++) {
        const struct lm_kv_block *b = &s->kv->block[r->block[i_block]];
        bool full = (i_block + 1) * s->kv->block_size <= r->n_computed;
        if ((!full && b->ref != 1) || (r->share && i_block < r->n_published && !b->published))
            return false;
    }
    return i == 0 || lm_request_before(s->running[i - 1], r);
}

static uint32_t holders(const struct lm_sched *s, uint32_t b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_running; i++)
        for (uint32_t j = 0; j < s->running[i]->n_block; j++)
            n += s->running[i]->block[j] == b;
    return n;
}

static bool lora_check(const struct lm_sched *s)
{
    uint32_t n_lora = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        int32_t lora = s->running[i]->lora;
        uint32_t n = 0, before = 0;
        for (uint32_t j = 0; j < s->n_running; j++) {
            n += s->running[j]->lora == lora;
            before += j < i && s->running[j]->lora == lora;
        }
        n_lora += lora >= 0 && before == 0;
        if (lora >= 0 && s->lora_run[lora] != n)
            return false;
    }
    return n_lora == s->n_lora && n_lora <= s->max_lora;
}

bool lm_sched_check(const struct lm_sched *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_running; i++)
        if (!running_check(s, i))
            return false;
    for (const struct lm_request *r = s->waiting.first; r; r = r->next, n++)
        if (r->n_block || r->n_computed || (r->next && !lm_request_before(r, r->next)))
            return false;
    for (uint32_t b = 0; b < s->kv->n_block; b++)
        if (s->kv->block[b].ref != holders(s, b))
            return false;
    return n == s->n_waiting && lora_check(s) && lm_kv_check(s->kv) && (!s->tier || lm_tier_check(s->tier));
}

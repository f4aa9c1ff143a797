/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/syntax.h"

#include <stdlib.h>

enum { BEFORE, THOUGHT, ANSWER };

int lm_parser_create(const struct lm_parser_desc *desc, struct lm_said *said, struct lm_parser **out, struct lm_err *err)
{
    struct lm_parser *p = calloc(1, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    p->d = *desc;
    p->said = said;
    p->stage = desc->reasoning && !desc->reasoning->other ? BEFORE : ANSWER;
    *out = p;
    return 0;
}

void lm_parser_destroy(struct lm_parser *p)
{
    if (!p)
        return;
    lm_bytes_fini(&p->held);
    lm_bytes_fini(&p->name);
    lm_bytes_fini(&p->id);
    lm_bytes_fini(&p->key);
    lm_bytes_fini(&p->value);
    lm_bytes_fini(&p->blank);
    free(p);
}

size_t lm_parser_left(const struct lm_parser *p)
{
    return p->held.len - p->at;
}

const char *lm_parser_rest(const struct lm_parser *p)
{
    return p->held.data + p->at;
}

void lm_parser_skip(struct lm_parser *p, size_t n)
{
    p->at += n;
    p->scan = p->at;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Text of one kind. White space is told when more of it follows: that before it only with `lead`. */
static void say(struct lm_parser *p, enum lm_said_kind kind, size_t n, bool lead)
{
    const char *s = lm_parser_rest(p);
    size_t end = n, from = 0;
    lm_parser_skip(p, n);
    while (end && is_space(s[end - 1]))
        end--;
    while (from < end && is_space(s[from]))
        from++;
    if (end) {
        if (p->in_text || lead) {
            lm_said_text(p->said, kind, p->blank.data, p->blank.len);
            from = 0;
        }
        lm_said_text(p->said, kind, s + from, end - from);
        lm_bytes_clear(&p->blank);
        p->in_text = true;
    }
    lm_bytes_add(&p->blank, s + end, n - end);
    p->said->failed |= p->blank.failed;
}

void lm_parser_content(struct lm_parser *p, size_t n)
{
    bool after_thought = lm_said_ends_in(p->said, LM_SAID_REASONING) || p->d.thinking == LM_THINKING_OPEN;
    if (n)
        p->last_reasons = false;
    say(p, LM_SAID_CONTENT, n, !after_thought);
}

void lm_parser_reasoning(struct lm_parser *p, size_t n)
{
    if (n)
        p->last_reasons = true;
    say(p, LM_SAID_REASONING, n, false);
}

void lm_parser_turn(struct lm_parser *p)
{
    lm_bytes_clear(&p->blank);
    p->in_text = false;
}

int lm_parser_find(const struct lm_parser *p, size_t from, const char *const *mark, bool end, size_t *out_place)
{
    const char *s = p->held.data;
    for (size_t i = from; i < p->held.len; i++)
        for (int k = 0; mark[k]; k++) {
            if (s[i] != mark[k][0])
                continue;
            size_t n = strlen(mark[k]), left = p->held.len - i, m = n < left ? n : left;
            if (memcmp(s + i, mark[k], m) != 0 || (m < n && end))
                continue;
            *out_place = i;
            return m == n ? k : -1;
        }
    *out_place = p->held.len;
    return -1;
}

int lm_parser_until(struct lm_parser *p, const char *const *mark, bool end)
{
    size_t place;
    int k = lm_parser_find(p, p->at, mark, end, &place);
    lm_parser_content(p, place - p->at);
    return k;
}

int lm_parser_expect(struct lm_parser *p, const char *const *mark, bool end)
{
    size_t at = p->scan;
    bool open = false;
    while (at < p->held.len && is_space(p->held.data[at]) && at - p->scan < LM_TOOL_HEAD_MAX)
        at++;
    for (int k = 0; mark[k]; k++) {
        size_t n = strlen(mark[k]), left = p->held.len - at, m = n < left ? n : left;
        if (memcmp(p->held.data + at, mark[k], m) != 0)
            continue;
        if (m == n) {
            p->scan = at + n;
            return k;
        }
        open = true;
    }
    return open && !end ? -2 : -1;
}

void lm_parser_call(struct lm_parser *p, const char *name, size_t n, const char *id, size_t n_id)
{
    lm_parser_turn(p);
    p->last_reasons = false;
    lm_said_call(p->said, name, n, id, n_id);
}

void lm_parser_args(struct lm_parser *p, const char *s, size_t n)
{
    lm_said_args(p->said, s, n);
}

void lm_parser_begin_args(struct lm_parser *p)
{
    p->begun = false;
    lm_bytes_clear(&p->value);
}

void lm_parser_take_args(struct lm_parser *p, size_t n)
{
    const char *s = lm_parser_rest(p);
    size_t end = n, from = 0;
    while (end && is_space(s[end - 1]))
        end--;
    while (!p->begun && from < end && is_space(s[from]))
        from++;
    if (end > from) {
        lm_parser_args(p, p->value.data, p->begun ? p->value.len : 0);
        lm_parser_args(p, s + from, end - from);
        lm_bytes_clear(&p->value);
        p->begun = true;
    }
    lm_bytes_add(&p->value, s + end, n - end);
    p->said->failed |= p->value.failed;
    lm_parser_skip(p, n);
}

void lm_parser_end_args(struct lm_parser *p)
{
    if (!p->begun)
        lm_parser_args(p, "{}", 2);
}

static const struct lm_tool *tool_of(const struct lm_parser *p, const char *name, size_t n)
{
    for (size_t i = 0; p->d.list && i < p->d.list->n; i++)
        if (strlen(p->d.list->tool[i].name) == n && memcmp(p->d.list->tool[i].name, name, n) == 0)
            return &p->d.list->tool[i];
    return NULL;
}

bool lm_parser_knows(const struct lm_parser *p, const char *name, size_t n)
{
    return tool_of(p, name, n) != NULL;
}

enum lm_tool_kind lm_parser_kind(const struct lm_parser *p, const char *param, size_t n)
{
    const struct lm_said *s = p->said;
    const struct lm_bytes *name = lm_said_ends_in(s, LM_SAID_CALL) ? &s->part[s->n - 1].name : NULL;
    const struct lm_tool *t = name ? tool_of(p, name->data ? name->data : "", name->len) : NULL;
    for (size_t i = 0; t && i < t->n_param; i++)
        if (strlen(t->param[i].name) == n && memcmp(t->param[i].name, param, n) == 0)
            return t->param[i].kind;
    return LM_TOOL_UNKNOWN;
}

static bool before(struct lm_parser *p, bool end)
{
    const struct lm_reasoning_syntax *r = p->d.reasoning;
    bool inside = lm_reasoning_starts(r, p->d.thinking);
    if (!lm_parser_left(p))
        return false;
    int k = lm_parser_expect(p, r->open, end);
    if (k == -2)
        return false;
    if (k >= 0)
        lm_parser_skip(p, p->scan - p->at);
    p->stage = k >= 0 || inside ? THOUGHT : ANSWER;
    p->last_reasons = p->stage == THOUGHT;
    return true;
}

static bool thought(struct lm_parser *p, bool end)
{
    size_t place;
    int k = lm_parser_find(p, p->at, p->d.reasoning->close, end, &place);
    lm_parser_reasoning(p, place - p->at);
    if (k < 0)
        return false;
    lm_parser_skip(p, strlen(p->d.reasoning->close[k]));
    lm_parser_turn(p);
    p->last_reasons = false;
    p->d.thinking = LM_THINKING_OPEN; /* what follows stands behind a thought */
    p->stage = ANSWER;
    return true;
}

static bool step(struct lm_parser *p, bool end)
{
    if (p->stage == BEFORE)
        return before(p, end);
    if (p->stage == THOUGHT)
        return thought(p, end);
    if (p->d.tools)
        return p->d.tools->step(p, end);
    lm_parser_content(p, lm_parser_left(p));
    return false;
}

static void run(struct lm_parser *p, bool end)
{
    while (step(p, end))
        ;
    size_t *const place[] = {&p->scan, &p->object.from, &p->object.args, &p->object.args_end};
    for (size_t i = 0; i < sizeof place / sizeof *place; i++)
        *place[i] -= p->at < *place[i] ? p->at : *place[i];
    lm_bytes_drop(&p->held, p->at);
    p->at = 0;
}

void lm_parser_feed(struct lm_parser *p, const char *s, size_t n)
{
    lm_bytes_add(&p->held, s, n);
    p->said->failed |= p->held.failed;
    if (n && !p->held.failed)
        run(p, false);
}

void lm_parser_finish(struct lm_parser *p)
{
    if (p->held.data && !p->held.failed)
        run(p, true);
    if (lm_parser_left(p))
        lm_parser_content(p, lm_parser_left(p));
    if (p->stage == ANSWER && !p->last_reasons && (p->in_text || p->said->n == 0))
        lm_said_text(p->said, LM_SAID_CONTENT, p->blank.data, p->blank.len);
    lm_parser_turn(p);
}

bool lm_parser_thinks(const struct lm_parser *p)
{
    return p->last_reasons;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/syntax.h"

enum { TEXT, SECTION, HEAD, FENCE_NAME, ARGS };

static bool back_to_text(struct lm_parser *p, size_t n)
{
    lm_parser_content(p, n < lm_parser_left(p) ? n : lm_parser_left(p));
    p->state = TEXT;
    return true;
}

static bool text(struct lm_parser *p, const struct lm_marked_syntax *m, bool end)
{
    const char *const mark[] = {m->section_open, m->call_open, NULL};
    int k = lm_parser_until(p, mark, end);
    if (k < 0)
        return false;
    if (k == 0)
        lm_parser_skip(p, strlen(mark[0]));
    p->state = SECTION;
    return true;
}

/* Between calls. */
static bool section(struct lm_parser *p, const struct lm_marked_syntax *m, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){m->call_open, m->section_close, NULL}, end);
    if (k == -2)
        return false;
    if (k == 0) { /* stays, until it is known to be a call */
        lm_parser_skip(p, p->scan - p->at - strlen(m->call_open));
        p->scan = p->at + strlen(m->call_open);
        p->state = HEAD;
        return true;
    }
    lm_parser_skip(p, k == 1 ? p->scan - p->at : 0);
    p->state = TEXT;
    return lm_parser_left(p) > 0;
}

static void begin_args(struct lm_parser *p, size_t to)
{
    lm_parser_skip(p, to - p->at);
    lm_parser_begin_args(p);
    p->state = ARGS;
}

static bool head(struct lm_parser *p, const struct lm_marked_syntax *m, bool end)
{
    size_t place, from = p->at + strlen(m->call_open);
    int k = lm_parser_find(p, from, (const char *const[]){m->separator, NULL}, end, &place);
    if (k < 0 && !end && place - from < LM_TOOL_HEAD_MAX)
        return false;
    p->string = false;
    if (k < 0)
        return back_to_text(p, strlen(m->call_open));
    const char *s = p->held.data + from;
    size_t n = place - from;
    if (m->fence_head && n == strlen(m->fence_head) && memcmp(s, m->fence_head, n) == 0) {
        p->scan = place + strlen(m->separator);
        p->state = FENCE_NAME;
        return true;
    }
    if (!m->head(p, s, n))
        return back_to_text(p, strlen(m->call_open));
    lm_parser_call(p, p->name.data, p->name.len, p->id.data, p->id.len);
    begin_args(p, place + strlen(m->separator));
    return true;
}

static bool fence_name(struct lm_parser *p, const struct lm_marked_syntax *m, bool end)
{
    size_t place;
    int k = lm_parser_find(p, p->scan, (const char *const[]){m->fence_open, NULL}, end, &place);
    if (k < 0 && !end && place - p->scan < LM_TOOL_HEAD_MAX)
        return false;
    if (k < 0 || !m->head(p, p->held.data + p->scan, place - p->scan))
        return back_to_text(p, strlen(m->call_open));
    lm_parser_call(p, p->name.data, p->name.len, p->id.data, p->id.len);
    begin_args(p, place + strlen(m->fence_open));
    p->string = true;
    return true;
}

static bool args(struct lm_parser *p, const struct lm_marked_syntax *m, bool end)
{
    size_t place;
    const char *const mark[] = {m->call_close, m->call_open, m->section_close, p->string ? m->fence_close : NULL, NULL};
    int k = lm_parser_find(p, p->at, mark, end, &place);
    lm_parser_take_args(p, place - p->at);
    if (k < 0)
        return false;
    lm_parser_end_args(p);
    lm_parser_skip(p, k == 0 || k == 3 ? strlen(mark[k]) : 0);
    p->state = SECTION;
    return true;
}

bool lm_marked_step(struct lm_parser *p, const struct lm_marked_syntax *m, bool end)
{
    switch (p->state) {
    case TEXT: return text(p, m, end);
    case SECTION: return section(p, m, end);
    case HEAD: return head(p, m, end);
    case FENCE_NAME: return fence_name(p, m, end);
    default: return args(p, m, end);
    }
}

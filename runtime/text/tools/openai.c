/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpt-oss (the harmony format): an answer is a list of messages on channels, reasoning among them.
 *
 *   <|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>
 *   <|channel|>final<|message|>Done.<|return|>
 *
 * Source   OpenAI, harmony response format
 */
#include "runtime/text/tools/grammar.h"

#define START "<|start|>"
#define CHANNEL "<|channel|>"
#define MESSAGE "<|message|>"
#define END "<|end|>"
#define CALL "<|call|>"
#define RETURN "<|return|>"
#define CONSTRAIN "<|constrain|>"

enum { TEXT, HEAD, CONTENT, REASONING, ARGS };

static bool text(struct lm_parser *p, bool end)
{
    static const char *const mark[] = {START, CHANNEL, END, CALL, RETURN, NULL};
    int k = lm_parser_until(p, mark, end);
    if (k >= 2)
        lm_parser_skip(p, strlen(mark[k]));
    else if (k >= 0)
        p->state = HEAD;
    return k >= 0;
}

/* What stands behind `word` in a head, up to a space or a tag. */
static const char *behind(const char *s, size_t n, const char *word, size_t *out_n)
{
    size_t w = strlen(word);
    for (size_t i = 0; i + w <= n; i++) {
        if (memcmp(s + i, word, w) != 0)
            continue;
        size_t k = i + w;
        while (k < n && s[k] != ' ' && s[k] != '<' && s[k] != '\n')
            k++;
        *out_n = k - i - w;
        return s + i + w;
    }
    *out_n = 0;
    return NULL;
}

static bool head(struct lm_parser *p, bool end)
{
    static const char functions[] = "functions.";
    size_t place, n_channel, n_to;
    int k = lm_parser_find(p, p->at, (const char *const[]){MESSAGE, NULL}, end, &place);
    if (k < 0 && !end && place - p->at < LM_TOOL_HEAD_MAX)
        return false;
    if (k < 0) {
        lm_parser_content(p, lm_parser_left(p) < strlen(START) ? lm_parser_left(p) : strlen(START));
        p->state = TEXT;
        return true;
    }
    const char *s = lm_parser_rest(p), *channel = behind(s, place - p->at, CHANNEL, &n_channel), *to = behind(s, place - p->at, " to=", &n_to);
    bool is_function = n_to >= sizeof functions && memcmp(to, functions, sizeof functions - 1) == 0;
    size_t drop = is_function ? sizeof functions - 1 : 0;
    p->state = n_to ? ARGS : n_channel == 8 && memcmp(channel, "analysis", 8) == 0 ? REASONING : CONTENT;
    lm_parser_turn(p);
    if (p->state == ARGS)
        lm_parser_call(p, to + drop, n_to - drop, "", 0);
    lm_parser_begin_args(p);
    lm_parser_skip(p, place - p->at + strlen(MESSAGE));
    return true;
}

static bool body(struct lm_parser *p, bool end)
{
    static const char *const mark[] = {END, CALL, RETURN, START, CHANNEL, NULL};
    size_t place;
    int k = lm_parser_find(p, p->at, mark, end, &place);
    if (p->state == ARGS)
        lm_parser_take_args(p, place - p->at);
    else if (p->state == REASONING)
        lm_parser_reasoning(p, place - p->at);
    else
        lm_parser_content(p, place - p->at);
    if (k < 0)
        return false;
    if (p->state == ARGS)
        lm_parser_end_args(p);
    if (k < 3)
        lm_parser_skip(p, strlen(mark[k]));
    if (p->state == REASONING)
        lm_parser_turn(p);
    p->state = TEXT;
    return true;
}

static bool step(struct lm_parser *p, bool end)
{
    return p->state == TEXT ? text(p, end) : p->state == HEAD ? head(p, end) : body(p, end);
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put_name(g, tool, lm_tool_put(g, from, CHANNEL "commentary to=functions."));
    lm_tool_join(g, lm_tool_put_json(g, tool, lm_tool_put(g, at, " " CONSTRAIN "json" MESSAGE)), to);
}

const struct lm_tool_syntax lm_tool_openai = {
    .name = "openai", .mark = (const char *const[]){START, CHANNEL, MESSAGE, END, CALL, RETURN, CONSTRAIN, NULL},
    .sign = (const char *const[]){START, CHANNEL, MESSAGE, NULL}, .reasons = true, .step = step, .open = "", .between = NULL, .close = "", .call = call,
    .thought = {CHANNEL "analysis" MESSAGE, END, START "assistant"}, .answer = CHANNEL "final" MESSAGE,
};

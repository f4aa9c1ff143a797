/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the parsers of calls and reasoning: the first byte says which, the rest is a model's text. However it is
 * cut the result is the same; where no call is found and nothing is thought, every byte that is no white space is content.
 */
#include "runtime/text/tools/tools.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

static void parse(uint8_t which, const struct lm_tool_list *list, const char *s, size_t n, size_t piece, struct lm_said *out)
{
    static const char *const tools[] = {"hermes", "llama3_json", "mistral", "qwen3_coder", "deepseek_v3", "glm45", "kimi_k2", "openai", "pythonic"};
    static const char *const reasoning[] = {"qwen3", "deepseek_r1", "granite"};
    const struct lm_parser_desc d = {
        .tools = lm_tool_syntax_find(tools[which % 9], NULL), .reasoning = which / 9 % 4 ? lm_reasoning_find(reasoning[which / 9 % 4 - 1], NULL) : NULL,
        .list = list, .thinking = (enum lm_thinking)(which / 36 % 3),
    };
    struct lm_parser *p;
    if (lm_parser_create(&d, out, &p, NULL))
        return;
    for (size_t at = 0; at < n; at += piece)
        lm_parser_feed(p, s + at, piece < n - at ? piece : n - at);
    lm_parser_finish(p);
    lm_parser_destroy(p);
}

static bool same(const struct lm_bytes *a, const struct lm_bytes *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static size_t visible(const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        k += !strchr(" \n\t\r", s[i]) || !s[i];
    return k;
}

static void check_loss(uint8_t which, const struct lm_said *said, const char *s, size_t n)
{
    size_t k = 0;
    bool marked = which % 9 == 7 || which % 9 == 4 || which % 9 == 6; /* tags without a call are left out */
    for (size_t i = 0; i < said->n; i++) {
        marked |= said->part[i].kind != LM_SAID_CONTENT;
        k += visible(said->part[i].text.data ? said->part[i].text.data : "", said->part[i].text.len);
    }
    expect(marked || which / 9 % 4 || k == visible(s, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const size_t pieces[] = {1, 3, 17};
    struct lm_tool_param param[] = {{"a", LM_TOOL_STRING}, {"b", LM_TOOL_OTHER}};
    struct lm_tool tool[] = {{"f", param, 2}, {"get_weather", param, 2}};
    const struct lm_tool_list list = {tool, 2};
    struct lm_said whole = {0};
    if (n < 2)
        return 0;
    const char *s = (const char *)data + 1;
    parse(data[0], &list, s, n - 1, n, &whole);
    check_loss(data[0], &whole, s, n - 1);
    for (size_t k = 0; k < 3; k++) {
        struct lm_said cut = {0};
        parse(data[0], &list, s, n - 1, pieces[k], &cut);
        expect(cut.n == whole.n && cut.n_call == whole.n_call && !cut.failed);
        for (size_t i = 0; i < cut.n; i++)
            expect(cut.part[i].kind == whole.part[i].kind && same(&cut.part[i].name, &whole.part[i].name) && same(&cut.part[i].id, &whole.part[i].id) &&
                   same(&cut.part[i].text, &whole.part[i].text));
        lm_said_fini(&cut);
    }
    lm_said_fini(&whole);
    return 0;
}

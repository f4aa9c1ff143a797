/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/parse.h"

#include <stdlib.h>
#include <strings.h>

static struct lm_http_header *find(const struct lm_http_parser *p, const char *name)
{
    for (size_t i = 0; i < p->n_header; i++)
        if (!strcmp(p->header[i].name, name))
            return &p->header[i];
    return NULL;
}

static const char *value_of(const struct lm_http_parser *p, const char *name)
{
    const struct lm_http_header *h = find(p, name);
    return h ? h->value : NULL;
}

static char *skip_string(const char *s)
{
    return (char *)s + strlen(s) + 1;
}

static char *append(char *to, const char *s)
{
    size_t n = strlen(s);
    memcpy(to, s, n + 1);
    return to + n;
}

/* Put the values of all later headers of h's name behind h's own. Returns where the next ones may be joined. */
static char *join_later(struct lm_http_parser *p, struct lm_http_header *h, char *to)
{
    char *end = NULL;
    for (struct lm_http_header *later = h + 1; later < p->header + p->n_header; later++) {
        if (strcmp(h->name, later->name) != 0)
            continue;
        end = append(end ? end : append(to, h->value), ", ");
        end = append(end, later->value);
        later->name = "";
    }
    if (!end)
        return to;
    h->value = to;
    return end + 1;
}

static void join_repeated(struct lm_http_parser *p, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_header; i++) {
        struct lm_http_header *h = &p->header[i];
        if (!*h->name)
            continue;
        to = join_later(p, h, to);
        p->header[n++] = *h;
    }
    p->n_header = n;
}

/*
 * Text has a name and two NULs for each value, so the joined values fit into as many bytes again. One more place
 * than needed is left for a Host that only the target gives.
 */
static bool list_headers(struct lm_http_parser *p)
{
    char *text = realloc(p->text, 2 * p->n_text);
    if (!text)
        return false;
    p->text = text;
    p->header = malloc((p->n_field + 1) * sizeof *p->header);
    if (!p->header)
        return false;
    const char *s = skip_string(skip_string(text));
    for (p->n_header = 0; p->n_header < p->n_field; p->n_header++) {
        const char *value = skip_string(s);
        p->header[p->n_header] = (struct lm_http_header){.name = s, .value = value};
        s = skip_string(value);
    }
    return true;
}

static const char *check_single(const struct lm_http_parser *p)
{
    size_t n_host = 0, n_length = 0;
    for (size_t i = 0; i < p->n_header; i++) {
        n_host += !strcmp(p->header[i].name, "host");
        n_length += !strcmp(p->header[i].name, "content-length");
    }
    if (n_host > 1 || (n_host == 0 && !p->http_1_0))
        return "exactly one Host header is needed";
    return n_length > 1 ? "Content-Length is repeated" : NULL;
}

/* Takes the next element of a comma-separated list: its bytes without spaces around; false at the end. */
static bool next_element(const char **list, const char **out, size_t *out_n)
{
    const char *s = *list;
    if (!s)
        return false;
    s += strspn(s, " \t");
    size_t n = strcspn(s, ",");
    *list = s[n] ? s + n + 1 : NULL;
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    *out = s;
    *out_n = n;
    return true;
}

static bool is(const char *s, size_t n, const char *word)
{
    return n == strlen(word) && !strncasecmp(s, word, n);
}

static enum lm_http_event decide_coding(struct lm_http_parser *p, const char *codings)
{
    const char *s;
    size_t n, n_coding = 0;
    bool last_chunked = false;
    if (p->http_1_0)
        return lm_http_parser_fail(p, 400, "version 1.0 has no Transfer-Encoding");
    if (value_of(p, "content-length"))
        return lm_http_parser_fail(p, 400, "Content-Length and Transfer-Encoding exclude each other");
    while (next_element(&codings, &s, &n)) {
        if (last_chunked || n == 0)
            return lm_http_parser_fail(p, 400, "chunked is not the last transfer coding");
        last_chunked = is(s, n, "chunked");
        n_coding++;
    }
    if (!last_chunked)
        return lm_http_parser_fail(p, 400, "chunked is not the last transfer coding");
    if (n_coding > 1)
        return lm_http_parser_fail(p, 501, "no transfer coding but chunked is implemented");
    p->chunked = p->has_body = true;
    return LM_HTTP_HEAD;
}

static enum lm_http_event decide_length(struct lm_http_parser *p, const char *digits)
{
    uint64_t n = 0;
    bool huge = false;
    if (!*digits || digits[strspn(digits, "0123456789")])
        return lm_http_parser_fail(p, 400, "Content-Length is not a number");
    for (; *digits; digits++) {
        n = n * 10 + (uint64_t)(*digits - '0');
        huge |= n > p->limits->body_bytes;
        n = huge ? 0 : n;
    }
    if (huge)
        return lm_http_parser_fail(p, 413, "the body is too large");
    p->left = n;
    p->has_body = n > 0;
    return LM_HTTP_HEAD;
}

static enum lm_http_event decide_framing(struct lm_http_parser *p)
{
    const char *codings = value_of(p, "transfer-encoding"), *length = value_of(p, "content-length");
    if (codings)
        return decide_coding(p, codings);
    return length ? decide_length(p, length) : LM_HTTP_HEAD;
}

static void decide_connection(struct lm_http_parser *p)
{
    const char *list = value_of(p, "connection"), *s;
    size_t n;
    bool close = false, keep = !p->http_1_0;
    while (next_element(&list, &s, &n)) {
        close |= is(s, n, "close");
        keep |= is(s, n, "keep-alive");
    }
    p->keep_alive = keep && !close;
}

static enum lm_http_event decide_expectation(struct lm_http_parser *p)
{
    const char *list = p->http_1_0 ? NULL : value_of(p, "expect"), *s;
    size_t n;
    while (next_element(&list, &s, &n)) {
        if (n && !is(s, n, "100-continue"))
            return lm_http_parser_fail(p, 417, "no expectation but 100-continue can be met");
        p->expect_continue |= n && p->has_body;
    }
    return LM_HTTP_HEAD;
}

static enum lm_http_event check_encoding(struct lm_http_parser *p)
{
    const char *list = value_of(p, "content-encoding"), *s;
    size_t n;
    while (next_element(&list, &s, &n))
        if (n && !is(s, n, "identity"))
            return lm_http_parser_fail(p, 415, "a request body may not be compressed");
    return LM_HTTP_HEAD;
}

static void set_host(struct lm_http_parser *p, const char *authority)
{
    struct lm_http_header *h = find(p, "host");
    if (!h)
        h = &p->header[p->n_header++];
    *h = (struct lm_http_header){.name = "host", .value = authority};
}

enum lm_http_event lm_http_head_finish(struct lm_http_parser *p)
{
    const char *authority, *why, *host;
    if (!list_headers(p))
        return lm_http_parser_fail(p, 503, "out of memory");
    p->method = p->text;
    if ((why = check_single(p)))
        return lm_http_parser_fail(p, 400, why);
    join_repeated(p, p->text + p->n_text);
    if ((host = value_of(p, "host")) && !lm_http_host_valid(host))
        return lm_http_parser_fail(p, 400, "the Host header is not a host and port");
    if (!strcmp(p->method, "CONNECT"))
        return lm_http_parser_fail(p, 501, "CONNECT is not implemented");
    if ((why = lm_http_target_split(skip_string(p->method), !strcmp(p->method, "OPTIONS"), &p->path, &p->n_plain, &p->query,
                                    &authority)))
        return lm_http_parser_fail(p, 400, why);
    if (authority)
        set_host(p, authority);
    decide_connection(p);
    if (decide_framing(p) != LM_HTTP_HEAD || check_encoding(p) != LM_HTTP_HEAD)
        return LM_HTTP_ERROR;
    return decide_expectation(p);
}

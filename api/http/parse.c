/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/parse.h"

#include <stdlib.h>

enum { MAX_EMPTY_LINES = 4, MAX_METHOD = 32, MAX_SIZE_DIGITS = 16, VERSION_LEN = 8 };

enum state {
    START, START_LF, METHOD, TARGET, VERSION, VERSION_LF,
    FIELD, NAME, VALUE_START, VALUE, VALUE_LF, END_LF,
    BODY,
    SIZE, EXT_BEFORE, EXT_START, EXT_NAME, EXT_NAMED, EXT_EQUALS, EXT_VALUE, EXT_QUOTED, EXT_ESCAPED, EXT_AFTER, SIZE_LF,
    DATA, DATA_CR, DATA_LF,
    DONE, FAILED,
};

void lm_http_parser_init(struct lm_http_parser *p, const struct lm_http_limits *limits)
{
    *p = (struct lm_http_parser){.limits = limits};
}

void lm_http_parser_fini(struct lm_http_parser *p)
{
    free(p->text);
    free(p->header);
    lm_http_parser_init(p, p->limits);
}

void lm_http_parser_reset(struct lm_http_parser *p)
{
    lm_http_parser_fini(p);
}

bool lm_http_parser_begun(const struct lm_http_parser *p)
{
    return p->state > START_LF;
}

enum lm_http_event lm_http_parser_fail(struct lm_http_parser *p, int status, const char *reason)
{
    p->status = status;
    p->reason = reason;
    p->state = FAILED;
    return LM_HTTP_ERROR;
}

static enum lm_http_event go(struct lm_http_parser *p, enum state state)
{
    p->state = (int)state;
    return LM_HTTP_MORE;
}

/* Keep a byte of the head, then go on to state. Trailers are checked like headers, but not kept. */
static enum lm_http_event keep(struct lm_http_parser *p, char c, enum state state)
{
    if (!p->in_trailer) {
        if (p->n_text == p->text_cap) {
            size_t cap = p->text_cap ? p->text_cap * 2 : 512;
            char *text = realloc(p->text, cap);
            if (!text)
                return lm_http_parser_fail(p, 503, "out of memory");
            p->text = text;
            p->text_cap = cap;
        }
        p->text[p->n_text++] = c;
    }
    return go(p, state);
}

static bool is_token(char c)
{
    return lm_http_class[(unsigned char)c] & LM_HTTP_TOKEN;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

static enum lm_http_event start_byte(struct lm_http_parser *p, char c)
{
    if (p->state == START_LF || c == '\r') {
        if (c != (p->state == START_LF ? '\n' : '\r') || p->n_token++ == 2 * MAX_EMPTY_LINES)
            return lm_http_parser_fail(p, 400, "the request line is malformed");
        return go(p, p->state == START ? START_LF : START);
    }
    if (!is_token(c))
        return lm_http_parser_fail(p, 400, "the request line is malformed");
    p->n_token = p->n_raw = 1;
    return keep(p, c, METHOD);
}

static enum lm_http_event method_byte(struct lm_http_parser *p, char c)
{
    if (c == ' ') {
        p->n_token = 0;
        p->is_head = p->n_text == 4 && !memcmp(p->text, "HEAD", 4);
        return keep(p, 0, TARGET);
    }
    if (!is_token(c))
        return lm_http_parser_fail(p, 400, "the method is malformed");
    if (p->n_token++ == MAX_METHOD)
        return lm_http_parser_fail(p, 501, "the method is not implemented");
    return keep(p, c, METHOD);
}

static enum lm_http_event target_byte(struct lm_http_parser *p, char c)
{
    if (c == ' ' && p->n_token > 0) {
        p->n_token = 0;
        return keep(p, 0, VERSION);
    }
    if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7f)
        return lm_http_parser_fail(p, 400, "the request line is malformed");
    if (p->n_token++ == p->limits->target_bytes)
        return lm_http_parser_fail(p, 414, "the request target is too long");
    return keep(p, c, TARGET);
}

static enum lm_http_event version_byte(struct lm_http_parser *p, char c)
{
    static const char pattern[] = "HTTP/0.0\r";
    bool digit = c >= '0' && c <= '9';
    if (pattern[p->n_token] == '0' ? !digit : c != pattern[p->n_token])
        return lm_http_parser_fail(p, 400, "the HTTP version is malformed");
    if (p->n_token == 5 && c != '1')
        p->status = 505;
    if (p->n_token == 7)
        p->http_1_0 = c == '0';
    return go(p, p->n_token++ == VERSION_LEN ? VERSION_LF : VERSION);
}

static enum lm_http_event field_byte(struct lm_http_parser *p, char c)
{
    if (c == '\r')
        return go(p, END_LF);
    if (is_space(c))
        return lm_http_parser_fail(p, 400, "a folded header line");
    if (!is_token(c))
        return lm_http_parser_fail(p, 400, "a header name is malformed");
    if (p->n_field++ == p->limits->n_header)
        return lm_http_parser_fail(p, 431, "too many headers");
    return keep(p, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c, NAME);
}

static enum lm_http_event name_byte(struct lm_http_parser *p, char c)
{
    if (c == ':')
        return keep(p, 0, VALUE_START);
    if (!is_token(c))
        return lm_http_parser_fail(p, 400, "a header name is malformed");
    return keep(p, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c, NAME);
}

static enum lm_http_event value_byte(struct lm_http_parser *p, char c)
{
    if (c == '\r') {
        while (!p->in_trailer && is_space(p->text[p->n_text - 1]))
            p->n_text--;
        return keep(p, 0, VALUE_LF);
    }
    if (!is_text(c))
        return lm_http_parser_fail(p, 400, "a header value has a control character");
    return p->state == VALUE_START && is_space(c) ? LM_HTTP_MORE : keep(p, c, VALUE);
}

static enum lm_http_event head_end(struct lm_http_parser *p)
{
    if (p->in_trailer) {
        p->state = DONE;
        return LM_HTTP_DONE;
    }
    enum lm_http_event event = lm_http_head_finish(p);
    if (event == LM_HTTP_HEAD)
        p->state = p->chunked ? SIZE : p->has_body ? BODY : DONE;
    p->n_token = 0;
    return event;
}

static enum lm_http_event line_feed(struct lm_http_parser *p, char c)
{
    if (c != '\n')
        return lm_http_parser_fail(p, 400, "a carriage return without a line feed");
    if (p->state == VERSION_LF && p->status == 505)
        return lm_http_parser_fail(p, 505, "only versions 1.0 and 1.1 of HTTP are spoken here");
    return p->state == END_LF ? head_end(p) : go(p, FIELD);
}

static enum lm_http_event head_byte(struct lm_http_parser *p, char c)
{
    if (p->state > START_LF && p->n_raw++ == p->limits->head_bytes)
        return lm_http_parser_fail(p, p->state < VERSION_LF ? 414 : 431, "the head is too large");
    switch (p->state) {
    case START:
    case START_LF:
        return start_byte(p, c);
    case METHOD:
        return method_byte(p, c);
    case TARGET:
        return target_byte(p, c);
    case VERSION:
        return version_byte(p, c);
    case FIELD:
        return field_byte(p, c);
    case NAME:
        return name_byte(p, c);
    case VALUE_START:
    case VALUE:
        return value_byte(p, c);
    default:
        return line_feed(p, c);
    }
}

static enum lm_http_event size_byte(struct lm_http_parser *p, char c)
{
    char low = (char)(c | 0x20);
    bool digit = c >= '0' && c <= '9', letter = low >= 'a' && low <= 'f';
    if (digit || letter) {
        if (p->n_token++ == MAX_SIZE_DIGITS)
            return lm_http_parser_fail(p, 400, "a chunk size is too long");
        p->left = p->left << 4 | (uint64_t)(digit ? c - '0' : low - 'a' + 10);
        return LM_HTTP_MORE;
    }
    if (p->n_token > 0 && (c == '\r' || c == ';' || is_space(c)))
        return go(p, c == '\r' ? SIZE_LF : c == ';' ? EXT_START : EXT_BEFORE);
    return lm_http_parser_fail(p, 400, "a chunk size is malformed");
}

/* chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static enum state ext_next(enum state s, char c)
{
    if (s == EXT_ESCAPED || (s == EXT_QUOTED && c != '"'))
        return !is_text(c) ? FAILED : s == EXT_QUOTED && c == '\\' ? EXT_ESCAPED : EXT_QUOTED;
    if (is_space(c))
        return s == EXT_NAME ? EXT_NAMED : s == EXT_VALUE || s == EXT_AFTER ? EXT_BEFORE : s;
    if (is_token(c) && (s == EXT_START || s == EXT_NAME))
        return EXT_NAME;
    if (is_token(c) && (s == EXT_EQUALS || s == EXT_VALUE))
        return EXT_VALUE;
    if (c == '"' && (s == EXT_EQUALS || s == EXT_QUOTED))
        return s == EXT_EQUALS ? EXT_QUOTED : EXT_AFTER;
    if (c == '=' && (s == EXT_NAME || s == EXT_NAMED))
        return EXT_EQUALS;
    if (c == ';' && s != EXT_START && s != EXT_EQUALS)
        return EXT_START;
    return c == '\r' && (s == EXT_NAME || s == EXT_VALUE || s == EXT_AFTER) ? SIZE_LF : FAILED;
}

static enum lm_http_event ext_byte(struct lm_http_parser *p, char c)
{
    enum state next = ext_next((enum state)p->state, c);
    if (next == FAILED)
        return lm_http_parser_fail(p, 400, "a chunk extension is malformed");
    if (p->n_ext++ >= p->limits->head_bytes + p->n_body)
        return lm_http_parser_fail(p, 400, "chunk extensions are too long");
    return go(p, next);
}

static enum lm_http_event size_end(struct lm_http_parser *p, char c)
{
    if (c != '\n')
        return lm_http_parser_fail(p, 400, "a carriage return without a line feed");
    if (p->n_body > p->limits->body_bytes || p->left > p->limits->body_bytes - p->n_body)
        return lm_http_parser_fail(p, 413, "the body is too large");
    if (p->left > 0)
        return go(p, DATA);
    p->in_trailer = true;
    p->n_raw = p->n_field = 0;
    return go(p, FIELD);
}

static enum lm_http_event chunk_byte(struct lm_http_parser *p, char c)
{
    if (p->state == SIZE)
        return size_byte(p, c);
    if (p->state == SIZE_LF)
        return size_end(p, c);
    if (p->state < SIZE_LF)
        return ext_byte(p, c);
    if (c != (p->state == DATA_CR ? '\r' : '\n'))
        return lm_http_parser_fail(p, 400, "a chunk is longer than its size");
    p->n_token = 0;
    return go(p, p->state == DATA_CR ? DATA_LF : SIZE);
}

static enum lm_http_event body_bytes(struct lm_http_parser *p, const char *data, size_t n, size_t *used)
{
    p->piece = data;
    p->n_piece = n < p->left ? n : (size_t)p->left;
    p->left -= p->n_piece;
    p->n_body += p->n_piece;
    *used += p->n_piece;
    if (p->left == 0)
        p->state = p->chunked ? DATA_CR : DONE;
    return LM_HTTP_BODY;
}

enum lm_http_event lm_http_parser_feed(struct lm_http_parser *p, const char *data, size_t n, size_t *used)
{
    enum lm_http_event event = LM_HTTP_MORE;
    *used = 0;
    while (event == LM_HTTP_MORE) {
        if (p->state == DONE)
            return LM_HTTP_DONE;
        if (p->state == FAILED)
            return LM_HTTP_ERROR;
        if (*used == n)
            break;
        if (p->state == BODY || p->state == DATA)
            return body_bytes(p, data + *used, n - *used, used);
        char c = data[(*used)++];
        event = p->state < BODY ? head_byte(p, c) : chunk_byte(p, c);
    }
    return event;
}

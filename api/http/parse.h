/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_HTTP_PARSE_H
#define LM_API_HTTP_PARSE_H
/**
 * HTTP/1.x requests: bytes in, events out. It knows nothing of sockets, and how the bytes were cut into pieces
 * never changes what comes out.
 *
 * Where RFC 9112 lets a recipient be lenient this one refuses, so that nobody before or behind it can read the
 * same bytes another way: a line ends in CR LF only, folded lines, space before the colon, repeated
 * Content-Length and Content-Length beside Transfer-Encoding are 400.
 *
 * Owns     the head and its header list, until reset or fini
 * Thread   [any], one at a time
 * Source   RFC 9110, 9112, 3986
 */
#include "api/http/http.h"

enum lm_http_event {
    LM_HTTP_MORE,  /* every byte was taken */
    LM_HTTP_HEAD,  /* the head is proven: method .. expect_continue hold */
    LM_HTTP_BODY,  /* piece[0..n_piece) of the body, inside the bytes that were fed */
    LM_HTTP_DONE,  /* the request is whole; what follows is the next one's: reset first */
    LM_HTTP_ERROR, /* answer status with reason and close; stays so until reset */
};

struct lm_http_parser {
    const struct lm_http_limits *limits; /* every field set; head_bytes, target_bytes, body_bytes and n_header are used */

    const char *method, *path, *query;   /* as in struct lm_http_req; path is "*" for OPTIONS of the server */
    size_t n_plain;                      /* as in struct lm_http_req */
    struct lm_http_header *header;       /* each name once, repeated ones joined; host is the target's if that has one */
    size_t n_header;
    bool is_head;                        /* the method is HEAD; holds from the end of the method on */
    bool http_1_0, keep_alive, expect_continue;
    bool has_body;                       /* some bytes may follow: length above 0, or chunked */

    const char *piece;
    size_t n_piece;

    int status;
    const char *reason;

    int state; /* from here on the parser's own */
    bool chunked, in_trailer;
    char *text; /* "method\0target\0name\0value\0…", then the joined values of repeated headers */
    size_t n_text, text_cap;
    size_t n_token, n_raw, n_field, n_ext;
    uint64_t left, n_body; /* of this chunk or body; of the body so far */
};

void lm_http_parser_init(struct lm_http_parser *p, const struct lm_http_limits *limits);
void lm_http_parser_fini(struct lm_http_parser *p);
/** Forget the request and expect the first byte of the next one. */
void lm_http_parser_reset(struct lm_http_parser *p);
/** A byte of a request was seen since reset: empty lines before it do not count. */
bool lm_http_parser_begun(const struct lm_http_parser *p);

/** Take bytes up to the next event. *used says how many; data is not kept. */
enum lm_http_event lm_http_parser_feed(struct lm_http_parser *p, const char *data, size_t n, size_t *used);

/** Refuse the request: always returns LM_HTTP_ERROR. The parts of the parser below use it. */
enum lm_http_event lm_http_parser_fail(struct lm_http_parser *p, int status, const char *reason);

/** head.c: turn text into fields, decide framing, connection and expectation. Returns HEAD or ERROR. */
enum lm_http_event lm_http_head_finish(struct lm_http_parser *p);

/**
 * target.c: split a request target in place.
 *
 * asterisk   "*" is allowed (OPTIONS), and what "http://host" means
 * out_plain  bytes of the path before its first escaped slash
 * out_authority  of an absolute-form target; NULL if it has none
 * Returns  NULL, or what is wrong with it
 */
const char *lm_http_target_split(char *target, bool asterisk, const char **out_path, size_t *out_plain, const char **out_query,
                                 const char **out_authority);
/** Value of a Host header: host and optional port; empty is legal (RFC 9110 7.2). */
bool lm_http_host_valid(const char *s);

/** What a byte may stand in; index it by unsigned char. */
enum { LM_HTTP_TOKEN = 1, LM_HTTP_REGNAME = 2, LM_HTTP_PATH = 4, LM_HTTP_QUERY = 8 };
extern const unsigned char lm_http_class[256];
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/parse.h"
#include "runtime/base/utf8.h"

#include <arpa/inet.h>
#include <strings.h>

enum { UNRESERVED = LM_HTTP_REGNAME | LM_HTTP_PATH | LM_HTTP_QUERY };

const unsigned char lm_http_class[256] = {
    ['0' ... '9'] = LM_HTTP_TOKEN | UNRESERVED,
    ['A' ... 'Z'] = LM_HTTP_TOKEN | UNRESERVED,
    ['a' ... 'z'] = LM_HTTP_TOKEN | UNRESERVED,
    ['-'] = LM_HTTP_TOKEN | UNRESERVED,
    ['.'] = LM_HTTP_TOKEN | UNRESERVED,
    ['_'] = LM_HTTP_TOKEN | UNRESERVED,
    ['~'] = LM_HTTP_TOKEN | UNRESERVED,
    ['!'] = LM_HTTP_TOKEN | UNRESERVED,
    ['$'] = LM_HTTP_TOKEN | UNRESERVED,
    ['&'] = LM_HTTP_TOKEN | UNRESERVED,
    ['\''] = LM_HTTP_TOKEN | UNRESERVED,
    ['*'] = LM_HTTP_TOKEN | UNRESERVED,
    ['+'] = LM_HTTP_TOKEN | UNRESERVED,
    ['%'] = LM_HTTP_TOKEN | UNRESERVED,
    ['#'] = LM_HTTP_TOKEN,
    ['^'] = LM_HTTP_TOKEN,
    ['`'] = LM_HTTP_TOKEN,
    ['|'] = LM_HTTP_TOKEN,
    ['('] = UNRESERVED,
    [')'] = UNRESERVED,
    [','] = UNRESERVED,
    [';'] = UNRESERVED,
    ['='] = UNRESERVED,
    [':'] = LM_HTTP_PATH | LM_HTTP_QUERY,
    ['@'] = LM_HTTP_PATH | LM_HTTP_QUERY,
    ['/'] = LM_HTTP_PATH | LM_HTTP_QUERY,
    ['?'] = LM_HTTP_QUERY,
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at s stands for, or -1. */
static int unescape(const char *s)
{
    int hi = hex(s[1]), lo = hi < 0 ? -1 : hex(s[2]);
    return lo < 0 ? -1 : hi << 4 | lo;
}

static bool made_of(const char *s, unsigned char class)
{
    for (; *s; s++)
        if (!(lm_http_class[(unsigned char)*s] & class) || (*s == '%' && unescape(s) < 0))
            return false;
    return true;
}

static bool port_valid(const char *s)
{
    unsigned port = 0;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        port = port * 10 + (unsigned)(*s - '0');
        if (port > UINT16_MAX)
            return false;
    }
    return true;
}

bool lm_http_host_valid(const char *s)
{
    char host[256];
    const char *end = s + strcspn(s, *s == '[' ? "]" : ":");
    size_t n = (size_t)(end - s);
    if (n >= sizeof host)
        return false;
    memcpy(host, s, n);
    host[n] = 0;
    if (*s == '[') {
        struct in6_addr addr;
        return *end++ == ']' && inet_pton(AF_INET6, host + 1, &addr) == 1 && (!*end || (*end == ':' && port_valid(end + 1)));
    }
    return made_of(host, LM_HTTP_REGNAME) && (!*end || (n && port_valid(end + 1)));
}

/* One pass, once: an escaped '%' stays a '%'. An escaped slash becomes one, and out_plain tells where the first stands. */
static const char *decode_path(char *path, size_t *out_plain)
{
    if (!made_of(path, LM_HTTP_PATH))
        return "the path has an invalid character or escape";
    char *out = path, *plain = NULL;
    for (const char *s = path; *s; s++) {
        int c = (unsigned char)*s;
        if (c == '%') {
            c = unescape(s);
            s += 2;
            if (c < 0x20 || c == 0x7f)
                return "the path has an escaped control character";
            if (c == '/' && !plain)
                plain = out;
        }
        *out++ = (char)c;
    }
    *out = 0;
    *out_plain = (size_t)((plain ? plain : out) - path);
    return lm_utf8_valid(path, (size_t)(out - path)) ? NULL : "the path is not UTF-8";
}

static const char *check_segments(const char *path)
{
    for (const char *s = path; *s;) {
        size_t n = strcspn(++s, "/");
        if ((n == 0 && s[n]) || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return "the path has an empty or dot segment";
        s += n;
    }
    return NULL;
}

/* Moves the authority to the front, over the scheme, so that it can be terminated before the path begins. */
static const char *take_authority(char **target)
{
    char *s = *target;
    size_t skip = !strncasecmp(s, "http://", 7) ? 7 : !strncasecmp(s, "https://", 8) ? 8 : 0;
    if (!skip)
        return NULL;
    size_t n = strcspn(s + skip, "/?#");
    memmove(s, s + skip, n);
    s[n] = 0;
    *target = s + skip + n;
    return n && lm_http_host_valid(s) ? s : NULL;
}

const char *lm_http_target_split(char *target, bool asterisk, const char **out_path, size_t *out_plain, const char **out_query,
                                 const char **out_authority)
{
    const char *authority = NULL, *why;
    char *rest = target;
    if (*target != '/' && strcmp(target, "*") != 0) {
        authority = take_authority(&rest);
        if (!authority)
            return "the request target is neither a path nor an http URI with a valid host";
    }
    char *query = strchr(rest, '?');
    if (query)
        *query++ = 0;
    const char *path = *rest ? rest : asterisk && !query ? "*" : "/";
    if (!strcmp(path, "*") && !asterisk)
        return "the request target '*' is for OPTIONS only";
    size_t plain = strlen(path);
    if (path == rest && *path != '*' && ((why = decode_path(rest, &plain)) || (why = check_segments(rest))))
        return why;
    if (query && !made_of(query, LM_HTTP_QUERY))
        return "the query has an invalid character or escape";
    *out_path = path;
    *out_plain = plain;
    *out_query = query ? query : "";
    *out_authority = authority;
    return NULL;
}

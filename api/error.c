/* SPDX-License-Identifier: Apache-2.0 */
#include "api/error.h"
#include "runtime/base/utf8.h"

#include <ctype.h>

static const struct { int status; const char *type; } types[] = {
    {400, "BadRequestError"},
    {401, "AuthenticationError"},
    {403, "PermissionDeniedError"},
    {404, "NotFoundError"},
    {405, "MethodNotAllowedError"},
    {412, "PreconditionFailedError"},
    {415, "UnsupportedMediaTypeError"},
    {429, "RateLimitError"},
    {501, "NotImplementedError"},
    {503, "ServiceUnavailableError"},
};

static const struct { int code, status; bool show; } codes[] = {
    {LM_EINVAL, 400, true},
    {LM_ELIMIT, 400, true},
    {LM_EFORMAT, 400, true},
    {LM_EUNSUPPORTED, 501, true},
    {LM_ENOTFOUND, 404, true},
    {LM_EBUSY, 429, false},
    {LM_ENOMEM, 503, false},
    {LM_EDEVICE, 503, false},
    {LM_ETIMEOUT, 503, false},
};

const char *lm_api_error_type(int status)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].status == status)
            return types[i].type;
    return "InternalServerError";
}

/* Cut or foreign characters become '?'. */
static void make_well_formed(char *s)
{
    size_t n = strlen(s);
    uint32_t c;
    for (int len; n; s += len, n -= (size_t)len) {
        len = lm_utf8_decode(s, n, &c);
        if (len > 0)
            continue;
        *s = '?';
        len = 1;
    }
}

static int fill(struct lm_api_error *e, int status, const char *param, const char *tail, const char *fmt, va_list ap)
{
    int n = vsnprintf(e->message, sizeof e->message, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof e->message)
        snprintf(e->message + n, sizeof e->message - (size_t)n, "%s", tail);
    make_well_formed(e->message);
    snprintf(e->param, sizeof e->param, "%s", param ? param : "");
    e->status = status;
    return LM_EINVAL;
}

int lm_api_fail(struct lm_api_error *e, int status, const char *param, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = fill(e, status, param, "", fmt, ap);
    va_end(ap);
    return rc;
}

int lm_api_no_memory(struct lm_api_error *e)
{
    return lm_api_fail(e, 503, NULL, "The server is out of memory; try again later.");
}

int lm_api_bad(struct lm_api_error *e, const char *param, const char *fmt, ...)
{
    char tail[96];
    va_list ap;
    snprintf(tail, sizeof tail, " (parameter=%s)", param);
    va_start(ap, fmt);
    int rc = fill(e, 400, param, tail, fmt, ap);
    va_end(ap);
    return rc;
}

int lm_api_bad_int(struct lm_api_error *e, const char *param, int64_t value, const char *fmt, ...)
{
    char tail[96];
    va_list ap;
    snprintf(tail, sizeof tail, " (parameter=%s, value=%lld)", param, (long long)value);
    va_start(ap, fmt);
    int rc = fill(e, 400, param, tail, fmt, ap);
    va_end(ap);
    return rc;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

void lm_api_rename(struct lm_api_error *e, const char *ours, const char *theirs)
{
    struct lm_api_error old = *e;
    size_t n = strlen(ours), used = 0;
    if (strcmp(e->param, ours) != 0)
        return;
    snprintf(e->param, sizeof e->param, "%s", theirs);
    for (const char *s = old.message; *s && used < sizeof e->message;) {
        bool named = strncmp(s, ours, n) == 0 && (s == old.message || !is_word(s[-1])) && !is_word(s[n]) && s[n] != '[';
        used += (size_t)snprintf(e->message + used, sizeof e->message - used, "%.*s", named ? (int)strlen(theirs) : 1, named ? theirs : s);
        s += named ? n : 1;
    }
    make_well_formed(e->message);
}

int lm_api_fail_err(struct lm_api_error *e, const struct lm_err *err)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].code != err->code)
            continue;
        if (codes[i].show)
            return lm_api_fail(e, codes[i].status, NULL, "%s", err->msg);
        const char *who = codes[i].status == 429 ? "The server is busy" : "The engine is not available";
        return lm_api_fail(e, codes[i].status, NULL, "%s; try again later.", who);
    }
    return lm_api_fail(e, 500, NULL, "Internal server error.");
}

static const struct { int status; const char *type; } anthropic_types[] = {
    {400, "invalid_request_error"}, {401, "authentication_error"}, {403, "permission_error"}, {404, "not_found_error"},
    {405, "invalid_request_error"}, {413, "request_too_large"}, {415, "invalid_request_error"}, {429, "rate_limit_error"},
    {501, "invalid_request_error"}, {503, "overloaded_error"},
};

static void write_anthropic(const struct lm_api_error *e, struct lm_bytes *out)
{
    const char *type = "api_error";
    for (size_t i = 0; i < sizeof anthropic_types / sizeof *anthropic_types; i++)
        if (anthropic_types[i].status == e->status)
            type = anthropic_types[i].type;
    lm_bytes_addf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"", type);
    lm_bytes_add_json(out, e->message, strlen(e->message));
    lm_bytes_add_str(out, "\"}}");
}

static void write_ollama(const struct lm_api_error *e, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "{\"error\":\"");
    lm_bytes_add_json(out, e->message, strlen(e->message));
    lm_bytes_add_str(out, "\"}");
}

void lm_api_error_write(const struct lm_api_error *e, enum lm_error_style style, struct lm_bytes *out)
{
    if (style == LM_ERROR_ANTHROPIC)
        return write_anthropic(e, out);
    if (style == LM_ERROR_OLLAMA)
        return write_ollama(e, out);
    lm_bytes_add_str(out, "{\"error\":{\"message\":\"");
    lm_bytes_add_json(out, e->message, strlen(e->message));
    lm_bytes_addf(out, "\",\"type\":\"%s\",\"param\":", lm_api_error_type(e->status));
    if (e->param[0]) {
        lm_bytes_add_char(out, '"');
        lm_bytes_add_json(out, e->param, strlen(e->param));
        lm_bytes_add_char(out, '"');
    } else {
        lm_bytes_add_str(out, "null");
    }
    lm_bytes_addf(out, ",\"code\":%d}}", e->status);
}

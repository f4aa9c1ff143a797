/* SPDX-License-Identifier: Apache-2.0 */
#include "api/trace.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* n lower-case hexadecimal digits, not all zero. */
static bool is_id(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") >= n && strspn(s, "0") < n;
}

static bool is_hex(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") >= n;
}

/* version "-" trace-id "-" parent-id "-" flags; what a later version adds follows another '-'. */
static bool parse(struct lm_trace *t, const char *s)
{
    if (!s || strlen(s) < LM_TRACEPARENT_BYTES - 1 || !is_hex(s, 2) || strncmp(s, "ff", 2) == 0)
        return false;
    if (s[2] != '-' || !is_id(s + 3, 32) || s[35] != '-' || !is_id(s + 36, 16) || s[52] != '-' || !is_hex(s + 53, 2))
        return false;
    if (s[55] && (s[55] != '-' || strncmp(s, "00", 2) == 0))
        return false;
    memcpy(t->trace_id, s + 3, 32);
    memcpy(t->parent_id, s + 36, 16);
    t->sampled = (s[54] <= '9' ? s[54] - '0' : s[54] - 'a' + 10) & 1;
    return true;
}

void lm_trace_begin(struct lm_trace *t, const char *traceparent)
{
    uint64_t r[3] = {0};
    *t = (struct lm_trace){.sampled = true};
    if (getrandom(r, sizeof r, 0) != sizeof r)
        r[0] = (uint64_t)(uintptr_t)t;
    if (!parse(t, traceparent))
        snprintf(t->trace_id, sizeof t->trace_id, "%016llx%016llx", (unsigned long long)r[0] | 1, (unsigned long long)r[1]);
    snprintf(t->span_id, sizeof t->span_id, "%016llx", (unsigned long long)r[2] | 1);
}

void lm_trace_parent(const struct lm_trace *t, char out[LM_TRACEPARENT_BYTES])
{
    snprintf(out, LM_TRACEPARENT_BYTES, "00-%s-%s-%02x", t->trace_id, t->span_id, t->sampled);
}

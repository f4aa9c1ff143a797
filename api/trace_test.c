/* SPDX-License-Identifier: Apache-2.0 */
#include "api/trace.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

START_TEST(test_api_trace__goes_on_with_the_callers)
{
    struct lm_trace t;
    char header[LM_TRACEPARENT_BYTES], want[LM_TRACEPARENT_BYTES];
    lm_trace_begin(&t, "00-" TRACE "-" PARENT "-01");
    ck_assert_str_eq(t.trace_id, TRACE);
    ck_assert_str_eq(t.parent_id, PARENT);
    ck_assert(t.sampled);
    ck_assert_str_ne(t.span_id, PARENT);
    lm_trace_parent(&t, header);
    snprintf(want, sizeof want, "00-" TRACE "-%s-01", t.span_id);
    ck_assert_str_eq(header, want);
}
END_TEST

START_TEST(test_api_trace__the_caller_decides_whether_it_is_sampled)
{
    struct lm_trace t;
    lm_trace_begin(&t, "00-" TRACE "-" PARENT "-00");
    ck_assert(!t.sampled);
    lm_trace_begin(&t, "00-" TRACE "-" PARENT "-ff");
    ck_assert(t.sampled);
    lm_trace_begin(&t, "cc-" TRACE "-" PARENT "-01-what.comes");
    ck_assert_str_eq(t.trace_id, TRACE);
}
END_TEST

START_TEST(test_api_trace__begins_one_for_what_is_none)
{
    static const char *const bad[] = {
        NULL, "", "00", "00-" TRACE "-" PARENT, "ff-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-01-more", "00-" TRACE "-" PARENT "-0g",
        "00-00000000000000000000000000000000-" PARENT "-01", "00-" TRACE "-0000000000000000-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
        "00_" TRACE "_" PARENT "_01", "00-" TRACE "-" PARENT "-01.", "0-" TRACE "-" PARENT "-011",
    };
    struct lm_trace t, other;
    lm_trace_begin(&other, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_trace_begin(&t, bad[i]);
        ck_assert_uint_eq(strlen(t.trace_id), 32);
        ck_assert_uint_eq(strlen(t.span_id), 16);
        ck_assert_str_ne(t.trace_id, TRACE);
        ck_assert_str_ne(t.trace_id, other.trace_id);
        ck_assert_str_eq(t.parent_id, "");
        ck_assert(t.sampled);
    }
}
END_TEST

SUITE_MAIN("api/trace", test_api_trace__goes_on_with_the_callers, test_api_trace__the_caller_decides_whether_it_is_sampled,
           test_api_trace__begins_one_for_what_is_none)

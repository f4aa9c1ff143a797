/* SPDX-License-Identifier: Apache-2.0 */
#include "api/supervisor.h"
#include "tests/suite.h"

#include <stdlib.h>

static size_t n_left; /* allocations of libevent until one fails; 0: none does */

static void *allocate(size_t bytes)
{
    return n_left && --n_left == 0 ? NULL : malloc(bytes);
}

START_TEST(test_api_channel__an_engine_whose_events_find_no_memory_ends)
{
    static const struct lm_supervisor_events events;
    char *const flag[] = {NULL};
    const struct lm_supervisor_desc desc = {.program = "/bin/true", .flag = flag, .name = "m", .events = &events};
    size_t n_refused = 0;
    bool failed = true;
    event_set_mem_functions(allocate, realloc, free);
    for (size_t nth = 1; failed; nth++) {
        struct event_base *base = event_base_new();
        struct lm_supervisor *s = NULL;
        n_left = nth;
        int rc = lm_supervisor_create(base, &desc, &s, NULL);
        failed = n_left == 0;
        n_left = 0;
        ck_assert(rc == 0 ? s != NULL : rc == LM_ENOMEM && !s);
        n_refused += rc != 0;
        lm_supervisor_destroy(s);
        event_base_free(base);
    }
    ck_assert_uint_ge(n_refused, 5); /* each of its events */
}
END_TEST

SUITE_MAIN("api/channel", test_api_channel__an_engine_whose_events_find_no_memory_ends)

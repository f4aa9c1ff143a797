/* SPDX-License-Identifier: Apache-2.0 */
#include "api/fleet.h"
#include "tests/suite.h"

#define S 1000000u /* a second */

enum { N = 20 };

static struct lm_fleet_model model[N];
static struct lm_fleet fleet;

static void init(size_t n, size_t max)
{
    for (size_t i = 0; i < N; i++)
        model[i] = (struct lm_fleet_model){0};
    lm_fleet_init(&fleet, model, n, max);
}

static void expect(uint64_t now, enum lm_fleet_act want, size_t want_model)
{
    size_t i = SIZE_MAX;
    ck_assert_int_eq(lm_fleet_next(&fleet, now, &i), want);
    if (want != LM_FLEET_NOTHING)
        ck_assert_uint_eq(i, want_model);
}

/* Load it in the second from now. */
static void load(size_t i, uint64_t now)
{
    lm_fleet_wait(&model[i], now);
    expect(now, LM_FLEET_LOAD, i);
    lm_fleet_loaded(&model[i], now + S);
    lm_fleet_unwait(&model[i], 0);
}

START_TEST(test_api_fleet__a_model_is_loaded_when_a_request_waits)
{
    init(2, 0);
    expect(0, LM_FLEET_NOTHING, 0);
    ck_assert(lm_fleet_due(&fleet, 0) == UINT64_MAX);
    lm_fleet_wait(&model[1], 5);
    expect(5, LM_FLEET_LOAD, 1);
    expect(5, LM_FLEET_NOTHING, 0);
    ck_assert(!lm_fleet_takes(&model[1]));
    lm_fleet_loaded(&model[1], 9);
    ck_assert(lm_fleet_takes(&model[1]));
}
END_TEST

START_TEST(test_api_fleet__who_waits_longest_is_first)
{
    init(3, 1);
    load(0, 0);
    lm_fleet_wait(&model[2], 3 * S);
    lm_fleet_wait(&model[1], 4 * S);
    expect(4 * S, LM_FLEET_UNLOAD, 0);
    expect(4 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_gone(&model[0]);
    expect(5 * S, LM_FLEET_LOAD, 2);
    expect(5 * S, LM_FLEET_NOTHING, 0);
}
END_TEST

START_TEST(test_api_fleet__the_idle_one_used_longest_ago_makes_room)
{
    init(4, 3);
    for (size_t i = 0; i < 3; i++)
        load(i, i * S);
    lm_fleet_hold(&model[0]);
    lm_fleet_release(&model[0], 9 * S);
    lm_fleet_hold(&model[1]);
    lm_fleet_wait(&model[3], 10 * S);
    expect(10 * S, LM_FLEET_UNLOAD, 2);
    expect(10 * S, LM_FLEET_NOTHING, 0);
    ck_assert(model[1].state == LM_FLEET_LOADED);
}
END_TEST

START_TEST(test_api_fleet__a_busy_one_serves_as_long_as_its_load_took_and_then_only_finishes)
{
    init(2, 1);
    load(0, 0); /* until 1 s */
    lm_fleet_hold(&model[0]);
    lm_fleet_wait(&model[1], S);
    expect(S, LM_FLEET_NOTHING, 0);
    ck_assert(lm_fleet_takes(&model[0]));
    ck_assert_uint_eq(lm_fleet_due(&fleet, S), 2 * S);
    expect(2 * S, LM_FLEET_NOTHING, 0);
    ck_assert(!lm_fleet_takes(&model[0]));
    lm_fleet_wait(&model[0], 2 * S);
    expect(3 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_release(&model[0], 3 * S);
    expect(3 * S, LM_FLEET_UNLOAD, 0);
    lm_fleet_gone(&model[0]);
    expect(3 * S, LM_FLEET_LOAD, 1);
}
END_TEST

START_TEST(test_api_fleet__a_closed_one_opens_when_nobody_needs_its_place)
{
    init(2, 1);
    load(0, 0);
    lm_fleet_hold(&model[0]);
    lm_fleet_wait(&model[1], 2 * S);
    expect(2 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_wait(&model[0], 2 * S);
    lm_fleet_unwait(&model[1], 0);
    expect(3 * S, LM_FLEET_OPEN, 0);
    ck_assert(lm_fleet_takes(&model[0]));
}
END_TEST

START_TEST(test_api_fleet__an_idle_timeout_unloads)
{
    init(1, 0);
    model[0].idle_us = 10 * S;
    load(0, 0);
    ck_assert_uint_eq(lm_fleet_due(&fleet, S), 11 * S);
    expect(10 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_hold(&model[0]);
    expect(20 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_release(&model[0], 20 * S);
    expect(29 * S, LM_FLEET_NOTHING, 0);
    expect(30 * S, LM_FLEET_UNLOAD, 0);
}
END_TEST

START_TEST(test_api_fleet__what_does_not_fit_beside_others_makes_them_go)
{
    init(3, 0);
    load(0, 0);
    load(1, 5 * S);
    lm_fleet_wait(&model[2], 10 * S);
    expect(10 * S, LM_FLEET_LOAD, 2);
    ck_assert(!lm_fleet_failed(&fleet, 2, true, 10 * S));
    expect(10 * S, LM_FLEET_UNLOAD, 0);
    expect(10 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_gone(&model[0]);
    expect(10 * S, LM_FLEET_LOAD, 2);
    ck_assert(!lm_fleet_failed(&fleet, 2, true, 11 * S));
    expect(11 * S, LM_FLEET_UNLOAD, 1);
    lm_fleet_gone(&model[1]);
    expect(11 * S, LM_FLEET_LOAD, 2);
    ck_assert(lm_fleet_failed(&fleet, 2, true, 12 * S));
}
END_TEST

START_TEST(test_api_fleet__what_failed_is_not_tried_at_once_and_a_wish_may_outlive_it)
{
    init(2, 0);
    lm_fleet_wait(&model[0], 0);
    expect(0, LM_FLEET_LOAD, 0);
    ck_assert(lm_fleet_failed(&fleet, 0, false, S));
    lm_fleet_unwait(&model[0], 0);
    ck_assert(lm_fleet_refuses(&model[0], S) && !lm_fleet_refuses(&model[0], 2 * S));
    lm_fleet_wait(&model[0], 2 * S);
    expect(2 * S, LM_FLEET_LOAD, 0);
    ck_assert(lm_fleet_failed(&fleet, 0, false, 3 * S));
    ck_assert(lm_fleet_refuses(&model[0], 4 * S)); /* longer now */
    model[1].retries = true;
    lm_fleet_wish(&model[1], 3 * S);
    expect(3 * S, LM_FLEET_LOAD, 1);
    ck_assert(lm_fleet_failed(&fleet, 1, false, 3 * S));
    lm_fleet_unwait(&model[0], 0);
    expect(3 * S, LM_FLEET_NOTHING, 0);
    ck_assert_uint_eq(lm_fleet_due(&fleet, 3 * S), 4 * S);
    expect(4 * S, LM_FLEET_LOAD, 1);
}
END_TEST

START_TEST(test_api_fleet__a_sleeping_one_waits_to_be_woken)
{
    init(1, 0);
    load(0, 0);
    ck_assert(lm_fleet_dismiss(&model[0], true));
    lm_fleet_gone(&model[0]);
    expect(2 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_wish(&model[0], 3 * S);
    expect(3 * S, LM_FLEET_LOAD, 0);
    ck_assert(lm_fleet_dismiss(&model[0], true)); /* while it loads */
    lm_fleet_loaded(&model[0], 4 * S);            /* was on its way */
    ck_assert(!lm_fleet_takes(&model[0]));
    lm_fleet_wish(&model[0], 4 * S);
    expect(4 * S, LM_FLEET_NOTHING, 0);
    lm_fleet_gone(&model[0]);
    expect(4 * S, LM_FLEET_LOAD, 0);
}
END_TEST

/* A second is a tick: loads take 3, leaving 1, requests 1 to 8. */
struct world {
    uint32_t random;
    unsigned ends[N][64]; /* ticks that requests have left */
    unsigned load_left[N], longest;
    unsigned arrived[N];  /* tick in which the oldest waiting request came */
    size_t n_done;
};

static uint32_t draw(struct world *w, uint32_t n)
{
    w->random = w->random * 1664525u + 1013904223u;
    return (w->random >> 8) % n;
}

static void start_request(struct world *w, size_t i)
{
    for (size_t k = 0; k < 64; k++)
        if (!w->ends[i][k]) {
            w->ends[i][k] = 1 + draw(w, 8);
            lm_fleet_hold(&model[i]);
            return;
        }
    ck_abort_msg("too many at once");
}

static void let_in(struct world *w, size_t i, unsigned t)
{
    if (model[i].n_waiting && t - w->arrived[i] > w->longest)
        w->longest = t - w->arrived[i];
    while (model[i].n_waiting) {
        lm_fleet_unwait(&model[i], t * (uint64_t)S);
        start_request(w, i);
    }
}

static void arrive(struct world *w, size_t i, unsigned t)
{
    if (lm_fleet_takes(&model[i])) {
        start_request(w, i);
        return;
    }
    if (!model[i].n_waiting)
        w->arrived[i] = t;
    lm_fleet_wait(&model[i], t * (uint64_t)S);
}

static void pass(struct world *w, size_t i, unsigned t)
{
    for (size_t k = 0; k < 64; k++)
        if (w->ends[i][k] && --w->ends[i][k] == 0) {
            lm_fleet_release(&model[i], t * (uint64_t)S);
            w->n_done++;
        }
    if (!w->load_left[i] || --w->load_left[i])
        return;
    if (model[i].state == LM_FLEET_LEAVING)
        lm_fleet_gone(&model[i]);
    else
        lm_fleet_loaded(&model[i], t * (uint64_t)S);
    if (lm_fleet_takes(&model[i]))
        let_in(w, i, t);
}

static void decide(struct world *w, unsigned t)
{
    enum lm_fleet_act act;
    size_t i, n_place = 0;
    while ((act = lm_fleet_next(&fleet, t * (uint64_t)S, &i)) != LM_FLEET_NOTHING) {
        ck_assert(act != LM_FLEET_UNLOAD || !model[i].n_held);
        if (act == LM_FLEET_OPEN)
            let_in(w, i, t);
        else
            w->load_left[i] = act == LM_FLEET_LOAD ? 3 : 1;
    }
    for (i = 0; i < N; i++)
        n_place += model[i].state != LM_FLEET_UNLOADED;
    ck_assert_uint_le(n_place, 4);
}

START_TEST(test_api_fleet__random_requests_for_twenty_with_room_for_four_are_all_served_in_time)
{
    struct world w = {.random = 7};
    unsigned t = 0;
    size_t n_asked = 0;
    init(N, 4);
    for (; n_asked < 2000 || w.n_done < n_asked; t++) {
        ck_assert_msg(t < 40000, "%zu of %zu are done", w.n_done, n_asked);
        for (size_t i = 0; i < N; i++)
            pass(&w, i, t);
        if (n_asked < 2000 && draw(&w, 2)) {
            arrive(&w, draw(&w, 4) ? draw(&w, N) : draw(&w, 4), t); /* some are liked more, and always busy */
            n_asked++;
        }
        decide(&w, t);
    }
    ck_assert_uint_eq(w.n_done, 2000);
    ck_assert_msg(w.longest < 150, "a request waited %u s", w.longest);
}
END_TEST

SUITE_MAIN("api/fleet", test_api_fleet__a_model_is_loaded_when_a_request_waits, test_api_fleet__who_waits_longest_is_first,
           test_api_fleet__the_idle_one_used_longest_ago_makes_room,
           test_api_fleet__a_busy_one_serves_as_long_as_its_load_took_and_then_only_finishes,
           test_api_fleet__a_closed_one_opens_when_nobody_needs_its_place, test_api_fleet__an_idle_timeout_unloads,
           test_api_fleet__what_does_not_fit_beside_others_makes_them_go,
           test_api_fleet__what_failed_is_not_tried_at_once_and_a_wish_may_outlive_it, test_api_fleet__a_sleeping_one_waits_to_be_woken,
           test_api_fleet__random_requests_for_twenty_with_room_for_four_are_all_served_in_time)

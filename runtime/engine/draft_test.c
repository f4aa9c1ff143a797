/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/draft.h"
#include "tests/suite.h"

#include <stdlib.h>

enum { MAX = 4096 };

static const struct lm_draft_odds even = {{0.5f, 0.5f, 0.5f, 0.5f}};

struct bed {
    struct lm_draft d;
    struct lm_draft_odds shared;
    uint32_t *word, n;
    int32_t token[MAX + LM_SPECULATIVE_MAX_TOK];
};

static void make(struct bed *bed, uint32_t n_min, uint32_t n_max)
{
    bed->n = 0;
    bed->shared = even;
    bed->word = malloc(lm_draft_words(MAX) * sizeof *bed->word);
    ck_assert_ptr_nonnull(bed->word);
    memset(bed->word, 0xee, lm_draft_words(MAX) * sizeof *bed->word);
    lm_draft_init(&bed->d, bed->word, MAX, &(struct lm_conf_speculative){8, n_min, n_max}, &even);
}

static void take(struct bed *bed, int32_t token)
{
    bed->token[bed->n++] = token;
    lm_draft_take(&bed->d, bed->token, bed->n, &bed->shared);
}

static void take_all(struct bed *bed, const char *text)
{
    for (; *text; text++)
        take(bed, *text);
}

/* The k tokens it predicts, as text. */
static const char *predicted(struct bed *bed, uint32_t k)
{
    static char text[LM_SPECULATIVE_MAX_TOK + 1];
    ck_assert_uint_gt(bed->d.from, 0);
    lm_draft_write(&bed->d, bed->token, bed->n, k);
    for (uint32_t i = 0; i < k; i++)
        text[i] = (char)bed->token[bed->n + i];
    text[k] = 0;
    return text;
}

START_TEST(test_engine_draft__what_followed_the_longest_and_latest_match_is_predicted)
{
    static const struct { uint32_t n_min, n_max; const char *text, *want; } cases[] = {
        {2, 8, "abcdefg xy abcd", "efg "}, {2, 8, "abcd", NULL}, {1, 8, "abca", "bca"}, {3, 8, "xabyab", NULL}, {3, 8, "abc1 abc2 abc", "2 ab"},
        {2, 8, "zabc1 yabc2 zabc", "1 ya"}, {2, 2, "abc1 abc2 xbc", "2 xb"}, {4, 8, "", NULL}, {1, 1, "a", NULL}, {1, 4, "aa", "aaaa"},
        {2, 8, "ababab", "abab"}, {2, 4, "abXabYabZab", "Zab"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed bed;
        make(&bed, cases[i].n_min, cases[i].n_max);
        take_all(&bed, cases[i].text);
        if (cases[i].want)
            ck_assert_str_eq(predicted(&bed, (uint32_t)strlen(cases[i].want)), cases[i].want);
        else
            ck_assert_msg(bed.d.from == 0 && lm_draft_chance(&bed.d, 0) <= 0, "case %zu", i);
        free(bed.word);
    }
}
END_TEST

START_TEST(test_engine_draft__a_match_is_followed_until_it_fails)
{
    struct bed bed;
    make(&bed, 2, 4);
    take_all(&bed, "0123456789-01");
    for (int i = 2; i < 9; i++) {
        ck_assert_int_eq(predicted(&bed, 1)[0], '0' + i);
        ck_assert_uint_eq(bed.d.len, (uint32_t)i);
        take(&bed, '0' + i);
    }
    take(&bed, 'x');
    ck_assert_uint_eq(bed.d.from, 0);
    free(bed.word);
}
END_TEST

START_TEST(test_engine_draft__the_chance_follows_what_came_by_length_of_match)
{
    struct bed bed;
    make(&bed, 2, 8);
    for (int i = 0; i < 40; i++)
        take_all(&bed, "the quick brown fox jumps. ");
    ck_assert(lm_draft_chance(&bed.d, 0) > 0.95f && bed.shared.right[3] > 0.95f);
    free(bed.word);
    make(&bed, 2, 8);
    for (int32_t i = 0; i < 100; i++) { /* two tokens that always come together, then what never came */
        take(&bed, 'a');
        take(&bed, 'b');
        take(&bed, 1000 + i);
    }
    ck_assert(bed.d.odds.right[0] < 0.05f);
    ck_assert(bed.shared.right[0] < 0.2f && bed.shared.right[0] > bed.d.odds.right[0]);
    free(bed.word);
}
END_TEST

/* The longest earlier match of at least n_min tokens, at most n_max, found by looking everywhere. */
static uint32_t longest(const struct bed *bed, uint32_t n_min, uint32_t n_max)
{
    uint32_t best = 0;
    for (uint32_t at = 1; at < bed->n; at++) {
        uint32_t len = 0;
        while (len < n_max && len < at && bed->token[at - 1 - len] == bed->token[bed->n - 1 - len])
            len++;
        best = len > best ? len : best;
    }
    return best >= n_min ? best : 0;
}

START_TEST(test_engine_draft__a_new_match_is_real_and_none_is_missed_where_few_compete)
{
    uint64_t rng = 7;
    struct bed bed;
    make(&bed, 3, 6);
    while (bed.n < MAX) {
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        bool copy = bed.n > 200 && rng >> 60 < 3;
        uint32_t from = (uint32_t)(rng >> 33) % (bed.n + 1), len = copy ? 8 : 1;
        for (uint32_t i = 0; i < len && bed.n < MAX && from + i < MAX; i++) {
            bool failed = bed.d.from && bed.token[bed.d.from] != (copy ? bed.token[from + i] : (int32_t)(rng >> 33) % 500);
            bool searched = !bed.d.from || failed;
            take(&bed, copy ? bed.token[from + i] : (int32_t)(rng >> 33) % 500);
            if (searched)
                ck_assert_uint_eq(bed.d.len, longest(&bed, 3, 6));
            if (bed.d.from) {
                ck_assert_uint_lt(bed.d.from, bed.n);
                ck_assert_mem_eq(bed.token + bed.d.from - 3, bed.token + bed.n - 3, 3 * sizeof(int32_t));
            }
        }
    }
    free(bed.word);
}
END_TEST

START_TEST(test_engine_draft__entering_a_prompt_ahead_changes_nothing)
{
    struct bed a, b;
    uint64_t rng = 3;
    make(&a, 2, 8);
    make(&b, 2, 8);
    for (uint32_t i = 0; i < 1000; i++) {
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        a.token[i] = b.token[i] = (int32_t)(rng >> 33) % 20;
    }
    for (uint32_t n = 100; n <= 900; n += 100)
        lm_draft_index(&a.d, a.token, n);
    a.n = b.n = 900;
    while (a.n < 1000) {
        a.n++;
        b.n++;
        lm_draft_take(&a.d, a.token, a.n, &a.shared);
        lm_draft_take(&b.d, b.token, b.n, &b.shared);
        ck_assert_uint_eq(a.d.from, b.d.from);
        ck_assert_uint_eq(a.d.len, b.d.len);
    }
    free(a.word);
    free(b.word);
}
END_TEST

SUITE_MAIN("engine/draft", test_engine_draft__what_followed_the_longest_and_latest_match_is_predicted,
           test_engine_draft__a_match_is_followed_until_it_fails, test_engine_draft__the_chance_follows_what_came_by_length_of_match,
           test_engine_draft__a_new_match_is_real_and_none_is_missed_where_few_compete,
           test_engine_draft__entering_a_prompt_ahead_changes_nothing)

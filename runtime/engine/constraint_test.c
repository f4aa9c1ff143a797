/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/constraint.h"
#include "runtime/text/grammar/grammar.h"
#include "tests/suite.h"

#include <stdlib.h>

enum { N_VOCAB = 300, END = 257 };

/* Tokens 0 .. 255 are the bytes, 256 is "no", 257 ends; the model's vocabulary is larger. */
static struct lm_bytes vocab_message(uint32_t n_vocab)
{
    struct lm_bytes out = {0}, text = {0};
    struct lm_msg_vocab h = {.n_vocab = n_vocab, .n_end = 1};
    const int32_t end = END;
    uint32_t *at = calloc(n_vocab + 1, sizeof *at);
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (i < 256)
            lm_bytes_add_char(&text, (char)i);
        else if (i == 256)
            lm_bytes_add_str(&text, "no");
        at[i + 1] = (uint32_t)text.len;
    }
    h.n_text = (uint32_t)text.len;
    lm_bytes_add(&out, &h, sizeof h);
    lm_bytes_add(&out, at, (n_vocab + 1) * sizeof *at);
    lm_bytes_add(&out, &end, sizeof end);
    lm_bytes_add(&out, text.data, text.len);
    while (out.len % 8)
        lm_bytes_add_char(&out, 0);
    lm_bytes_fini(&text);
    free(at);
    return out;
}

static struct lm_constraints *make(bool vocab)
{
    struct lm_constraints *all;
    struct lm_bytes m = vocab_message(258);
    ck_assert_int_eq(lm_constraints_create(N_VOCAB, &all, NULL), 0);
    if (vocab)
        ck_assert_int_eq(lm_constraints_vocab(all, m.data, m.len, NULL), 0);
    lm_bytes_fini(&m);
    return all;
}

static struct lm_program *yes_or_no(void)
{
    struct lm_program *p;
    ck_assert_int_eq(lm_grammar_choice((const char *const[]){"yes", "no", "no!"}, (size_t[]){3, 2, 3}, 3, &p, NULL), 0);
    return p;
}

static bool allowed(const struct lm_constraint *c, int32_t id)
{
    return c->mask[id / 32] >> id % 32 & 1;
}

START_TEST(test_engine_constraint__masks_follow_the_text_to_its_end)
{
    struct lm_constraints *all = make(true);
    struct lm_program *p = yes_or_no();
    struct lm_constraint *a, *b;
    ck_assert_int_eq(lm_constraint_open(all, lm_program_data(p), p->bytes, &a, NULL), 0);
    ck_assert_int_eq(lm_constraint_open(all, lm_program_data(p), p->bytes, &b, NULL), 0);
    ck_assert(a->program == b->program);
    for (int32_t i = 0; i < N_VOCAB; i++)
        ck_assert_int_eq(allowed(a, i), i == 'y' || i == 'n' || i == 256);
    ck_assert_int_eq(lm_constraint_push(a, 'y'), LM_CONSTRAINT_GOES_ON);
    ck_assert_int_eq(lm_constraint_push(b, 256), LM_CONSTRAINT_GOES_ON);
    ck_assert(allowed(b, END) && allowed(b, '!') && !allowed(a, END));
    ck_assert_int_eq(lm_constraint_push(a, 'e'), LM_CONSTRAINT_GOES_ON);
    ck_assert_int_eq(lm_constraint_push(a, 's'), LM_CONSTRAINT_IS_WHOLE);
    ck_assert_int_eq(lm_constraint_push(b, END), LM_CONSTRAINT_IS_WHOLE);
    lm_constraint_close(b);
    lm_constraint_close(a);
    lm_constraint_close(NULL);
    lm_program_destroy(p);
    lm_constraints_destroy(all);
}
END_TEST

START_TEST(test_engine_constraint__a_token_that_may_not_come_is_stuck)
{
    struct lm_constraints *all = make(true);
    struct lm_program *p = yes_or_no();
    static const int32_t wrong[] = {'x', END, 299, -1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct lm_constraint *c;
        ck_assert_int_eq(lm_constraint_open(all, lm_program_data(p), p->bytes, &c, NULL), 0);
        ck_assert_int_eq(lm_constraint_push(c, wrong[i]), LM_CONSTRAINT_IS_STUCK);
        lm_constraint_close(c);
    }
    lm_program_destroy(p);
    lm_constraints_destroy(all);
}
END_TEST

START_TEST(test_engine_constraint__damaged_messages_are_refused)
{
    struct lm_constraints *all = make(false);
    struct lm_program *p = yes_or_no();
    struct lm_constraint *c;
    struct lm_bytes m = vocab_message(258), wide = vocab_message(N_VOCAB + 1);
    ck_assert_int_eq(lm_constraint_open(all, lm_program_data(p), p->bytes, &c, NULL), LM_EINVAL);
    ck_assert_int_eq(lm_constraints_vocab(all, wide.data, wide.len, NULL), LM_EFORMAT);
    ck_assert_int_eq(lm_constraints_vocab(all, m.data, m.len - 8, NULL), LM_EFORMAT);
    ck_assert_int_eq(lm_constraints_vocab(all, m.data, 8, NULL), LM_EFORMAT);
    m.data[sizeof(struct lm_msg_vocab) + 5] = 1; /* an offset that descends */
    ck_assert_int_eq(lm_constraints_vocab(all, m.data, m.len, NULL), LM_EFORMAT);
    m.data[sizeof(struct lm_msg_vocab) + 5] = 0;
    ck_assert_int_eq(lm_constraints_vocab(all, m.data, m.len, NULL), 0);
    ck_assert_int_eq(lm_constraints_vocab(all, m.data, m.len, NULL), 0);
    ck_assert_int_eq(lm_constraint_open(all, lm_program_data(p), p->bytes - 1, &c, NULL), LM_EFORMAT);
    lm_bytes_fini(&m);
    lm_bytes_fini(&wide);
    lm_program_destroy(p);
    lm_constraints_destroy(all);
}
END_TEST

START_TEST(test_engine_constraint__many_programs_come_and_go)
{
    struct lm_constraints *all = make(true);
    for (int i = 0; i < 600; i++) {
        struct lm_program *p;
        struct lm_constraint *c;
        char text[16];
        size_t n = (size_t)snprintf(text, sizeof text, "text %d", i);
        ck_assert_int_eq(lm_grammar_choice((const char *const[]){text}, &n, 1, &p, NULL), 0);
        ck_assert_int_eq(lm_constraint_open(all, lm_program_data(p), p->bytes, &c, NULL), 0);
        for (size_t k = 0; k < n; k++)
            ck_assert_int_eq(lm_constraint_push(c, text[k]), k + 1 < n ? LM_CONSTRAINT_GOES_ON : LM_CONSTRAINT_IS_WHOLE);
        lm_constraint_close(c);
        lm_program_destroy(p);
    }
    lm_constraints_destroy(all);
}
END_TEST

SUITE_MAIN("engine/constraint", test_engine_constraint__masks_follow_the_text_to_its_end, test_engine_constraint__a_token_that_may_not_come_is_stuck,
           test_engine_constraint__damaged_messages_are_refused, test_engine_constraint__many_programs_come_and_go)

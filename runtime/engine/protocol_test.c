/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/protocol.h"
#include "tests/suite.h"

#include <stdlib.h>

enum { HEAD = sizeof(struct lm_msg_head) };

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void write_submit(struct lm_bytes *b, const struct lm_msg_submit *h, const int32_t *ids, const float *bias, const char *salt)
{
    const struct lm_msg_part part[] = {
        {h, sizeof *h}, {ids, 4 * h->n_prompt}, {ids, 4 * h->n_stop}, {ids, 4 * h->n_bias}, {bias, 4 * h->n_bias}, {salt, h->n_salt},
    };
    lm_msg_write(b, LM_MSG_SUBMIT, part, 6);
}

static void write_tokens(struct lm_bytes *b, uint32_t n)
{
    struct lm_bytes body = {0};
    for (uint32_t i = 0; i < n; i++) {
        struct lm_msg_token t = {.id = i, .token = (int32_t)i, .n_top = i % 4};
        lm_bytes_add(&body, &t, sizeof t);
        for (uint32_t j = 0; j < t.n_top; j++)
            lm_bytes_add(&body, &(struct lm_msg_top){(int32_t)j, -1.0f}, sizeof(struct lm_msg_top));
    }
    lm_msg_write(b, LM_MSG_TOKENS, (struct lm_msg_part[]){{&(struct lm_msg_tokens){.n_token = n}, 8}, {body.data, body.len}}, 2);
    lm_bytes_fini(&body);
}

START_TEST(test_engine_protocol__submit_reads_back_as_written_for_any_lengths)
{
    int32_t ids[16];
    float bias[16];
    for (int i = 0; i < 16; i++)
        bias[i] = (float)(ids[i] = 100 + i);
    for (uint32_t n = 1; n < 16; n++) {
        struct lm_bytes b = {0};
        struct lm_msg_submit_view v;
        struct lm_msg_submit h = {.id = n, .n_prompt = n, .n_stop = n % 3, .n_bias = n % 5, .n_salt = n % 7, .max_tokens = 1};
        uint32_t type = 0;
        write_submit(&b, &h, ids, bias, "abcdefg");
        ck_assert_int_eq(lm_msg_peek(b.data, b.len, &type, NULL), (int64_t)b.len);
        ck_assert_uint_eq(type, LM_MSG_SUBMIT);
        ck_assert_int_eq(lm_msg_read_submit(b.data + HEAD, b.len - HEAD, &v, NULL), 0);
        ck_assert_mem_eq(&v.h, &h, sizeof h);
        ck_assert_mem_eq(v.prompt, ids, 4 * n);
        ck_assert_mem_eq(v.stop_id, ids, 4 * h.n_stop);
        ck_assert_mem_eq(v.bias_id, ids, 4 * h.n_bias);
        ck_assert_mem_eq(v.bias, bias, 4 * h.n_bias);
        ck_assert_mem_eq(v.salt, "abcdefg", h.n_salt);
        lm_bytes_fini(&b);
    }
}
END_TEST

struct taken {
    uint32_t type[8], n, fail_at;
};

static int take_one(void *arg, uint32_t type, const void *payload, size_t bytes, struct lm_err *err)
{
    struct taken *t = arg;
    ck_assert_uint_eq(bytes, type == LM_MSG_CANCEL ? 8 : 0);
    t->type[t->n++] = type;
    return t->n == t->fail_at ? lm_fail(err, LM_EIO, "enough") : 0;
}

START_TEST(test_engine_protocol__whole_messages_are_taken_in_turn)
{
    struct lm_bytes all = {0}, in = {0};
    struct taken t = {0};
    const struct lm_msg_head bad = {.bytes = 1};
    struct lm_err err;
    for (int i = 0; i < 3; i++) {
        lm_msg_write(&all, LM_MSG_CANCEL, &(struct lm_msg_part){&(struct lm_msg_cancel){7}, 8}, 1);
        lm_msg_write(&all, LM_MSG_DRAIN, NULL, 0);
    }
    for (size_t i = 0; i < all.len; i += 3) { /* as they come: in pieces */
        lm_bytes_add(&in, all.data + i, all.len - i < 3 ? all.len - i : 3);
        ck_assert_int_eq(lm_msg_take(&in, take_one, &t, NULL), 0);
    }
    ck_assert_uint_eq(t.n, 6);
    for (uint32_t i = 0; i < 6; i++)
        ck_assert_uint_eq(t.type[i], i % 2 ? LM_MSG_DRAIN : LM_MSG_CANCEL);
    ck_assert_uint_eq(in.len, 0);
    t = (struct taken){.fail_at = 2};
    lm_bytes_add(&in, all.data, all.len);
    ck_assert_int_eq(lm_msg_take(&in, take_one, &t, &err), LM_EIO);
    ck_assert_uint_eq(in.len, all.len - 24); /* behind the one that failed */
    lm_bytes_clear(&in);
    lm_bytes_add(&in, (const char *)&bad, sizeof bad);
    ck_assert_int_eq(lm_msg_take(&in, take_one, &t, &err), LM_EFORMAT);
    lm_bytes_fini(&all), lm_bytes_fini(&in);
}
END_TEST

START_TEST(test_engine_protocol__a_message_is_seen_only_when_whole)
{
    struct lm_bytes b = {0};
    uint32_t type = 0;
    lm_msg_write(&b, LM_MSG_CANCEL, &(struct lm_msg_part){&(struct lm_msg_cancel){7}, 8}, 1);
    lm_msg_write(&b, LM_MSG_DRAIN, NULL, 0);
    for (size_t n = 0; n < 16; n++)
        ck_assert_int_eq(lm_msg_peek(b.data, n, &type, NULL), 0);
    ck_assert_int_eq(lm_msg_peek(b.data, b.len, &type, NULL), 16);
    ck_assert_int_eq(lm_msg_peek(b.data + 16, b.len - 16, &type, NULL), 8);
    ck_assert_uint_eq(type, LM_MSG_DRAIN);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_engine_protocol__sizes_and_types_that_cannot_be_are_refused_from_the_head_alone)
{
    static const struct lm_msg_head bad[] = {
        {0, LM_MSG_DRAIN}, {7, LM_MSG_DRAIN}, {12, LM_MSG_DRAIN}, {16, LM_MSG_DRAIN}, {8, 0}, {8, 63}, {8, 1000},
        {8, LM_MSG_CANCEL}, {24, LM_MSG_CANCEL}, {LM_MSG_MAX_BYTES + 8, LM_MSG_SUBMIT}, {0xfffffff8u, LM_MSG_TOKENS},
        {8, LM_MSG_SUBMIT}, {8, LM_MSG_TOKENS}, {16, LM_MSG_HELLO}, {16, LM_MSG_STATS}, {16, LM_MSG_FINISHED},
    };
    uint32_t type = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_err err = {0};
        ck_assert_int_eq(lm_msg_peek((const char *)&bad[i], sizeof bad[i], &type, &err), LM_EFORMAT);
        ck_assert_int_eq(err.code, LM_EFORMAT);
    }
    ck_assert_uint_eq(type, 0);
}
END_TEST

START_TEST(test_engine_protocol__submit_counts_must_make_the_size)
{
    const struct lm_msg_submit bad[] = {
        {.n_prompt = 0}, {.n_prompt = 5}, {.n_prompt = 0xffffffffu}, {.n_prompt = 1, .n_stop = 0xffffffffu},
        {.n_prompt = 1, .n_bias = 0x80000000u}, {.n_prompt = 1, .n_salt = 0xffffffffu}, {.n_prompt = 1, .n_salt = 16},
        {.n_prompt = 0x40000000u, .n_stop = 0x40000000u, .n_bias = 0xc0000000u},
    };
    _Alignas(8) char payload[sizeof(struct lm_msg_submit) + 8];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_msg_submit_view v;
        struct lm_err err = {0};
        memset(payload, 0, sizeof payload);
        memcpy(payload, &bad[i], sizeof bad[i]);
        ck_assert_int_eq(lm_msg_read_submit(payload, sizeof payload, &v, &err), LM_EFORMAT);
        ck_assert_int_eq(lm_msg_read_submit(payload, sizeof payload - 16, &v, &err), LM_EFORMAT);
    }
}
END_TEST

START_TEST(test_engine_protocol__tokens_walk_gives_each_token_with_its_tops)
{
    struct lm_bytes b = {0};
    struct lm_msg_token t;
    const struct lm_msg_top *top;
    size_t cursor = 0;
    uint32_t n = 0;
    write_tokens(&b, 9);
    while (lm_msg_next_token(b.data + HEAD, b.len - HEAD, &cursor, &t, &top, NULL) == 1) {
        ck_assert_uint_eq(t.id, n);
        ck_assert_uint_eq(t.n_top, n % 4);
        for (uint32_t j = 0; j < t.n_top; j++)
            ck_assert_int_eq(top[j].token, (int32_t)j);
        n++;
    }
    ck_assert_uint_eq(n, 9);
    lm_bytes_fini(&b);
}
END_TEST

static void write_lora(struct lm_bytes *b, uint32_t id, const char *path, uint32_t n_path)
{
    const struct lm_msg_lora_load h = {id, n_path};
    lm_msg_write(b, LM_MSG_LORA_LOAD, (struct lm_msg_part[]){{&h, sizeof h}, {path, strlen(path)}}, 2);
}

START_TEST(test_engine_protocol__an_adapter_s_path_reads_back_or_is_refused)
{
    for (uint32_t n = 1; n < 20; n++) {
        struct lm_bytes b = {0};
        uint32_t id = 0;
        char *path = NULL;
        write_lora(&b, n, "/a/path/of/20/bytes." + 20 - n, n);
        ck_assert_int_eq(lm_msg_read_lora_load(b.data + HEAD, b.len - HEAD, &id, &path, NULL), 0);
        ck_assert_uint_eq(id, n);
        ck_assert_str_eq(path, "/a/path/of/20/bytes." + 20 - n);
        free(path);
        lm_bytes_clear(&b);
        write_lora(&b, n, "/x", n == 2 ? 0 : n + 8);
        ck_assert_int_eq(lm_msg_read_lora_load(b.data + HEAD, b.len - HEAD, &id, &path, NULL), LM_EFORMAT);
        lm_bytes_fini(&b);
    }
    struct lm_bytes b = {0};
    uint32_t id;
    char *path;
    write_lora(&b, 1, "/x", 3); /* the padding's zero is none of its bytes */
    ck_assert_int_eq(lm_msg_read_lora_load(b.data + HEAD, b.len - HEAD, &id, &path, NULL), LM_EFORMAT);
    ck_assert_int_eq(lm_msg_read_lora_load(b.data + HEAD, 4, &id, &path, NULL), LM_EFORMAT);
    lm_bytes_fini(&b);
}
END_TEST

static int read_slot(uint32_t action, const char *path, uint32_t n_path, char **out)
{
    const struct lm_msg_slot h = {7, 3, action, n_path};
    struct lm_msg_slot got;
    struct lm_bytes b = {0};
    lm_msg_write(&b, LM_MSG_SLOT, (struct lm_msg_part[]){{&h, sizeof h}, {path, strlen(path)}}, 2);
    int rc = lm_msg_read_slot(b.data + HEAD, b.len - HEAD, &got, out, NULL);
    if (!rc)
        ck_assert_mem_eq(&got, &h, sizeof h);
    lm_bytes_fini(&b);
    return rc;
}

START_TEST(test_engine_protocol__a_slot_s_action_has_a_path_or_none)
{
    static const struct { uint32_t action, n_path; const char *path; } bad[] = {
        {LM_SLOT_SAVE, 0, ""}, {LM_SLOT_RESTORE, 0, ""}, {LM_SLOT_ERASE, 2, "/a"}, {LM_SLOT_ERASE + 1, 2, "/a"}, {LM_SLOT_SAVE, 3, "/a"}, {LM_SLOT_SAVE, 200, "/a"},
    };
    char *path;
    ck_assert_int_eq(read_slot(LM_SLOT_RESTORE, "/a/file", 7, &path), 0);
    ck_assert_str_eq(path, "/a/file");
    free(path);
    ck_assert_int_eq(read_slot(LM_SLOT_ERASE, "", 0, &path), 0);
    ck_assert_str_eq(path, "");
    free(path);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(read_slot(bad[i].action, bad[i].path, bad[i].n_path, &path), LM_EFORMAT);
}
END_TEST

/* Read a message as a receiver does, touching every byte it is given. */
static uint64_t receive(const char *in, size_t n)
{
    uint32_t type = 0;
    uint64_t sum = 0;
    int64_t size = lm_msg_peek(in, n, &type, NULL);
    ck_assert_int_le(size, (int64_t)n);
    if (size <= 0)
        return 0;
    const char *payload = in + HEAD;
    size_t bytes = (size_t)size - HEAD;
    struct lm_msg_submit_view v;
    if (type == LM_MSG_SUBMIT && lm_msg_read_submit(payload, bytes, &v, NULL) == 0) {
        for (const char *p = (const char *)v.prompt; p < v.salt + v.h.n_salt; p++)
            sum += (unsigned char)*p;
        ck_assert(v.salt + v.h.n_salt <= payload + bytes);
    }
    struct lm_msg_token t;
    const struct lm_msg_top *top;
    size_t cursor = 0;
    while (type == LM_MSG_TOKENS && lm_msg_next_token(payload, bytes, &cursor, &t, &top, NULL) == 1)
        for (uint32_t j = 0; j < t.n_top; j++)
            sum += (uint64_t)top[j].token;
    return sum + 1;
}

START_TEST(test_engine_protocol__mutated_and_cut_messages_never_read_outside)
{
    uint64_t rng = 0x9e3779b97f4a7c15u, whole = 0;
    int32_t ids[40] = {0};
    float bias[40] = {0};
    for (int round = 0; round < 200000; round++) {
        struct lm_bytes b = {0};
        if (round % 2)
            write_tokens(&b, (uint32_t)(random_next(&rng) % 6));
        else
            write_submit(&b, &(struct lm_msg_submit){.n_prompt = 1 + random_next(&rng) % 8, .n_stop = random_next(&rng) % 3, .n_salt = random_next(&rng) % 9}, ids, bias, "saltsalt");
        for (uint64_t k = random_next(&rng) % 4; k > 0; k--)
            b.data[random_next(&rng) % b.len] = (char)(random_next(&rng) % 3 ? random_next(&rng) % 4 : random_next(&rng));
        size_t n = random_next(&rng) % 3 ? b.len : random_next(&rng) % b.len;
        char *exact = malloc(n ? n : 1); /* so that a sanitizer sees one byte too many */
        memcpy(exact, b.data, n);
        whole += receive(exact, n) != 0;
        free(exact);
        lm_bytes_fini(&b);
    }
    ck_assert_uint_gt(whole, 20000);
}
END_TEST

START_TEST(test_engine_protocol__a_message_too_large_is_not_written)
{
    struct lm_bytes b = {0};
    lm_msg_write(&b, LM_MSG_SUBMIT, &(struct lm_msg_part){"", LM_MSG_MAX_BYTES}, 1);
    ck_assert(b.failed);
    ck_assert_uint_eq(b.len, 0);
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("engine/protocol", test_engine_protocol__submit_reads_back_as_written_for_any_lengths,
           test_engine_protocol__a_message_is_seen_only_when_whole, test_engine_protocol__whole_messages_are_taken_in_turn,
           test_engine_protocol__sizes_and_types_that_cannot_be_are_refused_from_the_head_alone,
           test_engine_protocol__submit_counts_must_make_the_size,
           test_engine_protocol__tokens_walk_gives_each_token_with_its_tops,
           test_engine_protocol__mutated_and_cut_messages_never_read_outside,
           test_engine_protocol__a_message_too_large_is_not_written, test_engine_protocol__an_adapter_s_path_reads_back_or_is_refused, test_engine_protocol__a_slot_s_action_has_a_path_or_none)

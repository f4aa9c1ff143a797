/* SPDX-License-Identifier: Apache-2.0 */
/* A text's way to the client: bytes of tokens, whole characters, stop strings, JSON. */
#include "api/openai/stop.h"
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer.h"
#include "tests/suite.h"

#include <stdlib.h>

struct stream {
    struct lm_arena a;
    struct lm_stop_string room[2];
    struct lm_stop_set set;
    struct lm_stop stop;
    struct lm_detok detok;
    struct lm_bytes piece, delta, json; /* json: the inside of a string, as events bring it */
};

/* Both hold a character back, and neither comes whole. */
static void begin(struct stream *st)
{
    *st = (struct stream){0};
    st->set.string = st->room;
    ck_assert_int_eq(lm_stop_add(&st->set, &st->a, "\xc3\xa9\xc3\xa9", 4), 0);
    ck_assert_int_eq(lm_stop_add(&st->set, &st->a, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 8), 0);
    ck_assert_int_eq(lm_stop_init(&st->stop, &st->set, &st->a), 0);
}

static void end(struct stream *st)
{
    lm_stop_fini(&st->stop);
    lm_arena_fini(&st->a);
    lm_bytes_fini(&st->piece);
    lm_bytes_fini(&st->delta);
    lm_bytes_fini(&st->json);
}

/* A token's bytes; what they free goes out as an event of its own. */
static void push(struct stream *st, const char *s, size_t n)
{
    lm_bytes_clear(&st->piece);
    lm_bytes_clear(&st->delta);
    lm_detok_add(&st->detok, s, n, &st->piece);
    if (st->piece.len && lm_stop_feed(&st->set, &st->stop, st->piece.data, st->piece.len, false, &st->delta) >= 0)
        ck_abort_msg("a stop string was found");
    if (!st->delta.len)
        return;
    if (!lm_utf8_valid(st->delta.data, st->delta.len))
        ck_abort_msg("ill-formed bytes in an event");
    lm_bytes_add_json(&st->json, st->delta.data, st->delta.len);
}

/* Is what came as events the text, read as JSON? */
static void check_json(struct stream *st, const struct lm_bytes *text)
{
    struct lm_bytes quoted = {0};
    lm_bytes_add_char(&quoted, '"');
    lm_bytes_add(&quoted, st->json.data, st->json.len);
    lm_bytes_add_char(&quoted, '"');
    json_t *v = lm_json_load(quoted.data, quoted.len, LM_JSON_ANY | LM_JSON_NUL, NULL), *other;
    other = json_loadb(quoted.data, quoted.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert(v && json_equal(v, other));
    ck_assert_uint_eq(json_string_length(v), text->len);
    ck_assert(memcmp(json_string_value(v), text->data, text->len) == 0);
    json_decref(v);
    json_decref(other);
    lm_bytes_fini(&quoted);
}

/* Scalars from .. to, each cut behind its first `cut` bytes; 0: everywhere. */
static void stream_scalars(uint32_t from, uint32_t to, size_t cut)
{
    struct stream st;
    struct lm_bytes text = {0};
    begin(&st);
    for (uint32_t c = from; c < to; c++) {
        char s[5];
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        size_t n = (size_t)lm_utf8_encode(c, s), first = cut && cut < n ? cut : 1;
        s[n++] = '|';
        lm_bytes_add(&text, s, n);
        push(&st, s, first);
        for (size_t i = first; i < n; i += cut ? n : 1)
            push(&st, s + i, cut ? n - i : 1);
    }
    check_json(&st, &text);
    lm_bytes_fini(&text);
    end(&st);
}

START_TEST(test_openai_stream__every_scalar_cut_at_every_byte_is_well_formed_and_whole)
{
    for (size_t cut = 0; cut <= 3; cut++)
        for (uint32_t from = 0; from < 0x110000; from += 0x1000)
            stream_scalars(from, from + 0x1000, cut);
}
END_TEST

SUITE_MAIN("openai/stream", test_openai_stream__every_scalar_cut_at_every_byte_is_well_formed_and_whole)

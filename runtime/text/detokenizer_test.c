/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"
#include "runtime/text/tok_fixture.h"

/* The 256 bytes, then a control token, an unknown one and a user-defined one. */
enum { CONTROL = 256, UNKNOWN, USER };

static struct lm_tokenizer *bytes_tokenizer(void)
{
    static const char *const more[] = {"<|end|>", "<unk>", " \xc3\xa9\xe2\x96\x81"};
    static const int32_t kinds[] = {LM_TOKEN_CONTROL, LM_TOKEN_UNKNOWN, LM_TOKEN_USER_DEFINED};
    struct fix f = {0};
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    fix_string(&f, "tokenizer.ggml.model", "gpt2");
    fix_string(&f, "tokenizer.ggml.pre", "gpt-2");
    fix_strings(&f, "tokenizer.ggml.merges", NULL, 0);
    fix_byte_tokens(&f, more, kinds, 3);
    ck_assert_msg(fix_tokenizer(&f, &t, &err) == 0, "%s", err.msg);
    return t;
}

static void push(const struct lm_tokenizer *t, struct lm_detok *d, int32_t id, unsigned flags, struct lm_bytes *out)
{
    struct lm_err err = {0};
    if (lm_detok_push(t, d, id, flags, out, &err))
        ck_abort_msg("%s", err.msg);
}

START_TEST(test_text_detokenizer__ill_formed_becomes_one_replacement_a_subpart)
{
    /* As Python: bytes.decode("utf-8", "replace"), R is U+FFFD. */
    static const char *const table[][2] = {
        {"\x80", "R"},                  {"\xbf\x80", "RR"},             {"\xc0\xaf", "RR"},
        {"\xc1\xbf", "RR"},             {"\xc2", "R"},                  {"\xc2\x41", "RA"},
        {"\xc2\xc2\x80", "R\xc2\x80"},  {"\xe0\x80\xaf", "RRR"},        {"\xe0\x9f\xbf", "RRR"},
        {"\xe0\xa0", "R"},              {"\xe0\xa0\x41", "RA"},         {"\xe1\x80", "R"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "RRRRA"},              {"\xed\xa0\x80", "RRR"},
        {"\xed\x9f", "R"},              {"\xef\xbf\xbe", "\xef\xbf\xbe"}, {"\xf0\x80\x80\x80", "RRRR"},
        {"\xf0\x8f\xbf\xbf", "RRRR"},   {"\xf0\x90", "R"},              {"\xf0\x90\x80", "R"},
        {"\xf0\x90\x80\x41", "RA"},     {"\xf0\x90\x41\x80", "RAR"},    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf4\x90\x80\x80", "RRRR"},   {"\xf5\x80\x80\x80", "RRRR"},   {"\xff\xfe", "RR"},
        {"\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64", "aRRRbRcRRd"},
    };
    struct lm_tokenizer *t = bytes_tokenizer();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct lm_detok d = {0};
        struct lm_bytes got = {0}, want = {0};
        for (const char *s = table[i][0]; *s; s++)
            push(t, &d, (unsigned char)*s, 0, &got);
        lm_detok_finish(&d, &got);
        for (const char *s = table[i][1]; *s; s++)
            *s == 'R' ? lm_bytes_add_str(&want, "\xef\xbf\xbd") : lm_bytes_add_char(&want, *s);
        ck_assert_msg(got.len == want.len && memcmp(got.data, want.data, got.len) == 0, "row %zu: %s", i, got.data);
        lm_bytes_fini(&got);
        lm_bytes_fini(&want);
    }
    lm_tokenizer_destroy(t);
}
END_TEST

/* Bytes that every kind of boundary of Unicode's table 3-7 is between. */
static const unsigned char edge[] = {0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2,
                                     0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xf0, 0xf1, 0xf4, 0xf5};
enum { N_EDGE = sizeof edge };

/* Can s[0..n) be made a character by more bytes? Tried out, not looked up. */
static bool begins_character(const char *s, size_t n)
{
    static const char more[] = "\x80\x8f\x90\x9f\xa0\xbf";
    if (n >= 4)
        return false;
    for (size_t i = 0; i < 6; i++) {
        char longer[4];
        uint32_t c;
        memcpy(longer, s, n);
        longer[n] = more[i];
        if (lm_utf8_decode(longer, n + 1, &c) == (int)n + 1 || begins_character(longer, n + 1))
            return true;
    }
    return false;
}

static void replace(const char *s, size_t n, struct lm_bytes *out)
{
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t c;
        for (len = 4; len > 0; len--)
            if (len <= n - i && lm_utf8_decode(s + i, len, &c) == (int)len)
                break;
        if (len > 0) {
            lm_bytes_add(out, s + i, len);
            continue;
        }
        for (len = n - i < 3 ? n - i : 3; len > 1 && !begins_character(s + i, len);)
            len--;
        lm_bytes_add_str(out, "\xef\xbf\xbd");
    }
}

START_TEST(test_text_detokenizer__any_bytes_split_anywhere_agree_with_the_reference)
{
    struct lm_bytes want = {0}, whole = {0}, split = {0};
    for (size_t i = 0; i < N_EDGE * N_EDGE * N_EDGE * N_EDGE; i++) {
        char s[4] = {(char)edge[i % N_EDGE], (char)edge[i / N_EDGE % N_EDGE], (char)edge[i / N_EDGE / N_EDGE % N_EDGE],
                     (char)edge[i / N_EDGE / N_EDGE / N_EDGE]};
        struct lm_detok d = {0}, e = {0};
        size_t cut = 1 + i % 3;
        lm_bytes_clear(&want);
        lm_bytes_clear(&whole);
        lm_bytes_clear(&split);
        replace(s, 4, &want);
        lm_detok_add(&d, s, 4, &whole);
        lm_detok_finish(&d, &whole);
        lm_detok_add(&e, s, cut, &split);
        if (!lm_utf8_valid(split.data ? split.data : "", split.len))
            ck_abort_msg("case %zu: ill-formed output", i);
        lm_detok_add(&e, s + cut, 4 - cut, &split);
        lm_detok_finish(&e, &split);
        if (want.len != whole.len || want.len != split.len || memcmp(want.data, whole.data, want.len) ||
            memcmp(want.data, split.data, want.len))
            ck_abort_msg("bytes %02x %02x %02x %02x cut at %zu", s[0] & 255, s[1] & 255, s[2] & 255, s[3] & 255, cut);
    }
    lm_bytes_fini(&want);
    lm_bytes_fini(&whole);
    lm_bytes_fini(&split);
}
END_TEST

START_TEST(test_text_detokenizer__every_scalar_survives_a_token_a_byte)
{
    struct lm_tokenizer *t = bytes_tokenizer();
    struct lm_bytes out = {0};
    struct lm_detok d = {0};
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char s[4];
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        int n = lm_utf8_encode(c, s);
        lm_bytes_clear(&out);
        for (int i = 0; i < n; i++) {
            if (out.len)
                ck_abort_msg("U+%04X is shown before it is whole", c);
            push(t, &d, (unsigned char)s[i], 0, &out);
        }
        if (out.len != (size_t)n || memcmp(out.data, s, out.len))
            ck_abort_msg("U+%04X", c);
    }
    lm_bytes_fini(&out);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_detokenizer__special_tokens_are_hidden_unless_asked_for)
{
    static const int32_t ids[] = {'a', 0xc3, CONTROL, 0xa9, UNKNOWN, USER};
    struct lm_tokenizer *t = bytes_tokenizer();
    struct lm_bytes out = {0}, streamed = {0};
    struct lm_detok d = {0};
    ck_assert_int_eq(lm_tokenizer_decode(t, ids, 6, 0, &out, NULL), 0);
    ck_assert_str_eq(out.data, "a\xc3\xa9 \xc3\xa9\xe2\x96\x81");
    for (size_t i = 0; i < 6; i++)
        push(t, &d, ids[i], 0, &streamed);
    ck_assert_str_eq(streamed.data, out.data);
    lm_bytes_clear(&out);
    ck_assert_int_eq(lm_tokenizer_decode(t, ids + 2, 1, LM_TOK_SHOW_SPECIAL, &out, NULL), 0);
    ck_assert_str_eq(out.data, "<|end|>");
    lm_bytes_fini(&out);
    lm_bytes_fini(&streamed);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_detokenizer__unknown_ids_are_refused_and_nothing_is_written)
{
    static const int32_t bad[] = {-1, 259, INT32_MAX, INT32_MIN};
    struct lm_tokenizer *t = bytes_tokenizer();
    struct lm_bytes out = {0};
    struct lm_detok d = {0};
    for (size_t i = 0; i < 4; i++) {
        int32_t ids[] = {'a', bad[i]};
        ck_assert_int_eq(lm_tokenizer_decode(t, ids, 2, 0, &out, NULL), LM_EINVAL);
        ck_assert_int_eq(lm_detok_push(t, &d, bad[i], 0, &out, NULL), LM_EINVAL);
        ck_assert_ptr_null(lm_tokenizer_piece(t, bad[i], &(size_t){0}));
        ck_assert(!lm_tokenizer_is_control(t, bad[i]) && !lm_tokenizer_is_eog(t, bad[i]));
    }
    ck_assert_uint_eq(out.len, 0);
    lm_bytes_fini(&out);
    lm_tokenizer_destroy(t);
}
END_TEST

SUITE_MAIN("text/detokenizer", test_text_detokenizer__ill_formed_becomes_one_replacement_a_subpart,
           test_text_detokenizer__any_bytes_split_anywhere_agree_with_the_reference,
           test_text_detokenizer__every_scalar_survives_a_token_a_byte,
           test_text_detokenizer__special_tokens_are_hidden_unless_asked_for,
           test_text_detokenizer__unknown_ids_are_refused_and_nothing_is_written)

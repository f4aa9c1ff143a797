/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tok_fixture.h"

enum { MEGABYTE = 1 << 20 };

static struct lm_tokenizer *made(struct fix *f)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    int rc = fix_tokenizer(f, &t, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    return t;
}

/* 256 he, 257 ll, 258 hell, 259 hello, 260 "<s>" BOS, 261 "</s>" EOS, 262 "<tool>", 263 "<to", 264 Ġh */
static void small_bpe(struct fix *f, const char *pre)
{
    static const char *const more[] = {"he", "ll", "hell", "hello", "<s>", "</s>", "<tool>", "<to", "\xc4\xa0h"};
    static const int32_t kinds[] = {1, 1, 1, 1, LM_TOKEN_CONTROL, LM_TOKEN_CONTROL, LM_TOKEN_USER_DEFINED,
                                    LM_TOKEN_USER_DEFINED, 1};
    static const char *const merges[] = {"\xc4\xa0 h", "h e", "l l", "he ll", "nothing known"};
    fix_string(f, "tokenizer.ggml.model", "gpt2");
    fix_string(f, "tokenizer.ggml.pre", pre);
    fix_byte_tokens(f, more, kinds, 9);
    fix_strings(f, "tokenizer.ggml.merges", merges, 5);
    fix_u32(f, "tokenizer.ggml.bos_token_id", 260);
    fix_u32(f, "tokenizer.ggml.eos_token_id", 261);
}

START_TEST(test_text_tokenizer__merges_go_by_rank_not_by_place)
{
    struct fix f = {0};
    small_bpe(&f, "gpt-2");
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, "hell", 0, "258");
    fix_expect(t, "hello", 0, "258 111"); /* a token that no merge makes */
    fix_expect(t, "a hell", 0, "97 264 101 257");
    fix_expect(t, "lll", 0, "257 108");
    fix_expect(t, "", 0, "");
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__a_whole_word_needs_no_merges_where_the_model_says_so)
{
    struct fix f = {0};
    small_bpe(&f, "llama-bpe");
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, "hello", 0, "259");
    fix_expect(t, "hellohello", 0, "258 111 258 111");
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__special_tokens_are_found_as_asked)
{
    struct fix f = {0};
    small_bpe(&f, "gpt-2");
    fix_bool(&f, "tokenizer.ggml.add_bos_token", true);
    fix_bool(&f, "tokenizer.ggml.add_eos_token", true);
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, "a", LM_TOK_ADD_SPECIAL, "260 97 261");
    fix_expect(t, "", LM_TOK_ADD_SPECIAL, "260 261");
    fix_expect(t, "<s>a", 0, "60 115 62 97");
    fix_expect(t, "<s>a</s>", LM_TOK_PARSE_SPECIAL, "260 97 261");
    fix_expect(t, "<tool><tox<t", 0, "262 263 120 60 116"); /* the longest one; user-defined always */
    fix_expect(t, "<<s><s", LM_TOK_PARSE_SPECIAL, "60 260 60 115");
    ck_assert_int_eq(lm_tokenizer_bos(t), 260);
    ck_assert_int_eq(lm_tokenizer_eos(t), 261);
    ck_assert(lm_tokenizer_is_control(t, 260) && !lm_tokenizer_is_control(t, 262));
    ck_assert(lm_tokenizer_is_eog(t, 261) && !lm_tokenizer_is_eog(t, 260));
    ck_assert_uint_eq(lm_tokenizer_n_vocab(t), 265);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__tokens_that_the_model_has_no_row_of_end_nothing)
{
    struct fix f = {0};
    size_t n;
    small_bpe(&f, "gpt-2");
    struct lm_tokenizer *t = made(&f);
    ck_assert_uint_eq(lm_tokenizer_n_drawn(t), 265);
    lm_tokenizer_limit(t, 262);
    ck_assert_uint_eq(lm_tokenizer_n_drawn(t), 262);
    ck_assert(lm_tokenizer_is_eog(t, 261));
    lm_tokenizer_limit(t, 261);
    lm_tokenizer_eog(t, &n);
    ck_assert(n == 0 && !lm_tokenizer_is_eog(t, 261));
    lm_tokenizer_limit(t, 300);
    ck_assert_uint_eq(lm_tokenizer_n_drawn(t), 265);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__a_name_that_is_no_string_is_refused)
{
    static const char *const keys[] = {"tokenizer.ggml.model", "tokenizer.ggml.pre"};
    for (size_t i = 0; i < 2; i++) {
        struct fix f = {0};
        struct lm_tokenizer *t = NULL;
        struct lm_err err = {0};
        if (i)
            fix_string(&f, keys[0], "gpt2");
        fix_u32(&f, keys[i], 1);
        ck_assert_int_eq(fix_tokenizer(&f, &t, &err), LM_EFORMAT);
        ck_assert_msg(strstr(err.msg, keys[i]) && strstr(err.msg, "is not a string"), "%s", err.msg);
    }
}
END_TEST

START_TEST(test_text_tokenizer__no_control_token_begins_at_a_plain_offset)
{
    struct fix f = {0};
    small_bpe(&f, "gpt-2");
    struct lm_tokenizer *t = made(&f);
    static const char text[] = "a<s><tool><s></s>";
    static const size_t at[] = {1, 4, 13};
    struct lm_plain plain = {at, 3};
    static const int32_t want[] = {97, 60, 115, 62, 262, 260, 60, 47, 115, 62};
    struct lm_tokens ids = {0};
    int32_t id = -1;
    ck_assert_int_eq(lm_tokenizer_encode_plain(t, text, strlen(text), &plain, LM_TOK_PARSE_SPECIAL, 0, &ids, NULL), 0);
    ck_assert_uint_eq(ids.n, sizeof want / sizeof *want);
    ck_assert_mem_eq(ids.id, want, sizeof want);
    ck_assert_uint_eq(lm_tokenizer_find_control(t, text, 0, strlen(text), &id), 1);
    ck_assert_int_eq(id, 260);
    ck_assert_uint_eq(lm_tokenizer_find_control(t, text, 2, strlen(text), &id), 10);
    ck_assert_uint_eq(lm_tokenizer_find_control(t, text, 11, strlen(text), &id), 13);
    ck_assert_uint_eq(lm_tokenizer_find_control(t, text, 14, strlen(text), &id), strlen(text));
    free(ids.id);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__every_byte_string_comes_back)
{
    struct fix f = {0};
    small_bpe(&f, "gpt-4o");
    struct lm_tokenizer *t = made(&f);
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        char s[64];
        struct lm_tokens ids = {0};
        struct lm_bytes out = {0};
        size_t n = (size_t)round % sizeof s;
        for (size_t i = 0; i < n; i++)
            s[i] = (char)((seed = seed * 1664525u + 1013904223u) >> 24);
        ck_assert_int_eq(lm_tokenizer_encode(t, s, n, LM_TOK_PARSE_SPECIAL, 0, &ids, NULL), 0);
        ck_assert_int_eq(lm_tokenizer_decode(t, ids.id, ids.n, LM_TOK_SHOW_SPECIAL, &out, NULL), 0);
        ck_assert(out.len == n && (n == 0 || memcmp(out.data, s, n) == 0));
        free(ids.id);
        lm_bytes_fini(&out);
    }
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__too_many_tokens_leave_the_output_alone)
{
    struct fix f = {0};
    small_bpe(&f, "gpt-2");
    struct lm_tokenizer *t = made(&f);
    struct lm_err err = {0};
    struct lm_tokens ids = {0};
    ck_assert_int_eq(lm_tokenizer_encode(t, "abc", 3, 0, 3, &ids, &err), 0);
    ck_assert_int_eq(lm_tokenizer_encode(t, "abcd", 4, 0, 3, &ids, &err), LM_ELIMIT);
    ck_assert_uint_eq(ids.n, 3);
    ck_assert_int_eq(lm_tokenizer_encode(t, "abc", 3, 0, 3, &ids, &err), 0);
    ck_assert_uint_eq(ids.n, 6);
    free(ids.id);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__text_is_brought_to_normal_form_where_the_model_does_so)
{
    static const char decomposed[] = "e\xcc\x81\xff";
    struct fix f = {0};
    small_bpe(&f, "qwen2");
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, decomposed, 0, "195 169 255");
    lm_tokenizer_destroy(t);
    small_bpe(&f, "gpt-2");
    t = made(&f);
    fix_expect(t, decomposed, 0, "101 204 129 255");
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__bytes_without_a_token_become_the_replacement_or_nothing)
{
    static const char *const tokens[] = {"a", "\xc3\xaf", "\xc2\xbf", "\xc2\xbd", "aa"}; /* a EF BF BD */
    static const char *const merges[] = {"a a"};
    struct fix f = {0};
    fix_string(&f, "tokenizer.ggml.model", "gpt2");
    fix_string(&f, "tokenizer.ggml.pre", "gpt-2");
    fix_strings(&f, "tokenizer.ggml.tokens", tokens, 5);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, "a\xff""a", 0, "0 1 2 3 0");
    fix_expect(t, "aba", 0, "4"); /* as Hugging Face tokenizers */
    lm_tokenizer_destroy(t);
}
END_TEST

static const char *const spm_tokens[] = {"<unk>", "<s>", "</s>", "▁",  "a",      "b",
                                         "ab",    "▁a",  "▁ab",  "aa", "<0x0A>", "<0xC3>"};
static const float spm_scores[] = {0, 0, 0, -9, -10, -11, -1, -2, -3, -1, 0, 0};
static const int32_t spm_kinds[] = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 6, 6};
enum { N_SPM = sizeof spm_scores / sizeof *spm_scores };

static void small_spm(struct fix *f)
{
    fix_string(f, "tokenizer.ggml.model", "llama");
    fix_strings(f, "tokenizer.ggml.tokens", spm_tokens, N_SPM);
    fix_floats(f, "tokenizer.ggml.scores", spm_scores, N_SPM);
    fix_ints(f, "tokenizer.ggml.token_type", spm_kinds, N_SPM);
}

START_TEST(test_text_tokenizer__sentencepiece_joins_the_best_score_first)
{
    struct fix f = {0};
    small_spm(&f);
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, "ab", 0, "8");
    fix_expect(t, "aab", 0, "3 9 5"); /* aa and ab are equally good: the left one */
    fix_expect(t, "ba", 0, "3 5 4");
    fix_expect(t, "a\n", 0, "7 10");
    fix_expect(t, "ab", LM_TOK_ADD_SPECIAL, "1 8");
    fix_expect(t, "<s>ab", LM_TOK_PARSE_SPECIAL, "1 8");
    fix_expect(t, "xyz b\xc3\xc3z", 0, "3 0 3 5 11 11 0"); /* unknown ones in a row are one */
    fix_expect(t, "", 0, "");
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__the_space_in_front_goes_as_it_came)
{
    static const int32_t ids[] = {1, 8, 8};
    struct fix f = {0};
    small_spm(&f);
    struct lm_tokenizer *t = made(&f);
    struct lm_bytes out = {0};
    ck_assert_int_eq(lm_tokenizer_decode(t, ids, 3, 0, &out, NULL), 0);
    ck_assert_str_eq(out.data, "ab ab");
    lm_bytes_clear(&out);
    ck_assert_int_eq(lm_tokenizer_decode(t, ids, 3, LM_TOK_SHOW_SPECIAL, &out, NULL), 0);
    ck_assert_str_eq(out.data, "<s> ab ab");
    lm_bytes_clear(&out);
    struct lm_detok d = {0};
    ck_assert_int_eq(lm_detok_push(t, &d, 8, 0, &out, NULL), 0);
    ck_assert_str_eq(out.data, " ab"); /* a completion goes on with its prompt */
    lm_bytes_fini(&out);
    lm_tokenizer_destroy(t);

    small_spm(&f);
    fix_bool(&f, "tokenizer.ggml.add_space_prefix", false);
    t = made(&f);
    fix_expect(t, "ab", 0, "6");
    fix_expect(t, " ab", 0, "8");
    ck_assert_int_eq(lm_tokenizer_decode(t, ids + 1, 1, 0, &out, NULL), 0);
    ck_assert_str_eq(out.data, " ab");
    lm_bytes_fini(&out);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__phi3_drops_the_white_space_behind_special_tokens)
{
    struct fix f = {0};
    small_spm(&f);
    fix_string(&f, "general.name", "My Phi-3 mini");
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, "a</s> \n\t\u3000 ab", LM_TOK_PARSE_SPECIAL, "7 2 8");
    fix_expect(t, "a<s> ab", LM_TOK_PARSE_SPECIAL, "7 1 3 8");
    fix_expect(t, "a</s> \n ", LM_TOK_PARSE_SPECIAL, "7 2");
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_tokenizer__gemma4_merges_characters_and_falls_back_to_bytes)
{
    static const char *const tokens[] = {"<bos>", "a", "▁", "▁a", "<0xC3>", "<0xA9>", "\n\n"};
    static const int32_t kinds[] = {3, 1, 1, 1, 6, 6, 1};
    static const char *const merges[] = {"▁ a"};
    struct fix f = {0};
    fix_string(&f, "tokenizer.ggml.model", "gemma4");
    fix_strings(&f, "tokenizer.ggml.tokens", tokens, 7);
    fix_ints(&f, "tokenizer.ggml.token_type", kinds, 7);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
    fix_u32(&f, "tokenizer.ggml.bos_token_id", 0);
    struct lm_tokenizer *t = made(&f);
    fix_expect(t, "a a\n\n\xc3\xa9", LM_TOK_ADD_SPECIAL, "0 1 3 6 4 5");
    lm_tokenizer_destroy(t);
}
END_TEST

static void encode_megabyte(const struct lm_tokenizer *t, const char *part, size_t n_part)
{
    struct lm_tokens ids = {0};
    struct lm_bytes out = {0};
    char *s = malloc(MEGABYTE);
    ck_assert_ptr_nonnull(s);
    for (size_t i = 0; i < MEGABYTE; i++)
        s[i] = part[i % n_part];
    ck_assert_int_eq(lm_tokenizer_encode(t, s, MEGABYTE, LM_TOK_PARSE_SPECIAL, 0, &ids, NULL), 0);
    ck_assert_int_eq(lm_tokenizer_decode(t, ids.id, ids.n, LM_TOK_SHOW_SPECIAL, &out, NULL), 0);
    ck_assert(out.len == MEGABYTE && memcmp(out.data, s, MEGABYTE) == 0);
    lm_bytes_fini(&out);
    free(ids.id);
    free(s);
}

/* What takes a square of the length would need hours. */
START_TEST(test_text_tokenizer__a_megabyte_of_anything_ends)
{
    static const char *const part[] = {"l", " ", "1", "he", "A", "<to", " \n", "A\xcc\x81", "\xff"};
    static const char *const pre[] = {"gpt-2", "llama-bpe", "gpt-4o", "kimi-k2", "superbpe", "tiny_aya", "deepseek-llm",
                                      "jais-2", "falcon", "exaone-moe"};
    for (size_t p = 0; p < sizeof pre / sizeof *pre; p++) {
        struct fix f = {0};
        small_bpe(&f, pre[p]);
        struct lm_tokenizer *t = made(&f);
        for (size_t i = 0; i < sizeof part / sizeof *part; i++)
            encode_megabyte(t, part[i], strlen(part[i]));
        lm_tokenizer_destroy(t);
    }
}
END_TEST

START_TEST(test_text_tokenizer__a_megabyte_of_one_sentencepiece_word_ends)
{
    struct fix f = {0};
    small_spm(&f);
    fix_bool(&f, "tokenizer.ggml.add_space_prefix", false);
    struct lm_tokenizer *t = made(&f);
    encode_megabyte(t, "a", 1);
    encode_megabyte(t, "ab", 2);
    encode_megabyte(t, " ", 1);
    lm_tokenizer_destroy(t);
}
END_TEST

SUITE_MAIN("text/tokenizer", test_text_tokenizer__merges_go_by_rank_not_by_place,
           test_text_tokenizer__a_whole_word_needs_no_merges_where_the_model_says_so,
           test_text_tokenizer__special_tokens_are_found_as_asked,
           test_text_tokenizer__tokens_that_the_model_has_no_row_of_end_nothing, test_text_tokenizer__a_name_that_is_no_string_is_refused,
           test_text_tokenizer__no_control_token_begins_at_a_plain_offset, test_text_tokenizer__every_byte_string_comes_back,
           test_text_tokenizer__too_many_tokens_leave_the_output_alone,
           test_text_tokenizer__text_is_brought_to_normal_form_where_the_model_does_so,
           test_text_tokenizer__bytes_without_a_token_become_the_replacement_or_nothing,
           test_text_tokenizer__sentencepiece_joins_the_best_score_first,
           test_text_tokenizer__the_space_in_front_goes_as_it_came,
           test_text_tokenizer__phi3_drops_the_white_space_behind_special_tokens,
           test_text_tokenizer__gemma4_merges_characters_and_falls_back_to_bytes,
           test_text_tokenizer__a_megabyte_of_anything_ends,
           test_text_tokenizer__a_megabyte_of_one_sentencepiece_word_ends)

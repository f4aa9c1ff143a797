/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tok_fixture.h"

/* Each builds a damaged vocabulary; `says` is a part of the message. */
static void expect_refused(struct fix *f, int code, const char *says)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    int rc = fix_tokenizer(f, &t, &err);
    ck_assert_msg(rc == code && strstr(err.msg, says), "%d, not %d: '%s' does not say '%s'", rc, code, err.msg, says);
    ck_assert_ptr_null(t);
}

static void begin(struct fix *f, const char *model)
{
    static const char *const tokens[] = {"a", "b", "ab"};
    fix_string(f, "tokenizer.ggml.model", model);
    fix_strings(f, "tokenizer.ggml.tokens", tokens, 3);
}

static void begin_bpe(struct fix *f)
{
    begin(f, "gpt2");
    fix_string(f, "tokenizer.ggml.pre", "gpt-2");
}

START_TEST(test_text_vocab__damage_is_named_by_key_and_index)
{
    static const int32_t two[] = {1, 1}, kinds[] = {1, 7, 1};
    static const float scores[] = {0, __builtin_nanf(""), 0};
    static const char *const merges[] = {"a b", "ab"}, *const open[] = {"a b", "a "};
    struct fix f = {0};
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.model is missing");
    fix_u32(&f, "llmserve.low_bit.version", 1);
    expect_refused(&f, LM_EFORMAT, "low-bit-model-path");
    fix_string(&f, "tokenizer.ggml.model", "llama");
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.tokens is missing");
    fix_string(&f, "tokenizer.ggml.model", "llama");
    fix_ints(&f, "tokenizer.ggml.tokens", two, 2);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.tokens is not an array of strings");
    fix_string(&f, "tokenizer.ggml.model", "llama");
    fix_strings(&f, "tokenizer.ggml.tokens", NULL, 0);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.tokens has 0 elements");
    begin(&f, "llama");
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.scores is missing");
    begin(&f, "llama");
    fix_floats(&f, "tokenizer.ggml.scores", scores, 3);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.scores[1]");
    begin(&f, "llama");
    fix_ints(&f, "tokenizer.ggml.scores", two, 2);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.scores has 2 elements, tokenizer.ggml.tokens has 3");
    begin(&f, "llama");
    fix_ints(&f, "tokenizer.ggml.token_type", two, 2);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.token_type has 2 elements");
    begin(&f, "llama");
    fix_ints(&f, "tokenizer.ggml.token_type", kinds, 3);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.token_type[1]");
    begin_bpe(&f);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.merges is missing");
    begin_bpe(&f);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 2);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.merges[1]");
    begin_bpe(&f);
    fix_strings(&f, "tokenizer.ggml.merges", open, 2);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.merges[1]");
}
END_TEST

START_TEST(test_text_vocab__ids_outside_the_vocabulary_are_refused)
{
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id", "tokenizer.ggml.unknown_token_id",
                                       "tokenizer.ggml.fim_pad_token_id"};
    static const char *const merges[] = {"a b"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct fix f = {0};
        begin_bpe(&f);
        fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
        fix_u32(&f, keys[i], 3);
        expect_refused(&f, LM_EFORMAT, keys[i]);
        begin_bpe(&f);
        fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
        fix_string(&f, keys[i], "2");
        expect_refused(&f, LM_EFORMAT, keys[i]);
    }
}
END_TEST

START_TEST(test_text_vocab__unknown_kinds_of_tokenizer_are_named)
{
    struct fix f = {0};
    begin(&f, "rwkv");
    expect_refused(&f, LM_EUNSUPPORTED, "'rwkv'");
    begin(&f, "bert"); /* known; the file has not its special tokens */
    expect_refused(&f, LM_EFORMAT, "special tokens");
    begin(&f, "gpt2");
    fix_string(&f, "tokenizer.ggml.pre", "no-such-thing");
    expect_refused(&f, LM_EUNSUPPORTED, "'no-such-thing'");
    begin(&f, "gpt2");
    fix_string(&f, "tokenizer.ggml.pre", "gpt-2 phi-2");
    expect_refused(&f, LM_EUNSUPPORTED, "'gpt-2 phi-2'");
}
END_TEST

START_TEST(test_text_vocab__duplicates_and_empty_tokens_do_no_harm)
{
    static const char *const tokens[] = {"", "a", "b", "a", "ab", "", "ab"};
    static const char *const merges[] = {"a b", "a b", "b x", "y a"};
    struct fix f = {0};
    struct lm_tokenizer *t = NULL;
    struct lm_bytes out = {0};
    fix_string(&f, "tokenizer.ggml.model", "gpt2");
    fix_strings(&f, "tokenizer.ggml.tokens", tokens, 7);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 4);
    ck_assert_int_eq(fix_tokenizer(&f, &t, NULL), 0);
    fix_expect(t, "aba", 0, "4 1"); /* the lowest id */
    ck_assert_int_eq(lm_tokenizer_decode(t, (int32_t[]){0, 3, 5, 6}, 4, 0, &out, NULL), 0);
    ck_assert_str_eq(out.data, "aab");
    lm_bytes_fini(&out);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_text_vocab__a_byte_token_is_a_byte_only_when_it_spells_one)
{
    static const char *const tokens[] = {"<0x41>", "<0x4g>", "<0x041>", "<0x", "<0x-1>", "<0x 1>", "x"};
    static const int32_t kinds[] = {6, 6, 6, 6, 6, 6, 6};
    static const float scores[7] = {0};
    struct fix f = {0};
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    fix_string(&f, "tokenizer.ggml.model", "llama");
    fix_strings(&f, "tokenizer.ggml.tokens", tokens, 7);
    fix_floats(&f, "tokenizer.ggml.scores", scores, 7);
    fix_ints(&f, "tokenizer.ggml.token_type", kinds, 7);
    ck_assert_msg(fix_tokenizer(&f, &t, &err) == 0, "%s", err.msg);
    for (int32_t i = 0; i < 7; i++) {
        size_t n;
        const char *piece = lm_tokenizer_piece(t, i, &n);
        const char *want = i ? tokens[i] : "A";
        ck_assert(n == strlen(want) && memcmp(piece, want, n) == 0);
    }
    lm_tokenizer_destroy(t);
}
END_TEST

static void expect_eog(const char *const *tokens, size_t n, int32_t kind, const char *want)
{
    struct fix f = {0};
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    int32_t kinds[8];
    for (size_t i = 0; i < n; i++)
        kinds[i] = i ? kind : LM_TOKEN_NORMAL;
    fix_string(&f, "tokenizer.ggml.model", "gpt2");
    fix_strings(&f, "tokenizer.ggml.tokens", tokens, n);
    fix_ints(&f, "tokenizer.ggml.token_type", kinds, n);
    fix_strings(&f, "tokenizer.ggml.merges", NULL, 0);
    fix_u32(&f, "tokenizer.ggml.eos_token_id", 1);
    ck_assert_msg(fix_tokenizer(&f, &t, &err) == 0, "%s", err.msg);
    size_t n_eog;
    const int32_t *eog = lm_tokenizer_eog(t, &n_eog);
    struct lm_bytes got = {0};
    for (size_t i = 0; i < n_eog; i++)
        lm_bytes_addf(&got, " %d", eog[i]);
    ck_assert_str_eq(got.data, want);
    lm_bytes_fini(&got);
    lm_tokenizer_destroy(t);
}

START_TEST(test_text_vocab__what_ends_a_generation_is_known_by_id_and_by_text)
{
    static const char *const chat[] = {"a", "<eos>", "<|im_end|>", "<|fim_pad|>", "<|fim_prefix|>", "b"};
    static const char *const html[] = {"a", "<eos>", "</s>", "<s>"};
    static const char *const harmony[] = {"a", "<|return|>", "<|call|>", "<|end|>", "<|message|>"};
    expect_eog(chat, 6, LM_TOKEN_NORMAL, " 1 2 3");
    expect_eog(html, 4, LM_TOKEN_USER_DEFINED, " 1");
    expect_eog(html, 4, LM_TOKEN_CONTROL, " 1 2");
    expect_eog(harmony, 5, LM_TOKEN_CONTROL, " 1 2");
}
END_TEST

START_TEST(test_text_vocab__a_generation_may_have_several_ends)
{
    static const char *const merges[] = {"a b"};
    static const int32_t ends[] = {2, 0}, beyond[] = {2, 3};
    struct fix f = {0};
    struct lm_tokenizer *t = NULL;
    begin_bpe(&f);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
    fix_u32(&f, "tokenizer.ggml.eos_token_id", 2);
    fix_ints(&f, "tokenizer.ggml.eos_token_ids", ends, 2);
    ck_assert_int_eq(fix_tokenizer(&f, &t, NULL), 0);
    ck_assert(lm_tokenizer_is_eog(t, 0) && !lm_tokenizer_is_eog(t, 1) && lm_tokenizer_is_eog(t, 2) && lm_tokenizer_eos(t) == 2);
    lm_tokenizer_destroy(t);
    begin_bpe(&f);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
    fix_ints(&f, "tokenizer.ggml.eos_token_ids", beyond, 2);
    expect_refused(&f, LM_EFORMAT, "tokenizer.ggml.eos_token_ids has 3, but there are 3 tokens");
}
END_TEST

START_TEST(test_text_vocab__any_cut_or_flipped_byte_is_refused_or_works)
{
    static const char *const merges[] = {"a b"};
    static const float scores[] = {0, 1, 2};
    static const int32_t kinds[] = {1, 3, 4};
    struct fix f = {0};
    begin_bpe(&f);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
    fix_floats(&f, "tokenizer.ggml.scores", scores, 3);
    fix_ints(&f, "tokenizer.ggml.token_type", kinds, 3);
    fix_u32(&f, "tokenizer.ggml.eos_token_id", 1);
    lm_gguf_close(fix_open(&f));
    for (size_t i = 0; i < 40 * f.file.len; i++) {
        struct lm_gguf *g = NULL;
        struct lm_tokenizer *t = NULL;
        size_t at = i / 40, bit = i % 40;
        char was = f.file.data[at];
        if (bit < 8)
            f.file.data[at] = (char)(was ^ (1 << bit));
        else
            f.file.data[at] = (char)((was + (int)bit * 37) & 255);
        if (lm_gguf_open_memory(f.file.data, f.file.len, &g, NULL) == 0 && lm_tokenizer_create(g, &t, NULL) == 0)
            free(fix_encode(t, "abab <s>", 8, LM_TOK_ADD_SPECIAL | LM_TOK_PARSE_SPECIAL));
        lm_tokenizer_destroy(t);
        lm_gguf_close(g);
        f.file.data[at] = was;
    }
    lm_bytes_fini(&f.file);
}
END_TEST

SUITE_MAIN("text/vocab", test_text_vocab__damage_is_named_by_key_and_index,
           test_text_vocab__ids_outside_the_vocabulary_are_refused,
           test_text_vocab__unknown_kinds_of_tokenizer_are_named,
           test_text_vocab__duplicates_and_empty_tokens_do_no_harm,
           test_text_vocab__a_byte_token_is_a_byte_only_when_it_spells_one,
           test_text_vocab__what_ends_a_generation_is_known_by_id_and_by_text,
           test_text_vocab__a_generation_may_have_several_ends,
           test_text_vocab__any_cut_or_flipped_byte_is_refused_or_works)

/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers of tests/golden/hf against what Hugging Face tokenizers made of the same files. */
#include "runtime/text/tok_fixture.h"
#include "runtime/base/utf8.h"
#include <jansson.h>
#include <math.h>
#include <time.h>

static json_t *read_golden(void)
{
    struct lm_bytes command = {0}, data = {0};
    const char *srcdir = getenv("srcdir");
    char chunk[65536];
    size_t n;
    lm_bytes_addf(&command, "xz -dc '%s/tests/golden/hf/golden.json.xz'", srcdir ? srcdir : ".");
    FILE *in = popen(command.data, "r");
    ck_assert_ptr_nonnull(in);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        lm_bytes_add(&data, chunk, n);
    ck_assert_msg(pclose(in) == 0 && !data.failed, "%s", command.data);
    json_error_t where;
    json_t *root = json_loadb(data.data, data.len, JSON_ALLOW_NUL, &where);
    ck_assert_msg(root != NULL, "line %d: %s", where.line, where.text);
    lm_bytes_fini(&command);
    lm_bytes_fini(&data);
    return root;
}

static struct lm_tokenizer *read_tokenizer(const char *name, const json_t *file)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    int rc = lm_tokenizer_parse(json_string_value(file), json_string_length(file), NULL, &t, &err);
    ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
    return t;
}

static struct lm_tokenizer *read_pieces(const char *name, const json_t *file)
{
    struct lm_tokenizer *t = NULL;
    struct lm_bytes bytes = {0};
    struct lm_err err = {0};
    const char *hex = json_string_value(file);
    for (size_t i = 0; i + 1 < json_string_length(file); i += 2)
        lm_bytes_add_char(&bytes, (char)strtoul((char[]){hex[i], hex[i + 1], 0}, NULL, 16));
    int rc = lm_tokenizer_parse_pieces(bytes.data, bytes.len, NULL, &t, &err);
    ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
    lm_bytes_fini(&bytes);
    return t;
}

static void check_ids(const struct lm_tokenizer *t, const char *name, const json_t *text, const json_t *want, unsigned flags)
{
    struct lm_tokens ids = {0};
    size_t i = 0;
    struct lm_err err = {0};
    int rc = lm_tokenizer_encode(t, json_string_value(text), json_string_length(text), flags, 0, &ids, &err);
    ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
    while (i < ids.n && i < json_array_size(want) && json_integer_value(json_array_get(want, i)) == ids.id[i])
        i++;
    ck_assert_msg(i == ids.n && i == json_array_size(want), "%s: '%s', id %zu", name, json_string_value(text), i);
    free(ids.id);
}

static void check_text(const struct lm_tokenizer *t, const char *name, const json_t *list, const json_t *want, unsigned flags)
{
    struct lm_tokens ids = {0};
    struct lm_bytes got = {0};
    const json_t *id;
    size_t i;
    ids.id = malloc((json_array_size(list) + 1) * sizeof *ids.id);
    json_array_foreach(list, i, id)
        ids.id[ids.n++] = (int32_t)json_integer_value(id);
    ck_assert_int_eq(lm_tokenizer_decode(t, ids.id, ids.n, flags, &got, NULL), 0);
    bool same = got.len == json_string_length(want) && memcmp(got.data ? got.data : "", json_string_value(want), got.len) == 0;
    ck_assert_msg(same, "%s: '%s' is not '%s'", name, got.data ? got.data : "", json_string_value(want));
    free(ids.id);
    lm_bytes_fini(&got);
}

START_TEST(test_hf_golden__ids_are_those_of_hugging_face_tokenizers)
{
    json_t *root = read_golden(), *texts = json_object_get(root, "texts"), *one, *text;
    const char *name;
    size_t i, n = 0;
    json_object_foreach(json_object_get(root, "tokenizers"), name, one) {
        struct lm_tokenizer *t = read_tokenizer(name, json_object_get(one, "file"));
        json_array_foreach(texts, i, text) {
            const json_t *want = json_array_get(json_object_get(one, "ids"), i), *all = json_array_get(want, 0),
                         *plain = json_array_get(want, 1);
            if (!json_is_null(all))
                check_ids(t, name, text, all, LM_TOK_ADD_SPECIAL | LM_TOK_PARSE_SPECIAL);
            if (!json_is_null(plain))
                check_ids(t, name, text, plain, LM_TOK_ADD_SPECIAL);
        }
        lm_tokenizer_destroy(t);
        n++;
    }
    ck_assert_uint_gt(n, 35);
    json_decref(root);
}
END_TEST

START_TEST(test_hf_golden__texts_are_those_of_hugging_face_tokenizers)
{
    json_t *root = read_golden(), *one, *list;
    const char *name;
    size_t i;
    json_object_foreach(json_object_get(root, "tokenizers"), name, one) {
        struct lm_tokenizer *t = read_tokenizer(name, json_object_get(one, "file"));
        json_array_foreach(json_object_get(one, "lists"), i, list) {
            const json_t *want = json_array_get(json_object_get(one, "decoded"), i);
            if (json_is_null(want))
                continue;
            check_text(t, name, list, json_array_get(want, 0), 0);
            check_text(t, name, list, json_array_get(want, 1), LM_TOK_SHOW_SPECIAL);
        }
        lm_tokenizer_destroy(t);
    }
    json_decref(root);
}
END_TEST

START_TEST(test_hf_golden__pieces_are_those_of_sentencepiece)
{
    json_t *root = read_golden(), *texts = json_object_get(root, "texts"), *one, *text, *list;
    const char *name;
    size_t i, n = 0;
    json_object_foreach(json_object_get(root, "models"), name, one) {
        struct lm_tokenizer *t = read_pieces(name, json_object_get(one, "file"));
        json_array_foreach(texts, i, text) {
            const json_t *want = json_array_get(json_object_get(one, "ids"), i);
            if (!json_is_null(want))
                check_ids(t, name, text, want, 0);
        }
        json_array_foreach(json_object_get(one, "lists"), i, list)
            check_text(t, name, list, json_array_get(json_object_get(one, "decoded"), i), 0);
        lm_tokenizer_destroy(t);
        n++;
    }
    ck_assert_uint_eq(n, 5);
    json_decref(root);
}
END_TEST

/* What each token makes visible, one after the other, is well-formed whatever was generated. */
START_TEST(test_hf_golden__streamed_text_is_whole_characters)
{
    json_t *root = read_golden(), *one, *list, *id;
    const char *name;
    size_t i, k;
    json_object_foreach(json_object_get(root, "tokenizers"), name, one) {
        struct lm_tokenizer *t = read_tokenizer(name, json_object_get(one, "file"));
        json_array_foreach(json_object_get(one, "lists"), i, list) {
            struct lm_detok d = {0};
            struct lm_bytes out = {0};
            json_array_foreach(list, k, id) {
                ck_assert_int_eq(lm_detok_push(t, &d, (int32_t)json_integer_value(id), 0, &out, NULL), 0);
                ck_assert_msg(lm_utf8_valid(out.data ? out.data : "", out.len), "%s, list %zu", name, i);
            }
            lm_detok_finish(&d, &out);
            ck_assert(lm_utf8_valid(out.data ? out.data : "", out.len));
            lm_bytes_fini(&out);
        }
        lm_tokenizer_destroy(t);
    }
    json_decref(root);
}
END_TEST

/* A WordPiece vocabulary as llama.cpp's converter writes it: U+2581 in front of what begins words, nothing in front of the rest. */
static struct lm_tokenizer *as_gguf(const json_t *file)
{
    json_error_t why;
    json_t *j = json_loads(json_string_value(file), 0, &why), *vocab = json_object_get(json_object_get(j, "model"), "vocab"), *id;
    size_t n = json_object_size(vocab);
    const char **text = calloc(n, sizeof *text), *key;
    struct lm_tokenizer *t = NULL;
    struct fix f = {0};
    struct lm_err err = {0};
    json_object_foreach(vocab, key, id)
        text[json_integer_value(id)] = key;
    fix_string(&f, "tokenizer.ggml.model", "bert");
    fix_u32(&f, "tokenizer.ggml.unknown_token_id", 0);
    fix_u32(&f, "tokenizer.ggml.cls_token_id", 1);
    fix_u32(&f, "tokenizer.ggml.seperator_token_id", 2);
    fix_array(&f, "tokenizer.ggml.tokens", LM_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        char written[512];
        snprintf(written, sizeof written, "%s%s", i < 3 || strncmp(text[i], "##", 2) == 0 ? "" : "\xe2\x96\x81", text[i] + (strncmp(text[i], "##", 2) == 0 ? 2 : 0));
        gguf_put_string(&f.body, written);
    }
    fix_array(&f, "tokenizer.ggml.token_type", LM_GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        gguf_put(&f.body, i == 1 || i == 2 ? LM_TOKEN_CONTROL : LM_TOKEN_NORMAL, 4);
    ck_assert_msg(fix_tokenizer(&f, &t, &err) == 0, "%s", err.msg);
    free(text);
    json_decref(j);
    return t;
}

START_TEST(test_hf_golden__wordpiece_of_a_gguf_file_gives_the_same_ids)
{
    json_t *root = read_golden(), *texts = json_object_get(root, "texts"), *text;
    const json_t *one = json_object_get(json_object_get(root, "tokenizers"), "bert");
    struct lm_tokenizer *t = as_gguf(json_object_get(one, "file"));
    size_t i, n = 0;
    json_array_foreach(texts, i, text) {
        const json_t *want = json_array_get(json_array_get(json_object_get(one, "ids"), i), 0);
        if (json_is_null(want))
            continue;
        check_ids(t, "bert", text, want, LM_TOK_ADD_SPECIAL | LM_TOK_PARSE_SPECIAL);
        n++;
    }
    ck_assert_uint_gt(n, 20);
    lm_tokenizer_destroy(t);
    json_decref(root);
}
END_TEST

static void expect_pair(const struct lm_tokenizer *t, const char *a, const char *b, const char *want, uint32_t want_second)
{
    const char *const text[] = {a, b};
    const size_t n[] = {strlen(a), strlen(b)};
    struct lm_tokens ids = {0};
    struct lm_bytes s = {0};
    uint32_t second = 99;
    ck_assert_int_eq(lm_tokenizer_encode_pair(t, text, n, 0, &ids, &second, NULL), 0);
    for (size_t i = 0; i < ids.n; i++)
        lm_bytes_addf(&s, i ? " %d" : "%d", ids.id[i]);
    ck_assert_str_eq(s.data, want);
    ck_assert_uint_eq(second, want_second);
    ck_assert_int_eq(lm_tokenizer_encode_pair(t, text, n, ids.n - 1, &ids, &second, NULL), LM_ELIMIT);
    lm_bytes_fini(&s);
    free(ids.id);
}

/* As XLM-RoBERTa's in GGUF. */
START_TEST(test_hf_golden__unigram_of_a_gguf_file_and_pairs_of_texts)
{
    static const char *const tokens[] = {"<s>", "<pad>", "</s>", "<unk>", "\xe2\x96\x81", "\xe2\x96\x81" "a", "b", "\xe2\x96\x81" "ab", "c", "\"\\"};
    static const float scores[] = {0, 0, 0, 0, -3, -2, -2.5f, -1, -2, -2};
    static const int32_t kinds[] = {3, 3, 3, 2, 1, 1, 1, 1, 1, 1};
    enum { N = sizeof tokens / sizeof *tokens };
    struct lm_tokenizer *t;
    struct fix f = {0};
    fix_string(&f, "tokenizer.ggml.model", "t5");
    fix_u32(&f, "tokenizer.ggml.bos_token_id", 0);
    fix_u32(&f, "tokenizer.ggml.eos_token_id", 2);
    fix_u32(&f, "tokenizer.ggml.unknown_token_id", 3);
    fix_strings(&f, "tokenizer.ggml.tokens", tokens, N);
    fix_floats(&f, "tokenizer.ggml.scores", scores, N);
    fix_ints(&f, "tokenizer.ggml.token_type", kinds, N);
    ck_assert_int_eq(fix_tokenizer(&f, &t, NULL), 0);
    fix_expect(t, "ab  c", LM_TOK_ADD_SPECIAL, "0 7 4 8 2");
    fix_expect(t, " a\tx\"\\", LM_TOK_ADD_SPECIAL, "0 5 4 3 9 2");
    fix_expect(t, "</s>ab", LM_TOK_PARSE_SPECIAL, "2 7");
    expect_pair(t, "ab", "a c", "0 7 2 2 5 4 8 2", 0);
    lm_tokenizer_destroy(t);
    json_t *root = read_golden();
    t = as_gguf(json_object_get(json_object_get(json_object_get(root, "tokenizers"), "bert"), "file"));
    expect_pair(t, "", "", "1 2 2", 2);
    lm_tokenizer_destroy(t);
    json_decref(root);
}
END_TEST

START_TEST(test_hf_golden__a_gguf_file_of_an_encoder_that_lies_is_refused)
{
    static const char *const tokens[] = {"[UNK]", "\xe2\x96\x81" "a"};
    static const float scores[] = {0, INFINITY};
    static const struct { const char *model, *key; uint32_t v; } bad[] = {
        {"bert", "tokenizer.ggml.unknown_token_id", 2}, {"bert", "tokenizer.ggml.cls_token_id", 2}, {"bert", "tokenizer.ggml.seperator_token_id", 2},
        {"t5", "tokenizer.ggml.unknown_token_id", 7}, {"t5", "tokenizer.ggml.bos_token_id", 7}, {"t5", "tokenizer.ggml.eos_token_id", 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static const char *const keys[] = {"tokenizer.ggml.unknown_token_id", "tokenizer.ggml.cls_token_id", "tokenizer.ggml.seperator_token_id",
                                           "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"};
        struct lm_tokenizer *t;
        struct lm_err err = {0};
        struct fix f = {0};
        fix_string(&f, "tokenizer.ggml.model", bad[i].model);
        fix_strings(&f, "tokenizer.ggml.tokens", tokens, 2);
        fix_floats(&f, "tokenizer.ggml.scores", scores, 2);
        for (size_t k = 0; k < 5; k++)
            if (k < 3 || bad[i].model[0] == 't')
                fix_u32(&f, keys[k], strcmp(keys[k], bad[i].key) == 0 ? bad[i].v : 0);
        ck_assert_msg(fix_tokenizer(&f, &t, &err) < 0, "case %zu", i);
        ck_assert_msg(err.msg[0] != 0, "case %zu", i);
    }
}
END_TEST

static uint64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* One character a million times, in much less time than anything quadratic takes. LM_TEST_TIMES prints the times. */
START_TEST(test_hf_golden__a_megabyte_of_one_character_is_encoded_in_linear_time)
{
    enum { N = 1 << 20 };
    static const char *const chars[] = {"a", " ", "1", "\n", "."};
    json_t *root = read_golden(), *one;
    const char *name;
    char *text = malloc(N);
    json_object_foreach(json_object_get(root, "tokenizers"), name, one) {
        if (strcmp(name, "llama3") != 0 && strcmp(name, "llama2") != 0 && strcmp(name, "t5") != 0 && strcmp(name, "bert") != 0 &&
            strcmp(name, "unigram_never") != 0 && strcmp(name, "wordlevel") != 0)
            continue;
        struct lm_tokenizer *t = read_tokenizer(name, json_object_get(one, "file"));
        for (size_t i = 0; i < sizeof chars / sizeof *chars; i++) {
            struct lm_tokens ids = {0};
            memset(text, chars[i][0], N);
            uint64_t from = cpu_us();
            ck_assert_int_eq(lm_tokenizer_encode(t, text, N, 0, 0, &ids, NULL), 0);
            uint64_t took = cpu_us() - from;
            ck_assert_msg(took < 20000000, "%s took %llu us for '%s'", name, (unsigned long long)took, chars[i]);
            if (getenv("LM_TEST_TIMES"))
                printf("%s %d: %llu us\n", name, chars[i][0], (unsigned long long)took);
            free(ids.id);
        }
        lm_tokenizer_destroy(t);
    }
    free(text);
    json_decref(root);
}
END_TEST

SUITE_MAIN("text/hf_golden", test_hf_golden__ids_are_those_of_hugging_face_tokenizers,
           test_hf_golden__texts_are_those_of_hugging_face_tokenizers, test_hf_golden__pieces_are_those_of_sentencepiece,
           test_hf_golden__streamed_text_is_whole_characters, test_hf_golden__wordpiece_of_a_gguf_file_gives_the_same_ids,
           test_hf_golden__unigram_of_a_gguf_file_and_pairs_of_texts, test_hf_golden__a_gguf_file_of_an_encoder_that_lies_is_refused,
           test_hf_golden__a_megabyte_of_one_character_is_encoded_in_linear_time)

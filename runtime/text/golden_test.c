/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers against tests/golden/tokenizer and the vocabularies of tests/data/vocab. */
#include "runtime/text/nfc.h"
#include "runtime/text/pretok.h"
#include "runtime/text/tok_fixture.h"
#include <jansson.h>

static const char *const vocabs[] = {"deepseek-coder", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2"};
enum { N_VOCAB = sizeof vocabs / sizeof *vocabs };

/* From a file below the source folder, or the output of a command on it. */
static struct lm_bytes read_source(const char *command, const char *name)
{
    struct lm_bytes path = {0}, data = {0};
    const char *srcdir = getenv("srcdir");
    char chunk[65536];
    size_t n;
    lm_bytes_addf(&path, "%s '%s/tests/%s'", command, srcdir ? srcdir : ".", name);
    FILE *in = popen(path.data, "r");
    ck_assert_ptr_nonnull(in);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        lm_bytes_add(&data, chunk, n);
    ck_assert_msg(pclose(in) == 0 && !data.failed, "%s", path.data);
    lm_bytes_fini(&path);
    return data;
}

static json_t *read_json(const char *name)
{
    json_error_t where;
    struct lm_bytes text = read_source("cat", name);
    json_t *root = json_loadb(text.data, text.len, JSON_ALLOW_NUL, &where);
    ck_assert_msg(root != NULL, "%s:%d: %s", name, where.line, where.text);
    lm_bytes_fini(&text);
    return root;
}

static struct lm_tokenizer *read_vocab(const char *name)
{
    char path[128];
    struct lm_gguf *g = NULL;
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    snprintf(path, sizeof path, "data/vocab/ggml-vocab-%s.gguf.xz", name);
    struct lm_bytes file = read_source("xz -dc", path);
    int rc = lm_gguf_open_memory(file.data, file.len, &g, &err);
    if (!rc)
        rc = lm_tokenizer_create(g, &t, &err);
    ck_assert_msg(rc == 0, "%s: %s", name, err.msg);
    lm_gguf_close(g);
    lm_bytes_fini(&file);
    return t;
}

static bool equals(const json_t *want, const int32_t *id, size_t n)
{
    size_t i = 0;
    while (i < n && i < json_array_size(want) && json_integer_value(json_array_get(want, i)) == id[i])
        i++;
    return i == n && n == json_array_size(want);
}

START_TEST(test_text_golden__pieces_are_those_of_hugging_face_tokenizers)
{
    json_t *root = read_json("golden/tokenizer/pretok.json"), *texts = json_object_get(root, "texts"), *cases, *text;
    const char *name;
    size_t i;
    json_object_foreach(json_object_get(root, "rows"), name, cases) {
        struct lm_pretok p = {0};
        struct lm_pretok_work w = {0};
        ck_assert_int_eq(lm_pretok_init(&p, name, strlen(name), NULL), 0);
        json_array_foreach(texts, i, text) {
            ck_assert_int_eq(lm_pretok_cut(&p, &w, json_string_value(text), json_string_length(text), NULL), 0);
            bool same = equals(json_array_get(cases, i), (const int32_t *)w.piece.end, w.piece.n);
            ck_assert_msg(same, "%s, text %zu", name, i);
        }
        lm_pretok_work_fini(&w);
        lm_pretok_fini(&p);
    }
    json_decref(root);
}
END_TEST

START_TEST(test_text_golden__ids_are_those_of_hugging_face_tokenizers)
{
    json_t *root = read_json("golden/tokenizer/encode.json"), *texts = json_object_get(root, "texts"), *text;
    size_t i;
    for (size_t v = 0; v < N_VOCAB; v++) {
        json_t *cases = json_object_get(json_object_get(root, "vocabs"), vocabs[v]);
        struct lm_tokenizer *t = read_vocab(vocabs[v]);
        json_array_foreach(texts, i, text) {
            const char *s = json_string_value(text);
            size_t n = json_string_length(text);
            struct lm_tokens ids = {0};
            struct lm_bytes back = {0};
            ck_assert_int_eq(lm_tokenizer_encode(t, s, n, 0, 0, &ids, NULL), 0);
            ck_assert_msg(equals(json_array_get(cases, i), ids.id, ids.n), "%s, text %zu", vocabs[v], i);
            ck_assert_int_eq(lm_tokenizer_decode(t, ids.id, ids.n, 0, &back, NULL), 0);
            bool changed = strcmp(vocabs[v], "phi-3") == 0 || lm_nfc_wanted(s, n);
            bool same = back.len == n && (n == 0 || memcmp(back.data, s, n) == 0);
            ck_assert_msg(changed || same, "%s, text %zu", vocabs[v], i);
            free(ids.id);
            lm_bytes_fini(&back);
        }
        lm_tokenizer_destroy(t);
    }
    json_decref(root);
}
END_TEST

/* Texts lie between lines of __ggml_vocab_test__; the n-th line of the .out file has the ids of the n-th. */
static size_t check_vectors(const struct lm_tokenizer *t, const char *name, const char *texts)
{
    static const char end[] = "\n__ggml_vocab_test__\n";
    char path[128];
    snprintf(path, sizeof path, "data/vocab/ggml-vocab-%s.gguf.out", name);
    struct lm_bytes out = read_source("cat", path);
    const char *line = out.data;
    size_t n = 0;
    for (const char *stop; (stop = strstr(texts, end)); texts = stop + strlen(end), n++) {
        const char *newline = strchr(line, '\n');
        ck_assert_ptr_nonnull(newline);
        char *got = fix_encode(t, texts, (size_t)(stop - texts), 0);
        while (*line == ' ')
            line++;
        bool same = strlen(got) == (size_t)(newline - line) && memcmp(got, line, strlen(got)) == 0;
        ck_assert_msg(same, "%s, text %zu: %s", name, n, got);
        free(got);
        line = newline + 1;
    }
    ck_assert(*line == 0);
    lm_bytes_fini(&out);
    return n;
}

START_TEST(test_text_golden__vectors_of_llama_cpp_hold)
{
    struct lm_bytes texts = read_source("cat", "data/vocab/ggml-vocab.inp");
    for (size_t v = 0; v < N_VOCAB; v++) {
        struct lm_tokenizer *t = read_vocab(vocabs[v]);
        ck_assert_uint_eq(check_vectors(t, vocabs[v], texts.data), 46);
        lm_tokenizer_destroy(t);
    }
    lm_bytes_fini(&texts);
}
END_TEST

SUITE_MAIN("text/golden", test_text_golden__pieces_are_those_of_hugging_face_tokenizers,
           test_text_golden__ids_are_those_of_hugging_face_tokenizers, test_text_golden__vectors_of_llama_cpp_hold)

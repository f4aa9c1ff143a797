/* SPDX-License-Identifier: Apache-2.0 */
/* What a tokenizer.json or a tokenizer.model may not say, and how much it may cost. */
#include "runtime/base/clock.h"
#include "runtime/text/folder.h"
#include "runtime/text/tok_fixture.h"

#define BPE "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<u>\":3},\"merges\":[\"a b\"]}"
#define NORM(text) "{\"normalizer\":" text "," BPE "}"
#define PRE(text) "{\"pre_tokenizer\":" text "," BPE "}"
#define POST(text) "{\"post_processor\":" text "," BPE "}"
#define DEC(text) "{\"decoder\":" text "," BPE "}"
#define SPLIT(rx) PRE("{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"" rx "\"}}")
#define MODEL(text) "{\"model\":{" text "}}"
#define TEN(text) text text text text text text text text text text

struct refused {
    const char *file;
    int code;
    const char *says;
};

static void check_refused(const char *file, size_t n, int code, const char *says)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    int rc = lm_tokenizer_parse(file, n, NULL, &t, &err);
    ck_assert_msg(rc == code && strstr(err.msg, says), "%d '%s' instead of %d '%s' for %.200s", rc, err.msg, code, says, file);
    ck_assert_ptr_null(t);
}

static struct lm_tokenizer *parse(const char *file)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    int rc = lm_tokenizer_parse(file, strlen(file), NULL, &t, &err);
    ck_assert_msg(rc == 0, "%s: %.200s", err.msg, file);
    return t;
}

START_TEST(test_hf_file__what_is_not_supported_is_refused_by_name)
{
    static const struct refused cases[] = {
        {NORM("{\"type\":\"Foo\"}"), LM_EUNSUPPORTED, "normalizer type 'Foo'"},
        {NORM("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Bar\"}]}"), LM_EUNSUPPORTED, "'Bar'"},
        {PRE("{\"type\":\"Foo\"}"), LM_EUNSUPPORTED, "pre_tokenizer type 'Foo'"},
        {PRE("{\"type\":\"Punctuation\",\"behavior\":\"Foo\"}"), LM_EUNSUPPORTED, "pre_tokenizer.behavior 'Foo'"},
        {POST("{\"type\":\"Foo\"}"), LM_EUNSUPPORTED, "post_processor type 'Foo'"},
        {DEC("{\"type\":\"CTC\",\"pad_token\":\"a\"}"), LM_EUNSUPPORTED, "decoder type 'CTC'"},
        {MODEL("\"type\":\"Foo\",\"vocab\":{\"a\":0}"), LM_EUNSUPPORTED, "model type 'Foo'"},
        {MODEL("\"type\":\"BPE\",\"dropout\":0.5,\"vocab\":{\"a\":0},\"merges\":[]"), LM_EUNSUPPORTED, "model.dropout"},
        {"{\"version\":\"2.0\"," BPE "}", LM_EUNSUPPORTED, "version '2.0'"},
        {SPLIT("a(?~b)"), LM_EUNSUPPORTED, "(?~b)"},
        {SPLIT("a\\\\Kb"), LM_EUNSUPPORTED, "\\K"},
        {SPLIT("\\\\p{Nonsense}"), LM_EUNSUPPORTED, "PCRE2"},
        {SPLIT("(?<=a+)b"), LM_EUNSUPPORTED, "PCRE2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].file, strlen(cases[i].file), cases[i].code, cases[i].says);
}
END_TEST

START_TEST(test_hf_file__what_is_malformed_is_refused_with_its_place)
{
    static const struct refused cases[] = {
        {"", LM_EFORMAT, "no object at byte 0"},
        {"{\"a\":\"\xff\"," BPE "}", LM_EFORMAT, "not UTF-8"},
        {"{}", LM_EFORMAT, "no model"},
        {"{" BPE "} x", LM_EFORMAT, "behind its end"},
        {"{" BPE ",}", LM_EFORMAT, "no element"},
        {MODEL("\"type\":\"BPE\""), LM_EFORMAT, "model.vocab is missing"},
        {MODEL("\"type\":\"BPE\",\"vocab\":[],\"merges\":[]"), LM_EFORMAT, "model.vocab: no object"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{},\"merges\":[]"), LM_EFORMAT, "no tokens"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]"), LM_EFORMAT, "no whole number"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":1.5},\"merges\":[]"), LM_EFORMAT, "no whole number"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":99999999999},\"merges\":[]"), LM_EFORMAT, "no whole number"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":60000000},\"merges\":[]"), LM_EFORMAT, "an id of 60000000"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"), LM_EFORMAT, "two tokens with the id 0"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"\\ud800\":0},\"merges\":[]"), LM_EFORMAT, "surrogate"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]"), LM_EFORMAT, "merges[0]"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]"), LM_EFORMAT, "model.merges[0]"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"), LM_EFORMAT, "model.merges[0]"},
        {MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[[\"a\",\"b\",\"a\"]]"), LM_EFORMAT, "model.merges[0]"},
        {MODEL("\"type\":\"Unigram\",\"vocab\":[[\"a\"]]"), LM_EFORMAT, "model.vocab[0]"},
        {MODEL("\"type\":\"Unigram\",\"vocab\":[[\"a\",1e999]]"), LM_EFORMAT, "no number"},
        {MODEL("\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":1"), LM_EFORMAT, "model.unk_id"},
        {"{\"added_tokens\":[{\"id\":0}]," BPE "}", LM_EFORMAT, "added_tokens[0].content"},
        {"{\"added_tokens\":{}," BPE "}", LM_EFORMAT, "added_tokens is not an array"},
        {NORM("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}"), LM_EFORMAT, "precompiled_charsmap"},
        {NORM("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A\"}"), LM_EFORMAT, "base64"},
        {NORM("{\"type\":\"Replace\",\"pattern\":{\"Foo\":\"a\"},\"content\":\"\"}"), LM_EFORMAT, "normalizer.pattern"},
        {POST("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}],\"special_tokens\":{}}"), LM_EFORMAT, "'x'"},
        {POST("{\"type\":\"BertProcessing\",\"cls\":[\"a\",9],\"sep\":[\"a\",0]}"), LM_EFORMAT, "one of the 4 tokens"},
        {SPLIT("a("), LM_EFORMAT, "'(' without ')'"},
        {SPLIT("a)"), LM_EFORMAT, "')' without '('"},
        {SPLIT("[a"), LM_EFORMAT, "'[' without ']'"},
        {SPLIT("a\\\\"), LM_EFORMAT, "backslash"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].file, strlen(cases[i].file), cases[i].code, cases[i].says);
}
END_TEST

START_TEST(test_hf_file__no_special_token_begins_at_a_plain_offset)
{
    struct lm_tokenizer *t = parse("{\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true},{\"id\":5,\"content\":\"<n>\",\"special\":true,"
                                   "\"normalized\":true}],\"model\":{\"type\":\"BPE\",\"vocab\":{\"<\":0,\"s\":1,\"n\":2,\">\":3},\"merges\":[]}}");
    static const char text[] = "<s><n><s><s><n>";
    static const size_t at[] = {3, 6, 12};
    static const int32_t want[] = {4, 0, 2, 3, 0, 1, 3, 4, 0, 2, 3};
    struct lm_tokens ids = {0};
    size_t found[5], n = 0;
    int32_t id = -1;
    ck_assert_int_eq(lm_tokenizer_encode_plain(t, text, strlen(text), &(struct lm_plain){at, 3}, LM_TOK_PARSE_SPECIAL, 0, &ids, NULL), 0);
    ck_assert_uint_eq(ids.n, sizeof want / sizeof *want);
    ck_assert_mem_eq(ids.id, want, sizeof want);
    for (size_t pos = 0; (pos = lm_tokenizer_find_control(t, text, pos, strlen(text), &id)) < strlen(text); pos++)
        found[n++] = pos;
    ck_assert_uint_eq(n, 5);
    ck_assert(found[0] == 0 && found[1] == 3 && found[4] == 12 && id == 5);
    free(ids.id);
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_hf_file__every_file_that_is_cut_off_is_refused)
{
    static const char file[] = "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true}],"
                               "\"normalizer\":{\"type\":\"NFC\"},\"decoder\":{\"type\":\"ByteLevel\"}," BPE "}";
    for (size_t n = 0; n + 1 < sizeof file; n++) {
        char *cut = strndup(file, n);
        struct lm_tokenizer *t = NULL;
        ck_assert_int_eq(lm_tokenizer_parse(cut, n, NULL, &t, NULL), LM_EFORMAT);
        free(cut);
    }
    lm_tokenizer_destroy(parse(file));
}
END_TEST

START_TEST(test_hf_file__what_is_nested_too_deep_is_refused)
{
    struct lm_bytes s = {0};
    lm_bytes_add_str(&s, "{\"normalizer\":");
    for (int i = 0; i < 100000; i++)
        lm_bytes_add_str(&s, "[");
    check_refused(s.data, s.len, LM_ELIMIT, "nested deeper");
    lm_bytes_clear(&s);
    lm_bytes_add_str(&s, "{\"normalizer\":");
    for (int i = 0; i < 50; i++)
        lm_bytes_add_str(&s, "{\"type\":\"Sequence\",\"normalizers\":[");
    lm_bytes_add_str(&s, "{\"type\":\"NFC\"}");
    for (int i = 0; i < 50; i++)
        lm_bytes_add_str(&s, "]}");
    lm_bytes_add_str(&s, "," BPE "}");
    check_refused(s.data, s.len, LM_ELIMIT, "normalizer is nested deeper than 8");
    lm_bytes_fini(&s);
    check_refused(SPLIT(TEN(TEN("("))), strlen(SPLIT(TEN(TEN("(")))), LM_ELIMIT, "groups nested deeper");
    check_refused(SPLIT(TEN(TEN("[a"))), strlen(SPLIT(TEN(TEN("[a")))), LM_ELIMIT, "classes nested deeper");
}
END_TEST

/* Each takes exponential or quadratic time where nothing bounds it. */
START_TEST(test_hf_file__slow_regular_expressions_are_bounded)
{
    static const char *const files[] = {SPLIT("(a+)+$"), SPLIT("(a|a)*b"), SPLIT("(?=.*.*.*x)a"), SPLIT("a*a*a*a*a*a*b")};
    enum { N = 20000 };
    char *text = malloc(N);
    memset(text, 'a', N);
    text[N - 1] = '!';
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct lm_tokenizer *t = parse(files[i]);
        struct lm_tokens ids = {0};
        uint64_t from = lm_now_us();
        int rc = lm_tokenizer_encode(t, text, N, 0, 0, &ids, NULL);
        ck_assert_msg(rc == 0 || rc == LM_ELIMIT, "%d", rc);
        ck_assert_uint_lt(lm_now_us() - from, 60000000);
        free(ids.id);
        lm_tokenizer_destroy(t);
    }
    free(text);
}
END_TEST

START_TEST(test_hf_file__an_added_token_gets_its_flags_and_the_next_id)
{
    struct lm_tokenizer *t = parse("{\"added_tokens\":[{\"id\":9,\"content\":\"<s>\",\"special\":true,\"rstrip\":true},"
                                   "{\"content\":\"tool\",\"single_word\":true}]," BPE "}");
    fix_expect(t, "ab<s>  a tool tools", LM_TOK_PARSE_SPECIAL, "2 4 0 5");
    fix_expect(t, "a<s>b", 0, "2"); /* what is in no vocabulary is left out before the merges */
    ck_assert_uint_eq(lm_tokenizer_n_vocab(t), 6);
    ck_assert(lm_tokenizer_is_control(t, 4) && !lm_tokenizer_is_control(t, 5));
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_hf_file__the_later_of_two_equal_merges_counts)
{
    struct lm_tokenizer *t = parse(MODEL("\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4},"
                                         "\"merges\":[\"a b\",[\"b\",\"c\"],\"a b\"]"));
    fix_expect(t, "abc", 0, "0 4");
    lm_tokenizer_destroy(t);
}
END_TEST

START_TEST(test_hf_file__damaged_pieces_are_refused)
{
    /* One piece "a" of score 0.5 and type 1; model of type 2. */
    static const char file[] = "\x0a\x0a\x0a\x01\x61\x15\x00\x00\x00\x3f\x18\x01\x12\x02\x18\x02";
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    ck_assert_int_eq(lm_tokenizer_parse_pieces(file, sizeof file - 1, NULL, &t, &err), 0);
    fix_expect(t, "a", 0, "0 0"); /* the space in front is unknown, and piece 0 stands for that */
    lm_tokenizer_destroy(t);
    for (size_t n = 0; n < sizeof file - 1; n++) {
        int rc = lm_tokenizer_parse_pieces(file, n, NULL, &t, &err);
        if (rc == 0)
            lm_tokenizer_destroy(t); /* whole fields */
        ck_assert_msg(rc == 0 ? n == 12 : rc == LM_EFORMAT, "%zu: %d", n, rc);
    }
    static const struct {
        const char *s;
        size_t n;
        int code;
    } bad[] = {{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, LM_EFORMAT},      /* a varint that goes on */
               {"\x0a\xff\xff\xff\xff\x0f", 6, LM_EFORMAT},                              /* a length of 4 GiB */
               {"\x0a\x07\x15\x00\x00\xc0\x7f\x18\x01", 9, LM_EFORMAT},                  /* a score that is no number */
               {"\x0a\x02\x18\x09", 4, LM_EFORMAT},                                      /* a type that is unknown */
               {"\x0a\x03\x0a\x01\x61\x12\x02\x18\x04", 9, LM_EUNSUPPORTED},             /* a model of characters */
               {"\x0b\x0c", 2, LM_EFORMAT}};                                             /* a group */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(lm_tokenizer_parse_pieces(bad[i].s, bad[i].n, NULL, &t, &err), bad[i].code);
}
END_TEST

SUITE_MAIN("text/hf_file", test_hf_file__what_is_not_supported_is_refused_by_name,
           test_hf_file__what_is_malformed_is_refused_with_its_place, test_hf_file__no_special_token_begins_at_a_plain_offset, test_hf_file__every_file_that_is_cut_off_is_refused,
           test_hf_file__what_is_nested_too_deep_is_refused, test_hf_file__slow_regular_expressions_are_bounded,
           test_hf_file__an_added_token_gets_its_flags_and_the_next_id, test_hf_file__the_later_of_two_equal_merges_counts,
           test_hf_file__damaged_pieces_are_refused)

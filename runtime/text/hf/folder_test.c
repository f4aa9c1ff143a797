/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/folder.h"
#include "runtime/text/tok_fixture.h"
#include <sys/stat.h>
#include <unistd.h>

static const char TOKENIZER[] =
    "{\"added_tokens\":[{\"content\":\"<s>\",\"special\":true}],"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"</s>\":2,\"<pad>\":3},\"merges\":[]}}";
static char folder[64];

static void begin(void)
{
    strcpy(folder, "folder_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static char *path_of(const char *name)
{
    struct lm_bytes s = {0};
    lm_bytes_addf(&s, "%s/%s", folder, name);
    return lm_bytes_take(&s);
}

static void put(const char *name, const char *text, size_t n)
{
    char *path = path_of(name);
    FILE *f = fopen(path, "w");
    ck_assert(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
    free(path);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void end(void)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
                                        "generation_config.json", "chat_template.jinja", "chat_template.json",
                                        "additional_chat_templates/tool_use.jinja", "additional_chat_templates"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_of(names[i]);
        (void)remove(path);
        free(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

static struct lm_tokenizer *open_path(const char *path)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    int rc = lm_tokenizer_open(path, &t, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    return t;
}

static void check_eog(const struct lm_tokenizer *t, const char *want)
{
    struct lm_bytes s = {0};
    size_t n;
    const int32_t *id = lm_tokenizer_eog(t, &n);
    for (size_t i = 0; i < n; i++)
        lm_bytes_addf(&s, i ? " %d" : "%d", id[i]);
    ck_assert_str_eq(s.data ? s.data : "", want);
    lm_bytes_fini(&s);
}

START_TEST(test_hf_folder__other_files_say_which_tokens_are_special)
{
    begin();
    put_text("tokenizer.json", TOKENIZER);
    put_text("tokenizer_config.json", "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},"
             "\"added_tokens_decoder\":{\"10\":{\"content\":\"<y>\"},\"9\":{\"content\":\"<x>\",\"special\":true},"
             "\"4\":{\"content\":\"<s>\",\"special\":false}}}");
    put_text("special_tokens_map.json", "{\"pad_token\":\"<pad>\",\"eos_token\":\"a\"}");
    struct lm_tokenizer *t = open_path(folder);
    ck_assert_int_eq(lm_tokenizer_bos(t), 4);
    ck_assert_int_eq(lm_tokenizer_eos(t), 2);
    ck_assert(lm_tokenizer_is_control(t, 2) && lm_tokenizer_is_control(t, 3) && lm_tokenizer_is_control(t, 4));
    fix_expect(t, "a<x><y><s></s>b", LM_TOK_PARSE_SPECIAL, "0 5 6 4 2 1");
    fix_expect(t, "a<y>b", 0, "0 6 1");
    check_eog(t, "2");
    lm_tokenizer_destroy(t);
    end();
}
END_TEST

START_TEST(test_hf_folder__generation_config_says_what_ends)
{
    begin();
    put_text("tokenizer.json", TOKENIZER);
    put_text("tokenizer_config.json", "{\"model_max_length\":1000000000000000019884624838656,\"eos_token\":\"</s>\"}");
    put_text("generation_config.json", "{\"eos_token_id\":[4,1,2,1,99,-1,\"x\"]}");
    char *file = path_of("tokenizer.json");
    struct lm_tokenizer *t = open_path(file);
    check_eog(t, "1 2 4");
    free(file);
    lm_tokenizer_destroy(t);
    end();
}
END_TEST

START_TEST(test_hf_folder__pieces_are_read_where_there_is_no_json)
{
    /* Pieces <unk> (unknown), <s> and </s> (control), U+2581 a; bpe; bos and eos are added where the folder says so. */
    static const char file[] = "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x07\x0a\x03<s>\x18\x03\x0a\x08\x0a\x04</s>\x18\x03"
                               "\x0a\x05\x0a\x03\xe2\x96\x81\x0a\x03\x0a\x01\x61\x12\x02\x18\x02";
    begin();
    put("tokenizer.model", file, sizeof file - 1);
    struct lm_tokenizer *t = open_path(folder);
    fix_expect(t, "a  a b", LM_TOK_ADD_SPECIAL, "1 3 4 3 4 3 0");
    fix_expect(t, "<s>a", LM_TOK_PARSE_SPECIAL, "1 3 4");
    check_eog(t, "2");
    lm_tokenizer_destroy(t);
    put_text("tokenizer_config.json", "{\"add_bos_token\":false,\"add_eos_token\":true}");
    t = open_path(folder);
    fix_expect(t, "a", LM_TOK_ADD_SPECIAL, "3 4 2");
    lm_tokenizer_destroy(t);
    end();
}
END_TEST

START_TEST(test_hf_folder__without_a_tokenizer_is_not_found)
{
    struct lm_tokenizer *t = NULL;
    struct lm_err err = {0};
    begin();
    ck_assert_int_eq(lm_tokenizer_open(folder, &t, &err), LM_ENOTFOUND);
    ck_assert_msg(strstr(err.msg, "neither a tokenizer.json nor a tokenizer.model") && strstr(err.msg, folder), "%s", err.msg);
    put_text("tokenizer.json", "{");
    ck_assert_int_eq(lm_tokenizer_open(folder, &t, &err), LM_EFORMAT);
    put_text("tokenizer_config.json", "[]");
    ck_assert_int_eq(lm_tokenizer_open(folder, &t, &err), LM_EFORMAT);
    ck_assert_msg(strstr(err.msg, "tokenizer_config.json is not an object"), "%s", err.msg);
    end();
}
END_TEST

static void check_templates(const char *chat, const char *tools)
{
    struct lm_folder f = {0};
    struct lm_err err = {0};
    int rc = lm_folder_open(folder, &f, &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert_str_eq(f.chat.len ? f.chat.data : "", chat);
    ck_assert_str_eq(f.tools.len ? f.tools.data : "", tools);
    lm_folder_close(&f);
}

START_TEST(test_hf_folder__chat_templates_come_from_each_place)
{
    begin();
    check_templates("", "");
    put_text("tokenizer_config.json", "{\"chat_template\":\"one\",\"model_max_length\":1e30}");
    check_templates("one", "");
    put_text("tokenizer_config.json", "{\"model_max_length\":4096,\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"tools\"},"
             "{\"name\":\"rag\",\"template\":\"no\"},{\"name\":\"default\",\"template\":\"two\"}]}");
    check_templates("two", "tools");
    put_text("chat_template.json", "{\"chat_template\":\"three\"}");
    check_templates("three", "");
    put_text("chat_template.jinja", "four");
    check_templates("four", "");
    char *more = path_of("additional_chat_templates");
    ck_assert_int_eq(mkdir(more, 0700), 0);
    free(more);
    put_text("additional_chat_templates/tool_use.jinja", "five");
    check_templates("four", "five");
    struct lm_folder f = {0};
    ck_assert_int_eq(lm_folder_open(folder, &f, NULL), 0);
    ck_assert_uint_eq(f.max_length, 4096);
    lm_folder_close(&f);
    put_text("tokenizer_config.json", "{\"chat_template\":7}");
    put_text("chat_template.jinja", "");
    put_text("chat_template.json", "{}");
    ck_assert_int_eq(lm_folder_open(folder, &f, NULL), LM_EFORMAT);
    end();
}
END_TEST

SUITE_MAIN("text/hf_folder", test_hf_folder__other_files_say_which_tokens_are_special,
           test_hf_folder__generation_config_says_what_ends, test_hf_folder__pieces_are_read_where_there_is_no_json,
           test_hf_folder__without_a_tokenizer_is_not_found, test_hf_folder__chat_templates_come_from_each_place)

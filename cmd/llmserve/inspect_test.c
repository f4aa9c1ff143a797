/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/command.h"
#include "runtime/model/gguf.h"
#include "tests/gguf_bytes.h"
#include "tests/suite.h"
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

static struct lm_bytes hostile_file(void)
{
    struct lm_bytes b = {0};
    gguf_put_header(&b, 3, 2, 6);
    gguf_put_key(&b, "general.name\x1b[2J", LM_GGUF_STRING);
    gguf_put_string(&b, "a\x1b]0;x\x07\nb\xff\xc2\x9b\xe2\x80\xae\xc3\xa9\"");
    gguf_put_key(&b, "u64", LM_GGUF_U64), gguf_put(&b, UINT64_MAX, 8);
    gguf_put_key(&b, "nan", LM_GGUF_F32), gguf_put(&b, 0x7fc00000, 4);
    gguf_put_key(&b, "half", LM_GGUF_F32), gguf_put(&b, 0x3f000000, 4);
    gguf_put_array(&b, "tokens", LM_GGUF_STRING, 9);
    for (int i = 0; i < 9; i++)
        gguf_put_string(&b, "\x07");
    gguf_put_array(&b, "flags", LM_GGUF_BOOL, 2), gguf_put(&b, 1, 2);
    gguf_put_tensor(&b, "w\x1b", LM_Q_Q4_0, 2, (uint64_t[]){64, 3}, 0);
    gguf_put_tensor(&b, "v", LM_Q_F32, 1, (uint64_t[]){5}, 128);
    gguf_put_data(&b, 32, 128 + 20);
    return b;
}

/* What the command prints, terminated; its status in *out_status. */
static char *output(const char *flag, const struct lm_bytes *file, int *out_status)
{
    char model[] = "inspect_test.XXXXXX";
    int fd = mkstemp(model), saved = dup(1);
    FILE *to = tmpfile();
    ck_assert(fd >= 0 && saved >= 0 && to && write(fd, file->data, file->len) == (ssize_t)file->len);
    ck_assert_int_eq(dup2(fileno(to), 1), 1);
    *out_status = lm_command_inspect.run(flag ? 3 : 2, (char *[]){"inspect", model, (char *)(uintptr_t)flag, NULL});
    ck_assert_int_eq(dup2(saved, 1), 1);
    long n = lseek(fileno(to), 0, SEEK_END);
    char *text = calloc(1, (size_t)n + 1);
    ck_assert(text && pread(fileno(to), text, (size_t)n, 0) == n);
    fclose(to), close(saved), close(fd), unlink(model);
    return text;
}

START_TEST(test_llmserve_inspect__text_shows_all_and_no_control_character)
{
    struct lm_bytes b = hostile_file();
    int status;
    char *text = output(NULL, &b, &status);
    ck_assert_int_eq(status, 0);
    for (const char *p = text; *p; p++)
        ck_assert((unsigned char)*p >= 0x20 || *p == '\n');
    static const char *const parts[] = {
        "general.name\\u{1b}[2J", "a\\u{1b}]0;x\\u{7}\\nb\\xff\\u{9b}\\u{202e}\xc3\xa9", "18446744073709551615", "f32  0.5\n",
        "9 x string  \"\\u{7}\", ", ", ...\n", "2 x bool  true, false\n", "w\\u{1b} ", "64 x 3 ", "\nQ4_0 ", "\nall             2",
        "             128", " 197\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(text, parts[i]) != NULL, "no '%s' in %s", parts[i], text);
    free(text);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_llmserve_inspect__json_is_strict_json)
{
    struct lm_bytes b = hostile_file();
    int status;
    json_error_t error;
    char *text = output("--json", &b, &status);
    ck_assert_int_eq(status, 0);
    for (const char *p = text; *p; p++)
        ck_assert((unsigned char)*p >= 0x20 || *p == '\n');
    char *number = strstr(text, "18446744073709551615");
    ck_assert_ptr_nonnull(number);
    memcpy(number, "                   0", 20); /* beyond what the parser reads */
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &error), *metadata, *tensor;
    ck_assert_msg(j != NULL, "%s at %d", error.text, error.position);
    metadata = json_object_get(j, "metadata");
    ck_assert_str_eq(json_string_value(json_object_get(metadata, "general.name\x1b[2J")),
                     "a\x1b]0;x\x07\nb\xef\xbf\xbd\xc2\x9b\xe2\x80\xae\xc3\xa9\"");
    ck_assert(json_is_null(json_object_get(metadata, "nan")));
    ck_assert_int_eq((int)json_integer_value(json_object_get(json_object_get(metadata, "tokens"), "n")), 9);
    tensor = json_array_get(json_object_get(j, "tensors"), 0);
    ck_assert_int_eq((int)json_integer_value(json_array_get(json_object_get(tensor, "shape"), 1)), 3);
    ck_assert_int_eq((int)json_integer_value(json_object_get(j, "parameters")), 64 * 3 + 5);
    json_decref(j);
    free(text);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_llmserve_inspect__wrong_use_and_bad_files_have_their_status)
{
    struct lm_bytes b = {0};
    int status;
    lm_bytes_add_str(&b, "no model");
    free(output(NULL, &b, &status));
    ck_assert_int_eq(status, 1);
    free(output("--yaml", &b, &status));
    ck_assert_int_eq(status, 2);
    ck_assert_int_eq(lm_command_inspect.run(1, (char *[]){"inspect", NULL}), 2);
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("llmserve/inspect", test_llmserve_inspect__text_shows_all_and_no_control_character,
           test_llmserve_inspect__json_is_strict_json, test_llmserve_inspect__wrong_use_and_bad_files_have_their_status)

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/command.h"
#include "runtime/text/tok_fixture.h"
#include <sys/wait.h>
#include <unistd.h>

static char model[32];

static void make_model(void)
{
    static const char *const more[] = {"<s>", "he"};
    static const int32_t kinds[] = {LM_TOKEN_CONTROL, LM_TOKEN_NORMAL};
    static const char *const merges[] = {"h e"};
    struct fix f = {0};
    fix_string(&f, "tokenizer.ggml.model", "gpt2");
    fix_byte_tokens(&f, more, kinds, 2);
    fix_strings(&f, "tokenizer.ggml.merges", merges, 1);
    fix_u32(&f, "tokenizer.ggml.bos_token_id", 256);
    fix_bool(&f, "tokenizer.ggml.add_bos_token", true);
    fix_finish(&f);
    strcpy(model, "tokenize_test.XXXXXX");
    int fd = mkstemp(model);
    ck_assert(fd >= 0 && write(fd, f.file.data, f.file.len) == (ssize_t)f.file.len && close(fd) == 0);
    lm_bytes_fini(&f.file);
}

/* Run in a child with text[0..n) on standard input; the caller frees what it printed, errors included. */
static char *output(const struct lm_command *command, const char *const *args, const char *text, size_t n,
                    int *out_status)
{
    FILE *in = tmpfile(), *out = tmpfile();
    char *argv[8] = {(char *)(uintptr_t)command->name};
    int argc = 1;
    for (; args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    ck_assert(in && out && fwrite(text, 1, n, in) == n);
    rewind(in);
    pid_t pid = fork();
    ck_assert(pid >= 0);
    if (pid == 0) {
        dup2(fileno(in), 0), dup2(fileno(out), 1), dup2(fileno(out), 2);
        _exit(command->run(argc, argv));
    }
    ck_assert(waitpid(pid, out_status, 0) == pid && WIFEXITED(*out_status));
    *out_status = WEXITSTATUS(*out_status);
    long len = lseek(fileno(out), 0, SEEK_END);
    char *got = calloc(1, (size_t)len + 1);
    ck_assert(got && pread(fileno(out), got, (size_t)len, 0) == len);
    fclose(in), fclose(out);
    return got;
}

static void expect(const struct lm_command *command, const char *const *args, const char *text, int status,
                   const char *want)
{
    int got_status;
    char *got = output(command, args, text, strlen(text), &got_status);
    ck_assert_int_eq(got_status, status);
    ck_assert_str_eq(got, want);
    free(got);
}

START_TEST(test_llmserve_tokenize__ids_are_one_line_of_json)
{
    make_model();
    const struct lm_command *c = &lm_command_tokenize;
    expect(c, (const char *[]){"--model", model, NULL}, "he\n<s>", 0, "[257,10,60,115,62]\n");
    expect(c, (const char *[]){"--add-special", "--parse-special", "--model", model, NULL}, "a<s>", 0,
           "[256,97,256]\n");
    expect(c, (const char *[]){"--model", model, NULL}, "", 0, "[]\n");
    unlink(model);
}
END_TEST

START_TEST(test_llmserve_tokenize__text_comes_back_from_json_and_from_words)
{
    make_model();
    const struct lm_command *c = &lm_command_detokenize;
    expect(c, (const char *[]){"--model", model, NULL}, "[256, 257,10]\n", 0, "he\n");
    expect(c, (const char *[]){"--show-special", "--model", model, NULL}, " 256 257\n10 ", 0, "<s>he\n");
    expect(c, (const char *[]){"--model", model, NULL}, "233", 0, "\xef\xbf\xbd");
    expect(c, (const char *[]){"--model", model, NULL}, "", 0, "");
    unlink(model);
}
END_TEST

START_TEST(test_llmserve_tokenize__wrong_ids_end_with_one_line_and_status_1)
{
    static const char *const bad[] = {"[1", "[1.5]", "[\"a\"]", "[258]", "[-1]", "[[1]]", "1 x", "-1", "258", "{}",
                                      "1,2", "99999999999999999999"};
    make_model();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status;
        const char *args[] = {"--model", model, NULL};
        char *got = output(&lm_command_detokenize, args, bad[i], strlen(bad[i]), &status);
        ck_assert_int_eq(status, 1);
        bool named = strncmp(got, "llmserve detokenize: ", 21) == 0;
        ck_assert_msg(named && strchr(got, '\n') == got + strlen(got) - 1, "%s", got);
        free(got);
    }
    unlink(model);
}
END_TEST

START_TEST(test_llmserve_tokenize__wrong_usage_is_status_2_and_a_missing_file_1)
{
    static const char more[] = "\n'llmserve tokenize --help' shows the options\n";
    static const struct { const char *args[5], *want; } bad[] = {
        {{NULL}, "--model is needed"}, {{"--model", NULL}, "--model needs a value"}, {{"--model", "m", "more", NULL}, "unexpected argument"},
        {{"--model", "m", "--wrong", NULL}, "--wrong: unknown option; the nearest is --model"}, {{"--add-special=1", NULL}, "--add-special takes no value"},
    };
    const struct lm_command *c = &lm_command_tokenize;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char want[160];
        snprintf(want, sizeof want, "llmserve tokenize: %s%s", bad[i].want, more);
        expect(c, bad[i].args, "", 2, want);
    }
    expect(c, (const char *[]){"--model", "/no/such/file", NULL}, "", 1,
           "llmserve tokenize: /no/such/file: No such file or directory\n");
}
END_TEST

SUITE_MAIN("llmserve/tokenize", test_llmserve_tokenize__ids_are_one_line_of_json,
           test_llmserve_tokenize__text_comes_back_from_json_and_from_words,
           test_llmserve_tokenize__wrong_ids_end_with_one_line_and_status_1,
           test_llmserve_tokenize__wrong_usage_is_status_2_and_a_missing_file_1)

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/foreign.h"
#include "conf/knob.h"
#include "tests/suite.h"

/* Read flags as llmserved does; c must be finished by the caller. */
static int read_flags(struct lm_conf *c, const char *const *flag, struct lm_err *err)
{
    char *argv[32] = {(char *)"llmserved"};
    int argc = 1;
    while (flag[argc - 1]) {
        argv[argc] = (char *)flag[argc - 1];
        argc++;
    }
    ck_assert_int_eq(lm_conf_init(c, err), 0);
    c->long_lists = true;
    int rc = lm_conf_read_flags(c, &argc, argv, err);
    ck_assert(rc || argc == 1);
    return rc;
}

/* Those that ipex-llm's start scripts or its documentation use, each as it is written there. */
static const char *const used[][5] = {
    {"--model", "x.gguf"}, {"--model=x.gguf", "--served-model-name", "a", "b"}, {"--trust-remote-code"}, {"--dtype", "float16"}, {"--dtype=bfloat16"},
    {"--max-model-len", "2000"}, {"--max-model-len", "4k"}, {"--quantization", "awq"}, {"--quantization", "gptq"}, {"--enforce-eager"},
    {"--block-size", "8"}, {"--gpu-memory-utilization", "0.95"}, {"--enable-prefix-caching"}, {"--swap-space", "4"}, {"--swap-space=16"},
    {"--max-num-batched-tokens", "3000"}, {"--max-num-seqs", "256"}, {"--enable-chunked-prefill"}, {"--disable-async-output-proc"},
    {"--tensor-parallel-size", "2"}, {"--pipeline-parallel-size", "2"}, {"--distributed-executor-backend", "ray"}, {"--device", "xpu"},
    {"--device", "cpu"}, {"--device", "0"}, {"--port", "8000"}, {"--api-key", "k1", "k2"}, {"--load-in-low-bit", "fp8"}, {"--load-in-low-bit", "sym_int4"},
    {"--load-in-low-bit", "asym_int4"}, {"--load-in-low-bit", "fp6"}, {"--load-in-low-bit", "fp8_e4m3"}, {"--load-in-low-bit", "fp16"},
    {"--load-in-low-bit", "bf16"}, {"--low-bit-save-path", "/x"}, {"--low-bit-model-path", "/x"}, {"--max-num-batched-token", "3000"},
    {"--max-num-seq", "256"}, {"--max_num_seqs", "12"}, {"--no-enable-prefix-caching"}, {"--no-enable-chunked-prefill"},
    {"--enable-lora"}, {"--lora-modules", "a=/x", "b=/y"}, {"--enable-lora", "--max-loras", "2"},
    {"--enable-lora", "--lora-modules", "sql-lora=/x", "b=/y"}, {"--max-loras", "4", "--max-lora-rank", "8"}, {"--max-cpu-loras", "8"},
};

START_TEST(test_conf_foreign__every_flag_of_the_replaced_scripts_is_taken)
{
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        struct lm_conf c;
        struct lm_err err = {0};
        ck_assert_msg(read_flags(&c, used[i], &err) == 0, "%s: %s", used[i][0], err.msg);
        lm_conf_fini(&c);
    }
}
END_TEST

START_TEST(test_conf_foreign__every_row_is_taken_with_each_of_its_words)
{
    for (size_t i = 0; i < lm_n_foreign; i++) {
        const char *values = lm_foreign[i].values;
        do {
            struct lm_conf c;
            struct lm_err err = {0};
            char flag[64], value[64];
            size_t n = strcspn(values, "|");
            snprintf(flag, sizeof flag, "--%s", lm_foreign[i].name);
            snprintf(value, sizeof value, "%.*s", (int)n, strcmp(values, "*") == 0 ? "7" : values);
            const char *const argv[] = {"--model", "x.gguf", flag, n ? value : NULL, NULL};
            ck_assert_msg(read_flags(&c, argv, &err) == 0, "%s %s: %s", flag, value, err.msg);
            ck_assert_msg(!*lm_foreign[i].note == !c.notes.len, "%s: noted '%s'", flag, c.notes.data ? c.notes.data : "");
            ck_assert(!*lm_foreign[i].note || strchr(c.notes.data, '\n') == c.notes.data + c.notes.len - 1);
            lm_conf_fini(&c);
            values += n + (values[n] == '|');
        } while (*values);
    }
}
END_TEST

START_TEST(test_conf_foreign__flags_with_a_meaning_act)
{
    struct lm_conf c;
    const char *const flag[] = {"--model", "x.gguf", "--served-model-name", "a", "b", "--device", "cpu", "--quantization", "sym_int4", "--api-key", "k", "l", NULL};
    ck_assert_int_eq(read_flags(&c, flag, NULL), 0);
    ck_assert_str_eq(c.model[0].backend, "cpu");
    ck_assert_str_eq(c.model[0].device, "0");
    ck_assert_str_eq(c.model[0].load_in_low_bit, "sym_int4");
    ck_assert_str_eq(c.model[0].served_model_name, "a,b");
    ck_assert_str_eq(c.model[0].name, "a");
    ck_assert_str_eq(c.server.api_key, "k,l");
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_foreign__what_is_not_known_or_not_there_is_an_error)
{
    static const struct { const char *flag[3], *want; } bad[] = {
        {{"--enforce-eagr"}, "--enforce-eagr: unknown flag; the nearest is --enforce-eager"},
        {{"--max-num-sequences", "3"}, "unknown flag; the nearest is --max-num-seqs"},
        {{"--quantization", "bitsandbytes"}, "'bitsandbytes' is not supported here; there is sym_int4|"},
        {{"--enforce-eager=yes"}, "takes no value"},
        {{"--swap-space"}, "needs a value"},
        {{"--no-swap-space"}, "unknown flag"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_conf c;
        struct lm_err err = {0};
        ck_assert_int_eq(read_flags(&c, bad[i].flag, &err), LM_ECONFIG);
        ck_assert_msg(strstr(err.msg, bad[i].want) != NULL, "case %zu: '%s'", i, err.msg);
        lm_conf_fini(&c);
    }
}
END_TEST

START_TEST(test_conf_foreign__what_a_row_sets_is_a_knob)
{
    for (size_t i = 0; i < lm_n_foreign; i++) {
        char knob[64];
        snprintf(knob, sizeof knob, "%.*s", (int)strcspn(lm_foreign[i].sets, "="), lm_foreign[i].sets);
        ck_assert_msg(!*knob || lm_knob_find(LM_KNOB_MODEL, knob) || lm_knob_find(LM_KNOB_SERVER, knob), "%s", lm_foreign[i].name);
    }
}
END_TEST

SUITE_MAIN("conf/foreign", test_conf_foreign__every_flag_of_the_replaced_scripts_is_taken, test_conf_foreign__every_row_is_taken_with_each_of_its_words,
           test_conf_foreign__flags_with_a_meaning_act, test_conf_foreign__what_is_not_known_or_not_there_is_an_error,
           test_conf_foreign__what_a_row_sets_is_a_knob)

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/card.h"
#include "runtime/model/lmq.h"
#include "runtime/model/source.h"
#include "tests/suite.h"
#include <stdlib.h>
#include <unistd.h>

static void must_be(const struct lm_gguf *g, const char *load_in_low_bit, const char *want)
{
    struct lm_model_card c;
    struct lm_err err;
    ck_assert_msg(lm_model_card_read(g, "", load_in_low_bit, &c, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(c.quantization, want);
}

START_TEST(test_api_card__the_quantization_is_what_the_weights_are_served_in)
{
    static const struct { const char *path, *load_in_low_bit, *want; } cases[] = {
        {LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf", "none", "F32"},
        {LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf", "sym_int4", "sym_int4"},
        {LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf", "fp8", "fp8_e5m2"},
        {LM_GOLDEN_FOLDER "/qwen2-bf16.gguf", "none", "BF16"},
        {LM_GOLDEN_FOLDER "/hf/llama-fp8-block", "none", "FP8_E4M3_F32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_gguf *g;
        struct lm_err err;
        ck_assert_msg(lm_source_open(cases[i].path, &g, &err) == 0, "%s", err.msg);
        must_be(g, cases[i].load_in_low_bit, cases[i].want);
        lm_gguf_close(g);
    }
}
END_TEST

START_TEST(test_api_card__a_low_bit_file_has_the_name_of_its_format)
{
    const char *src = LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf";
    char path[] = "/tmp/card_test.XXXXXX";
    struct lm_gguf *g, *made;
    struct lm_low_bit lb;
    close(mkstemp(path));
    ck_assert_int_eq(lm_low_bit_find("nf4", &lb, NULL), 0);
    ck_assert_int_eq(lm_source_open(src, &g, NULL), 0);
    ck_assert_int_eq(lm_lmq_open(path, src, g, &lb, NULL, NULL, &made, NULL), 0);
    must_be(made, "none", "nf4");
    lm_gguf_close(made);
    lm_gguf_close(g);
    unlink(path);
}
END_TEST

SUITE_MAIN("api/card", test_api_card__the_quantization_is_what_the_weights_are_served_in, test_api_card__a_low_bit_file_has_the_name_of_its_format)

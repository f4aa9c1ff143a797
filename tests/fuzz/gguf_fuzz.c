/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target of GGUF files: what is not refused is read to its end, weights, vocabulary and chat template too. */
#include <llmserve/qtype.h>
#include "runtime/model/gguf.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The last row of each tensor. */
static void read_tensors(const struct lm_gguf *g)
{
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        const uint64_t rows = lm_gguf_n_rows(t);
        if (!rows || t->dim[0] > 1 << 20 || !lm_qtype_info(t->qtype)->dequantize)
            continue;
        void *made = malloc(t->bytes / rows + 1);
        float *x = malloc((size_t)t->dim[0] * sizeof *x + 1);
        if (made && x)
            lm_qtype_dequantize(t->qtype, lm_gguf_rows(t, rows - 1, 1, made), x, 1, (size_t)t->dim[0]);
        free(made);
        free(x);
    }
}

static void read_text(const struct lm_gguf *g)
{
    static const char text[] = "A word's 12 \xc3\xa9 \xe6\xbc\xa2\xf0\x9f\x99\x82\n <s>";
    struct lm_tokenizer *t = NULL;
    struct lm_template *chat = NULL;
    struct lm_tokens ids = {0};
    struct lm_bytes back = {0};
    struct lm_gguf_str s = lm_gguf_string(g, "tokenizer.chat_template");
    if (s.s && lm_template_parse(s.s, s.n, &chat, NULL) == 0)
        lm_template_destroy(chat);
    if (lm_tokenizer_create(g, &t, NULL))
        return;
    if (lm_tokenizer_encode(t, text, sizeof text - 1, LM_TOK_ADD_SPECIAL | LM_TOK_PARSE_SPECIAL, 0, &ids, NULL) == 0)
        lm_tokenizer_decode(t, ids.id, ids.n, 0, &back, NULL);
    lm_bytes_fini(&back);
    free(ids.id);
    lm_tokenizer_destroy(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lm_gguf *g = NULL;
    struct lm_err err = {0};
    volatile unsigned sum = 0;
    if (lm_gguf_open_memory(data, n, &g, &err)) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < lm_gguf_n_values(g); i++)
        for (size_t k = 0; k < lm_gguf_value_at(g, i)->bytes; k++)
            sum += lm_gguf_value_at(g, i)->at[k];
    read_tensors(g);
    read_text(g);
    lm_gguf_close(g);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/prompt_logprobs.h"
#include "api/openai/logprobs.h"

#include <math.h>

static void add_entry(struct lm_bytes *out, const struct lm_tokenizer *tok, int32_t id, float logprob, uint32_t rank)
{
    size_t n = 0;
    const char *s = lm_tokenizer_piece(tok, id, &n);
    struct lm_bytes text = {0};
    lm_bytes_add_lossy(&text, s, s ? n : 0);
    lm_bytes_addf(out, "\"%d\":{\"logprob\":%.9g,\"rank\":%u,\"decoded_token\":\"", id, isfinite(logprob) ? (double)logprob : -9999.0, rank);
    lm_bytes_add_json(out, text.data, text.len);
    lm_bytes_add_str(out, "\"}");
    out->failed |= text.failed;
    lm_bytes_fini(&text);
}

void lm_prompt_logprobs_add(struct lm_bytes *list, const struct lm_tokenizer *tok, const struct lm_msg_token *t, const struct lm_msg_top *top,
                            uint32_t n_top)
{
    bool there = false;
    lm_bytes_add_str(list, list->len ? ",{" : "null,{");
    for (uint32_t i = 0; i < n_top; i++) {
        there |= top[i].token == t->token;
        lm_bytes_add_str(list, i ? "," : "");
        add_entry(list, tok, top[i].token, top[i].logprob, i + 1);
    }
    lm_bytes_add_str(list, n_top && !there ? "," : "");
    if (!there)
        add_entry(list, tok, t->token, t->logprob, t->rank);
    lm_bytes_add_char(list, '}');
}

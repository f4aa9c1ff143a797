/* SPDX-License-Identifier: Apache-2.0 */
/* Llama and Mistral: GGUF's form has the rows of q and k in the pairs that rope turns. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS), LM_HF_MLP_NAMES, {0}};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
}

static void mistral_keys(struct lm_hf_config *c)
{
    keys(c);
    lm_hf_copy_u32(c, "sliding_window", "attention.sliding_window");
}

const struct lm_hf_family lm_hf_llama = {"llama", "llama", false, names, keys};
const struct lm_hf_family lm_hf_mistral = {"mistral", "llama", false, names, mistral_keys};

/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen 1.5, 2 and 2.5. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), LM_HF_MLP_NAMES, {0}};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    /* Layers from max_window_layers on have the window. */
    if (lm_hf_bool(c, c->root, "use_sliding_window", false) &&
        lm_hf_u32(c, c->root, "max_window_layers", 28) < lm_hf_u32(c, c->root, "num_hidden_layers", 0))
        lm_hf_copy_u32(c, "sliding_window", "attention.sliding_window");
}

const struct lm_hf_family lm_hf_qwen2 = {"qwen2", "qwen2", false, names, keys};

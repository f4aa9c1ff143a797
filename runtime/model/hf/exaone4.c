/* SPDX-License-Identifier: Apache-2.0 */
/* EXAONE 4: norms behind the blocks, and of each head of q and k; windows in most layers of the larger size. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {
    LM_HF_TOP_NAMES,      LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), LM_HF_QK_NORM_NAMES, LM_HF_POST_NORM_NAMES,
    LM_HF_MLP_NAMES,      {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    if (lm_hf_u32(c, c->root, "sliding_window", 0) == 0)
        return;
    lm_hf_copy_u32(c, "sliding_window", "attention.sliding_window");
    lm_hf_put_windows(c, 4);
}

const struct lm_hf_family lm_hf_exaone4 = {"exaone4", "exaone4", false, names, keys};

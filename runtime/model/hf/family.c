/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/family.h"

static const struct lm_hf_family *const families[] = {
    &lm_hf_baichuan, &lm_hf_bert, &lm_hf_chatglm, &lm_hf_cohere, &lm_hf_cohere2, &lm_hf_deepseek_v2, &lm_hf_deepseek_v3, &lm_hf_exaone4,
    &lm_hf_gemma, &lm_hf_gemma2, &lm_hf_gemma3, &lm_hf_gemma3_text, &lm_hf_glm, &lm_hf_glm4, &lm_hf_glm4_moe, &lm_hf_gpt_oss,
    &lm_hf_granite, &lm_hf_granitemoe, &lm_hf_granitemoeshared, &lm_hf_internlm2, &lm_hf_llama, &lm_hf_minicpm, &lm_hf_mistral,
    &lm_hf_mixtral, &lm_hf_modernbert, &lm_hf_nomic_bert, &lm_hf_olmo2, &lm_hf_olmo3, &lm_hf_olmoe, &lm_hf_phi3, &lm_hf_qwen2, &lm_hf_qwen2_moe, &lm_hf_qwen3,
    &lm_hf_qwen3_moe, &lm_hf_roberta, &lm_hf_seed_oss, &lm_hf_starcoder2, &lm_hf_xlm_roberta,
};

enum { N_FAMILY = sizeof families / sizeof *families };

const struct lm_hf_family *lm_hf_family_get(const char *model_type)
{
    for (size_t i = 0; i < N_FAMILY; i++)
        if (strcmp(families[i]->model_type, model_type) == 0)
            return families[i];
    return NULL;
}

const struct lm_hf_family *lm_hf_family_at(size_t i)
{
    return i < N_FAMILY ? families[i] : NULL;
}

void lm_hf_family_list(char *out, size_t n)
{
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < N_FAMILY && used < n; i++)
        used += (size_t)snprintf(out + used, n - used, "%s%s", i ? ", " : "", families[i]->model_type);
}

const struct lm_hf_family *lm_hf_family_of(const char *gguf, size_t i)
{
    for (size_t k = 0; k < N_FAMILY; k++)
        if (strcmp(families[k]->gguf, gguf) == 0 && i-- == 0)
            return families[k];
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/family.h"

static const struct lm_family *const families[] = {
    &lm_family_baichuan,
    &lm_family_bert,
    &lm_family_chatglm,
    &lm_family_cohere2,
    &lm_family_command_r,
    &lm_family_deepseek2,
    &lm_family_exaone4,
    &lm_family_gemma,
    &lm_family_gemma2,
    &lm_family_gemma3,
    &lm_family_glm4,
    &lm_family_glm4moe,
    &lm_family_gpt_oss,
    &lm_family_granite,
    &lm_family_granitemoe,
    &lm_family_internlm2,
    &lm_family_llama,
    &lm_family_minicpm,
    &lm_family_modern_bert,
    &lm_family_nomic_bert,
    &lm_family_olmo2,
    &lm_family_olmoe,
    &lm_family_phi3,
    &lm_family_qwen2,
    &lm_family_qwen2moe,
    &lm_family_qwen3,
    &lm_family_qwen3moe,
    &lm_family_seed_oss,
    &lm_family_starcoder2,
};

enum { N_FAMILY = sizeof families / sizeof *families };

const struct lm_family *lm_family_get(const char *name)
{
    for (size_t i = 0; i < N_FAMILY; i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    return NULL;
}

const struct lm_family *lm_family_at(size_t i)
{
    return i < N_FAMILY ? families[i] : NULL;
}

void lm_family_list(char *out, size_t n)
{
    static const char more[] = " and more";
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < N_FAMILY; i++) {
        bool last = i + 1 == N_FAMILY;
        if (used + strlen(families[i]->name) + 2 + (last ? 1 : sizeof more) > n) {
            snprintf(out + used, n - used, "%s", more);
            return;
        }
        used += (size_t)snprintf(out + used, n - used, "%s%s", i ? ", " : "", families[i]->name);
    }
}

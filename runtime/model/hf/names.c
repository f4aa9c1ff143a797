/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/names.h"

enum { NUMBER_MAX = 999999 };

/* A pattern's numbers; false where the name is another. */
static bool match(const char *pattern, const char *name, size_t n, uint32_t number[2])
{
    size_t i = 0, k = 0;
    for (; *pattern; pattern++) {
        if (*pattern != '*') {
            if (i == n || name[i++] != *pattern)
                return false;
            continue;
        }
        size_t first = i;
        uint32_t v = 0;
        for (; i < n && name[i] >= '0' && name[i] <= '9' && v <= NUMBER_MAX; i++)
            v = v * 10 + (uint32_t)(name[i] - '0');
        if (i == first || v > NUMBER_MAX || (i - first > 1 && name[first] == '0') || k == 2)
            return false;
        number[k++] = v;
    }
    return i == n || pattern[-1] == '.';
}

const struct lm_hf_name *lm_hf_name_find(const struct lm_hf_name *e, const char *name, size_t n, uint32_t number[2])
{
    for (; e->hf; e++)
        if ((e->how == LM_HF_SKIP || e->hf[strlen(e->hf) - 1] != '.') && match(e->hf, name, n, number))
            return e;
    return NULL;
}

const char *lm_hf_name_bare(const char *name)
{
    static const struct { const char *prefix, *cut; } outer[] = {
        {"language_model.", "language_model."}, {"model.language_model.", "model.language_"}, {"bert.", "bert."}, {"roberta.", "roberta."},
    };
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++)
        if (strncmp(name, outer[i].prefix, strlen(outer[i].prefix)) == 0)
            return name + strlen(outer[i].cut);
    return name;
}

bool lm_hf_name_gguf(const struct lm_hf_name *e, const uint32_t number[2], char out[LM_HF_NAME_BYTES])
{
    const char *star = strchr(e->gguf, '*');
    int n = star ? snprintf(out, LM_HF_NAME_BYTES, "%.*s%u%s", (int)(star - e->gguf), e->gguf, number[0], star + 1)
                 : snprintf(out, LM_HF_NAME_BYTES, "%s", e->gguf);
    return n < LM_HF_NAME_BYTES;
}

bool lm_hf_name_is_expert(const struct lm_hf_name *e)
{
    const char *first = strchr(e->hf, '*');
    return first && strchr(first + 1, '*');
}

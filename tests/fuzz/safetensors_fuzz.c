/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target of safetensors files: what is not refused has every element in the file. */
#include "runtime/model/hf/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lm_st *s = NULL;
    struct lm_err err = {0};
    volatile double sum = 0;
    if (lm_st_open_memory(data, n, &s, &err)) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < lm_st_n_tensors(s); i++)
        for (uint64_t k = 0; k < lm_st_tensor_at(s, i)->n; k++)
            sum += lm_st_elem(lm_st_tensor_at(s, i), k);
    lm_st_close(s);
    return 0;
}

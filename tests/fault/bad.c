/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that the registry must refuse: SYMBOL, ABI and SIZE are given at build; as it is, all calls are missing. */
#include <llmserve/backend.h>

#ifndef SYMBOL
#define SYMBOL lm_backend
#endif
#ifndef ABI
#define ABI LM_BACKEND_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct lm_backend)
#endif

static int score(void)
{
    return 1000;
}

__attribute__((visibility("default"))) const struct lm_backend SYMBOL = {
    .abi = ABI, .size = SIZE, .name = "bad", .version = "1", .score = score,
};

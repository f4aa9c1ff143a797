/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openapi.h"

/* The file itself, between two symbols. */
__asm__(".section .rodata\n"
        ".balign 8\n"
        "lm_openapi_begin: .incbin \"" LM_OPENAPI_FILE "\"\n"
        "lm_openapi_end: .byte 0\n"
        ".previous\n");
extern const char lm_openapi_begin[] __attribute__((visibility("hidden")));
extern const char lm_openapi_end[] __attribute__((visibility("hidden")));

void lm_openapi(struct lm_call *call)
{
    struct lm_bytes b = {0};
    lm_bytes_add(&b, lm_openapi_begin, (size_t)(lm_openapi_end - lm_openapi_begin));
    lm_call_reply(call, 200, "application/json", &b);
    lm_bytes_fini(&b);
}

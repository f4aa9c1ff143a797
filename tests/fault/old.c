/* SPDX-License-Identifier: Apache-2.0 */
/* A good plugin whose table ends before the optional calls; what lies behind it must not be read. */
#include "tests/toy_backend.h"

__attribute__((visibility("default"))) struct lm_backend lm_backend;

__attribute__((constructor)) static void make_old(void)
{
    lm_backend = lm_toy_backend;
    lm_backend.name = "old";
    lm_backend.size = offsetof(struct lm_backend, peer_copy);
    memset(&lm_backend.peer_copy, 0xff, sizeof lm_backend.peer_copy);
}

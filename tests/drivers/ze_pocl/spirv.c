/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a SPIR-V module says of its kernels: names, arguments, group sizes.
 *
 * Source   SPIR-V specification 1.1: an instruction is its length in words << 16 | its number, then operands
 */
#include "tests/drivers/ze_pocl/driver.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MAGIC = 0x07230203, OP_ENTRY_POINT = 15, OP_EXECUTION_MODE = 16, OP_TYPE_FIRST = 19, OP_TYPE_INT = 21, OP_TYPE_FLOAT = 22,
    OP_TYPE_VECTOR = 23, OP_TYPE_POINTER = 32, OP_TYPE_LAST = 39, OP_FUNCTION = 54, MODE_LOCAL_SIZE = 17, CLASS_WORKGROUP = 4,
    MAX_ID = 1 << 24,
};

struct module_words {
    const uint32_t *word;
    size_t n;
    const uint32_t **def; /* [bound] types and functions by id */
    uint32_t bound;
};

static uint32_t op_of(const uint32_t *w)
{
    return w ? w[0] & 0xffff : 0;
}

/* Check every length and index what is defined; counts the kernels. */
static bool index_all(struct module_words *m, uint32_t *out_n)
{
    for (size_t i = 5; i < m->n;) {
        const uint32_t *w = m->word + i;
        uint32_t len = w[0] >> 16, op = op_of(w), id = 0;
        if (len == 0 || len > m->n - i)
            return false;
        *out_n += op == OP_ENTRY_POINT && len >= 4;
        if (op >= OP_TYPE_FIRST && op <= OP_TYPE_LAST && len >= 2)
            id = w[1];
        if (op == OP_FUNCTION && len >= 5)
            id = w[2];
        if (id && id < m->bound)
            m->def[id] = w;
        i += len;
    }
    return true;
}

static const uint32_t *def(const struct module_words *m, uint32_t id)
{
    return id < m->bound ? m->def[id] : NULL;
}

static struct arg_info argument(const struct module_words *m, const uint32_t *type)
{
    struct arg_info a = {false, false, 0};
    uint32_t times = 1;
    if (op_of(type) == OP_TYPE_VECTOR) {
        times = type[3] == 3 ? 4 : type[3];
        type = def(m, type[2]);
    }
    if (op_of(type) == OP_TYPE_INT || op_of(type) == OP_TYPE_FLOAT)
        a.size = times * type[2] / 8;
    if (op_of(type) == OP_TYPE_POINTER) {
        a.local = type[2] == CLASS_WORKGROUP;
        a.pointer = !a.local;
        a.size = 8;
    }
    return a;
}

static bool describe(const struct module_words *m, const uint32_t *entry, struct kernel_info *out)
{
    const uint32_t *function = def(m, entry[2]), *type = op_of(function) == OP_FUNCTION ? def(m, function[4]) : NULL;
    snprintf(out->name, sizeof out->name, "%s", (const char *)(entry + 3));
    if (!type || (type[0] >> 16) < 3 || (type[0] >> 16) - 3 > MAX_ARG)
        return false;
    out->n_arg = (type[0] >> 16) - 3;
    for (uint32_t a = 0; a < out->n_arg; a++)
        out->arg[a] = argument(m, def(m, type[3 + a]));
    for (size_t i = 5; i < m->n; i += m->word[i] >> 16) {
        const uint32_t *w = m->word + i;
        if (op_of(w) == OP_EXECUTION_MODE && (w[0] >> 16) >= 6 && w[1] == entry[2] && w[2] == MODE_LOCAL_SIZE)
            for (int k = 0; k < 3; k++)
                out->group[k] = w[3 + k];
    }
    return true;
}

bool drv_spirv_scan(const uint32_t *word, size_t n, struct kernel_info **out, uint32_t *out_n)
{
    struct module_words m = {.word = word, .n = n};
    uint32_t n_kernel = 0, k = 0;
    if (n < 5 || word[0] != MAGIC || word[3] == 0 || word[3] > MAX_ID)
        return false;
    m.bound = word[3];
    m.def = calloc(m.bound, sizeof *m.def);
    bool good = m.def && index_all(&m, &n_kernel);
    struct kernel_info *info = calloc(n_kernel + 1, sizeof *info);
    for (size_t i = 5; good && info && i < n; i += word[i] >> 16)
        if (op_of(word + i) == OP_ENTRY_POINT)
            good = describe(&m, word + i, &info[k++]);
    free(m.def);
    if (!good || !info) {
        free(info);
        return false;
    }
    *out = info;
    *out_n = n_kernel;
    return true;
}

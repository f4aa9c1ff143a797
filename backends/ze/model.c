/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/model.h"

#include <stddef.h>

enum { INTEL = 0x8086 };

static const struct ze_model models[] = {
    {0x0bd0, 0x0be5, "Ponte Vecchio", "pvc", 16, true, true},
    {0x4905, 0x4909, "Xe-LP", "dg1", 8, false, false},
    {0x4f80, 0x4f88, "Alchemist", "dg2", 8, true, true},
    {0x5690, 0x56c2, "Alchemist", "dg2", 8, true, true},
    {0x6420, 0x64b0, "Xe2 (Lunar Lake)", "lnl", 16, true, true},
    {0x7d40, 0x7d40, "Xe-LPG", "mtl", 8, false, true},
    {0x7d41, 0x7d41, "Xe-LPG+", "arl", 8, true, true},
    {0x7d45, 0x7d45, "Xe-LPG", "mtl", 8, false, true},
    {0x7d51, 0x7d51, "Xe-LPG+", "arl", 8, true, true},
    {0x7d55, 0x7d60, "Xe-LPG", "mtl", 8, false, true},
    {0x7d67, 0x7dd1, "Xe-LPG+", "arl", 8, true, true},
    {0x7dd5, 0x7dd5, "Xe-LPG", "mtl", 8, false, true},
    {0xb080, 0xb0b0, "Xe3 (Panther Lake)", "ptl", 16, true, true},
    {0xe200, 0xe22f, "Battlemage", "bmg", 16, true, true},
};

enum { N_MODEL = sizeof models / sizeof *models };

const struct ze_model *ze_model_find(uint32_t vendor, uint32_t model)
{
    for (int i = 0; i < N_MODEL && vendor == INTEL; i++)
        if (model >= models[i].first && model <= models[i].last)
            return &models[i];
    return NULL;
}

/* The portable kernels fit into 128 registers without a spill (ocloc_test asks the compiler), so that more threads win. */
const char *ze_model_flags(const struct ze_model *m)
{
    return "";
}

int ze_model_all(const struct ze_model **out)
{
    *out = models;
    return N_MODEL;
}

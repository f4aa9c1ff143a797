/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/model.h"

#include <stddef.h>

enum { INTEL = 0x8086 };

static const struct ze_model models[] = {
    {0x0b69, 0x0b6e, "Ponte Vecchio", 16, true},
    {0x0bd0, 0x0be5, "Ponte Vecchio", 16, true},
    {0x4905, 0x4909, "Xe-LP", 8, false},
    {0x4f80, 0x4f88, "Alchemist", 8, true},
    {0x5690, 0x56c2, "Alchemist", 8, true},
    {0x6420, 0x64b0, "Xe2 (Lunar Lake)", 16, true},
    {0x7d40, 0x7d40, "Xe-LPG", 8, false},
    {0x7d41, 0x7d41, "Xe-LPG+", 8, true},
    {0x7d45, 0x7d45, "Xe-LPG", 8, false},
    {0x7d51, 0x7d51, "Xe-LPG+", 8, true},
    {0x7d55, 0x7d60, "Xe-LPG", 8, false},
    {0x7d67, 0x7dd1, "Xe-LPG+", 8, true},
    {0x7dd5, 0x7dd5, "Xe-LPG", 8, false},
    {0xb080, 0xb0b0, "Xe3 (Panther Lake)", 16, true},
    {0xe200, 0xe22f, "Battlemage", 16, true},
};

enum { N_MODEL = sizeof models / sizeof *models };

const struct ze_model *ze_model_find(uint32_t vendor, uint32_t model)
{
    for (int i = 0; i < N_MODEL && vendor == INTEL; i++)
        if (model >= models[i].first && model <= models[i].last)
            return &models[i];
    return NULL;
}

int ze_model_all(const struct ze_model **out)
{
    *out = models;
    return N_MODEL;
}

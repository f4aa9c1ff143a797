/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spirv_files FOLDER: write each embedded program to FOLDER/sN.spv and its name to FOLDER/sN.name, for compilers of other
 * devices (gpu/ocloc_test).
 */
#include "backends/ze/program.h"

#include <stdio.h>

static int put(const char *folder, int i, const char *ending, const void *data, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/s%d.%s", folder, i, ending);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int failed = argc != 2;
    for (int i = 0; !failed && ze_spirv[i].name; i++)
        failed = put(argv[1], i, "spv", ze_spirv[i].data, ze_spirv[i].n) || put(argv[1], i, "name", ze_spirv[i].name, strlen(ze_spirv[i].name));
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* spirv_files FOLDER: write each embedded program to FOLDER/N.spv, for compilers of other devices (gpu/ocloc_test). */
#include "backends/ze/program.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 0; argc == 2 && ze_spirv[i].name; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%d.spv", argv[1], i);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(ze_spirv[i].data, 1, ze_spirv[i].n, f) != ze_spirv[i].n || fclose(f) != 0) {
            perror(path);
            return 1;
        }
    }
    return argc != 2;
}

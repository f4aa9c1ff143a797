/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs FOLDER: write the source of every program that is portable or for Intel's GPUs to FOLDER/N.cl, its options to
 * FOLDER/N.opt and its name to FOLDER/N.name, for compilers of other devices (ocloc_test) and to SPIR-V (backends/ze/embed).
 */
#include "backends/gpu/lib.h"

#include <stdlib.h>

static int put(const char *folder, int id, const char *ending, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%d.%s", folder, id, ending);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    char options[160], name[160];
    int failed = argc != 2;
    for (int id = 0; id < GPU_N_PROGRAM && !failed; id++) {
        char *source = gpu_lib_source((enum gpu_program_id)id, options, sizeof options);
        gpu_lib_name((enum gpu_program_id)id, name, sizeof name);
        if (source && (gpu_lib_is_portable((enum gpu_program_id)id) || gpu_lib_sub_group((enum gpu_program_id)id)))
            failed = put(argv[1], id, "cl", source) || put(argv[1], id, "opt", options) || put(argv[1], id, "name", name);
        free(source);
    }
    return failed;
}

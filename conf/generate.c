/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what is made from knobs.def: `generate ini` or `generate man`. */
#include "conf/conf.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    char *text = argc != 2 ? NULL : strcmp(argv[1], "ini") == 0 ? lm_conf_default_ini() : strcmp(argv[1], "man") == 0 ? lm_conf_man() : NULL;
    if (!text) {
        fputs("usage: generate ini|man\n", stderr);
        return 2;
    }
    fputs(text, stdout);
    free(text);
    return fflush(stdout) ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what is made from knobs.def: `generate ini`, `generate man` or `generate flags`. */
#include "conf/conf.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    static const struct { const char *name; char *(*make)(void); } texts[] = {
        {"ini", lm_conf_default_ini}, {"man", lm_conf_man}, {"flags", lm_conf_man_flags}};
    for (size_t i = 0; argc == 2 && i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(argv[1], texts[i].name) != 0)
            continue;
        char *text = texts[i].make();
        bool ok = text && fputs(text, stdout) >= 0 && fflush(stdout) == 0;
        free(text);
        return !ok;
    }
    fputs("usage: generate ini|man|flags\n", stderr);
    return 2;
}

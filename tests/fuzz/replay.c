/* SPDX-License-Identifier: Apache-2.0 */
/* usage: replay FILE... Gives a fuzz target each file once, without libFuzzer: what was found once stays found. */
#include "runtime/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay(const char *path)
{
    struct lm_bytes b = {0};
    char piece[4096];
    FILE *f = fopen(path, "rb");
    if (!f)
        return 1;
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        lm_bytes_add(&b, piece, n);
    int bad = ferror(f) || b.failed;
    fclose(f);
    uint8_t *exact = malloc(b.len + !b.len); /* so that a sanitizer sees its end */
    if (!bad && exact) {
        if (b.len)
            memcpy(exact, b.data, b.len);
        LLVMFuzzerTestOneInput(exact, b.len);
    }
    free(exact);
    lm_bytes_fini(&b);
    return bad;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (replay(argv[i])) {
            fprintf(stderr, "%s cannot be read\n", argv[i]);
            return 1;
        }
    }
    printf("%d inputs\n", argc - 1);
    return argc < 2;
}

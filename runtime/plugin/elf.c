/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plugin/elf.h"

#include <link.h>
#include <stdio.h>
#include <string.h>

/* Bytes that the file must have; beyond n as soon as it is known to be short. */
static size_t bytes_needed(FILE *f, size_t n)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) ph;
    if (fread(&head, sizeof head, 1, f) != 1)
        return n < sizeof head ? 0 : n + 1;
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_phentsize != sizeof ph)
        return 0;
    size_t need = head.e_shoff && head.e_shoff <= n ? head.e_shoff + (size_t)head.e_shnum * head.e_shentsize : head.e_shoff;
    if (head.e_phoff > n || fseek(f, (long)head.e_phoff, SEEK_SET) != 0)
        return n + 1;
    for (unsigned i = 0; i < head.e_phnum && need <= n; i++) {
        if (fread(&ph, sizeof ph, 1, f) != 1 || ph.p_offset > n || ph.p_filesz > n - ph.p_offset)
            return n + 1;
    }
    return need;
}

int lm_elf_check(const char *path, size_t n, struct lm_err *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return 0; /* dlopen() will say why */
    size_t need = bytes_needed(f, n);
    fclose(f);
    return need <= n ? 0 : lm_fail(err, LM_EUNSUPPORTED, "%.110s ends early, after %zu bytes: copy the whole file there", path, n);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plugin/elf.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <unistd.h>

START_TEST(test_plugin_elf__a_whole_plugin_passes_and_no_cut_one)
{
    char path[] = "elf_test.XXXXXX";
    struct lm_err err = {0};
    FILE *f = fopen(TEST_PLUGIN_DIR "/fault.so", "r");
    int fd = mkstemp(path);
    ck_assert(f && fd >= 0);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    size_t n = (size_t)ftell(f);
    char *data = malloc(n);
    rewind(f);
    ck_assert_uint_eq(fread(data, 1, n, f), n);
    ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
    ck_assert_int_eq(lm_elf_check(path, n, NULL), 0);
    for (size_t cut = n - 1; cut >= 64; cut -= cut > 4096 ? 1001 : 7) {
        ck_assert_int_eq(ftruncate(fd, (off_t)cut), 0);
        ck_assert_msg(lm_elf_check(path, cut, &err) == LM_EUNSUPPORTED, "%zu of %zu", cut, n);
    }
    ck_assert_ptr_nonnull(strstr(err.msg, "ends early"));
    unlink(path);
    close(fd);
    fclose(f);
    free(data);
}
END_TEST

SUITE_MAIN("plugin/elf", test_plugin_elf__a_whole_plugin_passes_and_no_cut_one)

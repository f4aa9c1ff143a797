/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/cache.h"
#include "tests/suite.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct gpu_cache_key key = {"kernel", 6, "-DA", "device", "driver 1"};

static struct gpu_cache new_cache(void)
{
    char folder[] = "/tmp/llmserve-gpu-cache-XXXXXX", sub[600];
    struct gpu_cache c;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(sub, sizeof sub, "%s/a/b", folder);
    gpu_cache_init(&c, "cl", sub, true);
    ck_assert_str_eq(c.folder, sub);
    return c;
}

/* The path of the only file; its number is returned. */
static int only_file(const struct gpu_cache *c, char *path, size_t n)
{
    DIR *d = opendir(c->folder);
    int count = 0;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            snprintf(path, n, "%.500s/%.90s", c->folder, e->d_name);
            count++;
        }
    closedir(d);
    return count;
}

static void drop_cache(struct gpu_cache *c)
{
    char path[600];
    while (only_file(c, path, sizeof path) > 0)
        ck_assert_int_eq(unlink(path), 0);
    rmdir(c->folder);
    *strrchr(c->folder, '/') = '\0';
    rmdir(c->folder);
    *strrchr(c->folder, '/') = '\0';
    ck_assert_int_eq(rmdir(c->folder), 0);
}

START_TEST(test_gpu_cache__what_was_written_is_read)
{
    struct gpu_cache c = new_cache();
    size_t n = 0;
    char path[600];
    ck_assert_ptr_null(gpu_cache_read(&c, &key, &n));
    gpu_cache_write(&c, &key, (const unsigned char *)"old", 3);
    gpu_cache_write(&c, &key, (const unsigned char *)"binary", 6);
    unsigned char *got = gpu_cache_read(&c, &key, &n);
    ck_assert_ptr_nonnull(got);
    ck_assert_uint_eq(n, 6);
    ck_assert_int_eq(memcmp(got, "binary", 6), 0);
    ck_assert_int_eq(only_file(&c, path, sizeof path), 1); /* nothing aside is left */
    free(got);
    drop_cache(&c);
}
END_TEST

START_TEST(test_gpu_cache__another_source_option_device_or_driver_is_not_there)
{
    struct gpu_cache c = new_cache();
    const struct gpu_cache_key others[] = {{"kerne1", 6, "-DA", "device", "driver 1"}, {"kernel", 6, "-DB", "device", "driver 1"},
                                          {"kernel", 6, "-DA", "devic2", "driver 1"}, {"kernel", 6, "-DA", "device", "driver 2"}};
    size_t n;
    gpu_cache_write(&c, &key, (const unsigned char *)"binary", 6);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_null(gpu_cache_read(&c, &others[i], &n));
    drop_cache(&c);
}
END_TEST

START_TEST(test_gpu_cache__a_damaged_file_is_not_there)
{
    struct gpu_cache c = new_cache();
    char path[600];
    size_t n;
    gpu_cache_write(&c, &key, (const unsigned char *)"binary", 6);
    ck_assert_int_eq(only_file(&c, path, sizeof path), 1);
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    for (long i = 0; i < size; i++) { /* each byte in turn */
        fseek(f, i, SEEK_SET);
        int byte = fgetc(f);
        fseek(f, i, SEEK_SET);
        fputc(byte ^ 0x10, f);
        fflush(f);
        ck_assert_msg(gpu_cache_read(&c, &key, &n) == NULL, "byte %ld of %ld", i, size);
        fseek(f, i, SEEK_SET);
        fputc(byte, f);
        fflush(f);
    }
    fclose(f);
    unsigned char *got = gpu_cache_read(&c, &key, &n);
    ck_assert_ptr_nonnull(got);
    free(got);
    for (long i = size - 1; i >= 0; i--) { /* cut short */
        ck_assert_int_eq(truncate(path, i), 0);
        ck_assert_ptr_null(gpu_cache_read(&c, &key, &n));
    }
    drop_cache(&c);
}
END_TEST

START_TEST(test_gpu_cache__a_folder_that_cannot_be_is_no_cache)
{
    struct gpu_cache c;
    size_t n;
    gpu_cache_init(&c, "cl", "/proc/none/x", false);
    ck_assert_str_eq(c.folder, "");
    gpu_cache_write(&c, &key, (const unsigned char *)"binary", 6);
    ck_assert_ptr_null(gpu_cache_read(&c, &key, &n));
    gpu_cache_init(&c, "cl", "no", false);
    ck_assert_str_eq(c.folder, "");
    gpu_cache_init(&c, "cl", "auto", true);
    ck_assert_str_eq(c.folder, "");
}
END_TEST

SUITE_MAIN("gpu/cache", test_gpu_cache__what_was_written_is_read, test_gpu_cache__another_source_option_device_or_driver_is_not_there,
           test_gpu_cache__a_damaged_file_is_not_there, test_gpu_cache__a_folder_that_cannot_be_is_no_cache)

/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/cache.h"
#include "tests/suite.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static const struct cl_cache_key key = {"kernel", "-DA", "device", "driver 1"};

static struct cl_cache new_cache(void)
{
    char folder[] = "/tmp/llmserve-cl-cache-XXXXXX", sub[600];
    struct cl_cache c;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(sub, sizeof sub, "%s/a/b", folder);
    cl_cache_init(&c, sub, 1);
    ck_assert_str_eq(c.folder, sub);
    return c;
}

/* The path of the only file; its number is returned. */
static int only_file(const struct cl_cache *c, char *path, size_t n)
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

static void drop_cache(struct cl_cache *c)
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

START_TEST(test_cl_cache__what_was_written_is_read)
{
    struct cl_cache c = new_cache();
    size_t n = 0;
    char path[600];
    ck_assert_ptr_null(cl_cache_read(&c, &key, &n));
    cl_cache_write(&c, &key, (const unsigned char *)"old", 3);
    cl_cache_write(&c, &key, (const unsigned char *)"binary", 6);
    unsigned char *got = cl_cache_read(&c, &key, &n);
    ck_assert_ptr_nonnull(got);
    ck_assert_uint_eq(n, 6);
    ck_assert_int_eq(memcmp(got, "binary", 6), 0);
    ck_assert_int_eq(only_file(&c, path, sizeof path), 1); /* nothing aside is left */
    free(got);
    drop_cache(&c);
}
END_TEST

START_TEST(test_cl_cache__another_source_option_device_or_driver_is_not_there)
{
    struct cl_cache c = new_cache();
    const struct cl_cache_key others[] = {{"kerne1", "-DA", "device", "driver 1"}, {"kernel", "-DB", "device", "driver 1"},
                                          {"kernel", "-DA", "devic2", "driver 1"}, {"kernel", "-DA", "device", "driver 2"}};
    size_t n;
    cl_cache_write(&c, &key, (const unsigned char *)"binary", 6);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_null(cl_cache_read(&c, &others[i], &n));
    drop_cache(&c);
}
END_TEST

START_TEST(test_cl_cache__a_damaged_file_is_not_there)
{
    struct cl_cache c = new_cache();
    char path[600];
    size_t n;
    cl_cache_write(&c, &key, (const unsigned char *)"binary", 6);
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
        ck_assert_msg(cl_cache_read(&c, &key, &n) == NULL, "byte %ld of %ld", i, size);
        fseek(f, i, SEEK_SET);
        fputc(byte, f);
        fflush(f);
    }
    fclose(f);
    unsigned char *got = cl_cache_read(&c, &key, &n);
    ck_assert_ptr_nonnull(got);
    free(got);
    for (long i = size - 1; i >= 0; i--) { /* cut short */
        ck_assert_int_eq(truncate(path, i), 0);
        ck_assert_ptr_null(cl_cache_read(&c, &key, &n));
    }
    drop_cache(&c);
}
END_TEST

START_TEST(test_cl_cache__a_folder_that_cannot_be_is_no_cache)
{
    struct cl_cache c;
    size_t n;
    cl_cache_init(&c, "/proc/none/x", 0);
    ck_assert_str_eq(c.folder, "");
    cl_cache_write(&c, &key, (const unsigned char *)"binary", 6);
    ck_assert_ptr_null(cl_cache_read(&c, &key, &n));
    cl_cache_init(&c, "no", 0);
    ck_assert_str_eq(c.folder, "");
    cl_cache_init(&c, "auto", 1);
    ck_assert_str_eq(c.folder, "");
}
END_TEST

SUITE_MAIN("cl/cache", test_cl_cache__what_was_written_is_read, test_cl_cache__another_source_option_device_or_driver_is_not_there,
           test_cl_cache__a_damaged_file_is_not_there, test_cl_cache__a_folder_that_cannot_be_is_no_cache)

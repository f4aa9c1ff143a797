/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/kvfile.h"
#include "tests/engine_bed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES = 1000, RECORD = BYTES + 48, N = 5 };

static char dir[] = "/tmp/llmserve-kvfile-XXXXXX", path[64], note[160];

static int open_as(struct lm_kvfile **out, uint8_t model, uint32_t n_record, struct lm_err *err)
{
    struct lm_kvfile_desc d = {.path = path, .block_size = 8, .block_bytes = BYTES, .max_bytes = 4096 + n_record * RECORD};
    memset(d.model, model, sizeof d.model);
    return lm_kvfile_open(&d, out, note, err);
}

static struct lm_kvfile *begin(void)
{
    struct lm_kvfile *f;
    struct lm_err err = {0};
    if (!*path) {
        ck_assert_ptr_nonnull(mkdtemp(dir));
        snprintf(path, sizeof path, "%s/kv", dir);
    }
    ck_assert_msg(open_as(&f, 1, N, &err) == 0, "%s", err.msg);
    return f;
}

static void end(struct lm_kvfile *f)
{
    lm_kvfile_close(f);
    unlink(path);
    rmdir(dir);
}

static const uint8_t *name(int i)
{
    static uint8_t n[32];
    memset(n, 0x40 + i, sizeof n);
    return n;
}

static void write_one(struct lm_kvfile *f, int i)
{
    char data[BYTES];
    memset(data, i, sizeof data);
    lm_kvfile_write(f, name(i), data);
    lm_kvfile_flush(f);
}

static bool reads(struct lm_kvfile *f, int i)
{
    char data[BYTES] = {0};
    bool good = lm_kvfile_read(f, name(i), data);
    for (size_t k = 0; k < sizeof data && good; k++)
        ck_assert_int_eq(data[k], i);
    return good;
}

START_TEST(test_engine_kvfile__it_keeps_the_newest_over_restarts_within_its_size)
{
    struct lm_kvfile *f = begin();
    struct stat st;
    for (int i = 1; i <= 7; i++)
        write_one(f, i);
    for (int round = 0; round < 2; round++) {
        ck_assert(!reads(f, 1) && !reads(f, 2) && reads(f, 3) && reads(f, 7));
        struct lm_kvfile_stats s = lm_kvfile_stats(f);
        ck_assert_uint_eq(s.n_record, N);
        ck_assert_uint_eq(s.n_used, N);
        ck_assert_uint_eq(s.n_bad, 0);
        lm_kvfile_close(f);
        f = begin();
        ck_assert_str_eq(note, "");
    }
    write_one(f, 8);
    ck_assert(!reads(f, 3) && reads(f, 4) && reads(f, 8)); /* it went on where it was */
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 4096 + N * RECORD);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    end(f);
}
END_TEST

START_TEST(test_engine_kvfile__what_is_forgotten_is_not_found_after_a_restart)
{
    struct lm_kvfile *f = begin();
    for (int i = 1; i <= 4; i++)
        write_one(f, i);
    lm_kvfile_drop(f, name(2));
    ck_assert(reads(f, 1) && !reads(f, 2));
    lm_kvfile_close(f);
    f = begin();
    ck_assert(reads(f, 1) && !reads(f, 2) && reads(f, 3));
    lm_kvfile_forget(f);
    ck_assert(!reads(f, 1));
    write_one(f, 5);
    lm_kvfile_close(f);
    f = begin();
    ck_assert(!reads(f, 1) && !reads(f, 3) && reads(f, 5));
    end(f);
}
END_TEST

static void flip(off_t at)
{
    char c;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(pread(fd, &c, 1, at), 1);
    c ^= 8;
    ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

START_TEST(test_engine_kvfile__damage_is_never_read)
{
    static const off_t in_record[] = {0, 31, 35, 44, 48, 600, RECORD - 1}, in_head[] = {0, 9, 42, 49, 56, 70};
    struct lm_kvfile *f = begin();
    for (size_t i = 0; i < sizeof in_record / sizeof *in_record; i++) {
        lm_kvfile_forget(f);
        write_one(f, 1);
        write_one(f, 2);
        flip(4096 + in_record[i]);
        ck_assert(!reads(f, 1) && reads(f, 2));
        ck_assert_uint_eq(lm_kvfile_stats(f).n_bad, i + 1);
        ck_assert(!lm_kvfile_has(f, name(1)));
        write_one(f, 1);
        ck_assert(reads(f, 1));
    }
    for (size_t i = 0; i < sizeof in_head / sizeof *in_head; i++) {
        lm_kvfile_close(f);
        flip(in_head[i]);
        f = begin();
        ck_assert_str_ne(note, "");
        ck_assert(!reads(f, 1));
        write_one(f, 1);
    }
    lm_kvfile_close(f);
    ck_assert_int_eq(truncate(path, 4096 + RECORD / 2), 0);
    f = begin();
    ck_assert_str_ne(note, "");
    ck_assert(!reads(f, 1));
    end(f);
}
END_TEST

START_TEST(test_engine_kvfile__a_file_of_another_model_or_size_is_begun_anew)
{
    struct lm_kvfile *f = begin();
    write_one(f, 1);
    lm_kvfile_close(f);
    ck_assert_int_eq(open_as(&f, 2, N, NULL), 0);
    ck_assert_str_ne(note, "");
    ck_assert(!reads(f, 1));
    write_one(f, 1);
    lm_kvfile_close(f);
    ck_assert_int_eq(open_as(&f, 2, N + 1, NULL), 0);
    ck_assert(!reads(f, 1));
    end(f);
}
END_TEST

START_TEST(test_engine_kvfile__links_files_of_others_and_files_in_use_are_refused)
{
    struct lm_kvfile *f = begin(), *other;
    struct lm_err err = {0};
    ck_assert_int_eq(open_as(&other, 1, N, &err), LM_EBUSY);
    lm_kvfile_close(f);
    ck_assert_int_eq(open_as(&other, 1, 0, &err), LM_ECONFIG);
    ck_assert_msg(strstr(err.msg, "kv-cache-file-size") != NULL, "%s", err.msg);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(open_as(&other, 1, N, &err), LM_EIO);
    unlink(path);
    ck_assert_int_eq(symlink("/dev/null", path), 0);
    ck_assert_int_eq(open_as(&other, 1, N, &err), LM_EIO);
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(open_as(&other, 1, N, &err), LM_EIO);
    end(NULL);
}
END_TEST

START_TEST(test_engine_kvfile__more_than_the_thread_takes_is_left_out)
{
    struct lm_kvfile *f = begin();
    char data[BYTES] = {0};
    for (int i = 0; i < 2000; i++)
        lm_kvfile_write(f, name(i % 60), data);
    lm_kvfile_flush(f);
    struct lm_kvfile_stats s = lm_kvfile_stats(f);
    ck_assert_uint_eq(s.n_written + s.n_skipped, 2000);
    ck_assert_uint_eq(s.n_used, N);
    end(f);
}
END_TEST

/* An engine with a file, and room for two blocks in memory. */
static void bed_make_filed(struct bed *bed)
{
    bed_make(bed, 24, 64, 8, true);
    lm_engine_destroy(bed->engine);
    bed->desc.kv_file = path;
    bed->desc.kv_file_bytes = 1 << 20;
    bed->desc.always_restore = true;
    ck_assert_int_eq(lm_engine_create(&bed->desc, &bed->engine, NULL), 0);
    ck_assert_str_eq(lm_engine_note(bed->engine), "");
}

static uint32_t cached_of(struct bed *bed, uint64_t id, uint64_t seed)
{
    ask_fill(&bed->ask[id], 161, seed, 4);
    bed_must_submit(bed, id);
    while (lm_engine_is_busy(bed->engine)) {
        bed_step(bed);
        lm_engine_flush(bed->engine);
    }
    ask_check(&bed->ask[id]);
    return bed->ask[id].n_cached;
}

START_TEST(test_engine_kvfile__another_engine_goes_on_from_the_file)
{
    struct bed bed;
    end(begin());
    mkdir(dir, 0700);
    bed_make_filed(&bed);
    for (uint64_t id = 0; id < 3; id++)
        ck_assert_uint_eq(cached_of(&bed, id, 1 + id), 0);
    ck_assert_uint_gt(cached_of(&bed, 3, 1), 100);
    bed_unmake(&bed);
    bed_make_filed(&bed);
    ck_assert_uint_gt(cached_of(&bed, 0, 1), 100);
    ck_assert_uint_gt(lm_engine_stats(bed.engine).n_file_hit_tok, 100);
    lm_engine_forget(bed.engine);
    ck_assert_uint_eq(cached_of(&bed, 1, 2), 0);
    ck_assert_int_eq(lm_engine_sleep(bed.engine, NULL), 0);
    ck_assert_int_eq(lm_engine_wake(bed.engine, NULL), 0);
    bed_unmake(&bed);
    end(NULL);
}
END_TEST

SUITE_MAIN("engine_kvfile", test_engine_kvfile__it_keeps_the_newest_over_restarts_within_its_size,
           test_engine_kvfile__what_is_forgotten_is_not_found_after_a_restart, test_engine_kvfile__damage_is_never_read,
           test_engine_kvfile__a_file_of_another_model_or_size_is_begun_anew,
           test_engine_kvfile__links_files_of_others_and_files_in_use_are_refused,
           test_engine_kvfile__more_than_the_thread_takes_is_left_out, test_engine_kvfile__another_engine_goes_on_from_the_file)

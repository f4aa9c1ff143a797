/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/gguf.h"
#include "tests/gguf_bytes.h"
#include "tests/suite.h"
#include <stdlib.h>
#include <unistd.h>

static struct lm_err err;

/* Every kind of value and three tensors. */
static struct lm_bytes small_file(void)
{
    struct lm_bytes b = {0};
    gguf_put_header(&b, 3, 3, 9);
    gguf_put_key(&b, "general.architecture", LM_GGUF_STRING);
    gguf_put_string(&b, "llama");
    gguf_put_key(&b, "u32", LM_GGUF_U32), gguf_put(&b, 7, 4);
    gguf_put_key(&b, "i8", LM_GGUF_I8), gguf_put(&b, 0xfe, 1);
    gguf_put_key(&b, "f32", LM_GGUF_F32), gguf_put(&b, 0x3fc00000, 4);
    gguf_put_key(&b, "yes", LM_GGUF_BOOL), gguf_put(&b, 1, 1);
    gguf_put_key(&b, "u64", LM_GGUF_U64), gguf_put(&b, UINT64_MAX, 8);
    gguf_put_array(&b, "strings", LM_GGUF_STRING, 3);
    gguf_put_string(&b, "a"), gguf_put_string(&b, ""), gguf_put_string(&b, "ccc");
    gguf_put_array(&b, "ints", LM_GGUF_I16, 3);
    gguf_put(&b, 1, 2), gguf_put(&b, 0xffff, 2), gguf_put(&b, 3, 2);
    gguf_put_key(&b, "f64", LM_GGUF_F64), gguf_put(&b, 0x7e37e43c8800759cull, 8); /* 1e300 */
    gguf_put_tensor(&b, "one", LM_Q_F32, 2, (uint64_t[]){4, 2}, 0);
    gguf_put_tensor(&b, "two", LM_Q_Q4_0, 1, (uint64_t[]){64}, 32);
    gguf_put_tensor(&b, "three", LM_Q_F16, 4, (uint64_t[]){1, 1, 1, 1}, 96);
    gguf_put_data(&b, 32, 98);
    return b;
}

/* Reads from memory of its very size, so that the sanitizer sees any byte read beyond it. */
static int parse(const void *data, size_t n, struct lm_gguf **out, void **out_copy)
{
    *out_copy = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(*out_copy);
    memcpy(*out_copy, data, n);
    err.msg[0] = 0;
    int rc = lm_gguf_open_memory(*out_copy, n, out, &err);
    ck_assert(rc == 0 || strlen(err.msg) > 0);
    ck_assert_ptr_null(strchr(err.msg, '\n'));
    return rc;
}

/* Touches all that the object gives out. */
static uint64_t walk(const struct lm_gguf *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < lm_gguf_n_values(g); i++) {
        const struct lm_gguf_value *v = lm_gguf_value_at(g, i);
        const unsigned char *cursor = NULL;
        struct lm_gguf_str s;
        while (lm_gguf_next_string(v, &cursor, &s))
            for (size_t k = 0; k < s.n; k++)
                sum += (unsigned char)s.s[k];
        for (uint64_t k = 0; v->elem != LM_GGUF_STRING && k < v->n; k++)
            sum += (uint64_t)lm_gguf_elem_i64(v, k) + (lm_gguf_elem_f64(v, k) > 0);
    }
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        for (size_t k = 0; k < t->bytes; k++)
            sum += ((const unsigned char *)t->data)[k];
    }
    return sum;
}

static void expect(struct lm_bytes *b, int rc, const char *message)
{
    struct lm_gguf *g = NULL;
    void *copy;
    ck_assert(!b->failed);
    ck_assert_int_eq(parse(b->data, b->len, &g, &copy), rc);
    if (message && !strstr(err.msg, message))
        ck_abort_msg("'%s' is not in '%s'", message, err.msg);
    ck_assert_ptr_null(rc ? g : NULL);
    lm_gguf_close(g);
    free(copy);
    lm_bytes_fini(b);
    *b = (struct lm_bytes){0};
}

START_TEST(test_model_gguf__a_small_file_reads_back)
{
    struct lm_bytes b = small_file();
    struct lm_gguf *g;
    void *copy;
    for (char version = 2; version <= 3; version++) {
        b.data[4] = version;
        ck_assert_int_eq(parse(b.data, b.len, &g, &copy), 0);
        ck_assert_uint_eq(lm_gguf_n_values(g), 9);
        ck_assert_uint_eq(lm_gguf_n_tensors(g), 3);
        struct lm_gguf_str s = lm_gguf_string(g, "general.architecture");
        ck_assert(s.n == 5 && memcmp(s.s, "llama", 5) == 0);
        const struct lm_gguf_tensor *t = lm_gguf_tensor(g, "two");
        ck_assert(t && t->qtype == LM_Q_Q4_0 && t->n_dim == 1 && t->dim[0] == 64 && t->dim[3] == 1 && t->bytes == 36);
        ck_assert_uint_eq(*(const unsigned char *)t->data, 32);
        ck_assert_ptr_eq(lm_gguf_tensor(g, "one"), lm_gguf_tensor_at(g, 0));
        ck_assert_ptr_null(lm_gguf_tensor(g, "tw"));
        ck_assert_ptr_null(lm_gguf_get(g, "u32x"));
        ck_assert_int_eq(lm_gguf_elem_i64(lm_gguf_get(g, "ints"), 1), -1);
        lm_gguf_close(g);
        free(copy);
    }
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_gguf__strings_of_an_array_come_in_order)
{
    struct lm_bytes b = small_file();
    struct lm_gguf *g;
    void *copy;
    ck_assert_int_eq(parse(b.data, b.len, &g, &copy), 0);
    const struct lm_gguf_value *v = lm_gguf_get(g, "strings");
    const unsigned char *cursor = NULL;
    struct lm_gguf_str s;
    ck_assert(lm_gguf_next_string(v, &cursor, &s) && s.n == 1 && *s.s == 'a');
    ck_assert(lm_gguf_next_string(v, &cursor, &s) && s.n == 0);
    ck_assert(lm_gguf_next_string(v, &cursor, &s) && s.n == 3 && memcmp(s.s, "ccc", 3) == 0);
    ck_assert(!lm_gguf_next_string(v, &cursor, &s));
    cursor = NULL;
    ck_assert(!lm_gguf_next_string(lm_gguf_get(g, "ints"), &cursor, &s));
    lm_gguf_close(g);
    free(copy);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_gguf__typed_reads_check_type_and_range)
{
    struct lm_bytes b = small_file();
    struct lm_gguf *g;
    void *copy;
    uint32_t u = 99;
    float f = 99;
    bool t = false;
    ck_assert_int_eq(parse(b.data, b.len, &g, &copy), 0);
    ck_assert(lm_gguf_u32(g, "u32", 1, &u, &err) == 0 && u == 7);
    ck_assert(lm_gguf_u32(g, "absent", 5, &u, &err) == 0 && u == 5);
    const char *no_u32[] = {"i8", "u64", "f32", "strings", "general.architecture", "yes"};
    for (size_t i = 0; i < sizeof no_u32 / sizeof *no_u32; i++) {
        ck_assert_int_eq(lm_gguf_u32(g, no_u32[i], 1, &u, &err), LM_EFORMAT);
        ck_assert(u == 5 && strstr(err.msg, no_u32[i]));
    }
    ck_assert(lm_gguf_f32(g, "f32", 0, &f, &err) == 0 && f == 1.5f);
    ck_assert_int_eq(lm_gguf_f32(g, "f64", 0, &f, &err), LM_EFORMAT);
    ck_assert_int_eq(lm_gguf_f32(g, "u32", 0, &f, &err), LM_EFORMAT);
    ck_assert(f == 1.5f);
    ck_assert(lm_gguf_bool(g, "yes", false, &t, &err) == 0 && t);
    ck_assert_int_eq(lm_gguf_bool(g, "u32", false, &t, &err), LM_EFORMAT);
    ck_assert_ptr_null(lm_gguf_string(g, "u32").s);
    ck_assert_ptr_null(lm_gguf_string(g, "absent").s);
    lm_gguf_close(g);
    free(copy);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_gguf__a_file_cut_anywhere_is_refused)
{
    struct lm_bytes b = small_file();
    struct lm_gguf *g;
    void *copy;
    for (size_t n = 0; n < b.len; n++) {
        ck_assert_int_eq(parse(b.data, n, &g, &copy), LM_EFORMAT);
        free(copy);
    }
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_gguf__a_changed_byte_never_leads_outside_the_file)
{
    static const unsigned char values[] = {0, 1, 7, 9, 0x7f, 0x80, 0xff};
    struct lm_bytes b = small_file();
    struct lm_gguf *g;
    void *copy;
    uint64_t sum = 0;
    for (size_t at = 0; at < b.len; at++)
        for (size_t width = 1; width <= 8; width *= 8)
            for (size_t i = 0; i < sizeof values; i++) {
                char saved[8];
                size_t n = b.len - at < width ? b.len - at : width;
                memcpy(saved, b.data + at, n);
                memset(b.data + at, values[i], n);
                if (parse(b.data, b.len, &g, &copy) == 0) {
                    sum += walk(g);
                    lm_gguf_close(g);
                }
                free(copy);
                memcpy(b.data + at, saved, n);
            }
    ck_assert(sum > 0);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_gguf__huge_counts_are_refused_before_memory_is_taken)
{
    static const uint64_t huge[] = {1u << 24, 1ull << 32, 1ull << 60, 1ull << 61, UINT64_MAX / 8, UINT64_MAX};
    struct lm_bytes b = {0};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        gguf_put_header(&b, 3, huge[i], 0), gguf_put_data(&b, 64, 0);
        expect(&b, LM_EFORMAT, "tensors");
        gguf_put_header(&b, 3, 0, huge[i]), gguf_put_data(&b, 64, 0);
        expect(&b, LM_EFORMAT, "keys");
        gguf_put_header(&b, 3, 0, 1), gguf_put(&b, huge[i], 8), gguf_put_data(&b, 64, 0);
        expect(&b, LM_EFORMAT, "truncated: a key");
        gguf_put_header(&b, 3, 0, 1), gguf_put_key(&b, "k", LM_GGUF_STRING), gguf_put(&b, huge[i], 8), gguf_put_data(&b, 64, 0);
        expect(&b, LM_EFORMAT, "truncated: key 'k' at byte 45");
        for (uint32_t elem = 0; elem <= LM_GGUF_F64; elem++) {
            gguf_put_header(&b, 3, 0, 1), gguf_put_array(&b, "k", elem, huge[i]), gguf_put_data(&b, 64, 0);
            expect(&b, elem == LM_GGUF_ARRAY ? LM_EUNSUPPORTED : LM_EFORMAT, "key 'k'");
        }
    }
}
END_TEST

START_TEST(test_model_gguf__a_file_of_a_vocabulary_only_is_read)
{
    struct lm_bytes b = {0};
    gguf_put_header(&b, 3, 0, 1), gguf_put_array(&b, "tokenizer.ggml.tokens", LM_GGUF_STRING, 1), gguf_put_string(&b, "x");
    expect(&b, 0, NULL);
    gguf_put_header(&b, 3, 0, 0);
    expect(&b, 0, NULL);
}
END_TEST

START_TEST(test_model_gguf__other_versions_are_named)
{
    struct lm_bytes b = {0};
    gguf_put_header(&b, 1, 0, 0);
    expect(&b, LM_EUNSUPPORTED, "version 1");
    gguf_put_header(&b, 0x03000000, 0, 0);
    expect(&b, LM_EUNSUPPORTED, "big-endian");
    gguf_put_header(&b, 4, 0, 0);
    expect(&b, LM_EUNSUPPORTED, "version 4");
    gguf_put_header(&b, 0, 0, 0);
    expect(&b, LM_EUNSUPPORTED, "version 0");
    lm_bytes_add_str(&b, "{\"a\": 1}");
    expect(&b, LM_EFORMAT, "not a GGUF file");
}
END_TEST

START_TEST(test_model_gguf__bad_keys_are_refused)
{
    struct lm_bytes b = {0};
    gguf_put_header(&b, 3, 0, 2);
    gguf_put_key(&b, "twice", LM_GGUF_U8), gguf_put(&b, 1, 1);
    gguf_put_key(&b, "twice", LM_GGUF_U8), gguf_put(&b, 1, 1);
    expect(&b, LM_EFORMAT, "key 'twice' is given twice, again at byte 50");
    gguf_put_header(&b, 3, 0, 1), gguf_put_key(&b, "", LM_GGUF_U32), gguf_put(&b, 1, 4);
    expect(&b, LM_EFORMAT, "a key at byte 24 is 0 bytes long");
    gguf_put_header(&b, 3, 0, 1), gguf_put_key(&b, "k", 13), gguf_put(&b, 1, 8);
    expect(&b, LM_EFORMAT, "key 'k' at byte 37 has the unknown type 13");
    gguf_put_header(&b, 3, 0, 1), gguf_put_array(&b, "k", LM_GGUF_ARRAY, 0), gguf_put(&b, 1, 8);
    expect(&b, LM_EUNSUPPORTED, "an array of arrays");
    gguf_put_header(&b, 3, 0, 1), gguf_put_key(&b, "k", LM_GGUF_BOOL), gguf_put(&b, 2, 1), gguf_put_data(&b, 64, 0);
    expect(&b, LM_EFORMAT, "truth value 2");
    gguf_put_header(&b, 3, 0, 1), gguf_put_array(&b, "k", LM_GGUF_BOOL, 2), gguf_put(&b, 0x0301, 2), gguf_put_data(&b, 64, 0);
    expect(&b, LM_EFORMAT, "truth value 3");
    gguf_put_header(&b, 3, 0, 1), gguf_put_key(&b, "a\x1b[2J\n\xc2\x9b'", 99), gguf_put(&b, 1, 8);
    expect(&b, LM_EFORMAT, "a?[2J");
    gguf_put_header(&b, 3, 0, 1), gguf_put(&b, 70000, 8), gguf_put_data(&b, 1, 80000);
    expect(&b, LM_EFORMAT, "70000 bytes long");
}
END_TEST

START_TEST(test_model_gguf__the_alignment_is_a_power_of_two)
{
    struct lm_bytes b = {0};
    static const uint32_t bad[] = {0, 3, 48, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_put_header(&b, 3, 0, 1), gguf_put_key(&b, "general.alignment", LM_GGUF_U32), gguf_put(&b, bad[i], 4);
        expect(&b, LM_EFORMAT, "general.alignment");
    }
    gguf_put_header(&b, 3, 0, 1), gguf_put_key(&b, "general.alignment", LM_GGUF_STRING), gguf_put_string(&b, "32");
    expect(&b, LM_EFORMAT, "general.alignment");
    for (uint32_t align = 1; align <= 256; align *= 4) {
        gguf_put_header(&b, 3, 2, 1), gguf_put_key(&b, "general.alignment", LM_GGUF_U32), gguf_put(&b, align, 4);
        gguf_put_tensor(&b, "a", LM_Q_F32, 1, (uint64_t[]){1}, 0);
        gguf_put_tensor(&b, "b", LM_Q_F32, 1, (uint64_t[]){1}, align < 4 ? 4 : align);
        gguf_put_data(&b, align, (align < 4 ? 4 : align) + 4);
        expect(&b, 0, NULL);
    }
}
END_TEST

static void expect_tensor(uint32_t qtype, uint32_t n_dim, const uint64_t *dim, uint64_t offset, int rc, const char *message)
{
    struct lm_bytes b = {0};
    gguf_put_header(&b, 3, 1, 0), gguf_put_tensor(&b, "t", qtype, n_dim, dim, offset), gguf_put_data(&b, 32, 256);
    expect(&b, rc, message);
}

START_TEST(test_model_gguf__bad_tensors_are_refused)
{
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){64}, 0, 0, NULL);
    expect_tensor(LM_Q_F32, 0, NULL, 0, 0, NULL);
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){65}, 0, LM_EFORMAT, "truncated: tensor 't' ends at byte 324 but the file has 320");
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){0}, 0, LM_EFORMAT, "dimension");
    expect_tensor(LM_Q_F32, 2, (uint64_t[]){1ull << 32, 1ull << 32}, 0, LM_EFORMAT, "dimension");
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){1ull << 62}, 0, LM_EFORMAT, "too large");
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){UINT64_MAX}, 0, LM_EFORMAT, "too large");
    expect_tensor(LM_Q_Q4_0, 1, (uint64_t[]){48}, 0, LM_EFORMAT, "no multiple of Q4_0's block of 32");
    expect_tensor(LM_Q_Q4_K, 2, (uint64_t[]){128, 2}, 0, LM_EFORMAT, "no multiple of Q4_K's block of 256");
    expect_tensor(LM_Q_F32, 5, (uint64_t[]){1, 1, 1, 1, 1}, 0, LM_EFORMAT, "5 dimensions");
    expect_tensor(4, 1, (uint64_t[]){32}, 0, LM_EUNSUPPORTED, "unknown type 4");
    expect_tensor(UINT32_MAX, 1, (uint64_t[]){32}, 0, LM_EUNSUPPORTED, "unknown type 4294967295");
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){1}, 4, LM_EFORMAT, "offset 4 is no multiple of the alignment 32");
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){1}, UINT64_MAX - 31, LM_EFORMAT, "too large");
    expect_tensor(LM_Q_F32, 1, (uint64_t[]){1}, 1ull << 62, LM_EFORMAT, "truncated");
}
END_TEST

START_TEST(test_model_gguf__tensors_neither_overlap_nor_repeat)
{
    struct lm_bytes b = {0};
    gguf_put_header(&b, 3, 2, 0);
    gguf_put_tensor(&b, "a", LM_Q_F32, 1, (uint64_t[]){8}, 32), gguf_put_tensor(&b, "b", LM_Q_F32, 1, (uint64_t[]){9}, 0);
    gguf_put_data(&b, 32, 256);
    expect(&b, LM_EFORMAT, "tensors 'b' and 'a' overlap");
    gguf_put_header(&b, 3, 2, 0);
    gguf_put_tensor(&b, "a", LM_Q_F32, 1, (uint64_t[]){8}, 0), gguf_put_tensor(&b, "a", LM_Q_F32, 1, (uint64_t[]){8}, 32);
    gguf_put_data(&b, 32, 256);
    expect(&b, LM_EFORMAT, "tensor 'a' is given twice");
    char name[300];
    memset(name, 'x', 299), name[299] = 0;
    gguf_put_header(&b, 3, 1, 0), gguf_put_tensor(&b, name, LM_Q_F32, 1, (uint64_t[]){8}, 0), gguf_put_data(&b, 32, 256);
    expect(&b, LM_EFORMAT, "299 bytes long");
    gguf_put_header(&b, 3, 1, 0), gguf_put_tensor(&b, "", LM_Q_F32, 1, (uint64_t[]){8}, 0), gguf_put_data(&b, 32, 256);
    expect(&b, LM_EFORMAT, "0 bytes long");
}
END_TEST

START_TEST(test_model_gguf__many_keys_are_found_again)
{
    struct lm_bytes b = {0};
    struct lm_gguf *g;
    void *copy;
    char key[16];
    gguf_put_header(&b, 3, 0, 5000);
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key.%u", i * 7919 % 5000);
        gguf_put_key(&b, key, LM_GGUF_U32), gguf_put(&b, i * 7919 % 5000, 4);
    }
    ck_assert_int_eq(parse(b.data, b.len, &g, &copy), 0);
    for (uint32_t i = 0, got; i < 5000; i++) {
        snprintf(key, sizeof key, "key.%u", i);
        ck_assert(lm_gguf_u32(g, key, 9999, &got, &err) == 0 && got == i);
    }
    lm_gguf_close(g);
    free(copy);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_gguf__a_file_is_mapped_and_odd_paths_are_refused)
{
    struct lm_bytes b = small_file();
    char path[] = "gguf_test.XXXXXX";
    struct lm_gguf *g = NULL;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(lm_gguf_open(path, &g, &err), LM_EFORMAT);
    ck_assert_int_eq((int)write(fd, b.data, b.len), (int)b.len);
    close(fd);
    ck_assert_int_eq(lm_gguf_open(path, &g, &err), 0);
    ck_assert(walk(g) > 0);
    lm_gguf_close(g);
    ck_assert_int_eq(truncate(path, (off_t)b.len - 1), 0);
    ck_assert_int_eq(lm_gguf_open(path, &g, &err), LM_EFORMAT);
    ck_assert(strstr(err.msg, path) == err.msg && strstr(err.msg, "truncated: tensor 'three'"));
    unlink(path);
    ck_assert_int_eq(lm_gguf_open(path, &g, &err), LM_ENOTFOUND);
    ck_assert_int_eq(lm_gguf_open(".", &g, &err), LM_EFORMAT);
    ck_assert_int_eq(lm_gguf_open("/dev/null", &g, NULL), LM_EFORMAT);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_gguf__a_file_that_shrank_is_noticed)
{
    char path[] = "/tmp/llmserve-test-XXXXXX";
    struct lm_bytes b = small_file();
    struct lm_gguf *g = NULL;
    size_t bytes;
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, b.data, b.len), (ssize_t)b.len);
    ck_assert_int_eq(lm_gguf_open(path, &g, &err), 0);
    ck_assert_int_eq(lm_gguf_whole(g, &err), 0);
    ck_assert_ptr_nonnull(lm_gguf_mapping(g, &bytes));
    ck_assert_uint_eq(bytes, b.len);
    ck_assert_int_eq(unlink(path), 0); /* replaced by another: the mapped one is still whole */
    ck_assert_int_eq(lm_gguf_whole(g, &err), 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)b.len - 1), 0);
    ck_assert_int_eq(lm_gguf_whole(g, &err), LM_EIO);
    ck_assert_msg(strstr(err.msg, "shrank") != NULL, "%s", err.msg);
    lm_gguf_close(g);
    close(fd);
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("model/gguf", test_model_gguf__a_small_file_reads_back, test_model_gguf__strings_of_an_array_come_in_order,
           test_model_gguf__typed_reads_check_type_and_range, test_model_gguf__a_file_cut_anywhere_is_refused,
           test_model_gguf__a_changed_byte_never_leads_outside_the_file,
           test_model_gguf__huge_counts_are_refused_before_memory_is_taken,
           test_model_gguf__a_file_of_a_vocabulary_only_is_read, test_model_gguf__other_versions_are_named,
           test_model_gguf__bad_keys_are_refused, test_model_gguf__the_alignment_is_a_power_of_two,
           test_model_gguf__bad_tensors_are_refused, test_model_gguf__tensors_neither_overlap_nor_repeat,
           test_model_gguf__many_keys_are_found_again, test_model_gguf__a_file_that_shrank_is_noticed,
           test_model_gguf__a_file_is_mapped_and_odd_paths_are_refused)

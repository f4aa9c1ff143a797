/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/safetensors.h"
#include "runtime/base/buf.h"
#include "tests/gguf_bytes.h"
#include "tests/suite.h"
#include <math.h>
#include <stdlib.h>

static struct lm_err err;

/* A file of this header and n bytes 0, 1, 2, … */
static struct lm_bytes file(const char *header, size_t n)
{
    struct lm_bytes b = {0};
    gguf_put(&b, strlen(header), 8);
    lm_bytes_add_str(&b, header);
    gguf_put_data(&b, 1, n);
    return b;
}

static void expect(struct lm_bytes b, int rc, const char *message)
{
    struct lm_st *s = NULL;
    char *copy = malloc(b.len ? b.len : 1); /* exactly as long: a sanitizer sees what is read after the end */
    if (b.len)
        memcpy(copy, b.data, b.len);
    int got = lm_st_open_memory(copy, b.len, &s, &err);
    if (got != rc || s || !strstr(err.msg, message))
        ck_abort_msg("%d '%s', not %d '%s'", got, err.msg, rc, message);
    free(copy);
    lm_bytes_fini(&b);
}

#define T(name, dtype, shape, from, to) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

START_TEST(test_hf_safetensors__tensors_are_found_with_type_shape_and_place)
{
    struct lm_st *s;
    struct lm_bytes b = file("{" T("b", "F32", "[2,3]", "8", "32") "," T("a", "I16", "[4]", "0", "8") "," T("e", "F32", "[0]", "8", "8") ","
                             T("s", "BF16", "[]", "32", "34") ",\"__metadata__\":{\"format\":\"pt\"}}   ", 34);
    ck_assert_msg(lm_st_open_memory(b.data, b.len, &s, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(lm_st_n_tensors(s), 4);
    const struct lm_st_tensor *t = lm_st_tensor(s, "b");
    ck_assert(t && t->type == LM_ST_F32 && t->n_dim == 2 && t->dim[0] == 2 && t->dim[1] == 3 && t->n == 6 && t->bytes == 24);
    ck_assert(t->offset == b.len - 26 && t->data == b.data + t->offset);
    ck_assert_ptr_eq(lm_st_tensor_at(s, 0), lm_st_tensor(s, "a"));
    ck_assert(lm_st_tensor(s, "s")->n == 1 && lm_st_tensor(s, "e")->n == 0 && !lm_st_tensor(s, "c"));
    ck_assert(lm_st_elem(lm_st_tensor(s, "a"), 1) == 0x0302);
    lm_st_close(s);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_hf_safetensors__malformed_files_are_refused_by_tensor_and_offset)
{
    static const struct { const char *header; size_t n; int rc; const char *message; } bad[] = {
        {"", 0, LM_EFORMAT, "the header at byte 8: JSON"},
        {"[]", 0, LM_EFORMAT, "no object"},
        {"{\"a\":1}", 0, LM_EFORMAT, "tensor 'a' is no object"},
        {"{\"\":{}}", 0, LM_EFORMAT, "a name of 0 bytes"},
        {"{" T("\\u001b[31m", "F32", "[1]", "0", "4") "}", 4, LM_EFORMAT, "tensor '?[31m' has a name that is not of printable ASCII"},
        {"{" T("a", "F33", "[1]", "0", "4") "}", 4, LM_EUNSUPPORTED, "tensor 'a' has the unknown type 'F33'"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, LM_EFORMAT, "tensor 'a' has no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, LM_EFORMAT, "tensor 'a' has no shape"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, LM_EFORMAT, "tensor 'a' has no shape"},
        {"{" T("a", "F32", "[-1]", "0", "4") "}", 4, LM_EFORMAT, "dimension that is no count"},
        {"{" T("a", "F32", "[1.0]", "0", "4") "}", 4, LM_EFORMAT, "dimension that is no count"},
        {"{" T("a", "F32", "[4294967296,4294967296]", "0", "4") "}", 4, LM_EFORMAT, "tensor 'a' has too large a shape"},
        {"{" T("a", "F64", "[4611686018427387904]", "0", "4") "}", 4, LM_EFORMAT, "tensor 'a' has too large a shape"},
        {"{" T("a", "F32", "[1]", "0", "5") "}", 4, LM_EFORMAT, "truncated: tensor 'a' ends at byte 67 but the file has 66"},
        {"{" T("a", "F32", "[2]", "0", "4") "}", 4, LM_EFORMAT, "tensor 'a' at byte 62 has 4 bytes, but its shape and type F32 need 8"},
        {"{" T("a", "F32", "[1]", "4", "0") "}", 4, LM_EFORMAT, "no data_offsets of two ascending"},
        {"{" T("a", "F32", "[1]", "-4", "0") "}", 4, LM_EFORMAT, "no data_offsets"},
        {"{" T("a", "F32", "[1]", "0", "18446744073709551616") "}", 4, LM_EFORMAT, "JSON"},
        {"{" T("a", "F32", "[1]", "9223372036854775803", "9223372036854775807") "}", 4, LM_EFORMAT, "truncated: tensor 'a'"},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("a", "F32", "[1]", "4", "8") "}", 8, LM_EFORMAT, "duplicate"},
        {"{" T("a", "F32", "[2]", "0", "8") "," T("b", "F32", "[1]", "4", "8") "}", 8, LM_EFORMAT, "tensors 'a' and 'b' overlap at byte"},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "0", "4") "}", 4, LM_EFORMAT, "overlap at byte"},
        {"{" T("a", "F32", "[1]", "4", "8") "}", 8, LM_EFORMAT, "of no tensor"},
        {"{" T("a", "F32", "[1]", "0", "4") "}", 8, LM_EFORMAT, "the last tensor ends at byte"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", 4, LM_EFORMAT, "JSON: no comma at byte"},
        {"{\"\\u0000\":{}}", 0, LM_EFORMAT, "JSON"},
        {"{\"\xff\":{}}", 0, LM_EFORMAT, "JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(file(bad[i].header, bad[i].n), bad[i].rc, bad[i].message);
}
END_TEST

START_TEST(test_hf_safetensors__a_header_that_is_longer_than_the_file_or_deep_is_refused)
{
    struct lm_bytes b = {0}, deep = {0};
    expect(b, LM_EFORMAT, "truncated: the header's length");
    gguf_put(&b, UINT64_MAX, 8);
    expect(b, LM_EFORMAT, "the header at byte 8 has 18446744073709551615 bytes");
    b = (struct lm_bytes){0};
    gguf_put(&b, 3, 8);
    lm_bytes_add_str(&b, "{}");
    expect(b, LM_EFORMAT, "truncated: the header at byte 8 has 3 bytes but the file has 10");
    b = (struct lm_bytes){0};
    gguf_put(&b, (16 << 20) + 1, 8);
    gguf_put_data(&b, 1, (16 << 20) + 1);
    expect(b, LM_ELIMIT, "more than 16777216");
    for (int i = 0; i < 1 << 20; i++)
        lm_bytes_add_char(&deep, '[');
    expect(file(deep.data, 0), LM_EFORMAT, "nested too deep at byte 32");
    lm_bytes_fini(&deep);
}
END_TEST

/* Every prefix of a good file, and every byte of its header changed: an error or a tensor inside the file, nothing else. */
START_TEST(test_hf_safetensors__no_cut_or_changed_byte_leads_out_of_the_file)
{
    struct lm_bytes good = file("{" T("a", "F16", "[2,2]", "0", "8") "," T("b", "F8_E4M3", "[3]", "8", "11") "}", 11);
    for (size_t n = 0; n < good.len; n++) {
        char *copy = malloc(n + 1);
        struct lm_st *s = NULL;
        memcpy(copy, good.data, n);
        ck_assert(lm_st_open_memory(copy, n, &s, &err) != 0 && !s);
        free(copy);
    }
    for (size_t i = 0; i < good.len - 11; i++)
        for (int c = 0; c < 256; c += 5) {
            char *copy = malloc(good.len);
            struct lm_st *s = NULL;
            memcpy(copy, good.data, good.len);
            copy[i] = (char)c;
            if (lm_st_open_memory(copy, good.len, &s, &err) == 0)
                for (size_t k = 0; k < lm_st_n_tensors(s); k++)
                    ck_assert_uint_le(lm_st_tensor_at(s, k)->offset + lm_st_tensor_at(s, k)->bytes, good.len);
            lm_st_close(s);
            free(copy);
        }
    lm_bytes_fini(&good);
}
END_TEST

static double elem(const char *dtype, const char *bytes, size_t n)
{
    char header[128], end[16];
    struct lm_st *s;
    snprintf(end, sizeof end, "%zu", n);
    snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,%zu]}}", dtype, n);
    struct lm_bytes b = file(header, 0);
    lm_bytes_add(&b, bytes, n);
    ck_assert_msg(lm_st_open_memory(b.data, b.len, &s, &err) == 0, "%s", err.msg);
    double d = lm_st_elem(lm_st_tensor_at(s, 0), 0);
    lm_st_close(s);
    lm_bytes_fini(&b);
    return d;
}

START_TEST(test_hf_safetensors__elements_of_every_type_are_read)
{
    ck_assert(elem("BOOL", "\1", 1) == 1 && elem("U8", "\xff", 1) == 255 && elem("I8", "\xff", 1) == -1);
    ck_assert(elem("I16", "\xfe\xff", 2) == -2 && elem("U16", "\xfe\xff", 2) == 65534);
    ck_assert(elem("I32", "\xfd\xff\xff\xff", 4) == -3 && elem("U32", "\xfd\xff\xff\xff", 4) == 4294967293.0);
    ck_assert(elem("I64", "\xfc\xff\xff\xff\xff\xff\xff\xff", 8) == -4 && elem("U64", "\0\0\0\0\0\0\0\x80", 8) == 0x1p63);
    ck_assert(elem("F16", "\x00\x3e", 2) == 1.5 && elem("BF16", "\xc0\xbf", 2) == -1.5);
    ck_assert(elem("F32", "\0\0\x80\x3e", 4) == 0.25 && elem("F64", "\0\0\0\0\0\0\xe0\x3f", 8) == 0.5);
    ck_assert(elem("F8_E4M3", "\x7e", 1) == 448 && elem("F8_E4M3", "\x81", 1) == -0x1p-9 && isnan(elem("F8_E4M3", "\xff", 1)));
    ck_assert(elem("F8_E4M3", "\x38", 1) == 1 && elem("F8_E4M3", "\x08", 1) == 0x1p-6 && elem("F8_E5M2", "\x3e", 1) == 1.5);
    ck_assert(elem("F8_E5M2", "\x01", 1) == 0x1p-16 && isinf(elem("F8_E5M2", "\xfc", 1)));
}
END_TEST

SUITE_MAIN("hf/safetensors", test_hf_safetensors__tensors_are_found_with_type_shape_and_place,
           test_hf_safetensors__malformed_files_are_refused_by_tensor_and_offset,
           test_hf_safetensors__a_header_that_is_longer_than_the_file_or_deep_is_refused,
           test_hf_safetensors__no_cut_or_changed_byte_leads_out_of_the_file,
           test_hf_safetensors__elements_of_every_type_are_read)

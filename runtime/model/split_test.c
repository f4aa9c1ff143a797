/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/source.h"
#include "tests/gguf_bytes.h"
#include "tests/suite.h"
#include <stdlib.h>
#include <unistd.h>

static struct lm_err err;
static char folder[64];

struct part {
    uint32_t no, count, total; /* split.*; total 0: no such key */
    const char *tensor;        /* one of 4 F32; NULL: none */
    int first;                 /* its value */
};

static void path_of(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", folder, name);
}

static void write_part(const char *name, const struct part *p)
{
    struct lm_bytes b = {0};
    char path[128];
    gguf_put_header(&b, 3, p->tensor != NULL, p->total ? 4 : 3);
    gguf_put_key(&b, "split.no", LM_GGUF_U16), gguf_put(&b, p->no, 2);
    gguf_put_key(&b, "split.count", LM_GGUF_U16), gguf_put(&b, p->count, 2);
    gguf_put_key(&b, "name", LM_GGUF_STRING), gguf_put_string(&b, name);
    if (p->total)
        gguf_put_key(&b, "split.tensors.count", LM_GGUF_I32), gguf_put(&b, p->total, 4);
    if (p->tensor)
        gguf_put_tensor(&b, p->tensor, LM_Q_F32, 1, (const uint64_t[]){4}, 0);
    gguf_put_data(&b, 32, 0);
    for (int i = 0; p->tensor && i < 16; i++)
        gguf_put(&b, (uint64_t)(p->first + i), 1);
    path_of(path, name);
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(b.data, 1, b.len, f) == b.len && fclose(f) == 0);
    lm_bytes_fini(&b);
}

static const char *const names[3] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"};
static const struct part good[3] = {{0, 3, 2, NULL, 0}, {1, 3, 0, "a", 10}, {2, 3, 0, "b", 40}};

static void begin(void)
{
    strcpy(folder, "/tmp/llmserve-split-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 0; i < 3; i++)
        write_part(names[i], &good[i]);
}

static void end(void)
{
    char path[128];
    for (int i = 0; i < 3; i++) {
        path_of(path, names[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(test_model_split__any_part_opens_all)
{
    begin();
    for (int i = 0; i < 3; i++) {
        char path[128];
        struct lm_gguf *g;
        path_of(path, names[i]);
        ck_assert_msg(lm_source_open(path, &g, &err) == 0, "%s", err.msg);
        ck_assert_uint_eq(lm_gguf_n_tensors(g), 2);
        ck_assert_uint_eq(lm_gguf_n_files(g), 3);
        ck_assert_int_eq(*(const char *)lm_gguf_tensor(g, "a")->data, 10);
        ck_assert_int_eq(*(const char *)lm_gguf_tensor(g, "b")->data, 40);
        struct lm_gguf_str name = lm_gguf_string(g, "name"); /* keys are those of the first */
        ck_assert(name.n == strlen(names[0]) && memcmp(name.s, names[0], name.n) == 0);
        lm_gguf_close(g);
    }
    end();
}
END_TEST

static void expect(const char *name, int rc, const char *message)
{
    char path[128];
    struct lm_gguf *g = NULL;
    path_of(path, name);
    int got = lm_source_open(path, &g, &err);
    if (got != rc || g || !strstr(err.msg, message))
        ck_abort_msg("%d '%s', not %d '%s'", got, err.msg, rc, message);
}

START_TEST(test_model_split__parts_that_do_not_belong_together_are_refused)
{
    static const struct { int i; struct part p; int rc; const char *message; } bad[] = {
        {1, {2, 3, 0, "a", 0}, LM_EFORMAT, "keys 'split.no' and 'split.count' are 2 and 3, not 1 and 3"},
        {2, {2, 4, 0, "b", 0}, LM_EFORMAT, "are 2 and 4, not 2 and 3"},
        {2, {2, 3, 0, "a", 0}, LM_EFORMAT, "tensor 'a' is given twice"},
        {2, {2, 3, 0, NULL, 0}, LM_EFORMAT, "key 'split.tensors.count' is 2, but the parts hold 1 tensors"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin();
        write_part(names[bad[i].i], &bad[i].p);
        expect(names[0], bad[i].rc, bad[i].message);
        end();
    }
}
END_TEST

START_TEST(test_model_split__a_missing_part_and_a_name_that_is_no_parts_are_refused)
{
    static const char *const no_part[] = {"m.gguf", "m-0000x-of-00003.gguf", "m-00004-of-00003.gguf", "m-00000-of-00003.gguf"};
    char path[128];
    begin();
    path_of(path, names[1]);
    unlink(path);
    expect(names[0], LM_ENOTFOUND, "m-00002-of-00003.gguf: No such file");
    for (size_t i = 0; i < sizeof no_part / sizeof *no_part; i++) {
        write_part(no_part[i], &good[0]);
        expect(no_part[i], LM_EFORMAT, "does not end in -00001-of-0000N.gguf");
        path_of(path, no_part[i]);
        unlink(path);
    }
    write_part(names[1], &good[1]);
    end();
}
END_TEST

SUITE_MAIN("model/split", test_model_split__any_part_opens_all, test_model_split__parts_that_do_not_belong_together_are_refused,
           test_model_split__a_missing_part_and_a_name_that_is_no_parts_are_refused)

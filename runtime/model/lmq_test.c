/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/lmq.h"
#include "runtime/base/half.h"
#include "runtime/model/model.h"
#include "runtime/model/quant.h"
#include "runtime/model/source.h"
#include "tests/gguf_bytes.h"
#include "tests/suite.h"
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 70, COLS = 224, N_MATRIX = 4 };

static char folder[] = "/tmp/lmq_test.XXXXXX";

static char *in_folder(const char *name)
{
    static char path[4][128];
    static int turn;
    snprintf(path[turn = (turn + 1) % 4], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

static void save(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static struct lm_bytes load(const char *path)
{
    struct lm_bytes b = {0};
    char chunk[65536];
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        lm_bytes_add(&b, chunk, n);
    fclose(f);
    return b;
}

static float weight(size_t tensor, size_t i)
{
    uint64_t z = (tensor * 1000003 + i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9u;
    return ((float)(z >> 40) * 0x1p-24f - 0.5f) * ((z & 63) == 0 ? 0.4f : 0.1f);
}

/** A norm, matrices of the layers in each float type and in Q8_0, a router, and an output matrix. bad: a NaN in blk.2. */
static void make_model(const char *path, bool bad)
{
    static const struct { const char *name; uint32_t qtype; } t[] = {
        {"blk.0.attn_q.weight", LM_Q_F32}, {"blk.1.attn_q.weight", LM_Q_F16}, {"blk.2.ffn_up.weight", LM_Q_BF16},
        {"blk.2.ffn_gate_inp.weight", LM_Q_F32}, {"output.weight", LM_Q_F32}, {"blk.0.attn_norm.weight", LM_Q_F32},
        {"token_embd.weight", LM_Q_F16},
    };
    enum { N = sizeof t / sizeof *t };
    const uint64_t dim[2] = {COLS, ROWS};
    struct lm_bytes b = {0};
    uint64_t at = 0;
    gguf_put_header(&b, 3, N, 2);
    gguf_put_key(&b, "general.architecture", 8);
    gguf_put_string(&b, "llama");
    gguf_put_key(&b, "general.file_type", 4);
    gguf_put(&b, 1, 4);
    for (size_t i = 0; i < N; i++) {
        uint32_t n_dim = strstr(t[i].name, "norm") ? 1 : 2;
        gguf_put_tensor(&b, t[i].name, t[i].qtype, n_dim, dim, at);
        at += (COLS * (n_dim == 2 ? ROWS : 1) * (t[i].qtype == LM_Q_F32 ? 4 : 2) + 31) / 32 * 32;
    }
    for (size_t i = 0; i < N; i++) {
        while (b.len % 32)
            gguf_put(&b, 0, 1);
        for (size_t k = 0; k < COLS * (strstr(t[i].name, "norm") ? 1u : ROWS); k++) {
            float x = bad && i == 2 && k == 5 * COLS + 7 ? NAN : weight(i, k);
            uint64_t bits = t[i].qtype == LM_Q_F32 ? lm_f32_bits(x) : t[i].qtype == LM_Q_F16 ? lm_f32_to_f16(x) : lm_f32_to_bf16(x);
            gguf_put(&b, bits, t[i].qtype == LM_Q_F32 ? 4 : 2);
        }
    }
    save(path, b.data, b.len);
    lm_bytes_fini(&b);
}

static struct lm_gguf *open_model(const char *path)
{
    struct lm_gguf *g = NULL;
    struct lm_err err;
    ck_assert_msg(lm_gguf_open(path, &g, &err) == 0, "%s", err.msg);
    return g;
}

static void setup(void)
{
    strcpy(strrchr(folder, '.'), ".XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    make_model(in_folder("in.gguf"), false);
}

static void teardown(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static int make(const char *name, const char *in, const char *format, struct lm_err *err)
{
    struct lm_gguf *g = open_model(in_folder(in));
    struct lm_low_bit lb;
    struct lm_lmq_key key;
    ck_assert_int_eq(lm_low_bit_find(format, &lb, err), 0);
    ck_assert_int_eq(lm_lmq_key(in_folder(in), g, &lb, &key, err), 0);
    int rc = lm_lmq_write(in_folder(name), g, &lb, &key, NULL, NULL, NULL, err);
    lm_gguf_close(g);
    return rc;
}

START_TEST(test_model_lmq__tensors_are_what_the_quantizer_makes_of_them)
{
    for (size_t f = 0; lm_low_bit_name(f); f++) {
        struct lm_err err;
        struct lm_low_bit lb;
        ck_assert_msg(make("out.lmq", "in.gguf", lm_low_bit_name(f), &err) == 0, "%s", err.msg);
        ck_assert_int_eq(lm_low_bit_find(lm_low_bit_name(f), &lb, &err), 0);
        struct lm_gguf *in = open_model(in_folder("in.gguf")), *out = open_model(in_folder("out.lmq"));
        ck_assert_uint_eq(lm_gguf_n_tensors(out), lm_gguf_n_tensors(in));
        ck_assert_int_eq(lm_lmq_verify(out, &err), 0);
        for (size_t i = 0; i < lm_gguf_n_tensors(in); i++) {
            const struct lm_gguf_tensor *a = lm_gguf_tensor_at(in, i), *b = lm_gguf_tensor_at(out, i);
            uint32_t want;
            float scratch[COLS];
            char row[COLS * 4];
            ck_assert_int_eq(lm_low_bit_type(&lb, in, a, &want, &err), 0);
            ck_assert_uint_eq(b->qtype, want);
            const size_t bytes = lm_qtype_row_bytes(want, COLS);
            for (size_t r = 0; r < lm_low_bit_n_rows(a); r++) {
                const char *got = (const char *)b->data + r * bytes, *src = (const char *)a->data + r * lm_qtype_row_bytes(a->qtype, COLS);
                if (want != a->qtype)
                    ck_assert_int_eq(lm_low_bit_rows(&lb, want, a, r, 1, scratch, row, NULL, &err), 0);
                ck_assert(memcmp(got, want != a->qtype ? row : src, bytes) == 0);
            }
        }
        ck_assert(lm_gguf_get(out, "general.architecture") && !lm_gguf_get(out, "general.file_type"));
        lm_gguf_close(in);
        lm_gguf_close(out);
    }
}
END_TEST

static uint32_t type_of(const char *format, const char *tensor)
{
    struct lm_gguf *g = open_model(in_folder("in.gguf"));
    struct lm_low_bit lb;
    uint32_t q;
    ck_assert_int_eq(lm_low_bit_find(format, &lb, NULL), 0);
    ck_assert_int_eq(lm_low_bit_type(&lb, g, lm_gguf_tensor(g, tensor), &q, NULL), 0);
    lm_gguf_close(g);
    return q;
}

START_TEST(test_model_lmq__norms_routers_and_embeddings_stay_and_the_output_has_8_bits)
{
    static const char *const stay[] = {"blk.0.attn_norm.weight", "blk.2.ffn_gate_inp.weight"};
    for (size_t f = 0; lm_low_bit_name(f); f++)
        for (size_t i = 0; i < 2; i++)
            ck_assert_uint_eq(type_of(lm_low_bit_name(f), stay[i]), LM_Q_F32);
    ck_assert_uint_eq(type_of("nf4", "blk.1.attn_q.weight"), LM_Q_NF4);
    ck_assert_uint_eq(type_of("nf4", "output.weight"), LM_Q_SYM_INT8);
    ck_assert_uint_eq(type_of("fp8", "output.weight"), LM_Q_FP8_E5M2);
    ck_assert_uint_eq(type_of("asym_int5", "token_embd.weight"), LM_Q_F16);
    ck_assert_uint_eq(type_of("bf16", "token_embd.weight"), LM_Q_BF16);
    uint32_t mixed = type_of("mixed", "blk.0.attn_q.weight");
    ck_assert(mixed == LM_Q_SYM_INT4 || mixed == LM_Q_FP4);
}
END_TEST

START_TEST(test_model_lmq__a_weight_that_is_no_number_is_named)
{
    struct lm_err err = {0};
    make_model(in_folder("bad.gguf"), true);
    ck_assert_int_eq(make("out.lmq", "bad.gguf", "sym_int4", &err), LM_EFORMAT);
    ck_assert_msg(strstr(err.msg, "blk.2.ffn_up.weight") && strstr(err.msg, "row 5") && strstr(err.msg, "column 7"), "%s", err.msg);
    ck_assert_int_ne(access(in_folder("out.lmq"), F_OK), 0);
}
END_TEST

START_TEST(test_model_lmq__what_is_quantized_already_is_refused_by_type)
{
    struct lm_err err = {0};
    ck_assert_int_eq(make("q.lmq", "in.gguf", "nf4", &err), 0);
    ck_assert_int_eq(make("again.lmq", "q.lmq", "sym_int4", &err), LM_EUNSUPPORTED);
    ck_assert_msg(strstr(err.msg, "NF4"), "%s", err.msg);
    struct lm_low_bit lb;
    ck_assert_int_eq(lm_low_bit_find("int3", &lb, &err), LM_ECONFIG);
    ck_assert_msg(strstr(err.msg, "int3") && strstr(err.msg, "sym_int4"), "%s", err.msg);
}
END_TEST

static void die_at_half(void *arg, uint64_t done, uint64_t total)
{
    if (done > total / 2)
        _exit(9);
}

START_TEST(test_model_lmq__an_interrupted_file_is_gone_on_with)
{
    struct lm_gguf *g = open_model(in_folder("in.gguf"));
    struct lm_low_bit lb;
    struct lm_lmq_key key;
    struct lm_lmq_result result;
    struct lm_err err;
    int status;
    ck_assert_int_eq(make("whole.lmq", "in.gguf", "sym_int5", &err), 0);
    ck_assert_int_eq(lm_low_bit_find("sym_int5", &lb, &err), 0);
    ck_assert_int_eq(lm_lmq_key(in_folder("in.gguf"), g, &lb, &key, &err), 0);
    for (int corrupt = 0; corrupt < 2; corrupt++) {
        pid_t child = fork();
        if (child == 0) {
            lm_lmq_write(in_folder("out.lmq"), g, &lb, &key, die_at_half, NULL, NULL, NULL);
            _exit(1);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 9 && access(in_folder("out.lmq"), F_OK) != 0);
        if (corrupt) { /* a byte of the first tensor */
            struct lm_gguf *whole = open_model(in_folder("whole.lmq"));
            int fd = open(in_folder("out.lmq.part"), O_WRONLY);
            ck_assert(pwrite(fd, "x", 1, (off_t)lm_gguf_tensor_at(whole, 0)->offset + 11) == 1);
            close(fd);
            lm_gguf_close(whole);
        }
        ck_assert_int_eq(lm_lmq_write(in_folder("out.lmq"), g, &lb, &key, NULL, NULL, &result, &err), 0);
        ck_assert(corrupt ? result.n_resumed == 0 : result.n_resumed > 0 && result.n_resumed < lm_gguf_n_tensors(g));
        struct lm_bytes a = load(in_folder("whole.lmq")), b = load(in_folder("out.lmq"));
        ck_assert(a.len == b.len && memcmp(a.data, b.data, a.len) == 0 && a.len == result.bytes);
        ck_assert(access(in_folder("out.lmq.part"), F_OK) != 0 && access(in_folder("out.lmq.part.done"), F_OK) != 0);
        lm_bytes_fini(&a);
        lm_bytes_fini(&b);
        unlink(in_folder("out.lmq"));
    }
    lm_gguf_close(g);
}
END_TEST

static ino_t opened(const char *format)
{
    struct lm_gguf *g = open_model(in_folder("in.gguf")), *kept = NULL;
    struct lm_low_bit lb;
    struct lm_err err;
    struct stat st;
    ck_assert_int_eq(lm_low_bit_find(format, &lb, &err), 0);
    ck_assert_msg(lm_lmq_open(in_folder("kept.lmq"), in_folder("in.gguf"), g, &lb, NULL, NULL, &kept, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(lm_lmq_verify(kept, &err), 0);
    lm_gguf_close(g);
    lm_gguf_close(kept);
    ck_assert_int_eq(stat(in_folder("kept.lmq"), &st), 0);
    return st.st_ino;
}

START_TEST(test_model_lmq__a_kept_file_is_used_until_the_source_or_the_format_changes)
{
    ino_t first = opened("sym_int8");
    ck_assert_uint_eq(opened("sym_int8"), first);
    ino_t second = opened("sym_int4");
    ck_assert_uint_ne(second, first);
    ck_assert_uint_eq(opened("sym_int4"), second);
    struct timespec times[2] = {{1, 0}, {1, 0}};
    ck_assert_int_eq(utimensat(AT_FDCWD, in_folder("in.gguf"), times, 0), 0);
    ck_assert_uint_ne(opened("sym_int4"), second);
}
END_TEST

START_TEST(test_model_lmq__a_corrupt_kept_file_is_made_anew)
{
    opened("sym_int4");
    struct lm_bytes whole = load(in_folder("kept.lmq"));
    for (size_t at = 0; at < whole.len; at += at < 1500 ? 7 : 997) {
        ino_t bad;
        struct stat st;
        char old = whole.data[at];
        whole.data[at] = (char)(old ^ 0x40);
        save(in_folder("kept.lmq"), whole.data, at % 2 ? whole.len : whole.len - at % 64); /* some are cut too */
        whole.data[at] = old;
        ck_assert_int_eq(stat(in_folder("kept.lmq"), &st), 0);
        bad = st.st_ino;
        opened("sym_int4");
        struct lm_bytes now = load(in_folder("kept.lmq"));
        ck_assert_int_eq(stat(in_folder("kept.lmq"), &st), 0);
        if (st.st_ino == bad) /* padding, or metadata that no one looks at here: still no weight differs */
            ck_assert(now.len == whole.len && memcmp(now.data + whole.len / 2, whole.data + whole.len / 2, whole.len - whole.len / 2) == 0);
        else
            ck_assert(now.len == whole.len && memcmp(now.data, whole.data, whole.len) == 0);
        lm_bytes_fini(&now);
    }
    lm_bytes_fini(&whole);
}
END_TEST

START_TEST(test_model_lmq__hostile_files_are_refused_or_read_within_their_bytes)
{
    struct lm_err err;
    uint64_t state = 1;
    size_t n_good = 0;
    ck_assert_int_eq(make("out.lmq", "in.gguf", "sym_int5", &err), 0);
    struct lm_bytes whole = load(in_folder("out.lmq"));
    for (size_t n = 0; n < 3000; n++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t cut = n % 3 == 0 ? (size_t)(state >> 33) % whole.len : whole.len, at = (size_t)(state >> 20) % 1500;
        char *copy = malloc(cut ? cut : 1); /* of the very size, for the sanitizers */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, whole.data, cut);
        for (size_t k = 0; k < 8 && at + k < cut && n % 3; k++)
            copy[at + k] = (char)(n % 3 == 1 ? 0xff : state >> 8 * k);
        struct lm_gguf *g = NULL;
        if (lm_gguf_open_memory(copy, cut, &g, &err) == 0) {
            n_good++;
            lm_lmq_verify(g, &err);
            for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
                const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
                ck_assert((const char *)t->data >= copy && (const char *)t->data + t->bytes <= copy + cut);
            }
        }
        lm_gguf_close(g);
        free(copy);
    }
    ck_assert_uint_gt(n_good, 0);
    lm_bytes_fini(&whole);
}
END_TEST

static size_t status_kib(const char *key)
{
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtoul(line + strlen(key), NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

/** One matrix of BF16 zeros, sparse on the disk. */
static void make_large(const char *path, uint64_t rows)
{
    const uint64_t dim[2] = {4096, rows};
    struct lm_bytes b = {0};
    gguf_put_header(&b, 3, 1, 0);
    gguf_put_tensor(&b, "blk.0.ffn_up.weight", LM_Q_BF16, 2, dim, 0);
    while (b.len % 32)
        gguf_put(&b, 0, 1);
    save(path, b.data, b.len);
    ck_assert_int_eq(truncate(path, (off_t)(b.len + 4096 * rows * 2)), 0);
    lm_bytes_fini(&b);
}

START_TEST(test_model_lmq__quantizing_takes_little_memory_beside_the_mapped_file)
{
    enum { FILE_MIB = 128 };
    struct lm_err err;
    make_large(in_folder("large.gguf"), FILE_MIB * 1024 / 8);
    size_t before = status_kib("VmHWM:");
    ck_assert_msg(make("large.lmq", "large.gguf", "sym_int8", &err) == 0, "%s", err.msg);
    size_t peak = status_kib("VmHWM:");
    ck_assert(before > 0 && peak > 0);
    ck_assert_msg(peak - before <= 64 * 1024, "%zu KiB more than before, of a file of %d MiB", peak - before, FILE_MIB);
}
END_TEST

static struct lm_lmq_key key_of(const char *path)
{
    struct lm_gguf *g = NULL;
    struct lm_low_bit lb;
    struct lm_lmq_key key;
    struct lm_err err;
    ck_assert_int_eq(lm_low_bit_find("sym_int4", &lb, &err), 0);
    ck_assert_msg(lm_source_open(path, &g, &err) == 0, "%s", err.msg);
    ck_assert_msg(lm_lmq_key(path, g, &lb, &key, &err) == 0, "%s", err.msg);
    lm_gguf_close(g);
    return key;
}

START_TEST(test_model_lmq__the_key_of_a_folder_changes_with_each_of_its_files)
{
    static const char *const names[] = {"model-00001-of-00004.safetensors", "model-00003-of-00004.safetensors"};
    char command[512], *hf = in_folder("hf");
    snprintf(command, sizeof command, "cp -r '" LM_GOLDEN_FOLDER "/hf/llama-parts-bf16' '%s' && chmod -R u+w '%s'", hf, hf);
    ck_assert_int_eq(system(command), 0);
    struct lm_lmq_key first = key_of(hf), again = key_of(hf);
    ck_assert_str_eq(first.text, again.text);
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        struct timespec times[2] = {{(time_t)i + 1, 0}, {(time_t)i + 1, 0}};
        snprintf(path, sizeof path, "%s/%s", hf, names[i]);
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
        struct lm_lmq_key now = key_of(hf);
        ck_assert_str_ne(now.text, first.text);
        first = now;
    }
    snprintf(command, sizeof command, "echo >> '%s/config.json'", hf);
    ck_assert_int_eq(system(command), 0);
    ck_assert_str_ne(key_of(hf).text, first.text);
}
END_TEST

START_TEST(test_model_lmq__a_folder_stands_for_its_model_lmq_unless_it_is_a_model_itself)
{
    static const struct { const char *path, *low_bit, *want; } cases[] = {
        {"in.gguf", "", "in.gguf"}, {"saved", "", "saved/model.lmq"}, {"both", "", "both"}, {"empty", "", "empty"},
        {"in.gguf", "both", "both/model.lmq"}, {"", "x.lmq", "x.lmq"},
    };
    char command[512];
    snprintf(command, sizeof command, "cd '%s' && mkdir saved both empty && touch saved/model.lmq both/model.lmq both/config.json", folder);
    ck_assert_int_eq(system(command), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got;
        const char *low_bit = *cases[i].low_bit ? in_folder(cases[i].low_bit) : "";
        ck_assert_int_eq(lm_lmq_model_path(in_folder(cases[i].path), low_bit, &got, NULL), 0);
        ck_assert_str_eq(got, in_folder(cases[i].want));
        free(got);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("model/lmq");
    TCase *c = tcase_create("all");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, test_model_lmq__tensors_are_what_the_quantizer_makes_of_them);
    tcase_add_test(c, test_model_lmq__norms_routers_and_embeddings_stay_and_the_output_has_8_bits);
    tcase_add_test(c, test_model_lmq__a_weight_that_is_no_number_is_named);
    tcase_add_test(c, test_model_lmq__what_is_quantized_already_is_refused_by_type);
    tcase_add_test(c, test_model_lmq__an_interrupted_file_is_gone_on_with);
    tcase_add_test(c, test_model_lmq__a_kept_file_is_used_until_the_source_or_the_format_changes);
    tcase_add_test(c, test_model_lmq__a_corrupt_kept_file_is_made_anew);
    tcase_add_test(c, test_model_lmq__hostile_files_are_refused_or_read_within_their_bytes);
    tcase_add_test(c, test_model_lmq__quantizing_takes_little_memory_beside_the_mapped_file);
    tcase_add_test(c, test_model_lmq__the_key_of_a_folder_changes_with_each_of_its_files);
    tcase_add_test(c, test_model_lmq__a_folder_stands_for_its_model_lmq_unless_it_is_a_model_itself);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/boot.h"
#include "tests/suite.h"
#include "tests/toy_backend.h"
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL "--model=" LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf"

static struct lm_conf_model knobs(void)
{
    return (struct lm_conf_model){.gpu_memory_utilization = 0.9, .max_num_seqs = 4};
}

/* A host with 1 MiB blocks of 32 tokens and 1000 MiB free of 2000. */
static struct lm_boot_room room(void)
{
    return (struct lm_boot_room){.free_bytes = 1000u << 20, .total_bytes = 2000u << 20, .weight_bytes = 100u << 20,
                                 .scratch_bytes = 50u << 20, .block_bytes = 1u << 20, .block_size = 32, .n_ctx_train = 4096, .is_host = true};
}

static void must_size(const struct lm_conf_model *m, const struct lm_boot_room *r, uint32_t n_block, uint32_t max_len)
{
    uint32_t n = 0, len = 0;
    struct lm_err err = {0};
    ck_assert_msg(lm_boot_size(m, r, &n, &len, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(n, n_block);
    ck_assert_uint_eq(len, max_len);
}

START_TEST(test_engine_boot__the_pool_is_what_the_sequences_can_use_or_what_is_there)
{
    struct lm_conf_model m = knobs();
    struct lm_boot_room r = room();
    must_size(&m, &r, 512, 4096); /* 4 x 4096 tokens are 512 blocks; 850 MiB are there */
    m.max_num_seqs = 64;
    must_size(&m, &r, 850, 4096);
    r.is_host = false; /* 0.9 of 2000, less 1000 in use and 50 of scratch */
    must_size(&m, &r, 750, 4096);
    m.gpu_memory_utilization = 0.55;
    must_size(&m, &r, 50, 1600);
    m.gpu_memory_utilization = 0.9;
    m.kv_cache_memory_bytes = 10 << 20;
    must_size(&m, &r, 10, 320);
    m.max_model_len = 300;
    must_size(&m, &r, 10, 300);
    m.max_num_seqs = 1;
    m.max_model_len = 33;
    must_size(&m, &r, 2, 33);
}
END_TEST

START_TEST(test_engine_boot__a_host_gives_at_most_4_gib_unless_told)
{
    struct lm_conf_model m = knobs();
    struct lm_boot_room r = room();
    r.free_bytes = (uint64_t)64 << 30;
    r.total_bytes = (uint64_t)128 << 30;
    m.max_num_seqs = 4096;
    must_size(&m, &r, 4096, 4096);
    r.n_device = 4;
    must_size(&m, &r, 1024, 4096);
    m.kv_cache_memory_bytes = (int64_t)8 << 30;
    must_size(&m, &r, 8192, 4096);
    r.is_host = false;
    m.kv_cache_memory_bytes = 0;
    must_size(&m, &r, (uint32_t)(0.9 * 131072) - 64 * 1024 - 50, 4096);
}
END_TEST

START_TEST(test_engine_boot__what_does_not_fit_says_how_much_and_which_knob)
{
    struct lm_conf_model m = knobs();
    struct lm_boot_room r = room();
    struct lm_err err = {0};
    uint32_t n = 7, len = 7;
    m.max_model_len = 4096;
    m.kv_cache_memory_bytes = 100 << 20;
    ck_assert_int_eq(lm_boot_size(&m, &r, &n, &len, &err), LM_ENOMEM);
    ck_assert_msg(strstr(err.msg, "needs 128.0 MiB") && strstr(err.msg, "100.0 MiB are there") && strstr(err.msg, "at most 3200") &&
                  strstr(err.msg, "kv-cache-memory-bytes"), "%s", err.msg);
    r.is_host = false;
    m.kv_cache_memory_bytes = 0;
    m.gpu_memory_utilization = 0.5;
    ck_assert_int_eq(lm_boot_size(&m, &r, &n, &len, &err), LM_ENOMEM);
    ck_assert_msg(strstr(err.msg, "gpu-memory-utilization"), "%s", err.msg);
    m.max_model_len = 0;
    ck_assert_int_eq(lm_boot_size(&m, &r, &n, &len, &err), LM_ENOMEM);
    m.kv_cache_memory_bytes = (int64_t)2 << 30;
    m.max_num_seqs = 64;
    ck_assert_int_eq(lm_boot_size(&m, &r, &n, &len, &err), LM_ENOMEM);
    ck_assert_msg(strstr(err.msg, "lower it"), "%s", err.msg);
    m.max_model_len = 4097;
    ck_assert_int_eq(lm_boot_size(&m, &r, &n, &len, &err), LM_ECONFIG);
    ck_assert_msg(strstr(err.msg, "4096"), "%s", err.msg);
    ck_assert_uint_eq(n + len, 14);
}
END_TEST

static int boot(int argc, char **argv, struct lm_conf *c, struct lm_boot **out, struct lm_err *err)
{
    static char dir[] = "--plugin-dir=" TEST_PLUGIN_DIR, model[] = MODEL, name[] = "boot";
    char *all[12] = {name, dir, model};
    int n = 3;
    for (int i = 0; i < argc; i++)
        all[n++] = argv[i];
    ck_assert_int_eq(lm_conf_init(c, err), 0);
    ck_assert_int_eq(lm_conf_read_flags(c, &n, all, err), 0);
    return lm_boot_create(c, 0, NULL, NULL, NULL, out, err);
}

START_TEST(test_engine_boot__a_model_boots_on_a_plugin_and_runs)
{
    char backend[] = "--backend=fault", len[] = "--max-model-len=128", seqs[] = "--max-num-seqs=2", *argv[] = {backend, len, seqs};
    struct lm_conf c;
    struct lm_boot *b = NULL;
    struct lm_engine *e = NULL;
    struct lm_err err = {0};
    ck_assert_msg(boot(3, argv, &c, &b, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(b->hello.version, LM_PROTOCOL_VERSION);
    ck_assert_uint_eq(b->hello.n_vocab, b->model->hp.n_vocab);
    ck_assert_uint_eq(b->hello.max_model_len, 128);
    ck_assert_uint_eq(b->hello.block_size, 32);
    ck_assert_uint_eq(b->hello.n_block, 8);
    ck_assert_uint_eq(b->hello.max_num_seqs, 2);
    ck_assert_uint_eq(b->hello.kv_bytes, 8 * lm_toy_block_bytes(32));
    ck_assert_str_eq(b->hello.backend, "fault");
    ck_assert_str_eq(b->hello.device, "toy device");
    ck_assert_msg(lm_engine_create(&b->engine, &e, &err) == 0, "%s", err.msg);
    lm_engine_destroy(e);
    lm_boot_destroy(b);
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_engine_boot__dtype_is_the_cache_s_type_unless_that_is_given)
{
    static const struct { const char *dtype, *cache; enum lm_kv_dtype want; } cases[] = {
        {"auto", "auto", LM_KV_AUTO}, {"float16", "auto", LM_KV_F16}, {"half", "auto", LM_KV_F16}, {"bfloat16", "auto", LM_KV_BF16},
        {"float32", "auto", LM_KV_F32}, {"float", "auto", LM_KV_F32}, {"float", "float16", LM_KV_F16}, {"auto", "float32", LM_KV_F32},
        {"float16", "int8", LM_KV_I8}, {"auto", "fp8", LM_KV_E4M3}, {"auto", "fp8_e4m3", LM_KV_E4M3}, {"auto", "fp8_e5m2", LM_KV_E5M2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char backend[] = "--backend=fault", dtype[32], cache[48], *argv[] = {backend, dtype, cache};
        struct lm_conf c;
        struct lm_boot *b = NULL;
        struct lm_err err = {0};
        snprintf(dtype, sizeof dtype, "--dtype=%s", cases[i].dtype);
        snprintf(cache, sizeof cache, "--kv-cache-dtype=%s", cases[i].cache);
        ck_assert_msg(boot(3, argv, &c, &b, &err) == 0, "%s", err.msg);
        ck_assert_msg(b->engine.plan.kv_dtype == cases[i].want, "%s %s", cases[i].dtype, cases[i].cache);
        lm_boot_destroy(b);
        lm_conf_fini(&c);
    }
}
END_TEST

/* The only file of a folder. */
static void only_file(const char *folder, char *out, size_t n)
{
    DIR *d = opendir(folder);
    size_t found = 0;
    ck_assert_msg(d != NULL, "%s: %m", folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && ++found)
            snprintf(out, n, "%s/%s", folder, e->d_name);
    closedir(d);
    ck_assert_uint_eq(found, 1);
}

START_TEST(test_engine_boot__a_second_start_maps_what_the_first_made_of_a_folder)
{
    char top[] = "/tmp/boot_test.XXXXXX", under[64], folder[80], file[400];
    struct stat made[2];
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(under, sizeof under, "%s/not", top);
    snprintf(folder, sizeof folder, "%s/there", under);
    for (int i = 0; i < 2; i++) {
        char backend[] = "--backend=fault", model[] = "--model=" LM_GOLDEN_FOLDER "/hf/qwen2-bf16", form[] = "--load-in-low-bit=sym_int4", cache[100];
        char *argv[] = {backend, model, form, cache};
        struct lm_conf c;
        struct lm_boot *b = NULL;
        struct lm_err err = {0};
        snprintf(cache, sizeof cache, "--low-bit-cache=%s", folder);
        ck_assert_msg(boot(4, argv, &c, &b, &err) == 0, "%s", err.msg);
        ck_assert_msg(b->warning.code == 0, "%s", b->warning.msg);
        ck_assert_msg(lm_gguf_get(b->gguf, "llmserve.low_bit.hash") != NULL, "quantized on the way");
        only_file(folder, file, sizeof file);
        ck_assert_int_eq(stat(file, &made[i]), 0);
        lm_boot_destroy(b);
        lm_conf_fini(&c);
    }
    ck_assert_msg(made[0].st_ino == made[1].st_ino && made[0].st_mtim.tv_nsec == made[1].st_mtim.tv_nsec, "made anew");
    unlink(file), rmdir(folder), rmdir(under), rmdir(top);
}
END_TEST

START_TEST(test_engine_boot__every_allocation_may_fail_once)
{
    int k = 1, rc = LM_ENOMEM;
    for (; rc; k++) {
        char backend[] = "--backend=fault", option[64], *argv[] = {backend, option};
        struct lm_conf c;
        struct lm_boot *b = NULL;
        struct lm_engine *e = NULL;
        struct lm_err err = {0};
        snprintf(option, sizeof option, "--backend-option=fault.alloc-fail-at=%d", k);
        rc = boot(2, argv, &c, &b, &err);
        if (!rc)
            rc = lm_engine_create(&b->engine, &e, &err);
        ck_assert_msg(rc == 0 || (rc == LM_ENOMEM && strstr(err.msg, "by request")), "%d %s", k, err.msg);
        lm_engine_destroy(e);
        lm_boot_destroy(b);
        lm_conf_fini(&c);
        ck_assert_int_lt(k, 100);
    }
    ck_assert_int_gt(k, 20);
}
END_TEST

START_TEST(test_engine_boot__what_cannot_boot_is_named)
{
    static const struct { const char *flag[2]; int code; const char *word; } bad[] = {
        {{"--backend=fault", "--device=3"}, LM_ENOTFOUND, "no device 3 of 1"},
        {{"--backend=fault", "--device=0,1"}, LM_ECONFIG, "2 indices"},
        {{"--backend=fault", "--tensor-parallel-size=2"}, LM_ENOTFOUND, "no device 1 of 1"},
        {{"--backend=fault", "--device=first"}, LM_ECONFIG, "not an index"},
        {{"--backend=fault", "--device=-1"}, LM_ECONFIG, "not an index"},
        {{"--backend=fault", "--max-model-len=300"}, LM_ECONFIG, "model's own 256"},
        {{"--backend=fault", "--backend-option=fault.speed=9"}, LM_ECONFIG, "speed"},
        {{"--backend=ze", "--device=0"}, LM_ENOTFOUND, "\"ze\" is not installed"},
        {{"--backend=abi", "--device=0"}, LM_EUNSUPPORTED, "ABI"},
        {{"--backend=fault", "--model=/nonexistent.gguf"}, LM_ENOTFOUND, "nonexistent"},
        {{"--backend=fault", "--model=/dev/null"}, LM_EFORMAT, "null"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char flag[2][64], *argv[] = {flag[0], flag[1]};
        struct lm_conf c;
        struct lm_boot *b = NULL;
        struct lm_err err = {0};
        for (int j = 0; j < 2; j++)
            snprintf(flag[j], sizeof flag[j], "%s", bad[i].flag[j]);
        int rc = boot(2, argv, &c, &b, &err);
        ck_assert_msg(rc == bad[i].code && strstr(err.msg, bad[i].word), "%s: %d %s", bad[i].word, rc, err.msg);
        ck_assert_ptr_null(b);
        lm_conf_fini(&c);
    }
}
END_TEST

SUITE_MAIN("engine/boot", test_engine_boot__the_pool_is_what_the_sequences_can_use_or_what_is_there,
           test_engine_boot__a_host_gives_at_most_4_gib_unless_told, test_engine_boot__what_does_not_fit_says_how_much_and_which_knob,
           test_engine_boot__a_model_boots_on_a_plugin_and_runs, test_engine_boot__every_allocation_may_fail_once,
           test_engine_boot__a_second_start_maps_what_the_first_made_of_a_folder,
           test_engine_boot__dtype_is_the_cache_s_type_unless_that_is_given, test_engine_boot__what_cannot_boot_is_named)

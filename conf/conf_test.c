/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"
#include "conf/knob.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <unistd.h>

struct ini_case { const char *text, *want; };

static char *write_temp(const char *text)
{
    static char path[64];
    strcpy(path, "conf_test.XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static int read_text(struct lm_conf *c, const char *text, struct lm_err *err)
{
    char *path = write_temp(text);
    ck_assert_int_eq(lm_conf_init(c, NULL), 0);
    int rc = lm_conf_read_ini(c, path, err);
    unlink(path);
    return rc;
}

static void one_flag(struct lm_conf *c, const char *flag, int want, struct lm_err *err)
{
    char *argv[] = {(char *)"prog", (char *)flag, NULL};
    int argc = 2;
    ck_assert_int_eq(lm_conf_read_flags(c, &argc, argv, err), want);
}

START_TEST(test_conf_conf__ini_sets_all_three_kinds_of_section)
{
    struct lm_conf c;
    struct lm_err err = {0};
    int rc = read_text(&c, "[server]\nport = 9000\n[model a]\npath=/x\nmax-model-len = 4k\ngpu_memory_utilization=0.5\n"
                           "enable-prefix-caching = off\n[model b]\npath=/y\n[backend cpu]\nthreads = 2\n", &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert_int_eq(c.server.port, 9000);
    ck_assert_uint_eq(c.n_model, 2);
    ck_assert_str_eq(c.model[0].name, "a");
    ck_assert_int_eq(c.model[0].max_model_len, 4000);
    ck_assert(c.model[0].gpu_memory_utilization == 0.5 && !c.model[0].enable_prefix_caching);
    ck_assert_str_eq(c.backend[0].option[0].value, "2");
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__an_error_names_line_key_and_remedy)
{
    static const struct ini_case cases[] = {
        {"[server]\nprot = 1\n", ":2: [server] prot: unknown key; the nearest is 'port'"},
        {"[server]\nport = 99999\n", ":2: [server] port: 99999 is out of range (0 to 65535)"},
        {"[server]\nport = many\n", "'many' is not a whole number"},
        {"[server]\n\nport\n", ":3: not a line of the form"},
        {"[serve]\nport = 1\n", "unknown section"},
        {"[model a]\ndtype = int3\n", "'int3' is not one of auto|"},
        {"[model a]\nenable-prefix-caching = perhaps\n", "neither yes nor no"},
        {"[model a]\ngpu-memory-utilization = nan\n", "not a number"},
        {"[model a]\nblock-size = 16\nblock_size = 32\n", ":3: [model a] block_size: set twice"},
        {"[server]\nhost = a\n  port = 9000\n", "set twice (a line that begins with a space"},
        {"[model ]\npath = x\n", "unknown section"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_conf c;
        struct lm_err err = {0};
        ck_assert_int_eq(read_text(&c, cases[i].text, &err), LM_ECONFIG);
        ck_assert_msg(strstr(err.msg, cases[i].want) != NULL, "case %zu: '%s'", i, err.msg);
        lm_conf_fini(&c);
    }
}
END_TEST

START_TEST(test_conf_conf__a_line_too_long_is_refused_not_cut)
{
    char text[600] = "[model a]\npath = ";
    memset(text + strlen(text), 'x', 300);
    struct lm_conf c;
    struct lm_err err = {0};
    ck_assert_int_eq(read_text(&c, text, &err), LM_ECONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, ":2: the line is longer than"));
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__a_nul_byte_is_refused)
{
    static const char text[] = "[server]\nport = 1\0\n", zeros[64];
    struct lm_conf c;
    struct lm_err err = {0};
    for (size_t i = 0; i < 2; i++) {
        char path[] = "conf_test.XXXXXX";
        int fd = mkstemp(path);
        ck_assert_int_gt(write(fd, i ? zeros : text, i ? sizeof zeros : sizeof text - 1), 0);
        close(fd);
        ck_assert_int_eq(lm_conf_init(&c, NULL), 0);
        ck_assert_int_eq(lm_conf_read_ini(&c, path, &err), LM_ECONFIG);
        ck_assert_ptr_nonnull(strstr(err.msg, i ? ":1: a NUL byte" : ":2: a NUL byte"));
        unlink(path);
        lm_conf_fini(&c);
    }
}
END_TEST

START_TEST(test_conf_conf__flags_win_and_take_vllm_spellings)
{
    struct lm_conf c;
    ck_assert_int_eq(read_text(&c, "[model a]\npath = /x\nmax-num-seqs = 3\n", NULL), 0);
    char *argv[] = {(char *)"prog", (char *)"--max-num-seq", (char *)"7", (char *)"pos", (char *)"--max_num_batched_token=1K",
                    (char *)"--no-enable-prefix-caching", (char *)"--backend-option", (char *)"cpu.isa=avx2", (char *)"--", (char *)"--port", NULL};
    int argc = 10;
    struct lm_err err = {0};
    ck_assert_msg(lm_conf_read_flags(&c, &argc, argv, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(c.model[0].max_num_seqs, 7);
    ck_assert_int_eq(c.model[0].max_num_batched_tokens, 1024);
    ck_assert(!c.model[0].enable_prefix_caching);
    ck_assert_str_eq(c.backend[0].option[0].key, "isa");
    ck_assert_int_eq(argc, 3);
    ck_assert_str_eq(argv[1], "pos");
    ck_assert_str_eq(argv[2], "--port");
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__a_list_goes_on_in_further_lines)
{
    struct lm_conf c;
    struct lm_err err = {0};
    int rc = read_text(&c, "[model a]\npath = /x\nlora-modules = a=/x\n  b=/y, c=/z:1\n  {\"name\": \"d\", \"path\": \"/w\"}\n[model b]\npath = /x\n", &err);
    ck_assert_msg(rc == 0, "%s", err.msg);
    ck_assert_str_eq(c.model[0].lora_modules, "a=/x,b=/y, c=/z:1,{\"name\": \"d\", \"path\": \"/w\"}");
    ck_assert_str_eq(c.model[1].lora_modules, "");
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__flags_alone_make_a_model)
{
    struct lm_conf c;
    ck_assert_int_eq(lm_conf_init(&c, NULL), 0);
    one_flag(&c, "--model=/m/Tiny-1B.gguf", 0, NULL);
    ck_assert_uint_eq(c.n_model, 1);
    ck_assert_str_eq(c.model[0].name, "Tiny-1B");
    ck_assert_str_eq(c.model[0].path, "/m/Tiny-1B.gguf");
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__a_low_bit_model_path_takes_the_place_of_path)
{
    struct lm_conf c;
    ck_assert_int_eq(lm_conf_init(&c, NULL), 0);
    one_flag(&c, "--low-bit-model-path=/m/Tiny.lmq", 0, NULL);
    ck_assert_uint_eq(c.n_model, 1);
    ck_assert_str_eq(c.model[0].name, "Tiny");
    ck_assert_str_eq(lm_conf_model_path(&c.model[0]), "/m/Tiny.lmq");
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__low_bit_formats_and_what_keeps_them_are_checked)
{
    static const struct { const char *lines, *message; } bad[] = {
        {"load-in-low-bit = int3\n", "sym_int4"},
        {"low-bit-cache = /tmp\n", "load-in-low-bit"},
        {"low-bit-save-path = /tmp/x\n", "load-in-low-bit"},
        {"load-in-low-bit = nf4\nlow-bit-cache = /tmp\nlow-bit-save-path = /tmp/x\n", "exclude"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_conf c;
        struct lm_err err = {0};
        char text[256];
        snprintf(text, sizeof text, "[model a]\npath = /dev/null\n%s", bad[i].lines);
        int rc = read_text(&c, text, &err);
        if (!rc)
            rc = lm_conf_check(&c, &err);
        ck_assert_int_eq(rc, LM_ECONFIG);
        ck_assert_msg(strstr(err.msg, bad[i].message) != NULL, "%s", err.msg);
        lm_conf_fini(&c);
    }
}
END_TEST

START_TEST(test_conf_conf__bad_flags_are_named)
{
    static const struct ini_case cases[] = {
        {"--prot=1", "--prot: unknown flag; the nearest is --port"},
        {"--port", "--port: needs a value"},
        {"--port=x", "--port: 'x' is not a whole number"},
        {"--backend-option=cpu", "not of the form NAME.key=value"},
        {"--no-port", "unknown flag"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_conf c;
        struct lm_err err = {0};
        ck_assert_int_eq(lm_conf_init(&c, NULL), 0);
        one_flag(&c, cases[i].text, LM_ECONFIG, &err);
        ck_assert_msg(strstr(err.msg, cases[i].want) != NULL, "case %zu: '%s'", i, err.msg);
        lm_conf_fini(&c);
    }
}
END_TEST

/* The value of a flag; NULL. */
static const char *flag_value(char **flags, const char *name)
{
    size_t n = strlen(name);
    for (; *flags; flags++)
        if (strncmp(*flags, name, n) == 0 && (*flags)[n] == '=')
            return *flags + n + 1;
    return NULL;
}

START_TEST(test_conf_conf__each_engine_of_a_replicated_model_has_its_devices)
{
    static const struct { const char *ini; const char *want[3], *cores; } cases[] = {
        {"data-parallel-size = 3\n", {"0", "1", "2"}, "cpu.devices=3"},
        {"data-parallel-size = 2\ndevice = 4\ntensor-parallel-size = 2\n", {"4", "6", NULL}, "cpu.devices=4"},
        {"data-parallel-size = 2\ndevice = 7,1,3,2\npipeline-parallel-size = 2\n", {"7,1", "3,2", NULL}, "cpu.devices=4"},
        {"data-parallel-size = 3\ndevice = 7,1\n", {"7", "1", ""}, "cpu.devices=3"}, /* not checked yet */
        {"device = 7,1\ntensor-parallel-size = 2\n", {"7,1", NULL, NULL}, NULL},
        {"data-parallel-size = 2\n[backend cpu]\ndevices = 8\n", {"0", "1", NULL}, "cpu.devices=8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_conf c;
        char text[256], **flags;
        snprintf(text, sizeof text, "[model m]\npath = /x\n%s", cases[i].ini);
        ck_assert_int_eq(read_text(&c, text, NULL), 0);
        for (size_t rank = 0; rank < 3 && cases[i].want[rank]; rank++) {
            ck_assert_int_eq(lm_conf_model_flags(&c, 0, rank, &flags, NULL), 0);
            ck_assert_str_eq(flag_value(flags, "--device"), cases[i].want[rank]);
            ck_assert_str_eq(flag_value(flags, "--data_parallel_size"), "1");
            ck_assert_pstr_eq(flag_value(flags, "--backend-option"), cases[i].cores);
            for (size_t k = 0; flags[k]; k++)
                free(flags[k]);
            free(flags);
        }
        lm_conf_fini(&c);
    }
}
END_TEST

START_TEST(test_conf_conf__model_flags_read_back_to_the_same_model)
{
    struct lm_conf a, b;
    struct lm_err err = {0};
    char **flags;
    ck_assert_int_eq(read_text(&a, "[model my model]\npath = /x y\nblock-size = 64\ngpu-memory-utilization = 0.123456789\n"
                                   "[backend cpu]\nthreads = 2\n", &err), 0);
    ck_assert_int_eq(lm_conf_model_flags(&a, 0, 0, &flags, &err), 0);
    int n = 0;
    while (flags[n])
        n++;
    char **argv = calloc((size_t)n + 2, sizeof *argv);
    argv[0] = (char *)"engine";
    memcpy(argv + 1, flags, (size_t)n * sizeof *argv);
    n++;
    ck_assert_int_eq(lm_conf_init(&b, &err), 0);
    ck_assert_msg(lm_conf_read_flags(&b, &n, argv, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(b.model[0].name, "my model");
    ck_assert_str_eq(b.model[0].path, "/x y");
    ck_assert_int_eq(b.model[0].block_size, 64);
    ck_assert(b.model[0].gpu_memory_utilization == 0.123456789);
    ck_assert_str_eq(b.backend[0].option[0].value, "2");
    for (size_t i = 0; flags[i]; i++)
        free(flags[i]);
    free(flags);
    free(argv);
    lm_conf_fini(&a);
    lm_conf_fini(&b);
}
END_TEST

START_TEST(test_conf_conf__check_names_what_is_missing)
{
    static const struct ini_case cases[] = {
        {"[server]\nport = 1\n", "no model"},
        {"[model a]\nblock-size = 16\n", "[model a] path: not set"},
        {"[model a]\npath = /nonexistent/x.gguf\n", "no such file: /nonexistent/x.gguf"},
        {"[model a]\npath = /dev/null\nblock-size = 24\n", "24 is not a power of two"},
        {"[model a]\npath = /dev/null\nspec-method = eagle\n", "[model a]: speculative-config: neither off"},
        {"[model a]\npath = /dev/null\n[model b]\npath = /dev/null\nserved-model-name = c, a\n", "'a' is another model's name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_conf c;
        struct lm_err err = {0};
        ck_assert_int_eq(read_text(&c, cases[i].text, &err), 0);
        ck_assert_int_eq(lm_conf_check(&c, &err), LM_ECONFIG);
        ck_assert_msg(strstr(err.msg, cases[i].want) != NULL, "case %zu: '%s'", i, err.msg);
        lm_conf_fini(&c);
    }
}
END_TEST

START_TEST(test_conf_conf__environment_stands_between_file_and_flags)
{
    struct lm_conf c;
    ck_assert_int_eq(read_text(&c, "[server]\nport = 1\nhost = ::1\n[model a]\npath = /x\n", NULL), 0);
    setenv("LLMSERVE_PORT", "2", 1);
    setenv("LLMSERVE_MAX_NUM_SEQS", "9", 1);
    ck_assert_int_eq(lm_conf_read_env(&c, NULL), 0);
    ck_assert_int_eq(c.server.port, 2);
    ck_assert_int_eq(c.model[0].max_num_seqs, 9);
    one_flag(&c, "--port=3", 0, NULL);
    ck_assert_int_eq(c.server.port, 3);
    unsetenv("LLMSERVE_PORT");
    unsetenv("LLMSERVE_MAX_NUM_SEQS");
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__sizes_take_powers_of_1024_and_overflow_is_refused)
{
    struct lm_conf c;
    ck_assert_int_eq(lm_conf_init(&c, NULL), 0);
    one_flag(&c, "--max-body-bytes=2MiB", 0, NULL);
    ck_assert_int_eq(c.server.max_body_bytes, 2 << 20);
    one_flag(&c, "--max-body-bytes=9999999999999T", LM_ECONFIG, NULL);
    lm_conf_fini(&c);
}
END_TEST

static void same_as_file(char *text, const char *name)
{
    char path[512];
    const char *dir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : ".", name);
    FILE *f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s is missing", path);
    struct lm_bytes b = {0};
    char buf[4096];
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
        lm_bytes_add(&b, buf, n);
    fclose(f);
    ck_assert_msg(strcmp(b.data ? b.data : "", text) == 0, "%s is not what knobs.def says: make update-generated", name);
    lm_bytes_fini(&b);
    free(text);
}

START_TEST(test_conf_conf__committed_files_are_made_from_the_rows)
{
    same_as_file(lm_conf_default_ini(), "conf/llmserve.ini");
    same_as_file(lm_conf_man(), "man/llmserve.ini.5");
}
END_TEST

/* It is what packages install: with nothing uncommented it says nothing, and is no error. */
START_TEST(test_conf_conf__the_commented_file_can_be_read)
{
    struct lm_conf c = {0};
    struct lm_err err;
    char path[512];
    const char *dir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/conf/llmserve.ini", dir ? dir : ".");
    ck_assert_int_eq(lm_conf_init(&c, NULL), 0);
    ck_assert_msg(lm_conf_read_ini(&c, path, &err) == 0, "%s", err.msg);
    ck_assert_uint_eq(c.n_model, 0);
    lm_conf_fini(&c);
}
END_TEST

START_TEST(test_conf_conf__help_names_every_row)
{
    char *help = lm_conf_help();
    for (size_t i = 0; i < lm_n_knobs; i++) {
        char flag[80];
        snprintf(flag, sizeof flag, "--%s", lm_knobs[i].name);
        for (char *p = flag; *p; p++)
            *p = *p == '_' ? '-' : *p;
        ck_assert_msg(strstr(help, flag) != NULL, "%s", flag);
    }
    free(help);
}
END_TEST

SUITE_MAIN("conf/conf", test_conf_conf__a_low_bit_model_path_takes_the_place_of_path,
           test_conf_conf__low_bit_formats_and_what_keeps_them_are_checked, test_conf_conf__ini_sets_all_three_kinds_of_section, test_conf_conf__an_error_names_line_key_and_remedy,
           test_conf_conf__a_line_too_long_is_refused_not_cut, test_conf_conf__a_nul_byte_is_refused, test_conf_conf__flags_win_and_take_vllm_spellings,
           test_conf_conf__a_list_goes_on_in_further_lines, test_conf_conf__flags_alone_make_a_model, test_conf_conf__bad_flags_are_named,
           test_conf_conf__each_engine_of_a_replicated_model_has_its_devices, test_conf_conf__model_flags_read_back_to_the_same_model, test_conf_conf__check_names_what_is_missing,
           test_conf_conf__environment_stands_between_file_and_flags,
           test_conf_conf__sizes_take_powers_of_1024_and_overflow_is_refused,
           test_conf_conf__committed_files_are_made_from_the_rows, test_conf_conf__the_commented_file_can_be_read, test_conf_conf__help_names_every_row)

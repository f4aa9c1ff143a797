/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of doc/models.md: which family runs from which form, with which weights. It is made by running the golden models on
 * the cpu plugin; the committed one must be the same. With LM_UPDATE set (make update-models) the document is rewritten.
 */
#include "runtime/base/buf.h"
#include "runtime/model/family.h"
#include "runtime/model/hf/family.h"
#include "runtime/model/source.h"
#include "tests/golden_model.h"
#include "tests/refexec.h"
#include "tests/suite.h"

#include <dlfcn.h>
#include <stdlib.h>

enum form { GGUF, FOLDER, N_FORM };
enum { F32, BF16, SYM_INT4, N_TYPE, FAMILIES_MAX = 64 };

/* A type of weights, the cache beside it, and how far logits may be from those of transformers (of the reference in `self`). */
static const struct type {
    const char *name, *low_bit;
    enum lm_kv_dtype kv_dtype;
    double bound;
    bool self; /* and the mean over the positions: activations in int8 change the choice of experts here and there */
} types[N_TYPE] = {
    [F32] = {"f32", "fp32", LM_KV_F32, 1e-3, false},
    [BF16] = {"bf16", "bf16", LM_KV_F16, 2e-2, false},
    [SYM_INT4] = {"sym_int4", "sym_int4", LM_KV_F32, 15e-2, true},
};

static const char begin[] = "<!-- made by tests/families_test -->\n", end[] = "<!-- end -->\n";

struct table {
    int n[FAMILIES_MAX][N_FORM][N_TYPE]; /* models that ran within the bound */
    struct lm_bytes wrong;               /* a line for each that did not */
};

__attribute__((constructor)) static void run_in_one_process(void)
{
    setenv("CK_FORK", "no", 1);
}

static size_t family_index(const char *name)
{
    char path[512], shown[LM_GGUF_QUOTE];
    struct lm_gguf *g;
    struct lm_err err;
    size_t i = 0;
    snprintf(path, sizeof path, "%s/%s%s", LM_GOLDEN_FOLDER, name, strncmp(name, "hf/", 3) == 0 ? "" : ".gguf");
    if (lm_source_open(path, &g, &err))
        ck_abort_msg("%s: %s", name, err.msg);
    lm_gguf_quote(lm_gguf_string(g, "general.architecture"), shown);
    while (lm_family_at(i) && strcmp(lm_family_at(i)->name, shown) != 0)
        i++;
    ck_assert_ptr_nonnull(lm_family_at(i));
    lm_gguf_close(g);
    return i;
}

/* The logits that the reference has with the same weights. */
static float *reference(const char *name, struct lm_golden_feed feed)
{
    struct lm_dev *dev;
    struct lm_err err;
    float *logits = NULL;
    double error;
    feed.logits = &logits;
    ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev, &err), 0);
    if (lm_golden_run(&lm_refexec, dev, LM_GOLDEN_FOLDER, name, &feed, &error, &err))
        ck_abort_msg("%s: %s", name, err.msg);
    lm_refexec.close(dev);
    return logits;
}

static void run_one(const struct lm_backend *be, struct lm_dev *dev, const char *name, struct table *t)
{
    const enum form form = strncmp(name, "hf/", 3) == 0 ? FOLDER : GGUF;
    const size_t family = family_index(name);
    for (size_t i = 0; i < N_TYPE; i++) {
        struct lm_low_bit low_bit;
        struct lm_golden_feed feed = {.chunk = 7, .n_seq = 2, .kv_dtype = types[i].kv_dtype, .low_bit = &low_bit, .mean = types[i].self};
        struct lm_err err;
        double error = -1;
        if (i == BF16 && (strstr(name, "-f16") || strstr(name, "-f32")))
            continue; /* other weights than those of the golden logits */
        ck_assert_int_eq(lm_low_bit_find(types[i].low_bit, &low_bit, &err), 0);
        low_bit.from_any = true;
        float *logits = types[i].self ? reference(name, feed) : NULL;
        feed.logits = logits ? &logits : NULL;
        if (lm_golden_run(be, dev, LM_GOLDEN_FOLDER, name, &feed, &error, &err))
            ck_abort_msg("%s as %s: %s", name, types[i].name, err.msg);
        if (error >= 0 && error <= types[i].bound)
            t->n[family][form][i]++;
        else
            lm_bytes_addf(&t->wrong, "%s as %s: error %g, more than %g\n", name, types[i].name, error, types[i].bound);
        free(logits);
    }
}

/* Models whose weights are quantized already are in golden_test. */
static bool is_float(const char *name)
{
    return !strstr(name, "quants") && !strstr(name, "gptq") && !strstr(name, "fp8");
}

static void run_all(struct table *t)
{
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    const struct lm_backend *be = so ? dlsym(so, "lm_backend") : NULL;
    const char *const *const lists[] = {lm_golden_models, lm_golden_families};
    struct lm_dev *dev;
    struct lm_err err;
    ck_assert_ptr_nonnull(be);
    ck_assert_int_eq(be->open(&(struct lm_open_desc){0}, &dev, &err), 0);
    for (size_t i = 0; i < 2; i++)
        for (const char *const *name = lists[i]; *name; name++)
            if (is_float(*name))
                run_one(be, dev, *name, t);
    be->close(dev);
}

static void print(const struct table *t, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "| architecture | GGUF: f32 | bf16 | sym_int4 | `model_type` of a folder | f32 | bf16 | sym_int4 |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t f = 0; lm_family_at(f); f++) {
        const char *comma = "";
        lm_bytes_addf(out, "| `%s` |", lm_family_at(f)->name);
        for (size_t i = 0; i < N_TYPE; i++)
            lm_bytes_add_str(out, t->n[f][GGUF][i] ? " yes |" : " not tested |");
        for (size_t i = 0; lm_hf_family_at(i); i++)
            if (strcmp(lm_hf_family_at(i)->gguf, lm_family_at(f)->name) == 0) {
                lm_bytes_addf(out, "%s `%s`", comma, lm_hf_family_at(i)->model_type);
                comma = ",";
            }
        lm_bytes_add_str(out, *comma ? " |" : " none |");
        for (size_t i = 0; i < N_TYPE; i++)
            lm_bytes_add_str(out, !*comma ? " no |" : t->n[f][FOLDER][i] ? " yes |" : " not tested |");
        lm_bytes_add_char(out, '\n');
    }
}

static char *read_all(const char *path)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    ck_assert_uint_lt(n, sizeof text - 1);
    text[n] = 0;
    fclose(f);
    return text;
}

static void write_all(const char *path, const char *text, const struct lm_bytes *table, const char *rest)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "%.*s%s%s", (int)(strstr(text, begin) + strlen(begin) - text), text, table->data, rest);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(test_tests_families__the_table_of_doc_models_is_what_runs)
{
    struct table t = {0};
    struct lm_bytes table = {0};
    run_all(&t);
    ck_assert_msg(t.wrong.len == 0, "%s", t.wrong.data);
    print(&t, &table);
    char *text = read_all(LM_MODELS_DOC), *at = strstr(text, begin), *rest = strstr(text, end);
    ck_assert_ptr_nonnull(at);
    ck_assert_ptr_nonnull(rest);
    at += strlen(begin);
    if (getenv("LM_UPDATE"))
        write_all(LM_MODELS_DOC, text, &table, rest);
    else if ((size_t)(rest - at) != strlen(table.data) || memcmp(at, table.data, (size_t)(rest - at)) != 0)
        ck_abort_msg("the table of %s is another (make update-models):\n%s", LM_MODELS_DOC, table.data);
    lm_bytes_fini(&table);
}
END_TEST

SUITE_MAIN("tests/families", test_tests_families__the_table_of_doc_models_is_what_runs)

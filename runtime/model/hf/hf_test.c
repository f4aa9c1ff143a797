/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/buf.h"
#include "runtime/model/hf/hf.h"
#include "runtime/model/hf/safetensors.h"
#include "runtime/model/model.h"
#include "runtime/model/source.h"
#include "tests/refexec.h"
#include "tests/suite.h"
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lm_err err;
static char folder[64];

static void path_of(char *out, size_t n, const char *name)
{
    snprintf(out, n, "%s/%s", folder, name);
}

static struct lm_bytes read_golden(const char *model, const char *name)
{
    struct lm_bytes b = {0};
    char path[512], piece[4096];
    snprintf(path, sizeof path, LM_GOLDEN_FOLDER "/hf/%s/%s", model, name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        lm_bytes_add(&b, piece, n);
    fclose(f);
    return b;
}

static void put(const char *name, const void *data, size_t n)
{
    char path[512];
    path_of(path, sizeof path, name);
    unlink(path); /* it may lead to a golden file */
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

/* A folder whose files lead to those of a golden model. */
static void begin(const char *model)
{
    char from[512], to[512];
    strcpy(folder, "/tmp/llmserve-hf-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(from, sizeof from, LM_GOLDEN_FOLDER "/hf/%s", model);
    DIR *d = opendir(from);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        snprintf(from, sizeof from, LM_GOLDEN_FOLDER "/hf/%s/%s", model, e->d_name);
        path_of(to, sizeof to, e->d_name);
        if (e->d_name[0] != '.')
            ck_assert_int_eq(symlink(from, to), 0);
    }
    closedir(d);
}

static void end(void)
{
    char path[512];
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        path_of(path, sizeof path, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    closedir(d);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Replaces `old` by `new` where it comes first, in a file that is a copy then. */
static void change(const char *model, const char *name, const char *old, const char *new)
{
    struct lm_bytes b = read_golden(model, name), out = {0};
    char *at = memmem(b.data, b.len, old, strlen(old));
    ck_assert_msg(at != NULL, "%s has no %s", name, old);
    lm_bytes_add(&out, b.data, (size_t)(at - b.data));
    lm_bytes_add_str(&out, new);
    lm_bytes_add(&out, at + strlen(old), (size_t)(b.data + b.len - at) - strlen(old));
    put(name, out.data, out.len);
    lm_bytes_fini(&b);
    lm_bytes_fini(&out);
}

static int load(void)
{
    struct lm_gguf *g = NULL;
    struct lm_dev *dev = NULL;
    struct lm_model *m = NULL;
    ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev, &err), 0);
    int rc = lm_source_open(folder, &g, &err);
    if (!rc)
        rc = lm_model_load(g, NULL, &lm_refexec, dev, 0, NULL, NULL, NULL, &m, &err);
    lm_model_destroy(m, &lm_refexec, dev);
    lm_refexec.close(dev);
    lm_gguf_close(g);
    return rc;
}

static void expect(int rc, const char *message)
{
    int got = load();
    if (got != rc || !strstr(err.msg, message))
        ck_abort_msg("%d '%s', not %d '%s'", got, err.msg, rc, message);
}

START_TEST(test_hf_hf__a_folder_gives_keys_under_ggufs_names)
{
    struct lm_gguf *g;
    uint32_t v;
    float f;
    begin("llama-parts-bf16");
    ck_assert_msg(lm_source_open(folder, &g, &err) == 0, "%s", err.msg);
    ck_assert(lm_gguf_u32(g, "llama.attention.key_length", 0, &v, &err) == 0 && v == 32);
    ck_assert(lm_gguf_u32(g, "llama.block_count", 0, &v, &err) == 0 && v == 2);
    ck_assert(lm_gguf_u32(g, "tokenizer.ggml.eos_token_id", 0, &v, &err) == 0 && v == 2);
    const struct lm_gguf_value *eos = lm_gguf_get(g, "tokenizer.ggml.eos_token_ids");
    ck_assert(eos && eos->n == 2 && lm_gguf_elem_i64(eos, 0) == 2 && lm_gguf_elem_i64(eos, 1) == 5);
    ck_assert(lm_gguf_f32(g, "general.sampling.temp", 0, &f, &err) == 0 && f == 0.7f);
    ck_assert(lm_gguf_f32(g, "general.sampling.top_p", 0, &f, &err) == 0 && f == 0.9f);
    ck_assert(lm_gguf_f32(g, "general.sampling.penalty_repeat", 0, &f, &err) == 0 && f == 1.1f);
    ck_assert(lm_gguf_u32(g, "general.sampling.top_k", 0, &v, &err) == 0 && v == 40);
    ck_assert_str_eq(lm_gguf_folder(g), folder);
    ck_assert_uint_eq(lm_gguf_n_files(g), 4);
    ck_assert_ptr_nonnull(lm_gguf_tensor(g, "rope_freqs.weight"));
    lm_gguf_close(g);
    end();
}
END_TEST

/* A tensor of a golden folder and the type that it is presented in. */
START_TEST(test_hf_hf__quantized_weights_get_the_smallest_type_that_has_their_values)
{
    static const struct { const char *model, *tensor; uint32_t qtype; } want[] = {
        {"llama-awq-quants", "blk.0.attn_q.weight", LM_Q_Q5_0},     {"llama-gptq-quants", "blk.0.ffn_up.weight", LM_Q_Q4_0},
        {"qwen2-gptq-order", "blk.0.attn_q.weight", LM_Q_F32},      {"llama-gptq8-quants", "blk.0.attn_q.weight", LM_Q_Q8_0},
        {"llama-int4-quants", "blk.0.ffn_up.weight", LM_Q_Q4_0},    {"llama-int4-quants", "blk.0.attn_q.weight", LM_Q_Q5_0},
        {"llama-int4-quants", "blk.0.attn_output.weight", LM_Q_F32}, {"llama-int8-quants", "blk.0.ffn_up.weight", LM_Q_Q8_0},
        {"llama-parts-bf16", "blk.0.attn_q.weight", LM_Q_BF16},     {"llama-parts-bf16", "blk.0.attn_q.bias", LM_Q_F32},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct lm_gguf *g;
        begin(want[i].model);
        ck_assert_msg(lm_source_open(folder, &g, &err) == 0, "%s", err.msg);
        const struct lm_gguf_tensor *t = lm_gguf_tensor(g, want[i].tensor);
        ck_assert_msg(t && t->qtype == want[i].qtype, "%s %s", want[i].model, want[i].tensor);
        lm_gguf_close(g);
        end();
    }
}
END_TEST

START_TEST(test_hf_hf__configurations_that_are_not_understood_are_refused_by_key)
{
    static const struct { const char *model, *old, *new; int rc; const char *message; } bad[] = {
        {"qwen2-bf16", "\"model_type\": \"qwen2\"", "\"model_type\": \"qwen9\"", LM_EUNSUPPORTED, "model_type 'qwen9' is not supported; supported are"},
        {"qwen2-bf16", "\"model_type\"", "\"model_typo\"", LM_EFORMAT, "'model_type' is missing"},
        {"qwen2-bf16", "\"hidden_size\": 64", "\"hidden_size\": -1", LM_EFORMAT, "'hidden_size' is not a count"},
        {"qwen2-bf16", "\"hidden_size\": 64", "\"hidden_size\": 1e999", LM_EFORMAT, "JSON"},
        {"qwen2-bf16", "\"hidden_size\": 64", "\"hidden_size\": \"64\"", LM_EFORMAT, "'hidden_size' is not a count"},
        {"qwen2-bf16", "\"hidden_size\": 64", "\"hidden_size\": 4294967295", LM_EFORMAT, "'qwen2.embedding_length'"},
        {"qwen2-bf16", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", LM_EFORMAT, "head_count"},
        {"llama-awq-quants", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", LM_EFORMAT, "which are not of 0 heads"},
        {"llama-awq-quants", "\"num_attention_heads\": 4", "\"num_attention_heads\": 64", LM_EFORMAT, "which are not of 64 heads"},
        {"qwen2-bf16", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"relu\"", LM_EUNSUPPORTED, "'hidden_act': another activation"},
        {"qwen2-bf16", "\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"", LM_EUNSUPPORTED, "'rope_type': known are"},
        {"llama-yarn-tied-f16", "\"factor\": 4.0", "\"factor\": 0", LM_EUNSUPPORTED, "'factor'"},
        {"gemma3-window-bf16", "\"layer_types\": [", "\"layer_types\": [\"full_attention\",", LM_EUNSUPPORTED, "'layer_types': layers that do not alternate"},
        {"qwen2-bf16", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 9999", LM_EFORMAT, "by GGUF's names: key 'qwen2.block_count'"},
        {"llama-yarn-tied-f16", "\"rope_parameters\": {", "\"rope_parameters\": \"yarn\", \"x\": {", LM_EFORMAT, "'rope_parameters' is not an object"},
        {"qwen2-bf16", "\"hidden_size\": 64", "\"hidden_size\": 64, \"rope_scaling\": [2]", LM_EFORMAT, "'rope_scaling' is not an object"},
        {"gemma3-window-bf16", "\"layer_types\": [", "\"layer_types\": \"x\", \"y\": [", LM_EFORMAT, "'layer_types' is not a list"},
        {"llama-awq-quants", "\"quantization_config\": {", "\"quantization_config\": \"awq\", \"x\": {", LM_EFORMAT, "'quantization_config' is not an object"},
        {"llama-fp8-block", "\"weight_block_size\": [", "\"weight_block_size\": [-1, 0], \"x\": [", LM_EUNSUPPORTED, "'weight_block_size': is not of two counts"},
        {"llama-awq-quants", "\"bits\": 4", "\"bits\": 3", LM_EUNSUPPORTED, "'bits': AWQ"},
        {"llama-awq-quants", "\"gemm\"", "\"gemv\"", LM_EUNSUPPORTED, "'version': AWQ"},
        {"llama-awq-quants", "\"awq\"", "\"aqlm\"", LM_EUNSUPPORTED, "'quant_method': known are"},
        {"llama-awq-quants", "\"awq\"", "\"fp8\"", LM_EFORMAT, "is not one of the quantization that config.json names"},
        {"llama-int8-quants", "\"int-quantized\"", "\"marlin-24\"", LM_EUNSUPPORTED, "'format'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(bad[i].model);
        change(bad[i].model, "config.json", bad[i].old, bad[i].new);
        expect(bad[i].rc, bad[i].message);
        end();
    }
}
END_TEST

/* Names in a header are changed in place, so that offsets stay. */
START_TEST(test_hf_hf__tensors_without_a_place_or_a_partner_are_named_with_their_offset)
{
    static const struct { const char *model, *old, *new; int rc; const char *message; } bad[] = {
        {"qwen2-bf16", "layers.1.mlp.up_proj", "layers.1.mlp.uq_proj", LM_EUNSUPPORTED, "tensor 'model.layers.1.mlp.uq_proj.weight' at byte "},
        {"qwen2-bf16", "layers.1.mlp.up_proj", "layers.9.mlp.up_proj", LM_EFORMAT, "tensor 'blk.1.ffn_up.weight' is missing"},
        {"qwen2-bf16", "layers.1.mlp.up_proj", "layers.01.mlp.u_proj", LM_EUNSUPPORTED, "has no place in the family qwen2"},
        {"qwen2-bf16", "\"BF16\"", "\"F8_E\"", LM_EUNSUPPORTED, "unknown type 'F8_E'"},
        {"qwen2-bf16", "\"BF16\"", "\"I16\" ", LM_EUNSUPPORTED, "has the type I16"},
        {"llama-awq-quants", "gate_proj.qzeros", "gate_proj.qzeroz", LM_EFORMAT, "'model.layers.0.mlp.gate_proj.qzeros' is missing beside"},
        {"llama-awq-quants", "gate_proj.qweight", "gate_proj.qweighs", LM_EUNSUPPORTED, "has no place"},
        {"llama-awq-quants", "gate_proj.scales", "gate_proj.scalez", LM_EFORMAT, "gate_proj.scales' is missing beside"},
        {"llama-awq-quants", "\"model.norm.weight", "\"model.norm.scales", LM_EUNSUPPORTED, "belongs to no weight"},
        {"llama-int4-quants", "up_proj.weight_shape", "up_proj.weight_shapf", LM_EFORMAT, "up_proj.weight_shape' is missing beside"},
        {"llama-int8-quants", "up_proj.weight_scale", "up_proj.weight_scalf", LM_EFORMAT, "up_proj.weight_scale' is missing beside"},
        {"llama-fp8-block", "up_proj.weight_scale_inv", "up_proj.weight_scale_ind", LM_EFORMAT, "up_proj.weight_scale' is missing beside"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(bad[i].model);
        change(bad[i].model, "model.safetensors", bad[i].old, bad[i].new);
        expect(bad[i].rc, bad[i].message);
        end();
    }
}
END_TEST

START_TEST(test_hf_hf__scales_without_a_word_in_config_json_have_blocks_of_128)
{
    begin("llama-fp8-block");
    change("llama-fp8-block", "config.json", "\"quantization_config\"", "\"quantization_confih\"");
    ck_assert_msg(load() == 0, "%s", err.msg); /* it divided by a block of 0 */
    end();
}
END_TEST

/* Writes 4 bytes at an element of an I32 tensor. */
static void poke(const char *model, const char *tensor, size_t i, uint32_t v)
{
    struct lm_bytes b = read_golden(model, "model.safetensors");
    struct lm_st *s;
    ck_assert_int_eq(lm_st_open_memory(b.data, b.len, &s, &err), 0);
    const struct lm_st_tensor *t = lm_st_tensor(s, tensor);
    ck_assert(t && i < t->n);
    memcpy(b.data + t->offset + 4 * i, &v, 4);
    lm_st_close(s);
    put("model.safetensors", b.data, b.len);
    lm_bytes_fini(&b);
}

START_TEST(test_hf_hf__a_group_that_is_not_there_is_refused_with_its_offset)
{
    static const uint32_t bad[] = {2, UINT32_MAX, 0x80000000u};
    for (size_t i = 0; i < 3; i++) {
        begin("qwen2-gptq-order");
        poke("qwen2-gptq-order", "model.layers.0.mlp.up_proj.g_idx", 63, bad[i]);
        expect(LM_EFORMAT, "tensor 'model.layers.0.mlp.up_proj.g_idx' at byte ");
        end();
    }
}
END_TEST

START_TEST(test_hf_hf__files_of_the_folder_may_be_missing_or_broken)
{
    char path[512];
    begin("llama-parts-bf16");
    put("generation_config.json", "{\"eos_token_id\": \"x\"}", 21);
    expect(LM_EFORMAT, "'eos_token_id' is not one to 32 token ids");
    put("generation_config.json", "{", 1);
    expect(LM_EFORMAT, "generation_config.json: JSON: no ");
    path_of(path, sizeof path, "generation_config.json");
    unlink(path);
    ck_assert_msg(load() == 0, "%s", err.msg);
    put("config.json", "[[[[", 4);
    expect(LM_EFORMAT, "config.json: JSON: no ");
    path_of(path, sizeof path, "config.json");
    unlink(path);
    expect(LM_ENOTFOUND, "config.json");
    end();
    begin("qwen2-bf16");
    path_of(path, sizeof path, "model.safetensors");
    unlink(path);
    expect(LM_ENOTFOUND, "model.safetensors");
    put("model.safetensors", "GGUF", 4);
    expect(LM_EFORMAT, "model.safetensors: truncated: the header's length");
    end();
}
END_TEST

START_TEST(test_hf_hf__an_index_may_not_lead_out_of_the_folder_nor_lie)
{
    static const char name[] = "model.safetensors.index.json";
    static const struct { const char *index; int rc; const char *message; } bad[] = {
        {"{}", LM_EFORMAT, "has no 'weight_map'"},
        {"{\"weight_map\": {\"a\": \"../x.safetensors\"}}", LM_EFORMAT, "tensor 'a' has no safetensors file of this folder"},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", LM_EFORMAT, "tensor 'a' has no safetensors file of this folder"},
        {"{\"weight_map\": {\"a\": 7}}", LM_EFORMAT, "tensor 'a' has no safetensors file of this folder"},
        {"{\"weight_map\": {\"a\": \"model-00009-of-00009.safetensors\"}}", LM_ENOTFOUND, "model-00009-of-00009.safetensors: No such file"},
        {"{\"weight_map\": {\"a\": \"model-00001-of-00004.safetensors\"}}", LM_EFORMAT, "tensor 'a' is not in model-00001-of-00004"},
        {"{\"weight_map\": {\"lm_head.weight\": \"golden.safetensors\"}}", LM_EFORMAT, "tensor 'lm_head.weight' is not in golden"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin("llama-parts-bf16");
        put(name, bad[i].index, strlen(bad[i].index));
        expect(bad[i].rc, bad[i].message);
        end();
    }
    begin("llama-parts-bf16");
    struct lm_bytes b = read_golden("llama-parts-bf16", "model-00001-of-00004.safetensors");
    put("twice.safetensors", b.data, b.len);
    lm_bytes_fini(&b);
    change("llama-parts-bf16", name, "\"weight_map\": {", "\"weight_map\": {\"lm_head.weight\": \"twice.safetensors\",");
    ck_assert_int_ne(load(), 0);
    ck_assert_msg(strstr(err.msg, "is in two files") || strstr(err.msg, "duplicate"), "%s", err.msg);
    end();
}
END_TEST

START_TEST(test_hf_hf__pooling_of_an_embedding_model_becomes_a_key)
{
    struct lm_gguf *g;
    uint32_t type = 0;
    if (lm_hf_open(LM_GOLDEN_FOLDER "/hf/qwen3-base-bf16", &g, &err))
        ck_abort_msg("%s", err.msg);
    ck_assert_int_eq(lm_gguf_u32(g, "qwen3.pooling_type", 0, &type, &err), 0);
    ck_assert_uint_eq(type, 3);
    lm_gguf_close(g);
}
END_TEST

SUITE_MAIN("hf/hf", test_hf_hf__pooling_of_an_embedding_model_becomes_a_key, test_hf_hf__a_folder_gives_keys_under_ggufs_names,
           test_hf_hf__quantized_weights_get_the_smallest_type_that_has_their_values,
           test_hf_hf__configurations_that_are_not_understood_are_refused_by_key,
           test_hf_hf__tensors_without_a_place_or_a_partner_are_named_with_their_offset,
           test_hf_hf__scales_without_a_word_in_config_json_have_blocks_of_128,
           test_hf_hf__a_group_that_is_not_there_is_refused_with_its_offset,
           test_hf_hf__files_of_the_folder_may_be_missing_or_broken,
           test_hf_hf__an_index_may_not_lead_out_of_the_folder_nor_lie)

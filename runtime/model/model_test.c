/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/low_bit.h"
#include "runtime/model/model.h"
#include "tests/gguf_bytes.h"
#include "tests/refexec.h"
#include "tests/suite.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct lm_err err;

static struct lm_bytes read_golden(const char *name)
{
    struct lm_bytes b = {0};
    char path[512], piece[4096];
    snprintf(path, sizeof path, LM_GOLDEN_FOLDER "/%s.gguf", name);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        lm_bytes_add(&b, piece, n);
    fclose(f);
    ck_assert(!b.failed);
    return b;
}

struct loaded {
    struct lm_gguf *g;
    struct lm_dev *dev;
    struct lm_model *m;
};

static int load(const struct lm_backend *be, const struct lm_bytes *b, lm_load_progress progress, void *arg, struct loaded *out)
{
    *out = (struct loaded){0};
    err.msg[0] = 0;
    int rc = lm_gguf_open_memory(b->data, b->len, &out->g, &err);
    if (rc == 0)
        rc = be->open(&(struct lm_open_desc){0}, &out->dev, &err);
    if (rc == 0)
        rc = lm_model_load(out->g, NULL, be, out->dev, 0, NULL, progress, arg, &out->m, &err);
    ck_assert((out->m != NULL) == (rc == 0));
    ck_assert(rc == 0 || err.msg[0]);
    return rc;
}

static void unload(const struct lm_backend *be, struct loaded *l)
{
    lm_model_destroy(l->m, be, l->dev);
    be->close(l->dev);
    lm_gguf_close(l->g);
}

/* Loads, and releases what was loaded. */
static int load_with(const struct lm_backend *be, const struct lm_bytes *b)
{
    struct loaded l;
    int rc = load(be, b, NULL, NULL, &l);
    unload(be, &l);
    return rc;
}

static void expect(struct lm_bytes *b, int rc, const char *message)
{
    int got = load_with(&lm_refexec, b);
    if (got != rc || !strstr(err.msg, message))
        ck_abort_msg("%d '%s', not %d '%s'", got, err.msg, rc, message);
    lm_bytes_fini(b);
}

/* Writes another string of the same length over the only occurrence of `old`. */
static void rename_in(struct lm_bytes *b, const char *old, const char *new)
{
    char *at = memmem(b->data, b->len, old, strlen(old));
    ck_assert(at && strlen(old) == strlen(new));
    memcpy(at, new, strlen(new));
}

/* Puts a value's bytes over a scalar's. */
static void set(struct lm_bytes *b, const char *key, uint64_t v)
{
    struct lm_gguf *g;
    ck_assert_int_eq(lm_gguf_open_memory(b->data, b->len, &g, &err), 0);
    const struct lm_gguf_value *value = lm_gguf_get(g, key);
    ck_assert(value && value->type != LM_GGUF_ARRAY && value->type != LM_GGUF_STRING);
    for (size_t i = 0; i < value->bytes; i++)
        b->data[value->at - (const unsigned char *)b->data + (ptrdiff_t)i] = (char)(v >> (8 * i));
    lm_gguf_close(g);
}

/* The same file with one more key, whose bytes are `more`. */
static struct lm_bytes with_key(const char *name, struct lm_bytes *more)
{
    struct lm_bytes old = read_golden(name), b = {0};
    struct lm_gguf *g;
    ck_assert_int_eq(lm_gguf_open_memory(old.data, old.len, &g, &err), 0);
    size_t n = lm_gguf_n_values(g), n_tensor = lm_gguf_n_tensors(g), infos = 0;
    const struct lm_gguf_value *last = lm_gguf_value_at(g, n - 1);
    const char *end = (const char *)last->at + last->bytes, *data = lm_gguf_tensor_at(g, 0)->data;
    for (size_t i = 0; i < n_tensor; i++)
        infos += 24 + lm_gguf_tensor_at(g, i)->name.n + 8 * lm_gguf_tensor_at(g, i)->n_dim;
    gguf_put_header(&b, 3, n_tensor, n + 1);
    lm_bytes_add(&b, old.data + b.len, (size_t)(end - old.data) - b.len);
    lm_bytes_add(&b, more->data, more->len);
    lm_bytes_add(&b, end, infos);
    gguf_put_data(&b, 32, 0);
    lm_bytes_add(&b, data, (size_t)(old.data + old.len - data));
    lm_gguf_close(g);
    lm_bytes_fini(&old);
    lm_bytes_fini(more);
    *more = (struct lm_bytes){0};
    return b;
}

static struct lm_bytes with_u32(const char *name, const char *key, uint32_t v)
{
    struct lm_bytes more = {0};
    gguf_put_key(&more, key, LM_GGUF_U32), gguf_put(&more, v, 4);
    return with_key(name, &more);
}

static struct lm_bytes with_string(const char *name, const char *key, const char *s)
{
    struct lm_bytes more = {0};
    gguf_put_key(&more, key, LM_GGUF_STRING), gguf_put_string(&more, s);
    return with_key(name, &more);
}

static const struct lm_op *last_of(const struct lm_graph *g, enum lm_op_kind kind)
{
    const struct lm_op *found = NULL;
    for (uint32_t i = 0; i < g->n_op; i++)
        found = g->op[i].kind == kind ? &g->op[i] : found;
    return found;
}

START_TEST(test_model_model__other_families_are_named)
{
    struct lm_bytes b = read_golden("qwen2-bf16");
    rename_in(&b, "qwen2", "gptj9");
    expect(&b, LM_EUNSUPPORTED, "model family 'gptj9' is not supported; supported are baichuan, bert, chatglm, ");
    ck_assert_str_eq(err.msg + strlen(err.msg) - 9, " and more");
    b = read_golden("qwen2-bf16");
    rename_in(&b, "general.architecture", "general.architectura");
    expect(&b, LM_EFORMAT, "key 'general.architecture' is missing");
}
END_TEST

START_TEST(test_model_model__other_kinds_of_models_are_refused_by_name)
{
    static const char *const kinds[] = {"jina-bert-v2", "nomic-bert-moe", "neo-bert", "lfm2", "lfm2moe", "qwen3next", "qwen35",
                                        "nemotron_h", "granitehybrid", "jamba", "mamba", "mamba2", "falcon-h1", "plamo2", "kimi-linear", "rwkv7", "deepseek32", "phimoe"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct lm_bytes b = {0}, key = {0};
        char message[64];
        gguf_put_key(&key, "general.architecture", LM_GGUF_STRING), gguf_put_string(&key, kinds[i]);
        gguf_put_header(&b, 3, 0, 1);
        lm_bytes_add(&b, key.data, key.len);
        lm_bytes_fini(&key);
        snprintf(message, sizeof message, "model family '%s' is not supported", kinds[i]);
        expect(&b, LM_EUNSUPPORTED, message);
    }
}
END_TEST

/* Of experts and of joined weights each one is a weight of its own, a part of the tensor. */
START_TEST(test_model_model__experts_and_joined_weights_are_split)
{
    struct lm_bytes b = read_golden("mixtral");
    struct loaded l;
    ck_assert_int_eq(load(&lm_refexec, &b, NULL, NULL, &l), 0);
    const struct lm_op *op = last_of(&l.m->graph, LM_OP_MOE_MATMUL);
    ck_assert(op && op->u.moe.n_expert == 6 && op->u.moe.n_slot == 2 && op->u.moe.w[5]->rows == 32 && op->u.moe.w[5]->cols == 24);
    unload(&lm_refexec, &l);
    lm_bytes_fini(&b);
    b = read_golden("chatglm");
    ck_assert_int_eq(load(&lm_refexec, &b, NULL, NULL, &l), 0);
    size_t file = 0;
    for (size_t i = 0; i < lm_gguf_n_tensors(l.g); i++)
        file += lm_gguf_tensor_at(l.g, i)->bytes;
    ck_assert_uint_eq(l.m->weight_bytes, file);
    unload(&lm_refexec, &l);
    lm_bytes_fini(&b);
    b = read_golden("chatglm");
    rename_in(&b, "blk.1.attn_qkv.bias", "blk.1.attn_qkx.bias");
    expect(&b, LM_EUNSUPPORTED, "tensor 'blk.1.attn_qkx.bias' has no place");
    b = read_golden("mixtral");
    set(&b, "llama.expert_count", 7);
    expect(&b, LM_EFORMAT, "tensor 'blk.0.ffn_gate_inp.weight' has 32 x 6");
    b = read_golden("mixtral");
    rename_in(&b, "blk.1.ffn_up_exps.weight", "blk.1.ffn_uq_exps.weight");
    expect(&b, LM_EFORMAT, "tensor 'blk.1.ffn_up_exps.weight' is missing");
}
END_TEST

static atomic_uint_fast64_t packed_sum;

/* Adds up what is packed, of each weight by its place in the rows. */
static int pack_counts(struct lm_dev *d, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *e)
{
    const unsigned char *p = src;
    uint64_t sum = 0;
    for (size_t i = 0; i < (size_t)n * (w->bytes / w->rows); i++)
        sum = sum * 31 + p[i];
    atomic_fetch_add(&packed_sum, sum * (row + 1));
    return lm_refexec.pack(d, w, row, n, src, e);
}

static void copy_rows(const struct lm_gguf_made *m, uint64_t row, uint64_t n, void *out)
{
    memcpy(out, (const char *)m->src + row * (m->src_bytes >> 32), n * (m->src_bytes >> 32));
}

/* The same file, of which all tensors are made row by row: src_bytes holds a row's bytes above, to know them in copy_rows(). */
static void make_all(struct lm_gguf *g, struct lm_gguf_made *made)
{
    struct lm_gguf_whole whole = {.n_tensor = lm_gguf_n_tensors(g)};
    whole.tensor = calloc(whole.n_tensor, sizeof *whole.tensor);
    ck_assert_ptr_nonnull(whole.tensor);
    for (size_t i = 0; i < whole.n_tensor; i++) {
        struct lm_gguf_tensor *t = &whole.tensor[i];
        *t = *lm_gguf_tensor_at(g, i);
        made[i] = (struct lm_gguf_made){copy_rows, t->data, (t->bytes / lm_gguf_n_rows(t)) << 32};
        t->data = NULL;
        t->made = &made[i];
    }
    ck_assert_int_eq(lm_gguf_complete(g, &whole, &err), 0);
}

START_TEST(test_model_model__parts_of_tensors_that_are_made_are_the_same)
{
    static const char *const models[] = {"mixtral", "chatglm", "deepseek2-expanded"};
    struct lm_low_bit low;
    ck_assert_int_eq(lm_low_bit_find("sym_int8", &low, &err), 0);
    struct lm_backend be = lm_refexec;
    be.pack = pack_counts;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct lm_bytes b = read_golden(models[i]);
        static struct lm_gguf_made made[256];
        uint64_t sum[4];
        for (int k = 0; k < 4; k++) { /* made or not, and quantized on the way */
            struct lm_gguf *g;
            struct lm_dev *dev;
            struct lm_model *m = NULL;
            ck_assert_int_eq(lm_gguf_open_memory(b.data, b.len, &g, &err), 0);
            ck_assert_uint_lt(lm_gguf_n_tensors(g), 256);
            if (k % 2)
                make_all(g, made);
            ck_assert_int_eq(be.open(&(struct lm_open_desc){0}, &dev, &err), 0);
            atomic_store(&packed_sum, 0);
            ck_assert_msg(lm_model_load(g, k < 2 ? NULL : &low, &be, dev, 0, NULL, NULL, NULL, &m, &err) == 0, "%s", err.msg);
            sum[k] = atomic_load(&packed_sum);
            lm_model_destroy(m, &be, dev);
            be.close(dev);
            lm_gguf_close(g);
        }
        ck_assert_uint_eq(sum[0], sum[1]);
        ck_assert_uint_eq(sum[2], sum[3]);
        lm_bytes_fini(&b);
    }
}
END_TEST

START_TEST(test_model_model__longrope_depends_on_the_longest_sequence)
{
    struct lm_bytes b = read_golden("phi3-longrope-long");
    struct lm_gguf *g;
    struct lm_dev *dev;
    const float base = powf(10000, -1.0f / 3); /* of pair 1 of 3, whose factors are 1.5 and 2 */
    ck_assert_int_eq(lm_gguf_open_memory(b.data, b.len, &g, &err), 0);
    ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev, &err), 0);
    for (int i = 0; i < 3; i++) {
        struct lm_model *m = NULL;
        ck_assert_int_eq(lm_model_load(g, NULL, &lm_refexec, dev, i == 0 ? 0 : i == 1 ? 16 : 17, NULL, NULL, NULL, &m, &err), 0);
        ck_assert_float_eq_tol(last_of(&m->graph, LM_OP_ROPE)->u.rope.inv_freq[1], base / (i == 1 ? 1.5f : 2), 1e-6);
        lm_model_destroy(m, &lm_refexec, dev);
    }
    lm_refexec.close(dev);
    lm_gguf_close(g);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_model__features_that_are_not_there_are_refused_by_name)
{
    struct lm_bytes b = with_u32("qwen2-bf16", "qwen2.expert_count", 8), more = {0};
    expect(&b, LM_EUNSUPPORTED, "key 'qwen2.expert_count': a mixture of experts");
    b = with_u32("llama-gqa-tied-f32", "split.count", 3);
    expect(&b, LM_EUNSUPPORTED, "one of 3 parts of a split model");
    b = with_u32("llama-gqa-tied-f32", "llama.attention.value_length", 32);
    expect(&b, LM_EUNSUPPORTED, "key 'llama.attention.value_length'");
    b = with_string("llama-gqa-tied-f32", "llama.rope.scaling.type", "longrope");
    expect(&b, LM_EUNSUPPORTED, "key 'llama.rope.scaling.type'");
    b = with_u32("qwen2-bf16", "qwen2.attention.sliding_window", 128);
    expect(&b, LM_EUNSUPPORTED, "key 'qwen2.attention.sliding_window'");
    gguf_put_key(&more, "llama.attention.causal", LM_GGUF_BOOL), gguf_put(&more, 0, 1);
    b = with_key("llama-gqa-tied-f32", &more);
    expect(&b, LM_EUNSUPPORTED, "key 'llama.attention.causal'");
    b = with_string("llama-gqa-tied-f32", "llama.attention.clamp_kqv", "30");
    expect(&b, LM_EUNSUPPORTED, "key 'llama.attention.clamp_kqv'");
    gguf_put_array(&more, "llama.rope.dimension_sections", LM_GGUF_I32, 1), gguf_put(&more, 1, 4);
    b = with_key("llama-gqa-tied-f32", &more);
    expect(&b, LM_EUNSUPPORTED, "key 'llama.rope.dimension_sections'");
}
END_TEST

START_TEST(test_model_model__harmless_keys_are_accepted)
{
    static const char *const zero[] = {"llama.attention.sliding_window", "llama.residual_scale"};
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++) {
        struct lm_bytes b = with_u32("llama-gqa-tied-f32", zero[i], 0);
        ck_assert_msg(load_with(&lm_refexec, &b) == 0, "%s", err.msg);
        lm_bytes_fini(&b);
    }
    struct lm_bytes b = with_string("llama-gqa-tied-f32", "llama.rope.scaling.type", "none");
    ck_assert_msg(load_with(&lm_refexec, &b) == 0, "%s", err.msg);
    lm_bytes_fini(&b);
}
END_TEST

static struct lm_bytes with_f32(const char *name, const char *key, float v)
{
    struct lm_bytes more = {0};
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    gguf_put_key(&more, key, LM_GGUF_F32), gguf_put(&more, bits, 4);
    return with_key(name, &more);
}

START_TEST(test_model_model__scales_and_caps_become_ops)
{
    struct loaded l;
    struct lm_bytes b = with_f32("llama-gqa-tied-f32", "llama.logit_scale", 4);
    ck_assert_int_eq(load(&lm_refexec, &b, NULL, NULL, &l), 0);
    const struct lm_op *op = last_of(&l.m->graph, LM_OP_SCALE);
    ck_assert(op && op->u.scale.scale == 0.25f && op->x == l.m->logits_act && op->y == l.m->logits_act);
    unload(&lm_refexec, &l);
    lm_bytes_fini(&b);
    b = with_f32("gemma3-window-bf16", "gemma3.final_logit_softcapping", 30);
    ck_assert_int_eq(load(&lm_refexec, &b, NULL, NULL, &l), 0);
    op = last_of(&l.m->graph, LM_OP_SOFTCAP);
    ck_assert(op && op->u.softcap.cap == 30 && op[1].kind == LM_OP_SAMPLE);
    unload(&lm_refexec, &l);
    lm_bytes_fini(&b);
    b = with_f32("llama-gqa-tied-f32", "llama.attention.scale", 0.5f);
    ck_assert_int_eq(load(&lm_refexec, &b, NULL, NULL, &l), 0);
    ck_assert(last_of(&l.m->graph, LM_OP_ATTENTION)->u.attn.scale == 0.5f && !last_of(&l.m->graph, LM_OP_SCALE));
    unload(&lm_refexec, &l);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_model_model__missing_and_unknown_tensors_are_named)
{
    struct lm_bytes b = read_golden("llama-gqa-tied-f32");
    rename_in(&b, "blk.1.ffn_up.weight", "blk.1.ffn_uq.weight");
    expect(&b, LM_EFORMAT, "tensor 'blk.1.ffn_up.weight' is missing");
    b = read_golden("llama-gqa-tied-f32");
    rename_in(&b, "token_embd.weight", "token_embe.weight");
    expect(&b, LM_EFORMAT, "tensor 'token_embd.weight' is missing");
    b = read_golden("qwen2-bf16");
    rename_in(&b, "blk.1.attn_k.bias", "blk.1.attn_x.bias");
    expect(&b, LM_EFORMAT, "tensor 'blk.1.attn_k.bias' is missing");
    b = read_golden("llama-llama3rope-bias-bf16");
    rename_in(&b, "rope_freqs.weight", "rope_frexs.weight");
    expect(&b, LM_EUNSUPPORTED, "tensor 'rope_frexs.weight' has no place in the family llama");
    b = read_golden("qwen2-bf16");
    set(&b, "qwen2.feed_forward_length", 32);
    expect(&b, LM_EFORMAT, "tensor 'blk.0.ffn_gate.weight' has 64 x 64 x 1 x 1 elements, not 64 x 32");
}
END_TEST

START_TEST(test_model_model__senseless_numbers_are_refused)
{
    static const struct { const char *key; uint64_t value; const char *message; } bad[] = {
        {"llama.block_count", 0, "key 'llama.block_count' is 0, not 1 to 4096"},
        {"llama.block_count", UINT32_MAX, "key 'llama.block_count' is 4294967295"},
        {"llama.block_count", 3, "tensor 'blk.2.attn_norm.weight' is missing"},
        {"llama.block_count", 1, "tensor 'blk.1.attn_"},
        {"llama.embedding_length", 0, "'llama.embedding_length' is 0"},
        {"llama.embedding_length", UINT32_MAX, "'llama.embedding_length'"},
        {"llama.attention.head_count", 0, "'llama.attention.head_count' is 0"},
        {"llama.attention.head_count", 3, "is 3, no multiple of 2 (head_count_kv)"},
        {"llama.attention.head_count_kv", 0, "'llama.attention.head_count_kv' is 0"},
        {"llama.attention.head_count_kv", 3, "no multiple of 3 (head_count_kv)"},
        {"llama.attention.key_length", 33, "'llama.attention.key_length'"},
        {"llama.attention.key_length", 2048, "'llama.attention.key_length' is 2048, not 2 to 1024"},
        {"llama.feed_forward_length", 0, "'llama.feed_forward_length' is 0"},
        {"llama.context_length", 0, "'llama.context_length' is 0"},
        {"llama.attention.layer_norm_rms_epsilon", 0x7fc00000, "'llama.attention.layer_norm_rms_epsilon' is nan"},
        {"llama.attention.layer_norm_rms_epsilon", 0xbf800000, "'llama.attention.layer_norm_rms_epsilon' is -1"},
        {"llama.rope.freq_base", 0xff800000, "'llama.rope.freq_base' is -inf"},
        {"llama.rope.freq_base", 1, "frequencies that are not finite"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_bytes b = read_golden("llama-llama3rope-bias-bf16");
        set(&b, bad[i].key, bad[i].value);
        int rc = load_with(&lm_refexec, &b);
        if (rc == 0 || !strstr(err.msg, bad[i].message))
            ck_abort_msg("%s = %llx: %d '%s'", bad[i].key, (unsigned long long)bad[i].value, rc, err.msg);
        lm_bytes_fini(&b);
    }
}
END_TEST

/* Every scalar of the metadata, with values that break things. */
START_TEST(test_model_model__no_number_in_the_metadata_crashes_a_load)
{
    static const char *const models[] = {"llama-mqa-yarn-f16", "llama-window-linear-bf16", "gemma3-window-bf16", "phi3-longrope-long", "granitemoe",
                                         "baichuan-alibi", "command-r", "gpt-oss", "glm4moe", "deepseek2-v3", "deepseek2-expanded"};
    static const uint64_t values[] = {0, 1, 2, 3, 7, 64, 1024, 4096, 65536, 1u << 24, 1u << 31, UINT32_MAX,
                                      0x7f7fffff, 0x7f800000, 0x42280000};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct lm_bytes b = read_golden(models[i]);
        struct lm_gguf *g;
        ck_assert_int_eq(lm_gguf_open_memory(b.data, b.len, &g, &err), 0);
        for (size_t k = 0; k < lm_gguf_n_values(g); k++) {
            const struct lm_gguf_value *v = lm_gguf_value_at(g, k);
            unsigned char saved[8], *at = (unsigned char *)b.data + (v->at - (const unsigned char *)b.data);
            if (v->type == LM_GGUF_STRING || v->type == LM_GGUF_ARRAY)
                continue;
            memcpy(saved, at, v->bytes);
            for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
                for (size_t n = 0; n < v->bytes; n++)
                    at[n] = (unsigned char)(values[j] >> (8 * n));
                load_with(&lm_refexec, &b);
            }
            memcpy(at, saved, v->bytes);
        }
        lm_gguf_close(g);
        ck_assert_int_eq(load_with(&lm_refexec, &b), 0);
        lm_bytes_fini(&b);
    }
}
END_TEST

static int pack_fails(struct lm_dev *d, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *e)
{
    return w->rows == 64 ? lm_fail(e, LM_EDEVICE, "the device is lost") : lm_refexec.pack(d, w, row, n, src, e);
}

static int create_fails(struct lm_dev *d, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready,
                        struct lm_err *e)
{
    return desc->rows == 64 ? lm_fail(e, LM_ENOMEM, "no room") : lm_refexec.weight_create(d, desc, out, out_ready, e);
}

START_TEST(test_model_model__an_error_of_the_backend_comes_with_the_tensor)
{
    struct lm_bytes b = read_golden("llama-gqa-tied-f32");
    struct lm_backend be = lm_refexec;
    be.pack = pack_fails;
    ck_assert_int_eq(load_with(&be, &b), LM_EDEVICE);
    ck_assert_msg(strstr(err.msg, "tensor 'blk.") && strstr(err.msg, ": the device is lost"), "%s", err.msg);
    be = lm_refexec;
    be.weight_create = create_fails;
    ck_assert_int_eq(load_with(&be, &b), LM_ENOMEM);
    ck_assert_str_eq(err.msg, "tensor 'blk.0.attn_q.weight': no room");
    lm_bytes_fini(&b);
}
END_TEST

struct seen { uint64_t done, total; };

static void see(void *arg, uint64_t done, uint64_t total)
{
    struct seen *s = arg;
    ck_assert(done >= s->done && done <= total && (s->total == 0 || s->total == total));
    *s = (struct seen){done, total};
}

/* Ops of a kind that write rows of a kind. */
static uint32_t count(const struct lm_graph *g, enum lm_op_kind kind, enum lm_rows rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_op; i++)
        n += g->op[i].kind == kind && g->op[i].y != LM_NONE && g->act[g->op[i].y].rows == rows;
    return n;
}

START_TEST(test_model_model__only_wanted_rows_reach_the_end_of_the_last_layer)
{
    struct lm_bytes b = read_golden("gemma3-window-bf16");
    struct loaded l;
    struct seen seen = {0};
    ck_assert_int_eq(load(&lm_refexec, &b, see, &seen, &l), 0);
    const struct lm_model *m = l.m;
    ck_assert(seen.done == seen.total && seen.total > 0 && seen.total == m->weight_bytes);
    ck_assert_uint_eq(m->hp.n_layer, 7);
    ck_assert_uint_eq(m->hp.n_vocab, m->graph.n_vocab);
    ck_assert_uint_eq(m->graph.act[m->logits_act].dim, m->hp.n_vocab);
    ck_assert_uint_eq(m->graph.act[m->hidden_act].dim, m->hp.dim);
    ck_assert_uint_eq(count(&m->graph, LM_OP_ATTENTION, LM_ROWS_OUT), 0);
    ck_assert_uint_eq(count(&m->graph, LM_OP_LOGITS_GATHER, LM_ROWS_OUT), 2);
    ck_assert_uint_eq(count(&m->graph, LM_OP_MATMUL, LM_ROWS_OUT), 5);      /* output, gate, up, down, lm_head */
    ck_assert_uint_eq(count(&m->graph, LM_OP_MATMUL, LM_ROWS_TOK), 6 * 7 + 3);
    ck_assert_int_eq(m->graph.op[m->graph.n_op - 1].kind, LM_OP_SAMPLE);
    ck_assert_uint_le(m->graph.n_act, 14);
    unload(&lm_refexec, &l);
    lm_bytes_fini(&b);
}
END_TEST

/* q, k, v and gate, up stand next to each other and read the same rows: backends fuse them. */
START_TEST(test_model_model__matmuls_of_one_input_are_neighbours)
{
    struct lm_bytes b = read_golden("qwen2-bf16");
    struct loaded l;
    uint32_t neighbours = 0;
    ck_assert_int_eq(load(&lm_refexec, &b, NULL, NULL, &l), 0);
    const struct lm_model *m = l.m;
    for (uint32_t i = 1; i < m->graph.n_op; i++) {
        const struct lm_op *op = &m->graph.op[i];
        neighbours += op->kind == LM_OP_MATMUL && op[-1].kind == LM_OP_MATMUL && op->x == op[-1].x;
    }
    ck_assert_uint_eq(neighbours, 3 * m->hp.n_layer);
    unload(&lm_refexec, &l);
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("model/model", test_model_model__other_families_are_named, test_model_model__other_kinds_of_models_are_refused_by_name,
           test_model_model__experts_and_joined_weights_are_split, test_model_model__parts_of_tensors_that_are_made_are_the_same,
           test_model_model__longrope_depends_on_the_longest_sequence,
           test_model_model__features_that_are_not_there_are_refused_by_name, test_model_model__harmless_keys_are_accepted,
           test_model_model__scales_and_caps_become_ops,
           test_model_model__missing_and_unknown_tensors_are_named,
           test_model_model__senseless_numbers_are_refused,
           test_model_model__no_number_in_the_metadata_crashes_a_load,
           test_model_model__an_error_of_the_backend_comes_with_the_tensor,
           test_model_model__only_wanted_rows_reach_the_end_of_the_last_layer,
           test_model_model__matmuls_of_one_input_are_neighbours)

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/lora/lora.h"
#include "runtime/base/buf.h"
#include "runtime/model/source.h"
#include "tests/golden_lora.h"
#include "tests/refexec.h"
#include "tests/suite.h"
#include <stdlib.h>
#include <unistd.h>

static struct lm_err err;
static char folder[64];
static struct { struct lm_gguf *g; struct lm_dev *dev; struct lm_model *m; } base;

static void open_base(struct lm_lora_room room)
{
    ck_assert_int_eq(lm_source_open(LM_LORA_FOLDER "/llama", &base.g, &err), 0);
    ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &base.dev, &err), 0);
    ck_assert_msg(lm_model_load(base.g, NULL, &lm_refexec, base.dev, 0, &room, NULL, NULL, &base.m, &err) == 0, "%s", err.msg);
}

static void close_base(void)
{
    lm_model_destroy(base.m, &lm_refexec, base.dev);
    lm_refexec.close(base.dev);
    lm_gguf_close(base.g);
}

static struct lm_bytes read_file(const char *name)
{
    struct lm_bytes b = {0};
    char path[512], piece[4096];
    snprintf(path, sizeof path, LM_LORA_FOLDER "/llama/%s", name);
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
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

static void copy(const char *from, const char *to)
{
    struct lm_bytes b = read_file(from);
    put(to, b.data, b.len);
    lm_bytes_fini(&b);
}

/* The file `from` as `to`, with `new` in the place of the first `old`. */
static void change(const char *from, const char *to, const char *old, const char *new)
{
    struct lm_bytes b = read_file(from), out = {0};
    char *at = memmem(b.data, b.len, old, strlen(old));
    ck_assert_msg(at != NULL, "%s has no %s", from, old);
    lm_bytes_add(&out, b.data, (size_t)(at - b.data));
    lm_bytes_add_str(&out, new);
    lm_bytes_add(&out, at + strlen(old), (size_t)(b.data + b.len - at) - strlen(old));
    put(to, out.data, out.len);
    lm_bytes_fini(&b);
    lm_bytes_fini(&out);
}

static void begin(void)
{
    strcpy(folder, "/tmp/llmserve-lora-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void end(void)
{
    static const char *const names[] = {"adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "a.gguf"};
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Loads; a failure leaves the slot empty. */
static int load(const char *path)
{
    size_t bytes = 0;
    int rc = lm_lora_load(base.m, &lm_refexec, base.dev, 0, path, &bytes, &err);
    for (const struct lm_lora_site *s = base.m->lora_site; s && rc; s = s->next)
        ck_assert(!s->slot[0].a && !s->slot[0].b);
    if (rc == 0)
        lm_lora_unload(base.m, &lm_refexec, base.dev, 0);
    return rc;
}

static void expect(const char *path, int rc, const char *message)
{
    err.msg[0] = 0;
    int got = load(path);
    if (got != rc || !strstr(err.msg, message))
        ck_abort_msg("%d '%s', not %d '%s'", got, err.msg, rc, message);
}

START_TEST(test_model_lora__logits_are_those_of_peft)
{
    for (const char *const *name = lm_golden_loras; *name; name++) {
        struct lm_dev *dev;
        double error = -1;
        ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev, &err), 0);
        ck_assert_msg(lm_golden_lora_run(&lm_refexec, dev, LM_LORA_FOLDER, *name, &error, &err) == 0, "%s", err.msg);
        ck_assert_msg(error >= 0 && error <= 1e-4, "%s: error %g", *name, error);
        lm_refexec.close(dev);
    }
}
END_TEST

START_TEST(test_model_lora__places_hold_what_is_loaded_until_it_is_unloaded)
{
    size_t bytes = 0, n = 0, n_a = 0;
    open_base((struct lm_lora_room){2, 8});
    ck_assert_int_eq(lm_lora_load(base.m, &lm_refexec, base.dev, 1, LM_LORA_FOLDER "/llama/a", &bytes, &err), 0);
    for (const struct lm_lora_site *s = base.m->lora_site; s; s = s->next, n++) {
        ck_assert(!s->slot[0].a && !s->slot[0].b);
        n_a += s->slot[1].a != NULL;
        ck_assert(!s->slot[1].a == !s->slot[1].b && (!s->slot[1].a || (s->slot[1].scale == 1.5f && s->slot[1].a->rows == 8)));
    }
    ck_assert_uint_eq(n, 2 * 7 + 1); /* and the head, which it does not adapt */
    ck_assert_uint_eq(n_a, 2 * 7);
    ck_assert_uint_eq(bytes, 2 * 8 * 4 * (4 * 32 + 32 + 16 + 32 + 16 + 3 * (32 + 48)));
    lm_lora_unload(base.m, &lm_refexec, base.dev, 1);
    for (const struct lm_lora_site *s = base.m->lora_site; s; s = s->next)
        ck_assert(!s->slot[1].a && !s->slot[1].b);
    ck_assert_int_eq(lm_lora_load(base.m, &lm_refexec, base.dev, 1, LM_LORA_FOLDER "/llama/b", &bytes, &err), 0);
    close_base(); /* frees what is still loaded */
}
END_TEST

START_TEST(test_model_lora__what_peft_can_do_and_this_not_is_refused_by_name)
{
    static const struct { const char *old, *new; int rc; const char *why; } bad[] = {
        {"\"LORA\"", "\"LOHA\"", LM_EUNSUPPORTED, "'peft_type' is 'LOHA'"},
        {"\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]", LM_EUNSUPPORTED, "'modules_to_save' has 'lm_head'"},
        {"\"use_dora\": false", "\"use_dora\": true", LM_EUNSUPPORTED, "'use_dora': DoRA"},
        {"\"bias\": \"none\"", "\"bias\": \"all\"", LM_EUNSUPPORTED, "'bias' has 'all'"},
        {"\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa_niter_4\"", LM_EUNSUPPORTED, "'init_lora_weights' is 'pissa"},
        {"\"alpha_pattern\": {}", "\"alpha_pattern\": {\"q.*\": 3}", LM_EUNSUPPORTED, "'alpha_pattern' has the regular expression 'q.*'"},
        {"\"alpha_pattern\": {}", "\"alpha_pattern\": {\"q_proj\": null}", LM_EFORMAT, "'alpha_pattern' of 'q_proj'"},
        {"\"rank_pattern\": {}", "\"rank_pattern\": {\"q_proj\": 0}", LM_EFORMAT, "a rank of 0"},
        {"\"rank_pattern\": {}", "\"rank_pattern\": {\"q_proj\": 7}", LM_EFORMAT, "has rank 8, but adapter_config.json says 7"},
        {"\"rank_pattern\": {}", "\"rank_pattern\": 7", LM_EFORMAT, "'rank_pattern' is not an object"},
        {"\"alpha_pattern\": {}", "\"alpha_pattern\": []", LM_EFORMAT, "'alpha_pattern' is not an object"},
        {"\"use_rslora\": false", "\"use_rslora\": \"true\"", LM_EFORMAT, "'use_rslora' is not a truth value"},
        {"\"r\": 8", "\"r\": 0", LM_EFORMAT, "'r' is no count"},
        {"\"r\": 8", "\"r\": 7", LM_EFORMAT, "has rank 8, but adapter_config.json says 7"},
        {"\"lora_alpha\": 12", "\"lora_alpha\": \"x\"", LM_EFORMAT, "'lora_alpha' is no number"},
        {"\"lora_alpha\": 12", "\"lora_alpha\": 1e300", LM_EFORMAT, "a scale of inf"},
        {"{", "", LM_EFORMAT, "adapter_config.json"},
    };
    begin();
    open_base((struct lm_lora_room){1, 8});
    copy("a/adapter_model.safetensors", "adapter_model.safetensors");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        change("a/adapter_config.json", "adapter_config.json", bad[i].old, bad[i].new);
        expect(folder, bad[i].rc, bad[i].why);
    }
    close_base();
    end();
}
END_TEST

START_TEST(test_model_lora__tensors_that_do_not_fit_are_named_with_their_byte)
{
    static const struct { const char *old, *new; int rc; const char *why; } bad[] = {
        {"0.mlp.down_proj.lora_A", "0.mlp.dawn_proj.lora_A", LM_EUNSUPPORTED, "the model has no such module"},
        {"0.mlp.down_proj.lora_A", "0.mlp.down_proj.lora_C", LM_EUNSUPPORTED, "it is no lora_A or lora_B"},
        {"1.mlp.down_proj.lora_A", "7.mlp.down_proj.lora_A", LM_EFORMAT, "is given without its lora_"},
        {"[8,48]", "[6,64]", LM_EFORMAT, "has rank 6, its lora_B 8"},
        {"[8,48]", "[ 384]", LM_EUNSUPPORTED, "it is no matrix"},
        {"\"F32\"", "\"I32\"", LM_EUNSUPPORTED, "the type I32 is not one of"},
        {"0.mlp.down_proj.lora_A.weight", "0.mlp.dow_proj.lora_embedding", LM_EUNSUPPORTED, "leave embed_tokens out"},
    };
    begin();
    open_base((struct lm_lora_room){1, 8});
    copy("a/adapter_config.json", "adapter_config.json");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        change("a/adapter_model.safetensors", "adapter_model.safetensors", bad[i].old, bad[i].new);
        expect(folder, bad[i].rc, bad[i].why);
        ck_assert_msg(strstr(err.msg, "tensor 'base_model.model.") != NULL, "%s", err.msg);
    }
    struct lm_bytes b = read_file("a/adapter_model.safetensors");
    put("adapter_model.safetensors", b.data, b.len - 5);
    expect(folder, LM_EFORMAT, "truncated: tensor '");
    memset(b.data + b.len - 4, 0xff, 4);
    put("adapter_model.safetensors", b.data, b.len);
    expect(folder, LM_EFORMAT, "it holds a NaN or infinity");
    lm_bytes_fini(&b);
    copy("b/adapter_config.json", "adapter_config.json");
    change("b/adapter_model.safetensors", "adapter_model.safetensors", "[96,4]", "[4,96]");
    expect(folder, LM_EFORMAT, "its lora_B 96");
    change("b/adapter_model.safetensors", "adapter_model.safetensors", "[96,4]", "[95,4]");
    expect(folder, LM_EFORMAT, "its shape and type");
    change("b/adapter_model.safetensors", "adapter_model.safetensors", "base_layer.weight", "base_layer.weighs");
    expect(folder, LM_EUNSUPPORTED, "it is no lora_A or lora_B");
    close_base();
    open_base((struct lm_lora_room){1, 7});
    expect(LM_LORA_FOLDER "/llama/a", LM_ELIMIT, "has rank 8, more than max-lora-rank 7: set max-lora-rank to 8");
    close_base();
    end();
}
END_TEST

/* Of qwen2, which has a module of the same shape in every place: what is another model's is found by its heads' rows. */
START_TEST(test_model_lora__shapes_are_held_against_the_model)
{
    begin();
    open_base((struct lm_lora_room){1, 8});
    copy("a/adapter_config.json", "adapter_config.json");
    change("a/adapter_model.safetensors", "adapter_model.safetensors", "[8,48]", "[48,8]");
    expect(folder, LM_EFORMAT, "has rank 48, its lora_B 8");
    struct lm_bytes b = read_file("a/adapter_model.safetensors");
    char *name = memmem(b.data, b.len, "0.self_attn.k_proj.lora_B", 25), *other = memmem(b.data, b.len, "0.self_attn.q_proj.lora_B", 25);
    ck_assert(name && other);
    name[12] = 'q';
    other[12] = 'k';
    put("adapter_model.safetensors", b.data, b.len);
    expect(folder, LM_EFORMAT, "outputs, the model's blk.0.attn_");
    lm_bytes_fini(&b);
    b = read_file("a/adapter_model.safetensors");
    name = memmem(b.data, b.len, "1.mlp.down_proj.lora_A", 22);
    other = memmem(b.data, b.len, "1.mlp.gate_proj.lora_A", 22);
    ck_assert(name && other);
    memcpy(name + 6, "gate", 4);
    memcpy(other + 6, "down", 4);
    put("adapter_model.safetensors", b.data, b.len);
    expect(folder, LM_EFORMAT, "inputs, the model's blk.1.ffn_");
    lm_bytes_fini(&b);
    change("a/adapter_model.safetensors", "adapter_model.safetensors", "1.mlp.down_proj.lora_A", "9.mlp.down_proj.lora_A");
    b = read_file("a/adapter_model.safetensors");
    for (char *at; (at = memmem(b.data, b.len, "layers.1.mlp.down", 17)) != NULL;)
        at[7] = '9';
    put("adapter_model.safetensors", b.data, b.len);
    expect(folder, LM_EUNSUPPORTED, "the model has no module 'blk.9.ffn_down' that takes an adapter");
    lm_bytes_fini(&b);
    close_base();
    end();
}
END_TEST

START_TEST(test_model_lora__ggufs_of_other_kinds_are_refused)
{
    static const struct { const char *old, *new; int rc; const char *why; } bad[] = {
        {"lora", "loha", LM_EUNSUPPORTED, "'adapter.type' is 'loha'"},
        {"llama", "qwen2", LM_EFORMAT, "'general.architecture' is 'qwen2', the model's is 'llama'"},
        {"lora_a", "lora_x", LM_EUNSUPPORTED, "is no lora_a or lora_b"},
        {"blk.0.", "blk.7.", LM_EFORMAT, "is given without its lora_"},
        {"adapter", "adaptor", LM_EFORMAT, "'general.type' is not 'adapter'"},
    };
    char path[128];
    begin();
    open_base((struct lm_lora_room){1, 8});
    snprintf(path, sizeof path, "%s/a.gguf", folder);
    expect(LM_LORA_FOLDER "/llama/a.gguf", 0, "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        change("a.gguf", "a.gguf", bad[i].old, bad[i].new);
        expect(path, bad[i].rc, bad[i].why);
    }
    struct lm_bytes b = read_file("a.gguf");
    put("a.gguf", b.data, b.len - 100);
    expect(path, LM_EFORMAT, "tensor 'blk.");
    lm_bytes_fini(&b);
    expect("/nonexistent", LM_ENOTFOUND, "a PEFT folder or a GGUF file of this machine");
    expect(folder, LM_ENOTFOUND, "adapter_config.json");
    copy("a/adapter_config.json", "adapter_config.json");
    expect(folder, LM_ENOTFOUND, "adapter_model.safetensors");
    put("adapter_model.bin", "x", 1);
    expect(folder, LM_EUNSUPPORTED, "adapter_model.bin may hold code");
    expect("/dev/null", LM_EFORMAT, "no regular file");
    ck_assert_int_eq(truncate(path, (off_t)1 << 40), 0); /* of holes: it is not read */
    expect(path, LM_ELIMIT, "the file has 1099511627776 bytes, more than the");
    close_base();
    end();
}
END_TEST

/* Bytes of the headers, with values that break things: whatever comes of it, nothing is read past the file. */
START_TEST(test_model_lora__no_byte_of_a_header_crashes_a_load)
{
    static const struct { const char *from, *to; size_t n; } files[] = {{"a/adapter_model.safetensors", "adapter_model.safetensors", 600}, {"a.gguf", "a.gguf", 500}};
    char path[128];
    begin();
    open_base((struct lm_lora_room){1, 8});
    copy("a/adapter_config.json", "adapter_config.json");
    for (int f = 0; f < 2; f++) {
        struct lm_bytes b = read_file(files[f].from);
        snprintf(path, sizeof path, "%s%s", folder, f ? "/a.gguf" : "");
        for (size_t i = 0; i < files[f].n; i += 3)
            for (int v = 0; v < 3; v++) {
                char was = b.data[i];
                b.data[i] = (char)(v == 0 ? 0 : v == 1 ? 0xff : was + 1);
                put(files[f].to, b.data, b.len);
                load(path);
                b.data[i] = was;
            }
        lm_bytes_fini(&b);
    }
    close_base();
    end();
}
END_TEST

SUITE_MAIN("model/lora", test_model_lora__logits_are_those_of_peft, test_model_lora__places_hold_what_is_loaded_until_it_is_unloaded,
           test_model_lora__what_peft_can_do_and_this_not_is_refused_by_name,
           test_model_lora__tensors_that_do_not_fit_are_named_with_their_byte, test_model_lora__shapes_are_held_against_the_model,
           test_model_lora__ggufs_of_other_kinds_are_refused, test_model_lora__no_byte_of_a_header_crashes_a_load)

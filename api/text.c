/* SPDX-License-Identifier: Apache-2.0 */
#include "api/text.h"
#include "runtime/text/folder.h"
#include "runtime/engine/protocol.h"
#include "runtime/model/model.h"
#include "runtime/text/grammar/vocab_trie.h"

#include <errno.h>
#include <stdlib.h>

#define TEMPLATE_MAX_BYTES (4u << 20)

static int read_file(const char *path, struct lm_bytes *out, struct lm_err *err)
{
    char buf[8192];
    FILE *f = fopen(path, "re");
    if (!f)
        return lm_fail(err, LM_ENOTFOUND, "chat-template %s: %s", path, strerror(errno));
    out->limit = TEMPLATE_MAX_BYTES;
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
        lm_bytes_add(out, buf, n);
    int bad = ferror(f);
    fclose(f);
    if (bad || out->failed)
        return lm_fail(err, LM_EFORMAT, "chat-template %s: cannot be read whole", path);
    return 0;
}

static int parse(const struct lm_bytes *text, struct lm_template **out, struct lm_err *err)
{
    return lm_template_parse(text->data ? text->data : "", text->len, out, err);
}

static int template_of_file(const char *path, struct lm_model_text *t, struct lm_err *err)
{
    int rc = read_file(path, &t->source, err);
    if (rc)
        return rc;
    rc = parse(&t->source, &t->chat, err);
    return rc ? lm_fail_in(err, rc, "chat-template %s", path) : 0;
}

/* t->source and t->tools_source are the model's. */
static void templates_of_model(struct lm_model_text *t)
{
    struct lm_err err;
    if (!t->source.len)
        snprintf(t->problem, sizeof t->problem, "the model has no chat template; the server's option chat-template can give one");
    else if (parse(&t->source, &t->chat, &err))
        snprintf(t->problem, sizeof t->problem, "the model's chat template cannot be used: %.140s", err.msg);
    if (t->tools_source.len && parse(&t->tools_source, &t->tools, &err))
        t->tools = NULL;
}

static void sources_of_gguf(const struct lm_gguf *g, struct lm_model_text *t)
{
    struct lm_gguf_str chat = lm_gguf_string(g, "tokenizer.chat_template"), tools = lm_gguf_string(g, "tokenizer.chat_template.tool_use");
    lm_bytes_add(&t->source, chat.s, chat.n);
    lm_bytes_add(&t->tools_source, tools.s, tools.n);
}

static void set_token(const struct lm_model_text *t, const char *name, int32_t id)
{
    size_t n;
    const char *s = lm_tokenizer_piece(t->tok, id, &n);
    if (s)
        json_object_set_new(t->vars, name, json_stringn(s, n));
}

static void set_vars(const struct lm_gguf *g, const struct lm_model_text *t)
{
    static const struct { const char *name, *key; } more[] = {
        {"unk_token", "tokenizer.ggml.unknown_token_id"},
        {"pad_token", "tokenizer.ggml.padding_token_id"},
        {"sep_token", "tokenizer.ggml.seperator_token_id"},
        {"mask_token", "tokenizer.ggml.mask_token_id"},
    };
    set_token(t, "bos_token", lm_tokenizer_bos(t->tok));
    set_token(t, "eos_token", lm_tokenizer_eos(t->tok));
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        uint32_t id;
        if (lm_gguf_u32(g, more[i].key, UINT32_MAX, &id, NULL) == 0 && id < lm_tokenizer_n_vocab(t->tok))
            set_token(t, more[i].name, (int32_t)id);
    }
}

/* Does a rendering with this content (taken over) show its text? */
static bool shows(const struct lm_model_text *t, json_t *content)
{
    static const char text[] = "llmserveprobe";
    struct lm_bytes out = {0};
    json_t *vars = json_deep_copy(t->vars);
    json_object_set_new(vars, "messages", json_pack("[{s:s,s:o}]", "role", "user", "content", content));
    json_object_set_new(vars, "tools", json_null());
    json_object_set_new(vars, "documents", json_null());
    json_object_set_new(vars, "add_generation_prompt", json_true());
    bool ok = lm_template_render(t->chat, vars, NULL, &out, NULL) == 0 && out.data && strstr(out.data, text);
    json_decref(vars);
    lm_bytes_fini(&out);
    return ok;
}

static bool wants_parts(const struct lm_model_text *t)
{
    return !shows(t, json_string("llmserveprobe")) &&
           shows(t, json_pack("[{s:s,s:s}]", "type", "text", "text", "llmserveprobe"));
}

/*
 * Control tokens get bytes that no text has: only a grammar that names one allows it. Those that end get none.
 */
static int make_vocab(struct lm_model_text *t, struct lm_err *err)
{
    struct lm_msg_vocab h = {.n_vocab = lm_tokenizer_n_drawn(t->tok)};
    struct lm_bytes text = {.limit = LM_MSG_MAX_BYTES / 2};
    size_t n_end, n;
    const int32_t *end = lm_tokenizer_eog(t->tok, &n_end);
    lm_bytes_add(&t->vocab, &h, sizeof h);
    for (uint32_t i = 0; i <= h.n_vocab; i++) {
        uint32_t at = (uint32_t)text.len;
        lm_bytes_add(&t->vocab, &at, sizeof at);
        const char *s = i < h.n_vocab ? lm_tokenizer_piece(t->tok, (int32_t)i, &n) : NULL;
        char control[LM_CONTROL_BYTES];
        if (s && lm_tokenizer_is_eog(t->tok, (int32_t)i))
            continue;
        if (s && lm_tokenizer_is_control(t->tok, (int32_t)i)) {
            lm_control_bytes((int32_t)i, control);
            lm_bytes_add(&text, control, sizeof control);
        } else if (s) {
            lm_bytes_add(&text, s, n);
        }
    }
    lm_bytes_add(&t->vocab, end, n_end * sizeof *end);
    h.n_end = (uint32_t)n_end;
    lm_bytes_add(&t->vocab, text.data, text.len);
    h.n_text = (uint32_t)text.len;
    bool failed = t->vocab.failed || text.failed;
    if (!failed)
        memcpy(t->vocab.data, &h, sizeof h);
    lm_bytes_fini(&text);
    return failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

/* The texts of special tokens, as the folder has them. */
static void set_folder_vars(const struct lm_folder *f, const struct lm_model_text *t)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n;
        const char *s = lm_folder_token(f, names[i], &n);
        if (s)
            json_object_set_new(t->vars, names[i], json_stringn(s, n));
    }
}

static int load_folder(const char *path, bool templates, struct lm_model_text *t, struct lm_err *err)
{
    struct lm_folder f = {0};
    int rc = lm_folder_open(path, &f, err);
    if (!rc)
        rc = lm_tokenizer_open(path, &t->tok, err);
    if (!rc) {
        set_token(t, "bos_token", lm_tokenizer_bos(t->tok));
        set_token(t, "eos_token", lm_tokenizer_eos(t->tok));
        set_folder_vars(&f, t);
    }
    if (!rc && templates) {
        lm_bytes_add(&t->source, f.chat.data, f.chat.len);
        lm_bytes_add(&t->tools_source, f.tools.data, f.tools.len);
    }
    lm_folder_close(&f);
    return rc;
}

static int load_gguf(const struct lm_gguf *g, bool templates, struct lm_model_text *t, struct lm_err *err)
{
    int rc = lm_tokenizer_create(g, &t->tok, err);
    if (rc)
        return rc;
    set_vars(g, t);
    if (templates)
        sources_of_gguf(g, t);
    return 0;
}

int lm_model_text_init(const char *path, const struct lm_gguf *g, const char *chat_template_path, struct lm_model_text *out,
                       struct lm_err *err)
{
    struct lm_model_text t = {.vars = json_object()};
    bool own = !*chat_template_path;
    struct lm_hparams hp;
    int rc = t.vars ? lm_model_hparams(g, &hp, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc)
        rc = lm_folder_has_text(path, g) ? load_folder(path, own, &t, err) : load_gguf(g, own, &t, err);
    if (!rc) {
        lm_tokenizer_limit(t.tok, hp.n_vocab);
        rc = make_vocab(&t, err);
    }
    if (!rc && own)
        templates_of_model(&t);
    else if (!rc)
        rc = template_of_file(chat_template_path, &t, err);
    if (rc == 0 && t.chat)
        t.parts = wants_parts(&t);
    if (rc)
        lm_model_text_fini(&t);
    else
        *out = t;
    return rc;
}

int lm_model_text_parsers(struct lm_model_text *t, const char *tools, const char *reasoning, struct lm_err *err)
{
    const struct lm_bytes *source = t->tools_source.len ? &t->tools_source : &t->source;
    struct lm_bytes names = {0};
    int rc = 0;
    t->tool_syntax = lm_tool_syntax_find(tools, source->data);
    t->reasoning = strcmp(reasoning, "none") == 0 ? NULL : lm_reasoning_find(reasoning, t->source.data);
    if (!t->tool_syntax && strcmp(tools, "auto") != 0) {
        lm_tool_syntax_names(&names);
        rc = lm_fail(err, LM_ECONFIG, "tool-call-parser must be auto or one of %s", names.data);
    } else if (!t->reasoning && strcmp(reasoning, "auto") != 0 && strcmp(reasoning, "none") != 0) {
        lm_reasoning_names(&names);
        rc = lm_fail(err, LM_ECONFIG, "reasoning-parser must be auto, none or one of %s", names.data);
    }
    lm_bytes_fini(&names);
    return rc;
}

void lm_model_text_fini(struct lm_model_text *t)
{
    lm_tokenizer_destroy(t->tok);
    lm_template_destroy(t->chat);
    lm_template_destroy(t->tools);
    json_decref(t->vars);
    lm_bytes_fini(&t->source);
    lm_bytes_fini(&t->tools_source);
    lm_bytes_fini(&t->vocab);
    *t = (struct lm_model_text){0};
}

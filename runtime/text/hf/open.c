/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers by the path of a folder or of one of its files. */
#include "runtime/model/source.h"
#include "runtime/text/folder.h"
#include "runtime/text/hf/file.h"
#include "runtime/text/hf/jget.h"
#include "runtime/text/hf/spm.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_MORE = 1 << 15, MAX_EOG = 256 };

/* Names of special tokens in tokenizer_config.json and special_tokens_map.json. */
static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

static int add_special(json_t *list, const json_t *v, struct lm_err *err)
{
    json_t *o = NULL;
    if (json_is_object(v) && json_is_string(json_object_get(v, "content"))) {
        o = json_copy((json_t *)(uintptr_t)v);
        json_object_set_new(o, "special", json_true());
        if (!json_object_get(v, "normalized"))
            json_object_set_new(o, "normalized", json_false());
    } else if (json_is_string(v)) {
        o = json_pack("{s:O,s:b,s:b}", "content", v, "special", 1, "normalized", 0);
    } else {
        return 0;
    }
    return json_array_append_new(list, o) ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

static int by_id(const void *a, const void *b)
{
    long x = strtol(*(const char *const *)a, NULL, 10), y = strtol(*(const char *const *)b, NULL, 10);
    return (x > y) - (x < y);
}

/* added_tokens_decoder: {"id": token}, in the order of their ids. */
static int add_decoder(json_t *list, const json_t *decoder, struct lm_err *err)
{
    size_t n = json_object_size(decoder), i = 0;
    const char *key, **keys = malloc((n + 1) * sizeof *keys);
    json_t *v;
    if (!keys)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    json_object_foreach((json_t *)(uintptr_t)decoder, key, v)
        keys[i++] = key;
    qsort(keys, n, sizeof *keys, by_id);
    for (i = 0; i < n; i++)
        json_array_append(list, json_object_get(decoder, keys[i]));
    free(keys);
    return 0;
}

/* What a folder's other files add to the tokens of its tokenizer. */
static int more_tokens(const struct lm_folder *f, json_t **out, struct lm_err *err)
{
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    json_t *list = json_array();
    int rc = list ? add_decoder(list, json_object_get(f->config, "added_tokens_decoder"), err)
                  : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < sizeof roles / sizeof *roles && !rc; i++) {
        const json_t *v = json_object_get(f->config, roles[i]);
        rc = add_special(list, v ? v : json_object_get(f->map, roles[i]), err);
    }
    for (size_t i = 0; i < 2 && !rc; i++) {
        const json_t *v = json_object_get(f->config, lists[i]), *one;
        size_t k;
        json_array_foreach(v, k, one)
            rc = rc ? rc : add_special(list, one, err);
    }
    if (!rc && json_array_size(list) > MAX_MORE)
        rc = lm_fail(err, LM_ELIMIT, "tokenizer_config.json has more than %d added tokens", MAX_MORE);
    if (rc)
        json_decref(list);
    else
        *out = list;
    return rc;
}

static int32_t token_id(const struct lm_tokenizer *t, const char *s, size_t n)
{
    const struct lm_added_token *a = t->hf ? lm_added_find(&t->hf->added, s, n) : NULL;
    int32_t id = a ? a->id : lm_vocab_find(&t->vocab, s, n);
    for (uint32_t i = 0; id < 0 && i < t->vocab.n; i++) { /* control pieces are not to be found in a text */
        size_t len;
        const char *text = lm_vocab_text(&t->vocab, (int32_t)i, &len);
        if (len == n && memcmp(text, s, n) == 0)
            id = (int32_t)i;
    }
    return id;
}

static void put_eog(struct lm_vocab *v, int64_t id)
{
    for (size_t i = 0; i < v->n_eog; i++)
        if (v->eog[i] == id)
            return;
    if (id < 0 || id >= v->n || v->n_eog == MAX_EOG)
        return;
    size_t at = v->n_eog++;
    for (; at > 0 && v->eog[at - 1] > id; at--)
        v->eog[at] = v->eog[at - 1];
    v->eog[at] = (int32_t)id;
}

/* eos_token; eos_token_id of generation_config.json, or where that is not given special tokens that are known to end. */
static int set_eog(struct lm_tokenizer *t, const struct lm_folder *f, struct lm_err *err)
{
    struct lm_vocab *v = &t->vocab;
    const json_t *ids = json_object_get(f->generation, "eos_token_id"), *id;
    size_t i;
    free(v->eog);
    v->n_eog = 0;
    v->eog = malloc(MAX_EOG * sizeof *v->eog);
    if (!v->eog)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    put_eog(v, v->eos);
    if (json_is_integer(ids))
        put_eog(v, json_integer_value(ids));
    json_array_foreach(ids, i, id)
        if (json_is_integer(id))
            put_eog(v, json_integer_value(id));
    for (i = 0; (!ids || json_is_null(ids)) && i < v->n; i++) {
        size_t n;
        const char *s = lm_vocab_text(v, (int32_t)i, &n);
        if (v->kind[i] == LM_TOKEN_CONTROL && lm_vocab_ends(s, n))
            put_eog(v, (int64_t)i);
    }
    return 0;
}

static int set_roles(struct lm_tokenizer *t, const struct lm_folder *f, struct lm_err *err)
{
    struct {
        const char *key;
        int32_t *id;
    } role[] = {{"bos_token", &t->vocab.bos}, {"eos_token", &t->vocab.eos}, {"unk_token", &t->vocab.unk}};
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        const char *s = lm_folder_token(f, role[i].key, &n);
        int32_t id = s ? token_id(t, s, n) : -1;
        *role[i].id = id >= 0 ? id : *role[i].id;
    }
    if (t->spm) { /* a tokenizer.json says it in its post_processor */
        int rc = lm_jget_bool(f->config, "tokenizer_config.json", "add_bos_token", &t->add_bos, err);
        if (!rc)
            rc = lm_jget_bool(f->config, "tokenizer_config.json", "add_eos_token", &t->add_eos, err);
        if (rc)
            return rc;
    }
    return set_eog(t, f, err);
}

typedef int reader(struct lm_tokenizer *t, const char *s, size_t n, const json_t *more, struct lm_err *err);

static int create(reader *read, const char *s, size_t n, const struct lm_folder *f, struct lm_tokenizer **out,
                  struct lm_err *err)
{
    static const struct lm_folder none = {0};
    json_t *more = NULL;
    struct lm_tokenizer *t = calloc(1, sizeof *t);
    f = f ? f : &none;
    int rc = t ? more_tokens(f, &more, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc)
        rc = read(t, s, n, more, err);
    if (!rc)
        rc = set_roles(t, f, err);
    json_decref(more);
    if (rc)
        lm_tokenizer_destroy(t);
    else
        *out = t;
    return rc;
}

int lm_tokenizer_parse(const char *s, size_t n, const struct lm_folder *f, struct lm_tokenizer **out, struct lm_err *err)
{
    return create(lm_hf_read, s, n, f, out, err);
}

int lm_tokenizer_parse_pieces(const char *s, size_t n, const struct lm_folder *f, struct lm_tokenizer **out,
                              struct lm_err *err)
{
    return create(lm_spm_read, s, n, f, out, err);
}

static int open_file(const char *path, const char *name, reader *read, const struct lm_folder *f,
                     struct lm_tokenizer **out, struct lm_err *err)
{
    struct lm_bytes text = {0};
    int rc = lm_folder_read(path, name, LM_HF_MAX_BYTES, &text, err);
    if (!rc)
        rc = create(read, text.data, text.len, f, out, err);
    lm_bytes_fini(&text);
    return rc;
}

static int open_folder(const char *path, const struct lm_folder *f, struct lm_tokenizer **out, struct lm_err *err)
{
    struct stat st;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return open_file(path, name, n > 6 && strcmp(name + n - 6, ".model") == 0 ? lm_spm_read : lm_hf_read, f, out, err);
    int rc = open_file(path, "tokenizer.json", lm_hf_read, f, out, err);
    if (rc == LM_ENOTFOUND)
        rc = open_file(path, "tokenizer.model", lm_spm_read, f, out, err);
    if (rc == LM_ENOTFOUND)
        rc = lm_fail(err, LM_ENOTFOUND, "there is neither a tokenizer.json nor a tokenizer.model");
    return rc;
}

int lm_tokenizer_open(const char *path, struct lm_tokenizer **out, struct lm_err *err)
{
    struct lm_gguf *g = NULL;
    struct lm_folder f = {0};
    int rc;
    if (lm_folder_is(path)) {
        rc = lm_folder_open(path, &f, err);
        if (!rc)
            rc = open_folder(path, &f, out, err);
        lm_folder_close(&f);
        return rc ? lm_fail_in(err, rc, "%.80s", path) : 0;
    }
    rc = lm_source_open(path, &g, err);
    if (!rc && (rc = lm_tokenizer_create(g, out, err)))
        lm_fail_in(err, rc, "%s", path);
    lm_gguf_close(g);
    return rc;
}

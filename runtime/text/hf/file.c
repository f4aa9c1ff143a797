/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/file.h"

#include "runtime/base/utf8.h"
#include "runtime/text/hf/jget.h"
#include "runtime/base/json.h"
#include "runtime/base/pull.h"
#include <stdlib.h>

enum section_name { ADDED, NORMALIZER, PRE, POST, DECODER, MODEL, VERSION, N_SECTION };
static const char *const names[N_SECTION] = {"added_tokens",   "normalizer", "pre_tokenizer", "post_processor",
                                             "decoder",        "model",      "version"};

static int find_sections(const char *s, size_t n, struct lm_hf_section *out, struct lm_err *err)
{
    struct lm_pull p = {.s = s, .n = n, .where = "tokenizer.json", .err = err};
    struct lm_bytes key = {0};
    int rc = lm_pull_enter(&p, '{'), more = 0;
    for (bool first = true; !rc && (more = lm_pull_more(&p, first, '}')) > 0; first = false) {
        lm_bytes_clear(&key);
        rc = lm_pull_key(&p, &key);
        if (rc)
            break;
        lm_pull_peek(&p);
        size_t from = p.i;
        rc = lm_pull_skip(&p);
        for (int i = 0; i < N_SECTION && !rc; i++)
            if (key.len && strcmp(key.data, names[i]) == 0)
                out[i] = (struct lm_hf_section){s + from, p.i - from};
    }
    lm_bytes_fini(&key);
    if (!rc)
        rc = more;
    if (!rc && (lm_pull_peek(&p) || p.i != n))
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.json: text behind its end, at byte %zu", p.i);
    if (!rc && !out[MODEL].n)
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.json has no model");
    return rc;
}

static int parse(const struct lm_hf_section *section, enum section_name i, json_t **out, struct lm_err *err)
{
    struct lm_err why = {0};
    if (section[i].n == 0)
        return 0;
    *out = lm_json_load(section[i].s, section[i].n, LM_JSON_ANY | LM_JSON_NUL, &why);
    return *out ? 0 : lm_fail(err, why.code, "%s: %.120s of it", names[i], why.msg);
}

static int load_added(struct lm_hf *h, const json_t *j, const json_t *more, struct lm_err *err)
{
    int rc = lm_added_load(&h->added, j, err);
    size_t n = h->added.n, i;
    const json_t *one;
    json_array_foreach(more, i, one) {
        const json_t *text = json_object_get(one, "content");
        bool known = json_is_string(text) && lm_added_knows(&h->added, n, json_string_value(text), json_string_length(text));
        if (!rc && !known)
            rc = lm_added_load_one(&h->added, one, "tokenizer_config.json: an added token", err);
    }
    return rc;
}

static int load_parts(struct lm_hf *h, json_t *const *part, const json_t *more, struct lm_err *err)
{
    int rc = lm_norm_load(&h->norm, part[NORMALIZER], err);
    if (!rc)
        rc = lm_split_load(&h->split, part[PRE], err);
    if (!rc)
        rc = lm_dec_load(&h->dec, part[DECODER], err);
    if (!rc)
        rc = load_added(h, part[ADDED], more, err);
    const char *version = json_string_value(part[VERSION]);
    if (!rc && part[VERSION] && (!version || strcmp(version, "1.0") != 0))
        rc = lm_fail(err, LM_EUNSUPPORTED, "tokenizer.json: version '%.20s' is not supported", version ? version : "");
    return rc;
}

static int make(struct lm_tokenizer *t, const struct lm_hf_section *section, json_t *const *part, struct lm_err *err)
{
    struct lm_hf_vocab tokens = {0};
    struct lm_hf_section merges = {0};
    json_t *rest = NULL;
    int rc = lm_added_build(&t->hf->added, &t->hf->norm, err);
    if (!rc)
        rc = lm_hf_model_read(t->hf, section[MODEL], &tokens, &merges, &rest, err);
    if (!rc)
        rc = lm_hf_vocab_make(t, &tokens, err);
    if (!rc)
        rc = lm_hf_model_make(t, &tokens, merges, rest, err);
    if (!rc)
        rc = lm_hf_post_read(t->hf, &t->vocab, part[POST], err);
    if (!rc)
        rc = lm_hf_pieces_make(&t->vocab, &t->hf->dec, err);
    json_decref(rest);
    lm_bytes_fini(&tokens.text);
    free(tokens.token);
    return rc;
}

int lm_hf_read(struct lm_tokenizer *t, const char *s, size_t n, const json_t *more, struct lm_err *err)
{
    struct lm_hf_section section[N_SECTION] = {{0}};
    json_t *part[N_SECTION] = {NULL};
    t->hf = calloc(1, sizeof *t->hf);
    int rc = t->hf ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    t->vocab.bos = t->vocab.eos = t->vocab.unk = -1;
    if (!rc && n > LM_HF_MAX_BYTES)
        rc = lm_fail(err, LM_ELIMIT, "tokenizer.json has more than 1 GiB");
    if (!rc && !lm_utf8_valid(s, n))
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.json is not UTF-8");
    if (!rc)
        rc = find_sections(s, n, section, err);
    for (int i = 0; i < N_SECTION && !rc; i++)
        if (i != MODEL)
            rc = parse(section, (enum section_name)i, &part[i], err);
    if (!rc)
        rc = load_parts(t->hf, part, more, err);
    if (!rc)
        rc = make(t, section, part, err);
    for (int i = 0; i < N_SECTION; i++)
        json_decref(part[i]);
    return rc;
}

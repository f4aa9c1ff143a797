/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"
#include "runtime/text/hf/file.h"
#include "runtime/text/hf/jget.h"
#include "runtime/base/json.h"
#include "runtime/base/pull.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_ID = 1 << 26, MAX_TOKENS = 1 << 24, MAX_AFFIX = 64 };
static const char WHERE[] = "model";

static int section(struct lm_pull *p, struct lm_hf_section *out)
{
    lm_pull_peek(p);
    out->s = p->s + p->i;
    size_t from = p->i;
    int rc = lm_pull_skip(p);
    out->n = p->i - from;
    return rc;
}

static int set_rest(json_t *rest, const char *key, struct lm_hf_section s, struct lm_err *err)
{
    struct lm_err why = {0};
    json_t *v = lm_json_load(s.s, s.n, LM_JSON_ANY | LM_JSON_NUL, &why);
    if (!v)
        return lm_fail(err, why.code, "%s.%.40s: %.120s", WHERE, key, why.msg);
    return json_object_set_new(rest, key, v) ? lm_fail(err, LM_EFORMAT, "%s has a name that is no text", WHERE) : 0;
}

/* Members: the two long ones by their place, the others as they are. */
static int split_members(struct lm_hf_section model, struct lm_hf_section *vocab, struct lm_hf_section *merges,
                         json_t *rest, struct lm_err *err)
{
    struct lm_pull p = {.s = model.s, .n = model.n, .where = WHERE, .err = err};
    struct lm_bytes key = {0};
    int rc = lm_pull_enter(&p, '{'), more = 0;
    for (bool first = true; !rc && (more = lm_pull_more(&p, first, '}')) > 0; first = false) {
        struct lm_hf_section s;
        lm_bytes_clear(&key);
        rc = lm_pull_key(&p, &key);
        if (!rc)
            rc = section(&p, &s);
        if (rc)
            break;
        if (key.len && strcmp(key.data, "vocab") == 0)
            *vocab = s;
        else if (key.len && strcmp(key.data, "merges") == 0)
            *merges = s;
        else
            rc = set_rest(rest, key.len ? key.data : "", s, err);
    }
    lm_bytes_fini(&key);
    return rc ? rc : more;
}

/* Files before 2020 have no type. */
static const char *guess_type(const json_t *rest, struct lm_hf_section vocab, struct lm_hf_section merges)
{
    if (merges.n)
        return "BPE";
    if (vocab.n && vocab.s[0] == '[')
        return "Unigram";
    return json_object_get(rest, "max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

static int find_kind(struct lm_hf *h, const json_t *rest, struct lm_hf_section vocab, struct lm_hf_section merges,
                     struct lm_err *err)
{
    static const char *const names[] = {"BPE", "Unigram", "WordPiece", "WordLevel"};
    const char *type;
    size_t n, i = 0;
    int rc = lm_jget_str(rest, WHERE, "type", true, &type, &n, err);
    if (rc)
        return rc;
    if (!type)
        type = guess_type(rest, vocab, merges);
    while (i < 4 && strcmp(type, names[i]) != 0)
        i++;
    if (i == 4)
        return lm_fail(err, LM_EUNSUPPORTED, "%s type '%.40s' is not supported", WHERE, type);
    h->kind = (enum lm_hf_kind)i;
    return 0;
}

static int add_token(struct lm_hf_vocab *v, size_t at, uint32_t id, double score, struct lm_err *err)
{
    if (v->n == v->cap) {
        size_t cap = v->cap ? 2 * v->cap : 4096;
        struct lm_hf_raw *grown = cap > 2 * MAX_TOKENS ? NULL : realloc(v->token, cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ELIMIT, "%s.vocab has more than %d tokens", WHERE, MAX_TOKENS);
        v->token = grown;
        v->cap = cap;
    }
    v->token[v->n++] = (struct lm_hf_raw){at, score, (uint32_t)(v->text.len - at), id};
    return 0;
}

static int read_ids(struct lm_hf_vocab *v, struct lm_hf_section s, struct lm_err *err)
{
    struct lm_pull p = {.s = s.s, .n = s.n, .where = "model.vocab", .err = err};
    int rc = lm_pull_enter(&p, '{'), more = 0;
    for (bool first = true; !rc && (more = lm_pull_more(&p, first, '}')) > 0; first = false) {
        size_t at = v->text.len;
        uint32_t id;
        rc = lm_pull_key(&p, &v->text);
        if (!rc)
            rc = lm_pull_id(&p, MAX_ID, &id);
        if (!rc)
            rc = add_token(v, at, id, 0, err);
    }
    return rc ? rc : more;
}

static int read_scored(struct lm_hf_vocab *v, struct lm_pull *p, struct lm_err *err)
{
    size_t at = v->text.len;
    double score = 0;
    int rc = lm_pull_enter(p, '[');
    if (!rc)
        rc = lm_pull_string(p, &v->text);
    if (!rc && lm_pull_more(p, false, ']') != 1)
        rc = lm_fail(err, LM_EFORMAT, "model.vocab[%zu] is not a text and a number", v->n);
    if (!rc)
        rc = lm_pull_number(p, &score);
    if (!rc && lm_pull_more(p, false, ']') != 0)
        rc = lm_fail(err, LM_EFORMAT, "model.vocab[%zu] is not a text and a number", v->n);
    return rc ? rc : add_token(v, at, (uint32_t)v->n, score, err);
}

static int read_scores(struct lm_hf_vocab *v, struct lm_hf_section s, struct lm_err *err)
{
    struct lm_pull p = {.s = s.s, .n = s.n, .where = "model.vocab", .err = err};
    int rc = lm_pull_enter(&p, '['), more = 0;
    for (bool first = true; !rc && (more = lm_pull_more(&p, first, ']')) > 0; first = false)
        rc = read_scored(v, &p, err);
    return rc ? rc : more;
}

static int read_affix(char **out, const json_t *rest, const char *key, const char *fallback, struct lm_err *err)
{
    const char *s;
    size_t n;
    int rc = lm_jget_str(rest, WHERE, key, true, &s, &n, err);
    if (rc)
        return rc;
    if (!s)
        s = fallback;
    if (s && strlen(s) > MAX_AFFIX)
        return lm_fail(err, LM_ELIMIT, "%s.%s has more than %d bytes", WHERE, key, MAX_AFFIX);
    return s ? lm_jget_copy(s, strlen(s), out, err) : 0;
}

static int read_members(struct lm_hf *h, const json_t *rest, struct lm_err *err)
{
    const json_t *dropout = json_object_get(rest, "dropout");
    h->max_chars = 100;
    int rc = lm_jget_bool(rest, WHERE, "byte_fallback", &h->byte_fallback, err);
    if (!rc)
        rc = lm_jget_bool(rest, WHERE, "fuse_unk", &h->fuse_unk, err);
    if (!rc)
        rc = lm_jget_bool(rest, WHERE, "ignore_merges", &h->ignore_merges, err);
    if (!rc)
        rc = lm_jget_size(rest, WHERE, "max_input_chars_per_word", SIZE_MAX / 2, &h->max_chars, err);
    if (!rc && h->kind != LM_HF_UNIGRAM)
        rc = read_affix(&h->inner, rest, "continuing_subword_prefix", h->kind == LM_HF_WORDPIECE ? "##" : NULL, err);
    if (!rc && h->kind == LM_HF_BPE)
        rc = read_affix(&h->final, rest, "end_of_word_suffix", NULL, err);
    if (!rc && json_is_number(dropout) && json_number_value(dropout) > 0)
        rc = lm_fail(err, LM_EUNSUPPORTED, "%s.dropout: tokens by chance are not supported", WHERE);
    for (int i = 0; i < 2 && !rc && h->kind == LM_HF_BPE; i++) { /* empty ones do nothing */
        char **affix = i ? &h->final : &h->inner;
        if (*affix && !**affix) {
            free(*affix);
            *affix = NULL;
        }
    }
    return rc;
}

int lm_hf_model_read(struct lm_hf *h, struct lm_hf_section model, struct lm_hf_vocab *tokens,
                     struct lm_hf_section *out_merges, json_t **out_rest, struct lm_err *err)
{
    struct lm_hf_section vocab = {0};
    json_t *rest = json_object();
    *out_rest = rest;
    int rc = rest ? split_members(model, &vocab, out_merges, rest, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc && vocab.n == 0)
        rc = lm_fail(err, LM_EFORMAT, "%s.vocab is missing", WHERE);
    if (!rc)
        rc = find_kind(h, rest, vocab, *out_merges, err);
    if (!rc)
        rc = read_members(h, rest, err);
    if (!rc)
        rc = h->kind == LM_HF_UNIGRAM ? read_scores(tokens, vocab, err) : read_ids(tokens, vocab, err);
    return rc;
}

struct merges {
    struct lm_pull p;
    const struct lm_hf *h;
    bool done, first;
    size_t i;
    struct lm_bytes left[LM_BPE_BATCH + 1], right[LM_BPE_BATCH + 1];
};

static int pair_of_strings(struct merges *m, struct lm_bytes *left, struct lm_bytes *right)
{
    int rc = lm_pull_enter(&m->p, '[');
    if (!rc)
        rc = lm_pull_string(&m->p, left);
    if (!rc && lm_pull_more(&m->p, false, ']') != 1)
        rc = lm_fail(m->p.err, LM_EFORMAT, "model.merges[%zu] is not two texts", m->i);
    if (!rc)
        rc = lm_pull_string(&m->p, right);
    if (!rc && lm_pull_more(&m->p, false, ']') != 0)
        rc = lm_fail(m->p.err, LM_EFORMAT, "model.merges[%zu] is not two texts", m->i);
    return rc;
}

static int one_string(struct merges *m, struct lm_bytes *left, struct lm_bytes *right)
{
    int rc = lm_pull_string(&m->p, left);
    if (rc)
        return rc;
    char *space = left->len ? memchr(left->data, ' ', left->len) : NULL;
    if (!space || memchr(space + 1, ' ', left->len - (size_t)(space + 1 - left->data)))
        return lm_fail(m->p.err, LM_EFORMAT, "model.merges[%zu] is not two texts with a space between them", m->i);
    size_t at = (size_t)(space - left->data);
    lm_bytes_add(right, space + 1, left->len - at - 1);
    left->len = at;
    return right->failed ? lm_fail(m->p.err, LM_ENOMEM, "out of memory") : 0;
}

static int next_merge(void *ctx, struct lm_bpe_merge *out, struct lm_err *err)
{
    struct merges *m = ctx;
    struct lm_bytes *left = &m->left[m->i % (LM_BPE_BATCH + 1)], *right = &m->right[m->i % (LM_BPE_BATCH + 1)];
    int more = m->done ? 0 : lm_pull_more(&m->p, m->first, ']');
    m->done = more <= 0;
    m->first = false;
    if (more <= 0)
        return more;
    lm_bytes_clear(left);
    lm_bytes_clear(right);
    int rc = lm_pull_peek(&m->p) == '[' ? pair_of_strings(m, left, right) : one_string(m, left, right);
    if (rc)
        return rc;
    size_t skip = m->h->inner ? strlen(m->h->inner) : 0;
    if (left->len == 0 || right->len < skip || right->len == 0)
        return lm_fail(err, LM_EFORMAT, "model.merges[%zu] has an empty text", m->i);
    *out = (struct lm_bpe_merge){left->data, right->data, left->len, right->len, skip};
    m->i++;
    return 1;
}

/* A merge takes at least as many bytes as an empty string and a comma. */
static int read_merges(struct lm_tokenizer *t, struct lm_hf_section s, struct lm_err *err)
{
    struct merges *m = calloc(1, sizeof *m);
    if (!m)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    m->p = (struct lm_pull){.s = s.n ? s.s : "[]", .n = s.n ? s.n : 2, .where = "model.merges", .err = err};
    m->h = t->hf;
    m->first = true;
    size_t commas = 1;
    for (size_t i = 0; i < s.n; i++)
        commas += s.s[i] == ',';
    bool pairs = s.n && memchr(s.s + 1, '[', s.n - 1 < 16 ? s.n - 1 : 16);
    int rc = lm_pull_enter(&m->p, '[');
    if (!rc)
        rc = lm_bpe_read(&t->bpe, &t->vocab, pairs ? commas / 2 + 1 : commas, true, next_merge, m, err);
    for (size_t i = 0; i <= LM_BPE_BATCH; i++) {
        lm_bytes_fini(&m->left[i]);
        lm_bytes_fini(&m->right[i]);
    }
    free(m);
    return rc;
}

/* Of equal texts the last one counts. */
static int make_trie(struct lm_hf *h, const struct lm_hf_vocab *v, struct lm_err *err)
{
    struct lm_trie_key *key = malloc((v->n + 1) * sizeof *key);
    int rc = key ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < v->n && !rc; i++) {
        const struct lm_hf_raw *raw = &v->token[v->n - 1 - i];
        if (raw->n > LM_HF_MAX_TOKEN)
            rc = lm_fail(err, LM_ELIMIT, "token %u of the model has more than %d bytes", raw->id, LM_HF_MAX_TOKEN);
        else
            key[i] = (struct lm_trie_key){v->text.data + raw->at, raw->n, (int32_t)raw->id};
    }
    if (!rc)
        rc = lm_trie_build(&h->trie, key, v->n, err);
    free(key);
    return rc;
}

static int make_unigram(struct lm_hf *h, const struct lm_hf_vocab *v, const json_t *rest, struct lm_err *err)
{
    size_t unk = SIZE_MAX;
    double least = INFINITY;
    int rc = lm_jget_size(rest, WHERE, "unk_id", v->n ? v->n - 1 : 0, &unk, err);
    if (rc)
        return rc;
    h->unk = unk == SIZE_MAX ? -1 : (int32_t)unk;
    h->score = malloc((v->n + 1) * sizeof *h->score);
    if (!h->score)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < v->n; i++) {
        h->score[i] = v->token[i].score;
        least = h->score[i] < least ? h->score[i] : least;
    }
    h->unk_score = least - 10;
    return make_trie(h, v, err);
}

static int find_unk(struct lm_hf *h, const struct lm_vocab *v, const json_t *rest, struct lm_err *err)
{
    const char *unk;
    size_t n;
    int rc = lm_jget_str(rest, WHERE, "unk_token", true, &unk, &n, err);
    if (!unk && h->kind != LM_HF_BPE) {
        unk = h->kind == LM_HF_WORDPIECE ? "[UNK]" : "<unk>";
        n = 5;
    }
    h->unk = rc || !unk ? -1 : lm_vocab_find(v, unk, n);
    return rc;
}

static void make_tables(struct lm_hf *h, const struct lm_vocab *v)
{
    char s[8];
    for (uint32_t c = 0; c < LM_HF_N_CHARS; c++)
        h->chars[c] = lm_vocab_find(v, s, (size_t)lm_utf8_encode(c, s));
    for (unsigned b = 0; b < 256; b++) {
        snprintf(s, sizeof s, "<0x%02X>", b);
        h->bytes[b] = lm_vocab_find(v, s, 6);
    }
}

int lm_hf_model_make(struct lm_tokenizer *t, const struct lm_hf_vocab *tokens, struct lm_hf_section merges,
                     const json_t *rest, struct lm_err *err)
{
    struct lm_hf *h = t->hf;
    make_tables(h, &t->vocab);
    if (h->kind == LM_HF_UNIGRAM)
        return make_unigram(h, tokens, rest, err);
    int rc = find_unk(h, &t->vocab, rest, err);
    if (!rc && h->kind == LM_HF_BPE)
        rc = read_merges(t, merges, err);
    if (rc || h->kind != LM_HF_WORDPIECE)
        return rc;
    rc = make_trie(h, tokens, err);
    uint32_t at = 0;
    for (const char *s = h->inner; !rc && h->trie.node && *s; s++)
        if ((at = lm_trie_step(&h->trie, at, (unsigned char)*s)) == 0)
            break;
    h->inner_node = at;
    return rc;
}

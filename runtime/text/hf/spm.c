/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/spm.h"

#include "runtime/text/hf/file.h"
#include "runtime/text/hf/jget.h"
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_PIECES = 1 << 24, UNIGRAM = 1, BPE = 2 };
enum { VARINT, FIXED64, BYTES, FIXED32 = 5 }; /* wire types */

struct message {
    const unsigned char *s;
    size_t n, i;
    const char *where;
    struct lm_err *err;
};

struct field {
    uint32_t number, type;
    uint64_t v; /* of a varint or FIXED32 */
    struct message inside;
};

struct piece {
    const char *s;
    uint32_t n;
    float score;
    uint8_t kind;
};

struct model {
    struct piece *piece;
    size_t n, cap;
    const char *map;
    size_t n_map;
    uint64_t type;
    int64_t unk, bos, eos;
    bool byte_fallback;
};

static int damaged(const struct message *m)
{
    return lm_fail(m->err, LM_EFORMAT, "tokenizer.model: %s is damaged at byte %zu of it", m->where, m->i);
}

static int varint(struct message *m, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (m->i == m->n)
            return damaged(m);
        unsigned char b = m->s[m->i++];
        v |= shift < 64 ? (uint64_t)(b & 0x7f) << shift : 0;
        if (b < 0x80) {
            *out = v;
            return 0;
        }
    }
    return damaged(m);
}

/* 1 and the next field; 0 there are no more; else an error. */
static int next_field(struct message *m, struct field *f)
{
    uint64_t tag, n;
    if (m->i == m->n)
        return 0;
    int rc = varint(m, &tag);
    if (rc)
        return rc;
    *f = (struct field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
    if (tag > UINT32_MAX || f->number == 0)
        return damaged(m);
    if (f->type == VARINT)
        return (rc = varint(m, &f->v)) ? rc : 1;
    if (f->type == FIXED32 || f->type == FIXED64)
        n = f->type == FIXED32 ? 4 : 8;
    else if (f->type != BYTES)
        return damaged(m);
    else if ((rc = varint(m, &n)))
        return rc;
    if (n > m->n - m->i)
        return damaged(m);
    f->inside = (struct message){m->s + m->i, (size_t)n, 0, m->where, m->err};
    for (size_t i = 0; f->type == FIXED32 && i < 4; i++)
        f->v |= (uint64_t)m->s[m->i + i] << 8 * i;
    m->i += (size_t)n;
    return 1;
}

static int read_piece(struct model *p, struct message m)
{
    struct piece piece = {"", 0, 0, LM_TOKEN_NORMAL};
    struct field f;
    int more;
    m.where = "a piece";
    while ((more = next_field(&m, &f)) > 0) {
        if (f.number == 1 && f.type == BYTES) {
            piece.s = (const char *)f.inside.s;
            piece.n = (uint32_t)f.inside.n;
        } else if (f.number == 2 && f.type == FIXED32) {
            uint32_t bits = (uint32_t)f.v;
            memcpy(&piece.score, &bits, 4);
        } else if (f.number == 3 && f.type == VARINT) {
            if (f.v < LM_TOKEN_NORMAL || f.v > LM_TOKEN_BYTE)
                return lm_fail(m.err, LM_EFORMAT, "tokenizer.model: piece %zu is of an unknown type", p->n);
            piece.kind = (uint8_t)f.v;
        }
    }
    if (more)
        return more;
    if (!isfinite(piece.score) || piece.n > LM_HF_MAX_TOKEN)
        return lm_fail(m.err, LM_EFORMAT, "tokenizer.model: piece %zu has no number as its score, or more than %d bytes",
                       p->n, LM_HF_MAX_TOKEN);
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 4096;
        struct piece *grown = cap > MAX_PIECES ? NULL : realloc(p->piece, cap * sizeof *grown);
        if (!grown)
            return lm_fail(m.err, LM_ELIMIT, "tokenizer.model has more than %d pieces", MAX_PIECES);
        p->piece = grown;
        p->cap = cap;
    }
    p->piece[p->n++] = piece;
    return 0;
}

static int read_trainer(struct model *p, struct lm_spm *spm, struct message m)
{
    struct field f;
    int more;
    m.where = "trainer_spec";
    while ((more = next_field(&m, &f)) > 0) {
        if (f.type != VARINT)
            continue;
        int64_t v = f.v > INT32_MAX ? -1 : (int64_t)f.v;
        switch (f.number) {
        case 3: p->type = f.v; break;
        case 24: spm->suffix = f.v != 0; break;
        case 35: p->byte_fallback = f.v != 0; break;
        case 40: p->unk = v; break;
        case 41: p->bos = v; break;
        case 42: p->eos = v; break;
        }
    }
    return more;
}

static int read_normalizer(struct model *p, struct lm_spm *spm, struct message m)
{
    struct field f;
    int more;
    m.where = "normalizer_spec";
    while ((more = next_field(&m, &f)) > 0) {
        if (f.number == 2 && f.type == BYTES) {
            p->map = (const char *)f.inside.s;
            p->n_map = f.inside.n;
        }
        if (f.type != VARINT)
            continue;
        switch (f.number) {
        case 3: spm->dummy_prefix = f.v != 0; break;
        case 4: spm->remove_extra = f.v != 0; break;
        case 5: spm->escape = f.v != 0; break;
        }
    }
    return more;
}

static int read_model(struct model *p, struct lm_spm *spm, const char *s, size_t n, struct lm_err *err)
{
    struct message m = {(const unsigned char *)s, n, 0, "the model", err};
    struct field f;
    int more, rc = 0;
    while (!rc && (more = next_field(&m, &f)) > 0) {
        if (f.type != BYTES)
            continue;
        if (f.number == 1)
            rc = read_piece(p, f.inside);
        else if (f.number == 2)
            rc = read_trainer(p, spm, f.inside);
        else if (f.number == 3)
            rc = read_normalizer(p, spm, f.inside);
    }
    rc = rc ? rc : more;
    if (!rc && p->n == 0)
        rc = lm_fail(err, LM_EFORMAT, "tokenizer.model has no pieces");
    if (!rc && p->type != UNIGRAM && p->type != BPE)
        rc = lm_fail(err, LM_EUNSUPPORTED, "tokenizer.model: a model of type %llu (neither unigram nor bpe) is not supported",
                     (unsigned long long)p->type);
    return !rc && p->n_map ? lm_charsmap_init(&spm->map, p->map, p->n_map, err) : rc;
}

/* Added tokens that are no pieces get ids behind them; those that are and are special become control tokens. */
static int place_added(struct lm_added *a, struct model *p, uint32_t *out_n, struct lm_err *err)
{
    struct lm_vocab v = {0};
    uint64_t bytes = 0;
    uint32_t n = (uint32_t)p->n;
    for (size_t i = 0; i < p->n; i++)
        bytes += p->piece[i].n;
    int rc = lm_vocab_begin(&v, p->n, bytes, err);
    for (size_t i = 0; i < p->n && !rc; i++) {
        lm_vocab_put(&v, (int32_t)i, LM_TOKEN_CONTROL, p->piece[i].s, p->piece[i].n);
        lm_vocab_index(&v, (int32_t)i);
    }
    for (size_t i = 0; i < a->n && !rc; i++) {
        struct lm_added_token *t = &a->token[i];
        t->id = lm_vocab_find(&v, t->text, t->n);
        if (t->id < 0)
            t->id = (int32_t)n++;
        else if (t->flags & LM_ADDED_SPECIAL && p->piece[t->id].kind != LM_TOKEN_UNKNOWN)
            p->piece[t->id].kind = LM_TOKEN_CONTROL;
    }
    lm_vocab_fini(&v);
    *out_n = n;
    return rc;
}

static int byte_of(const struct piece *p)
{
    if (p->n != 6 || memcmp(p->s, "<0x", 3) != 0 || !isxdigit((unsigned char)p->s[3]) || !isxdigit((unsigned char)p->s[4]))
        return -1;
    return (int)strtoul((char[]){p->s[3], p->s[4], 0}, NULL, 16);
}

static int make_vocab(struct lm_tokenizer *t, const struct model *p, uint32_t n, struct lm_err *err)
{
    struct lm_vocab *v = &t->vocab;
    const struct lm_added *a = &t->hf->added;
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->n; i++)
        bytes += p->piece[i].n;
    for (size_t i = 0; i < a->n; i++)
        bytes += a->token[i].n;
    int rc = lm_vocab_begin(v, n, bytes, err);
    v->score = malloc(n * sizeof *v->score);
    if (!rc && !v->score)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    if (rc)
        return rc;
    memset(v->byte, 0xff, sizeof v->byte);
    for (size_t i = 0; i < p->n; i++) {
        const struct piece *piece = &p->piece[i];
        int byte = piece->kind == LM_TOKEN_BYTE ? byte_of(piece) : -1;
        lm_vocab_put(v, (int32_t)i, piece->kind, piece->s, piece->n);
        v->score[i] = piece->score;
        if (piece->kind == LM_TOKEN_NORMAL || piece->kind == LM_TOKEN_USER_DEFINED || piece->kind == LM_TOKEN_UNUSED)
            lm_vocab_index(v, (int32_t)i);
        if (byte >= 0 && p->byte_fallback)
            v->byte[byte] = (int32_t)i;
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct lm_added_token *added = &a->token[i];
        if (added->id < (int32_t)p->n)
            continue;
        lm_vocab_put(v, added->id, added->flags & LM_ADDED_SPECIAL ? LM_TOKEN_CONTROL : LM_TOKEN_USER_DEFINED, added->text,
                     added->n);
        v->score[added->id] = 0;
    }
    return 0;
}

static int make_tries(struct lm_tokenizer *t, const struct model *p, struct lm_err *err)
{
    struct lm_hf *h = t->hf;
    struct lm_trie_key *all = malloc((p->n + 1) * sizeof *all), *user = malloc((p->n + 1) * sizeof *user);
    size_t n_all = 0, n_user = 0;
    float least = INFINITY, most = FLT_MIN; /* so SentencePiece has it: user-defined pieces always win */
    h->score = malloc((p->n + 1) * sizeof *h->score);
    int rc = all && user && h->score ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < p->n && !rc; i++) {
        const struct piece *piece = &p->piece[i];
        struct lm_trie_key key = {piece->s, piece->n, (int32_t)i};
        h->score[i] = piece->score;
        if (piece->kind == LM_TOKEN_NORMAL || piece->kind == LM_TOKEN_USER_DEFINED)
            all[n_all++] = key;
        if (piece->kind == LM_TOKEN_USER_DEFINED)
            user[n_user++] = key;
        if (piece->kind == LM_TOKEN_NORMAL) {
            least = piece->score < least ? piece->score : least;
            most = piece->score > most ? piece->score : most;
        }
    }
    h->unk_score = least - 10;
    h->max_score = most;
    h->single = true;
    h->byte_fallback = p->byte_fallback;
    h->unk = t->vocab.unk;
    memcpy(h->bytes, t->vocab.byte, sizeof h->bytes);
    if (!rc)
        rc = lm_trie_build(&t->spm->user, user, n_user, err);
    if (!rc && t->spm->unigram)
        rc = lm_trie_build(&h->trie, all, n_all, err);
    free(all);
    free(user);
    return rc;
}

static int32_t checked(int64_t id, const struct model *p)
{
    return id >= 0 && (uint64_t)id < p->n ? (int32_t)id : -1;
}

static int make(struct lm_tokenizer *t, struct model *p, const json_t *more, struct lm_err *err)
{
    uint32_t n = 0;
    const json_t *one;
    size_t i;
    int rc = 0;
    json_array_foreach(more, i, one) {
        const json_t *text = json_object_get(one, "content");
        bool known = json_is_string(text) &&
                     lm_added_knows(&t->hf->added, t->hf->added.n, json_string_value(text), json_string_length(text));
        if (!rc && !known)
            rc = lm_added_load_one(&t->hf->added, one, "tokenizer_config.json: an added token", err);
    }
    if (!rc)
        rc = place_added(&t->hf->added, p, &n, err);
    if (!rc)
        rc = make_vocab(t, p, n, err);
    t->vocab.bos = checked(p->bos, p);
    t->vocab.eos = checked(p->eos, p);
    t->vocab.unk = checked(p->unk, p);
    t->add_bos = t->vocab.bos >= 0;
    t->add_space = t->spm->dummy_prefix || t->spm->remove_extra;
    t->spm->unigram = p->type == UNIGRAM;
    if (!rc)
        rc = make_tries(t, p, err);
    return rc ? rc : lm_special_init(&t->special, &t->vocab, false, (uint32_t)p->n, err);
}

int lm_spm_read(struct lm_tokenizer *t, const char *s, size_t n, const json_t *more, struct lm_err *err)
{
    struct model p = {.type = UNIGRAM, .bos = 1, .eos = 2};
    t->hf = calloc(1, sizeof *t->hf);
    t->spm = calloc(1, sizeof *t->spm);
    if (!t->hf || !t->spm)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    t->spm->dummy_prefix = t->spm->remove_extra = t->spm->escape = true;
    int rc = read_model(&p, t->spm, s, n, err);
    if (!rc)
        rc = make(t, &p, more, err);
    free(p.piece);
    return rc;
}

void lm_spm_fini(struct lm_spm *p)
{
    lm_charsmap_fini(&p->map);
    lm_trie_fini(&p->user);
}

/* User-defined pieces stay whole, and nothing is merged over them. */
static int encode_bpe(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_trie *user = &e->t->spm->user;
    size_t done = 0, used = 0;
    int rc = 0;
    for (size_t i = 0; user->node && i < n && !rc;) {
        int32_t id = user->first[(unsigned char)s[i]] ? lm_trie_longest(user, s + i, n - i, &used) : -1;
        if (id < 0) {
            i++;
            continue;
        }
        if (i > done)
            rc = lm_encode_scored(e, s + done, i - done);
        if (!rc)
            rc = lm_encoder_put(e, id);
        e->unknown = false;
        done = i += used;
    }
    return rc || done == n ? rc : lm_encode_scored(e, s + done, n - done);
}

int lm_spm_encode(struct lm_encoder *e, const char *text, size_t n)
{
    e->unknown = false;
    lm_bytes_clear(&e->text);
    lm_spm_normalize(e->t->spm, text, n, &e->text);
    if (e->text.failed)
        return lm_fail(e->err, LM_ENOMEM, "out of memory");
    if (e->text.len == 0)
        return 0;
    return e->t->spm->unigram ? lm_hf_encode_unigram(e, e->text.data, e->text.len)
                              : encode_bpe(e, e->text.data, e->text.len);
}

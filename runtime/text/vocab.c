/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/vocab.h"

#include "runtime/base/clock.h"
#include "runtime/base/utf8.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

static const char SPACE[] = "\xe2\x96\x81"; /* U+2581, SentencePiece's space */

static uint64_t load(const char *s, size_t n)
{
    uint64_t x = 0;
    uint32_t lo, hi;
    if (n >= 8) {
        memcpy(&x, s, 8);
    } else if (n >= 4) {
        memcpy(&lo, s, 4);
        memcpy(&hi, s + n - 4, 4);
        x = lo | (uint64_t)hi << 32;
    } else if (n) {
        x = (unsigned char)s[0] | (uint64_t)(unsigned char)s[n / 2] << 8 | (uint64_t)(unsigned char)s[n - 1] << 16;
    }
    return x;
}

/* No two texts of one length up to 8 have the same hash. */
static uint64_t hash(uint64_t seed, const char *s, size_t n)
{
    const uint64_t k = 0x9e3779b97f4a7c15u;
    uint64_t h = seed ^ n * k;
    for (; n > 8; s += 8, n -= 8) {
        h = (h ^ load(s, 8)) * k;
        h ^= h >> 32;
    }
    h = (h ^ load(s, n)) * k;
    return h ^ h >> 32;
}

static size_t find_slot(const struct lm_vocab *v, const char *s, size_t n, uint64_t h)
{
    size_t i = h & v->slot_mask;
    for (; v->slot[i].id >= 0; i = (i + 1) & v->slot_mask) {
        const struct lm_vocab_slot *slot = &v->slot[i];
        if (slot->hash == h && slot->len == n && (n <= 8 || memcmp(v->text + v->text_at[slot->id], s, n) == 0))
            break;
    }
    return i;
}

int32_t lm_vocab_find(const struct lm_vocab *v, const char *s, size_t n)
{
    if (n == 0 || n > v->max_len)
        return -1;
    return v->slot[find_slot(v, s, n, hash(v->seed, s, n))].id;
}

void lm_vocab_prefetch(const struct lm_vocab *v, const char *s, size_t n)
{
    __builtin_prefetch(&v->slot[hash(v->seed, s, n) & v->slot_mask]);
}

void lm_vocab_index(struct lm_vocab *v, int32_t id)
{
    size_t n;
    const char *s = lm_vocab_text(v, id, &n);
    if (n == 0)
        return;
    uint64_t h = hash(v->seed, s, n);
    struct lm_vocab_slot *slot = &v->slot[find_slot(v, s, n, h)];
    if (slot->id < 0)
        *slot = (struct lm_vocab_slot){h, id, (uint32_t)n};
}

static bool shown_as_is(unsigned char byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

/* The other 68 bytes are, in order, U+0100 .. U+0143. */
int lm_vocab_byte_char(unsigned char byte, char out[2])
{
    uint32_t c = byte;
    if (!shown_as_is(byte))
        c = 0x100u + (byte <= 0x20 ? byte : byte == 0xad ? 67u : byte - 0x7fu + 33u);
    char utf8[4];
    int n = lm_utf8_encode(c, utf8);
    memcpy(out, utf8, (size_t)n);
    return n;
}

static int byte_of_char(uint32_t c)
{
    if (c < 0x100)
        return shown_as_is((unsigned char)c) ? (int)c : -1;
    if (c >= 0x144)
        return -1;
    c -= 0x100;
    return (int)(c <= 0x20 ? c : c == 67 ? 0xad : c + 0x7f - 33);
}

bool lm_vocab_byte_text(const char *s, size_t n, struct lm_bytes *out)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int k = lm_utf8_decode(s + i, n - i, &c);
        int byte = k > 0 ? byte_of_char(c) : -1;
        if (byte < 0)
            return false;
        lm_bytes_add_char(out, (char)byte);
        i += (size_t)k;
    }
    return true;
}

/* Each returns the length of what it wrote, at most n; 0 when s is not of that form. */
static size_t from_byte_chars(const char *s, size_t n, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int k = lm_utf8_decode(s + i, n - i, &c);
        int byte = k > 0 ? byte_of_char(c) : -1;
        if (byte < 0)
            return 0;
        out[len++] = (char)byte;
        i += (size_t)k;
    }
    return len;
}

static size_t from_hex_byte(const char *s, size_t n, char *out)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || !isxdigit((unsigned char)s[3]) ||
        !isxdigit((unsigned char)s[4]))
        return 0;
    *out = (char)strtoul((char[]){s[3], s[4], 0}, NULL, 16);
    return 1;
}

static size_t from_spaced(const char *s, size_t n, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n;) {
        bool space = n - i >= 3 && memcmp(s + i, SPACE, 3) == 0;
        out[len++] = space ? ' ' : s[i];
        i += space ? 3 : 1;
    }
    return len;
}

static size_t make_piece(const struct lm_vocab *v, enum lm_token_kind kind, const char *s, size_t n, char *out)
{
    size_t len = 0;
    if (kind == LM_TOKEN_BYTE)
        len = from_hex_byte(s, n, out);
    else if (kind == LM_TOKEN_NORMAL || kind == LM_TOKEN_UNUSED || kind == LM_TOKEN_UNDEFINED)
        len = v->byte_coded ? from_byte_chars(s, n, out) : from_spaced(s, n, out);
    else if (kind == LM_TOKEN_USER_DEFINED && !v->byte_coded)
        len = from_spaced(s, n, out);
    if (len == 0 && n) {
        memcpy(out, s, n);
        len = n;
    }
    return len;
}

int lm_vocab_array(const struct lm_gguf *g, const char *key, bool strings, const struct lm_gguf_value **out,
                   struct lm_err *err)
{
    const struct lm_gguf_value *a = lm_gguf_get(g, key);
    if (!a)
        return lm_fail(err, LM_EFORMAT, "%s is missing", key);
    if (a->type != LM_GGUF_ARRAY || a->elem == LM_GGUF_ARRAY || (a->elem == LM_GGUF_STRING) != strings)
        return lm_fail(err, LM_EFORMAT, "%s is not an array of %s", key, strings ? "strings" : "numbers");
    *out = a;
    return 0;
}

/* An optional array with a number for each token; *out is NULL when it is absent. */
static int per_token(const struct lm_vocab *v, const struct lm_gguf *g, const char *key,
                     const struct lm_gguf_value **out, struct lm_err *err)
{
    *out = NULL;
    if (!lm_gguf_get(g, key))
        return 0;
    int rc = lm_vocab_array(g, key, false, out, err);
    if (!rc && (*out)->n < v->n)
        rc = lm_fail(err, LM_EFORMAT, "%s has %llu elements, tokenizer.ggml.tokens has %u", key,
                     (unsigned long long)(*out)->n, v->n);
    return rc;
}

static int load_kinds(struct lm_vocab *v, const struct lm_gguf *g, struct lm_err *err)
{
    static const char key[] = "tokenizer.ggml.token_type";
    const struct lm_gguf_value *a;
    int rc = per_token(v, g, key, &a, err);
    if (rc)
        return rc;
    memset(v->kind, LM_TOKEN_NORMAL, v->n);
    if (!a)
        return 0;
    for (uint32_t i = 0; i < v->n; i++) {
        int64_t kind = lm_gguf_elem_i64(a, i);
        if (kind < LM_TOKEN_UNDEFINED || kind > LM_TOKEN_BYTE)
            return lm_fail(err, LM_EFORMAT, "%s[%u]: %lld is no token type", key, i, (long long)kind);
        v->kind[i] = (uint8_t)kind;
    }
    return 0;
}

static int load_scores(struct lm_vocab *v, const struct lm_gguf *g, struct lm_err *err)
{
    static const char key[] = "tokenizer.ggml.scores";
    const struct lm_gguf_value *a;
    int rc = per_token(v, g, key, &a, err);
    if (rc || !a)
        return rc;
    v->score = malloc(v->n * sizeof *v->score);
    if (!v->score)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < v->n; i++) {
        v->score[i] = (float)lm_gguf_elem_f64(a, i);
        if (isnan(v->score[i]))
            return lm_fail(err, LM_EFORMAT, "%s[%u] is not a number", key, i);
    }
    return 0;
}

int lm_vocab_begin(struct lm_vocab *v, size_t n, uint64_t text_bytes, struct lm_err *err)
{
    if (n > INT32_MAX / 4 || text_bytes > UINT32_MAX)
        return lm_fail(err, LM_ELIMIT, "the vocabulary has %zu tokens, or more than 4 GiB", n);
    v->n = (uint32_t)n;
    size_t n_slot = 64;
    while (n_slot < 2 * n)
        n_slot *= 2;
    v->slot_mask = n_slot - 1;
    v->kind = malloc(n + 1);
    v->text = malloc(text_bytes + 1);
    v->piece = malloc(text_bytes + 1);
    v->text_at = calloc(n + 1, sizeof *v->text_at);
    v->piece_at = calloc(n + 1, sizeof *v->piece_at);
    v->slot = malloc(n_slot * sizeof *v->slot);
    if (!v->kind || !v->text || !v->piece || !v->text_at || !v->piece_at || !v->slot)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    memset(v->slot, 0xff, n_slot * sizeof *v->slot);
    v->seed = lm_now_us();
    return 0;
}

static int allocate(struct lm_vocab *v, const struct lm_gguf_value *tokens, struct lm_err *err)
{
    if (tokens->n == 0 || tokens->n > INT32_MAX / 4)
        return lm_fail(err, LM_EFORMAT, "tokenizer.ggml.tokens has %llu elements", (unsigned long long)tokens->n);
    if (tokens->bytes > UINT32_MAX)
        return lm_fail(err, LM_ELIMIT, "tokenizer.ggml.tokens has more than 4 GiB");
    return lm_vocab_begin(v, tokens->n, tokens->bytes, err);
}

static void mark_inner_spaces(struct lm_vocab *v, const char *s, size_t n)
{
    for (size_t i = 1; i + 3 <= n; i++)
        if (memcmp(s + i, SPACE, 3) == 0)
            v->inner[(unsigned char)s[i - 1]] = true;
}

void lm_vocab_put(struct lm_vocab *v, int32_t id, enum lm_token_kind kind, const char *s, size_t n)
{
    uint32_t text = v->text_at[id], piece = v->piece_at[id];
    v->kind[id] = (uint8_t)kind;
    if (n)
        memcpy(v->text + text, s, n);
    v->text_at[id + 1] = text + (uint32_t)n;
    v->piece_at[id + 1] = piece + (uint32_t)make_piece(v, kind, v->text + text, n, v->piece + piece);
    if (n > v->max_len)
        v->max_len = n;
    if (!v->byte_coded)
        mark_inner_spaces(v, v->text + text, n);
}

static void load_tokens(struct lm_vocab *v, const struct lm_gguf_value *tokens)
{
    const unsigned char *cursor = NULL;
    struct lm_gguf_str s;
    for (uint32_t i = 0; i < v->n && lm_gguf_next_string(tokens, &cursor, &s); i++) {
        lm_vocab_put(v, (int32_t)i, v->kind[i], s.s, s.n);
        lm_vocab_index(v, (int32_t)i);
    }
}

/* A byte's token: its character in the alphabet of bytes, else <0xHH>. */
static void load_bytes(struct lm_vocab *v)
{
    for (unsigned b = 0; b < 256; b++) {
        char text[8];
        size_t n;
        int len = v->byte_coded ? lm_vocab_byte_char((unsigned char)b, text)
                                : snprintf(text, sizeof text, "<0x%02X>", b);
        int32_t id = lm_vocab_find(v, text, (size_t)len);
        const char *piece = id < 0 ? NULL : lm_vocab_piece(v, id, &n);
        v->byte[b] = piece && n == 1 && (unsigned char)piece[0] == b ? id : -1;
    }
}

int lm_vocab_load(struct lm_vocab *v, const struct lm_gguf *g, bool byte_coded, struct lm_err *err)
{
    const struct lm_gguf_value *tokens = NULL;
    int rc = lm_vocab_array(g, "tokenizer.ggml.tokens", true, &tokens, err);
    if (!rc)
        rc = allocate(v, tokens, err);
    if (!rc)
        rc = load_kinds(v, g, err);
    if (!rc && !byte_coded)
        rc = load_scores(v, g, err);
    if (rc)
        return rc;
    v->byte_coded = byte_coded;
    load_tokens(v, tokens);
    load_bytes(v);
    return lm_vocab_load_special(v, g, err);
}

void lm_vocab_fini(struct lm_vocab *v)
{
    free(v->kind);
    free(v->score);
    free(v->text);
    free(v->text_at);
    free(v->piece);
    free(v->piece_at);
    free(v->slot);
    free(v->eog);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/affinity.h"

#include <stdlib.h>

#define BLOCK_TOK 32u      /* the engine's default block-size */
#define BLOCKS_MAX 128u    /* of a prompt, that are looked at */
#define N_ENTRY (1u << 15) /* a power of two */
#define LEAD_MIN 2u        /* requests more than another one has, for the sake of the cache; or a quarter of those */

struct entry { uint32_t tag; uint32_t engine; }; /* engine + 1; 0: empty */

struct lm_affinity {
    uint32_t n_engine, turn;
    struct entry entry[N_ENTRY];
};

struct lm_affinity *lm_affinity_create(uint32_t n_engine)
{
    struct lm_affinity *a = calloc(1, sizeof *a);
    if (a)
        a->n_engine = n_engine;
    return a;
}

void lm_affinity_destroy(struct lm_affinity *a)
{
    free(a);
}

static uint64_t mix(uint64_t h, int32_t tok)
{
    h = (h ^ (uint32_t)tok) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

/* Hashes of salt, adapter and the prompt's beginnings of 1, 2, … blocks. */
static size_t hash_blocks(const char *salt, uint32_t lora, const int32_t *tok, size_t n_tok, uint64_t *out)
{
    size_t n = n_tok / BLOCK_TOK;
    uint64_t h = mix(1, (int32_t)lora);
    n = n < BLOCKS_MAX ? n : BLOCKS_MAX;
    for (; salt && *salt; salt++)
        h = mix(h, *salt);
    for (size_t b = 0; b < n; b++) {
        for (size_t i = 0; i < BLOCK_TOK; i++)
            h = mix(h, tok[b * BLOCK_TOK + i]);
        out[b] = h;
    }
    return n;
}

/* Who has the longest beginning and takes requests; n_engine: nobody. */
static uint32_t find(const struct lm_affinity *a, const uint64_t *hash, size_t n, const size_t *load)
{
    while (n-- > 0) {
        const struct entry *e = &a->entry[hash[n] & (N_ENTRY - 1)];
        if (e->engine && e->tag == (uint32_t)(hash[n] >> 32) && load[e->engine - 1] != SIZE_MAX)
            return e->engine - 1;
    }
    return a->n_engine;
}

/* Of equals each in its turn. */
static uint32_t least_loaded(struct lm_affinity *a, const size_t *load)
{
    uint32_t least = a->turn % a->n_engine;
    for (uint32_t i = 1; i < a->n_engine; i++) {
        uint32_t k = (a->turn + i) % a->n_engine;
        if (load[k] < load[least])
            least = k;
    }
    a->turn = least + 1;
    return least;
}

uint32_t lm_affinity_route(struct lm_affinity *a, const char *salt, uint32_t lora, const int32_t *tok, size_t n_tok, const size_t *load)
{
    uint64_t hash[BLOCKS_MAX];
    size_t n = hash_blocks(salt, lora, tok, n_tok, hash);
    uint32_t to = find(a, hash, n, load);
    size_t least = SIZE_MAX;
    for (uint32_t i = 0; i < a->n_engine; i++)
        least = load[i] < least ? load[i] : least;
    size_t lead = least / 4 > LEAD_MIN ? least / 4 : LEAD_MIN;
    if (to == a->n_engine || load[to] > least + lead)
        to = least_loaded(a, load);
    for (size_t b = 0; b < n; b++)
        a->entry[hash[b] & (N_ENTRY - 1)] = (struct entry){(uint32_t)(hash[b] >> 32), to + 1};
    return to;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/trie.h"

#include <stdlib.h>

/* A range of the sorted keys that share the bytes up to a node. */
struct range {
    uint32_t from, to, depth;
};

static int by_text(const void *a, const void *b)
{
    const struct lm_trie_key *x = a, *y = b;
    int c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    if (c == 0)
        c = (x->n > y->n) - (x->n < y->n);
    return c ? c : (x->value > y->value) - (x->value < y->value);
}

/* Keys of one text: that with the least order counts, which value stands for while they are sorted. */
static int sort_keys(struct lm_trie_key *key, size_t *n, struct lm_err *err)
{
    int32_t *value = malloc((*n + 1) * sizeof *value);
    if (!value)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < *n; i++) {
        value[i] = key[i].value;
        key[i].value = (int32_t)i;
    }
    qsort(key, *n, sizeof *key, by_text);
    size_t m = 0;
    for (size_t i = 0; i < *n; i++) {
        bool again = m > 0 && key[m - 1].n == key[i].n && memcmp(key[m - 1].s, key[i].s, key[i].n) == 0;
        if (key[i].n == 0 || again)
            continue;
        key[m] = key[i];
        key[m++].value = value[key[i].value];
    }
    free(value);
    *n = m;
    return 0;
}

static size_t count_nodes(const struct lm_trie_key *key, size_t n)
{
    size_t nodes = 1;
    for (size_t i = 0; i < n; i++) {
        size_t same = 0;
        while (i > 0 && same < key[i].n && same < key[i - 1].n && key[i].s[same] == key[i - 1].s[same])
            same++;
        nodes += key[i].n - same;
    }
    return nodes;
}

/* Nodes in the order of their depth, so that the children of one stand together. */
static void fill(struct lm_trie *t, const struct lm_trie_key *key, size_t n, struct range *todo)
{
    size_t made = 1;
    todo[0] = (struct range){0, (uint32_t)n, 0};
    for (size_t at = 0; at < made; at++) {
        struct range r = todo[at];
        struct lm_trie_node *node = &t->node[at];
        node->value = -1;
        if (r.depth > 0 && key[r.from].n == r.depth)
            node->value = key[r.from++].value;
        node->child = (uint32_t)made;
        for (uint32_t i = r.from; i < r.to;) {
            char byte = key[i].s[r.depth];
            uint32_t from = i;
            while (i < r.to && key[i].s[r.depth] == byte)
                i++;
            t->node[made].byte = (uint8_t)byte;
            todo[made++] = (struct range){from, i, r.depth + 1};
            node->n_child++;
        }
    }
    for (uint32_t i = 0; i < t->node[0].n_child; i++)
        t->first[t->node[1 + i].byte] = 1 + i;
}

int lm_trie_build(struct lm_trie *t, struct lm_trie_key *key, size_t n, struct lm_err *err)
{
    int rc = n < INT32_MAX ? sort_keys(key, &n, err) : lm_fail(err, LM_ELIMIT, "too many strings");
    if (rc || n == 0)
        return rc;
    size_t nodes = count_nodes(key, n);
    if (nodes > INT32_MAX)
        return lm_fail(err, LM_ELIMIT, "the tokens have more than 2 GiB");
    struct range *todo = malloc(nodes * sizeof *todo);
    t->node = calloc(nodes, sizeof *t->node);
    t->n = nodes;
    if (todo && t->node)
        fill(t, key, n, todo);
    else
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    free(todo);
    return rc;
}

void lm_trie_fini(struct lm_trie *t)
{
    free(t->node);
    t->node = NULL;
}

int32_t lm_trie_longest(const struct lm_trie *t, const char *s, size_t n, size_t *out_n)
{
    int32_t value = -1;
    uint32_t at = 0;
    for (size_t i = 0; i < n && (at = lm_trie_step(t, at, (unsigned char)s[i])) != 0; i++)
        if (t->node[at].value >= 0) {
            value = t->node[at].value;
            *out_n = i + 1;
        }
    return value;
}

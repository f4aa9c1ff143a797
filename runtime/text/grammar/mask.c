/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/mask.h"
#include "runtime/text/grammar/schema.h"

#include <stdlib.h>

enum { POOL_BYTES = 16 << 20, MAX_EXIT = 64 };

/* Where tokens leave a place's rule: by its end or by a key's. */
struct way_out {
    uint32_t step;
    bool guarded;              /* a key of an undeclared class ends */
    uint32_t *place;           /* [n_place] nodes of the trie that go on */
    int32_t *id;               /* [n_id] tokens that end there, of a guarded way only */
    size_t n_place, cap_place, n_id, cap_id;
};

struct part {
    uint32_t node, base;       /* base: frames below, where the stack is nearly full; else 0 */
    uint64_t reg;              /* what of the register matters */
    uint64_t used;             /* when, for dropping */
    size_t bytes;
    uint32_t *mask;            /* or */
    int32_t *id;               /* [n_id] when they are few */
    size_t n_id, cap_id, n_way;
    struct way_out way[];      /* [n_way] */
};

struct lm_mask_cache {
    const struct lm_program *program;
    const struct lm_vocab_trie *trie;
    struct lm_frames *pool;
    struct part **slot; /* hash */
    size_t n_slot, n_part, bytes, max_bytes;
    uint64_t clock;
    struct lm_threads level[LM_TOKEN_MAX_BYTES + 2], start;
    uint32_t *space;    /* mask of tokens that begin with white space */
    int32_t byte[256];  /* the token of a single byte, -1 */
    bool failed;
};

static size_t n_word(const struct lm_mask_cache *c)
{
    return ((size_t)c->trie->n_vocab + 31) / 32;
}

static void set_bit(uint32_t *mask, int32_t id)
{
    mask[id / 32] |= (uint32_t)1 << id % 32;
}

static void part_free(struct part *p)
{
    for (size_t i = 0; p && i < p->n_way; i++) {
        free(p->way[i].place);
        free(p->way[i].id);
    }
    if (p) {
        free(p->mask);
        free(p->id);
    }
    free(p);
}

static void drop_all(struct lm_mask_cache *c)
{
    for (size_t i = 0; i < c->n_slot; i++) {
        part_free(c->slot[i]);
        c->slot[i] = NULL;
    }
    c->n_part = c->bytes = 0;
}

static void find_lexical(struct lm_mask_cache *c)
{
    const struct lm_vocab_trie *t = c->trie;
    for (int i = 0; i < 256; i++)
        c->byte[i] = -1;
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        uint32_t n = t->text_at[i + 1] - t->text_at[i];
        char first = n ? t->text[t->text_at[i]] : 'x';
        if (first == ' ' || first == '\t' || first == '\n' || first == '\r')
            set_bit(c->space, (int32_t)i);
        if (n == 1 && c->byte[(uint8_t)first] < 0)
            c->byte[(uint8_t)first] = (int32_t)i;
    }
}

int lm_mask_cache_create(const struct lm_program *program, const struct lm_vocab_trie *trie, size_t max_bytes, struct lm_mask_cache **out,
                         struct lm_err *err)
{
    struct lm_mask_cache *c = calloc(1, sizeof *c);
    if (!c)
        return lm_fail(err, LM_ENOMEM, "no memory for token masks");
    c->program = program;
    c->trie = trie;
    c->max_bytes = max_bytes;
    c->n_slot = 16384;
    c->slot = calloc(c->n_slot, sizeof *c->slot);
    c->space = calloc(n_word(c), sizeof *c->space);
    int rc = c->slot && c->space ? lm_frames_create(program, &c->pool, err) : lm_fail(err, LM_ENOMEM, "no memory for token masks");
    if (rc) {
        lm_mask_cache_destroy(c);
        return rc;
    }
    find_lexical(c);
    *out = c;
    return 0;
}

void lm_mask_cache_destroy(struct lm_mask_cache *c)
{
    if (!c)
        return;
    if (c->slot)
        drop_all(c);
    for (size_t i = 0; i < sizeof c->level / sizeof *c->level; i++)
        lm_threads_fini(&c->level[i]);
    lm_threads_fini(&c->start);
    lm_frames_destroy(c->pool);
    free(c->slot);
    free(c->space);
    free(c);
}

struct lm_frames *lm_mask_cache_pool(struct lm_mask_cache *c)
{
    return c->pool;
}

size_t lm_mask_cache_bytes(const struct lm_mask_cache *c)
{
    return c->bytes + lm_frames_bytes(c->pool) + c->n_slot * sizeof *c->slot + n_word(c) * sizeof *c->space;
}

static void *grow(struct lm_mask_cache *c, void *array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 16;
    void *p = realloc(array, more * size);
    if (p)
        *cap = more;
    else
        c->failed = true;
    return p ? p : array;
}

static void add_id(struct lm_mask_cache *c, struct part *p, int32_t id)
{
    if (!p->mask) {
        p->id = grow(c, p->id, &p->cap_id, p->n_id, sizeof *p->id);
        if (p->n_id < p->cap_id)
            p->id[p->n_id++] = id;
        if (p->n_id < n_word(c) / 2 || !(p->mask = calloc(n_word(c), sizeof *p->mask)))
            return;
        for (size_t i = 0; i < p->n_id; i++)
            set_bit(p->mask, p->id[i]);
        free(p->id);
        p->id = NULL;
        p->n_id = p->cap_id = 0;
    }
    set_bit(p->mask, id);
}

static struct way_out *way_of(struct lm_mask_cache *c, struct part *p, uint32_t step)
{
    size_t i = 0;
    while (i < p->n_way && p->way[i].step != step)
        i++;
    if (i == MAX_EXIT)
        return NULL;
    if (i == p->n_way) {
        const struct lm_program_step *s = step == LM_EXIT_POP ? NULL : &c->program->step[step];
        p->way[p->n_way++] = (struct way_out){.step = step, .guarded = s && s->class >= c->program->object[s->arg].n_declared};
    }
    return &p->way[i];
}

/* Node i of the trie lies where the text may leave the rule. Returns whether the tokens there are allowed. */
static bool note_exits(struct lm_mask_cache *c, struct part *p, uint32_t i)
{
    const struct lm_vocab_trie *t = c->trie;
    bool free_exit = false;
    for (size_t e = 0; e < c->pool->n_exit; e++) {
        struct way_out *w = way_of(c, p, c->pool->exit[e].step);
        if (!w)
            continue;
        free_exit |= !w->guarded;
        if (t->next[i] > i + 1) {
            w->place = grow(c, w->place, &w->cap_place, w->n_place, sizeof *w->place);
            if (w->n_place < w->cap_place)
                w->place[w->n_place++] = i;
        }
        for (uint32_t k = t->tok[i]; w->guarded && k < t->tok[i + 1]; k++) {
            w->id = grow(c, w->id, &w->cap_id, w->n_id, sizeof *w->id);
            if (w->n_id < w->cap_id)
                w->id[w->n_id++] = t->id[k];
        }
    }
    return free_exit;
}

/* Walk what lies below node `from` of the trie, beginning with level[0]. To the mask, or to the part p with its exits. */
static void walk(struct lm_mask_cache *c, uint32_t from, struct part *p, uint32_t *mask)
{
    const struct lm_vocab_trie *t = c->trie;
    uint32_t end[LM_TOKEN_MAX_BYTES + 2], depth = 0, i = from + 1;
    end[0] = t->next[from];
    while (!c->pool->failed && !c->failed) {
        while (i == end[depth]) {
            if (depth == 0)
                return;
            depth--;
        }
        struct lm_threads *now = &c->level[depth], *next = &c->level[depth + 1];
        lm_threads_step(c->pool, now->t, now->n, t->byte[i], next);
        bool alive = next->n > 0 || next->accept;
        if (p && c->pool->n_exit)
            alive |= note_exits(c, p, i);
        for (uint32_t k = t->tok[i]; alive && k < t->tok[i + 1]; k++) {
            if (p)
                add_id(c, p, t->id[k]);
            else
                set_bit(mask, t->id[k]);
        }
        if (next->n == 0) {
            i = t->next[i];
            continue;
        }
        if (t->next[i] > i + 1)
            end[++depth] = t->next[i];
        i++;
    }
}

static uint32_t near(uint32_t distance, uint32_t most)
{
    return distance < most ? distance : most;
}

/* What of a thread's register tells one place from another; *reg is made one that stands for all of them. */
static uint64_t reg_key(struct lm_mask_cache *c, const struct lm_thread *t, uint32_t *reg)
{
    uint32_t what = c->pool->repeat[t->node], most = c->trie->max_len + 1;
    *reg = t->reg;
    if (c->program->node[t->node].object) {
        *reg = lm_frames_mask(c->pool, t->node, t->reg);
        return *reg;
    }
    if (what == 0)
        *reg = 0;
    if (what == 0 || what == UINT32_MAX)
        return *reg;
    const struct lm_program_repeat *r = &c->program->repeat[what - 1];
    uint32_t below = r->min > t->reg ? r->min - t->reg : 0, room = r->max == UINT32_MAX ? UINT32_MAX : r->max - t->reg;
    return (uint64_t)near(below, most) << 32 | near(room, most) | (uint64_t)1 << 63;
}

static size_t hash(uint32_t node, uint32_t base, uint64_t reg)
{
    return (size_t)(((reg * 0x9e3779b97f4a7c15u) ^ node ^ (uint64_t)base << 32) * 0xbf58476d1ce4e5b9u >> 24);
}

static size_t part_bytes(const struct lm_mask_cache *c, const struct part *p)
{
    size_t n = sizeof *p + MAX_EXIT * sizeof *p->way + (p->mask ? n_word(c) * 4 : 0) + p->cap_id * 4;
    for (size_t i = 0; i < p->n_way; i++)
        n += p->way[i].cap_place * 4 + p->way[i].cap_id * 4;
    return n;
}

static struct part *make_part(struct lm_mask_cache *c, struct lm_thread t)
{
    struct part *p = calloc(1, sizeof *p + MAX_EXIT * sizeof *p->way);
    if (!p) {
        c->failed = true;
        return NULL;
    }
    c->pool->policy = c->program->node[t.node].object ? LM_KEY_EXIT : LM_KEY_FIRST;
    lm_threads_close(c->pool, t, &c->level[0]);
    c->level[0].t[0] = t; /* the place alone: what its steps lead to has places of its own */
    c->level[0].n = 1;
    walk(c, 0, p, NULL);
    return p;
}

static void insert(struct lm_mask_cache *c, struct part *p)
{
    size_t at = hash(p->node, p->base, p->reg) & (c->n_slot - 1);
    while (c->slot[at])
        at = (at + 1) & (c->n_slot - 1);
    c->slot[at] = p;
    c->n_part++;
    c->bytes += p->bytes;
}

/* Keep what was used in the newer half of the time, until it is little enough. */
static void make_room(struct lm_mask_cache *c)
{
    struct part **all = malloc((c->n_part + 1) * sizeof *all);
    size_t n = 0;
    uint64_t oldest = UINT64_MAX;
    if (!all) {
        drop_all(c);
        return;
    }
    for (size_t i = 0; i < c->n_slot; i++) {
        if (!c->slot[i])
            continue;
        oldest = c->slot[i]->used < oldest ? c->slot[i]->used : oldest;
        all[n++] = c->slot[i];
        c->slot[i] = NULL;
    }
    uint64_t limit = oldest + (c->clock - oldest) / 2;
    c->n_part = c->bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (all[i]->used > limit)
            insert(c, all[i]);
        else
            part_free(all[i]);
    }
    free(all);
}

static struct part *part_of(struct lm_mask_cache *c, const struct lm_thread *t)
{
    uint32_t reg;
    uint64_t key = reg_key(c, t, &reg);
    uint32_t depth = c->pool->frame[t->frame].depth, base = depth + c->trie->max_len < LM_STACK_MAX ? 0 : depth;
    size_t at = hash(t->node, base, key) & (c->n_slot - 1);
    for (; c->slot[at]; at = (at + 1) & (c->n_slot - 1))
        if (c->slot[at]->node == t->node && c->slot[at]->base == base && c->slot[at]->reg == key) {
            c->slot[at]->used = ++c->clock;
            return c->slot[at];
        }
    while ((c->bytes > c->max_bytes || c->n_part * 2 >= c->n_slot) && c->n_part)
        make_room(c);
    c->pool->base = base;
    struct part *p = make_part(c, (struct lm_thread){t->node, reg, LM_FRAME_BOTTOM});
    c->pool->base = 0;
    if (!p || c->failed || c->pool->failed) {
        part_free(p);
        return NULL;
    }
    p->node = t->node;
    p->base = base;
    p->reg = key;
    p->used = ++c->clock;
    p->bytes = part_bytes(c, p);
    insert(c, p);
    return p;
}

static void go_on(struct lm_mask_cache *c, const struct lm_matcher *m, const struct lm_thread *t, const struct way_out *w, uint32_t *mask)
{
    struct lm_thread to;
    if (w->guarded && lm_json_keys_count(&m->keys, -1)) {
        bool dup = lm_json_keys_is_dup(&m->keys);
        for (size_t i = 0; i < w->n_id && !dup; i++)
            if (w->id[i] == c->byte['"'])
                set_bit(mask, w->id[i]);
        return;
    }
    for (size_t i = 0; i < w->n_id; i++)
        set_bit(mask, w->id[i]);
    if (w->step == LM_EXIT_POP) {
        if (t->frame < 2)
            return;
        const struct lm_frame *f = &c->pool->frame[t->frame];
        to = (struct lm_thread){f->node, f->reg, f->parent};
    } else {
        to = lm_threads_key(c->pool, *t, w->step);
    }
    if (!w->n_place)
        return;
    c->pool->policy = LM_KEY_FIRST;
    lm_threads_close(c->pool, to, &c->level[0]);
    for (size_t i = 0; i < w->n_place; i++)
        walk(c, w->place[i], NULL, mask);
}

/* Byte by byte, where a key could come to an end that is there already. */
static void add_bytes(struct lm_mask_cache *c, const struct lm_matcher *m, const struct lm_thread *t, uint32_t *mask)
{
    bool dup = lm_json_keys_is_dup(&m->keys);
    for (int b = 0; b < 256; b++) {
        struct lm_threads *next = &c->level[0];
        bool alive = false;
        if (c->byte[b] < 0)
            continue;
        c->pool->policy = LM_KEY_EXACT;
        c->pool->dup = dup && b == '"';
        lm_threads_step(c->pool, t, 1, (uint8_t)b, next);
        for (size_t i = 0; i < next->n && !alive; i++) {
            uint32_t tail = c->pool->tail[next->t[i].node];
            alive = !tail || tail > lm_json_keys_count(&m->keys, b);
        }
        if (alive)
            set_bit(mask, c->byte[b]);
    }
}

static void add_thread(struct lm_mask_cache *c, const struct lm_matcher *m, const struct lm_thread *t, uint32_t *mask)
{
    uint32_t object = c->program->node[t->node].object;
    if (object && c->pool->has_tail[object - 1] && lm_json_keys_count(&m->keys, -1)) {
        add_bytes(c, m, t, mask);
        return;
    }
    const struct part *p = part_of(c, t);
    if (!p)
        return;
    for (size_t i = 0; p->mask && i < n_word(c); i++)
        mask[i] |= p->mask[i];
    for (size_t i = 0; i < p->n_id; i++)
        set_bit(mask, p->id[i]);
    for (size_t i = 0; i < p->n_way; i++)
        go_on(c, m, t, &p->way[i], mask);
}

int64_t lm_mask_fill(struct lm_mask_cache *c, struct lm_matcher *m, uint32_t *mask, struct lm_err *err)
{
    int64_t n = 0;
    memset(mask, 0, n_word(c) * sizeof *mask);
    for (size_t i = 0; i < m->now.n; i++)
        add_thread(c, m, &m->now.t[i], mask);
    if (c->failed || c->pool->failed)
        return lm_fail(err, LM_ENOMEM, "no memory for a token mask");
    if (c->program->json && !m->keys.in_string && m->keys.space >= LM_JSON_MAX_SPACE)
        for (size_t i = 0; i < n_word(c); i++)
            mask[i] &= ~c->space[i];
    for (uint32_t i = 0; m->now.accept && i < c->trie->n_end; i++)
        set_bit(mask, c->trie->end[i]);
    for (size_t i = 0; i < n_word(c) && n == 0; i++)
        n += __builtin_popcount(mask[i]);
    return n;
}

bool lm_mask_take(struct lm_mask_cache *c, struct lm_matcher *m, int32_t token)
{
    const struct lm_vocab_trie *t = c->trie;
    for (uint32_t i = 0; i < t->n_end; i++)
        if (t->end[i] == token)
            return m->now.accept;
    if (token < 0 || (uint32_t)token >= t->n_vocab || t->text_at[token] == t->text_at[token + 1])
        return false;
    return lm_matcher_feed(m, t->text + t->text_at[token], t->text_at[token + 1] - t->text_at[token], true);
}

void lm_mask_cache_trim(struct lm_mask_cache *c, struct lm_matcher *const *matcher, size_t n)
{
    struct lm_threads **set;
    if (lm_frames_bytes(c->pool) < POOL_BYTES || !(set = malloc((n + 1) * sizeof *set)))
        return;
    for (size_t i = 0; i < n; i++)
        set[i] = &matcher[i]->now;
    drop_all(c); /* its places name registers */
    lm_frames_collect(c->pool, set, n);
    free(set);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/bench/dataset.h"

#include "cmd/llmserve/bench/random.h"
#include "cmd/llmserve/text.h"
#include "runtime/base/json.h"

#include <math.h>
#include <stdlib.h>

/* Words that most vocabularies hold as one token with the space before them. */
static const char *const words[] = {
    "about", "above", "after", "again", "air", "all", "animal", "answer", "area", "baby", "back", "ball", "bank", "base", "bed", "better",
    "big", "bird", "black", "blood", "blue", "board", "boat", "body", "book", "box", "boy", "bring", "brother", "brown", "build", "business",
    "call", "car", "care", "case", "cat", "center", "chair", "change", "child", "church", "city", "class", "clear", "close", "cold", "color",
    "common", "company", "cost", "country", "course", "cover", "cross", "dark", "day", "deep", "doctor", "dog", "door", "down", "draw", "dream",
    "drive", "dry", "early", "earth", "east", "easy", "eight", "energy", "engine", "evening", "eye", "face", "fact", "fall", "family", "far",
    "farm", "father", "field", "figure", "final", "fire", "first", "fish", "five", "floor", "food", "foot", "force", "forest", "form", "four",
    "free", "friend", "front", "full", "game", "garden", "girl", "glass", "gold", "good", "great", "green", "ground", "group", "hand", "head",
    "heart", "heat", "high", "history", "home", "horse", "hour", "house", "human", "idea", "island", "job", "king", "land", "language", "large",
    "law", "letter", "level", "life", "light", "line", "list", "long", "machine", "market", "middle", "mile", "mind", "minute", "money", "month",
    "morning", "mother", "mountain", "music", "name", "nature", "night", "north", "note", "number", "ocean", "office", "open", "order", "page",
    "paper", "party", "pattern", "people", "person", "picture", "place", "plan", "plant", "point", "power", "problem", "product", "question",
    "rain", "red", "river", "road", "rock", "room", "school", "science", "sea", "second", "service", "ship", "side", "silver", "simple", "sister",
    "sky", "small", "snow", "song", "sound", "south", "space", "star", "station", "stone", "story", "street", "strong", "student", "study",
    "summer", "sun", "system", "table", "teacher", "test", "time", "town", "travel", "tree", "voice", "wall", "war", "water", "week", "west",
    "white", "wind", "window", "winter", "woman", "wood", "word", "work", "world", "year", "yellow", "young",
};

struct maker {
    const struct lm_counter *counter;
    struct lm_random random;
    double per_word; /* tokens a word, as last seen */
};

/* A text of words, as it grows. */
struct text {
    struct lm_bytes b;
    int64_t n_words;
};

static int count(struct maker *m, const struct text *t, size_t *out, struct lm_err *err)
{
    *out = (size_t)t->n_words;
    return m->counter ? m->counter->count(m->counter->arg, t->b.data ? t->b.data : "", t->b.len, out, err) : 0;
}

static void add_words(struct maker *m, struct text *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (t->b.len)
            lm_bytes_add_char(&t->b, ' ');
        lm_bytes_add_str(&t->b, words[lm_random_u64(&m->random) % (sizeof words / sizeof *words)]);
    }
    t->n_words += n;
}

static void drop_words(struct text *t, int64_t n)
{
    struct lm_bytes *b = &t->b;
    for (; n > 0 && b->len; n--, t->n_words--) {
        while (b->len && b->data[b->len - 1] != ' ')
            b->len--;
        b->len -= b->len > 0;
    }
    if (b->data)
        b->data[b->len] = 0;
}

/* Add or drop words until the text has `want` tokens, or is as near as whole words allow. */
static int fit(struct maker *m, struct text *t, int64_t want, size_t *out_n, struct lm_err *err)
{
    int64_t more = llround((double)want / m->per_word) - t->n_words;
    int rc = 0;
    for (int round = 0; round < 8 && !rc; round++) {
        if (more > 0)
            add_words(m, t, more);
        else
            drop_words(t, -more);
        rc = t->b.failed ? lm_fail(err, LM_ENOMEM, "out of memory") : count(m, t, out_n, err);
        if (rc || !t->n_words)
            break;
        m->per_word = *out_n ? (double)*out_n / (double)t->n_words : 1;
        more = llround((double)(want - (int64_t)*out_n) / m->per_word);
        if (!more)
            break;
    }
    return rc;
}

static int64_t spread(struct maker *m, int64_t n, double ratio)
{
    int64_t d = (int64_t)((double)n * ratio);
    int64_t x = lm_random_between(&m->random, n - d, n + d);
    return x > 1 ? x : 1;
}

/* One prompt of n tokens that begins with `shared`. */
static int make_words(struct maker *m, const struct text *shared, int64_t n, int64_t n_output, struct lm_sample *out, struct lm_err *err)
{
    struct text t = {.n_words = shared->n_words};
    size_t n_prompt = 0;
    lm_bytes_add(&t.b, shared->b.data, shared->b.len);
    int rc = fit(m, &t, n, &n_prompt, err);
    char *prompt = rc ? NULL : lm_bytes_take(&t.b);
    lm_bytes_fini(&t.b);
    if (!rc && !prompt)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc)
        *out = (struct lm_sample){prompt, n_prompt, n_output};
    return rc;
}

static int make_random(const struct lm_dataset *d, struct maker *m, struct lm_samples *s, struct lm_err *err)
{
    struct text shared = {0};
    size_t n;
    int rc = d->shared_len ? fit(m, &shared, d->shared_len, &n, err) : 0;
    for (; s->n < (size_t)d->n && !rc; s->n += !rc) {
        int64_t n_in = spread(m, d->input_len, d->range_ratio), n_out = spread(m, d->output_len, d->range_ratio);
        rc = make_words(m, &shared, d->shared_len + n_in, n_out, &s->at[s->n], err);
    }
    lm_bytes_fini(&shared.b);
    return rc;
}

/* The requests of one prefix do not follow each other. */
static int make_prefixes(const struct lm_dataset *d, struct maker *m, struct lm_samples *s, struct lm_err *err)
{
    size_t n_prefix = (size_t)(d->rep_n < d->n ? d->rep_n : d->n), n;
    struct text *prefix = calloc(n_prefix, sizeof *prefix);
    int rc = prefix ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < n_prefix && !rc; i++)
        rc = fit(m, &prefix[i], d->rep_prefix_len, &n, err);
    for (; s->n < (size_t)d->n && !rc; s->n += !rc)
        rc = make_words(m, &prefix[s->n % n_prefix], d->rep_prefix_len + d->rep_suffix_len, d->rep_output_len, &s->at[s->n], err);
    for (size_t i = 0; i < n_prefix && prefix; i++)
        lm_bytes_fini(&prefix[i].b);
    free(prefix);
    return rc;
}

/* Lengths like those of ShareGPT: log-normal, means near the 161 and 338 tokens that Kwon et al. 2023 (arXiv:2309.06180) give. */
static int make_conversations(const struct lm_dataset *d, struct maker *m, struct lm_samples *s, struct lm_err *err)
{
    static const struct text none = {0};
    int rc = 0;
    for (; s->n < (size_t)d->n && !rc; s->n += !rc) {
        int64_t in = (int64_t)exp(4.2 + 1.3 * lm_random_normal(&m->random)), out = (int64_t)exp(5.5 + 0.8 * lm_random_normal(&m->random));
        in = in < 4 ? 4 : in > 1024 ? 1024 : in;
        out = out < 4 ? 4 : out > 1024 ? 1024 : out;
        rc = make_words(m, &none, in, d->sharegpt_output_len ? d->sharegpt_output_len : out, &s->at[s->n], err);
    }
    return rc;
}

static int count_text(struct maker *m, const char *s, size_t *out, struct lm_err *err)
{
    size_t n = strlen(s);
    *out = n / 4 + 1; /* where nothing counts: four bytes a token */
    return m->counter ? m->counter->count(m->counter->arg, s, n, out, err) : 0;
}

static int add_text(struct lm_samples *s, const char *prompt, size_t n_prompt, int64_t n_output, struct lm_err *err)
{
    char *copy = strdup(prompt);
    if (!copy)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    s->at[s->n++] = (struct lm_sample){copy, n_prompt, n_output};
    return 0;
}

/* A conversation, unless it is too short or too long. */
static int take_conversation(const struct lm_dataset *d, struct maker *m, const json_t *turns, struct lm_samples *s, struct lm_err *err)
{
    const char *prompt = json_string_value(json_object_get(json_array_get(turns, 0), "value"));
    const char *answer = json_string_value(json_object_get(json_array_get(turns, 1), "value"));
    size_t n_in, n_out = (size_t)d->sharegpt_output_len;
    if (!prompt || !answer)
        return 0;
    int rc = count_text(m, prompt, &n_in, err);
    if (!rc && !n_out)
        rc = count_text(m, answer, &n_out, err);
    if (rc || n_in < 4 || (n_out < 4 && !d->sharegpt_output_len) || n_in > 1024 || n_in + n_out > 2048)
        return rc;
    return add_text(s, prompt, n_in, (int64_t)n_out, err);
}

static int read_sharegpt(const struct lm_dataset *d, struct maker *m, struct lm_samples *s, struct lm_err *err)
{
    struct lm_bytes text = {0};
    int rc = lm_text_read(d->path, &text, err);
    json_t *root = rc ? NULL : lm_json_load(text.data, text.len, 0, err);
    lm_bytes_fini(&text);
    if (!root)
        return rc ? rc : lm_fail_in(err, LM_EFORMAT, "%.100s", d->path);
    size_t n = json_array_size(root), *order = calloc(n + 1, sizeof *order);
    rc = order ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && !rc; i++) { /* shuffled as it is filled */
        size_t k = lm_random_u64(&m->random) % (i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t i = 0; i < n && s->n < (size_t)d->n && !rc; i++)
        rc = take_conversation(d, m, json_object_get(json_array_get(root, order[i]), "conversations"), s, err);
    free(order);
    json_decref(root);
    return rc;
}

static int read_custom(const struct lm_dataset *d, struct maker *m, struct lm_samples *s, struct lm_err *err)
{
    char *line = NULL;
    size_t cap = 0, at = 0, n_in;
    int rc = 0;
    FILE *f = fopen(d->path, "re");
    if (!f)
        return lm_fail(err, LM_ENOTFOUND, "%.150s: %m", d->path);
    for (ssize_t n; s->n < (size_t)d->n && !rc && (n = getline(&line, &cap, f)) >= 0;) {
        json_t *row = lm_json_load(line, (size_t)n, 0, NULL);
        const char *prompt = json_string_value(json_object_get(row, "prompt"));
        at++;
        if (!prompt)
            rc = lm_fail(err, LM_EFORMAT, "%.150s:%zu: no {\"prompt\": TEXT}", d->path, at);
        if (!rc)
            rc = count_text(m, prompt, &n_in, err);
        if (!rc)
            rc = add_text(s, prompt, n_in, d->custom_output_len, err);
        json_decref(row);
    }
    free(line);
    fclose(f);
    return rc;
}

/* A file with fewer prompts than are asked for is used again and again. */
static int repeat(const struct lm_dataset *d, struct lm_samples *s, struct lm_err *err)
{
    size_t have = s->n;
    int rc = have ? 0 : lm_fail(err, LM_EINVAL, "%.150s: no prompt in it can be used", d->path);
    for (size_t i = 0; s->n < (size_t)d->n && !rc; i++)
        rc = add_text(s, s->at[i % have].prompt, s->at[i % have].n_prompt, s->at[i % have].n_output, err);
    return rc;
}

int lm_dataset_make(const struct lm_dataset *d, const struct lm_counter *counter, struct lm_samples *out, struct lm_err *err)
{
    struct maker m = {.counter = counter, .random = {(uint64_t)d->seed}, .per_word = 1};
    struct lm_samples s = {calloc((size_t)d->n, sizeof *s.at), 0};
    bool custom = strcmp(d->name, "custom") == 0, sharegpt = strcmp(d->name, "sharegpt") == 0;
    int rc = !s.at ? lm_fail(err, LM_ENOMEM, "out of memory") : custom && !d->path ? lm_fail(err, LM_EINVAL, "custom needs --dataset-path") : 0;
    if (!rc && custom)
        rc = read_custom(d, &m, &s, err);
    else if (!rc && sharegpt)
        rc = d->path ? read_sharegpt(d, &m, &s, err) : make_conversations(d, &m, &s, err);
    else if (!rc)
        rc = strcmp(d->name, "random") == 0 ? make_random(d, &m, &s, err) : make_prefixes(d, &m, &s, err);
    if (!rc && d->path && (custom || sharegpt))
        rc = repeat(d, &s, err);
    if (rc)
        lm_samples_fini(&s);
    else
        *out = s;
    return rc;
}

void lm_samples_fini(struct lm_samples *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->at[i].prompt);
    free(s->at);
    *s = (struct lm_samples){0};
}

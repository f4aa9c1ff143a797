/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/lmq.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS_MAX = 16 };

static uint64_t word_at(const uint8_t *p, size_t n)
{
    uint64_t w = 0;
    for (size_t i = 0; i < n; i++)
        w |= (uint64_t)p[i] << 8 * i;
    return w;
}

static uint64_t mixed(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

uint64_t lm_lmq_row_hash(const void *data, size_t n, uint64_t row)
{
    const uint8_t *p = data;
    uint64_t h[4] = {row, row + 1, row + 2, row + 3}, all = n;
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        for (size_t k = 0; k < 4; k++)
            h[k] = mixed(h[k], word_at(p + i + 8 * k, 8));
    for (; i < n; i += 8)
        h[0] = mixed(h[0], word_at(p + i, n - i < 8 ? n - i : 8));
    for (size_t k = 0; k < 4; k++)
        all = mixed(all, h[k]);
    return all;
}

/* The bytes before the tensors of a file. */
static size_t head_bytes(const struct lm_gguf *g, const struct lm_map *m)
{
    const uintptr_t base = (uintptr_t)m->base;
    uint64_t first = m->size, head;
    if (lm_gguf_folder(g)) { /* safetensors: 8 bytes say how many follow */
        head = m->size < 8 ? 0 : word_at(m->base, 8);
        return head < m->size - 8 ? (size_t)head + 8 : m->size;
    }
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        uintptr_t at = (uintptr_t)lm_gguf_tensor_at(g, i)->data - base;
        first = at < first ? at : first;
    }
    return (size_t)first;
}

/* What config.json and the like say, too. */
static int config_hash(const char *folder, uint64_t *out, struct lm_err *err)
{
    static const char *const names[] = {"config.json", "generation_config.json"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct lm_map m;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        int rc = lm_map_open(path, &m, err);
        if (rc == LM_ENOTFOUND)
            continue;
        if (rc)
            return lm_fail_in(err, rc, "%.150s", path);
        *out += lm_lmq_row_hash(m.base, m.size, i);
        lm_map_close(&m);
    }
    return 0;
}

/* Bytes of all files, the time of the newest, and one hash of what their heads, sizes and times are. */
struct look {
    uint64_t bytes, header;
    struct timespec time;
};

static int look_at(const char *path, const struct lm_gguf *g, struct look *out, struct lm_err *err)
{
    const size_t n = lm_gguf_n_files(g);
    *out = (struct look){0};
    for (size_t i = 0; i < n; i++) {
        const struct lm_map m = lm_gguf_file(g, i);
        struct stat st;
        if (fstat(m.fd, &st) != 0)
            return lm_fail(err, LM_EIO, "%.150s: %s", path, strerror(errno));
        const struct timespec t = st.st_mtim;
        const uint64_t of_file[3] = {(uint64_t)st.st_size, (uint64_t)t.tv_sec, (uint64_t)t.tv_nsec};
        out->bytes += of_file[0];
        if (t.tv_sec > out->time.tv_sec || (t.tv_sec == out->time.tv_sec && t.tv_nsec > out->time.tv_nsec))
            out->time = t;
        out->header += lm_lmq_row_hash(m.base, head_bytes(g, &m), i);
        out->header += n > 1 ? lm_lmq_row_hash(of_file, sizeof of_file, i) : 0;
    }
    return lm_gguf_folder(g) ? config_hash(lm_gguf_folder(g), &out->header, err) : 0;
}

int lm_lmq_key(const char *src_path, const struct lm_gguf *src, const struct lm_low_bit *lb, struct lm_lmq_key *out, struct lm_err *err)
{
    uint64_t importance = lb->importance ? 0 : 2; /* 2: guessed as now */
    struct look l;
    if (lm_gguf_n_tensors(src) == 0)
        return lm_fail(err, LM_EFORMAT, "%.150s has no tensors", src_path);
    int rc = look_at(src_path, src, &l, err);
    if (rc)
        return rc;
    for (size_t i = 0; lb->importance && i < lb->importance->n; i++)
        importance += lm_lmq_row_hash(lb->importance->of[i].weight, lb->importance->of[i].cols * sizeof(float), i + 1);
    snprintf(out->text, sizeof out->text, "%llu %llu.%09ld %016llx %016llx", (unsigned long long)l.bytes,
             (unsigned long long)l.time.tv_sec, l.time.tv_nsec, (unsigned long long)l.header, (unsigned long long)importance);
    return 0;
}

struct check {
    const struct lm_gguf *g;
    const struct lm_gguf_value *hash;
    atomic_size_t next, bad; /* bad: a tensor whose hash differs, SIZE_MAX none */
};

static uint64_t tensor_hash(const struct lm_gguf *g, const struct lm_gguf_tensor *t)
{
    const size_t rows = lm_low_bit_n_rows(t), row_bytes = t->bytes / rows;
    uint64_t hash = 0;
    lm_gguf_will_read(g, t->data, t->bytes);
    for (size_t r = 0; r < rows; r++)
        hash += lm_lmq_row_hash((const char *)t->data + r * row_bytes, row_bytes, r);
    return hash;
}

static void *check_some(void *arg)
{
    struct check *c = arg;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < lm_gguf_n_tensors(c->g);)
        if (tensor_hash(c->g, lm_gguf_tensor_at(c->g, i)) != word_at(c->hash->at + 8 * i, 8))
            atomic_store(&c->bad, i);
    return NULL;
}

int lm_lmq_verify(const struct lm_gguf *g, struct lm_err *err)
{
    struct check c = {.g = g, .hash = lm_gguf_get(g, "llmserve.low_bit.hash"), .bad = SIZE_MAX};
    char name[LM_GGUF_QUOTE];
    pthread_t thread[THREADS_MAX];
    cpu_set_t set;
    size_t n = 0, n_cpu = sched_getaffinity(0, sizeof set, &set) ? 1 : (size_t)CPU_COUNT(&set);
    if (!c.hash || c.hash->type != LM_GGUF_ARRAY || c.hash->elem != LM_GGUF_U64 || c.hash->n != lm_gguf_n_tensors(g))
        return lm_fail(err, LM_EFORMAT, "key 'llmserve.low_bit.hash' is missing, or not one u64 for each tensor");
    while (n + 1 < n_cpu && n < THREADS_MAX && pthread_create(&thread[n], NULL, check_some, &c) == 0)
        n++;
    check_some(&c);
    while (n > 0)
        pthread_join(thread[--n], NULL);
    size_t bad = atomic_load(&c.bad);
    if (bad == SIZE_MAX)
        return 0;
    const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, bad);
    return lm_fail(err, LM_EFORMAT, "tensor '%s' at byte %llu is corrupt: its hash differs", lm_gguf_quote(t->name, name),
                   (unsigned long long)t->offset);
}

static bool is_text(const struct lm_gguf *g, const char *key, const char *text)
{
    struct lm_gguf_str s = lm_gguf_string(g, key);
    return s.s && s.n == strlen(text) && memcmp(s.s, text, s.n) == 0;
}

/* Open the file if it is what is wanted, and whole. */
static int open_kept(const char *path, const struct lm_lmq_key *key, const struct lm_low_bit *lb, struct lm_gguf **out, struct lm_err *err)
{
    struct lm_gguf *g = NULL;
    uint32_t version = 0;
    int rc = lm_gguf_open(path, &g, err);
    if (!rc)
        rc = lm_gguf_u32(g, "llmserve.low_bit.version", 0, &version, err);
    if (!rc && (version != LM_LMQ_VERSION || !is_text(g, "llmserve.low_bit.type", lb->name) || !is_text(g, "llmserve.low_bit.source", key->text)))
        rc = lm_fail(err, LM_EFORMAT, "%.150s was made from something else", path);
    if (!rc)
        rc = lm_lmq_verify(g, err);
    if (rc)
        lm_gguf_close(g);
    else
        *out = g;
    return rc;
}

int lm_lmq_open(const char *path, const char *src_path, const struct lm_gguf *src, const struct lm_low_bit *lb, lm_load_progress progress,
                void *progress_arg, struct lm_gguf **out, struct lm_err *err)
{
    struct lm_lmq_key key;
    int rc = lm_lmq_key(src_path, src, lb, &key, err);
    if (rc || open_kept(path, &key, lb, out, NULL) == 0)
        return rc;
    rc = lm_lmq_write(path, src, lb, &key, progress, progress_arg, NULL, err);
    return rc ? rc : open_kept(path, &key, lb, out, err);
}

int lm_lmq_cache_path(const char *folder, const char *src_path, const struct lm_lmq_key *key, const struct lm_low_bit *lb, char **out,
                      struct lm_err *err)
{
    size_t end = strlen(src_path), at;
    while (end > 1 && src_path[end - 1] == '/')
        end--;
    for (at = end; at > 0 && src_path[at - 1] != '/';)
        at--;
    if (asprintf(out, "%s/%.*s.%s.%016llx.lmq", folder, (int)(end - at < 80 ? end - at : 80), src_path + at, lb->name,
                 (unsigned long long)lm_lmq_row_hash(key->text, strlen(key->text), LM_LMQ_VERSION)) < 0)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    return 0;
}

int lm_lmq_file_path(const char *path, char **out, struct lm_err *err)
{
    struct stat st;
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (asprintf(out, "%s%s", path, folder ? "/model.lmq" : "") < 0)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    return 0;
}

static bool has_file(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path && access(path, F_OK) == 0;
}

int lm_lmq_model_path(const char *path, const char *low_bit_model_path, char **out, struct lm_err *err)
{
    if (*low_bit_model_path)
        return lm_lmq_file_path(low_bit_model_path, out, err);
    if (has_file(path, "model.lmq") && !has_file(path, "config.json"))
        return lm_lmq_file_path(path, out, err);
    *out = strdup(path);
    return *out ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
}

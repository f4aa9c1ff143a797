/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged files of every kind: GGUF, .lmq, safetensors, config.json, generation_config.json, tokenizer.json,
 * tokenizer.model. Each seed is mutated COUNT times and opened as a model is: what is not
 * refused, with words, must be read to its end. A second is all that one may take.
 *
 * usage: mutate COUNT [SEED [KIND]]
 *
 * Prints a line for each kind. Files are read from heap blocks of their exact length, so that AddressSanitizer (make mutate) sees
 * what is read behind them; folders are read from their files.
 */
#include "runtime/model/hf/safetensors.h"
#include "runtime/model/lmq.h"
#include "runtime/model/source.h"
#include "runtime/text/tokenizer.h"
#include "tests/refexec.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000, VALUES_MAX = 8 };

struct bytes { unsigned char *p; size_t n; };

struct run {
    uint64_t rng;
    char folder[64];
    struct bytes seed;
    json_t *golden; /* tokenizers and SentencePiece models */
    unsigned long n, refused, named;
    double slowest; /* s */
    char what[240];
};

static uint64_t next(struct run *r)
{
    r->rng += 0x9e3779b97f4a7c15u;
    uint64_t z = (r->rng ^ r->rng >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(struct run *r, size_t n)
{
    return n ? (size_t)(next(r) % n) : 0;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static struct bytes read_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st))
        die(path);
    struct bytes b = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    if (!b.p || fread(b.p, 1, b.n, f) != b.n)
        die(path);
    fclose(f);
    return b;
}

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f))
        die(path);
}

/* Numbers that overflow, divide by zero, or lie about a length. */
static void put_value(struct run *r, struct bytes *b)
{
    static const uint64_t value[VALUES_MAX] = {0, 1, UINT64_MAX, INT64_MAX, 0x8000000000000000u, UINT32_MAX, 0x80000000u, 0x7fffffffu};
    const size_t width = (size_t[]){1, 2, 4, 8}[below(r, 4)];
    if (b->n < width)
        return;
    uint64_t v = below(r, 3) ? value[below(r, VALUES_MAX)] : next(r) >> below(r, 64);
    memcpy(b->p + below(r, b->n - width + 1), &v, width);
}

/* A number in a text becomes another, or a word does. */
static void put_text(struct run *r, struct bytes *b)
{
    static const char *const text[] = {"0", "-1", "1e999", "4294967296", "9223372036854775808", "null", "true",
                                       "[]", "{}", "\"\"", "\"\\u0000\"", "1.5", "[[[[[[[[[[[[[["};
    const char *s = text[below(r, sizeof text / sizeof *text)];
    size_t at = below(r, b->n), n = strlen(s), end;
    while (at < b->n && !isdigit(b->p[at]) && b->p[at] != '"')
        at++;
    for (end = at; end < b->n && !strchr(",]}\n", b->p[end]);)
        end++;
    unsigned char *p = malloc(b->n - (end - at) + n + 1);
    if (!p)
        die("malloc");
    memcpy(p, b->p, at);
    memcpy(p + at, s, n);
    memcpy(p + at + n, b->p + end, b->n - end);
    free(b->p);
    *b = (struct bytes){p, b->n - (end - at) + n};
}

static void move(struct run *r, struct bytes *b)
{
    size_t from = below(r, b->n), to = below(r, b->n), most = b->n - (from > to ? from : to);
    memmove(b->p + to, b->p + from, below(r, most < 64 ? most : 64));
}

static void cut(struct run *r, struct bytes *b)
{
    size_t at = below(r, b->n), n = 1 + below(r, 32);
    n = n < b->n - at ? n : b->n - at;
    memmove(b->p + at, b->p + at + n, b->n - at - n);
    b->n -= n;
}

/* head: where the structure ends, which most changes should hit. */
static struct bytes mutate(struct run *r, const struct bytes *seed, size_t head, bool is_text)
{
    struct bytes b = {malloc(seed->n + 1), seed->n};
    if (!b.p)
        die("malloc");
    memcpy(b.p, seed->p, seed->n);
    if (below(r, 8) == 0)
        b.n = below(r, below(r, 2) ? head : b.n);
    for (size_t i = 1 + below(r, 3); i-- && b.n;) {
        struct bytes front = {b.p, b.n < head || below(r, 8) == 0 ? b.n : head};
        switch (below(r, is_text ? 6 : 4)) {
        case 0: front.p[below(r, front.n)] ^= (unsigned char)(1 << below(r, 8)); break;
        case 1: put_value(r, &front); break;
        case 2: move(r, &front); break;
        case 3: cut(r, &b); break;
        default: put_text(r, &b); break;
        }
    }
    struct bytes exact = {malloc(b.n ? b.n : 1), b.n};
    if (!exact.p)
        die("malloc");
    memcpy(exact.p, b.p, b.n);
    free(b.p);
    return exact;
}

/* Every value of every tensor, and every key. */
static void read_gguf(const struct lm_gguf *g)
{
    volatile double sum = 0;
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        const uint64_t rows = lm_gguf_n_rows(t);
        const size_t row = rows ? t->bytes / rows : 0;
        void *made = malloc(row + 1);
        float *x = t->dim[0] < 1 << 24 ? malloc((size_t)t->dim[0] * sizeof *x + 1) : NULL;
        for (uint64_t k = 0; k < rows && made && x && lm_qtype_info(t->qtype)->dequantize; k++) {
            lm_qtype_dequantize(t->qtype, lm_gguf_rows(t, k, 1, made), x, 1, (size_t)t->dim[0]);
            sum += (double)x[t->dim[0] - 1];
        }
        free(x);
        free(made);
    }
    for (size_t i = 0; i < lm_gguf_n_values(g); i++)
        for (size_t k = 0; k < lm_gguf_value_at(g, i)->bytes; k++)
            sum += lm_gguf_value_at(g, i)->at[k];
}

/* The graph, with its weights on the reference backend. */
static int load(const struct lm_gguf *g, struct lm_err *err)
{
    struct lm_model *m = NULL;
    struct lm_dev *dev;
    int rc = lm_refexec.open(&(struct lm_open_desc){0}, &dev, err);
    if (rc)
        return rc;
    rc = lm_model_load(g, NULL, &lm_refexec, dev, 0, NULL, NULL, NULL, &m, err);
    lm_model_destroy(m, &lm_refexec, dev);
    lm_refexec.close(dev);
    return rc;
}

static int try_gguf(struct run *r, const struct bytes *b, struct lm_err *err)
{
    struct lm_gguf *g = NULL;
    (void)r;
    int rc = lm_gguf_open_memory(b->p, b->n, &g, err);
    if (!rc) {
        read_gguf(g);
        rc = load(g, err);
    }
    if (!rc)
        rc = lm_gguf_get(g, "llmserve.low_bit.hash") ? lm_lmq_verify(g, err) : 0;
    lm_gguf_close(g);
    return rc;
}

static int try_safetensors(struct run *r, const struct bytes *b, struct lm_err *err)
{
    struct lm_st *s = NULL;
    volatile double sum = 0;
    char path[128];
    int rc = lm_st_open_memory(b->p, b->n, &s, err);
    for (size_t i = 0; !rc && i < lm_st_n_tensors(s); i++)
        for (uint64_t k = 0; k < lm_st_tensor_at(s, i)->n; k++)
            sum += lm_st_elem(lm_st_tensor_at(s, i), k);
    lm_st_close(s);
    snprintf(path, sizeof path, "%s/model.safetensors", r->folder);
    write_file(path, b->p, b->n);
    struct lm_gguf *g = NULL;
    rc = rc ? rc : lm_source_open(r->folder, &g, err);
    if (!rc) {
        read_gguf(g);
        rc = load(g, err);
    }
    lm_gguf_close(g);
    return rc;
}

static int try_json(struct run *r, const char *name, const struct bytes *b, struct lm_err *err)
{
    struct lm_gguf *g = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    write_file(path, b->p, b->n);
    int rc = lm_source_open(r->folder, &g, err);
    if (!rc)
        rc = load(g, err);
    lm_gguf_close(g);
    return rc;
}

static int try_config(struct run *r, const struct bytes *b, struct lm_err *err)
{
    return try_json(r, "config.json", b, err);
}

static int try_generation(struct run *r, const struct bytes *b, struct lm_err *err)
{
    return try_json(r, "generation_config.json", b, err);
}

static int use_tokenizer(struct lm_tokenizer *t, struct lm_err *err)
{
    static const char text[] = "A tokenizer's 1234 words: \xc3\xa9t\xc3\xa9, \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x99\x82\n\n  and <s> more.";
    struct lm_tokens ids = {0};
    struct lm_bytes back = {0};
    int rc = lm_tokenizer_encode(t, text, sizeof text - 1, LM_TOK_ADD_SPECIAL | LM_TOK_PARSE_SPECIAL, 0, &ids, err);
    if (!rc)
        rc = lm_tokenizer_decode(t, ids.id, ids.n, 0, &back, err);
    lm_bytes_fini(&back);
    lm_tokenizer_destroy(t);
    free(ids.id);
    return rc;
}

static int try_tokenizer(struct run *r, const struct bytes *b, struct lm_err *err)
{
    struct lm_tokenizer *t = NULL;
    char *s = malloc(b->n + 1);
    (void)r;
    if (!s)
        die("malloc");
    memcpy(s, b->p, b->n);
    s[b->n] = 0;
    int rc = lm_tokenizer_parse(s, b->n, NULL, &t, err);
    free(s);
    return rc ? rc : use_tokenizer(t, err);
}

static int try_pieces(struct run *r, const struct bytes *b, struct lm_err *err)
{
    struct lm_tokenizer *t = NULL;
    (void)r;
    int rc = lm_tokenizer_parse_pieces((const char *)b->p, b->n, NULL, &t, err);
    return rc ? rc : use_tokenizer(t, err);
}

/* A refusal says where: a byte, a name, a key with its place. */
static bool says_where(const char *msg)
{
    return strstr(msg, "byte ") || strpbrk(msg, "'[") || strstr(msg, "line ") || strchr(msg, '.');
}

static void one(struct run *r, const char *kind, int (*try)(struct run *, const struct bytes *, struct lm_err *), const struct bytes *b)
{
    struct lm_err err = {0};
    struct timespec a, z;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    int rc = try(r, b, &err);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &z);
    const double s = (double)(z.tv_sec - a.tv_sec) + (double)(z.tv_nsec - a.tv_nsec) * 1e-9;
    r->n++;
    r->refused += rc != 0;
    r->named += rc != 0 && says_where(err.msg);
    r->slowest = s > r->slowest ? s : r->slowest;
    if (s > 1 || (rc && !err.msg[0])) {
        write_file("mutate.found", b->p, b->n);
        fprintf(stderr, "%s: %s after %.2f s, in mutate.found: %s\n", kind, rc ? "refused" : "read", s, err.msg);
        exit(1);
    }
    if (rc && !says_where(err.msg))
        memcpy(r->what, err.msg, sizeof r->what);
}

static void add_seed(struct run *r, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", LM_GOLDEN_FOLDER, name);
    r->seed = read_file(path);
}

static void read_golden(struct run *r)
{
    json_error_t where;
    FILE *in = popen("xz -dc '" LM_GOLDEN_FOLDER "/../hf/golden.json.xz'", "r");
    r->golden = in ? json_loadf(in, JSON_ALLOW_NUL, &where) : NULL;
    if (!r->golden || pclose(in) != 0)
        die("golden.json.xz");
}

/* Number i of the tokenizers, or of the models, which stand in hexadecimal digits. */
static void add_golden(struct run *r, const char *of, size_t i)
{
    json_t *all = json_object_get(r->golden, of);
    void *it = json_object_iter(all);
    for (i %= json_object_size(all); i--;)
        it = json_object_iter_next(all, it);
    const json_t *file = json_object_get(json_object_iter_value(it), "file");
    const char *s = json_string_value(file);
    const bool hex = of[0] == 'm';
    r->seed = (struct bytes){malloc(json_string_length(file) + 1), json_string_length(file) / (hex ? 2 : 1)};
    if (!r->seed.p)
        die("malloc");
    for (size_t k = 0; k < r->seed.n; k++)
        r->seed.p[k] = hex ? (unsigned char)strtoul((char[]){s[2 * k], s[2 * k + 1], 0}, NULL, 16) : (unsigned char)s[k];
}

static void add_folder(struct run *r, const char *name)
{
    static const char *const files[] = {"config.json", "generation_config.json", "model.safetensors"};
    for (size_t i = 0; i < 3; i++) {
        char from[512], to[128];
        snprintf(from, sizeof from, "%s/hf/%s/%s", LM_GOLDEN_FOLDER, name, files[i]);
        snprintf(to, sizeof to, "%s/%s", r->folder, files[i]);
        if (access(from, R_OK)) {
            unlink(to);
            continue;
        }
        struct bytes b = read_file(from);
        write_file(to, b.p, b.n);
        free(b.p);
    }
}

static void add_lmq(struct run *r, const char *format)
{
    char from[512], to[128];
    struct lm_low_bit lb;
    struct lm_lmq_key key;
    struct lm_gguf *g = NULL;
    struct lm_err err;
    snprintf(from, sizeof from, "%s/qwen2-bf16.gguf", LM_GOLDEN_FOLDER);
    snprintf(to, sizeof to, "%s/m.lmq", r->folder);
    if (lm_source_open(from, &g, &err) || lm_low_bit_find(format, &lb, &err) || lm_lmq_key(from, g, &lb, &key, &err) ||
        lm_lmq_write(to, g, &lb, &key, NULL, NULL, NULL, &err))
        die(err.msg);
    lm_gguf_close(g);
    r->seed = read_file(to);
}

static const struct kind {
    const char *name;
    int (*try)(struct run *, const struct bytes *, struct lm_err *);
    bool is_text;
} kinds[] = {
    {"gguf", try_gguf, false},          {"lmq", try_gguf, false},
    {"safetensors", try_safetensors, true}, {"config", try_config, true},
    {"generation", try_generation, true},   {"tokenizer", try_tokenizer, true},
    {"pieces", try_pieces, false},
};

/* Folders whose files are changed, and what other files there are. */
static const char *const folders[] = {"llama-yarn-tied-f16", "qwen2-gptq-order",      "llama-awq-quants", "llama-fp8-block",
                                      "llama-int4-quants",   "deepseek-v3-yarn-bf16", "gpt-oss-quants",   "internlm2-bf16"};

static void set_seeds(struct run *r, const struct kind *k, size_t round)
{
    static const char *const gguf[] = {"qwen3.gguf", "deepseek2-v3.gguf", "gpt-oss-quants.gguf", "llama-mqa-yarn-f16.gguf"};
    const char *folder = folders[round % (sizeof folders / sizeof *folders)];
    char name[128];
    free(r->seed.p);
    if (k->try == try_safetensors || k->try == try_config || k->try == try_generation) {
        folder = k->try == try_generation ? folders[0] : folder;
        add_folder(r, folder);
        snprintf(name, sizeof name, "hf/%s/%s", folder,
                 k->try == try_safetensors ? "model.safetensors" : k->try == try_config ? "config.json" : "generation_config.json");
        add_seed(r, name);
    } else if (k->try == try_tokenizer || k->try == try_pieces) {
        add_golden(r, k->try == try_tokenizer ? "tokenizers" : "models", round);
    } else if (k->name[0] == 'l') {
        add_lmq(r, (const char *[]){"sym_int4", "asym_int5", "fp6"}[round % 3]);
    } else {
        add_seed(r, gguf[round % (sizeof gguf / sizeof *gguf)]);
    }
}

static size_t head_of(const struct kind *k, const struct bytes *b)
{
    if (k->try == try_safetensors) {
        uint64_t n = 0;
        memcpy(&n, b->p, b->n < 8 ? b->n : 8);
        return n + 8 < b->n ? (size_t)n + 8 : b->n;
    }
    return k->is_text || b->n < 6000 ? b->n : 6000;
}

static void run_kind(struct run *r, const struct kind *k, unsigned long count)
{
    enum { ROUND = 50 };
    r->n = r->refused = r->named = 0;
    r->slowest = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (i % ROUND == 0) {
            struct lm_err err;
            set_seeds(r, k, i / ROUND);
            if (k->try(r, &r->seed, &err)) {
                fprintf(stderr, "%s: a whole file is refused: %s\n", k->name, err.msg);
                exit(1);
            }
        }
        struct bytes b = mutate(r, &r->seed, head_of(k, &r->seed), k->is_text);
        one(r, k->name, k->try, &b);
        free(b.p);
    }
    printf("%-12s %lu damaged files: %lu refused (%lu say where), %lu read to the end; slowest %.3f s%s%s\n", k->name, r->n, r->refused, r->named,
           r->n - r->refused, r->slowest, r->what[0] ? "; e.g. without a place: " : "", r->what);
    r->what[0] = 0;
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct run r = {.rng = argc > 2 ? strtoull(argv[2], NULL, 10) : 1};
    static const char *const files[] = {"config.json", "generation_config.json", "model.safetensors", "m.lmq"};
    if (argc < 2) {
        fprintf(stderr, "usage: mutate COUNT [SEED [KIND]]\n");
        return 2;
    }
    snprintf(r.folder, sizeof r.folder, "/tmp/mutate-XXXXXX");
    if (!mkdtemp(r.folder))
        die(r.folder);
    read_golden(&r);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (argc < 4 || strcmp(argv[3], kinds[i].name) == 0)
            run_kind(&r, &kinds[i], strtoul(argv[1], NULL, 10));
    free(r.seed.p);
    json_decref(r.golden);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", r.folder, files[i]);
        unlink(path);
    }
    rmdir(r.folder);
    return 0;
}

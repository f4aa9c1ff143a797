/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: replay [-s SECONDS] FILE...
 *
 * Gives a fuzz target each file once, without libFuzzer: what was found once stays found. Then, for SECONDS, changed ones:
 * bytes flipped, cut, moved, taken from another file. An input ends where its page does, so reading behind it is a crash in
 * any build. One that takes the process down is left in replay.found.
 */
#include "runtime/base/buf.h"
#include "runtime/base/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 8192, PAGE = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct input { const uint8_t *p; size_t n; } now; /* for on_crash() */
static uint32_t rng = 1;

static size_t below(size_t n)
{
    rng = rng * 1664525u + 1013904223u;
    return n ? (rng >> 8) % n : 0;
}

static void on_crash(int sig)
{
    FILE *f = fopen("replay.found", "wb");
    if (f) {
        fwrite(now.p, 1, now.n, f);
        fclose(f);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static int give(const char *s, size_t n)
{
    const size_t room = (n + PAGE - 1) / PAGE * PAGE;
    uint8_t *p = mmap(NULL, room + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + room, PAGE, PROT_NONE))
        return 1;
    now = (struct input){p + room - n, n};
    if (n)
        memcpy(p + room - n, s, n);
    LLVMFuzzerTestOneInput(now.p, n);
    return munmap(p, room + PAGE);
}

static int read_file(const char *path, struct lm_bytes *out)
{
    char piece[4096];
    FILE *f = fopen(path, "rb");
    if (!f)
        return 1;
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        lm_bytes_add(out, piece, n);
    int bad = ferror(f) || out->failed;
    fclose(f);
    return bad;
}

/* n bytes of `from` into the place of n_old at `at`. */
static size_t splice(char *s, size_t n, size_t at, size_t n_old, const char *from, size_t n_new)
{
    n_new = n - n_old + n_new < MOST ? n_new : 0;
    memmove(s + at + n_new, s + at + n_old, n - at - n_old);
    memcpy(s + at, from, n_new);
    return n - n_old + n_new;
}

static size_t change(char *s, size_t n, const struct lm_bytes *other)
{
    static const char special[] = "\0\xff\x7f\x80\"\\{}[]<>,:'0-\n";
    char piece[64];
    size_t at = below(n), few = below(n - at < sizeof piece ? n - at : sizeof piece), from = below(other->len);
    size_t take = below(other->len - from < sizeof piece ? other->len - from : sizeof piece);
    if (few)
        memcpy(piece, s + below(n - few), few);
    if (n == 0 || below(4) == 0)
        return splice(s, n, at, 0, other->data ? other->data + from : "", take);
    switch (below(4)) {
    case 0: s[at] = (char)(s[at] ^ 1 << below(8)); return n;
    case 1: s[at] = special[below(sizeof special)]; return n;
    case 2: return splice(s, n, at, few, "", 0);
    default: return splice(s, n, at, 0, piece, few);
    }
}

static int mutate(const struct lm_bytes *seed, size_t n_seed, uint64_t until)
{
    static char s[MOST];
    size_t n_given = 0;
    for (; lm_now_us() < until; n_given++) {
        const struct lm_bytes *b = &seed[below(n_seed)];
        size_t n = b->len < MOST ? b->len : MOST;
        if (n)
            memcpy(s, b->data, n);
        for (size_t k = 1 + below(4); k--;)
            n = change(s, n, &seed[below(n_seed)]);
        if (give(s, n))
            return 1;
    }
    printf("%zu changed inputs\n", n_given);
    return 0;
}

int main(int argc, char **argv)
{
    const bool more = argc > 3 && strcmp(argv[1], "-s") == 0;
    const size_t first = more ? 3 : 1, n_seed = (size_t)argc - first;
    struct lm_bytes *seed = calloc(n_seed + 1, sizeof *seed);
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    for (size_t i = 0; i < n_seed; i++)
        if (!seed || read_file(argv[first + i], &seed[i]) || give(seed[i].data, seed[i].len)) {
            fprintf(stderr, "%s cannot be read\n", argv[first + i]);
            return 1;
        }
    printf("%zu inputs\n", n_seed);
    int rc = more && mutate(seed, n_seed, lm_now_us() + strtoull(argv[2], NULL, 10) * 1000000);
    for (size_t i = 0; i < n_seed; i++)
        lm_bytes_fini(&seed[i]);
    free(seed);
    return rc || n_seed == 0;
}

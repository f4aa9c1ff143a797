/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/cache.h"
#include "runtime/base/folder.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BINARY = 256 << 20 };

struct head {
    char magic[8];
    uint64_t key_bytes, binary_bytes, checksum; /* of key and binary */
};

static const char magic[8] = "LMGPUPR1";

/* FNV-1a, 64 bits. */
static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static char *join_key(const struct gpu_cache_key *k, size_t *out_n)
{
    size_t n = strlen(k->device) + strlen(k->driver) + strlen(k->options) + 3;
    char *s = malloc(n + k->n_source + 1);
    if (!s)
        return NULL;
    snprintf(s, n + 1, "%s\n%s\n%s\n", k->device, k->driver, k->options);
    memcpy(s + n, k->source, k->n_source);
    *out_n = n + k->n_source;
    return s;
}

static void path_of(const struct gpu_cache *c, const char *key, size_t n, char *out, size_t n_out)
{
    snprintf(out, n_out, "%s/%016" PRIx64 ".bin", c->folder, hash(0xcbf29ce484222325u, key, n));
}

void gpu_cache_init(struct gpu_cache *c, const char *name, const char *option, bool is_processor)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *c = (struct gpu_cache){""};
    if (strcmp(option, "no") == 0 || (strcmp(option, "auto") == 0 && is_processor))
        return;
    if (strcmp(option, "auto") != 0)
        snprintf(c->folder, sizeof c->folder, "%s", option);
    else if (xdg && *xdg == '/')
        snprintf(c->folder, sizeof c->folder, "%s/llmserve/%s", xdg, name);
    else if (home && *home == '/')
        snprintf(c->folder, sizeof c->folder, "%s/.cache/llmserve/%s", home, name);
    if (*c->folder && lm_folder_make(c->folder, NULL) < 0)
        *c->folder = '\0';
}

static unsigned char *read_binary(FILE *f, const char *key, size_t n_key, size_t *out_n)
{
    struct head h;
    if (fread(&h, sizeof h, 1, f) != 1 || memcmp(h.magic, magic, sizeof magic) != 0 || h.key_bytes != n_key ||
        h.binary_bytes == 0 || h.binary_bytes > MAX_BINARY)
        return NULL;
    size_t n = n_key + (size_t)h.binary_bytes;
    unsigned char *data = malloc(n);
    if (!data)
        return NULL;
    if (fread(data, 1, n, f) != n || fgetc(f) != EOF || memcmp(data, key, n_key) != 0 || hash(h.binary_bytes, data, n) != h.checksum) {
        free(data);
        return NULL;
    }
    memmove(data, data + n_key, (size_t)h.binary_bytes);
    *out_n = (size_t)h.binary_bytes;
    return data;
}

unsigned char *gpu_cache_read(const struct gpu_cache *c, const struct gpu_cache_key *k, size_t *out_n)
{
    char path[600];
    size_t n_key;
    unsigned char *binary = NULL;
    char *key = *c->folder ? join_key(k, &n_key) : NULL;
    if (!key)
        return NULL;
    path_of(c, key, n_key, path, sizeof path);
    FILE *f = fopen(path, "re");
    if (f) {
        binary = read_binary(f, key, n_key, out_n);
        fclose(f);
    }
    free(key);
    return binary;
}

void gpu_cache_write(const struct gpu_cache *c, const struct gpu_cache_key *k, const unsigned char *binary, size_t n)
{
    char path[600], aside[640];
    size_t n_key;
    char *key = *c->folder ? join_key(k, &n_key) : NULL;
    if (!key)
        return;
    path_of(c, key, n_key, path, sizeof path);
    snprintf(aside, sizeof aside, "%s.XXXXXX", path);
    int fd = mkstemp(aside);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f) {
        struct head h = {.key_bytes = n_key, .binary_bytes = n, .checksum = hash(hash(n, key, n_key), binary, n)};
        memcpy(h.magic, magic, sizeof magic);
        int good = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(key, 1, n_key, f) == n_key && fwrite(binary, 1, n, f) == n;
        if (fclose(f) != 0 || !good || rename(aside, path) < 0)
            unlink(aside);
    }
    free(key);
}

static struct gpu_cache_key known_key(const char *device, const char *driver, const char *source, const char *options, char *text, size_t n)
{
    snprintf(text, n, "self-test %s", options);
    return (struct gpu_cache_key){source, strlen(source), text, device, driver};
}

bool gpu_cache_known(const struct gpu_cache *c, const char *device, const char *driver, const char *source, const char *options)
{
    char text[200];
    size_t n;
    const struct gpu_cache_key key = known_key(device, driver, source, options, text, sizeof text);
    unsigned char *found = gpu_cache_read(c, &key, &n);
    free(found);
    return found != NULL;
}

void gpu_cache_keep_known(const struct gpu_cache *c, const char *device, const char *driver, const char *source, const char *options)
{
    char text[200];
    const struct gpu_cache_key key = known_key(device, driver, source, options, text, sizeof text);
    gpu_cache_write(c, &key, (const unsigned char *)"ok", 2);
}

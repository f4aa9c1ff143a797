/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/cgroup.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_in(const char *dir, const char *name)
{
    char path[3 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return fopen(path, "re");
}

/* The number a file holds; UINT64_MAX for "max" or no file. */
static uint64_t read_number(const char *dir, const char *name)
{
    uint64_t v = UINT64_MAX;
    FILE *f = open_in(dir, name);
    if (!f)
        return v;
    if (fscanf(f, "%" SCNu64, &v) != 1)
        v = UINT64_MAX;
    fclose(f);
    return v;
}

static uint64_t read_page_cache(const char *dir)
{
    char key[64];
    uint64_t v, sum = 0;
    FILE *f = open_in(dir, "memory.stat");
    if (!f)
        return 0;
    while (fscanf(f, "%63s %" SCNu64, key, &v) == 2)
        if (strcmp(key, "active_file") == 0 || strcmp(key, "inactive_file") == 0)
            sum += v;
    fclose(f);
    return sum;
}

static void read_level(const char *dir, struct cpu_cgroup *out)
{
    double quota, period;
    FILE *f = open_in(dir, "cpu.max");
    if (f && fscanf(f, "%lf %lf", &quota, &period) == 2 && period > 0)
        out->cpus = fmin(out->cpus, quota / period);
    if (f)
        fclose(f);
    uint64_t max = read_number(dir, "memory.max"), used = read_number(dir, "memory.current");
    if (max == UINT64_MAX)
        return;
    uint64_t cache = read_page_cache(dir);
    used = used == UINT64_MAX || used < cache ? 0 : used - cache;
    uint64_t left = max > used ? max - used : 0;
    out->mem_total = max < out->mem_total ? max : out->mem_total;
    out->mem_free = left < out->mem_free ? left : out->mem_free;
}

/* The group of version 2 stands in the line "0::/path". */
static bool read_group(const char *self, char *out, size_t n)
{
    bool found = false;
    FILE *f = fopen(self, "re");
    if (!f)
        return false;
    while (!found && fgets(out, (int)n, f))
        found = strncmp(out, "0::/", 4) == 0;
    fclose(f);
    out[strcspn(out, "\n")] = '\0';
    memmove(out, out + 3, found ? strlen(out + 3) + 1 : 0);
    return found;
}

struct cpu_cgroup cpu_cgroup_read(const char *root, const char *self)
{
    struct cpu_cgroup out = {.cpus = INFINITY, .mem_total = UINT64_MAX, .mem_free = UINT64_MAX};
    char group[PATH_MAX], dir[2 * PATH_MAX];
    if (!read_group(self, group, sizeof group))
        return out;
    for (;;) {
        snprintf(dir, sizeof dir, "%s%s", root, group);
        read_level(dir, &out);
        char *slash = strrchr(group, '/');
        if (!slash)
            return out;
        *slash = '\0';
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/cgroup.h"
#include "tests/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", root, path);
    FILE *f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void setup(const char *self)
{
    char dir[128];
    strcpy(root, "cgroup_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(dir, sizeof dir, "%s/a", root);
    mkdir(dir, 0700);
    snprintf(dir, sizeof dir, "%s/a/b", root);
    mkdir(dir, 0700);
    put("self", self);
}

static struct cpu_cgroup read_back(void)
{
    char self[128], command[128];
    snprintf(self, sizeof self, "%s/self", root);
    struct cpu_cgroup g = cpu_cgroup_read(root, self);
    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
    return g;
}

START_TEST(test_cpu_cgroup__the_tightest_level_counts)
{
    setup("1:name=systemd:/x\n0::/a/b\n");
    put("a/cpu.max", "250000 100000\n");
    put("a/b/cpu.max", "max 100000\n");
    put("a/memory.max", "1000000\n");
    put("a/memory.current", "400000\n");
    put("a/memory.stat", "anon 7\nactive_file 100000\ninactive_file 50000\n");
    put("a/b/memory.max", "max\n");
    struct cpu_cgroup g = read_back();
    ck_assert_double_eq(g.cpus, 2.5);
    ck_assert_uint_eq(g.mem_total, 1000000);
    ck_assert_uint_eq(g.mem_free, 750000);
}
END_TEST

START_TEST(test_cpu_cgroup__in_a_namespace_the_root_has_the_limits)
{
    setup("0::/\n");
    put("cpu.max", "50000 100000\n");
    put("memory.max", "4096\n");
    put("memory.current", "8192\n");
    struct cpu_cgroup g = read_back();
    ck_assert_double_eq(g.cpus, 0.5);
    ck_assert_uint_eq(g.mem_total, 4096);
    ck_assert_uint_eq(g.mem_free, 0);
}
END_TEST

START_TEST(test_cpu_cgroup__what_cannot_be_read_is_no_limit)
{
    const char *self[] = {"", "0::/\n", "0::/gone/away\n", "garbage", "2:cpu:/a\n"};
    for (size_t i = 0; i < sizeof self / sizeof *self; i++) {
        setup(self[i]);
        put("cpu.max", i == 1 ? "garbage\n" : "max 100000\n");
        struct cpu_cgroup g = read_back();
        ck_assert(isinf(g.cpus) && g.mem_total == UINT64_MAX && g.mem_free == UINT64_MAX);
    }
    struct cpu_cgroup g = cpu_cgroup_read("/nowhere", "/nowhere/self");
    ck_assert(isinf(g.cpus) && g.mem_total == UINT64_MAX);
}
END_TEST

SUITE_MAIN("cpu/cgroup", test_cpu_cgroup__the_tightest_level_counts, test_cpu_cgroup__in_a_namespace_the_root_has_the_limits,
           test_cpu_cgroup__what_cannot_be_read_is_no_limit)

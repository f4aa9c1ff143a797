/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/machine.h"
#include "backends/cpu/cgroup.h"

#include <errno.h>
#include <hwloc.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const char cgroup_root[] = "/sys/fs/cgroup", cgroup_self[] = "/proc/self/cgroup";

struct cpu_machine {
    hwloc_topology_t topology;
    hwloc_cpuset_t allowed;
    hwloc_obj_type_t core; /* HWLOC_OBJ_CORE, or PU where the system tells no cores */
    uint32_t n_part;       /* of the machine, of which this is one */
    bool shared;           /* its core is another part's too */
};

static int load(struct cpu_machine *m)
{
    if (hwloc_topology_init(&m->topology) < 0)
        return -1;
    hwloc_topology_set_all_types_filter(m->topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(m->topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(m->topology, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(m->topology, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE); /* what memory nodes are of */
    if (hwloc_topology_load(m->topology) < 0 || !(m->allowed = hwloc_bitmap_alloc()))
        return -1;
    if (hwloc_get_cpubind(m->topology, m->allowed, HWLOC_CPUBIND_PROCESS) < 0)
        hwloc_bitmap_copy(m->allowed, hwloc_topology_get_allowed_cpuset(m->topology));
    m->n_part = 1;
    m->core = HWLOC_OBJ_CORE;
    if (cpu_machine_n_core(m) == 0)
        m->core = HWLOC_OBJ_PU;
    return cpu_machine_n_core(m) > 0 ? 0 : -1;
}

int cpu_machine_create(struct cpu_machine **out, struct lm_err *err)
{
    struct cpu_machine *m = calloc(1, sizeof *m);
    if (!m)
        return lm_fail(err, LM_ENOMEM, "no memory for the topology");
    if (load(m) < 0) {
        cpu_machine_destroy(m);
        return lm_fail(err, LM_EDEVICE, "hwloc finds no processor that this process may use");
    }
    *out = m;
    return 0;
}

void cpu_machine_destroy(struct cpu_machine *m)
{
    if (!m)
        return;
    hwloc_bitmap_free(m->allowed);
    if (m->topology)
        hwloc_topology_destroy(m->topology);
    free(m);
}

const char *cpu_machine_name(const struct cpu_machine *m)
{
    hwloc_obj_t package = hwloc_get_obj_by_type(m->topology, HWLOC_OBJ_PACKAGE, 0);
    const char *name = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    if (!name)
        name = hwloc_obj_get_info_by_name(hwloc_get_root_obj(m->topology), "CPUModel");
    return name ? name : "";
}

/* The i-th core that the process may use, counted from 0; NULL when there are not so many. */
static hwloc_obj_t core(const struct cpu_machine *m, uint32_t i)
{
    hwloc_obj_t o = NULL;
    while ((o = hwloc_get_next_obj_by_type(m->topology, m->core, o)))
        if (hwloc_bitmap_intersects(o->cpuset, m->allowed) && i-- == 0)
            break;
    return o;
}

uint32_t cpu_machine_n_core(const struct cpu_machine *m)
{
    uint32_t n = 0;
    while (core(m, n))
        n++;
    return n;
}

int cpu_machine_take(struct cpu_machine *m, uint32_t part, uint32_t n_part, struct lm_err *err)
{
    const uint32_t n = cpu_machine_n_core(m);
    uint32_t first = (uint32_t)((uint64_t)n * part / n_part), end = (uint32_t)((uint64_t)n * (part + 1) / n_part);
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (!set)
        return lm_fail(err, LM_ENOMEM, "no memory for a set of processors");
    m->n_part = n_part;
    m->shared = n < n_part;
    for (uint32_t i = first; i < (end > first ? end : first + 1); i++)
        hwloc_bitmap_or(set, set, core(m, i)->cpuset);
    hwloc_bitmap_and(m->allowed, m->allowed, set);
    hwloc_bitmap_free(set);
    return 0;
}

bool cpu_machine_is_shared(const struct cpu_machine *m)
{
    return m->shared;
}

uint32_t cpu_machine_n_thread(const struct cpu_machine *m)
{
    uint32_t n = cpu_machine_n_core(m);
    double cpus = cpu_cgroup_read(cgroup_root, cgroup_self).cpus / m->n_part;
    if (cpus < n)
        n = cpus < 1 ? 1 : (uint32_t)cpus;
    return n;
}

void cpu_machine_bind(const struct cpu_machine *m, uint32_t i)
{
    hwloc_obj_t o = core(m, i);
    hwloc_cpuset_t set = o ? hwloc_bitmap_dup(o->cpuset) : NULL;
    if (!set)
        return;
    hwloc_bitmap_and(set, set, m->allowed);
    hwloc_set_cpubind(m->topology, set, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free(set);
}

uint32_t cpu_machine_node(const struct cpu_machine *m, uint32_t i)
{
    hwloc_obj_t o = core(m, i), node = NULL;
    uint32_t n = 0;
    while (o && (node = hwloc_get_next_obj_by_type(m->topology, HWLOC_OBJ_NUMANODE, node)) && !hwloc_bitmap_intersects(node->cpuset, o->cpuset))
        n++;
    return node ? n : 0;
}

uint32_t cpu_machine_n_node(const struct cpu_machine *m)
{
    uint32_t n = 0;
    for (hwloc_obj_t node = NULL; (node = hwloc_get_next_obj_by_type(m->topology, HWLOC_OBJ_NUMANODE, node));)
        n += hwloc_bitmap_intersects(node->cpuset, m->allowed);
    return n ? n : 1;
}

void cpu_machine_place(const struct cpu_machine *m, const void *at, size_t n, uint32_t node)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = ((uintptr_t)at + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)at + n + page - 1) / page * page;
    hwloc_obj_t o = hwloc_get_obj_by_type(m->topology, HWLOC_OBJ_NUMANODE, node);
    if (o && first < end)
        hwloc_set_area_membind(m->topology, (const void *)first, end - first, o->nodeset, HWLOC_MEMBIND_BIND,
                               HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_MIGRATE);
}

static uint64_t kib_of(const char *line, const char *key)
{
    uint64_t kib = 0;
    size_t n = strlen(key);
    if (strncmp(line, key, n) != 0 || sscanf(line + n, "%" SCNu64, &kib) != 1)
        return 0;
    return kib << 10;
}

int cpu_machine_mem(const struct cpu_machine *m, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    char line[128];
    uint64_t total = 0, available = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) {
        int native = errno;
        lm_fail(err, LM_EIO, "/proc/meminfo: %s", strerror(native));
        if (err)
            err->native = native;
        return LM_EIO;
    }
    while (fgets(line, sizeof line, f)) {
        total += kib_of(line, "MemTotal:");
        available += kib_of(line, "MemAvailable:");
    }
    fclose(f);
    struct cpu_cgroup group = cpu_cgroup_read(cgroup_root, cgroup_self);
    *out_free = (group.mem_free < available ? group.mem_free : available) / m->n_part;
    *out_total = (group.mem_total < total ? group.mem_total : total) / m->n_part;
    return 0;
}

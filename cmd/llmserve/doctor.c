/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve doctor: looks at the machine for what keeps a model from running, or from running fast. Each finding has its remedy. */
#include "cmd/llmserve/command.h"
#include "conf/conf.h"
#include "runtime/base/buf.h"
#include "runtime/plugin/registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <grp.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEVICE = 64, WANTED_FILES = 4096 };

struct args {
    const char *root;
    bool json;
};

static const struct lm_arg_row rows[] = {
    LM_FLAG(struct args, json, "json", "Print JSON"),
    LM_TEXT_DEF(struct args, root, "root", "DIR", "", "Look at the /dev, /sys, /proc and /etc in this folder"),
};

struct doctor {
    const char *root;
    json_t *findings;
    unsigned n_bad;
    bool has_intel, has_gpu;
};

enum state { OK, NOTE, BAD };

__attribute__((format(printf, 5, 6)))
static void find(struct doctor *d, const char *check, enum state state, const char *remedy, const char *fmt, ...)
{
    static const char *const name[] = {"ok", "note", "bad"};
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    d->n_bad += state == BAD;
    json_t *row = json_pack("{s:s, s:s}", "check", check, "state", name[state]), *said = json_string(text);
    json_object_set_new(row, "finding", said ? said : json_string("a name that is not UTF-8"));
    json_object_set_new(row, "remedy", state == OK ? json_null() : json_string(remedy));
    json_array_append_new(d->findings, row);
}

/* The first line of a file of the machine. false: it is not there. */
static bool read_line(const struct doctor *d, const char *path, char *out, size_t size)
{
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s%s", d->root, path);
    FILE *f = fopen(full, "re");
    bool there = f && fgets(out, (int)size, f);
    if (f)
        fclose(f);
    if (there)
        out[strcspn(out, "\n")] = 0;
    return there;
}

static void check_files(struct doctor *d)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < WANTED_FILES)
        find(d, "open files", NOTE, "ulimit -n 65536, or LimitNOFILE=65536 in the unit",
             "at most %llu files may be open, which are fewer than max-connections may need", (unsigned long long)limit.rlim_cur);
    else
        find(d, "open files", OK, "", "%llu may be open", (unsigned long long)limit.rlim_cur);
}

static void check_huge_pages(struct doctor *d)
{
    char line[128];
    if (!read_line(d, "/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line))
        find(d, "huge pages", NOTE, "a kernel with CONFIG_TRANSPARENT_HUGEPAGE", "the kernel has no transparent huge pages");
    else if (strstr(line, "[never]"))
        find(d, "huge pages", NOTE, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
             "transparent huge pages are off: reading weights costs more page-table walks");
    else
        find(d, "huge pages", OK, "", "%s", line);
}

/* Of all processors; intel_pstate's powersave is a governor that speeds up, only with the hint "power" it does not. */
static void check_governor(struct doctor *d)
{
    char path[160], governor[64] = "", driver[64] = "", hint[64] = "";
    unsigned n = 0, n_slow = 0;
    for (unsigned cpu = 0; cpu < 4096; cpu++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu);
        if (!read_line(d, path, governor, sizeof governor))
            break;
        n++;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_driver", cpu);
        bool pstate = read_line(d, path, driver, sizeof driver) && strcmp(driver, "intel_pstate") == 0;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/energy_performance_preference", cpu);
        bool saves = read_line(d, path, hint, sizeof hint) && strcmp(hint, "power") == 0;
        n_slow += strcmp(governor, "powersave") == 0 && (!pstate || saves);
    }
    if (n_slow)
        find(d, "governor", NOTE, "cpupower frequency-set -g performance", "%u of %u processors save power (governor powersave)", n_slow, n);
    else
        find(d, "governor", OK, "", n ? "%s on %u processors" : "the machine sets its frequency itself%s", n ? governor : "", n);
}

/* May this user open it, and if not, who may? */
static void check_node(struct doctor *d, const char *name)
{
    char path[PATH_MAX], link[PATH_MAX], driver[64] = "no driver", vendor[16] = "";
    struct stat st;
    snprintf(path, sizeof path, "/sys/class/drm/%s/device/vendor", name);
    read_line(d, path, vendor, sizeof vendor);
    d->has_gpu = true;
    d->has_intel = d->has_intel || strcmp(vendor, "0x8086") == 0;
    snprintf(path, sizeof path, "%s/sys/class/drm/%s/device/driver", d->root, name);
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n > 0) {
        link[n] = 0;
        snprintf(driver, sizeof driver, "%.60s", strrchr(link, '/') ? strrchr(link, '/') + 1 : link);
    }
    snprintf(path, sizeof path, "%s/dev/dri/%s", d->root, name);
    if (access(path, R_OK | W_OK) == 0) {
        find(d, "device", OK, "", "/dev/dri/%s (%s) can be opened", name, driver);
        return;
    }
    struct group *g = stat(path, &st) == 0 ? getgrgid(st.st_gid) : NULL;
    char remedy[192];
    snprintf(remedy, sizeof remedy, "usermod -aG %.40s USER, then log in anew (for a unit: SupplementaryGroups=%.40s)", g ? g->gr_name : "render",
             g ? g->gr_name : "render");
    find(d, "device", BAD, remedy, "/dev/dri/%s (%s) cannot be opened by this user", name, driver);
}

static void check_nodes(struct doctor *d)
{
    char path[PATH_MAX];
    struct dirent **entry = NULL;
    snprintf(path, sizeof path, "%s/dev/dri", d->root);
    int n = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (strncmp(entry[i]->d_name, "renderD", 7) == 0)
            check_node(d, entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    if (!d->has_gpu)
        find(d, "device", NOTE, "for a GPU: a kernel driver (i915, xe) that binds it; in a container --device=/dev/dri",
             "no render node in /dev/dri: models run on the processor");
}

static bool has_library(const char *name)
{
    void *lib = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (lib)
        dlclose(lib);
    return lib != NULL;
}

/* What the GPU's plugins load at run time. */
static void check_libraries(struct doctor *d)
{
    static const struct { const char *name, *remedy; bool intel; } lib[] = {
        {"libOpenCL.so.1", "apt install ocl-icd-libopencl1", false},
        {"libze_loader.so.1", "apt install libze1", true},
        {"libze_intel_gpu.so.1", "apt install libze-intel-gpu1 intel-opencl-icd", true},
    };
    for (size_t i = 0; i < sizeof lib / sizeof *lib; i++) {
        bool there = has_library(lib[i].name), needed = d->has_gpu && (d->has_intel || !lib[i].intel);
        if (there || needed)
            find(d, "driver", there ? OK : BAD, lib[i].remedy, there ? "%s is there" : "%s is missing", lib[i].name);
    }
    char path[PATH_MAX];
    struct dirent **entry = NULL;
    snprintf(path, sizeof path, "%s/etc/OpenCL/vendors", d->root);
    int n = scandir(path, &entry, NULL, NULL), n_icd = 0;
    for (int i = 0; i < n; i++) {
        n_icd += strstr(entry[i]->d_name, ".icd") != NULL;
        free(entry[i]);
    }
    free(entry);
    if (!n_icd && d->has_gpu)
        find(d, "driver", BAD, "apt install intel-opencl-icd (Intel), or the vendor's OpenCL driver", "no OpenCL driver is registered in /etc/OpenCL/vendors");
}

static void check_plugin(struct doctor *d, const char *dir, const char *name)
{
    const struct lm_backend *be;
    struct lm_device_info info[MAX_DEVICE];
    struct lm_err err = {0};
    int n_usable = 0, n = lm_registry_load(dir, name, &be, &err);
    if (!n)
        n = be->devices(info, MAX_DEVICE, &err);
    for (int i = 0; i < n && i < MAX_DEVICE; i++)
        n_usable += !info[i].problem[0];
    if (n_usable)
        find(d, "backend", OK, "", "%s: %d usable devices, first %s", name, n_usable, info[0].name);
    else
        find(d, "backend", NOTE, "llmserve devices says more; install what is missing, or let the plugin be", "%s: %s", name,
             n < 0 ? err.msg : n > 0 ? info[0].problem : "no device");
}

static void check_plugins(struct doctor *d, const char *dir)
{
    char **name = NULL;
    struct lm_err err = {0};
    int n = lm_registry_list(dir, &name, &err);
    if (n <= 0)
        find(d, "backend", BAD, "apt install llmserve-backend-cpu", "%s", n < 0 ? err.msg : "no backend plugin is installed");
    for (int i = 0; i < n; i++) {
        check_plugin(d, dir, name[i]);
        free(name[i]);
    }
    free(name);
}

static void print(const struct doctor *d, bool json)
{
    const json_t *row;
    size_t i;
    if (json) {
        json_dumpf(d->findings, stdout, JSON_INDENT(2));
        putchar('\n');
        return;
    }
    json_array_foreach(d->findings, i, row) {
        const char *remedy = json_string_value(json_object_get(row, "remedy"));
        printf("%-4s  %-11s %s\n", json_string_value(json_object_get(row, "state")), json_string_value(json_object_get(row, "check")),
               json_string_value(json_object_get(row, "finding")));
        if (remedy)
            printf("      %-11s remedy: %s\n", "", remedy);
    }
}

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_conf c;
    struct lm_err err = {0};
    struct doctor d = {.findings = json_array()};
    int rc = lm_command_settings(&lm_command_doctor, &a, &c, argc, argv, &err);
    if (!rc) {
        d.root = a.root;
        check_nodes(&d);
        check_libraries(&d);
        check_plugins(&d, *c.server.plugin_dir ? c.server.plugin_dir : NULL);
        check_governor(&d);
        check_huge_pages(&d);
        check_files(&d);
        print(&d, a.json);
    }
    json_decref(d.findings);
    lm_conf_fini(&c);
    return rc ? lm_command_end("doctor", rc, &err) : d.n_bad ? LM_EXIT_FAILED : 0;
}

const struct lm_command lm_command_doctor = {
    .name = "doctor", .usage = "", .help = "look for what keeps models from running fast, each finding with its remedy", .run = run,
    .options = LM_OPTIONS(rows), .knobs = true,
    .about = "Device nodes and who may open them, drivers, plugins, the processors' governor, huge pages, the limit of open files. Status 1: something is bad.",
};

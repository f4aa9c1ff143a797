/* SPDX-License-Identifier: Apache-2.0 */
/* Why a GPU cannot be used, from made folders like /sys and /dev; the table of models. */
#include "backends/ze/drm.h"
#include "backends/ze/list.h"
#include "backends/ze/model.h"
#include "backends/ze/plugin_test.h"
#include "tests/suite.h"

#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/llmserve-drm-XXXXXX";

static void command(const char *format, ...)
{
    char text[1000];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    ck_assert_int_eq(system(text), 0);
}

/* A GPU as the kernel shows it: node renderDN, PCI address, numbers of vendor and device. */
static void add_gpu(int node, const char *pci, const char *vendor, const char *device, const char *mode)
{
    command("cd %s && mkdir -p sys/class/drm/renderD%d sys/devices/%s dev/dri && ln -s ../../../devices/%s sys/class/drm/renderD%d/device && "
            "echo %s >sys/devices/%s/vendor && echo %s >sys/devices/%s/device", root, node, pci, pci, node, vendor, pci, device, pci);
    if (*mode)
        command("cd %s && : >dev/dri/renderD%d && chmod %s dev/dri/renderD%d", root, node, mode, node);
}

static const struct lm_device_info *find(const struct lm_device_info *info, int n, const char *text)
{
    for (int i = 0; i < n; i++)
        if (strstr(info[i].driver, text))
            return &info[i];
    ck_abort_msg("no device %s of %d", text, n);
    return NULL;
}

START_TEST(test_ze_list__each_gpu_that_cannot_be_used_says_why)
{
    struct lm_device_info info[8];
    struct lm_err err = {0};
    add_gpu(128, "0000:03:00.0", "0x8086", "0x56a0", "0666"); /* the test driver has it */
    add_gpu(129, "0000:07:00.0", "0x8086", "0xe20b", "0600"); /* no permission */
    add_gpu(130, "0000:08:00.0", "0x8086", "0x0bd5", "");     /* not in the container */
    add_gpu(131, "0000:09:00.0", "0x8086", "0x7d55", "0666"); /* the driver does not list it */
    add_gpu(132, "0000:0a:00.0", "0x10de", "0x2330", "0666"); /* not Intel's */
    command("chmod -R a+rX %s/sys %s/dev", root, root);
    command("chmod 0600 %s/dev/dri/renderD129 && chmod a+rx %s", root, root);
    bool is_root = geteuid() == 0;
    ck_assert(!is_root || seteuid(65534) == 0);
    if (!is_root) /* its owner may open it: take that away */
        chmod(root, 0755), command("chmod 0000 %s/dev/dri/renderD129", root);
    int n = ze_list(root, info, 8, &err);
    ck_assert(!is_root || seteuid(0) == 0);
    ck_assert_int_eq(n, 4);
    ck_assert_str_eq(find(info, n, "0000:03:00.0")->problem, "");
    ck_assert_str_eq(info[0].name, "ze_pocl 0");
    const struct { const char *driver, *name, *problem; } want[] = {
        {"0000:07:00.0, renderD129", "Intel GPU 0xe20b (Battlemage)", "no permission on /dev/dri/renderD129: add the user to its group (usermod -aG "},
        {"0000:08:00.0, renderD130", "Intel GPU 0x0bd5 (Ponte Vecchio)", "/dev/dri/renderD130 is not here: give it to the container (--device /dev/dri)"},
        {"0000:09:00.0, renderD131", "Intel GPU 0x7d55 (Xe-LPG)", "the Level Zero driver does not know it: install a newer libze-intel-gpu1"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct lm_device_info *d = find(info, n, want[i].driver);
        ck_assert_str_eq(d->name, want[i].name);
        ck_assert_msg(strncmp(d->problem, want[i].problem, strlen(want[i].problem)) == 0, "%s", d->problem);
    }
    ck_assert_int_eq(ze_list(root, info, 1, &err), 4);
}
END_TEST

START_TEST(test_ze_list__a_missing_driver_is_named_at_each_gpu)
{
    struct lm_device_info info[8];
    struct lm_err err = {0};
    void (*faults)(const char *) = test_driver("ze_pocl_faults");
    faults("driver_get:1:78000001");
    int n = ze_list(root, info, 8, &err);
    faults(NULL);
    ck_assert_int_eq(n, 4);
    ck_assert_str_eq(find(info, n, "renderD128")->problem, "zeDriverGet: ZE_RESULT_ERROR_UNINITIALIZED (0x78000001)");
    setenv("ZE_AFFINITY_MASK", "0", 1);
    n = ze_list(root, info, 8, &err);
    unsetenv("ZE_AFFINITY_MASK");
    ck_assert_str_eq(find(info, n, "renderD131")->problem, "hidden by ZE_AFFINITY_MASK=0");
    command("rm -r %s", root);
}
END_TEST

START_TEST(test_ze_list__models_are_told_apart)
{
    const struct { unsigned vendor, model; const char *name; int sub_group; bool xmx; } want[] = {
        {0x8086, 0x56a0, "Alchemist", 8, true}, {0x8086, 0x56c0, "Alchemist", 8, true}, {0x8086, 0xe20b, "Battlemage", 16, true},
        {0x8086, 0x0bd5, "Ponte Vecchio", 16, true}, {0x8086, 0x7d55, "Xe-LPG", 8, false}, {0x8086, 0x7d51, "Xe-LPG+", 8, true},
        {0x8086, 0x64a0, "Xe2 (Lunar Lake)", 16, true}};
    const struct ze_model *all;
    int n = ze_model_all(&all);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct ze_model *m = ze_model_find(want[i].vendor, want[i].model);
        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->name, want[i].name);
        ck_assert_int_eq(m->sub_group, want[i].sub_group);
        ck_assert_int_eq(m->xmx, want[i].xmx);
    }
    ck_assert_ptr_null(ze_model_find(0x10de, 0x56a0));
    ck_assert_ptr_null(ze_model_find(0x8086, 0x1234));
    for (int i = 1; i < n; i++) /* no two rows for one number */
        ck_assert_int_lt(all[i - 1].last, all[i].first);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_ze_list__each_gpu_that_cannot_be_used_says_why, test_ze_list__a_missing_driver_is_named_at_each_gpu,
                                  test_ze_list__models_are_told_apart};
    return mkdtemp(root) ? suite_run("ze/list", tests, 3) : 1;
}

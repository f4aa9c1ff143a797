/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/device.h"

enum { MAX_PLATFORMS = 16, NVIDIA_MAJOR = 0x4000, NVIDIA_MINOR = 0x4001, SUB_GROUP_SIZES_INTEL = 0x4108, MAX_SIZES = 16 };

static void text(cl_device_id id, cl_device_info what, char *out, size_t n)
{
    char s[256] = "";
    size_t used = 0;
    clGetDeviceInfo(id, what, sizeof s - 1, s, &used);
    snprintf(out, n, "%.*s", (int)(n - 1), s[0] ? s : "?");
}

cl_ulong cl_device_number(cl_device_id id, cl_device_info what)
{
    cl_ulong v = 0;
    return clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

size_t cl_device_size(cl_device_id id, cl_device_info what)
{
    size_t v = 0;
    return clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

cl_uint cl_device_uint(cl_device_id id, cl_device_info what)
{
    cl_uint v = 0;
    return clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

static int list_platform(cl_platform_id platform, const char *platform_name, const struct cl_option *o, struct cl_device *out, int max)
{
    cl_device_id ids[CL_MAX_DEVICES];
    cl_uint n = 0;
    int count = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, CL_MAX_DEVICES, ids, &n) != CL_SUCCESS)
        return 0;
    for (cl_uint i = 0; i < n && i < CL_MAX_DEVICES && count < max; i++) {
        struct cl_device *d = &out[count];
        *d = (struct cl_device){.platform = platform, .id = ids[i]};
        d->type = cl_device_number(ids[i], CL_DEVICE_TYPE);
        text(ids[i], CL_DEVICE_NAME, d->name, sizeof d->name);
        text(ids[i], CL_DRIVER_VERSION, d->driver, sizeof d->driver);
        snprintf(d->platform_name, sizeof d->platform_name, "%s", platform_name);
        if (!o || strstr(d->name, o->device))
            count++;
    }
    return count;
}

/* GPUs before the others, otherwise as they were. */
static void processors_last(struct cl_device *d, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && (d[k - 1].type & CL_DEVICE_TYPE_CPU) && !(d[k].type & CL_DEVICE_TYPE_CPU); k--) {
            struct cl_device t = d[k];
            d[k] = d[k - 1];
            d[k - 1] = t;
        }
}

int cl_device_list(const struct cl_option *o, struct cl_device *out, struct lm_err *err)
{
    cl_platform_id platform[MAX_PLATFORMS];
    cl_uint n = 0;
    int count = 0;
    cl_int rc = clGetPlatformIDs(MAX_PLATFORMS, platform, &n);
    if (rc == -1001) /* the loader found none */
        return 0;
    if (rc != CL_SUCCESS)
        return cl_fail(err, rc, "clGetPlatformIDs");
    for (cl_uint i = 0; i < n && i < MAX_PLATFORMS; i++) {
        char name[96] = "?";
        clGetPlatformInfo(platform[i], CL_PLATFORM_NAME, sizeof name, name, NULL);
        name[sizeof name - 1] = '\0';
        if (!o || strstr(name, o->platform))
            count += list_platform(platform[i], name, o, out + count, CL_MAX_DEVICES - count);
    }
    processors_last(out, count);
    return count;
}

void cl_device_problem(const struct cl_device *d, char *out, size_t n)
{
    *out = '\0';
    if (!cl_device_uint(d->id, CL_DEVICE_AVAILABLE))
        snprintf(out, n, "the device is not available: is another program holding it?");
    else if (!cl_device_uint(d->id, CL_DEVICE_COMPILER_AVAILABLE))
        snprintf(out, n, "its driver has no compiler: install the full driver");
    else if (!cl_device_uint(d->id, CL_DEVICE_ENDIAN_LITTLE))
        snprintf(out, n, "it is not little-endian");
    else if (cl_device_size(d->id, CL_DEVICE_MAX_WORK_GROUP_SIZE) < 256)
        snprintf(out, n, "work-groups of %zu at most: 256 are needed", cl_device_size(d->id, CL_DEVICE_MAX_WORK_GROUP_SIZE));
}

unsigned cl_device_nvidia(const struct cl_device *d)
{
    return cl_device_uint(d->id, NVIDIA_MAJOR) * 10 + cl_device_uint(d->id, NVIDIA_MINOR);
}

bool cl_device_has(cl_device_id id, const char *const *names)
{
    char all[8192] = "";
    if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof all - 1, all, NULL) != CL_SUCCESS)
        return false;
    while (*names && strstr(all, *names))
        names++;
    return !*names;
}

uint32_t cl_device_xmx(const struct cl_device *d)
{
    static const char *const needed[] = {"cl_intel_subgroup_matrix_multiply_accumulate", "cl_intel_required_subgroup_size", "cl_intel_subgroups_short",
                                         "cl_khr_fp16", NULL};
    size_t size[MAX_SIZES], bytes = 0, least = 0;
    if (!(d->type & CL_DEVICE_TYPE_GPU) || !cl_device_has(d->id, needed) ||
        clGetDeviceInfo(d->id, SUB_GROUP_SIZES_INTEL, sizeof size, size, &bytes) != CL_SUCCESS)
        return 0;
    for (size_t i = 0; i < bytes / sizeof *size; i++)
        least = least == 0 || size[i] < least ? size[i] : least;
    return least == 8 || least == 16 ? (uint32_t)least : 0;
}

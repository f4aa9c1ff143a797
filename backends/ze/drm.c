/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/drm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INTEL = 0x8086 };

/* The number in folder/name; 0 where there is none. */
static uint32_t number(const char *folder, const char *name)
{
    char path[PATH_MAX + 16];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%x", &n) != 1)
            n = 0;
        fclose(f);
    }
    return n;
}

static void why_closed(const char *path, int error, char *out, size_t n)
{
    char text[1024], name[40] = "render";
    struct stat st;
    struct group g, *found = NULL;
    const char *node = strrchr(path, '/') + 1;
    if (error == ENOENT) {
        snprintf(out, n, "/dev/dri/%s is not here: give it to the container (--device /dev/dri)", node);
        return;
    }
    if (error != EACCES && error != EPERM) {
        snprintf(out, n, "/dev/dri/%s: %s", node, strerror(error));
        return;
    }
    if (stat(path, &st) == 0 && getgrgid_r(st.st_gid, &g, text, sizeof text, &found) == 0 && found)
        snprintf(name, sizeof name, "%.39s", g.gr_name);
    snprintf(out, n, "no permission on /dev/dri/%s: add the user to its group (usermod -aG %s USER) and log in again", node, name);
}

/* Is class/renderDN Intel's? */
static int describe(const char *root, const char *node, struct ze_drm *out)
{
    char path[PATH_MAX], device[PATH_MAX];
    snprintf(path, sizeof path, "%s/sys/class/drm/%s/device", root, node);
    if (!realpath(path, device) || number(device, "vendor") != INTEL)
        return 0;
    *out = (struct ze_drm){.model = number(device, "device")};
    snprintf(out->node, sizeof out->node, "%.15s", node);
    snprintf(out->pci, sizeof out->pci, "%.15s", strrchr(device, '/') + 1);
    snprintf(path, sizeof path, "%s/dev/dri/%s", root, node);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        why_closed(path, errno, out->problem, sizeof out->problem);
    else
        close(fd);
    return 1;
}

int ze_drm_list(const char *root, struct ze_drm *out, int max)
{
    char path[PATH_MAX];
    int n = 0;
    snprintf(path, sizeof path, "%s/sys/class/drm", root);
    DIR *d = opendir(path);
    for (struct dirent *e; d && n < max && (e = readdir(d));)
        if (strncmp(e->d_name, "renderD", 7) == 0)
            n += describe(root, e->d_name, &out[n]);
    if (d)
        closedir(d);
    return n;
}

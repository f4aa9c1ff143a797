/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/drivers/ze_pocl/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FAULT = 16 };

static struct { char call[40]; long n; unsigned code; } fault[MAX_FAULT];
static int n_fault;
static long n_call, n_launch, hang_at;

void ze_pocl_faults(const char *text)
{
    char copy[1024], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", text ? text : "");
    drv_lock();
    n_fault = 0;
    n_call = n_launch = hang_at = 0;
    drv.lost = false;
    for (char *t = strtok_r(copy, ",\n", &rest); t && n_fault < MAX_FAULT; t = strtok_r(NULL, ",\n", &rest)) {
        if (sscanf(t, "hang:%ld", &hang_at) == 1)
            continue;
        if (sscanf(t, "%39[^:]:%ld:%x", fault[n_fault].call, &fault[n_fault].n, &fault[n_fault].code) == 3)
            n_fault++;
        else
            fprintf(stderr, "ze_pocl: no fault: %s\n", t);
    }
    drv_unlock();
}

long ze_pocl_calls(void)
{
    drv_lock();
    long n = n_call;
    drv_unlock();
    return n;
}

/* What a lost device still does: end objects, and be asked for its state. */
static bool survives_loss(const char *function)
{
    return strstr(function, "destroy") || strstr(function, "free") || strstr(function, "_end") || strstr(function, "driver") ||
           strcmp(function, "drv_device_get") == 0 || strcmp(function, "drv_init") == 0;
}

ze_result_t drv_enter(const char *function)
{
    ze_result_t code = ZE_RESULT_SUCCESS;
    drv_lock();
    bool poll = strcmp(function, "drv_event_query") == 0 || strcmp(function, "drv_device_status") == 0;
    n_call += !poll;
    for (int i = 0; i < n_fault; i++)
        if (((strcmp(fault[i].call, "any") == 0 && !poll) || strcmp(fault[i].call, function + strlen("drv_")) == 0) && --fault[i].n == 0)
            code = (ze_result_t)fault[i].code;
    if (code != ZE_RESULT_SUCCESS && getenv("ZE_POCL_TRACE"))
        fprintf(stderr, "ze_pocl: %s returns %x\n", function, (unsigned)code);
    if (code == ZE_RESULT_ERROR_DEVICE_LOST) {
        drv.lost = true;
        pthread_cond_broadcast(&drv.changed);
    }
    if (code == ZE_RESULT_SUCCESS && drv.lost && !survives_loss(function))
        code = ZE_RESULT_ERROR_DEVICE_LOST;
    drv_unlock();
    return code;
}

bool drv_fault_hangs(void)
{
    return hang_at && ++n_launch == hang_at;
}

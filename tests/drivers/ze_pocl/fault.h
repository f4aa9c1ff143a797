/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_POCL_FAULT_H
#define ZE_POCL_FAULT_H
/**
 * Faults on request. In ZE_POCL_FAULT, separated by commas:
 *
 *   CALL:N:CODE   the N-th call of drv_CALL returns CODE (hexadecimal); 70000001, device lost, stays for all calls
 *   any:N:CODE    the N-th call of whichever but event_query and device_status, whose number is a matter of time
 *   hang:N        the N-th launch of a kernel never ends
 *
 * A destroying call does its work and then returns the code. A test in the same process asks by the functions below,
 * found with dlsym() in the loaded driver.
 */
#include "tests/drivers/ze_pocl/driver.h"

/** At the begin of every call. Other than success: to be returned. */
ze_result_t drv_enter(const char *function);

/** Does this launch hang? With the lock. */
bool drv_fault_hangs(void);

/** Replace the faults; NULL: none. Counts begin anew, a lost device is well again. */
__attribute__((visibility("default"))) void ze_pocl_faults(const char *text);
/** Calls since then, of those that `any` counts. */
__attribute__((visibility("default"))) long ze_pocl_calls(void);
/** What is there still, in words; returns how many objects, allocations and misuses. */
__attribute__((visibility("default"))) long ze_pocl_live(char *out, size_t n);
#endif

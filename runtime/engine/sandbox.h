/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_SANDBOX_H
#define LM_ENGINE_SANDBOX_H
/**
 * What a process gives up for good. The front and an engine leave no core file and gain no rights by starting a
 * program; an engine whose model is loaded asks the kernel to refuse it what only an intruder would want: to start
 * programs, to open sockets other than local ones, to look into other processes, to mount, to load modules and so on.
 *
 * The filter is a list of what is refused (EPERM), not of what is allowed: which calls a GPU's driver makes is not ours
 * to know.
 *
 * Thread   the main thread, once
 */
#include <linux/filter.h>
#include <llmserve/err.h>
#include <stddef.h>

enum { LM_SANDBOX_MAX = 160 }; /* instructions */

enum { /* what stays allowed, or-ed */
    LM_SANDBOX_EXEC = 1,  /* to start programs: the device's driver links kernels when they first run */
    LM_SANDBOX_SHARE = 2, /* sockets, and memory of processes that let it: those of an MPI job exchange by them */
};

/** No core file, which would hold prompts and keys, and no rights from programs that it starts. */
void lm_sandbox_begin(unsigned allowed);

/**
 * From now on: the kernel refuses what `filter` below refuses, in every thread of the process.
 *
 * Errors   LM_EUNSUPPORTED this kernel, machine or container has no such filters; nothing has changed then
 */
int lm_sandbox_enter(unsigned allowed, struct lm_err *err);

/** The program of the filter: writes up to LM_SANDBOX_MAX instructions, returns how many; 0 on a machine it is not made for. */
size_t lm_sandbox_filter(unsigned allowed, struct sock_filter *out);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PLUGIN_ELF_H
#define LM_PLUGIN_ELF_H
/** Whether a plugin's file is whole: dlopen() of one that was cut ends the process by SIGBUS. */
#include <llmserve/err.h>
#include <stddef.h>

/**
 * Every segment that is loaded, and the table of sections, lie within the file of n bytes. Files that are not ELF of
 * this machine's word size, or cannot be read, pass: dlopen() says what is wrong with them.
 *
 * Errors   LM_EUNSUPPORTED the file ends early
 * Thread   [any]
 * Source   elf(5)
 */
int lm_elf_check(const char *path, size_t n, struct lm_err *err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PLUGIN_REGISTRY_H
#define LM_PLUGIN_REGISTRY_H
/**
 * Finds, checks and opens backend plugins in one absolute directory: $(pkglibdir)/backends fixed at build, an
 * override by the INI key `plugin-dir`, never the working directory or LD_LIBRARY_PATH. RTLD_NOW | RTLD_LOCAL, never closed.
 * A plugin and its folder belong to root or to who runs the process, and nobody else may write them.
 *
 * Thread   [any], one at a time
 */
#include <llmserve/backend.h>

/**
 * Load one plugin by name ("cpu") and give its table, complete: calls that it lacks are stubs.
 *
 * dir      NULL = the built-in one
 * Returns  *out borrowed, for the life of the process
 * Errors   LM_ENOTFOUND no such file; LM_EUNSUPPORTED not a plugin, others may change it, wrong abi or size, with file, reason and the remedy
 */
int lm_registry_load(const char *dir, const char *name, const struct lm_backend **out, struct lm_err *err);

/** Names of the plugins in dir, sorted. The caller frees each and the array. Returns the count or LM_E*. */
int lm_registry_list(const char *dir, char ***out, struct lm_err *err);

/** The loadable plugin with the highest score > 0. Each is asked in a process of its own: the others' drivers are not loaded here. */
int lm_registry_best(const char *dir, const struct lm_backend **out, struct lm_err *err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_OPTION_H
#define GPU_OPTION_H
/**
 * Reads a section [backend NAME] by a table of its keys, and the values that several plugins have.
 *
 * Errors   LM_ECONFIG a bad value, named with its key
 * Thread   [any]
 */
#include <llmserve/backend.h>

/** A key and what reads its value into the plugin's own struct. */
struct gpu_option_row {
    const char *key;
    int (*read)(const char *value, void *out, struct lm_err *err);
};

/**
 * Read options over what *out holds. Keys may have '-' or '_'. After a failure *out is not to be used.
 *
 * Errors   also LM_ECONFIG an unknown key, with those there are
 */
int gpu_option_read(const char *backend, const struct gpu_option_row *row, size_t n_row, const struct lm_option *option, size_t n,
                    void *out, struct lm_err *err);

int gpu_option_text(const char *key, const char *value, char *out, size_t n, struct lm_err *err);

/** A number of bytes, with K, M, G or T for powers of 1024. */
int gpu_option_bytes(const char *key, const char *value, uint64_t *out, struct lm_err *err);

/** Which of some words, NULL behind the last; its number. */
int gpu_option_word(const char *key, const char *value, const char *const *words, struct lm_err *err);

/** self-test: auto, yes or no (selftest.h). */
enum gpu_self_test { GPU_SELF_TEST_AUTO, GPU_SELF_TEST_YES, GPU_SELF_TEST_NO };
int gpu_option_self_test(const char *value, enum gpu_self_test *out, struct lm_err *err);

/** auto, no or an absolute folder (cache.h). */
int gpu_option_cache(const char *value, char *out, size_t n, struct lm_err *err);
#endif

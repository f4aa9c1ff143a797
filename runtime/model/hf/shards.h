/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_SHARDS_H
#define LM_MODEL_HF_SHARDS_H
/**
 * The safetensors files of a folder: model.safetensors.index.json with those that it names, or model.safetensors.
 *
 * Names of files may not lead out of the folder; a tensor in two files and one that is not where the index says are
 * refused. Up to 1024 files.
 *
 * Errors   LM_ENOTFOUND; LM_EFORMAT; of lm_st_open(); with the file
 * Thread   [any]; read-only once it is open
 */
#include "runtime/model/hf/safetensors.h"

struct lm_hf_shards {
    struct lm_st **st;
    struct lm_map *map; /* [n], borrowed from st */
    size_t n;
    const struct lm_st_tensor **tensor; /* [n_tensor] of all files, sorted by name */
    size_t n_tensor;
};

int lm_hf_shards_open(const char *folder, struct lm_hf_shards *out, struct lm_err *err);
void lm_hf_shards_close(struct lm_hf_shards *s); /* all-zero: does nothing */

/** The place in s->tensor, or n_tensor. */
size_t lm_hf_shards_find(const struct lm_hf_shards *s, const char *name);
#endif

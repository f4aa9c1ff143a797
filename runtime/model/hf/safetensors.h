/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_SAFETENSORS_H
#define LM_MODEL_HF_SAFETENSORS_H
/**
 * Reader of one safetensors file: 8 bytes with the header's length, a JSON header, the tensors' bytes.
 *
 * The file is hostile: the header's length and depth, names given twice, types, shapes, products and offsets are
 * checked, tensors lie inside the file, do not overlap and leave no gap, and an error names the tensor and the
 * byte offset in the file. Names have 1 to 255 bytes, shapes up to 8 dimensions.
 *
 * Source   https://huggingface.co/docs/safetensors (format)
 */
#include "runtime/model/gguf.h"

struct lm_st;

enum lm_st_type {
    LM_ST_BOOL, LM_ST_U8, LM_ST_I8, LM_ST_F8_E5M2, LM_ST_F8_E4M3, LM_ST_I16, LM_ST_U16, LM_ST_F16, LM_ST_BF16, LM_ST_I32,
    LM_ST_U32, LM_ST_F32, LM_ST_F64, LM_ST_I64, LM_ST_U64, LM_ST_N_TYPE
};

struct lm_st_tensor {
    struct lm_gguf_str name; /* terminated */
    enum lm_st_type type;
    uint32_t n_dim;
    uint64_t dim[8];  /* outermost first, as in the file; missing ones are 1 */
    uint64_t n;       /* elements, their product */
    uint64_t offset;  /* of data in the file */
    const void *data; /* any alignment, little-endian */
    size_t bytes;
};

/**
 * Map a file and check its header; tensor data pages in when touched.
 *
 * Owns     *out is the caller's until lm_st_close()
 * Errors   of lm_map_open(); LM_EFORMAT; LM_ELIMIT a header above 16 MiB; LM_EUNSUPPORTED a type; without the path
 * Thread   [any]; the opened object is read-only and may be shared
 */
int lm_st_open(const char *path, struct lm_st **out, struct lm_err *err);
void lm_st_close(struct lm_st *s); /* takes NULL */

/** The same from bytes that stay the caller's until lm_st_close(). */
int lm_st_open_memory(const void *data, size_t n, struct lm_st **out, struct lm_err *err);

size_t lm_st_n_tensors(const struct lm_st *s);
/** Sorted by name. */
const struct lm_st_tensor *lm_st_tensor_at(const struct lm_st *s, size_t i);
const struct lm_st_tensor *lm_st_tensor(const struct lm_st *s, const char *name);
struct lm_map lm_st_map(const struct lm_st *s); /* borrowed */

size_t lm_st_type_bytes(enum lm_st_type type);
const char *lm_st_type_name(enum lm_st_type type); /* as in a header: "BF16" */

/** Element i as a double; i < t->n. An integer beyond 2^53 is rounded. */
double lm_st_elem(const struct lm_st_tensor *t, uint64_t i);
#endif

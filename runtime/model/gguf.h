/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_GGUF_H
#define LM_MODEL_GGUF_H
/**
 * Reader of GGUF v2 and v3, little-endian. The file is hostile: every count, length, offset, product and type
 * is checked before use, duplicate keys and tensor names are refused, tensors lie inside the file and do not
 * overlap, and an error names the key or tensor and the byte offset. Reading what the file has lost since it was
 * opened is a SIGBUS: see lm_gguf_whole().
 *
 * Source   https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
#include <llmserve/err.h>
#include <llmserve/qtype.h>
#include "runtime/model/map.h"
#include <stdbool.h>

struct lm_gguf;

enum lm_gguf_type {
    LM_GGUF_U8, LM_GGUF_I8, LM_GGUF_U16, LM_GGUF_I16, LM_GGUF_U32, LM_GGUF_I32, LM_GGUF_F32, LM_GGUF_BOOL,
    LM_GGUF_STRING, LM_GGUF_ARRAY, LM_GGUF_U64, LM_GGUF_I64, LM_GGUF_F64
};

struct lm_gguf_str { const char *s; size_t n; }; /* borrowed from the mapping, not terminated */

struct lm_gguf_value {
    struct lm_gguf_str key;
    enum lm_gguf_type type;  /* of the value; LM_GGUF_ARRAY: n elements of elem */
    enum lm_gguf_type elem;
    uint64_t n;              /* 1 for scalars */
    const unsigned char *at; /* first byte of the value or of the first element, unaligned */
    size_t bytes;            /* of the value or of all elements */
};

struct lm_gguf_tensor {
    struct lm_gguf_str name;
    uint32_t qtype;
    uint32_t n_dim;
    uint64_t dim[4]; /* dim[0] is the innermost (columns); missing ones are 1 */
    uint64_t offset; /* of data in the file */
    const void *data; /* NULL where the rows are made when they are read */
    size_t bytes;
    const struct lm_gguf_made *made; /* NULL where data is what the file holds */
    uint64_t first;   /* of the made rows that is row 0, in a slice of a tensor */
};

/** How the rows of a tensor are made that no file holds in a published form. */
struct lm_gguf_made {
    /** Write rows row .. row + n - 1 in the tensor's type. Cannot fail: all was checked at open.  Thread [any] */
    void (*rows)(const struct lm_gguf_made *m, uint64_t row, uint64_t n, void *out);
    const void *src; /* the largest part of what is read, for hints and for the order of loading */
    size_t src_bytes;
};

/**
 * Map a file and check its header. Only metadata is read; tensor data pages in when touched.
 *
 * Owns     *out is the caller's until lm_gguf_close()
 * Errors   LM_ENOTFOUND no such file; LM_EIO; LM_EFORMAT with key or tensor and offset; LM_EUNSUPPORTED a
 *          version or tensor type; LM_ENOMEM
 * Thread   [any]; the opened object is read-only and may be shared
 */
int lm_gguf_open(const char *path, struct lm_gguf **out, struct lm_err *err);
void lm_gguf_close(struct lm_gguf *g); /* takes NULL */

/** LM_EIO when the file is shorter than when it was opened. */
int lm_gguf_whole(const struct lm_gguf *g, struct lm_err *err);

/** The mapped file; *out_bytes 0 when it is not one, SIZE_MAX (and NULL) when tensors lie in several files. */
const void *lm_gguf_mapping(const struct lm_gguf *g, size_t *out_bytes);

/** The same from bytes that stay the caller's until lm_gguf_close(). */
int lm_gguf_open_memory(const void *data, size_t n, struct lm_gguf **out, struct lm_err *err);

/** Tensors from other files than the one that holds the metadata. */
struct lm_gguf_whole {
    struct lm_gguf_tensor *tensor; /* [n_tensor], of malloc */
    size_t n_tensor;
    const struct lm_map *map; /* [n_map] that the tensors' bytes lie in */
    size_t n_map;
    const char *folder; /* NULL, or that of a Hugging Face model, with its tokenizer's files */
    void *owner;        /* of all but tensor */
    void (*release)(void *owner);
};

/**
 * Replace the tensors of g, which then owns all of w.
 *
 * Errors   LM_EFORMAT a name is given twice; LM_ENOMEM; g and w are as before
 */
int lm_gguf_complete(struct lm_gguf *g, const struct lm_gguf_whole *w, struct lm_err *err);

size_t lm_gguf_n_files(const struct lm_gguf *g); /* that hold tensors */
struct lm_map lm_gguf_map(const struct lm_gguf *g); /* of the file that was opened, borrowed */
struct lm_map lm_gguf_file(const struct lm_gguf *g, size_t i); /* of the one at i of those that hold tensors, borrowed */
/** The folder of a model in Hugging Face's form, borrowed; NULL for GGUF. */
const char *lm_gguf_folder(const struct lm_gguf *g);

size_t lm_gguf_n_values(const struct lm_gguf *g);
const struct lm_gguf_value *lm_gguf_value_at(const struct lm_gguf *g, size_t i);
/** NULL when the key is absent. */
const struct lm_gguf_value *lm_gguf_get(const struct lm_gguf *g, const char *key);

size_t lm_gguf_n_tensors(const struct lm_gguf *g);
const struct lm_gguf_tensor *lm_gguf_tensor_at(const struct lm_gguf *g, size_t i);
const struct lm_gguf_tensor *lm_gguf_tensor(const struct lm_gguf *g, const char *name);
uint64_t lm_gguf_n_rows(const struct lm_gguf_tensor *t); /* over all dimensions but the innermost */
/**
 * Rows row .. row + n - 1 in the tensor's type: where the file has them, or made into scratch, which has room for
 * n * bytes / rows.
 *
 * Thread   [any]
 */
const void *lm_gguf_rows(const struct lm_gguf_tensor *t, uint64_t row, uint64_t n, void *scratch);

/**
 * Typed reads of a scalar. An absent key gives fallback and 0; a wrong type or an unrepresentable value is LM_EFORMAT naming the key.
 */
int lm_gguf_u32(const struct lm_gguf *g, const char *key, uint32_t fallback, uint32_t *out, struct lm_err *err);
int lm_gguf_f32(const struct lm_gguf *g, const char *key, float fallback, float *out, struct lm_err *err);
int lm_gguf_bool(const struct lm_gguf *g, const char *key, bool fallback, bool *out, struct lm_err *err);
/** {NULL, 0} when absent or not a string. */
struct lm_gguf_str lm_gguf_string(const struct lm_gguf *g, const char *key);
/** The same, but another type is an error. */
int lm_gguf_text(const struct lm_gguf *g, const char *key, struct lm_gguf_str *out, struct lm_err *err);

/**
 * Walk an array of strings: *cursor starts at NULL; returns false after the last. The array was checked at open.
 */
bool lm_gguf_next_string(const struct lm_gguf_value *v, const unsigned char **cursor, struct lm_gguf_str *out);
/** Element i of a numeric array as a double or integer; i < v->n. */
double lm_gguf_elem_f64(const struct lm_gguf_value *v, uint64_t i);
int64_t lm_gguf_elem_i64(const struct lm_gguf_value *v, uint64_t i);

/** A name as error messages may show it: unprintable bytes become '?', a long one ends in "...". Returns out. */
#define LM_GGUF_QUOTE 72
const char *lm_gguf_quote(struct lm_gguf_str s, char out[LM_GGUF_QUOTE]);

/**
 * Hints for a reader of tensor data: read ahead, or drop from this process's memory what will not be read soon.
 * Bytes after the file's end are left out; nothing happens where the object was not opened from a file.
 *
 * Thread   [any]
 */
void lm_gguf_will_read(const struct lm_gguf *g, const void *p, size_t n);
void lm_gguf_has_read(const struct lm_gguf *g, const void *p, size_t n);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LLMSERVE_BACKEND_H
#define LLMSERVE_BACKEND_H
/**
 * What a device plugin is: one shared object that exports one data symbol, `lm_backend`.
 *
 * The core dlopens $(pkglibdir)/backends/<name>.so, checks abi and size before it calls anything, fills
 * calls that a smaller (older) table lacks with stubs that return LM_EUNSUPPORTED, and never closes it.
 * Differences between backends are capability bits and sizes, never names.
 *
 * Thread   score and devices [any]; all others: one thread at a time for each device, the engine's or one that it has for the device
 * Errors   int calls return 0 or LM_E* (err.h) and fill err; LM_EDEVICE means the device is lost and every
 *          object of it can only be closed
 */
#include <llmserve/err.h>
#include <llmserve/op.h>
#include <llmserve/qtype.h>

#define LM_BACKEND_ABI 7u

struct lm_dev;  /* an open device, the backend's */
struct lm_plan; /* a prepared graph with its KV pool and scratch, the backend's */

/** A weight matrix (or vector: rows 1) on a device. The backend embeds this as its first member. */
struct lm_weight {
    uint32_t qtype;        /* published type it came from */
    uint32_t rows, cols;   /* logical shape: rows outputs, cols inputs */
    size_t bytes;          /* device bytes it takes */
};

enum lm_weight_use {
    LM_USE_MATMUL = 1, /* right-hand side of a matmul */
    LM_USE_EMBED = 2,  /* table of an embedding look-up (may be joined with MATMUL: tied weights) */
    LM_USE_VECTOR = 4, /* norm weight or bias, kept in f32 */
};

struct lm_weight_desc {
    uint32_t qtype;
    uint32_t rows, cols;
    uint32_t use;       /* enum lm_weight_use, or-ed */
    const void *mapped; /* the published bytes, valid until close(), or NULL: a backend whose layout equals
                           the file's keeps this pointer, sets *out_ready and needs no pack() */
};

struct lm_device_info {
    char name[96];      /* "AMD EPYC 9654" */
    char driver[64];    /* driver or ISA and version: "avx512-vnni" */
    char kind[8];       /* "cpu", "gpu", "acc" */
    uint64_t mem_bytes; /* total memory of the device */
    char problem[160];  /* empty: usable; else why not and the remedy */
};

struct lm_option { const char *key, *value; }; /* a line of the section [backend NAME] */

struct lm_open_desc {
    uint32_t device;                /* index into devices() */
    const struct lm_option *option; /* an unknown key is LM_ECONFIG */
    size_t n_option;
};

/** What prepare() is told. Sizes are upper bounds for every step. */
struct lm_plan_desc {
    const struct lm_graph *graph;
    uint32_t max_tok, max_seq, max_out; /* of one step */
    uint32_t max_len;                   /* longest sequence, tokens */
    uint32_t block_size;                /* tokens a KV block, power of two, 8 .. 256 */
    uint32_t n_block;                   /* KV blocks in the pool; ignored by measure() */
    enum lm_kv_dtype kv_dtype;
};

struct lm_plan_size {
    size_t scratch_bytes; /* activations and the like */
    size_t block_bytes;   /* one KV block over all layers */
};

/** What bench() measures; NULL and 0: all, or what the backend finds typical. */
struct lm_bench_desc {
    const char *kernel; /* "matmul", "attention": a name that it tells */
    const char *type;   /* "Q4_K", "int8" */
    const char *isa;    /* one of the backend's; "all": all that run here; NULL: the one that serves */
    uint32_t rows, cols, n_row; /* of a matmul: outputs, inputs, rows of x */
};

/** A kernel's rate beside the machine's limits of the same moment; kernel "limit": such a limit itself. Borrowed. */
struct lm_bench_row {
    const char *kernel, *type, *isa, *shape;
    uint32_t n_row;
    double seconds;
    double ops, ops_limit;     /* operations a second, and how many the ISA can do; limit 0: not known or not what counts */
    double bytes, bytes_limit; /* bytes of memory a second, and how many are read at best */
};
typedef void lm_bench_fn(void *arg, const struct lm_bench_row *row);

enum { /* capability bits */
    LM_CAP_BATCH_INVARIANT = 1, /* a row's result does not depend on the other rows of a step */
    LM_CAP_STARTS_NONE = 2,     /* it and its drivers start no program (a linker, say) after prepare(): the engine forbids it then */
};

struct lm_backend {
    uint32_t abi;  /* LM_BACKEND_ABI */
    uint32_t size; /* sizeof(struct lm_backend) when it was built */
    const char *name, *version;
    uint64_t caps;

    /** How well it would serve on this machine: 0 not at all; cpu 10, a GPU 100 and more. */
    int (*score)(void);

    /** Fill up to n devices; returns how many there are, or LM_E*. */
    int (*devices)(struct lm_device_info *info, size_t n, struct lm_err *err);

    /** Open one device. *out is the caller's until close(). LM_ENOTFOUND no such index, LM_ECONFIG an option. */
    int (*open)(const struct lm_open_desc *desc, struct lm_dev **out, struct lm_err *err);
    void (*close)(struct lm_dev *dev); /* takes NULL; weights and plans are released before */

    /** Bytes of memory free for weights and KV, and in total. */
    int (*mem)(struct lm_dev *dev, uint64_t *out_free, uint64_t *out_total, struct lm_err *err);

    /** Make room for a weight. LM_EUNSUPPORTED: the type has no kernel here; LM_ENOMEM. */
    int (*weight_create)(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out,
                         bool *out_ready, struct lm_err *err);
    void (*weight_destroy)(struct lm_dev *dev, struct lm_weight *w); /* takes NULL */

    /**
     * Lay rows row .. row + n - 1, given in the published format at src, out for the device.
     *
     * Rows come in ascending order, all of them once; n is a multiple of 64 except in the last call. src is
     * the caller's and may go after the call. [any] for different weights at the same time.
     */
    int (*pack)(struct lm_dev *dev, struct lm_weight *w, uint32_t row, uint32_t n, const void *src,
                struct lm_err *err);

    /** What prepare() would take, so that the caller can size n_block from the memory that is left. */
    int (*measure)(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err);

    /** Turn a graph into a plan: check it, allocate scratch and the KV pool. The graph outlives the plan. */
    int (*prepare)(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err);
    void (*release)(struct lm_dev *dev, struct lm_plan *plan); /* takes NULL */

    /** Write or read the first `rows` rows of an activation, between steps (tests, embeddings, pipelines). */
    int (*copy_in)(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err);
    int (*copy_out)(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err);

    /** Start one step. Its arrays stay the caller's and live until sync() returned. One step at a time. */
    int (*launch)(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err);

    /** Wait for the step, at most deadline_us microseconds: LM_ETIMEOUT leaves the device unusable. */
    int (*sync)(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err);

    /** Optional: copy KV blocks (src -> dst plan of another device of this backend). NULL or LM_EUNSUPPORTED: go through the host. */
    int (*peer_copy)(struct lm_dev *dst, struct lm_dev *src, void *dst_ptr, const void *src_ptr, size_t bytes, struct lm_err *err);

    /** Optional: measure kernels and tell each figure to row(arg). Between steps. LM_EINVAL desc names nothing there is; LM_ENOMEM. */
    int (*bench)(struct lm_dev *dev, const struct lm_bench_desc *desc, lm_bench_fn *row, void *arg, struct lm_err *err);

    /**
     * Optional: make devices the ranks of one group, in this order, before their plans are prepared. They then run the
     * collective ops of steps with `joined` themselves, sums in the order of the ranks; each is launched the same steps.
     * NULL or LM_EUNSUPPORTED: they are as before, and exchange through the host.
     */
    int (*join)(struct lm_dev *const *dev, uint32_t n, struct lm_err *err);

    /**
     * Optional, all three or none: one KV block of a plan to and from host memory, between steps. It is kv_bytes() bytes in a
     * layout of the backend's own, the same for all blocks and for plans that differ in max_* and n_block alone; 0: it cannot.
     */
    size_t (*kv_bytes)(const struct lm_dev *dev, const struct lm_plan *plan);
    int (*kv_out)(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, void *dst, struct lm_err *err);
    int (*kv_in)(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err);

    /**
     * Optional, both or none: give up the device's memory of all weights, which the host keeps as they are laid out, and take it
     * back. Meanwhile there is no plan. After an error, but LM_ENOMEM of resume(), which may be tried again, the device can only be closed.
     */
    int (*suspend)(struct lm_dev *dev, struct lm_err *err);
    int (*resume)(struct lm_dev *dev, struct lm_err *err);
};

#endif

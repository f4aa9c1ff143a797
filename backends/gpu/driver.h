/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_DRIVER_H
#define GPU_DRIVER_H
/**
 * What a driver (OpenCL; Level Zero) must do for backends/gpu, which knows no driver: memory, programs, launches in
 * order, waits with a deadline.
 *
 * All calls of one gpu_driver go to one open device, whose launches and copies run in the order in which they were made.
 *
 * Thread   buffers and write() [any], all others the engine's
 * Errors   LM_EDEVICE the device failed, for ever; LM_ENOMEM; LM_ETIMEOUT a deadline passed; LM_EUNSUPPORTED a program
 *          that the driver cannot build, with the first line of what it says
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gpu_buf;     /* memory of the device; the driver's */
struct gpu_program; /* built kernels; the driver's */
struct gpu_kernel;  /* one of them; the program's */

/** Which kernels a device is given: the key of the tuning table. */
enum gpu_class {
    GPU_PORTABLE_CPU, /* a processor behind a GPU's interface */
    GPU_PORTABLE,     /* any GPU */
    GPU_NVIDIA,       /* takes inline PTX of compute capability 8.0 and up */
    GPU_XMX,          /* Intel's with a matrix engine */
};

struct gpu_caps {
    enum gpu_class class;
    uint64_t mem_bytes, max_alloc_bytes;
    size_t local_bytes;  /* of one work-group */
    uint32_t n_unit;     /* compute units */
    uint32_t max_group;  /* work-items of a group */
    uint32_t sub_group;  /* of GPU_XMX: the width that its matrix engine wants, 8 or 16 */
    bool self_test;      /* compare what it computes with the references before it serves */
    unsigned char uuid[16]; /* of the device; zeros: not known */
};

/** One argument of a kernel. */
struct gpu_arg {
    enum { GPU_ARG_BUF, GPU_ARG_U32, GPU_ARG_F32 } kind;
    union {
        struct gpu_buf *buf;
        uint32_t u;
        float f;
    };
};

/** One launch: groups[] work-groups of local[] work-items in two dimensions. */
struct gpu_launch {
    struct gpu_kernel *kernel;
    uint32_t groups[2], local;
    const struct gpu_arg *arg;
    uint32_t n_arg;
};

struct gpu_driver {
    const struct gpu_driver_call *call;
    struct gpu_caps caps;
};

struct gpu_driver_call {
    void (*close)(struct gpu_driver *d);
    /** Bytes free and in total, as far as they are known. */
    int (*mem)(struct gpu_driver *d, uint64_t *out_free, uint64_t *out_total, struct lm_err *err);

    int (*buf_create)(struct gpu_driver *d, size_t bytes, struct gpu_buf **out, struct lm_err *err);
    void (*buf_destroy)(struct gpu_driver *d, struct gpu_buf *buf); /* takes NULL */
    /** src may go after the call. */
    int (*write)(struct gpu_driver *d, struct gpu_buf *buf, size_t at, const void *src, size_t bytes, struct lm_err *err);
    /** Like write(), but src must stay until wait() returned. */
    int (*write_later)(struct gpu_driver *d, struct gpu_buf *buf, size_t at, const void *src, size_t bytes, struct lm_err *err);
    /** dst is filled when wait() returned. */
    int (*read_later)(struct gpu_driver *d, struct gpu_buf *buf, size_t at, void *dst, size_t bytes, struct lm_err *err);

    /** Build a program, or find it in the cache. name is that of lib.h: for messages, and for a driver that has them built. */
    int (*program_create)(struct gpu_driver *d, const char *name, const char *source, const char *options,
                          struct gpu_program **out, struct lm_err *err);
    void (*program_destroy)(struct gpu_driver *d, struct gpu_program *p); /* takes NULL */
    /** Borrowed from the program. LM_ENOTFOUND. */
    int (*kernel_get)(struct gpu_driver *d, struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err);

    /** Queue one launch. */
    int (*launch)(struct gpu_driver *d, const struct gpu_launch *l, struct lm_err *err);
    /**
     * Optional. What was queued since the last flush() is the begin of a batch, and all batches of one key with an equal
     * begin are equal while no buffer or program goes. True: the rest is queued, as it was; false: the caller queues it.
     */
    bool (*again)(struct gpu_driver *d, const void *key, size_t bytes);
    /** Hand what is queued to the device. */
    int (*flush)(struct gpu_driver *d, struct lm_err *err);
    /** Wait for all that was queued. After LM_ETIMEOUT the device is lost. */
    int (*wait)(struct gpu_driver *d, uint64_t deadline_us, struct lm_err *err);

    /**
     * Optional, both or none: memory of this device that kernels of other devices store into. share() makes it, as a file
     * descriptor that is the caller's to close; map() makes a buffer of it, on this or another device.
     */
    int (*share)(struct gpu_driver *d, size_t bytes, int *out_handle, struct lm_err *err);
    int (*map)(struct gpu_driver *d, int handle, size_t bytes, struct gpu_buf **out, struct lm_err *err);

    /** Optional, both or none: does the driver remember, from an earlier run, that a program was kept as known on this device? */
    bool (*known)(struct gpu_driver *d, const char *source, const char *options);
    void (*keep_known)(struct gpu_driver *d, const char *source, const char *options);
};

enum { GPU_COPY_DEADLINE_US = 60 * 1000 * 1000 }; /* for one copy outside steps */
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_LIB_H
#define GPU_LIB_H
/**
 * The kernels of gpu/cl, built for one device when a plan first needs them.
 *
 * Thread   [engine]
 */
#include "backends/gpu/driver.h"
#include "backends/gpu/kind.h"

enum { GPU_MAX_KIND = 32 };

enum gpu_program_id {
    GPU_ROW,                                /* row.cl */
    GPU_ATTN_F16, GPU_ATTN_BF16, GPU_ATTN_F32, /* attn.cl, in the order of enum lm_kv_dtype */
    GPU_ATTN_I8, GPU_ATTN_E4M3, GPU_ATTN_E5M2,
    GPU_SAMPLE,                             /* sample.cl */
    GPU_TILES,                              /* weight.cl for tiles */
    GPU_STEP_1, GPU_STEP_16, GPU_STEP_32,   /* step.cl for so many rows at most */
    GPU_RANK_1, GPU_RANK_16, GPU_RANK_32,   /* the same for a device that has joined others */
    GPU_PREFILL_64, GPU_PREFILL_128,        /* prefill.cl for heads of so many columns */
    GPU_PEER,                               /* peer.cl */
    GPU_WEIGHT,                             /* weight.cl for kind 0 and so on */
    GPU_XMX_8 = GPU_WEIGHT + GPU_MAX_KIND,  /* and xmx.cl, for sub-groups of 8 */
    GPU_XMX_16 = GPU_XMX_8 + GPU_MAX_KIND,  /* of 16 */
    GPU_N_PROGRAM = GPU_XMX_16 + GPU_MAX_KIND
};

struct gpu_source { const char *name, *text; };

/** The sources, embedded when llmserve was built (embed); {NULL} ends. */
extern const struct gpu_source gpu_sources[];

struct gpu_lib {
    struct gpu_driver *drv;
    struct gpu_program *program[GPU_N_PROGRAM];
    bool tested[GPU_N_PROGRAM]; /* by selftest.h */
};

/** Ask for a program; what is asked for is built at once by gpu_lib_build(). */
struct gpu_need { bool program[GPU_N_PROGRAM]; };

/** The program of a kind in a layout. */
enum gpu_program_id gpu_lib_weight(const struct gpu_kind *k, enum gpu_layout layout);

/** That of a cache; not LM_KV_AUTO, and none that plan.h refuses. */
enum gpu_program_id gpu_lib_attention(enum lm_kv_dtype dtype);

/**
 * Build what is needed and not there yet, several at a time.
 *
 * Errors   LM_EUNSUPPORTED a kernel does not build on this driver: says which and the first line of the driver's log
 */
int gpu_lib_build(struct gpu_lib *lib, const struct gpu_need *need, struct lm_err *err);

/** A kernel of a program that was built. */
int gpu_lib_kernel(struct gpu_lib *lib, enum gpu_program_id id, const char *name, struct gpu_kernel **out, struct lm_err *err);

void gpu_lib_fini(struct gpu_lib *lib);

/** Source and options of a program, for tests that only compile. The caller frees it; NULL where id names none. */
char *gpu_lib_source(enum gpu_program_id id, char *options, size_t n);

/** Is the program portable OpenCL C, without inline PTX or functions of Intel's? */
bool gpu_lib_is_portable(enum gpu_program_id id);

/** Width of the sub-groups that a program is for; 0: any. */
uint32_t gpu_lib_sub_group(enum gpu_program_id id);

/** "weight.cl (q4_k)", "xmx.cl (q4_k, 16)". */
void gpu_lib_name(enum gpu_program_id id, char *out, size_t n);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_POCL_DRIVER_H
#define ZE_POCL_DRIVER_H
/**
 * A Level Zero driver for tests: what backends/ze calls, of interface 1.4, over an OpenCL runtime for processors.
 *
 * Level Zero's loader loads it (ZE_ENABLE_ALT_DRIVERS=/absolute/path/ze_pocl.so). It is strict: a handle that was
 * destroyed, memory that is freed while the device may use it, an argument that was never set or is no memory of the
 * driver's is an error and counts as misuse; allocations have guard pages; commands between which a list has no barrier
 * run newest first. It says nothing about speed or about a GPU's order of memory accesses.
 *
 *   ZE_POCL_DEVICES    number of devices (1)              ZE_POCL_TILES    tiles of each (1)
 *   ZE_POCL_MEM        bytes of each device (1 GiB)       ZE_POCL_VERSION  its version, hexadecimal (0x0103ffff)
 *   ZE_POCL_FAULT      faults (fault.h)                   ZE_POCL_FAULT_FILE  a file with them: the first process that
 *                                                         reads it removes it
 *   ZE_POCL_EMPTY      1: kernels do nothing              ZE_POCL_REPORT   a file that gets a line at exit: leaks, misuse
 *   ZE_POCL_TRACE      1: a line on standard error for each fault
 *   ZE_POCL_PEER       0: no device reaches another's memory  ZE_POCL_MODEL  PCI device number of each (0x56a0)
 *   ZE_AFFINITY_MASK   devices, or device.tile, to show, as Intel's driver reads it
 *
 * Functions are named drv_*: with a plain ze* name the loader's function of that name would be taken.
 */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <level_zero/ze_api.h>
#include <level_zero/ze_ddi.h>
#include <level_zero/zes_api.h>
#include <level_zero/zes_ddi.h>
#include <level_zero/zet_ddi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_DEVICE = 8, MAX_TILE = 4, MAX_ARG = 64, ARG_BYTES = 16, MAX_GROUP = 1024, LOCAL_BYTES = 65536 };

enum kind { K_DRIVER = 0x5a450001, K_DEVICE, K_CONTEXT, K_QUEUE, K_LIST, K_POOL, K_EVENT, K_MODULE, K_LOG, K_KERNEL, K_END };

/** The first member of everything that has a handle. */
struct object { unsigned kind; };

struct device {
    struct object object;
    int index, tile, n_tile; /* tile: -1 of a whole device */
    bool shown;
    uint64_t used; /* bytes allocated */
    struct device *root, *tiles;
};

struct context { struct object object; };
struct pool { struct object object; uint32_t count; };
struct event { struct object object; bool signaled; };

struct arg_info { bool pointer, local; uint32_t size; };
struct kernel_info { char name[64]; uint32_t n_arg, group[3]; struct arg_info arg[MAX_ARG]; };

/** A program of the OpenCL runtime; kept until the process ends, shared by modules of the same SPIR-V. */
struct program {
    struct program *next;
    unsigned char *spirv, *bitcode;
    size_t n_spirv, n_bitcode;
    cl_program program;
    struct kernel_info *kernel;
    uint32_t n_kernel;
};

struct module { struct object object; struct program *program; uint32_t n_kernel; };
struct log { struct object object; char *text; };

struct arg { bool set; uint32_t size; unsigned char value[ARG_BYTES]; };

struct kernel {
    struct object object;
    struct module *module;
    const struct kernel_info *info;
    cl_kernel handle;
    uint32_t group[3];
    struct arg arg[MAX_ARG];
};

enum op { OP_COPY, OP_LAUNCH, OP_BARRIER, OP_LIST };

struct command {
    struct command *next;
    enum op op;
    void *dst;
    const void *src;
    size_t bytes;
    struct kernel *kernel;
    uint32_t groups[3], local[3];
    struct arg *arg;      /* [kernel->info->n_arg] */
    struct event *signal;
    struct list *list;    /* OP_LIST */
    bool done;            /* in this run of a list */
};

struct queue {
    struct object object;
    struct device *device;
    pthread_t thread;
    bool stop, in_order, busy; /* busy: runs a command just now */
    struct command *head;
    struct queue *next; /* of all */
};

struct list {
    struct object object;
    struct device *device;
    struct context *context;
    struct queue *immediate; /* NULL: recorded */
    bool closed, in_order;
    struct command *head, **tail;
    unsigned running;
};

struct memory {
    struct memory *next;
    char *base, *at;
    size_t bytes, mapped;
    struct device *device; /* NULL: the host's */
    const struct device *opened[MAX_DEVICE]; /* devices that reach it by an IPC handle */
    struct context *context;
};

/** All that the driver holds, under one lock. */
struct state {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready, il, empty, peer, lost; /* il: the runtime takes SPIR-V */
    int n_device;
    uint64_t mem_bytes;
    uint32_t version, model; /* model: PCI device number */
    struct object driver;
    struct device device[MAX_DEVICE], tile[MAX_DEVICE][MAX_TILE];
    struct memory *memory;
    struct queue *queues;
    struct program *programs;
    cl_device_id cl_device;
    cl_context cl_context;
    cl_command_queue cl_queue;
    long live[K_END - K_DRIVER], misuse;
};
extern struct state drv;

void drv_lock(void);
void drv_unlock(void);

/** A new object; NULL: no memory. */
void *drv_object(enum kind kind, size_t bytes);
/** Mark it dead. Its memory stays, so that later use is seen. */
void drv_object_end(void *object);
bool drv_is(const void *handle, enum kind kind);
/** Count a misuse and say what on standard error. Returns code. */
ze_result_t drv_misuse(ze_result_t code, const char *what);

ze_result_t drv_init(void);
ze_result_t drv_runtime_open(void); /* OpenCL */
struct memory *drv_memory_at(const void *p); /* with the lock; NULL: not the driver's */

/** The program of SPIR-V, from those there are or built; bitcode NULL: translated. NULL: *out_log says why; free it. */
struct program *drv_program(const unsigned char *spirv, size_t n, const unsigned char *bitcode, size_t n_bitcode, char **out_log);
/** Kernels of a module, their arguments and group sizes; false: it is not SPIR-V. The caller frees *out. */
bool drv_spirv_scan(const uint32_t *word, size_t n, struct kernel_info **out, uint32_t *out_n);

struct queue *drv_queue_create(struct device *d, bool in_order);
/** Also of one whose command hangs. */
void drv_queue_destroy(struct queue *q);
void drv_queue_submit(struct queue *q, struct command *c); /* with the lock; takes c */
/** May the device still use this memory, kernel or event? With the lock; a hung queue counts. */
bool drv_queue_uses(const struct memory *m, const struct kernel *k, const struct event *e);
/** A lost device touches nothing any more: wait for what runs. With the lock. */
void drv_queue_settle(void);
void drv_command_free(struct command *c);

/** The functions that the tables name, in order of the files. */
ze_result_t drv_driver_get(uint32_t *n, ze_driver_handle_t *out);
ze_result_t drv_driver_version(ze_driver_handle_t h, ze_api_version_t *out);
ze_result_t drv_driver_properties(ze_driver_handle_t h, ze_driver_properties_t *p);
ze_result_t drv_driver_ipc(ze_driver_handle_t h, ze_driver_ipc_properties_t *p);
ze_result_t drv_driver_extensions(ze_driver_handle_t h, uint32_t *n, ze_driver_extension_properties_t *p);
ze_result_t drv_driver_function(ze_driver_handle_t h, const char *name, void **out);
ze_result_t drv_device_get(ze_driver_handle_t h, uint32_t *n, ze_device_handle_t *out);
ze_result_t drv_device_tiles(ze_device_handle_t h, uint32_t *n, ze_device_handle_t *out);
ze_result_t drv_device_properties(ze_device_handle_t h, ze_device_properties_t *p);
ze_result_t drv_device_compute(ze_device_handle_t h, ze_device_compute_properties_t *p);
ze_result_t drv_device_groups(ze_device_handle_t h, uint32_t *n, ze_command_queue_group_properties_t *p);
ze_result_t drv_device_memory(ze_device_handle_t h, uint32_t *n, ze_device_memory_properties_t *p);
ze_result_t drv_device_peer(ze_device_handle_t a, ze_device_handle_t b, ze_bool_t *out);
ze_result_t drv_device_status(ze_device_handle_t h);
ze_result_t drv_device_pci(ze_device_handle_t h, ze_pci_ext_properties_t *p);
ze_result_t drv_context_create(ze_driver_handle_t h, const ze_context_desc_t *d, ze_context_handle_t *out);
ze_result_t drv_context_destroy(ze_context_handle_t h);

ze_result_t drv_mem_device(ze_context_handle_t c, const ze_device_mem_alloc_desc_t *d, size_t n, size_t align, ze_device_handle_t dev, void **out);
ze_result_t drv_mem_host(ze_context_handle_t c, const ze_host_mem_alloc_desc_t *d, size_t n, size_t align, void **out);
ze_result_t drv_mem_free(ze_context_handle_t c, void *p);
ze_result_t drv_mem_range(ze_context_handle_t c, const void *p, void **base, size_t *bytes);
ze_result_t drv_ipc_get(ze_context_handle_t c, const void *p, ze_ipc_mem_handle_t *out);
ze_result_t drv_ipc_open(ze_context_handle_t c, ze_device_handle_t d, ze_ipc_mem_handle_t h, ze_ipc_memory_flags_t flags, void **out);
ze_result_t drv_ipc_close(ze_context_handle_t c, const void *p);

ze_result_t drv_pool_create(ze_context_handle_t c, const ze_event_pool_desc_t *d, uint32_t n, ze_device_handle_t *dev, ze_event_pool_handle_t *out);
ze_result_t drv_pool_destroy(ze_event_pool_handle_t h);
ze_result_t drv_event_create(ze_event_pool_handle_t h, const ze_event_desc_t *d, ze_event_handle_t *out);
ze_result_t drv_event_destroy(ze_event_handle_t h);
ze_result_t drv_event_reset(ze_event_handle_t h);
ze_result_t drv_event_query(ze_event_handle_t h);

ze_result_t drv_queue_make(ze_context_handle_t c, ze_device_handle_t d, const ze_command_queue_desc_t *e, ze_command_queue_handle_t *out);
ze_result_t drv_queue_end(ze_command_queue_handle_t h);
ze_result_t drv_queue_execute(ze_command_queue_handle_t h, uint32_t n, ze_command_list_handle_t *l, ze_fence_handle_t f);
ze_result_t drv_list_create(ze_context_handle_t c, ze_device_handle_t d, const ze_command_list_desc_t *e, ze_command_list_handle_t *out);
ze_result_t drv_list_immediate(ze_context_handle_t c, ze_device_handle_t d, const ze_command_queue_desc_t *e, ze_command_list_handle_t *out);
ze_result_t drv_list_destroy(ze_command_list_handle_t h);
ze_result_t drv_list_reset(ze_command_list_handle_t h);
ze_result_t drv_list_close(ze_command_list_handle_t h);
ze_result_t drv_list_barrier(ze_command_list_handle_t h, ze_event_handle_t s, uint32_t n, ze_event_handle_t *w);
ze_result_t drv_list_copy(ze_command_list_handle_t h, void *d, const void *p, size_t bytes, ze_event_handle_t s, uint32_t n, ze_event_handle_t *w);
ze_result_t drv_list_launch(ze_command_list_handle_t h, ze_kernel_handle_t k, const ze_group_count_t *g, ze_event_handle_t s, uint32_t n, ze_event_handle_t *w);

ze_result_t drv_module_create(ze_context_handle_t c, ze_device_handle_t d, const ze_module_desc_t *m, ze_module_handle_t *out, ze_module_build_log_handle_t *log);
ze_result_t drv_module_destroy(ze_module_handle_t h);
ze_result_t drv_module_binary(ze_module_handle_t h, size_t *n, uint8_t *out);
ze_result_t drv_log_string(ze_module_build_log_handle_t h, size_t *n, char *out);
ze_result_t drv_log_destroy(ze_module_build_log_handle_t h);
ze_result_t drv_kernel_create(ze_module_handle_t h, const ze_kernel_desc_t *d, ze_kernel_handle_t *out);
ze_result_t drv_kernel_destroy(ze_kernel_handle_t h);
ze_result_t drv_kernel_group(ze_kernel_handle_t h, uint32_t x, uint32_t y, uint32_t z);
ze_result_t drv_kernel_arg(ze_kernel_handle_t h, uint32_t i, size_t n, const void *value);

ze_result_t drv_sysman_memories(zes_device_handle_t h, uint32_t *n, zes_mem_handle_t *out);
ze_result_t drv_sysman_properties(zes_mem_handle_t h, zes_mem_properties_t *p);
ze_result_t drv_sysman_state(zes_mem_handle_t h, zes_mem_state_t *s);
ze_result_t drv_sysman_pci(zes_device_handle_t h, zes_pci_properties_t *p);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_QUEUE_H
#define ZE_QUEUE_H
/**
 * What a step queues: launches and copies in order, as one batch.
 *
 * A batch is gathered on the host and handed over by flush(). The first time it goes through the immediate command list;
 * the second time it is recorded into a command list of its own; from then on a batch that is equal to it, to every
 * argument, is one zeCommandQueueExecuteCommandLists(). Steps of a decode are equal while the number of sequences is and
 * none of them begins a new group of KV blocks. With a key (driver.h, again()) the rest of such a batch is not gathered.
 *
 * Thread   the engine's, but for ze_queue_forget() [any]
 */
#include "backends/ze/event.h"
#include "backends/ze/program.h"

#include <stdatomic.h>

enum { ZE_SLOTS = 8, ZE_STAGE_BYTES = 16 << 20, ZE_KEY_BYTES = 64 };

struct ze_command {
    struct gpu_kernel *kernel; /* NULL: a copy of word[0] from word[1], word[2] bytes */
    uint32_t groups[2], local, n_arg;
    uint64_t wide;             /* bit i: argument i is a pointer, else 32 bits */
    size_t at;                 /* first word */
};

/** Bytes for the host, which lie in the stage until the batch has ended. */
struct ze_read { void *dst; size_t at, bytes; };

struct ze_batch {
    struct ze_command *command;
    uint64_t *word;
    size_t n_command, n_word, room_command, room_word;
    unsigned char key[ZE_KEY_BYTES];
    size_t n_key;        /* bytes of it; 0: none */
    size_t n_read;       /* only a batch of one read at most comes again by its key */
    struct ze_read read; /* the last */
    size_t staged;       /* of the stage, with those before it */
};

/** A batch that was seen, and the list that it was recorded into. */
struct ze_slot {
    struct ze_batch batch;
    ze_command_list_handle_t list;
    bool recorded;
    uint64_t used, forgotten; /* when last; how often memory had been freed then */
};

struct ze_queue {
    const struct ze_api *ze;
    ze_context_handle_t context;
    ze_device_handle_t device;
    struct ze_events *events;
    uint32_t ordinal;
    bool in_order; /* the driver keeps the order of a list's commands; else there is a barrier after each */
    ze_command_list_handle_t immediate;
    ze_command_queue_handle_t queue;
    struct ze_batch pending;
    struct ze_slot slot[ZE_SLOTS], *again; /* again: what the pending batch is, but for its begin; NULL: all is gathered */
    uint64_t clock;
    atomic_uint_fast64_t forgotten;
    unsigned char *stage;
    size_t staged;
    struct ze_read *read;
    size_t n_read, room_read;
    bool in_flight, hung;
};

int ze_queue_init(struct ze_queue *q, const struct ze_api *ze, ze_context_handle_t context, const struct ze_device *d, struct ze_events *events,
                  struct lm_err *err);
void ze_queue_fini(struct ze_queue *q); /* takes what init() left half-built; after a hang the device's objects stay */

int ze_queue_launch(struct ze_queue *q, const struct gpu_launch *l, void *const *pointer, struct lm_err *err);
int ze_queue_write(struct ze_queue *q, unsigned char *dst, const void *src, size_t bytes, struct lm_err *err);
int ze_queue_read(struct ze_queue *q, void *dst, const unsigned char *src, size_t bytes, struct lm_err *err);

/** driver.h. Until flush() nothing else may be queued where it says true. */
bool ze_queue_again(struct ze_queue *q, const void *key, size_t bytes);

/** Hand over what is gathered. One batch is on its way at a time: waits for the one before. */
int ze_queue_flush(struct ze_queue *q, struct lm_err *err);

/** Flush, wait, and fill what was read. After LM_ETIMEOUT the device is lost. */
int ze_queue_wait(struct ze_queue *q, uint64_t deadline_us, struct lm_err *err);

/** Memory or a kernel goes: what was recorded may name it.  Thread [any] */
void ze_queue_forget(struct ze_queue *q);
#endif

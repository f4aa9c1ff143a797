/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/queue.h"
#include "backends/ze/copy.h"

#include <stdlib.h>

enum {
    IN_ORDER = 0x01030000 + 29534, /* version of Intel's driver whose lists in order are whole (as DPC++'s runtime has it) */
    QUEUE_IN_ORDER = 1 << 1,       /* ZE_COMMAND_QUEUE_FLAG_IN_ORDER, ZE_COMMAND_LIST_FLAG_IN_ORDER: not in the headers of 1.4 */
    LIST_IN_ORDER = 1 << 3,
    INTEL = 0x8086,
    STAGE_ALIGN = 64,
};

/* 0, or the error of a code. */
static int result(struct lm_err *err, ze_result_t code, const char *what)
{
    return code == ZE_RESULT_SUCCESS ? 0 : ze_fail(err, code, what);
}

int ze_queue_init(struct ze_queue *q, const struct ze_api *ze, ze_context_handle_t context, const struct ze_device *d, struct ze_events *events,
                  struct lm_err *err)
{
    *q = (struct ze_queue){.ze = ze, .context = context, .device = d->id, .events = events};
    q->in_order = d->vendor == INTEL && d->driver_number >= IN_ORDER;
    q->ordinal = ze_engine_group(ze, d->id, ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COMPUTE, 0);
    ze_command_queue_desc_t desc = {
        .stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
        .ordinal = q->ordinal,
        .mode = ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
    };
    ze_result_t code = ze->CommandQueueCreate(context, d->id, &desc, &q->queue);
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeCommandQueueCreate");
    desc.flags = q->in_order ? QUEUE_IN_ORDER : 0;
    code = ze->CommandListCreateImmediate(context, d->id, &desc, &q->immediate);
    if (code == ZE_RESULT_ERROR_INVALID_ENUMERATION && q->in_order) { /* a layer before the driver is older than the flag */
        q->in_order = false;
        desc.flags = 0;
        code = ze->CommandListCreateImmediate(context, d->id, &desc, &q->immediate);
    }
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeCommandListCreateImmediate");
    return ze_host_memory(ze, context, ZE_STAGE_BYTES, &q->stage, err);
}

static void batch_fini(struct ze_batch *b)
{
    free(b->command);
    free(b->word);
}

void ze_queue_fini(struct ze_queue *q)
{
    for (int i = 0; i < ZE_SLOTS; i++) {
        if (q->slot[i].list && !q->hung)
            q->ze->CommandListDestroy(q->slot[i].list);
        batch_fini(&q->slot[i].batch);
    }
    batch_fini(&q->pending);
    free(q->read);
    if (q->hung)
        return;
    if (q->immediate)
        q->ze->CommandListDestroy(q->immediate);
    if (q->queue)
        q->ze->CommandQueueDestroy(q->queue);
    if (q->stage)
        q->ze->MemFree(q->context, q->stage);
}

/* Room for one more of *p, which has `n` of `size` bytes and room for *room. */
static bool grow(void *p, size_t n, size_t more, size_t *room, size_t size)
{
    if (n + more <= *room)
        return true;
    size_t want = 2 * (n + more);
    void *new = realloc(*(void **)p, want * size);
    if (!new)
        return false;
    *(void **)p = new;
    *room = want;
    return true;
}

/* A command with room for its words; NULL: no memory. */
static struct ze_command *add(struct ze_batch *b, size_t n_word)
{
    if (!grow(&b->command, b->n_command, 1, &b->room_command, sizeof *b->command) ||
        !grow(&b->word, b->n_word, n_word, &b->room_word, sizeof *b->word))
        return NULL;
    struct ze_command *c = &b->command[b->n_command++];
    *c = (struct ze_command){.at = b->n_word};
    b->n_word += n_word;
    return c;
}

int ze_queue_launch(struct ze_queue *q, const struct gpu_launch *l, void *const *pointer, struct lm_err *err)
{
    struct ze_command *c = add(&q->pending, l->n_arg);
    if (!c || l->n_arg > 64)
        return lm_fail(err, LM_ENOMEM, "no memory to queue a launch of %u arguments", l->n_arg);
    c->kernel = l->kernel;
    c->groups[0] = l->groups[0];
    c->groups[1] = l->groups[1];
    c->local = l->local;
    c->n_arg = l->n_arg;
    uint64_t *word = q->pending.word + c->at;
    for (uint32_t i = 0; i < l->n_arg; i++) {
        bool wide = l->arg[i].kind == GPU_ARG_BUF;
        c->wide |= (uint64_t)wide << i;
        word[i] = wide ? (uint64_t)(uintptr_t)pointer[i] : l->arg[i].u; /* f shares u's bits */
    }
    return 0;
}

static int add_copy(struct ze_queue *q, void *dst, const void *src, size_t bytes, struct lm_err *err)
{
    struct ze_command *c = add(&q->pending, 3);
    if (!c)
        return lm_fail(err, LM_ENOMEM, "no memory to queue a copy");
    uint64_t *word = q->pending.word + c->at;
    word[0] = (uint64_t)(uintptr_t)dst;
    word[1] = (uint64_t)(uintptr_t)src;
    word[2] = bytes;
    return 0;
}

/* Bytes of the stage that a copy of `bytes` may take now: waits where it is full. */
static int take_stage(struct ze_queue *q, size_t bytes, size_t *out_at, size_t *out_bytes, struct lm_err *err)
{
    if (ZE_STAGE_BYTES - q->staged < bytes && q->staged > 0) {
        q->pending.n_key = 0; /* of which it is a part only */
        int rc = ze_queue_wait(q, GPU_COPY_DEADLINE_US, err);
        if (rc < 0)
            return rc;
    }
    size_t room = ZE_STAGE_BYTES - q->staged;
    *out_at = q->staged;
    *out_bytes = bytes < room ? bytes : room;
    q->staged += (*out_bytes + STAGE_ALIGN - 1) / STAGE_ALIGN * STAGE_ALIGN;
    return 0;
}

int ze_queue_write(struct ze_queue *q, unsigned char *dst, const void *src, size_t bytes, struct lm_err *err)
{
    for (size_t done = 0, n, at; done < bytes; done += n) {
        int rc = take_stage(q, bytes - done, &at, &n, err);
        if (rc < 0)
            return rc;
        memcpy(q->stage + at, (const char *)src + done, n);
        rc = add_copy(q, dst + done, q->stage + at, n, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int ze_queue_read(struct ze_queue *q, void *dst, const unsigned char *src, size_t bytes, struct lm_err *err)
{
    for (size_t done = 0, n, at; done < bytes; done += n) {
        int rc = take_stage(q, bytes - done, &at, &n, err);
        if (rc < 0)
            return rc;
        if (!grow(&q->read, q->n_read, 1, &q->room_read, sizeof *q->read))
            return lm_fail(err, LM_ENOMEM, "no memory to queue a copy");
        rc = add_copy(q, q->stage + at, src + done, n, err);
        if (rc < 0)
            return rc;
        q->pending.read = (struct ze_read){(char *)dst + done, at, n};
        q->pending.n_read++;
        q->read[q->n_read++] = q->pending.read;
    }
    return 0;
}

static ze_result_t append_launch(struct ze_queue *q, ze_command_list_handle_t list, const struct ze_command *c, const uint64_t *word)
{
    struct gpu_kernel *k = c->kernel;
    const ze_group_count_t groups = {c->groups[0], c->groups[1], 1};
    ze_result_t code = ZE_RESULT_SUCCESS;
    if (k->local != c->local) {
        code = q->ze->KernelSetGroupSize(k->handle, c->local, 1, 1);
        k->local = code == ZE_RESULT_SUCCESS ? c->local : 0;
    }
    for (uint32_t i = 0; i < c->n_arg && code == ZE_RESULT_SUCCESS; i++)
        code = q->ze->KernelSetArgumentValue(k->handle, i, c->wide >> i & 1 ? 8 : 4, &word[i]); /* little-endian */
    return code == ZE_RESULT_SUCCESS ? q->ze->CommandListAppendLaunchKernel(list, k->handle, &groups, NULL, 0, NULL) : code;
}

/* Put a batch into a list; its end signals ZE_EVENT_STEP. */
static int append(struct ze_queue *q, ze_command_list_handle_t list, const struct ze_batch *b, struct lm_err *err)
{
    ze_result_t code = ZE_RESULT_SUCCESS;
    for (size_t i = 0; i < b->n_command && code == ZE_RESULT_SUCCESS; i++) {
        const struct ze_command *c = &b->command[i];
        const uint64_t *word = b->word + c->at;
        if (c->kernel)
            code = append_launch(q, list, c, word);
        else
            code = q->ze->CommandListAppendMemoryCopy(list, (void *)(uintptr_t)word[0], (const void *)(uintptr_t)word[1], (size_t)word[2],
                                                      NULL, 0, NULL);
        if (code != ZE_RESULT_SUCCESS)
            return lm_fail_in(err, ze_fail(err, code, "queueing"), "%s", c->kernel ? c->kernel->name : "a copy");
        if (!q->in_order && i + 1 < b->n_command)
            code = q->ze->CommandListAppendBarrier(list, NULL, 0, NULL);
    }
    if (code == ZE_RESULT_SUCCESS)
        code = q->ze->CommandListAppendBarrier(list, q->events->event[ZE_EVENT_STEP], 0, NULL);
    return result(err, code, "zeCommandListAppendBarrier");
}

/* Does the batch begin with all of `head`? */
static bool begins(const struct ze_batch *b, const struct ze_batch *head)
{
    return b->n_command >= head->n_command && b->n_word >= head->n_word &&
           memcmp(b->word, head->word, head->n_word * sizeof *b->word) == 0 &&
           memcmp(b->command, head->command, head->n_command * sizeof *b->command) == 0;
}

static struct ze_slot *find(struct ze_queue *q)
{
    uint64_t forgotten = atomic_load(&q->forgotten);
    for (int i = 0; i < ZE_SLOTS; i++)
        if (q->slot[i].used && q->slot[i].forgotten == forgotten && q->slot[i].batch.n_command == q->pending.n_command &&
            begins(&q->slot[i].batch, &q->pending))
            return &q->slot[i];
    return NULL;
}

bool ze_queue_again(struct ze_queue *q, const void *key, size_t bytes)
{
    uint64_t forgotten = atomic_load(&q->forgotten);
    if (bytes > ZE_KEY_BYTES || q->pending.n_read || !grow(&q->read, q->n_read, 1, &q->room_read, sizeof *q->read))
        return false;
    memcpy(q->pending.key, key, bytes);
    q->pending.n_key = bytes;
    for (int i = 0; i < ZE_SLOTS; i++) {
        const struct ze_slot *s = &q->slot[i];
        if (!s->used || !s->recorded || s->forgotten != forgotten || s->batch.n_key != bytes || memcmp(s->batch.key, key, bytes) != 0 ||
            s->batch.n_read > 1 || !begins(&s->batch, &q->pending))
            continue;
        q->again = &q->slot[i];
        if (s->batch.n_read)
            q->read[q->n_read++] = s->batch.read;
        q->staged = s->batch.staged;
        return true;
    }
    return false;
}

/* What the pending batch is known by, for the slot that has it. */
static void name(const struct ze_queue *q, struct ze_slot *s)
{
    const struct ze_batch *b = &q->pending;
    memcpy(s->batch.key, b->key, sizeof b->key);
    s->batch.n_key = b->n_key;
    s->batch.n_read = b->n_read;
    s->batch.read = b->read;
    s->batch.staged = q->staged;
}

/* Keep the pending batch where the oldest one is. */
static void remember(struct ze_queue *q)
{
    struct ze_slot *s = &q->slot[0];
    for (int i = 1; i < ZE_SLOTS; i++)
        s = q->slot[i].used < s->used ? &q->slot[i] : s;
    struct ze_batch old = s->batch;
    s->batch = q->pending;
    q->pending = old;
    s->batch.staged = q->staged;
    s->recorded = false;
    s->used = ++q->clock;
    s->forgotten = atomic_load(&q->forgotten);
}

static int record(struct ze_queue *q, struct ze_slot *s, struct lm_err *err)
{
    const ze_command_list_desc_t desc = {
        .stype = ZE_STRUCTURE_TYPE_COMMAND_LIST_DESC,
        .commandQueueGroupOrdinal = q->ordinal,
        .flags = q->in_order ? LIST_IN_ORDER : 0,
    };
    ze_result_t code = s->list ? q->ze->CommandListReset(s->list) : q->ze->CommandListCreate(q->context, q->device, &desc, &s->list);
    int rc = result(err, code, "zeCommandListCreate");
    if (rc == 0)
        rc = append(q, s->list, &s->batch, err);
    if (rc == 0)
        rc = result(err, q->ze->CommandListClose(s->list), "zeCommandListClose");
    s->recorded = rc == 0;
    s->used = rc == 0 ? s->used : 0;
    return rc;
}

static int wait_done(struct ze_queue *q, uint64_t deadline_us, struct lm_err *err)
{
    int rc = q->in_flight ? ze_event_wait(q->events, ZE_EVENT_STEP, deadline_us, err) : 0;
    q->hung = rc == LM_ETIMEOUT;
    q->in_flight = q->hung;
    return rc;
}

/* What was appended before a failure runs, too: see its end, so that the caller may free what it uses. */
static void end_failed(struct ze_queue *q)
{
    ze_result_t code = q->ze->CommandListAppendBarrier(q->immediate, q->events->event[ZE_EVENT_STEP], 0, NULL);
    q->in_flight = code != ZE_RESULT_ERROR_DEVICE_LOST;
    if (q->in_flight && code == ZE_RESULT_SUCCESS)
        wait_done(q, GPU_COPY_DEADLINE_US, NULL);
    else
        q->hung = q->in_flight;
}

static int submit(struct ze_queue *q, struct lm_err *err)
{
    struct ze_slot *s = q->again ? q->again : find(q);
    if (s && !q->again)
        name(q, s);
    if (!s) {
        int rc = append(q, q->immediate, &q->pending, err);
        if (rc < 0) {
            end_failed(q);
            return rc;
        }
        q->in_flight = true;
        remember(q);
        return 0;
    }
    if (!s->recorded) {
        int rc = record(q, s, err);
        if (rc < 0)
            return rc;
    }
    s->used = ++q->clock;
    ze_result_t code = q->ze->CommandQueueExecuteCommandLists(q->queue, 1, &s->list, NULL);
    q->in_flight = code == ZE_RESULT_SUCCESS;
    return result(err, code, "zeCommandQueueExecuteCommandLists");
}

int ze_queue_flush(struct ze_queue *q, struct lm_err *err)
{
    if (q->pending.n_command == 0)
        return 0;
    int rc = wait_done(q, GPU_COPY_DEADLINE_US, err);
    if (rc == 0)
        rc = ze_event_reset(q->events, ZE_EVENT_STEP, err);
    if (rc == 0)
        rc = submit(q, err);
    q->again = NULL;
    q->pending.n_command = q->pending.n_word = q->pending.n_read = q->pending.n_key = 0;
    if (rc < 0)
        q->n_read = q->staged = 0;
    return rc;
}

int ze_queue_wait(struct ze_queue *q, uint64_t deadline_us, struct lm_err *err)
{
    int rc = ze_queue_flush(q, err);
    if (rc == 0)
        rc = wait_done(q, deadline_us, err);
    for (size_t i = 0; i < q->n_read && rc == 0; i++)
        memcpy(q->read[i].dst, q->stage + q->read[i].at, q->read[i].bytes);
    q->n_read = 0;
    q->staged = 0;
    return rc;
}

void ze_queue_forget(struct ze_queue *q)
{
    atomic_fetch_add(&q->forgotten, 1);
}

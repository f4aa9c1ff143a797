/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/boot.h"

#include "conf/lora.h"
#include "conf/nodes.h"
#include "runtime/base/clock.h"
#include "runtime/base/folder.h"
#include "runtime/base/sha256.h"
#include "runtime/engine/guard.h"
#include "runtime/model/lmq.h"
#include "runtime/model/source.h"
#include "runtime/plugin/registry.h"

#include <malloc.h>
#include <stdlib.h>

enum { DEFAULT_BLOCK_SIZE = 32, DEFAULT_LORAS = 32, MAX_OPTION = 64, MAX_DEVICE = 64 };

static const uint64_t host_kv_bytes = (uint64_t)4 << 30;

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static uint64_t kv_budget(const struct lm_conf_model *m, const struct lm_boot_room *room)
{
    if (m->kv_cache_memory_bytes > 0)
        return (uint64_t)m->kv_cache_memory_bytes;
    uint64_t base = room->is_host ? room->free_bytes : room->total_bytes;
    uint64_t share = (uint64_t)((double)base * m->gpu_memory_utilization);
    uint64_t taken = room->scratch_bytes + (room->is_host ? 0 : room->total_bytes - room->free_bytes);
    uint64_t left = share > taken ? share - taken : 0;
    return room->is_host ? smaller(left, host_kv_bytes / (room->n_device ? room->n_device : 1)) : left;
}

static int fail_short(const struct lm_conf_model *m, const struct lm_boot_room *room, uint32_t len, uint64_t need, uint64_t have,
                      struct lm_err *err)
{
    uint64_t fits = have / room->block_bytes * room->block_size;
    return lm_fail(err, LM_ENOMEM, "max-model-len %u needs %.1f MiB of KV cache, %.1f MiB are there (weights %.0f, scratch %.0f MiB): "
                   "set max-model-len to at most %llu, or raise %s", (unsigned)len, mib(need), mib(have), mib(room->weight_bytes),
                   mib(room->scratch_bytes), (unsigned long long)fits,
                   m->kv_cache_memory_bytes > 0 || room->is_host ? "kv-cache-memory-bytes" : "gpu-memory-utilization");
}

int lm_boot_size(const struct lm_conf_model *m, const struct lm_boot_room *room, uint32_t *out_n_block, uint32_t *out_max_len,
                 struct lm_err *err)
{
    bool asked = m->max_model_len > 0;
    uint64_t len = asked ? (uint64_t)m->max_model_len : room->n_ctx_train, size = room->block_size;
    if (len > room->n_ctx_train)
        return lm_fail(err, LM_ECONFIG, "max-model-len %llu is beyond the model's own %u", (unsigned long long)len, (unsigned)room->n_ctx_train);
    uint64_t budget = kv_budget(m, room), n = smaller(budget / room->block_bytes, UINT32_MAX / 2 / size);
    uint64_t need = (len + size - 1) / size;
    if (n < (asked ? need : 1))
        return fail_short(m, room, asked ? (uint32_t)len : 1, (asked ? need : 1) * room->block_bytes, budget, err);
    len = smaller(len, n * size);
    n = smaller(n, (len + size - 1) / size * (uint64_t)m->max_num_seqs);
    if (n * room->block_bytes > room->free_bytes)
        return lm_fail(err, LM_ENOMEM, "kv-cache-memory-bytes: %.1f MiB of KV cache asked for, %.1f MiB of memory are free: lower it",
                       mib(n * room->block_bytes), mib(room->free_bytes));
    *out_n_block = (uint32_t)n;
    *out_max_len = (uint32_t)len;
    return 0;
}

static uint32_t n_device(const struct lm_boot *b)
{
    return lm_group_share(&b->split).n;
}

/* Of all processes. */
static uint32_t n_device_all(const struct lm_boot *b)
{
    return b->split.n_rank * b->split.n_stage;
}

/* One index of the list at *text, and on to the next. */
static int read_index(const char **text, uint32_t *out, struct lm_err *err)
{
    char *end;
    unsigned long i = strtoul(*text, &end, 10);
    if (end == *text || (*end && *end != ',') || **text == '-' || i > UINT32_MAX / 2)
        return lm_fail(err, LM_ECONFIG, "device \"%.40s\" is not an index; `llmserve devices` lists them", *text);
    *out = (uint32_t)i;
    *text = *end ? end + 1 : end;
    return 0;
}

/* The indices of n devices: a list of n, or one to count from, which the processes of a node share out. */
static int device_indices(const char *text, uint32_t n, uint32_t node_rank, uint32_t *out, struct lm_err *err)
{
    uint32_t n_read = 0, i = 0;
    int rc;
    do {
        rc = read_index(&text, &i, err);
        if (!rc && n_read < n)
            out[n_read] = i;
        n_read++;
    } while (!rc && *text);
    if (rc)
        return rc;
    if (n_read != n && n_read != 1)
        return lm_fail(err, LM_ECONFIG, "device: %u indices, but tensor-parallel-size times pipeline-parallel-size is %u%s", n_read, n,
                       node_rank ? " of each process" : "");
    for (uint32_t k = n_read == 1 ? 0 : n; k < n; k++)
        out[k] = i + node_rank * n + k;
    return 0;
}

/* What the plugin tells of a device; one that only its options make is like the first. */
static int device_info(const struct lm_backend *be, uint32_t i, struct lm_device_info *out, int *out_n, struct lm_err *err)
{
    struct lm_device_info info[MAX_DEVICE] = {0};
    int n = be->devices(info, MAX_DEVICE, err);
    if (n < 0)
        return n;
    *out_n = n;
    *out = info[i < (uint32_t)n && i < MAX_DEVICE ? i : 0];
    if (i < (uint32_t)n && out->problem[0])
        return lm_fail(err, LM_ENOTFOUND, "device %s:%u (%.60s) cannot be used: %.120s", be->name, i, out->name, out->problem);
    return 0;
}

static const char *plugin_dir(const struct lm_conf *c)
{
    return *c->server.plugin_dir ? c->server.plugin_dir : NULL;
}

static int open_one(const struct lm_backend *be, const struct lm_open_desc *desc, struct lm_dev **out, struct lm_device_info *out_info,
                    struct lm_err *err)
{
    int n, rc = device_info(be, desc->device, out_info, &n, err);
    if (!rc)
        rc = be->open(desc, out, err);
    if (rc == LM_ENOTFOUND && desc->device >= (uint32_t)n) {
        struct lm_err why = err ? *err : (struct lm_err){0};
        return lm_fail(err, rc, "backend %s has no device %u of %d (%.120s); `llmserve devices` lists them", be->name, desc->device, n, why.msg);
    }
    return rc;
}

/* What the plugin's section says, at `option`. */
static size_t plugin_options(const struct lm_conf *c, const char *plugin, struct lm_option *option)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_backend; i++) {
        const struct lm_conf_backend *section = &c->backend[i];
        for (size_t j = 0; strcmp(section->name, plugin) == 0 && j < section->n_option && n < MAX_OPTION; j++)
            option[n++] = (struct lm_option){section->option[j].key, section->option[j].value};
    }
    return n;
}

/* A device beside each of the model's, for its experts. */
static int open_expert_devices(const struct lm_conf *c, const struct lm_conf_model *m, struct lm_boot *b, struct lm_err *err)
{
    const struct lm_backend *be = NULL;
    struct lm_device_info info;
    struct lm_option option[MAX_OPTION];
    int rc = *m->expert_device ? lm_registry_load(plugin_dir(c), m->expert_device, &be, err) : 0;
    struct lm_open_desc desc = {.option = option, .n_option = be ? plugin_options(c, be->name, option) : 0};
    for (; be && desc.device < n_device(b) && !rc; desc.device++) {
        b->experts[desc.device].be = be;
        rc = open_one(be, &desc, &b->experts[desc.device].dev, &info, err);
    }
    if (be)
        b->split.experts = b->experts;
    return rc ? lm_fail_in(err, rc, "expert-device") : 0;
}

static int open_devices(const struct lm_conf *c, const struct lm_conf_model *m, struct lm_boot *b, struct lm_device_info *out_info,
                        struct lm_err *err)
{
    const char *dir = plugin_dir(c);
    struct lm_option option[MAX_OPTION];
    struct lm_open_desc desc = {.option = option};
    uint32_t index[LM_BOOT_DEVICES] = {0};
    int rc = strcmp(m->backend, "auto") == 0 ? lm_registry_best(dir, &b->plugin, err) : lm_registry_load(dir, m->backend, &b->plugin, err);
    if (!rc)
        rc = device_indices(m->device, n_device(b), b->split.link ? lm_link_place(b->split.link)->node_rank : 0, index, err);
    desc.n_option = rc ? 0 : plugin_options(c, b->plugin->name, option);
    for (uint32_t i = n_device(b); i-- > 0 && !rc;) { /* the first one's is the info that is told */
        desc.device = index[i];
        rc = open_one(b->plugin, &desc, &b->device[i], out_info, err);
    }
    return rc ? rc : open_expert_devices(c, m, b, err);
}

/* How many devices the model is split over. */
static int read_split(const struct lm_conf_model *m, struct lm_link *link, struct lm_boot *b, struct lm_err *err)
{
    const int64_t n = m->tensor_parallel_size * m->pipeline_parallel_size;
    struct lm_conf_nodes nodes;
    int rc = lm_conf_nodes(m, &nodes, err);
    if (rc)
        return rc;
    if (nodes.n_process && !link)
        return lm_fail(err, LM_EUNSUPPORTED, "nodes: this command runs a model in one process");
    if (n > LM_BOOT_DEVICES)
        return lm_fail(err, LM_ECONFIG, "tensor-parallel-size times pipeline-parallel-size is %lld, at most %d", (long long)n, LM_BOOT_DEVICES);
    b->split = (struct lm_group_desc){.dev = b->device, .model = b->part, .n_rank = (uint32_t)m->tensor_parallel_size,
                                      .n_stage = (uint32_t)m->pipeline_parallel_size, .whole_experts = m->enable_expert_parallel, .step_timeout_us = (uint64_t)(m->step_timeout * 1e6)};
    rc = lm_group_check(&b->split, link ? lm_link_place(link)->size : 1, err);
    b->split.link = rc ? NULL : link;
    return rc;
}

int lm_boot_meet(const struct lm_conf *c, size_t model, void (*lost)(void *arg, const struct lm_err *why), struct lm_link **out, struct lm_err *err)
{
    const struct lm_conf_model *m = &c->model[model];
    const struct lm_group_desc split = {.n_rank = (uint32_t)m->tensor_parallel_size, .n_stage = (uint32_t)m->pipeline_parallel_size};
    struct lm_conf_nodes nodes;
    struct lm_link *link = NULL;
    int rc = lm_conf_nodes(m, &nodes, err);
    if (!rc && nodes.n_process)
        rc = lm_group_check(&split, nodes.n_process, err);
    if (!rc && nodes.n_process)
        rc = lm_link_open(c->server.plugin_dir, "mpi", &(struct lm_link_desc){.team_size = lm_group_team(&split, nodes.n_process), .lost = lost}, &link, err);
    if (!rc && link && lm_link_place(link)->size != nodes.n_process)
        rc = lm_fail(err, LM_ECONFIG, "nodes: mpirun started %u processes, not %u: is it of the MPI that llmserve was built with?",
                     lm_link_place(link)->size, nodes.n_process);
    if (!rc)
        *out = link;
    return rc;
}

/* The model on its device, or its parts on theirs, which are a group then. */
static int load(const struct lm_conf_model *m, const struct lm_low_bit *lb, const struct lm_lora_room *room, struct lm_boot *b,
                lm_load_progress progress, void *progress_arg, struct lm_err *err)
{
    const uint32_t max_len = m->max_model_len > 0 ? (uint32_t)m->max_model_len : 0;
    struct lm_group_desc *s = &b->split;
    const struct lm_model_split here = lm_group_share(s);
    int rc;
    s->be = b->be = b->plugin;
    b->dev = b->device[0];
    if (n_device_all(b) == 1 && !s->experts) {
        rc = lm_model_load(b->gguf, lb, b->be, b->dev, max_len, room, progress, progress_arg, b->part, err);
    } else {
        b->be = &lm_group_backend;
        b->dev = NULL;
        rc = lm_model_load_parts(b->gguf, lb, b->plugin, b->device, &here, max_len, room, progress, progress_arg, b->part, err);
        if (!rc)
            rc = lm_group_create(s, &b->dev, err);
    }
    if (!rc)
        b->model = lm_group_model(s);
    malloc_trim(0); /* what loading took does not stay with each of its threads' heaps */
    return rc;
}

static size_t weight_bytes(const struct lm_boot *b)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < n_device(b); i++)
        bytes += b->part[i]->weight_bytes;
    return bytes;
}

/* What processes tell each other of their models. */
struct loaded {
    uint64_t hash, weight_bytes;
};

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return h;
}

/* Of names, types and shapes. */
static uint64_t hash_tensors(const struct lm_gguf *g)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < lm_gguf_n_tensors(g); i++) {
        const struct lm_gguf_tensor *t = lm_gguf_tensor_at(g, i);
        h = hash(h, t->name.s, t->name.n);
        h = hash(h, &t->qtype, sizeof t->qtype);
        h = hash(h, t->dim, sizeof t->dim);
    }
    return h;
}

/* All processes must have loaded the same model. */
static int compare(struct lm_boot *b, struct lm_link *link, struct lm_err *err)
{
    const struct loaded mine = {hash_tensors(b->gguf), weight_bytes(b)};
    b->weight_bytes = mine.weight_bytes;
    if (!link)
        return 0;
    const struct lm_link_place *place = lm_link_place(link);
    struct loaded *all = calloc(place->size, sizeof *all);
    int rc = all ? place->ops->share(link, &mine, sizeof mine, all, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < place->size && !rc; i++) {
        b->weight_bytes += i == place->rank ? 0 : all[i].weight_bytes;
        if (all[i].hash != all[0].hash)
            rc = lm_fail(err, LM_ECONFIG, "nodes: process %u of %u has another model at that path than the first: put the same files on every node", i, place->size);
    }
    free(all);
    return rc;
}

static enum lm_kv_dtype kv_dtype(const struct lm_conf_model *m)
{
    const char *name = strcmp(m->kv_cache_dtype, "auto") == 0 ? m->dtype : m->kv_cache_dtype;
    static const struct { const char *name; enum lm_kv_dtype dtype; } known[] = {
        {"float16", LM_KV_F16}, {"half", LM_KV_F16}, {"bfloat16", LM_KV_BF16}, {"float32", LM_KV_F32}, {"float", LM_KV_F32},
        {"int16", LM_KV_I16}, {"int8", LM_KV_I8}, {"int8_per_token_head", LM_KV_I8}, {"int4", LM_KV_I4},
        {"fp8", LM_KV_E4M3}, {"fp8_e4m3", LM_KV_E4M3}, {"fp8_e5m2", LM_KV_E5M2},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].dtype;
    return LM_KV_AUTO;
}

static int size_plan(const struct lm_conf_model *m, struct lm_boot *b, bool is_host, struct lm_err *err)
{
    struct lm_plan_desc *p = &b->engine.plan;
    struct lm_plan_size size;
    struct lm_boot_room room = {.weight_bytes = weight_bytes(b), .n_ctx_train = b->model->hp.n_ctx_train, .is_host = is_host, .n_device = n_device(b)};
    *p = (struct lm_plan_desc){
        .graph = &b->model->graph, .max_tok = (uint32_t)m->max_num_batched_tokens,
        .max_len = m->max_model_len > 0 ? (uint32_t)m->max_model_len : room.n_ctx_train,
        .block_size = m->block_size ? (uint32_t)m->block_size : DEFAULT_BLOCK_SIZE, .kv_dtype = kv_dtype(m),
    };
    if (b->model->hp.encoder && p->max_tok < p->max_len)
        p->max_tok = p->max_len; /* a prompt is one step's */
    p->max_seq = (uint32_t)smaller((uint64_t)m->max_num_seqs, p->max_tok);
    p->max_out = lm_engine_max_out(p, &b->engine.speculative);
    int rc = b->be->measure(b->dev, p, &size, err);
    if (!rc)
        rc = b->be->mem(b->dev, &room.free_bytes, &room.total_bytes, err);
    if (rc)
        return rc;
    if (!size.block_bytes)
        return lm_fail(err, LM_EUNSUPPORTED, "backend %s needs no memory for a KV block", b->be->name);
    room.scratch_bytes = size.scratch_bytes;
    room.block_bytes = size.block_bytes;
    room.block_size = p->block_size;
    rc = lm_boot_size(m, &room, &p->n_block, &p->max_len, err);
    if (!rc)
        b->hello.kv_bytes = (uint64_t)p->n_block * size.block_bytes * n_device_all(b);
    return rc;
}

static void fill_hello(struct lm_boot *b, const struct lm_device_info *info, uint64_t start_us)
{
    const struct lm_plan_desc *p = &b->engine.plan;
    struct lm_msg_hello *h = &b->hello;
    h->version = LM_PROTOCOL_VERSION;
    h->n_vocab = b->model->hp.n_vocab;
    h->max_model_len = p->max_len;
    h->block_size = p->block_size;
    h->n_block = p->n_block;
    h->max_num_seqs = p->max_seq;
    h->max_num_batched_tokens = p->max_tok;
    h->weight_bytes = b->weight_bytes;
    h->load_us = lm_now_us() - start_us;
    snprintf(h->backend, sizeof h->backend, "%s", b->plugin->name);
    if (n_device_all(b) > 1)
        snprintf(h->device, sizeof h->device, "%u x %.80s", n_device_all(b), info->name);
    else
        snprintf(h->device, sizeof h->device, "%s", info->name);
}

/* The cache is only to save time: without it the weights are quantized on the way. */
static int open_kept(const struct lm_conf_model *m, const char *src, const struct lm_low_bit *lb, struct lm_boot *b,
                     lm_load_progress progress, void *progress_arg, struct lm_err *err)
{
    struct lm_gguf *kept = NULL;
    struct lm_lmq_key key;
    char *path = NULL;
    int rc = *m->low_bit_cache ? lm_folder_make(m->low_bit_cache, err) : 0;
    if (!rc)
        rc = lm_lmq_key(src, b->gguf, lb, &key, err);
    if (!rc)
        rc = *m->low_bit_save_path ? lm_lmq_file_path(m->low_bit_save_path, &path, err) :
                                     lm_lmq_cache_path(m->low_bit_cache, src, &key, lb, &path, err);
    if (!rc)
        rc = lm_lmq_open(path, src, b->gguf, lb, progress, progress_arg, &kept, err);
    if (!rc) {
        lm_guard_model(path, kept);
        lm_gguf_close(b->gguf);
        b->gguf = kept;
    }
    free(path);
    if (rc == LM_EIO && *m->low_bit_cache) {
        b->warning.code = LM_EIO;
        snprintf(b->warning.msg, sizeof b->warning.msg, "low-bit-cache: %.200s", err ? err->msg : "");
        return 0;
    }
    return rc;
}

/* Of an open model: find what load-in-low-bit wants, and the file that keeps it; *out_low_bit: quantize on the way. */
static int open_low_bit(const struct lm_conf_model *m, const char *path, struct lm_boot *b, struct lm_low_bit *lb, bool *out_low_bit,
                        lm_load_progress progress, void *progress_arg, struct lm_err *err)
{
    bool lossy = false;
    const struct lm_gguf *src = b->gguf;
    int rc = lm_low_bit_find(m->load_in_low_bit, lb, err);
    if (!rc)
        rc = lm_low_bit_check(lb, src, &lossy, err);
    if (lossy) {
        b->warning.code = LM_EUNSUPPORTED;
        snprintf(b->warning.msg, sizeof b->warning.msg, "load-in-low-bit %s: the model's weights are quantized already, which adds up", lb->name);
    }
    if (!rc && (*m->low_bit_cache || *m->low_bit_save_path))
        rc = open_kept(m, path, lb, b, progress, progress_arg, err);
    *out_low_bit = b->gguf == src;
    return rc;
}

/* What a saved KV block is of: the model's files, what became of them on the way, who computed it, and how it is split and laid out. */
static int identify(const struct lm_conf_model *m, const struct lm_device_info *info, struct lm_boot *b, struct lm_err *err)
{
    const struct lm_low_bit none = {0};
    struct lm_lmq_key key;
    char text[512];
    int rc = lm_lmq_key(m->path, b->gguf, &none, &key, err);
    int n = rc ? 0 : snprintf(text, sizeof text, "%s %s %s %s %s %.*s %d %u %u", key.text, m->load_in_low_bit, b->plugin->name, b->plugin->version, m->expert_device,
                              (int)strcspn(info->driver, ","), info->driver, (int)b->engine.plan.kv_dtype, (unsigned)b->split.n_rank, (unsigned)b->split.n_stage);
    if (!rc)
        lm_sha256(text, (size_t)n < sizeof text ? (size_t)n : sizeof text, b->engine.model_id);
    return rc;
}

/* Open the model, or the file that was quantized from it. What is mapped is guarded. */
static int open_model(const struct lm_conf_model *m, struct lm_boot *b, struct lm_low_bit *lb, bool *out_low_bit,
                      lm_load_progress progress, void *progress_arg, struct lm_err *err)
{
    char *path = NULL;
    int rc = lm_lmq_model_path(m->path, m->low_bit_model_path, &path, err);
    if (!rc)
        rc = lm_source_open(path, &b->gguf, err);
    if (!rc)
        lm_guard_model(path, b->gguf);
    if (!rc && *m->load_in_low_bit && strcmp(m->load_in_low_bit, "none") != 0)
        rc = open_low_bit(m, path, b, lb, out_low_bit, progress, progress_arg, err);
    free(path);
    return rc;
}

/* Slots for as many adapters as may be loaded. */
static int lora_room(const struct lm_conf_model *m, struct lm_lora_room *out, struct lm_err *err)
{
    struct lm_conf_lora *list;
    size_t n;
    int rc = lm_conf_lora_read(m->lora_modules, &list, &n, err);
    if (rc)
        return rc;
    lm_conf_lora_fini(list, n);
    uint64_t most = m->max_cpu_loras ? (uint64_t)m->max_cpu_loras : DEFAULT_LORAS;
    most = most > (uint64_t)m->max_loras ? most : (uint64_t)m->max_loras;
    most = most > n ? most : n;
    *out = (struct lm_lora_room){m->enable_lora || n ? (uint32_t)most : 0, (uint32_t)m->max_lora_rank};
    return 0;
}

static void fill_engine(struct lm_boot *b, const struct lm_conf_model *m)
{
    struct lm_engine_desc *e = &b->engine;
    e->be = b->be;
    e->dev = b->dev;
    e->model = b->model;
    e->max_lora = (uint32_t)m->max_loras;
    e->embeds = true;
    e->hidden_act = b->model->hidden_act;
    e->encoder = b->model->hp.encoder;
    e->prefix_cache = m->enable_prefix_caching;
    e->kv_host_bytes = (uint64_t)(m->kv_offloading_size * (1 << 30));
    e->kv_file = m->kv_cache_file;
    e->kv_file_bytes = (uint64_t)m->kv_cache_file_size;
    e->step_timeout_us = b->split.step_timeout_us;
    e->max_flight = lm_group_depth(&b->split);
}

int lm_boot_create(const struct lm_conf *c, size_t model, struct lm_link *link, lm_load_progress progress, void *progress_arg, struct lm_boot **out,
                   struct lm_err *err)
{
    const struct lm_conf_model *m = &c->model[model];
    uint64_t start_us = lm_now_us();
    struct lm_device_info info;
    struct lm_boot *b = calloc(1, sizeof *b);
    struct lm_low_bit lb = {0};
    struct lm_lora_room room = {0};
    bool low_bit = false;
    int rc = b ? lm_conf_speculative(m->speculative_config, m->spec_tokens, &b->engine.speculative, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc)
        rc = open_model(m, b, &lb, &low_bit, progress, progress_arg, err);
    if (!rc)
        rc = read_split(m, link, b, err);
    if (!rc)
        rc = open_devices(c, m, b, &info, err);
    if (!rc)
        rc = lora_room(m, &room, err);
    if (!rc)
        rc = load(m, low_bit ? &lb : NULL, &room, b, progress, progress_arg, err);
    rc = lm_link_agree(link, rc, err);
    if (!rc)
        rc = compare(b, link, err);
    if (!rc)
        rc = size_plan(m, b, strcmp(info.kind, "cpu") == 0, err);
    if (!rc)
        rc = identify(m, &info, b, err);
    if (!rc) {
        fill_engine(b, m);
        fill_hello(b, &info, start_us);
        *out = b;
    } else {
        lm_boot_destroy(b);
    }
    return rc;
}

void lm_boot_destroy(struct lm_boot *b)
{
    if (!b)
        return;
    if (b->be == &lm_group_backend)
        b->be->close(b->dev);
    for (uint32_t i = 0; i < n_device(b); i++) {
        lm_model_destroy(b->part[i], b->plugin, b->device[i]);
        if (b->device[i])
            b->plugin->close(b->device[i]);
        if (b->experts[i].dev)
            b->experts[i].be->close(b->experts[i].dev);
    }
    lm_guard_model("", NULL);
    lm_gguf_close(b->gguf);
    free(b);
}

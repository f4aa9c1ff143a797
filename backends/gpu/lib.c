/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/lib.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_THREADS = 8, OPTION_BYTES = 160, MAX_FILE = 6 };

struct job {
    struct gpu_lib *lib;
    enum gpu_program_id id;
    pthread_t thread;
    bool started;
    int rc;
    struct lm_err err;
};

#define STEP_FILES {"nv.cl", "peer.cl", "phase.cl", "step_matmul.cl", "step_attn.cl", "step.cl"}

/* The files of a program and its options; those of weights have none here. */
static const struct { const char *file[MAX_FILE], *options; } fixed[GPU_WEIGHT] = {
    [GPU_ROW] = {{"row.cl"}, ""},
    [GPU_ATTN_F16] = {{"attn.cl"}, "-DKV=0"},
    [GPU_ATTN_BF16] = {{"attn.cl"}, "-DKV=1"},
    [GPU_ATTN_F32] = {{"attn.cl"}, "-DKV=2"},
    [GPU_ATTN_I8] = {{"attn.cl"}, "-DKV=3"},
    [GPU_ATTN_E4M3] = {{"attn.cl"}, "-DKV=4"},
    [GPU_ATTN_E5M2] = {{"attn.cl"}, "-DKV=5"},
    [GPU_SAMPLE] = {{"sample.cl"}, ""},
    [GPU_TILES] = {{"weight.cl"}, "-DLOW=4 -DHIGH=0 -DZERO=8 -DSCALING=1 -DTILES"},
    [GPU_STEP_1] = {STEP_FILES, "-DMT=0 -DTT=512"},
    [GPU_STEP_16] = {STEP_FILES, "-DMT=1 -DTT=512"},
    [GPU_STEP_32] = {STEP_FILES, "-DMT=2 -DTT=256"},
    [GPU_RANK_1] = {STEP_FILES, "-DMT=0 -DTT=512 -DRANK"},
    [GPU_RANK_16] = {STEP_FILES, "-DMT=1 -DTT=512 -DRANK"},
    [GPU_RANK_32] = {STEP_FILES, "-DMT=2 -DTT=256 -DRANK"},
    [GPU_PREFILL_64] = {{"nv.cl", "peer.cl", "phase.cl", "prefill.cl"}, "-DTT=128 -DHD=64 -cl-nv-maxrregcount=168"},
    [GPU_PREFILL_128] = {{"nv.cl", "peer.cl", "phase.cl", "prefill.cl"}, "-DTT=128 -DHD=128 -cl-nv-maxrregcount=168"},
    [GPU_PEER] = {{"nv.cl", "peer.cl", "exchange.cl"}, ""},
};

enum gpu_program_id gpu_lib_weight(const struct gpu_kind *k, enum gpu_layout layout)
{
    static const int first[] = {[GPU_PLANES] = GPU_WEIGHT, [GPU_SIXTEENS_8] = GPU_XMX_8, [GPU_SIXTEENS_16] = GPU_XMX_16};
    return layout == GPU_TILED ? GPU_TILES : (enum gpu_program_id)(first[layout] + (int)gpu_kind_index(k));
}

enum gpu_program_id gpu_lib_attention(enum lm_kv_dtype dtype)
{
    switch (dtype) {
    case LM_KV_I8: return GPU_ATTN_I8;
    case LM_KV_E4M3: return GPU_ATTN_E4M3;
    case LM_KV_E5M2: return GPU_ATTN_E5M2;
    default: return (enum gpu_program_id)(GPU_ATTN_F16 + dtype);
    }
}

bool gpu_lib_is_portable(enum gpu_program_id id)
{
    return id < GPU_STEP_1 || (id > GPU_PEER && id < GPU_XMX_8);
}

uint32_t gpu_lib_sub_group(enum gpu_program_id id)
{
    return id < GPU_XMX_8 ? 0 : id < GPU_XMX_16 ? 8 : 16;
}

static const char *text_of(const char *name)
{
    const struct gpu_source *s = gpu_sources;
    while (s->name && strcmp(s->name, name) != 0)
        s++;
    return s->text;
}

/* The kind that a program is for; NULL: none, or one that the program's kernels do not take. */
static const struct gpu_kind *kind_of(enum gpu_program_id id)
{
    const struct gpu_kind *k = id < GPU_WEIGHT ? NULL : gpu_kind_at((size_t)(id - GPU_WEIGHT) % GPU_MAX_KIND);
    return k && id >= GPU_XMX_8 && !gpu_kind_has_sixteens(k) ? NULL : k;
}

static void kind_options(const struct gpu_kind *k, uint32_t sub_group, char *out, size_t n)
{
    int at = snprintf(out, n, "-DLOW=%d -DHIGH=%d -DZERO=%d -DSCALING=%d%s", k->low, k->high, k->zero, (int)k->scaling,
                      k->qtype == LM_Q_BF16 ? " -DBF16" : "");
    if (sub_group)
        snprintf(out + at, n - (size_t)at, " -DSG=%u", sub_group);
}

char *gpu_lib_source(enum gpu_program_id id, char *options, size_t n)
{
    static const char *const weight[MAX_FILE] = {"weight.cl"}, *const xmx[MAX_FILE] = {"weight.cl", "xmx.cl"};
    const struct gpu_kind *k = kind_of(id);
    const char *const *file = !k ? fixed[id < GPU_WEIGHT ? id : 0].file : gpu_lib_sub_group(id) ? xmx : weight;
    char *source = NULL;
    if (id >= GPU_WEIGHT && !k)
        return NULL;
    if (k)
        kind_options(k, gpu_lib_sub_group(id), options, n);
    else
        snprintf(options, n, "%s", fixed[id].options);
    size_t room = 1;
    for (int i = 0; i < MAX_FILE; i++)
        room += file[i] ? strlen(text_of(file[i])) : 0;
    source = calloc(room, 1);
    for (int i = 0; i < MAX_FILE && source; i++)
        strcat(source, file[i] ? text_of(file[i]) : "");
    return source;
}

static const char *last_file(enum gpu_program_id id)
{
    int i = MAX_FILE - 1;
    while (i > 0 && !fixed[id].file[i])
        i--;
    return fixed[id].file[i];
}

void gpu_lib_name(enum gpu_program_id id, char *out, size_t n)
{
    const struct gpu_kind *k = kind_of(id);
    if (id < GPU_WEIGHT)
        snprintf(out, n, "%s (%s)", last_file(id), fixed[id].options);
    else if (gpu_lib_sub_group(id))
        snprintf(out, n, "xmx.cl (%s, %u)", k ? k->name : "?", gpu_lib_sub_group(id));
    else
        snprintf(out, n, "weight.cl (%s)", k ? k->name : "?");
}

static void *build(void *arg)
{
    struct job *job = arg;
    struct gpu_driver *drv = job->lib->drv;
    char options[OPTION_BYTES], name[OPTION_BYTES];
    char *source = gpu_lib_source(job->id, options, sizeof options);
    gpu_lib_name(job->id, name, sizeof name);
    if (source)
        job->rc = drv->call->program_create(drv, name, source, options, &job->lib->program[job->id], &job->err);
    else
        job->rc = lm_fail(&job->err, LM_ENOMEM, "no memory for the source of %s", name);
    free(source);
    return NULL;
}

static int build_some(struct job *job, size_t n, struct lm_err *err)
{
    int rc = 0;
    for (size_t i = 1; i < n; i++)
        job[i].started = pthread_create(&job[i].thread, NULL, build, &job[i]) == 0;
    for (size_t i = 0; i < n; i++) {
        if (job[i].started)
            pthread_join(job[i].thread, NULL);
        else
            build(&job[i]);
        if (job[i].rc < 0 && rc == 0) {
            rc = job[i].rc;
            if (err)
                *err = job[i].err;
        }
    }
    return rc;
}

int gpu_lib_build(struct gpu_lib *lib, const struct gpu_need *need, struct lm_err *err)
{
    struct job job[MAX_THREADS];
    size_t n = 0;
    int rc = 0;
    for (int id = 0; id < GPU_N_PROGRAM && rc == 0; id++) {
        if (need->program[id] && !lib->program[id])
            job[n++] = (struct job){.lib = lib, .id = (enum gpu_program_id)id};
        if (n == MAX_THREADS || (n > 0 && id + 1 == GPU_N_PROGRAM)) {
            rc = build_some(job, n, err);
            n = 0;
        }
    }
    return rc;
}

int gpu_lib_kernel(struct gpu_lib *lib, enum gpu_program_id id, const char *name, struct gpu_kernel **out, struct lm_err *err)
{
    int rc = lib->drv->call->kernel_get(lib->drv, lib->program[id], name, out, err);
    char where[OPTION_BYTES];
    gpu_lib_name(id, where, sizeof where);
    return rc < 0 ? lm_fail_in(err, rc, "%s", where) : 0;
}

void gpu_lib_fini(struct gpu_lib *lib)
{
    for (int id = 0; id < GPU_N_PROGRAM; id++)
        lib->drv->call->program_destroy(lib->drv, lib->program[id]);
}

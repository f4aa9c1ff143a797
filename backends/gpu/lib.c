/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/lib.h"

#include <pthread.h>

enum { MAX_THREADS = 8, OPTION_BYTES = 160 };

struct job {
    struct gpu_lib *lib;
    enum gpu_program_id id;
    pthread_t thread;
    bool started;
    int rc;
    struct lm_err err;
};

enum gpu_program_id gpu_lib_weight(const struct gpu_kind *k)
{
    return (enum gpu_program_id)(GPU_WEIGHT + gpu_kind_index(k));
}

static const char *text_of(const char *name)
{
    const struct gpu_source *s = gpu_sources;
    while (s->name && strcmp(s->name, name) != 0)
        s++;
    return s->text;
}

const char *gpu_lib_source(enum gpu_program_id id, char *options, size_t n)
{
    const struct gpu_kind *k;
    *options = '\0';
    switch (id) {
    case GPU_ROW: return text_of("row.cl");
    case GPU_ATTN_F16:
    case GPU_ATTN_BF16:
    case GPU_ATTN_F32:
        snprintf(options, n, "-DKV=%d", (int)(id - GPU_ATTN_F16));
        return text_of("attn.cl");
    default:
        k = gpu_kind_at((size_t)(id - GPU_WEIGHT));
        if (!k)
            return NULL;
        snprintf(options, n, "-DLOW=%d -DHIGH=%d -DZERO=%d -DSCALING=%d%s", k->low, k->high, k->zero, (int)k->scaling,
                 k->qtype == LM_Q_BF16 ? " -DBF16" : "");
        return text_of("weight.cl");
    }
}

static const char *name_of(enum gpu_program_id id)
{
    static const char *const fixed[] = {"row.cl", "attn.cl (f16)", "attn.cl (bf16)", "attn.cl (f32)"};
    return id < GPU_WEIGHT ? fixed[id] : gpu_kind_at((size_t)(id - GPU_WEIGHT))->name;
}

static void *build(void *arg)
{
    struct job *job = arg;
    struct gpu_driver *drv = job->lib->drv;
    char options[OPTION_BYTES];
    const char *source = gpu_lib_source(job->id, options, sizeof options);
    job->rc = drv->call->program_create(drv, name_of(job->id), source, options, &job->lib->program[job->id], &job->err);
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
    return rc < 0 ? lm_fail_in(err, rc, "%s", name_of(id)) : 0;
}

void gpu_lib_fini(struct gpu_lib *lib)
{
    for (int id = 0; id < GPU_N_PROGRAM; id++)
        lib->drv->call->program_destroy(lib->drv, lib->program[id]);
}

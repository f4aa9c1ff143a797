/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/numa.h"

/* Neighbouring threads of one node make one piece. */
static void split_matmul(const struct cpu_plan *p, const struct cpu_phase *phase, uint32_t i, const uint32_t *node_of, cpu_numa_fn *place,
                         void *arg)
{
    const struct cpu_mat *m = cpu_phase_mat(p->desc.graph->op[i].w);
    for (uint32_t t = 0, end; t < p->n_thread; t = end) {
        for (end = t + 1; end < p->n_thread && node_of[end] == node_of[t]; end++)
            ;
        uint32_t from = cpu_phase_panels(p->desc.graph, phase, i, t, p->n_thread).from;
        uint32_t to = cpu_phase_panels(p->desc.graph, phase, i, end - 1, p->n_thread).to;
        if (from < to)
            place(arg, m->data + from * m->panel_bytes, (to - from) * m->panel_bytes, node_of[t]);
    }
}

void cpu_numa_split(const struct cpu_plan *p, const uint32_t *node_of, cpu_numa_fn *place, void *arg)
{
    for (uint32_t k = 0; k < p->n_phase; k++)
        for (uint32_t i = p->phase[k].mat; p->phase[k].kind == CPU_MATMUL && i < p->phase[k].tail; i++)
            if (p->desc.graph->op[i].kind == LM_OP_MATMUL && !cpu_phase_mat(p->desc.graph->op[i].w)->mapped)
                split_matmul(p, &p->phase[k], i, node_of, place, arg);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The split by memory nodes on machines that hwloc makes up (HWLOC_SYNTHETIC). */
#include "backends/cpu/machine.h"
#include "backends/cpu/mat_kern.h"
#include "backends/cpu/numa.h"
#include "tests/suite.h"

#include <stdlib.h>

enum { COLS = 64, N_MAT = 4, MAX_THREAD = 12, MAX_PANEL = 64 };

/* q, k and v of one input, whose panels are one list; then a matrix with its residual, whose panels are its own. */
static const uint32_t rows_of[N_MAT] = {5 * 32, 32, 3 * 32 + 7, 64 * 17};

struct fixture {
    struct cpu_machine *machine;
    struct cpu_mat_heap heap;
    struct cpu_mat *mat[N_MAT];
    struct lm_act act[N_MAT + 2];
    struct lm_op op[N_MAT + 1];
    struct lm_graph graph;
    struct cpu_phase phase[N_MAT + 2];
    struct cpu_plan plan;
    uint32_t node_of[MAX_THREAD];
    uint32_t seen[N_MAT][MAX_PANEL]; /* 1 + the node of each panel */
};

static void init(struct fixture *f, const char *machine)
{
    memset(f, 0, sizeof *f);
    setenv("HWLOC_SYNTHETIC", machine, 1);
    ck_assert_int_eq(cpu_machine_create(&f->machine, NULL), 0);
    for (uint32_t i = 0; i < N_MAT; i++) {
        const struct lm_weight_desc desc = {LM_Q_Q4_0, rows_of[i], COLS, LM_USE_MATMUL, NULL};
        bool ready;
        ck_assert_int_eq(cpu_mat_create(cpu_isa_detect(), &f->heap, &desc, &f->mat[i], &ready, NULL), 0);
        f->act[i + 1] = (struct lm_act){LM_ROWS_TOK, rows_of[i]};
        f->op[i] = (struct lm_op){.kind = LM_OP_MATMUL, .x = 0, .x2 = LM_NONE, .y = i + 1, .w = &f->mat[i]->weight};
    }
    f->act[0] = f->act[N_MAT + 1] = (struct lm_act){LM_ROWS_TOK, COLS};
    f->op[N_MAT - 1].x = N_MAT + 1;
    f->op[N_MAT] = (struct lm_op){.kind = LM_OP_SCALE, .x = N_MAT, .x2 = LM_NONE, .y = N_MAT, .u.scale = {2}};
    f->graph = (struct lm_graph){.act = f->act, .n_act = N_MAT + 2, .op = f->op, .n_op = N_MAT + 1};
    f->plan = (struct cpu_plan){.desc = {.graph = &f->graph}, .n_thread = cpu_machine_n_core(f->machine), .phase = f->phase};
    f->plan.n_phase = cpu_phase_cut(&f->graph, f->phase);
    ck_assert_uint_le(f->plan.n_thread, MAX_THREAD);
    for (uint32_t t = 0; t < f->plan.n_thread; t++)
        f->node_of[t] = cpu_machine_node(f->machine, t);
}

static void fini(struct fixture *f)
{
    for (uint32_t i = 0; i < N_MAT; i++)
        cpu_mat_destroy(f->mat[i]);
    cpu_machine_destroy(f->machine);
}

static void see(void *arg, const uint8_t *at, size_t n, uint32_t node)
{
    struct fixture *f = arg;
    uint32_t i = 0;
    while (i < N_MAT && !(at >= f->mat[i]->data && at < f->mat[i]->data + f->mat[i]->weight.bytes))
        i++;
    ck_assert_uint_lt(i, N_MAT);
    size_t bytes = f->mat[i]->panel_bytes, first = (size_t)(at - f->mat[i]->data);
    ck_assert(first % bytes == 0 && n % bytes == 0 && n > 0);
    for (size_t p = first / bytes; p < (first + n) / bytes; p++) {
        ck_assert_uint_lt(p, f->mat[i]->n_panel);
        ck_assert_uint_eq(f->seen[i][p], 0);
        f->seen[i][p] = 1 + node;
    }
}

/* Every panel is placed once, on the node of the thread that multiplies it. */
static void check(struct fixture *f)
{
    cpu_numa_split(&f->plan, f->node_of, see, f);
    for (uint32_t k = 0; k < f->plan.n_phase; k++)
        for (uint32_t i = f->phase[k].mat; i < f->phase[k].tail; i++) {
            uint32_t at = 0;
            for (uint32_t t = 0; t < f->plan.n_thread; t++) {
                struct cpu_panels p = cpu_phase_panels(&f->graph, &f->phase[k], i, t, f->plan.n_thread);
                ck_assert(p.from == p.to || p.from == at);
                for (; at < p.to; at++)
                    ck_assert_uint_eq(f->seen[i][at], 1 + f->node_of[t]);
            }
            ck_assert_uint_eq(at, f->mat[i]->n_panel);
        }
}

START_TEST(test_cpu_numa__every_panel_is_on_the_node_of_its_thread)
{
    static const struct { const char *machine; uint32_t n_core, n_node; } c[] = {
        {"numa:2 core:3 pu:2", 6, 2}, {"pack:2 numa:2 core:1 pu:1", 4, 4}, {"numa:3 core:4 pu:1", 12, 3}, {"numa:1 core:5 pu:1", 5, 1},
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        struct fixture f;
        init(&f, c[i].machine);
        ck_assert_uint_eq(f.plan.n_thread, c[i].n_core);
        ck_assert_uint_eq(cpu_machine_n_node(f.machine), c[i].n_node);
        ck_assert_uint_eq(f.node_of[c[i].n_core - 1], c[i].n_node - 1);
        check(&f);
        fini(&f);
    }
}
END_TEST

SUITE_MAIN("cpu/numa", test_cpu_numa__every_panel_is_on_the_node_of_its_thread)

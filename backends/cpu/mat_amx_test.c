/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMX against AVX-512 VNNI, to the bit. A machine with AVX-512 and without AMX runs it in the emulator; with AMX it is the
 * processor's own. Without AVX-512 the test is skipped.
 */
#include "backends/cpu/mat_panel.h"
#include "tests/amx_emulator.h"
#include "tests/suite.h"

#include <stdlib.h>

static uint64_t state = 1;

static uint32_t bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

/* Published rows of any type: each pair of bytes is sane as f16. */
static void fill(uint8_t *w, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        uint32_t v = (bits() & 0x9fff) | 0x2000;
        memcpy(w + i, &v, 2);
    }
}

static float *input(uint32_t n_row, uint32_t cols)
{
    float *x = malloc((size_t)n_row * cols * sizeof *x);
    for (size_t i = 0; i < (size_t)n_row * cols; i++)
        x[i] = (float)(int32_t)bits() * 0x1p-31f * (i % 37 ? 1 : 20);
    return x;
}

static void check_type(uint32_t qtype, uint32_t rows, uint32_t cols, uint32_t n_row, bool with_bias)
{
    size_t row_bytes = lm_qtype_row_bytes(qtype, cols), n_y = (size_t)n_row * rows;
    const struct lm_weight_desc desc = {qtype, rows, cols, LM_USE_MATMUL, NULL};
    struct cpu_mat_heap heap = {0};
    struct cpu_mat *m;
    bool ready;
    ck_assert_int_eq(cpu_mat_create(CPU_ISA_AVX512, &heap, &desc, &m, &ready, NULL), 0);
    uint8_t *published = malloc(rows * row_bytes), *scratch = aligned_alloc(64, CPU_MAT_SCRATCH);
    float *f32 = input(n_row, cols), *bias = input(1, rows), *y = calloc(n_y, sizeof *y), *z = calloc(n_y, sizeof *z);
    fill(published, rows * row_bytes);
    ck_assert_int_eq(cpu_mat_pack(m, 0, rows, published, NULL), 0);
    struct cpu_x x = {.f32 = f32, .q8 = aligned_alloc(64, (cpu_x_bytes(n_row, cols) + 63) / 64 * 64), .n_row = n_row, .cols = cols};
    cpu_x_convert(CPU_ISA_AVX512, &x, 0, cpu_x_n_piece(n_row));
    struct cpu_mat_job job = {.w = m->data, .panel_bytes = m->panel_bytes, .n_block = cols / 32, .x = x.q8, .n_row = n_row,
                              .bias = with_bias ? bias : NULL, .y = y, .ldy = rows, .rows = rows, .panel1 = m->n_panel, .open = scratch,
                              .open_bytes = CPU_MAT_SCRATCH};
    cpu_kern_avx512.mul[m->pack->layout](&job);
    job.y = z;
    cpu_mul_amx[m->pack->layout](&job);
    ck_assert_msg(!memcmp(y, z, n_y * sizeof *y), "%s %u x %u, %u rows", lm_qtype_info(qtype)->name, rows, cols, n_row);
    free(published), free(scratch), free(f32), free(bias), free(y), free(z), free(x.q8);
    cpu_mat_destroy(m);
}

/* What the tiles have to get right: whole and short panels, rows of x in pairs of tiles and beside them, chunks of units whole and short */
static const struct { uint32_t rows, cols, n_row; bool bias; } shape[] = {{70, 256, 31, true}, {32, 768, 24, false}, {33, 512, 41, true}, {32, 320, 36, true}};

START_TEST(test_cpu_mat_amx__bits_are_those_of_avx512)
{
    bool real = cpu_isa_has(CPU_ISA_AMX);
    uint32_t n_type = 0;
    if (!real)
        amx_emulator_begin();
    for (uint32_t q = 0; q < LM_Q_LOW_BIT_END; q = q + 1 == LM_Q_GGUF_END ? LM_Q_LOW_BIT : q + 1)
        if (cpu_pack_find(q)) {
            for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
                if (shape[i].cols % lm_qtype_info(q)->block == 0)
                    check_type(q, shape[i].rows, shape[i].cols, shape[i].n_row, shape[i].bias);
            n_type++;
        }
    ck_assert_uint_ge(n_type, CPU_N_LAYOUT);
    ck_assert((amx_emulator_count() > 0) == !real);
    printf("AMX-INT8 %s: %u types\n", real ? "of this machine" : "emulated", n_type);
}
END_TEST

int main(void)
{
    if (!cpu_isa_has(CPU_ISA_AVX512)) {
        puts("skipped: AMX kernels need AVX-512 beside it");
        return 77;
    }
    return suite_run("cpu/mat_amx", (const TTest *const[]){test_cpu_mat_amx__bits_are_those_of_avx512}, 1);
}

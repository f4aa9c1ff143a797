/* SPDX-License-Identifier: Apache-2.0 */
/* What ops_test cannot see: the whole range of floats, and that where a run of columns begins changes no bit. */
#include "backends/cpu/row.h"
#include "ops/act_mul.h"
#include "ops/elementwise.h"
#include "tests/suite.h"

#include <math.h>

enum { MAX = 4096 };

static const struct cpu_row *kernels(int isa)
{
    return cpu_isa_has((enum cpu_isa)isa) ? cpu_row_get((enum cpu_isa)isa) : NULL;
}

/* Magnitudes from 1e-30 to 1e30, both signs, then zeros. */
static void spread(float *x)
{
    for (int i = 0; i < MAX; i++)
        x[i] = (float)(pow(10, -30 + 60.0 * (i / 2) / (MAX / 2)) * (i % 2 ? -1 : 1));
    x[0] = 0;
    x[1] = -0.0f;
}

static void close_to(const float *y, const float *ref, const float *x, double tol, const char *what, int isa)
{
    for (int i = 0; i < MAX; i++)
        if (!(fabs((double)y[i] - ref[i]) <= tol * fabs((double)ref[i]) + 1e-36))
            ck_abort_msg("%s (%s) of %.9g: %.9g, not %.9g", what, cpu_isa_name((enum cpu_isa)isa), (double)x[i], (double)y[i], (double)ref[i]);
}

START_TEST(test_cpu_row__activations_hold_over_all_magnitudes)
{
    static float x[MAX], one[MAX], y[MAX], ref[MAX];
    spread(x);
    for (int i = 0; i < MAX; i++)
        one[i] = 1;
    for (int isa = 0; isa < CPU_N_ISA; isa++) {
        const struct cpu_row *row = kernels(isa);
        if (!row)
            continue;
        row->softcap(y, x, 30, MAX);
        lm_softcap_ref(ref, x, 30, MAX);
        close_to(y, ref, x, 5e-7, "softcap", isa);
        for (int i = 0; i < MAX; i++)
            x[i] = fmaxf(x[i], -60); /* below, e^x times x fades into subnormals */
        row->silu_mul(y, x, one, MAX);
        lm_silu_mul_ref(ref, x, one, MAX);
        close_to(y, ref, x, 5e-7, "silu", isa);
        for (int i = 0; i < MAX; i++)
            x[i] = fmaxf(x[i], -4); /* below, an error of u is one of e^u */
        row->gelu_mul(y, x, one, MAX);
        lm_gelu_mul_ref(ref, x, one, false, MAX);
        close_to(y, ref, x, 5e-6, "gelu", isa);
        row->gelu_erf_mul(y, x, one, MAX);
        lm_gelu_mul_ref(ref, x, one, true, MAX);
        close_to(y, ref, x, 5e-6, "gelu by erf", isa);
        spread(x);
    }
}
END_TEST

START_TEST(test_cpu_row__nan_stays_and_extremes_are_finite)
{
    const float x[4] = {NAN, -1e38f, 1e38f, -1000}, one[4] = {1, 1, 1, 1};
    for (int isa = 0; isa < CPU_N_ISA; isa++) {
        const struct cpu_row *row = kernels(isa);
        float y[4];
        if (!row)
            continue;
        row->silu_mul(y, x, one, 4);
        ck_assert(isnan(y[0]) && fabsf(y[1]) < 1 && y[2] == 1e38f && fabsf(y[3]) < 1e-30f);
        row->gelu_mul(y, x, one, 4);
        ck_assert(isnan(y[0]) && fabsf(y[1]) < 1 && y[2] == 1e38f && fabsf(y[3]) < 1e-30f);
        row->gelu_erf_mul(y, x, one, 4);
        ck_assert(isnan(y[0]) && fabsf(y[1]) < 1 && y[2] == 1e38f && fabsf(y[3]) < 1e-30f);
        row->softcap(y, x, 30, 4);
        ck_assert(isnan(y[0]) && y[1] == -30 && y[2] == 30 && y[3] == -30);
    }
}
END_TEST

static void run(const struct cpu_row *row, int op, float *y, const float *x, const float *x2, size_t n)
{
    switch (op) {
    case 0: row->silu_mul(y, x, x2, n); break;
    case 1: row->gelu_mul(y, x, x2, n); break;
    case 2: row->add(y, x, x2, n); break;
    case 3: row->scale(y, x, 0.3f, n); break;
    case 4: row->gelu_erf(y, x, n); break;
    case 5: row->gelu_erf_mul(y, x, x2, n); break;
    default: row->softcap(y, x, 2, n); break;
    }
}

START_TEST(test_cpu_row__a_cut_changes_no_bit)
{
    enum { N = 100 };
    float x[N], x2[N], whole[N], parts[N];
    for (int i = 0; i < N; i++) {
        x[i] = sinf((float)i) * 5;
        x2[i] = cosf((float)i) * 3;
    }
    for (int isa = 0; isa < CPU_N_ISA; isa++)
        for (int op = 0; op < 7 && kernels(isa); op++) {
            run(kernels(isa), op, whole, x, x2, N);
            for (size_t at = 0; at <= N; at++) {
                run(kernels(isa), op, parts, x, x2, at);
                run(kernels(isa), op, parts + at, x + at, x2 + at, N - at);
                ck_assert_mem_eq(whole, parts, sizeof whole);
            }
        }
}
END_TEST

SUITE_MAIN("cpu/row", test_cpu_row__activations_hold_over_all_magnitudes, test_cpu_row__nan_stays_and_extremes_are_finite,
           test_cpu_row__a_cut_changes_no_bit)

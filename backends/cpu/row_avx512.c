/* SPDX-License-Identifier: Apache-2.0 */
#define LM_VEC_LANES 16
#define ROW_TABLE cpu_row_avx512
#include "backends/cpu/row_body.h"

/* SPDX-License-Identifier: Apache-2.0 */
#define LM_VEC_LANES 8
#define ROW_TABLE cpu_row_avx2
#include "backends/cpu/row_body.h"

/* SPDX-License-Identifier: Apache-2.0 */
#define LM_VEC_LANES 4
#define ROW_TABLE cpu_row_portable
#include "backends/cpu/row_body.h"

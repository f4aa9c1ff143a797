/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_BENCH_H
#define LM_CMD_BENCH_H
/**
 * `llmserve bench NAME`: one file each, one of these tables, one row in bench.c.
 */
#include "cmd/llmserve/command.h"

extern const struct lm_command lm_bench_serve, lm_bench_throughput, lm_bench_latency, lm_bench_startup, lm_bench_kernels;
#endif

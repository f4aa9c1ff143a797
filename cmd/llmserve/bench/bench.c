/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve bench: the list of benchmarks. */
#include "cmd/llmserve/bench/bench.h"

static const struct lm_command *const benches[] = {&lm_bench_serve, &lm_bench_throughput, &lm_bench_latency, &lm_bench_startup, &lm_bench_kernels, NULL};

const struct lm_command lm_command_bench = {
    .name = "bench", .usage = "NAME ...", .help = "measure a server, or a model in this process", .sub = benches,
};

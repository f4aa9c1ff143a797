/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics.h"
#include "tests/suite.h"

#include <stdlib.h>

static struct lm_bytes written(const struct lm_model_metrics *m, const char *name)
{
    static const struct lm_msg_hello hello = {.block_size = 16, .n_block = 8};
    const struct lm_metrics_model row = {name, m, &hello, "auto", true, true};
    const struct lm_metrics_route routes[] = {{"GET", "/health", {0, 0, 3, 0, 1}}};
    struct lm_bytes b = {0};
    lm_metrics_write(&row, 1, routes, 1, 1e9, &b);
    ck_assert(!b.failed);
    return b;
}

static void check_has(const struct lm_bytes *b, const char *line)
{
    ck_assert_msg(strstr(b->data, line) != NULL, "missing: %s", line);
}

START_TEST(test_api_metrics__buckets_are_cumulative_and_a_bound_belongs_to_its_bucket)
{
    struct lm_model_metrics m = {0};
    lm_hist_add(&m, LM_HIST_N, 1);
    lm_hist_add(&m, LM_HIST_N, 2);
    lm_hist_add(&m, LM_HIST_N, 3);
    lm_hist_add(&m, LM_HIST_N, 1000);
    struct lm_bytes b = written(&m, "m");
    check_has(&b, "vllm:request_params_n_bucket{engine=\"0\",model_name=\"m\",le=\"1.0\"} 1\n");
    check_has(&b, "vllm:request_params_n_bucket{engine=\"0\",model_name=\"m\",le=\"2.0\"} 2\n");
    check_has(&b, "vllm:request_params_n_bucket{engine=\"0\",model_name=\"m\",le=\"5.0\"} 3\n");
    check_has(&b, "vllm:request_params_n_bucket{engine=\"0\",model_name=\"m\",le=\"+Inf\"} 4\n");
    check_has(&b, "vllm:request_params_n_sum{engine=\"0\",model_name=\"m\"} 1006\n");
    check_has(&b, "http_requests_total{handler=\"/health\",method=\"GET\",status=\"2xx\"} 3\n");
    check_has(&b, "http_requests_total{handler=\"/health\",method=\"GET\",status=\"4xx\"} 1\n");
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_api_metrics__counters_outlive_their_engine)
{
    struct lm_model_metrics m = {.last = {.n_preempted = 3, .n_prefix_hit_tok = 7, .n_running = 5, .step_tok_hist = {1, 1, [14] = 2},
                                          .n_draft = 3, .n_draft_tok = 9, .n_accepted_tok = 5, .accepted_at = {3, 2}}};
    lm_metrics_engine_lost(&m);
    m.last.n_preempted = 1;
    m.last.n_draft = m.last.n_draft_tok = m.last.n_accepted_tok = m.last.accepted_at[0] = 1;
    m.last.step_tok_hist[0] = 4;
    struct lm_bytes b = written(&m, "m");
    check_has(&b, "vllm:num_preemptions_total{engine=\"0\",model_name=\"m\"} 4\n");
    check_has(&b, "vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"m\"} 7\n");
    check_has(&b, "vllm:spec_decode_num_drafts_total{engine=\"0\",model_name=\"m\"} 4\n");
    check_has(&b, "vllm:spec_decode_num_draft_tokens_total{engine=\"0\",model_name=\"m\"} 10\n");
    check_has(&b, "vllm:spec_decode_num_accepted_tokens_total{engine=\"0\",model_name=\"m\"} 6\n");
    check_has(&b, "vllm:spec_decode_num_accepted_tokens_per_pos_total{engine=\"0\",model_name=\"m\",position=\"0\"} 4\n");
    check_has(&b, "vllm:spec_decode_num_accepted_tokens_per_pos_total{engine=\"0\",model_name=\"m\",position=\"1\"} 2\n");
    check_has(&b, "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 0\n");
    check_has(&b, "vllm:iteration_tokens_total_bucket{engine=\"0\",model_name=\"m\",le=\"1.0\"} 5\n");
    check_has(&b, "vllm:iteration_tokens_total_bucket{engine=\"0\",model_name=\"m\",le=\"16384.0\"} 6\n");
    check_has(&b, "vllm:iteration_tokens_total_count{engine=\"0\",model_name=\"m\"} 8\n");
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_api_metrics__labels_are_escaped)
{
    struct lm_model_metrics m = {0};
    struct lm_bytes b = written(&m, "a\"b\\c\nd");
    check_has(&b, "vllm:num_requests_running{engine=\"0\",model_name=\"a\\\"b\\\\c\\nd\"} 0\n");
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("api/metrics", test_api_metrics__buckets_are_cumulative_and_a_bound_belongs_to_its_bucket,
           test_api_metrics__counters_outlive_their_engine, test_api_metrics__labels_are_escaped)

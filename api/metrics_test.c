/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics.h"
#include "tests/suite.h"

#include <stdlib.h>

static unsigned names = LM_METRICS_CURRENT;

static struct lm_bytes written(const struct lm_model_metrics *m, const char *name)
{
    static const struct lm_msg_hello hello = {.block_size = 16, .n_block = 8};
    const struct lm_metrics_model row = {.name = name, .m = m, .hello = &hello, .cache_dtype = "auto", .prefix_caching = true, .n_up = 1, .names = names};
    struct lm_metrics_route routes[] = {{.method = "GET", .handler = "/health"}};
    static const int statuses[] = {200, 204, 200, 404};
    for (size_t i = 0; i < 4; i++)
        lm_metrics_route_add(&routes[0], statuses[i], 0.04 * (double)(i * i + 1));
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

START_TEST(test_api_metrics__both_generations_of_names)
{
    static const char *const shared[] = {"vllm:num_requests_running{", "vllm:time_to_first_token_seconds_bucket{", "vllm:prompt_tokens_total{",
                                         "vllm:prompt_tokens_by_source_total{engine=\"0\",model_name=\"m\",source=\"local_cache_hit\"} 40\n"};
    static const char *const current[] = {"vllm:kv_cache_usage_perc{", "vllm:prefix_cache_hits_total{", "vllm:inter_token_latency_seconds_bucket{"};
    static const char *const old[] = {"vllm:gpu_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.5\n", "vllm:gpu_prefix_cache_hit_rate{engine=\"0\",model_name=\"m\"} 0.25\n",
                                      "vllm:time_per_output_token_seconds_bucket{", "vllm:tokens_total{engine=\"0\",model_name=\"m\"} 107\n",
                                      "vllm:spec_decode_draft_acceptance_rate{engine=\"0\",model_name=\"m\"} 0.75\n", "vllm:spec_decode_num_emitted_tokens_total{engine=\"0\",model_name=\"m\"} 5\n",
                                      "vllm:spec_decode_efficiency{engine=\"0\",model_name=\"m\"} 0.83333333333333337\n"};
    struct lm_model_metrics m = {.n_prompt_tok = 100, .n_prompt_cached_tok = 40, .n_output_tok = 7,
                                 .last = {.n_block = 8, .n_block_used = 4, .n_prefix_query_tok = 40, .n_prefix_hit_tok = 10, .n_draft = 1, .n_draft_tok = 3},
                                 .past = {.n_draft = 1, .n_draft_tok = 1, .n_accepted_tok = 3}};
    for (names = 1; names <= 3; names++) {
        struct lm_bytes b = written(&m, "m");
        for (size_t i = 0; i < 4; i++)
            check_has(&b, shared[i]);
        for (size_t i = 0; i < 3; i++)
            ck_assert_msg((strstr(b.data, current[i]) != NULL) == ((names & LM_METRICS_CURRENT) != 0), "%u %s", names, current[i]);
        for (size_t i = 0; i < sizeof old / sizeof *old; i++)
            ck_assert_msg((strstr(b.data, old[i]) != NULL) == ((names & LM_METRICS_OLD) != 0), "%u %s", names, old[i]);
        lm_bytes_fini(&b);
    }
    names = LM_METRICS_CURRENT;
}
END_TEST

START_TEST(test_api_metrics__durations_and_rates)
{
    struct lm_model_metrics m = {0};
    lm_metrics_rates(&m, 1000000);
    m.n_output_tok = 50;
    lm_metrics_rates(&m, 3000000);
    ck_assert_double_eq(m.output_tok_per_s, 0);
    lm_metrics_rates(&m, 11000000);
    ck_assert_double_eq(m.output_tok_per_s, 5);
    struct lm_bytes b = written(&m, "m");
    check_has(&b, "http_request_duration_seconds_bucket{handler=\"/health\",method=\"GET\",le=\"0.1\"} 2\n");
    check_has(&b, "http_request_duration_seconds_bucket{handler=\"/health\",method=\"GET\",le=\"0.5\"} 4\n");
    check_has(&b, "http_request_duration_seconds_count{handler=\"/health\",method=\"GET\"} 4\n");
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
           test_api_metrics__counters_outlive_their_engine, test_api_metrics__labels_are_escaped,
           test_api_metrics__both_generations_of_names, test_api_metrics__durations_and_rates)

/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics, random numbers, data sets, figures and plots of the benchmarks, without a server. */
#include "cmd/llmserve/bench/metrics.h"
#include "cmd/llmserve/bench/plot.h"
#include "cmd/llmserve/bench/random.h"
#include "tests/suite.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

START_TEST(test_bench_series__figures_are_numpys)
{
    /* numpy.percentile([4, 1, 3, 2, 10], p), mean and std */
    static const double v[] = {4, 1, 3, 2, 10}, p[] = {0, 10, 25, 50, 90, 99, 100}, want[] = {1, 1.4, 2, 3, 7.6, 9.76, 10};
    struct lm_series s = {0};
    ck_assert(lm_series_percentile(&s, 50) == 0 && lm_series_mean(&s) == 0);
    for (size_t i = 0; i < 5; i++)
        lm_series_add(&s, v[i]);
    for (size_t i = 0; i < sizeof p / sizeof *p; i++)
        ck_assert_msg(fabs(lm_series_percentile(&s, p[i]) - want[i]) < 1e-12, "%g: %g", p[i], lm_series_percentile(&s, p[i]));
    ck_assert(lm_series_mean(&s) == 4 && fabs(lm_series_std(&s) - sqrt(10)) < 1e-12);
    lm_series_add(&s, 0);
    ck_assert(lm_series_percentile(&s, 0) == 0);
    lm_series_fini(&s);
}
END_TEST

START_TEST(test_bench_random__gamma_has_its_mean_and_variance)
{
    static const double shape[] = {0.3, 1, 2.5, 20};
    for (size_t k = 0; k < 4; k++) {
        struct lm_random r = {7};
        struct lm_series s = {0};
        for (int i = 0; i < 40000; i++)
            lm_series_add(&s, lm_random_gamma(&r, shape[k]));
        ck_assert_msg(fabs(lm_series_mean(&s) / shape[k] - 1) < 0.04, "%g: mean %g", shape[k], lm_series_mean(&s));
        ck_assert_msg(fabs(lm_series_std(&s) / sqrt(shape[k]) - 1) < 0.05, "%g: std %g", shape[k], lm_series_std(&s));
        lm_series_fini(&s);
    }
}
END_TEST

/* A counter with a BOS, and two tokens for each word that ends in 'e'. */
static int count(void *arg, const char *text, size_t n, size_t *out, struct lm_err *err)
{
    size_t words = n > 0, twos = n && text[n - 1] == 'e';
    for (size_t i = 0; i < n; i++) {
        words += text[i] == ' ';
        twos += text[i] == ' ' && text[i - 1] == 'e';
    }
    *out = 1 + words + twos;
    return 0;
}

static const struct lm_dataset base = {.name = "random", .n = 20, .seed = 3, .input_len = 50, .output_len = 10, .rep_prefix_len = 30, .rep_suffix_len = 5,
                                       .rep_n = 4, .rep_output_len = 6, .custom_output_len = 9};

START_TEST(test_bench_dataset__random_prompts_have_the_length_asked_for_and_differ)
{
    const struct lm_counter counter = {count, NULL};
    struct lm_samples s, again;
    ck_assert_int_eq(lm_dataset_make(&base, &counter, &s, NULL), 0);
    ck_assert_int_eq(lm_dataset_make(&base, &counter, &again, NULL), 0);
    ck_assert_uint_eq(s.n, 20);
    for (size_t i = 0; i < s.n; i++) {
        size_t n;
        count(NULL, s.at[i].prompt, strlen(s.at[i].prompt), &n, NULL);
        ck_assert_uint_eq(s.at[i].n_prompt, n);
        ck_assert_msg(n >= 49 && n <= 51 && s.at[i].n_output == 10, "%zu tokens", n);
        ck_assert_str_eq(s.at[i].prompt, again.at[i].prompt);
        for (size_t k = 0; k < i; k++)
            ck_assert(strncmp(s.at[i].prompt, s.at[k].prompt, 20) != 0);
    }
    lm_samples_fini(&s);
    lm_samples_fini(&again);
}
END_TEST

START_TEST(test_bench_dataset__lengths_spread_and_prefixes_are_shared)
{
    struct lm_dataset d = base;
    struct lm_samples s;
    size_t least = 1000, most = 0;
    d.n = 200;
    d.range_ratio = 0.5;
    d.shared_len = 8;
    ck_assert_int_eq(lm_dataset_make(&d, NULL, &s, NULL), 0);
    for (size_t i = 0; i < s.n; i++) {
        least = s.at[i].n_prompt < least ? s.at[i].n_prompt : least;
        most = s.at[i].n_prompt > most ? s.at[i].n_prompt : most;
        ck_assert(strncmp(s.at[i].prompt, s.at[0].prompt, 24) == 0);
    }
    ck_assert_msg(least >= 33 && least < 40 && most > 76 && most <= 83, "%zu to %zu", least, most);
    lm_samples_fini(&s);
    d = base;
    d.name = "prefix";
    ck_assert_int_eq(lm_dataset_make(&d, NULL, &s, NULL), 0);
    ck_assert(strncmp(s.at[0].prompt, s.at[4].prompt, 90) == 0 && strncmp(s.at[0].prompt, s.at[1].prompt, 90) != 0);
    ck_assert(s.at[0].n_prompt == 35 && strcmp(s.at[0].prompt, s.at[4].prompt) != 0);
    lm_samples_fini(&s);
}
END_TEST

static char *temp_file(const char *text)
{
    static char path[32];
    strcpy(path, "bench_test.XXXXXX");
    int fd = mkstemp(path);
    ck_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return path;
}

START_TEST(test_bench_dataset__files_are_read_and_what_does_not_fit_left_out)
{
    struct lm_dataset d = base;
    struct lm_samples s;
    struct lm_err err;
    const struct lm_counter counter = {count, NULL};
    d.name = "sharegpt";
    d.n = 5;
    d.path = temp_file("[{\"conversations\":[{\"from\":\"human\",\"value\":\"what is it that you want\"},{\"from\":\"gpt\",\"value\":\"four words or so\"}]},"
                       "{\"conversations\":[{\"value\":\"a\"},{\"value\":\"too short a prompt it is\"}]},{\"conversations\":[{\"value\":\"no answer to this one\"}]},{}]");
    ck_assert_int_eq(lm_dataset_make(&d, &counter, &s, &err), 0);
    for (size_t i = 0; i < 5; i++)
        ck_assert(s.n == 5 && strcmp(s.at[i].prompt, "what is it that you want") == 0 && s.at[i].n_prompt == 7 && s.at[i].n_output == 5);
    lm_samples_fini(&s);
    unlink(d.path);
    d.path = temp_file("[{\"conversations\":[]}]");
    ck_assert_int_eq(lm_dataset_make(&d, &counter, &s, &err), LM_EINVAL);
    unlink(d.path);
    d.name = "custom";
    d.path = temp_file("{\"prompt\": \"one\"}\n{\"prompt\": \"two\"}\n");
    ck_assert_int_eq(lm_dataset_make(&d, &counter, &s, &err), 0);
    ck_assert(strcmp(s.at[2].prompt, "one") == 0 && strcmp(s.at[3].prompt, "two") == 0 && s.at[0].n_output == 9);
    lm_samples_fini(&s);
    unlink(d.path);
    d.path = temp_file("{\"prompt\": \"one\"}\n{\"text\": \"two\"}\n");
    ck_assert_int_eq(lm_dataset_make(&d, &counter, &s, &err), LM_EFORMAT);
    ck_assert_msg(strstr(err.msg, ":2: no {") != NULL, "%s", err.msg);
    unlink(d.path);
    d.path = NULL;
    ck_assert_int_eq(lm_dataset_make(&d, &counter, &s, &err), LM_EINVAL);
}
END_TEST

/* Two answers of known times and one that failed. */
static void make_outputs(struct lm_output out[3])
{
    memset(out, 0, 3 * sizeof *out);
    out[0] = (struct lm_output){.ok = true, .start_us = 1000000, .ttft_s = 0.1, .latency_s = 0.5, .n_prompt = 10, .n_output = 3};
    lm_series_add(&out[0].itl_s, 0.1);
    lm_series_add(&out[0].itl_s, 0.3);
    out[1] = (struct lm_output){.ok = true, .start_us = 1200000, .ttft_s = 0.3, .latency_s = 2.3, .n_prompt = 20, .n_output = 2};
    lm_series_add(&out[1].itl_s, 2.0);
    lm_fail(&out[2].err, LM_EIO, "status 500");
}

START_TEST(test_bench_metrics__figures_and_block_are_those_of_vllm)
{
    static const double p99 = 99;
    const struct lm_shown shown = {{true, true, true, true}, &p99, 1};
    const struct lm_goodput good = {{200, -1, -1, 1000}};
    struct lm_output out[3];
    struct lm_metrics m = {.rate = INFINITY, .max_concurrency = 2};
    struct lm_bytes text = {0};
    make_outputs(out);
    lm_metrics_make(out, 3, 2.5, &good, &m);
    ck_assert(m.n_ok == 2 && m.n_failed == 1 && m.n_input == 30 && m.n_output == 5 && m.peak_concurrent == 2);
    ck_assert(fabs(m.goodput - 0.4) < 1e-12 && m.peak_output == 4);
    lm_metrics_text(&m, &shown, &text);
    static const char *const line[] = {
        "============ Serving Benchmark Result ============\n",
        "Successful requests:                     2         \n", "Failed requests:                         1         \n",
        "Maximum request concurrency:             2         \n", "Benchmark duration (s):                  2.50      \n",
        "Total input tokens:                      30        \n", "Total generated tokens:                  5         \n",
        "Request throughput (req/s):              0.80      \n", "Request goodput (req/s):                 0.40      \n",
        "Output token throughput (tok/s):         2.00      \n", "Peak output token throughput (tok/s):    4.00      \n",
        "Peak concurrent requests:                2.00      \n", "Total token throughput (tok/s):          14.00     \n",
        "---------------Time to First Token----------------\n", "Mean TTFT (ms):                          200.00    \n",
        "P99 TTFT (ms):                           298.00    \n", "-----Time per Output Token (excl. 1st token)------\n",
        "Mean TPOT (ms):                          1100.00   \n", "---------------Inter-token Latency----------------\n",
        "Mean ITL (ms):                           800.00    \n", "Median ITL (ms):                         300.00    \n",
        "----------------End-to-end Latency----------------\n", "Mean E2EL (ms):                          1400.00   \n",
        "==================================================\n",
    };
    const char *at = text.data;
    for (size_t i = 0; i < sizeof line / sizeof *line; i++) {
        const char *found = strstr(at, line[i]);
        ck_assert_msg(found != NULL, "no '%s' in\n%s", line[i], at);
        at = found;
    }
    ck_assert(!strstr(text.data, "Request rate configured"));
    lm_bytes_fini(&text);
    lm_metrics_fini(&m);
    lm_outputs_fini(out, 3);
}
END_TEST

START_TEST(test_bench_metrics__json_has_the_keys_of_vllm)
{
    static const double p[] = {50, 99.9};
    static const char *const key[] = {"duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput", "request_goodput",
        "output_throughput", "total_token_throughput", "input_lens", "output_lens", "ttfts", "itls", "start_times", "generated_texts", "errors",
        "max_output_tokens_per_s", "max_concurrent_requests", "mean_ttft_ms", "median_ttft_ms", "std_ttft_ms", "p50_ttft_ms", "p99.9_ttft_ms", "mean_e2el_ms"};
    const struct lm_shown shown = {{true, false, false, true}, p, 2};
    struct lm_output out[3];
    struct lm_metrics m = {.rate = INFINITY};
    make_outputs(out);
    lm_metrics_make(out, 3, 2.5, &(struct lm_goodput){{-1, -1, -1, -1}}, &m);
    json_t *root = lm_metrics_json(&m, &shown, out, 3);
    for (size_t i = 0; i < sizeof key / sizeof *key; i++)
        ck_assert_msg(json_object_get(root, key[i]) != NULL, "%s", key[i]);
    ck_assert(!json_object_get(root, "mean_tpot_ms") && json_is_null(json_object_get(root, "request_goodput")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(root, "errors"), 2)), "status 500");
    ck_assert(json_real_value(json_array_get(json_array_get(json_object_get(root, "itls"), 0), 1)) == 0.3);
    json_decref(root);
    lm_metrics_fini(&m);
    lm_outputs_fini(out, 3);
}
END_TEST

START_TEST(test_bench_plot__svg_has_a_mark_for_each_point_inside_the_frame)
{
    static const double x[] = {1, 2, 4}, y[] = {10, 30, 95};
    const struct lm_plot_panel panel = {"A <title> & more", "x", "y", {{"line", x, y, 3}, {"other", x, y, 2}}, 2};
    struct lm_bytes b = {0};
    size_t n = 0;
    lm_plot_svg(&panel, 1, &b);
    for (const char *s = b.data; (s = strstr(s, "<circle cx=\"")); n++) {
        double cx = strtod(s += 12, NULL), cy = strtod(strstr(s, "cy=\"") + 4, NULL);
        ck_assert_msg(cx >= 80 && cx <= 600 && cy >= 40 && cy <= 270, "%g %g", cx, cy);
    }
    ck_assert_uint_eq(n, 5);
    ck_assert(strstr(b.data, "A &#60;title&#62; &#38; more") && strstr(b.data, ">100</text>") && strstr(b.data, "</svg>\n"));
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("llmserve/bench", test_bench_series__figures_are_numpys, test_bench_random__gamma_has_its_mean_and_variance,
           test_bench_dataset__random_prompts_have_the_length_asked_for_and_differ, test_bench_dataset__lengths_spread_and_prefixes_are_shared,
           test_bench_dataset__files_are_read_and_what_does_not_fit_left_out, test_bench_metrics__figures_and_block_are_those_of_vllm,
           test_bench_metrics__json_has_the_keys_of_vllm, test_bench_plot__svg_has_a_mark_for_each_point_inside_the_frame)

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/command.h"
#include "tests/suite.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the command prints on standard output; its status in *out_status. The caller frees. */
static char *output(int argc, const char *const *flag, int *out_status)
{
    char copy[4][512], *argv[6] = {copy[3]};
    int saved = dup(1);
    FILE *to = tmpfile();
    ck_assert(saved >= 0 && to);
    strcpy(copy[3], "devices");
    for (int i = 0; i < argc; i++) {
        snprintf(copy[i], sizeof copy[i], "%s", flag[i]);
        argv[i + 1] = copy[i];
    }
    ck_assert_int_eq(dup2(fileno(to), 1), 1);
    *out_status = lm_command_devices.run(argc + 1, argv);
    ck_assert_int_eq(dup2(saved, 1), 1);
    close(saved);
    long n = lseek(fileno(to), 0, SEEK_END);
    char *text = calloc(1, (size_t)n + 1);
    ck_assert(text && pread(fileno(to), text, (size_t)n, 0) == n);
    fclose(to);
    return text;
}

START_TEST(test_llmserve_devices__text_names_each_device_and_why_a_plugin_is_unusable)
{
    const char *const flag[] = {"--plugin-dir=" TEST_PLUGIN_DIR};
    int status;
    char *text = output(1, flag, &status);
    ck_assert_int_eq(status, 0);
    ck_assert_msg(strstr(text, "[fault:cpu:0] toy device, none, 1.0 GiB\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "[abi] cannot be used: ") != NULL, "%s", text);
    free(text);
}
END_TEST

START_TEST(test_llmserve_devices__json_says_the_same)
{
    const char *const flag[] = {"--json", "--plugin-dir=" TEST_PLUGIN_DIR};
    int status, n_problem = 0, n_usable = 0;
    char *text = output(2, flag, &status);
    json_error_t error;
    json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, &error), *plugin, *device;
    size_t i, j;
    ck_assert_int_eq(status, 0);
    ck_assert_msg(json_is_array(list), "%s: %s", error.text, text);
    json_array_foreach(list, i, plugin) {
        ck_assert(json_is_string(json_object_get(plugin, "backend")));
        n_problem += json_is_string(json_object_get(plugin, "problem"));
        json_array_foreach(json_object_get(plugin, "devices"), j, device) {
            n_usable += json_is_true(json_object_get(device, "usable"));
            ck_assert_int_eq(json_integer_value(json_object_get(device, "index")), (json_int_t)j);
            ck_assert_int_eq(json_integer_value(json_object_get(device, "mem_bytes")), 1 << 30);
        }
    }
    ck_assert_int_eq(n_problem, 5);
    ck_assert_int_eq(n_usable, 2);
    json_decref(list);
    free(text);
}
END_TEST

START_TEST(test_llmserve_devices__wrong_arguments_and_no_device_make_the_status)
{
    const char *const unknown[] = {"--jsn"}, *const extra[] = {"x"}, *const none[] = {"--plugin-dir=/nonexistent"}, *const relative[] = {"--plugin-dir=plugins"};
    const struct { const char *const *flag; int status; } bad[] = {{unknown, 78}, {extra, 2}, {none, 1}, {relative, 78}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status;
        char *text = output(1, bad[i].flag, &status);
        ck_assert_int_eq(status, bad[i].status);
        ck_assert_str_eq(text, "");
        free(text);
    }
}
END_TEST

SUITE_MAIN("llmserve/devices", test_llmserve_devices__text_names_each_device_and_why_a_plugin_is_unusable,
           test_llmserve_devices__json_says_the_same, test_llmserve_devices__wrong_arguments_and_no_device_make_the_status)

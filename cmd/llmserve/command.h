/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_COMMAND_H
#define LM_CMD_COMMAND_H
/**
 * A subcommand of the tool `llmserve`: one file, one of these tables, one row in main.c.
 *
 * run gets argv[0] = the subcommand's name; returns the exit status: 0, 1 failed, 2 wrong usage, 78 configuration.
 */
struct lm_command {
    const char *name;  /* "tokenize" */
    const char *usage; /* "--model FILE [--add-special] < TEXT" */
    const char *help;  /* one line */
    int (*run)(int argc, char **argv);
};

extern const struct lm_command lm_command_devices, lm_command_run, lm_command_inspect, lm_command_tokenize,
    lm_command_detokenize, lm_command_render, lm_command_check_config, lm_command_schema_check,
    lm_command_quantize;
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The tool: finds the subcommand and runs it. */
#include "cmd/llmserve/command.h"
#include "config.h"

#include <stdio.h>
#include <string.h>

static const struct lm_command *const commands[] = {
    &lm_command_devices, &lm_command_run, &lm_command_inspect, &lm_command_tokenize,
    &lm_command_detokenize, &lm_command_render, &lm_command_check_config, &lm_command_schema_check,
    &lm_command_quantize,
};

static int usage(FILE *f, int status)
{
    fputs("usage: llmserve COMMAND [ARGUMENTS]\n\n", f);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(f, "  %-13s %s\n", commands[i]->name, commands[i]->help);
    fputs("\n'llmserve COMMAND --help' shows a command's arguments; llmserved(8) is the server.\n", f);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, 2);
    if (strcmp(argv[1], "--version") == 0)
        return printf("llmserve %s\n", PACKAGE_VERSION) < 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, 0);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i]->name) != 0)
            continue;
        if (argc > 2 && strcmp(argv[2], "--help") == 0)
            return printf("usage: llmserve %s %s\n\n%s\n", commands[i]->name, commands[i]->usage, commands[i]->help) < 0;
        return commands[i]->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "llmserve: unknown command '%.40s'; 'llmserve --help' lists them\n", argv[1]);
    return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The list of subcommands, and what is said about all of them. */
#include "cmd/llmserve/command.h"

const struct lm_command *const lm_commands[] = {
    &lm_command_run, &lm_command_chat, &lm_command_complete, &lm_command_batch, &lm_command_bench, &lm_command_perplexity,
    &lm_command_devices, &lm_command_doctor, &lm_command_inspect, &lm_command_quantize, &lm_command_tokenize, &lm_command_detokenize,
    &lm_command_render, &lm_command_schema_check, &lm_command_check_config, &lm_command_completion, NULL,
};

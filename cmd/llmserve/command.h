/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_COMMAND_H
#define LM_CMD_COMMAND_H
/**
 * A subcommand of the tool `llmserve`: one file, one of these tables, one row in commands.c. A table with `sub` has
 * subcommands of its own (bench).
 *
 * run gets argv[0] = the subcommand's name; returns the exit status: 0, 1 failed, 2 wrong usage, 78 configuration.
 */
#include "cmd/llmserve/options.h"
#include "conf/conf.h"

enum { LM_EXIT_FAILED = 1, LM_EXIT_USAGE = 2, LM_EXIT_CONFIG = 78 };

struct lm_command {
    const char *name;  /* "tokenize" */
    const char *usage; /* the operands: "IN OUT", "< TEXT"; "" */
    const char *help;  /* one line, no full stop */
    int (*run)(int argc, char **argv);
    struct lm_options options;
    bool knobs;        /* takes every flag of a model and of the server, too */
    const char *about; /* further sentences for --help and the man page; NULL: none */
    const struct lm_command *const *sub; /* NULL-terminated; run is unused then */
};

/** All subcommands, NULL at the end. */
extern const struct lm_command *const lm_commands[];

/** The command called name in a list; NULL: none. */
const struct lm_command *lm_command_find(const struct lm_command *const *list, const char *name);

/** Print `usage: …` of a command to f. path: "bench serve". */
void lm_command_usage(const struct lm_command *c, const char *path, FILE *f);

/**
 * The arguments of a command with `knobs` and no operands: its options into args (as its rows say), the environment and the flags into c.
 *
 * c        its fini is the caller's, whatever comes back
 */
int lm_command_settings(const struct lm_command *command, void *args, struct lm_conf *c, int argc, char **argv, struct lm_err *err);

/** Say what is wrong on standard error, in one line: what a model's files say may be in it, control characters too. */
void lm_command_complain(const char *path, const struct lm_err *err);

/** The same, and return the exit status that rc asks for; 0, and nothing said, when rc is 0. */
int lm_command_end(const char *path, int rc, const struct lm_err *err);

/** Write the rows for a shell ("bash", "zsh", "fish") or as the COMMANDS of the man page ("man"). false: none of these. */
bool lm_completion_write(const char *form, struct lm_bytes *out);

extern const struct lm_command lm_command_devices, lm_command_run, lm_command_inspect, lm_command_tokenize,
    lm_command_detokenize, lm_command_render, lm_command_check_config, lm_command_schema_check,
    lm_command_quantize, lm_command_bench, lm_command_batch, lm_command_chat, lm_command_complete,
    lm_command_perplexity, lm_command_doctor, lm_command_completion;
#endif

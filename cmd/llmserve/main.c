/* SPDX-License-Identifier: Apache-2.0 */
/* The tool: finds the subcommand and runs it. */
#include "cmd/llmserve/command.h"
#include "config.h"

static void list(const struct lm_command *const *c, FILE *f)
{
    fputs("\n", f);
    for (; *c; c++)
        fprintf(f, "  %-13s %s\n", (*c)->name, (*c)->help);
}

static int usage(FILE *f, int status)
{
    fputs("usage: llmserve COMMAND [ARGUMENTS]\n", f);
    list(lm_commands, f);
    fputs("\n'llmserve COMMAND --help' shows a command's arguments; llmserved(8) is the server.\n", f);
    return status;
}

static int help(const struct lm_command *c, const char *path)
{
    struct lm_bytes text = {0};
    lm_command_usage(c, path, stdout);
    printf("\n%s\n", c->help);
    if (c->about)
        printf("\n%s\n", c->about);
    if (c->sub)
        list(c->sub, stdout);
    lm_options_help(&c->options, &text);
    if (text.len)
        printf("\n%s", text.data);
    if (c->knobs)
        puts("\nFlags of llmserved are taken too: 'llmserved --help' lists them.");
    lm_bytes_fini(&text);
    return fflush(stdout) ? LM_EXIT_FAILED : 0;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

/* The command that argv[0] names among `among`; path is what stands before it. */
static int dispatch(const struct lm_command *const *among, const char *path, int argc, char **argv)
{
    char here[64];
    const struct lm_command *c = lm_command_find(among, argv[0]);
    if (!c) {
        fprintf(stderr, "llmserve: unknown command '%s%.40s'; 'llmserve %s--help' lists them\n", path, argv[0], path);
        return LM_EXIT_USAGE;
    }
    snprintf(here, sizeof here, "%s%s", path, c->name);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]) && (!c->sub || i == 1))
            return help(c, here);
    if (!c->sub)
        return c->run(argc, argv);
    if (argc < 2) {
        lm_command_usage(c, here, stderr);
        list(c->sub, stderr);
        return LM_EXIT_USAGE;
    }
    snprintf(here, sizeof here, "%s%s ", path, c->name);
    return dispatch(c->sub, here, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, LM_EXIT_USAGE);
    if (strcmp(argv[1], "--version") == 0)
        return printf("llmserve %s\n", PACKAGE_VERSION) < 0;
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0)
        return usage(stdout, 0);
    return dispatch(lm_commands, "", argc - 1, argv + 1);
}

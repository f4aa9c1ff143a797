/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/command.h"

const struct lm_command *lm_command_find(const struct lm_command *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp((*list)->name, name) == 0)
            return *list;
    return NULL;
}

void lm_command_usage(const struct lm_command *c, const char *path, FILE *f)
{
    fprintf(f, "usage: llmserve %s%s%s%s%s\n", path, c->options.n ? " [OPTIONS]" : "", c->knobs ? " [FLAGS OF llmserved]" : "",
            *c->usage ? " " : "", c->usage);
}

int lm_command_settings(const struct lm_command *command, void *args, struct lm_conf *c, int argc, char **argv, struct lm_err *err)
{
    int rc = lm_conf_init(c, err);
    if (!rc)
        rc = lm_options_read(&command->options, args, &argc, argv, command->knobs, err);
    if (!rc)
        rc = lm_conf_read_env(c, err);
    if (!rc)
        rc = lm_conf_read_flags(c, &argc, argv, err);
    return !rc && argc > 1 ? lm_fail(err, LM_EINVAL, "unexpected argument '%.60s'", argv[1]) : rc;
}

void lm_command_complain(const char *path, const struct lm_err *err)
{
    struct lm_err line = *err;
    for (char *s = line.msg; *s; s++)
        *s = (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s;
    fprintf(stderr, "llmserve %s: %s\n", path, line.msg);
}

int lm_command_end(const char *path, int rc, const struct lm_err *err)
{
    if (!rc)
        return 0;
    lm_command_complain(path, err);
    if (rc == LM_EINVAL)
        fprintf(stderr, "'llmserve %s --help' shows the options\n", path);
    return rc == LM_EINVAL ? LM_EXIT_USAGE : rc == LM_ECONFIG ? LM_EXIT_CONFIG : LM_EXIT_FAILED;
}

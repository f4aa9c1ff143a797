/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve check-config: read the configuration as llmserved would and say what is wrong. */
#include "cmd/llmserve/command.h"
#include "conf/conf.h"


static int run(int argc, char **argv)
{
    struct lm_conf c;
    struct lm_err err = {0};
    int rc = lm_conf_init(&c, &err);
    if (rc == 0)
        rc = lm_conf_load(&c, &argc, argv, &err);
    if (rc == 0 && argc > 1)
        rc = lm_fail(&err, LM_ECONFIG, "unexpected argument '%.60s'", argv[1]);
    if (rc) {
        fprintf(stderr, "llmserve check-config: %s\n", err.msg);
    } else {
        printf("%s: ok\n", *c.path ? c.path : "flags");
        for (size_t i = 0; i < c.n_model; i++)
            printf("model %s: %s on %s\n", c.model[i].name, c.model[i].path, c.model[i].backend);
    }
    lm_conf_fini(&c);
    return rc ? LM_EXIT_CONFIG : 0;
}

const struct lm_command lm_command_check_config = {
    .name = "check-config", .usage = "[--config FILE]", .help = "read the configuration as llmserved would and say what is wrong", .run = run,
    .knobs = true,
};

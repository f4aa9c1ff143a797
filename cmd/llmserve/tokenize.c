/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/token_io.h"
#include <getopt.h>
#include <stdlib.h>

static int tokenize(const char *path, unsigned flags, struct lm_bytes *out, struct lm_err *err)
{
    struct lm_tokenizer *t = NULL;
    struct lm_bytes text = {0};
    struct lm_tokens ids = {0};
    int rc = lm_tokenizer_open(path, &t, err);
    if (!rc)
        rc = token_io_read(&text, err);
    if (!rc)
        rc = lm_tokenizer_encode(t, text.data, text.len, flags, 0, &ids, err);
    lm_bytes_add_char(out, '[');
    for (size_t i = 0; i < ids.n; i++)
        lm_bytes_addf(out, i ? ",%d" : "%d", ids.id[i]);
    lm_bytes_add_str(out, "]\n");
    free(ids.id);
    lm_bytes_fini(&text);
    lm_tokenizer_destroy(t);
    return rc;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"add-special", no_argument, NULL, 'a'},
                                            {"parse-special", no_argument, NULL, 'p'},
                                            {0}};
    const char *path = NULL;
    unsigned flags = 0;
    bool wrong = false;
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == 'm')
            path = optarg;
        else if (c == '?')
            wrong = true;
        else
            flags |= c == 'a' ? LM_TOK_ADD_SPECIAL : LM_TOK_PARSE_SPECIAL;
    }
    if (wrong || !path || optind != argc) {
        fprintf(stderr, "usage: llmserve tokenize %s\n", lm_command_tokenize.usage);
        return 2;
    }
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    int status = token_io_end("tokenize", tokenize(path, flags, &out, &err), &out, &err);
    lm_bytes_fini(&out);
    return status;
}

const struct lm_command lm_command_tokenize = {
    .name = "tokenize",
    .usage = "--model PATH [--add-special] [--parse-special] < TEXT",
    .help = "print the token ids of a text as a JSON array",
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/token_io.h"
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

struct args {
    const char *model;
    bool add_special, parse_special;
};

static const struct lm_arg_row rows[] = {
    LM_TEXT(struct args, model, "model m", "PATH", "The model: a GGUF file, also one that holds only a vocabulary, a Hugging Face folder, a tokenizer.json or a tokenizer.model"),
    LM_FLAG(struct args, add_special, "add-special", "Put BOS and EOS where the model asks for them"),
    LM_FLAG(struct args, parse_special, "parse-special", "Text that spells a control token becomes that token"),
};

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_command_tokenize.options, &a, &argc, argv, false, &err);
    if (!rc && (!a.model || argc > 1))
        rc = lm_fail(&err, LM_EINVAL, a.model ? "unexpected argument" : "--model is needed");
    if (rc)
        return lm_command_end("tokenize", rc, &err);
    unsigned flags = (a.add_special ? LM_TOK_ADD_SPECIAL : 0u) | (a.parse_special ? LM_TOK_PARSE_SPECIAL : 0u);
    int status = token_io_end("tokenize", tokenize(a.model, flags, &out, &err), &out, &err);
    lm_bytes_fini(&out);
    return status;
}

const struct lm_command lm_command_tokenize = {
    .name = "tokenize", .usage = "< TEXT", .help = "print the token ids of a text as a JSON array", .run = run, .options = LM_OPTIONS(rows),
};

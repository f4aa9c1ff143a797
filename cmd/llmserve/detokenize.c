/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/token_io.h"
#include "runtime/base/json.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static int add_id(struct lm_tokens *ids, long long id, struct lm_err *err)
{
    if (id < 0 || id > INT32_MAX)
        return lm_fail(err, LM_EINVAL, "standard input: %lld is no token id", id);
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 256;
        int32_t *grown = realloc(ids->id, cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        ids->id = grown;
        ids->cap = cap;
    }
    ids->id[ids->n++] = (int32_t)id;
    return 0;
}

static int parse_json(const struct lm_bytes *text, struct lm_tokens *ids, struct lm_err *err)
{
    json_t *array = lm_json_load(text->data, text->len, 0, err), *id;
    size_t i;
    int rc = 0;
    if (!array)
        return lm_fail_in(err, LM_EINVAL, "standard input");
    json_array_foreach(array, i, id) {
        if (rc)
            break;
        rc = json_is_integer(id) ? add_id(ids, json_integer_value(id), err)
                                 : lm_fail(err, LM_EINVAL, "standard input: element %zu is no token id", i);
    }
    json_decref(array);
    return rc;
}

static int parse_words(const struct lm_bytes *text, struct lm_tokens *ids, struct lm_err *err)
{
    int rc = 0;
    for (const char *s = text->data; s && !rc;) {
        s += strspn(s, " \t\r\n");
        if (s == text->data + text->len)
            break;
        char *end;
        errno = 0;
        long long id = strtoll(s, &end, 10);
        if (end == s || errno || (*end && !isspace((unsigned char)*end)) || *s == '+')
            rc = lm_fail(err, LM_EINVAL, "standard input: '%.20s' is no token id", s);
        else
            rc = add_id(ids, id, err);
        s = end;
    }
    return rc;
}

static int detokenize(const char *path, unsigned flags, struct lm_bytes *out, struct lm_err *err)
{
    struct lm_tokenizer *t = NULL;
    struct lm_bytes text = {0};
    struct lm_tokens ids = {0};
    struct lm_detok d = {0};
    int rc = lm_tokenizer_open(path, &t, err);
    if (!rc)
        rc = token_io_read(&text, err);
    if (!rc && text.data && text.data[strspn(text.data, " \t\r\n")] == '[')
        rc = parse_json(&text, &ids, err);
    else if (!rc)
        rc = parse_words(&text, &ids, err);
    lm_bytes_clear(&text);
    if (!rc)
        rc = lm_tokenizer_decode(t, ids.id, ids.n, flags, &text, err);
    lm_detok_add(&d, text.data, text.len, out);
    lm_detok_finish(&d, out);
    free(ids.id);
    lm_bytes_fini(&text);
    lm_tokenizer_destroy(t);
    return rc;
}

struct args {
    const char *model;
    bool show_special;
};

static const struct lm_arg_row rows[] = {
    LM_TEXT(struct args, model, "model m", "PATH", "The model, as tokenize takes it"),
    LM_FLAG(struct args, show_special, "show-special", "Show control tokens as their text"),
};

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_command_detokenize.options, &a, &argc, argv, false, &err);
    if (!rc && (!a.model || argc > 1))
        rc = lm_fail(&err, LM_EINVAL, a.model ? "unexpected argument" : "--model is needed");
    if (rc)
        return lm_command_end("detokenize", rc, &err);
    int status = token_io_end("detokenize", detokenize(a.model, a.show_special ? LM_TOK_SHOW_SPECIAL : 0, &out, &err), &out, &err);
    lm_bytes_fini(&out);
    return status;
}

const struct lm_command lm_command_detokenize = {
    .name = "detokenize", .usage = "< IDS", .help = "print the text of token ids: a JSON array, or numbers between white space", .run = run,
    .options = LM_OPTIONS(rows),
};

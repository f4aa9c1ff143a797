/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve schema-check: which JSON texts a schema lets a model write. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/text.h"
#include "runtime/base/json.h"
#include "runtime/text/grammar/matcher.h"
#include "runtime/text/grammar/schema.h"

#include <errno.h>
#include <stdlib.h>

static int load(const char *path, struct lm_program **out, struct lm_err *err)
{
    static const struct lm_schema_options options;
    struct lm_bytes text = {0};
    json_t *schema = NULL;
    int rc = lm_text_read(path, &text, err) ? LM_EINVAL : 0;
    if (!rc && !(schema = lm_json_load(text.data, text.len, LM_JSON_ANY | LM_JSON_UNIQUE | LM_JSON_NUL, err)))
        rc = lm_fail_in(err, LM_EINVAL, "%.100s", path);
    if (!rc)
        rc = lm_schema_compile(schema, &options, out, err);
    json_decref(schema);
    lm_bytes_fini(&text);
    return rc;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* White space around the text is none of the schema's business. */
static bool accepts(struct lm_matcher *m, const char *s, size_t n)
{
    while (n && is_space(s[n - 1]))
        n--;
    while (n && is_space(*s))
        s++, n--;
    lm_matcher_restart(m);
    return lm_matcher_feed(m, s, n, false) && n && lm_matcher_accepts(m);
}

/* Answer every line; m NULL: nothing is valid. */
static int answer(struct lm_matcher *m, struct lm_err *err)
{
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;
    for (ssize_t n; !rc && (n = getline(&line, &cap, stdin)) >= 0;) {
        if (puts(m && accepts(m, line, (size_t)n) ? "accept" : "reject") < 0)
            rc = lm_fail(err, LM_EIO, "standard output: %s", strerror(errno));
        if (!m)
            continue;
        if (m->pool->failed)
            rc = lm_fail(err, LM_ENOMEM, "out of memory");
        m->now.n = 0;
        lm_frames_collect(m->pool, (struct lm_threads *const[]){&m->now}, 1);
    }
    if (!rc && ferror(stdin))
        rc = lm_fail(err, LM_EIO, "standard input: %s", strerror(errno));
    free(line);
    return rc;
}

static int check(const struct lm_program *program, struct lm_err *err)
{
    struct lm_frames *pool = NULL;
    struct lm_matcher m;
    if (!program)
        return answer(NULL, err);
    int rc = lm_frames_create(program, &pool, err);
    if (!rc && !(rc = lm_matcher_init(&m, pool, err))) {
        rc = answer(&m, err);
        lm_matcher_fini(&m);
    }
    lm_frames_destroy(pool);
    return rc;
}

struct args {
    const char *schema;
};

static const struct lm_arg_row rows[] = {
    LM_TEXT(struct args, schema, "schema", "FILE", "The JSON Schema (draft 2020-12)"),
};

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_program *program = NULL;
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_command_schema_check.options, &a, &argc, argv, false, &err);
    if (!rc && (!a.schema || argc > 1))
        rc = lm_fail(&err, LM_EINVAL, a.schema ? "unexpected argument" : "--schema is needed");
    if (rc)
        return lm_command_end("schema-check", rc, &err);
    rc = load(a.schema, &program, &err);
    if (rc && rc != LM_ENOTFOUND) { /* not found: a schema that nothing satisfies */
        fprintf(stderr, "llmserve schema-check: %s\n", err.msg);
        return 2;
    }
    rc = check(program, &err);
    if (rc)
        fprintf(stderr, "llmserve schema-check: %s\n", err.msg);
    lm_program_destroy(program);
    return rc ? 1 : 0;
}

const struct lm_command lm_command_schema_check = {
    .name = "schema-check",
    .usage = "< LINES",
    .help = "print accept or reject for each line, a JSON text; status 2: the schema is refused, with its keyword",
    .run = run,
    .options = LM_OPTIONS(rows),
    .about = "Compiles the schema as a request's response_format would be, and walks the automaton that token masks are made from. "
             "What it never writes is rejected too: an integer as 1.0, a number with bounds that has an exponent, more than 64 bytes "
             "of white space in a row, a key twice.",
};

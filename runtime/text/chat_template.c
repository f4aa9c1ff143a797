/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/chat_template.h"
#include "runtime/text/jinja/jeval.h"
#include <stdlib.h>

enum {
    MAX_TEMPLATE = 4 << 20,
    MAX_TREE = 256 << 20,
    MAX_OUT = 16 << 20,
    MAX_MEM = 64 << 20,
    MAX_STEPS = 10000000,
};

int lm_template_parse(const char *text, size_t n, struct lm_template **out, struct lm_err *err)
{
    if (n > MAX_TEMPLATE)
        return lm_fail(err, LM_ELIMIT, "the template is longer than %d bytes", MAX_TEMPLATE);
    struct lm_template *t = calloc(1, sizeof *t);
    struct lm_jparse *p = calloc(1, sizeof *p);
    int rc = t && p ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    if (rc)
        goto out;
    t->mem.limit = MAX_TREE;
    p->mem = &t->mem;
    p->err = err;
    rc = lm_jlex_split(&t->mem, text, n, &p->toks, err);
    if (!rc)
        rc = lm_jparse_template(p, &t->body);
    if (!rc)
        rc = lm_jscope_resolve(p, t);
    if (!rc)
        *out = t;
out:
    free(p);
    if (rc)
        lm_template_destroy(t);
    return rc;
}

void lm_template_destroy(struct lm_template *t)
{
    if (!t)
        return;
    lm_arena_fini(&t->mem);
    free(t);
}

static int run(struct lm_jctx *c, const struct lm_template *t, const json_t *vars)
{
    struct lm_jval v;
    int rc = lm_jval_from_json(c, vars, &v);
    if (rc)
        return rc;
    c->vars = v.d;
    rc = lm_jexec_begin(c, t->frame, NULL);
    return rc ? rc : lm_jexec_body(c, &t->body);
}

int lm_template_render(const struct lm_template *t, const json_t *vars, const struct lm_template_limits *limits,
                       struct lm_bytes *out, struct lm_err *err)
{
    const struct lm_template_limits none = {0}, *l = limits ? limits : &none;
    if (!json_is_object(vars))
        return lm_fail(err, LM_EINVAL, "the variables of a template must be an object");
    struct lm_jctx c = {.err = err, .now = l->now, .max_steps = l->max_steps ? l->max_steps : MAX_STEPS};
    c.mem.limit = c.tmp.limit = l->max_mem_bytes ? l->max_mem_bytes : MAX_MEM;
    c.out.limit = l->max_out_bytes ? l->max_out_bytes : MAX_OUT;
    int rc = run(&c, t, vars);
    if (rc && rc != LM_EINVAL && c.err_line)
        lm_fail_in(err, rc, "line %u", c.err_line);
    if (!rc) {
        lm_bytes_add(out, c.out.data, c.out.len);
        if (out->failed)
            rc = lm_fail(err, LM_ENOMEM, "out of memory for %zu rendered bytes", c.out.len);
    }
    lm_arena_fini(&c.mem);
    lm_bytes_fini(&c.tmp);
    lm_bytes_fini(&c.out);
    return rc;
}
